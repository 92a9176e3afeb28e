/* Linear layer and layer norm: parameters for the operators of the same names. */
#include "nn/nn.h"

void vla_nn_linear_init(vla_nn_linear *l, vla_maker *mk, const char *name, size_t in, size_t out, bool bias, float std)
{
	l->w = vla_make(mk, VLA_FILL_NORMAL, std, name, "weight", 2, (size_t[]){ out, in });
	l->b = bias ? vla_make(mk, VLA_FILL_ZERO, 0, name, "bias", 1, &out) : NULL;
}

vla_tensor *vla_nn_linear_forward(vla_step *g, const vla_nn_linear *l, vla_tensor *x)
{
	return vla_linear(g, x, vla_use(g, l->w), l->b ? vla_use(g, l->b) : NULL);
}

void vla_nn_norm_init(vla_nn_norm *l, vla_maker *mk, const char *name, size_t c, float eps)
{
	l->gamma = vla_make(mk, VLA_FILL_ONE, 0, name, "weight", 1, &c);
	l->beta = vla_make(mk, VLA_FILL_ZERO, 0, name, "bias", 1, &c);
	l->eps = eps;
}

vla_tensor *vla_nn_norm_forward(vla_step *g, const vla_nn_norm *l, vla_tensor *x)
{
	return vla_layer_norm(g, x, vla_use(g, l->gamma), vla_use(g, l->beta), l->eps);
}
