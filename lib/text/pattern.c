/* A small backtracking matcher for the expressions in tokenizer files. Known: literals, escapes, \s \S \d \D \w \W,
 * \p{X} and \P{X} with general categories, \p{BertP} (punctuation by vla_bert_gc), classes with ranges and negation,
 * '.', alternation, groups (plain, non-capturing, (?i: )), the quantifiers ? * + {m,n} and their possessive forms on
 * single characters, ? on groups, and lookahead at one character. A group is expanded into alternatives when the
 * expression is read, so that a match is a walk over a flat list. Not known: lookbehind, anchors, back references,
 * repeated groups, lazy quantifiers.
 */
#include "text/pattern.h"

#include "text/clean.h"
#include "text/unicode.h"

enum { MAX_ALT = 256, MAX_ATOMS = 48, MAX_RANGES = 4096, MAX_DEPTH = 16, UNBOUNDED = 0x7fffffff };

/* A set of characters. */
typedef struct charset {
	uint64_t ascii[2]; /* the answer for c < 128, negation included */
	uint32_t gc;       /* mask of general categories */
	bool space, not_space, negate, bert_punctuation;
	uint32_t first_range, n_ranges;
} charset;

typedef enum atom_kind { ATOM_SET, ATOM_AHEAD, ATOM_NOT_AHEAD } atom_kind;

typedef struct atom {
	atom_kind kind;
	bool possessive;
	uint32_t set;
	uint32_t min, max;
} atom;

/* One alternative: atoms[first .. first + n). */
typedef struct alt {
	uint32_t first, n;
} alt;

struct vla_pattern {
	charset *set;
	size_t n_sets, cap_sets;
	uint32_t (*range)[2];
	size_t n_ranges, cap_ranges;
	atom *atoms;
	size_t n_atoms;
	alt alts[MAX_ALT];
	size_t n_alts;
	uint64_t start[128]; /* alternatives (of the first 64) that may begin with an ASCII character */
};

/* ---- sets ---- */

static bool set_has_slow(const vla_pattern *p, const charset *s, uint32_t c)
{
	bool in = (s->gc && (s->gc >> vla_gc_of(c) & 1)) || (s->space && vla_is_space(c)) ||
		  (s->not_space && !vla_is_space(c)) ||
		  (s->bert_punctuation && (vla_gc_mask("P", 1) >> vla_bert_gc(c) & 1));
	for (uint32_t i = 0; i < s->n_ranges && !in; i++)
		in = c >= p->range[s->first_range + i][0] && c <= p->range[s->first_range + i][1];
	return in != s->negate;
}

static inline bool set_has(const vla_pattern *p, const charset *s, uint32_t c)
{
	if (c < 128)
		return (s->ascii[c >> 6] >> (c & 63) & 1) != 0;
	return set_has_slow(p, s, c);
}

static void set_finish(const vla_pattern *p, charset *s)
{
	s->ascii[0] = s->ascii[1] = 0;
	for (uint32_t c = 0; c < 128; c++)
		if (set_has_slow(p, s, c))
			s->ascii[c >> 6] |= 1ull << (c & 63);
}

/* ---- reading ---- */

/* Alternatives while reading: each a short array of atoms. */
typedef struct branch {
	atom a[MAX_ATOMS];
	size_t n;
} branch;

typedef struct branches {
	branch *b;
	size_t n, cap;
} branches;

typedef struct reader {
	vla_pattern *p;
	const char *s;
	size_t i, n;
	bool fold; /* inside (?i: ) */
	unsigned depth;
	vla_err *err;
} reader;

static vla_status unsupported(reader *r, const char *what)
{
	return vla_fail(r->err, VLA_EUNSUPPORTED, "pattern: %s at byte %zu is not supported", what, r->i);
}

static vla_status malformed(reader *r)
{
	return vla_fail(r->err, VLA_EFORMAT, "pattern: malformed at byte %zu", r->i);
}

static vla_status branches_add(reader *r, branches *bs, const branch *b)
{
	if (bs->n >= MAX_ALT)
		return unsupported(r, "this many alternatives");
	if (bs->n == bs->cap) {
		size_t cap = bs->cap ? bs->cap * 2 : 4;
		branch *t = vla_realloc(bs->b, cap, sizeof *t);
		if (!t)
			return vla_nomem(r->err);
		bs->b = t;
		bs->cap = cap;
	}
	if (b)
		bs->b[bs->n] = *b;
	else
		bs->b[bs->n].n = 0;
	bs->n++;
	return VLA_OK;
}

