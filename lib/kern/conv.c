/* Convolution of [n, h, w, c] pictures as matrix products: the picture matrix is built in blocks that fit a worker's
 * share of the scratch memory, so its whole never exists. */
#include "kern/kern.h"
#include "kern/split.h"

#include "kern/clones.h"

#define BLOCK_FLOATS ((size_t)128 << 10) // of the picture matrix at once, a worker

static size_t patch(const vla_conv_shape *s)
{
	return s->kh * s->kw * s->c;
}

static bool pointwise(const vla_conv_shape *s)
{
	return s->kh == 1 && s->kw == 1 && s->stride == 1 && s->oh == s->h && s->ow == s->w;
}

// Rows of the picture matrix in one block.
static size_t block_rows(const vla_conv_shape *s)
{
	size_t r = BLOCK_FLOATS / (patch(s) ? patch(s) : 1) / 16 * 16, all = s->n * s->oh * s->ow;
	r = r < 16 ? 16 : r;
	return r < all ? r : (all ? all : 1);
}

void vla_im2col(const vla_conv_shape *s, size_t row, size_t rows, const float *x, float *col)
{
	size_t run = s->kw * s->c;
	for (size_t r = row; r < row + rows; r++, col += patch(s)) {
		size_t ox = r % s->ow, oy = r / s->ow % s->oh, n = r / s->ow / s->oh;
		// signed positions: padding lies at negative ones
		ptrdiff_t ix = (ptrdiff_t)(ox * s->stride) - (ptrdiff_t)s->pad_left;
		ptrdiff_t iy = (ptrdiff_t)(oy * s->stride) - (ptrdiff_t)s->pad_top;
		ptrdiff_t w = (ptrdiff_t)s->w, h = (ptrdiff_t)s->h, kw = (ptrdiff_t)s->kw;
		ptrdiff_t x0 = ix < 0 ? -ix : 0, x1 = ix + kw > w ? w - ix : kw;
		if (x0 > kw)
			x0 = kw;
		if (x1 < x0)
			x1 = x0;
		for (size_t ky = 0; ky < s->kh; ky++) {
			float *c = col + ky * run;
			ptrdiff_t y = iy + (ptrdiff_t)ky;
			if (y < 0 || y >= h) {
				memset(c, 0, run * sizeof *c);
				continue;
			}
			size_t left = (size_t)x0 * s->c, mid = (size_t)(x1 - x0) * s->c;
			memset(c, 0, left * sizeof *c);
			if (mid)
				memcpy(c + left, x + ((n * s->h + (size_t)y) * s->w + (size_t)(ix + x0)) * s->c,
				       mid * sizeof *c);
			memset(c + left + mid, 0, (run - left - mid) * sizeof *c);
		}
	}
}

VLA_CLONES static void add_run(size_t n, const float *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

// The transpose of im2col: adds rows of col to the pixels that they were read from.
static void col2im_add(const vla_conv_shape *s, size_t row, size_t rows, const float *col, float *x)
{
	size_t run = s->kw * s->c;
	for (size_t r = row; r < row + rows; r++, col += patch(s)) {
		size_t ox = r % s->ow, oy = r / s->ow % s->oh, n = r / s->ow / s->oh;
		ptrdiff_t ix = (ptrdiff_t)(ox * s->stride) - (ptrdiff_t)s->pad_left;
		ptrdiff_t iy = (ptrdiff_t)(oy * s->stride) - (ptrdiff_t)s->pad_top;
		ptrdiff_t w = (ptrdiff_t)s->w, h = (ptrdiff_t)s->h, kw = (ptrdiff_t)s->kw;
		ptrdiff_t x0 = ix < 0 ? -ix : 0, x1 = ix + kw > w ? w - ix : kw;
		for (size_t ky = 0; ky < s->kh && x1 > x0; ky++) {
			ptrdiff_t y = iy + (ptrdiff_t)ky;
			if (y >= 0 && y < h)
				add_run((size_t)(x1 - x0) * s->c, col + ky * run + (size_t)x0 * s->c,
					x + ((n * s->h + (size_t)y) * s->w + (size_t)(ix + x0)) * s->c);
		}
	}
}

struct job {
	const vla_conv_shape *s;
	const float *x, *dy, *W, *bias;
	vla_act act;
	float *out, *ws;
	size_t block, chunks;
	bool add;
};

static void forward_blocks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_conv_shape *s = j->s;
	size_t k = patch(s), all = s->n * s->oh * s->ow;
	float *col = j->ws + worker * j->block * k;
	for (size_t b = begin; b < end; b++) {
		size_t at = b * j->block, rows = all - at < j->block ? all - at : j->block;
		vla_im2col(s, at, rows, j->x, col);
		vla_sgemm(false, true, rows, s->oc, k, 1, col, k, j->W, k, 0, j->out + at * s->oc, s->oc);
		vla_bias_act(rows, s->oc, j->bias, j->act, j->out + at * s->oc, s->oc);
	}
}

size_t vla_conv2d_ws(const vla_conv_shape *s, unsigned workers)
{
	return pointwise(s) ? 0 : block_rows(s) * patch(s) * workers;
}

