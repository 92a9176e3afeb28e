/* Captions, negations and hard negatives. Every statement is a fact that was checked against the scene before it was
 * put into words; the two languages say the same. */
#include "world/tell.h"

enum {
	M_SHAPE = 1 << VLA_SHAPE,
	M_COLOUR = 1 << VLA_COLOUR,
	M_TEXTURE = 1 << VLA_TEXTURE,
	M_MATERIAL = 1 << VLA_MATERIAL,
	M_SIZE = 1 << VLA_SIZE,
	M_CLASS = 1 << VLA_CLASS,
	M_ALL = M_SHAPE | M_COLOUR | M_TEXTURE | M_MATERIAL | M_SIZE
};

const char *vla_tell(vla_teller *t, enum vla_language lang, const vla_fact *f)
{
	vla_text_reset(&t->text, lang);
	vla_say_fact(&t->text, f);
	return vla_text_get(&t->text);
}

const char *vla_tell_desc(vla_teller *t, enum vla_language lang, const vla_desc *d, enum vla_article article)
{
	vla_text_reset(&t->text, lang);
	vla_say_desc(&t->text, d, 0, article);
	return vla_text_get(&t->text);
}

void vla_tell_fact(vla_teller *t, const char *key, const vla_fact *f)
{
	char zh[40];
	snprintf(zh, sizeof zh, "%s_zh", key);
	vla_json_text(t->j, key, vla_tell(t, VLA_EN, f));
	vla_json_text(t->j, zh, vla_tell(t, VLA_ZH, f));
}

bool vla_desc_unique(const vla_scene *s, uint32_t i, vla_desc *d)
{
	static const unsigned mask[] = { M_SHAPE,
					 M_COLOUR | M_SHAPE,
					 M_SIZE | M_SHAPE,
					 M_TEXTURE | M_SHAPE,
					 M_SIZE | M_COLOUR | M_SHAPE,
					 M_TEXTURE | M_COLOUR | M_SHAPE,
					 M_MATERIAL | M_COLOUR | M_SHAPE,
					 M_SIZE | M_TEXTURE | M_COLOUR | M_SHAPE,
					 M_ALL };
	for (size_t k = 0; k < sizeof mask / sizeof *mask; k++) {
		*d = vla_desc_of(&s->thing[i], mask[k]);
		if (vla_desc_count(d, s, NULL) == 1)
			return true;
	}
	return false;
}

vla_desc vla_desc_draw(vla_rng *rng, const vla_thing *t)
{
	unsigned mask = M_SHAPE | M_COLOUR;
	if (t->is[VLA_CLASS] && vla_rng_below(rng, 2))
		return vla_desc_of(t, M_CLASS);
	if (t->is[VLA_TEXTURE] != VLA_PLAIN && vla_rng_below(rng, 10) < 6)
		mask |= M_TEXTURE;
	if (t->is[VLA_MATERIAL] != VLA_MATTE && vla_rng_below(rng, 10) < 5)
		mask |= M_MATERIAL;
	if (vla_rng_below(rng, 10) < 3)
		mask |= M_SIZE;
	return vla_desc_of(t, mask);
}

// Numbers [0, n) in drawn order.
static void shuffle(vla_rng *rng, uint32_t n, uint32_t *order)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (uint32_t)vla_rng_below(rng, i + 1);
		order[i] = order[k];
		order[k] = i;
	}
}

// Up to `most` kinds of objects, counted where there are several.
static vla_fact list_fact(vla_teller *t, unsigned most, bool shapes_only)
{
	vla_fact f = { .kind = VLA_FACT_LIST };
	uint32_t order[VLA_MAX_OBJECTS];
	shuffle(&t->rng, t->s->n, order);
	for (uint32_t i = 0; i < t->s->n && f.n < most; i++) {
		const vla_thing *o = &t->s->thing[order[i]];
		bool said = false;
		for (unsigned k = 0; k < f.n; k++)
			said |= vla_desc_fits(&f.desc[k], o);
		if (said)
			continue;
		f.desc[f.n] = shapes_only ? vla_desc_of(o, M_SHAPE) : vla_desc_draw(&t->rng, o);
		// Nor may the new words fit what the earlier ones named.
		for (uint32_t k = 0; k < i; k++)
			said |= vla_desc_fits(&f.desc[f.n], &t->s->thing[order[k]]);
		if (said && f.n)
			continue;
		uint32_t n = vla_desc_count(&f.desc[f.n], t->s, NULL);
		f.count[f.n++] = n > 1 ? (uint8_t)n : 0;
	}
	return f;
}

