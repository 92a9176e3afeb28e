/* Random views of a picture. Crops are drawn by area and side ratio with a log-uniform ratio; all changes of colour are
 * one affine map of RGB, so that a view costs one pass over its pixels. Rectangles are erased as in "Random erasing
 * data augmentation" (AAAI 2020). */
#include "train/augment.h"

#include "base/clones.h"

#include <math.h>

/* Tries to fit a drawn crop before the middle is taken. */
#define TRIES 10

#define LUMA_R 0.299f
#define LUMA_G 0.587f
#define LUMA_B 0.114f

static double uniform(vla_rng *rng, double lo, double hi)
{
	return lo + (hi - lo) * vla_rng_double(rng);
}

/* The whole picture, cut in the middle where its sides' ratio is past max_aspect. */
static void take_middle(vla_crop *c, uint32_t w, uint32_t h, double max_aspect)
{
	double cw = fmin(w, h * max_aspect), ch = fmin(h, w * max_aspect);
	c->w = (uint32_t)fmax(1, round(cw));
	c->h = (uint32_t)fmax(1, round(ch));
	c->x = (w - c->w) / 2;
	c->y = (h - c->h) / 2;
}

vla_crop vla_crop_draw(vla_rng *rng, uint32_t w, uint32_t h, const vla_augment_opts *o)
{
	vla_crop c = { 0, 0, w, h, vla_rng_double(rng) < o->flip, o->filter };
	double span = log(fmax(1, o->max_aspect)), area = (double)w * h;
	for (int i = 0; i < TRIES; i++) {
		double part = area * uniform(rng, o->min_area, o->max_area), ratio = exp(uniform(rng, -span, span));
		double cw = round(sqrt(part * ratio)), ch = round(sqrt(part / ratio));
		if (cw < 1 || ch < 1 || cw > w || ch > h)
			continue;
		c.w = (uint32_t)cw;
		c.h = (uint32_t)ch;
		c.x = (uint32_t)vla_rng_below(rng, w - c.w + 1);
		c.y = (uint32_t)vla_rng_below(rng, h - c.h + 1);
		return c;
	}
	take_middle(&c, w, h, o->max_aspect);
	return c;
}

vla_crop vla_crop_number(const char *id, uint32_t k, uint32_t w, uint32_t h, const vla_augment_opts *o)
{
	vla_rng rng;
	vla_rng_seed(&rng, vla_hash64(id, strlen(id), 0), k);
	return vla_crop_draw(&rng, w, h, o);
}

vla_crop vla_crop_middle(uint32_t w, uint32_t h, vla_filter f)
{
	vla_crop c = { 0, 0, w, h, false, f };
	take_middle(&c, w, h, 1);
	return c;
}

static void mirror(vla_image *im)
{
	size_t w = im->width;
	for (size_t y = 0; y < im->height; y++) {
		uint8_t *row = im->data + y * w * 3;
		for (size_t l = 0, r = w - 1; l < r; l++, r--)
			for (size_t k = 0; k < 3; k++) {
				uint8_t t = row[3 * l + k];
				row[3 * l + k] = row[3 * r + k];
				row[3 * r + k] = t;
			}
	}
}

static vla_status need_rgb(const vla_image *im, vla_err *err)
{
	if (im->channels != 3 || im->width == 0 || im->height == 0)
		return vla_fail(err, VLA_EINVAL, "an RGB picture is needed, this has %lu channels",
				(unsigned long)im->channels);
	return VLA_OK;
}

vla_status vla_crop_apply(const vla_image *in, const vla_crop *c, uint32_t side, vla_image *out, vla_err *err)
{
	VLA_TRY(need_rgb(in, err));
	VLA_TRY(vla_image_resize_box(in, c->x, c->y, c->w, c->h, side, side, c->filter, out, err));
	if (c->flip)
		mirror(out);
	return VLA_OK;
}

/* A colour map: out[i] = m[i][0] r + m[i][1] g + m[i][2] b + m[i][3]. */
typedef struct colour_map {
	float m[3][4];
} colour_map;

/* map becomes f after map. */
static void follow(colour_map *map, const colour_map *f)
{
	colour_map r;
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 4; j++)
			r.m[i][j] = f->m[i][0] * map->m[0][j] + f->m[i][1] * map->m[1][j] + f->m[i][2] * map->m[2][j] +
				    (j == 3 ? f->m[i][3] : 0);
	*map = r;
}

