/* Reading tokens, and the counts that all statistics of a corpus start from. */
#include "probe/corpus.h"

#include "io/file.h"
#include "probe/ngram.h"
#include "text/unicode.h"
#include "train/intern.h"


struct reading {
	vla_intern type;
	vla_buf token, first; // uint32_t, size_t
	const char *unit;
	size_t order, limit;
};

static bool next_unit(const char *unit, const char **s, char *out, size_t cap)
{
	if (strcmp(unit, "word") == 0)
		return vla_word_lower(s, out, cap);
	*s += strspn(*s, " \t\r\n");
	size_t n = strcmp(unit, "character") == 0 ? 0 : strcspn(*s, " \t\r\n");
	if (strcmp(unit, "character") == 0 && **s) {
		uint32_t c;
		n = vla_utf8_get(*s, strlen(*s), &c);
	}
	size_t k = n < cap - 1 ? n : cap - 1;
	memcpy(out, *s, k);
	out[k] = 0;
	*s += n;
	return n > 0;
}

// One sentence; n-grams are joined by blanks, which no unit holds.
static vla_status add_sentence(void *ctx, const char *s, vla_err *err)
{
	struct reading *r = ctx;
	char last[4][64], joined[272];
	size_t n = 0, begin = r->token.n;
	while (r->token.n / sizeof(uint32_t) < r->limit && next_unit(r->unit, &s, last[n % r->order], sizeof last[0])) {
		size_t len = 0;
		uint32_t id;
		if (++n < r->order)
			continue;
		for (size_t k = 0; k < r->order; k++)
			len += (size_t)snprintf(joined + len, sizeof joined - len, "%s%s", k ? " " : "",
						last[(n + k) % r->order]);
		VLA_TRY(vla_intern_add(&r->type, joined, &id, err));
		VLA_TRY(vla_buf_add(&r->token, &id, sizeof id, err));
	}
	size_t at = r->token.n / sizeof(uint32_t);
	return r->token.n > begin ? vla_buf_add(&r->first, &at, sizeof at, err) : VLA_OK;
}

static vla_status read_table(struct reading *r, vla_probe *p, const char *path, vla_err *err)
{
	vla_rows rows = { 0 };
	vla_status s = vla_rows_open(p, path, NULL, &rows, err);
	if (s == VLA_OK)
		s = vla_rows_need(&rows, "caption", err);
	while (s == VLA_OK && (s = vla_rows_next(&rows, err)) == VLA_OK) {
		const char *text = vla_rows_get(&rows, "caption");
		if (text)
			s = add_sentence(r, text, err);
	}
	vla_rows_close(&rows);
	return s == VLA_EOF ? VLA_OK : s;
}

struct frequent {
	uint32_t id;
	size_t n;
};

static int by_count(const void *a, const void *b)
{
	const struct frequent *x = a, *y = b;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

// Renumbers types by frequency; with top, rarer ones become number `top`.
static vla_status renumber(vla_tokens *c, size_t top, vla_err *err)
{
	struct frequent *f = vla_zalloc(c->types, sizeof *f);
	uint32_t *to = vla_alloc(c->types, sizeof *to);
	if (f && to) {
		for (size_t i = 0; i < c->types; i++)
			f[i].id = (uint32_t)i;
		for (size_t i = 0; i < c->tokens; i++)
			f[c->token[i]].n++;
		qsort(f, c->types, sizeof *f, by_count);
		for (size_t i = 0; i < c->types; i++)
			to[f[i].id] = (uint32_t)(top && i > top ? top : i);
		for (size_t i = 0; i < c->tokens; i++)
			c->token[i] = to[c->token[i]];
		if (top && c->types > top + 1)
			c->types = top + 1;
	}
	vla_status s = f && to ? VLA_OK : vla_nomem(err);
	free(f);
	free(to);
	return s;
}

vla_status vla_tokens_open(vla_probe *p, const char *path, const char *unit, size_t order, size_t top, size_t limit,
			   vla_tokens *c, vla_err *err)
{
	struct reading r = { .unit = unit, .order = order, .limit = limit ? limit : SIZE_MAX };
	size_t n = strlen(path), zero = 0;
	*c = (vla_tokens){ 0 };
	if (strcmp(unit, "word") != 0 && strcmp(unit, "token") != 0 && strcmp(unit, "character") != 0)
		return vla_fail(err, VLA_EINVAL, "setting unit is word, token or character, not '%.60s'", unit);
	bool table = (n > 4 && strcmp(path + n - 4, ".tsv") == 0) || (n > 6 && strcmp(path + n - 6, ".jsonl") == 0);
	vla_status s = vla_buf_add(&r.first, &zero, sizeof zero, err);
	if (s == VLA_OK)
		s = table ? read_table(&r, p, path, err) : vla_infile_lines(path, add_sentence, &r, err);
	c->token = (uint32_t *)(void *)r.token.data;
	c->tokens = r.token.n / sizeof *c->token;
	c->types = r.type.n;
	c->first = (size_t *)(void *)r.first.data;
	c->sentences = r.first.n ? r.first.n / sizeof *c->first - 1 : 0;
	vla_intern_release(&r.type);
	if (s == VLA_OK && c->tokens == 0)
		s = vla_fail(err, VLA_EINVAL, "'%s' has no token", path);
	if (s == VLA_OK)
		s = renumber(c, top, err);
	if (s != VLA_OK)
		vla_tokens_close(c);
	return s;
}

void vla_tokens_close(vla_tokens *c)
{
	free(c->token);
	free(c->first);
	*c = (vla_tokens){ 0 };
}

static int descending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x < y) - (x > y);
}

vla_status vla_counts_of(const vla_tokens *c, const size_t *pick, size_t n, vla_counts *out, vla_err *err)
{
	*out = (vla_counts){ .count = vla_zalloc(c->types, sizeof *out->count) };
	if (!out->count)
		return vla_nomem(err);
	for (size_t i = 0; i < (pick ? n : c->sentences); i++) {
		size_t s = pick ? pick[i] : i;
		for (size_t t = c->first[s]; t < c->first[s + 1]; t++)
			out->count[c->token[t]]++;
		out->tokens += (double)(c->first[s + 1] - c->first[s]);
	}
	qsort(out->count, c->types, sizeof *out->count, descending);
	while (out->types < c->types && out->count[out->types] > 0)
		out->types++;
	return VLA_OK;
}

void vla_counts_release(vla_counts *c)
{
	free(c->count);
	*c = (vla_counts){ 0 };
}