static vla_status add_range(reader *r, charset *s, uint32_t lo, uint32_t hi)
{
	vla_pattern *p = r->p;
	if (p->n_ranges >= MAX_RANGES)
		return unsupported(r, "this many ranges");
	if (p->n_ranges == p->cap_ranges) {
		size_t cap = p->cap_ranges ? p->cap_ranges * 2 : 16;
		void *t = vla_realloc(p->range, cap, sizeof *p->range);
		if (!t)
			return vla_nomem(r->err);
		p->range = t;
		p->cap_ranges = cap;
	}
	p->range[p->n_ranges][0] = lo;
	p->range[p->n_ranges][1] = hi;
	p->n_ranges++;
	s->n_ranges++;
	return VLA_OK;
}

/* A character, and under (?i: ) its other case; the long s and the Kelvin sign fold to ASCII letters. */
static vla_status add_char(reader *r, charset *s, uint32_t c)
{
	VLA_TRY(add_range(r, s, c, c));
	if (!r->fold || c >= 128)
		return VLA_OK;
	uint32_t low = c | 32;
	if (low < 'a' || low > 'z')
		return VLA_OK;
	VLA_TRY(add_range(r, s, c ^ 32, c ^ 32));
	if (low == 's')
		return add_range(r, s, 0x17f, 0x17f);
	return low == 'k' ? add_range(r, s, 0x212a, 0x212a) : VLA_OK;
}

static bool take(reader *r, const char *t)
{
	size_t k = strlen(t);
	if (r->n - r->i < k || memcmp(r->s + r->i, t, k) != 0)
		return false;
	r->i += k;
	return true;
}

static vla_status read_hex(reader *r, size_t digits, char close, uint32_t *c)
{
	uint32_t v = 0;
	size_t k = 0;
	for (; k < digits && r->i < r->n; k++, r->i++) {
		char h = r->s[r->i];
		uint32_t d = h >= '0' && h <= '9' ? (uint32_t)(h - '0') : (uint32_t)((h | 32) - 'a' + 10);
		if (d > 15 || (h < '0' || (h > '9' && (h | 32) < 'a')))
			break;
		v = v << 4 | d;
	}
	if (k == 0 || v > 0x10ffff || (close && !take(r, "}")))
		return malformed(r);
	*c = v;
	return VLA_OK;
}

/* What follows a backslash: either a class put into s (*is_class), or the character *c. */
static vla_status read_escape(reader *r, charset *s, uint32_t *c, bool *is_class)
{
	const uint32_t word = vla_gc_mask("L", 1) | vla_gc_mask("M", 1) | vla_gc_mask("N", 1) | vla_gc_mask("Pc", 2);
	const uint32_t all = (1u << (VLA_GC_CN + 1)) - 1;
	if (r->i >= r->n)
		return malformed(r);
	char e = r->s[r->i++];
	*is_class = true;
	switch (e) {
	case 's': s->space = true; return VLA_OK;
	case 'S': s->not_space = true; return VLA_OK;
	case 'd': s->gc |= 1u << VLA_GC_ND; return VLA_OK;
	case 'D': s->gc |= all & ~(1u << VLA_GC_ND); return VLA_OK;
	case 'w': s->gc |= word; return VLA_OK;
	case 'W': s->gc |= all & ~word; return VLA_OK;
	case 'p':
	case 'P': {
		size_t k = 0;
		bool inverse = e == 'P';
		if (!take(r, "{"))
			return malformed(r);
		inverse ^= take(r, "^");
		while (r->i + k < r->n && r->s[r->i + k] != '}')
			k++;
		if (k == 5 && !inverse && memcmp(r->s + r->i, "BertP", k) == 0) {
			s->bert_punctuation = true;
			r->i += k;
			return take(r, "}") ? VLA_OK : malformed(r);
		}
		uint32_t mask = vla_gc_mask(r->s + r->i, k);
		if (!mask || r->i + k >= r->n)
			return unsupported(r, "this property");
		r->i += k + 1;
		s->gc |= inverse ? all & ~mask : mask;
		return VLA_OK;
	}
	default: break;
	}
	*is_class = false;
	switch (e) {
	case 'n': *c = '\n'; return VLA_OK;
	case 'r': *c = '\r'; return VLA_OK;
	case 't': *c = '\t'; return VLA_OK;
	case 'f': *c = '\f'; return VLA_OK;
	case 'v': *c = '\v'; return VLA_OK;
	case '0': *c = 0; return VLA_OK;
	case 'u': return read_hex(r, 4, 0, c);
	case 'x': return take(r, "{") ? read_hex(r, 6, '}', c) : read_hex(r, 2, 0, c);
	default: break;
	}
	if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e >= '0' && e <= '9') || (unsigned char)e >= 128)
		return unsupported(r, "this escape");
	*c = (unsigned char)e;
	return VLA_OK;
}

