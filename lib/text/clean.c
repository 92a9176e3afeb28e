/* Cleaning before WordPiece (BERT's basic tokenizer) and before the text towers of the SigLIP line. */
#include "text/clean.h"

#include "text/unicode.h"

vla_status vla_clean_controls(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	const uint32_t other = vla_gc_mask("C", 1);
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t c;
		k = vla_utf8_get(s + i, n - i, &c);
		if (c == '\t' || c == '\n' || c == '\r')
			VLA_TRY(vla_buf_add(out, " ", 1, err));
		else if (c == 0 || c == 0xfffd || (other >> vla_gc_of(c) & 1))
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
