/* Cross-entropy of softmax(logits) with class numbers, mean over the rows that are not ignored. With smoothing s the
 * target gives 1 - s to the class and s / c to each of the c classes (Szegedy et al. 2016). */
#include "grad/op.h"

#include <math.h>

struct attr {
	const uint32_t *target; // [n], the caller's
	float smoothing;
};

// What backward needs of a row: softmax is exp(x - max) / sum.
struct row {
	float max, sum;
};

static vla_status xent_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (x->ndim != 2 || x->dim[1] == 0)
		return vla_op_refuse(nd, err, "needs logits of shape [rows, classes]");
	if (!(a->smoothing >= 0 && a->smoothing < 1))
		return vla_op_refuse(nd, err, "smoothing %g is not in [0, 1)", (double)a->smoothing);
	for (size_t r = 0; r < x->dim[0]; r++)
		if (a->target[r] >= x->dim[1] && a->target[r] != UINT32_MAX)
			return vla_op_refuse(nd, err, "there is no class %u", (unsigned)a->target[r]);
	vla_shape_scalar(out);
	return VLA_OK;
}

static size_t counted(const vla_node *nd)
{
	const struct attr *a = nd->attr;
	size_t n = 0;
	for (size_t r = 0; r < nd->in[0]->dim[0]; r++)
		n += a->target[r] != UINT32_MAX;
	return n;
}

static void forward_rows(const vla_node *nd, size_t begin, size_t end, double *part)
{
	const struct attr *a = nd->attr;
	size_t c = nd->in[0]->dim[1];
	struct row *saved = nd->saved;
	for (size_t r = begin; r < end; r++) {
		const float *x = nd->in[0]->data + r * c;
		float max;
		part[r] = 0;
		if (a->target[r] == UINT32_MAX)
			continue;
		double sum = vla_exp_sum(x, c, &max), lse = log(sum) + max, all = 0;
		for (size_t j = 0; a->smoothing > 0 && j < c; j++)
			all += lse - x[j];
		part[r] = (1 - a->smoothing) * (lse - x[a->target[r]]) + a->smoothing / (double)c * all;
		if (saved)
			saved[r] = (struct row){ max, (float)sum };
	}
}

static vla_status xent_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t n = nd->in[0]->dim[0], count = counted(nd);
	if (g->tape && !(nd->saved = vla_save(g, n, sizeof(struct row))))
		return vla_nomem(err);
	return vla_row_loss(g, nd, n, vla_row_grain(nd->in[0]->dim[1], VLA_GRAIN_EXP), forward_rows,
			    count ? 1 / (double)count : 0, err);
}

struct back {
	const vla_node *nd;
	float scale;
};

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct back *b = ctx;
	const struct attr *a = b->nd->attr;
	const struct row *saved = b->nd->saved;
	size_t c = b->nd->in[0]->dim[1];
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		const float *x = b->nd->in[0]->data + r * c;
		float *dx = b->nd->in[0]->grad + r * c;
		if (a->target[r] == UINT32_MAX)
			continue;
		float k = b->scale / saved[r].sum, even = b->scale * a->smoothing / (float)c;
		for (size_t j = 0; j < c; j++)
			dx[j] += k * expf(x[j] - saved[r].max) - even;
		dx[a->target[r]] -= b->scale * (1 - a->smoothing);
	}
}

static vla_status xent_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t count = counted(nd);
	struct back b = { nd, count ? vla_out_grad(nd) / (float)count : 0 };
	(void)err;
	vla_parallel(g->pool, nd->in[0]->dim[0], vla_row_grain(nd->in[0]->dim[1], VLA_GRAIN_EXP), backward_range, &b);
	return VLA_OK;
}

static bool xent_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const uint32_t target[] = { 2, 0, UINT32_MAX, 4, 4 }, none[] = { UINT32_MAX, 0 };
	if (i > 2)
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 2, (size_t[]){ i == 2 ? 2 : 5, 5 });
	*out = vla_cross_entropy(g, x, i == 2 ? none : target, i == 1 ? 0.1f : 0);
	return true;
}

const vla_op vla_op_cross_entropy = {
	.name = "cross_entropy",
	.inputs = 1,
	.shape = xent_shape,
	.forward = xent_forward,
	.backward = xent_backward,
	.sample = xent_sample,
};

vla_tensor *vla_cross_entropy(vla_step *g, vla_tensor *logits, const uint32_t *target, float smoothing)
{
	struct attr a = { target, smoothing };
	return vla_apply(g, &vla_op_cross_entropy, &logits, 1, &a, sizeof a);
}
