/* Tuning by measurement. A walk through a graph is tried at one breadth after the other. A scan of cells is exact
 * within them, so a true hit is found just when its cell is among those looked into: the rank of that cell in a query's
 * order of cells says from which number of probes on. One exact search and one product with the centroids thus give the
 * recall at every number of probes. */
#include "index/tune.h"

#include "kern/kern.h"

#include <math.h>

enum { TOP = 10, MOST = 1000, FEW = 400, LARGE = 2000000 };

struct sample {
	float *v;      // [n, dim]
	uint64_t *row; // [n]: the row that a query is, or UINT64_MAX
	size_t n;
};

static vla_status take_stream(const vla_index *x, const char *path, size_t most, struct sample *s, vla_err *err)
{
	vla_reader *r = NULL;
	vla_rec rec = VLA_REC_INIT;
	size_t dim = x->store.header.dim;
	vla_status st = vla_reader_open(path, &r, err);
	if (st == VLA_OK)
		st = vla_header_fits(&x->store.header, vla_reader_header(r), err);
	while (st == VLA_OK && s->n < most) {
		st = vla_reader_next(r, &rec, err);
		if (st == VLA_OK) {
			memcpy(s->v + s->n * dim, rec.data, dim * sizeof *s->v);
			s->row[s->n++] = UINT64_MAX;
		}
	}
	vla_rec_release(&rec);
	vla_reader_close(r);
	if (st != VLA_OK && st != VLA_EOF)
		return vla_prefix(err, st, "queries '%s'", path);
	return s->n ? VLA_OK : vla_fail(err, VLA_EINVAL, "'%s' holds no queries", path);
}

static vla_status take_rows(const vla_index *x, size_t most, uint64_t seed, struct sample *s)
{
	vla_rng r;
	size_t dim = x->store.header.dim;
	vla_rng_seed(&r, seed, 0x7175);
	for (size_t i = 0; i < 4 * most && s->n < most; i++) {
		uint64_t row = vla_rng_below(&r, x->store.rows);
		if (vla_store_dead(&x->store, row))
			continue;
		vla_store_vector(&x->store, row, s->v + s->n * dim);
		s->row[s->n++] = row;
	}
	return VLA_OK;
}

