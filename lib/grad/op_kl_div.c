/* Kullback-Leibler divergence KL(t || softmax(logits)) of given probabilities t, mean over rows: distillation
 * (Hinton et al. 2015). Zero probabilities add nothing. */
#include "grad/op.h"

#include <math.h>

struct attr {
	const float *target; // [n, c], the caller's
};

struct row {
	float max, sum, mass; // softmax is exp(x - max) / sum; mass = sum of the row's t
};

static vla_status kl_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	if (nd->in[0]->ndim != 2 || nd->in[0]->dim[1] == 0)
		return vla_op_refuse(nd, err, "needs logits of shape [rows, classes]");
	vla_shape_scalar(out);
	return VLA_OK;
}

static void forward_rows(const vla_node *nd, size_t begin, size_t end, double *part)
{
	const struct attr *a = nd->attr;
	size_t c = nd->in[0]->dim[1];
	struct row *saved = nd->saved;
	for (size_t r = begin; r < end; r++) {
		const float *x = nd->in[0]->data + r * c, *t = a->target + r * c;
		float max;
		double sum = vla_exp_sum(x, c, &max), lse = log(sum) + max, mass = 0;
		part[r] = 0;
		for (size_t j = 0; j < c; j++) {
			mass += t[j];
			if (t[j] > 0)
				part[r] += t[j] * (logf(t[j]) - (x[j] - lse));
		}
		if (saved)
			saved[r] = (struct row){ max, (float)sum, (float)mass };
	}
}

static vla_status kl_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t n = nd->in[0]->dim[0];
	if (g->tape && !(nd->saved = vla_save(g, n, sizeof(struct row))))
		return vla_nomem(err);
	return vla_row_loss(g, nd, n, vla_row_grain(nd->in[0]->dim[1], VLA_GRAIN_EXP), forward_rows,
			    n ? 1 / (double)n : 0, err);
}

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	const struct attr *a = nd->attr;
	const struct row *saved = nd->saved;
	size_t c = nd->in[0]->dim[1];
	float scale = vla_out_grad(nd) / (float)nd->in[0]->dim[0];
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		const float *x = nd->in[0]->data + r * c, *t = a->target + r * c;
		float *dx = nd->in[0]->grad + r * c, k = saved[r].mass / saved[r].sum;
		for (size_t j = 0; j < c; j++)
			dx[j] += scale * (k * expf(x[j] - saved[r].max) - t[j]);
	}
}

static vla_status kl_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_parallel(g->pool, nd->in[0]->dim[0], vla_row_grain(nd->in[0]->dim[1], VLA_GRAIN_EXP), backward_range, nd);
	return VLA_OK;
}

static bool kl_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const float target[] = { 0.25f, 0.5f, 0.125f, 0.125f, 0, 1, 0, 0, 0.1f, 0.2f, 0.3f, 0.4f };
	if (i > 0)
		return false;
	*out = vla_kl_div(g, vla_sample_normal(g, rng, 2, (size_t[]){ 3, 4 }), target);
	return true;
}

const vla_op vla_op_kl_div = {
	.name = "kl_div",
	.inputs = 1,
	.shape = kl_shape,
	.forward = kl_forward,
	.backward = kl_backward,
	.sample = kl_sample,
};

vla_tensor *vla_kl_div(vla_step *g, vla_tensor *logits, const float *target)
{
	struct attr a = { target };
	return vla_apply(g, &vla_op_kl_div, &logits, 1, &a, sizeof a);
}