static bool relation_fact(vla_teller *t, vla_fact *f)
{
	const vla_scene *s = t->s;
	uint32_t order[VLA_MAX_OBJECTS];
	shuffle(&t->rng, s->n, order);
	for (uint32_t a = 0; a < s->n; a++)
		for (uint32_t b = 0; b < s->n; b++) {
			uint32_t i = order[a], j = order[b];
			unsigned rel = s->relation[i][j], want = 0;
			if (!rel)
				continue;
			// The rare ones first: containment and occlusion.
			for (unsigned k = VLA_RELATIONS; k-- > 0 && !want;)
				if (rel >> k & 1 && (k == 0 || vla_rng_below(&t->rng, 2)))
					want = 1u << k;
			if (!want)
				continue;
			unsigned k = 0;
			while (!(want >> k & 1))
				k++;
			*f = (vla_fact){ .kind = VLA_FACT_RELATION, .n = 2, .relation = (uint8_t)k };
			f->desc[0] = vla_desc_draw(&t->rng, &s->thing[i]);
			f->desc[1] = vla_desc_draw(&t->rng, &s->thing[j]);
			return true;
		}
	return false;
}

static bool cell_fact(vla_teller *t, vla_fact *f)
{
	uint32_t order[VLA_MAX_OBJECTS];
	shuffle(&t->rng, t->s->n, order);
	for (uint32_t i = 0; i < t->s->n; i++) {
		int cell = vla_thing_cell(&t->s->thing[order[i]]);
		if (cell < 0)
			continue;
		*f = (vla_fact){ .kind = VLA_FACT_CELL, .n = 1, .cell = (uint8_t)cell };
		f->desc[0] = vla_desc_draw(&t->rng, &t->s->thing[order[i]]);
		return true;
	}
	return false;
}

static vla_fact detail_fact(vla_teller *t)
{
	vla_fact f = { .kind = VLA_FACT_LIST, .n = 1 };
	f.desc[0] = vla_desc_of(&t->s->thing[vla_rng_below(&t->rng, t->s->n)], M_ALL);
	for (int k = 0; k < VLA_ATTRIBUTES; k++)
		if (vla_word_plain((enum vla_factor)k, f.desc[0].is[k]))
			f.desc[0].mask &= (uint8_t) ~(1 << k);
	uint32_t n = vla_desc_count(&f.desc[0], t->s, NULL);
	f.count[0] = n > 1 ? (uint8_t)n : 0;
	return f;
}

static vla_fact background_fact(const vla_scene *s)
{
	vla_fact f = { .kind = VLA_FACT_BACKGROUND, .n = 1 };
	f.desc[0].mask = M_COLOUR | (s->texture ? M_TEXTURE : 0);
	f.desc[0].is[VLA_COLOUR] = s->colour;
	f.desc[0].is[VLA_TEXTURE] = s->texture;
	return f;
}

static void caption_facts(vla_teller *t)
{
	t->caption[0] = list_fact(t, 3, false);
	if (!relation_fact(t, &t->caption[1]))
		t->caption[1] = detail_fact(t);
	if (!cell_fact(t, &t->caption[2]))
		t->caption[2] = list_fact(t, 2, false);
	t->caption[3] = vla_rng_below(&t->rng, 3) == 0 ? list_fact(t, 3, true) : detail_fact(t);
}

static void sentence(vla_teller *t, vla_buf *all, enum vla_language lang, const vla_fact *f)
{
	const char *s = vla_tell(t, lang, f);
	if (t->text.status == VLA_OK)
		t->text.status = lang == VLA_EN ? vla_buf_addf(all, NULL, "%s%c%s.", all->n ? " " : "",
							       s[0] >= 'a' && s[0] <= 'z' ? s[0] - 32 : s[0], s + 1)
						: vla_buf_addf(all, NULL, "%s。", s);
}

static bool next_relation(const vla_scene *s, uint32_t i, vla_fact *f)
{
	vla_desc a, b;
	for (uint32_t j = 0; j < s->n; j++)
		for (unsigned k = VLA_RELATIONS; k-- > 0;)
			if (i != j && s->relation[i][j] >> k & 1 && vla_desc_unique(s, i, &a) &&
			    vla_desc_unique(s, j, &b)) {
				*f = (vla_fact){ .kind = VLA_FACT_RELATION, .n = 2, .relation = (uint8_t)k };
				f->desc[0] = a;
				f->desc[1] = b;
				return true;
			}
	return false;
}

