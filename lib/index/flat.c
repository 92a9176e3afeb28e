/* Exhaustive search: every row is scored by inner product. Rows are scored in blocks over the pool, each worker keeps
 * its own heaps, and the heaps are merged in an order that does not depend on the split, so results are the same for
 * any number of threads. */
#include "index/topk.h"

#include "index/store.h"
#include "kern/kern.h"

#include <math.h>

struct vla_index {
	vla_store store;
	vla_pool *pool;
};

// Queries that are scored together: bounds the score buffer of a worker to 2 MiB, and its heaps to 16 MiB as long as k
// does.
enum { QUERY_BLOCK = 256, HEAP_HITS = 1 << 20 };

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

static vla_status check_queries(const vla_index *x, const float *q, size_t nq, vla_err *err)
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
	VLA_TRY(check_queries(x, queries, nq, err));
	// More hits than rows are never found: the heaps need not be larger.
	size_t kk = k < x->store.rows ? k : (size_t)x->store.rows;
	if (kk == 0) {
		if (nq)
			memset(found, 0, nq * sizeof *found);
		return VLA_OK;
	}
	size_t block = HEAP_HITS / kk < QUERY_BLOCK ? HEAP_HITS / kk + 1 : QUERY_BLOCK;
	for (size_t q = 0; q < nq; q += block) {
		size_t n = nq - q < block ? nq - q : block;
		VLA_TRY(scan(x, queries + q * x->store.header.dim, n, kk, hits + q * k, k, found + q, err));
	}
	return VLA_OK;
}

struct pairs {
	const vla_index *x;
	float threshold;
	const float *queries; // [nq, dim], rows `first` and after
	size_t nq;
	uint64_t first;
	float *scores;  // [workers, nq, VLA_STORE_BLOCK]
	vla_buf *found; // [nblocks] of struct pair
	bool failed;
};

struct pair {
	uint64_t first, second;
	float score;
};

static void pair_blocks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct pairs *s = ctx;
	const vla_store *st = &s->x->store;
	float *scores = s->scores + (size_t)worker * s->nq * VLA_STORE_BLOCK;
	for (size_t b = begin; b < end; b++) {
		const vla_store_block *bl = &st->block[b];
		if (bl->first + bl->rows <= s->first)
			continue;
		vla_scores(NULL, bl->data, st->header.dtype, bl->scales, bl->rows, st->header.dim, s->queries, s->nq,
			   scores);
		for (size_t q = 0; q < s->nq; q++)
			for (size_t i = 0; i < bl->rows; i++) {
				struct pair p = { s->first + q, bl->first + i, scores[q * bl->rows + i] };
				// A failed allocation is seen by the caller, who compares the flag after the loop.
				if (p.score >= s->threshold && p.second > p.first &&
				    vla_buf_add(&s->found[b], &p, sizeof p, NULL))
					s->failed = true;
			}
	}
}

static int by_rows(const void *a, const void *b)
{
	const struct pair *p = a, *q = b;
	if (p->first != q->first)
		return p->first < q->first ? -1 : 1;
	return p->second < q->second ? -1 : p->second > q->second;
}

static vla_status emit_pairs(struct pairs *s, vla_pair_fn *fn, void *ctx, vla_err *err)
{
	vla_buf all = { NULL, 0, 0 };
	vla_status st = s->failed ? vla_nomem(err) : VLA_OK;
	for (size_t b = 0; b < s->x->store.nblocks && st == VLA_OK; b++)
		st = vla_buf_add(&all, s->found[b].data, s->found[b].n, err);
	size_t n = all.n / sizeof(struct pair);
	struct pair *p = (struct pair *)(void *)all.data;
	if (st == VLA_OK && n)
		qsort(p, n, sizeof *p, by_rows);
	for (size_t i = 0; i < n && st == VLA_OK; i++)
		st = fn(ctx, p[i].first, p[i].second, p[i].score, err);
	vla_buf_release(&all);
	for (size_t b = 0; b < s->x->store.nblocks; b++)
		s->found[b].n = 0;
	return st;
}

