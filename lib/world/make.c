/* Draws scenes: what there is, then where, until everything is legible and the scene belongs to the item's split. All
 * draws of an attempt come from one generator seeded with seed, item and attempt, so nothing else has an influence. */
#include "world/world.h"

#include <math.h>

enum { MAX_ATTEMPTS = 20000, PLACE_TRIES = 40 };

static const float radius[VLA_SIZES][2] = { { .072f, .09f }, { .12f, .148f }, { .195f, .24f } };

static bool chance(vla_rng *rng, unsigned percent)
{
	return vla_rng_below(rng, 100) < percent;
}

static float between(vla_rng *rng, float a, float b)
{
	return a + (b - a) * vla_rng_float(rng);
}

int vla_signature_split(uint64_t signature)
{
	unsigned k = (unsigned)((signature >> 17) % 10);
	return k == 0 ? 2 : k == 1 ? 1 : 0;
}

static unsigned factor_values(const vla_world *w, int f)
{
	switch (f) {
	case VLA_SHAPE: return w->level.shapes;
	case VLA_COLOUR: return w->level.colours;
	case VLA_TEXTURE: return w->level.textured ? VLA_TEXTURES : 1;
	case VLA_MATERIAL: return w->level.material ? VLA_MATERIALS : 1;
	case VLA_SIZE: return VLA_SIZES;
	case VLA_BIAS_CELL: return VLA_CELLS;
	default: return w->level.colours;
	}
}

static unsigned value_of(const vla_scene *s, const vla_thing *t, int f, int cell)
{
	return f < VLA_ATTRIBUTES ? t->is[f] : f == VLA_BIAS_CELL ? (unsigned)cell : s->colour;
}

// One bias on the object i; cell is its wish for a place, or -1.
static void apply_bias(const vla_world *w, const vla_bias *b, vla_scene *s, uint32_t i, int *cell, vla_rng *rng)
{
	vla_thing *t = &s->thing[i];
	bool hold = vla_rng_double(rng) < b->p;
	if (b->what == VLA_BIAS_COMPANION) {
		if (i % 2 == 0 || !hold)
			return;
		const vla_thing *before = t - 1;
		t->is[VLA_SHAPE] = (uint8_t)((before->is[VLA_SHAPE] + 1u) % w->level.shapes);
		t->is[VLA_COLOUR] = (uint8_t)((before->is[VLA_COLOUR] + 1u) % w->level.colours);
		return;
	}
	if (b->by == VLA_BIAS_CELL && *cell < 0)
		*cell = (int)vla_rng_below(rng, VLA_CELLS);
	unsigned n = factor_values(w, b->what), pair = value_of(s, t, b->by, *cell) % n, v = pair;
	if (!hold && n > 1)
		v = (unsigned)((pair + 1 + vla_rng_below(rng, n - 1)) % n);
	if (b->what < VLA_ATTRIBUTES)
		t->is[b->what] = (uint8_t)v;
	else if (b->what == VLA_BIAS_CELL)
		*cell = (int)v;
	else if (i == 0)
		s->colour = (uint8_t)v;
}

static void draw_look(const vla_world *w, vla_scene *s, uint32_t i, vla_rng *rng)
{
	const vla_level *l = &w->level;
	vla_thing *t = &s->thing[i];
	t->is[VLA_SHAPE] = (uint8_t)vla_rng_below(rng, l->shapes);
	t->is[VLA_COLOUR] = (uint8_t)vla_rng_below(rng, l->colours);
	t->is[VLA_TEXTURE] = chance(rng, l->textured) ? (uint8_t)(1 + vla_rng_below(rng, VLA_TEXTURES - 1)) : 0;
	t->is[VLA_MATERIAL] = chance(rng, l->material) ? (uint8_t)(1 + vla_rng_below(rng, VLA_MATERIALS - 1)) : 0;
	unsigned k = (unsigned)vla_rng_below(rng, 100);
	t->is[VLA_SIZE] = k < l->size[0] ? 0 : k < l->size[0] + l->size[1] ? 1 : 2;
	if (i && chance(rng, l->twin)) {
		const vla_thing *like = &s->thing[vla_rng_below(rng, i)];
		t->is[VLA_SHAPE] = like->is[VLA_SHAPE];
		if (chance(rng, 40))
			t->is[VLA_COLOUR] = like->is[VLA_COLOUR];
	}
	if (w->opts.classes && chance(rng, 60)) {
		const vla_class *c = &w->cls[vla_rng_below(rng, w->opts.classes)];
		t->is[VLA_SHAPE] = c->shape;
		t->is[VLA_COLOUR] = c->colour;
		t->is[VLA_TEXTURE] = c->texture;
	}
}

