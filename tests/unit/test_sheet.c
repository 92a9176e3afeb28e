/* Drawing, fonts and contact sheets. */
#include "tap.h"

#include <vla/sheet.h>

#include "io/font.h"
#include "io/image.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const uint8_t red[3] = { 255, 0, 0 }, black[3] = { 0, 0, 0 };

static vla_image canvas(uint32_t w, uint32_t h, uint32_t c)
{
	vla_image im = VLA_IMAGE_INIT;
	if (vla_image_reserve(&im, w, h, c, NULL) != VLA_OK)
		abort();
	memset(im.data, 200, vla_image_bytes(&im));
	return im;
}

static size_t changed(const vla_image *im)
{
	size_t n = 0;
	for (size_t i = 0; i < (size_t)im->width * im->height; i++)
		n += im->data[i * im->channels] != 200;
	return n;
}

static void shapes(void)
{
	vla_image im = canvas(20, 10, 3), grey = canvas(4, 4, 1), rgba = canvas(4, 4, 4);
	vla_draw_fill(&im, -5, 8, 10, 100, red);
	ok(changed(&im) == 10 && im.data[(9 * 20 + 4) * 3] == 255 && im.data[(9 * 20 + 4) * 3 + 1] == 0,
	   "a clipped fill");
	vla_draw_fill(&im, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MAX, red);
	vla_draw_fill(&im, 3, 3, -2, -2, red);
	vla_draw_outline(&im, INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX, 5, red);
	ok(changed(&im) == 10, "nothing outside");
	vla_draw_fill(&im, 0, 0, 20, 10, (const uint8_t[3]){ 200, 200, 200 });
	vla_draw_outline(&im, 2, 1, 6, 5, 1, red);
	ok(changed(&im) == 6 * 5 - 4 * 3, "an outline");
	vla_draw_outline(&im, 2, 1, 6, 5, 3, red);
	ok(changed(&im) == 30, "a thick outline fills");
	vla_draw_fill(&grey, 0, 0, 1, 1, red);
	vla_draw_fill(&rgba, 0, 0, 1, 1, red);
	ok(grey.data[0] == 76 && rgba.data[0] == 255 && rgba.data[3] == 255, "grey and alpha");
	rgba.data[3] = 51;
	vla_draw_image(&im, 19, 9, &rgba);
	ok(im.data[(9 * 20 + 19) * 3] == 211 && im.data[(9 * 20 + 19) * 3 + 1] == 160,
	   "a picture with alpha at the corner");
	vla_image_release(&im);
	vla_image_release(&grey);
	vla_image_release(&rgba);
}

static void text(void)
{
	vla_image im = canvas(40, 14, 3);
	vla_draw_text(&im, NULL, 0, 0, 1, "I", black);
	ok(changed(&im) == 11 && im.data[(2 * 40 + 1) * 3] == 0 && im.data[(8 * 40 + 3) * 3] == 0, "the letter I");
	vla_draw_text(&im, NULL, -3, -5, 3, "clipped everywhere \xe4\xb8\xad\xe6\x96\x87", black);
	ok(vla_text_width(NULL, "abc") == 18 && vla_text_width(NULL, "\xe4\xb8\xad") == 12 &&
		   vla_text_width(NULL, "") == 0,
	   "widths");
	ok(vla_text_width(NULL, "e\xcc\x81") == 6, "a combining mark has none");
	vla_image_release(&im);
	vla_glyph a, b;
	bool all = true;
	for (uint32_t c = 33; c < 127; c++) {
		size_t ink = 0;
		vla_font_glyph(NULL, c, &a);
		for (size_t i = 0; i < VLA_GLYPH_ROWS; i++)
			ink += a.row[i] != 0;
		all = all && ink > 0 && a.row[0] == 0 && a.row[11] == 0;
		for (uint32_t d = 33; d < c; d++) {
			vla_font_glyph(NULL, d, &b);
			all = all && memcmp(&a, &b, sizeof a) != 0;
		}
	}
	ok(all, "94 different glyphs");
	vla_font_glyph(NULL, 0xe9, &a);
	vla_font_glyph(NULL, 'e', &b);
	ok(memcmp(&a, &b, sizeof a) == 0, "an accented letter is its base letter");
}

static void utf8(void)
{
	static const struct {
		const char *s;
		uint32_t c;
		int n;
	} t[] = {
		{ "a", 'a', 1 },
		{ "\xc3\xa9", 0xe9, 2 },
		{ "\xe4\xb8\xad", 0x4e2d, 3 },
		{ "\xf0\x9f\x98\x80", 0x1f600, 4 },
		{ "\xc0\x80", 0xfffd, 1 },
		{ "\xe0\x80\x80", 0xfffd, 1 },
		{ "\xed\xa0\x80", 0xfffd, 1 },
		{ "\xf4\x90\x80\x80", 0xfffd, 1 },
		{ "\xff", 0xfffd, 1 },
		{ "\x80", 0xfffd, 1 },
		{ "\xe4\xb8", 0xfffd, 1 },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		const char *s = t[i].s;
		uint32_t c = vla_utf8_next(&s);
		ok(c == t[i].c && s - t[i].s == t[i].n, "UTF-8 %zu: U+%04lX", i, (unsigned long)c);
	}
}

