/* Pairs of a tensor and one whose shape is a suffix of it: the smaller is repeated over the leading dimensions. */
#ifndef VLA_GRAD_BROADCAST_H
#define VLA_GRAD_BROADCAST_H

#include "grad/op.h"

/* b's shape equals the last dimensions of a's, or is [1]. */
vla_status vla_suffix_shape(const vla_node *nd, vla_tensor *out, vla_err *err);
/* out[r, j] = f(a[r, j], b[j]), or out += when accumulating. Rows of one number are slow: callers treat nb 1 apart. */
typedef void vla_pair_fn(float *out, const float *a, const float *b, size_t n);
void vla_pairs(vla_step *g, vla_pair_fn *row, float *out, const float *a, size_t na, const float *b, size_t nb);
/* to[j] += sum over rows r of a[r, j] c[r, j] (c NULL: of a[r, j]), in f64. false: out of memory. */
bool vla_column_sums(vla_step *g, float *to, const float *a, const float *c, size_t na, size_t nb);

#endif
