/* Minimal pairs: a second scene that differs from the first in one fact, and a statement for each that is true of it
 * alone. */
#include "world/world.h"

#include <math.h>

enum change {
	CHANGE_COLOUR,
	CHANGE_SHAPE,
	CHANGE_TEXTURE,
	CHANGE_MATERIAL,
	CHANGE_SIZE,
	CHANGE_CELL,
	CHANGE_RELATION,
	CHANGE_COUNT,
	CHANGES
};

enum { TRIES = 24 };

static const char *const change_name[CHANGES] = { "colour", "shape",    "texture",  "material",
						  "size",   "position", "relation", "count" };

static bool tells_apart(const vla_fact *f, const vla_scene *a, const vla_scene *b)
{
	return vla_fact_holds(&f[0], a) == VLA_TRUE && vla_fact_holds(&f[0], b) == VLA_FALSE &&
	       vla_fact_holds(&f[1], a) == VLA_FALSE && vla_fact_holds(&f[1], b) == VLA_TRUE;
}

// Tries the descriptions from short to long until the two statements tell the scenes apart.
static bool find_words(const vla_scene *a, vla_contrast *c, unsigned must, bool pair, uint32_t other)
{
	static const unsigned more[] = { 0, 1 << VLA_COLOUR, 1 << VLA_COLOUR | 1 << VLA_TEXTURE,
					 1 << VLA_COLOUR | 1 << VLA_SIZE,
					 1 << VLA_COLOUR | 1 << VLA_SIZE | 1 << VLA_TEXTURE | 1 << VLA_MATERIAL };
	const vla_scene *scene[2] = { a, &c->scene };
	for (size_t k = 0; k < sizeof more / sizeof *more; k++) {
		for (int i = 0; i < 2; i++) {
			c->fact[i].desc[0] = vla_desc_of(&scene[i]->thing[c->object], must | more[k]);
			if (pair)
				c->fact[i].desc[1] = vla_desc_of(&scene[i]->thing[other], must | more[k]);
		}
		if (tells_apart(c->fact, a, &c->scene))
			return true;
	}
	return false;
}

static bool change_look(const vla_world *w, const vla_scene *s, int f, vla_rng *rng, vla_contrast *c)
{
	static const int values[] = { VLA_SHAPES, VLA_COLOURS, VLA_TEXTURES, VLA_MATERIALS, VLA_SIZES };
	vla_thing *t = &c->scene.thing[c->object];
	unsigned n = f == VLA_SHAPE ? w->level.shapes : f == VLA_COLOUR ? w->level.colours : (unsigned)values[f];
	if ((f == VLA_TEXTURE && !w->level.textured) || (f == VLA_MATERIAL && !w->level.material) || t->is[VLA_CLASS])
		return false;
	uint8_t v = (uint8_t)vla_rng_below(rng, n);
	if (v == t->is[f] || (f == VLA_COLOUR && v == s->colour))
		return false;
	t->is[f] = v;
	if (f == VLA_SIZE) {
		static const float r[VLA_SIZES] = { .081f, .134f, .218f };
		float m = r[v] * vla_shape_reach(t->is[VLA_SHAPE]);
		if (t->x < m || t->y < m || t->x > 1 - m || t->y > 1 - m)
			return false;
		t->r = r[v];
	}
	for (uint32_t k = 0; k < w->opts.classes; k++) // it must not become one of an invented class
		if (w->cls[k].shape == t->is[VLA_SHAPE] && w->cls[k].colour == t->is[VLA_COLOUR] &&
		    w->cls[k].texture == t->is[VLA_TEXTURE])
			return false;
	for (int i = 0; i < 2; i++)
		c->fact[i] = (vla_fact){ .kind = VLA_FACT_LIST, .n = 1 };
	return true;
}

static bool change_cell(vla_rng *rng, vla_contrast *c)
{
	vla_thing *t = &c->scene.thing[c->object];
	float m = t->r * vla_shape_reach(t->is[VLA_SHAPE]);
	int from = vla_thing_cell(t);
	t->x = m + (1 - 2 * m) * vla_rng_float(rng);
	t->y = m + (1 - 2 * m) * vla_rng_float(rng);
	int to = vla_thing_cell(t);
	if (from < 0 || to < 0 || from == to)
		return false;
	c->fact[0] = (vla_fact){ .kind = VLA_FACT_CELL, .n = 1, .cell = (uint8_t)from };
	c->fact[1] = (vla_fact){ .kind = VLA_FACT_CELL, .n = 1, .cell = (uint8_t)to };
	return true;
}

