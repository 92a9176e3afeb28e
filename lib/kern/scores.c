/* Inner products of stored vectors with queries: rows are brought to f32 a tile at a time, in cache, and multiplied
 * there, so that a pass over many rows costs one read of them. */
#include "kern/kern.h"

#include "kern/clones.h"

enum {
	SMALL = 8,         // queries below this number take plain inner products, more take a matrix product
	TILE = 8192,       // floats of a tile in the first-level cache
	WIDTH = 1024,      // numbers of a row at once in a matrix product
	GEMM_TILE = 65536, // and of one for the matrix product, in the second level
};

VLA_CLONES static float dot(size_t n, const float *x, const float *y)
{
	vla_v8 a = vla_v8_set(0), b = a, c = a, d = a;
	size_t i = 0;
	for (; i + 32 <= n; i += 32) {
		a += vla_v8_load(x + i) * vla_v8_load(y + i);
		b += vla_v8_load(x + i + 8) * vla_v8_load(y + i + 8);
		c += vla_v8_load(x + i + 16) * vla_v8_load(y + i + 16);
		d += vla_v8_load(x + i + 24) * vla_v8_load(y + i + 24);
	}
	float s = vla_v8_sum((a + b) + (c + d));
	for (; i < n; i++)
		s += x[i] * y[i];
	return s;
}

struct part {
	const char *data;
	vla_dtype dtype;
	const float *scales, *queries;
	size_t dim, nq, ld; // ld: rows in all, the stride of out
	float *out;
};

// Rows [begin, end), numbers [from, from + n) of each, to f32.
static void unpack(const struct part *p, size_t begin, size_t end, size_t from, size_t n, float *tile)
{
	size_t size = vla_dtype_size(p->dtype);
	for (size_t i = begin; i < end; i++) {
		const char *row = p->data + (i * p->dim + from) * size;
		if (p->dtype == VLA_I8)
			vla_i8_to_f32(n, (const int8_t *)row, p->scales[i], tile + (i - begin) * n);
		else
			vla_to_f32(p->dtype, n, row, tile + (i - begin) * n);
	}
}

static void few_queries(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct part *p = ctx;
	float tile[TILE];
	size_t width = p->dim < TILE ? p->dim : TILE, rows = TILE / width;
	(void)worker;
	for (size_t at = begin, next; at < end; at = next) {
		next = end - at < rows ? end : at + rows;
		for (size_t from = 0; from < p->dim; from += width) {
			size_t n = p->dim - from < width ? p->dim - from : width;
			unpack(p, at, next, from, n, tile);
			for (size_t q = 0; q < p->nq; q++)
				for (size_t i = at; i < next; i++) {
					float s = dot(n, tile + (i - at) * n, p->queries + q * p->dim + from);
					p->out[q * p->ld + i] = from ? p->out[q * p->ld + i] + s : s;
				}
		}
	}
}

// Pieces are tiles, so that where they begin does not depend on the pool.
static void many_queries(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct part *p = ctx;
	float tile[GEMM_TILE];
	size_t width = p->dim < WIDTH ? p->dim : WIDTH, rows = GEMM_TILE / width;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		size_t at = k * rows, next = p->ld - at < rows ? p->ld : at + rows;
		for (size_t from = 0; from < p->dim; from += width) {
			size_t n = p->dim - from < width ? p->dim - from : width;
			unpack(p, at, next, from, n, tile);
			vla_gemm(NULL, false, true, p->nq, next - at, n, 1, p->queries + from, p->dim, tile, n,
				 from ? 1 : 0, p->out + at, p->ld);
		}
	}
}

void vla_scores(vla_pool *pool, const void *data, vla_dtype dtype, const float *scales, size_t rows, size_t dim,
		const float *queries, size_t nq, float *out)
{
	struct part p = { data, dtype, scales, queries, dim, nq, rows, out };
	size_t tile = GEMM_TILE / (dim < WIDTH ? dim + !dim : WIDTH); // rows
	if (dim == 0)
		memset(out, 0, nq * rows * sizeof *out);
	else if (nq < SMALL)
		vla_parallel(pool, rows, 1024, few_queries, &p);
	else
		vla_parallel(pool, (rows + tile - 1) / tile, 1, many_queries, &p);
}
