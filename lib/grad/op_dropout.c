/* Dropout (Srivastava et al. 2014): in training every element is zero with probability p, the others grow by
 * 1 / (1 - p). Each piece of elements has its own random sequence, so that the choice does not depend on the pool. */
#include "grad/op.h"

#define PIECE 4096

struct attr {
	float p;
};

struct keep {
	const vla_node *nd;
	uint8_t *kept; // [n]
	uint64_t seed;
	float scale;
	bool add; // backward adds
};

static vla_status dropout_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	if (!(a->p >= 0 && a->p < 1))
		return vla_op_refuse(nd, err, "probability %g is not in [0, 1)", (double)a->p);
	vla_shape_like(out, nd->in[0]);
	return VLA_OK;
}

static void forward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct keep *k = ctx;
	const struct attr *a = k->nd->attr;
	uint32_t drop = (uint32_t)(a->p * 4294967296.0);
	size_t n = k->nd->out->n;
	(void)worker;
	for (size_t piece = begin; piece < end; piece++) {
		vla_rng rng;
		vla_rng_seed(&rng, k->seed, piece);
		size_t last = (piece + 1) * PIECE < n ? (piece + 1) * PIECE : n;
		for (size_t i = piece * PIECE; i < last; i++) {
			uint8_t kept = (uint32_t)(vla_rng_u64(&rng) >> 32) >= drop;
			k->nd->out->data[i] = kept ? k->nd->in[0]->data[i] * k->scale : 0;
			if (k->kept)
				k->kept[i] = kept;
		}
	}
}

static vla_status dropout_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	if (g->tape && !(nd->saved = vla_save(g, nd->out->n, 1)))
		return vla_nomem(err);
	struct keep k = { nd, nd->saved, vla_rng_u64(&g->rng), 1 / (1 - a->p), false };
	vla_parallel(g->pool, (nd->out->n + PIECE - 1) / PIECE, 2, forward_range, &k);
	return VLA_OK;
}

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct keep *k = ctx;
	float *dx = k->nd->in[0]->grad;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		dx[i] = (k->add ? dx[i] : 0) + (k->kept[i] ? k->nd->out->grad[i] * k->scale : 0);
}

static vla_status dropout_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	struct keep k = { nd, nd->saved, 0, 1 / (1 - a->p), vla_grad_add(nd->in[0]) };
	(void)err;
	vla_parallel(g->pool, nd->out->n, VLA_GRAIN_CHEAP, backward_range, &k);
	return VLA_OK;
}

static bool dropout_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 1)
		return false;
	*out = vla_dropout(g, vla_sample_normal(g, rng, 2, (size_t[]){ 5, 9 }), i ? 0.75f : 0.1f);
	return true;
}

const vla_op vla_op_dropout = {
	.name = "dropout",
	.inputs = 1,
	.shape = dropout_shape,
	.forward = dropout_forward,
	.backward = dropout_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = dropout_sample,
};

vla_tensor *vla_dropout(vla_step *g, vla_tensor *x, float p)
{
	struct attr a = { p };
	return g->training && p != 0 ? vla_apply(g, &vla_op_dropout, &x, 1, &a, sizeof a) : x;
}
