/* Statements in English and Chinese from facts. Which of several wordings is taken is drawn; the meaning is not. */
#include "world/say.h"

void vla_text_reset(vla_text *t, enum vla_language lang)
{
	t->lang = lang;
	t->b.n = 0;
	if (t->b.cap)
		t->b.data[0] = 0;
}

void vla_text_add(vla_text *t, const char *s)
{
	if (t->status != VLA_OK)
		return;
	if (t->b.n)
		t->b.n--; // over the NUL
	t->status = vla_buf_add(&t->b, s, strlen(s) + 1, NULL);
}

const char *vla_text_get(const vla_text *t)
{
	return t->b.n ? t->b.data : "";
}

unsigned vla_text_pick(vla_text *t, unsigned n)
{
	return t->rng ? (unsigned)vla_rng_below(t->rng, n) : 0;
}

// One of a word's forms; the plain one twice as often.
static const char *form(vla_text *t, const char *const forms[VLA_FORMS])
{
	unsigned n = 0;
	while (n < VLA_FORMS && forms[n])
		n++;
	unsigned k = vla_text_pick(t, n + 1);
	return forms[k < n ? k : 0];
}

static const char *word(vla_text *t, enum vla_factor f, unsigned value)
{
	size_t n;
	const vla_word *w = vla_words(f, &n);
	return form(t, t->lang == VLA_EN ? w[value].en : w[value].zh);
}

void vla_say_value(vla_text *t, enum vla_factor f, unsigned value)
{
	if (f == VLA_CLASS)
		vla_text_add(t, t->lang == VLA_EN ? t->w->cls[value - 1].en : t->w->cls[value - 1].zh);
	else
		vla_text_add(t, word(t, f, value));
}

static bool has(const vla_desc *d, int f)
{
	return d->mask >> f & 1;
}

static void noun(vla_text *t, const vla_desc *d, bool many)
{
	size_t n;
	if (has(d, VLA_CLASS) && d->is[VLA_CLASS]) {
		vla_say_value(t, VLA_CLASS, d->is[VLA_CLASS]);
		if (many && t->lang == VLA_EN)
			vla_text_add(t, "s");
	} else if (!has(d, VLA_SHAPE)) {
		vla_text_add(t, t->lang == VLA_ZH ? "图形" : many ? "shapes" : "shape");
	} else if (many && t->lang == VLA_EN) {
		vla_text_add(t, form(t, vla_words(VLA_SHAPE, &n)[d->is[VLA_SHAPE]].many));
	} else {
		vla_say_value(t, VLA_SHAPE, d->is[VLA_SHAPE]);
	}
}

static void english_desc(vla_text *t, const vla_desc *d, unsigned count, enum vla_article article)
{
	static const enum vla_factor order[] = { VLA_SIZE, VLA_TEXTURE, VLA_COLOUR, VLA_MATERIAL };
	vla_text rest = { t->w, t->rng, VLA_EN, { NULL, 0, 0 }, t->status };
	for (size_t i = 0; i < 4; i++)
		if (has(d, order[i])) {
			vla_say_value(&rest, order[i], d->is[order[i]]);
			vla_text_add(&rest, " ");
		}
	noun(&rest, d, count > 1);
	const char *r = vla_text_get(&rest);
	if (count == 1)
		vla_text_add(t, vla_text_pick(t, 2) ? "exactly one " : "only one ");
	else if (count > 1 && count != VLA_MANY)
		vla_say_value(t, VLA_NUMBER, count);
	else if (!count && article == VLA_ARTICLE_A)
		vla_text_add(t, strchr("aeiou", *r) ? "an " : "a ");
	else if (!count && article == VLA_ARTICLE_THE)
		vla_text_add(t, "the ");
	if (count > 1 && count != VLA_MANY)
		vla_text_add(t, " ");
	vla_text_add(t, r);
	if (rest.status != VLA_OK)
		t->status = rest.status;
	vla_buf_release(&rest.b);
}

static bool ends_in_de(const char *s)
{
	size_t n = strlen(s);
	return n >= 3 && !memcmp(s + n - 3, "的", 3);
}

