/* Gathering, scattering and averaging rows: embeddings, segment means, pooling. */
#include "kern/kern.h"

#include "kern/clones.h"

#define COLUMNS 64 // of a piece where rows meet in one sum

struct job {
	const float *x;
	const void *table;
	vla_dtype dtype;
	const uint32_t *ids;
	const size_t *offset;
	size_t n, d;
	float *out;
};

VLA_CLONES static void add_scaled(size_t n, float s, const float *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += s * x[i];
}

static void gather_piece(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t row = j->d * vla_dtype_size(j->dtype);
	(void)worker;
	for (size_t i = begin; i < end; i++)
		vla_to_f32(j->dtype, j->d, (const char *)j->table + j->ids[i] * row, j->out + i * j->d);
}

void vla_gather(vla_pool *pool, vla_dtype dtype, size_t d, const void *table, const uint32_t *ids, size_t n, float *out)
{
	struct job j = { .table = table, .dtype = dtype, .ids = ids, .n = n, .d = d, .out = out };
	vla_parallel(pool, n, (8192 + d) / (d + 1), gather_piece, &j);
}

static void scatter_columns(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	size_t c0 = begin * COLUMNS, c1 = end * COLUMNS < j->d ? end * COLUMNS : j->d;
	for (size_t i = 0; i < j->n; i++)
		add_scaled(c1 - c0, 1, j->x + i * j->d + c0, j->out + j->ids[i] * j->d + c0);
}

void vla_scatter_add(vla_pool *pool, size_t d, const float *x, const uint32_t *ids, size_t n, float *table)
{
	struct job j = { .x = x, .ids = ids, .n = n, .d = d, .out = table };
	vla_parallel(pool, (d + COLUMNS - 1) / COLUMNS, 1, scatter_columns, &j);
}

static void mean_segments(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t d = j->d;
	(void)worker;
	for (size_t i = begin; i < end; i++) {
		size_t len = j->offset ? j->offset[i + 1] - j->offset[i] : j->n;
		size_t first = j->offset ? j->offset[i] : i * j->n;
		float *y = j->out + i * d;
		for (size_t k = 0; k < d; k++)
			y[k] = 0;
		for (size_t r = 0; r < len; r++)
			add_scaled(d, 1, j->x + (first + r) * d, y);
		for (size_t k = 0; k < d && len; k++)
			y[k] /= (float)len;
	}
}

static void spread_segments(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t d = j->d;
	(void)worker;
	for (size_t i = begin; i < end; i++) {
		size_t len = j->offset ? j->offset[i + 1] - j->offset[i] : j->n;
		size_t first = j->offset ? j->offset[i] : i * j->n;
		for (size_t r = 0; r < len; r++)
			add_scaled(d, 1.0f / (float)len, j->x + i * d, j->out + (first + r) * d);
	}
}

void vla_segment_mean_forward(vla_pool *pool, size_t d, const float *x, const size_t *offset, size_t n, float *out)
{
	struct job j = { .x = x, .offset = offset, .d = d, .out = out };
	vla_parallel(pool, n, 1, mean_segments, &j);
}

void vla_segment_mean_backward(vla_pool *pool, size_t d, const float *dout, const size_t *offset, size_t n, float *dx)
{
	struct job j = { .x = dout, .offset = offset, .d = d, .out = dx };
	vla_parallel(pool, n, 1, spread_segments, &j);
}

void vla_mean_pool_forward(vla_pool *pool, size_t n, size_t rows, size_t d, const float *x, float *out)
{
	struct job j = { .x = x, .n = rows, .d = d, .out = out };
	vla_parallel(pool, n, 1, mean_segments, &j);
}

void vla_mean_pool_backward(vla_pool *pool, size_t n, size_t rows, size_t d, const float *dout, float *dx)
{
	struct job j = { .x = dout, .n = rows, .d = d, .out = dx };
	vla_parallel(pool, n, 1, spread_segments, &j);
}