vla_status vla_index_duplicates(vla_index *x, float threshold, vla_pair_fn *fn, void *ctx, vla_err *err)
{
	size_t workers = vla_pool_size(x->pool), dim = x->store.header.dim;
	struct pairs s = { .x = x, .threshold = threshold };
	vla_status st = VLA_OK;
	float *q = vla_alloc(QUERY_BLOCK, dim * sizeof *q);
	s.queries = q;
	s.scores = vla_alloc(workers * QUERY_BLOCK, VLA_STORE_BLOCK * sizeof(float));
	s.found = vla_zalloc(x->store.nblocks, sizeof *s.found);
	if (!q || !s.scores || !s.found)
		st = vla_nomem(err);
	for (s.first = 0; s.first < x->store.rows && st == VLA_OK; s.first += s.nq) {
		uint64_t left = x->store.rows - s.first;
		s.nq = left < QUERY_BLOCK ? (size_t)left : QUERY_BLOCK;
		for (size_t i = 0; i < s.nq; i++)
			vla_store_vector(&x->store, s.first + i, q + i * dim);
		vla_parallel(x->pool, x->store.nblocks, 1, pair_blocks, &s);
		st = emit_pairs(&s, fn, ctx, err);
	}
	for (size_t b = 0; s.found && b < x->store.nblocks; b++)
		vla_buf_release(&s.found[b]);
	free(s.found);
	free(s.scores);
	free(q);
	return st;
}

enum { SAMPLE = 16384 };

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return x < y ? -1 : x > y;
}

/* Tail of the null distribution of one query: above the quantile u a share `above` of the scores, with excesses that
 * fall off as exp(-excess / beta). beta is the censored maximum-likelihood estimate from the scores between the 80 %
 * and the 97 % quantile: what lies above may be true matches, and counts only as "at least that high". */
struct tail {
	double u, beta, above;
};

static struct tail fit_tail(float *score, size_t n)
{
	qsort(score, n, sizeof *score, by_value);
	size_t lo = (size_t)(0.80 * (double)(n - 1)), hi = (size_t)(0.97 * (double)(n - 1));
	double sum = 0, u = score[lo], cap = score[hi] - u;
	for (size_t i = lo + 1; i <= hi; i++)
		sum += score[i] - u;
	sum += cap * (double)(n - 1 - hi);
	size_t seen = hi > lo ? hi - lo : 1;
	double beta = sum / (double)seen;
	return (struct tail){ u, beta > 1e-9 ? beta : 1e-9, (double)(n - lo) / (double)n };
}

vla_status vla_index_calibrate(vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits,
			       const size_t *found, vla_err *err)
{
	VLA_TRY(check_queries(x, queries, nq, err));
	uint64_t rows = x->store.rows;
	size_t dim = x->store.header.dim, n = rows < SAMPLE ? (size_t)rows : SAMPLE;
	if (n == 0)
		return VLA_OK;
	float *v = vla_alloc(VLA_STORE_BLOCK, dim * sizeof *v), *score = vla_alloc(n, QUERY_BLOCK * sizeof *score);
	float *part = vla_alloc(VLA_STORE_BLOCK, QUERY_BLOCK * sizeof *part);
	vla_status st = v && score && part ? VLA_OK : vla_nomem(err);
	for (size_t q = 0; q < nq && st == VLA_OK; q += QUERY_BLOCK) {
		size_t m = nq - q < QUERY_BLOCK ? nq - q : QUERY_BLOCK;
		for (size_t at = 0; at < n; at += VLA_STORE_BLOCK) {
			size_t c = n - at < VLA_STORE_BLOCK ? n - at : VLA_STORE_BLOCK;
			for (size_t i = 0; i < c; i++)
				vla_store_vector(&x->store, (uint64_t)((double)(at + i) * ((double)rows / (double)n)),
						 v + i * dim);
			vla_scores(x->pool, v, VLA_F32, NULL, c, dim, queries + q * dim, m, part);
			for (size_t j = 0; j < m; j++)
				memcpy(score + j * n + at, part + j * c, c * sizeof *score);
		}
		for (size_t j = 0; j < m; j++) {
			struct tail t = fit_tail(score + j * n, n);
			for (size_t i = 0; i < found[q + j]; i++) {
				vla_hit *h = &hits[(q + j) * k + i];
				double e = h->score > t.u ? t.above * exp(-(h->score - t.u) / t.beta) : 1;
				// Expected unrelated rows that score as high, then the chance of at least one.
				h->p = (float)-expm1(-e * (double)rows);
			}
		}
	}
	free(v);
	free(score);
	free(part);
	return st;
}
