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

static vla_status read_all(vla_probe *p, vla_tally *t, vla_err *err)
{
	vla_status s = VLA_OK;
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(p, p->o->input[i], NULL, &r, err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
			vla_choice c = { 0 };
			vla_err why = VLA_ERR_INIT;
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
					     { NULL, NULL, NULL } };
const vla_probe_kind vla_probe_choice = { "choice", "right texts against hard negatives", run_choice, choice_keys };

/* --- two pictures, two texts --- */

struct contrast {
	vla_tally tally; // for its scorer
	vla_choice item[2];
	double n, text, image, both;
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

static vla_status read_contrast(const vla_rows *r, vla_choice item[2], vla_err *err)
{
	const char *image[2] = { side(r, "image", 0), side(r, "image", 1) };
	const char *caption[2] = { side(r, "caption", 0), side(r, "caption", 1) };
	if (!image[0] || !image[1] || !caption[0] || !caption[1])
		return vla_fail(err, VLA_EFORMAT, "image_0, image_1, caption_0 and caption_1 are not all there");
	for (int i = 0; i < 2; i++) {
		item[i].image = vla_rows_path(r, image[i]);
		item[i].option = vla_zalloc(2, sizeof *item[i].option);
		item[i].score = vla_zalloc(2, sizeof *item[i].score);
		if (!item[i].image || !item[i].option || !item[i].score)
			return vla_nomem(err);
		item[i].n = 2;
		for (int k = 0; k < 2; k++)
			if (!(item[i].option[k] = vla_strdup(caption[k])))
				return vla_nomem(err);
	}
	return VLA_OK;
}

static void count_contrast(struct contrast *c, vla_rows *r, const vla_choice item[2])
{
	const double *a = item[0].score, *b = item[1].score;
	char id[32];
	if (item[0].lost || item[1].lost)
		return;
	bool text = a[0] > a[1] && b[1] > b[0], image = a[0] > b[0] && b[1] > a[1];
	c->n++;
	c->text += text;
	c->image += image;
	c->both += text && image;
	snprintf(id, sizeof id, "%zu", vla_rows_line(r));
	vla_item(c->tally.p, id, "both", text && image);
}

static vla_status contrast_table(vla_probe *p, const char *path, struct contrast *c, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(p, path, NULL, &r, err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		vla_choice item[2] = { 0 };
		vla_err why = VLA_ERR_INIT;
		s = read_contrast(&r, item, &why);
		if (s == VLA_OK)
			s = c->tally.scorer.score(&c->tally.scorer, item, 2, err);
		else if (s == VLA_ENOMEM)
			s = vla_nomem(err);
		else
			vla_rows_warn(&r, "%s", why.msg);
		if (s == VLA_OK)
			count_contrast(c, &r, item);
		s = s == VLA_EFORMAT ? VLA_OK : s;
		vla_choice_release(&item[0]);
		vla_choice_release(&item[1]);
	}
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
	if (s == VLA_OK && c->n == 0)
		s = vla_fail(err, VLA_EINVAL, "no pair of pictures could be measured");
	if (s == VLA_OK)
		s = vla_emit(p, "all", "text", vla_wilson(c->text, c->n), c->n, err);
	if (s == VLA_OK)
		s = vla_emit(p, "all", "image", vla_wilson(c->image, c->n), c->n, err);
	if (s == VLA_OK)
		s = vla_emit(p, "all", "both", vla_wilson(c->both, c->n), c->n, err);
	vla_tally_close(&c->tally);
	free(c);
	return s;
}

const vla_probe_kind vla_probe_contrast = { "contrast", "two pictures and two texts that differ in one fact",
					    run_contrast, choice_keys };