// Everything that can be said in a few sentences: each object, where it is, the background.
static void long_caption(vla_teller *t, enum vla_language lang, const char *key)
{
	const vla_scene *s = t->s;
	vla_buf all = { NULL, 0, 0 };
	vla_fact f = { .kind = VLA_FACT_LIST, .n = 1, .count = { (uint8_t)s->n } };
	sentence(t, &all, lang, &f);
	for (uint32_t i = 0; i < s->n; i++) {
		int cell = vla_thing_cell(&s->thing[i]);
		f = (vla_fact){ .kind = cell < 0 ? VLA_FACT_LIST : VLA_FACT_CELL,
				.n = 1,
				.cell = (uint8_t)(cell < 0 ? 0 : cell) };
		f.desc[0] = vla_desc_of(&s->thing[i], M_ALL);
		for (int k = 0; k < VLA_ATTRIBUTES; k++)
			if (vla_word_plain((enum vla_factor)k, f.desc[0].is[k]))
				f.desc[0].mask &= (uint8_t) ~(1 << k);
		sentence(t, &all, lang, &f);
		if (next_relation(s, i, &f))
			sentence(t, &all, lang, &f);
	}
	f = background_fact(s);
	sentence(t, &all, lang, &f);
	vla_json_text(t->j, key, all.n ? all.data : "");
	vla_buf_release(&all);
}

static void caption_list(vla_teller *t, enum vla_language lang, const char *key)
{
	vla_json_open(t->j, key, '[');
	for (int i = 0; i < VLA_CAPTIONS; i++)
		vla_json_text(t->j, NULL, vla_tell(t, lang, &t->caption[i]));
	vla_json_close(t->j, ']');
}

void vla_tell_captions(vla_teller *t)
{
	caption_facts(t);
	caption_list(t, VLA_EN, "caption");
	caption_list(t, VLA_ZH, "caption_zh");
	caption_list(t, VLA_EN, "paraphrase");
	caption_list(t, VLA_ZH, "paraphrase_zh");
	long_caption(t, VLA_EN, "long");
	long_caption(t, VLA_ZH, "long_zh");
}

static const char *replace_word(const vla_world *w, vla_desc *d, vla_rng *rng)
{
	static const char *const name[] = { "replace_shape", "replace_colour", "replace_texture", "replace_material",
					    "replace_size" };
	unsigned n[] = { w->level.shapes, w->level.colours, VLA_TEXTURES, VLA_MATERIALS, VLA_SIZES };
	unsigned f = (unsigned)vla_rng_below(rng, VLA_CLASS);
	if (!(d->mask >> f & 1))
		return NULL;
	uint8_t v = (uint8_t)vla_rng_below(rng, n[f]);
	if (v == d->is[f])
		return NULL;
	d->is[f] = v;
	return name[f];
}

static const char *swap_word(vla_desc *a, vla_desc *b, vla_rng *rng)
{
	static const char *const name[] = { "swap_shape", "swap_colour", "swap_texture", "swap_material", "swap_size" };
	unsigned f = (unsigned)vla_rng_below(rng, VLA_CLASS);
	uint8_t v = a->is[f];
	if (!(a->mask & b->mask & 1 << f) || v == b->is[f])
		return NULL;
	a->is[f] = b->is[f];
	b->is[f] = v;
	return name[f];
}

static const char *spoil_list(const vla_world *w, vla_fact *g, vla_rng *rng)
{
	unsigned k = (unsigned)vla_rng_below(rng, g->n);
	if (g->count[k] && vla_rng_below(rng, 2)) {
		g->count[k] = (uint8_t)(g->count[k] + (vla_rng_below(rng, 2) && g->count[k] > 2 ? -1 : 1));
		return "replace_count";
	}
	if (g->n > 1 && vla_rng_below(rng, 2))
		return swap_word(&g->desc[0], &g->desc[1], rng);
	return replace_word(w, &g->desc[k], rng);
}

static const char *spoil_relation(const vla_world *w, vla_fact *g, vla_rng *rng)
{
	vla_desc d = g->desc[0];
	switch (vla_rng_below(rng, 4)) {
	case 0:
		g->relation = g->relation < VLA_INSIDE ? g->relation ^ 1 : VLA_FRONT + VLA_BEHIND - g->relation;
		return g->relation < VLA_RELATIONS && g->relation != VLA_INSIDE ? "replace_relation" : NULL;
	case 1:
		g->desc[0] = g->desc[1];
		g->desc[1] = d;
		return "swap_objects";
	case 2: return swap_word(&g->desc[0], &g->desc[1], rng);
	default: return replace_word(w, &g->desc[vla_rng_below(rng, 2)], rng);
	}
}

