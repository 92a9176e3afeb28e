/* A scene as an item: the picture, its row, and what was asked for beside them. */
#include "world/render.h"
#include "world/tell.h"

#include "io/rle.h"

enum { REGION_NEGATIVES = 4, M_ALL = (1 << VLA_CLASS) - 1 };

static const char *name_of(enum vla_factor f, unsigned value)
{
	size_t n;
	return vla_words(f, &n)[value].name;
}

static void put_box(vla_json_out *j, const char *key, vla_box b)
{
	vla_json_numbers(j, key, (double[]){ b.x, b.y, b.w, b.h }, 4, 0);
}

static vla_status put_mask(vla_json_out *j, const uint8_t *owner, uint32_t side, uint8_t value, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status s = vla_rle_encode(owner, side, side, value, &b, err);
	if (s == VLA_OK)
		s = vla_buf_add(&b, "", 1, err);
	if (s == VLA_OK) {
		vla_json_open(j, "mask", '{');
		vla_json_numbers(j, "size", (double[]){ side, side }, 2, 0);
		vla_json_text(j, "counts", b.data);
		vla_json_close(j, '}');
	}
	vla_buf_release(&b);
	return s;
}

static vla_status put_object(vla_teller *t, uint32_t i, const uint8_t *owner, uint32_t side, vla_err *err)
{
	const vla_thing *o = &t->s->thing[i];
	vla_json_out *j = t->j;
	vla_box box = vla_label_box(owner, side, side, (uint8_t)(i + 1));
	int cell = vla_thing_cell(o);
	vla_json_open(j, NULL, '{');
	vla_json_int(j, "id", i);
	for (int f = 0; f < VLA_CLASS; f++)
		vla_json_text(j, vla_factor_name((enum vla_factor)f), name_of((enum vla_factor)f, o->is[f]));
	if (o->is[VLA_CLASS])
		vla_json_text(j, "class", t->w->cls[o->is[VLA_CLASS] - 1].en);
	vla_json_text(j, "position", cell < 0 ? NULL : name_of(VLA_CELL, (unsigned)cell));
	put_box(j, "box", box);
	vla_json_int(j, "area", box.area);
	vla_json_numbers(j, "center", (double[]){ o->x, o->y }, 2, 5);
	vla_json_number(j, "radius", o->r, 4);
	vla_json_number(j, "depth", o->depth, 3);
	vla_json_number(j, "visible", o->visible, 3);
	vla_status s = put_mask(j, owner, side, (uint8_t)(i + 1), err);
	vla_json_close(j, '}');
	return s;
}

static void put_relations(vla_teller *t, const char *key, const uint8_t bits[VLA_MAX_OBJECTS][VLA_MAX_OBJECTS])
{
	vla_json_open(t->j, key, '[');
	for (uint32_t i = 0; i < t->s->n; i++)
		for (uint32_t k = 0; k < t->s->n; k++)
			for (unsigned r = 0; r < VLA_RELATIONS; r++) {
				if (!(bits[i][k] >> r & 1))
					continue;
				vla_json_open(t->j, NULL, '[');
				vla_json_int(t->j, NULL, i);
				vla_json_text(t->j, NULL, name_of(VLA_RELATION, r));
				vla_json_int(t->j, NULL, k);
				vla_json_close(t->j, ']');
			}
	vla_json_close(t->j, ']');
}

// Phrases that fit another object than i, or none.
static void put_wrong_phrases(vla_teller *t, uint32_t i, const vla_desc *d)
{
	vla_text *x = &t->text;
	for (int lang = 0; lang < VLA_LANGUAGES; lang++) {
		vla_rng rng = t->rng;
		vla_json_open(t->j, lang ? "negatives_zh" : "negatives", '[');
		for (int k = 0, tries = 0; k < REGION_NEGATIVES && tries < 30; tries++) {
			vla_desc e = *d;
			unsigned f = (unsigned)vla_rng_below(&rng, VLA_CLASS);
			unsigned n[] = { t->w->level.shapes, t->w->level.colours, VLA_TEXTURES, VLA_MATERIALS,
					 VLA_SIZES };
			e.is[f] = (uint8_t)vla_rng_below(&rng, n[f]);
			if (!(e.mask >> f & 1) || vla_desc_fits(&e, &t->s->thing[i]))
				continue;
			vla_rng words = t->rng; // the same wordings in every phrase
			x->rng = &words;
			vla_json_text(t->j, NULL, vla_tell_desc(t, (enum vla_language)lang, &e, VLA_ARTICLE_NONE));
			x->rng = &t->rng;
			k++;
		}
		vla_json_close(t->j, ']');
	}
}

