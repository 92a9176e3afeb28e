/* Sentences of the micro-world's English and Chinese to facts: longest match of known words, noun phrases from the
 * adjectives before a noun, then one of few sentence forms. It knows nothing of the templates that sentences are made
 * from, so it can check them, and texts of models. */
#include "world/say.h"

enum kind {
	T_END,
	T_ADJECTIVE,
	T_NOUN,
	T_NUMBER,
	T_ONLY,
	T_NO,
	T_NOT,
	T_RELATION,
	T_CELL,
	T_BACKGROUND,
	T_WHAT, // of a factor; VLA_FACTORS: "what" alone
	T_HOW_MANY,
	T_WHERE,
	T_STOP, // ends a statement
	T_SKIP,
	T_PHRASE,   // element: a noun phrase
	T_PREDICATE // element: adjectives without a noun
};

typedef struct element {
	enum kind kind;
	uint8_t factor, value;
	bool no;
	uint8_t count;
	vla_desc desc;
} element;

enum { MAX_ELEMENTS = 192 };

typedef struct parser {
	const vla_world *w;
	const char *p;
	bool chinese;
	element e[MAX_ELEMENTS];
	size_t n;
	vla_fact *fact;
	size_t facts;
} parser;

typedef struct token {
	enum kind kind;
	uint8_t factor, value;
	size_t length;
} token;

// Words beside those of the factors.
static const struct {
	const char *text;
	enum kind kind;
	uint8_t factor;
} other[] = {
	{ "shape", T_NOUN, VLA_FACTORS },
	{ "shapes", T_NOUN, VLA_FACTORS },
	{ "object", T_NOUN, VLA_FACTORS },
	{ "objects", T_NOUN, VLA_FACTORS },
	{ "no", T_NO, 0 },
	{ "not", T_NOT, 0 },
	{ "only one", T_ONLY, 0 },
	{ "exactly one", T_ONLY, 0 },
	{ "background", T_BACKGROUND, 0 },
	{ "what color", T_WHAT, VLA_COLOUR },
	{ "what colour", T_WHAT, VLA_COLOUR },
	{ "what shape", T_WHAT, VLA_SHAPE },
	{ "what texture", T_WHAT, VLA_TEXTURE },
	{ "what pattern", T_WHAT, VLA_TEXTURE },
	{ "what material", T_WHAT, VLA_MATERIAL },
	{ "what size", T_WHAT, VLA_SIZE },
	{ "what", T_WHAT, VLA_FACTORS },
	{ "how many", T_HOW_MANY, 0 },
	{ "where", T_WHERE, 0 },
	{ "图形", T_NOUN, VLA_FACTORS },
	{ "物体", T_NOUN, VLA_FACTORS },
	{ "没有", T_NO, 0 },
	{ "不是", T_NOT, 0 },
	{ "不在", T_NOT, 0 },
	{ "只有一个", T_ONLY, 0 },
	{ "背景", T_BACKGROUND, 0 },
	{ "什么颜色", T_WHAT, VLA_COLOUR },
	{ "什么形状", T_WHAT, VLA_SHAPE },
	{ "什么纹理", T_WHAT, VLA_TEXTURE },
	{ "什么材质", T_WHAT, VLA_MATERIAL },
	{ "什么大小", T_WHAT, VLA_SIZE },
	{ "什么", T_WHAT, VLA_FACTORS },
	{ "几个", T_HOW_MANY, 0 },
	{ "多少个", T_HOW_MANY, 0 },
	{ "哪里", T_WHERE, 0 },
};

static const char *const skipped[] = {
	"a",    "an",     "the",   "is",   "are",      "there",  "picture", "image", "photo", "of",   "with",
	"and",  "can",    "be",    "seen", "this",     "shows",  "has",     "in",    "on",    "pale", "it",
	"from", "to",     "which", "that", "made",     "have",   "does",    "do",    "you",   "see",  "的",
	"是",   "有",     "在",    "位于", "和",       "图中",   "一幅",    "画着",  "图片",  "里",   "可以看到",
	"这张", "图片里", "浅",    "那个", "个",       "吗",     "上",      "图",    "中",    "、",   "，",
	",",    " ",      "?",     "？",   "一幅画着", "是一个",
};

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

// Bytes of p that are this word, without regard to case; 0 when it is another.
static size_t match(const char *p, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i < n; i++) {
		char c = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
		if (c != word[i])
			return 0;
	}
	return letter(word[n - 1]) && !(word[0] & 0x80) && letter(p[n]) ? 0 : n;
}

