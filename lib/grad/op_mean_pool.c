/* Mean over all dimensions between the first and the last: a grid of vectors to one vector each. */
#include "grad/op.h"

static vla_status pool_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	if (x->ndim < 2)
		return vla_op_refuse(nd, err, "needs [n, .., c]");
	out->ndim = 2;
	out->dim[0] = x->dim[0];
	out->dim[1] = vla_last_dim(x);
	return VLA_OK;
}

static size_t between(const vla_tensor *x)
{
	size_t rows = 1;
	for (unsigned i = 1; i + 1 < x->ndim; i++)
		rows *= x->dim[i];
	return rows;
}

static vla_status pool_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	(void)err;
	vla_mean_pool_forward(g->pool, x->dim[0], between(x), vla_last_dim(x), x->data, nd->out->data);
	return VLA_OK;
}

static vla_status pool_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	(void)err;
	if (x->wants_grad)
		vla_mean_pool_backward(g->pool, x->dim[0], between(x), vla_last_dim(x), nd->out->grad, x->grad);
	return VLA_OK;
}

static bool pool_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 1)
		return false;
	size_t dim[] = { 3, 2, 4, 5 };
	*out = vla_mean_pool(g, vla_sample_normal(g, rng, i ? 2 : 4, dim));
	return true;
}

const vla_op vla_op_mean_pool = {
	.name = "mean_pool",
	.inputs = 1,
	.shape = pool_shape,
	.forward = pool_forward,
	.backward = pool_backward,
	.sample = pool_sample,
};

vla_tensor *vla_mean_pool(vla_step *g, vla_tensor *x)
{
	return vla_apply(g, &vla_op_mean_pool, &x, 1, NULL, 0);
}
