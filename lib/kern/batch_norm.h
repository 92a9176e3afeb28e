/* Shared by the passes of batch norm: how rows are cut. */
#ifndef VLA_KERN_BATCH_NORM_H
#define VLA_KERN_BATCH_NORM_H

#include "kern/kern.h"

#define VLA_NORM_LANE 256 // channels of a block; a multiple of 8

static inline size_t vla_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Chunks of rows whose sums are added in order. */
static inline size_t vla_norm_chunks(size_t rows)
{
	return rows < 512 ? 1 : vla_least(rows / 256, 64);
}

/* Rows summed in f32. */
static inline size_t vla_norm_block(size_t c)
{
	return c < 64 ? 128 : 32;
}

/* Rows of a piece without sums. */
static inline size_t vla_norm_grain(size_t c)
{
	return c ? (16384 + c - 1) / c : 1;
}

static inline double *vla_align_double(float *ws)
{
	return (double *)(void *)(ws + ((uintptr_t)ws / sizeof *ws) % 2);
}

/* y += x */
void vla_add_f64(size_t n, const float *x, double *y);

/* Adds to sum[0 .. n - 1] and sum[c .. c + n - 1] what `rows` rows from row r on give for the n (at most
 * VLA_NORM_LANE) channels from the one that sum points to, which is channel i. */
typedef void vla_norm_block_fn(const void *ctx, size_t r, size_t rows, size_t i, size_t n, double *sum);
/* Both sums over all rows into sums[0 .. 2 c - 1]; sums is [vla_norm_chunks(rows)][2][c]. */
void vla_norm_sums(vla_pool *pool, size_t rows, size_t c, vla_norm_block_fn *fn, const void *ctx, double *sums);
/* y = x * scale + shift, in this thread. */
void vla_scale_shift(size_t rows, size_t c, const float *x, const float *scale, const float *shift, float *y);

#endif
