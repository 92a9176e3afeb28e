/* Exhaustive search: every row is scored by inner product. Rows are scored in blocks over the pool, each worker keeps
 * its own heaps, and the heaps are merged in an order that does not depend on the split, so results are the same for
 * any number of threads. */
#include "index/flat.h"

#include "index/topk.h"
#include "io/file.h"
#include "kern/kern.h"

#include <math.h>

// Hits of the heaps of a worker: 16 MiB, as long as k is not larger.
enum { HEAP_HITS = 1 << 20 };

// Blocks, of up to 2048 rows, that the disk reads in advance.
enum { AHEAD = 16 };

vla_status vla_index_open(const char *path, vla_pool *pool, vla_index **out, vla_err *err)
{
	vla_index *x = calloc(1, sizeof *x);
	if (!x)
		return vla_nomem(err);
	vla_status s = vla_store_open(path, &x->store, err);
	if (s != VLA_OK) {
		free(x);
		return s;
	}
	x->pool = pool;
	*out = x;
	return VLA_OK;
}

void vla_index_close(vla_index *x)
{
	if (x)
		vla_store_release(&x->store);
	free(x);
}

const vla_header *vla_index_header(const vla_index *x)
{
	return &x->store.header;
}

bool vla_index_is_file(const vla_index *x)
{
	return x->store.chunks != NULL;
}

uint64_t vla_index_rows(const vla_index *x)
{
	return x->store.rows;
}

const char *vla_index_id(const vla_index *x, uint64_t row)
{
	return vla_store_id(&x->store, row);
}

const char *vla_index_caption(const vla_index *x, uint64_t row)
{
	return vla_store_caption(&x->store, row);
}

const char *vla_index_label(const vla_index *x, uint64_t row)
{
	return vla_store_label(&x->store, row);
}

void vla_index_vector(const vla_index *x, uint64_t row, float *out)
{
	vla_store_vector(&x->store, row, out);
}

vla_status vla_index_check_queries(const vla_index *x, const float *q, size_t nq, vla_err *err)
{
	size_t dim = x->store.header.dim;
	for (size_t i = 0; i < nq * dim; i++)
		if (!isfinite(q[i]))
			return vla_fail(err, VLA_EINVAL, "query %zu holds a number that is not finite", i / dim);
	return VLA_OK;
}

struct scan {
	const vla_index *x;
	const float *queries; // [nq, dim]
	size_t nq, k;
	float *scores; // [workers, nq, VLA_STORE_BLOCK]
	vla_hit *hits; // [workers, nq, k]
	vla_topk *top; // [workers, nq]
};

static void scan_blocks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct scan *s = ctx;
	const vla_store *st = &s->x->store;
	float *scores = s->scores + (size_t)worker * s->nq * VLA_STORE_BLOCK;
	vla_topk *top = s->top + (size_t)worker * s->nq;
	for (size_t b = begin; b < end; b++) {
		const vla_store_block *bl = &st->block[b];
		if (b + AHEAD < st->nblocks) {
			const vla_store_block *later = &st->block[b + AHEAD];
			vla_prefetch(later->data, later->rows * st->header.dim * vla_dtype_size(st->header.dtype));
		}
		vla_scores(NULL, bl->data, st->header.dtype, bl->scales, bl->rows, st->header.dim, s->queries, s->nq,
			   scores);
		for (size_t q = 0; q < s->nq; q++) {
			const float *row = scores + q * bl->rows;
			for (size_t i = 0; i < bl->rows; i++)
				vla_topk_push(&top[q], row[i], bl->first + i);
		}
	}
}

// One group of queries: the best k in hits [nq, stride], found [nq].
static vla_status scan(const vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits, size_t stride,
		       size_t *found, vla_err *err)
{
	size_t workers = vla_pool_size(x->pool);
	struct scan s = { .x = x, .queries = queries, .nq = nq, .k = k };
	vla_status st = VLA_OK;
	s.scores = vla_alloc(workers * nq, VLA_STORE_BLOCK * sizeof(float));
	s.top = vla_alloc(workers * nq, sizeof *s.top);
	s.hits = vla_alloc(workers * nq, k * sizeof *s.hits);
	if (!s.scores || !s.top || !s.hits) {
		st = vla_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < workers * nq; i++)
		s.top[i] = (vla_topk){ s.hits + i * k, 0, k };
	vla_parallel(x->pool, x->store.nblocks, 1, scan_blocks, &s);
	for (size_t q = 0; q < nq; q++) {
		vla_topk t = { hits + q * stride, 0, k };
		for (size_t w = 0; w < workers; w++)
			for (size_t i = 0; i < s.top[w * nq + q].n; i++) {
				const vla_hit *h = &s.top[w * nq + q].hit[i];
				vla_topk_push(&t, h->score, h->row);
			}
		vla_topk_sort(&t);
		found[q] = t.n;
	}
out:
	free(s.scores);
	free(s.top);
	free(s.hits);
	return st;
}

vla_status vla_index_search(vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits, size_t *found,
			    vla_err *err)
{
	VLA_TRY(vla_index_check_queries(x, queries, nq, err));
	// More hits than rows are never found: the heaps need not be larger.
	size_t kk = k < x->store.rows ? k : (size_t)x->store.rows;
	if (kk == 0) {
		if (nq)
			memset(found, 0, nq * sizeof *found);
		return VLA_OK;
	}
	size_t block = HEAP_HITS / kk < VLA_QUERY_BLOCK ? HEAP_HITS / kk + 1 : VLA_QUERY_BLOCK;
	for (size_t q = 0; q < nq; q += block) {
		size_t n = nq - q < block ? nq - q : block;
		VLA_TRY(scan(x, queries + q * x->store.header.dim, n, kk, hits + q * k, k, found + q, err));
	}
	return VLA_OK;
}
