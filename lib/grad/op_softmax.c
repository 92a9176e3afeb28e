/* Softmax over the last dimension. */
#include "grad/op.h"

static vla_status softmax_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	(void)err;
	vla_shape_like(out, nd->in[0]);
	return VLA_OK;
}

static vla_status softmax_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	(void)err;
	vla_softmax_forward(g->pool, vla_rows(x), vla_last_dim(x), 1, x->data, nd->out->data);
	return VLA_OK;
}

static vla_status softmax_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	(void)err;
	if (x->wants_grad)
		vla_softmax_backward(g->pool, vla_rows(x), vla_last_dim(x), nd->out->data, nd->out->grad,
				     vla_grad_add(x), x->grad);
	return VLA_OK;
}

static bool softmax_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t dim[][2] = { { 3, 5 }, { 2, 17 }, { 4, 1 } };
	if (i >= sizeof dim / sizeof dim[0])
		return false;
	*out = vla_softmax(g, vla_sample_normal(g, rng, 2, dim[i]));
	return true;
}

const vla_op vla_op_softmax = {
	.name = "softmax",
	.inputs = 1,
	.shape = softmax_shape,
	.forward = softmax_forward,
	.backward = softmax_backward,
	.inplace = true,
	.sets_grad = true,
	.sample = softmax_sample,
};

vla_tensor *vla_softmax(vla_step *g, vla_tensor *x)
{
	return vla_apply(g, &vla_op_softmax, &x, 1, NULL, 0);
}