// Two objects of about one size trade places.
static bool change_relation(const vla_scene *s, uint32_t other, vla_rng *rng, vla_contrast *c)
{
	vla_thing *a = &c->scene.thing[c->object], *b = &c->scene.thing[other];
	int rel = (int)vla_rng_below(rng, 4);
	if (other == c->object || a->is[VLA_SIZE] != b->is[VLA_SIZE] || !(s->relation[c->object][other] >> rel & 1))
		return false;
	float x = a->x, y = a->y;
	a->x = b->x;
	a->y = b->y;
	b->x = x;
	b->y = y;
	for (int i = 0; i < 2; i++)
		c->fact[i] = (vla_fact){ .kind = VLA_FACT_RELATION, .n = 2, .relation = (uint8_t)(i ? rel ^ 1 : rel) };
	return true;
}

static bool change_count(const vla_world *w, const vla_scene *s, vla_contrast *c)
{
	uint32_t n = vla_desc_count(&(vla_desc){ .mask = 1 << VLA_SHAPE, .is = { s->thing[c->object].is[VLA_SHAPE] } },
				    s, NULL);
	if (n < 2 || s->n <= w->level.min)
		return false;
	memmove(&c->scene.thing[c->object], &c->scene.thing[c->object + 1],
		(s->n - c->object - 1) * sizeof *c->scene.thing);
	c->scene.n--;
	for (int i = 0; i < 2; i++) {
		c->fact[i] = (vla_fact){ .kind = VLA_FACT_LIST, .n = 1, .count = { (uint8_t)(n - (uint32_t)i) } };
		c->fact[i].desc[0] = vla_desc_of(&s->thing[c->object], 1 << VLA_SHAPE);
	}
	return true;
}

static bool try_change(const vla_world *w, const vla_scene *s, int change, vla_rng *rng, vla_contrast *c)
{
	uint32_t other = (uint32_t)vla_rng_below(rng, s->n);
	c->scene = *s;
	c->object = (uint32_t)vla_rng_below(rng, s->n);
	switch (change) {
	case CHANGE_COLOUR:
		return change_look(w, s, VLA_COLOUR, rng, c) &&
		       find_words(s, c, 1 << VLA_SHAPE | 1 << VLA_COLOUR, false, 0);
	case CHANGE_SHAPE: return change_look(w, s, VLA_SHAPE, rng, c) && find_words(s, c, 1 << VLA_SHAPE, false, 0);
	case CHANGE_TEXTURE:
		return change_look(w, s, VLA_TEXTURE, rng, c) &&
		       find_words(s, c, 1 << VLA_SHAPE | 1 << VLA_TEXTURE, false, 0);
	case CHANGE_MATERIAL:
		return change_look(w, s, VLA_MATERIAL, rng, c) &&
		       find_words(s, c, 1 << VLA_SHAPE | 1 << VLA_MATERIAL, false, 0);
	case CHANGE_SIZE:
		return change_look(w, s, VLA_SIZE, rng, c) &&
		       find_words(s, c, 1 << VLA_SHAPE | 1 << VLA_SIZE, false, 0);
	case CHANGE_CELL: return change_cell(rng, c) && find_words(s, c, 1 << VLA_SHAPE, false, 0);
	case CHANGE_RELATION:
		if (!change_relation(s, other, rng, c))
			return false;
		vla_scene_relate(&c->scene);
		return find_words(s, c, 1 << VLA_SHAPE, true, other);
	default: return change_count(w, s, c) && tells_apart(c->fact, s, &c->scene);
	}
}

bool vla_contrast_make(const vla_world *w, const vla_scene *s, int split, unsigned first, vla_rng *rng, vla_contrast *c)
{
	for (unsigned k = 0; k < CHANGES; k++) {
		int change = (int)((first + k) % CHANGES);
		c->what = change_name[change];
		for (int tries = 0; tries < TRIES; tries++) {
			if (!try_change(w, s, change, rng, c) ||
			    vla_signature_split(vla_scene_signature(&c->scene)) != split)
				continue;
			vla_scene_relate(&c->scene);
			if (vla_scene_legible(w, &c->scene) && tells_apart(c->fact, s, &c->scene))
				return true;
		}
		// A hard kind of change is worth another scene now and then, not always.
		if (k == 0 && s->n > 1 && vla_rng_below(rng, change == CHANGE_COUNT ? 2 : 6) > 0)
			return false;
	}
	return false;
}
