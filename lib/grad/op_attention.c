/* Multi-head scaled dot-product attention. With a tape the probabilities are kept. */
#include "grad/op.h"

struct attr {
	size_t heads;
	bool causal;
	const uint32_t *lens;
};

static vla_attention_shape attention_sizes(const vla_node *nd)
{
	const struct attr *a = nd->attr;
	const vla_tensor *q = nd->in[0], *k = nd->in[1];
	return (vla_attention_shape){ .n = q->dim[0],
				      .tq = q->dim[1],
				      .tk = k->dim[1],
				      .heads = a->heads,
				      .d = q->dim[2] / a->heads,
				      .causal = a->causal,
				      .lens = a->lens };
}

static vla_status attention_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *q = nd->in[0], *k = nd->in[1], *v = nd->in[2];
	if (q->ndim != 3 || k->ndim != 3 || !vla_same_shape(k, v) || q->dim[0] != k->dim[0] || q->dim[2] != k->dim[2])
		return vla_op_refuse(nd, err, "needs q [n, t, width] and k, v of the same width");
	if (a->heads == 0 || q->dim[2] % a->heads)
		return vla_op_refuse(nd, err, "the width does not divide into %zu heads", a->heads);
	vla_shape_like(out, q);
	return VLA_OK;
}

static vla_status attention_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_attention_shape s = attention_sizes(nd);
	float *probs = NULL, *ws = NULL;
	if (g->tape)
		probs = vla_save(g, s.n * s.heads * s.tq * s.tk, sizeof *probs);
	else
		ws = vla_arena_alloc(g->arena, vla_attention_ws(&s, vla_pool_size(g->pool)), sizeof *ws);
	if (!probs && !ws)
		return vla_nomem(err);
	vla_attention_forward(g->pool, &s, nd->in[0]->data, nd->in[1]->data, nd->in[2]->data, nd->out->data, probs, ws);
	nd->saved = probs;
	return VLA_OK;
}

static vla_status attention_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_attention_shape s = attention_sizes(nd);
	vla_tensor *q = nd->in[0], *k = nd->in[1], *v = nd->in[2];
	float *ws = vla_arena_alloc(g->arena, vla_attention_backward_ws(&s, vla_pool_size(g->pool)), sizeof *ws);
	if (!ws)
		return vla_nomem(err);
	vla_attention_backward(g->pool, &s, q->data, k->data, v->data, nd->saved, nd->out->grad,
			       q->wants_grad ? q->grad : NULL, k->wants_grad ? k->grad : NULL,
			       v->wants_grad ? v->grad : NULL, ws);
	return VLA_OK;
}

static bool attention_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const uint32_t lens[] = { 3, 5 };
	static const struct {
		size_t tq, tk;
		bool causal, ragged;
	} c[] = { { 5, 5, false, false }, { 5, 5, true, false }, { 5, 5, true, true }, { 2, 5, false, true } };
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *q = vla_sample_normal(g, rng, 3, (size_t[]){ 2, c[i].tq, 6 });
	vla_tensor *k = vla_sample_normal(g, rng, 3, (size_t[]){ 2, c[i].tk, 6 });
	vla_tensor *v = vla_sample_normal(g, rng, 3, (size_t[]){ 2, c[i].tk, 6 });
	*out = vla_attention(g, q, k, v, 2, c[i].causal, c[i].ragged ? lens : NULL);
	return true;
}

const vla_op vla_op_attention = {
	.name = "attention",
	.inputs = 3,
	.shape = attention_shape,
	.forward = attention_forward,
	.backward = attention_backward,
	.sample = attention_sample,
};

vla_tensor *vla_attention(vla_step *g, vla_tensor *q, vla_tensor *k, vla_tensor *v, unsigned heads, bool causal,
			  const uint32_t *lens)
{
	struct attr a = { heads, causal, lens };
	return vla_apply(g, &vla_op_attention, (vla_tensor *[]){ q, k, v }, 3, &a, sizeof a);
}
