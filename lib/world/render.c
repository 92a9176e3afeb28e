/* The rasteriser: every pixel is the mean of 4 x 4 points, each of which belongs to the nearest object that covers it.
 * Textures are functions of place, materials of the place within the object. */
#include "world/render.h"

#include <math.h>

typedef struct row_samples {
	uint8_t *own, *under; // [VLA_SAMPLES * side * VLA_SAMPLES], object + 1; under: what glass lets through
	uint32_t width;
} row_samples;

vla_rgb vla_colour_rgb(int colour)
{
	static const vla_rgb c[VLA_COLOURS] = { { 214, 32, 38 },   { 34, 150, 60 },   { 32, 84, 214 },
						{ 250, 214, 24 },  { 124, 48, 170 },  { 246, 130, 24 },
						{ 250, 140, 180 }, { 120, 72, 36 },   { 24, 24, 28 },
						{ 248, 248, 248 }, { 134, 138, 142 }, { 40, 196, 208 } };
	return c[colour];
}

vla_rgb vla_rgb_mix(vla_rgb a, vla_rgb b, float t)
{
	return (vla_rgb){ a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t };
}

static float luma(vla_rgb c)
{
	return .299f * c.r + .587f * c.g + .114f * c.b;
}

// 0 or 1 by a pattern over u, v in units of its period.
static float pattern(int texture, float u, float v)
{
	float fu = u - floorf(u), fv = v - floorf(v);
	switch (texture) {
	case 1: return fv < .5f ? 0 : 1;
	case 2: return (fu - .5f) * (fu - .5f) + (fv - .5f) * (fv - .5f) < .085f ? 1 : 0;
	case 3: return (fu < .5f) == (fv < .5f) ? 0 : 1;
	case 4: {
		float w = v + .28f * sinf(u * 4.6f);
		return w - floorf(w) < .42f ? 1 : 0;
	}
	default: return 0;
	}
}

static uint32_t mix32(uint32_t h)
{
	h = (h ^ h >> 16) * 0x7feb352du;
	h = (h ^ h >> 15) * 0x846ca68bu;
	return h ^ h >> 16;
}

static vla_rgb scaled(vla_rgb c, float k)
{
	return (vla_rgb){ c.r * k, c.g * k, c.b * k };
}

static vla_rgb material(vla_rgb c, const vla_thing *t, float u, float v)
{
	static const vla_rgb white = { 255, 255, 255 };
	if (t->is[VLA_MATERIAL] == VLA_METAL) {
		float band = u * .55f + v;
		c = scaled(c, .78f + .3f * cosf(band * 4.2f));
		float d = (u + .3f) * .8f + (v + .35f);
		return vla_rgb_mix(c, white, .8f * expf(-d * d * 26));
	}
	if (t->is[VLA_MATERIAL] == VLA_GLASS) {
		float d = (u + .32f) * (u + .32f) + (v + .36f) * (v + .36f);
		return vla_rgb_mix(c, white, d < .03f ? .9f : .12f);
	}
	if (t->is[VLA_MATERIAL] == VLA_FUZZY) {
		uint32_t h = mix32(t->seed ^ (uint32_t)(int)((u + 4) * 14) * 7919u ^
				   (uint32_t)(int)((v + 4) * 14) * 104729u);
		return scaled(c, .74f + .4f * (float)(h & 255) / 255);
	}
	return c;
}

