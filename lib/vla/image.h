/* Pictures: decode, resample, write.
 *
 *	vla_image im = VLA_IMAGE_INIT, small = VLA_IMAGE_INIT;
 *	if (vla_image_load("cat.jpg", NULL, &im, &err) == VLA_OK &&
 *	    vla_image_resize(&im, 224, 224, VLA_FILTER_BICUBIC, &small, &err) == VLA_OK)
 *		vla_image_save("cat.png", &small, &err);
 *	vla_image_release(&im);
 *	vla_image_release(&small);
 *
 * All pixels are 8-bit, rows top to bottom, channels interleaved, no padding:
 * data[(y * width + x) * channels + c]. Everything is thread-safe on different images.
 */
#ifndef VLA_IMAGE_H
#define VLA_IMAGE_H

#include <vla/status.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_image {
	uint32_t width, height;
	uint32_t channels; /* 1 grey, 3 RGB, 4 RGB and straight alpha */
	uint8_t *data;     /* owned; vla_image_release frees it */
	size_t cap;        /* bytes allocated; buffers are reused by every call that fills an image */
} vla_image;

#define VLA_IMAGE_INIT \
	{ \
		0, 0, 0, NULL, 0 \
	}

typedef struct vla_image_opts {
	bool keep_exif;       /* true: leave the stored orientation (what upstream Python pipelines do) */
	bool allow_truncated; /* true: a cut picture decodes with its missing part grey */
	uint32_t max_side;    /* 0 = 65,500 */
	uint64_t max_pixels;  /* 0 = 178,956,970 */
	bool keep_alpha;      /* true: 4 channels where the picture has alpha; else RGB, alpha dropped */
	uint32_t min_side;    /* > 0: a JPEG may be decoded at a reduced scale (DCT scaling) as long as
			       * its short side stays >= min_side; 0 = full size, the exact way */
} vla_image_opts;

#define VLA_IMAGE_OPTS_INIT \
	{ \
		false, false, 0, 0, false, 0 \
	}

/* Resampling kernels, with the codes that preprocessor files use for `resample`. */
typedef enum vla_filter {
	VLA_FILTER_NEAREST = 0,
	VLA_FILTER_LANCZOS = 1,
	VLA_FILTER_BILINEAR = 2,
	VLA_FILTER_BICUBIC = 3
} vla_filter;

VLA_API void vla_image_release(vla_image *im); /* NULL legal; leaves VLA_IMAGE_INIT */

/* PNG, JPEG, PPM or PGM from memory, told apart by their first bytes; result RGB (see keep_alpha).
 * 16-bit PNG keeps the upper byte. What follows the picture is ignored. opts may be NULL. On failure
 * out is 0 x 0. VLA_OK, VLA_EFORMAT, VLA_ETRUNC, VLA_ECORRUPT, VLA_EUNSUPPORTED (limits), VLA_ENOMEM,
 * load also VLA_EIO. The message names no file: the caller knows it. */
VLA_API vla_status vla_image_decode(const void *bytes, size_t n, const vla_image_opts *opts, vla_image *out,
				    vla_err *err) VLA_MUST_USE;
VLA_API vla_status vla_image_load(const char *path, const vla_image_opts *opts, vla_image *out,
				  vla_err *err) VLA_MUST_USE;

/* Next picture of a concatenation of binary PPM/PGM (P5, P6, 8 or 16 bit) or of whole PNG/JPEG
 * files read from f. VLA_OK, VLA_EOF at a clean end, or as vla_image_decode. */
VLA_API vla_status vla_image_next(FILE *f, const vla_image_opts *opts, vla_image *out, vla_err *err) VLA_MUST_USE;

/* Equal to Pillow (up to 12) to the last bit: horizontal pass first, antialiased when reducing; with
 * 4 channels colour is weighed by alpha. in and out must differ.
 * VLA_OK, VLA_EINVAL, VLA_ENOMEM, as for the next two. */
VLA_API vla_status vla_image_resize(const vla_image *in, uint32_t w, uint32_t h, vla_filter f, vla_image *out,
				    vla_err *err) VLA_MUST_USE;

/* The part x, y, w, h of in (may reach outside: zeros there), resampled to ow x oh. The box may be
 * fractional (single precision); the kernel's support reaches over its edges, as with Pillow's `box`
 * argument: vla_image_crop first where only the box's own pixels may count. */
VLA_API vla_status vla_image_resize_box(const vla_image *in, double x, double y, double w, double h, uint32_t ow,
					uint32_t oh, vla_filter f, vla_image *out, vla_err *err) VLA_MUST_USE;

VLA_API vla_status vla_image_crop(const vla_image *in, int32_t x, int32_t y, uint32_t w, uint32_t h, vla_image *out,
				  vla_err *err) VLA_MUST_USE;

/* Puts the colour rgb behind a picture of 4 channels, which becomes RGB; RGB stays. VLA_OK, VLA_EINVAL. */
VLA_API vla_status vla_image_flatten(vla_image *im, const uint8_t rgb[3], vla_err *err) VLA_MUST_USE;

/* By the file name's ending: .png, .jpg/.jpeg (quality 90), .ppm; whole or not at all. JPEG and PPM
 * drop alpha. VLA_OK, VLA_EINVAL (the ending), VLA_EIO, VLA_ENOMEM. */
VLA_API vla_status vla_image_save(const char *path, const vla_image *im, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
