/* Mean of squared differences. */
#include "grad/op.h"

#define PIECE 4096

static vla_status mse_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	if (!vla_same_shape(nd->in[0], nd->in[1]))
		return vla_op_refuse(nd, err, "shapes differ");
	vla_shape_scalar(out);
	return VLA_OK;
}

static void forward_pieces(const vla_node *nd, size_t begin, size_t end, double *part)
{
	const float *a = nd->in[0]->data, *b = nd->in[1]->data;
	size_t n = nd->in[0]->n;
	for (size_t p = begin; p < end; p++) {
		size_t last = (p + 1) * PIECE < n ? (p + 1) * PIECE : n;
		double s = 0;
		for (size_t i = p * PIECE; i < last; i++) {
			double d = (double)a[i] - b[i];
			s += d * d;
		}
		part[p] = s;
	}
}

static vla_status mse_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t n = nd->in[0]->n;
	return vla_row_loss(g, nd, (n + PIECE - 1) / PIECE, VLA_GRAIN_CHEAP / PIECE, forward_pieces,
			    n ? 1 / (double)n : 0, err);
}

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	vla_tensor *a = nd->in[0], *b = nd->in[1];
	float k = 2 * vla_out_grad(nd) / (float)a->n;
	(void)worker;
	for (size_t i = begin; a->wants_grad && i < end; i++)
		a->grad[i] += k * (a->data[i] - b->data[i]);
	for (size_t i = begin; b->wants_grad && i < end; i++)
		b->grad[i] -= k * (a->data[i] - b->data[i]);
}

static vla_status mse_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	(void)err;
	vla_parallel(g->pool, nd->in[0]->n, VLA_GRAIN_CHEAP, backward_range, nd);
	return VLA_OK;
}

static bool mse_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t dim[2][2] = { { 3, 4 }, { 1, 1 } };
	if (i > 1)
		return false;
	vla_tensor *a = vla_sample_normal(g, rng, 2, dim[i]), *b = vla_sample_normal(g, rng, 2, dim[i]);
	*out = vla_mse(g, a, b);
	return true;
}

const vla_op vla_op_mse = {
	.name = "mse",
	.inputs = 2,
	.shape = mse_shape,
	.forward = mse_forward,
	.backward = mse_backward,
	.sample = mse_sample,
};

vla_tensor *vla_mse(vla_step *g, vla_tensor *a, vla_tensor *b)
{
	return vla_apply(g, &vla_op_mse, (vla_tensor *[]){ a, b }, 2, NULL, 0);
}
