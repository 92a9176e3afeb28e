/* Which of several texts that differ in syntax, negation, ownership of attributes or relation a model prefers (SNARE,
 * Wang et al. 2023). Items are made of captions (with tags of parts of speech, or guessed ones), of pairs of objects
 * with attributes, and of relations. mode=as-released repeats the published code's choices: shuffles that change
 * nothing stay in, relations are replaced as substrings, ties go to one side. mode=fixed repairs them. */
#include "probe/choice.h"
#include "probe/tagger.h"

#include "io/json.h"

enum { MAX_WORDS = 200, KEPT_WORDS = 30 };

struct snare {
	vla_probe *p;
	vla_tally *t; // of the shuffles and of the others: ties differ
	vla_tally *other;
	bool released, no_spatial;
	const char *tasks;
	vla_rng rng;
	size_t skipped;
};

static const struct {
	const char *task, *options;
} tasks[] = {
	{ "structure", "original,content shuffled,rest shuffled,all shuffled" },
	{ "negation", "true,negated" },
	{ "ownership", "true,exchanged,separate" },
	{ "relation", "true,exchanged,none" },
};

static const char *option_names(const char *group)
{
	for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
		if (strncmp(group, tasks[i].task, strlen(tasks[i].task)) == 0)
			return tasks[i].options;
	return NULL;
}

static bool wanted(const struct snare *s, const char *task)
{
	size_t n = strlen(task);
	for (const char *at = s->tasks; *at; at += strcspn(at, ","), at += *at == ',')
		if (strncmp(at, task, n) == 0 && (at[n] == 0 || at[n] == ','))
			return true;
	return strcmp(s->tasks, "all") == 0;
}

// An item of that row with room for n options.
static vla_status begin(const vla_rows *r, const char *prefix, const char *group, const char *detail, size_t n,
			vla_choice *c, vla_err *err)
{
	const char *image = vla_rows_get(r, "image");
	*c = (vla_choice){ 0 };
	c->image = image ? vla_rows_path(r, image) : vla_strdup("");
	c->group = vla_strdup(group);
	c->id = vla_format("%s %zu", group, vla_rows_line(r));
	c->option = vla_zalloc(n, sizeof *c->option);
	c->detail = detail ? vla_strdup(detail) : NULL;
	if (!vla_rows_box(r, prefix, c->box))
		memset(c->box, 0, sizeof c->box);
	return (c->detail || !detail) && c->image && c->group && c->id && c->option ? VLA_OK : vla_nomem(err);
}

static vla_status put(struct snare *s, bool shuffles, vla_choice *c, vla_err *err)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->option[i])
			return vla_nomem(err);
	return vla_tally_put(shuffles ? s->t : s->other, c, err);
}

/* --- structure --- */

struct sentence {
	char *word[MAX_WORDS];
	vla_pos pos[MAX_WORDS];
	size_t n;
};

static void split_words(char *text, const char *tags, struct sentence *out)
{
	out->n = 0;
	for (char *p = text; out->n < MAX_WORDS;) {
		p += strspn(p, " \t\n");
		if (!*p)
			break;
		size_t len = strcspn(p, " \t\n");
		out->word[out->n++] = p;
		p += len;
		if (*p)
			*p++ = 0;
	}
	size_t at = 0;
	for (const char *p = tags; p && *p && at < out->n; at++) {
		p += strspn(p, " ,[]\"");
		size_t len = strcspn(p, " ,]\"");
		if (!len)
			break;
		out->pos[at] = vla_pos_parse(p, len);
		p += len;
	}
	for (size_t i = at == out->n ? out->n : 0; i < out->n; i++)
		out->pos[i] = vla_pos_guess(out->word[i]);
}

// Permutes the words of the marked places among themselves.
static void permute(const bool *mark, size_t n, size_t *order, vla_rng *rng)
{
	size_t place[MAX_WORDS], value[MAX_WORDS], k = 0;
	for (size_t i = 0; i < n; i++)
		if (mark[i]) {
			place[k] = i;
			value[k++] = order[i];
		}
	vla_shuffle(k, value, rng);
	for (size_t i = 0; i < k; i++)
		order[place[i]] = value[i];
}

