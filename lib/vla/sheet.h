/* Drawing: rectangles, text, and contact sheets of pictures with captions and scores.
 *
 *	vla_sheet_opts o = VLA_SHEET_OPTS_INIT;
 *	vla_sheet *s;
 *	o.title = "a dog on the beach";
 *	if (vla_sheet_new(nhits, &o, &s, &err) == VLA_OK) {
 *		for (i = 0; i < nhits; i++)
 *			status = vla_sheet_put(s, i, picture[i], caption[i], score[i], &err);
 *		status = vla_image_save("hits.jpg", vla_sheet_picture(s), &err);
 *		vla_sheet_free(s);
 *	}
 *
 * Text is UTF-8; broken bytes are drawn as boxes. The built-in font has ASCII; accented Latin letters are drawn as
 * their base letters and other characters, Chinese among them, as boxes, unless a font file is given.
 */
#ifndef VLA_SHEET_H
#define VLA_SHEET_H

#include <vla/image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_font vla_font;

/* A bitmap font in the .hex format of GNU Unifont ("0041:0000..." lines, 8 x 16 or 16 x 16 pixels), plain or gzipped.
 * VLA_OK, VLA_EIO, VLA_EFORMAT, VLA_ENOMEM. Free with vla_font_free. NULL is the built-in font everywhere. */
VLA_API vla_status vla_font_open(const char *path, vla_font **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_font_free(vla_font *f);
/* Pixels from one line to the next: 12 for the built-in font, 16 for a file. */
VLA_API uint32_t vla_font_height(const vla_font *f);
/* Pixels that the text is wide at scale 1; a line end counts as a space. */
VLA_API uint32_t vla_text_width(const vla_font *f, const char *text);

/* All drawing is clipped to im, of any number of channels: grey takes rgb's luma, alpha becomes opaque.
 * Negative w or h draw nothing. */
VLA_API void vla_draw_fill(vla_image *im, int32_t x, int32_t y, int32_t w, int32_t h, const uint8_t rgb[3]);
/* The border of the rectangle, `thick` pixels inside it. */
VLA_API void vla_draw_outline(vla_image *im, int32_t x, int32_t y, int32_t w, int32_t h, int32_t thick,
			      const uint8_t rgb[3]);
/* x, y: the upper left corner of the first character; scale >= 1 makes pixels larger. */
VLA_API void vla_draw_text(vla_image *im, const vla_font *f, int32_t x, int32_t y, uint32_t scale, const char *text,
			   const uint8_t rgb[3]);
/* src at x, y; alpha of src is respected. */
VLA_API void vla_draw_image(vla_image *im, int32_t x, int32_t y, const vla_image *src);

typedef struct vla_sheet_opts {
	uint32_t columns;     /* 0: chosen from the number of pictures */
	uint32_t cell;        /* side of the square that a thumbnail is fitted into */
	uint32_t lines;       /* lines of caption at most; 0: no captions */
	uint32_t scale;       /* of text */
	bool no_score;        /* no line with rank and score */
	const char *title;    /* above the pictures; NULL: none */
	const vla_font *font; /* kept until vla_sheet_free */
} vla_sheet_opts;

#define VLA_SHEET_OPTS_INIT \
	{ \
		0, 256, 3, 2, false, NULL, NULL \
	}

typedef struct vla_sheet vla_sheet;

/* An empty sheet for n pictures, n >= 1. VLA_OK, VLA_EINVAL (nothing to draw, or a side over 65,500), VLA_ENOMEM. Free
 * with vla_sheet_free. */
VLA_API vla_status vla_sheet_new(uint32_t n, const vla_sheet_opts *opts, vla_sheet **out, vla_err *err) VLA_MUST_USE;
/* Picture i, i < n. im NULL: missing, a crossed square. caption may be NULL; a score of NaN is not written.
 * VLA_OK, VLA_EINVAL, VLA_ENOMEM. */
VLA_API vla_status vla_sheet_put(vla_sheet *s, uint32_t i, const vla_image *im, const char *caption, double score,
				 vla_err *err) VLA_MUST_USE;
/* The sheet as an RGB picture; owned by s. */
VLA_API const vla_image *vla_sheet_picture(const vla_sheet *s);
VLA_API void vla_sheet_free(vla_sheet *s); /* NULL legal */

#ifdef __cplusplus
}
#endif
#endif