vla_status vla_conv2d_forward(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *W,
			      const vla_packed *p, const float *bias, vla_act act, float *y, float *ws, vla_err *err)
{
	size_t all = s->n * s->oh * s->ow, block = block_rows(s), k = patch(s);
	if (all == 0 || s->oc == 0)
		return VLA_OK;
	if (pointwise(s)) {
		if (p)
			return vla_packed_gemm(p, pool, all, x, k, bias, act, y, s->oc, err);
		vla_gemm_bias_act(pool, all, s->oc, k, x, k, W, bias, act, y, s->oc);
		return VLA_OK;
	}
	if (!W)
		W = vla_packed_f32(p);
	if (!W) { // other packed forms split their own rows: one large block after another
		block *= vla_pool_size(pool);
		for (size_t at = 0; at < all; at += block) {
			size_t rows = all - at < block ? all - at : block;
			vla_im2col(s, at, rows, x, ws);
			VLA_TRY(vla_packed_gemm(p, pool, rows, ws, k, bias, act, y + at * s->oc, s->oc, err));
		}
		return VLA_OK;
	}
	vla_blas_init();
	struct job j = { .s = s, .x = x, .W = W, .bias = bias, .act = act, .out = y, .ws = ws, .block = block };
	vla_parallel(pool, (all + block - 1) / block, 1, forward_blocks, &j);
	return VLA_OK;
}

static void input_pictures(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_conv_shape *s = j->s;
	size_t k = patch(s), per = s->oh * s->ow, pixels = s->h * s->w * s->c;
	float *col = j->ws + worker * j->block * k;
	for (size_t n = begin; n < end; n++) {
		if (!j->add && pixels)
			memset(j->out + n * pixels, 0, pixels * sizeof *j->out);
		for (size_t r = 0; r < per; r += j->block) {
			size_t at = n * per + r, rows = per - r < j->block ? per - r : j->block;
			vla_sgemm(false, false, rows, k, s->oc, 1, j->dy + at * s->oc, s->oc, j->W, k, 0, col, k);
			col2im_add(s, at, rows, col, j->out);
		}
	}
}

void vla_conv2d_backward_input(vla_pool *pool, const vla_conv_shape *s, const float *dy, const float *W, bool add,
			       float *dx, float *ws)
{
	size_t k = patch(s);
	if (pointwise(s)) {
		vla_gemm(pool, false, false, s->n * s->h * s->w, k, s->oc, 1, dy, s->oc, W, k, add ? 1.0f : 0.0f, dx,
			 k);
		return;
	}
	vla_blas_init();
	struct job j = { .s = s, .dy = dy, .W = W, .out = dx, .ws = ws, .block = block_rows(s), .add = add };
	vla_parallel(pool, s->n, 1, input_pictures, &j);
}

// Chunks of pictures, each with a gradient of its own.
static size_t weight_chunks(const vla_conv_shape *s)
{
	size_t size = s->oc * patch(s), n = ((size_t)4 << 20) / (size ? size : 1);
	n = n > 16 ? 16 : n;
	n = n < 2 ? 2 : n;
	return n < s->n ? n : (s->n ? s->n : 1);
}

static void weight_blocks(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_conv_shape *s = j->s;
	(void)worker;
	size_t k = patch(s), per = s->oh * s->ow, size = s->oc * k;
	for (size_t i = begin; i < end; i++) {
		float *dw = j->ws + i * (size + j->block * k), *col = dw + size;
		size_t at = i * s->n / j->chunks * per, stop = (i + 1) * s->n / j->chunks * per;
		memset(dw, 0, size * sizeof *dw);
		for (; at < stop; at += j->block) {
			size_t rows = stop - at < j->block ? stop - at : j->block;
			vla_im2col(s, at, rows, j->x, col);
			vla_sgemm(true, false, s->oc, k, rows, 1, j->dy + at * s->oc, s->oc, col, k, 1, dw, k);
		}
	}
}

size_t vla_conv2d_weight_ws(const vla_conv_shape *s)
{
	if (pointwise(s))
		return vla_gemm_tall_ws(s->oc, s->c, s->n * s->h * s->w);
	return weight_chunks(s) * (s->oc + block_rows(s)) * patch(s);
}

void vla_conv2d_backward_weight(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *dy, bool add,
				float *dW, float *ws)
{
	size_t k = patch(s), size = s->oc * k;
	if (pointwise(s)) {
		vla_gemm_tall(pool, s->oc, k, s->n * s->h * s->w, dy, s->oc, x, k, add, dW, ws);
		return;
	}
	vla_blas_init();
	struct job j = { .s = s, .x = x, .dy = dy, .ws = ws, .block = block_rows(s), .chunks = weight_chunks(s) };
	vla_parallel(pool, j.chunks, 1, weight_blocks, &j);
	for (size_t i = 0; i < j.chunks; i++)
		for (size_t e = 0; e < size; e++)
			dW[e] = (i || add ? dW[e] : 0) + ws[i * (size + j.block * k) + e];
}