static void longer(token *best, size_t length, enum kind kind, unsigned factor, unsigned value)
{
	if (length > best->length)
		*best = (token){ kind, (uint8_t)factor, (uint8_t)value, length };
}

static void match_factor(const char *p, enum vla_factor f, enum kind kind, token *best)
{
	size_t n;
	const vla_word *w = vla_words(f, &n);
	for (size_t v = 0; v < n; v++)
		for (int k = 0; k < VLA_FORMS; k++) {
			if (w[v].en[k])
				longer(best, match(p, w[v].en[k]), kind, f, (unsigned)v);
			if (w[v].many[k])
				longer(best, match(p, w[v].many[k]), kind, f, (unsigned)v);
			if (w[v].zh[k])
				longer(best, match(p, w[v].zh[k]), kind, f, (unsigned)v);
		}
}

static void match_class(const vla_world *w, const char *p, token *best)
{
	for (uint32_t k = 0; w && k < w->opts.classes; k++) {
		char many[20];
		snprintf(many, sizeof many, "%ss", w->cls[k].en);
		longer(best, match(p, w->cls[k].en), T_NOUN, VLA_CLASS, k + 1);
		longer(best, match(p, many), T_NOUN, VLA_CLASS, k + 1);
		longer(best, match(p, w->cls[k].zh), T_NOUN, VLA_CLASS, k + 1);
	}
}

static token next_token(const parser *q, const char *p)
{
	token t = { T_END, 0, 0, 0 };
	static const enum vla_factor adjective[] = { VLA_COLOUR, VLA_TEXTURE, VLA_MATERIAL, VLA_SIZE };
	for (size_t i = 0; i < sizeof other / sizeof *other; i++)
		longer(&t, match(p, other[i].text), other[i].kind, other[i].factor, 0);
	match_factor(p, VLA_SHAPE, T_NOUN, &t);
	for (size_t i = 0; i < 4; i++)
		match_factor(p, adjective[i], T_ADJECTIVE, &t);
	match_factor(p, VLA_CELL, T_CELL, &t);
	match_factor(p, VLA_RELATION, T_RELATION, &t);
	match_factor(p, VLA_NUMBER, T_NUMBER, &t);
	match_class(q->w, p, &t);
	longer(&t, match(p, "."), T_STOP, 0, 0);
	longer(&t, match(p, ";"), T_STOP, 0, 0);
	longer(&t, match(p, "。"), T_STOP, 0, 0);
	longer(&t, match(p, "；"), T_STOP, 0, 0);
	for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
		longer(&t, match(p, skipped[i]), T_SKIP, 0, 0);
	return t;
}

static element *push(parser *q, enum kind kind)
{
	if (q->n == MAX_ELEMENTS)
		return NULL;
	q->e[q->n] = (element){ .kind = kind };
	return &q->e[q->n++];
}

static bool add_adjective(vla_desc *d, const token *t)
{
	if (d->mask >> t->factor & 1)
		return d->is[t->factor] == t->value;
	d->mask |= (uint8_t)(1 << t->factor);
	d->is[t->factor] = t->value;
	return true;
}

typedef struct pending {
	vla_desc desc;
	uint8_t count;
	bool no;
} pending;

// Adjectives that no noun followed become a predicate.
static bool flush(parser *q, pending *w)
{
	if (w->desc.mask) {
		element *e = push(q, T_PREDICATE);
		if (!e)
			return false;
		e->desc = w->desc;
	}
	*w = (pending){ { 0, { 0 } }, 0, w->no };
	return true;
}

static bool take(parser *q, const token *t, pending *w)
{
	element *e;
	switch (t->kind) {
	case T_ADJECTIVE: return add_adjective(&w->desc, t);
	case T_NUMBER:
		w->count = t->value == 1 ? 0 : t->value;
		w->no |= t->value == 0;
		return true;
	case T_ONLY: w->count = 1; return true;
	case T_NO: w->no = true; return true;
	case T_SKIP: return true;
	case T_NOUN:
		if (t->factor < VLA_FACTORS && !add_adjective(&w->desc, t))
			return false;
		/* fall through */
	case T_BACKGROUND:
		if (!(e = push(q, t->kind == T_NOUN ? T_PHRASE : T_BACKGROUND)))
			return false;
		e->desc = w->desc;
		e->count = w->count;
		e->no = w->no;
		*w = (pending){ { 0, { 0 } }, 0, false };
		return true;
	default:
		if (!flush(q, w) || !(e = push(q, t->kind)))
			return false;
		e->factor = t->factor;
		e->value = t->value;
		return true;
	}
}

