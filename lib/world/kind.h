/* What the rows of all kinds of items have in common, and lines for diagrams. */
#ifndef VLA_WORLD_KIND_H
#define VLA_WORLD_KIND_H

#include "world/render.h"
#include "world/world.h"

/* An item being made: its row, its generator, and what has to be released. */
typedef struct vla_draft {
	const vla_world *w;
	uint64_t i;
	vla_rng rng;
	vla_json_out j;
	vla_image im;
	vla_world_item *out;
} vla_draft;

/* Draws from seed, item and attempt alone. */
void vla_draft_seed(vla_draft *d, uint64_t attempt);
/* The attempt's facts, hashed, belong to the item's split. */
bool vla_draft_fits(const vla_draft *d, uint64_t signature);
enum { VLA_DRAFT_ATTEMPTS = 2000 };
vla_status vla_draft_none(const vla_draft *d, vla_err *err);
/* Adds the row when status is VLA_OK, and releases the draft; returns the status. */
vla_status vla_draft_finish(vla_draft *d, vla_status status, vla_err *err);

/* Opens the row's object: id, kind, split, level, and image with its size when it is not NULL. */
void vla_row_head(vla_draft *d, const char *image, uint32_t width, uint32_t height);
void vla_row_qa(vla_draft *d, const char *type, const char *q, const char *a, const char *q_zh, const char *a_zh);
/* A list of texts; ends with NULL. */
void vla_row_texts(vla_draft *d, const char *key, const char *const *text);
void vla_row_box(vla_draft *d, const char *key, double x, double y, double w, double h);
/* COCO run lengths of the pixels with that label. */
vla_status vla_row_mask(vla_json_out *j, const char *key, const uint8_t *label, uint32_t w, uint32_t h, uint8_t value,
			vla_err *err) VLA_MUST_USE;

/* The plain word of a value. */
const char *vla_plain(enum vla_language lang, enum vla_factor f, unsigned value);
uint32_t vla_draw(vla_draft *d, uint32_t n); /* in [0, n) */

/* An anti-aliased line or disc, mixed into an RGB picture; pixels. */
void vla_draw_line(vla_image *im, float x0, float y0, float x1, float y1, float width, vla_rgb c);
void vla_draw_arc(vla_image *im, float x, float y, float r, float width, vla_rgb c);

#endif
