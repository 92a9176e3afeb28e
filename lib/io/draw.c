/* Rectangles, text and pictures drawn into a picture, clipped at its edges. */
#include "io/font.h"

/* The colour in im's channels. */
static void put(const vla_image *im, size_t at, const uint8_t rgb[3])
{
	uint8_t *p = im->data + at * im->channels;
	if (im->channels == 1) {
		p[0] = (uint8_t)((rgb[0] * 299u + rgb[1] * 587u + rgb[2] * 114u + 500) / 1000);
		return;
	}
	p[0] = rgb[0];
	p[1] = rgb[1];
	p[2] = rgb[2];
	if (im->channels == 4)
		p[3] = 255;
}

static int64_t clamp(int64_t v, int64_t hi)
{
	return v < 0 ? 0 : v > hi ? hi : v;
}

static void fill(vla_image *im, int64_t x, int64_t y, int64_t w, int64_t h, const uint8_t rgb[3])
{
	int64_t x0 = clamp(x, im->width), x1 = clamp(x + w, im->width);
	int64_t y0 = clamp(y, im->height), y1 = clamp(y + h, im->height);
	for (int64_t v = y0; v < y1; v++)
		for (int64_t u = x0; u < x1; u++)
			put(im, (size_t)(v * im->width + u), rgb);
}

void vla_draw_fill(vla_image *im, int32_t x, int32_t y, int32_t w, int32_t h, const uint8_t rgb[3])
{
	fill(im, x, y, w, h, rgb);
}

void vla_draw_outline(vla_image *im, int32_t x, int32_t y, int32_t w, int32_t h, int32_t thick, const uint8_t rgb[3])
{
	int64_t t = thick;
	if (w <= 0 || h <= 0 || t <= 0)
		return;
	if (2 * t >= w || 2 * t >= h) {
		fill(im, x, y, w, h, rgb);
		return;
	}
	fill(im, x, y, w, t, rgb);
	fill(im, x, (int64_t)y + h - t, w, t, rgb);
	fill(im, x, y + t, t, h - 2 * t, rgb);
	fill(im, (int64_t)x + w - t, y + t, t, h - 2 * t, rgb);
}

void vla_draw_text(vla_image *im, const vla_font *f, int32_t x, int32_t y, uint32_t scale, const char *text,
		   const uint8_t rgb[3])
{
	int64_t k = scale < 1 ? 1 : scale > 64 ? 64 : scale, at = x;
	while (*text && at < im->width) {
		vla_glyph g;
		vla_font_glyph(f, vla_utf8_next(&text), &g);
		for (uint32_t j = 0; j < g.height; j++)
			for (uint32_t i = 0; i < g.width; i++)
				if (g.row[j] & 0x8000 >> i)
					fill(im, at + k * i, y + k * j, k, k, rgb);
		at += k * g.width;
	}
}

void vla_draw_image(vla_image *im, int32_t x, int32_t y, const vla_image *src)
{
	int64_t x1 = clamp((int64_t)x + src->width, im->width), y1 = clamp((int64_t)y + src->height, im->height);
	for (int64_t v = clamp(y, im->height); v < y1; v++)
		for (int64_t u = clamp(x, im->width); u < x1; u++) {
			const uint8_t *s = src->data + (size_t)((v - y) * src->width + (u - x)) * src->channels;
			size_t at = (size_t)(v * im->width + u);
			uint8_t c[3] = { s[0], src->channels < 3 ? s[0] : s[1], src->channels < 3 ? s[0] : s[2] };
			if (src->channels == 4) {
				const uint8_t *d = im->data + at * im->channels;
				for (size_t k = 0; k < 3; k++) {
					unsigned under = d[im->channels == 1 ? 0 : k];
					c[k] = (uint8_t)((c[k] * s[3] + under * (255u - s[3]) + 127) / 255);
				}
			}
			put(im, at, c);
		}
}
