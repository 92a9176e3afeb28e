/* Fusion of rankings that were read from files. */
#include <vla/fuse.h>

#include "index/intake.h"
#include "io/table.h"

#include <errno.h>
#include <math.h>

enum { LISTS = 64, OFFSET = 60 }; // 60: the usual constant of reciprocal rank fusion

struct entry {
	const char *query, *id;
	uint64_t group; // number of the query
	uint32_t list;
	double rank, score;
};

struct fused {
	const char *id;
	double score;
	uint64_t lists; // a bit for each list that has it
	size_t order;
};

struct vla_fuser {
	vla_fuse_how how;
	size_t lists;
	double weight[LISTS];
	vla_arena *text;
	struct entry *e; // [n]
	size_t n, cap;
};

vla_status vla_fuser_new(vla_fuse_how how, size_t lists, const double *weights, vla_fuser **out, vla_err *err)
{
	if (lists < 1 || lists > LISTS)
		return vla_fail(err, VLA_EINVAL, "between 1 and %d lists are fused, not %zu", LISTS, lists);
	for (size_t i = 0; weights && i < lists; i++)
		if (!(weights[i] >= 0) || isinf(weights[i]))
			return vla_fail(err, VLA_EINVAL, "weights of lists are not negative");
	vla_fuser *f = calloc(1, sizeof *f);
	if (!f || !(f->text = vla_arena_new(0))) {
		free(f);
		return vla_nomem(err);
	}
	f->how = how;
	f->lists = lists;
	for (size_t i = 0; i < lists; i++)
		f->weight[i] = weights ? weights[i] : 1;
	*out = f;
	return VLA_OK;
}

void vla_fuser_free(vla_fuser *f)
{
	if (!f)
		return;
	vla_arena_free(f->text);
	free(f->e);
	free(f);
}

// Ends the field at p and returns where the next one begins, or NULL after the last.
static char *cut(char *p)
{
	char *tab = strchr(p, '\t');
	if (tab)
		*tab++ = 0;
	return tab;
}

static bool parse(const char *s, double *out)
{
	char *end;
	*out = strtod(s, &end);
	return end != s && !*end && isfinite(*out);
}

static const char *keep(vla_fuser *f, char *s)
{
	vla_tsv_unescape(s);
	char *p = vla_arena_alloc(f->text, strlen(s) + 1, 1);
	return p ? memcpy(p, s, strlen(s) + 1) : NULL;
}

static vla_status add_line(vla_fuser *f, size_t list, char *line, vla_err *err)
{
	struct entry e = { .list = (uint32_t)list };
	char *rank = cut(line), *score = rank ? cut(rank) : NULL, *id = score ? cut(score) : NULL;
	if (id)
		cut(id);
	if (!id || !parse(rank, &e.rank) || !parse(score, &e.score) || e.rank < 1)
		return vla_fail(err, VLA_EFORMAT, "not a query, a rank, a score and an id with tabs between");
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 1024;
		struct entry *p = vla_realloc(f->e, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		f->e = p;
		f->cap = cap;
	}
	// Results of a query follow each other, so that most names are those of the line before.
	vla_tsv_unescape(line);
	e.query = f->n && strcmp(f->e[f->n - 1].query, line) == 0 ? f->e[f->n - 1].query : NULL;
	if (!e.query) {
		char *p = vla_arena_alloc(f->text, strlen(line) + 1, 1);
		e.query = p ? memcpy(p, line, strlen(line) + 1) : NULL;
	}
	e.id = keep(f, id);
	if (!e.query || !e.id)
		return vla_nomem(err);
	f->e[f->n++] = e;
	return VLA_OK;
}

