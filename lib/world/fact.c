/* What is true of a scene: silhouettes on a coarse grid give occlusion and containment, centres give directions.
 * Between clearly true and clearly false lies a margin where nothing is claimed. */
#include "world/scene.h"

#include <math.h>

enum { BIT_LEFT = 1 << VLA_LEFT, BIT_INSIDE = 1 << VLA_INSIDE };

static const float clear_distance = .12f, clear_cell = .045f;

static void silhouette(const vla_thing *t, bool filled, vla_silhouette *out)
{
	for (int y = 0; y < VLA_COARSE; y++) {
		uint64_t row = 0;
		float py = ((float)y + .5f) / VLA_COARSE;
		int x0 = (int)floorf((t->x - 1.3f * t->r) * VLA_COARSE),
		    x1 = (int)ceilf((t->x + 1.3f * t->r) * VLA_COARSE);
		if (fabsf(py - t->y) <= 1.3f * t->r)
			for (int x = x0 < 0 ? 0 : x0; x < VLA_COARSE && x <= x1; x++)
				row |= (uint64_t)vla_thing_covers(t, ((float)x + .5f) / VLA_COARSE, py, filled) << x;
		out->row[y] = row;
	}
}

static unsigned bits(uint64_t v)
{
	unsigned n = 0;
	for (; v; v &= v - 1)
		n++;
	return n;
}

// Points of a, of those in b too, and of a where b is not.
static unsigned area(const vla_silhouette *a, const vla_silhouette *b, bool outside)
{
	unsigned n = 0;
	for (int y = 0; y < VLA_COARSE; y++)
		n += bits(a->row[y] & (outside ? ~b->row[y] : b->row[y]));
	return n;
}

static void direction(vla_scene *s, uint32_t i, uint32_t j, float d, int less, int more)
{
	if (d >= clear_distance)
		s->relation[i][j] |= (uint8_t)(1 << less);
	else if (d <= -clear_distance)
		s->relation[i][j] |= (uint8_t)(1 << more);
	else
		s->unclear[i][j] |= (uint8_t)(1 << less | 1 << more);
}

// j is nearer than i.
static void overlap(vla_scene *s, uint32_t i, uint32_t j, const vla_silhouette *full, const vla_silhouette *filled)
{
	unsigned both = area(&full[i], &full[j], false), ai = area(&full[i], &full[i], false),
		 aj = area(&full[j], &full[j], false), least = ai < aj ? ai : aj;
	bool covers = area(&full[j], &filled[i], true) == 0;
	if (both * 14 >= least && both) {
		s->relation[j][i] |= 1 << VLA_FRONT;
		s->relation[i][j] |= 1 << VLA_BEHIND;
	} else if (both || covers) {
		s->unclear[j][i] |= 1 << VLA_FRONT;
		s->unclear[i][j] |= 1 << VLA_BEHIND;
	}
	if (covers && aj * 2 < area(&filled[i], &filled[i], false))
		s->relation[j][i] |= BIT_INSIDE;
	else if (area(&full[j], &filled[i], false) * 3 > aj)
		s->unclear[j][i] |= BIT_INSIDE;
	if (area(&full[i], &filled[j], false) * 3 > ai)
		s->unclear[i][j] |= BIT_INSIDE;
}

void vla_scene_relate(vla_scene *s)
{
	vla_silhouette full[VLA_MAX_OBJECTS], filled[VLA_MAX_OBJECTS], hidden = { { 0 } };
	memset(s->relation, 0, sizeof s->relation);
	memset(s->unclear, 0, sizeof s->unclear);
	for (uint32_t i = s->n; i-- > 0;) {
		silhouette(&s->thing[i], false, &full[i]);
		silhouette(&s->thing[i], true, &filled[i]);
		unsigned all = area(&full[i], &full[i], false);
		s->thing[i].visible = all ? (float)area(&full[i], &hidden, true) / (float)all : 0;
		for (int y = 0; y < VLA_COARSE; y++)
			hidden.row[y] |= full[i].row[y];
	}
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t j = i + 1; j < s->n; j++) {
			const vla_thing *a = &s->thing[i], *b = &s->thing[j];
			direction(s, i, j, b->x - a->x, VLA_LEFT, VLA_RIGHT);
			direction(s, j, i, a->x - b->x, VLA_LEFT, VLA_RIGHT);
			direction(s, i, j, b->y - a->y, VLA_ABOVE, VLA_BELOW);
			direction(s, j, i, a->y - b->y, VLA_ABOVE, VLA_BELOW);
			overlap(s, i, j, full, filled);
		}
}

int vla_thing_cell(const vla_thing *t)
{
	float at[2] = { t->x, t->y };
	int cell[2];
	for (int k = 0; k < 2; k++) {
		if (fabsf(at[k] - 1 / 3.f) < clear_cell || fabsf(at[k] - 2 / 3.f) < clear_cell)
			return -1;
		cell[k] = at[k] < .333f ? 0 : at[k] < .667f ? 1 : 2;
	}
	return cell[1] * 3 + cell[0];
}

