/* Cleaning before WordPiece (BERT's basic tokenizer) and before the text towers of the SigLIP line. */
#include "text/clean.h"

#include "text/unicode.h"

/* Punctuation, marks without width and format characters that came after Unicode 8.0 (start, number): the tables of
 * BERT tokenizers end there. */
static const uint32_t after_8[][2] = {
	{ 0x61d, 1 },    { 0x7fd, 1 },    { 0x890, 2 },    { 0x898, 8 },    { 0x8ca, 25 },   { 0x9fd, 2 },
	{ 0xa76, 1 },    { 0xafa, 6 },    { 0xb55, 1 },    { 0xc04, 1 },    { 0xc3c, 1 },    { 0xc77, 1 },
	{ 0xc84, 1 },    { 0xd00, 1 },    { 0xd3b, 2 },    { 0xd81, 1 },    { 0xeba, 1 },    { 0x180f, 1 },
	{ 0x1abf, 16 },  { 0x1b7d, 2 },   { 0x1df6, 6 },   { 0x2e43, 13 },  { 0x2e52, 12 },  { 0xa82c, 1 },
	{ 0xa8c5, 1 },   { 0xa8ff, 1 },   { 0x10d24, 4 },  { 0x10eab, 3 },  { 0x10f46, 11 }, { 0x10f55, 5 },
	{ 0x10f82, 8 },  { 0x11070, 1 },  { 0x11073, 2 },  { 0x110c2, 1 },  { 0x110cd, 1 },  { 0x111cf, 1 },
	{ 0x1123e, 1 },  { 0x1133b, 1 },  { 0x11438, 8 },  { 0x11442, 3 },  { 0x11446, 1 },  { 0x1144b, 5 },
	{ 0x1145a, 2 },  { 0x1145d, 2 },  { 0x11660, 13 }, { 0x116b9, 1 },  { 0x1182f, 9 },  { 0x11839, 3 },
	{ 0x1193b, 2 },  { 0x1193e, 1 },  { 0x11943, 4 },  { 0x119d4, 4 },  { 0x119da, 2 },  { 0x119e0, 1 },
	{ 0x119e2, 1 },  { 0x11a01, 10 }, { 0x11a33, 6 },  { 0x11a3b, 13 }, { 0x11a51, 6 },  { 0x11a59, 3 },
	{ 0x11a8a, 13 }, { 0x11a98, 5 },  { 0x11a9e, 5 },  { 0x11c30, 7 },  { 0x11c38, 6 },  { 0x11c3f, 1 },
	{ 0x11c41, 5 },  { 0x11c70, 2 },  { 0x11c92, 22 }, { 0x11caa, 7 },  { 0x11cb2, 2 },  { 0x11cb5, 2 },
	{ 0x11d31, 6 },  { 0x11d3a, 1 },  { 0x11d3c, 2 },  { 0x11d3f, 7 },  { 0x11d47, 1 },  { 0x11d90, 2 },
	{ 0x11d95, 1 },  { 0x11d97, 1 },  { 0x11ef3, 2 },  { 0x11ef7, 2 },  { 0x11fff, 1 },  { 0x12ff1, 2 },
	{ 0x13430, 9 },  { 0x16e97, 4 },  { 0x16f4f, 1 },  { 0x16fe2, 1 },  { 0x16fe4, 1 },  { 0x1cf00, 46 },
	{ 0x1cf30, 23 }, { 0x1e000, 7 },  { 0x1e008, 17 }, { 0x1e01b, 7 },  { 0x1e023, 2 },  { 0x1e026, 5 },
	{ 0x1e130, 7 },  { 0x1e2ae, 1 },  { 0x1e2ec, 4 },  { 0x1e944, 7 },  { 0x1e95e, 2 }
};

vla_gc vla_bert_gc(uint32_t c)
{
	if (c == 0x166d || c == 0x111c9)
		return VLA_GC_PO;
	if (c == 0x1734 || c == 0x1171e)
		return VLA_GC_MN;
	size_t lo = 0, hi = c < after_8[0][0] ? 0 : sizeof after_8 / sizeof *after_8;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c < after_8[mid][0])
			hi = mid;
		else if (c >= after_8[mid][0] + after_8[mid][1])
			lo = mid + 1;
		else
			return VLA_GC_CN;
	}
	return vla_gc_of(c);
}

vla_status vla_clean_controls(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	const uint32_t other = vla_gc_mask("C", 1) & ~(1u << VLA_GC_CN);
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t c;
		k = vla_utf8_get(s + i, n - i, &c);
		if (c == '\t' || c == '\n' || c == '\r')
			VLA_TRY(vla_buf_add(out, " ", 1, err));
		else if (c == 0 || c == 0xfffd || (other >> vla_bert_gc(c) & 1))
			continue;
		else if (vla_is_space(c))
			VLA_TRY(vla_buf_add(out, " ", 1, err));
		else
			VLA_TRY(vla_buf_add(out, s + i, k, err));
	}
	return VLA_OK;
}

/* The blocks that BERT puts spaces around. */
static bool is_bert_ideograph(uint32_t c)
{
	return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
	       (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
	       (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

vla_status vla_clean_ideographs(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t c;
		k = vla_utf8_get(s + i, n - i, &c);
		bool apart = c >= 0x3400 && is_bert_ideograph(c);
		if (apart)
			VLA_TRY(vla_buf_add(out, " ", 1, err));
		VLA_TRY(vla_buf_add(out, s + i, k, err));
		if (apart)
			VLA_TRY(vla_buf_add(out, " ", 1, err));
	}
	return VLA_OK;
}

vla_status vla_clean_accents(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t c;
		k = vla_utf8_get(s + i, n - i, &c);
		if (c < 0x300 || vla_bert_gc(c) != VLA_GC_MN)
			VLA_TRY(vla_buf_add(out, s + i, k, err));
	}
	return VLA_OK;
}

vla_status vla_clean_categories(const char *s, size_t n, uint32_t mask, vla_buf *out, vla_err *err)
{
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t c;
		k = vla_utf8_get(s + i, n - i, &c);
		if (!(mask >> vla_gc_of(c) & 1))
			VLA_TRY(vla_buf_add(out, s + i, k, err));
	}
	return VLA_OK;
}

static bool is_ascii_punctuation(uint32_t c)
{
	return c < 128 && c > ' ' && c != 127 && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
}

vla_status vla_clean_punctuation(const char *s, size_t n, bool underscore_space, vla_buf *out, vla_err *err)
{
	bool space = false, begun = false;
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t c;
		k = vla_utf8_get(s + i, n - i, &c);
		if (vla_is_space(c) || (c >= 0x1c && c <= 0x1f) || (c == '_' && underscore_space)) {
			space = true;
			continue;
		}
		if (is_ascii_punctuation(c))
			continue;
		if (space && begun)
			VLA_TRY(vla_buf_add(out, " ", 1, err));
		VLA_TRY(vla_buf_add(out, s + i, k, err));
		space = false;
		begun = true;
	}
	return VLA_OK;
}
