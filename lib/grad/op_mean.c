/* Mean of all elements, accumulated in f64. */
#include "grad/op.h"

static double factor(const vla_tensor *x)
{
	return (x->n ? 1.0 / (double)x->n : 0);
}

static vla_status mean_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	(void)nd;
	(void)err;
	vla_shape_scalar(out);
	return VLA_OK;
}

static vla_status mean_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	double s;
	if (!vla_dot(g, x->data, NULL, x->n, &s))
		return vla_nomem(err);
	nd->out->data[0] = (float)(s * factor(x));
	return VLA_OK;
}

static vla_status mean_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	float d = (float)(vla_out_grad(nd) * factor(x));
	(void)g;
	(void)err;
	for (size_t i = 0; i < x->n; i++)
		x->grad[i] += d;
	return VLA_OK;
}

static bool mean_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 1)
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 2, (size_t[]){ 3, i ? 1 : 7 });
	*out = vla_mean(g, x);
	return true;
}

const vla_op vla_op_mean = {
	.name = "mean",
	.inputs = 1,
	.shape = mean_shape,
	.forward = mean_forward,
	.backward = mean_backward,
	.sample = mean_sample,
};

vla_tensor *vla_mean(vla_step *g, vla_tensor *x)
{
	return vla_apply(g, &vla_op_mean, &x, 1, NULL, 0);
}
