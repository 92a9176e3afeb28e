/* Depthwise convolution of [n, h, w, c] pictures, vectorised over channels. Widths 3 and 5 at strides 1 and 2 are
 * unrolled: four outputs share the weights that they load. The gradient of the input at stride 1 is the same
 * convolution with the weights turned round. */
#include "kern/kern.h"
#include "kern/split.h"

#include "kern/clones.h"

#define TILE 4 // output pixels at once

struct job {
	const vla_conv_shape *s;
	const float *x, *dy, *w, *bias;
	ptrdiff_t tap; // floats from one weight tap to the next: c, or -c when turned round
	vla_act act;
	bool add;
	float *out, *ws;
	size_t chunks;
};

// What one output row reads: kernel rows [k0, k1), the first at input row y of the picture.
struct span {
	size_t k0, k1, y;
};

static struct span clip(size_t o, size_t stride, size_t pad, size_t k, size_t len)
{
	size_t at = o * stride;
	struct span r = { at < pad ? pad - at : 0, k, 0 };
	if (r.k0 > k)
		r.k0 = k;
	if (at + k > len + pad)
		r.k1 = at >= len + pad ? 0 : len + pad - at;
	if (r.k1 < r.k0)
		r.k1 = r.k0;
	r.y = at + r.k0 - pad; // meaningless when the span is empty
	return r;
}

// `t` neighbouring output pixels, all taps of the row inside the picture. x: first input of the first pixel.
VLA_INLINE void tile(size_t t, size_t kw, size_t stride, size_t c, size_t ky0, size_t ky1, const float *x, size_t row,
		     const float *w, ptrdiff_t tap, const float *bias, bool add, float *y)
{
	size_t i = 0;
	for (; i + 8 <= c; i += 8) {
		vla_v8 acc[TILE];
		vla_v8 b = bias ? vla_v8_load(bias + i) : vla_v8_set(0);
#pragma GCC unroll 8
		for (size_t p = 0; p < t; p++)
			acc[p] = add ? vla_v8_load(y + p * c + i) : b;
		const float *xr = x + i;
		for (size_t ky = ky0; ky < ky1; ky++, xr += row) {
			const float *wr = w + (ptrdiff_t)(ky * kw) * tap + (ptrdiff_t)i;
#pragma GCC unroll 8
			for (size_t kx = 0; kx < kw; kx++) {
				vla_v8 wv = vla_v8_load(wr + (ptrdiff_t)kx * tap);
#pragma GCC unroll 8
				for (size_t p = 0; p < t; p++)
					acc[p] += wv * vla_v8_load(xr + (p * stride + kx) * c);
			}
		}
#pragma GCC unroll 8
		for (size_t p = 0; p < t; p++)
			vla_v8_store(y + p * c + i, acc[p]);
	}
	for (; i < c; i++)
		for (size_t p = 0; p < t; p++) {
			float acc = add ? y[p * c + i] : bias ? bias[i] : 0;
			for (size_t ky = ky0; ky < ky1; ky++)
				for (size_t kx = 0; kx < kw; kx++)
					acc += w[(ptrdiff_t)(ky * kw + kx) * tap + (ptrdiff_t)i] *
					       x[(ky - ky0) * row + (p * stride + kx) * c + i];
			y[p * c + i] = acc;
		}
}

// One output pixel at the border: kernel columns [kx0, kx1).
VLA_INLINE void border(size_t kw, size_t c, size_t ky0, size_t ky1, size_t kx0, size_t kx1, const float *x, size_t row,
		       const float *w, ptrdiff_t tap, const float *bias, bool add, float *y)
{
	for (size_t i = 0; i < c; i++)
		y[i] = add ? y[i] : bias ? bias[i] : 0;
	for (size_t ky = ky0; ky < ky1; ky++)
		for (size_t kx = kx0; kx < kx1; kx++) {
			const float *wr = w + (ptrdiff_t)(ky * kw + kx) * tap,
				    *xr = x + (ky - ky0) * row + (kx - kx0) * c;
			for (size_t i = 0; i < c; i++)
				y[i] += wr[i] * xr[i];
		}
}