static vla_status read_member(reader *r, charset *s, uint32_t *c, bool *is_class)
{
	*is_class = false;
	if (r->s[r->i] == '\\') {
		r->i++;
		return read_escape(r, s, c, is_class);
	}
	r->i += vla_utf8_get(r->s + r->i, r->n - r->i, c);
	return VLA_OK;
}

/* The inside of [ ]. */
static vla_status read_class(reader *r, charset *s)
{
	s->negate = take(r, "^");
	for (bool first = true;; first = false) {
		uint32_t lo = 0, hi = 0;
		bool cls;
		if (r->i >= r->n)
			return malformed(r);
		if (!first && take(r, "]"))
			return VLA_OK;
		if (r->s[r->i] == '[' || (r->n - r->i > 1 && memcmp(r->s + r->i, "&&", 2) == 0))
			return unsupported(r, "a class inside a class");
		VLA_TRY(read_member(r, s, &lo, &cls));
		if (cls)
			continue;
		if (r->n - r->i > 1 && r->s[r->i] == '-' && r->s[r->i + 1] != ']') {
			r->i++;
			VLA_TRY(read_member(r, s, &hi, &cls));
			if (cls || hi < lo)
				return malformed(r);
			VLA_TRY(add_range(r, s, lo, hi));
		} else {
			VLA_TRY(add_char(r, s, lo));
		}
	}
}

/* One character, class, escape or dot. */
static vla_status read_set(reader *r, uint32_t *index)
{
	vla_pattern *p = r->p;
	charset s;
	memset(&s, 0, sizeof s);
	s.first_range = (uint32_t)p->n_ranges;
	if (take(r, "[")) {
		VLA_TRY(read_class(r, &s));
	} else if (take(r, ".")) {
		VLA_TRY(add_range(r, &s, '\n', '\n'));
		s.negate = true;
	} else {
		uint32_t c = 0;
		bool cls;
		VLA_TRY(read_member(r, &s, &c, &cls));
		if (!cls)
			VLA_TRY(add_char(r, &s, c));
	}
	set_finish(p, &s);
	if (p->n_sets == p->cap_sets) {
		size_t cap = p->cap_sets ? p->cap_sets * 2 : 16;
		charset *t = vla_realloc(p->set, cap, sizeof *t);
		if (!t)
			return vla_nomem(r->err);
		p->set = t;
		p->cap_sets = cap;
	}
	*index = (uint32_t)p->n_sets;
	p->set[p->n_sets++] = s;
	return VLA_OK;
}

static bool read_number(reader *r, uint32_t *v)
{
	size_t k = 0;
	*v = 0;
	for (; k < 5 && r->i < r->n && r->s[r->i] >= '0' && r->s[r->i] <= '9'; k++)
		*v = *v * 10 + (uint32_t)(r->s[r->i++] - '0');
	return k > 0;
}

static vla_status read_quantifier(reader *r, uint32_t *min, uint32_t *max, bool *possessive)
{
	*min = *max = 1;
	*possessive = false;
	if (take(r, "?")) {
		*min = 0;
	} else if (take(r, "*")) {
		*min = 0;
		*max = UNBOUNDED;
	} else if (take(r, "+")) {
		*max = UNBOUNDED;
	} else if (take(r, "{")) {
		bool lower = read_number(r, min);
		if (!lower)
			*min = 0;
		*max = *min;
		if (take(r, ",") && !read_number(r, max)) {
			if (!lower)
				return malformed(r);
			*max = UNBOUNDED;
		}
		if (!take(r, "}") || *max < *min)
			return malformed(r);
		return VLA_OK;
	} else {
		return VLA_OK;
	}
	if (r->i < r->n && r->s[r->i] == '?')
		return unsupported(r, "a lazy quantifier");
	*possessive = take(r, "+");
	return VLA_OK;
}

static vla_status append(reader *r, branches *bs, size_t from, const atom *a)
{
	for (size_t i = from; i < bs->n; i++) {
		if (bs->b[i].n == MAX_ATOMS)
			return unsupported(r, "an alternative this long");
		bs->b[i].a[bs->b[i].n++] = *a;
	}
	return VLA_OK;
}

