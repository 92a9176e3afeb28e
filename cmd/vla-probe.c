/* vla-probe: measures models, streams and files; a row of text or JSON for each measurement. */
#include "common/diag.h"
#include "common/opts.h"
#include "common/plot.h"

#include <vla/convert.h>
#include <vla/file.h>
#include <vla/probe.h>

#include <math.h>
#include <string.h>

static struct {
	struct opt_list column, where, set;
	const char *join, *root, *images, *texts, *items, *plot;
	uint32_t draws;
	bool list;
} opt = { .draws = 1000 };

static const struct opt_row rows[] = {
	{ 's', "set", VLA_OPT_LIST, &opt.set, "KEY=VALUE", "a setting of the task (see --list)", NULL },
	{ 'c', "column", VLA_OPT_LIST, &opt.column, "ROLE=NAME", "column of a table that plays a role", NULL },
	{ 'w', "where", VLA_OPT_LIST, &opt.where, "COL=VALUE", "take rows with a value: COL=A|B, COL!=A", NULL },
	{ 'j', "join", VLA_OPT_STRING, &opt.join, "FILE", "table with more columns of the pictures", NULL },
	{ 0, "root", VLA_OPT_STRING, &opt.root, "DIR", "folder of the pictures (default: the table's)", NULL },
	{ 0, "images", VLA_OPT_STRING, &opt.images, "STREAM", "take vectors of pictures from a stream", NULL },
	{ 0, "texts", VLA_OPT_STRING, &opt.texts, "STREAM", "take vectors of texts from a stream", NULL },
	{ 0, "draws", VLA_OPT_U32, &opt.draws, "N", "resamples of an interval (default 1000)", NULL },
	{ 0, "items", VLA_OPT_STRING, &opt.items, "FILE", "write a row for each item too", NULL },
	{ 0, "plot", VLA_OPT_STRING, &opt.plot, "FILE", "draw the results as SVG, with gnuplot", NULL },
	{ 0, "list", VLA_OPT_FLAG, &opt.list, NULL, "list the tasks and their settings", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "measure a model, streams or files",
	.usage = "TASK [options] [FILE...]\n--list",
	.common = OPT_MODEL | OPT_COMPUTE | OPT_THREADS | OPT_SEED | OPT_FORMAT | OPT_OUTPUT,
	.rows = rows,
};

static struct opt_common com;

struct output {
	FILE *f;
	struct plot plot;
};

static void put_number(FILE *f, const char *key, double x)
{
	if (com.format != FORMAT_JSONL)
		fprintf(f, isnan(x) ? "\t" : "\t%.6g", x);
	else if (!isnan(x))
		fprintf(f, isfinite(x) ? ", \"%s\": %.9g" : ", \"%s\": null", key, x);
}

static vla_status put_row(void *ctx, const vla_result *r, vla_err *err)
{
	struct output *o = ctx;
	bool json = com.format == FORMAT_JSONL;
	(void)err;
	fputs(json ? "{\"group\": " : "", o->f);
	(json ? vla_write_json : vla_write_tsv)(o->f, r->group);
	fputs(json ? ", \"measure\": " : "\t", o->f);
	(json ? vla_write_json : vla_write_tsv)(o->f, r->measure);
	put_number(o->f, "value", r->value);
	put_number(o->f, "low", r->low);
	put_number(o->f, "high", r->high);
	put_number(o->f, "n", r->n);
	fputs(json ? "}\n" : "\n", o->f);
	if (opt.plot && isfinite(r->value)) {
		char title[160];
		snprintf(title, sizeof title, "%s: %s", r->group, r->measure);
		plot_add(&o->plot, title, r->value, r->low, r->high);
	}
	return VLA_OK;
}

static int list_tasks(void)
{
	const char *purpose, *value, *name, *key;
	for (size_t i = 0; (name = vla_probe_task(i, &purpose)) != NULL; i++) {
		printf("%-14s%s\n", name, purpose);
		const char *about;
		for (size_t k = 0; (key = vla_probe_setting(i, k, &value, &about)) != NULL; k++)
			printf("  %s=%s\n      %s\n", key, value, about);
	}
	return EXIT_DONE;
}

static void measure(const char *task, char **input, int inputs, struct output *o)
{
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool;
	vla_probe_opts p = VLA_PROBE_OPTS_INIT;
	if (vla_pool_new(com.threads, &pool, &err) != VLA_OK)
		die("%s", err.msg);
	p.pool = pool;
	p.model = com.model;
	p.compute = (vla_compute)com.compute;
	p.seed = com.seed;
	p.draws = opt.draws;
	p.input = (const char *const *)input;
	p.inputs = (size_t)inputs;
	p.column = opt.column.v;
	p.columns = opt.column.n;
	p.where = opt.where.v;
	p.wheres = opt.where.n;
	p.set = opt.set.v;
	p.sets = opt.set.n;
	p.join = opt.join;
	p.root = opt.root;
	p.images = opt.images;
	p.texts = opt.texts;
	p.items = opt.items;
	p.result = put_row;
	p.warn = warn_fn;
	p.ctx = o;
	if (vla_probe_run(task, &p, &err) != VLA_OK)
		die("%s", err.msg);
	vla_pool_free(pool);
}

int main(int argc, char **argv)
{
	vla_err err = VLA_ERR_INIT;
	vla_outfile *out;
	struct output o = { 0 };
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	if (opt.list)
		return finish(list_tasks());
	if (i == argc)
		usage_error("no task given; --list shows them");
	if (opt.draws == 0)
		usage_error("--draws is at least 1");
	if (vla_outfile_open(com.output, &out, &err) != VLA_OK)
		die("%s", err.msg);
	o.f = vla_outfile_stream(out);
	if (com.format != FORMAT_JSONL)
		fputs("group\tmeasure\tvalue\tlow\thigh\tn\n", o.f);
	measure(argv[i], argv + i + 1, argc - i - 1, &o);
	if (vla_outfile_commit(out, &err) != VLA_OK)
		die("%s", err.msg);
	vla_outfile_close(out);
	if (opt.plot)
		plot_save(&o.plot, opt.plot);
	plot_release(&o.plot);
	return finish(EXIT_DONE);
}
