/* Random views of a picture for training: a crop resampled to the network's size, mirrored, with changed colours.
 * Geometry and colours are drawn apart, so that a teacher's features can be computed once for a fixed crop while the
 * student sees that crop in new colours. */
#ifndef VLA_TRAIN_AUGMENT_H
#define VLA_TRAIN_AUGMENT_H

#include "base/base.h"

#include <vla/image.h>

typedef struct vla_augment_opts {
	/* the crop */
	float min_area, max_area; /* part of the picture's pixels, 0 < min <= max <= 1 */
	float max_aspect;         /* width to height lies in [1 / max_aspect, max_aspect]; >= 1 */
	float flip;               /* chance of a mirrored view */
	vla_filter filter;
	/* colours; 0 leaves them */
	float jitter; /* brightness, contrast and saturation change by factors in [1 - jitter, 1 + jitter] */
	float hue;    /* largest turn of the hue, in turns, up to 0.5 */
	float grey;   /* chance of a view without colour */
	float blur;   /* chance of a blurred view */
	float erase;  /* chance of a rectangle filled with one random colour */
} vla_augment_opts;

#define VLA_AUGMENT_OPTS_INIT \
	{ \
		0.35f, 1, 1.3333f, 0.5f, VLA_FILTER_BILINEAR, 0, 0, 0, 0, 0 \
	}

typedef struct vla_crop {
	uint32_t x, y, w, h; /* inside the picture */
	bool flip;
	vla_filter filter;
} vla_crop;

/* A crop of a picture of w x h pixels. */
vla_crop vla_crop_draw(vla_rng *rng, uint32_t w, uint32_t h, const vla_augment_opts *o);
/* Crop number k of the picture called id: the same for ever, whatever else was drawn. */
vla_crop vla_crop_number(const char *id, uint32_t k, uint32_t w, uint32_t h, const vla_augment_opts *o);
/* The largest square in the middle. */
vla_crop vla_crop_middle(uint32_t w, uint32_t h, vla_filter f);
/* out becomes side x side; in is RGB. VLA_OK, VLA_EINVAL, VLA_ENOMEM. */
vla_status vla_crop_apply(const vla_image *in, const vla_crop *c, uint32_t side, vla_image *out,
			  vla_err *err) VLA_MUST_USE;

/* Jitter, hue, grey, blur and erasing, in place; im is RGB. VLA_OK, VLA_EINVAL, VLA_ENOMEM (by blur alone). */
vla_status vla_augment_colours(vla_rng *rng, vla_image *im, const vla_augment_opts *o, vla_err *err) VLA_MUST_USE;
/* vla_crop_draw, vla_crop_apply and vla_augment_colours. */
vla_status vla_augment(vla_rng *rng, const vla_image *in, const vla_augment_opts *o, uint32_t side, vla_image *out,
		       vla_err *err) VLA_MUST_USE;

/* A colour to put behind a picture with alpha (vla_image_flatten): mostly white, else light, else any. */
void vla_augment_background(vla_rng *rng, uint8_t rgb[3]);

#endif
