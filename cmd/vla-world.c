/* vla-world: makes micro-world data sets, and checks texts against them. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/world.h>

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = { "scene", "video", "document", "chart", "geometry", "sound", "reach", NULL };

static struct {
	int kind;
	uint64_t n;
	uint32_t size, level, classes, frames;
	const char *objects, *splits, *with;
	struct opt_list bias;
} opt = { .n = 1000, .level = 3 };

static const struct opt_row rows[] = {
	{ 'k', "kind", VLA_OPT_CHOICE, &opt.kind, "KIND",
	  "scene (default), video, document, chart, geometry, sound, reach", kind_names },
	{ 'n', "number", VLA_OPT_U64, &opt.n, "N", "items in all splits together (default 1000)", NULL },
	{ 's', "size", VLA_OPT_U32, &opt.size, "N", "side of a picture in pixels (default: the kind's, 64 for scenes)",
	  NULL },
	{ 'l', "level", VLA_OPT_U32, &opt.level, "N", "difficulty from 1 to 5 (default 3)", NULL },
	{ 0, "objects", VLA_OPT_STRING, &opt.objects, "N[-M]", "objects in a scene (default: the level's)", NULL },
	{ 0, "splits", VLA_OPT_STRING, &opt.splits, "A:B:C", "shares of train, val and test (default 8:1:1)", NULL },
	{ 0, "bias", VLA_OPT_LIST, &opt.bias, "[SPLIT/]F:G=P", "factor F follows from factor G with probability P",
	  NULL },
	{ 0, "invent", VLA_OPT_U32, &opt.classes, "N", "invent N classes with names and descriptions", NULL },
	{ 0, "frames", VLA_OPT_U32, &opt.frames, "N", "frames of a video (default 8)", NULL },
	{ 0, "with", VLA_OPT_STRING, &opt.with, "LIST",
	  "also masks, depth, contrast, coco, refcoco, llava, probes, ppm", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "make pictures with complete ground truth",
	.usage = "[options] -o DIR|FILE.tar|-",
	.common = OPT_OUTPUT | OPT_THREADS | OPT_SEED,
	.rows = rows,
};

static struct opt_common com;

static void parse_objects(vla_world_opts *o)
{
	char a[24], *dash;
	uint64_t lo, hi;
	if (!opt.objects)
		return;
	snprintf(a, sizeof a, "%s", opt.objects);
	dash = strchr(a, '-');
	if (dash)
		*dash++ = 0;
	if (!parse_u64(a, 1000, &lo) || !parse_u64(dash ? dash : a, 1000, &hi) || !lo || hi < lo)
		usage_error("--objects: '%s' is no number or range like 2-5", opt.objects);
	o->objects_min = (uint32_t)lo;
	o->objects_max = (uint32_t)hi;
}

static void parse_splits(vla_world_opts *o)
{
	char a[80], *p = a;
	if (!opt.splits)
		return;
	snprintf(a, sizeof a, "%s", opt.splits);
	for (int i = 0; i < 3; i++) {
		char *colon = p ? strchr(p, ':') : NULL;
		if (colon)
			*colon = 0;
		if (!p || (i == 2 && colon) || !parse_double(p, &o->split[i]))
			usage_error("--splits: '%s' is not like 8:1:1", opt.splits);
		p = colon ? colon + 1 : NULL;
	}
}

static void parse_with(vla_world_opts *o)
{
	static const char *const names[] = {
		"masks", "depth", "contrast", "coco", "refcoco", "llava", "probes", "ppm"
	};
	enum { N = sizeof names / sizeof *names };
	for (const char *p = opt.with; p && *p;) {
		char name[32];
		size_t n = strcspn(p, ","), k = 0;
		snprintf(name, sizeof name, "%.*s", (int)(n < 31 ? n : 31), p);
		while (k < N && strcmp(name, names[k]) != 0)
			k++;
		if (k == N) {
			const char *near = vla_nearest(name, names, N);
			usage_error("--with: no '%s'%s%s%s", name, near ? ", did you mean '" : "", near ? near : "",
				    near ? "'?" : "");
		}
		o->with |= 1u << k;
		p += n + (p[n] == ',');
	}
}

static vla_status on_progress(void *ctx, uint64_t done, uint64_t n)
{
	struct progress *p = ctx;
	(void)n;
	progress_add(p, done - p->n);
	return VLA_OK;
}

int main(int argc, char **argv)
{
	vla_err err = VLA_ERR_INIT;
	vla_world_opts o = VLA_WORLD_OPTS_INIT;
	vla_world *w;
	vla_pool *pool;
	struct progress progress;
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	if (i < argc)
		usage_error("'%s': vla-world reads no file", argv[i]);
	if (!com.output)
		usage_error("-o DIR, -o FILE.tar or -o - is needed");
	if (!strcmp(com.output, "-"))
		refuse_terminal(NULL);
	o.kind = (vla_world_kind)opt.kind;
	o.seed = com.seed;
	o.n = opt.n;
	o.size = opt.size;
	o.level = opt.level;
	o.classes = opt.classes;
	o.frames = opt.frames;
	o.bias = opt.bias.v;
	o.nbias = opt.bias.n;
	parse_objects(&o);
	parse_splits(&o);
	parse_with(&o);
	if (vla_world_new(&o, &w, &err) != VLA_OK)
		usage_error("%s", err.msg);
	if (vla_pool_new(com.threads, &pool, &err) != VLA_OK)
		die("%s", err.msg);
	progress_init(&progress, "items", o.n);
	if (vla_world_write(w, com.output, pool, on_progress, &progress, &err) != VLA_OK)
		die("%s", err.msg);
	progress_end(&progress);
	inform("%llu items", (unsigned long long)o.n);
	vla_pool_free(pool);
	vla_world_free(w);
	free(opt.bias.v);
	return finish(EXIT_DONE);
}
