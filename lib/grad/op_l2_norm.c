/* Rows scaled to unit length: y = x / max(|x|, 1e-12). Gradient: (dy - y (y . dy)) / |x|. */
#include "grad/op.h"

#include <math.h>

#define FLOOR 1e-12

static vla_status l2_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	if (nd->in[0]->ndim == 0)
		return vla_op_refuse(nd, err, "needs at least one dimension");
	vla_shape_like(out, nd->in[0]);
	return VLA_OK;
}

static double row_dot(const float *a, const float *b, size_t n)
{
	double s[4] = { 0, 0, 0, 0 };
	size_t j = 0;
	for (; j + 4 <= n; j += 4)
		for (int k = 0; k < 4; k++)
			s[k] += (double)a[j + k] * b[j + k];
	for (; j < n; j++)
		s[0] += (double)a[j] * b[j];
	return (s[0] + s[1]) + (s[2] + s[3]);
}

static void forward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	size_t d = vla_last_dim(nd->out);
	float *inv = nd->saved; // [rows] 1 / max(|x|, floor)
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		const float *x = nd->in[0]->data + r * d;
		float *y = nd->out->data + r * d;
		double s = 1 / fmax(sqrt(row_dot(x, x, d)), FLOOR);
		for (size_t j = 0; j < d; j++)
			y[j] = (float)(x[j] * s);
		if (inv)
			inv[r] = (float)s;
	}
}

static vla_status l2_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t rows = vla_rows(nd->out), grain = vla_row_grain(vla_last_dim(nd->out), VLA_GRAIN_CHEAP);
	if (g->tape && !(nd->saved = vla_save(g, rows, sizeof(float))))
		return vla_nomem(err);
	vla_parallel(g->pool, rows, grain, forward_range, nd);
	return VLA_OK;
}

struct back {
	const vla_node *nd;
	bool add;
};

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct back *b = ctx;
	const vla_node *nd = b->nd;
	size_t d = vla_last_dim(nd->out);
	const float *inv = nd->saved;
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		const float *y = nd->out->data + r * d, *dy = nd->out->grad + r * d;
		float *dx = nd->in[0]->grad + r * d;
		// Below the floor the divisor is a constant.
		float s = inv[r], t = s < (float)(1 / FLOOR) ? (float)row_dot(y, dy, d) : 0;
		for (size_t j = 0; j < d; j++)
			dx[j] = (b->add ? dx[j] : 0) + s * (dy[j] - y[j] * t);
	}
}

static vla_status l2_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_parallel(g->pool, vla_rows(nd->out), vla_row_grain(vla_last_dim(nd->out), VLA_GRAIN_CHEAP), backward_range,
		     &(struct back){ nd, vla_grad_add(nd->in[0]) });
	return VLA_OK;
}

static bool l2_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t dim[3][3] = { { 3, 2, 7 }, { 1, 1, 5 }, { 2, 1, 1 } };
	if (i > 2)
		return false;
	*out = vla_l2_norm(g, vla_sample_away(g, rng, 3, dim[i], 0.1f));
	return true;
}

const vla_op vla_op_l2_norm = {
	.name = "l2_norm",
	.inputs = 1,
	.shape = l2_shape,
	.forward = l2_forward,
	.backward = l2_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = l2_sample,
};

vla_tensor *vla_l2_norm(vla_step *g, vla_tensor *x)
{
	return vla_apply(g, &vla_op_l2_norm, &x, 1, NULL, 0);
}
