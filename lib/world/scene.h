/* A scene: up to 16 objects on a background, with what can be said of their places. Coordinates are in picture sides,
 * x to the right, y down; objects are ordered from the farthest to the nearest. */
#ifndef VLA_WORLD_SCENE_H
#define VLA_WORLD_SCENE_H

#include "world/words.h"

enum { VLA_MAX_OBJECTS = 12, VLA_COARSE = 64 };

typedef struct vla_thing {
	uint8_t is[VLA_ATTRIBUTES];  // by factor; VLA_CLASS: number + 1, 0 none
	float x, y, r, angle, depth; // depth 0 near, 1 far
	uint32_t seed;               // of what is random in its look
	float visible;               // share of its silhouette that nothing hides
} vla_thing;

typedef struct vla_scene {
	vla_thing thing[VLA_MAX_OBJECTS];
	uint32_t n;
	uint8_t colour, texture; // of the background
	uint8_t level;
	uint32_t seed; // of noise
	float light_x, light_y;
	uint8_t relation[VLA_MAX_OBJECTS][VLA_MAX_OBJECTS]; // bits: subject stands in it to object
	uint8_t unclear[VLA_MAX_OBJECTS][VLA_MAX_OBJECTS];  // bits: neither true nor false
} vla_scene;

typedef struct vla_silhouette {
	uint64_t row[VLA_COARSE];
} vla_silhouette;

/* Whether the point lies in the thing's silhouette; filled: holes count as inside. */
bool vla_thing_covers(const vla_thing *t, float x, float y, bool filled);
/* The same in the shape's own frame, where its largest radius is about 1. */
bool vla_shape_covers(int shape, float u, float v);
/* Largest distance from the centre that the shape reaches, in r. */
float vla_shape_reach(int shape);

/* The 3 x 3 part that the centre lies in, or -1 when it is near an edge between two. */
int vla_thing_cell(const vla_thing *t);
/* Fills visible, relation and unclear from the geometry. */
void vla_scene_relate(vla_scene *s);
/* Equal for scenes that show the same: objects, rough places and background. */
uint64_t vla_scene_signature(const vla_scene *s);

enum vla_truth { VLA_FALSE, VLA_TRUE, VLA_UNCLEAR };

/* A part of a picture's description: an object by some of its attributes. */
typedef struct vla_desc {
	uint8_t mask; // bit per attribute
	uint8_t is[VLA_ATTRIBUTES];
} vla_desc;

bool vla_desc_fits(const vla_desc *d, const vla_thing *t);
/* Objects that fit; *first is set to the first when there is one. */
uint32_t vla_desc_count(const vla_desc *d, const vla_scene *s, uint32_t *first);
vla_desc vla_desc_of(const vla_thing *t, unsigned mask);

enum vla_fact_kind {
	VLA_FACT_LIST,      // there are these, count[i] of desc[i]; count 0: at least one
	VLA_FACT_NONE,      // there is no desc[0]
	VLA_FACT_RELATION,  // desc[0] stands in `relation` to desc[1]
	VLA_FACT_CELL,      // desc[0] is in part `cell`
	VLA_FACT_ATTRIBUTE, // desc[0]s have `value` of `factor`
	VLA_FACT_BACKGROUND // desc[0]: colour and texture of the background
};

enum { VLA_FACT_DESCS = 4 };

typedef struct vla_fact {
	enum vla_fact_kind kind;
	bool negated;
	uint8_t n, relation, cell, factor, value;
	uint8_t count[VLA_FACT_DESCS];
	vla_desc desc[VLA_FACT_DESCS];
} vla_fact;

enum vla_truth vla_fact_holds(const vla_fact *f, const vla_scene *s);

#endif
