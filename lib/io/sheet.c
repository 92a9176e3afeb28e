/* Contact sheets: a grid of thumbnails, each in a square cell, with rank, score and caption under it. */
#include "io/font.h"
#include "io/image.h"

#include <math.h>

#define MAX_SIDE 65500
#define MAX_PIXELS ((uint64_t)1 << 28)
/* A small picture is enlarged at most so many times. */
#define MAX_ZOOM 4

static const uint8_t white[3] = { 255, 255, 255 }, ink[3] = { 20, 20, 20 }, faint[3] = { 120, 120, 120 },
		     blank[3] = { 225, 225, 225 };

struct vla_sheet {
	vla_sheet_opts o;
	uint32_t n, columns;
	uint32_t gap;    /* between cells and around them */
	uint32_t line;   /* height of a text line */
	uint32_t top;    /* of the first cell */
	uint32_t cell_h; /* thumbnail and text */
	vla_image im;
};

/* A landscape sheet: cells are taller than wide. */
static uint32_t choose_columns(uint32_t n)
{
	uint32_t c = 1;
	while (c < 12 && c < n && c * c * 2 < n * 3)
		c++;
	return c;
}

vla_status vla_sheet_new(uint32_t n, const vla_sheet_opts *opts, vla_sheet **out, vla_err *err)
{
	vla_sheet_opts o = VLA_SHEET_OPTS_INIT;
	if (opts)
		o = *opts;
	*out = NULL;
	if (n == 0 || o.cell < 8 || o.cell > 8192 || o.scale < 1 || o.scale > 16 || o.lines > 100)
		return vla_fail(err, VLA_EINVAL, "a sheet of %lu pictures in cells of %lu pixels cannot be drawn",
				(unsigned long)n, (unsigned long)o.cell);
	vla_sheet *s = vla_zalloc(1, sizeof *s);
	if (!s)
		return vla_nomem(err);
	s->o = o;
	s->n = n;
	s->columns = o.columns ? o.columns : choose_columns(n);
	s->columns = s->columns > n ? n : s->columns;
	s->gap = 6 * o.scale;
	s->line = vla_font_height(o.font) * o.scale;
	s->top = s->gap + (o.title ? s->line + s->gap : 0);
	uint32_t text = (o.no_score ? 0 : 1) + o.lines;
	s->cell_h = o.cell + (text ? text * s->line + 2 * o.scale : 0);
	uint64_t rows = (n - 1) / s->columns + 1;
	uint64_t w = s->gap + (uint64_t)s->columns * (o.cell + s->gap), h = s->top + rows * (s->cell_h + s->gap);
	vla_status st;
	if (w > MAX_SIDE || h > MAX_SIDE || w * h > MAX_PIXELS)
		st = vla_fail(err, VLA_EINVAL, "a sheet of %lu pictures would have %llu x %llu pixels",
			      (unsigned long)n, (unsigned long long)w, (unsigned long long)h);
	else
		st = vla_image_reserve(&s->im, (uint32_t)w, (uint32_t)h, 3, err);
	if (st != VLA_OK) {
		vla_sheet_free(s);
		return st;
	}
	memset(s->im.data, 255, vla_image_bytes(&s->im));
	if (o.title)
		vla_draw_text(&s->im, o.font, (int32_t)s->gap, (int32_t)s->gap, o.scale, o.title, ink);
	*out = s;
	return VLA_OK;
}

static void draw_missing(vla_sheet *s, int32_t x, int32_t y)
{
	int32_t n = (int32_t)s->o.cell, k = (int32_t)s->o.scale;
	vla_draw_outline(&s->im, x, y, n, n, k, blank);
	for (int32_t i = 0; i < n; i++) {
		vla_draw_fill(&s->im, x + i, y + i, k, 1, blank);
		vla_draw_fill(&s->im, x + n - 1 - i, y + i, k, 1, blank);
	}
	static const char text[] = "no picture";
	int32_t w = (int32_t)vla_text_width(s->o.font, text) * k, h = (int32_t)s->line;
	vla_draw_fill(&s->im, x + (n - w) / 2, y + (n - h) / 2, w, h, white);
	vla_draw_text(&s->im, s->o.font, x + (n - w) / 2, y + (n - h) / 2, s->o.scale, text, faint);
}

