/* Backward of batch norm and the activation after it, in two passes over x and dy.
 *
 * With z = scale x + shift, scale = gamma rstd, shift = beta - mean scale, and dz = dy act'(z):
 * dbeta = sum dz, dgamma = rstd sum dz (x - mean),
 * dx = scale dz + b x + k, where b and k carry dbeta and dgamma back through the batch's statistics and are zero when
 * those are constants. */
#include "kern/batch_norm.h"
#include "kern/kern.h"
#include "kern/lanes.h"

#include "kern/clones.h"

struct job {
	size_t c;
	const float *x, *dy, *scale, *shift, *mean;
	const float *b, *k;
	vla_act act;
	bool add;
	float *dx;
};

VLA_INLINE void sums_lane(vla_act act, size_t rows, size_t n, size_t ld, const float *x, const float *dy,
			  const float *scale, const float *shift, const float *mean, float *s, float *q)
{
	vla_v8 a = vla_v8_set(0), b = a;
	vla_v8 sc = n == 8 ? vla_v8_load(scale) : vla_v8_load_n(scale, n);
	vla_v8 sh = n == 8 ? vla_v8_load(shift) : vla_v8_load_n(shift, n);
	vla_v8 m = n == 8 ? vla_v8_load(mean) : vla_v8_load_n(mean, n);
	for (size_t r = 0; r < rows; r++) {
		vla_v8 v = n == 8 ? vla_v8_load(x + r * ld) : vla_v8_load_n(x + r * ld, n);
		vla_v8 g = n == 8 ? vla_v8_load(dy + r * ld) : vla_v8_load_n(dy + r * ld, n);
		g = vla_v8_derive(act, v * sc + sh, g);
		a += g;
		b += g * (v - m);
	}
	vla_v8_store(s, a);
	vla_v8_store(q, b);
}

VLA_INLINE void sums_of(vla_act act, size_t rows, size_t c, size_t ld, const float *x, const float *dy,
			const float *scale, const float *shift, const float *mean, float *s, float *q)
{
	size_t i = 0;
	for (; i + 8 <= c; i += 8)
		sums_lane(act, rows, 8, ld, x + i, dy + i, scale + i, shift + i, mean + i, s + i, q + i);
	if (i < c)
		sums_lane(act, rows, c - i, ld, x + i, dy + i, scale + i, shift + i, mean + i, s + i, q + i);
}

VLA_CLONES static void sums(vla_act act, size_t rows, size_t c, size_t ld, const float *x, const float *dy,
			    const float *scale, const float *shift, const float *mean, float *s, float *q)
{
	VLA_ACT_FUSED(act, sums_of, rows, c, ld, x, dy, scale, shift, mean, s, q);
}

VLA_INLINE void input_of(vla_act act, size_t rows, size_t c, const struct job *j, size_t at, size_t i0, const float *dy,
			 float *dx)
{
	const float *x = j->x + at, *scale = j->scale + i0, *shift = j->shift + i0, *b = j->b + i0, *k = j->k + i0;
	for (size_t r = 0; r < rows; r++, x += c, dy += c, dx += c) {
		size_t i = 0;
		for (; i + 8 <= c; i += 8) {
			vla_v8 v = vla_v8_load(x + i), sc = vla_v8_load(scale + i);
			vla_v8 g = vla_v8_derive(act, v * sc + vla_v8_load(shift + i), vla_v8_load(dy + i));
			g = sc * g + vla_v8_load(b + i) * v + vla_v8_load(k + i);
			vla_v8_store(dx + i, j->add ? vla_v8_load(dx + i) + g : g);
		}
		if (i < c) {
			size_t n = c - i;
			vla_v8 v = vla_v8_load_n(x + i, n), sc = vla_v8_load_n(scale + i, n);
			vla_v8 g = vla_v8_derive(act, v * sc + vla_v8_load_n(shift + i, n), vla_v8_load_n(dy + i, n));
			g = sc * g + vla_v8_load_n(b + i, n) * v + vla_v8_load_n(k + i, n);
			vla_v8_store_n(dx + i, n, j->add ? vla_v8_load_n(dx + i, n) + g : g);
		}
	}
}

