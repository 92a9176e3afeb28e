/* vla-index: builds, checks and describes index files. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/index.h>

#include <string.h>

static struct {
	const char *type, *dtype;
	bool check, info;
} opt = { .type = "flat" };

static const struct opt_row rows[] = {
	{ 't', "type", VLA_OPT_STRING, &opt.type, "TYPE", "kind of index: flat (default), an exact scan", NULL },
	{ 0, "dtype", VLA_OPT_STRING, &opt.dtype, "TYPE",
	  "store vectors as f32, f16, bf16 or i8 (default: as the first stream)", NULL },
	{ 0, "check", VLA_OPT_FLAG, &opt.check, NULL, "verify the checksums of index files", NULL },
	{ 0, "info", VLA_OPT_FLAG, &opt.info, NULL, "say what index files or streams hold", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "make an index of embedding streams",
	.usage = "[options] -o INDEX STREAM...\n--check INDEX...\n--info INDEX...",
	.common = OPT_OUTPUT,
	.rows = rows,
};

static struct opt_common com;

static int build(int argc, char **argv, char **in, int n)
{
	vla_err err = VLA_ERR_INIT;
	vla_dtype dtype = VLA_F32;
	static char *const from_stdin[] = { "-" };
	if (strcmp(opt.type, "flat") != 0)
		usage_error("no index of type '%s' in this version: flat is the one there is", opt.type);
	if (opt.dtype && vla_dtype_parse(opt.dtype, &dtype, &err) != VLA_OK)
		usage_error("--dtype: %s", err.msg);
	if (opt.dtype && dtype > VLA_I8)
		usage_error("--dtype: an index stores f32, f16, bf16 or i8, not %s", opt.dtype);
	if (!com.output || strcmp(com.output, "-") == 0)
		usage_error("an index goes to a file: -o INDEX is needed");
	if (n == 0) {
		in = (char **)from_stdin;
		n = 1;
	}
	if (vla_index_build_flat((const char *const *)in, (size_t)n, opt.dtype ? (int)dtype : -1, com.output, argc,
				 argv, &err) != VLA_OK)
		die("%s", err.msg);
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

static int info(char **in, int n)
{
	for (int i = 0; i < n; i++) {
		vla_err err = VLA_ERR_INIT;
		vla_index *x;
		if (vla_index_open(in[i], NULL, &x, &err) != VLA_OK) {
			warn("cannot open '%s': %s", in[i], err.msg);
			continue;
		}
		const vla_header *h = vla_index_header(x);
		printf("file\t%s\ntype\t%s\nrows\t%llu\ndim\t%u\ndtype\t%s\nl2\t%s\nmodel\t%s\ncompute\t%s\n", in[i],
		       vla_index_is_file(x) ? "flat" : "stream", (unsigned long long)vla_index_rows(x), h->dim,
		       vla_dtype_name(h->dtype), h->l2 ? "yes" : "no", h->model, h->compute);
		for (size_t k = 0; k < h->npg; k++)
			printf("made by\t%s\n", h->pg[k]);
		vla_index_close(x);
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	diag_init(argv[0]);
	int i = opts_parse(&tool, &com, argc, argv);
	if (!opt.check && !opt.info)
		return finish(build(argc, argv, argv + i, argc - i));
	if (opt.check && opt.info)
		usage_error("--check and --info exclude each other");
	if (com.output)
		usage_error("--check and --info write no index: -o does not go with them");
	if (i == argc)
		usage_error("no index given");
	return finish(opt.check ? check(argv + i, argc - i) : info(argv + i, argc - i));
}