static void chinese_desc(vla_text *t, const vla_desc *d, unsigned count, enum vla_article article)
{
	if (count == 1)
		vla_text_add(t, "只有一个");
	else if (count > 1 && count != VLA_MANY)
		vla_say_value(t, VLA_NUMBER, count);
	else if (!count && article == VLA_ARTICLE_A)
		vla_text_add(t, "一个");
	else if (!count && article == VLA_ARTICLE_THE && vla_text_pick(t, 3) == 1)
		vla_text_add(t, "那个");
	const char *size = has(d, VLA_SIZE) ? word(t, VLA_SIZE, d->is[VLA_SIZE]) : "";
	if (ends_in_de(size))
		vla_text_add(t, size);
	if (has(d, VLA_TEXTURE))
		vla_say_value(t, VLA_TEXTURE, d->is[VLA_TEXTURE]);
	if (has(d, VLA_COLOUR)) {
		vla_say_value(t, VLA_COLOUR, d->is[VLA_COLOUR]);
		if ((*size && !ends_in_de(size)) || vla_text_pick(t, 2))
			vla_text_add(t, "的");
	}
	if (!ends_in_de(size))
		vla_text_add(t, size);
	if (has(d, VLA_MATERIAL))
		vla_say_value(t, VLA_MATERIAL, d->is[VLA_MATERIAL]);
	noun(t, d, false);
}

void vla_say_desc(vla_text *t, const vla_desc *d, unsigned count, enum vla_article article)
{
	if (t->lang == VLA_EN)
		english_desc(t, d, count, article);
	else
		chinese_desc(t, d, count, article);
}

static void around(vla_text *t, const char *before, const vla_fact *f, const char *after)
{
	vla_text_add(t, before);
	for (unsigned i = 0; i < f->n; i++) {
		if (i)
			vla_text_add(t, t->lang == VLA_ZH ? i + 1u < f->n ? "、" : "和"
					: i + 1u < f->n   ? ", "
							  : " and ");
		vla_say_desc(t, &f->desc[i], f->count[i], VLA_ARTICLE_A);
	}
	vla_text_add(t, after);
}

static void say_list(vla_text *t, const vla_fact *f)
{
	static const char *const en[][2] = { { "", "" },
					     { "a picture of ", "" },
					     { "there is ", "" },
					     { "this picture shows ", "" },
					     { "", " can be seen" },
					     { "an image with ", "" } };
	static const char *const zh[][2] = { { "", "" },         { "图中有", "" },
					     { "有", "" },       { "这张图片里有", "" },
					     { "可以看到", "" }, { "一幅画着", "的图片" } };
	unsigned k = vla_text_pick(t, 6);
	if (t->lang == VLA_ZH)
		around(t, zh[k][0], f, zh[k][1]);
	else
		around(t, k == 2 && f->count[0] > 1 ? "there are " : en[k][0], f, en[k][1]);
}

static void say_none(vla_text *t, const vla_fact *f)
{
	static const char *const en[] = { "there is no ", "the picture has no ", "there are no " };
	static const char *const zh[] = { "没有", "图中没有", "图片里没有" };
	unsigned k = vla_text_pick(t, 3);
	vla_text_add(t, t->lang == VLA_EN ? en[k] : zh[k]);
	vla_say_desc(t, &f->desc[0], t->lang == VLA_EN && k == 2 ? VLA_MANY : 0, VLA_ARTICLE_NONE);
}