static vla_fact *add_fact(parser *q, enum vla_fact_kind kind)
{
	if (q->facts == VLA_MAX_FACTS)
		return NULL;
	q->fact[q->facts] = (vla_fact){ .kind = kind, .n = 1 };
	return &q->fact[q->facts++];
}

// Takes element i out.
static void drop(element *e, size_t *n, size_t i)
{
	memmove(e + i, e + i + 1, (*n - i - 1) * sizeof *e);
	(*n)--;
}

static bool take_background(parser *q, element *e, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		if (e[i].kind != T_BACKGROUND)
			continue;
		vla_fact *f = add_fact(q, VLA_FACT_BACKGROUND);
		if (!f)
			return false;
		f->desc[0] = e[i].desc;
		if (!f->desc[0].mask && i + 1 < *n && e[i + 1].kind == T_PREDICATE) {
			f->desc[0] = e[i + 1].desc;
			drop(e, n, i + 1);
		}
		if (!f->desc[0].mask)
			return false;
		drop(e, n, i--);
	}
	return true;
}

static bool add_relation(parser *q, const element *a, const element *rel, const element *b, bool negated)
{
	vla_fact *f =
		a->kind == T_PHRASE && b->kind == T_PHRASE && !a->no && !b->no ? add_fact(q, VLA_FACT_RELATION) : NULL;
	if (!f)
		return false;
	f->n = 2;
	f->negated = negated;
	f->relation = rel->value;
	f->desc[0] = a->desc;
	f->desc[1] = b->desc;
	return true;
}

// "A (not) left of B"; "A (not) B left", "B left A".
static bool relation(parser *q, const element *e, size_t n, bool negated)
{
	if (n != 3)
		return false;
	if (e[1].kind == T_RELATION)
		return q->chinese ? add_relation(q, &e[2], &e[1], &e[0], negated)
				  : add_relation(q, &e[0], &e[1], &e[2], negated);
	return e[2].kind == T_RELATION && q->chinese && add_relation(q, &e[0], &e[2], &e[1], negated);
}

static bool phrases(parser *q, const element *e, size_t n)
{
	vla_fact *f = NULL;
	for (size_t i = 0; i < n; i++) {
		if (e[i].kind != T_PHRASE)
			return false;
		if (e[i].no) {
			if (!(f = add_fact(q, VLA_FACT_NONE)))
				return false;
			f->desc[0] = e[i].desc;
			f = NULL;
			continue;
		}
		if (!f || f->n == VLA_FACT_DESCS) {
			if (!(f = add_fact(q, VLA_FACT_LIST)))
				return false;
			f->n = 0;
		}
		f->count[f->n] = e[i].count;
		f->desc[f->n++] = e[i].desc;
	}
	return n > 0;
}

static bool one_place(parser *q, const element *a, const element *b, bool negated)
{
	const element *phrase = a->kind == T_PHRASE ? a : b, *cell = a->kind == T_PHRASE ? b : a;
	vla_fact *f = phrase->kind == T_PHRASE && cell->kind == T_CELL ? add_fact(q, VLA_FACT_CELL) : NULL;
	if (!f)
		return false;
	f->negated = negated;
	f->cell = cell->value;
	f->desc[0] = phrase->desc;
	return true;
}

static bool predicate(parser *q, const element *a, const element *b, bool negated)
{
	if (a->kind != T_PHRASE)
		return false;
	for (int k = 0; k < VLA_ATTRIBUTES; k++) {
		if (!(b->desc.mask >> k & 1))
			continue;
		vla_fact *f = add_fact(q, VLA_FACT_ATTRIBUTE);
		if (!f)
			return false;
		f->negated = negated;
		f->desc[0] = a->desc;
		f->factor = (uint8_t)k;
		f->value = b->desc.is[k];
	}
	return true;
}

// One statement.
static bool statement(parser *q, element *e, size_t n)
{
	bool negated = false;
	if (!n)
		return true;
	if (!take_background(q, e, &n))
		return false;
	if (!n)
		return true;
	for (size_t i = 0; i < n; i++)
		if (e[i].kind == T_NOT) {
			negated = true;
			drop(e, &n, i--);
		}
	for (size_t i = 0; i < n; i++)
		if (e[i].kind == T_RELATION)
			return relation(q, e, n, negated);
	if (n == 2 && (e[0].kind == T_CELL || e[1].kind == T_CELL))
		return one_place(q, &e[0], &e[1], negated);
	if (n == 2 && e[1].kind == T_PREDICATE)
		return predicate(q, &e[0], &e[1], negated);
	return !negated && phrases(q, e, n);
}