static void name_class(const vla_world *w, vla_thing *t)
{
	t->is[VLA_CLASS] = 0;
	for (uint32_t k = 0; k < w->opts.classes && !t->is[VLA_CLASS]; k++)
		if (w->cls[k].shape == t->is[VLA_SHAPE] && w->cls[k].colour == t->is[VLA_COLOUR] &&
		    w->cls[k].texture == t->is[VLA_TEXTURE])
			t->is[VLA_CLASS] = (uint8_t)(k + 1);
}

static bool can_hold(const vla_thing *t)
{
	int k = t->is[VLA_SHAPE];
	return t->is[VLA_SIZE] == VLA_LARGE && (k == 0 || k == 1 || k == 4 || k == 6 || k == 10 || k == 12);
}

// Inside an earlier large object.
static bool place_inside(vla_scene *s, uint32_t i, vla_rng *rng)
{
	vla_thing *t = &s->thing[i];
	for (uint32_t j = 0; j < i; j++) {
		const vla_thing *o = &s->thing[j];
		bool taken = false;
		for (uint32_t k = 0; k < i && !taken; k++)
			taken = k != j && hypotf(s->thing[k].x - o->x, s->thing[k].y - o->y) < s->thing[k].r + .1f;
		if (!can_hold(o) || taken || o->is[VLA_COLOUR] == t->is[VLA_COLOUR])
			continue;
		t->is[VLA_SIZE] = 0;
		t->r = between(rng, .07f, .078f);
		t->x = o->x + between(rng, -.015f, .015f);
		t->y = o->y + between(rng, -.015f, .015f);
		return true;
	}
	return false;
}

static bool apart(const vla_scene *s, uint32_t i, float k, const vla_thing *t)
{
	for (uint32_t j = 0; j < i; j++) {
		const vla_thing *o = &s->thing[j];
		float need = (o->r * vla_shape_reach(o->is[VLA_SHAPE]) + t->r * vla_shape_reach(t->is[VLA_SHAPE])) * k;
		if (hypotf(o->x - t->x, o->y - t->y) < need + (k < 1 ? 0 : .012f))
			return false;
	}
	return true;
}

static bool place(const vla_world *w, vla_scene *s, uint32_t i, int cell, vla_rng *rng)
{
	vla_thing *t = &s->thing[i];
	const float *r = radius[t->is[VLA_SIZE]];
	t->r = between(rng, r[0], r[1]);
	if (cell < 0 && i && chance(rng, w->level.inside) && place_inside(s, i, rng))
		return true;
	float k = i && chance(rng, w->level.overlap) ? .62f : 1;
	for (int tries = 0; tries < PLACE_TRIES; tries++) {
		float m = t->r * .98f * vla_shape_reach(t->is[VLA_SHAPE]);
		t->x = between(rng, m, 1 - m);
		t->y = between(rng, m, 1 - m);
		if (cell >= 0) {
			t->x = ((float)(cell % 3) + between(rng, .2f, .8f)) / 3;
			t->y = ((float)(cell / 3) + between(rng, .2f, .8f)) / 3;
			t->x = t->x < m ? m : t->x > 1 - m ? 1 - m : t->x;
			t->y = t->y < m ? m : t->y > 1 - m ? 1 - m : t->y;
		}
		if (apart(s, i, k, t))
			return true;
		if (tries == PLACE_TRIES / 2 && t->is[VLA_SIZE] > 0) {
			t->is[VLA_SIZE]--;
			t->r = between(rng, radius[t->is[VLA_SIZE]][0], radius[t->is[VLA_SIZE]][1]);
		}
	}
	return false;
}

