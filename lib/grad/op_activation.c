/* Element-wise activation; which one is the attribute. */
#include "grad/op.h"

static vla_status activation_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	(void)err;
	vla_shape_like(out, nd->in[0]);
	return VLA_OK;
}

static vla_status activation_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_act_forward(g->pool, *(const vla_act *)nd->attr, nd->out->n, nd->in[0]->data, nd->out->data);
	return VLA_OK;
}

static vla_status activation_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	(void)err;
	if (x->wants_grad)
		vla_act_backward(g->pool, *(const vla_act *)nd->attr, x->n, x->data, nd->out->grad, vla_grad_add(x),
				 x->grad);
	return VLA_OK;
}

static bool activation_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > VLA_ACT_TANH)
		return false;
	vla_act act = (vla_act)i;
	bool kink = act == VLA_ACT_RELU || act == VLA_ACT_RELU6;
	vla_tensor *x = vla_sample_away(g, rng, 2, (size_t[]){ 3, 11 }, kink ? 0.1f : 0);
	*out = vla_activation(g, x, act);
	return true;
}

const vla_op vla_op_activation = {
	.name = "activation",
	.inputs = 1,
	.shape = activation_shape,
	.forward = activation_forward,
	.backward = activation_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = activation_sample,
};

vla_tensor *vla_activation(vla_step *g, vla_tensor *x, vla_act act)
{
	return vla_apply(g, &vla_op_activation, &x, 1, &act, sizeof act);
}
