/* Matrix product of the last two dimensions; leading ones are a batch. A right factor without them serves the whole
 * batch. */
#include "grad/op.h"

struct attr {
	bool ta, tb;
};

struct sizes {
	size_t m, n, k, batch, lda, ldb, stride_b;
};

static struct sizes sizes_of(const vla_node *nd)
{
	const vla_tensor *a = nd->in[0], *b = nd->in[1];
	const struct attr *t = nd->attr;
	struct sizes s = { .lda = a->dim[a->ndim - 1], .ldb = b->dim[b->ndim - 1], .batch = 1 };
	size_t ra = a->dim[a->ndim - 2], rb = b->dim[b->ndim - 2];
	s.m = t->ta ? s.lda : ra;
	s.k = t->ta ? ra : s.lda;
	s.n = t->tb ? rb : s.ldb;
	for (unsigned i = 0; i + 2 < a->ndim; i++)
		s.batch *= a->dim[i];
	s.stride_b = b->ndim > 2 ? rb * s.ldb : 0;
	if (!s.stride_b && !t->ta) { // one product over all rows
		s.m *= s.batch;
		s.batch = 1;
	}
	return s;
}

static vla_status matmul_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *a = nd->in[0], *b = nd->in[1];
	const struct attr *t = nd->attr;
	if (a->ndim < 2 || b->ndim < 2 || (b->ndim != 2 && b->ndim != a->ndim))
		return vla_op_refuse(nd, err, "needs matrices with the same leading dimensions");
	for (unsigned i = 0; b->ndim > 2 && i + 2 < a->ndim; i++)
		if (a->dim[i] != b->dim[i])
			return vla_op_refuse(nd, err, "the leading dimensions differ");
	const size_t *da = a->dim + a->ndim - 2, *db = b->dim + b->ndim - 2;
	if (da[!t->ta] != db[t->tb])
		return vla_op_refuse(nd, err, "the inner dimensions differ");
	vla_shape_like(out, a);
	out->dim[a->ndim - 2] = da[t->ta];
	out->dim[a->ndim - 1] = db[!t->tb];
	return VLA_OK;
}

struct job {
	struct sizes s;
	struct attr t;
	const float *a, *b, *d;
	float *out, *da, *db;
};

static void forward_one(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const struct sizes *s = &j->s;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		vla_gemm(NULL, j->t.ta, j->t.tb, s->m, s->n, s->k, 1, j->a + i * s->m * s->k, s->lda,
			 j->b + i * s->stride_b, s->ldb, 0, j->out + i * s->m * s->n, s->n);
}

static vla_status matmul_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	struct job j = { .s = sizes_of(nd),
			 .t = *(const struct attr *)nd->attr,
			 .a = nd->in[0]->data,
			 .b = nd->in[1]->data,
			 .out = nd->out->data };
	(void)err;
	if (j.s.batch == 1)
		vla_gemm(g->pool, j.t.ta, j.t.tb, j.s.m, j.s.n, j.s.k, 1, j.a, j.s.lda, j.b, j.s.ldb, 0, j.out, j.s.n);
	else
		vla_parallel(g->pool, j.s.batch, 1, forward_one, &j);
	return VLA_OK;
}

// Adds to the gradients of batch entry i; the pool is for a single product.
static void backward_entry(const struct job *j, vla_pool *pool, size_t i, bool want_a, bool want_b)
{
	const struct sizes *s = &j->s;
	const float *a = j->a + i * s->m * s->k, *b = j->b + i * s->stride_b, *d = j->d + i * s->m * s->n;
	float *da = want_a ? j->da + i * s->m * s->k : NULL, *db = want_b ? j->db + i * s->stride_b : NULL;
	if (want_a && j->t.ta)
		vla_gemm(pool, j->t.tb, true, s->k, s->m, s->n, 1, b, s->ldb, d, s->n, 1, da, s->lda);
	else if (want_a)
		vla_gemm(pool, false, !j->t.tb, s->m, s->k, s->n, 1, d, s->n, b, s->ldb, 1, da, s->lda);
	if (want_b && j->t.tb)
		vla_gemm(pool, true, j->t.ta, s->n, s->k, s->m, 1, d, s->n, a, s->lda, 1, db, s->ldb);
	else if (want_b)
		vla_gemm(pool, !j->t.ta, false, s->k, s->n, s->m, 1, a, s->lda, d, s->n, 1, db, s->ldb);
}

static void backward_one(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		backward_entry(j, NULL, i, j->da != NULL, j->db != NULL);
}

static vla_status matmul_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *a = nd->in[0], *b = nd->in[1];
	struct job j = { .s = sizes_of(nd),
			 .t = *(const struct attr *)nd->attr,
			 .a = a->data,
			 .b = b->data,
			 .d = nd->out->grad,
			 .da = a->wants_grad ? a->grad : NULL,
			 .db = b->wants_grad ? b->grad : NULL };
	(void)err;
	// Entries that share b add to one gradient, so they go one after the other.
	if (j.s.batch > 1 && j.s.stride_b)
		vla_parallel(g->pool, j.s.batch, 1, backward_one, &j);
	else
		for (size_t i = 0; i < j.s.batch; i++)
			backward_entry(&j, g->pool, i, j.da != NULL, j.db != NULL);
	return VLA_OK;
}

static bool matmul_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	if (i >= 12)
		return false;
	bool ta = i & 1, tb = i & 2;
	size_t a[] = { 2, ta ? 4 : 3, ta ? 3 : 4 }, b[] = { 2, tb ? 5 : 4, tb ? 4 : 5 };
	unsigned cut_a = i / 4 == 1, cut_b = i / 4 >= 1; // batches, plain matrices, a shared right factor
	vla_tensor *x = vla_sample_normal(g, rng, 3 - cut_a, a + cut_a),
		   *y = vla_sample_normal(g, rng, 3 - cut_b, b + cut_b);
	*out = vla_matmul(g, x, y, ta, tb);
	return true;
}

const vla_op vla_op_matmul = {
	.name = "matmul",
	.inputs = 2,
	.shape = matmul_shape,
	.forward = matmul_forward,
	.backward = matmul_backward,
	.sample = matmul_sample,
};

vla_tensor *vla_matmul(vla_step *g, vla_tensor *a, vla_tensor *b, bool ta, bool tb)
{
	struct attr t = { ta, tb };
	return vla_apply(g, &vla_op_matmul, (vla_tensor *[]){ a, b }, 2, &t, sizeof t);
}