static void scale_by(colour_map *map, float k, float offset)
{
	colour_map f = { { { k, 0, 0, offset }, { 0, k, 0, offset }, { 0, 0, k, offset } } };
	follow(map, &f);
}

/* k = 0 gives grey, 1 changes nothing. */
static void saturate(colour_map *map, float k)
{
	float r = (1 - k) * LUMA_R, g = (1 - k) * LUMA_G, b = (1 - k) * LUMA_B;
	colour_map f = { { { k + r, g, b, 0 }, { r, k + g, b, 0 }, { r, g, k + b, 0 } } };
	follow(map, &f);
}

/* A rotation about the grey axis (Rodrigues' formula for the axis (1, 1, 1)). */
static void turn_hue(colour_map *map, double turns)
{
	double a = 6.283185307179586 * turns, c = cos(a), s = sin(a) / sqrt(3), d = (1 - c) / 3;
	float p = (float)(c + d), q = (float)(d - s), r = (float)(d + s);
	colour_map f = { { { p, q, r, 0 }, { r, p, q, 0 }, { q, r, p, 0 } } };
	follow(map, &f);
}

static void mean_colour(const vla_image *im, double mean[3])
{
	uint64_t sum[3] = { 0, 0, 0 };
	size_t n = (size_t)im->width * im->height;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 3; k++)
			sum[k] += im->data[3 * i + k];
	for (size_t k = 0; k < 3; k++)
		mean[k] = (double)sum[k] / (double)n;
}

/* Contrast is about the mean luma of what the map has made so far; a map of a mean is the mean of the map. */
static void stretch(colour_map *map, float k, const double mean[3])
{
	static const float luma[3] = { LUMA_R, LUMA_G, LUMA_B };
	double y = 0;
	for (int i = 0; i < 3; i++)
		y += luma[i] *
		     (map->m[i][0] * mean[0] + map->m[i][1] * mean[1] + map->m[i][2] * mean[2] + map->m[i][3]);
	scale_by(map, k, (float)((1 - k) * y));
}

VLA_INLINE uint8_t to_u8(float v)
{
	v = v < 0 ? 0 : v > 255 ? 255 : v;
	return (uint8_t)(int32_t)(v + 0.5f);
}

VLA_CLONES static void map_pixels(uint8_t *px, size_t n, const colour_map *f)
{
	const colour_map c = *f;
	for (size_t i = 0; i < n; i++) {
		float r = px[3 * i], g = px[3 * i + 1], b = px[3 * i + 2];
		px[3 * i] = to_u8(c.m[0][0] * r + c.m[0][1] * g + c.m[0][2] * b + c.m[0][3]);
		px[3 * i + 1] = to_u8(c.m[1][0] * r + c.m[1][1] * g + c.m[1][2] * b + c.m[1][3]);
		px[3 * i + 2] = to_u8(c.m[2][0] * r + c.m[2][1] * g + c.m[2][2] * b + c.m[2][3]);
	}
}

/* Brightness, contrast and saturation, in any order. */
static void jitter(vla_rng *rng, const vla_image *im, double strength, colour_map *map)
{
	double mean[3];
	mean_colour(im, mean);
	int order[3] = { 0, 1, 2 };
	for (uint32_t i = 2; i > 0; i--) {
		uint64_t j = vla_rng_below(rng, i + 1);
		int t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
	for (int i = 0; i < 3; i++) {
		float k = (float)uniform(rng, fmax(0, 1 - strength), 1 + strength);
		if (order[i] == 0)
			scale_by(map, k, 0);
		else if (order[i] == 1)
			stretch(map, k, mean);
		else
			saturate(map, k);
	}
}

static void change_colours(vla_rng *rng, vla_image *im, const vla_augment_opts *o)
{
	colour_map map = { { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } } };
	bool grey = o->grey > 0 && vla_rng_double(rng) < o->grey;
	if (o->jitter <= 0 && o->hue <= 0 && !grey)
		return;
	if (o->jitter > 0)
		jitter(rng, im, o->jitter, &map);
	if (o->hue > 0)
		turn_hue(&map, uniform(rng, -o->hue, o->hue));
	if (grey)
		saturate(&map, 0);
	map_pixels(im->data, (size_t)im->width * im->height, &map);
}

#define BLUR_BITS 16
#define BLUR_RADIUS 8

