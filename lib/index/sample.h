/* Scores of queries against a fixed sample of rows, spread evenly over an index: what calibration is based on. */
#ifndef VLA_INDEX_SAMPLE_H
#define VLA_INDEX_SAMPLE_H

#include "index/flat.h"

/* Rows of the sample, up to 16384. VLA_EUNSUPPORTED with fewer than 100. */
vla_status vla_sample_size(const vla_index *x, size_t *n, vla_err *err) VLA_MUST_USE;

/* n from vla_sample_size; queries [nq, dim], nq up to VLA_QUERY_BLOCK; score [nq, n]. */
vla_status vla_sample_scores(const vla_index *x, size_t n, const float *queries, size_t nq, float *score,
			     vla_err *err) VLA_MUST_USE;

#endif
