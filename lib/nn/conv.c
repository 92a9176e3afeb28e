/* Convolution, batch norm (Ioffe and Szegedy 2015) and activation as one block, and the inverted residual made of three
 * of them. Under training they are the separate operators; where no gradient is wanted and the running statistics
 * serve, the norm is folded into the weights once and one kernel does all three. */
#include "nn/nn.h"

#include <math.h>

void vla_nn_conv_init(vla_nn_conv *c, vla_maker *mk, const char *name, const vla_nn_conv_opts *o)
{
	char full[128];
	size_t k = o->kernel, in = o->depthwise ? 1 : o->in;
	float std = (float)sqrt(2.0 / (double)(k * k * in)); // Kaiming, fan in
	*c = (vla_nn_conv){ .o = *o, .ps = mk->ps };
	snprintf(full, sizeof full, "%s.conv", name);
	if (o->depthwise)
		c->w = vla_make(mk, VLA_FILL_NORMAL, std, full, "weight", 3, (size_t[]){ k, k, o->out });
	else
		c->w = vla_make(mk, VLA_FILL_NORMAL, std, full, "weight", 4, (size_t[]){ o->out, k, k, o->in });
	snprintf(full, sizeof full, "%s.norm", name);
	c->gamma = vla_make(mk, VLA_FILL_ONE, 0, full, "weight", 1, &o->out);
	c->beta = vla_make(mk, VLA_FILL_ZERO, 0, full, "bias", 1, &o->out);
	c->mean = vla_make_buffer(mk, 0, full, "mean", o->out);
	c->var = vla_make_buffer(mk, 1, full, "var", o->out);
}

void vla_nn_conv_release(vla_nn_conv *c)
{
	vla_packed_free(c->folded.packed);
	free(c->folded.w);
	free(c->folded.b);
	c->folded = (vla_folded){ 0 };
}

// Padding before and after on one axis of `size` pixels.
static void pad_axis(const vla_nn_conv_opts *o, size_t size, unsigned *before, unsigned *after)
{
	*before = *after = (o->kernel - 1) / 2;
	if (o->padding == VLA_PAD_SAME) {
		size_t out = (size + o->stride - 1) / o->stride, need = out ? (out - 1) * o->stride + o->kernel : 0;
		unsigned total = need > size ? (unsigned)(need - size) : 0;
		*before = total / 2;
		*after = total - *before;
	}
}

static vla_conv_attr attr_of(const vla_nn_conv_opts *o, const vla_tensor *x)
{
	vla_conv_attr a = { .stride = o->stride };
	pad_axis(o, x->dim[1], &a.pad_top, &a.pad_bottom);
	pad_axis(o, x->dim[2], &a.pad_left, &a.pad_right);
	return a;
}

static bool alloc_folded(vla_nn_conv *c)
{
	vla_folded *f = &c->folded;
	if (!f->w)
		f->w = vla_alloc(c->w->n, sizeof *f->w);
	if (!f->b)
		f->b = vla_alloc(c->o.out, sizeof *f->b);
	return f->w && f->b;
}

// y = gamma (conv(x) - mean) / sqrt(var + eps) + beta as weights and a bias.
static vla_status fold(vla_nn_conv *c, vla_compute compute, vla_err *err)
{
	vla_folded *f = &c->folded;
	const float *w = vla_param_f32(c->w), *gamma = vla_param_f32(c->gamma), *beta = vla_param_f32(c->beta);
	const float *mean = vla_param_f32(c->mean), *var = vla_param_f32(c->var);
	if (!w || !gamma || !beta || !mean || !var || !alloc_folded(c))
		return vla_nomem(err);
	vla_packed_free(f->packed);
	f->packed = NULL;
	f->valid = false;
	size_t out = c->o.out, row = c->w->n / out;
	for (size_t i = 0; i < out; i++) {
		double s = gamma[i] / sqrt((double)var[i] + c->o.eps);
		f->b[i] = (float)(beta[i] - mean[i] * s);
		for (size_t k = 0; k < row; k++) {
			size_t at = c->o.depthwise ? k * out + i : i * row + k;
			f->w[at] = (float)(w[at] * s);
		}
	}
	if (!c->o.depthwise)
		VLA_TRY(vla_packed_new(compute, out, row, f->w, VLA_F32, &f->packed, err));
	f->version = c->ps->version;
	f->compute = compute;
	f->valid = true;
	return VLA_OK;
}

