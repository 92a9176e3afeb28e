/* Search, and the plain way of it: every row is scored by inner product. Rows are scored in blocks over the pool, each
 * worker keeps its own heaps, and the heaps are merged in an order that does not depend on the split, so results are
 * the same for any number of threads. */
#include "index/scan.h"

#include "io/file.h"
#include "kern/kern.h"

#include <math.h>

// Hits of the heaps of a worker: 16 MiB, as long as k is not larger.
enum { HEAP_HITS = 1 << 20 };

// Blocks, of up to 2048 rows, that the disk reads in advance.
enum { AHEAD = 16 };

static vla_status measure_centroids(vla_index *x, vla_err *err)
{
	size_t dim = x->store.header.dim;
	x->cell_norm = vla_alloc(x->store.cells, sizeof *x->cell_norm);
	if (!x->cell_norm)
		return vla_nomem(err);
	for (size_t c = 0; c < x->store.cells; c++) {
		const float *v = x->store.centroids + c * dim;
		double sum = 0;
		for (size_t i = 0; i < dim; i++)
			sum += (double)v[i] * v[i];
		x->cell_norm[c] = (float)(sqrt(sum) * 1.000001);
	}
	return VLA_OK;
}

vla_status vla_index_open(const char *path, vla_pool *pool, vla_index **out, vla_err *err)
{
	vla_index *x = calloc(1, sizeof *x);
	if (!x)
		return vla_nomem(err);
	vla_status s = vla_store_open(path, &x->store, err);
	if (s == VLA_OK)
		s = measure_centroids(x, err);
	if (s != VLA_OK) {
		vla_index_close(x);
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
	free(x ? x->cell_norm : NULL);
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

uint64_t vla_index_live(const vla_index *x)
{
	return x->store.live;
}

bool vla_index_deleted(const vla_index *x, uint64_t row)
{
	return row < x->store.rows && vla_store_dead(&x->store, row);
}

const char *vla_index_type(const vla_index *x)
{
	return x->store.type;
}

bool vla_index_param(const vla_index *x, size_t i, const char **key, const char **value)
{
	if (i >= x->store.nparams)
		return false;
	*key = x->store.key[i];
	*value = x->store.value[i];
	return true;
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
	if (x->store.header.kind != VLA_DENSE)
		return vla_fail(err, VLA_EINVAL, "the index holds %s records, the queries are dense",
				vla_kind_name(x->store.header.kind));
	for (size_t i = 0; i < nq * dim; i++)
		if (!isfinite(q[i]))
			return vla_fail(err, VLA_EINVAL, "query %zu holds a number that is not finite", i / dim);
	return VLA_OK;
}

struct blocks {
	const vla_scan *s;
	const float *queries; // [nq, dim] of this group
	size_t nq;
	const uint64_t *rows; // those to look at, [nrows]; NULL: blocks of the store
	size_t nrows;
	float *tile;   // [workers, ROWS_AT_ONCE, dim], with rows
	float *scores; // [workers, nq, VLA_STORE_BLOCK]
	vla_hit *hits; // [workers, nq, k]
	vla_topk *top; // [workers, nq]
};

enum { ROWS_AT_ONCE = 64 };

static void scan_blocks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct blocks *s = ctx;
	const vla_store *st = &s->s->x->store;
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
				if (!(top[q].n == s->s->k && row[i] < top[q].hit[0].score) &&
				    !vla_scan_skips(s->s, bl->first + i))
					vla_topk_push(&top[q], row[i], bl->first + i);
		}
	}
}

static void scan_list(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct blocks *s = ctx;
	const vla_store *st = &s->s->x->store;
	size_t dim = st->header.dim;
	float *scores = s->scores + (size_t)worker * s->nq * VLA_STORE_BLOCK;
	float *tile = s->tile + (size_t)worker * ROWS_AT_ONCE * dim;
	vla_topk *top = s->top + (size_t)worker * s->nq;
	for (size_t b = begin; b < end; b++) {
		const uint64_t *rows = s->rows + b * ROWS_AT_ONCE;
		size_t left = s->nrows - b * ROWS_AT_ONCE, n = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
		for (size_t i = 0; i < n; i++)
			vla_store_vector(st, rows[i], tile + i * dim);
		vla_scores(NULL, tile, VLA_F32, NULL, n, dim, s->queries, s->nq, scores);
		for (size_t q = 0; q < s->nq; q++)
			for (size_t i = 0; i < n; i++)
				if (!vla_scan_skips(s->s, rows[i]))
					vla_topk_push(&top[q], scores[q * n + i], rows[i]);
	}
}