static vla_status draw_thumbnail(vla_sheet *s, int32_t x, int32_t y, const vla_image *im, vla_err *err)
{
	double side = im->width > im->height ? im->width : im->height, zoom = fmin(MAX_ZOOM, s->o.cell / side);
	uint32_t w = (uint32_t)fmax(1, round(im->width * zoom)), h = (uint32_t)fmax(1, round(im->height * zoom));
	vla_image small = VLA_IMAGE_INIT;
	vla_status st = vla_image_resize(im, w, h, VLA_FILTER_BICUBIC, &small, err);
	if (st == VLA_OK)
		vla_draw_image(&s->im, x + (int32_t)(s->o.cell - w) / 2, y + (int32_t)(s->o.cell - h) / 2, &small);
	vla_image_release(&small);
	return st;
}

/* The caption in lines as wide as a cell; the last line ends in dots when there is more. */
static vla_status draw_caption(vla_sheet *s, int32_t x, int32_t y, const char *text, vla_err *err)
{
	uint32_t width = s->o.cell / s->o.scale, dots = vla_text_width(s->o.font, "...");
	vla_buf b = { 0 };
	vla_status st = VLA_OK;
	for (uint32_t i = 0; i < s->o.lines && *text && st == VLA_OK; i++, y += (int32_t)s->line) {
		const char *next;
		size_t n = vla_text_break(s->o.font, text, width, &next);
		bool cut = *next && i + 1 == s->o.lines;
		if (cut && width > dots)
			n = vla_text_break(s->o.font, text, width - dots, &next);
		b.n = 0;
		st = vla_buf_addf(&b, err, "%.*s%s", (int)n, text, cut ? "..." : "");
		if (st == VLA_OK)
			vla_draw_text(&s->im, s->o.font, x, y, s->o.scale, b.data, ink);
		text = next;
	}
	vla_buf_release(&b);
	return st;
}

vla_status vla_sheet_put(vla_sheet *s, uint32_t i, const vla_image *im, const char *caption, double score, vla_err *err)
{
	if (i >= s->n)
		return vla_fail(err, VLA_EINVAL, "picture %lu of a sheet of %lu", (unsigned long)i,
				(unsigned long)s->n);
	int32_t x = (int32_t)(s->gap + i % s->columns * (s->o.cell + s->gap));
	int32_t y = (int32_t)(s->top + i / s->columns * (s->cell_h + s->gap));
	vla_draw_fill(&s->im, x, y, (int32_t)s->o.cell, (int32_t)s->cell_h, white);
	if (!im || im->width == 0 || im->height == 0)
		draw_missing(s, x, y);
	else
		VLA_TRY(draw_thumbnail(s, x, y, im, err));
	y += (int32_t)(s->o.cell + 2 * s->o.scale);
	if (!s->o.no_score) {
		char text[64];
		if (isnan(score))
			snprintf(text, sizeof text, "%lu", (unsigned long)i + 1);
		else
			snprintf(text, sizeof text, "%lu  %.3f", (unsigned long)i + 1, score);
		vla_draw_text(&s->im, s->o.font, x, y, s->o.scale, text, faint);
		y += (int32_t)s->line;
	}
	return caption ? draw_caption(s, x, y, caption, err) : VLA_OK;
}

const vla_image *vla_sheet_picture(const vla_sheet *s)
{
	return &s->im;
}

void vla_sheet_free(vla_sheet *s)
{
	if (s)
		vla_image_release(&s->im);
	free(s);
}
