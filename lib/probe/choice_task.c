/* Items from tables: a text against hard negatives (SugarCrepe, VL-CheckList), options with scores of any program, and
 * pairs of pictures with pairs of texts (Winoground). */
#include "probe/choice.h"

#include "io/json.h"

#include <math.h>

static vla_status take_scores(const char *cell, vla_choice *c, vla_err *err)
{
	json_t *a;
	VLA_TRY(vla_json_parse(cell, strlen(cell), 0, &a, err));
	vla_status s = VLA_OK;
	if (!json_is_array(a) || json_array_size(a) != c->n)
		s = vla_fail(err, VLA_EFORMAT, "scores are not one for each option");
	if (s == VLA_OK && !(c->score = vla_zalloc(c->n, sizeof *c->score)))
		s = vla_nomem(err);
	for (size_t i = 0; i < c->n && s == VLA_OK; i++) {
		c->score[i] = json_number_value(json_array_get(a, i));
		if (!json_is_number(json_array_get(a, i)))
			s = vla_fail(err, VLA_EFORMAT, "a score is no number");
	}
	json_decref(a);
	return s;
}

// "2", or a list of numbers of options.
static vla_status take_gold(const char *cell, vla_choice *c, vla_err *err)
{
	json_t *a = NULL;
	double v;
	if (vla_number(cell, &v))
		a = json_pack("[f]", v);
	else if (vla_json_parse(cell, strlen(cell), 0, &a, err) != VLA_OK)
		return VLA_EFORMAT;
	vla_status s = json_is_array(a) ? VLA_OK : vla_fail(err, VLA_EFORMAT, "gold is no list of numbers");
	for (size_t i = 0; s == VLA_OK && i < json_array_size(a); i++) {
		double k = json_number_value(json_array_get(a, i));
		if (k < 0 || k >= (double)c->n || k != floor(k))
			s = vla_fail(err, VLA_EFORMAT, "gold %g is no option", k);
		else
			c->gold |= (uint64_t)1 << (size_t)k;
	}
	json_decref(a);
	return s;
}

static vla_status take_options(const vla_rows *r, vla_choice *c, vla_err *err)
{
	const char *options = vla_rows_get(r, "options"), *gold = vla_rows_get(r, "gold"),
		   *scores = vla_rows_get(r, "scores");
	if (options) {
		VLA_TRY(vla_texts_of(options, &c->option, &c->n, err));
		if (c->n < 2 || c->n > VLA_MAX_OPTIONS)
			return vla_fail(err, VLA_EFORMAT, "%zu options are not between 2 and %d", c->n,
					VLA_MAX_OPTIONS);
		VLA_TRY(take_gold(gold ? gold : "0", c, err));
		return scores ? take_scores(scores, c, err) : VLA_OK;
	}
	const char *yes = vla_rows_get(r, "positive"), *no = vla_rows_get(r, "negative");
	if (!yes || !no)
		return vla_fail(err, VLA_EFORMAT, "no options, and no pair of texts");
	char **wrong;
	size_t n;
	VLA_TRY(vla_texts_of(no, &wrong, &n, err));
	c->option = vla_zalloc(n + 1, sizeof *c->option);
	if (c->option && (c->option[0] = vla_strdup(yes))) {
		for (size_t i = 0; i < n; i++)
			c->option[i + 1] = wrong[i];
		free(wrong);
		c->n = n + 1;
		c->gold = 1;
		return n && n < VLA_MAX_OPTIONS ? VLA_OK : vla_fail(err, VLA_EFORMAT, "%zu negatives", n);
	}
	vla_texts_free(wrong, n);
	return vla_nomem(err);
}

// VLA_EFORMAT for a row to be left out.
static vla_status read_item(const vla_rows *r, vla_choice *c, vla_err *err)
{
	const char *image = vla_rows_get(r, "image"), *group = vla_rows_get(r, "group"), *id = vla_rows_get(r, "id");
	c->image = image ? vla_rows_path(r, image) : vla_strdup("");
	c->group = vla_strdup(group ? group : "all");
	c->id = id && image && strcmp(id, image) != 0 ? vla_strdup(id) : vla_format("%zu", vla_rows_line(r));
	if (!c->image || !c->group || !c->id)
		return vla_nomem(err);
	if (!vla_rows_box(r, "", c->box))
		memset(c->box, 0, sizeof c->box);
	VLA_TRY(take_options(r, c, err));
	if (!image && !c->score && !*vla_get(r->p, "blind"))
		return vla_fail(err, VLA_EFORMAT, "no picture");
	return VLA_OK;
}

