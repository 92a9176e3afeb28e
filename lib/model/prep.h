/* Preprocessing of pictures as preprocessor_config.json describes it: resize, centre crop, rescale, normalise. */
#ifndef VLA_MODEL_PREP_H
#define VLA_MODEL_PREP_H

#include "base/base.h"

#include <vla/image.h>

#include <jansson.h>

typedef enum vla_resize_mode {
	VLA_RESIZE_NONE,
	VLA_RESIZE_SHORTEST, /* short side to width, the other in proportion */
	VLA_RESIZE_SQUASH,   /* to width x height, whatever the picture's proportions */
	VLA_RESIZE_PATCHES   /* to as many whole patches as the budget allows, nearly in proportion */
} vla_resize_mode;

typedef struct vla_prep {
	vla_resize_mode mode;
	uint32_t width, height;
	vla_filter filter;
	bool crop;
	uint32_t crop_width, crop_height;
	bool weigh_alpha;            /* alpha weighs colours in the resize, and is dropped after it */
	bool crop_even;              /* half a pixel goes to the even offset (torchvision), not down */
	uint32_t patch, max_patches; /* of VLA_RESIZE_PATCHES */
	bool by_picture;             /* the budget follows from the picture's size (FG-CLIP 2), max_patches at most */
	bool rescale, normalise;
	double factor;
	float mean[3], std[3];
	float table[3][256]; /* 8-bit value to number, by channel; made by vla_prep_finish */
} vla_prep;

/* Shortest side and crop to `size`, /255, given constants. */
void vla_prep_init(vla_prep *p, uint32_t size, vla_filter filter, const float mean[3], const float std[3]);
/* Changes p by what the file says: obj is preprocessor_config.json (NULL: nothing). square_int: an int size means a
 * square, not the short side. */
vla_status vla_prep_read(vla_prep *p, const json_t *obj, bool square_int, vla_err *err) VLA_MUST_USE;
/* Checks that the result is size x size (0: any square) and makes the table. */
vla_status vla_prep_finish(vla_prep *p, uint32_t size, vla_err *err) VLA_MUST_USE;
/* Changes the sizes in proportion, so that the result is size x size. */
void vla_prep_scale(vla_prep *p, uint32_t size);
/* Side of the result; of VLA_RESIZE_PATCHES, of a square of about as many patches. */
uint32_t vla_prep_side(const vla_prep *p);
/* Most pixels of a result. */
size_t vla_prep_pixels(const vla_prep *p);
/* Size of the result of a picture of width x height. */
vla_status vla_prep_size(const vla_prep *p, uint32_t width, uint32_t height, uint32_t *out_width, uint32_t *out_height,
			 vla_err *err) VLA_MUST_USE;
/* Where a box x, y, width, height of a picture lies on its result: x1, y1, x2, y2 in pixels. */
void vla_prep_box(const vla_prep *p, uint32_t width, uint32_t height, const float box[4], double out[4]);
/* A preprocessor_config.json that vla_prep_read understands; NULL when memory is short. */
json_t *vla_prep_write(const vla_prep *p);
/* out: [height, width, 3] of vla_prep_size. */
vla_status vla_prep_run(const vla_prep *p, const vla_image *im, float *out, vla_err *err) VLA_MUST_USE;
/* The last step alone: RGB picture (alpha is passed over) to [height, width, 3] numbers. */
void vla_prep_normalise(const vla_prep *p, const vla_image *im, float *out);

extern const float vla_mean_clip[3], vla_std_clip[3], vla_mean_half[3], vla_std_half[3];

#endif