/* Every branch of bs from `from` on, followed by every branch of tail (and by nothing when optional). */
static vla_status multiply(reader *r, branches *bs, size_t from, const branches *tail, bool optional)
{
	branches out = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	for (size_t i = from; i < bs->n && st == VLA_OK; i++) {
		for (size_t j = 0; j < tail->n && st == VLA_OK; j++) {
			st = branches_add(r, &out, &bs->b[i]);
			for (size_t k = 0; k < tail->b[j].n && st == VLA_OK; k++)
				st = append(r, &out, out.n - 1, &tail->b[j].a[k]);
		}
		if (st == VLA_OK && optional)
			st = branches_add(r, &out, &bs->b[i]);
	}
	bs->n = from;
	for (size_t i = 0; i < out.n && st == VLA_OK; i++)
		st = branches_add(r, bs, &out.b[i]);
	free(out.b);
	return st;
}

static vla_status read_alternatives(reader *r, branches *bs);

static vla_status read_lookahead(reader *r, branches *bs, size_t from, bool negative)
{
	atom a = { negative ? ATOM_NOT_AHEAD : ATOM_AHEAD, false, 0, 1, 1 };
	if (r->i >= r->n || strchr("()|*+?{", r->s[r->i]))
		return unsupported(r, "this lookahead");
	VLA_TRY(read_set(r, &a.set));
	if (!take(r, ")"))
		return unsupported(r, "a lookahead beyond one character");
	return append(r, bs, from, &a);
}

static vla_status read_group(reader *r, branches *bs, size_t from)
{
	branches in = { NULL, 0, 0 };
	uint32_t min, max;
	bool possessive, fold = r->fold;
	if (take(r, "?!"))
		return read_lookahead(r, bs, from, true);
	if (take(r, "?="))
		return read_lookahead(r, bs, from, false);
	if (take(r, "?i:"))
		r->fold = true;
	else if (!take(r, "?:") && r->i < r->n && r->s[r->i] == '?')
		return unsupported(r, "this kind of group");
	if (++r->depth > MAX_DEPTH)
		return unsupported(r, "nesting this deep");
	vla_status st = read_alternatives(r, &in);
	r->depth--;
	r->fold = fold;
	if (st == VLA_OK && !take(r, ")"))
		st = malformed(r);
	if (st == VLA_OK)
		st = read_quantifier(r, &min, &max, &possessive);
	if (st == VLA_OK && (max != 1 || possessive))
		st = unsupported(r, "a repeated group");
	if (st == VLA_OK)
		st = multiply(r, bs, from, &in, min == 0);
	free(in.b);
	return st;
}

/* Alternatives up to the end or a closing parenthesis. */
static vla_status read_alternatives(reader *r, branches *bs)
{
	size_t from = bs->n;
	VLA_TRY(branches_add(r, bs, NULL));
	while (r->i < r->n && r->s[r->i] != ')') {
		atom a = { ATOM_SET, false, 0, 1, 1 };
		if (take(r, "|")) {
			from = bs->n;
			VLA_TRY(branches_add(r, bs, NULL));
			continue;
		}
		if (take(r, "(")) {
			VLA_TRY(read_group(r, bs, from));
			continue;
		}
		if (strchr("*+?{", r->s[r->i]))
			return malformed(r);
		if (strchr("^$", r->s[r->i]))
			return unsupported(r, "an anchor");
		VLA_TRY(read_set(r, &a.set));
		VLA_TRY(read_quantifier(r, &a.min, &a.max, &a.possessive));
		VLA_TRY(append(r, bs, from, &a));
	}
	return VLA_OK;
}

/* Which alternatives can begin with which ASCII characters. */
static void index_starts(vla_pattern *p)
{
	for (size_t i = 0; i < p->n_alts && i < 64; i++) {
		const atom *a = p->atoms + p->alts[i].first, *end = a + p->alts[i].n;
		bool open = true;
		for (; a < end && open; a++) {
			if (a->kind != ATOM_SET)
				continue;
			for (uint32_t c = 0; c < 128; c++)
				if (set_has(p, &p->set[a->set], c))
					p->start[c] |= 1ull << i;
			open = a->min == 0;
		}
	}
}

static vla_status flatten(reader *r, const branches *bs)
{
	vla_pattern *p = r->p;
	size_t total = 0;
	for (size_t i = 0; i < bs->n; i++)
		total += bs->b[i].n;
	p->atoms = vla_alloc(total, sizeof *p->atoms);
	if (!p->atoms)
		return vla_nomem(r->err);
	for (size_t i = 0; i < bs->n; i++) {
		p->alts[i].first = (uint32_t)p->n_atoms;
		p->alts[i].n = (uint32_t)bs->b[i].n;
		memcpy(p->atoms + p->n_atoms, bs->b[i].a, bs->b[i].n * sizeof *p->atoms);
		p->n_atoms += bs->b[i].n;
	}
	p->n_alts = bs->n;
	index_starts(p);
	return VLA_OK;
}

