/* Batch norm over the rows of [rows, c] (Ioffe and Szegedy 2015) with the activation that follows it. Sums run in f32 over
 * short blocks of rows and in f64 over blocks, relative to the first row, so that a large mean does not cancel. */
#include "kern/kern.h"
#include "kern/vecmath.h"

#include "kern/clones.h"

#define BLOCK 32 // rows summed in f32
#define LANE 256 // channels of a block
#define MAX_CHUNK 64

struct job {
	size_t rows, c, chunks;
	const float *x, *dy, *gamma, *beta, *mean, *rstd;
	vla_act act;
	bool add, batch;
	float *out;
	double *sums; // [chunks][2][c]
	const float *a, *b, *k; // dx = a * dz + b * x + k
};

static size_t chunks_of(size_t rows)
{
	size_t n = rows / 256;
	return n > MAX_CHUNK ? MAX_CHUNK : n ? n : 1;
}

size_t vla_batch_norm_ws(size_t rows, size_t c)
{
	return 4 * c * (chunks_of(rows) + 1) + 8 * c + 2;
}

static double *align_double(float *ws)
{
	return (double *)(void *)(ws + ((uintptr_t)ws / sizeof *ws) % 2);
}

VLA_CLONES static void stats_block(size_t rows, size_t c, size_t ld, const float *x, const float *shift, float *s, float *q)
{
	size_t i = 0;
	for (; i + 8 <= c; i += 8) {
		vla_v8 a = vla_v8_set(0), b = a, f = vla_v8_load(shift + i);
		for (size_t r = 0; r < rows; r++) {
			vla_v8 v = vla_v8_load(x + r * ld + i) - f;
			a += v;
			b += v * v;
		}
		vla_v8_store(s + i, a);
		vla_v8_store(q + i, b);
	}
	for (; i < c; i++) {
		s[i] = q[i] = 0;
		for (size_t r = 0; r < rows; r++) {
			float v = x[r * ld + i] - shift[i];
			s[i] += v;
			q[i] += v * v;
		}
	}
}

VLA_CLONES static void add_f64(size_t n, const float *x, double *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void stats_chunk(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	float s[LANE], q[LANE];
	for (size_t k = begin; k < end; k++) {
		double *sum = j->sums + 2 * k * j->c;
		size_t stop = (k + 1) * j->rows / j->chunks;
		memset(sum, 0, 2 * j->c * sizeof *sum);
		for (size_t r = k * j->rows / j->chunks; r < stop; r += BLOCK)
			for (size_t i = 0; i < j->c; i += LANE) {
				size_t n = least(j->c - i, LANE);
				stats_block(least(stop - r, BLOCK), n, j->c, j->x + r * j->c + i, j->x + i, s, q);
				add_f64(n, s, sum + i);
				add_f64(n, q, sum + j->c + i);
			}
	}
}

void vla_batch_norm_stats(vla_pool *pool, size_t rows, size_t c, const float *x, float *mean, float *var, float *ws)
{
	struct job j = { .rows = rows, .c = c, .chunks = chunks_of(rows), .x = x, .sums = align_double(ws) };
	if (rows == 0) {
		memset(mean, 0, c * sizeof *mean);
		memset(var, 0, c * sizeof *var);
		return;
	}
	vla_parallel(pool, j.chunks, 1, stats_chunk, &j);
	for (size_t i = 0; i < c; i++) {
		double s = 0, q = 0;
		for (size_t k = 0; k < j.chunks; k++) {
			s += j.sums[2 * k * c + i];
			q += j.sums[(2 * k + 1) * c + i];
		}
		s /= (double)rows;
		double v = q / (double)rows - s * s;
		mean[i] = (float)(x[i] + s);
		var[i] = v > 0 || v != v ? (float)v : 0;
	}
}

VLA_INLINE float relu(float x)
{
	return x < 0 ? 0 : x;
}

VLA_INLINE float relu6(float x)
{
	float y = relu(x);
	return y > 6 ? 6 : y;
}

VLA_INLINE float hard_swish(float x)
{
	return x * relu6(x + 3) * (1.0f / 6.0f);
}

VLA_INLINE float plain(float x)
{
	return x;
}

VLA_INLINE float d_plain(float x)
{
	(void)x;
	return 1;
}

VLA_INLINE float d_relu(float x)
{
	return x > 0 ? 1 : 0;
}

VLA_INLINE float d_relu6(float x)
{
	float y = x > 0 ? 1 : 0;
	return x < 6 ? y : 0;
}

VLA_INLINE float d_hard_swish(float x)
{
	float mid = x * (1.0f / 3.0f) + 0.5f, y = x > -3 ? mid : 0;
	return x < 3 ? y : 1;
}

#define FORWARD(name, f) \
	VLA_CLONES static void forward_##name(size_t rows, size_t c, const float *x, const float *scale, \
	                                      const float *shift, float *y) \
	{ \
		for (size_t r = 0; r < rows; r++) \
			for (size_t i = 0; i < c; i++) \
				y[r * c + i] = f(x[r * c + i] * scale[i] + shift[i]); \
	}

