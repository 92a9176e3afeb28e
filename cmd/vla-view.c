/* vla-view: prints, converts, joins, checks and compares streams of vectors. */
#include "common/diag.h"
#include "common/opts.h"

#include <vla/convert.h>

#include <stdlib.h>
#include <string.h>

static struct {
	int from, to, kind, dtype; // -1: not given
	uint64_t head;
	bool count, check, concat, compare, header, l2;
	double tol;
	const char *ids, *fingerprint;
	uint32_t dim;
} opt = { .from = -1, .to = -1, .kind = -1, .dtype = -1, .head = UINT64_MAX };

static struct opt_common com;

static const char *const forms[] = { "vle", "tsv", "jsonl", "npy", "fbin", NULL }; // as vla_form
static const char *const kinds[] = { "dense", "tokens", "sparse", NULL };          // as vla_kind
static const char *const dtypes[] = { "f32", "f16", "bf16", "i8", NULL };          // as vla_dtype

static const struct opt_row rows[] = {
	{ 0, "to", VLA_OPT_CHOICE, &opt.to, "FORM", "form of the output", forms },
	{ 0, "from", VLA_OPT_CHOICE, &opt.from, "FORM", "form of the inputs", forms },
	{ 0, "head", VLA_OPT_U64, &opt.head, "N", "the first N records only", NULL },
	{ 0, "concat", VLA_OPT_FLAG, &opt.concat, NULL, "join the inputs into one stream", NULL },
	{ 0, "count", VLA_OPT_FLAG, &opt.count, NULL, "print the number of records", NULL },
	{ 0, "header", VLA_OPT_FLAG, &opt.header, NULL, "print the header of each input", NULL },
	{ 0, "check", VLA_OPT_FLAG, &opt.check, NULL, "read everything and verify it", NULL },
	{ 0, "compare", VLA_OPT_FLAG, &opt.compare, NULL, "say how far two inputs are apart", NULL },
	{ 0, "tol", VLA_OPT_DOUBLE, &opt.tol, "T", "largest difference allowed (default 0)", NULL },
	{ 0, "dtype", VLA_OPT_CHOICE, &opt.dtype, "TYPE", "store numbers as", dtypes },
	{ 0, "ids", VLA_OPT_STRING, &opt.ids, "FILE", "ids of an npy or fbin file", NULL },
	{ 0, "kind", VLA_OPT_CHOICE, &opt.kind, "KIND", "kind of records in text", kinds },
	{ 0, "dim", VLA_OPT_U32, &opt.dim, "N", "numbers a vector in text", NULL },
	{ 0, "fingerprint", VLA_OPT_STRING, &opt.fingerprint, "TEXT", "say which model made the vectors", NULL },
	{ 0, "l2", VLA_OPT_FLAG, &opt.l2, NULL, "say that rows have unit length", NULL },
	{ 0 },
};

static const struct opt_tool tool = {
	.purpose = "streams to and from text, JSON Lines, npy and fbin",
	.usage = "[options] [FILE...]\n--count|--header|--check [FILE...]\n--compare A B [--tol T]",
	.common = OPT_OUTPUT,
	.rows = rows,
};

static vla_form form_of(const char *path, int given)
{
	vla_form f = VLA_FORM_VLE;
	if (given >= 0)
		return (vla_form)given;
	return vla_form_of(path, &f) ? f : VLA_FORM_VLE;
}

// NULL after a warning, so that the other inputs are still read.
static vla_source *open_source(const char *path)
{
	vla_err err = VLA_ERR_INIT;
	vla_source *s;
	// A file of ids belongs to whichever side is an array.
	vla_form form = form_of(path, opt.from);
	const vla_form_opts fo = { form == VLA_FORM_NPY || form == VLA_FORM_FBIN ? opt.ids : NULL, opt.dim, opt.kind };
	if (vla_source_open(path, form, &fo, &s, &err) == VLA_OK)
		return s;
	warn("%s", err.msg);
	return NULL;
}

