/* Items of one picture and several texts, of which a scorer prefers one; scorers; the tally of what was chosen. */
#ifndef VLA_PROBE_CHOICE_H
#define VLA_PROBE_CHOICE_H

#include "probe/ngram.h"
#include "probe/probe.h"

enum { VLA_MAX_OPTIONS = 64 };

/* Strings are owned by the item. */
typedef struct vla_choice {
	char *id, *image, *group, *detail; // image: a path; detail: a finer group, or NULL
	double box[4];                     // box[2] 0: the whole picture
	char **option;                     // [n]
	size_t n;
	uint64_t gold; // bit per option that is right; 0: none is said to be
	double *score; // [n]; NULL: not scored
	bool lost;     // its picture could not be read
} vla_choice;

void vla_choice_release(vla_choice *c);

/* Gives scores to items that have none. A scorer may be anything that says how well a text fits a picture: a dual
 * encoder's cosine, a language model that does not see the picture, a captioner's log-probability. */
typedef struct vla_scorer {
	vla_status (*score)(const struct vla_scorer *s, vla_choice *item, size_t n, vla_err *err);
	vla_probe *p;
	vla_ngram *blind;
} vla_scorer;

/* By the setting `blind`: a text file that a language model of words is made of, else the run's dual encoder. */
vla_status vla_scorer_open(vla_probe *p, vla_scorer *s, vla_err *err) VLA_MUST_USE;
void vla_scorer_close(vla_scorer *s);

/* How equal scores are counted: shared (also when they differ by rounding alone), to the first, to the last option. */
enum vla_ties { VLA_TIES_SHARED, VLA_TIES_FIRST, VLA_TIES_LAST };

typedef struct vla_tally_group vla_tally_group;

/* Counts by group; memory grows with the groups alone. */
typedef struct vla_tally {
	vla_probe *p;
	vla_scorer scorer;
	enum vla_ties ties;
	vla_choice item[256]; // waiting to be scored
	size_t n;
	vla_tally_group *group;
	size_t groups;
	FILE *emit; // also write items as JSON Lines; NULL: no
} vla_tally;

vla_status vla_tally_open(vla_probe *p, vla_tally *t, vla_err *err) VLA_MUST_USE;
/* Takes over the item, also on failure. */
vla_status vla_tally_put(vla_tally *t, vla_choice *c, vla_err *err) VLA_MUST_USE;
/* Scores what waits. */
vla_status vla_tally_flush(vla_tally *t, vla_err *err) VLA_MUST_USE;
/* Rows: accuracy where there is gold. names (NULL: none): for each group the names of its options with commas between,
 * for rows of what was chosen. Finer groups with fewer than 25 items are left out. */
vla_status vla_tally_emit(vla_tally *t, const char *(*names)(const char *group), vla_err *err) VLA_MUST_USE;
void vla_tally_close(vla_tally *t);

#endif