vla_status vla_fuser_read(vla_fuser *f, size_t list, const char *path, vla_err *err)
{
	FILE *in = NULL;
	char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t n;
	vla_status s = list < f->lists ? vla_infile_open(path, &in, err) : vla_fail(err, VLA_EINVAL, "no such list");
	while (s == VLA_OK && (n = getline(&line, &cap, in)) >= 0) {
		number++;
		if (n && line[n - 1] == '\n')
			line[n - 1] = 0;
		s = add_line(f, list, line, err);
		if (s != VLA_OK)
			s = vla_prefix(err, s, "'%s', line %zu", path, number);
	}
	if (s == VLA_OK && !feof(in)) // getline also gives up when memory is short
		s = errno == ENOMEM ? vla_nomem(err)
				    : vla_fail(err, VLA_EIO, "cannot read '%s': %s", path, strerror(errno));
	free(line);
	if (in)
		vla_infile_close(in);
	return s;
}

static int by_score(const void *a, const void *b)
{
	const struct fused *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

// Entries of one query, in the order read; *m results into out [n].
static vla_status fuse(const vla_fuser *f, const struct entry *const *e, size_t n, struct fused *out, size_t *m,
		       vla_err *err)
{
	double last[LISTS], base = 0;
	vla_id_set *ids;
	for (size_t i = 0; i < f->lists; i++)
		last[i] = INFINITY;
	for (size_t i = 0; i < n; i++)
		last[e[i]->list] = e[i]->score < last[e[i]->list] ? e[i]->score : last[e[i]->list];
	for (size_t i = 0; i < f->lists && f->how == VLA_FUSE_SCORES; i++)
		base += isinf(last[i]) ? 0 : f->weight[i] * last[i];
	VLA_TRY(vla_id_set_new(n, &ids, err));
	*m = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = *m;
		if (vla_id_set_add(ids, e[i]->id, &at)) {
			out[*m] = (struct fused){ e[i]->id, base, 0, *m };
			++*m;
		}
		struct fused *r = &out[at];
		if (r->lists >> e[i]->list & 1) // twice in one list
			continue;
		r->lists |= (uint64_t)1 << e[i]->list;
		r->score += f->weight[e[i]->list] *
			    (f->how == VLA_FUSE_RANKS ? 1 / (OFFSET + e[i]->rank) : e[i]->score - last[e[i]->list]);
	}
	vla_id_set_free(ids);
	qsort(out, *m, sizeof *out, by_score);
	return VLA_OK;
}

// Numbers the queries; returns how many in *groups.
static vla_status number_queries(vla_fuser *f, size_t *groups, vla_err *err)
{
	vla_id_set *names;
	*groups = 0;
	VLA_TRY(vla_id_set_new(f->n, &names, err));
	for (size_t i = 0; i < f->n; i++) {
		f->e[i].group = *groups;
		*groups += vla_id_set_add(names, f->e[i].query, &f->e[i].group);
	}
	vla_id_set_free(names);
	return VLA_OK;
}

vla_status vla_fuser_finish(vla_fuser *f, size_t k, vla_fused_fn *fn, void *ctx, vla_err *err)
{
	size_t groups, m;
	VLA_TRY(number_queries(f, &groups, err));
	size_t *end = vla_zalloc(groups + 2, sizeof *end);
	const struct entry **sorted = vla_alloc(f->n, sizeof *sorted);
	struct fused *out = vla_alloc(f->n, sizeof *out);
	vla_status s = end && sorted && out ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < f->n && s == VLA_OK; i++)
		end[f->e[i].group + 2]++;
	for (size_t g = 0; g < groups && s == VLA_OK; g++)
		end[g + 2] += end[g + 1];
	for (size_t i = 0; i < f->n && s == VLA_OK; i++)
		sorted[end[f->e[i].group + 1]++] = &f->e[i];
	for (size_t g = 0; g < groups && s == VLA_OK; g++) {
		s = fuse(f, sorted + end[g], end[g + 1] - end[g], out, &m, err);
		for (size_t i = 0; i < m && i < k && s == VLA_OK; i++)
			s = fn(ctx, sorted[end[g]]->query, i + 1, out[i].score, out[i].id, err);
	}
	free(end);
	free(sorted);
	free(out);
	return s;
}
