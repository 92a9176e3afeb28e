/* Rows of a matrix by number; a row may be taken more than once. */
#include "grad/op.h"

#define COLUMNS 64

struct attr {
	const uint32_t *row; // [n], the caller's
	size_t n;
};

static vla_status gather_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (x->ndim != 2)
		return vla_op_refuse(nd, err, "needs a matrix");
	for (size_t i = 0; i < a->n; i++)
		if (a->row[i] >= x->dim[0])
			return vla_op_refuse(nd, err, "there is no row %u", (unsigned)a->row[i]);
	out->ndim = 2;
	out->dim[0] = a->n;
	out->dim[1] = x->dim[1];
	return VLA_OK;
}

static vla_status gather_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	size_t d = nd->out->dim[1];
	(void)g;
	(void)err;
	for (size_t i = 0; d && i < a->n; i++)
		memcpy(nd->out->data + i * d, nd->in[0]->data + a->row[i] * d, d * sizeof(float));
	return VLA_OK;
}

// Threads share out columns: rows that come twice are then added in order.
static void scatter_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const vla_node *nd = ctx;
	const struct attr *a = nd->attr;
	size_t d = nd->out->dim[1], first = begin * COLUMNS, last = end * COLUMNS < d ? end * COLUMNS : d;
	(void)worker;
	for (size_t i = 0; i < a->n; i++) {
		const float *from = nd->out->grad + i * d;
		float *to = nd->in[0]->grad + a->row[i] * d;
		for (size_t j = first; j < last; j++)
			to[j] += from[j];
	}
}

static vla_status gather_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	size_t blocks = (nd->out->dim[1] + COLUMNS - 1) / COLUMNS;
	(void)err;
	vla_parallel(g->pool, blocks, vla_row_grain(nd->out->dim[0] * COLUMNS, VLA_GRAIN_CHEAP), scatter_range, nd);
	return VLA_OK;
}

static bool gather_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const uint32_t row[] = { 3, 0, 3, 1, 3 };
	if (i > 1)
		return false;
	*out = vla_gather_rows(g, vla_sample_normal(g, rng, 2, (size_t[]){ 4, i ? 70 : 3 }), row, 5);
	return true;
}

const vla_op vla_op_gather_rows = {
	.name = "gather_rows",
	.inputs = 1,
	.shape = gather_shape,
	.forward = gather_forward,
	.backward = gather_backward,
	.sample = gather_sample,
};

vla_tensor *vla_gather_rows(vla_step *g, vla_tensor *x, const uint32_t *row, size_t n)
{
	struct attr a = { row, n };
	return vla_apply(g, &vla_op_gather_rows, &x, 1, &a, sizeof a);
}