static bool phrase_by_relation(const vla_scene *s, uint32_t i, vla_fact *f)
{
	for (uint32_t j = 0; j < s->n; j++)
		for (unsigned r = 0; r < VLA_RELATIONS; r++) {
			vla_desc b;
			if (i == j || !(s->relation[i][j] >> r & 1) || !vla_desc_unique(s, j, &b))
				continue;
			vla_desc a = vla_desc_of(&s->thing[i], 1 << VLA_SHAPE | 1 << VLA_COLOUR);
			unsigned others = 0;
			for (uint32_t k = 0; k < s->n; k++)
				others += k != i && k != j && vla_desc_fits(&a, &s->thing[k]) &&
					  (s->relation[k][j] | s->unclear[k][j]) >> r & 1;
			if (others)
				continue;
			*f = (vla_fact){ .kind = VLA_FACT_RELATION, .n = 2, .relation = (uint8_t)r };
			f->desc[0] = a;
			f->desc[1] = b;
			return true;
		}
	return false;
}

static void put_region(vla_teller *t, uint32_t i, vla_box box)
{
	vla_desc d, full = vla_desc_of(&t->s->thing[i], M_ALL);
	vla_fact f;
	vla_text *x = &t->text;
	bool unique = vla_desc_unique(t->s, i, &d), related = !unique && phrase_by_relation(t->s, i, &f);
	if (!unique && !related)
		return;
	vla_json_open(t->j, NULL, '{');
	vla_json_int(t->j, "object", i);
	put_box(t->j, "box", box);
	if (unique) {
		vla_json_text(t->j, "phrase", vla_tell_desc(t, VLA_EN, &d, VLA_ARTICLE_NONE));
		vla_json_text(t->j, "phrase_zh", vla_tell_desc(t, VLA_ZH, &d, VLA_ARTICLE_NONE));
	} else {
		char en[300];
		size_t n;
		const vla_word *w = &vla_words(VLA_RELATION, &n)[f.relation];
		snprintf(en, sizeof en, "%s %s ", vla_tell_desc(t, VLA_EN, &f.desc[0], VLA_ARTICLE_NONE), w->en[0]);
		size_t k = strlen(en);
		snprintf(en + k, sizeof en - k, "%s", vla_tell_desc(t, VLA_EN, &f.desc[1], VLA_ARTICLE_THE));
		vla_json_text(t->j, "phrase", en);
		vla_text_reset(x, VLA_ZH);
		vla_say_desc(x, &f.desc[1], 0, VLA_ARTICLE_NONE);
		vla_text_add(x, "的");
		vla_text_add(x, w->zh[0]);
		vla_text_add(x, "的");
		vla_say_desc(x, &f.desc[0], 0, VLA_ARTICLE_NONE);
		vla_json_text(t->j, "phrase_zh", vla_text_get(x));
	}
	for (int k = 0; k < VLA_CLASS; k++)
		if (vla_word_plain((enum vla_factor)k, full.is[k]))
			full.mask &= (uint8_t) ~(1 << k);
	vla_rng before = t->rng;
	vla_json_text(t->j, "full", vla_tell_desc(t, VLA_EN, &full, VLA_ARTICLE_NONE));
	t->rng = before;
	vla_json_text(t->j, "full_zh", vla_tell_desc(t, VLA_ZH, &full, VLA_ARTICLE_NONE));
	t->rng = before;
	put_wrong_phrases(t, i, &full);
	t->rng = before;
	(void)vla_rng_u64(&t->rng);
	vla_json_close(t->j, '}');
}

static void put_contrast(vla_teller *t, const vla_contrast *c, const char *image)
{
	vla_json_open(t->j, "contrast", '{');
	vla_json_text(t->j, "image", image);
	vla_json_text(t->j, "differs", c->what);
	vla_json_int(t->j, "object", c->object);
	vla_rng before = t->rng;
	vla_json_text(t->j, "caption", vla_tell(t, VLA_EN, &c->fact[0]));
	vla_json_text(t->j, "caption_zh", vla_tell(t, VLA_ZH, &c->fact[0]));
	t->rng = before;
	vla_json_text(t->j, "contrast_caption", vla_tell(t, VLA_EN, &c->fact[1]));
	vla_json_text(t->j, "contrast_caption_zh", vla_tell(t, VLA_ZH, &c->fact[1]));
	vla_json_close(t->j, '}');
}

static void put_head(vla_teller *t, uint64_t i, const char *image, const uint8_t *owner, uint32_t side)
{
	vla_json_out *j = t->j;
	const vla_scene *s = t->s;
	char id[40];
	uint32_t main = 0, most = 0;
	for (uint32_t k = 0; k < s->n; k++) {
		uint32_t area = vla_label_box(owner, side, side, (uint8_t)(k + 1)).area;
		if (area > most) {
			most = area;
			main = k;
		}
	}
	const vla_thing *o = &s->thing[main];
	snprintf(id, sizeof id, "scene-%09llu", (unsigned long long)i);
	vla_json_open(j, NULL, '{');
	vla_json_text(j, "id", id);
	vla_json_text(j, "kind", "scene");
	vla_json_text(j, "split", vla_world_split_name(vla_world_split(t->w, i)));
	vla_json_text(j, "image", image);
	vla_json_int(j, "width", side);
	vla_json_int(j, "height", side);
	vla_json_int(j, "level", t->w->opts.level);
	vla_json_int(j, "count", s->n);
	for (int f = 0; f < VLA_CLASS; f++)
		vla_json_text(j, vla_factor_name((enum vla_factor)f), name_of((enum vla_factor)f, o->is[f]));
	if (t->w->opts.classes)
		vla_json_text(j, "name", o->is[VLA_CLASS] ? t->w->cls[o->is[VLA_CLASS] - 1].en : NULL);
	vla_json_int(j, "main", main);
}

