/* Statistics against closed forms and published values: intervals, tests, correlations; that intervals cover what they
 * should; that a seed gives the same numbers again. */

#include "probe/stats.h"

#include "tap.h"

#include <math.h>

static void test_wilson(void)
{
	vla_estimate e = vla_wilson(8, 10);
	near(e.value, 0.8, 1e-12, "a share");
	near(e.low, 0.4901625, 1e-6, "Wilson's lower end of 8 in 10");
	near(e.high, 0.9433178, 1e-6, "its upper end");
	e = vla_wilson(0, 5);
	ok(e.low == 0 && e.high > 0.4 && e.high < 0.45, "none of five");
	e = vla_wilson(5, 5);
	ok(e.high == 1 && e.low > 0.55, "five of five");
	ok(isnan(vla_wilson(0, 0).value), "no case has no share");
}

static void test_normal(void)
{
	near(vla_normal_cdf(1.959963984540054), 0.975, 1e-12, "the normal distribution");
	near(vla_normal_quantile(0.975), 1.959963984540054, 1e-10, "its quantile");
	near(vla_normal_quantile(1e-10), -6.361340902404056, 1e-8, "its tail");
	ok(vla_normal_quantile(0) == -INFINITY && isnan(vla_normal_quantile(2)), "its ends");
}

static void test_tests(void)
{
	double p, d[12] = { 1, 2, 3, 4, 5 };
	near(vla_sign_test(2, 8), 2 * (1 + 10 + 45) / 1024.0, 1e-12, "the sign test of 2 to 8");
	near(vla_sign_test(5, 5), 1, 1e-12, "and of 5 to 5");
	ok(vla_wilcoxon(5, d, &p, NULL) == VLA_OK, "Wilcoxon's test");
	near(p, 2 / 32.0, 1e-12, "five of one sign");
	d[0] = -1;
	ok(vla_wilcoxon(5, d, &p, NULL) == VLA_OK, "again");
	near(p, 4 / 32.0, 1e-12, "the smallest of the other sign");
	double zero[3] = { 0, 0, 0 };
	ok(vla_wilcoxon(3, zero, &p, NULL) == VLA_OK && p == 1, "no difference");
	// 12 pairs with ties: W- = 5.5, mean 39, variance 162.5 - 0.5/48*... computed by hand from the ranks.
	double t[12] = { 1, 1, -1, 2, 3, 4, 5, 6, 7, 8, 9, -2 };
	ok(vla_wilcoxon(12, t, &p, NULL) == VLA_OK, "with ties");
	double minus = 2 + 4.5, var = 12.0 * 13 * 25 / 24 - (24 + 6) / 48.0;
	near(p, 2 * vla_normal_cdf(-(39 - minus - 0.5) / sqrt(var)), 1e-12, "the normal form, corrected for ties");
	d[0] = 1;
	near(vla_permutation_paired(5, d, 1000, 1), 2 / 32.0, 1e-12, "all 32 flips of signs");
	double many[40];
	for (int i = 0; i < 40; i++)
		many[i] = i % 2 ? 1 : -1;
	ok(vla_permutation_paired(40, many, 500, 1) > 0.5, "balanced differences");
	for (int i = 0; i < 40; i++)
		many[i] = 1 + i % 3;
	near(vla_permutation_paired(40, many, 500, 1), 1 / 501.0, 1e-12, "one-sided differences");
	ok(vla_permutation_paired(40, many, 500, 7) == vla_permutation_paired(40, many, 500, 7), "a seed repeats");
}

static void test_fdr(void)
{
	double p[5] = { 0.01, 0.04, NAN, 0.03, 0.005 }, q[5];
	ok(vla_fdr(5, p, q, NULL) == VLA_OK, "false discovery rate");
	near(q[4], 0.02, 1e-12, "smallest of four");
	near(q[0], 0.02, 1e-12, "second");
	near(q[3], 0.04, 1e-12, "third");
	near(q[1], 0.04, 1e-12, "largest");
	ok(isnan(q[2]), "no p-value, no q-value");
}

static void test_correlation(void)
{
	double x[5] = { 1, 2, 3, 4, 5 }, y[5] = { 2, 1, 4, 3, 5 }, r, rank[5], auc;
	near(vla_pearson(5, x, y), 0.8, 1e-12, "Pearson");
	double z[5] = { 1, 4, 9, 16, 100 };
	ok(vla_spearman(5, x, z, &r, NULL) == VLA_OK, "Spearman");
	near(r, 1, 1e-12, "of a monotone relation");
	double ties[5] = { 3, 1, 3, 2, 3 };
	ok(vla_ranks(5, ties, rank, NULL) == VLA_OK && rank[0] == 4 && rank[1] == 1 && rank[3] == 2,
	   "ties share ranks");
	bool up[5] = { false, true, false, true, true };
	ok(vla_auc(5, x, up, &auc, NULL) == VLA_OK, "AUC");
	near(auc, 5 / 6.0, 1e-12, "five of six pairs in order");
	double q[4] = { 4, 1, 3, 2 };
	near(vla_quantile(4, q, 0.5), 2.5, 1e-12, "the median of four");
	near(vla_quantile(4, q, 0.25), 1.75, 1e-12, "a quartile");
}

// The interval of a mean of 40 normal numbers holds the truth about 93 % of the time (percentile, n = 40).
static void test_coverage(void)
{
	int held = 0;
	vla_estimate e, again;
	double x[40];
	for (unsigned t = 0; t < 300; t++) {
		vla_rng rng;
		vla_rng_seed(&rng, 5, t);
		for (int i = 0; i < 40; i++)
			x[i] = 3 + vla_rng_normal(&rng);
		if (vla_bootstrap_ratio(40, x, NULL, 300, t, &e, NULL) != VLA_OK)
			break;
		held += e.low <= 3 && e.high >= 3;
	}
	note("%d of 300 intervals hold the mean", held);
	ok(held >= 265 && held <= 295, "bootstrap intervals cover");
	ok(vla_bootstrap_ratio(40, x, NULL, 300, 299, &again, NULL) == VLA_OK && again.low == e.low &&
		   again.high == e.high,
	   "a seed repeats an interval");
	near(e.value, vla_average(40, x), 1e-12, "the value is the mean");
	double num[2] = { 1, 2 }, den[2] = { 2, 2 };
	ok(vla_bootstrap_ratio(2, num, den, 50, 1, &e, NULL) == VLA_OK, "a ratio of sums");
	near(e.value, 0.75, 1e-12, "of clusters");
}

int main(void)
{
	test_wilson();
	test_normal();
	test_tests();
	test_fdr();
	test_correlation();
	test_coverage();
	return done();
}
