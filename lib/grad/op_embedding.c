/* Rows of a table by number. The table may be stored in 16 bits when no gradient is wanted. */
#include "grad/op.h"

struct attr {
	const uint32_t *ids;
	size_t n;
};

static vla_status embedding_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *table = nd->in[0];
	if (table->ndim != 2)
		return vla_op_refuse(nd, err, "the table must be [v, d]");
	for (size_t i = 0; i < a->n; i++)
		if (a->ids[i] >= table->dim[0])
			return vla_op_refuse(nd, err, "number %u is outside the table", (unsigned)a->ids[i]);
	out->ndim = 2;
	out->dim[0] = a->n;
	out->dim[1] = table->dim[1];
	return VLA_OK;
}

static vla_status embedding_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	vla_tensor *t = nd->in[0];
	vla_dtype dtype = VLA_F32;
	const void *table = t->data;
	if (!table && t->param->raw && (t->param->raw_dtype == VLA_F16 || t->param->raw_dtype == VLA_BF16)) {
		table = t->param->raw;
		dtype = t->param->raw_dtype;
	} else if (!table) {
		VLA_TRY(vla_param_load(t->param, err));
		table = t->data = t->param->value;
	}
	vla_gather(g->pool, dtype, t->dim[1], table, a->ids, a->n, nd->out->data);
	return VLA_OK;
}

static vla_status embedding_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	vla_tensor *t = nd->in[0];
	(void)err;
	if (t->wants_grad)
		vla_scatter_add(g->pool, t->dim[1], nd->out->grad, a->ids, a->n, t->grad);
	return VLA_OK;
}

static bool embedding_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const uint32_t ids[] = { 3, 0, 3, 1, 3 };
	if (i > 1)
		return false;
	*out = vla_embedding(g, vla_sample_normal(g, rng, 2, (size_t[]){ 4, i ? 70 : 3 }), ids, 5);
	return true;
}

const vla_op vla_op_embedding = {
	.name = "embedding",
	.inputs = 1,
	.shape = embedding_shape,
	.forward = embedding_forward,
	.backward = embedding_backward,
	.packs = true,
	.sample = embedding_sample,
};

vla_tensor *vla_embedding(vla_step *g, vla_tensor *table, const uint32_t *ids, size_t n)
{
	struct attr a = { ids, n };
	return vla_apply(g, &vla_op_embedding, &table, 1, &a, sizeof a);
}
