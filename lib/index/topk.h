/* The k best of a stream of scored rows. Order: higher score first, equal scores by row, so that the result does not
 * depend on how the rows were split over threads. */
#ifndef VLA_INDEX_TOPK_H
#define VLA_INDEX_TOPK_H

#include "base/base.h"

#include <vla/index.h>

/* A heap of at most k hits whose worst lies at hit[0]; the array is the caller's. */
typedef struct vla_topk {
	vla_hit *hit; /* [k] */
	size_t n, k;
} vla_topk;

/* True when a belongs before b. */
static inline bool vla_hit_before(float as, uint64_t arow, float bs, uint64_t brow)
{
	return as > bs || (as == bs && arow < brow);
}

void vla_topk_push_slow(vla_topk *t, float score, uint64_t row);

static inline void vla_topk_push(vla_topk *t, float score, uint64_t row)
{
	if (score != score) // damaged vectors are never hits
		return;
	if (t->n < t->k || vla_hit_before(score, row, t->hit[0].score, t->hit[0].row))
		vla_topk_push_slow(t, score, row);
}

/* Sorts best first; the heap is done with. */
void vla_topk_sort(vla_topk *t);

/* The k-th largest of v [n], 1 <= k <= n; v is reordered and holds no NaN. */
float vla_kth_largest(float *v, size_t n, size_t k);

#endif
