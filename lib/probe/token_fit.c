/* Distributions of counts, fitted by likelihood: Zipf and Mandelbrot over ranks, Yule and Simon, the zeta and the
 * log-normal distribution over counts; entropy, Huffman's code (1952), Benford's law. One-parameter fits are golden
 * section searches, since each likelihood has one maximum. */
#include "probe/corpus.h"

#include <math.h>

typedef double objective(const void *ctx, double x);

// The x in [a, b] of the largest fn.
static double maximise(objective *fn, const void *ctx, double a, double b)
{
	const double g = 0.61803398874989484820;
	double c = b - g * (b - a), d = a + g * (b - a), fc = fn(ctx, c), fd = fn(ctx, d);
	for (int i = 0; i < 60 && b - a > 1e-7; i++)
		if (fc > fd) {
			b = d;
			d = c;
			fd = fc;
			c = b - g * (b - a);
			fc = fn(ctx, c);
		} else {
			a = c;
			c = d;
			fc = fd;
			d = a + g * (b - a);
			fd = fn(ctx, d);
		}
	return 0.5 * (a + b);
}

double vla_entropy(const vla_counts *c)
{
	double h = 0;
	for (size_t i = 0; i < c->types; i++)
		h -= c->count[i] / c->tokens * log2(c->count[i] / c->tokens);
	return h;
}

// The sum of all inner nodes of the tree, by two queues over the sorted counts.
double vla_huffman_length(const vla_counts *c)
{
	size_t n = c->types, leaf = n, front = 0, back = 0;
	double total = 0, *inner = n > 1 ? vla_alloc(n, sizeof *inner) : NULL;
	if (!inner)
		return n > 1 ? NAN : 0;
	for (size_t k = 1; k < n; k++) {
		double sum = 0;
		for (int i = 0; i < 2; i++)
			if (leaf > 0 && (front == back || c->count[leaf - 1] <= inner[front]))
				sum += c->count[--leaf];
			else
				sum += inner[front++];
		inner[back++] = sum;
		total += sum;
	}
	free(inner);
	return total / c->tokens;
}

double vla_zipf_likelihood(const vla_counts *c, double a, double b)
{
	double z = 0, sum = 0;
	for (size_t r = 0; r < c->types; r++) {
		double l = log((double)(r + 1) + b);
		z += exp(-a * l);
		sum -= c->count[r] * a * l;
	}
	return sum - c->tokens * log(z);
}

struct shifted {
	const vla_counts *c;
	double b;
};

static double zipf_at(const void *ctx, double a)
{
	const struct shifted *s = ctx;
	return vla_zipf_likelihood(s->c, a, s->b);
}

double vla_zipf_fit(const vla_counts *c, double b)
{
	struct shifted s = { c, b };
	return maximise(zipf_at, &s, 0, 10);
}

static double shift_at(const void *ctx, double log_b)
{
	const vla_counts *c = ctx;
	double b = exp(log_b) - 0.01;
	return vla_zipf_likelihood(c, vla_zipf_fit(c, b), b);
}

double vla_mandelbrot_fit(const vla_counts *c, double *b)
{
	*b = exp(maximise(shift_at, c, log(0.01), log(1000))) - 0.01;
	return vla_zipf_fit(c, *b);
}

static double yule_at(const void *ctx, double log_rho)
{
	const vla_counts *c = ctx;
	double rho = exp(log_rho), sum = 0;
	for (size_t i = 0, j; i < c->types; i = j) {
		for (j = i; j < c->types && c->count[j] == c->count[i]; j++)
			;
		double k = c->count[i];
		sum += (double)(j - i) * (log_rho + lgamma(k) + lgamma(rho + 1) - lgamma(k + rho + 1));
	}
	return sum;
}

double vla_yule_fit(const vla_counts *c)
{
	return exp(maximise(yule_at, c, log(0.01), log(100)));
}

// Riemann's zeta for a > 1, by Euler and Maclaurin from the tenth term.
static double zeta(double a)
{
	double sum = 0, n = 10;
	for (int k = 1; k < 10; k++)
		sum += pow(k, -a);
	return sum + pow(n, 1 - a) / (a - 1) + 0.5 * pow(n, -a) + a * pow(n, -a - 1) / 12 -
	       a * (a + 1) * (a + 2) * pow(n, -a - 3) / 720;
}

static double power_at(const void *ctx, double a)
{
	const vla_counts *c = ctx;
	double sum = 0;
	for (size_t i = 0; i < c->types; i++)
		sum -= a * log(c->count[i]);
	return sum - (double)c->types * log(zeta(a));
}

double vla_power_likelihood(const vla_counts *c, double *a)
{
	*a = maximise(power_at, c, 1.0001, 20);
	return power_at(c, *a);
}

struct normal {
	const vla_counts *c;
	double mu;
};

static double lognormal(const vla_counts *c, double mu, double sigma)
{
	double rest = 1 - vla_normal_cdf((log(0.5) - mu) / sigma), sum = 0;
	if (!(rest > 1e-12))
		return -INFINITY;
	for (size_t i = 0, j; i < c->types; i = j) {
		for (j = i; j < c->types && c->count[j] == c->count[i]; j++)
			;
		double a = (log(c->count[i] - 0.5) - mu) / sigma, b = (log(c->count[i] + 0.5) - mu) / sigma;
		double p = a > 0 ? vla_normal_cdf(-a) - vla_normal_cdf(-b) : vla_normal_cdf(b) - vla_normal_cdf(a);
		sum += (double)(j - i) * log(fmax(p / rest, 1e-300));
	}
	return sum;
}

static double sigma_at(const void *ctx, double log_sigma)
{
	const struct normal *n = ctx;
	return lognormal(n->c, n->mu, exp(log_sigma));
}

static double mu_at(const void *ctx, double mu)
{
	struct normal n = { ctx, mu };
	return sigma_at(&n, maximise(sigma_at, &n, log(0.05), log(20)));
}

double vla_lognormal_likelihood(const vla_counts *c, double *mu, double *sigma)
{
	*mu = maximise(mu_at, c, -10, 20);
	struct normal n = { c, *mu };
	*sigma = exp(maximise(sigma_at, &n, log(0.05), log(20)));
	return lognormal(c, *mu, *sigma);
}

void vla_benford(const vla_counts *c, double *chi2, double *deviation, double *divergence)
{
	double seen[10] = { 0 }, n = (double)c->types;
	*chi2 = *deviation = *divergence = 0;
	for (size_t i = 0; i < c->types; i++) {
		double x = c->count[i];
		while (x >= 10)
			x /= 10;
		seen[(int)x]++;
	}
	for (int d = 1; d < 10; d++) {
		double p = log10(1 + 1.0 / d), q = seen[d] / n;
		*chi2 += (seen[d] - n * p) * (seen[d] - n * p) / (n * p);
		*deviation += fabs(q - p) / 9;
		*divergence += q > 0 ? q * log2(q / p) : 0;
	}
}
