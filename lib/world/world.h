/* What the sub-worlds share: options, biases, invented classes, items. */
#ifndef VLA_WORLD_WORLD_H
#define VLA_WORLD_WORLD_H

#include "io/image.h"
#include "io/json_out.h"
#include "world/scene.h"

#include <vla/world.h>

enum { VLA_SPLITS = 3, VLA_MAX_BIASES = 16, VLA_MAX_CLASSES = 64, VLA_MAX_FILES = 72 };

enum vla_bias_factor { // beside the attributes
	VLA_BIAS_CELL = VLA_CELL,
	VLA_BIAS_BACKGROUND,
	VLA_BIAS_COMPANION,
	VLA_BIAS_FACTORS
};

/* With probability p the first factor's value is the one that belongs to the second's, else it is another. */
typedef struct vla_bias {
	uint8_t split, what, by;
	double p;
} vla_bias;

/* An invented class: its name and the look that it stands for. */
typedef struct vla_class {
	char en[16], zh[16];
	uint8_t shape, colour, texture;
} vla_class;

typedef struct vla_level {
	uint8_t min, max, shapes, colours;
	uint8_t textured, material, ground; // percent: objects with a texture, a material; a background with a texture
	uint8_t size[VLA_SIZES];            // percent
	uint8_t overlap, inside, twin;      // percent: of objects
	float visible;                      // least share of an object that is seen
} vla_level;

struct vla_world {
	vla_world_opts opts;
	vla_bias bias[VLA_MAX_BIASES];
	size_t nbias;
	vla_class cls[VLA_MAX_CLASSES];
	vla_level level;
	uint64_t end[VLA_SPLITS]; // items before it are of this split or an earlier one
};

int vla_world_split(const vla_world *w, uint64_t item);
/* Range [begin, end) of a split. */
void vla_world_range(const vla_world *w, int split, uint64_t *begin, uint64_t *end);

/* A scene and a second one that differs from it in one fact; fact[0] holds in scene[0] alone, fact[1] in scene[1]. */
typedef struct vla_contrast {
	vla_scene scene;
	vla_fact fact[2];
	const char *what; // the factor that differs
	uint32_t object;  // of the first scene
} vla_contrast;

/* Scene number `item` and its contrast. VLA_OK, VLA_EINVAL when the options leave no scene. */
vla_status vla_scene_make(const vla_world *w, uint64_t item, vla_scene *s, vla_contrast *c, vla_err *err) VLA_MUST_USE;
bool vla_contrast_make(const vla_world *w, const vla_scene *s, int split, unsigned first, vla_rng *rng,
		       vla_contrast *c);
/* One attempt, not yet related; false when something found no place. */
bool vla_scene_draw(const vla_world *w, int split, vla_rng *rng, vla_scene *s);
/* The shortest description that fits object i alone; false when none does. */
bool vla_desc_unique(const vla_scene *s, uint32_t i, vla_desc *d);
/* Which split a scene belongs to, by its signature: two data sets never have a scene in different splits. */
int vla_signature_split(uint64_t signature);
/* All objects can be told apart from what hides them. */
bool vla_scene_legible(const vla_world *w, const vla_scene *s);

/* A sub-world's items. */
typedef vla_status vla_make_fn(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err);
vla_make_fn vla_scene_item, vla_video_item, vla_document_item, vla_chart_item, vla_geometry_item, vla_sound_item,
	vla_reach_item;

/* Adds a file with the buffer's bytes, which the item takes over; b is empty afterwards, also on failure. */
vla_status vla_item_add(vla_world_item *item, const char *name, vla_buf *b, vla_err *err) VLA_MUST_USE;
/* The same with the picture encoded by the name's ending. */
vla_status vla_item_picture(vla_world_item *item, const char *name, const vla_image *im, vla_err *err) VLA_MUST_USE;
/* Takes over the finished row. */
vla_status vla_item_row(vla_world_item *item, vla_json_out *j, vla_err *err) VLA_MUST_USE;
/* DIR/012/000012345TAIL, 1,000 files a folder. */
void vla_item_name(char *out, size_t size, const char *dir, uint64_t i, const char *tail);
enum { VLA_ITEM_NAME = 96 };

#endif
