/* Centroids of a collection. */
#ifndef VLA_INDEX_KMEANS_H
#define VLA_INDEX_KMEANS_H

#include "base/base.h"

/* Trains k centroids [k, dim] on x [n, dim], n >= 1. The same for any pool. */
vla_status vla_kmeans_train(vla_pool *pool, const float *x, size_t n, size_t dim, size_t k, uint64_t seed,
			    float *centroids, vla_err *err) VLA_MUST_USE;

/* Fills rows with vectors [count, dim] from `first` on. */
typedef void vla_rows_fn(const void *ctx, uint64_t first, size_t count, float *out);
/* cell [n]: the nearest centroid of each row that fn gives. */
vla_status vla_kmeans_assign(vla_pool *pool, vla_rows_fn *fn, const void *ctx, uint64_t n, size_t dim,
			     const float *centroids, size_t k, uint32_t *cell, vla_err *err) VLA_MUST_USE;

#endif
