/* Escapes of TSV and JSON. */
#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

void put_tsv(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '\t': fputs("\\t", f); break;
		case '\n': fputs("\\n", f); break;
		case '\r': fputs("\\r", f); break;
		case '\\': fputs("\\\\", f); break;
		default: putc(*s, f);
		}
}

// Bytes of the valid UTF-8 sequence at s, 0 when there is none.
static int sequence(const unsigned char *s)
{
	int n = s[0] < 0x80                   ? 1
		: s[0] >= 0xf0 && s[0] < 0xf5 ? 4
		: s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		: s[0] >= 0xc2 && s[0] < 0xe0 ? 2
					      : 0;
	uint32_t c = n == 1 ? s[0] : n ? s[0] & (0x7fu >> n) : 0;
	for (int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	bool bad = (n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000);
	return bad ? 0 : n;
}

void put_json(FILE *f, const char *s)
{
	putc('"', f);
	while (*s) {
		int n = sequence((const unsigned char *)s);
		if (n == 0) {
			fputs("\xef\xbf\xbd", f);
			s++;
		} else if (*s == '"' || *s == '\\') {
			fprintf(f, "\\%c", *s++);
		} else if ((unsigned char)*s < 0x20) {
			fprintf(f, "\\u%04x", (unsigned)(unsigned char)*s++);
		} else {
			fwrite(s, 1, (size_t)n, f);
			s += n;
		}
	}
	putc('"', f);
}
