/* Option tables: builds getopt_long's tables from a tool's rows and the common rows that its mask selects. */
#include "common/opts.h"
#include "common/diag.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 96
#define FIRST_LONG 1000 // getopt value of row i is FIRST_LONG + i

static const char *const formats[] = { "tsv", "jsonl", NULL };
static const char *const computes[] = { "auto", "f32", "bf16", "int8", NULL };

struct parser {
	const struct opt_tool *tool;
	struct opt_row row[MAX_ROWS];
	size_t n;
	struct option longs[MAX_ROWS + 1];
	char shorts[3 * MAX_ROWS + 3];
	bool help, version;
};

static void add(struct parser *p, const struct opt_row *r)
{
	if (p->n == MAX_ROWS)
		die("internal: more than %d options", MAX_ROWS);
	p->row[p->n++] = *r;
}

static void add_common(struct parser *p, struct opt_common *c)
{
	const struct {
		unsigned bit;
		struct opt_row row;
	} rows[] = {
		{ OPT_MODEL, { 'm', "model", VLA_OPT_STRING, &c->model, "DIR", "model directory or name", NULL } },
		{ OPT_COMPUTE,
		  { 0, "compute", VLA_OPT_CHOICE, &c->compute, "TYPE", "number type of products", computes } },
		{ OPT_OUTPUT,
		  { 'o', "output", VLA_OPT_STRING, &c->output, "FILE", "write to FILE, not stdout", NULL } },
		{ OPT_FILES_FROM,
		  { 0, "files-from", VLA_OPT_STRING, &c->files_from, "FILE", "read names of inputs from FILE", NULL } },
		{ OPT_NULL,
		  { '0', "null", VLA_OPT_FLAG, &c->null, NULL, "listed items end with NUL, not newline", NULL } },
		{ OPT_RECURSIVE,
		  { 'r', "recursive", VLA_OPT_FLAG, &c->recursive, NULL, "descend into directories", NULL } },
		{ OPT_FORMAT, { 0, "format", VLA_OPT_CHOICE, &c->format, "FORMAT", "form of the results", formats } },
		{ OPT_SEED, { 0, "seed", VLA_OPT_U64, &c->seed, "N", "seed of the random numbers", NULL } },
		{ OPT_THREADS,
		  { '@', "threads", VLA_OPT_U32, &c->threads, "N", "threads (default: processors)", NULL } },
		{ OPT_FAIL_FAST,
		  { 0, "fail-fast", VLA_OPT_FLAG, &c->fail_fast, NULL, "stop at the first input that fails", NULL } },
		{ 0, { 'q', "quiet", VLA_OPT_FLAG, &c->quiet, NULL, "no progress line", NULL } },
		{ 0, { 'v', "verbose", VLA_OPT_FLAG, &c->verbose, NULL, "say what is done", NULL } },
		{ 0, { 'h', "help", VLA_OPT_FLAG, &p->help, NULL, "print this help and exit", NULL } },
		{ 0, { 'V', "version", VLA_OPT_FLAG, &p->version, NULL, "print the version and exit", NULL } },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (!rows[i].bit || (p->tool->common & rows[i].bit))
			add(p, &rows[i].row);
}

static bool takes_value(const struct opt_row *r)
{
	return r->type != VLA_OPT_FLAG && r->type != VLA_OPT_HEADING;
}

static void build_tables(struct parser *p)
{
	size_t nl = 0, ns = 0;
	if (p->tool->common & OPT_IN_ORDER)
		p->shorts[ns++] = '+';
	p->shorts[ns++] = ':'; // a missing argument is told apart from an unknown option
	for (size_t i = 0; i < p->n; i++) {
		const struct opt_row *r = &p->row[i];
		if (r->type == VLA_OPT_HEADING)
			continue;
		int has = takes_value(r) ? required_argument : no_argument;
		if (r->name)
			p->longs[nl++] = (struct option){ r->name, has, NULL, FIRST_LONG + (int)i };
		if (r->letter) {
			p->shorts[ns++] = (char)r->letter;
			if (has == required_argument)
				p->shorts[ns++] = ':';
		}
	}
}

static void print_row(const struct opt_row *r)
{
	char left[64];
	int n = 0;
	if (r->letter)
		n = snprintf(left, sizeof left, "  -%c%s", r->letter, r->name ? ", " : "");
	else
		n = snprintf(left, sizeof left, "      ");
	if (r->name)
		n += snprintf(left + n, sizeof left - (size_t)n, "--%s", r->name);
	if (r->arg && n < (int)sizeof left)
		n += snprintf(left + n, sizeof left - (size_t)n, " %s", r->arg);
	printf("%-25s%s%s", left, n > 24 ? "  " : "", r->help);
	for (size_t i = 0; r->type == VLA_OPT_CHOICE && r->choices[i]; i++)
		printf("%s%s", i ? ", " : ": ", r->choices[i]);
	putchar('\n');
}

static void print_help(const struct parser *p)
{
	const char *line = p->tool->usage;
	for (bool first = true; line; first = false) {
		size_t n = strcspn(line, "\n");
		printf("%s%s %.*s\n", first ? "Usage: " : "       ", diag_name(), (int)n, line);
		line = line[n] ? line + n + 1 : NULL;
	}
	printf("%s: %s\n\n", diag_name(), p->tool->purpose);
	for (size_t i = 0; i < p->n; i++)
		if (p->row[i].type == VLA_OPT_HEADING)
			printf("%s\n", p->row[i].help);
		else
			print_row(&p->row[i]);
}

bool parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	if (*s < '0' || *s > '9') // strtoull would take blanks and a sign
		return false;
	char *end;
	errno = 0;
	unsigned long long v = strtoull(s, &end, 10);
	if (errno || *end || v > max)
		return false;
	*out = v;
	return true;
}

