/* Resampling by separable kernels in fixed point, equal to Pillow (up to 12) bit for bit: the horizontal pass first,
 * 8-bit rounding and clipping between the passes, weights with 22 fractional bits that are normalised in double. When
 * reducing, the kernel is stretched (antialias). The kernels are Keys' cubic with a = -0.5 (IEEE ASSP 29(6), 1981), the
 * triangle and the three-lobed Lanczos window. The inner loops are in resample.c. */
#include "io/image.h"
#include "io/resample.h"

#include <math.h>

#define MAX_OUT_PIXELS ((uint64_t)1 << 29)
static const double PI = 3.14159265358979323846;

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

static double cubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double sinc(double x)
{
	if (x == 0)
		return 1;
	x *= PI;
	return sin(x) / x;
}

static double lanczos(double x)
{
	return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static void taps_release(vla_taps *t)
{
	free(t->first);
	free(t->count);
	free(t->weight);
	*t = (vla_taps){ 0 };
}

static void weigh(vla_taps *t, size_t i, double center, double support, double scale, int32_t in,
		  double (*kernel)(double), double *w)
{
	int32_t lo = (int32_t)(center - support + 0.5), hi = (int32_t)(center + support + 0.5);
	lo = lo < 0 ? 0 : lo;
	hi = hi > in ? in : hi;
	double sum = 0, inverse = 1 / scale;
	for (int32_t k = 0; k < hi - lo; k++) {
		w[k] = kernel((k + lo - center + 0.5) * inverse);
		sum += w[k];
	}
	for (int32_t k = 0; k < hi - lo; k++) {
		double v = sum != 0 ? w[k] / sum : w[k];
		t->weight[i * t->size + (size_t)k] = (int32_t)(v * (1 << VLA_RESAMPLE_BITS) + (v < 0 ? -0.5 : 0.5));
	}
	t->first[i] = lo;
	t->count[i] = hi > lo ? hi - lo : 0;
}

/* The span [from, to) of `in` samples to n samples. */
static vla_status taps_make(vla_taps *t, uint32_t in, float from, float to, uint32_t n, vla_filter f, vla_err *err)
{
	static double (*const kernels[])(double) = { NULL, lanczos, triangle, cubic };
	static const double supports[] = { 0, 3, 1, 2 };
	double step = (double)(to - from) / n, scale = step < 1 ? 1 : step, support = supports[f] * scale;
	*t = (vla_taps){ .n = n, .size = (size_t)ceil(support) * 2 + 1 };
	t->first = vla_alloc(n, sizeof *t->first);
	t->count = vla_alloc(n, sizeof *t->count);
	t->weight = t->size < SIZE_MAX / 4 / n ? vla_zalloc(n * t->size, sizeof *t->weight) : NULL;
	double *w = vla_alloc(t->size, sizeof *w);
	if (!t->first || !t->count || !t->weight || !w) {
		free(w);
		taps_release(t);
		return vla_nomem(err);
	}
	for (size_t i = 0; i < n; i++)
		weigh(t, i, from + ((double)i + 0.5) * step, support, scale, (int32_t)in, kernels[f], w);
	free(w);
	return VLA_OK;
}

/* A box in in's coordinates; single precision, as the boxes of the reference are. */
typedef struct box {
	float x0, y0, x1, y1;
} box;

/* Rows [y0, y1) of in, made w wide: mid [y1 - y0, w, c]. */
static vla_status pass_x(const vla_image *in, const box *b, size_t y0, size_t y1, uint32_t w, vla_filter f,
			 vla_image *mid, vla_err *err)
{
	vla_taps t = { 0 };
	size_t c = in->channels, row = in->width * c;
	uint8_t *scratch = NULL;
	vla_status st = taps_make(&t, in->width, b->x0, b->x1, w, f, err);
	if (st == VLA_OK)
		st = vla_image_reserve(mid, w, (uint32_t)(y1 - y0), in->channels, err);
	if (st == VLA_OK && !(scratch = vla_alloc(vla_resample_scratch(in->width, w, c), 1)))
		st = vla_nomem(err);
	for (size_t y = y0; st == VLA_OK && y < y1; y += VLA_RESAMPLE_ROWS)
		vla_resample_rows(&t, in->data + y * row, y1 - y < VLA_RESAMPLE_ROWS ? y1 - y : VLA_RESAMPLE_ROWS,
				  in->width, c, scratch, mid->data + (y - y0) * w * c);
	free(scratch);
	taps_release(&t);
	return st;
}

/* mid holds the rows from `skip` on of what t counts. */
static vla_status pass_y(const vla_image *mid, const vla_taps *t, size_t skip, vla_image *out, vla_err *err)
{
	size_t n = (size_t)mid->width * mid->channels;
	VLA_TRY(vla_image_reserve(out, mid->width, (uint32_t)t->n, mid->channels, err));
	for (size_t i = 0; i < t->n; i++)
		vla_resample_column(t->weight + i * t->size, t->count[i], mid->data + ((size_t)t->first[i] - skip) * n,
				    n, out->data + i * n);
	return VLA_OK;
}

static vla_status copy(const vla_image *in, vla_image *out, vla_err *err)
{
	VLA_TRY(vla_image_reserve(out, in->width, in->height, in->channels, err));
	memcpy(out->data, in->data, vla_image_bytes(in));
	return VLA_OK;
}

static vla_status smooth(const vla_image *in, const box *b, uint32_t w, uint32_t h, vla_filter f, vla_image *out,
			 vla_err *err)
{
	bool need_x = w != in->width || b->x0 != 0 || b->x1 != (float)w;
	bool need_y = h != in->height || b->y0 != 0 || b->y1 != (float)h;
	if (!need_y)
		return need_x ? pass_x(in, b, 0, in->height, w, f, out, err) : copy(in, out, err);
	vla_taps t;
	vla_image mid = VLA_IMAGE_INIT;
	VLA_TRY(taps_make(&t, in->height, b->y0, b->y1, h, f, err));
	vla_status st;
	if (need_x) {
		// Only the rows that the second pass reads.
		size_t y0 = (size_t)t.first[0], y1 = (size_t)(t.first[h - 1] + t.count[h - 1]);
		st = pass_x(in, b, y0, y1, w, f, &mid, err);
		if (st == VLA_OK)
			st = pass_y(&mid, &t, y0, out, err);
	} else {
		st = pass_y(in, &t, 0, out, err);
	}
	taps_release(&t);
	vla_image_release(&mid);
	return st;
}

/* The positions are running sums, as in the reference: multiplying would round differently. */
static vla_status nearest(const vla_image *in, const box *b, uint32_t w, uint32_t h, vla_image *out, vla_err *err)
{
	size_t c = in->channels;
	double sx = (double)(b->x1 - b->x0) / w, sy = (double)(b->y1 - b->y0) / h;
	uint32_t *column = vla_alloc(w, sizeof *column);
	if (!column)
		return vla_nomem(err);
	vla_status st = vla_image_reserve(out, w, h, in->channels, err);
	double x = b->x0 + sx * 0.5, y = b->y0 + sy * 0.5;
	for (uint32_t i = 0; i < w; i++, x += sx)
		column[i] = x < in->width ? (uint32_t)x : in->width - 1;
	for (uint32_t j = 0; st == VLA_OK && j < h; j++, y += sy) {
		size_t v = y < in->height ? (size_t)y : in->height - 1;
		const uint8_t *s = in->data + v * in->width * c;
		uint8_t *d = out->data + (size_t)j * w * c;
		for (uint32_t i = 0; i < w; i++)
			for (size_t k = 0; k < c; k++)
				*d++ = s[column[i] * c + k];
	}
	free(column);
	return st;
}

/* Colour must be weighed by alpha, or what is invisible bleeds in: multiplied before, divided after. */
static void premultiply(vla_image *im)
{
	uint8_t *p = im->data, *end = p + vla_image_bytes(im);
	for (; p < end; p += 4)
		for (size_t k = 0; k < 3; k++) {
			unsigned t = (unsigned)p[k] * p[3] + 128;
			p[k] = (uint8_t)((t + (t >> 8)) >> 8);
		}
}

static void unpremultiply(vla_image *im)
{
	uint8_t *p = im->data, *end = p + vla_image_bytes(im);
	for (; p < end; p += 4)
		for (size_t k = 0; p[3] != 0 && p[3] != 255 && k < 3; k++) {
			unsigned v = 255u * p[k] / p[3];
			p[k] = (uint8_t)(v > 255 ? 255 : v);
		}
}

static vla_status resize_inside(const vla_image *in, const box *b, uint32_t w, uint32_t h, vla_filter f, vla_image *out,
				vla_err *err)
{
	bool whole = b->x0 == 0 && b->y0 == 0 && b->x1 == (float)in->width && b->y1 == (float)in->height;
	if (whole && w == in->width && h == in->height)
		return copy(in, out, err);
	if (f == VLA_FILTER_NEAREST)
		return nearest(in, b, w, h, out, err);
	if (in->channels != 4)
		return smooth(in, b, w, h, f, out, err);
	vla_image pre = VLA_IMAGE_INIT;
	vla_status st = copy(in, &pre, err);
	if (st == VLA_OK) {
		premultiply(&pre);
		st = smooth(&pre, b, w, h, f, out, err);
	}
	if (st == VLA_OK)
		unpremultiply(out);
	vla_image_release(&pre);
	return st;
}

static vla_status check(const vla_image *in, uint32_t w, uint32_t h, vla_filter f, const vla_image *out, vla_err *err)
{
	if (in == out || in->width == 0 || in->height == 0 ||
	    !(in->channels == 1 || in->channels == 3 || in->channels == 4))
		return vla_fail(err, VLA_EINVAL, "nothing to resample");
	if (w == 0 || h == 0 || (uint64_t)w * h > MAX_OUT_PIXELS || w > INT32_MAX / 8 || h > INT32_MAX / 8)
		return vla_fail(err, VLA_EINVAL, "cannot resample to %lu x %lu pixels", (unsigned long)w,
				(unsigned long)h);
	if ((unsigned)f > VLA_FILTER_BICUBIC)
		return vla_fail(err, VLA_EINVAL, "unknown resampling filter %d", (int)f);
	return VLA_OK;
}

vla_status vla_image_resize(const vla_image *in, uint32_t w, uint32_t h, vla_filter f, vla_image *out, vla_err *err)
{
	VLA_TRY(check(in, w, h, f, out, err));
	box b = { 0, 0, (float)in->width, (float)in->height };
	return resize_inside(in, &b, w, h, f, out, err);
}

vla_status vla_image_resize_box(const vla_image *in, double x, double y, double w, double h, uint32_t ow, uint32_t oh,
				vla_filter f, vla_image *out, vla_err *err)
{
	VLA_TRY(check(in, ow, oh, f, out, err));
	if (!(w > 0 && h > 0 && w <= 1e6 && h <= 1e6 && fabs(x) <= 1e6 && fabs(y) <= 1e6))
		return vla_fail(err, VLA_EINVAL, "cannot resample the box %g,%g,%g,%g", x, y, w, h);
	if (x >= 0 && y >= 0 && x + w <= in->width && y + h <= in->height) {
		box b = { (float)x, (float)y, (float)(x + w), (float)(y + h) };
		return resize_inside(in, &b, ow, oh, f, out, err);
	}
	// A box that reaches outside is cut out with its zeros first, by whole pixels.
	double x0 = floor(x), y0 = floor(y);
	vla_image part = VLA_IMAGE_INIT;
	vla_status st = vla_image_crop(in, (int32_t)x0, (int32_t)y0, (uint32_t)(ceil(x + w) - x0),
				       (uint32_t)(ceil(y + h) - y0), &part, err);
	if (st == VLA_OK) {
		box b = { (float)(x - x0), (float)(y - y0), (float)(x + w - x0), (float)(y + h - y0) };
		st = resize_inside(&part, &b, ow, oh, f, out, err);
	}
	vla_image_release(&part);
	return st;
}
