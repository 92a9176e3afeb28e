/* A rotation after which the first numbers of a vector hold most of it. */
#ifndef VLA_INDEX_ROTATION_H
#define VLA_INDEX_ROTATION_H

#include "base/base.h"

/* From a sample y [n, dim] of centred vectors: rotation [dim, dim], a row a direction, the principal ones first, and
 * the number `head` of them that hold nearly all, or head = dim and no rotation when there is no such number. *error:
 * how far, relative to its length, a vector rotated in f32 may be from one rotated exactly by an orthogonal matrix. */
vla_status vla_rotation_train(vla_pool *pool, const float *y, size_t n, size_t dim, float **rotation, size_t *head,
			      double *error, vla_err *err) VLA_MUST_USE;
/* The part of that error that comes from the arithmetic alone. */
double vla_rotation_rounding(size_t dim);
/* out [n, dim] = y [n, dim] rotated. */
void vla_rotation_apply(vla_pool *pool, const float *rotation, size_t dim, const float *y, size_t n, float *out);

#endif
