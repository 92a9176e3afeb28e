/* Convolution of [n, h, w, c] pictures with weights [out, kh, kw, c] (no groups but one; see op_conv2d_depthwise.c). */
#include "grad/conv.h"
#include "grad/packed.h"

static vla_status conv2d_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	return vla_conv_check(nd, false, out, err);
}

static vla_status conv2d_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_conv_shape s = vla_conv_shape_of(nd, false);
	vla_tensor *w = nd->in[1];
	const float *b = nd->n_in > 2 ? nd->in[2]->data : NULL;
	const vla_packed *p;
	VLA_TRY(vla_weight_packed(g, w, s.oc, s.kh * s.kw * s.c, &p, err));
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	float *ws = vla_arena_alloc(g->arena, vla_conv2d_ws(&s, vla_pool_size(g->pool)), sizeof *ws);
	if (!ws)
		return vla_nomem(err);
	vla_status st = vla_conv2d_forward(g->pool, &s, nd->in[0]->data, p ? NULL : w->data, p, b, VLA_ACT_NONE,
					   nd->out->data, ws, err);
	vla_arena_rewind(g->arena, mark);
	return st;
}

static vla_status conv2d_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_conv_shape s = vla_conv_shape_of(nd, false);
	vla_tensor *x = nd->in[0], *w = nd->in[1], *b = nd->n_in > 2 ? nd->in[2] : NULL;
	size_t rows = s.n * s.oh * s.ow, need = vla_conv2d_ws(&s, vla_pool_size(g->pool));
	size_t needw = vla_conv2d_weight_ws(&s), needb = vla_colsum_ws(rows, s.oc);
	need = need < needw ? needw : need;
	need = need < needb ? needb : need;
	float *ws = vla_arena_alloc(g->arena, need, sizeof *ws);
	if (!ws)
		return vla_nomem(err);
	if (x->wants_grad)
		vla_conv2d_backward_input(g->pool, &s, nd->out->grad, w->data, vla_grad_add(x), x->grad, ws);
	if (w->wants_grad)
		vla_conv2d_backward_weight(g->pool, &s, x->data, nd->out->grad, true, w->grad, ws);
	if (b && b->wants_grad)
		vla_colsum(g->pool, rows, s.oc, nd->out->grad, true, b->grad, ws);
	return VLA_OK;
}

static bool conv2d_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		size_t x[4], w[4];
		vla_conv_attr a;
		bool bias;
	} c[] = {
		{ { 2, 3, 3, 5 }, { 4, 1, 1, 5 }, { 1, 0, 0, 0, 0 }, true },
		{ { 2, 5, 4, 3 }, { 2, 3, 3, 3 }, { 1, 1, 1, 1, 1 }, true },
		{ { 1, 6, 6, 2 }, { 3, 3, 3, 2 }, { 2, 0, 0, 1, 1 }, false },
		{ { 2, 4, 4, 2 }, { 3, 2, 2, 2 }, { 2, 0, 0, 0, 0 }, false },
	};
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 4, c[i].x), *w = vla_sample_normal(g, rng, 4, c[i].w);
	vla_tensor *b = c[i].bias ? vla_sample_normal(g, rng, 1, c[i].w) : NULL;
	*out = vla_conv2d(g, x, w, b, c[i].a);
	return true;
}

const vla_op vla_op_conv2d = {
	.name = "conv2d",
	.inputs = -1,
	.shape = conv2d_shape,
	.forward = conv2d_forward,
	.backward = conv2d_backward,
	.packs = true,
	.sets_grad = true,
	.sample = conv2d_sample,
};

vla_tensor *vla_conv2d(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b, vla_conv_attr a)
{
	return vla_apply(g, &vla_op_conv2d, (vla_tensor *[]){ x, w, b }, b ? 3 : 2, &a, sizeof a);
}