static bool read_elements(parser *q, const char *text)
{
	pending w = { { 0, { 0 } }, 0, false };
	for (const char *p = text; *p;) {
		token t = next_token(q, p);
		if (!t.length || !take(q, &t, &w))
			return false;
		q->chinese |= (*p & 0x80) != 0;
		p += t.length;
	}
	return flush(q, &w);
}

static element *find(parser *q, enum kind kind)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->e[i].kind == kind)
			return &q->e[i];
	return NULL;
}

static bool yes(const char *s)
{
	return !strcmp(s, "yes") || !strcmp(s, "是") || !strcmp(s, "有") || !strcmp(s, "对");
}

static bool no(const char *s)
{
	return !strcmp(s, "no") || !strcmp(s, "不是") || !strcmp(s, "没有") || !strcmp(s, "不");
}

// The answer's value of a factor.
static bool value_in(const parser *q, const char *answer, enum vla_factor f, uint8_t *value)
{
	for (const char *p = answer; *p;) {
		token t = next_token(q, p);
		if (!t.length)
			return false;
		if (t.factor == f && (t.kind == T_ADJECTIVE || t.kind == T_NOUN || t.kind == T_NUMBER)) {
			*value = t.value;
			return true;
		}
		p += t.length;
	}
	return false;
}

static bool number_in(const parser *q, const char *answer, uint8_t *value)
{
	if (*answer >= '0' && *answer <= '9') {
		*value = (uint8_t)atoi(answer);
		return true;
	}
	return value_in(q, answer, VLA_NUMBER, value);
}

static bool asked_value(parser *q, const element *what, const char *answer)
{
	const element *phrase = find(q, T_PHRASE), *ground = find(q, T_BACKGROUND);
	vla_fact *f = add_fact(q, phrase ? VLA_FACT_ATTRIBUTE : VLA_FACT_BACKGROUND);
	uint8_t v;
	if (!f || (!phrase && !ground) || !value_in(q, answer, what->factor, &v))
		return false;
	f->factor = what->factor;
	f->value = v;
	if (phrase) {
		f->desc[0] = phrase->desc;
	} else {
		f->desc[0].mask = (uint8_t)(1 << what->factor);
		f->desc[0].is[what->factor] = v;
	}
	return true;
}

// "What is left of B?", "B的左边是什么": the answer takes the place of the word.
static bool asked_thing(parser *q, const char *answer)
{
	const element *rel = find(q, T_RELATION), *b = find(q, T_PHRASE);
	parser in = { .w = q->w, .fact = q->fact };
	if (!rel || !b || !read_elements(&in, answer) || in.n != 1)
		return false;
	return add_relation(q, &in.e[0], rel, b, false);
}

static bool question(parser *q, const char *answer)
{
	const element *what = find(q, T_WHAT), *phrase = find(q, T_PHRASE);
	vla_fact *f;
	if (what && what->factor < VLA_FACTORS)
		return asked_value(q, what, answer);
	if (what)
		return asked_thing(q, answer);
	if (find(q, T_HOW_MANY)) {
		uint8_t n = 0;
		if (!phrase || !number_in(q, answer, &n) || !(f = add_fact(q, n ? VLA_FACT_LIST : VLA_FACT_NONE)))
			return false;
		f->desc[0] = phrase->desc;
		f->count[0] = n;
		return true;
	}
	if (find(q, T_WHERE)) {
		parser in = { .w = q->w, .fact = q->fact };
		return phrase && read_elements(&in, answer) && in.n == 1 && one_place(q, phrase, &in.e[0], false);
	}
	if (!yes(answer) && !no(answer))
		return false;
	if (!statement(q, q->e, q->n) || q->facts != 1)
		return false;
	if (no(answer))
		q->fact[0].negated = !q->fact[0].negated;
	return true;
}

bool vla_parse(const vla_world *w, const char *text, const char *answer, vla_fact *out, size_t *n)
{
	parser q = { .w = w, .fact = out };
	bool good = read_elements(&q, text);
	if (good && answer) {
		good = question(&q, answer);
	} else {
		size_t from = 0;
		for (size_t i = 0; good && i <= q.n; i++)
			if (i == q.n || q.e[i].kind == T_STOP) {
				good = statement(&q, q.e + from, i - from);
				from = i + 1;
			}
	}
	*n = q.facts;
	return good && q.facts;
}
