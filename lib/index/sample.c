/* The sample of rows that scores are calibrated on. */
#include "index/sample.h"

#include "kern/kern.h"

enum { MOST = 16384, LEAST = 100 };

vla_status vla_sample_size(const vla_index *x, size_t *n, vla_err *err)
{
	uint64_t rows = x->store.live;
	if (rows < LEAST)
		return vla_fail(err, VLA_EUNSUPPORTED, "%llu rows are too few to calibrate scores on, %d are needed",
				(unsigned long long)rows, LEAST);
	*n = rows < MOST ? (size_t)rows : MOST;
	return VLA_OK;
}

// The next row from here on that is not deleted; there are some.
static uint64_t live_row(const vla_store *s, uint64_t row)
{
	while (vla_store_dead(s, row))
		row = row + 1 < s->rows ? row + 1 : 0;
	return row;
}

vla_status vla_sample_scores(const vla_index *x, size_t n, const float *queries, size_t nq, float *score, vla_err *err)
{
	size_t dim = x->store.header.dim;
	double step = (double)x->store.rows / (double)n;
	float *v = vla_alloc(VLA_STORE_BLOCK, dim * sizeof *v);
	float *part = vla_alloc(VLA_STORE_BLOCK, nq * sizeof *part); // [nq, rows of the block]
	vla_status st = v && part ? VLA_OK : vla_nomem(err);
	for (size_t at = 0; at < n && st == VLA_OK; at += VLA_STORE_BLOCK) {
		size_t c = n - at < VLA_STORE_BLOCK ? n - at : VLA_STORE_BLOCK;
		for (size_t i = 0; i < c; i++)
			vla_store_vector(&x->store, live_row(&x->store, (uint64_t)((double)(at + i) * step)),
					 v + i * dim);
		vla_scores(x->pool, v, VLA_F32, NULL, c, dim, queries, nq, part);
		for (size_t j = 0; j < nq; j++)
			memcpy(score + j * n + at, part + j * c, c * sizeof *score);
	}
	free(v);
	free(part);
	return st;
}