// A scene's own list of true captions beside false ones, vla-manifest(5): an item each, by kind.
static vla_status add_negatives(vla_tally *t, const vla_rows *r, const char *cell, vla_err *err)
{
	const char *suffix = vla_get(t->p, "suffix"), *image = vla_rows_get(r, "image");
	char caption[64], negative[64];
	json_t *list, *one;
	size_t i;
	snprintf(caption, sizeof caption, "caption%s", suffix);
	snprintf(negative, sizeof negative, "negative%s", suffix);
	VLA_TRY(vla_json_parse(cell, strlen(cell), 0, &list, err));
	vla_status s = VLA_OK;
	json_array_foreach(list, i, one)
	{
		const char *yes = json_string_value(json_object_get(one, caption));
		const char *no = json_string_value(json_object_get(one, negative));
		const char *kind = json_string_value(json_object_get(one, "kind"));
		if (s != VLA_OK || !yes || !no)
			continue;
		vla_choice c = { .n = 2, .gold = 1 };
		c.image = image ? vla_rows_path(r, image) : vla_strdup("");
		c.group = vla_strdup(kind ? kind : "negatives");
		c.id = vla_format("%zu.%zu", vla_rows_line(r), i);
		c.option = vla_zalloc(2, sizeof *c.option);
		if (c.option) {
			c.option[0] = vla_strdup(yes);
			c.option[1] = vla_strdup(no);
		}
		bool whole = c.image && c.group && c.id && c.option && c.option[0] && c.option[1];
		s = whole ? vla_tally_put(t, &c, err) : vla_nomem(err);
		if (!c.option)
			c.n = 0;
		vla_choice_release(&c);
	}
	json_decref(list);
	return s;
}

static vla_status read_all(vla_probe *p, vla_tally *t, vla_err *err)
{
	vla_status s = VLA_OK;
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(p, p->o->input[i], NULL, &r, err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
			vla_choice c = { 0 };
			vla_err why = VLA_ERR_INIT;
			const char *list = vla_table_get(r.t, "negatives");
			if (list && strncmp(list, "[{", 2) == 0) {
				s = add_negatives(t, &r, list, err);
				continue;
			}
			s = read_item(&r, &c, &why);
			if (s == VLA_OK) {
				s = vla_tally_put(t, &c, err);
				continue;
			}
			vla_choice_release(&c);
			if (s == VLA_ENOMEM) {
				s = vla_nomem(err);
				break;
			}
			vla_rows_warn(&r, "%s", why.msg);
			s = VLA_OK;
		}
		s = s == VLA_EOF ? VLA_OK : s;
		vla_rows_close(&r);
	}
	return s;
}

static vla_status run_choice(vla_probe *p, vla_err *err)
{
	if (p->o->inputs == 0)
		return vla_fail(err, VLA_EINVAL, "task choice needs a table of items");
	vla_tally *t = vla_alloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	vla_status s = vla_tally_open(p, t, err);
	if (s == VLA_OK)
		s = read_all(p, t, err);
	if (s == VLA_OK)
		s = vla_tally_flush(t, err);
	if (s == VLA_OK && t->groups == 0)
		s = vla_fail(err, VLA_EINVAL, "no item could be measured");
	if (s == VLA_OK)
		s = vla_tally_emit(t, NULL, err);
	vla_tally_close(t);
	free(t);
	return s;
}

static const vla_probe_key choice_keys[] = { { "blind", "", "text file: score by a language model of its words" },
					     { "suffix", "", "of the texts' fields in a manifest: _zh" },
					     { NULL, NULL, NULL } };
const vla_probe_kind vla_probe_choice = { "choice", "right texts against hard negatives", run_choice, choice_keys };

/* --- two pictures, two texts --- */

enum { MAX_KINDS = 32 };

struct kind {
	char *name;
	double n, text, image, both;
};

struct contrast {
	vla_tally tally;             // for its scorer
	struct kind kind[MAX_KINDS]; // the first: all
	size_t kinds;
};

static const char *side(const vla_rows *r, const char *role, int i)
{
	char name[32];
	snprintf(name, sizeof name, "%s_%d", role, i);
	const char *s = vla_rows_get(r, name);
	if (s)
		return s;
	snprintf(name, sizeof name, "%s%d", role, i);
	return vla_rows_get(r, name);
}

struct pair {
	const char *image[2], *caption[2], *kind;
	json_t *object;
};

// Columns image_0 and so on, or a scene's contrast, vla-manifest(5), which may have no picture.
static vla_status find_pair(const vla_rows *r, struct pair *p, vla_err *err)
{
	const char *cell = vla_table_get(r->t, "contrast"), *suffix = vla_get(r->p, "suffix");
	char name[2][64];
	if (!cell || cell[0] != '{') {
		for (int i = 0; i < 2; i++) {
			p->image[i] = side(r, "image", i);
			p->caption[i] = side(r, "caption", i);
		}
		p->kind = vla_rows_get(r, "group");
		return VLA_OK;
	}
	VLA_TRY(vla_json_parse(cell, strlen(cell), 0, &p->object, err));
	snprintf(name[0], sizeof name[0], "caption%s", suffix);
	snprintf(name[1], sizeof name[1], "contrast_caption%s", suffix);
	p->image[0] = vla_rows_get(r, "image");
	p->image[1] = json_string_value(json_object_get(p->object, "image"));
	for (int i = 0; i < 2; i++)
		p->caption[i] = json_string_value(json_object_get(p->object, name[i]));
	p->kind = json_string_value(json_object_get(p->object, "differs"));
	return VLA_OK;
}

