/* Pairs of rows that score at least a threshold: blocks of rows as queries against all blocks from their own on, so
 * that memory is bounded by the pairs of one block of queries. */
#include "index/flat.h"

#include "kern/kern.h"

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
				if (p.score >= s->threshold && p.second > p.first && !vla_store_dead(st, p.first) &&
				    !vla_store_dead(st, p.second) && vla_buf_add(&s->found[b], &p, sizeof p, NULL))
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
	VLA_TRY(vla_index_check_queries(x, NULL, 0, err));
	vla_status st = VLA_OK;
	float *q = vla_alloc(VLA_QUERY_BLOCK, dim * sizeof *q);
	s.queries = q;
	s.scores = vla_alloc(workers * VLA_QUERY_BLOCK, VLA_STORE_BLOCK * sizeof(float));
	s.found = vla_zalloc(x->store.nblocks, sizeof *s.found);
	if (!q || !s.scores || !s.found)
		st = vla_nomem(err);
	for (s.first = 0; s.first < x->store.rows && st == VLA_OK; s.first += s.nq) {
		uint64_t left = x->store.rows - s.first;
		s.nq = left < VLA_QUERY_BLOCK ? (size_t)left : VLA_QUERY_BLOCK;
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