static uint64_t count_records(char *const *in)
{
	uint64_t total = 0;
	for (; *in; in++) {
		vla_source *s = open_source(*in);
		vla_rec rec = VLA_REC_INIT;
		vla_err err = VLA_ERR_INIT;
		vla_status st = VLA_EOF;
		while (s && ((st = vla_source_next(s, &rec, &err)) == VLA_OK || st == VLA_EINVAL)) {
			total += st == VLA_OK;
			if (st == VLA_EINVAL)
				warn("%s", err.msg);
		}
		if (st < 0)
			warn("%s", err.msg);
		vla_rec_release(&rec);
		vla_source_close(s);
	}
	return total;
}

static int count(char *const *in)
{
	uint64_t total = count_records(in);
	// A wrong number must not look like a right one.
	if (diag_warnings() == 0)
		printf("%llu\n", (unsigned long long)total);
	return EXIT_DONE;
}

static int check(char *const *in)
{
	for (; *in; in++) {
		vla_source *s = open_source(*in);
		vla_err err = VLA_ERR_INIT;
		uint64_t records;
		double worst;
		if (!s)
			continue;
		// i8 and bf16 rows cannot keep their length better than this.
		double limit =
			vla_source_header(s)->dtype == VLA_F32 || vla_source_header(s)->dtype == VLA_F16 ? 2e-3 : 2e-2;
		if (vla_source_norms(s, &records, &worst, &err) != VLA_OK)
			warn("%s", err.msg);
		else if (worst > limit)
			warn("'%s' says norm=l2, but a row has a length that is %.3g from 1", *in, worst);
		else if (!diag_quiet())
			printf("%s\t%llu\tok\n", *in, (unsigned long long)records);
		vla_source_close(s);
	}
	return EXIT_DONE;
}

static int header(char *const *in)
{
	for (; *in; in++) {
		vla_source *s = open_source(*in);
		if (!s)
			continue;
		const vla_header *h = vla_source_header(s);
		printf("file=%s\nkind=%s\ndtype=%s\ndim=%u\n", *in, vla_kind_name(h->kind), vla_dtype_name(h->dtype),
		       h->dim);
		if (h->count != UINT64_MAX)
			printf("count=%llu\n", (unsigned long long)h->count);
		if (h->l2)
			printf("norm=l2\n");
		if (h->model[0])
			printf("model=%s\n", h->model);
		if (h->compute[0])
			printf("compute=%s\n", h->compute);
		for (size_t i = 0; i < h->npg; i++)
			printf("pg.%zu=%s\n", i + 1, h->pg[i]);
		vla_source_close(s);
	}
	return EXIT_DONE;
}

static int compare(char *const *in)
{
	if (!in[0] || !in[1] || in[2])
		usage_error("--compare takes two inputs");
	vla_source *a = open_source(in[0]), *b = open_source(in[1]);
	vla_err err = VLA_ERR_INIT;
	vla_difference d = { 0 };
	int status = EXIT_DONE;
	vla_status s = a && b ? vla_source_compare(a, b, opt.tol, &d, &err) : VLA_EIO;
	if (s != VLA_OK) {
		if (a && b)
			warn("%s", err.msg);
	} else {
		printf("records\t%llu\nids\t%llu\nshapes\t%llu\nmissing\t%llu\nover\t%llu\n"
		       "max_abs\t%.9g\nmax_cosine\t%.9g\n",
		       (unsigned long long)d.records, (unsigned long long)d.ids, (unsigned long long)d.shapes,
		       (unsigned long long)d.missing, (unsigned long long)d.over, d.max_abs, d.max_cosine);
		status = d.ids || d.shapes || d.missing || d.over ? EXIT_NO : EXIT_DONE;
	}
	vla_source_close(a);
	vla_source_close(b);
	return status;
}

