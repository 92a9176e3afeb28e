/* Cleaning of text from the web: HTML character references, and repairs. */
#ifndef VLA_TEXT_HTML_H
#define VLA_TEXT_HTML_H

#include "base/base.h"

/* Both append to out and take well-formed UTF-8. */

/* Replaces character references, once, as Python's html.unescape does. */
vla_status vla_html_unescape(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;

/* What ftfy.fix_text does, but for the rarer cases of text decoded with a wrong encoding: character references (not
 * after a '<' has been seen), UTF-8 read as Windows-1252, C1 controls as Windows-1252, Latin ligatures, full- and
 * half-width forms, curly quotes, terminal escapes, control characters, NFC; until nothing changes. */
vla_status vla_text_repair(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;

/* The tables of html_data.c. */
enum { VLA_HTML_LETTERS = 'z' - 'A' + 1, VLA_WIDTH_FORMS = 0xfff0 - 0xff01 };
typedef struct vla_html_name {
	const char *name, *text;
} vla_html_name;
extern const vla_html_name vla_html_names[];
extern const uint16_t vla_html_first[VLA_HTML_LETTERS + 1];
extern const uint16_t vla_width_forms[VLA_WIDTH_FORMS];

/* The character at 0x80 + i of Windows-1252; unused places stand for themselves. */
extern const uint16_t vla_windows_1252[32];

#endif
