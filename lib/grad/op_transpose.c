/* Swaps two dimensions, with a copy. */
#include "grad/op.h"

struct attr {
	unsigned a, b; // a <= b
};

static vla_status transpose_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *at = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (at->b >= x->ndim)
		return vla_op_refuse(nd, err, "there is no dimension %u", at->b);
	vla_shape_like(out, x);
	out->dim[at->a] = x->dim[at->b];
	out->dim[at->b] = x->dim[at->a];
	return VLA_OK;
}

// from is [outer, da, mid, db, inner]; to is [outer, db, mid, da, inner].
struct swap {
	const float *from;
	float *to;
	size_t outer, da, mid, db, inner;
	bool add;
};

static struct swap split(const vla_tensor *x, const struct attr *at)
{
	struct swap s = {
		.outer = 1, .da = x->dim[at->a], .mid = 1, .db = at->a == at->b ? 1 : x->dim[at->b], .inner = 1
	};
	for (unsigned i = 0; i < x->ndim; i++)
		if (i < at->a)
			s.outer *= x->dim[i];
		else if (i > at->b)
			s.inner *= x->dim[i];
		else if (i > at->a && i < at->b)
			s.mid *= x->dim[i];
	return s;
}

static void swap_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct swap *s = ctx;
	(void)worker;
	for (size_t r = begin; r < end; r++) { // over [outer, db, mid]
		size_t o = r / (s->db * s->mid), j = r / s->mid % s->db, m = r % s->mid;
		float *to = s->to + r * s->da * s->inner;
		const float *from = s->from + ((o * s->da * s->mid + m) * s->db + j) * s->inner;
		for (size_t i = 0; i < s->da; i++, to += s->inner, from += s->mid * s->db * s->inner) {
			for (size_t k = 0; s->add && k < s->inner; k++)
				to[k] += from[k];
			for (size_t k = 0; !s->add && k < s->inner; k++)
				to[k] = from[k];
		}
	}
}

static void run(vla_step *g, struct swap s)
{
	size_t row = s.da * s.inner;
	if (row)
		vla_parallel(g->pool, s.outer * s.db * s.mid, vla_row_grain(row, VLA_GRAIN_CHEAP), swap_range, &s);
}

static vla_status transpose_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	struct swap s = split(nd->in[0], nd->attr);
	(void)err;
	s.from = nd->in[0]->data;
	s.to = nd->out->data;
	run(g, s);
	return VLA_OK;
}

static vla_status transpose_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	struct swap s = split(nd->out, nd->attr);
	(void)err;
	s.from = nd->out->grad;
	s.to = nd->in[0]->grad;
	s.add = vla_grad_add(nd->in[0]);
	run(g, s);
	return VLA_OK;
}

static bool transpose_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct attr at[] = { { 0, 1 }, { 1, 2 }, { 0, 3 }, { 1, 3 }, { 2, 2 } };
	if (i >= sizeof at / sizeof at[0])
		return false;
	*out = vla_transpose(g, vla_sample_normal(g, rng, 4, (size_t[]){ 2, 3, 4, 5 }), at[i].b, at[i].a);
	return true;
}

const vla_op vla_op_transpose = {
	.name = "transpose",
	.inputs = 1,
	.shape = transpose_shape,
	.forward = transpose_forward,
	.backward = transpose_backward,
	.sets_grad = true,
	.sample = transpose_sample,
};

vla_tensor *vla_transpose(vla_step *g, vla_tensor *x, unsigned a, unsigned b)
{
	struct attr at = { a < b ? a : b, a < b ? b : a };
	return vla_apply(g, &vla_op_transpose, &x, 1, &at, sizeof at);
}
