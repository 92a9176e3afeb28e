/* x [.., in] . w [out, in]^T + b. Without a tape the weight's packed form is made at the first use and kept, and an
 * activation that follows is applied while the product is in the cache. */
#include "grad/op.h"
#include "grad/packed.h"

static vla_status linear_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *x = nd->in[0], *w = nd->in[1], *b = nd->n_in > 2 ? nd->in[2] : NULL;
	if (x->ndim < 1 || w->ndim != 2 || vla_last_dim(x) != w->dim[1])
		return vla_op_refuse(nd, err, "the last dimension must be the weight's second");
	if (b && (b->ndim != 1 || b->dim[0] != w->dim[0]))
		return vla_op_refuse(nd, err, "the bias must be [%zu]", w->dim[0]);
	vla_shape_like(out, x);
	out->dim[x->ndim - 1] = w->dim[0];
	return VLA_OK;
}

static vla_status linear_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	vla_tensor *w = nd->in[1];
	const float *b = nd->n_in > 2 ? nd->in[2]->data : NULL;
	size_t out = w->dim[0], in = w->dim[1], rows = vla_rows(nd->out);
	vla_act act = *(const vla_act *)nd->attr;
	const vla_packed *p;
	VLA_TRY(vla_weight_packed(g, w, out, in, &p, err));
	if (p)
		return vla_packed_gemm(p, g->pool, rows, x->data, in, b, act, nd->out->data, out, err);
	vla_gemm_bias_act(g->pool, rows, out, in, x->data, in, w->data, b, act, nd->out->data, out);
	return VLA_OK;
}

static vla_status linear_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0], *w = nd->in[1], *b = nd->n_in > 2 ? nd->in[2] : NULL;
	size_t out = w->dim[0], in = w->dim[1], rows = vla_rows(nd->out);
	const float *dy = nd->out->grad;
	if (x->wants_grad)
		vla_gemm(g->pool, false, false, rows, in, out, 1, dy, out, w->data, in, vla_grad_add(x) ? 1.0f : 0.0f,
			 x->grad, in);
	if (w->wants_grad) {
		float *ws = vla_arena_alloc(g->arena, vla_gemm_tall_ws(out, in, rows), sizeof *ws);
		if (!ws)
			return vla_nomem(err);
		vla_gemm_tall(g->pool, out, in, rows, dy, out, x->data, in, true, w->grad, ws);
	}
	if (b && b->wants_grad) {
		float *ws = vla_arena_alloc(g->arena, vla_colsum_ws(rows, out), sizeof *ws);
		if (!ws)
			return vla_nomem(err);
		vla_colsum(g->pool, rows, out, dy, true, b->grad, ws);
	}
	return VLA_OK;
}

static bool linear_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		size_t rows, in, out;
		bool bias;
	} c[] = { { 5, 3, 4, true }, { 1, 7, 2, false }, { 6, 1, 1, true } };
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 3, (size_t[]){ c[i].rows, 1, c[i].in });
	vla_tensor *w = vla_sample_normal(g, rng, 2, (size_t[]){ c[i].out, c[i].in });
	vla_tensor *b = c[i].bias ? vla_sample_normal(g, rng, 1, (size_t[]){ c[i].out }) : NULL;
	*out = vla_linear(g, x, w, b);
	return true;
}

const vla_op vla_op_linear = {
	.name = "linear",
	.inputs = -1,
	.shape = linear_shape,
	.forward = linear_forward,
	.backward = linear_backward,
	.packs = true,
	.sets_grad = true,
	.sample = linear_sample,
};

vla_tensor *vla_linear_act(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b, vla_act act)
{
	// The backward pass of an activation needs its input.
	vla_act fused = g->tape ? VLA_ACT_NONE : act;
	x = vla_apply(g, &vla_op_linear, (vla_tensor *[]){ x, w, b }, b ? 3 : 2, &fused, sizeof fused);
	return fused == act ? x : vla_activation(g, x, act);
}

vla_tensor *vla_linear(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b)
{
	return vla_linear_act(g, x, w, b, VLA_ACT_NONE);
}
