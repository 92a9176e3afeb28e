/* Glyphs and line breaking. */
#ifndef VLA_IO_FONT_H
#define VLA_IO_FONT_H

#include "base/base.h"

#include <vla/sheet.h>

#define VLA_GLYPH_ROWS 16

typedef struct vla_glyph {
	uint32_t width, height;       /* of the cell; width 0: nothing to draw */
	uint16_t row[VLA_GLYPH_ROWS]; /* bit 15 is the left column */
} vla_glyph;

/* The character at *s, which moves past it; U+FFFD and one byte for what is not UTF-8. *s is not at the end. */
uint32_t vla_utf8_next(const char **s);
/* East Asian scripts and emoji take two cells. */
bool vla_utf8_wide(uint32_t c);
void vla_font_glyph(const vla_font *f, uint32_t c, vla_glyph *out);
/* Bytes of text, without the spaces at its end, that fit into a line of `width` pixels at scale 1; *next is where the
 * following line begins. A line breaks at spaces and beside wide characters, in a word only when it is too long. */
size_t vla_text_break(const vla_font *f, const char *text, uint32_t width, const char **next);

#endif
