/* The certified first pass: eight-bit codes give each row's score within bounds, rows that cannot be among the best are
 * dropped, and the f32 scores of the others decide. What is found is what an f32 scan of the same rows finds. Queries
 * are grouped by the cells they look into, so that a cell is read once for all of them. */
#include "index/scan.h"

#include "index/rotation.h"
#include "index/shortlist.h"
#include "kern/codes.h"
#include "kern/kern.h"

#include <math.h>

enum {
	BATCH = 1024,     // queries at once
	ITEM_ROWS = 1024, // rows of an item of work
	LISTED = 4 << 20, // candidates of all queries of a worker
	TRIAL = 1 << 17,  // scores after which the first step is judged
	PAUSE = 32        // tiles without it
};

// Rows [begin, end) of a part, all of one cell, for the queries [first, first + n) of its list.
struct item {
	size_t part, cell, begin, end, first, n;
};

struct work {
	const vla_scan *s;
	size_t nq; // of this batch
	const float *queries;
	int16_t *d;           // [nq, dim]
	vla_code_query *code; // [nq]
	float *turned;        // [nq, dim]: queries, rotated as the codes are
	float *tail;          // [nq]: length past the head of the query minus the mean of all
	int16_t *mean;        // [dim]
	vla_code_split split;
	float *coarse;         // [nq, cells]: scores of the centroids
	uint32_t *list;        // queries by cell
	vla_buf items;         // struct item
	vla_candidate *c;      // [workers, nq, cap]
	vla_shortlist *top;    // [workers, nq]
	vla_code_probe *probe; // [workers, nq]
	vla_code_hit *hits;    // [workers, nq * VLA_CODE_TILE]
	float *scratch;        // [workers, workers * cap]
	vla_candidate *all;    // [workers, workers * cap]
	size_t cap, workers;
};

bool vla_scan_has_codes(const vla_store *s)
{
	for (size_t i = 0; i < s->nparts; i++)
		if (!s->part[i].codes && s->part[i].rows)
			return false;
	return s->chunks && s->cells;
}

static void take_hits(struct work *w, unsigned worker, vla_code_probe *probe, const vla_code_hit *hits, size_t n,
		      uint64_t first)
{
	vla_shortlist *top = w->top + (size_t)worker * w->nq;
	float *scratch = w->scratch + (size_t)worker * w->workers * w->cap;
	for (size_t i = 0; i < n; i++) {
		uint64_t row = first + hits[i].row;
		vla_code_probe *p = &probe[hits[i].probe];
		if (vla_scan_skips(w->s, row))
			continue;
		vla_shortlist_add(&top[p->query], (vla_candidate){ hits[i].lower, hits[i].upper, row }, &w->s->x->store,
				  w->queries + (size_t)p->query * w->s->x->store.header.dim, scratch);
		p->floor = top[p->query].floor;
	}
}

static void aim(const struct work *w, const struct item *it, const vla_shortlist *top, vla_code_probe *probe)
{
	const vla_store *st = &w->s->x->store;
	// Vectors that are their own codes lie around zero, not around the centroid.
	bool centred = st->header.dtype != VLA_I8;
	for (size_t i = 0; i < it->n; i++) {
		uint32_t q = w->list ? w->list[it->first + i] : (uint32_t)i;
		const vla_code_query *c = &w->code[q];
		probe[i] = (vla_code_probe){ .d = w->d + (size_t)q * st->header.dim, .scale = c->scale, .a = c->a };
		probe[i].b = c->b;
		probe[i].tail = w->tail[q];
		probe[i].floor = top[q].floor;
		probe[i].query = q;
		if (centred) {
			probe[i].offset = w->coarse[(size_t)q * st->cells + it->cell];
			probe[i].offset_error = c->c * w->s->x->cell_norm[it->cell];
		}
	}
}

static void do_items(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct work *w = ctx;
	size_t dim = w->s->x->store.header.dim, scores = 0, second = 0, rest = 0;
	const struct item *item = (const struct item *)(const void *)w->items.data;
	vla_code_probe *probe = w->probe + (size_t)worker * w->nq;
	vla_code_hit *hits = w->hits + (size_t)worker * w->nq * VLA_CODE_TILE;
	const vla_code_split whole = { .head = dim };
	for (size_t b = begin; b < end; b++) {
		const struct item *it = &item[b];
		const vla_store_part *p = &w->s->x->store.part[it->part];
		aim(w, it, w->top + (size_t)worker * w->nq, probe);
		for (size_t at = it->begin; at < it->end; at += VLA_CODE_TILE) {
			size_t rows = it->end - at < VLA_CODE_TILE ? it->end - at : VLA_CODE_TILE;
			size_t n = vla_code_pass(p->codes + at * dim, p->bounds + VLA_CODE_BOUNDS * at, rows, dim,
						 rest ? &whole : &w->split, probe, it->n, hits, &second);
			// A first step that leaves more than a few rows is not worth its while; the floors rise as
			// the scan goes on, so it is tried again later.
			if (rest)
				rest--;
			else if ((scores += rows * it->n) >= TRIAL) {
				rest = second > scores / 4 ? PAUSE : 0;
				scores = second = 0;
			}
			take_hits(w, worker, probe, hits, n, p->first + at);
		}
	}
}

