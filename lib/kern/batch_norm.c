/* Batch norm over the rows of [rows, c] (Ioffe and Szegedy 2015): statistics, and the pass that applies scale, shift
 * and the activation that follows; column sums. Sums run in f32 over short blocks of rows and in f64 over blocks,
 * relative to the first row, so that a large mean does not cancel. */
#include "kern/batch_norm.h"
#include "kern/kern.h"
#include "kern/lanes.h"

#include "kern/clones.h"

struct job {
	size_t rows, c;
	const float *x, *scale, *shift;
	vla_act act;
	float *y;
};

size_t vla_batch_norm_ws(size_t rows, size_t c)
{
	return 4 * c * vla_norm_chunks(rows) + 4 * c + 2;
}

// Sums of one block over n (at most 8) channels, relative to shift.
VLA_INLINE void stats_lane(size_t rows, size_t n, size_t ld, const float *x, const float *shift, float *s, float *q)
{
	vla_v8 a = vla_v8_set(0), b = a, f = n == 8 ? vla_v8_load(shift) : vla_v8_load_n(shift, n);
	for (size_t r = 0; r < rows; r++) {
		vla_v8 v = (n == 8 ? vla_v8_load(x + r * ld) : vla_v8_load_n(x + r * ld, n)) - f;
		a += v;
		b += v * v;
	}
	vla_v8_store(s, a);
	vla_v8_store(q, b);
}

VLA_CLONES static void stats_block(size_t rows, size_t c, size_t ld, const float *x, const float *shift, float *s,
				   float *q)
{
	size_t i = 0;
	for (; i + 16 <= c; i += 16) {
		vla_v8 a0 = vla_v8_set(0), a1 = a0, b0 = a0, b1 = a0;
		vla_v8 f0 = vla_v8_load(shift + i), f1 = vla_v8_load(shift + i + 8);
		for (size_t r = 0; r < rows; r++) {
			vla_v8 v0 = vla_v8_load(x + r * ld + i) - f0, v1 = vla_v8_load(x + r * ld + i + 8) - f1;
			a0 += v0;
			a1 += v1;
			b0 += v0 * v0;
			b1 += v1 * v1;
		}
		vla_v8_store(s + i, a0);
		vla_v8_store(s + i + 8, a1);
		vla_v8_store(q + i, b0);
		vla_v8_store(q + i + 8, b1);
	}
	for (; i + 8 <= c; i += 8)
		stats_lane(rows, 8, ld, x + i, shift + i, s + i, q + i);
	if (i < c)
		stats_lane(rows, c - i, ld, x + i, shift + i, s + i, q + i);
}

VLA_CLONES void vla_add_f64(size_t n, const float *x, double *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

struct sums {
	size_t rows, c, chunks;
	vla_norm_block_fn *fn;
	const void *ctx;
	double *sums;
};

static void sum_chunks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct sums *j = ctx;
	size_t block = vla_norm_block(j->c);
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		double *sum = j->sums + 2 * k * j->c;
		size_t stop = (k + 1) * j->rows / j->chunks;
		memset(sum, 0, 2 * j->c * sizeof *sum);
		for (size_t r = k * j->rows / j->chunks; r < stop; r += block)
			for (size_t i = 0; i < j->c; i += VLA_NORM_LANE)
				j->fn(j->ctx, r, vla_least(stop - r, block), i, vla_least(j->c - i, VLA_NORM_LANE),
				      sum + i);
	}
}

void vla_norm_sums(vla_pool *pool, size_t rows, size_t c, vla_norm_block_fn *fn, const void *ctx, double *sums)
{
	struct sums j = { rows, c, vla_norm_chunks(rows), fn, ctx, sums };
	vla_parallel(pool, j.chunks, 1, sum_chunks, &j);
	for (size_t k = 1; k < j.chunks; k++)
		for (size_t i = 0; i < 2 * c; i++)
			sums[i] += sums[2 * k * c + i];
}

static void add_stats(const void *ctx, size_t r, size_t rows, size_t i, size_t n, double *sum)
{
	const struct job *j = ctx;
	float s[VLA_NORM_LANE], q[VLA_NORM_LANE];
	stats_block(rows, n, j->c, j->x + r * j->c + i, j->x + i, s, q);
	vla_add_f64(n, s, sum);
	vla_add_f64(n, q, sum + j->c);
}

