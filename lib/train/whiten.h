/* The linear map that whitens a set of vectors. */
#ifndef VLA_TRAIN_WHITEN_H
#define VLA_TRAIN_WHITEN_H

#include "base/base.h"

/* x [n, c]. Fills W [d, c] so that the rows of x, less their mean, times W^T have unit variance along the d directions
 * of largest variance, divided by sqrt(d); b [d] = -W mean, or b NULL. Needs d <= c. VLA_EINVAL, VLA_ENOMEM. */
vla_status vla_whiten(vla_pool *pool, const float *x, size_t n, size_t c, size_t d, float *W, float *b,
		      vla_err *err) VLA_MUST_USE;

#endif
