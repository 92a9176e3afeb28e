/* Depthwise convolution of [n, h, w, c] pictures with weights [kh, kw, c]. */
#include "grad/conv.h"

static vla_conv_shape conv_shape(const vla_node *nd)
{
	const vla_tensor *x = nd->in[0], *w = nd->in[1], *out = nd->out;
	const vla_conv_attr *a = nd->attr;
	return (vla_conv_shape){ .n = x->dim[0],
				 .h = x->dim[1],
				 .w = x->dim[2],
				 .c = x->dim[3],
				 .oh = out->dim[1],
				 .ow = out->dim[2],
				 .oc = x->dim[3],
				 .kh = w->dim[0],
				 .kw = w->dim[1],
				 .stride = a->stride,
				 .pad_top = a->pad_top,
				 .pad_left = a->pad_left };
}

static vla_status depthwise_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *x = nd->in[0], *w = nd->in[1], *b = nd->n_in > 2 ? nd->in[2] : NULL;
	if (x->ndim != 4 || w->ndim != 3 || x->dim[3] != w->dim[2])
		return vla_op_refuse(nd, err, "needs [n, h, w, c] and [kh, kw, c]");
	if (b && (b->ndim != 1 || b->dim[0] != w->dim[2]))
		return vla_op_refuse(nd, err, "the bias must be [%zu]", w->dim[2]);
	VLA_TRY(vla_conv_extent(nd, x, w->dim[0], w->dim[1], out, err));
	out->dim[3] = x->dim[3];
	return VLA_OK;
}

static vla_status depthwise_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_conv_shape s = conv_shape(nd);
	(void)err;
	vla_depthwise_forward(g->pool, &s, nd->in[0]->data, nd->in[1]->data, nd->n_in > 2 ? nd->in[2]->data : NULL,
			      VLA_ACT_NONE, nd->out->data);
	return VLA_OK;
}

static vla_status depthwise_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_conv_shape s = conv_shape(nd);
	vla_tensor *x = nd->in[0], *w = nd->in[1], *b = nd->n_in > 2 ? nd->in[2] : NULL;
	size_t rows = s.n * s.oh * s.ow, need = vla_depthwise_weight_ws(&s), needb = vla_colsum_ws(rows, s.c);
	float *ws = vla_arena_alloc(g->arena, need < needb ? needb : need, sizeof *ws);
	if (!ws)
		return vla_nomem(err);
	if (x->wants_grad)
		vla_depthwise_backward_input(g->pool, &s, nd->out->grad, w->data, vla_grad_add(x), x->grad);
	if (w->wants_grad)
		vla_depthwise_backward_weight(g->pool, &s, x->data, nd->out->grad, true, w->grad, ws);
	if (b && b->wants_grad)
		vla_colsum(g->pool, rows, s.c, nd->out->grad, true, b->grad, ws);
	return VLA_OK;
}

static bool depthwise_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		size_t x[4], w[3];
		vla_conv_attr a;
		bool bias;
	} c[] = {
		{ { 2, 5, 7, 9 }, { 3, 3, 9 }, { 1, 1, 1, 1, 1 }, true },
		{ { 1, 6, 6, 17 }, { 3, 3, 17 }, { 2, 0, 0, 1, 1 }, false },
		{ { 1, 7, 6, 2 }, { 5, 5, 2 }, { 2, 2, 2, 2, 2 }, false },
		{ { 1, 5, 6, 3 }, { 5, 5, 3 }, { 1, 2, 2, 2, 2 }, false },
		{ { 1, 4, 5, 3 }, { 2, 4, 3 }, { 3, 1, 0, 0, 2 }, false },
	};
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 4, c[i].x), *w = vla_sample_normal(g, rng, 3, c[i].w);
	vla_tensor *b = c[i].bias ? vla_sample_normal(g, rng, 1, c[i].w + 2) : NULL;
	*out = vla_conv2d_depthwise(g, x, w, b, c[i].a);
	return true;
}

const vla_op vla_op_conv2d_depthwise = {
	.name = "conv2d_depthwise",
	.inputs = -1,
	.shape = depthwise_shape,
	.forward = depthwise_forward,
	.backward = depthwise_backward,
	.sets_grad = true,
	.sample = depthwise_sample,
};

vla_tensor *vla_conv2d_depthwise(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b, vla_conv_attr a)
{
	return vla_apply(g, &vla_op_conv2d_depthwise, (vla_tensor *[]){ x, w, b }, b ? 3 : 2, &a, sizeof a);
}