static vla_status read_contrast(const vla_rows *r, const struct pair *p, vla_choice item[2], vla_err *err)
{
	if (!p->image[0] || !p->image[1] || !p->caption[0] || !p->caption[1])
		return vla_fail(err, VLA_EFORMAT, "image_0, image_1, caption_0 and caption_1 are not all there");
	for (int i = 0; i < 2; i++) {
		item[i].image = vla_rows_path(r, p->image[i]);
		item[i].option = vla_zalloc(2, sizeof *item[i].option);
		item[i].score = vla_zalloc(2, sizeof *item[i].score);
		if (!item[i].image || !item[i].option || !item[i].score)
			return vla_nomem(err);
		item[i].n = 2;
		for (int k = 0; k < 2; k++)
			if (!(item[i].option[k] = vla_strdup(p->caption[k])))
				return vla_nomem(err);
	}
	return VLA_OK;
}

static vla_status kind_of(struct contrast *c, const char *name, struct kind **out, vla_err *err)
{
	for (size_t i = 0; i < c->kinds; i++)
		if (strcmp(c->kind[i].name, name) == 0) {
			*out = &c->kind[i];
			return VLA_OK;
		}
	if (c->kinds == MAX_KINDS)
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %d kinds of pairs", MAX_KINDS);
	*out = &c->kind[c->kinds];
	**out = (struct kind){ .name = vla_strdup(name) };
	if (!(*out)->name)
		return vla_nomem(err);
	c->kinds++;
	return VLA_OK;
}

static vla_status count_contrast(struct contrast *c, vla_rows *r, const char *name, const vla_choice item[2],
				 vla_err *err)
{
	const double *a = item[0].score, *b = item[1].score;
	struct kind *k[2];
	char id[32];
	if (item[0].lost || item[1].lost)
		return VLA_OK;
	bool text = a[0] > a[1] && b[1] > b[0], image = a[0] > b[0] && b[1] > a[1];
	VLA_TRY(kind_of(c, "all", &k[0], err));
	VLA_TRY(kind_of(c, name ? name : "all", &k[1], err));
	for (int i = 0; i < (k[0] == k[1] ? 1 : 2); i++) {
		k[i]->n++;
		k[i]->text += text;
		k[i]->image += image;
		k[i]->both += text && image;
	}
	snprintf(id, sizeof id, "%zu", vla_rows_line(r));
	vla_item(c->tally.p, id, "both", text && image);
	return VLA_OK;
}

static vla_status contrast_row(struct contrast *c, vla_rows *r, vla_err *err)
{
	vla_choice item[2] = { 0 };
	struct pair pair = { 0 };
	vla_err why = VLA_ERR_INIT;
	vla_status s = find_pair(r, &pair, &why);
	if (s == VLA_OK && pair.object && !pair.image[1]) {
		json_decref(pair.object);
		return VLA_OK;
	}
	if (s == VLA_OK)
		s = read_contrast(r, &pair, item, &why);
	if (s == VLA_OK) {
		s = c->tally.scorer.score(&c->tally.scorer, item, 2, err);
		if (s == VLA_OK)
			s = count_contrast(c, r, pair.kind, item, err);
	} else if (s == VLA_ENOMEM) {
		s = vla_nomem(err);
	} else {
		vla_rows_warn(r, "%s", why.msg);
		s = VLA_OK;
	}
	vla_choice_release(&item[0]);
	vla_choice_release(&item[1]);
	json_decref(pair.object);
	return s;
}

static vla_status contrast_table(vla_probe *p, const char *path, struct contrast *c, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(p, path, NULL, &r, err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
		s = contrast_row(c, &r, err);
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status run_contrast(vla_probe *p, vla_err *err)
{
	struct contrast *c = vla_zalloc(1, sizeof *c);
	if (!c)
		return vla_nomem(err);
	vla_status s = vla_tally_open(p, &c->tally, err);
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++)
		s = contrast_table(p, p->o->input[i], c, err);
	if (s == VLA_OK && c->kinds == 0)
		s = vla_fail(err, VLA_EINVAL, "no pair of pictures could be measured");
	for (size_t i = 0; i < c->kinds; i++) {
		const struct kind *k = &c->kind[i];
		if (s == VLA_OK)
			s = vla_emit(p, k->name, "text", vla_wilson(k->text, k->n), k->n, err);
		if (s == VLA_OK)
			s = vla_emit(p, k->name, "image", vla_wilson(k->image, k->n), k->n, err);
		if (s == VLA_OK)
			s = vla_emit(p, k->name, "both", vla_wilson(k->both, k->n), k->n, err);
		free(k->name);
	}
	vla_tally_close(&c->tally);
	free(c);
	return s;
}

const vla_probe_kind vla_probe_contrast = { "contrast", "two pictures and two texts that differ in one fact",
					    run_contrast, choice_keys };