// kind 1: nouns, verbs and adjectives each among themselves; 2: all other words; 3: all words.
static void shuffle_kind(const struct sentence *w, int kind, size_t *order, vla_rng *rng)
{
	bool mark[MAX_WORDS];
	for (size_t i = 0; i < w->n; i++)
		order[i] = i;
	for (int pos = kind == 1 ? VLA_POS_NOUN : VLA_POS_OTHER; pos <= (kind == 1 ? VLA_POS_ADJECTIVE : VLA_POS_OTHER);
	     pos++) {
		for (size_t i = 0; i < w->n; i++)
			mark[i] = kind == 3 || (int)w->pos[i] == pos;
		permute(mark, w->n, order, rng);
	}
}

static bool changed(const struct sentence *w, const size_t *order)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->word[i], w->word[order[i]]) != 0)
			return true;
	return false;
}

// Lower case, without punctuation, one blank between words, at most 30 words.
static char *normal_text(const struct sentence *w, const size_t *order)
{
	vla_buf b = { NULL, 0, 0 };
	size_t words = 0;
	for (size_t i = 0; i < w->n && words < KEPT_WORDS; i++) {
		size_t before = b.n;
		if (b.n && vla_buf_add(&b, " ", 1, NULL) != VLA_OK)
			break;
		size_t start = b.n;
		for (const char *p = w->word[order[i]]; *p; p++) {
			char c = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
			if (!strchr(".!\"()*#:;~", c) && vla_buf_add(&b, &c, 1, NULL) != VLA_OK)
				break;
		}
		if (b.n == start)
			b.n = before;
		else
			words++;
	}
	char *out = vla_strndup(b.data ? b.data : "", b.n);
	vla_buf_release(&b);
	return out;
}

static vla_status add_structure(struct snare *s, const vla_rows *r, const char *caption, vla_err *err)
{
	struct sentence w;
	size_t order[MAX_WORDS];
	vla_choice c;
	char *text = vla_strdup(caption);
	if (!text)
		return vla_nomem(err);
	split_words(text, vla_rows_get(r, "tags"), &w);
	vla_status st = begin(r, "", "structure", NULL, 4, &c, err);
	bool usable = st == VLA_OK && w.n > 1;
	for (int kind = 0; kind < 4 && usable; kind++) {
		for (size_t i = 0; i < w.n; i++)
			order[i] = i;
		for (int tries = 0; kind && tries < (s->released ? 1 : 20); tries++) {
			shuffle_kind(&w, kind, order, &s->rng);
			if (changed(&w, order))
				break;
		}
		usable = s->released || !kind || changed(&w, order);
		c.option[kind] = normal_text(&w, order);
		c.n = (size_t)kind + 1;
	}
	c.gold = 1;
	if (st == VLA_OK && usable)
		st = put(s, true, &c, err);
	else
		s->skipped++;
	vla_choice_release(&c);
	free(text);
	return st;
}

/* --- pairs of objects with attributes --- */

static vla_status add_pair(struct snare *s, const vla_rows *r, const char *prefix, const char *const o[2],
			   const char *const a[2], vla_err *err)
{
	vla_choice c;
	vla_status st = VLA_OK;
	char detail[128];
	snprintf(detail, sizeof detail, "%.60s, %.60s", a[0], a[1]);
	if (!s->released && (strcmp(o[0], o[1]) == 0 || strcmp(a[0], a[1]) == 0)) {
		s->skipped++;
		return VLA_OK;
	}
	if (wanted(s, "negation")) {
		st = begin(r, prefix, "negation", detail, 2, &c, err);
		if (st == VLA_OK) {
			c.option[0] = vla_format("the %s is %s and the %s is %s", o[0], a[0], o[1], a[1]);
			c.option[1] = vla_format("the %s is not %s and the %s is not %s", o[0], a[0], o[1], a[1]);
			c.n = 2;
			c.gold = 1;
			st = put(s, false, &c, err);
		}
		vla_choice_release(&c);
	}
	if (st == VLA_OK && wanted(s, "ownership")) {
		st = begin(r, prefix, "ownership", detail, 3, &c, err);
		if (st == VLA_OK) {
			c.option[0] = vla_format("the %s %s and the %s %s", a[0], o[0], a[1], o[1]);
			c.option[1] = vla_format("the %s %s and the %s %s", a[1], o[0], a[0], o[1]);
			c.option[2] =
				vla_format("the %s and the %s are %s and %s respectively", o[0], o[1], a[0], a[1]);
			c.n = 3;
			st = put(s, false, &c, err);
		}
		vla_choice_release(&c);
	}
	return st;
}

