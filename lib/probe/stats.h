/* Statistics under the measurements: intervals, tests, correlations. Pure functions on arrays; what is random follows
 * from the seed alone. */
#ifndef VLA_PROBE_STATS_H
#define VLA_PROBE_STATS_H

#include "base/base.h"

/* A value and its 95 % interval; low and high are NaN when there is none. */
typedef struct vla_estimate {
	double value, low, high;
} vla_estimate;

#define VLA_Z95 1.959963984540054

/* Wilson's score interval of a share. n 0 gives NaN. */
vla_estimate vla_wilson(double hits, double n);

/* A statistic of the sample whose members are pick[0..n), indexes with repetition. */
typedef double vla_statistic(void *ctx, const size_t *pick, size_t n);
/* The statistic of the whole sample and the percentile interval over `draws` resamples of size n. Resamples whose
 * statistic is not finite do not count. */
vla_status vla_bootstrap(size_t n, unsigned draws, uint64_t seed, vla_statistic *fn, void *ctx, vla_estimate *out,
			 vla_err *err) VLA_MUST_USE;
/* Of sum(num) / sum(den) over n clusters (captions of a picture, for instance). den NULL: ones. */
vla_status vla_bootstrap_ratio(size_t n, const double *num, const double *den, unsigned draws, uint64_t seed,
			       vla_estimate *out, vla_err *err) VLA_MUST_USE;

double vla_normal_cdf(double x);
double vla_normal_quantile(double p);
/* Two-sided p of a fair coin that shows a of a + b; the sign test, and McNemar's exact test of discordant pairs. */
double vla_sign_test(double a, double b);
/* Wilcoxon's signed-rank test of paired differences d [n], two-sided; zeros are dropped, ties share ranks. Exact up to
 * 20 differences without ties, else normal with correction for ties and continuity. */
vla_status vla_wilcoxon(size_t n, const double *d, double *p, vla_err *err) VLA_MUST_USE;
/* Paired permutation test: the share of sign flips of d [n] whose |mean| is at least the observed one. All 2^n when
 * they are at most `draws`, else `draws` random ones, the observed one counted too. */
double vla_permutation_paired(size_t n, const double *d, unsigned draws, uint64_t seed);
/* Benjamini and Hochberg: q [n] are the adjusted p-values of p [n]. NaN stays NaN and does not count. */
vla_status vla_fdr(size_t n, const double *p, double *q, vla_err *err) VLA_MUST_USE;

double vla_average(size_t n, const double *x);
/* Sorts x. n 0 gives NaN; p in [0, 1], linear between the order statistics. */
double vla_quantile(size_t n, double *x, double p);
double vla_pearson(size_t n, const double *x, const double *y);
vla_status vla_spearman(size_t n, const double *x, const double *y, double *r, vla_err *err) VLA_MUST_USE;
/* rank [n]: from 1, ties share the mean. */
vla_status vla_ranks(size_t n, const double *x, double *rank, vla_err *err) VLA_MUST_USE;
/* Area under the ROC curve of scores x with truth y; NaN when one kind is missing. */
vla_status vla_auc(size_t n, const double *x, const bool *y, double *auc, vla_err *err) VLA_MUST_USE;
void vla_shuffle(size_t n, size_t *x, vla_rng *rng);

#endif
