/* K-means by Lloyd's iterations on a sample, with the distances as matrix products. Centroids without rows are moved
 * beside the largest ones. Blocks of rows are fixed and sums are taken in row order, so that the result does not depend
 * on the number of threads. */
#include "index/kmeans.h"

#include "kern/kern.h"

#include <math.h>

enum { BLOCK = 256, ROUNDS = 8 };

struct assign {
	vla_rows_fn *fn;
	const void *ctx;
	uint64_t n;
	size_t dim, k;
	const float *centroids, *half; // half [k]: half the squared norms
	float *rows, *scores;          // [workers, BLOCK, dim], [workers, BLOCK, k]
	uint32_t *cell;
};

static void assign_blocks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct assign *a = ctx;
	float *rows = a->rows + (size_t)worker * BLOCK * a->dim, *scores = a->scores + (size_t)worker * BLOCK * a->k;
	for (size_t b = begin; b < end; b++) {
		uint64_t first = (uint64_t)b * BLOCK;
		size_t n = a->n - first < BLOCK ? (size_t)(a->n - first) : BLOCK;
		a->fn(a->ctx, first, n, rows);
		vla_gemm(NULL, false, true, n, a->k, a->dim, 1, rows, a->dim, a->centroids, a->dim, 0, scores, a->k);
		for (size_t i = 0; i < n; i++) {
			const float *s = scores + i * a->k;
			size_t best = 0;
			float most = s[0] - a->half[0];
			for (size_t c = 1; c < a->k; c++)
				if (s[c] - a->half[c] > most) {
					most = s[c] - a->half[c];
					best = c;
				}
			a->cell[first + i] = (uint32_t)best;
		}
	}
}

vla_status vla_kmeans_assign(vla_pool *pool, vla_rows_fn *fn, const void *ctx, uint64_t n, size_t dim,
			     const float *centroids, size_t k, uint32_t *cell, vla_err *err)
{
	size_t workers = vla_pool_size(pool);
	float *half = vla_alloc(k, sizeof *half);
	struct assign a = { .fn = fn, .ctx = ctx, .n = n, .dim = dim, .k = k, .centroids = centroids, .half = half };
	a.cell = cell;
	a.rows = vla_alloc(workers * BLOCK, dim * sizeof *a.rows);
	a.scores = vla_alloc(workers * BLOCK, k * sizeof *a.scores);
	vla_status st = half && a.rows && a.scores ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK) {
		for (size_t c = 0; c < k; c++) {
			double s = 0;
			for (size_t i = 0; i < dim; i++)
				s += (double)centroids[c * dim + i] * centroids[c * dim + i];
			half[c] = (float)(s / 2);
		}
		vla_parallel(pool, (size_t)((n + BLOCK - 1) / BLOCK), 1, assign_blocks, &a);
	}
	free(a.rows);
	free(a.scores);
	free(half);
	return st;
}

struct matrix {
	const float *x;
	size_t dim;
};

static void matrix_rows(const void *ctx, uint64_t first, size_t count, float *out)
{
	const struct matrix *m = ctx;
	memcpy(out, m->x + (size_t)first * m->dim, count * m->dim * sizeof *out);
}

// New centroids: the means of their rows; those without rows move beside the largest one, to one of its rows.
static void means(const float *x, size_t n, size_t dim, size_t k, const uint32_t *cell, vla_rng *rng, uint32_t *count,
		  float *centroids)
{
	memset(count, 0, k * sizeof *count);
	memset(centroids, 0, k * dim * sizeof *centroids);
	for (size_t i = 0; i < n; i++) {
		float *c = centroids + cell[i] * dim;
		count[cell[i]]++;
		for (size_t j = 0; j < dim; j++)
			c[j] += x[i * dim + j];
	}
	for (size_t c = 0; c < k; c++)
		for (size_t j = 0; count[c] && j < dim; j++)
			centroids[c * dim + j] /= (float)count[c];
	for (size_t c = 0; c < k; c++) {
		if (count[c])
			continue;
		size_t row = vla_rng_below(rng, n), from = cell[row];
		for (size_t j = 0; j < dim; j++)
			centroids[c * dim + j] = 0.5f * (x[row * dim + j] + centroids[from * dim + j]);
	}
}

vla_status vla_kmeans_train(vla_pool *pool, const float *x, size_t n, size_t dim, size_t k, uint64_t seed,
			    float *centroids, vla_err *err)
{
	struct matrix m = { x, dim };
	vla_rng rng;
	vla_rng_seed(&rng, seed, 0x6b6d);
	uint32_t *cell = vla_alloc(n, sizeof *cell), *count = vla_alloc(k, sizeof *count);
	uint32_t *pick = vla_alloc(n, sizeof *pick);
	vla_status st = cell && count && pick ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK) {
		for (size_t i = 0; i < n; i++)
			pick[i] = (uint32_t)i;
		for (size_t c = 0; c < k; c++) { // the first k of a shuffle; rows come again when there are too few
			size_t at = c % n, other = at + vla_rng_below(&rng, n - at);
			uint32_t t = pick[at];
			pick[at] = pick[other];
			pick[other] = t;
			memcpy(centroids + c * dim, x + pick[at] * dim, dim * sizeof *x);
		}
	}
	for (int r = 0; r < ROUNDS && st == VLA_OK; r++) {
		st = vla_kmeans_assign(pool, matrix_rows, &m, n, dim, centroids, k, cell, err);
		if (st == VLA_OK)
			means(x, n, dim, k, cell, &rng, count, centroids);
	}
	free(cell);
	free(count);
	free(pick);
	return st;
}