static void lines(void)
{
	const char *next, *s = "a dog on grass";
	ok(vla_text_break(NULL, s, 60, &next) == 8 && strcmp(next, "grass") == 0, "a line breaks at a space");
	ok(vla_text_break(NULL, s, 1000, &next) == 14 && *next == 0, "the rest in one line");
	ok(vla_text_break(NULL, "incomprehensible", 60, &next) == 10, "a long word is broken");
	ok(vla_text_break(NULL, "\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad", 24, &next) == 6, "Chinese breaks anywhere");
	ok(vla_text_break(NULL, "abc", 1, &next) == 1, "a line has at least one character");
	ok(vla_text_break(NULL, "abc  def", 20, &next) == 3 && *next == 'd', "spaces at a break vanish");
}

static void font_file(void)
{
	char path[] = "/tmp/vla-test-XXXXXX";
	vla_font *f;
	vla_err err = VLA_ERR_INIT;
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");
	fputs("0041:000000001824244242427E424242420000\n", out); // one digit pair too many
	fclose(out);
	ok(vla_font_open(path, &f, &err) == VLA_EFORMAT && !f, "a bad line: %s", err.msg);
	out = fopen(path, "w");
	fputs("0041:0000000018242442427E424242420000\n", out);
	fputs("4E2D:8001000000000000000000000000000000000000000000000000000000000001\n", out);
	fclose(out);
	ok(vla_font_open(path, &f, NULL) == VLA_OK, "a font file");
	vla_glyph g;
	vla_font_glyph(f, 0x4e2d, &g);
	ok(g.width == 16 && g.height == 16 && g.row[0] == 0x8001 && g.row[15] == 1, "a wide glyph");
	vla_font_glyph(f, 'A', &g);
	ok(g.width == 8 && g.row[4] == 0x1800, "a narrow glyph");
	ok(vla_text_width(f, "A\xe4\xb8\xad"
			     "B") == 32,
	   "the width with a missing glyph");
	vla_font_free(f);
	out = fopen(path, "w");
	fputs("0042:00000000000000000000000000000000\n0041:00000000000000000000000000000000\n", out);
	fclose(out);
	ok(vla_font_open(path, &f, &err) == VLA_EFORMAT, "unsorted: %s", err.msg);
	unlink(path);
	ok(vla_font_open(path, &f, &err) == VLA_EIO, "no file: %s", err.msg);
}

static void sheets(void)
{
	vla_sheet_opts o = VLA_SHEET_OPTS_INIT;
	vla_sheet *s;
	vla_err err = VLA_ERR_INIT;
	vla_image wide = canvas(300, 100, 3), grey = canvas(5, 9, 1), rgba = canvas(30, 30, 4);
	o.cell = 64;
	o.scale = 1;
	o.columns = 2;
	o.title = "query";
	vla_draw_fill(&wide, 0, 0, 300, 100, red);
	ok(vla_sheet_new(5, &o, &s, &err) == VLA_OK, "a sheet %s", err.msg);
	const vla_image *im = vla_sheet_picture(s);
	ok(im->width == 6 + 2 * 70 && im->height == 6 + 18 + 3 * (64 + 4 * 12 + 2 + 6), "its size: %lu %lu",
	   (unsigned long)im->width, (unsigned long)im->height);
	ok(vla_sheet_put(s, 0, &wide, "a very long caption that does not fit into its three short lines", 0.5, &err) ==
		   VLA_OK,
	   "wide");
	ok(vla_sheet_put(s, 1, &grey, NULL, NAN, &err) == VLA_OK, "small and grey, no caption, no score");
	ok(vla_sheet_put(s, 2, NULL, "\xe4\xb8\xad\xe6\x96\x87", -1, &err) == VLA_OK, "missing");
	ok(vla_sheet_put(s, 4, &rgba, "", 1e300, &err) == VLA_OK, "alpha");
	ok(vla_sheet_put(s, 5, &grey, "", 0, &err) == VLA_EINVAL, "one too many: %s", err.msg);
	const uint8_t *p = im->data + ((size_t)(24 + 32) * im->width + 6 + 32) * 3;
	ok(p[0] == 255 && p[1] == 0, "the picture is in the middle of its cell");
	p = im->data + ((size_t)(24 + 2) * im->width + 6 + 32) * 3;
	ok(p[0] == 255 && p[1] == 255, "with white above it");
	size_t ink = 0;
	for (size_t y = 24 + 64; y < 24 + 64 + 50; y++)
		for (size_t x = 0; x < 6 + 64 + 6; x++)
			ink += im->data[(y * im->width + x) * 3] < 128;
	ok(ink > 100, "and text below: %zu dark pixels", ink);
	vla_sheet_free(s);
	ok(vla_sheet_new(0, &o, &s, &err) == VLA_EINVAL && !s, "no pictures: %s", err.msg);
	ok(vla_sheet_new(1000000, &o, &s, &err) == VLA_EINVAL && !s, "too many: %s", err.msg);
	vla_sheet_free(NULL);
	vla_image_release(&wide);
	vla_image_release(&grey);
	vla_image_release(&rgba);
}

int main(void)
{
	shapes();
	text();
	utf8();
	lines();
	font_file();
	sheets();
	return done();
}
