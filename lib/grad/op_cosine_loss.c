/* Mean over rows of 1 - cos(a, b), with lengths below 1e-8 taken as 1e-8. */
#include "grad/op.h"

#include <math.h>

#define FLOOR 1e-8

struct row {
	double cos, na, nb; // na, nb: lengths
};

static vla_status cosine_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	if (nd->in[0]->ndim == 0 || !vla_same_shape(nd->in[0], nd->in[1]))
		return vla_op_refuse(nd, err, "shapes differ or have no dimension");
	vla_shape_scalar(out);
	return VLA_OK;
}

static void forward_rows(const vla_node *nd, size_t begin, size_t end, double *part)
{
	size_t d = vla_last_dim(nd->in[0]);
	struct row *saved = nd->saved;
	for (size_t r = begin; r < end; r++) {
		const float *a = nd->in[0]->data + r * d, *b = nd->in[1]->data + r * d;
		double ab = 0, aa = 0, bb = 0;
		for (size_t j = 0; j < d; j++) {
			ab += (double)a[j] * b[j];
			aa += (double)a[j] * a[j];
			bb += (double)b[j] * b[j];
		}
		struct row s = { .na = fmax(sqrt(aa), FLOOR), .nb = fmax(sqrt(bb), FLOOR) };
		s.cos = ab / (s.na * s.nb);
		part[r] = 1 - s.cos;
		if (saved)
			saved[r] = s;
	}
}

static vla_status cosine_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t rows = vla_rows(nd->in[0]);
	if (g->tape && !(nd->saved = vla_save(g, rows, sizeof(struct row))))
		return vla_nomem(err);
	return vla_row_loss(g, nd, rows, vla_row_grain(vla_last_dim(nd->in[0]), VLA_GRAIN_CHEAP), forward_rows,
			    rows ? 1 / (double)rows : 0, err);
}

// d cos / d x = (y / |y| - cos x / |x|) / |x|; a length at the floor is a constant.
static void add_row(float *dx, const float *x, const float *y, size_t d, double cos, double nx, double ny, double k)
{
	double own = nx > FLOOR ? cos / nx : 0;
	for (size_t j = 0; j < d; j++)
		dx[j] += (float)(k * (y[j] / ny - own * x[j]) / nx);
}

static void backward_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	vla_tensor *a = nd->in[0], *b = nd->in[1];
	const struct row *saved = nd->saved;
	size_t d = vla_last_dim(a);
	double k = -vla_out_grad(nd) / (double)vla_rows(a);
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		const struct row *s = &saved[r];
		if (a->wants_grad)
			add_row(a->grad + r * d, a->data + r * d, b->data + r * d, d, s->cos, s->na, s->nb, k);
		if (b->wants_grad)
			add_row(b->grad + r * d, b->data + r * d, a->data + r * d, d, s->cos, s->nb, s->na, k);
	}
}

static vla_status cosine_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *a = nd->in[0];
	(void)err;
	vla_parallel(g->pool, vla_rows(a), vla_row_grain(vla_last_dim(a), VLA_GRAIN_CHEAP), backward_range, nd);
	return VLA_OK;
}

static bool cosine_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t dim[2][3] = { { 2, 3, 5 }, { 1, 1, 2 } };
	if (i > 1)
		return false;
	vla_tensor *a = vla_sample_away(g, rng, 3, dim[i], 0.2f), *b = vla_sample_away(g, rng, 3, dim[i], 0.2f);
	*out = vla_cosine_loss(g, a, b);
	return true;
}

const vla_op vla_op_cosine_loss = {
	.name = "cosine_loss",
	.inputs = 2,
	.shape = cosine_shape,
	.forward = cosine_forward,
	.backward = cosine_backward,
	.sample = cosine_sample,
};

vla_tensor *vla_cosine_loss(vla_step *g, vla_tensor *a, vla_tensor *b)
{
	return vla_apply(g, &vla_op_cosine_loss, (vla_tensor *[]){ a, b }, 2, NULL, 0);
}
