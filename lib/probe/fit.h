/* Simple models fitted to frozen features: ridge regression, multinomial logistic regression, nearest neighbours.
 * Features are [n, p] in double precision. */
#ifndef VLA_PROBE_FIT_H
#define VLA_PROBE_FIT_H

#include "base/base.h"

/* y = bias + x coef. */
typedef struct vla_linear {
	size_t p, q;
	double *coef;   // [p, q]
	double *bias;   // [q]
	double penalty; // the one that was chosen
} vla_linear;

void vla_linear_release(vla_linear *m); /* a zeroed one is legal */
/* out [n, q] */
void vla_linear_predict(const vla_linear *m, size_t n, const double *x, double *out);

/* fold [n]: 0 .. folds - 1. Balanced and shuffled; with label (may be NULL) balanced within each label; with group (may
 * be NULL) rows of one group share a fold and label is not looked at. */
vla_status vla_folds(size_t n, unsigned folds, const size_t *label, const size_t *group, uint64_t seed, unsigned *fold,
		     vla_err *err) VLA_MUST_USE;

/* Minimises |y - x b - c|^2 + penalty |b|^2, y [n, q]. Of several penalties the one with the least squared error over
 * the folds is taken (fold NULL or one penalty: the first). Free with vla_linear_release. */
vla_status vla_ridge_fit(size_t n, size_t p, size_t q, const double *x, const double *y, size_t penalties,
			 const double *penalty, const unsigned *fold, unsigned folds, vla_linear *out,
			 vla_err *err) VLA_MUST_USE;
/* Minimises sum of -log softmax(x b + c)[label] + penalty / 2 |b|^2; label [n] below classes. Of several penalties the
 * one that classifies most held-out rows is taken. */
vla_status vla_logistic_fit(size_t n, size_t p, size_t classes, const double *x, const size_t *label, size_t penalties,
			    const double *penalty, const unsigned *fold, unsigned folds, vla_linear *out,
			    vla_err *err) VLA_MUST_USE;

/* out [m]: the label that most of the k rows of x [n, p] with the largest inner products have; equal votes go to the
 * label of the nearest. skip_self: row i of y is row i of x and does not count. */
vla_status vla_knn(size_t n, size_t m, size_t p, size_t classes, const double *x, const size_t *label, const double *y,
		   size_t k, bool skip_self, size_t *out, vla_err *err) VLA_MUST_USE;

#endif
