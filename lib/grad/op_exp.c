/* Exponential of every element. */
#include "grad/op.h"

#include <math.h>

static vla_status exp_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	(void)err;
	vla_shape_like(out, nd->in[0]);
	return VLA_OK;
}

static void exp_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		nd->out->data[i] = expf(nd->in[0]->data[i]);
}

static vla_status exp_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_parallel(g->pool, nd->out->n, VLA_GRAIN_EXP, exp_range, nd);
	return VLA_OK;
}

struct back {
	const vla_node *nd;
	bool add;
};

static void back_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct back *b = ctx;
	const float *d = b->nd->out->grad, *y = b->nd->out->data;
	float *dx = b->nd->in[0]->grad;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		dx[i] = (b->add ? dx[i] : 0) + d[i] * y[i];
}

static vla_status exp_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_parallel(g->pool, nd->out->n, VLA_GRAIN_CHEAP, back_range, &(struct back){ nd, vla_grad_add(nd->in[0]) });
	return VLA_OK;
}

static bool exp_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t dim[2][2] = { { 3, 7 }, { 1, 1 } };
	if (i > 1)
		return false;
	*out = vla_exp(g, vla_sample_normal(g, rng, 2, dim[i]));
	return true;
}

const vla_op vla_op_exp = {
	.name = "exp",
	.inputs = 1,
	.shape = exp_shape,
	.forward = exp_forward,
	.backward = exp_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = exp_sample,
};

vla_tensor *vla_exp(vla_step *g, vla_tensor *a)
{
	return vla_apply(g, &vla_op_exp, &a, 1, NULL, 0);
}
