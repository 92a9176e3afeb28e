/* A range of one dimension, with a copy. */
#include "grad/op.h"

struct attr {
	unsigned axis;
	size_t begin, count;
};

static vla_status slice_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (a->axis >= x->ndim)
		return vla_op_refuse(nd, err, "there is no dimension %u", a->axis);
	if (a->begin > x->dim[a->axis] || a->count > x->dim[a->axis] - a->begin)
		return vla_op_refuse(nd, err, "%zu elements from %zu pass the end of dimension %u", a->count, a->begin,
				     a->axis);
	vla_shape_like(out, x);
	out->dim[a->axis] = a->count;
	return VLA_OK;
}

// The slice is `runs` runs of `length` elements, `stride` apart in x from `start` on.
struct runs {
	size_t runs, length, stride, start;
};

static struct runs find_runs(const vla_tensor *x, const struct attr *a)
{
	size_t outer = 1, inner = 1;
	for (unsigned d = 0; d < x->ndim; d++)
		if (d != a->axis)
			*(d < a->axis ? &outer : &inner) *= x->dim[d];
	return (struct runs){ outer, a->count * inner, x->dim[a->axis] * inner, a->begin * inner };
}

static vla_status slice_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	struct runs s = find_runs(x, nd->attr);
	(void)g;
	(void)err;
	for (size_t r = 0; s.length && r < s.runs; r++)
		memcpy(nd->out->data + r * s.length, x->data + r * s.stride + s.start, s.length * sizeof(float));
	return VLA_OK;
}

static vla_status slice_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	struct runs s = find_runs(x, nd->attr);
	(void)g;
	(void)err;
	for (size_t r = 0; r < s.runs; r++) {
		const float *from = nd->out->grad + r * s.length;
		float *to = x->grad + r * s.stride + s.start;
		for (size_t j = 0; j < s.length; j++)
			to[j] += from[j];
	}
	return VLA_OK;
}

static bool slice_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct attr a[] = { { 0, 1, 2 }, { 1, 0, 1 }, { 2, 2, 2 }, { 1, 0, 3 } };
	if (i >= sizeof a / sizeof a[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 3, (size_t[]){ 3, 3, 4 });
	*out = vla_slice(g, x, a[i].axis, a[i].begin, a[i].count);
	return true;
}

const vla_op vla_op_slice = {
	.name = "slice",
	.inputs = 1,
	.shape = slice_shape,
	.forward = slice_forward,
	.backward = slice_backward,
	.sample = slice_sample,
};

vla_tensor *vla_slice(vla_step *g, vla_tensor *x, unsigned axis, size_t begin, size_t count)
{
	struct attr a = { axis, begin, count };
	return vla_apply(g, &vla_op_slice, &x, 1, &a, sizeof a);
}
