/* Element-wise work on a tensor and a repeated smaller one; sums over the repeated dimensions for its gradient. */
#include "grad/broadcast.h"

#define COLUMNS 64

vla_status vla_suffix_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *a = nd->in[0], *b = nd->in[1];
	vla_shape_like(out, a);
	if (b->ndim == 1 && b->n == 1)
		return VLA_OK;
	if (b->ndim > a->ndim || memcmp(b->dim, a->dim + (a->ndim - b->ndim), b->ndim * sizeof b->dim[0]) != 0)
		return vla_op_refuse(nd, err, "the second shape is no suffix of the first");
	return VLA_OK;
}

struct pairs {
	vla_pair_fn *row;
	float *out;
	const float *a, *b;
	size_t nb;
};

static void flat_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct pairs *p = ctx;
	(void)worker;
	p->row(p->out + begin, p->a + begin, p->b + begin, end - begin);
}

static void row_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct pairs *p = ctx;
	(void)worker;
	for (size_t r = begin; r < end; r++)
		p->row(p->out + r * p->nb, p->a + r * p->nb, p->b, p->nb);
}

void vla_pairs(vla_step *g, vla_pair_fn *row, float *out, const float *a, size_t na, const float *b, size_t nb)
{
	struct pairs p = { row, out, a, b, nb };
	if (na == nb)
		vla_parallel(g->pool, na, VLA_GRAIN_CHEAP, flat_range, &p);
	else if (nb)
		vla_parallel(g->pool, na / nb, vla_row_grain(nb, VLA_GRAIN_CHEAP), row_range, &p);
}

struct columns {
	float *to;
	const float *a, *c;
	size_t rows, nb;
};

static void column_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct columns *p = ctx;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		size_t j0 = k * COLUMNS, n = p->nb - j0 < COLUMNS ? p->nb - j0 : COLUMNS;
		double s[COLUMNS] = { 0 };
		for (size_t r = 0; r < p->rows; r++) {
			const float *a = p->a + r * p->nb + j0, *c = p->c ? p->c + r * p->nb + j0 : NULL;
			for (size_t j = 0; !c && j < n; j++)
				s[j] += a[j];
			for (size_t j = 0; c && j < n; j++)
				s[j] += (double)a[j] * c[j];
		}
		for (size_t j = 0; j < n; j++)
			p->to[j0 + j] += (float)s[j];
	}
}

bool vla_column_sums(vla_step *g, float *to, const float *a, const float *c, size_t na, size_t nb)
{
	if (!nb)
		return true;
	if (nb == 1) {
		double s;
		if (!vla_dot(g, a, c, na, &s))
			return false;
		to[0] += (float)s;
		return true;
	}
	struct columns p = { to, a, c, na / nb, nb };
	vla_parallel(g->pool, (nb + COLUMNS - 1) / COLUMNS, 1, column_range, &p);
	return true;
}
