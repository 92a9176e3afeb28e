/* Tensors one after the other along one dimension. */
#include "grad/op.h"

static vla_status concat_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const unsigned axis = *(const unsigned *)nd->attr;
	if (nd->n_in == 0)
		return vla_op_refuse(nd, err, "needs at least one input");
	vla_shape_like(out, nd->in[0]);
	if (axis >= out->ndim)
		return vla_op_refuse(nd, err, "there is no dimension %u", axis);
	for (size_t i = 1; i < nd->n_in; i++) {
		const vla_tensor *x = nd->in[i];
		bool fits =
			x->ndim == out->ndim && !__builtin_add_overflow(out->dim[axis], x->dim[axis], &out->dim[axis]);
		for (unsigned d = 0; fits && d < x->ndim; d++)
			fits = d == axis || x->dim[d] == out->dim[d];
		if (!fits)
			return vla_op_refuse(nd, err, "shapes differ outside dimension %u", axis);
	}
	return VLA_OK;
}

// Elements of one input that lie together, and how often such a run comes.
static size_t run_length(const vla_tensor *x, unsigned axis, size_t *runs)
{
	size_t n = 1;
	*runs = 1;
	for (unsigned d = 0; d < x->ndim; d++)
		*(d < axis ? runs : &n) *= x->dim[d];
	return n;
}

static vla_status concat_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const unsigned axis = *(const unsigned *)nd->attr;
	size_t runs, all = run_length(nd->out, axis, &runs), at = 0;
	(void)g;
	(void)err;
	for (size_t i = 0; i < nd->n_in; i++) {
		size_t n = run_length(nd->in[i], axis, &runs);
		for (size_t r = 0; n && r < runs; r++)
			memcpy(nd->out->data + r * all + at, nd->in[i]->data + r * n, n * sizeof(float));
		at += n;
	}
	return VLA_OK;
}

static vla_status concat_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const unsigned axis = *(const unsigned *)nd->attr;
	size_t runs, all = run_length(nd->out, axis, &runs), at = 0;
	(void)g;
	(void)err;
	for (size_t i = 0; i < nd->n_in; i++) {
		vla_tensor *x = nd->in[i];
		size_t n = run_length(x, axis, &runs);
		for (size_t r = 0; x->wants_grad && r < runs; r++) {
			const float *from = nd->out->grad + r * all + at;
			float *to = x->grad + r * n;
			for (size_t j = 0; j < n; j++)
				to[j] += from[j];
		}
		at += n;
	}
	return VLA_OK;
}

static bool concat_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i > 2)
		return false;
	vla_tensor *x[3];
	for (size_t k = 0; k < 3; k++) {
		size_t dim[3] = { 2, 3, 4 };
		dim[i] = k + 1;
		x[k] = vla_sample_normal(g, rng, 3, dim);
	}
	*out = vla_concat(g, x, 3, i);
	return true;
}

const vla_op vla_op_concat = {
	.name = "concat",
	.inputs = -1,
	.shape = concat_shape,
	.forward = concat_forward,
	.backward = concat_backward,
	.sample = concat_sample,
};

vla_tensor *vla_concat(vla_step *g, vla_tensor *const *x, size_t n, unsigned axis)
{
	return vla_apply(g, &vla_op_concat, x, n, &axis, sizeof axis);
}
