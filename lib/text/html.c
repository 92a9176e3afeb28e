/* Character references of HTML (HTML Living Standard 13.2.5.72 to 13.2.5.80): a named reference is the longest name of
 * the table that the text goes on with, numbers outside Unicode become U+FFFD, 0x80 to 0x9F mean Windows-1252. */
#include "text/html.h"

#include "text/unicode.h"

const uint16_t vla_windows_1252[32] = {
	0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
	0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Numbers that stand for nothing: controls and non-characters. */
static bool dropped(uint32_t c)
{
	return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || (c >= 0xfdd0 && c <= 0xfdef) ||
	       (c & 0xfffe) == 0xfffe;
}

/* s follows "&#"; *used is 0 when it is no number. */
static vla_status numeric(const char *s, size_t n, size_t *used, vla_buf *out, vla_err *err)
{
	size_t i = n && (s[0] | 32) == 'x', from = i;
	int base = i ? 16 : 10;
	uint32_t c = 0;
	for (; i < n && digit(s[i]) < base; i++)
		c = c > 0x10ffff ? c : c * (uint32_t)base + (uint32_t)digit(s[i]);
	*used = 0;
	if (i == from)
		return VLA_OK;
	*used = i + (i < n && s[i] == ';');
	if (c >= 0x80 && c <= 0x9f)
		c = vla_windows_1252[c - 0x80];
	else if (c == 0 || c > 0x10ffff)
		c = 0xfffd;
	else if (dropped(c))
		return VLA_OK;
	return vla_utf8_add(out, c, err);
}

/* The text of the longest name that s goes on with, or NULL. */
static const char *named(const char *s, size_t n, size_t *used)
{
	const char *best = NULL;
	*used = 0;
	if (!n || s[0] < 'A' || s[0] > 'z')
		return NULL;
	for (size_t i = vla_html_first[s[0] - 'A']; i < vla_html_first[s[0] - 'A' + 1]; i++) {
		size_t k = strlen(vla_html_names[i].name);
		if (k > *used && k <= n && memcmp(vla_html_names[i].name, s, k) == 0) {
			*used = k;
			best = vla_html_names[i].text;
		}
	}
	return best;
}

vla_status vla_html_unescape(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0; i < n;) {
		const char *amp = memchr(s + i, '&', n - i);
		size_t k = amp ? (size_t)(amp - s) : n, used = 0;
		VLA_TRY(vla_buf_add(out, s + i, k - i, err));
		i = k;
		if (!amp)
			break;
		i++;
		if (i < n && s[i] == '#') {
			VLA_TRY(numeric(s + i + 1, n - i - 1, &used, out, err));
			used += used != 0;
		} else {
			const char *text = named(s + i, n - i, &used);
			if (text)
				VLA_TRY(vla_buf_add(out, text, strlen(text), err));
		}
		if (!used)
			VLA_TRY(vla_buf_add(out, "&", 1, err));
		i += used;
	}
	return VLA_OK;
}