vla_rgb vla_thing_colour(const vla_thing *t, float x, float y)
{
	static const vla_rgb white = { 255, 255, 255 }, black = { 0, 0, 0 };
	float dx = x - t->x, dy = y - t->y, cs = cosf(t->angle), sn = sinf(t->angle);
	float u = cs * dx + sn * dy, v = cs * dy - sn * dx, period = .062f + .12f * t->r;
	vla_rgb c = vla_colour_rgb(t->is[VLA_COLOUR]);
	if (t->is[VLA_TEXTURE] != VLA_PLAIN) {
		vla_rgb other = luma(c) < 140 ? vla_rgb_mix(c, white, .62f) : vla_rgb_mix(c, black, .5f);
		float turn = t->is[VLA_TEXTURE] == 1 ? .6f : 0; // stripes that are not the pixels' own rows
		float pu = (u + turn * v) / period, pv = (v - turn * u) / period;
		c = vla_rgb_mix(c, other, pattern(t->is[VLA_TEXTURE], pu + .25f, pv + .25f));
	}
	c = material(c, t, u / t->r, v / t->r);
	// A darker rim keeps neighbours of one colour apart.
	vla_thing inner = *t;
	inner.r = t->r - .014f;
	return vla_thing_covers(&inner, x, y, false) ? c : scaled(c, .62f);
}

static vla_rgb background(const vla_scene *s, float x, float y)
{
	static const vla_rgb paper = { 232, 230, 226 }, black = { 0, 0, 0 }, white = { 255, 255, 255 };
	vla_rgb c = vla_colour_rgb(s->colour);
	bool pure = s->colour == VLA_BLACK || s->colour == VLA_WHITE || s->colour == VLA_GRAY;
	if (!pure)
		c = vla_rgb_mix(c, paper, .68f);
	vla_rgb other = luma(c) < 90 ? vla_rgb_mix(c, white, .2f) : vla_rgb_mix(c, black, .13f);
	return vla_rgb_mix(c, other, pattern(s->texture, x / .115f, y / .115f));
}

static vla_rgb sample(const vla_scene *s, unsigned own, unsigned under, float x, float y)
{
	vla_rgb c = own ? vla_thing_colour(&s->thing[own - 1], x, y) : background(s, x, y);
	if (own && s->thing[own - 1].is[VLA_MATERIAL] == VLA_GLASS) {
		vla_rgb through = under ? vla_thing_colour(&s->thing[under - 1], x, y) : background(s, x, y);
		c = vla_rgb_mix(c, through, .38f);
	}
	return c;
}

// Who covers the samples of pixel row y.
static void cover_row(const vla_scene *s, uint32_t side, uint32_t y, row_samples *r)
{
	uint32_t fine = side * VLA_SAMPLES;
	memset(r->own, 0, (size_t)fine * VLA_SAMPLES);
	memset(r->under, 0, (size_t)fine * VLA_SAMPLES);
	for (uint32_t i = 0; i < s->n; i++) {
		const vla_thing *t = &s->thing[i];
		float reach = 1.27f * t->r, scale = (float)fine;
		float lo = (t->x - reach) * scale, hi = (t->x + reach) * scale;
		uint32_t x0 = lo < 0 ? 0 : (uint32_t)lo, x1 = hi < 0 ? 0 : hi > scale ? fine : (uint32_t)hi;
		for (uint32_t k = 0; k < VLA_SAMPLES; k++) {
			float py = ((float)(y * VLA_SAMPLES + k) + .5f) / scale;
			if (fabsf(py - t->y) > reach)
				continue;
			for (uint32_t x = x0; x < x1; x++) {
				if (!vla_thing_covers(t, ((float)x + .5f) / scale, py, false))
					continue;
				uint8_t *own = &r->own[k * fine + x];
				if (t->is[VLA_MATERIAL] == VLA_GLASS)
					r->under[k * fine + x] = *own;
				*own = (uint8_t)(i + 1);
			}
		}
	}
}

static uint8_t most(const row_samples *r, uint32_t fine, uint32_t x)
{
	uint8_t seen[VLA_SAMPLES * VLA_SAMPLES], best = 0;
	unsigned count = 0;
	for (unsigned k = 0; k < VLA_SAMPLES * VLA_SAMPLES; k++)
		seen[k] = r->own[k / VLA_SAMPLES * fine + x * VLA_SAMPLES + k % VLA_SAMPLES];
	for (unsigned k = 0; k < VLA_SAMPLES * VLA_SAMPLES; k++) {
		unsigned n = 0;
		for (unsigned i = 0; i < VLA_SAMPLES * VLA_SAMPLES; i++)
			n += seen[i] == seen[k];
		if (n > count || (n == count && seen[k] > best)) {
			best = seen[k];
			count = n;
		}
	}
	return best;
}

