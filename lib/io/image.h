/* What the picture formats share: buffers, limits, orientation. */
#ifndef VLA_IO_IMAGE_H
#define VLA_IO_IMAGE_H

#include "base/base.h"

#include <vla/image.h>

/* A picture's file may not be longer. */
#define VLA_IMAGE_MAX_FILE ((size_t)1 << 30)

/* Told from the first bytes of a file; the last group only to say what it is. */
typedef enum vla_image_kind {
	VLA_IMAGE_UNKNOWN = 0,
	VLA_IMAGE_PNG,
	VLA_IMAGE_JPEG,
	VLA_IMAGE_PNM,
	VLA_IMAGE_OTHER
} vla_image_kind;

/* name: set for VLA_IMAGE_OTHER ("GIF"), else NULL. 16 bytes decide. */
vla_image_kind vla_image_sniff(const uint8_t *p, size_t n, const char **name);
/* The message for what sniff did not know. */
vla_status vla_image_refuse(const uint8_t *p, size_t n, vla_err *err);

/* opts or the defaults, with the limits' zeros replaced by their values. */
vla_image_opts vla_image_opts_resolve(const vla_image_opts *opts);
/* o is resolved. VLA_OK or VLA_EUNSUPPORTED; called before anything of that size is allocated. */
vla_status vla_image_check_size(uint64_t w, uint64_t h, const vla_image_opts *o, vla_err *err) VLA_MUST_USE;
/* Gives im this shape; the pixels are undefined. */
vla_status vla_image_reserve(vla_image *im, uint32_t w, uint32_t h, uint32_t channels, vla_err *err) VLA_MUST_USE;
/* Bytes of the pixels. */
size_t vla_image_bytes(const vla_image *im);

/* The orientation, 1 to 8, in an EXIF block (TIFF bytes, without "Exif\0\0"); 1 when there is none. */
int vla_exif_orientation(const uint8_t *p, size_t n);
/* Turns and mirrors the pixels so that orientation becomes 1. */
vla_status vla_image_upright(vla_image *im, int orientation, vla_err *err) VLA_MUST_USE;

/* Whole files in memory; o is resolved. The result is RGB, or RGBA by o->keep_alpha; not yet upright: *orientation
 * says what is left to do. */
vla_status vla_png_decode(const uint8_t *p, size_t n, const vla_image_opts *o, vla_image *out, int *orientation,
			  vla_err *err) VLA_MUST_USE;
vla_status vla_jpeg_decode(const uint8_t *p, size_t n, const vla_image_opts *o, vla_image *out, int *orientation,
			   vla_err *err) VLA_MUST_USE;
vla_status vla_pnm_decode(const uint8_t *p, size_t n, const vla_image_opts *o, vla_image *out,
			  vla_err *err) VLA_MUST_USE;
/* The picture whose first two bytes, "P5" or "P6", have been read from f. */
vla_status vla_pnm_read(FILE *f, char digit, const vla_image_opts *o, vla_image *out, vla_err *err) VLA_MUST_USE;

/* Whole files, appended to b. JPEG and PPM drop alpha; one channel stays one channel in PNG and JPEG. quality 1-100. */
vla_status vla_png_encode(const vla_image *im, vla_buf *b, vla_err *err) VLA_MUST_USE;
vla_status vla_jpeg_encode(const vla_image *im, int quality, vla_buf *b, vla_err *err) VLA_MUST_USE;
vla_status vla_ppm_encode(const vla_image *im, vla_buf *b, vla_err *err) VLA_MUST_USE;
/* By the ending of name, a file name or an ending alone. */
vla_status vla_image_encode(const vla_image *im, const char *name, vla_buf *b, vla_err *err) VLA_MUST_USE;

#endif
