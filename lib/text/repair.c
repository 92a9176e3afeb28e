/* Repairs of text in the manner of ftfy, as its documentation lists them, line by line and until nothing changes. Of
 * its heuristics for text that was decoded with a wrong encoding only the main case is here: a line whose characters
 * are all of Latin-1 or Windows-1252 and whose bytes there are UTF-8. */
#include "text/html.h"

#include "text/unicode.h"

enum { MAX_ROUNDS = 8, MAX_REFERENCE = 24 };

/* Only whole references with a semicolon, and only when they are known. */
static vla_status unescape(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = i + 1;
		if (s[i] == '&') {
			k += k < n && s[k] == '#';
			size_t from = k;
			while (k < n && k - from < MAX_REFERENCE &&
			       ((s[k] >= '0' && s[k] <= '9') || ((s[k] | 32) >= 'a' && (s[k] | 32) <= 'z')))
				k++;
			if (k > from && k < n && s[k] == ';') {
				size_t before = out->n;
				VLA_TRY(vla_html_unescape(s + i, k + 1 - i, out, err));
				if (out->n == before || !memchr(out->data + before, ';', out->n - before)) {
					i = k;
					continue;
				}
				out->n = before; /* something was left over */
			}
		}
		VLA_TRY(vla_buf_add(out, s + i, 1, err));
	}
	return VLA_OK;
}

/* The byte that stands for c in Latin-1 or Windows-1252, or -1. */
static int byte_of(uint32_t c)
{
	if (c < 0x100)
		return (int)c;
	for (int i = 0; i < 32; i++)
		if (vla_windows_1252[i] == c)
			return 0x80 + i;
	return -1;
}

/* The line read as UTF-8 when it was UTF-8 read as Windows-1252, else as it is. */
static vla_status undo_decoding(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	size_t before = out->n;
	bool ascii = true;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		i += vla_utf8_get(s + i, n - i, &c);
		int b = byte_of(c);
		char t = (char)b;
		ascii = ascii && c < 0x80;
		if (b < 0) {
			ascii = true;
			break;
		}
		VLA_TRY(vla_buf_add(out, &t, 1, err));
	}
	if (!ascii && vla_utf8_valid(out->data + before, out->n - before))
		return VLA_OK;
	out->n = before;
	return vla_buf_add(out, s, n, err);
}

static const char *ligature(uint32_t c)
{
	static const struct {
		uint16_t c;
		char text[5];
	} table[] = {
		{ 0x132, "IJ" },         { 0x133, "ij" },        { 0x149, "\xca\xbcn" }, { 0x1c4, "D\xc5\xbd" },
		{ 0x1c5, "D\xc5\xbe" },  { 0x1c6, "d\xc5\xbe" }, { 0x1c7, "LJ" },        { 0x1c8, "Lj" },
		{ 0x1c9, "lj" },         { 0x1ca, "NJ" },        { 0x1cb, "Nj" },        { 0x1cc, "nj" },
		{ 0x1f1, "DZ" },         { 0x1f2, "Dz" },        { 0x1f3, "dz" },        { 0xfb00, "ff" },
		{ 0xfb01, "fi" },        { 0xfb02, "fl" },       { 0xfb03, "ffi" },      { 0xfb04, "ffl" },
		{ 0xfb05, "\xc5\xbft" }, { 0xfb06, "st" },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].c == c)
			return table[i].text;
	return NULL;
}

static uint32_t plain_form(uint32_t c)
{
	if (c >= 0x80 && c <= 0x9f)
		c = vla_windows_1252[c - 0x80];
	if (c == 0x3000)
		return ' ';
	if (c >= 0xff01 && c < 0xff01 + VLA_WIDTH_FORMS && vla_width_forms[c - 0xff01])
		return vla_width_forms[c - 0xff01];
	if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b))
		return '\'';
	if (c >= 0x201c && c <= 0x201f)
		return '"';
	return c;
}

static bool is_control(uint32_t c)
{
	return c < 9 || c == 0xb || (c >= 0xe && c < 0x20) || c == 0x7f || (c >= 0x206a && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

/* The length of a terminal escape sequence at s, or 0. */
static size_t escape_length(const char *s, size_t n)
{
	size_t k = 2;
	if (n < 3 || s[0] != 0x1b || s[1] != '[')
		return 0;
	while (k < n && ((s[k] >= '0' && s[k] <= '9') || s[k] == ';'))
		k++;
	return k < n && (s[k] | 32) >= 'a' && (s[k] | 32) <= 'z' ? k + 1 : 0;
}

static vla_status characters(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t k = escape_length(s + i, n - i);
		if (k) {
			i += k;
			continue;
		}
		i += vla_utf8_get(s + i, n - i, &c);
		const char *text = ligature(c);
		if (c == 0xffe3)
			text = " \xcc\x84";
		if (text)
			VLA_TRY(vla_buf_add(out, text, strlen(text), err));
		else if (!is_control(c))
			VLA_TRY(vla_utf8_add(out, plain_form(c), err));
	}
	return VLA_OK;
}

/* Repairs the line in a, with b for room. */
static vla_status repair_line(vla_buf *a, vla_buf *b, bool references, vla_err *err)
{
	vla_buf before = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	for (int round = 0; round < MAX_ROUNDS && st == VLA_OK; round++) {
		before.n = 0;
		st = vla_buf_add(&before, a->data, a->n, err);
		if (st == VLA_OK && references) {
			b->n = 0;
			st = unescape(a->data, a->n, b, err);
			a->n = 0;
			if (st == VLA_OK)
				st = vla_buf_add(a, b->data, b->n, err);
		}
		b->n = 0;
		if (st == VLA_OK)
			st = undo_decoding(a->data, a->n, b, err);
		a->n = 0;
		if (st == VLA_OK)
			st = vla_buf_add(a, b->data, b->n, err);
		b->n = 0;
		if (st == VLA_OK)
			st = characters(a->data, a->n, b, err);
		a->n = 0;
		if (st == VLA_OK)
			st = vla_nfc(b->data, b->n, a, err);
		if (a->n == before.n && (a->n == 0 || memcmp(a->data, before.data, a->n) == 0))
			break;
	}
	vla_buf_release(&before);
	return st;
}

vla_status vla_text_repair(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	vla_buf a = { NULL, 0, 0 }, b = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	bool references = true;
	for (size_t i = 0; i < n && st == VLA_OK;) {
		const char *nl = memchr(s + i, '\n', n - i);
		size_t k = nl ? (size_t)(nl - s) + 1 : n;
		references = references && !memchr(s + i, '<', k - i);
		a.n = 0;
		st = vla_buf_add(&a, s + i, k - i, err);
		if (st == VLA_OK)
			st = repair_line(&a, &b, references, err);
		if (st == VLA_OK)
			st = vla_buf_add(out, a.data, a.n, err);
		i = k;
	}
	vla_buf_release(&a);
	vla_buf_release(&b);
	return st;
}