void vla_batch_norm_stats(vla_pool *pool, size_t rows, size_t c, const float *x, float *mean, float *var, float *ws)
{
	struct job j = { .rows = rows, .c = c, .x = x };
	double *sums = vla_align_double(ws);
	if (rows == 0) {
		memset(mean, 0, c * sizeof *mean);
		memset(var, 0, c * sizeof *var);
		return;
	}
	vla_norm_sums(pool, rows, c, add_stats, &j, sums);
	for (size_t i = 0; i < c; i++) {
		double s = sums[i] / (double)rows, v = sums[c + i] / (double)rows - s * s;
		mean[i] = (float)(x[i] + s);
		var[i] = v > 0 || v != v ? (float)v : 0;
	}
}

VLA_INLINE void apply(vla_act act, bool stream, size_t rows, size_t c, const float *x, const float *scale,
		      const float *shift, float *y)
{
	size_t i = 0, whole = c / 8 * 8;
	for (size_t r = 0; r < rows; r++, x += c, y += c) {
		for (i = 0; i < whole; i += 8) {
			vla_v8 z = vla_v8_load(x + i) * vla_v8_load(scale + i) + vla_v8_load(shift + i);
			if (stream)
				vla_v8_stream(y + i, vla_v8_act(act, z));
			else
				vla_v8_store(y + i, vla_v8_act(act, z));
		}
		if (i < c) {
			size_t n = c - i;
			vla_v8 z = vla_v8_load_n(x + i, n) * vla_v8_load_n(scale + i, n) + vla_v8_load_n(shift + i, n);
			vla_v8_store_n(y + i, n, vla_v8_act(act, z));
		}
	}
}

VLA_CLONES static void apply_rows(vla_act act, bool stream, size_t rows, size_t c, const float *x, const float *scale,
				  const float *shift, float *y)
{
	if (act == VLA_ACT_RELU6 && stream)
		apply(VLA_ACT_RELU6, true, rows, c, x, scale, shift, y);
	else
		VLA_ACT_FUSED(act, apply, false, rows, c, x, scale, shift, y);
}

void vla_scale_shift(size_t rows, size_t c, const float *x, const float *scale, const float *shift, float *y)
{
	apply_rows(VLA_ACT_NONE, false, rows, c, x, scale, shift, y);
}

static void forward_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t c = j->c;
	(void)worker;
	if (vla_act_fused(j->act)) {
		bool stream = j->x != j->y && vla_streams(j->rows * c) && c % 8 == 0 && (uintptr_t)j->y % 32 == 0;
		apply_rows(j->act, stream, end - begin, c, j->x + begin * c, j->scale, j->shift, j->y + begin * c);
		if (stream)
			vla_stream_end();
		return;
	}
	for (size_t r = begin; r < end; r++) {
		vla_scale_shift(1, c, j->x + r * c, j->scale, j->shift, j->y + r * c);
		vla_act_apply(j->act, c, j->y + r * c, j->y + r * c);
	}
}

void vla_scale_shift_act(vla_pool *pool, size_t rows, size_t c, const float *x, const float *scale, const float *shift,
			 vla_act act, float *y)
{
	struct job j = { .rows = rows, .c = c, .x = x, .scale = scale, .shift = shift, .act = act, .y = y };
	vla_parallel(pool, rows, vla_norm_grain(c), forward_rows, &j);
}

/* --- column sums --- */

size_t vla_colsum_ws(size_t rows, size_t c)
{
	return 4 * c * vla_norm_chunks(rows) + 2;
}

static void add_columns(const void *ctx, size_t r, size_t rows, size_t i, size_t n, double *sum)
{
	const struct job *j = ctx;
	for (size_t t = r; t < r + rows; t++)
		vla_add_f64(n, j->x + t * j->c + i, sum);
}

void vla_colsum(vla_pool *pool, size_t rows, size_t c, const float *x, bool add, float *out, float *ws)
{
	struct job j = { .rows = rows, .c = c, .x = x };
	double *sums = vla_align_double(ws);
	vla_norm_sums(pool, rows, c, add_columns, &j, sums);
	for (size_t i = 0; i < c; i++)
		out[i] = (float)(add ? out[i] + sums[i] : sums[i]);
}
