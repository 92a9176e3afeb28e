/* Tuning by measurement. A scan of cells is exact within them, so a true hit is found just when its cell is among those
 * looked into: the rank of that cell in a query's order of cells says from which number of probes on. One exact search
 * and one product with the centroids thus give the recall at every number of probes. */
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

vla_status vla_tune_probes(vla_index *x, const vla_index_opts *o, vla_index_report *report, vla_err *err)
{
	const vla_store *s = &x->store;
	size_t dim = s->header.dim, most = s->rows > LARGE ? FEW : MOST;
	struct sample q = { vla_alloc(most, dim * sizeof(float)), vla_alloc(most, sizeof(uint64_t)), 0 };
	vla_hit *hits = vla_alloc(most, (TOP + 1) * sizeof *hits);
	size_t *found = vla_alloc(most, sizeof *found);
	float *coarse = vla_alloc(most, s->cells * sizeof *coarse);
	uint64_t *count = vla_zalloc(2 * s->cells, sizeof *count), total[2] = { 0, 0 };
	vla_status st = q.v && q.row && hits && found && coarse && count ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK)
		st = o->queries ? take_stream(x, o->queries, most, &q, err) : take_rows(x, most, o->seed, &q);
	vla_search_opts exact = VLA_SEARCH_OPTS_INIT;
	exact.k = TOP + 1;
	exact.exact = true;
	if (st == VLA_OK)
		st = vla_index_search_with(x, &exact, q.v, q.n, hits, found, err);
	if (st == VLA_OK) {
		vla_scores(x->pool, s->centroids, VLA_F32, NULL, s->cells, dim, q.v, q.n, coarse);
		count_ranks(s, &q, hits, found, coarse, count, total);
		report->probes = choose(count, total, s->cells, o->recall, &report->recall);
		report->measured = (uint32_t)(q.n / 2);
	}
	free(q.v);
	free(q.row);
	free(hits);
	free(found);
	free(coarse);
	free(count);
	return st;
}
