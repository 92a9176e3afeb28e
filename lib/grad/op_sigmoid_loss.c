/* Pairwise sigmoid loss (Zhai et al. 2023): every entry of a score matrix is a yes or a no of its own; the sum over
 * entries is divided by the number of rows. */
#include "grad/op.h"

#include <math.h>

struct attr {
	const float *sign; // [n, m] of 1, -1, 0; the caller's
};

static vla_status sigmoid_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	if (nd->in[0]->ndim != 2)
		return vla_op_refuse(nd, err, "needs logits of shape [rows, columns]");
	vla_shape_scalar(out);
	return VLA_OK;
}

static void forward_rows(const vla_node *nd, size_t begin, size_t end, double *part)
{
	const struct attr *a = nd->attr;
	size_t m = nd->in[0]->dim[1];
	for (size_t r = begin; r < end; r++) {
		const float *x = nd->in[0]->data + r * m, *s = a->sign + r * m;
		part[r] = 0;
		for (size_t j = 0; j < m; j++) {
			float z = s[j] * x[j]; // -log sigmoid(z) without overflow
			if (s[j] != 0)
				part[r] += (double)(z < 0 ? -z : 0) + log1pf(expf(-fabsf(z)));
		}
	}
}

static vla_status sigmoid_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t n = nd->in[0]->dim[0];
	return vla_row_loss(g, nd, n, vla_row_grain(nd->in[0]->dim[1], VLA_GRAIN_EXP), forward_rows,
			    n ? 1 / (double)n : 0, err);
}

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	const struct attr *a = nd->attr;
	const float *x = nd->in[0]->data, *s = a->sign;
	float scale = vla_out_grad(nd) / (float)nd->in[0]->dim[0];
	(void)worker;
	for (size_t i = begin; i < end; i++) // exp overflows to infinity, which gives the right limit 0
		nd->in[0]->grad[i] -= scale * s[i] / (1 + expf(s[i] * x[i]));
}

static vla_status sigmoid_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_parallel(g->pool, nd->in[0]->n, VLA_GRAIN_EXP, backward_range, nd);
	return VLA_OK;
}

static bool sigmoid_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const float sign[] = { 1, -1, -1, 0, -1, 1, -1, -1, 0, -1, 1, 1 };
	if (i > 1)
		return false;
	*out = vla_sigmoid_loss(g, vla_sample_normal(g, rng, 2, (size_t[]){ i ? 4 : 3, i ? 3 : 4 }), sign);
	return true;
}

const vla_op vla_op_sigmoid_loss = {
	.name = "sigmoid_loss",
	.inputs = 1,
	.shape = sigmoid_shape,
	.forward = sigmoid_forward,
	.backward = sigmoid_backward,
	.sample = sigmoid_sample,
};

vla_tensor *vla_sigmoid_loss(vla_step *g, vla_tensor *logits, const float *sign)
{
	struct attr a = { sign };
	return vla_apply(g, &vla_op_sigmoid_loss, &logits, 1, &a, sizeof a);
}