bool parse_double(const char *s, double *out)
{
	char *end;
	if (!*s || *s == ' ')
		return false;
	double v = strtod(s, &end);
	if (*end || !isfinite(v))
		return false;
	*out = v;
	return true;
}

static void list_add(struct opt_list *l, const char *s)
{
	const char **v = realloc(l->v, (l->n + 1) * sizeof *v);
	if (!v)
		die("out of memory");
	l->v = v;
	l->v[l->n++] = s;
}

static void set_choice(const struct opt_row *r, const char *label, const char *value)
{
	size_t n = 0;
	for (; r->choices[n]; n++)
		if (strcmp(r->choices[n], value) == 0) {
			*(int *)r->dest = (int)n;
			return;
		}
	char all[256] = "";
	size_t used = 0;
	for (size_t i = 0; i < n && used < sizeof all; i++)
		used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", r->choices[i]);
	usage_error("option %s: unknown value '%s' (one of %s)", label, value, all);
}

static void set_value(const struct opt_row *r, const char *label, const char *value)
{
	uint64_t u;
	double d;
	switch (r->type) {
	case VLA_OPT_FLAG: *(bool *)r->dest = true; break;
	case VLA_OPT_U32:
		if (!parse_u64(value, UINT32_MAX, &u))
			usage_error("option %s: '%s' is not a whole number", label, value);
		*(uint32_t *)r->dest = (uint32_t)u;
		break;
	case VLA_OPT_U64:
		if (!parse_u64(value, UINT64_MAX, &u))
			usage_error("option %s: '%s' is not a whole number", label, value);
		*(uint64_t *)r->dest = u;
		break;
	case VLA_OPT_DOUBLE:
		if (!parse_double(value, &d))
			usage_error("option %s: '%s' is not a number", label, value);
		*(double *)r->dest = d;
		break;
	case VLA_OPT_STRING: *(const char **)r->dest = value; break;
	case VLA_OPT_LIST: list_add(r->dest, value); break;
	case VLA_OPT_CHOICE: set_choice(r, label, value); break;
	case VLA_OPT_HEADING:
	case VLA_OPT_END: break;
	}
}

// getopt_long returned '?' for argv[at]: names the option and, when one is near, what may have been meant.
static NORETURN void unknown(const struct parser *p, const char *word)
{
	if (optopt >= FIRST_LONG)
		usage_error("option '--%s' takes no argument", p->row[optopt - FIRST_LONG].name);
	if (optopt)
		usage_error("unknown option '-%c'", optopt);
	const char *names[MAX_ROWS];
	size_t n = 0, given = strcspn(word, "=");
	char wanted[64];
	snprintf(wanted, sizeof wanted, "%.*s", (int)(given < 63 ? given : 63), word);
	for (size_t i = 0; p->longs[i].name; i++) {
		names[n++] = p->longs[i].name;
		if (given > 2 && strncmp(p->longs[i].name, wanted + 2, given - 2) == 0)
			usage_error("option '%s' is ambiguous or unknown (did you mean '--%s'?)", wanted, names[n - 1]);
	}
	const char *near = vla_nearest(wanted + (given >= 2 ? 2 : 0), names, n);
	if (near)
		usage_error("unknown option '%s' (did you mean '--%s'?)", wanted, near);
	usage_error("unknown option '%s'", wanted);
}

static const struct opt_row *row_of(const struct parser *p, int c)
{
	if (c >= FIRST_LONG)
		return &p->row[c - FIRST_LONG];
	for (size_t i = 0; i < p->n; i++)
		if (p->row[i].letter == c)
			return &p->row[i];
	return NULL;
}

static void label_of(const struct opt_row *r, bool is_long, char out[64])
{
	if (is_long)
		snprintf(out, 64, "'--%s'", r->name);
	else
		snprintf(out, 64, "'-%c'", r->letter);
}

int opts_parse(const struct opt_tool *tool, struct opt_common *com, int argc, char **argv)
{
	struct parser p = { .tool = tool };
	*com = (struct opt_common){ 0 };
	for (const struct opt_row *r = tool->rows; r && r->type != VLA_OPT_END; r++)
		add(&p, r);
	add_common(&p, com);
	build_tables(&p);
	opterr = 0;
	for (;;) {
		char label[64];
		int c = getopt_long(argc, argv, p.shorts, p.longs, NULL);
		if (c == -1)
			break;
		if (c == '?')
			unknown(&p, argv[optind - 1]);
		const struct opt_row *r = row_of(&p, c == ':' ? optopt : c);
		label_of(r, (c == ':' ? optopt : c) >= FIRST_LONG, label);
		if (c == ':')
			usage_error("option %s needs an argument", label);
		set_value(r, label, optarg);
		if (p.help) {
			print_help(&p);
			exit(finish(EXIT_DONE));
		}
		if (p.version) {
			printf("%s %s\n", diag_name(), vla_version());
			exit(finish(EXIT_DONE));
		}
	}
	diag_level(com->quiet, com->verbose);
	return optind;
}
