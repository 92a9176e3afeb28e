/* Depthwise convolution of [n, h, w, c] pictures with weights [kh, kw, c]. */
#include "grad/conv.h"

static vla_status depthwise_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	return vla_conv_check(nd, true, out, err);
}

static vla_status depthwise_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_conv_shape s = vla_conv_shape_of(nd, true);
	(void)err;
	vla_depthwise_forward(g->pool, &s, nd->in[0]->data, nd->in[1]->data, nd->n_in > 2 ? nd->in[2]->data : NULL,
			      VLA_ACT_NONE, nd->out->data);
	return VLA_OK;
}

static vla_status depthwise_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_conv_shape s = vla_conv_shape_of(nd, true);
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