VLA_INLINE void row_of(const struct job *j, size_t kw, size_t stride, size_t n, size_t oy)
{
	const vla_conv_shape *s = j->s;
	size_t c = s->c, row = s->w * c;
	struct span v = clip(oy, stride, s->pad_top, s->kh, s->h);
	const float *x = j->x + n * s->h * row + (v.k1 > v.k0 ? v.y * row : 0);
	float *y = j->out + (n * s->oh + oy) * s->ow * c;
	for (size_t ox = 0; ox < s->ow;) {
		struct span u = clip(ox, stride, s->pad_left, kw, s->w);
		const float *xp = x + (u.k1 > u.k0 ? u.y * c : 0);
		if (u.k1 - u.k0 < kw) {
			border(kw, c, v.k0, v.k1, u.k0, u.k1, xp, row, j->w, j->tap, j->bias, j->add, y + ox * c);
			ox++;
		} else if (ox + TILE <= s->ow && (ox + TILE - 1) * stride + kw <= s->w + s->pad_left) {
			tile(TILE, kw, stride, c, v.k0, v.k1, xp, row, j->w, j->tap, j->bias, j->add, y + ox * c);
			ox += TILE;
		} else {
			tile(1, kw, stride, c, v.k0, v.k1, xp, row, j->w, j->tap, j->bias, j->add, y + ox * c);
			ox++;
		}
	}
	vla_act_apply(j->act, s->ow * c, y, y);
}

#define ROWS(name, kw, stride) \
	VLA_CLONES static void name(const struct job *j, size_t n, size_t oy) \
	{ \
		row_of(j, kw, stride, n, oy); \
	}

ROWS(row_3_1, 3, 1)
ROWS(row_3_2, 3, 2)
ROWS(row_5_1, 5, 1)
ROWS(row_5_2, 5, 2)
ROWS(row_any, j->s->kw, j->s->stride)

static void forward_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_conv_shape *s = j->s;
	(void)worker;
	void (*row)(const struct job *, size_t, size_t) = row_any;
	if (s->kw == 3 && s->stride <= 2)
		row = s->stride == 1 ? row_3_1 : row_3_2;
	if (s->kw == 5 && s->stride <= 2)
		row = s->stride == 1 ? row_5_1 : row_5_2;
	for (size_t r = begin; r < end; r++)
		row(j, r / s->oh, r % s->oh);
}

// Output rows of a piece: about 16 thousand floats.
static size_t grain(size_t row)
{
	return row ? (16384 + row - 1) / row : 1;
}

void vla_depthwise_forward(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *w, const float *bias,
			   vla_act act, float *y)
{
	struct job j = { .s = s, .x = x, .w = w, .bias = bias, .tap = (ptrdiff_t)s->c, .act = act, .out = y };
	if (s->c && s->ow)
		vla_parallel(pool, s->n * s->oh, grain(s->ow * s->c), forward_rows, &j);
}

/* --- gradient of the input at other strides: each input pixel gathers the outputs that read it --- */

#define TAPS 64 // that one pixel gathers at once

VLA_INLINE void gather_n(size_t taps, size_t c, const float *const *dy, const float *const *w, bool add, float *dx)
{
	size_t i = 0;
	for (; i + 8 <= c; i += 8) {
		vla_v8 acc = add ? vla_v8_load(dx + i) : vla_v8_set(0);
		for (size_t t = 0; t < taps; t++)
			acc += vla_v8_load(dy[t] + i) * vla_v8_load(w[t] + i);
		vla_v8_store(dx + i, acc);
	}
	for (; i < c; i++) {
		float acc = add ? dx[i] : 0;
		for (size_t t = 0; t < taps; t++)
			acc += dy[t][i] * w[t][i];
		dx[i] = acc;
	}
}

VLA_CLONES static void gather(size_t taps, size_t c, const float *const *dy, const float *const *w, bool add, float *dx)
{
	if (taps == 1)
		gather_n(1, c, dy, w, add, dx);
	else if (taps == 2)
		gather_n(2, c, dy, w, add, dx);
	else if (taps == 4)
		gather_n(4, c, dy, w, add, dx);
	else
		gather_n(taps, c, dy, w, add, dx);
}