bool vla_fact_spoil(const vla_world *w, const vla_scene *s, const vla_fact *f, vla_rng *rng, vla_fact *out,
		    const char **kind)
{
	for (int tries = 0; tries < 12; tries++) {
		vla_fact g = *f;
		if (f->kind == VLA_FACT_RELATION) {
			*kind = spoil_relation(w, &g, rng);
		} else if (f->kind == VLA_FACT_CELL && vla_rng_below(rng, 2)) {
			g.cell = (uint8_t)vla_rng_below(rng, VLA_CELLS);
			*kind = "replace_position";
		} else if (f->kind == VLA_FACT_LIST || f->kind == VLA_FACT_CELL) {
			*kind = spoil_list(w, &g, rng);
		} else {
			return false;
		}
		if (*kind && vla_fact_holds(&g, s) == VLA_FALSE) {
			*out = g;
			return true;
		}
	}
	return false;
}

// Says both facts with the same draws, so that they differ in what was changed alone.
static void tell_pair(vla_teller *t, const vla_fact *right, const vla_fact *wrong)
{
	vla_rng before = t->rng;
	vla_json_text(t->j, "caption", vla_tell(t, VLA_EN, right));
	vla_json_text(t->j, "caption_zh", vla_tell(t, VLA_ZH, right));
	t->rng = before;
	vla_json_text(t->j, "negative", vla_tell(t, VLA_EN, wrong));
	vla_json_text(t->j, "negative_zh", vla_tell(t, VLA_ZH, wrong));
}

static void one_negation(vla_teller *t, const vla_fact *f)
{
	enum vla_truth v = vla_fact_holds(f, t->s);
	if (v == VLA_UNCLEAR)
		return;
	vla_json_open(t->j, NULL, '{');
	vla_tell_fact(t, "text", f);
	vla_json_bool(t->j, "truth", v == VLA_TRUE);
	vla_json_close(t->j, '}');
}

static void negations(vla_teller *t)
{
	const vla_scene *s = t->s;
	vla_fact f = { .kind = VLA_FACT_NONE, .n = 1 };
	f.desc[0] = vla_desc_draw(&t->rng, &s->thing[vla_rng_below(&t->rng, s->n)]);
	one_negation(t, &f);
	for (int tries = 0; tries < 20; tries++) {
		f.desc[0] = vla_desc_of(&s->thing[vla_rng_below(&t->rng, s->n)], M_SHAPE | M_COLOUR);
		(void)replace_word(t->w, &f.desc[0], &t->rng);
		if (vla_fact_holds(&f, s) == VLA_TRUE)
			break;
	}
	one_negation(t, &f);
	for (int truth = 0; truth < 2; truth++) {
		uint32_t i = (uint32_t)vla_rng_below(&t->rng, s->n);
		f = (vla_fact){ .kind = VLA_FACT_ATTRIBUTE, .n = 1, .negated = true, .factor = VLA_COLOUR };
		f.value = s->thing[i].is[VLA_COLOUR];
		if (truth)
			f.value = (uint8_t)((f.value + 1 + vla_rng_below(&t->rng, t->w->level.colours - 1u)) %
					    t->w->level.colours);
		if (vla_desc_unique(s, i, &f.desc[0]) && !(f.desc[0].mask & M_COLOUR))
			one_negation(t, &f);
	}
	if (t->caption[1].kind == VLA_FACT_RELATION) {
		f = t->caption[1];
		f.negated = true;
		one_negation(t, &f);
		f.relation = f.relation < VLA_INSIDE ? f.relation ^ 1 : f.relation;
		one_negation(t, &f);
	}
}

void vla_tell_negatives(vla_teller *t)
{
	vla_json_open(t->j, "negatives", '[');
	for (int i = 0; i < VLA_CAPTIONS; i++) {
		vla_fact f = t->caption[i], g;
		const char *kind, *last = NULL;
		for (int k = 0; k < 2; k++) {
			if (!vla_fact_spoil(t->w, t->s, &f, &t->rng, &g, &kind) || kind == last)
				continue;
			last = kind;
			vla_json_open(t->j, NULL, '{');
			vla_json_text(t->j, "kind", kind);
			tell_pair(t, &f, &g);
			vla_json_close(t->j, '}');
		}
	}
	vla_json_close(t->j, ']');
	vla_json_open(t->j, "negations", '[');
	negations(t);
	vla_json_close(t->j, ']');
}