/* --- relations --- */

static bool symmetric(const char *relation)
{
	static const char *const list[] = { "near",        "next to",  "beside",          "on the side of",
					    "surrounding", "close to", "standing beside", "with",
					    "by" };
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		if (strcmp(list[i], relation) == 0)
			return true;
	return false;
}

// text with every occurrence of `old` replaced.
static char *replace_all(const char *text, const char *old, const char *new)
{
	vla_buf b = { NULL, 0, 0 };
	size_t n = strlen(old);
	vla_status s = VLA_OK;
	for (const char *p = text; *p && s == VLA_OK;) {
		if (n && strncmp(p, old, n) == 0) {
			s = vla_buf_add(&b, new, strlen(new), NULL);
			p += n;
		} else {
			s = vla_buf_add(&b, p++, 1, NULL);
		}
	}
	char *out = s == VLA_OK ? vla_strndup(b.data ? b.data : "", b.n) : NULL;
	vla_buf_release(&b);
	return out;
}

static const char *const spatial[4] = { "to the left of", "to the right of", "on", "below" };

static vla_status add_spatial(struct snare *s, const vla_rows *r, const char *prefix, const char *a,
			      const char *relation, const char *b, vla_err *err)
{
	vla_choice c;
	int own = -1;
	for (int i = 0; i < 4; i++)
		if (strcmp(relation, spatial[i]) == 0)
			own = i;
	if (own < 0 || s->no_spatial || !wanted(s, "spatial"))
		return VLA_OK;
	vla_status st = begin(r, prefix, "spatial", relation, 4, &c, err);
	char *true_text = vla_format("the %s is %s the %s", a, relation, b);
	if (st == VLA_OK && !true_text)
		st = vla_nomem(err);
	if (st == VLA_OK) {
		for (int i = 0; i < 4; i++)
			c.option[i] = s->released ? replace_all(true_text, relation, spatial[i])
						  : vla_format("the %s is %s the %s", a, spatial[i], b);
		c.n = 4;
		c.gold = (uint64_t)1 << own;
		st = put(s, false, &c, err);
	}
	free(true_text);
	vla_choice_release(&c);
	return st;
}

static vla_status add_relation(struct snare *s, const vla_rows *r, const char *prefix, const char *a,
			       const char *relation, const char *b, vla_err *err)
{
	vla_choice c;
	VLA_TRY(add_spatial(s, r, prefix, a, relation, b, err));
	if (symmetric(relation) || !wanted(s, "relation"))
		return VLA_OK;
	if (!s->released && strcmp(a, b) == 0) {
		s->skipped++;
		return VLA_OK;
	}
	vla_status st = begin(r, prefix, "relation", relation, 3, &c, err);
	if (st == VLA_OK) {
		c.option[0] = vla_format("the %s is %s the %s", a, relation, b);
		c.option[1] = vla_format("the %s is %s the %s", b, relation, a);
		char *is = vla_format("is %s", relation);
		c.option[2] = s->released && is && c.option[0] ? replace_all(c.option[0], is, "and")
							       : vla_format("the %s and the %s", a, b);
		free(is);
		c.n = 3;
		st = put(s, false, &c, err);
	}
	vla_choice_release(&c);
	return st;
}

