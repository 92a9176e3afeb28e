/* vla-model: shows, verifies, makes, converts, packs, quantises and merges models. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/checkpoint.h>
#include <vla/model.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool tensors, reference;
	const char *dtype, *tokenizer;
	struct opt_list weights, texts;
} opt = { .dtype = NULL };

static const struct opt_row rows[] = {
	{ 't', "tensors", VLA_OPT_FLAG, &opt.tensors, NULL, "show: list the stored tensors instead", NULL },
	{ 0, "dtype", VLA_OPT_STRING, &opt.dtype, "TYPE",
	  "store weights as f32 (default; quantise: i8), f16, bf16 or i8", NULL },
	{ 'w', "weight", VLA_OPT_LIST, &opt.weights, "X", "merge: weight of the next model (default: equal ones)",
	  NULL },
	{ 0, "text", VLA_OPT_LIST, &opt.texts, "TEXT", "quantise: a text to compare on", NULL },
	{ 0, "write-reference", VLA_OPT_FLAG, &opt.reference, NULL,
	  "verify: store vectors beside the model for later self tests", NULL },
	{ 0, "tokenizer", VLA_OPT_STRING, &opt.tokenizer, "DIR", "new: where the tokenizer's files are", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "show, verify, make, convert, pack, quantise and merge models",
	.usage = "show [-t] [MODEL]\nverify [--write-reference] [MODEL]\nnew [options] -o DIR CONFIG\n"
		 "convert [options] -o DIR [MODEL]\npack [options] -o FILE [MODEL]\n"
		 "quantise [options] -o DIR MODEL [PICTURE...]\nmerge [options] -o DIR MODEL MODEL...",
	.common = OPT_OUTPUT | OPT_SEED | OPT_FORMAT | OPT_COMPUTE,
	.rows = rows,
};

static struct opt_common com;

static void print_json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			printf("\\u%04x", (unsigned)(unsigned char)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

// One key and value a line; as JSON Lines one object a line.
static void print_line(void *ctx, const char *key, const char *value)
{
	(void)ctx;
	if (com.format == FORMAT_TSV) {
		printf("%s\t%s\n", key, value);
		return;
	}
	printf("{\"key\": ");
	print_json_string(key);
	printf(", \"value\": ");
	print_json_string(value);
	printf("}\n");
}

static vla_model *open_model(const char *name)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = (vla_compute)com.compute;
	if (vla_model_open(name, &o, &m, &err) != VLA_OK)
		die("%s", err.msg);
	return m;
}

static void list_tensors(const char *dir)
{
	vla_err err = VLA_ERR_INIT;
	vla_checkpoint *c;
	if (vla_checkpoint_open(dir, &c, &err) != VLA_OK)
		die("%s", err.msg);
	for (size_t i = 0; i < vla_checkpoint_count(c); i++) {
		const vla_ct *t = vla_checkpoint_at(c, i);
		char shape[160] = "[";
		size_t n = 1;
		for (unsigned k = 0; k < t->ndim; k++)
			n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%zu", k ? ", " : "", t->dim[k]);
		snprintf(shape + n, sizeof shape - n, "]");
		if (com.format == FORMAT_JSONL) {
			printf("{\"name\": ");
			print_json_string(t->name);
			printf(", \"dtype\": \"%s\", \"shape\": %s, \"bytes\": %zu}\n", vla_dtype_name(t->dtype), shape,
			       t->bytes);
		} else {
			printf("%s\t%s\t%s\t%zu\n", t->name, vla_dtype_name(t->dtype), shape, t->bytes);
		}
	}
	vla_checkpoint_close(c);
}

static int show(char **names, int n)
{
	const char *name = n ? names[0] : NULL;
	vla_err err = VLA_ERR_INIT;
	vla_model *m = open_model(name);
	if (opt.tensors)
		list_tensors(vla_model_get_info(m)->path);
	else if (vla_model_describe(m, print_line, NULL, &err) != VLA_OK)
		die("%s", err.msg);
	vla_model_close(m);
	return EXIT_DONE;
}

static void write_reference(const char *name)
{
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	vla_model *m;
	char path[4096];
	o.compute = VLA_COMPUTE_F32;
	if (vla_model_open(name, &o, &m, &err) != VLA_OK)
		die("%s", err.msg);
	int n = snprintf(path, sizeof path, "%s/reference.safetensors", vla_model_get_info(m)->path);
	if (n < 0 || (size_t)n >= sizeof path)
		die("the name of model '%s' is too long", name);
	if (vla_model_write_reference(m, path, &err) != VLA_OK)
		die("%s", err.msg);
	vla_model_close(m);
}

static int verify(char **names, int n)
{
	vla_err err = VLA_ERR_INIT;
	const char *name = n ? names[0] : NULL;
	if (opt.reference)
		write_reference(name);
	vla_status st = vla_model_verify(name, print_line, NULL, &err);
	if (st == VLA_EIO || st == VLA_ENOMEM)
		die("%s", err.msg);
	return st == VLA_OK ? EXIT_DONE : EXIT_NO;
}

static vla_dtype stored_dtype(const char *dflt)
{
	vla_dtype t;
	vla_err err = VLA_ERR_INIT;
	if (vla_dtype_parse(opt.dtype ? opt.dtype : dflt, &t, &err) != VLA_OK)
		usage_error("--dtype: %s", err.msg);
	if (!com.output)
		usage_error("-o is needed");
	return t;
}

static int save(vla_model *m)
{
	vla_err err = VLA_ERR_INIT;
	if (vla_model_save(m, com.output, stored_dtype("f32"), &err) != VLA_OK)
		die("cannot write model '%s': %s", com.output, err.msg);
	vla_model_close(m);
	return EXIT_DONE;
}

static int make(char **names, int n)
{
	const char *config = n ? names[0] : NULL;
	vla_err err = VLA_ERR_INIT;
	vla_model *m;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	if (!config)
		usage_error("new needs a CONFIG");
	stored_dtype("f32");
	if (vla_model_new(config, opt.tokenizer, &o, com.seed, &m, &err) != VLA_OK)
		die("%s", err.msg);
	return save(m);
}

static int convert(char **names, int n)
{
	stored_dtype("f32");
	return save(open_model(n ? names[0] : NULL));
}

static int pack(char **names, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_dtype dtype = stored_dtype("f32");
	vla_model *m = open_model(n ? names[0] : NULL);
	if (vla_model_pack(m, com.output, dtype, &err) != VLA_OK)
		die("cannot write '%s': %s", com.output, err.msg);
	vla_model_close(m);
	return EXIT_DONE;
}

static double weight(size_t i, size_t n)
{
	char *end;
	if (!opt.weights.n)
		return 1 / (double)n;
	double x = strtod(opt.weights.v[i], &end);
	if (*end || end == opt.weights.v[i] || !isfinite(x))
		usage_error("--weight '%s' is not a number", opt.weights.v[i]);
	return x;
}

static int merge(char **names, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m;
	stored_dtype("f32");
	if (n < 2)
		usage_error("merge needs two models or more");
	if (opt.weights.n && opt.weights.n != (size_t)n)
		usage_error("%zu weights for %d models", opt.weights.n, n);
	double *w = malloc((size_t)n * sizeof *w);
	if (!w)
		die("out of memory");
	for (int i = 0; i < n; i++)
		w[i] = weight((size_t)i, (size_t)n);
	if (vla_model_merge((const char *const *)names, w, (size_t)n, &m, &err) != VLA_OK)
		die("%s", err.msg);
	free(w);
	return save(m);
}

static void print_cosine(const char *key, size_t n, double mean, double min)
{
	char text[96];
	if (!n)
		return;
	snprintf(text, sizeof text, "mean %.6f, least %.6f of %zu", mean, min, n);
	print_line(NULL, key, text);
}

// Stores the model and measures both on the same pictures and texts, in f32 arithmetic.
static int quantise(char **names, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_model_difference d;
	vla_dtype dtype = stored_dtype("i8");
	com.compute = VLA_COMPUTE_F32;
	vla_model *m = open_model(n ? names[0] : NULL);
	size_t pictures = n > 1 ? (size_t)n - 1 : 0;
	vla_image *im = calloc(pictures + 1, sizeof *im);
	if (!im)
		die("out of memory");
	for (size_t i = 0; i < pictures; i++)
		if (vla_image_load(names[i + 1], NULL, &im[i], &err) != VLA_OK)
			die("cannot read '%s': %s", names[i + 1], err.msg);
	if (vla_model_save(m, com.output, dtype, &err) != VLA_OK)
		die("cannot write model '%s': %s", com.output, err.msg);
	vla_model *q = open_model(com.output);
	if (vla_model_compare(m, q, im, pictures, opt.texts.v, opt.texts.n, &d, &err) != VLA_OK)
		die("%s", err.msg);
	print_cosine("picture_cosine", d.pictures, d.picture_mean, d.picture_min);
	print_cosine("text_cosine", d.texts, d.text_mean, d.text_min);
	for (size_t i = 0; i < pictures; i++)
		vla_image_release(&im[i]);
	free(im);
	vla_model_close(q);
	vla_model_close(m);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **names, int n);
		bool several;
	} commands[] = {
		{ "show", show, false },       { "verify", verify, false }, { "new", make, false },
		{ "convert", convert, false }, { "pack", pack, false },     { "quantise", quantise, true },
		{ "merge", merge, true },
	};
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	if (i == argc)
		usage_error("which of show, verify, new, convert, pack, quantise, merge?");
	for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
		if (strcmp(argv[i], commands[k].name) != 0)
			continue;
		if (argc - i > 2 && !commands[k].several)
			usage_error("one model at a time");
		return finish(commands[k].run(argv + i + 1, argc - i - 1));
	}
	usage_error("unknown command '%s'; known: show, verify, new, convert, pack, quantise, merge", argv[i]);
}
