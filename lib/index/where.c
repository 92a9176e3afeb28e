/* Conditions on the fields of records, turned into a set of rows. */
#include <vla/where.h>

#include "index/flat.h"

#include <fnmatch.h>
#include <math.h>
#include <stdatomic.h>

enum field { ID, CAPTION, LABEL, TIME, FIELDS };
static const char *const field_name[FIELDS] = { "id", "caption", "label", "time" };

enum operator{ EQUAL, UNEQUAL, LESS, AT_MOST, MORE, AT_LEAST };

struct condition {
	enum field field;
	enum operator op;
	char *value;
	bool glob;     // = and !=: value is a pattern
	double number; // NaN: value is no number
};

struct vla_where {
	struct condition *c; // [n]
	size_t n;
};

vla_status vla_where_new(vla_where **out, vla_err *err)
{
	*out = calloc(1, sizeof **out);
	return *out ? VLA_OK : vla_nomem(err);
}

void vla_where_free(vla_where *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		free(f->c[i].value);
	if (f)
		free(f->c);
	free(f);
}

// Seconds of "12.5", "1:05" or "1:05:00" up to *end, or NaN.
static double parse_time(const char *s, const char **end)
{
	double t = 0;
	for (int i = 0; i < 3; i++) {
		char *e;
		if (*s < '0' || *s > '9')
			return NAN;
		t = t * 60 + strtod(s, &e);
		*end = s = e;
		if (*s != ':')
			break;
		s++;
	}
	return t;
}

static double parse_number(const char *s)
{
	char *end;
	double v = strtod(s, &end);
	return end == s || *end ? NAN : v;
}

static enum operator parse_operator(const char **s)
{
	const char *p = *s;
	bool equals = p[1] == '=';
	*s += 1 + (equals && p[0] != '=');
	return p[0] == '='   ? EQUAL
	       : p[0] == '!' ? UNEQUAL
	       : p[0] == '<' ? (equals ? AT_MOST : LESS)
			     : (equals ? AT_LEAST : MORE);
}

vla_status vla_where_add(vla_where *f, const char *condition, vla_err *err)
{
	struct condition c = { .field = FIELDS };
	size_t n = strcspn(condition, "=!<>");
	const char *value = condition + n, *end = "";
	if (!*value || (value[0] == '!' && value[1] != '='))
		return vla_fail(err, VLA_EINVAL, "condition '%s' has no operator: one of = != < <= > >=", condition);
	for (int i = 0; i < FIELDS; i++)
		if (strlen(field_name[i]) == n && memcmp(condition, field_name[i], n) == 0)
			c.field = (enum field)i;
	if (c.field == FIELDS)
		return vla_fail(err, VLA_EINVAL, "condition '%s' names no field: one of id, caption, label, time",
				condition);
	c.op = parse_operator(&value);
	c.number = c.field == TIME ? parse_time(value, &end) : parse_number(value);
	if (c.field == TIME && (isnan(c.number) || *end))
		return vla_fail(err, VLA_EINVAL, "condition '%s': the time is not in seconds or as 1:05:00", condition);
	c.glob = c.op <= UNEQUAL && strpbrk(value, "*?[\\");
	struct condition *p = vla_realloc(f->c, f->n + 1, sizeof *p);
	if (!p)
		return vla_nomem(err);
	f->c = p;
	if (!(c.value = vla_strdup(value)))
		return vla_nomem(err);
	f->c[f->n++] = c;
	return VLA_OK;
}

static bool compare(enum operator op, double order)
{
	return op == LESS ? order < 0 : op == AT_MOST ? order <= 0 : op == MORE ? order > 0 : order >= 0;
}

static bool meets_text(const struct condition *c, const char *s)
{
	if (!s)
		return c->op == UNEQUAL;
	if (c->op <= UNEQUAL) {
		bool equal = c->glob ? fnmatch(c->value, s, 0) == 0 : strcmp(c->value, s) == 0;
		return equal == (c->op == EQUAL);
	}
	double x = isnan(c->number) ? NAN : parse_number(s);
	return compare(c->op, isnan(x) ? strcmp(s, c->value) : x < c->number ? -1 : x > c->number);
}

