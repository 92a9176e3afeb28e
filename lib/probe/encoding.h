/* Encoding models: responses (voxels, neurons) predicted over time from features by banded ridge regression. Series are
 * [time, columns] in double precision. */
#ifndef VLA_PROBE_ENCODING_H
#define VLA_PROBE_ENCODING_H

#include "probe/probe.h"

typedef struct vla_series {
	double *x; // [n, p]
	size_t n, p;
} vla_series;

void vla_series_release(vla_series *s);
/* Each column to mean 0 and variance 1 over the rows [from, to); a constant column to zeros. */
void vla_series_standardise(vla_series *s, size_t from, size_t to);
/* Columns of x shifted by each delay, zeros before the start of [0, split) and of [split, n). */
vla_status vla_series_delay(const vla_series *x, const double *delay, size_t delays, size_t split, vla_series *out,
			    vla_err *err) VLA_MUST_USE;

/* Settings of the search over penalties and weights of bands. */
typedef struct vla_banded {
	const double *penalty; // [penalties]
	size_t penalties;
	size_t candidates; // weights of bands that are tried: equal ones, each band alone most, random points
	size_t chunks;     // contiguous pieces of the training rows; every fifth is held out to choose by
	uint64_t seed;
} vla_banded;

/* Fits bands x [bands] over rows [0, split) and predicts rows [split, n) of y; for each column the candidate and
 * penalty with the least held-out error. out [n - split, y->p]. */
vla_status vla_banded_predict(const vla_series *x, size_t bands, const vla_series *y, size_t split, const vla_banded *o,
			      double *out, vla_err *err) VLA_MUST_USE;

/* r [p]: correlation over time of each column of the rows [split, n) of y with out. */
void vla_column_correlation(const vla_series *y, size_t split, const double *out, double *r);
/* p [p]: share of block permutations of the predictions with at least the observed correlation. */
vla_status vla_block_permutation(const vla_series *y, size_t split, const double *out, size_t block, unsigned draws,
				 uint64_t seed, double *p, vla_err *err) VLA_MUST_USE;
/* The limit v0 of v = v0 (1 - exp(-x / tau)) through n points: the median over resamples of the points. */
double vla_saturation_fit(size_t n, const double *x, const double *v, unsigned draws, uint64_t seed);

#endif
