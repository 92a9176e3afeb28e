/* Product with a constant. */
#include "grad/op.h"

static vla_status scale_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	(void)err;
	vla_shape_like(out, nd->in[0]);
	return VLA_OK;
}

struct scaled {
	float *out;
	const float *x;
	float s;
};

static void scale_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct scaled *c = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		c->out[i] = c->x[i] * c->s;
}

static vla_status scale_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const float *s = nd->attr;
	(void)err;
	vla_parallel(g->pool, nd->out->n, VLA_GRAIN_CHEAP, scale_range,
		     &(struct scaled){ nd->out->data, nd->in[0]->data, *s });
	return VLA_OK;
}

static vla_status scale_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const float *s = nd->attr;
	vla_tensor *x = nd->in[0];
	(void)err;
	if (vla_grad_add(x))
		vla_add_scaled(g, x->grad, nd->out->grad, *s, x->n);
	else
		vla_parallel(g->pool, x->n, VLA_GRAIN_CHEAP, scale_range,
			     &(struct scaled){ x->grad, nd->out->grad, *s });
	return VLA_OK;
}

static bool scale_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 1)
		return false;
	*out = vla_scale(g, vla_sample_normal(g, rng, 2, (size_t[]){ 3, 7 }), i ? 0.0f : -2.5f);
	return true;
}

const vla_op vla_op_scale = {
	.name = "scale",
	.inputs = 1,
	.shape = scale_shape,
	.forward = scale_forward,
	.backward = scale_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = scale_sample,
};

vla_tensor *vla_scale(vla_step *g, vla_tensor *a, float s)
{
	return vla_apply(g, &vla_op_scale, &a, 1, &s, sizeof s);
}
