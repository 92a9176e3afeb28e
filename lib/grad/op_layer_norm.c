/* Layer norm over the last dimension. */
#include "grad/op.h"

static vla_status layer_norm_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	size_t c = vla_last_dim(x);
	if (x->ndim < 1 || nd->in[1]->n != c || nd->in[2]->n != c)
		return vla_op_refuse(nd, err, "gamma and beta must be [%zu]", c);
	vla_shape_like(out, x);
	return VLA_OK;
}

// saved: mean [rows], 1 / standard deviation [rows]
static vla_status layer_norm_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	size_t rows = vla_rows(x);
	float *saved = NULL;
	if (g->tape && !(saved = vla_save(g, 2 * rows, sizeof *saved)))
		return vla_nomem(err);
	vla_layer_norm_forward(g->pool, rows, vla_last_dim(x), x->data, nd->in[1]->data, nd->in[2]->data,
			       *(const float *)nd->attr, nd->out->data, saved, saved ? saved + rows : NULL);
	nd->saved = saved;
	return VLA_OK;
}

static vla_status layer_norm_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0], *gamma = nd->in[1], *beta = nd->in[2];
	size_t c = vla_last_dim(x), rows = vla_rows(x);
	const float *saved = nd->saved;
	float *ws = vla_arena_alloc(g->arena, vla_layer_norm_ws(rows, c), sizeof *ws);
	if (!ws)
		return vla_nomem(err);
	vla_layer_norm_backward(g->pool, rows, c, x->data, nd->out->grad, gamma->data, saved, saved + rows,
				x->wants_grad && vla_grad_add(x), x->wants_grad ? x->grad : NULL,
				gamma->wants_grad ? gamma->grad : NULL, beta->wants_grad ? beta->grad : NULL, ws);
	return VLA_OK;
}

static bool layer_norm_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t dim[][2] = { { 5, 7 }, { 1, 16 }, { 9, 33 } };
	if (i >= sizeof dim / sizeof dim[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 2, dim[i]);
	vla_tensor *gamma = vla_sample_normal(g, rng, 1, dim[i] + 1), *beta = vla_sample_normal(g, rng, 1, dim[i] + 1);
	*out = vla_layer_norm(g, x, gamma, beta, 1e-5f);
	return true;
}

const vla_op vla_op_layer_norm = {
	.name = "layer_norm",
	.inputs = 3,
	.shape = layer_norm_shape,
	.forward = layer_norm_forward,
	.backward = layer_norm_backward,
	.inplace = true,
	.sets_grad = true,
	.sample = layer_norm_sample,
};

vla_tensor *vla_layer_norm(vla_step *g, vla_tensor *x, vla_tensor *gamma, vla_tensor *beta, float eps)
{
	return vla_apply(g, &vla_op_layer_norm, (vla_tensor *[]){ x, gamma, beta }, 3, &eps, sizeof eps);
}
