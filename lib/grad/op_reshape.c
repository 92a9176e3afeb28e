/* The same elements under another shape, without a copy. */
#include "grad/op.h"

struct attr {
	unsigned ndim;
	size_t dim[VLA_TENSOR_DIMS];
};

static vla_status reshape_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	size_t n = 1;
	bool fits = a->ndim <= VLA_TENSOR_DIMS;
	for (unsigned i = 0; fits && i < a->ndim; i++) {
		fits = !__builtin_mul_overflow(n, a->dim[i], &n);
		out->dim[i] = a->dim[i];
	}
	out->ndim = a->ndim;
	if (!fits || n != nd->in[0]->n) {
		char to[80] = "too many dimensions";
		if (a->ndim <= VLA_TENSOR_DIMS)
			vla_shape_text(out, to, sizeof to);
		return vla_op_refuse(nd, err, "the elements do not fill %s", to);
	}
	return VLA_OK;
}

static bool reshape_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 1)
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 3, (size_t[]){ 2, 3, 4 });
	*out = vla_reshape(g, x, 2, (size_t[]){ 6, 4 });
	if (i == 1) // a view whose base is used as well, and twice itself
		*out = vla_add(g, vla_mul(g, *out, *out), vla_reshape(g, vla_mul(g, x, x), 2, (size_t[]){ 6, 4 }));
	return true;
}

const vla_op vla_op_reshape = {
	.name = "reshape",
	.inputs = 1,
	.shape = reshape_shape,
	.view = true,
	.sample = reshape_sample,
};

vla_tensor *vla_reshape(vla_step *g, vla_tensor *x, unsigned ndim, const size_t *dim)
{
	struct attr a = { .ndim = ndim };
	if (ndim <= VLA_TENSOR_DIMS)
		memcpy(a.dim, dim, ndim * sizeof *dim);
	return vla_apply(g, &vla_op_reshape, &x, 1, &a, sizeof a);
}
