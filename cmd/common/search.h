/* Asking one or several indexes: texts, pictures, sums of them and streams of vectors, with what is opened for that
 *when it is first needed: the model, and background texts for p-values.
 *
 *	struct search s = { .path = paths, .paths = 1, .com = &com, .top = 10, .min_p = -1, .min_score = -INFINITY };
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
#include <vla/inverted.h>
#include <vla/where.h>
#include <vla/query.h>

enum { SEARCH_BATCH = 256, SEARCH_HITS = 1 << 20, SEARCH_INDEXES = 256 };

struct search_index {
	const char *path;
	vla_index *x;
	vla_inverted *lists; // sparse: owns x
	uint64_t *allow;     // rows that the filter lets through; NULL: all
	vla_hit *hits;       // [batch, top] with a top, else malloc'd anew for each query
	size_t found[SEARCH_BATCH];
};

struct search {
	const struct opt_common *com;
	const char *const *path; // [paths] indexes or streams, searched as if they were one
	size_t paths;
	uint32_t top;           // results a query, up to SEARCH_HITS; 0: all that reach min_score
	double min_score;       // least score; -INFINITY: any
	struct opt_list where;  // conditions on the fields of records
	bool exact;             // no approximation
	uint32_t probes;        // ivf: cells to look into; 0: as the index was tuned
	bool calibrate;         // p-values
	double min_p;           // least confidence; negative: any
	const char *stream;     // stream of vectors to ask with; sparse ones search inverted lists
	const char *vocabulary; // a file with the words of sparse vectors, one a line; NULL: their numbers
	bool explain;           // what each result has in common with its query
	const char *background; // stream of background vectors; NULL: the built-in texts
	struct results out;
	// The rest is filled by search_open.
	vla_reader *reader; // of stream
	bool sparse;
	char **word; // [words] of the vocabulary
	size_t words;
	struct search_index *index; // [paths]
	vla_model *model;
	vla_pool *pool;
	vla_queries *queries;
	vla_background *null;
	size_t batch;
};

void search_open(struct search *s);
/* Texts and pictures of a command line; texts that begin with a sign are terms of one query. */
void search_operands(struct search *s, const char *const *image, size_t images, char *const *text, size_t texts);
/* Each line of a file, "-" for standard input, as a query. */
void search_lines(struct search *s, const char *path);
/* The vectors of s->stream as queries. */
void search_stream(struct search *s);
/* All pairs of rows that score at least so much. */
void search_duplicates(struct search *s, double threshold);
void search_close(struct search *s);

#endif
