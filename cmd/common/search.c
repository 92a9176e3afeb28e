/* Queries of all forms, in batches. */
#include "common/search.h"
#include "common/diag.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void must(vla_status s, const vla_err *err)
{
	if (s != VLA_OK)
		die("%s", err->msg);
}

static void *need(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static vla_reader *open_stream(const char *path)
{
	vla_err err = VLA_ERR_INIT;
	vla_reader *r;
	if (vla_reader_open(path, &r, &err) != VLA_OK)
		die("cannot open '%s': %s", path, err.msg);
	return r;
}

static void open_queries(struct search *s)
{
	if (!s->stream)
		return;
	s->reader = open_stream(s->stream);
	const vla_header *h = vla_reader_header(s->reader);
	if (h->kind == VLA_TOKENS)
		die("'%s' holds tokens records; queries are dense or sparse", s->stream);
	s->sparse = h->kind == VLA_SPARSE;
	if (s->sparse && s->calibrate)
		die("p-values are for dense vectors, '%s' holds sparse ones", s->stream);
}

static void read_vocabulary(struct search *s)
{
	FILE *f = s->vocabulary ? fopen(s->vocabulary, "r") : NULL;
	size_t cap = 0, room = 0;
	char *line = NULL;
	ssize_t n;
	if (s->vocabulary && !f)
		die("cannot open '%s':", s->vocabulary);
	while (f && (n = getline(&line, &cap, f)) >= 0) {
		if (n && line[n - 1] == '\n')
			line[n - 1] = 0;
		if (s->words == room)
			s->word = need(realloc(s->word, (room = room ? room * 2 : 1024) * sizeof *s->word));
		s->word[s->words++] = need(strdup(line));
	}
	if (f && ferror(f))
		die("cannot read '%s':", s->vocabulary);
	free(line);
	if (f)
		fclose(f);
}

static void open_index(struct search *s, struct search_index *x)
{
	vla_err err = VLA_ERR_INIT;
	vla_where *f;
	uint64_t n;
	vla_status st = s->sparse ? vla_inverted_open(x->path, s->pool, &x->lists, &err)
				  : vla_index_open(x->path, s->pool, &x->x, &err);
	if (st != VLA_OK)
		die("cannot open '%s': %s", x->path, err.msg);
	if (s->sparse)
		x->x = vla_inverted_index(x->lists);
	else if (vla_index_header(x->x)->kind != VLA_DENSE)
		die("'%s' holds %s records; they are searched with --queries STREAM of such", x->path,
		    vla_kind_name(vla_index_header(x->x)->kind));
	if (s->top)
		x->hits = need(malloc(s->batch * s->top * sizeof *x->hits));
	if (!s->where.n)
		return;
	must(vla_where_new(&f, &err), &err);
	for (size_t i = 0; i < s->where.n; i++)
		must(vla_where_add(f, s->where.v[i], &err), &err);
	x->allow = need(calloc(vla_index_rows(x->x) / 64 + 1, sizeof *x->allow));
	if (vla_where_rows(f, x->x, x->allow, &n, &err) != VLA_OK)
		die("'%s': %s", x->path, err.msg);
	inform("'%s': %llu of %llu records pass the filter", x->path, (unsigned long long)n,
	       (unsigned long long)vla_index_live(x->x));
	vla_where_free(f);
}

static void check_source(const struct search *s, const char *what, const char *model, uint32_t dim)
{
	for (size_t i = 0; i < s->paths; i++) {
		const vla_header *h = vla_index_header(s->index[i].x);
		if (h->model[0] && model[0] && strcmp(h->model, model) != 0)
			die("'%s' was made with model %s, %s with %s", s->path[i], h->model, what, model);
		if (h->dim != dim)
			die("'%s' has vectors of %u numbers, %s %u", s->path[i], h->dim, what, dim);
	}
}

void search_open(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	open_queries(s);
	if (s->sparse && !s->top)
		s->top = SEARCH_HITS;
	size_t most = s->top ? SEARCH_HITS / s->top / s->paths : 1;
	s->batch = most < 1 ? 1 : most < SEARCH_BATCH ? most : SEARCH_BATCH;
	must(vla_pool_new(s->com->threads, &s->pool, &err), &err);
	must(vla_queries_new(&s->queries, &err), &err);
	s->index = need(calloc(s->paths, sizeof *s->index));
	read_vocabulary(s);
	for (size_t i = 0; i < s->paths; i++) {
		s->index[i].path = s->path[i];
		open_index(s, &s->index[i]);
	}
	const vla_header *h = vla_index_header(s->index[0].x);
	check_source(s, s->path[0], h->model, h->dim);
	if (s->reader)
		check_source(s, "the queries", vla_reader_header(s->reader)->model, vla_reader_header(s->reader)->dim);
}

void search_close(struct search *s)
{
	vla_background_free(s->null);
	vla_queries_free(s->queries);
	vla_model_close(s->model);
	for (size_t i = 0; i < s->paths; i++) {
		if (s->sparse)
			vla_inverted_close(s->index[i].lists);
		else
			vla_index_close(s->index[i].x);
		free(s->index[i].allow);
		free(s->index[i].hits);
	}
	free(s->index);
	vla_reader_close(s->reader);
	while (s->words)
		free(s->word[--s->words]);
	free(s->word);
	vla_pool_free(s->pool);
}

static void open_model(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = { .pool = s->pool, .compute = (vla_compute)s->com->compute };
	if (s->sparse)
		die("texts and pictures are dense queries, '%s' holds sparse ones", s->stream);
	must(vla_model_open(s->com->model, &o, &s->model, &err), &err);
	const vla_model_info *m = vla_model_get_info(s->model);
	check_source(s, "the queries would be", m->fingerprint, m->dim);
}

// All vectors of a stream; *n of them.
static float *read_vectors(const struct search *s, const char *path, size_t *n)
{
	vla_err err = VLA_ERR_INIT;
	vla_rec rec = VLA_REC_INIT;
	vla_reader *r = open_stream(path);
	const vla_header *h = vla_reader_header(r);
	if (h->kind != VLA_DENSE)
		die("'%s' holds %s records; background vectors are dense", path, vla_kind_name(h->kind));
	check_source(s, "background vectors", h->model, h->dim);
	size_t dim = h->dim, cap = 0;
	float *v = NULL;
	vla_status st;
	for (*n = 0; (st = vla_reader_next(r, &rec, &err)) == VLA_OK; ++*n) {
		if (*n == cap)
			v = need(realloc(v, (cap = cap ? cap * 2 : 1024) * dim * sizeof *v));
		memcpy(v + *n * dim, rec.data, dim * sizeof *v);
	}
	if (st != VLA_EOF)
		die("cannot read '%s': %s", path, err.msg);
	vla_rec_release(&rec);
	vla_reader_close(r);
	return v;
}

static void open_background(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	size_t n = VLA_BACKGROUND_TEXTS;
	float *v;
	if (s->background) {
		v = read_vectors(s, s->background, &n);
	} else {
		v = need(malloc(n * vla_index_header(s->index[0].x)->dim * sizeof *v));
		must(vla_background_embed(s->model, n, v, &err), &err);
	}
	must(vla_background_new(s->index[0].x, v, n, &s->null, &err), &err);
	free(v);
}

static void calibrate(struct search *s, const float *v, size_t nq, bool texts)
{
	vla_err err = VLA_ERR_INIT;
	struct search_index *x = &s->index[0];
	bool background = s->background || texts;
	if (!s->null && background)
		open_background(s);
	must(background ? vla_background_calibrate(s->null, v, nq, s->top, x->hits, x->found, &err)
			: vla_index_calibrate(x->x, v, nq, s->top, x->hits, x->found, &err),
	     &err);
}

// "dog:0.75 grass:0.5", the words that add most first.
static char *explain(struct search *s, vla_inverted *lists, const vla_sparse *q, uint64_t row)
{
	vla_err err = VLA_ERR_INIT;
	vla_match *m = need(malloc((q->n + 1) * sizeof *m));
	char *text = NULL;
	size_t n, bytes;
	FILE *f = need(open_memstream(&text, &bytes));
	must(vla_inverted_explain(lists, q, row, m, &n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? " " : "", f);
		if (m[i].index < s->words)
			fputs(s->word[m[i].index], f);
		else
			fprintf(f, "%u", m[i].index);
		fprintf(f, ":%.4g", m[i].score);
	}
	if (fclose(f) != 0)
		die("out of memory");
	free(m);
	return text;
}

// The results of query number q: the best of all indexes, of which equal scores keep the order.
static void put_query(struct search *s, const char *name, size_t q, const vla_sparse *sparse)
{
	size_t at[SEARCH_INDEXES] = { 0 };
	for (size_t rank = 1; !s->top || rank <= s->top; rank++) {
		const vla_hit *best = NULL;
		size_t from = 0;
		for (size_t i = 0; i < s->paths; i++) {
			const struct search_index *x = &s->index[i];
			const vla_hit *h = &x->hits[q * s->top + at[i]];
			if (at[i] < x->found[q] && (!best || h->score > best->score)) {
				best = h;
				from = i;
			}
		}
		if (!best || best->score < s->min_score)
			break;
		at[from]++;
		if (s->min_p >= 0 && !(1 - best->p >= s->min_p))
			continue;
		vla_index *x = s->index[from].x;
		char *why = s->explain ? explain(s, s->index[from].lists, sparse, best->row) : NULL;
		results_put(&s->out, &(struct result){ name, rank, best->score, best->p, vla_index_id(x, best->row),
						       vla_index_caption(x, best->row), why });
		free(why);
	}
}

static void find(struct search *s, struct search_index *x, const float *v, size_t nq)
{
	vla_err err = VLA_ERR_INIT;
	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
	o.k = s->top;
	o.allow = x->allow;
	o.exact = s->exact;
	o.probes = s->probes;
	if (s->top) {
		must(vla_index_search_with(x->x, &o, v, nq, x->hits, x->found, &err), &err);
		return;
	}
	free(x->hits);
	x->hits = NULL;
	must(vla_index_search_range(x->x, &o, v, (float)s->min_score, &x->hits, &x->found[0], &err), &err);
}

// nq at most s->batch. texts: all of them are texts, embedded with s->model.
static void answer(struct search *s, const char *const *name, const float *v, size_t nq, bool texts)
{
	for (size_t i = 0; i < s->paths; i++)
		find(s, &s->index[i], v, nq);
	if (s->calibrate)
		calibrate(s, v, nq, texts);
	for (size_t q = 0; q < nq; q++)
		put_query(s, name[q], q, NULL);
}

static void answer_queries(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	const char *name[SEARCH_BATCH];
	size_t n = vla_queries_count(s->queries), dim = vla_index_header(s->index[0].x)->dim;
	if (!s->model)
		open_model(s);
	must(vla_queries_embed(s->queries, s->model, &err), &err);
	for (size_t i = 0, k; i < n; i += k) {
		bool texts = !vla_queries_has_image(s->queries, i);
		for (k = 0; k < s->batch && i + k < n && vla_queries_has_image(s->queries, i + k) != texts; k++)
			name[k] = vla_queries_name(s->queries, i + k);
		answer(s, name, vla_queries_vectors(s->queries) + i * dim, k, texts);
	}
	vla_queries_clear(s->queries);
}

void search_operands(struct search *s, const char *const *image, size_t images, char *const *text, size_t texts)
{
	vla_err err = VLA_ERR_INIT;
	vla_queries *q = s->queries;
	bool terms = false;
	for (size_t i = 0; i < texts; i++)
		terms = terms || text[i][0] == '+' || text[i][0] == '-';
	for (size_t i = 0; i < images; i++)
		must(terms ? vla_queries_add_image_term(q, image[i], 1, &err)
			   : vla_queries_add_image(q, image[i], &err),
		     &err);
	for (size_t i = 0; i < texts; i++)
		must(text[i][0] == '+' || text[i][0] == '-' ? vla_queries_add_term(q, text[i], &err)
							    : vla_queries_add_text(q, text[i], &err),
		     &err);
	if (vla_queries_count(q))
		answer_queries(s);
}

void search_lines(struct search *s, const char *path)
{
	vla_err err = VLA_ERR_INIT;
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	if (!f)
		die("cannot open '%s':", path);
	while ((n = getdelim(&line, &cap, s->com->null ? 0 : '\n', f)) >= 0) {
		if (n && !s->com->null && line[n - 1] == '\n')
			line[n - 1] = 0;
		if (line[0])
			must(vla_queries_add_text(s->queries, line, &err), &err);
		if (vla_queries_count(s->queries) == SEARCH_BATCH)
			answer_queries(s);
	}
	if (ferror(f))
		die("cannot read '%s':", path);
	if (vla_queries_count(s->queries))
		answer_queries(s);
	free(line);
	if (f != stdin)
		fclose(f);
}

// Queries of a stream until they are answered.
struct asked {
	char *name[SEARCH_BATCH];
	float *dense;                    // [batch, dim]
	vla_sparse sparse[SEARCH_BATCH]; // copies
	size_t n;
};

static void *copy(const void *p, size_t bytes)
{
	return memcpy(need(malloc(bytes + 1)), p, bytes);
}

static void ask(struct search *s, struct asked *a, const vla_rec *rec, size_t dim)
{
	if (s->sparse)
		a->sparse[a->n] = (vla_sparse){ copy(rec->index, rec->rows * sizeof *rec->index),
						copy(rec->data, rec->rows * sizeof *rec->data), rec->rows };
	else
		memcpy(a->dense + a->n * dim, rec->data, dim * sizeof *a->dense);
	a->name[a->n++] = need(strdup(rec->id));
}

static void answer_sparse(struct search *s, const struct asked *a)
{
	vla_err err = VLA_ERR_INIT;
	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
	o.k = s->top;
	for (size_t i = 0; i < s->paths; i++) {
		struct search_index *x = &s->index[i];
		o.allow = x->allow;
		must(vla_inverted_search(x->lists, &o, a->sparse, a->n, x->hits, x->found, &err), &err);
	}
	for (size_t q = 0; q < a->n; q++)
		put_query(s, a->name[q], q, &a->sparse[q]);
}

static void answer_asked(struct search *s, struct asked *a)
{
	if (s->sparse)
		answer_sparse(s, a);
	else
		answer(s, (const char *const *)a->name, a->dense, a->n, false);
	while (a->n) {
		free(a->name[--a->n]);
		free((void *)(uintptr_t)a->sparse[a->n].index);
		free((void *)(uintptr_t)a->sparse[a->n].weight);
	}
}

void search_stream(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	vla_rec rec = VLA_REC_INIT;
	static struct asked a;
	size_t dim = vla_reader_header(s->reader)->dim;
	a.dense = need(malloc(s->batch * (s->sparse ? 1 : dim) * sizeof *a.dense));
	vla_status st;
	while ((st = vla_reader_next(s->reader, &rec, &err)) == VLA_OK) {
		ask(s, &a, &rec, dim);
		if (a.n == s->batch)
			answer_asked(s, &a);
	}
	if (a.n)
		answer_asked(s, &a);
	if (st != VLA_EOF)
		die("cannot read '%s': %s", s->stream, err.msg);
	free(a.dense);
	vla_rec_release(&rec);
}

static vla_status put_pair(void *ctx, uint64_t first, uint64_t second, float score, vla_err *err)
{
	struct search *s = ctx;
	const vla_index *x = s->index[0].x;
	(void)err;
	results_put(&s->out, &(struct result){ vla_index_id(x, first), 1, score, NAN, vla_index_id(x, second),
					       vla_index_caption(x, second), NULL });
	return VLA_OK;
}

void search_duplicates(struct search *s, double threshold)
{
	vla_err err = VLA_ERR_INIT;
	must(vla_index_duplicates(s->index[0].x, (float)threshold, put_pair, s, &err), &err);
}
