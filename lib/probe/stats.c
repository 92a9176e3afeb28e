/* Intervals (Wilson 1927; Efron's percentile bootstrap), tests (sign, Wilcoxon 1945, paired permutation, Benjamini and
 * Hochberg 1995), correlations. */
#include "probe/stats.h"

#include <math.h>

vla_estimate vla_wilson(double hits, double n)
{
	if (!(n > 0))
		return (vla_estimate){ NAN, NAN, NAN };
	double p = hits / n, z2 = VLA_Z95 * VLA_Z95, scale = 1 + z2 / n;
	double mid = (p + z2 / (2 * n)) / scale;
	double half = VLA_Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / scale;
	return (vla_estimate){ p, hits > 0 ? fmax(mid - half, 0) : 0, hits < n ? fmin(mid + half, 1) : 1 };
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double vla_quantile(size_t n, double *x, double p)
{
	if (n == 0)
		return NAN;
	qsort(x, n, sizeof *x, by_value);
	double at = p * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[n - 1];
}

vla_status vla_bootstrap(size_t n, unsigned draws, uint64_t seed, vla_statistic *fn, void *ctx, vla_estimate *out,
			 vla_err *err)
{
	size_t *pick = vla_alloc(n, sizeof *pick), kept = 0;
	double *stat = vla_alloc(draws, sizeof *stat);
	if (!pick || !stat) {
		free(pick);
		free(stat);
		return vla_nomem(err);
	}
	for (size_t i = 0; i < n; i++)
		pick[i] = i;
	out->value = n ? fn(ctx, pick, n) : NAN;
	for (unsigned d = 0; d < draws && n; d++) {
		vla_rng rng;
		vla_rng_seed(&rng, seed, d);
		for (size_t i = 0; i < n; i++)
			pick[i] = (size_t)vla_rng_below(&rng, n);
		stat[kept] = fn(ctx, pick, n);
		kept += isfinite(stat[kept]) != 0;
	}
	out->low = vla_quantile(kept, stat, 0.025);
	out->high = vla_quantile(kept, stat, 0.975);
	free(pick);
	free(stat);
	return VLA_OK;
}

struct ratio {
	const double *num, *den;
};

static double ratio_of(void *ctx, const size_t *pick, size_t n)
{
	const struct ratio *r = ctx;
	double num = 0, den = 0;
	for (size_t i = 0; i < n; i++) {
		num += r->num[pick[i]];
		den += r->den ? r->den[pick[i]] : 1;
	}
	return num / den;
}

vla_status vla_bootstrap_ratio(size_t n, const double *num, const double *den, unsigned draws, uint64_t seed,
			       vla_estimate *out, vla_err *err)
{
	struct ratio r = { num, den };
	return vla_bootstrap(n, draws, seed, ratio_of, &r, out, err);
}

double vla_normal_cdf(double x)
{
	return 0.5 * erfc(-x * 0.70710678118654752440);
}

// Newton's method on the distribution function from a logistic start.
double vla_normal_quantile(double p)
{
	if (!(p > 0 && p < 1))
		return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
	double x = log(p / (1 - p)) / 1.702;
	x = fmax(-8, fmin(8, x));
	for (int i = 0; i < 60; i++) {
		double f = vla_normal_cdf(x) - p, d = exp(-0.5 * x * x) * 0.39894228040143267794;
		double step = f / fmax(d, 1e-300);
		step = fmax(-1, fmin(1, step));
		x -= step;
		if (fabs(step) < 1e-14 * fmax(1, fabs(x)))
			break;
	}
	return x;
}

double vla_sign_test(double a, double b)
{
	double n = a + b, low = fmin(a, b), p = 0;
	for (double k = 0; k <= low; k++)
		p += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * 0.69314718055994530942);
	return fmin(1, 2 * p);
}

struct ranked {
	double x;
	size_t at;
};

static int by_x(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;
	if (p->x != q->x)
		return p->x < q->x ? -1 : 1;
	return p->at < q->at ? -1 : p->at > q->at;
}

// Also the sum of t^3 - t over groups of ties.
static vla_status rank_all(size_t n, const double *x, double *rank, double *ties, vla_err *err)
{
	struct ranked *r = vla_alloc(n, sizeof *r);
	if (!r)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){ x[i], i };
	qsort(r, n, sizeof *r, by_x);
	*ties = 0;
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && r[j].x == r[i].x; j++)
			;
		double t = (double)(j - i);
		*ties += t * t * t - t;
		for (size_t k = i; k < j; k++)
			rank[r[k].at] = 0.5 * (double)(i + 1 + j);
	}
	free(r);
	return VLA_OK;
}

vla_status vla_ranks(size_t n, const double *x, double *rank, vla_err *err)
{
	double ties;
	return rank_all(n, x, rank, &ties, err);
}

