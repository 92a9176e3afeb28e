/* The built-in bitmap font and fonts in files. The built-in glyphs were drawn for this tree: 5 x 7 pixels above the
 * base line and two rows below it, in cells of 6 x 12. The .hex format is described in GNU Unifont's manual. */
#include "io/font.h"

#include <errno.h>
#include <zlib.h>

#define CELL_W 6
#define CELL_H 12
#define GLYPH_ROWS 9
#define TOP 2

/* Sixteen characters beside each other from U+0020 on; the last one is the box for what the font lacks. */
static const char *const glyphs[6][GLYPH_ROWS] = {
	{
		"..... ..#.. .#.#. .#.#. ..#.. ##..# .##.. ..#.. ...#. .#... ..... ..... ..... ..... ..... ....#",
		"..... ..#.. .#.#. .#.#. .#### ##..# #..#. ..#.. ..#.. ..#.. ..#.. ..#.. ..... ..... ..... ....#",
		"..... ..#.. .#.#. ##### #.#.. ...#. #.#.. ..#.. .#... ...#. #.#.# ..#.. ..... ..... ..... ...#.",
		"..... ..#.. ..... .#.#. .###. ..#.. .#... ..... .#... ...#. .###. ##### ..... ##### ..... ..#..",
		"..... ..#.. ..... ##### ..#.# .#... #.#.# ..... .#... ...#. #.#.# ..#.. ..... ..... ..... .#...",
		"..... ..... ..... .#.#. ####. #..## #..#. ..... ..#.. ..#.. ..#.. ..#.. .##.. ..... .##.. #....",
		"..... ..#.. ..... .#.#. ..#.. #..## .##.# ..... ...#. .#... ..... ..... .##.. ..... .##.. #....",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..#.. ..... ..... .....",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#... ..... ..... .....",
	},
	{
		".###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###. ..... ..... ...#. ..... .#... .###.",
		"#...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...# .##.. .##.. ..#.. ..... ..#.. #...#",
		"#..## #.#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...# .##.. .##.. .#... ##### ...#. ....#",
		"#.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .#### ..... ..... #.... ..... ....# ...#.",
		"##..# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....# ..... ..... .#... ##### ...#. ..#..",
		"#...# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ...#. .##.. .##.. ..#.. ..... ..#.. .....",
		".###. ##### ##### .###. ...#. .###. .###. ..#.. .###. .##.. .##.. .##.. ...#. ..... .#... ..#..",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..#.. ..... ..... ..... .....",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#... ..... ..... ..... .....",
	},
	{
		".###. ..#.. ####. .###. ###.. ##### ##### .###. #...# .###. ..### #...# #.... #...# #...# .###.",
		"#...# .#.#. #...# #...# #..#. #.... #.... #...# #...# ..#.. ...#. #..#. #.... ##.## ##..# #...#",
		"#.### #...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #.#.. #.... #.#.# ##..# #...#",
		"#.#.# #...# ####. #.... #...# ####. ####. #.### ##### ..#.. ...#. ##... #.... #.#.# #.#.# #...#",
		"#.##. ##### #...# #.... #...# #.... #.... #...# #...# ..#.. ...#. #.#.. #.... #...# #..## #...#",
		"#.... #...# #...# #...# #..#. #.... #.... #...# #...# ..#.. #..#. #..#. #.... #...# #..## #...#",
		".#### #...# ####. .###. ###.. ##### #.... .#### #...# .###. .##.. #...# ##### #...# #...# .###.",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....",
	},
	{
		"####. .###. ####. .#### ##### #...# #...# #...# #...# #...# ##### .###. #.... .###. ..#.. .....",
		"#...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....# .#... #.... ...#. .#.#. .....",
		"#...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#. .#... .#... ...#. #...# .....",
		"####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#.. .#... ..#.. ...#. ..... .....",
		"#.... #.#.# #.#.. ....# ..#.. #...# .#.#. #.#.# .#.#. ..#.. .#... .#... ...#. ...#. ..... .....",
		"#.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...# ..#.. #.... .#... ....# ...#. ..... .....",
		"#.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...# ..#.. ##### .###. ....# .###. ..... .....",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... #####",
		"..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....",
	},
	{
		".#... ..... #.... ..... ....# ..... ..##. ..... #.... ..#.. ...#. #.... .##.. ..... ..... .....",
		"..#.. ..... #.... ..... ....# ..... .#... ..... #.... ..... ..... #.... ..#.. ..... ..... .....",
		"..... .###. ####. .###. .#### .###. ###.. .#### ####. .##.. ..##. #..#. ..#.. ##.#. ####. .###.",
		"..... ....# #...# #.... #...# #...# .#... #...# #...# ..#.. ...#. #.#.. ..#.. #.#.# #...# #...#",
		"..... .#### #...# #.... #...# ##### .#... #...# #...# ..#.. ...#. ##... ..#.. #.#.# #...# #...#",
		"..... #...# #...# #.... #...# #.... .#... #...# #...# ..#.. ...#. #.#.. ..#.. #.#.# #...# #...#",
		"..... .#### ####. .###. .#### .#### .#... .#### #...# .###. ...#. #..#. .###. #.#.# #...# .###.",
		"..... ..... ..... ..... ..... ..... ..... ....# ..... ..... ...#. ..... ..... ..... ..... .....",
		"..... ..... ..... ..... ..... ..... ..... .###. ..... ..... .##.. ..... ..... ..... ..... .....",
	},
	{
		"..... ..... ..... ..... .#... ..... ..... ..... ..... ..... ..... ...#. ..#.. .#... ..... #####",
		"..... ..... ..... ..... .#... ..... ..... ..... ..... ..... ..... ..#.. ..#.. ..#.. ..... #...#",
		"####. .#### #.##. .#### ####. #...# #...# #...# #...# #...# ##### ..#.. ..#.. ..#.. .#... #...#",
		"#...# #...# ##... #.... .#... #...# #...# #...# .#.#. #...# ...#. .#... ..#.. ...#. #.#.# #...#",
		"#...# #...# #.... .###. .#... #...# .#.#. #.#.# ..#.. #...# ..#.. ..#.. ..#.. ..#.. ...#. #...#",
		"#...# #...# #.... ....# .#... #...# .#.#. #.#.# .#.#. #...# .#... ..#.. ..#.. ..#.. ..... #...#",
		"####. .#### #.... ####. ..##. .#### ..#.. .#.#. #...# .#### ##### ...#. ..#.. .#... ..... #####",
		"#.... ....# ..... ..... ..... ..... ..... ..... ..... ....# ..... ..... ..#.. ..... ..... .....",
		"#.... ....# ..... ..... ..... ..... ..... ..... ..... .###. ..... ..... ..... ..... ..... .....",
	},
};