// Rows of n channels from channel i0 on, at offset `at`; more than one row only when n is all channels.
VLA_CLONES static void input(vla_act act, size_t rows, size_t n, const struct job *j, size_t at, size_t i0,
			     const float *dy, float *dx)
{
	VLA_ACT_FUSED(act, input_of, rows, n, j, at, i0, dy, dx);
}

// dz of n channels from i on of row r, for an activation without a fused form.
static void derive(const struct job *j, size_t r, size_t i, size_t n, float *dz)
{
	size_t at = r * j->c + i;
	vla_scale_shift(1, n, j->x + at, j->scale + i, j->shift + i, dz);
	vla_act_derive(j->act, n, dz, j->dy + at, dz);
}

static void add_sums(const void *ctx, size_t r, size_t rows, size_t i, size_t n, double *sum)
{
	const struct job *j = ctx;
	float s[VLA_NORM_LANE], q[VLA_NORM_LANE], dz[VLA_NORM_LANE];
	bool fused = vla_act_fused(j->act);
	size_t c = j->c, step = fused ? rows : 1;
	for (size_t t = r; t < r + rows; t += step) {
		const float *dy = j->dy + t * c + i;
		if (!fused)
			derive(j, t, i, n, dz);
		sums(fused ? j->act : VLA_ACT_NONE, step, n, c, j->x + t * c + i, fused ? dy : dz, j->scale + i,
		     j->shift + i, j->mean + i, s, q);
		vla_add_f64(n, s, sum);
		vla_add_f64(n, q, sum + c);
	}
}

static void backward_input(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t c = j->c, at = begin * c;
	float dz[VLA_NORM_LANE];
	(void)worker;
	if (vla_act_fused(j->act)) {
		input(j->act, end - begin, c, j, at, 0, j->dy + at, j->dx + at);
		return;
	}
	for (size_t r = begin; r < end; r++)
		for (size_t i = 0; i < c; i += VLA_NORM_LANE) {
			size_t n = vla_least(c - i, VLA_NORM_LANE);
			derive(j, r, i, n, dz);
			input(VLA_ACT_NONE, 1, n, j, r * c + i, i, dz, j->dx + r * c + i);
		}
}

void vla_batch_norm_backward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
			     const float *beta, const float *mean, const float *rstd, vla_act act, bool batch, bool add,
			     float *dx, float *dgamma, float *dbeta, float *ws)
{
	float *scale = ws, *shift = scale + c, *b = shift + c, *k = b + c;
	struct job j = { .c = c,
			 .x = x,
			 .dy = dy,
			 .scale = scale,
			 .shift = shift,
			 .mean = mean,
			 .b = b,
			 .k = k,
			 .act = act,
			 .add = add,
			 .dx = dx };
	double *sum = vla_align_double(k + c);
	for (size_t i = 0; i < c; i++) {
		scale[i] = gamma[i] * rstd[i];
		shift[i] = beta[i] - mean[i] * scale[i];
	}
	vla_norm_sums(pool, rows, c, add_sums, &j, sum);
	for (size_t i = 0; i < c; i++) {
		double s = sum[i], q = sum[c + i] * rstd[i];
		if (dbeta)
			dbeta[i] += (float)s;
		if (dgamma)
			dgamma[i] += (float)q;
		double m = 1.0 / (double)(rows ? rows : 1), slope = -scale[i] * q * m * rstd[i];
		b[i] = batch ? (float)slope : 0;
		k[i] = batch ? (float)(-scale[i] * s * m - slope * mean[i]) : 0;
	}
	if (dx)
		vla_parallel(pool, rows, vla_norm_grain(c), backward_input, &j);
}
