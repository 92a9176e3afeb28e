/* vla-model: shows, verifies, makes and converts models. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/checkpoint.h>
#include <vla/model.h>

#include <string.h>

static struct {
	bool tensors;
	const char *dtype, *tokenizer;
} opt = { .dtype = "f32" };

static const struct opt_row rows[] = {
	{ 't', "tensors", VLA_OPT_FLAG, &opt.tensors, NULL, "show: list the stored tensors instead", NULL },
	{ 0, "dtype", VLA_OPT_STRING, &opt.dtype, "TYPE",
	  "new, convert: store weights as f32 (default), f16, bf16 or i8", NULL },
	{ 0, "tokenizer", VLA_OPT_STRING, &opt.tokenizer, "DIR", "new: where the tokenizer's files are", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "show, verify, make and convert models",
	.usage = "show [-t] [MODEL]\nverify [MODEL]\nnew [options] -o DIR CONFIG\nconvert [options] -o DIR [MODEL]",
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

static int show(const char *name)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = open_model(name);
	if (opt.tensors)
		list_tensors(vla_model_get_info(m)->path);
	else if (vla_model_describe(m, print_line, NULL, &err) != VLA_OK)
		die("%s", err.msg);
	vla_model_close(m);
	return EXIT_DONE;
}

static int verify(const char *name)
{
	vla_err err = VLA_ERR_INIT;
	vla_status st = vla_model_verify(name, print_line, NULL, &err);
	if (st == VLA_EIO || st == VLA_ENOMEM)
		die("%s", err.msg);
	return st == VLA_OK ? EXIT_DONE : EXIT_NO;
}

static vla_dtype stored_dtype(void)
{
	vla_dtype t;
	vla_err err = VLA_ERR_INIT;
	if (vla_dtype_parse(opt.dtype, &t, &err) != VLA_OK)
		usage_error("--dtype: %s", err.msg);
	if (!com.output)
		usage_error("-o DIR is needed");
	return t;
}

static int save(vla_model *m)
{
	vla_err err = VLA_ERR_INIT;
	if (vla_model_save(m, com.output, stored_dtype(), &err) != VLA_OK)
		die("cannot write model '%s': %s", com.output, err.msg);
	vla_model_close(m);
	return EXIT_DONE;
}

static int make(const char *config)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	if (!config)
		usage_error("new needs a CONFIG");
	stored_dtype();
	if (vla_model_new(config, opt.tokenizer, &o, com.seed, &m, &err) != VLA_OK)
		die("%s", err.msg);
	return save(m);
}

static int convert(const char *name)
{
	stored_dtype();
	return save(open_model(name));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *operand);
	} commands[] = { { "show", show }, { "verify", verify }, { "new", make }, { "convert", convert } };
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	if (i == argc)
		usage_error("which of show, verify, new, convert?");
	if (argc - i > 2)
		usage_error("one model at a time");
	for (size_t k = 0; k < sizeof commands / sizeof *commands; k++)
		if (strcmp(argv[i], commands[k].name) == 0)
			return finish(commands[k].run(i + 1 < argc ? argv[i + 1] : NULL));
	usage_error("unknown command '%s'; known: show, verify, new, convert", argv[i]);
}