FORWARD(none, plain)
FORWARD(relu, relu)
FORWARD(relu6, relu6)
FORWARD(hard_swish, hard_swish)

static void forward_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t rows = end - begin;
	const float *x = j->x + begin * j->c;
	float *y = j->out + begin * j->c;
	(void)worker;
	switch (j->act) {
	case VLA_ACT_RELU:
		forward_relu(rows, j->c, x, j->gamma, j->beta, y);
		break;
	case VLA_ACT_RELU6:
		forward_relu6(rows, j->c, x, j->gamma, j->beta, y);
		break;
	case VLA_ACT_HARD_SWISH:
		forward_hard_swish(rows, j->c, x, j->gamma, j->beta, y);
		break;
	default:
		for (size_t r = 0; r < rows; r++) {
			forward_none(1, j->c, x + r * j->c, j->gamma, j->beta, y + r * j->c);
			vla_act_apply(j->act, j->c, y + r * j->c, y + r * j->c);
		}
	}
}

static size_t grain(size_t c)
{
	return c ? (16384 + c - 1) / c : 1;
}

void vla_scale_shift_act(vla_pool *pool, size_t rows, size_t c, const float *x, const float *scale, const float *shift,
                         vla_act act, float *y)
{
	struct job j = { .rows = rows, .c = c, .x = x, .gamma = scale, .beta = shift, .act = act, .out = y };
	vla_parallel(pool, rows, grain(c), forward_rows, &j);
}

/* --- backward ---
 * With z = scale x + shift, scale = gamma rstd, shift = beta - mean scale, and dz = dy act'(z):
 * dbeta = sum dz, dgamma = rstd sum dz (x - mean),
 * dx = scale (dz - dbeta / rows - (x - mean) rstd dgamma / rows), without the last two when mean and rstd are constants. */

#define SUMS(name, d) \
	VLA_CLONES static void sums_##name(size_t rows, size_t c, size_t ld, const float *x, const float *dy, const float *scale, \
	                                   const float *shift, const float *mean, float *s, float *q) \
	{ \
		size_t i = 0; \
		for (; i + 8 <= c; i += 8) { \
			float sa[8] = { 0 }, sb[8] = { 0 }; \
			for (size_t r = 0; r < rows; r++) \
				for (size_t l = 0; l < 8; l++) { \
					float v = x[r * ld + i + l]; \
					float g = dy[r * ld + i + l] * d(v * scale[i + l] + shift[i + l]); \
					sa[l] += g; \
					sb[l] += g * (v - mean[i + l]); \
				} \
			for (size_t l = 0; l < 8; l++) { \
				s[i + l] = sa[l]; \
				q[i + l] = sb[l]; \
			} \
		} \
		for (; i < c; i++) { \
			s[i] = q[i] = 0; \
			for (size_t r = 0; r < rows; r++) { \
				float v = x[r * ld + i], g = dy[r * ld + i] * d(v * scale[i] + shift[i]); \
				s[i] += g; \
				q[i] += g * (v - mean[i]); \
			} \
		} \
	} \
	VLA_CLONES static void input_##name(size_t rows, size_t c, size_t ld, const float *x, const float *dy, const float *scale, \
	                                    const float *shift, const float *b, const float *k, bool add, float *dx) \
	{ \
		for (size_t r = 0; r < rows; r++) \
			for (size_t i = 0; i < c; i++) { \
				float v = x[r * ld + i]; \
				float g = dy[r * ld + i] * d(v * scale[i] + shift[i]); \
				g = scale[i] * g + b[i] * v + k[i]; \
				dx[r * ld + i] = add ? dx[r * ld + i] + g : g; \
			} \
	}

SUMS(none, d_plain)
SUMS(relu, d_relu)
SUMS(relu6, d_relu6)
SUMS(hard_swish, d_hard_swish)

struct row {
	void (*sums)(size_t, size_t, size_t, const float *, const float *, const float *, const float *, const float *,
	             float *, float *);
	void (*input)(size_t, size_t, size_t, const float *, const float *, const float *, const float *, const float *,
	              const float *, bool, float *);
};

static const struct row *row_of(vla_act act)
{
	static const struct row none = { sums_none, input_none }, rect = { sums_relu, input_relu },
				rect6 = { sums_relu6, input_relu6 }, hard = { sums_hard_swish, input_hard_swish };
	switch (act) {
	case VLA_ACT_NONE:
		return &none;
	case VLA_ACT_RELU:
		return &rect;
	case VLA_ACT_RELU6:
		return &rect6;
	case VLA_ACT_HARD_SWISH:
		return &hard;
	default:
		return NULL;
	}
}

// dz of n channels from i on of row r, for an activation without a fused form.
static void derive(const struct job *j, size_t r, size_t i, size_t n, float *dz)
{
	size_t at = r * j->c + i;
	forward_none(1, n, j->x + at, j->gamma + i, j->beta + i, dz);
	vla_act_derive(j->act, n, dz, j->dy + at, dz);
}