/* Half of a symmetric Gaussian: w[0] + 2 (w[1] + ... + w[radius]) = 1 << BLUR_BITS. */
static int gaussian(double sigma, int32_t w[BLUR_RADIUS + 1])
{
	int radius = (int)fmin(BLUR_RADIUS, ceil(2.5 * sigma));
	double v[BLUR_RADIUS + 1], sum = 1;
	for (int i = 1; i <= radius; i++)
		sum += 2 * (v[i] = exp(-0.5 * i * i / (sigma * sigma)));
	w[0] = 1 << BLUR_BITS;
	for (int i = 1; i <= radius; i++)
		w[0] -= 2 * (w[i] = (int32_t)(v[i] / sum * (1 << BLUR_BITS)));
	return radius;
}

/* A line of n samples that are `step` bytes apart, edges repeated; t has room for the padded line. */
static void blur_line(uint8_t *p, size_t n, size_t step, const int32_t *w, int radius, uint8_t *t)
{
	for (int i = 0; i < radius; i++) {
		t[i] = p[0];
		t[n + (size_t)radius + (size_t)i] = p[(n - 1) * step];
	}
	t += radius;
	for (size_t i = 0; i < n; i++)
		t[i] = p[i * step];
	for (size_t i = 0; i < n; i++) {
		int32_t acc = (1 << (BLUR_BITS - 1)) + w[0] * t[i];
		for (int k = 1; k <= radius; k++)
			acc += w[k] * (t[i + (size_t)k] + t[(ptrdiff_t)i - k]);
		p[i * step] = (uint8_t)(acc >> BLUR_BITS);
	}
}

static vla_status blur(vla_rng *rng, vla_image *im, vla_err *err)
{
	size_t w = im->width, h = im->height, longest = w > h ? w : h;
	// As wide as 0.1 to 2 pixels are in a view of 224.
	double sigma = uniform(rng, 0.1, 2) * (double)longest / 224;
	int32_t weight[BLUR_RADIUS + 1];
	int radius = gaussian(fmax(0.05, sigma), weight);
	uint8_t *line = vla_alloc(longest + 2 * BLUR_RADIUS, 1);
	if (!line)
		return vla_nomem(err);
	for (size_t y = 0; y < h; y++)
		for (size_t k = 0; k < 3; k++)
			blur_line(im->data + y * w * 3 + k, w, 3, weight, radius, line);
	for (size_t x = 0; x < w * 3; x++)
		blur_line(im->data + x, h, w * 3, weight, radius, line);
	free(line);
	return VLA_OK;
}

static void erase(vla_rng *rng, vla_image *im)
{
	double part = (double)im->width * im->height * uniform(rng, 0.02, 0.33), ratio = exp(uniform(rng, -1.2, 1.2));
	uint32_t w = (uint32_t)fmin(im->width, fmax(1, sqrt(part * ratio)));
	uint32_t h = (uint32_t)fmin(im->height, fmax(1, sqrt(part / ratio)));
	size_t x = (size_t)vla_rng_below(rng, im->width - w + 1), y = (size_t)vla_rng_below(rng, im->height - h + 1);
	uint32_t colour = (uint32_t)vla_rng_u64(rng);
	for (size_t j = 0; j < h; j++)
		for (size_t i = 0; i < (size_t)w * 3; i++)
			im->data[((y + j) * im->width + x) * 3 + i] = (uint8_t)(colour >> 8 * (i % 3));
}

vla_status vla_augment_colours(vla_rng *rng, vla_image *im, const vla_augment_opts *o, vla_err *err)
{
	VLA_TRY(need_rgb(im, err));
	change_colours(rng, im, o);
	if (o->blur > 0 && vla_rng_double(rng) < o->blur)
		VLA_TRY(blur(rng, im, err));
	if (o->erase > 0 && vla_rng_double(rng) < o->erase)
		erase(rng, im);
	return VLA_OK;
}

vla_status vla_augment(vla_rng *rng, const vla_image *in, const vla_augment_opts *o, uint32_t side, vla_image *out,
		       vla_err *err)
{
	VLA_TRY(need_rgb(in, err));
	vla_crop c = vla_crop_draw(rng, in->width, in->height, o);
	VLA_TRY(vla_crop_apply(in, &c, side, out, err));
	return vla_augment_colours(rng, out, o, err);
}

void vla_augment_background(vla_rng *rng, uint8_t rgb[3])
{
	double kind = vla_rng_double(rng);
	uint32_t floor = kind < 0.5 ? 255 : kind < 0.8 ? 160 : 0;
	for (int k = 0; k < 3; k++)
		rgb[k] = (uint8_t)(floor + vla_rng_below(rng, 256 - floor));
}
