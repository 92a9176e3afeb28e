/* The inputs of a tool: operands, names listed in a file, and files below directories, one after the other.
 *
 *	struct inputs in;
 *	inputs_init(&in, argv + i, argc - i, &com);
 *	for (const char *path; (path = inputs_next(&in)) != NULL; )
 *		...                      // "-" is standard input
 *	inputs_release(&in);
 *
 * Directories are taken with -r only, in byte order of the names; hidden entries and links to directories are passed
 * over. What cannot be read is a warning. Memory does not grow with the number of listed names.
 */
#ifndef VLA_COMMON_INPUTS_H
#define VLA_COMMON_INPUTS_H

#include "common/opts.h"

#include <stdio.h>

struct inputs_dir; // an open directory and its sorted names

struct inputs {
	char *const *operand;
	size_t n, at;
	FILE *list; // --files-from
	const char *list_name;
	bool null, recursive;
	const char *const *endings; // NULL-terminated, lower case, with the dot; only for files found in directories
	struct inputs_dir *dir;     // innermost first
	char *path;                 // last result
	size_t cap;
};

/* With no operand and no list, the one input is "-"; a usage error when standard input is a terminal. Operands follow
 * the list when both are given. */
void inputs_init(struct inputs *in, char *const *operand, int n, const struct opt_common *com);
/* Valid until the next call; NULL at the end. */
const char *inputs_next(struct inputs *in);
void inputs_release(struct inputs *in);

#endif