static void finish_queries(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct work *w = ctx;
	const vla_store *st = &w->s->x->store;
	vla_candidate *all = w->all + (size_t)worker * w->workers * w->cap;
	float *scratch = w->scratch + (size_t)worker * w->workers * w->cap;
	for (size_t q = begin; q < end; q++) {
		size_t n = 0, at = (size_t)(w->queries - w->s->queries) / st->header.dim + q;
		for (size_t i = 0; i < w->workers; i++) {
			const vla_shortlist *l = &w->top[i * w->nq + q];
			memcpy(all + n, l->c, l->n * sizeof *all);
			n += l->n;
		}
		w->s->found[at] = vla_shortlist_finish(all, n, w->s->k, st, w->queries + q * st->header.dim, scratch,
						       w->s->hits + at * w->s->stride);
	}
}

// Items for the rows of a cell in all parts; n queries from `first` of the list on.
static vla_status add_cell(struct work *w, size_t cell, size_t first, size_t n, vla_err *err)
{
	const vla_store *st = &w->s->x->store;
	for (size_t i = 0; i < st->nparts && n; i++) {
		const vla_store_part *p = &st->part[i];
		size_t begin = p->cell ? (size_t)p->cell[cell] : 0, end = p->cell ? (size_t)p->cell[cell + 1] : p->rows;
		for (size_t at = begin; at < end; at += ITEM_ROWS) {
			struct item it = { i, cell, at, end - at < ITEM_ROWS ? end : at + ITEM_ROWS, first, n };
			VLA_TRY(vla_buf_add(&w->items, &it, sizeof it, err));
		}
	}
	return VLA_OK;
}

struct near {
	float score;
	uint32_t cell;
};

static int by_nearness(const void *a, const void *b)
{
	const struct near *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->cell < y->cell ? -1 : x->cell > y->cell;
}

// The `probes` best cells of a query, best first.
static void nearest_cells(const float *coarse, size_t cells, size_t probes, struct near *out)
{
	size_t n = 0;
	for (size_t c = 0; c < cells; c++) {
		struct near v = { coarse[c], (uint32_t)c };
		if (n == probes && by_nearness(&v, &out[0]) > 0)
			continue;
		size_t i = n < probes ? n++ : 0;
		if (i) { // a heap whose worst is at the root
			for (; i && by_nearness(&v, &out[(i - 1) / 2]) > 0; i = (i - 1) / 2)
				out[i] = out[(i - 1) / 2];
		} else {
			for (size_t l; (l = 2 * i + 1) < n; i = l) {
				if (l + 1 < n && by_nearness(&out[l + 1], &out[l]) > 0)
					l++;
				if (by_nearness(&v, &out[l]) >= 0)
					break;
				out[i] = out[l];
			}
		}
		out[i] = v;
	}
	qsort(out, n, sizeof *out, by_nearness);
}

// Which cells each query looks into, as items by cell; one query alone takes its cells from the best on.
static vla_status route(struct work *w, vla_err *err)
{
	const vla_store *st = &w->s->x->store;
	size_t probes = w->s->probes < st->cells ? w->s->probes : st->cells;
	struct near *near = vla_alloc(w->nq, probes * sizeof *near);
	size_t *at = vla_zalloc(st->cells + 1, sizeof *at);
	w->list = vla_alloc(w->nq, probes * sizeof *w->list);
	vla_status s = near && at && w->list ? VLA_OK : vla_nomem(err);
	for (size_t q = 0; q < w->nq && s == VLA_OK; q++) {
		nearest_cells(w->coarse + q * st->cells, st->cells, probes, near + q * probes);
		for (size_t i = 0; i < probes; i++)
			at[near[q * probes + i].cell + 1]++;
	}
	for (size_t c = 0; c < st->cells && s == VLA_OK; c++)
		at[c + 1] += at[c];
	if (s == VLA_OK && w->nq == 1) {
		w->list[0] = 0;
		for (size_t i = 0; i < probes && s == VLA_OK; i++)
			s = add_cell(w, near[i].cell, 0, 1, err);
	} else if (s == VLA_OK) {
		for (size_t q = 0; q < w->nq; q++)
			for (size_t i = 0; i < probes; i++)
				w->list[at[near[q * probes + i].cell]++] = (uint32_t)q;
		for (size_t c = 0, first = 0; c < st->cells && s == VLA_OK; first = at[c++])
			s = add_cell(w, c, first, at[c] - first, err);
	}
	free(near);
	free(at);
	return s;
}

