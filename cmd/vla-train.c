/* vla-train: runs a recipe. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/train.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool dry_run, restart, keys;
	uint32_t loaders;
} opt = { .loaders = UINT32_MAX };

static const struct opt_row rows[] = {
	{ 'n', "dry-run", VLA_OPT_FLAG, &opt.dry_run, NULL, "describe data, model and stages; train nothing", NULL },
	{ 0, "restart", VLA_OPT_FLAG, &opt.restart, NULL, "begin anew instead of going on from a checkpoint", NULL },
	{ 0, "loaders", VLA_OPT_U32, &opt.loaders, "N", "threads that prepare batches (default the recipe's)", NULL },
	{ 0, "list-keys", VLA_OPT_FLAG, &opt.keys, NULL, "print all keys of recipes with their defaults", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "train a model by a recipe",
	.usage = "[options] -o DIR RECIPE [SECTION.KEY=VALUE...]\n--dry-run RECIPE [SECTION.KEY=VALUE...]\n--list-keys",
	.common = OPT_OUTPUT | OPT_THREADS | OPT_SEED,
	.rows = rows,
};

static volatile sig_atomic_t signalled;

// The first signal asks for a checkpoint, the second ends the process.
static void on_signal(int sig)
{
	signalled = 1;
	signal(sig, SIG_DFL);
}

static bool stop(void *ctx)
{
	(void)ctx;
	return signalled;
}

static void print_line(void *ctx, const char *text)
{
	if (*(const bool *)ctx)
		puts(text);
	else if (!diag_quiet())
		fprintf(stderr, "%s\n", text);
}

static vla_status print_event(void *ctx, const vla_train_event *e)
{
	(void)ctx;
	if (diag_quiet())
		return VLA_OK;
	fprintf(stderr, "%s %llu/%llu loss %.4f", e->stage, (unsigned long long)e->step, (unsigned long long)e->steps,
		e->loss);
	for (size_t i = 0; i < e->nparts; i++)
		fprintf(stderr, " %s %.4f", e->part[i], e->part_loss[i]);
	fprintf(stderr, " lr %.3g grad %.3g %.0f/s\n", e->lr, e->grad_norm, e->examples_per_s);
	inform("seconds a step: data %.4f, forward %.4f, backward %.4f, update %.4f", e->data_s, e->forward_s,
	       e->backward_s, e->update_s);
	return VLA_OK;
}

static void list_keys(void)
{
	const char *section, *name, *fallback, *help;
	for (size_t i = 0; vla_recipe_key(i, &section, &name, &fallback, &help); i++)
		printf("%s\t%s\t%s\t%s\n", section, name, fallback, help);
}

static vla_status run(const char *path, char *const *settings, size_t n, const struct opt_common *com, vla_err *err)
{
	vla_recipe *r;
	vla_status s = vla_recipe_open(path, (const char *const *)settings, n, &r, err);
	if (s != VLA_OK)
		return s;
	vla_train_opts o = VLA_TRAIN_OPTS_INIT;
	vla_pool *pool;
	s = vla_pool_new(com->threads, &pool, err);
	if (s == VLA_OK) {
		o.dir = com->output;
		o.pool = pool;
		o.seed = com->seed;
		o.dry_run = opt.dry_run;
		o.restart = opt.restart;
		o.loaders = opt.loaders == UINT32_MAX ? -1 : (int)opt.loaders;
		o.line = print_line;
		o.event = print_event;
		o.stop = stop;
		o.warn = warn_fn;
		o.ctx = &opt.dry_run;
		s = vla_train(r, &o, err);
		vla_pool_free(pool);
	}
	vla_recipe_free(r);
	return s;
}

int main(int argc, char **argv)
{
	diag_init(argv[0]);
	struct opt_common com;
	int i = opts_parse(&tool, &com, argc, argv);
	if (opt.keys) {
		list_keys();
		return finish(EXIT_DONE);
	}
	if (i >= argc)
		usage_error("no recipe is given");
	if (!com.output && !opt.dry_run)
		usage_error("-o DIR is missing");
	if (opt.loaders != UINT32_MAX && opt.loaders > 64)
		usage_error("--loaders is at most 64");
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	vla_err err = VLA_ERR_INIT;
	vla_status s = run(argv[i], argv + i + 1, (size_t)(argc - i - 1), &com, &err);
	if (s != VLA_OK)
		die("%s", err.msg);
	return finish(EXIT_DONE);
}
