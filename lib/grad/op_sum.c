/* Sum of all elements, accumulated in f64. */
#include "grad/op.h"

static vla_status sum_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	(void)nd;
	(void)err;
	vla_shape_scalar(out);
	return VLA_OK;
}

static vla_status sum_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	double s;
	if (!vla_dot(g, x->data, NULL, x->n, &s))
		return vla_nomem(err);
	nd->out->data[0] = (float)s;
	return VLA_OK;
}

static vla_status sum_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	float d = vla_out_grad(nd);
	(void)g;
	(void)err;
	for (size_t i = 0; i < x->n; i++)
		x->grad[i] += d;
	return VLA_OK;
}

static bool sum_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 1)
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 2, (size_t[]){ 3, i ? 1 : 7 });
	*out = vla_sum(g, x);
	return true;
}

const vla_op vla_op_sum = {
	.name = "sum",
	.inputs = 1,
	.shape = sum_shape,
	.forward = sum_forward,
	.backward = sum_backward,
	.sample = sum_sample,
};

vla_tensor *vla_sum(vla_step *g, vla_tensor *x)
{
	return vla_apply(g, &vla_op_sum, &x, 1, NULL, 0);
}
