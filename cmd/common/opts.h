/* Option tables over getopt_long: one table per tool is parsed, printed by --help and checked against the man page.
 *
 *	static struct { uint32_t top; } opt = { .top = 10 };
 *	static const struct opt_row rows[] = {
 *		{ 'k', "top", VLA_OPT_U32, &opt.top, "N", "results per query (default 10)", NULL },
 *		{ 0 },
 *	};
 *	static const struct opt_tool tool = {
 *		.purpose = "rank pictures for texts", .usage = "[options] INDEX TEXT...",
 *		.common = OPT_THREADS | OPT_FORMAT, .rows = rows,
 *	};
 *	struct opt_common com;
 *	int i = opts_parse(&tool, &com, argc, argv);    // operands: argv[i] ... argv[argc - 1]
 *
 * A bad option or value is a message and exit status 2. -h, -V, -q and -v exist in every tool.
 */
#ifndef VLA_COMMON_OPTS_H
#define VLA_COMMON_OPTS_H

#include <vla/status.h>

enum opt_type {
	VLA_OPT_END = 0,
	VLA_OPT_FLAG,   // bool: set to true
	VLA_OPT_U32,    // uint32_t
	VLA_OPT_U64,    // uint64_t
	VLA_OPT_DOUBLE, // double, finite
	VLA_OPT_STRING, // const char *: the argument itself, not a copy
	VLA_OPT_LIST,   // struct opt_list: one more string at each use
	VLA_OPT_CHOICE, // int: position of the argument in `choices`
	VLA_OPT_HEADING // only `help` is printed, between options
};

struct opt_list {
	const char **v;
	size_t n;
};

struct opt_row {
	int letter;       // 0: long form only
	const char *name; // NULL: short form only
	enum opt_type type;
	void *dest;
	const char *arg; // name of the argument in --help
	const char *help;
	const char *const *choices; // VLA_OPT_CHOICE: ends with NULL
};

/* Common options that a tool takes beside -h -V -q -v. */
enum {
	OPT_OUTPUT = 1 << 0,     // -o, --output FILE
	OPT_THREADS = 1 << 1,    // -@, --threads N
	OPT_SEED = 1 << 2,       // --seed N
	OPT_FORMAT = 1 << 3,     // --format tsv|jsonl
	OPT_NULL = 1 << 4,       // -0, --null
	OPT_FILES_FROM = 1 << 5, // --files-from FILE
	OPT_RECURSIVE = 1 << 6,  // -r, --recursive
	OPT_MODEL = 1 << 7,      // -m, --model DIR
	OPT_COMPUTE = 1 << 8,    // --compute auto|f32|bf16|int8
	OPT_FAIL_FAST = 1 << 9,  // --fail-fast
	OPT_IN_ORDER = 1 << 30   // no option: parsing stops at the first operand
};

enum { FORMAT_TSV, FORMAT_JSONL };
enum { COMPUTE_AUTO, COMPUTE_F32, COMPUTE_BF16, COMPUTE_INT8 };

struct opt_common {
	bool quiet, verbose;
	const char *output; // NULL when not given
	uint32_t threads;   // 0: all processors
	uint64_t seed;      // 0 when not given
	int format;         // FORMAT_
	bool null;
	const char *files_from; // NULL when not given
	bool recursive;
	const char *model; // NULL when not given
	int compute;       // COMPUTE_
	bool fail_fast;
};

struct opt_tool {
	const char *purpose; // one line, lower case, no full stop
	const char *usage;   // forms, one a line, without the name of the tool
	unsigned common;     // OPT_ mask
	const struct opt_row *rows;
};

/* Fills com and the rows' destinations, sets the diag level, and returns the position of the first operand; operands
 * are moved behind the options. */
int opts_parse(const struct opt_tool *tool, struct opt_common *com, int argc, char **argv) VLA_MUST_USE;

/* Whole decimal numbers within [0, max], or a finite number; false otherwise. For operands such as key=value. */
bool parse_u64(const char *s, uint64_t max, uint64_t *out);
bool parse_double(const char *s, double *out);

#endif
