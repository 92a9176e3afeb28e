/* UTF-8 (RFC 3629; ill-formed input handled by "maximal subpart" substitution, Unicode standard 3.9), general
 * categories and lower-casing from the tables of unicode_data.c. Lower-casing is the full mapping without
 * language rules; the only context rule is the final sigma, which the caller asks for. */
#include "text/unicode.h"

uint32_t vla_gc_mask(const char *name, size_t n)
{
	static const char names[] = "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCsCoCn";
	uint32_t mask = 0;
	if (n < 1 || n > 2)
		return 0;
	for (size_t i = 0; i < sizeof names / 2; i++)
		if (names[2 * i] == name[0] && (n == 1 || names[2 * i + 1] == name[1]))
			mask |= 1u << i;
	return mask;
}

vla_gc vla_gc_of(uint32_t c)
{
	if (c >= 0x4e00 && c <= 0x9ffc)
		return VLA_GC_LO;
	if (c > 0x10ffff)
		return VLA_GC_CN;
	size_t lo = 0, hi = vla_u_gc_n;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (vla_u_gc[mid] >> 5 <= c)
			lo = mid;
		else
			hi = mid;
	}
	return (vla_gc)(vla_u_gc[lo] & 31);
}

bool vla_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 9 && c <= 13);
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

bool vla_is_ideograph(uint32_t c)
{
	return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0x20000 && c <= 0x323af);
}

size_t vla_utf8_get(const char *s, size_t n, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned b = p[0], need, lo = 0x80, hi = 0xbf;
	if (b < 0x80) {
		*c = b;
		return 1;
	}
	*c = 0xfffd;
	if (b < 0xc2 || b > 0xf4)
		return 1;
	need = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
	if (b == 0xe0)
		lo = 0xa0;
	else if (b == 0xed)
		hi = 0x9f;
	else if (b == 0xf0)
		lo = 0x90;
	else if (b == 0xf4)
		hi = 0x8f;
	uint32_t v = b & (0x3fu >> need);
	for (unsigned i = 1; i <= need; i++) {
		if (i >= n || p[i] < lo || p[i] > hi)
			return i;
		v = v << 6 | (p[i] & 0x3f);
		lo = 0x80;
		hi = 0xbf;
	}
	*c = v;
	return need + 1;
}

size_t vla_utf8_put(uint32_t c, char *out)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

bool vla_utf8_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		if ((unsigned char)s[i] < 0x80) {
			i++;
			continue;
		}
		uint32_t c;
		size_t k = vla_utf8_get(s + i, n - i, &c);
		/* A real U+FFFD is three bytes and starts with EF. */
		if (c == 0xfffd && !(k == 3 && (unsigned char)s[i] == 0xef))
			return false;
		i += k;
	}
	return true;
}

vla_status vla_utf8_add(vla_buf *b, uint32_t c, vla_err *err)
{
	char t[4];
	return vla_buf_add(b, t, vla_utf8_put(c, t), err);
}

vla_status vla_utf8_repair(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		i += vla_utf8_get(s + i, n - i, &c);
		VLA_TRY(vla_utf8_add(out, c, err));
	}
	return VLA_OK;
}

/* Lower case of one code point other than U+0130. */
static uint32_t lower_of(uint32_t c)
{
	size_t lo = 0, hi = vla_u_lower_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const vla_u_lower_run *r = &vla_u_lower[mid];
		if (c < r->start)
			hi = mid;
		else if (c > r->start + (uint32_t)(r->n - 1) * r->stride)
			lo = mid + 1;
		else
			return (c - r->start) % r->stride == 0 ? (uint32_t)((int64_t)c + r->delta) : c;
	}
	return c;
}

static bool is_cased(uint32_t c)
{
	uint32_t cased = 1u << VLA_GC_LU | 1u << VLA_GC_LL | 1u << VLA_GC_LT;
	return (cased >> vla_gc_of(c) & 1) != 0;
}

static bool is_case_ignorable(uint32_t c)
{
	uint32_t mask = 1u << VLA_GC_MN | 1u << VLA_GC_ME | 1u << VLA_GC_CF | 1u << VLA_GC_LM | 1u << VLA_GC_SK;
	return (mask >> vla_gc_of(c) & 1) != 0 || c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x2018 ||
	       c == 0x2019 || c == 0x2024 || c == 0x2027;
}

/* Whether a cased letter stands before position i and none after it (i + k: the next character), with
 * case-ignorable characters passed over (Unicode standard 3.13, Final_Sigma). */
static bool ends_word(const char *s, size_t n, size_t i, size_t k)
{
	uint32_t c = 0;
	size_t p = i;
	bool before = false;
	while (p > 0) {
		do {
			p--;
		} while (p > 0 && ((unsigned char)s[p] & 0xc0) == 0x80);
		vla_utf8_get(s + p, n - p, &c);
		if (!is_case_ignorable(c)) {
			before = is_cased(c);
			break;
		}
	}
	if (!before)
		return false;
	for (p = i + k; p < n;) {
		p += vla_utf8_get(s + p, n - p, &c);
		if (!is_case_ignorable(c))
			return !is_cased(c);
	}
	return true;
}

vla_status vla_lower(const char *s, size_t n, bool final_sigma, vla_buf *out, vla_err *err)
{
	VLA_TRY(vla_buf_reserve(out, n, err));
	for (size_t i = 0; i < n;) {
		unsigned char b = (unsigned char)s[i];
		if (b < 0x80) {
			char t = (char)(b >= 'A' && b <= 'Z' ? b + 32 : b);
			VLA_TRY(vla_buf_add(out, &t, 1, err));
			i++;
			continue;
		}
		uint32_t c;
		size_t k = vla_utf8_get(s + i, n - i, &c);
		if (c == 0x130)
			VLA_TRY(vla_buf_add(out, "i\xcc\x87", 3, err));
		else if (c == 0x3a3 && final_sigma && ends_word(s, n, i, k))
			VLA_TRY(vla_utf8_add(out, 0x3c2, err));
		else
			VLA_TRY(vla_utf8_add(out, lower_of(c), err));
		i += k;
	}
	return VLA_OK;
}