// The span of a media fragment: t=10,20 or t=10 or t=,20, after '#' or '&', with npt: before it or not.
static bool span_of(const char *id, double *from, double *to)
{
	const char *s = strrchr(id, '#');
	while (s && strncmp(s + 1, "t=", 2) != 0)
		s = strchr(s + 1, '&');
	if (!s)
		return false;
	s += 3;
	s += strncmp(s, "npt:", 4) == 0 ? 4 : 0;
	*from = 0;
	*to = INFINITY;
	if (*s != ',' && isnan(*from = parse_time(s, &s)))
		return false;
	if (*s == ',' && isnan(*to = parse_time(s + 1, &s)))
		return false;
	return true;
}

static bool meets_time(const struct condition *c, const char *id, bool *present)
{
	double from, to;
	if (!span_of(id, &from, &to))
		return c->op == UNEQUAL;
	*present = true;
	bool holds = from <= c->number && c->number <= to;
	switch (c->op) {
	case EQUAL: return holds;
	case UNEQUAL: return !holds;
	case LESS: return from < c->number;
	case AT_MOST: return from <= c->number;
	case MORE: return to > c->number;
	default: return to >= c->number;
	}
}

struct pass {
	const vla_where *f;
	const vla_store *s;
	uint64_t *allow;
	atomic_bool present[FIELDS];
	atomic_ullong count;
};

static bool meets(struct pass *p, uint64_t row, bool *present)
{
	bool all = !vla_store_dead(p->s, row);
	for (size_t i = 0; i < p->f->n; i++) {
		const struct condition *c = &p->f->c[i];
		const char *id = vla_store_id(p->s, row);
		if (c->field == TIME) {
			all = meets_time(c, id, &present[TIME]) && all;
			continue;
		}
		const char *s = c->field == ID        ? id
				: c->field == CAPTION ? vla_store_caption(p->s, row)
						      : vla_store_label(p->s, row);
		present[c->field] = present[c->field] || s;
		all = all && meets_text(c, s);
	}
	return all;
}

static void filter_words(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct pass *p = ctx;
	bool present[FIELDS] = { false };
	unsigned long long count = 0;
	(void)worker;
	for (size_t w = begin; w < end; w++) {
		uint64_t bits = 0, first = (uint64_t)w * 64;
		for (uint64_t i = 0; i < 64 && first + i < p->s->rows; i++)
			if (meets(p, first + i, present)) {
				bits |= (uint64_t)1 << i;
				count++;
			}
		p->allow[w] = bits;
	}
	atomic_fetch_add(&p->count, count);
	for (int i = 0; i < FIELDS; i++)
		if (present[i])
			atomic_store(&p->present[i], true);
}

vla_status vla_where_rows(const vla_where *f, vla_index *x, uint64_t *allow, uint64_t *count, vla_err *err)
{
	struct pass p = { .f = f, .s = &x->store, .allow = allow };
	vla_parallel(x->pool, (size_t)(x->store.rows / 64 + 1), 64, filter_words, &p);
	*count = atomic_load(&p.count);
	for (size_t i = 0; i < f->n && x->store.rows; i++)
		if (!atomic_load(&p.present[f->c[i].field]))
			return vla_fail(err, VLA_EINVAL, "no record has a %s, which the filter asks for",
					field_name[f->c[i].field]);
	return VLA_OK;
}

vla_status vla_index_search_range(vla_index *x, const vla_search_opts *o, const float *query, float floor,
				  vla_hit **hits, size_t *n, vla_err *err)
{
	vla_search_opts with = *o;
	// Twice as many until the last falls below the floor.
	for (with.k = 1024;; with.k *= 2) {
		vla_hit *h = vla_alloc(with.k, sizeof *h);
		if (!h)
			return vla_nomem(err);
		vla_status s = vla_index_search_with(x, &with, query, 1, h, n, err);
		if (s == VLA_OK && *n == with.k && h[*n - 1].score >= floor) {
			free(h);
			continue;
		}
		if (s != VLA_OK) {
			free(h);
			return s;
		}
		while (*n && !(h[*n - 1].score >= floor))
			--*n;
		*hits = h;
		return VLA_OK;
	}
}