static void input_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_conv_shape *s = j->s;
	size_t c = s->c;
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		size_t n = r / s->h, iy = r % s->h + s->pad_top;
		for (size_t x = 0; x < s->w; x++) {
			const float *dy[TAPS], *w[TAPS];
			size_t taps = 0, ix = x + s->pad_left;
			bool add = j->add;
			float *dx = j->out + (r * s->w + x) * c;
			for (size_t ky = iy % s->stride; ky < s->kh && ky <= iy; ky += s->stride) {
				size_t oy = (iy - ky) / s->stride;
				if (oy >= s->oh)
					continue;
				for (size_t kx = ix % s->stride; kx < s->kw && kx <= ix; kx += s->stride) {
					size_t ox = (ix - kx) / s->stride;
					if (ox >= s->ow)
						continue;
					dy[taps] = j->dy + ((n * s->oh + oy) * s->ow + ox) * c;
					w[taps++] = j->w + (ky * s->kw + kx) * c;
					if (taps == TAPS) {
						gather(taps, c, dy, w, add, dx);
						add = true;
						taps = 0;
					}
				}
			}
			if (taps || !add)
				gather(taps, c, dy, w, add, dx);
		}
	}
}

void vla_depthwise_backward_input(vla_pool *pool, const vla_conv_shape *s, const float *dy, const float *w, bool add,
				  float *dx)
{
	if (!s->c || !s->w)
		return;
	if (s->stride == 1 && s->kh > s->pad_top && s->kw > s->pad_left) {
		vla_conv_shape t = *s;
		t.h = s->oh, t.w = s->ow, t.oh = s->h, t.ow = s->w;
		t.pad_top = s->kh - 1 - s->pad_top, t.pad_left = s->kw - 1 - s->pad_left;
		struct job j = { .s = &t,
				 .x = dy,
				 .w = w + (s->kh * s->kw - 1) * s->c,
				 .tap = -(ptrdiff_t)s->c,
				 .add = add,
				 .out = dx };
		vla_parallel(pool, t.n * t.oh, grain(t.ow * t.c), forward_rows, &j);
		return;
	}
	struct job j = { .s = s, .dy = dy, .w = w, .out = dx, .add = add };
	vla_parallel(pool, s->n * s->h, grain(s->w * s->c), input_rows, &j);
}

/* --- gradient of the weights --- */

// Adds what `count` neighbouring outputs give to the taps [0, kw) of one kernel row.
VLA_INLINE void taps_row(size_t kw, size_t stride, size_t c, size_t count, const float *x, const float *dy, float *dw)
{
	size_t i = 0;
	for (; i + 16 <= c; i += 16) {
		vla_v8 acc[2 * 5];
#pragma GCC unroll 8
		for (size_t k = 0; k < kw; k++) {
			acc[2 * k] = vla_v8_load(dw + k * c + i);
			acc[2 * k + 1] = vla_v8_load(dw + k * c + i + 8);
		}
		for (size_t o = 0; o < count; o++) {
			vla_v8 d0 = vla_v8_load(dy + o * c + i), d1 = vla_v8_load(dy + o * c + i + 8);
#pragma GCC unroll 8
			for (size_t k = 0; k < kw; k++) {
				acc[2 * k] += d0 * vla_v8_load(x + (o * stride + k) * c + i);
				acc[2 * k + 1] += d1 * vla_v8_load(x + (o * stride + k) * c + i + 8);
			}
		}
#pragma GCC unroll 8
		for (size_t k = 0; k < kw; k++) {
			vla_v8_store(dw + k * c + i, acc[2 * k]);
			vla_v8_store(dw + k * c + i + 8, acc[2 * k + 1]);
		}
	}
	for (; i < c; i++)
		for (size_t k = 0; k < kw; k++) {
			float acc = dw[k * c + i];
			for (size_t o = 0; o < count; o++)
				acc += dy[o * c + i] * x[(o * stride + k) * c + i];
			dw[k * c + i] = acc;
		}
}

