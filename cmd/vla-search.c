/* vla-search: ranks the vectors of an index or a stream for texts, pictures, combinations of them, and streams of
 * queries. */
#include "common/diag.h"
#include "common/hits.h"
#include "common/opts.h"

#include <vla/convert.h>
#include <vla/index.h>
#include <vla/query.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 256, HITS = 1 << 20 };

static struct {
	uint32_t top;
	struct opt_list image;
	const char *queries, *text_file, *sheet, *font;
	double min_p, duplicates;
	bool calibrate;
} opt = { .top = 10, .min_p = -1, .duplicates = -2 };

static const struct opt_row rows[] = {
	{ 'k', "top", VLA_OPT_U32, &opt.top, "N", "results a query (default 10)", NULL },
	{ 'i', "image", VLA_OPT_LIST, &opt.image, "FILE", "a picture as a query, or as a term beside +TEXT and -TEXT",
	  NULL },
	{ 0, "queries", VLA_OPT_STRING, &opt.queries, "STREAM", "take the vectors of a stream as queries", NULL },
	{ 0, "text-file", VLA_OPT_STRING, &opt.text_file, "FILE", "take each line of FILE as a query", NULL },
	{ 0, "calibrate", VLA_OPT_FLAG, &opt.calibrate, NULL, "print a p-value for each result", NULL },
	{ 0, "min-p", VLA_OPT_DOUBLE, &opt.min_p, "P", "keep results with a confidence, 1 - p, of at least P", NULL },
	{ 0, "duplicates", VLA_OPT_DOUBLE, &opt.duplicates, "T", "print all pairs that score at least T instead",
	  NULL },
	{ 0, "sheet", VLA_OPT_STRING, &opt.sheet, "FILE", "draw the results as a picture", NULL },
	{ 0, "font", VLA_OPT_STRING, &opt.font, "FILE", "bitmap font for --sheet in the .hex format of GNU Unifont",
	  NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "rank pictures for texts, pictures and combinations of them",
	.usage =
		"[options] INDEX TEXT...\n[options] --image FILE INDEX [+TEXT|-TEXT]...\n[options] --queries STREAM INDEX\n"
		"--duplicates T INDEX",
	.common = OPT_THREADS | OPT_FORMAT | OPT_NULL | OPT_MODEL | OPT_COMPUTE,
	.rows = rows,
};

static struct opt_common com;

struct search {
	const char *path;
	vla_index *x;
	vla_model *model;
	vla_pool *pool;
	vla_hit *hits; // [batch, top]
	size_t found[BATCH], batch;
	unsigned long long printed;
	struct hit_sheet sheet;
};

static void put_text(const char *s)
{
	if (com.format == FORMAT_JSONL)
		vla_write_json(stdout, s);
	else if (com.null)
		fputs(s, stdout);
	else
		vla_write_tsv(stdout, s);
}

static void print_hit(struct search *s, const char *query, size_t rank, const vla_hit *h)
{
	const char *id = vla_index_id(s->x, h->row), *caption = vla_index_caption(s->x, h->row);
	bool json = com.format == FORMAT_JSONL;
	fputs(json ? "{\"query\": " : "", stdout);
	put_text(query);
	printf(json ? ", \"rank\": %zu, \"score\": %.6f, \"id\": " : "\t%zu\t%.6f\t", rank, h->score);
	put_text(id);
	if (opt.calibrate)
		printf(json ? ", \"p\": %.3g" : "\t%.3g", h->p);
	if (json && caption) {
		fputs(", \"caption\": ", stdout);
		put_text(caption);
	}
	fputs(json ? "}" : "", stdout);
	putchar(com.null ? 0 : '\n');
	s->printed++;
	if (opt.sheet)
		hit_sheet_add(&s->sheet, query, id, caption, h->score);
}

// nq at most s->batch.
static void answer(struct search *s, const char *const *name, const float *v, size_t nq)
{
	vla_err err = VLA_ERR_INIT;
	if (vla_index_search(s->x, v, nq, opt.top, s->hits, s->found, &err) != VLA_OK)
		die("%s", err.msg);
	if (opt.calibrate && vla_index_calibrate(s->x, v, nq, opt.top, s->hits, s->found, &err) != VLA_OK)
		die("%s", err.msg);
	for (size_t q = 0; q < nq; q++)
		for (size_t i = 0; i < s->found[q]; i++) {
			const vla_hit *h = &s->hits[q * opt.top + i];
			if (opt.min_p < 0 || 1 - h->p >= opt.min_p)
				print_hit(s, name[q], i + 1, h);
		}
}

static void check_source(const struct search *s, const char *what, const char *model, uint32_t dim)
{
	const vla_header *h = vla_index_header(s->x);
	if (h->model[0] && model[0] && strcmp(h->model, model) != 0)
		die("'%s' was made with model %s, %s with %s", s->path, h->model, what, model);
	if (h->dim != dim)
		die("'%s' has vectors of %u numbers, %s %u", s->path, h->dim, what, dim);
}

static void open_model(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = { s->pool, (vla_compute)com.compute };
	if (vla_model_open(com.model, &o, &s->model, &err) != VLA_OK)
		die("%s", err.msg);
	const vla_model_info *m = vla_model_get_info(s->model);
	check_source(s, "the queries would be", m->fingerprint, m->dim);
}

static void answer_queries(struct search *s, vla_queries *q)
{
	vla_err err = VLA_ERR_INIT;
	const char *name[BATCH];
	size_t n = vla_queries_count(q);
	if (!s->model)
		open_model(s);
	if (vla_queries_embed(q, s->model, &err) != VLA_OK)
		die("%s", err.msg);
	for (size_t i = 0, k; i < n; i += k) {
		k = n - i < s->batch ? n - i : s->batch;
		for (size_t j = 0; j < k; j++)
			name[j] = vla_queries_name(q, i + j);
		answer(s, name, vla_queries_vectors(q) + i * vla_index_header(s->x)->dim, k);
	}
	vla_queries_clear(q);
}

static void must(vla_status s, const vla_err *err)
{
	if (s != VLA_OK)
		die("%s", err->msg);
}

// Texts and pictures of the command line.
static void answer_operands(struct search *s, vla_queries *q, char **text, int n)
{
	vla_err err = VLA_ERR_INIT;
	bool terms = false;
	for (int i = 0; i < n; i++)
		terms = terms || text[i][0] == '+' || text[i][0] == '-';
	for (size_t i = 0; i < opt.image.n; i++)
		must(terms ? vla_queries_add_image_term(q, opt.image.v[i], 1, &err)
			   : vla_queries_add_image(q, opt.image.v[i], &err),
		     &err);
	for (int i = 0; i < n; i++)
		must(text[i][0] == '+' || text[i][0] == '-' ? vla_queries_add_term(q, text[i], &err)
							    : vla_queries_add_text(q, text[i], &err),
		     &err);
	if (vla_queries_count(q))
		answer_queries(s, q);
}

static void answer_lines(struct search *s, vla_queries *q)
{
	vla_err err = VLA_ERR_INIT;
	FILE *f = strcmp(opt.text_file, "-") == 0 ? stdin : fopen(opt.text_file, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	if (!f)
		die("cannot open '%s':", opt.text_file);
	while ((n = getdelim(&line, &cap, com.null ? 0 : '\n', f)) >= 0) {
		if (n && !com.null && line[n - 1] == '\n')
			line[n - 1] = 0;
		if (line[0])
			must(vla_queries_add_text(q, line, &err), &err);
		if (vla_queries_count(q) == BATCH)
			answer_queries(s, q);
	}
	if (ferror(f))
		die("cannot read '%s':", opt.text_file);
	if (vla_queries_count(q))
		answer_queries(s, q);
	free(line);
	if (f != stdin)
		fclose(f);
}

static void answer_stream(struct search *s)
{
	vla_err err = VLA_ERR_INIT;
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	if (vla_reader_open(opt.queries, &r, &err) != VLA_OK)
		die("cannot open '%s': %s", opt.queries, err.msg);
	const vla_header *h = vla_reader_header(r);
	if (h->kind != VLA_DENSE)
		die("'%s' holds %s records; queries are dense", opt.queries, vla_kind_name(h->kind));
	check_source(s, "the queries", h->model, h->dim);
	float *v = malloc(s->batch * h->dim * sizeof *v);
	char *name[BATCH];
	vla_status st = VLA_OK;
	if (!v)
		die("out of memory");
	for (size_t n = 0; st == VLA_OK;) {
		st = vla_reader_next(r, &rec, &err);
		if (st == VLA_OK) {
			memcpy(v + n * h->dim, rec.data, h->dim * sizeof *v);
			if (!(name[n++] = strdup(rec.id)))
				die("out of memory");
		}
		if (n == s->batch || (st != VLA_OK && n)) {
			answer(s, (const char *const *)name, v, n);
			while (n)
				free(name[--n]);
		}
	}
	if (st != VLA_EOF)
		die("cannot read '%s': %s", opt.queries, err.msg);
	free(v);
	vla_rec_release(&rec);
	vla_reader_close(r);
}

static vla_status print_pair(void *ctx, uint64_t first, uint64_t second, float score, vla_err *err)
{
	struct search *s = ctx;
	vla_hit h = { second, score, NAN };
	(void)err;
	print_hit(s, vla_index_id(s->x, first), 1, &h);
	return VLA_OK;
}

static void run(struct search *s, char **text, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_queries *q;
	if (opt.duplicates >= -1) {
		must(vla_index_duplicates(s->x, (float)opt.duplicates, print_pair, s, &err), &err);
		return;
	}
	must(vla_queries_new(&q, &err), &err);
	answer_operands(s, q, text, n);
	if (opt.text_file)
		answer_lines(s, q);
	if (opt.queries)
		answer_stream(s);
	vla_queries_free(q);
}

static void check_options(int argc, int i)
{
	bool queries = argc - i > 1 || opt.image.n || opt.text_file || opt.queries;
	if (i >= argc)
		usage_error("no index or stream to search");
	if (opt.duplicates < -1 ? !queries : queries)
		usage_error(queries ? "--duplicates takes no queries" : "nothing to search for");
	if (opt.min_p > 1)
		usage_error("--min-p is a confidence between 0 and 1, not %g", opt.min_p);
	if (opt.top == 0 || opt.top > HITS)
		usage_error("-k is between 1 and %d", HITS);
	opt.calibrate = (opt.calibrate || opt.min_p >= 0) && opt.duplicates < -1;
}

int main(int argc, char **argv)
{
	vla_err err = VLA_ERR_INIT;
	static struct search s;
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	check_options(argc, i);
	must(vla_pool_new(com.threads, &s.pool, &err), &err);
	s.path = argv[i];
	if (vla_index_open(s.path, s.pool, &s.x, &err) != VLA_OK)
		die("cannot open '%s': %s", s.path, err.msg);
	s.batch = HITS / opt.top < BATCH ? HITS / opt.top : BATCH;
	s.hits = malloc(s.batch * opt.top * sizeof *s.hits);
	if (!s.hits)
		die("out of memory");
	hit_sheet_init(&s.sheet);
	run(&s, argv + i + 1, argc - i - 1);
	if (s.sheet.n)
		hit_sheet_save(&s.sheet, opt.sheet, opt.font);
	hit_sheet_release(&s.sheet);
	vla_model_close(s.model);
	vla_index_close(s.x);
	vla_pool_free(s.pool);
	free(s.hits);
	return finish(s.printed ? EXIT_DONE : EXIT_NO);
}