static size_t cell_of(const vla_store *s, uint64_t row)
{
	const vla_store_part *p = &s->part[vla_store_part_of(s, row)];
	size_t lo = 0, hi = s->cells;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (p->cell[mid] <= row - p->first)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

// count [2][cells]: hits of the even and of the odd queries by the rank of their cell; total [2].
static void count_ranks(const vla_store *s, const struct sample *q, const vla_hit *hits, const size_t *found,
			const float *coarse, uint64_t *count, uint64_t total[2])
{
	for (size_t i = 0; i < q->n; i++) {
		const float *score = coarse + i * s->cells;
		size_t used = 0;
		for (size_t h = 0; h < found[i] && used < TOP; h++) {
			uint64_t row = hits[i * (TOP + 1) + h].row;
			if (row == q->row[i])
				continue;
			size_t cell = cell_of(s, row), rank = 0;
			for (size_t c = 0; c < s->cells; c++)
				rank += score[c] > score[cell] || (score[c] == score[cell] && c < cell);
			count[i % 2 * s->cells + rank]++;
			total[i % 2]++;
			used++;
		}
	}
}

static uint32_t choose(const uint64_t *count, const uint64_t total[2], size_t cells, double recall, double *measured)
{
	uint64_t got[2] = { 0, 0 };
	for (size_t p = 0; p < cells; p++) {
		got[0] += count[p];
		got[1] += count[cells + p];
		*measured = total[1] ? (double)got[1] / (double)total[1] : 1;
		if ((double)got[0] >= recall * (double)total[0] && *measured >= recall)
			return (uint32_t)p + 1;
	}
	return (uint32_t)cells;
}

// Sample queries and their true best.
struct truth {
	struct sample q;
	vla_hit *hits; // [q.n, TOP + 1]
	size_t *found; // [q.n]
};

static vla_status find_truth(vla_index *x, const vla_index_opts *o, struct truth *t, vla_err *err)
{
	size_t dim = x->store.header.dim, most = x->store.rows > LARGE ? FEW : MOST;
	vla_search_opts exact = VLA_SEARCH_OPTS_INIT;
	*t = (struct truth){ { vla_alloc(most, dim * sizeof(float)), vla_alloc(most, sizeof(uint64_t)), 0 },
			     NULL,
			     NULL };
	t->hits = vla_alloc(most, (TOP + 1) * sizeof *t->hits);
	t->found = vla_alloc(most, sizeof *t->found);
	if (!t->q.v || !t->q.row || !t->hits || !t->found)
		return vla_nomem(err);
	VLA_TRY(o->queries ? take_stream(x, o->queries, most, &t->q, err) : take_rows(x, most, o->seed, &t->q));
	exact.k = TOP + 1;
	exact.exact = true;
	return vla_index_search_with(x, &exact, t->q.v, t->q.n, t->hits, t->found, err);
}

static void release_truth(struct truth *t)
{
	free(t->q.v);
	free(t->q.row);
	free(t->hits);
	free(t->found);
}

vla_status vla_tune_probes(vla_index *x, const vla_index_opts *o, vla_index_report *report, vla_err *err)
{
	const vla_store *s = &x->store;
	struct truth t;
	float *coarse = NULL;
	uint64_t *count = vla_zalloc(2 * s->cells, sizeof *count), total[2] = { 0, 0 };
	vla_status st = find_truth(x, o, &t, err);
	if (st == VLA_OK) {
		coarse = vla_alloc(t.q.n, s->cells * sizeof *coarse);
		st = coarse && count ? VLA_OK : vla_nomem(err);
	}
	if (st == VLA_OK) {
		vla_scores(x->pool, s->centroids, VLA_F32, NULL, s->cells, s->header.dim, t.q.v, t.q.n, coarse);
		count_ranks(s, &t.q, t.hits, t.found, coarse, count, total);
		report->probes = choose(count, total, s->cells, o->recall, &report->recall);
		report->measured = (uint32_t)(t.q.n / 2);
	}
	release_truth(&t);
	free(coarse);
	free(count);
	return st;
}

// Recall of what was got against the truth, on the even and the odd queries.
static void compare(const struct truth *t, const vla_hit *hits, const size_t *found, double recall[2])
{
	size_t got[2] = { 0, 0 }, all[2] = { 0, 0 };
	for (size_t i = 0; i < t->q.n; i++) {
		size_t used = 0;
		for (size_t h = 0; h < t->found[i] && used < TOP; h++) {
			uint64_t row = t->hits[i * (TOP + 1) + h].row;
			if (row == t->q.row[i])
				continue;
			used++;
			for (size_t j = 0; j < found[i]; j++)
				got[i % 2] += hits[i * (TOP + 1) + j].row == row;
		}
		all[i % 2] += used;
	}
	for (int i = 0; i < 2; i++)
		recall[i] = all[i] ? (double)got[i] / (double)all[i] : 1;
}

vla_status vla_tune_breadth(vla_index *x, const vla_index_opts *o, vla_index_report *report, vla_err *err)
{
	static const uint32_t steps[] = { 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096 };
	struct truth t;
	vla_status st = find_truth(x, o, &t, err);
	vla_hit *hits = vla_alloc(MOST, (TOP + 1) * sizeof *hits);
	size_t *found = vla_alloc(MOST, sizeof *found);
	if (st == VLA_OK && (!hits || !found))
		st = vla_nomem(err);
	for (size_t i = 0; i < sizeof steps / sizeof *steps && st == VLA_OK; i++) {
		double recall[2] = { 0, 0 };
		vla_search_opts s = VLA_SEARCH_OPTS_INIT;
		s.k = TOP + 1;
		s.breadth = steps[i];
		st = vla_index_search_with(x, &s, t.q.v, t.q.n, hits, found, err);
		if (st != VLA_OK)
			break;
		compare(&t, hits, found, recall);
		report->breadth = steps[i];
		report->recall = recall[1];
		report->measured = (uint32_t)(t.q.n / 2);
		if (recall[0] >= o->recall && recall[1] >= o->recall)
			break;
	}
	release_truth(&t);
	free(hits);
	free(found);
	return st;
}
