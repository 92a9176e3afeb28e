/* Ways to look at rows, all of which find the exact best of those they look at. */
#ifndef VLA_INDEX_SCAN_H
#define VLA_INDEX_SCAN_H

#include "index/flat.h"
#include "index/topk.h"

/* One search, with k at most the live rows. hits [nq, stride]. */
typedef struct vla_scan {
	const vla_index *x;
	const uint64_t *allow; /* as in vla_search_opts */
	const float *queries;  /* [nq, dim] */
	size_t nq, k, stride;
	uint32_t probes; /* cells to look into; 0: all rows */
	vla_hit *hits;
	size_t *found;
} vla_scan;

static inline bool vla_scan_skips(const vla_scan *s, uint64_t row)
{
	return vla_store_dead(&s->x->store, row) || (s->allow && !(s->allow[row / 64] >> row % 64 & 1));
}

/* Whether there are codes for a first pass. */
bool vla_scan_has_codes(const vla_store *s);
/* By the first pass in eight bits, over all rows or over the cells nearest to each query. */
vla_status vla_scan_codes(const vla_scan *s, vla_err *err) VLA_MUST_USE;
/* Whether there are graphs to walk. */
bool vla_scan_has_graph(const vla_store *s);
/* By walks that keep `breadth` rows in view; approximate. */
vla_status vla_scan_graph(const vla_scan *s, size_t breadth, vla_err *err) VLA_MUST_USE;
/* Only the n rows listed, ascending. */
vla_status vla_scan_rows(const vla_scan *s, const uint64_t *rows, size_t n, vla_err *err) VLA_MUST_USE;

#endif