// "the S is REL the O", as the published annotations have it.
static vla_status parse_relation(struct snare *s, vla_rows *r, const char *caption, const char *relation, vla_err *err)
{
	char *slot = vla_format(" is %s the ", relation);
	const char *at = slot ? strstr(caption, slot) : NULL;
	vla_status st = slot ? VLA_OK : vla_nomem(err);
	if (slot && (!at || strncmp(caption, "the ", 4) != 0)) {
		vla_rows_warn(r, "'%.60s' is not 'the A is %.20s the B'", caption, relation);
	} else if (slot) {
		char *a = vla_strndup(caption + 4, (size_t)(at - caption) - 4), *b = vla_strdup(at + strlen(slot));
		st = a && b ? add_relation(s, r, "bbox_", a, relation, b, err) : vla_nomem(err);
		free(a);
		free(b);
	}
	free(slot);
	return st;
}

/* --- scenes of vla-manifest(5) --- */

struct scene {
	json_t *objects, *relations, *unclear;
	size_t n;
};

static const char *look(const struct scene *w, size_t i, const char *key)
{
	const char *s = json_string_value(json_object_get(json_array_get(w->objects, i), key));
	return s ? s : "";
}

// How many objects have that shape, and that colour when it is given.
static size_t like(const struct scene *w, const char *shape, const char *colour)
{
	size_t n = 0;
	for (size_t i = 0; i < w->n; i++)
		n += strcmp(look(w, i, "shape"), shape) == 0 && (!colour || strcmp(look(w, i, "colour"), colour) == 0);
	return n;
}

static bool stands(const json_t *list, size_t a, const char *relation, size_t b)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *s = json_string_value(json_array_get(one, 1));
		if (s && strcmp(s, relation) == 0 && json_integer_value(json_array_get(one, 0)) == (json_int_t)a &&
		    json_integer_value(json_array_get(one, 2)) == (json_int_t)b)
			return true;
	}
	return false;
}

// The four directions: right are all that hold; a pair with an unclear one is left out.
static vla_status add_directions(const struct scene *w, struct snare *s, const vla_rows *r, size_t a, size_t b,
				 vla_err *err)
{
	static const char *const word[4] = { "left of", "right of", "above", "below" };
	static const char *const phrase[4] = { "to the left of", "to the right of", "above", "below" };
	vla_choice c;
	uint64_t gold = 0;
	for (int i = 0; i < 4; i++) {
		if (stands(w->unclear, a, word[i], b))
			return VLA_OK;
		gold |= (uint64_t)stands(w->relations, a, word[i], b) << i;
	}
	if (!gold || !wanted(s, "spatial"))
		return VLA_OK;
	vla_status st = begin(r, "", "spatial", NULL, 4, &c, err);
	for (int i = 0; i < 4 && st == VLA_OK; i++)
		c.option[c.n++] =
			vla_format("the %s is %s the %s", look(w, a, "shape"), phrase[i], look(w, b, "shape"));
	c.gold = gold;
	if (st == VLA_OK)
		st = put(s, false, &c, err);
	vla_choice_release(&c);
	return st;
}

static vla_status scene_pair(const struct scene *w, struct snare *s, const vla_rows *r, size_t a, size_t b,
			     vla_err *err)
{
	const char *o[2] = { look(w, a, "shape"), look(w, b, "shape") };
	const char *colour[2] = { look(w, a, "colour"), look(w, b, "colour") };
	if (like(w, o[0], NULL) != 1 || like(w, o[1], NULL) != 1)
		return VLA_OK;
	if (a < b && strcmp(colour[0], colour[1]) != 0)
		VLA_TRY(add_pair(s, r, "", o, colour, err));
	VLA_TRY(add_directions(w, s, r, a, b, err));
	static const char *const relation[] = { "left of", "above", "inside", "in front of" };
	static const char *const phrase[] = { "to the left of", "above", "inside", "in front of" };
	for (size_t i = 0; i < 4; i++)
		if (stands(w->relations, a, relation[i], b))
			VLA_TRY(add_relation(s, r, "", o[0], phrase[i], o[1], err));
	return VLA_OK;
}

