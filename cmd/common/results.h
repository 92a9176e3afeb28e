/* Lines of search results on standard output, and the picture of them.
 *
 *	struct results r = { .com = &com, .p = true, .sheet = "hits.jpg" };
 *	results_put(&r, &(struct result){ .query = "dog", .rank = 1, .score = 0.31, .id = "1.jpg" });
 *	results_finish(&r);    // writes the sheet; dies when that fails
 */
#ifndef VLA_COMMON_RESULTS_H
#define VLA_COMMON_RESULTS_H

#include "common/hits.h"
#include "common/opts.h"

#include <stddef.h>

struct results {
	const struct opt_common *com;
	bool p;                   // a column with p-values
	const char *sheet, *font; // NULL: no sheet, the built-in font
	unsigned long long printed;
	struct hit_sheet rows;
};

struct result {
	const char *query;
	size_t rank;
	double score, p;
	const char *id, *caption; // caption NULL: none
	const char *why;          // NULL: not asked for
};

void results_put(struct results *r, const struct result *h);
void results_finish(struct results *r);

#endif
