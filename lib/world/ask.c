/* Questions with answers. Yes and no are equally frequent, and a false statement differs from a true one in one word,
 * so that an answer cannot be guessed from the question. */
#include "world/tell.h"

enum { M_SHAPE = 1 << VLA_SHAPE, M_COLOUR = 1 << VLA_COLOUR };

static void put(vla_teller *t, const char *type, const char *q, const char *a, const char *q_zh, const char *a_zh)
{
	vla_json_open(t->j, NULL, '{');
	vla_json_text(t->j, "type", type);
	vla_json_text(t->j, "question", q);
	vla_json_text(t->j, "answer", a);
	vla_json_text(t->j, "question_zh", q_zh);
	vla_json_text(t->j, "answer_zh", a_zh);
	vla_json_close(t->j, '}');
}

// Question and answer in both languages; a, b: descriptions in the question, b may be NULL.
static void ask(vla_teller *t, const char *type, const char *const en[2], const char *const zh[2], const vla_desc *a,
		unsigned count, const char *answer, const char *answer_zh)
{
	char q[600];
	vla_text_reset(&t->text, VLA_EN);
	vla_say_desc(&t->text, a, count, VLA_ARTICLE_THE);
	snprintf(q, sizeof q, "%s%s%s", en[0], vla_text_get(&t->text), en[1]);
	vla_text_reset(&t->text, VLA_ZH);
	vla_text_add(&t->text, zh[0]);
	vla_say_desc(&t->text, a, count, VLA_ARTICLE_NONE);
	vla_text_add(&t->text, zh[1]);
	put(t, type, q, answer, vla_text_get(&t->text), answer_zh);
}

static void ask_value(vla_teller *t, uint32_t i)
{
	static const char *const en[][2] = { { "what shape is ", "?" },
					     { "what color is ", "?" },
					     { "what texture does ", " have?" },
					     { "what material is ", " made of?" },
					     { "what size is ", "?" } };
	static const char *const zh[][2] = { { "", "是什么形状？" },
					     { "", "是什么颜色？" },
					     { "", "是什么纹理？" },
					     { "", "是什么材质？" },
					     { "", "是什么大小？" } };
	const vla_thing *o = &t->s->thing[i];
	vla_desc d;
	unsigned f = (unsigned)vla_rng_below(&t->rng, VLA_CLASS);
	if ((f == VLA_TEXTURE && !t->w->level.textured) || (f == VLA_MATERIAL && !t->w->level.material))
		f = VLA_COLOUR;
	d = vla_desc_of(o, f == VLA_SHAPE ? M_COLOUR : M_SHAPE);
	if (vla_desc_count(&d, t->s, NULL) != 1) {
		if (f == VLA_SHAPE || f == VLA_COLOUR)
			return;
		d = vla_desc_of(o, M_SHAPE | M_COLOUR);
		if (vla_desc_count(&d, t->s, NULL) != 1)
			return;
	}
	size_t n;
	const vla_word *w = vla_words((enum vla_factor)f, &n);
	ask(t, vla_factor_name((enum vla_factor)f), en[f], zh[f], &d, 0, w[o->is[f]].en[0], w[o->is[f]].zh[0]);
}

static void ask_count(vla_teller *t)
{
	static const char *const en[] = { "how many ", " are there?" }, *const zh[] = { "图中有几个", "？" };
	vla_desc d = vla_desc_of(&t->s->thing[vla_rng_below(&t->rng, t->s->n)], M_SHAPE);
	unsigned k = (unsigned)vla_rng_below(&t->rng, 4);
	if (k == 0)
		d.mask = M_COLOUR;
	else if (k == 1)
		d.mask |= M_COLOUR;
	else if (k == 2)
		d.is[VLA_SHAPE] = (uint8_t)vla_rng_below(&t->rng, t->w->level.shapes);
	size_t n;
	uint32_t count = vla_desc_count(&d, t->s, NULL);
	const vla_word *w = vla_words(VLA_NUMBER, &n);
	ask(t, "count", en, zh, &d, VLA_MANY, count ? w[count].en[0] : "zero", w[count].zh[0]);
}

static void ask_exists(vla_teller *t)
{
	static const char *const en[] = { "is there ", "?" }, *const zh[] = { "图中有", "吗？" };
	bool want = vla_rng_below(&t->rng, 2);
	const vla_thing *o = &t->s->thing[vla_rng_below(&t->rng, t->s->n)];
	vla_desc d = vla_desc_of(o, M_SHAPE | M_COLOUR);
	for (int tries = 0; !want && tries < 30 && vla_desc_count(&d, t->s, NULL); tries++) {
		d = vla_desc_of(o, M_SHAPE | M_COLOUR);
		if (tries % 2)
			d.is[VLA_SHAPE] = (uint8_t)vla_rng_below(&t->rng, t->w->level.shapes);
		else
			d.is[VLA_COLOUR] = (uint8_t)vla_rng_below(&t->rng, t->w->level.colours);
	}
	bool there = vla_desc_count(&d, t->s, NULL) > 0;
	char q[200];
	vla_text_reset(&t->text, VLA_EN);
	vla_say_desc(&t->text, &d, 0, VLA_ARTICLE_A);
	snprintf(q, sizeof q, "%s%s%s", en[0], vla_text_get(&t->text), en[1]);
	vla_text_reset(&t->text, VLA_ZH);
	vla_text_add(&t->text, zh[0]);
	vla_say_desc(&t->text, &d, 0, VLA_ARTICLE_NONE);
	vla_text_add(&t->text, zh[1]);
	put(t, "exists", q, there ? "yes" : "no", vla_text_get(&t->text), there ? "有" : "没有");
}