// Share of the 2^n assignments of signs whose positive ranks sum to at most w.
static double exact_below(size_t n, double w)
{
	double ways[20 * 21 / 2 + 1] = { 1 }, sum = 0, all = 0;
	size_t top = 0;
	for (size_t k = 1; k <= n; k++) {
		top += k;
		for (size_t s = top; s >= k; s--)
			ways[s] += ways[s - k];
	}
	for (size_t s = 0; s <= top; s++) {
		sum += (double)s <= w ? ways[s] : 0;
		all += ways[s];
	}
	return sum / all;
}

vla_status vla_wilcoxon(size_t n, const double *d, double *p, vla_err *err)
{
	double *size = vla_alloc(n, sizeof *size), *rank = vla_alloc(n, sizeof *rank), ties = 0, plus = 0, minus = 0;
	bool *up = vla_alloc(n, sizeof *up);
	size_t m = 0;
	vla_status s = size && rank && up ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		if (d[i] != 0) {
			size[m] = fabs(d[i]);
			up[m++] = d[i] > 0;
		}
	if (s == VLA_OK)
		s = rank_all(m, size, rank, &ties, err);
	for (size_t i = 0; i < m && s == VLA_OK; i++)
		*(up[i] ? &plus : &minus) += rank[i];
	free(size);
	free(rank);
	free(up);
	VLA_TRY(s);
	double k = (double)m, low = fmin(plus, minus);
	if (m == 0) {
		*p = 1;
	} else if (m <= 20 && ties == 0) {
		*p = fmin(1, 2 * exact_below(m, low));
	} else {
		double var = k * (k + 1) * (2 * k + 1) / 24 - ties / 48;
		double z = fmax(0, fabs(plus - k * (k + 1) / 4) - 0.5) / sqrt(var);
		*p = fmin(1, 2 * vla_normal_cdf(-z));
	}
	return VLA_OK;
}

double vla_permutation_paired(size_t n, const double *d, unsigned draws, uint64_t seed)
{
	double want = 0, slack;
	for (size_t i = 0; i < n; i++)
		want += d[i];
	want = fabs(want);
	slack = 1e-12 * fmax(1, want); // sums that differ by rounding alone are equal
	bool all = n < 32 && ((uint64_t)1 << n) <= draws;
	uint64_t tries = all ? (uint64_t)1 << n : draws, hits = all ? 0 : 1;
	for (uint64_t t = 0; t < tries; t++) {
		double sum = 0;
		vla_rng rng;
		uint64_t bits = t;
		if (!all)
			vla_rng_seed(&rng, seed, t);
		for (size_t i = 0; i < n; i++) {
			if (!all && i % 64 == 0)
				bits = vla_rng_u64(&rng);
			sum += bits >> i % 64 & 1 ? d[i] : -d[i];
		}
		hits += fabs(sum) >= want - slack;
	}
	return (double)hits / (double)(all ? tries : tries + 1);
}

vla_status vla_fdr(size_t n, const double *p, double *q, vla_err *err)
{
	struct ranked *r = vla_alloc(n, sizeof *r);
	size_t m = 0;
	if (!r)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++) {
		q[i] = NAN;
		if (!isnan(p[i]))
			r[m++] = (struct ranked){ p[i], i };
	}
	qsort(r, m, sizeof *r, by_x);
	double least = 1;
	for (size_t i = m; i-- > 0;) {
		least = fmin(least, r[i].x * (double)m / (double)(i + 1));
		q[r[i].at] = least;
	}
	free(r);
	return VLA_OK;
}

double vla_average(size_t n, const double *x)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return n ? sum / (double)n : NAN;
}

double vla_pearson(size_t n, const double *x, const double *y)
{
	double mx = vla_average(n, x), my = vla_average(n, y), xx = 0, yy = 0, xy = 0;
	for (size_t i = 0; i < n; i++) {
		double a = x[i] - mx, b = y[i] - my;
		xx += a * a;
		yy += b * b;
		xy += a * b;
	}
	return xy / sqrt(xx * yy);
}

vla_status vla_spearman(size_t n, const double *x, const double *y, double *r, vla_err *err)
{
	double *rx = vla_alloc(n, sizeof *rx), *ry = vla_alloc(n, sizeof *ry);
	vla_status s = rx && ry ? vla_ranks(n, x, rx, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = vla_ranks(n, y, ry, err);
	if (s == VLA_OK)
		*r = vla_pearson(n, rx, ry);
	free(rx);
	free(ry);
	return s;
}

vla_status vla_auc(size_t n, const double *x, const bool *y, double *auc, vla_err *err)
{
	double *rank = vla_alloc(n, sizeof *rank), sum = 0, pos = 0;
	vla_status s = rank ? vla_ranks(n, x, rank, err) : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		if (y[i]) {
			sum += rank[i];
			pos++;
		}
	free(rank);
	double neg = (double)n - pos;
	*auc = pos > 0 && neg > 0 ? (sum - pos * (pos + 1) / 2) / (pos * neg) : NAN;
	return s;
}

void vla_shuffle(size_t n, size_t *x, vla_rng *rng)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)vla_rng_below(rng, i), t = x[i - 1];
		x[i - 1] = x[j];
		x[j] = t;
	}
}
