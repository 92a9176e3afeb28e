/* Means of runs of rows: a ragged batch of token vectors to one vector each. */
#include "grad/op.h"

struct attr {
	const size_t *offset;
	size_t n;
};

static vla_status segment_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (x->ndim != 2)
		return vla_op_refuse(nd, err, "needs [t, d]");
	for (size_t i = 0; i < a->n; i++)
		if (a->offset[i + 1] < a->offset[i] || a->offset[i + 1] > x->dim[0])
			return vla_op_refuse(nd, err, "run %zu does not lie inside the rows", i);
	out->ndim = 2;
	out->dim[0] = a->n;
	out->dim[1] = x->dim[1];
	return VLA_OK;
}

static vla_status segment_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	(void)err;
	vla_segment_mean_forward(g->pool, nd->out->dim[1], nd->in[0]->data, a->offset, a->n, nd->out->data);
	return VLA_OK;
}

static vla_status segment_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	(void)err;
	if (nd->in[0]->wants_grad)
		vla_segment_mean_backward(g->pool, nd->out->dim[1], nd->out->grad, a->offset, a->n, nd->in[0]->grad);
	return VLA_OK;
}

static bool segment_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const size_t offset[] = { 0, 2, 2, 3, 7 };
	if (i > 0)
		return false;
	*out = vla_segment_mean(g, vla_sample_normal(g, rng, 2, (size_t[]){ 7, 9 }), offset, 4);
	return true;
}

const vla_op vla_op_segment_mean = {
	.name = "segment_mean",
	.inputs = 1,
	.shape = segment_shape,
	.forward = segment_forward,
	.backward = segment_backward,
	.sample = segment_sample,
};

vla_tensor *vla_segment_mean(vla_step *g, vla_tensor *x, const size_t *offset, size_t n)
{
	struct attr a = { offset, n };
	return vla_apply(g, &vla_op_segment_mean, &x, 1, &a, sizeof a);
}