VLA_CLONES static void taps_3_1(size_t c, size_t count, const float *x, const float *dy, float *dw)
{
	taps_row(3, 1, c, count, x, dy, dw);
}

VLA_CLONES static void taps_3_2(size_t c, size_t count, const float *x, const float *dy, float *dw)
{
	taps_row(3, 2, c, count, x, dy, dw);
}

VLA_CLONES static void taps_5_1(size_t c, size_t count, const float *x, const float *dy, float *dw)
{
	taps_row(5, 1, c, count, x, dy, dw);
}

VLA_CLONES static void taps_5_2(size_t c, size_t count, const float *x, const float *dy, float *dw)
{
	taps_row(5, 2, c, count, x, dy, dw);
}

// One tap over `count` outputs whose inputs are `step` floats apart.
VLA_CLONES static void tap_one(size_t c, size_t count, size_t step, const float *x, const float *dy, float *dw)
{
	for (size_t o = 0; o < count; o++)
		for (size_t i = 0; i < c; i++)
			dw[i] += dy[o * c + i] * x[o * step + i];
}

static void weight_row(const vla_conv_shape *s, const float *x, const float *dy, float *dw)
{
	size_t c = s->c, inner0 = (s->pad_left + s->stride - 1) / s->stride, inner1 = inner0;
	void (*taps)(size_t, size_t, const float *, const float *, float *) = NULL;
	if (s->kw == 3 && s->stride <= 2)
		taps = s->stride == 1 ? taps_3_1 : taps_3_2;
	if (s->kw == 5 && s->stride <= 2)
		taps = s->stride == 1 ? taps_5_1 : taps_5_2;
	if (taps && s->w + s->pad_left >= s->kw)
		inner1 = (s->w + s->pad_left - s->kw) / s->stride + 1;
	if (inner1 > s->ow)
		inner1 = s->ow;
	if (inner1 > inner0)
		taps(c, inner1 - inner0, x + (inner0 * s->stride - s->pad_left) * c, dy + inner0 * c, dw);
	else
		inner0 = inner1 = 0;
	for (size_t o = 0; o < s->ow; o++) {
		if (o == inner0 && inner1 > inner0)
			o = inner1;
		if (o >= s->ow)
			break;
		struct span u = clip(o, s->stride, s->pad_left, s->kw, s->w);
		for (size_t k = u.k0; k < u.k1; k++)
			tap_one(c, 1, 0, x + (u.y + k - u.k0) * c, dy + o * c, dw + k * c);
	}
}

static void weight_chunk(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_conv_shape *s = j->s;
	size_t c = s->c, size = s->kh * s->kw * c, rows = s->n * s->oh;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		float *dw = j->ws + k * size;
		memset(dw, 0, size * sizeof *dw);
		for (size_t r = k * rows / j->chunks; r < (k + 1) * rows / j->chunks; r++) {
			size_t n = r / s->oh, oy = r % s->oh;
			struct span v = clip(oy, s->stride, s->pad_top, s->kh, s->h);
			for (size_t ky = v.k0; ky < v.k1; ky++)
				weight_row(s, j->x + (n * s->h + v.y + ky - v.k0) * s->w * c, j->dy + r * s->ow * c,
					   dw + ky * s->kw * c);
		}
	}
}

static size_t weight_chunks(const vla_conv_shape *s)
{
	size_t n = s->n * s->oh / 16;
	return n > 64 ? 64 : n ? n : 1;
}

size_t vla_depthwise_weight_ws(const vla_conv_shape *s)
{
	return weight_chunks(s) * s->kh * s->kw * s->c;
}

void vla_depthwise_backward_weight(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *dy, bool add,
				   float *dw, float *ws)
{
	struct job j = { .s = s, .x = x, .dy = dy, .ws = ws, .chunks = weight_chunks(s) };
	vla_parallel(pool, j.chunks, 1, weight_chunk, &j);
	vla_sum_chunks(j.chunks, s->kh * s->kw * s->c, ws, add, dw);
}