static void ask_place(vla_teller *t, uint32_t i)
{
	static const char *const en[] = { "where is ", "?" }, *const zh[] = { "", "在哪里？" };
	int cell = vla_thing_cell(&t->s->thing[i]);
	vla_desc d;
	size_t n;
	if (cell < 0 || !vla_desc_unique(t->s, i, &d))
		return;
	const vla_word *w = vla_words(VLA_CELL, &n);
	ask(t, "position", en, zh, &d, 0, w[cell].en[0], w[cell].zh[0]);
}

static void ask_relation(vla_teller *t, uint32_t i, uint32_t j)
{
	const vla_scene *s = t->s;
	vla_desc a, b;
	unsigned rel = (unsigned)vla_rng_below(&t->rng, VLA_RELATIONS);
	for (unsigned k = 0; k < VLA_RELATIONS && !(s->relation[i][j] >> rel & 1); k++)
		rel = (rel + 1) % VLA_RELATIONS;
	if (i == j || !(s->relation[i][j] >> rel & 1) || !vla_desc_unique(s, i, &a) || !vla_desc_unique(s, j, &b))
		return;
	bool turn = vla_rng_below(&t->rng, 2);
	vla_fact f = { .kind = VLA_FACT_RELATION, .n = 2, .relation = (uint8_t)rel };
	f.desc[0] = turn ? b : a;
	f.desc[1] = turn ? a : b;
	enum vla_truth v = vla_fact_holds(&f, s);
	if (v == VLA_UNCLEAR)
		return;
	size_t n;
	const vla_word *w = &vla_words(VLA_RELATION, &n)[rel];
	char q[400];
	vla_text_reset(&t->text, VLA_EN);
	vla_text_add(&t->text, "is ");
	vla_say_desc(&t->text, &f.desc[0], 0, VLA_ARTICLE_THE);
	vla_text_add(&t->text, " ");
	vla_text_add(&t->text, w->en[0]);
	vla_text_add(&t->text, " ");
	vla_say_desc(&t->text, &f.desc[1], 0, VLA_ARTICLE_THE);
	vla_text_add(&t->text, "?");
	snprintf(q, sizeof q, "%s", vla_text_get(&t->text));
	vla_text_reset(&t->text, VLA_ZH);
	vla_say_desc(&t->text, &f.desc[0], 0, VLA_ARTICLE_NONE);
	vla_text_add(&t->text, "在");
	vla_say_desc(&t->text, &f.desc[1], 0, VLA_ARTICLE_NONE);
	vla_text_add(&t->text, "的");
	vla_text_add(&t->text, w->zh[0]);
	vla_text_add(&t->text, "吗？");
	put(t, "relation", q, v == VLA_TRUE ? "yes" : "no", vla_text_get(&t->text), v == VLA_TRUE ? "是" : "不是");
}

// "What is inside the ring?", where one object alone is.
static void ask_which(vla_teller *t, uint32_t j)
{
	const vla_scene *s = t->s;
	vla_desc a, b;
	size_t n;
	unsigned rel = (unsigned)vla_rng_below(&t->rng, VLA_RELATIONS);
	uint32_t who = 0, count = 0;
	for (uint32_t i = 0; i < s->n; i++)
		if (i != j && (s->relation[i][j] | s->unclear[i][j]) >> rel & 1) {
			count++;
			who = i;
		}
	if (count != 1 || !(s->relation[who][j] >> rel & 1) || !vla_desc_unique(s, j, &b))
		return;
	a = vla_desc_of(&s->thing[who], M_SHAPE | M_COLOUR);
	const vla_word *w = &vla_words(VLA_RELATION, &n)[rel];
	char q[300], q_zh[300], answer[200];
	snprintf(q, sizeof q, "what is %s ", w->en[0]);
	size_t k = strlen(q);
	snprintf(q + k, sizeof q - k, "%s?", vla_tell_desc(t, VLA_EN, &b, VLA_ARTICLE_THE));
	snprintf(q_zh, sizeof q_zh, "%s的%s是什么？", vla_tell_desc(t, VLA_ZH, &b, VLA_ARTICLE_NONE), w->zh[0]);
	snprintf(answer, sizeof answer, "%s", vla_tell_desc(t, VLA_EN, &a, VLA_ARTICLE_A));
	put(t, "which", q, answer, q_zh, vla_tell_desc(t, VLA_ZH, &a, VLA_ARTICLE_A));
}

void vla_tell_questions(vla_teller *t)
{
	uint32_t n = t->s->n, i = (uint32_t)vla_rng_below(&t->rng, n), j = (uint32_t)vla_rng_below(&t->rng, n);
	vla_json_open(t->j, "qa", '[');
	ask_value(t, i);
	ask_value(t, j);
	ask_count(t);
	ask_exists(t);
	ask_exists(t);
	ask_place(t, (uint32_t)vla_rng_below(&t->rng, n));
	ask_relation(t, i, j);
	ask_relation(t, (uint32_t)vla_rng_below(&t->rng, n), (uint32_t)vla_rng_below(&t->rng, n));
	ask_which(t, j);
	vla_json_close(t->j, ']');
}
