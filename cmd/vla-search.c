/* vla-search: ranks the vectors of an index or a stream for texts, pictures, combinations of them, and streams of
 * queries. */
#include "common/diag.h"
#include "common/search.h"

#include <vla/fuse.h>

#include <math.h>
#include <stdlib.h>

enum { NOT_GIVEN = SEARCH_HITS + 1 };

static struct search job = { .min_p = -1, .min_score = -INFINITY };

static struct {
	struct opt_list image, index;
	uint32_t top;
	const char *text_file, *weights;
	int fuse; // of ways, -1: not
	double duplicates;
} opt = { .duplicates = -2, .top = NOT_GIVEN, .fuse = -1 };

static const char *const ways[] = { "ranks", "scores", NULL };

static const struct opt_row rows[] = {
	{ 'k', "top", VLA_OPT_U32, &opt.top, "N", "results a query (default 10; with --min-score all)", NULL },
	{ 0, "min-score", VLA_OPT_DOUBLE, &job.min_score, "S", "keep results that score at least S", NULL },
	{ 0, "where", VLA_OPT_LIST, &job.where, "COND",
	  "search records that meet COND alone: label=dog, id=2024-*, time>60", NULL },
	{ 'x', "index", VLA_OPT_LIST, &opt.index, "INDEX", "search this index; several are searched as one", NULL },
	{ 0, "exact", VLA_OPT_FLAG, &job.exact, NULL, "look at every record, whatever the type of the index", NULL },
	{ 0, "probes", VLA_OPT_U32, &job.probes, "N", "ivf: look into N cells (default: as the index was tuned)",
	  NULL },
	{ 'i', "image", VLA_OPT_LIST, &opt.image, "FILE", "a picture as a query, or as a term beside +TEXT and -TEXT",
	  NULL },
	{ 0, "queries", VLA_OPT_STRING, &job.stream, "STREAM", "take the vectors of a stream as queries", NULL },
	{ 0, "text-file", VLA_OPT_STRING, &opt.text_file, "FILE", "take each line of FILE as a query", NULL },
	{ 0, "explain", VLA_OPT_FLAG, &job.explain, NULL,
	  "sparse queries: print the words that matched and what they add", NULL },
	{ 0, "vocabulary", VLA_OPT_STRING, &job.vocabulary, "FILE", "the words of sparse vectors, one a line", NULL },
	{ 0, "calibrate", VLA_OPT_FLAG, &job.calibrate, NULL, "print a p-value for each result", NULL },
	{ 0, "min-p", VLA_OPT_DOUBLE, &job.min_p, "P", "keep results with a confidence, 1 - p, of at least P", NULL },
	{ 0, "background", VLA_OPT_STRING, &job.background, "STREAM",
	  "vectors that p-values compare queries with, instead of texts of our own", NULL },
	{ 0, "duplicates", VLA_OPT_DOUBLE, &opt.duplicates, "T", "print all pairs that score at least T instead",
	  NULL },
	{ 0, "fuse", VLA_OPT_CHOICE, &opt.fuse, "HOW", "fuse files of results into one ranking by", ways },
	{ 0, "weights", VLA_OPT_STRING, &opt.weights, "W,...", "what each of these files counts (default 1)", NULL },
	{ 0, "sheet", VLA_OPT_STRING, &job.out.sheet, "FILE", "draw the results as a picture", NULL },
	{ 0, "font", VLA_OPT_STRING, &job.out.font, "FILE", "bitmap font for --sheet in the .hex format of GNU Unifont",
	  NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "rank pictures for texts, pictures and combinations of them",
	.usage =
		"[options] INDEX TEXT...\n[options] --image FILE INDEX [+TEXT|-TEXT]...\n[options] --queries STREAM INDEX\n"
		"--duplicates T INDEX\n--fuse ranks|scores [--weights W,W] RESULTS RESULTS...",
	.common = OPT_THREADS | OPT_FORMAT | OPT_NULL | OPT_MODEL | OPT_COMPUTE,
	.rows = rows,
};

// The index is the first operand, unless -x names some. Returns the position of the first text.
static int take_index(int argc, char **argv, int i)
{
	if (opt.index.n > SEARCH_INDEXES)
		usage_error("at most %d indexes are searched at once", SEARCH_INDEXES);
	job.path = opt.index.v;
	job.paths = opt.index.n;
	if (opt.index.n)
		return i;
	if (i >= argc)
		usage_error("no index or stream to search");
	job.path = (const char *const *)(argv + i);
	job.paths = 1;
	return i + 1;
}

static void check_options(bool queries)
{
	if (opt.duplicates < -1 ? !queries : queries)
		usage_error(queries ? "--duplicates takes no queries" : "nothing to search for");
	if (opt.weights)
		usage_error("--weights goes with --fuse");
	if (job.explain && !job.stream)
		usage_error("--explain goes with --queries of sparse vectors");
	if (job.min_p > 1)
		usage_error("--min-p is a confidence between 0 and 1, not %g", job.min_p);
	if (isnan(job.min_score))
		usage_error("--min-score is a number");
	if (opt.top == 0 || opt.top > NOT_GIVEN)
		usage_error("-k is between 1 and %d", SEARCH_HITS);
	job.calibrate = (job.calibrate || job.min_p >= 0) && opt.duplicates < -1;
	if (job.paths > 1 && (job.calibrate || opt.duplicates >= -1))
		usage_error("p-values and duplicates are of one index; merge several with vla-index --merge");
	job.top = opt.top != NOT_GIVEN ? opt.top : isinf(job.min_score) || job.calibrate ? 10 : 0;
}

static vla_status put_fused(void *ctx, const char *query, size_t rank, double score, const char *id, vla_err *err)
{
	(void)err;
	results_put(ctx, &(struct result){ query, rank, score, NAN, id, NULL, NULL });
	return VLA_OK;
}

// "0.7,0.3" as numbers, n of them.
static const double *parse_weights(const char *text, size_t n)
{
	static double weight[64];
	char *end = NULL;
	for (size_t i = 0; i < n && n <= 64; i++, text = end + 1) {
		weight[i] = strtod(text, &end);
		if (end == text || *end != (i + 1 < n ? ',' : 0))
			usage_error("--weights is a number for each file with commas between");
	}
	return weight;
}

static void fuse(char **file, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_fuser *f;
	if (n < 1)
		usage_error("no results to fuse");
	const double *weights = opt.weights ? parse_weights(opt.weights, (size_t)n) : NULL;
	vla_status s = vla_fuser_new((vla_fuse_how)opt.fuse, (size_t)n, weights, &f, &err);
	if (s != VLA_OK)
		die("%s", err.msg);
	for (int i = 0; i < n && s == VLA_OK; i++)
		s = vla_fuser_read(f, (size_t)i, file[i], &err);
	if (s == VLA_OK)
		s = vla_fuser_finish(f, opt.top == NOT_GIVEN ? 10 : opt.top, put_fused, &job.out, &err);
	if (s != VLA_OK)
		die("%s", err.msg);
	vla_fuser_free(f);
}

int main(int argc, char **argv)
{
	static struct opt_common com;
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	job.com = job.out.com = &com;
	if (opt.fuse >= 0) {
		fuse(argv + i, argc - i);
		results_finish(&job.out);
		return finish(job.out.printed ? EXIT_DONE : EXIT_NO);
	}
	i = take_index(argc, argv, i);
	check_options(argc > i || opt.image.n || opt.text_file || job.stream);
	job.out.p = job.calibrate;
	search_open(&job);
	if (opt.duplicates >= -1)
		search_duplicates(&job, opt.duplicates);
	search_operands(&job, opt.image.v, opt.image.n, argv + i, (size_t)(argc - i));
	if (opt.text_file)
		search_lines(&job, opt.text_file);
	if (job.stream)
		search_stream(&job);
	results_finish(&job.out);
	search_close(&job);
	return finish(job.out.printed ? EXIT_DONE : EXIT_NO);
}
