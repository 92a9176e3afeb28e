/* Preprocessing of pictures as preprocessor_config.json describes it: resize, centre crop, rescale, normalise. */
#ifndef VLA_MODEL_PREP_H
#define VLA_MODEL_PREP_H

#include "base/base.h"

#include <vla/image.h>

#include <jansson.h>

typedef enum vla_resize_mode {
	VLA_RESIZE_NONE,
	VLA_RESIZE_SHORTEST, /* short side to width, the other in proportion */
	VLA_RESIZE_SQUASH    /* to width x height, whatever the picture's proportions */
} vla_resize_mode;

typedef struct vla_prep {
	vla_resize_mode mode;
	uint32_t width, height;
	vla_filter filter;
	bool crop;
	uint32_t crop_width, crop_height;
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
/* Checks that the result is size x size and makes the table. */
vla_status vla_prep_finish(vla_prep *p, uint32_t size, vla_err *err) VLA_MUST_USE;
/* A preprocessor_config.json that vla_prep_read understands; NULL when memory is short. */
json_t *vla_prep_write(const vla_prep *p);
/* out: [size, size, 3]. */
vla_status vla_prep_run(const vla_prep *p, const vla_image *im, float *out, vla_err *err) VLA_MUST_USE;
/* The last step alone: RGB picture to [height, width, 3] numbers. */
void vla_prep_normalise(const vla_prep *p, const vla_image *im, float *out);

extern const float vla_mean_clip[3], vla_std_clip[3], vla_mean_half[3], vla_std_half[3];

#endif