static bool has_colour(const vla_scene *s, int colour)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->thing[i].is[VLA_COLOUR] == colour)
			return true;
	return false;
}

static void draw_background(const vla_world *w, vla_scene *s, vla_rng *rng)
{
	s->colour = (uint8_t)vla_rng_below(rng, VLA_COLOURS);
	for (int tries = 0; tries < 50 && (has_colour(s, s->colour) || s->colour == 7); tries++)
		s->colour = (uint8_t)vla_rng_below(rng, VLA_COLOURS);
	s->texture = chance(rng, w->level.ground) ? (uint8_t)(1 + vla_rng_below(rng, VLA_TEXTURES - 1)) : 0;
}

// One attempt; false when something found no place.
bool vla_scene_draw(const vla_world *w, int split, vla_rng *rng, vla_scene *s)
{
	const vla_level *l = &w->level;
	bool ground = false;
	memset(s, 0, sizeof *s);
	uint32_t n = l->min + (uint32_t)vla_rng_below(rng, (uint64_t)(l->max - l->min) + 1);
	s->level = (uint8_t)w->opts.level;
	s->seed = (uint32_t)vla_rng_u64(rng);
	s->colour = (uint8_t)vla_rng_below(rng, l->colours);
	for (uint32_t i = 0; i < n; i++) {
		vla_thing *t = &s->thing[i];
		int cell = -1;
		draw_look(w, s, i, rng);
		for (size_t k = 0; k < w->nbias; k++)
			if (w->bias[k].split == split) {
				apply_bias(w, &w->bias[k], s, i, &cell, rng);
				ground |=
					w->bias[k].what == VLA_BIAS_BACKGROUND || w->bias[k].by == VLA_BIAS_BACKGROUND;
			}
		name_class(w, t);
		t->seed = (uint32_t)vla_rng_u64(rng);
		t->angle = between(rng, -.2f, .2f);
		t->depth = 1 - ((float)i + between(rng, .6f, 1.2f)) / ((float)n + 1);
		if (!place(w, s, i, cell, rng))
			return false;
		s->n = i + 1;
	}
	if (!ground)
		draw_background(w, s, rng);
	else if (has_colour(s, s->colour))
		return false;
	float light = w->opts.level > 2 ? .12f * (float)(w->opts.level - 2) : 0;
	s->light_x = between(rng, -light, light);
	s->light_y = between(rng, -light, light);
	return true;
}

bool vla_scene_legible(const vla_world *w, const vla_scene *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->thing[i].visible < w->level.visible)
			return false;
	return true;
}

vla_status vla_scene_make(const vla_world *w, uint64_t item, vla_scene *s, vla_contrast *c, vla_err *err)
{
	int split = vla_world_split(w, item);
	for (uint64_t attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		vla_rng rng;
		vla_rng_seed(&rng, w->opts.seed ^ 0x77e3a1u, item * MAX_ATTEMPTS + attempt);
		if (!vla_scene_draw(w, split, &rng, s) || vla_signature_split(vla_scene_signature(s)) != split)
			continue;
		vla_scene_relate(s);
		if (vla_scene_legible(w, s) && vla_contrast_make(w, s, split, (unsigned)item, &rng, c))
			return VLA_OK;
	}
	return vla_fail(err, VLA_EINVAL, "no scene fits the options: %u to %u objects leave no room", w->level.min,
			w->level.max);
}