// One group of queries, from query `first` of the scan on.
static vla_status scan_group(struct blocks *b, size_t first, vla_err *err)
{
	const vla_scan *s = b->s;
	size_t workers = vla_pool_size(s->x->pool), k = s->k, nq = b->nq, dim = s->x->store.header.dim;
	vla_status st = VLA_OK;
	b->queries = s->queries + first * dim;
	b->tile = b->rows ? vla_alloc(workers * ROWS_AT_ONCE, dim * sizeof *b->tile) : NULL;
	b->scores = vla_alloc(workers * nq, VLA_STORE_BLOCK * sizeof *b->scores);
	b->top = vla_alloc(workers * nq, sizeof *b->top);
	b->hits = vla_alloc(workers * nq, k * sizeof *b->hits);
	if (!b->scores || !b->top || !b->hits || (b->rows && !b->tile)) {
		st = vla_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < workers * nq; i++)
		b->top[i] = (vla_topk){ b->hits + i * k, 0, k };
	if (b->rows)
		vla_parallel(s->x->pool, (b->nrows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, 1, scan_list, b);
	else
		vla_parallel(s->x->pool, s->x->store.nblocks, 1, scan_blocks, b);
	for (size_t q = 0; q < nq; q++) {
		vla_topk t = { s->hits + (first + q) * s->stride, 0, k };
		for (size_t w = 0; w < workers; w++)
			for (size_t i = 0; i < b->top[w * nq + q].n; i++) {
				const vla_hit *h = &b->top[w * nq + q].hit[i];
				vla_topk_push(&t, h->score, h->row);
			}
		vla_topk_sort(&t);
		s->found[first + q] = t.n;
	}
out:
	free(b->tile);
	free(b->scores);
	free(b->top);
	free(b->hits);
	return st;
}

vla_status vla_scan_rows(const vla_scan *s, const uint64_t *rows, size_t n, vla_err *err)
{
	size_t block = HEAP_HITS / s->k < VLA_QUERY_BLOCK ? HEAP_HITS / s->k + 1 : VLA_QUERY_BLOCK;
	for (size_t q = 0; q < s->nq; q += block) {
		struct blocks b = { .s = s, .rows = rows, .nrows = n };
		b.nq = s->nq - q < block ? s->nq - q : block;
		VLA_TRY(scan_group(&b, q, err));
	}
	return VLA_OK;
}

static uint64_t count_allowed(const vla_store *st, const uint64_t *allow)
{
	uint64_t n = 0;
	for (uint64_t i = 0; i < st->rows; i++)
		n += (allow[i / 64] >> i % 64 & 1) && !vla_store_dead(st, i);
	return n;
}

// Few rows are allowed: they are looked at one by one, which is exact and cheap.
static vla_status scan_allowed(const vla_scan *s, uint64_t n, vla_err *err)
{
	uint64_t *rows = vla_alloc((size_t)n, sizeof *rows);
	if (!rows)
		return vla_nomem(err);
	size_t m = 0;
	for (uint64_t i = 0; i < s->x->store.rows; i++)
		if (!vla_scan_skips(s, i))
			rows[m++] = i;
	vla_status st = vla_scan_rows(s, rows, m, err);
	free(rows);
	return st;
}

// Cells to look into when only n of the rows are allowed, so that as many are seen as without a filter.
static uint32_t more_probes(const vla_store *st, uint32_t probes, uint64_t n)
{
	double want = ceil(probes * ((double)st->live / (double)n));
	return want < (double)st->cells ? (uint32_t)want : 0;
}

static uint32_t setting(const vla_store *st, const char *key, uint32_t otherwise)
{
	const char *value = vla_store_param(st, key);
	return value ? (uint32_t)strtoul(value, NULL, 10) : otherwise;
}

vla_status vla_index_search_with(vla_index *x, const vla_search_opts *o, const float *queries, size_t nq, vla_hit *hits,
				 size_t *found, vla_err *err)
{
	const vla_store *st = &x->store;
	VLA_TRY(vla_index_check_queries(x, queries, nq, err));
	uint64_t n = o->allow ? count_allowed(st, o->allow) : st->live;
	// More hits than rows are never found: the heaps need not be larger.
	vla_scan s = { x, o->allow, queries, nq, o->k < n ? o->k : (size_t)n, o->k, 0, hits, found };
	if (s.k == 0) {
		if (nq)
			memset(found, 0, nq * sizeof *found);
		return VLA_OK;
	}
	if (o->allow && n <= st->rows / 16)
		return scan_allowed(&s, n, err);
	if (!vla_scan_has_codes(st) || s.k > n / 4)
		return vla_scan_rows(&s, NULL, 0, err);
	if (!o->exact && vla_scan_has_graph(st))
		return vla_scan_graph(&s, o->breadth ? o->breadth : setting(st, "breadth", 64), err);
	if (!o->exact)
		s.probes = o->probes ? o->probes : setting(st, "probes", 0);
	if (s.probes && o->allow)
		s.probes = more_probes(st, s.probes, n);
	return vla_scan_codes(&s, err);
}

vla_status vla_index_search(vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits, size_t *found,
			    vla_err *err)
{
	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
	o.k = k;
	return vla_index_search_with(x, &o, queries, nq, hits, found, err);
}