static int by_code(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

uint64_t vla_scene_signature(const vla_scene *s)
{
	uint64_t code[VLA_MAX_OBJECTS + 1];
	for (uint32_t i = 0; i < s->n; i++) {
		const vla_thing *t = &s->thing[i];
		uint64_t c = 0;
		for (int k = 0; k < VLA_CLASS; k++)
			c = c << 8 | t->is[k];
		code[i] = c << 8 | (uint64_t)(t->x * 15.99f) << 4 | (uint64_t)(t->y * 15.99f);
	}
	qsort(code, s->n, sizeof *code, by_code);
	code[s->n] = (uint64_t)s->colour << 8 | s->texture;
	return vla_hash64(code, (s->n + 1) * sizeof *code, 0x5ce9e);
}

bool vla_desc_fits(const vla_desc *d, const vla_thing *t)
{
	for (int k = 0; k < VLA_ATTRIBUTES; k++)
		if ((d->mask >> k & 1) && d->is[k] != t->is[k])
			return false;
	return true;
}

uint32_t vla_desc_count(const vla_desc *d, const vla_scene *s, uint32_t *first)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->n; i++)
		if (vla_desc_fits(d, &s->thing[i]) && n++ == 0 && first)
			*first = i;
	return n;
}

vla_desc vla_desc_of(const vla_thing *t, unsigned mask)
{
	vla_desc d = { .mask = (uint8_t)mask };
	memcpy(d.is, t->is, sizeof d.is);
	return d;
}

static enum vla_truth in_cell(const vla_thing *t, int cell)
{
	int at = vla_thing_cell(t);
	if (at == cell)
		return VLA_TRUE;
	// Only what lies on the other side is clearly elsewhere: something in the top left is on the left too.
	float d[2] = { t->x, t->y };
	int want[2] = { cell % 3, cell / 3 };
	for (int k = 0; k < 2; k++)
		if ((want[k] == 0 && d[k] > .6f) || (want[k] == 2 && d[k] < .4f) ||
		    (cell == 4 && (d[k] < .27f || d[k] > .73f)))
			return VLA_FALSE;
	return VLA_UNCLEAR;
}

static enum vla_truth has_value(const vla_fact *f, const vla_thing *t)
{
	return t->is[f->factor] == f->value ? VLA_TRUE : VLA_FALSE;
}

// "The circle is red", "a circle is on the left": true when one fits; a denial needs that none does.
static enum vla_truth any_thing(const vla_fact *f, const vla_scene *s)
{
	bool unclear = false, fits = false;
	for (uint32_t i = 0; i < s->n; i++) {
		if (!vla_desc_fits(&f->desc[0], &s->thing[i]))
			continue;
		fits = true;
		enum vla_truth v =
			f->kind == VLA_FACT_CELL ? in_cell(&s->thing[i], f->cell) : has_value(f, &s->thing[i]);
		if (v == VLA_TRUE)
			return VLA_TRUE;
		unclear |= v == VLA_UNCLEAR;
	}
	return unclear || (f->negated && !fits) ? VLA_UNCLEAR : VLA_FALSE;
}

static enum vla_truth any_pair(const vla_fact *f, const vla_scene *s)
{
	bool unclear = false, fits = false;
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t j = 0; j < s->n; j++) {
			if (i == j || !vla_desc_fits(&f->desc[0], &s->thing[i]) ||
			    !vla_desc_fits(&f->desc[1], &s->thing[j]))
				continue;
			fits = true;
			if (s->relation[i][j] >> f->relation & 1)
				return VLA_TRUE;
			unclear |= s->unclear[i][j] >> f->relation & 1;
		}
	return unclear || (f->negated && !fits) ? VLA_UNCLEAR : VLA_FALSE;
}

static bool all_there(const vla_fact *f, const vla_scene *s)
{
	for (int i = 0; i < f->n; i++) {
		uint32_t n = vla_desc_count(&f->desc[i], s, NULL);
		if (f->count[i] ? n != f->count[i] : n == 0)
			return false;
	}
	return true;
}

static bool background_is(const vla_desc *d, const vla_scene *s)
{
	return (!(d->mask >> VLA_COLOUR & 1) || d->is[VLA_COLOUR] == s->colour) &&
	       (!(d->mask >> VLA_TEXTURE & 1) || d->is[VLA_TEXTURE] == s->texture);
}

enum vla_truth vla_fact_holds(const vla_fact *f, const vla_scene *s)
{
	enum vla_truth v = VLA_UNCLEAR;
	switch (f->kind) {
	case VLA_FACT_LIST: v = all_there(f, s) ? VLA_TRUE : VLA_FALSE; break;
	case VLA_FACT_NONE: v = vla_desc_count(&f->desc[0], s, NULL) ? VLA_FALSE : VLA_TRUE; break;
	case VLA_FACT_RELATION: v = any_pair(f, s); break;
	case VLA_FACT_CELL:
	case VLA_FACT_ATTRIBUTE: v = any_thing(f, s); break;
	case VLA_FACT_BACKGROUND: v = background_is(&f->desc[0], s) ? VLA_TRUE : VLA_FALSE; break;
	}
	if (!f->negated || v == VLA_UNCLEAR)
		return v;
	return v == VLA_TRUE ? VLA_FALSE : VLA_TRUE;
}
