/* Asking an index: texts, pictures, sums of them and streams of vectors, with what is opened for that when it is first
 * needed: the model, and background texts for p-values.
 *
 *	struct search s = { .path = "a.vlx", .com = &com, .top = 10, .min_p = -1 };
 *	search_open(&s);
 *	search_operands(&s, NULL, 0, argv + i, argc - i);
 *	search_close(&s);
 *
 * Whatever goes wrong ends the process with a message.
 */
#ifndef VLA_COMMON_SEARCH_H
#define VLA_COMMON_SEARCH_H

#include "common/results.h"

#include <vla/background.h>
#include <vla/query.h>

enum { SEARCH_BATCH = 256, SEARCH_HITS = 1 << 20 };

struct search {
	const struct opt_common *com;
	const char *path;       // index or stream
	uint32_t top;           // results a query, up to SEARCH_HITS
	bool calibrate;         // p-values
	double min_p;           // least confidence; negative: any
	const char *background; // stream of background vectors; NULL: the built-in texts
	struct results out;
	// The rest is filled by search_open.
	vla_index *x;
	vla_model *model;
	vla_pool *pool;
	vla_queries *queries;
	vla_background *null;
	vla_hit *hits; // [batch, top]
	size_t found[SEARCH_BATCH], batch;
};

void search_open(struct search *s);
/* Texts and pictures of a command line; texts that begin with a sign are terms of one query. */
void search_operands(struct search *s, const char *const *image, size_t images, char *const *text, size_t texts);
/* Each line of a file, "-" for standard input, as a query. */
void search_lines(struct search *s, const char *path);
/* The vectors of a stream as queries. */
void search_stream(struct search *s, const char *path);
/* All pairs of rows that score at least so much. */
void search_duplicates(struct search *s, double threshold);
void search_close(struct search *s);

#endif