vla_status vla_pattern_new(const char *src, vla_pattern **out, vla_err *err)
{
	branches bs = { NULL, 0, 0 };
	reader r = { NULL, src, 0, strlen(src), false, 0, err };
	vla_pattern *p = r.p = vla_zalloc(1, sizeof *p);
	vla_status st;
	if (!p)
		return vla_nomem(err);
	st = read_alternatives(&r, &bs);
	if (st == VLA_OK && r.i < r.n)
		st = malformed(&r);
	if (st == VLA_OK)
		st = flatten(&r, &bs);
	free(bs.b);
	if (st != VLA_OK) {
		vla_pattern_free(p);
		return st;
	}
	*out = p;
	return VLA_OK;
}

vla_status vla_pattern_literal(const char *s, vla_pattern **out, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	for (; *s && st == VLA_OK; s++) {
		if (strchr("\\^$.|?*+()[]{}-", *s))
			st = vla_buf_add(&b, "\\", 1, err);
		if (st == VLA_OK)
			st = vla_buf_add(&b, s, 1, err);
	}
	if (st == VLA_OK)
		st = vla_buf_add(&b, "", 1, err);
	if (st == VLA_OK)
		st = vla_pattern_new(b.data, out, err);
	vla_buf_release(&b);
	return st;
}

void vla_pattern_free(vla_pattern *p)
{
	if (!p)
		return;
	free(p->set);
	free(p->range);
	free(p->atoms);
	free(p);
}

/* ---- matching ---- */

typedef struct matcher {
	const vla_pattern *p;
	const char *s;
	size_t n;
	size_t budget; /* steps that are left */
	bool exhausted;
} matcher;

static bool at(const matcher *m, size_t pos, const charset *s, size_t *next)
{
	if (pos >= m->n)
		return false;
	uint32_t c = (unsigned char)m->s[pos];
	size_t k = 1;
	if (c >= 128)
		k = vla_utf8_get(m->s + pos, m->n - pos, &c);
	*next = pos + k;
	return set_has(m->p, s, c);
}

static bool spend(matcher *m, size_t steps)
{
	m->exhausted |= steps > m->budget;
	m->budget -= m->exhausted ? 0 : steps;
	return !m->exhausted;
}

static bool match_atoms(matcher *m, const atom *a, const atom *end, size_t pos, size_t *stop)
{
	for (; a < end; a++) {
		const charset *s = &m->p->set[a->set];
		size_t next, count = 0, from = pos;
		if (a->kind != ATOM_SET) {
			if (at(m, pos, s, &next) != (a->kind == ATOM_AHEAD))
				return false;
			continue;
		}
		while (count < a->max && at(m, pos, s, &next)) {
			pos = next;
			count++;
		}
		if (!spend(m, count) || count < a->min)
			return false;
		if (count == a->min || a->possessive || a + 1 == end)
			continue;
		for (;; count--) {
			if (match_atoms(m, a + 1, end, pos, stop))
				return true;
			if (count == a->min || pos == from || !spend(m, 1))
				return false;
			do {
				pos--;
			} while (((unsigned char)m->s[pos] & 0xc0) == 0x80);
		}
	}
	*stop = pos;
	return true;
}

static bool match_at(matcher *m, size_t pos, size_t *stop)
{
	const vla_pattern *p = m->p;
	unsigned char c = (unsigned char)m->s[pos];
	for (size_t i = 0; i < p->n_alts && !m->exhausted; i++) {
		const atom *a = p->atoms + p->alts[i].first;
		if (c < 128 && i < 64) {
			uint64_t left = p->start[c] >> i;
			if (!left) {
				i = 63;
				continue;
			}
			if (!(left & 1))
				continue;
		}
		if (match_atoms(m, a, a + p->alts[i].n, pos, stop) && *stop > pos)
			return true;
	}
	return false;
}

vla_match vla_pattern_find(const vla_pattern *p, const char *s, size_t n, size_t from, size_t *begin, size_t *end)
{
	matcher m = { p, s, n, 100000 + 64 * n, false };
	for (size_t pos = from; pos < n;) {
		if (match_at(&m, pos, end)) {
			*begin = pos;
			return VLA_MATCH_FOUND;
		}
		if (m.exhausted)
			return VLA_MATCH_TOO_LONG;
		do {
			pos++;
		} while (pos < n && ((unsigned char)s[pos] & 0xc0) == 0x80);
	}
	return VLA_MATCH_NONE;
}
