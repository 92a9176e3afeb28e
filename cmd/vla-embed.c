/* vla-embed: pictures and texts to streams of vectors. */
#include "common/diag.h"
#include "common/opts.h"
#include "common/pictures.h"

#include <stdlib.h>
#include <string.h>

static struct {
	bool text, with_ids, pooled, tokens, dense, tar, no_exif, allow_truncated, fast_decode;
	const char *dtype, *shard, *skip_existing, *name, *text_mode;
	uint32_t batch, tiles, image_size;
	double fps;
} opt = { .dtype = "f16", .name = "-", .batch = 32 };

static const struct opt_row rows[] = {
	{ 't', "text", VLA_OPT_FLAG, &opt.text, NULL, "files hold texts, one a line", NULL },
	{ 0, "with-ids", VLA_OPT_FLAG, &opt.with_ids, NULL, "texts: lines are an id, a tab, a text", NULL },
	{ 0, "pooled", VLA_OPT_FLAG, &opt.pooled, NULL, "features of the image tower before its projection", NULL },
	{ 0, "tokens", VLA_OPT_FLAG, &opt.tokens, NULL, "the grid of features before pooling", NULL },
	{ 0, "dense", VLA_OPT_FLAG, &opt.dense, NULL, "the grid of patches in the space of the texts", NULL },
	{ 0, "tiles", VLA_OPT_U32, &opt.tiles, "N", "also parts of each picture, N along the long side", NULL },
	{ 0, "image-size", VLA_OPT_U32, &opt.image_size, "N", "side of the pictures that the model sees", NULL },
	{ 0, "text-mode", VLA_OPT_STRING, &opt.text_mode, "MODE", "texts are short (default), long or region", NULL },
	{ 0, "dtype", VLA_OPT_STRING, &opt.dtype, "TYPE", "store numbers as f32, f16 (default), bf16 or i8", NULL },
	{ 'b', "batch", VLA_OPT_U32, &opt.batch, "N", "pictures or texts computed together (default 32)", NULL },
	{ 0, "tar", VLA_OPT_FLAG, &opt.tar, NULL, "all inputs are tar shards, whatever their names", NULL },
	{ 0, "shard", VLA_OPT_STRING, &opt.shard, "I/N", "take the I-th of every N inputs", NULL },
	{ 0, "skip-existing", VLA_OPT_STRING, &opt.skip_existing, "STREAM",
	  "pass over inputs whose ids the stream holds", NULL },
	{ 0, "name", VLA_OPT_STRING, &opt.name, "NAME", "name of standard input in ids (default -)", NULL },
	{ 0, "fps", VLA_OPT_DOUBLE, &opt.fps, "F", "pictures on standard input are F frames a second", NULL },
	{ 0, "no-exif", VLA_OPT_FLAG, &opt.no_exif, NULL, "do not turn pictures as their EXIF data says", NULL },
	{ 0, "allow-truncated", VLA_OPT_FLAG, &opt.allow_truncated, NULL, "take pictures that are cut short", NULL },
	{ 0, "fast-decode", VLA_OPT_FLAG, &opt.fast_decode, NULL, "decode large JPEGs at a reduced scale; less exact",
	  NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "turn pictures and texts into vectors",
	.usage = "[options] [-o STREAM] FILE...\n[options] -r DIRECTORY...\n[options] --text FILE...",
	.common = OPT_OUTPUT | OPT_THREADS | OPT_NULL | OPT_FILES_FROM | OPT_RECURSIVE | OPT_MODEL | OPT_COMPUTE |
		  OPT_FAIL_FAST,
	.rows = rows,
};

static struct opt_common com;
static vla_writer *unfinished; // closed at exit, so that no part of a file stays behind

static void close_unfinished(void)
{
	vla_writer_close(unfinished);
}

struct job {
	struct pictures in; // first, since it is the context of pictures_next
	vla_model *model;
	vla_writer *out;
	struct progress progress;
	unsigned long long written;
};

static vla_status put_record(void *ctx, const vla_rec *rec, vla_err *err)
{
	struct job *j = ctx;
	j->written++;
	progress_add(&j->progress, 1);
	return vla_writer_put(j->out, rec, err);
}

static vla_status report_bad(void *ctx, const char *id, const vla_err *why, vla_err *err)
{
	(void)ctx;
	(void)err;
	if (com.fail_fast)
		die("'%s': %s", id, why->msg);
	warn("'%s': %s", id, why->msg);
	return VLA_OK;
}

static vla_output output(void)
{
	return opt.dense ? VLA_OUT_DENSE : opt.tokens ? VLA_OUT_TOKENS : opt.pooled ? VLA_OUT_POOLED : VLA_OUT_EMBED;
}

static void embed_pictures(struct job *j)
{
	vla_err err = VLA_ERR_INIT;
	vla_embed_opts o = VLA_EMBED_OPTS_INIT;
	o.what = output();
	o.batch = opt.batch;
	o.loaders = com.threads;
	o.tiles = opt.tiles;
	o.image.keep_exif = opt.no_exif;
	o.image.allow_truncated = opt.allow_truncated;
	o.image.min_side = opt.fast_decode ? vla_model_min_side(j->model) : 0;
	o.next = pictures_next;
	o.put = put_record;
	o.bad = report_bad;
	o.ctx = j;
	j->in.image = o.image;
	if (vla_embed_pictures(j->model, &o, &err) != VLA_OK)
		die("%s", err.msg);
	if (j->in.passed_over)
		inform("%llu inputs passed over", j->in.passed_over);
}

// Texts of one batch.
struct texts {
	char **line;       // [n] the id when with_ids
	const char **text; // [n] into line
	float *v;          // [batch, dim]
	size_t n;
};

static void put_texts(struct job *j, struct texts *t)
{
	vla_err err = VLA_ERR_INIT;
	size_t dim = vla_model_get_info(j->model)->dim;
	if (vla_model_embed_texts(j->model, t->text, t->n, t->v, &err) != VLA_OK)
		die("%s", err.msg);
	for (size_t i = 0; i < t->n; i++) {
		vla_rec r = VLA_REC_INIT;
		r.id = t->line[i];
		r.caption = opt.with_ids ? (char *)(uintptr_t)t->text[i] : NULL;
		r.rows = 1;
		r.data = t->v + i * dim;
		if (put_record(j, &r, &err) != VLA_OK)
			die("%s", err.msg);
	}
	while (t->n)
		free(t->line[--t->n]);
}

static void add_text(struct job *j, struct texts *t, const char *path, const char *line, unsigned long long number)
{
	const char *tab = opt.with_ids ? strchr(line, '\t') : line;
	if (!tab) {
		warn("'%s', line %llu: no tab after an id", path, number);
		return;
	}
	char *p = strdup(line);
	if (!p)
		die("out of memory");
	t->line[t->n] = p;
	t->text[t->n] = p;
	if (opt.with_ids) {
		p[tab - line] = 0;
		t->text[t->n] = p + (tab - line) + 1;
	}
	if (++t->n == opt.batch)
		put_texts(j, t);
}

static void read_texts(struct job *j, struct texts *t, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	if (!f) {
		warn("cannot open '%s':", path);
		return;
	}
	for (unsigned long long k = 1; (n = getdelim(&line, &cap, com.null ? 0 : '\n', f)) >= 0; k++) {
		if (n && !com.null && line[n - 1] == '\n')
			line[n - 1] = 0;
		bool mine = !j->in.shards || j->in.position % j->in.shards == j->in.shard;
		j->in.position += line[0] != 0;
		if (line[0] && mine)
			add_text(j, t, path, line, k);
	}
	if (ferror(f))
		warn("cannot read '%s':", path);
	if (f != stdin)
		fclose(f);
	free(line);
}

static void embed_texts(struct job *j)
{
	struct texts t = { calloc(opt.batch, sizeof *t.line), calloc(opt.batch, sizeof *t.text),
			   calloc(opt.batch, vla_model_get_info(j->model)->dim * sizeof *t.v), 0 };
	const char *path;
	if (!t.line || !t.text || !t.v)
		die("out of memory");
	while ((path = inputs_next(&j->in.in)) != NULL)
		read_texts(j, &t, path);
	if (t.n)
		put_texts(j, &t);
	free(t.line);
	free(t.text);
	free(t.v);
}

static void check_options(void)
{
	if (opt.text &&
	    (opt.pooled || opt.tokens || opt.dense || opt.tiles || opt.tar || opt.fps > 0 || opt.skip_existing))
		usage_error("--text does not go with options for pictures");
	if (opt.with_ids && !opt.text)
		usage_error("--with-ids goes with --text");
	if (opt.text_mode && !opt.text)
		usage_error("--text-mode goes with --text");
	if (opt.pooled + opt.tokens + opt.dense > 1)
		usage_error("--pooled, --tokens and --dense exclude each other");
	if (opt.tiles > VLA_MAX_TILES || opt.tiles == 1)
		usage_error("--tiles is between 2 and %d", VLA_MAX_TILES);
	if (opt.image_size > 4096)
		usage_error("--image-size is at most 4096");
	if (opt.batch < 1 || opt.batch > 65536)
		usage_error("--batch is between 1 and 65536");
	if (opt.fps < 0)
		usage_error("--fps is a positive number");
}

static vla_header make_header(const struct job *j, int argc, char **argv)
{
	vla_err err = VLA_ERR_INIT;
	vla_header h;
	vla_dtype dtype;
	if (vla_dtype_parse(opt.dtype, &dtype, &err) != VLA_OK)
		usage_error("--dtype: %s", err.msg);
	if (dtype > VLA_I8)
		usage_error("--dtype: streams store f32, f16, bf16 or i8, not %s", opt.dtype);
	if (vla_embed_header(j->model, output(), &h, &err) != VLA_OK ||
	    vla_header_add_pg(&h, argc, argv, &err) != VLA_OK)
		die("%s", err.msg);
	h.dtype = dtype;
	const vla_model_info *m = vla_model_get_info(j->model);
	if (!(opt.text ? m->has_text : m->has_image))
		die("model '%s' has no %s tower", m->path, opt.text ? "text" : "image");
	return h;
}

int main(int argc, char **argv)
{
	static struct job j;
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool;
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	check_options();
	refuse_terminal(com.output);
	pictures_init(&j.in, argv + i, argc - i, &com);
	j.in.tar = opt.tar;
	j.in.fps = opt.fps;
	j.in.name = opt.name;
	if (opt.shard)
		pictures_shard(&j.in, opt.shard);
	if (opt.skip_existing)
		pictures_pass_over(&j.in, opt.skip_existing);
	if (vla_pool_new(com.threads, &pool, &err) != VLA_OK)
		die("%s", err.msg);
	vla_model_opts mo = { .pool = pool, .compute = (vla_compute)com.compute };
	mo.image_size = opt.image_size;
	if (opt.text_mode && vla_text_mode_parse(opt.text_mode, &mo.text_mode, &err) != VLA_OK)
		usage_error("--text-mode: %s", err.msg);
	if (vla_model_open(com.model, &mo, &j.model, &err) != VLA_OK)
		die("%s", err.msg);
	vla_header h = make_header(&j, argc, argv);
	if (vla_writer_open(com.output ? com.output : "-", &h, &j.out, &err) != VLA_OK)
		die("%s", err.msg);
	unfinished = j.out;
	atexit(close_unfinished);
	progress_init(&j.progress, opt.text ? "texts" : "pictures", 0);
	if (opt.text)
		embed_texts(&j);
	else
		embed_pictures(&j);
	progress_end(&j.progress);
	if (vla_writer_finish(j.out, &err) != VLA_OK)
		die("%s", err.msg);
	vla_header_release(&h);
	pictures_release(&j.in);
	vla_model_close(j.model);
	vla_pool_free(pool);
	return finish(EXIT_DONE);
}