static vla_status put_row(vla_teller *t, uint64_t i, const uint8_t *owner, const vla_contrast *c, const char *image,
			  const char *second, vla_err *err)
{
	uint32_t side = t->w->opts.size;
	vla_json_out *j = t->j;
	const vla_scene *s = t->s;
	put_head(t, i, image, owner, side);
	vla_tell_captions(t);
	vla_json_open(j, "background", '{');
	vla_json_text(j, "colour", name_of(VLA_COLOUR, s->colour));
	vla_json_text(j, "texture", name_of(VLA_TEXTURE, s->texture));
	vla_json_close(j, '}');
	vla_json_open(j, "objects", '[');
	vla_status status = VLA_OK;
	for (uint32_t k = 0; k < s->n && status == VLA_OK; k++)
		status = put_object(t, k, owner, side, err);
	VLA_TRY(status);
	vla_json_close(j, ']');
	put_relations(t, "relations", s->relation);
	put_relations(t, "unclear", s->unclear);
	vla_json_open(j, "regions", '[');
	for (uint32_t k = 0; k < s->n; k++)
		put_region(t, k, vla_label_box(owner, side, side, (uint8_t)(k + 1)));
	vla_json_close(j, ']');
	vla_tell_questions(t);
	vla_tell_negatives(t);
	put_contrast(t, c, t->w->opts.with & VLA_WORLD_CONTRAST ? second : NULL);
	if (t->w->opts.with & VLA_WORLD_MASKS) {
		char name[VLA_ITEM_NAME];
		vla_item_name(name, sizeof name, "masks", i, ".png");
		vla_json_text(j, "mask", name);
	}
	if (t->w->opts.with & VLA_WORLD_DEPTH) {
		char name[VLA_ITEM_NAME];
		vla_item_name(name, sizeof name, "depth", i, ".png");
		vla_json_text(j, "depth", name);
	}
	vla_json_close(j, '}');
	return j->status == VLA_OK && t->text.status == VLA_OK ? VLA_OK : vla_nomem(err);
}

static vla_status add_pictures(const vla_world *w, uint64_t i, const vla_scene *s, const vla_contrast *c,
			       uint8_t *owner, const char *second, vla_image *im, vla_world_item *out, vla_err *err)
{
	char name[VLA_ITEM_NAME];
	uint32_t side = w->opts.size;
	if (w->opts.with & VLA_WORLD_MASKS) {
		VLA_TRY(vla_image_reserve(im, side, side, 1, err));
		memcpy(im->data, owner, (size_t)side * side);
		vla_item_name(name, sizeof name, "masks", i, ".png");
		VLA_TRY(vla_item_picture(out, name, im, err));
	}
	if (w->opts.with & VLA_WORLD_DEPTH) {
		VLA_TRY(vla_scene_depth(s, side, owner, im, err));
		vla_item_name(name, sizeof name, "depth", i, ".png");
		VLA_TRY(vla_item_picture(out, name, im, err));
	}
	if (w->opts.with & VLA_WORLD_CONTRAST) {
		VLA_TRY(vla_scene_render(&c->scene, side, im, NULL, err));
		VLA_TRY(vla_item_picture(out, second, im, err));
	}
	return VLA_OK;
}

vla_status vla_scene_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	char image[VLA_ITEM_NAME], second[VLA_ITEM_NAME];
	vla_scene s;
	vla_contrast c = { .what = "" };
	vla_image im = VLA_IMAGE_INIT;
	vla_json_out j = { { NULL, 0, 0 }, VLA_OK, false };
	vla_teller t = { .w = w, .s = &s, .j = &j };
	uint8_t *owner = NULL;
	vla_item_name(image, sizeof image, "images", i, ".png");
	vla_item_name(second, sizeof second, "contrast", i, ".png");
	t.text.w = w;
	t.text.rng = &t.rng;
	vla_rng_seed(&t.rng, w->opts.seed ^ 0x7e11u, i);
	vla_status status = vla_scene_make(w, i, &s, &c, err);
	if (status == VLA_OK && !(owner = vla_alloc(w->opts.size, w->opts.size)))
		status = vla_nomem(err);
	if (status == VLA_OK)
		status = vla_scene_render(&s, w->opts.size, &im, owner, err);
	if (status == VLA_OK)
		status = vla_item_picture(out, image, &im, err);
	if (status == VLA_OK)
		status = add_pictures(w, i, &s, &c, owner, second, &im, out, err);
	if (status == VLA_OK)
		status = put_row(&t, i, owner, &c, image, second, err);
	if (status == VLA_OK)
		status = vla_item_row(out, &j, err);
	free(owner);
	vla_image_release(&im);
	vla_buf_release(&j.b);
	vla_buf_release(&t.text.b);
	return status;
}