// Shapes that occur once name their objects.
static vla_status add_scene(struct snare *s, const vla_rows *r, vla_err *err)
{
	struct scene w = { NULL, NULL, NULL, 0 };
	const char *objects = vla_table_get(r->t, "objects"), *relations = vla_table_get(r->t, "relations"),
		   *unclear = vla_table_get(r->t, "unclear");
	vla_status st = vla_json_parse(objects, strlen(objects), 0, &w.objects, err);
	if (st == VLA_OK && relations)
		st = vla_json_parse(relations, strlen(relations), 0, &w.relations, err);
	if (st == VLA_OK && unclear)
		st = vla_json_parse(unclear, strlen(unclear), 0, &w.unclear, err);
	w.n = json_array_size(w.objects);
	s->no_spatial = true; // directions are asked with all four of a scene's own
	for (size_t a = 0; a < w.n && st == VLA_OK; a++)
		for (size_t b = 0; b < w.n && st == VLA_OK; b++)
			if (a != b)
				st = scene_pair(&w, s, r, a, b, err);
	s->no_spatial = false;
	json_decref(w.objects);
	json_decref(w.relations);
	json_decref(w.unclear);
	return st;
}

/* --- rows --- */

static const char *member(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

// "pairs": [{"object": ["ball", "box"], "attribute": ["red", "blue"]}]
static vla_status add_pairs(struct snare *s, const vla_rows *r, const char *cell, vla_err *err)
{
	json_t *list, *one;
	size_t i;
	VLA_TRY(vla_json_parse(cell, strlen(cell), 0, &list, err));
	vla_status st = VLA_OK;
	json_array_foreach(list, i, one)
	{
		const char *o[2], *a[2];
		for (size_t k = 0; k < 2; k++) {
			o[k] = json_string_value(json_array_get(json_object_get(one, "object"), k));
			a[k] = json_string_value(json_array_get(json_object_get(one, "attribute"), k));
		}
		if (st == VLA_OK && o[0] && o[1] && a[0] && a[1])
			st = add_pair(s, r, "", o, a, err);
	}
	json_decref(list);
	return st;
}

// "relations": [{"subject": "red ball", "relation": "to the left of", "object": "box"}]
static vla_status add_relations(struct snare *s, const vla_rows *r, const char *cell, vla_err *err)
{
	json_t *list, *one;
	size_t i;
	VLA_TRY(vla_json_parse(cell, strlen(cell), 0, &list, err));
	vla_status st = VLA_OK;
	json_array_foreach(list, i, one)
	{
		const char *a = member(one, "subject"), *relation = member(one, "relation"), *b = member(one, "object");
		if (st == VLA_OK && a && relation && b)
			st = add_relation(s, r, "", a, relation, b, err);
	}
	json_decref(list);
	return st;
}

static vla_status add_attributes(struct snare *s, vla_rows *r, vla_err *err)
{
	char **a;
	size_t n;
	const char *o[2] = { vla_table_get(r->t, "obj1_name"), vla_table_get(r->t, "obj2_name") };
	VLA_TRY(vla_texts_of(vla_table_get(r->t, "attributes"), &a, &n, err));
	vla_status st = VLA_OK;
	if (n == 2 && o[0] && o[1])
		st = add_pair(s, r, "bbox_", o, (const char *const[]){ a[0], a[1] }, err);
	else
		vla_rows_warn(r, "attributes, obj1_name and obj2_name are not two and two");
	vla_texts_free(a, n);
	return st;
}

static vla_status add_row(struct snare *s, vla_rows *r, vla_err *err)
{
	const vla_table *t = r->t;
	const char *relation = vla_table_get(t, "relation_name"), *pairs = vla_table_get(t, "pairs"),
		   *relations = vla_table_get(t, "relations"), *caption = vla_rows_get(r, "caption");
	if (relation && caption)
		return parse_relation(s, r, caption, relation, err);
	if (vla_table_get(t, "attributes"))
		return add_attributes(s, r, err);
	const char *objects = vla_table_get(t, "objects");
	if (objects && strncmp(objects, "[{", 2) == 0) {
		VLA_TRY(add_scene(s, r, err));
		relations = NULL;
	}
	if (pairs && *pairs == '[')
		VLA_TRY(add_pairs(s, r, pairs, err));
	if (relations && *relations == '[')
		VLA_TRY(add_relations(s, r, relations, err));
	if (!caption || !wanted(s, "structure")) {
		if (!caption && !pairs && !relations && !objects)
			vla_rows_warn(r, "no caption, attributes or relation");
		return VLA_OK;
	}
	char **text;
	size_t n;
	VLA_TRY(vla_texts_of(caption, &text, &n, err));
	vla_status st = VLA_OK;
	for (size_t i = 0; i < n && st == VLA_OK; i++)
		st = add_structure(s, r, text[i], err);
	vla_texts_free(text, n);
	return st;
}

static vla_status read_all(struct snare *s, vla_err *err)
{
	vla_status st = VLA_OK;
	for (size_t i = 0; i < s->p->o->inputs && st == VLA_OK; i++) {
		vla_rows r = { 0 };
		st = vla_rows_open(s->p, s->p->o->input[i], NULL, &r, err);
		while (st == VLA_OK && (st = vla_rows_next(&r, err)) == VLA_OK)
			st = add_row(s, &r, err);
		st = st == VLA_EOF ? VLA_OK : st;
		vla_rows_close(&r);
	}
	return st;
}

static vla_status measure(struct snare *s, vla_err *err)
{
	VLA_TRY(read_all(s, err));
	VLA_TRY(vla_tally_flush(s->t, err));
	VLA_TRY(vla_tally_flush(s->other, err));
	if (s->skipped)
		VLA_TRY(vla_emit_value(s->p, "all", "items left out", (double)s->skipped, (double)s->skipped, err));
	if (s->t->emit)
		return VLA_OK;
	if (s->t->groups + s->other->groups == 0)
		return vla_fail(err, VLA_EINVAL, "no item could be made and measured");
	VLA_TRY(vla_tally_emit(s->t, option_names, err));
	return vla_tally_emit(s->other, option_names, err);
}

static vla_status run(vla_probe *p, vla_err *err)
{
	const char *mode = vla_get(p, "mode"), *emit = vla_get(p, "emit");
	vla_outfile *out = NULL;
	struct snare s = { .p = p, .tasks = vla_get(p, "tasks"), .released = strcmp(mode, "as-released") == 0 };
	if (!s.released && strcmp(mode, "fixed") != 0)
		return vla_fail(err, VLA_EINVAL, "setting mode is fixed or as-released, not '%.60s'", mode);
	if (p->o->inputs == 0)
		return vla_fail(err, VLA_EINVAL, "task snare needs a table of captions, attributes or relations");
	s.t = vla_zalloc(1, sizeof *s.t);
	s.other = vla_zalloc(1, sizeof *s.other);
	vla_rng_seed(&s.rng, p->o->seed, 1);
	vla_status st = s.t && s.other ? vla_tally_open(p, s.t, err) : vla_nomem(err);
	if (st == VLA_OK)
		st = vla_tally_open(p, s.other, err);
	if (st == VLA_OK && *emit)
		st = vla_outfile_open(emit, &out, err);
	if (st == VLA_OK) {
		s.t->ties = s.released ? VLA_TIES_FIRST : VLA_TIES_SHARED;
		s.other->ties = s.released ? VLA_TIES_LAST : VLA_TIES_SHARED;
		s.t->emit = s.other->emit = out ? vla_outfile_stream(out) : NULL;
		st = measure(&s, err);
	}
	if (st == VLA_OK && out)
		st = vla_outfile_commit(out, err);
	vla_outfile_close(out);
	if (s.t)
		vla_tally_close(s.t);
	if (s.other)
		vla_tally_close(s.other);
	free(s.t);
	free(s.other);
	return st;
}

static const vla_probe_key keys[] = {
	{ "tasks", "all", "of structure, negation, ownership, relation, spatial, with commas between" },
	{ "mode", "fixed", "fixed, or as-released: as the published code does it" },
	{ "blind", "", "text file: score by a language model of its words" },
	{ "emit", "", "write the items to this file as JSON Lines, score nothing" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_snare = { "snare", "word order, negation, ownership, relations: which text is preferred",
					 run, keys };
