/* Encoding models on simulated responses: banded ridge against the normal equations, delays, correlations near the
 * analytic limit, permutation tests under the null, saturating curves. */
#include "probe/encoding.h"

#include "kern/linalg.h"
#include "tap.h"

#include <math.h>

static vla_series noise(size_t n, size_t p, uint64_t seed)
{
	vla_series s = { vla_alloc(n, p * sizeof *s.x), n, p };
	vla_rng rng;
	vla_rng_seed(&rng, seed, 77);
	for (size_t i = 0; i < n * p; i++)
		s.x[i] = vla_rng_normal(&rng);
	return s;
}

// One candidate, one penalty: the solution of (X'X + l) b = X'y, in the primal and the dual.
static void test_closed_form(size_t n, size_t p)
{
	enum { Q = 3, TEST = 7 };
	vla_series x = noise(n + TEST, p, 1), y = noise(n + TEST, Q, 2);
	double penalty = 2.5, *out = vla_alloc(TEST * Q, sizeof *out), worst = 0;
	double *g = vla_zalloc(p * p, sizeof *g), *b = vla_zalloc(p * Q, sizeof *b);
	vla_banded o = { &penalty, 1, 1, 10, 0 };
	ok(vla_banded_predict(&x, 1, &y, n, &o, out, NULL) == VLA_OK, "ridge, %zu rows of %zu", n, p);
	vla_dgemm(true, false, p, p, n, 1, x.x, x.x, 0, g);
	for (size_t j = 0; j < p; j++)
		g[j * p + j] += penalty;
	vla_dgemm(true, false, p, Q, n, 1, x.x, y.x, 0, b);
	ok(vla_spd_solve(p, Q, g, b, NULL) == VLA_OK, "the normal equations");
	for (size_t i = 0; i < TEST; i++)
		for (size_t k = 0; k < Q; k++) {
			double v = 0;
			for (size_t j = 0; j < p; j++)
				v += x.x[(n + i) * p + j] * b[j * Q + k];
			worst = fmax(worst, fabs(v - out[i * Q + k]));
		}
	ok(worst < 1e-10, "give the same predictions (%g)", worst);
	vla_series_release(&x);
	vla_series_release(&y);
	free(out);
	free(g);
	free(b);
}

static void test_series(void)
{
	double x[12] = { 1, 10, 2, 10, 3, 10, 4, 10, 5, 10, 6, 10 }, delay[2] = { 1, 2 };
	vla_series s = { x, 6, 2 }, d;
	ok(vla_series_delay(&s, delay, 2, 3, &d, NULL) == VLA_OK && d.p == 4, "delays");
	ok(d.x[0] == 0 && d.x[4] == 1 && d.x[2 * 4] == 2 && d.x[2 * 4 + 2] == 1, "rows before");
	ok(d.x[3 * 4] == 0 && d.x[4 * 4] == 4, "do not cross from training to test");
	vla_series_release(&d);
	vla_series_standardise(&s, 0, 3);
	near(x[0], -sqrt(1.5), 1e-12, "mean 0, variance 1");
	ok(x[1] == 0 && x[6] == 4, "constant columns are zeros, other rows stay");
}

// Two bands, of which one drives all columns: the search finds it, and correlations reach their limit.
static void test_bands(void)
{
	enum { N = 400, SPLIT = 300, Q = 20 };
	vla_series x[2] = { noise(N, 6, 3), noise(N, 40, 4) }, y = noise(N, Q, 5);
	double penalty[4] = { 0.1, 1, 10, 100 }, *out = vla_alloc((N - SPLIT) * Q, sizeof *out), r[Q], alone[Q], p[Q];
	vla_rng rng;
	vla_rng_seed(&rng, 6, 0);
	for (size_t q = 0; q < Q; q++)
		for (size_t j = 0; j < 6; j++) {
			double w = vla_rng_normal(&rng) / sqrt(6);
			for (size_t i = 0; i < N; i++)
				y.x[i * Q + q] += w * x[0].x[i * 6 + j];
		}
	vla_banded o = { penalty, 4, 12, 20, 1 };
	ok(vla_banded_predict(x, 2, &y, SPLIT, &o, out, NULL) == VLA_OK, "two bands");
	vla_column_correlation(&y, SPLIT, out, r);
	o.candidates = 1;
	double *plain = vla_alloc((N - SPLIT) * Q, sizeof *plain);
	ok(vla_banded_predict(x, 2, &y, SPLIT, &o, plain, NULL) == VLA_OK, "one penalty for both");
	vla_column_correlation(&y, SPLIT, plain, alone);
	note("mean r %.3f banded, %.3f ridge; without noise in the weights about 0.7", vla_average(Q, r),
	     vla_average(Q, alone));
	ok(vla_average(Q, r) > vla_average(Q, alone), "bands of their own help");
	ok(vla_average(Q, r) > 0.58 && vla_average(Q, r) < 0.78, "near the limit of signal and noise");
	ok(vla_block_permutation(&y, SPLIT, out, 5, 199, 1, p, NULL) == VLA_OK, "block permutations");
	int hits = 0;
	for (int q = 0; q < Q; q++)
		hits += p[q] <= 0.05;
	ok(hits >= 18, "find %d of 20 columns that are driven", hits);
	vla_series null = noise(N, 200, 9);
	double *other = vla_alloc((N - SPLIT) * 200, sizeof *other), pn[200];
	ok(vla_banded_predict(x, 2, &null, SPLIT, &o, other, NULL) == VLA_OK &&
		   vla_block_permutation(&null, SPLIT, other, 5, 199, 1, pn, NULL) == VLA_OK,
	   "columns of noise");
	hits = 0;
	for (int q = 0; q < 200; q++)
		hits += pn[q] <= 0.05;
	ok(hits <= 20, "%d of 200 pass at 5 %%", hits); // 10 expected, standard deviation 3.1
	ok(vla_banded_predict(x, 2, &y, 5, &o, out, NULL) == VLA_EINVAL, "too few rows are refused");
	free(out);
	free(plain);
	free(other);
	vla_series_release(&x[0]);
	vla_series_release(&x[1]);
	vla_series_release(&y);
	vla_series_release(&null);
}

static void test_saturation(void)
{
	double x[7] = { 1, 1, 1, 2, 2, 2, 3 }, v[7];
	for (int i = 0; i < 7; i++)
		v[i] = 0.6 * (1 - exp(-x[i] / 0.9));
	near(vla_saturation_fit(7, x, v, 100, 1), 0.6, 0.03, "the limit of a saturating curve");
}

int main(void)
{
	test_closed_form(40, 6);
	test_closed_form(12, 30);
	test_series();
	test_bands();
	test_saturation();
	return done();
}
