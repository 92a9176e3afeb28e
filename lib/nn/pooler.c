/* Attention pooling: a learnt query attends to all tokens and its result goes through a residual MLP. The query itself
 * is not added to the result. Follows the pooling head of SigLIP (Zhai et al. 2023), after Lee et al., "Set
 * Transformer", 2019. */
#include "nn/nn.h"

#include <math.h>

static const char *part_of(char *buf, size_t n, const char *name, const char *part)
{
	snprintf(buf, n, "%s.%s", name, part);
	return buf;
}

void vla_nn_pooler_init(vla_nn_pooler *p, vla_maker *mk, const char *name, const vla_nn_block_opts *o)
{
	char part[128];
	size_t w = o->width;
	float std = (float)(1 / sqrt((double)w));
	p->heads = o->heads;
	p->query = vla_make(mk, VLA_FILL_NORMAL, std, name, "query", 1, &w);
	vla_nn_linear_init(&p->in, mk, part_of(part, sizeof part, name, "in"), w, 3 * w, true, std);
	vla_nn_linear_init(&p->out, mk, part_of(part, sizeof part, name, "out"), w, w, true, std);
	vla_nn_norm_init(&p->norm, mk, part_of(part, sizeof part, name, "norm"), w, o->eps);
	vla_nn_mlp_init(&p->mlp, mk, part_of(part, sizeof part, name, "mlp"), o);
}

vla_tensor *vla_nn_repeat(vla_step *g, vla_tensor *x, size_t n)
{
	size_t dim[VLA_TENSOR_DIMS];
	if (!x || n == 1)
		return x;
	memcpy(dim, x->dim, x->ndim * sizeof *dim);
	dim[0] = n;
	vla_tensor *zero = vla_tensor_new(g, x->ndim, dim);
	if (!zero)
		return NULL;
	memset(zero->data, 0, zero->n * sizeof *zero->data);
	return vla_add(g, vla_last_use(zero), vla_reshape(g, x, x->ndim - 1, x->dim + 1));
}

// Third `part` of in's output.
static vla_tensor *third(vla_step *g, vla_tensor *x, unsigned part)
{
	size_t w = x ? x->dim[x->ndim - 1] / 3 : 0;
	return x ? vla_slice(g, x, x->ndim - 1, part * w, w) : NULL;
}

// query [n, tq, w], all = in(tokens) [n, t, 3 w] -> [n, tq, w]
static vla_tensor *attend(vla_step *g, const vla_nn_pooler *p, vla_tensor *query, vla_tensor *all,
			  const vla_watch *watch)
{
	vla_tensor *x = vla_attention(g, query, third(g, all, 1), third(g, all, 2), p->heads, false, NULL);
	x = vla_nn_linear_forward(g, &p->out, x);
	vla_watch_call(watch, "pooler.attention", -1, x);
	vla_tensor *y = vla_nn_mlp_forward(g, &p->mlp, vla_nn_norm_forward(g, &p->norm, x));
	return vla_add(g, vla_last_use(y), x);
}

vla_tensor *vla_nn_pooler_forward(vla_step *g, const vla_nn_pooler *p, vla_tensor *tokens, const vla_watch *watch)
{
	if (!tokens)
		return NULL;
	size_t n = tokens->dim[0], w = tokens->dim[2];
	vla_tensor *query = vla_reshape(g, vla_use(g, p->query), 3, (size_t[]){ 1, 1, w });
	query = vla_nn_repeat(g, third(g, vla_nn_linear_forward(g, &p->in, query), 0), n);
	vla_tensor *x = attend(g, p, query, vla_nn_linear_forward(g, &p->in, tokens), watch);
	return vla_reshape(g, x, 2, (size_t[]){ n, w });
}

vla_tensor *vla_nn_pooler_dense(vla_step *g, const vla_nn_pooler *p, vla_tensor *tokens)
{
	vla_tensor *all = vla_nn_linear_forward(g, &p->in, tokens);
	return attend(g, p, third(g, all, 0), all, NULL);
}
