/* What exhaustive search, its duplicates and its calibration share. */
#ifndef VLA_INDEX_FLAT_H
#define VLA_INDEX_FLAT_H

#include "index/store.h"

struct vla_index {
	vla_store store;
	vla_pool *pool;
	float *cell_norm; /* [cells]: of the centroids, rounded up */
};

// Queries that are scored together: bounds the score buffer of a worker to 2 MiB.
enum { VLA_QUERY_BLOCK = 256 };

/* VLA_EINVAL when one of the queries [nq, dim] holds a number that is not finite. */
vla_status vla_index_check_queries(const vla_index *x, const float *queries, size_t nq, vla_err *err) VLA_MUST_USE;

#endif
