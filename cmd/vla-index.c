/* vla-index: builds, changes, checks and describes index files. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/index.h>

#include <math.h>
#include <string.h>

static struct {
	const char *type, *dtype, *queries;
	uint32_t cells, probes, degree, effort, breadth;
	double recall;
	bool add, replace, delete, compact, merge, check, info, no_codes;
} opt = { .type = "flat", .recall = 0.95 };

static const struct opt_row rows[] = {
	{ 't', "type", VLA_OPT_STRING, &opt.type, "TYPE",
	  "kind of index: flat (default), exact; ivf and hnsw, approximate; inverted, for sparse streams", NULL },
	{ 0, "dtype", VLA_OPT_STRING, &opt.dtype, "TYPE",
	  "store vectors as f32, f16, bf16 or i8 (default: as the first stream)", NULL },
	{ 0, "no-codes", VLA_OPT_FLAG, &opt.no_codes, NULL, "flat: leave out the codes that make searching faster",
	  NULL },
	{ 0, "recall", VLA_OPT_DOUBLE, &opt.recall, "R",
	  "ivf, hnsw: recall@10 that searches are to reach (default 0.95)", NULL },
	{ 0, "queries", VLA_OPT_STRING, &opt.queries, "STREAM", "sample queries to measure it with (default: rows)",
	  NULL },
	{ 0, "cells", VLA_OPT_U32, &opt.cells, "N", "ivf: number of cells (default: twice the root of the rows)",
	  NULL },
	{ 0, "probes", VLA_OPT_U32, &opt.probes, "N", "ivf: cells a search looks into, instead of --recall", NULL },
	{ 0, "degree", VLA_OPT_U32, &opt.degree, "N", "hnsw: links a row (default 16)", NULL },
	{ 0, "effort", VLA_OPT_U32, &opt.effort, "N", "hnsw: rows in view when links are chosen (default 200)", NULL },
	{ 0, "breadth", VLA_OPT_U32, &opt.breadth, "N", "hnsw: rows in view of a search, instead of --recall", NULL },
	{ 0, NULL, VLA_OPT_HEADING, NULL, NULL, "Existing indexes:", NULL },
	{ 0, "add", VLA_OPT_FLAG, &opt.add, NULL, "add the records of streams to an index", NULL },
	{ 0, "replace", VLA_OPT_FLAG, &opt.replace, NULL, "with --add: records take the place of those with their ids",
	  NULL },
	{ 0, "delete", VLA_OPT_FLAG, &opt.delete, NULL, "delete the records with these ids", NULL },
	{ 0, "compact", VLA_OPT_FLAG, &opt.compact, NULL, "write indexes anew without what was deleted", NULL },
	{ 0, "merge", VLA_OPT_FLAG, &opt.merge, NULL, "make one index of several", NULL },
	{ 0, "check", VLA_OPT_FLAG, &opt.check, NULL, "verify the checksums of index files", NULL },
	{ 0, "info", VLA_OPT_FLAG, &opt.info, NULL, "say what index files or streams hold", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "make an index of embedding streams",
	.usage =
		"[options] -o INDEX STREAM...\n--merge [options] -o INDEX INDEX...\n--add [--replace] INDEX [STREAM...]\n"
		"--delete INDEX ID...\n--compact INDEX...\n--check INDEX...\n--info INDEX...",
	.common = OPT_OUTPUT | OPT_THREADS | OPT_SEED,
	.rows = rows,
};

static struct opt_common com;

static void must(vla_status s, const vla_err *err)
{
	if (s != VLA_OK)
		die("%s", err->msg);
}

static void tell(const vla_index_report *r, const char *path)
{
	if (r->cells > 1 && !isnan(r->recall))
		inform("'%s': %llu rows in %u cells; %u probes give recall@10 %.3f on %u queries", path,
		       (unsigned long long)r->rows, r->cells, r->probes, r->recall, r->measured);
	else if (!isnan(r->recall))
		inform("'%s': %llu rows; a breadth of %u gives recall@10 %.3f on %u queries", path,
		       (unsigned long long)r->rows, r->breadth, r->recall, r->measured);
	else
		inform("'%s': %llu rows", path, (unsigned long long)r->rows);
}

static int build(const vla_index_opts *base, char **in, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_dtype dtype = VLA_F32;
	vla_index_opts o = *base;
	vla_index_report r;
	static char *const from_stdin[] = { "-" };
	if (opt.dtype && vla_dtype_parse(opt.dtype, &dtype, &err) != VLA_OK)
		usage_error("--dtype: %s", err.msg);
	if (opt.dtype && dtype > VLA_I8)
		usage_error("--dtype: an index stores f32, f16, bf16 or i8, not %s", opt.dtype);
	if (!com.output || strcmp(com.output, "-") == 0)
		usage_error("an index goes to a file: -o INDEX is needed");
	if (!(opt.recall > 0 && opt.recall <= 1))
		usage_error("--recall is above 0 and at most 1, not %g", opt.recall);
	if (n == 0 && opt.merge)
		usage_error("no index given");
	if (n == 0) {
		in = (char **)from_stdin;
		n = 1;
	}
	o.type = opt.type;
	o.dtype = opt.dtype ? (int)dtype : -1;
	o.no_codes = opt.no_codes;
	o.cells = opt.cells;
	o.probes = opt.probes;
	o.degree = opt.degree;
	o.effort = opt.effort;
	o.breadth = opt.breadth;
	o.recall = opt.recall;
	o.queries = opt.queries;
	must((opt.merge ? vla_index_merge : vla_index_build)((const char *const *)in, (size_t)n, com.output, &o, &r,
							     &err),
	     &err);
	tell(&r, com.output);
	return EXIT_DONE;
}

static void say_missing(void *ctx, const char *id)
{
	warn("'%s' has no record '%s'", (const char *)ctx, id);
}

// --add and --delete: the first operand is the index.
static int change(const vla_index_opts *o, char **in, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_index_report r;
	static char *const from_stdin[] = { "-" };
	char *path = in[0];
	const char *const *rest = (const char *const *)(n > 1 ? in + 1 : from_stdin);
	size_t count = n > 1 ? (size_t)n - 1 : 1;
	if (opt.add) {
		must(vla_index_add(path, rest, count, opt.replace, o, &r, &err), &err);
		inform("'%s': %llu rows added, %llu in all", path, (unsigned long long)r.changed,
		       (unsigned long long)r.rows);
		return EXIT_DONE;
	}
	if (n == 1)
		usage_error("no id to delete");
	must(vla_index_delete(path, rest, count, say_missing, path, o, &r, &err), &err);
	inform("'%s': %llu rows deleted, %llu left", path, (unsigned long long)r.changed, (unsigned long long)r.rows);
	return EXIT_DONE;
}

static int compact(const vla_index_opts *o, char **in, int n)
{
	for (int i = 0; i < n; i++) {
		vla_err err = VLA_ERR_INIT;
		vla_index_report r;
		if (vla_index_compact(in[i], o, &r, &err) != VLA_OK)
			warn("%s", err.msg);
		else
			tell(&r, in[i]);
	}
	return EXIT_DONE;
}

static int check(char **in, int n)
{
	for (int i = 0; i < n; i++) {
		vla_err err = VLA_ERR_INIT;
		if (vla_index_check(in[i], &err) != VLA_OK)
			warn("'%s': %s", in[i], err.msg);
		else
			inform("'%s' is sound", in[i]);
	}
	return EXIT_DONE;
}

static void describe(const char *path, const vla_index *x)
{
	const vla_header *h = vla_index_header(x);
	const char *key, *value;
	printf("file\t%s\ntype\t%s\nrows\t%llu\ndeleted\t%llu\ndim\t%u\ndtype\t%s\nl2\t%s\nmodel\t%s\ncompute\t%s\n",
	       path, vla_index_type(x), (unsigned long long)vla_index_live(x),
	       (unsigned long long)(vla_index_rows(x) - vla_index_live(x)), h->dim, vla_dtype_name(h->dtype),
	       h->l2 ? "yes" : "no", h->model, h->compute);
	for (size_t i = 0; vla_index_param(x, i, &key, &value); i++)
		printf("%s\t%s\n", key, value);
	for (size_t k = 0; k < h->npg; k++)
		printf("made by\t%s\n", h->pg[k]);
}

static int info(char **in, int n)
{
	for (int i = 0; i < n; i++) {
		vla_err err = VLA_ERR_INIT;
		vla_index *x;
		if (vla_index_open(in[i], NULL, &x, &err) != VLA_OK) {
			warn("cannot open '%s': %s", in[i], err.msg);
			continue;
		}
		describe(in[i], x);
		vla_index_close(x);
	}
	return EXIT_DONE;
}

static int run(const vla_index_opts *o, char **in, int n)
{
	int modes = opt.add + opt.delete + opt.compact + opt.merge + opt.check + opt.info;
	if (modes > 1)
		usage_error("--add, --delete, --compact, --merge, --check and --info exclude each other");
	if (opt.replace && !opt.add)
		usage_error("--replace goes with --add");
	if (modes == 0 || opt.merge)
		return build(o, in, n);
	if (com.output)
		usage_error("-o goes with building and with --merge");
	if (n == 0)
		usage_error("no index given");
	if (opt.add || opt.delete)
		return change(o, in, n);
	if (opt.compact)
		return compact(o, in, n);
	return opt.check ? check(in, n) : info(in, n);
}

int main(int argc, char **argv)
{
	vla_err err = VLA_ERR_INIT;
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_pool *pool;
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	must(vla_pool_new(com.threads, &pool, &err), &err);
	o.pool = pool;
	o.seed = com.seed;
	o.argc = argc;
	o.argv = argv;
	int status = run(&o, argv + i, argc - i);
	vla_pool_free(pool);
	return finish(status);
}