static void say_relation(vla_text *t, const vla_fact *f)
{
	enum vla_article a = vla_text_pick(t, 3) == 1 ? VLA_ARTICLE_THE : VLA_ARTICLE_A;
	unsigned k = vla_text_pick(t, 3);
	if (t->lang == VLA_EN) {
		vla_text_add(t, k == 2 && !f->negated && a == VLA_ARTICLE_A ? "there is " : "");
		vla_say_desc(t, &f->desc[0], 0, f->negated ? VLA_ARTICLE_THE : a);
		vla_text_add(t, f->negated ? " is not " : k == 0 ? " is " : " ");
		vla_say_value(t, VLA_RELATION, f->relation);
		vla_text_add(t, " ");
		vla_say_desc(t, &f->desc[1], 0, f->negated ? VLA_ARTICLE_THE : a);
		return;
	}
	bool turned = k == 2 && !f->negated;
	vla_say_desc(t, &f->desc[turned ? 1 : 0], 0, turned || f->negated ? VLA_ARTICLE_THE : a);
	if (!turned) {
		vla_text_add(t, f->negated ? "不在" : k == 0 ? "在" : "位于");
		vla_say_desc(t, &f->desc[1], 0, f->negated ? VLA_ARTICLE_THE : a);
	}
	vla_text_add(t, "的");
	vla_say_value(t, VLA_RELATION, f->relation);
	if (turned) {
		vla_text_add(t, "有");
		vla_say_desc(t, &f->desc[0], 0, VLA_ARTICLE_A);
	}
}

static void say_cell(vla_text *t, const vla_fact *f)
{
	unsigned k = f->negated ? 0 : vla_text_pick(t, 3);
	if (t->lang == VLA_EN) {
		vla_text_add(t, k == 1 ? "there is " : "");
		vla_say_desc(t, &f->desc[0], 0, f->negated || k == 0 ? VLA_ARTICLE_THE : VLA_ARTICLE_A);
		vla_text_add(t, f->negated ? " is not " : k == 0 ? " is " : " ");
		vla_say_value(t, VLA_CELL, f->cell);
	} else if (k == 1) {
		vla_say_value(t, VLA_CELL, f->cell);
		vla_text_add(t, "有");
		vla_say_desc(t, &f->desc[0], 0, VLA_ARTICLE_A);
	} else {
		vla_say_desc(t, &f->desc[0], 0, VLA_ARTICLE_THE);
		vla_text_add(t, f->negated ? "不在" : "在");
		vla_say_value(t, VLA_CELL, f->cell);
	}
}

static void say_attribute(vla_text *t, const vla_fact *f)
{
	vla_say_desc(t, &f->desc[0], 0, VLA_ARTICLE_THE);
	if (t->lang == VLA_EN)
		vla_text_add(t, f->negated ? " is not " : " is ");
	else
		vla_text_add(t, f->negated ? "不是" : "是");
	vla_say_value(t, f->factor, f->value);
	if (t->lang == VLA_ZH && !ends_in_de(vla_text_get(t)))
		vla_text_add(t, "的");
}

static void say_background(vla_text *t, const vla_fact *f)
{
	const vla_desc *d = &f->desc[0];
	unsigned k = vla_text_pick(t, 2);
	int c = d->is[VLA_COLOUR];
	bool pale = has(d, VLA_COLOUR) && c != VLA_BLACK && c != VLA_WHITE && c != VLA_GRAY;
	bool both = has(d, VLA_COLOUR) && has(d, VLA_TEXTURE);
	bool en = t->lang == VLA_EN;
	vla_text_add(t, en ? k ? "the background is " : "a " : k ? "背景是" : "");
	if (has(d, VLA_TEXTURE))
		vla_say_value(t, VLA_TEXTURE, d->is[VLA_TEXTURE]);
	vla_text_add(t, en && both ? k ? " and " : " " : "");
	vla_text_add(t, pale ? en ? "pale " : "浅" : "");
	if (has(d, VLA_COLOUR))
		vla_say_value(t, VLA_COLOUR, c);
	vla_text_add(t, k ? en ? "" : "的" : en ? " background" : "背景");
}

void vla_say_fact(vla_text *t, const vla_fact *f)
{
	switch (f->kind) {
	case VLA_FACT_LIST: say_list(t, f); break;
	case VLA_FACT_NONE: say_none(t, f); break;
	case VLA_FACT_RELATION: say_relation(t, f); break;
	case VLA_FACT_CELL: say_cell(t, f); break;
	case VLA_FACT_ATTRIBUTE: say_attribute(t, f); break;
	case VLA_FACT_BACKGROUND: say_background(t, f); break;
	}
}