static uint8_t byte(float v)
{
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + .5f);
}

static void shade_pixel(const vla_scene *s, uint32_t side, uint32_t x, uint32_t y, const row_samples *r, uint8_t *out)
{
	uint32_t fine = side * VLA_SAMPLES;
	vla_rgb sum = { 0, 0, 0 };
	for (uint32_t k = 0; k < VLA_SAMPLES; k++)
		for (uint32_t i = 0; i < VLA_SAMPLES; i++) {
			size_t at = (size_t)k * fine + x * VLA_SAMPLES + i;
			float px = ((float)(x * VLA_SAMPLES + i) + .5f) / (float)fine;
			float py = ((float)(y * VLA_SAMPLES + k) + .5f) / (float)fine;
			vla_rgb c = sample(s, r->own[at], r->under[at], px, py);
			sum.r += c.r;
			sum.g += c.g;
			sum.b += c.b;
		}
	float fx = ((float)x + .5f) / (float)side - .5f, fy = ((float)y + .5f) / (float)side - .5f;
	float k = (1 + s->light_x * fx + s->light_y * fy) / (VLA_SAMPLES * VLA_SAMPLES);
	static const float noise[] = { 0, 0, 0, 5, 10, 18 };
	float grain = noise[s->level < 6 ? s->level : 5];
	uint32_t h = grain > 0 ? mix32(s->seed ^ mix32(y * side + x)) : 0;
	out[0] = byte(sum.r * k + grain * ((float)(h & 255) / 127.5f - 1));
	out[1] = byte(sum.g * k + grain * ((float)(h >> 8 & 255) / 127.5f - 1));
	out[2] = byte(sum.b * k + grain * ((float)(h >> 16 & 255) / 127.5f - 1));
}

vla_status vla_scene_render(const vla_scene *s, uint32_t side, vla_image *out, uint8_t *owner, vla_err *err)
{
	VLA_TRY(vla_image_reserve(out, side, side, 3, err));
	row_samples r = { NULL, NULL, side * VLA_SAMPLES };
	r.own = vla_alloc((size_t)side * VLA_SAMPLES, VLA_SAMPLES);
	r.under = vla_alloc((size_t)side * VLA_SAMPLES, VLA_SAMPLES);
	vla_status status = r.own && r.under ? VLA_OK : vla_nomem(err);
	for (uint32_t y = 0; status == VLA_OK && y < side; y++) {
		cover_row(s, side, y, &r);
		for (uint32_t x = 0; x < side; x++) {
			shade_pixel(s, side, x, y, &r, out->data + ((size_t)y * side + x) * 3);
			if (owner)
				owner[(size_t)y * side + x] = most(&r, r.width, x);
		}
	}
	free(r.own);
	free(r.under);
	return status;
}

vla_status vla_scene_depth(const vla_scene *s, uint32_t side, const uint8_t *owner, vla_image *out, vla_err *err)
{
	VLA_TRY(vla_image_reserve(out, side, side, 1, err));
	for (size_t i = 0; i < (size_t)side * side; i++)
		out->data[i] = owner[i] ? byte(255 * s->thing[owner[i] - 1].depth) : 255;
	return VLA_OK;
}

vla_box vla_label_box(const uint8_t *label, uint32_t w, uint32_t h, uint8_t value)
{
	uint32_t x0 = w, y0 = h, x1 = 0, y1 = 0, n = 0;
	for (uint32_t y = 0; y < h; y++)
		for (uint32_t x = 0; x < w; x++) {
			if (label[(size_t)y * w + x] != value)
				continue;
			x0 = x < x0 ? x : x0;
			x1 = x + 1 > x1 ? x + 1 : x1;
			y0 = y < y0 ? y : y0;
			y1 = y + 1;
			n++;
		}
	return n ? (vla_box){ x0, y0, x1 - x0, y1 - y0, n } : (vla_box){ 0, 0, 0, 0, 0 };
}
