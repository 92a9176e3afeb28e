/* Scenes to pixels. */
#ifndef VLA_WORLD_RENDER_H
#define VLA_WORLD_RENDER_H

#include "io/image.h"
#include "world/scene.h"

enum { VLA_SAMPLES = 4 }; // a pixel's side in samples

/* side x side RGB. owner, when not NULL: [side * side] which object has most of each pixel, counted from 1; 0 is the
 * background. */
vla_status vla_scene_render(const vla_scene *s, uint32_t side, vla_image *out, uint8_t *owner,
			    vla_err *err) VLA_MUST_USE;
/* Grey: 0 near, 255 the background, from what vla_scene_render said about owners. */
vla_status vla_scene_depth(const vla_scene *s, uint32_t side, const uint8_t *owner, vla_image *out,
			   vla_err *err) VLA_MUST_USE;

typedef struct vla_rgb {
	float r, g, b; // 0 to 255
} vla_rgb;

vla_rgb vla_colour_rgb(int colour);
vla_rgb vla_rgb_mix(vla_rgb a, vla_rgb b, float t); /* a at t 0 */
/* The colour of a point that belongs to the thing, before light and noise; bare of what shines through glass. */
vla_rgb vla_thing_colour(const vla_thing *t, float x, float y);

typedef struct vla_box {
	uint32_t x, y, w, h, area; // w 0: nothing
} vla_box;

/* Box and number of the pixels with that label. */
vla_box vla_label_box(const uint8_t *label, uint32_t w, uint32_t h, uint8_t value);

#endif