/* A..Z, a..z and signs for U+00C0 to U+00FF. */
static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYPs"
			    "aaaaaaaceeeeiiiidnooooo/ouuuuypy";

struct hex {
	uint32_t c;
	bool wide;
	uint16_t row[VLA_GLYPH_ROWS];
};

struct vla_font {
	struct hex *hex; /* [n], by rising c */
	size_t n, cap;
};

uint32_t vla_utf8_next(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	int more = p[0] >= 0xf0 && p[0] < 0xf5   ? 3
		   : p[0] >= 0xe0 && p[0] < 0xf0 ? 2
		   : p[0] >= 0xc2 && p[0] < 0xe0 ? 1
						 : 0;
	uint32_t c = more ? p[0] & (0x3fu >> more) : p[0];
	for (int i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			goto bad;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((more == 0 && p[0] >= 0x80) || c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		goto bad;
	*s += more + 1;
	return c;
bad:
	*s += 1;
	return 0xfffd;
}

static bool between(uint32_t c, const uint32_t (*ranges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

bool vla_utf8_wide(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{ 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff }, { 0x20000, 0x3fffd },
	};
	return between(c, ranges, sizeof ranges / sizeof *ranges);
}

/* Combining marks, joiners and variation selectors have no cell. */
static bool invisible(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{ 0x300, 0x36f }, { 0x200b, 0x200f }, { 0xfe00, 0xfe0f }, { 0x1f3fb, 0x1f3ff }
	};
	return between(c, ranges, sizeof ranges / sizeof *ranges);
}

/* The ASCII character that stands for c in the built-in font, or 127 for the box. */
static uint32_t fold(uint32_t c)
{
	if (c >= 0x20 && c < 0x7f)
		return c;
	if (c >= 0xc0 && c <= 0xff)
		return (unsigned char)latin[c - 0xc0];
	if (c >= 0xff01 && c <= 0xff5e) // full width
		return c - 0xfee0;
	switch (c) {
	case '\t':
	case '\n':
	case '\r':
	case 0xa0:
	case 0x3000: return ' ';
	case 0x2018:
	case 0x2019: return '\'';
	case 0x201c:
	case 0x201d: return '"';
	case 0x2010:
	case 0x2011:
	case 0x2012:
	case 0x2013:
	case 0x2014:
	case 0x2212: return '-';
	case 0xd7: return 'x';
	case 0x3001: return ',';
	case 0x3002:
	case 0xb7: return '.';
	}
	return 127;
}

static const struct hex *find(const vla_font *f, uint32_t c)
{
	size_t lo = 0, hi = f->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (f->hex[mid].c < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && f->hex[lo].c == c ? &f->hex[lo] : NULL;
}

static void built_in(uint32_t c, vla_glyph *out)
{
	uint32_t a = fold(c);
	out->width = vla_utf8_wide(c) ? 2 * CELL_W : CELL_W;
	out->height = CELL_H;
	if (a == 127 && out->width > CELL_W) {
		for (size_t i = 0; i < 8; i++)
			out->row[TOP + i] = i == 0 || i == 7 ? 0xffc0 : 0x8040;
		return;
	}
	for (size_t i = 0; i < GLYPH_ROWS; i++)
		for (size_t x = 0; x < 5; x++)
			if (glyphs[(a - 32) / 16][i][(a - 32) % 16 * 6 + x] == '#')
				out->row[TOP + i] |= (uint16_t)(0x8000 >> x);
}

void vla_font_glyph(const vla_font *f, uint32_t c, vla_glyph *out)
{
	memset(out, 0, sizeof *out);
	out->height = vla_font_height(f);
	if (invisible(c))
		return;
	if (c < 0x20)
		c = ' ';
	if (!f) {
		built_in(c, out);
		return;
	}
	const struct hex *h = find(f, c);
	if (!h)
		h = find(f, 0xfffd);
	out->width = h ? h->wide ? 16 : 8 : vla_utf8_wide(c) ? 16 : 8;
	if (h)
		memcpy(out->row, h->row, sizeof out->row);
}

uint32_t vla_font_height(const vla_font *f)
{
	return f ? 16 : CELL_H;
}

uint32_t vla_text_width(const vla_font *f, const char *text)
{
	uint32_t w = 0;
	vla_glyph g;
	while (*text && w < UINT32_MAX / 2) {
		vla_font_glyph(f, vla_utf8_next(&text), &g);
		w += g.width;
	}
	return w;
}

size_t vla_text_break(const vla_font *f, const char *text, uint32_t width, const char **next)
{
	const char *p = text, *end = text, *good = NULL;
	uint32_t w = 0;
	bool wide = false;
	while (*p) {
		const char *here = p;
		uint32_t c = vla_utf8_next(&p);
		vla_glyph g;
		vla_font_glyph(f, c, &g);
		if (c == ' ' || ((wide || vla_utf8_wide(c)) && here > text))
			good = here;
		wide = vla_utf8_wide(c);
		if (w + g.width > width && end > text) {
			end = good ? good : end;
			break;
		}
		w += g.width;
		end = p;
	}
	size_t n = (size_t)(end - text);
	while (*end == ' ')
		end++;
	while (n && text[n - 1] == ' ')
		n--;
	*next = end;
	return n;
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* One line; false when it is none of the format. */
static bool read_line(const char *s, struct hex *h)
{
	size_t i = 0, n = 0;
	memset(h, 0, sizeof *h);
	for (; i < 6 && digit(s[i]) >= 0; i++)
		h->c = h->c << 4 | (uint32_t)digit(s[i]);
	if (i < 4 || s[i] != ':')
		return false;
	s += i + 1;
	while (digit(s[n]) >= 0)
		n++;
	if (!(n == 32 || n == 64) || !(s[n] == 0 || s[n] == '\n' || s[n] == '\r'))
		return false;
	h->wide = n == 64;
	size_t per = n / VLA_GLYPH_ROWS;
	for (i = 0; i < n; i++)
		h->row[i / per] |= (uint16_t)(digit(s[i]) << (12 - 4 * (i % per)));
	return true;
}

static vla_status add(vla_font *f, const struct hex *h, vla_err *err)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 4096;
		struct hex *p = vla_realloc(f->hex, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		f->hex = p;
		f->cap = cap;
	}
	if (f->n && f->hex[f->n - 1].c >= h->c)
		return vla_fail(err, VLA_EFORMAT, "character %04lX is out of order", (unsigned long)h->c);
	f->hex[f->n++] = *h;
	return VLA_OK;
}

vla_status vla_font_open(const char *path, vla_font **out, vla_err *err)
{
	char line[128];
	*out = NULL;
	errno = 0;
	gzFile g = gzopen(path, "rb");
	if (!g)
		return errno ? vla_fail(err, VLA_EIO, "%s", strerror(errno)) : vla_nomem(err);
	vla_font *f = vla_zalloc(1, sizeof *f);
	vla_status st = f ? VLA_OK : vla_nomem(err);
	while (st == VLA_OK && gzgets(g, line, sizeof line)) {
		struct hex h;
		st = read_line(line, &h) ? add(f, &h, err)
					 : vla_fail(err, VLA_EFORMAT, "not a font in the .hex format");
	}
	if (st == VLA_OK && !gzeof(g))
		st = vla_fail(err, VLA_EIO, "the font cannot be read");
	if (st == VLA_OK && f->n == 0)
		st = vla_fail(err, VLA_EFORMAT, "the font is empty");
	gzclose(g);
	if (st == VLA_OK)
		*out = f;
	else
		vla_font_free(f);
	return st;
}

void vla_font_free(vla_font *f)
{
	if (f)
		free(f->hex);
	free(f);
}
