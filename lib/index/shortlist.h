/* The rows that may be among the k best of a query while their scores are known within bounds only. */
#ifndef VLA_INDEX_SHORTLIST_H
#define VLA_INDEX_SHORTLIST_H

#include "index/store.h"
#include "index/topk.h"

typedef struct vla_candidate {
	float lower, upper; /* of the f32 score; equal once it is known */
	uint64_t row;
} vla_candidate;

/* At most cap candidates. Rows with a score surely below floor are not among the k best of those seen. */
typedef struct vla_shortlist {
	vla_candidate *c; /* [cap], the caller's */
	size_t n, cap, k;
	float floor;
} vla_shortlist;

/* The least cap for k. */
static inline size_t vla_shortlist_cap(size_t k)
{
	return 2 * k + 108;
}

/* The f32 score of a row. */
float vla_score_row(const vla_store *s, uint64_t row, const float *query);
/* Adds a row whose upper end reaches the floor. scratch: [cap] floats. */
void vla_shortlist_add(vla_shortlist *l, vla_candidate c, const vla_store *s, const float *query, float *scratch);
/* The k best of c [n] (which is reordered) by f32 score, then row, into hits [k]; returns how many. scratch: [n]. */
size_t vla_shortlist_finish(vla_candidate *c, size_t n, size_t k, const vla_store *s, const float *query,
			    float *scratch, vla_hit *hits);

#endif