static vla_tensor *forward_folded(vla_step *g, vla_nn_conv *c, vla_tensor *x)
{
	const vla_nn_conv_opts *o = &c->o;
	vla_folded *f = &c->folded;
	if ((!f->valid || f->version != c->ps->version || f->compute != g->compute) &&
	    fold(c, g->compute, &g->err) != VLA_OK)
		return NULL;
	vla_conv_attr a = attr_of(o, x);
	size_t h = x->dim[1] + a.pad_top + a.pad_bottom, w = x->dim[2] + a.pad_left + a.pad_right, k = o->kernel;
	if (h < k || w < k)
		return vla_nn_fail(g, VLA_EINVAL, "a picture of %zux%zu is too small for this tower", x->dim[2],
				   x->dim[1]);
	vla_conv_shape s = {
		x->dim[0], x->dim[1], x->dim[2], x->dim[3], (h - k) / o->stride + 1, (w - k) / o->stride + 1, o->out, k,
		k,         o->stride, a.pad_top, a.pad_left
	};
	vla_tensor *y = vla_tensor_new(g, 4, (size_t[]){ s.n, s.oh, s.ow, s.oc });
	if (!y)
		return NULL;
	if (o->depthwise) {
		vla_depthwise_forward(g->pool, &s, x->data, f->w, f->b, o->act, y->data);
		return y;
	}
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	float *ws = vla_nn_scratch(g, vla_conv2d_ws(&s, vla_pool_size(g->pool)), sizeof *ws);
	if (!ws ||
	    vla_conv2d_forward(g->pool, &s, x->data, f->w, f->packed, f->b, o->act, y->data, ws, &g->err) != VLA_OK)
		return NULL;
	vla_arena_rewind(g->arena, mark);
	return y;
}

vla_tensor *vla_nn_conv_forward(vla_step *g, vla_nn_conv *c, vla_tensor *x)
{
	if (!x)
		return NULL;
	if (x->ndim != 4 || x->dim[3] != c->o.in)
		return vla_nn_fail(g, VLA_EINVAL, "%s: input of %u dimensions with %zu channels, not 4 with %zu",
				   c->w->name, x->ndim, x->ndim ? x->dim[x->ndim - 1] : 0, c->o.in);
	bool training = g->training, batch = training && c->gamma->trainable;
	bool taped = g->tape && (x->wants_grad || c->w->grad || c->gamma->grad);
	if (!batch && !taped)
		return forward_folded(g, c, x);
	c->folded.valid = !batch && c->folded.valid; // the running statistics move
	vla_conv_attr a = attr_of(&c->o, x);
	g->training = batch;
	vla_tensor *w = vla_use(g, c->w);
	vla_tensor *y = c->o.depthwise ? vla_conv2d_depthwise(g, x, w, NULL, a) : vla_conv2d(g, x, w, NULL, a);
	vla_tensor *gamma = vla_use(g, c->gamma), *beta = vla_use(g, c->beta);
	y = vla_batch_norm_act(g, y, gamma, beta, c->mean, c->var, c->o.eps, c->o.momentum, c->o.act);
	g->training = training;
	return y;
}

void vla_nn_residual_init(vla_nn_residual *r, vla_maker *mk, const char *name, const vla_nn_residual_opts *o,
			  const vla_nn_conv_opts *base)
{
	char full[96];
	vla_nn_conv_opts c = *base;
	*r = (vla_nn_residual){ .has_expand = o->expand, .skip = o->stride == 1 && o->in == o->out };
	c.kernel = c.stride = 1;
	c.depthwise = false;
	if (o->expand) {
		snprintf(full, sizeof full, "%s.expand", name);
		c.in = o->in;
		c.out = o->hidden;
		vla_nn_conv_init(&r->expand, mk, full, &c);
	}
	vla_nn_conv_opts d = c;
	snprintf(full, sizeof full, "%s.depthwise", name);
	d.in = d.out = o->hidden;
	d.kernel = o->kernel;
	d.stride = o->stride;
	d.depthwise = true;
	vla_nn_conv_init(&r->depthwise, mk, full, &d);
	snprintf(full, sizeof full, "%s.project", name);
	c.in = o->hidden;
	c.out = o->out;
	c.act = VLA_ACT_NONE;
	vla_nn_conv_init(&r->project, mk, full, &c);
}

void vla_nn_residual_release(vla_nn_residual *r)
{
	vla_nn_conv_release(&r->expand);
	vla_nn_conv_release(&r->depthwise);
	vla_nn_conv_release(&r->project);
}

vla_tensor *vla_nn_residual_forward(vla_step *g, vla_nn_residual *r, vla_tensor *x)
{
	vla_tensor *y = r->has_expand ? vla_nn_conv_forward(g, &r->expand, x) : x;
	y = vla_nn_conv_forward(g, &r->depthwise, y);
	y = vla_nn_conv_forward(g, &r->project, y);
	return r->skip ? vla_add(g, vla_last_use(y), x) : y;
}