// Queries as codes, rotated as the rows are, and what they have in common past the head.
static void encode_queries(struct work *w)
{
	const vla_store *st = &w->s->x->store;
	size_t dim = st->header.dim, head = st->head;
	double error = st->rotation ? vla_rotation_rounding(dim) : 0;
	const float *q = st->rotation ? w->turned : w->queries;
	float *mean = w->turned + w->nq * dim;
	memset(mean, 0, dim * sizeof *mean);
	if (st->rotation)
		vla_rotation_apply(w->s->x->pool, st->rotation, dim, w->queries, w->nq, w->turned);
	for (size_t i = 0; i < w->nq && w->nq >= 8; i++)
		for (size_t c = head; c < dim; c++)
			mean[c] += q[i * dim + c] / (float)w->nq;
	for (size_t i = 0; i < w->nq; i++) {
		double tail = 0;
		for (size_t c = head; c < dim; c++)
			tail += ((double)q[i * dim + c] - mean[c]) * ((double)q[i * dim + c] - mean[c]);
		w->tail[i] = (float)(sqrt(tail) * 1.000001);
		vla_code_prepare(dim, q + i * dim, error, w->d + i * dim, &w->code[i]);
	}
	w->split = (vla_code_split){ .head = head, .mean = w->mean };
	vla_code_prepare(dim, mean, 0, w->mean, &w->split.query);
}

static vla_status prepare(struct work *w, vla_err *err)
{
	const vla_store *st = &w->s->x->store;
	size_t dim = st->header.dim, n = w->workers * w->nq, cap = w->cap;
	w->d = vla_alloc(w->nq, dim * sizeof *w->d);
	w->code = vla_alloc(w->nq, sizeof *w->code);
	w->turned = vla_alloc(w->nq + 1, dim * sizeof *w->turned);
	w->tail = vla_alloc(w->nq, sizeof *w->tail);
	w->mean = vla_alloc(dim, sizeof *w->mean);
	w->coarse = vla_alloc(w->nq, st->cells * sizeof *w->coarse);
	w->c = vla_alloc(n, cap * sizeof *w->c);
	w->top = vla_alloc(n, sizeof *w->top);
	w->probe = vla_alloc(n, sizeof *w->probe);
	w->hits = vla_alloc(n, VLA_CODE_TILE * sizeof *w->hits);
	w->scratch = vla_alloc(w->workers * w->workers, cap * sizeof *w->scratch);
	w->all = vla_alloc(w->workers * w->workers, cap * sizeof *w->all);
	if (!w->d || !w->code || !w->turned || !w->tail || !w->mean || !w->coarse || !w->c || !w->top || !w->probe ||
	    !w->hits || !w->scratch || !w->all)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		w->top[i] = (vla_shortlist){ w->c + i * cap, 0, cap, w->s->k, -INFINITY };
	encode_queries(w);
	vla_scores(w->s->x->pool, st->centroids, VLA_F32, NULL, st->cells, dim, w->queries, w->nq, w->coarse);
	if (w->s->probes && st->cells > 1)
		return route(w, err);
	for (size_t c = 0; c < st->cells; c++)
		VLA_TRY(add_cell(w, c, 0, w->nq, err));
	return VLA_OK;
}

static void release(struct work *w)
{
	free(w->d);
	free(w->code);
	free(w->turned);
	free(w->tail);
	free(w->mean);
	free(w->coarse);
	free(w->list);
	vla_buf_release(&w->items);
	free(w->c);
	free(w->top);
	free(w->probe);
	free(w->hits);
	free(w->scratch);
	free(w->all);
}

vla_status vla_scan_codes(const vla_scan *s, vla_err *err)
{
	vla_status st = VLA_OK;
	size_t cap = vla_shortlist_cap(s->k), batch = LISTED / cap < BATCH ? LISTED / cap + 1 : BATCH;
	for (size_t q = 0; q < s->nq && st == VLA_OK; q += batch) {
		struct work w = { .s = s, .cap = cap, .workers = vla_pool_size(s->x->pool) };
		w.nq = s->nq - q < batch ? s->nq - q : batch;
		w.queries = s->queries + q * s->x->store.header.dim;
		st = prepare(&w, err);
		if (st == VLA_OK) {
			vla_parallel(s->x->pool, w.items.n / sizeof(struct item), 1, do_items, &w);
			vla_parallel(s->x->pool, w.nq, 8, finish_queries, &w);
		}
		release(&w);
	}
	return st;
}