static void sums_block(const struct job *j, size_t r, size_t rows, size_t i, size_t n, double *sum)
{
	float s[LANE], q[LANE], dz[LANE];
	const struct row *f = row_of(j->act);
	size_t c = j->c, step = f ? rows : 1;
	for (size_t t = r; t < r + rows; t += step) {
		const float *dy = j->dy + t * c + i;
		if (!f)
			derive(j, t, i, n, dz);
		(f ? f : row_of(VLA_ACT_NONE))->sums(step, n, c, j->x + t * c + i, f ? dy : dz, j->gamma + i, j->beta + i,
		                                     j->mean + i, s, q);
		add_f64(n, s, sum + i);
		add_f64(n, q, sum + c + i);
	}
}

static void backward_sums(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		double *sum = j->sums + 2 * k * j->c;
		size_t stop = (k + 1) * j->rows / j->chunks;
		memset(sum, 0, 2 * j->c * sizeof *sum);
		for (size_t r = k * j->rows / j->chunks; r < stop; r += BLOCK)
			for (size_t i = 0; i < j->c; i += LANE)
				sums_block(j, r, least(stop - r, BLOCK), i, least(j->c - i, LANE), sum);
	}
}

static void backward_input(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const struct row *f = row_of(j->act);
	size_t c = j->c, at = begin * c;
	float dz[LANE];
	(void)worker;
	if (f) {
		f->input(end - begin, c, c, j->x + at, j->dy + at, j->gamma, j->beta, j->b, j->k, j->add, j->out + at);
		return;
	}
	for (size_t r = begin; r < end; r++)
		for (size_t i = 0; i < c; i += LANE) {
			size_t n = least(c - i, LANE);
			derive(j, r, i, n, dz);
			row_of(VLA_ACT_NONE)->input(1, n, n, j->x + r * c + i, dz, j->gamma + i, j->beta + i, j->b + i,
			                            j->k + i, j->add, j->out + r * c + i);
		}
}

static void backward(vla_pool *pool, struct job *j, float *dx, float *dgamma, float *dbeta, float *ws)
{
	size_t c = j->c;
	float *scale = ws, *shift = scale + c, *b = shift + c, *k = b + c;
	j->sums = align_double(k + c);
	for (size_t i = 0; i < c; i++) {
		scale[i] = j->gamma[i] * j->rstd[i];
		shift[i] = j->beta[i] - j->mean[i] * scale[i];
	}
	j->gamma = scale;
	j->beta = shift;
	vla_parallel(pool, j->chunks, 1, backward_sums, j);
	for (size_t i = 0; i < c; i++) {
		double s = 0, q = 0;
		for (size_t t = 0; t < j->chunks; t++) {
			s += j->sums[2 * t * c + i];
			q += j->sums[(2 * t + 1) * c + i];
		}
		q *= j->rstd[i];
		if (dbeta)
			dbeta[i] += (float)s;
		if (dgamma)
			dgamma[i] += (float)q;
		double m = 1.0 / (double)(j->rows ? j->rows : 1), slope = -scale[i] * q * m * j->rstd[i];
		b[i] = j->batch ? (float)slope : 0;
		k[i] = j->batch ? (float)(-scale[i] * s * m - slope * j->mean[i]) : 0;
	}
	j->b = b;
	j->k = k;
	j->out = dx;
	if (dx)
		vla_parallel(pool, j->rows, grain(c), backward_input, j);
}

void vla_batch_norm_backward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
                             const float *beta, const float *mean, const float *rstd, vla_act act, bool batch, bool add,
                             float *dx, float *dgamma, float *dbeta, float *ws)
{
	struct job j = { .rows = rows, .c = c, .chunks = chunks_of(rows), .x = x, .dy = dy, .gamma = gamma, .beta = beta,
		         .mean = mean, .rstd = rstd, .act = act, .add = add, .batch = batch };
	backward(pool, &j, dx, dgamma, dbeta, ws);
}

/* --- column sums --- */

size_t vla_colsum_ws(size_t rows, size_t c)
{
	return 4 * c * chunks_of(rows) + 2;
}

static void colsum_chunk(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		double *sum = j->sums + 2 * k * j->c;
		memset(sum, 0, j->c * sizeof *sum);
		for (size_t r = k * j->rows / j->chunks; r < (k + 1) * j->rows / j->chunks; r++)
			add_f64(j->c, j->x + r * j->c, sum);
	}
}

void vla_colsum(vla_pool *pool, size_t rows, size_t c, const float *x, bool add, float *out, float *ws)
{
	struct job j = { .rows = rows, .c = c, .chunks = chunks_of(rows), .x = x, .sums = align_double(ws) };
	vla_parallel(pool, j.chunks, 1, colsum_chunk, &j);
	for (size_t i = 0; i < c; i++) {
		double s = 0;
		for (size_t k = 0; k < j.chunks; k++)
			s += j.sums[2 * k * c + i];
		out[i] = (float)(add ? out[i] + s : s);
	}
}