// The output's header: the first input's, with what the options change.
static void make_header(const vla_source *s, uint64_t records, int argc, char **argv, vla_header *h)
{
	vla_err err = VLA_ERR_INIT;
	if (vla_header_copy(h, vla_source_header(s), &err) != VLA_OK ||
	    vla_header_add_pg(h, argc, argv, &err) != VLA_OK)
		die("%s", err.msg);
	h->count = records;
	if (opt.dtype >= 0)
		h->dtype = (vla_dtype)opt.dtype;
	h->l2 |= opt.l2;
	if (opt.fingerprint) {
		if (strlen(opt.fingerprint) >= sizeof h->model)
			usage_error("a fingerprint has at most %zu bytes", sizeof h->model - 1);
		snprintf(h->model, sizeof h->model, "%s", opt.fingerprint);
	}
}

// An array into a pipe begins with the number of records, so the inputs are read twice; UINT64_MAX where it need not be
// known.
static uint64_t records_ahead(char *const *in, bool array)
{
	for (size_t i = 0; in[i]; i++)
		if (!array || com.output || strcmp(in[i], "-") == 0)
			return UINT64_MAX;
	uint64_t n = count_records(in);
	if (diag_warnings())
		die("stopped: the number of records is not known");
	return n < opt.head ? n : opt.head;
}

// Copies one input, at most *left records of it.
static void copy(vla_source *in, vla_sink *out, uint64_t *left)
{
	vla_rec rec = VLA_REC_INIT;
	vla_err err = VLA_ERR_INIT;
	while (*left) {
		vla_status s = vla_source_next(in, &rec, &err);
		if (s == VLA_EOF)
			break;
		if (s == VLA_OK)
			s = vla_sink_put(out, &rec, &err);
		if (s == VLA_OK)
			--*left;
		else if (s == VLA_EINVAL) // this record only
			warn("%s", err.msg);
		else
			die("%s", err.msg);
	}
	vla_rec_release(&rec);
}

static int convert(char *const *in, int argc, char **argv)
{
	vla_form to = opt.to >= 0 || opt.concat ? (vla_form)(opt.to >= 0 ? opt.to : VLA_FORM_VLE) : VLA_FORM_TSV;
	if (opt.to < 0 && com.output)
		to = form_of(com.output, -1);
	bool array = to == VLA_FORM_NPY || to == VLA_FORM_FBIN;
	if (to == VLA_FORM_VLE || array)
		refuse_terminal(com.output);
	vla_err err = VLA_ERR_INIT;
	vla_sink *out = NULL;
	vla_header h = VLA_HEADER_INIT;
	uint64_t left = opt.head, records = records_ahead(in, array);
	for (size_t i = 0; in[i] && (left || i == 0); i++) {
		vla_source *s = open_source(in[i]);
		if (!s)
			exit(finish(EXIT_TROUBLE)); // an output that lacks an input would look whole
		if (!out) {
			const vla_form_opts fo = { array ? opt.ids : NULL, 0, -1 };
			make_header(s, records, argc, argv, &h);
			if (vla_sink_open(com.output, to, &h, &fo, &out, &err) != VLA_OK)
				die("%s", err.msg);
		} else if (vla_header_fits(&h, vla_source_header(s), &err) != VLA_OK) {
			die("'%s': %s", in[i], err.msg);
		}
		copy(s, out, &left);
		vla_source_close(s);
	}
	if (out && vla_sink_finish(out, &err) != VLA_OK)
		die("%s", err.msg);
	vla_sink_close(out);
	vla_header_release(&h);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	static char dash[] = "-";
	static char *const from_stdin[] = { dash, NULL };
	diag_init(argv[0]);
	int first = opts_parse(&tool, &com, argc, argv);
	char *const *in = argv + first;
	if (opt.count + opt.check + opt.header + opt.compare > 1)
		usage_error("only one of --count, --check, --header and --compare at a time");
	if (first == argc) {
		refuse_terminal_input();
		in = from_stdin;
	}
	int status = opt.count     ? count(in)
		     : opt.check   ? check(in)
		     : opt.header  ? header(in)
		     : opt.compare ? compare(in)
				   : convert(in, argc, argv);
	return finish(status);
}
