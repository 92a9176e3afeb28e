/* Linear algebra, ridge, logistic regression and nearest neighbours: against closed forms, the normal equations, the
 * conditions of a minimum, and plain counting. */

#include "kern/linalg.h"
#include "probe/fit.h"

#include "tap.h"

#include <math.h>

static double uniform(vla_rng *r)
{
	return 2 * vla_rng_double(r) - 1;
}

static void test_linalg(void)
{
	enum { M = 5, N = 3 };
	double a[M * N], keep[M * N], u[M * N], s[N], vt[N * N], back[M * N], g[N * N], g2[N * N], w[N], b[N * 2],
		x[N * 2];
	vla_rng r;
	vla_rng_seed(&r, 1, 1);
	for (int i = 0; i < M * N; i++)
		keep[i] = a[i] = uniform(&r);
	ok(vla_svd(M, N, a, u, s, vt, NULL) == VLA_OK, "singular values");
	for (int i = 0; i < M; i++)
		for (int j = 0; j < N; j++)
			u[i * N + j] *= s[j];
	vla_dgemm(false, false, M, N, N, 1, u, vt, 0, back);
	double worst = 0;
	for (int i = 0; i < M * N; i++)
		worst = fmax(worst, fabs(back[i] - keep[i]));
	ok(worst < 1e-12 && s[0] >= s[1] && s[1] >= s[2], "their product is the matrix (%g)", worst);
	vla_dgemm(true, false, N, N, M, 1, keep, keep, 0, g);
	memcpy(g2, g, sizeof g);
	ok(vla_sym_eigen(N, g2, w, NULL) == VLA_OK, "eigenvalues");
	near(w[2], s[0] * s[0], 1e-12, "the largest is the square of the singular value");
	for (int i = 0; i < N; i++) { // g v = w v
		double v = 0;
		for (int j = 0; j < N; j++)
			v += g[i * N + j] * g2[2 * N + j];
		worst = fmax(worst, fabs(v - w[2] * g2[2 * N + i]));
	}
	ok(worst < 1e-12, "a row is its eigenvector");
	for (int i = 0; i < N * 2; i++)
		x[i] = b[i] = uniform(&r);
	memcpy(g2, g, sizeof g);
	ok(vla_spd_solve(N, 2, g2, x, NULL) == VLA_OK, "a positive definite system");
	double left[N * 2];
	vla_dgemm(false, false, N, 2, N, 1, g, x, 0, left);
	worst = 0;
	for (int i = 0; i < N * 2; i++)
		worst = fmax(worst, fabs(left[i] - b[i]));
	ok(worst < 1e-12, "is solved (%g)", worst);
	double bad[4] = { 1, 2, 2, 1 };
	ok(vla_spd_solve(2, 1, bad, x, NULL) == VLA_EINVAL, "an indefinite one is refused");
}

// The gradient of |y - x b - c|^2 + l |b|^2 is zero at the solution, in the primal and the dual.
static void test_ridge(size_t n, size_t p, size_t q, double penalty)
{
	double *x = vla_alloc(n * p, 8), *y = vla_alloc(n * q, 8), *e = vla_alloc(n * q, 8), worst = 0;
	vla_linear m;
	vla_rng r;
	vla_rng_seed(&r, 2, n);
	for (size_t i = 0; i < n * p; i++)
		x[i] = uniform(&r) + 0.5;
	for (size_t i = 0; i < n * q; i++)
		y[i] = uniform(&r) - 3;
	ok(vla_ridge_fit(n, p, q, x, y, 1, &penalty, NULL, 0, &m, NULL) == VLA_OK, "ridge of %zu x %zu", n, p);
	vla_linear_predict(&m, n, x, e);
	for (size_t i = 0; i < n * q; i++)
		e[i] -= y[i];
	for (size_t k = 0; k < q; k++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += e[i * q + k];
		worst = fmax(worst, fabs(sum));
		for (size_t j = 0; j < p; j++) {
			double g = penalty * m.coef[j * q + k];
			for (size_t i = 0; i < n; i++)
				g += e[i * q + k] * x[i * p + j];
			worst = fmax(worst, fabs(g));
		}
	}
	ok(worst < 1e-9, "its gradient is zero (%g)", worst);
	vla_linear_release(&m);
	free(x);
	free(y);
	free(e);
}

static void test_ridge_choice(void)
{
	enum { N = 60, P = 20 };
	double x[N * P], y[N], penalty[3] = { 1e-6, 49, 1e6 };
	unsigned fold[N];
	vla_linear m;
	vla_rng r;
	vla_rng_seed(&r, 3, 0);
	for (int i = 0; i < N; i++) {
		y[i] = 0.7 * vla_rng_normal(&r);
		for (int j = 0; j < P; j++)
			y[i] += 0.1 * (x[i * P + j] = vla_rng_normal(&r));
	}
	ok(vla_folds(N, 5, NULL, NULL, 1, fold, NULL) == VLA_OK, "folds");
	size_t count[5] = { 0 };
	for (int i = 0; i < N; i++)
		count[fold[i]]++;
	ok(count[0] == 12 && count[4] == 12, "are balanced");
	ok(vla_ridge_fit(N, P, 1, x, y, 3, penalty, fold, 5, &m, NULL) == VLA_OK && m.penalty == 49,
	   "the penalty that Bayes gives, 0.7^2 / 0.1^2, beats extremes");
	vla_linear_release(&m);
	size_t group[6] = { 1, 1, 2, 2, 3, 3 };
	ok(vla_folds(6, 2, NULL, group, 1, fold, NULL) == VLA_OK && fold[0] == fold[1] && fold[4] == fold[5],
	   "groups stay together");
}

static void test_logistic(void)
{
	enum { N = 80, P = 4, C = 3 };
	double x[N * P], g[(P + 1) * C] = { 0 }, logit[C], penalty = 0.5, worst = 0;
	size_t label[N];
	vla_linear m;
	vla_rng r;
	vla_rng_seed(&r, 4, 0);
	for (int i = 0; i < N; i++) {
		label[i] = (size_t)i % C;
		for (int j = 0; j < P; j++)
			x[i * P + j] = uniform(&r) + (j == (int)label[i]);
	}
	ok(vla_logistic_fit(N, P, C, x, label, 1, &penalty, NULL, 0, &m, NULL) == VLA_OK, "logistic regression");
	for (int i = 0; i < N; i++) {
		double sum = 0;
		vla_linear_predict(&m, 1, x + i * P, logit);
		for (int k = 0; k < C; k++)
			sum += exp(logit[k]);
		for (int k = 0; k < C; k++) {
			double e = exp(logit[k]) / sum - (label[i] == (size_t)k);
			for (int j = 0; j < P; j++)
				g[j * C + k] += e * x[i * P + j];
			g[P * C + k] += e;
		}
	}
	for (int j = 0; j < P * C; j++)
		g[j] += penalty * m.coef[j];
	for (int j = 0; j < (P + 1) * C; j++)
		worst = fmax(worst, fabs(g[j]));
	ok(worst < 1e-4, "its gradient is zero (%g)", worst);
	vla_linear_release(&m);
	// Two classes without features: the bias is the log of the odds.
	double none[4] = { 0, 0, 0, 0 };
	size_t odd[4] = { 0, 1, 1, 1 };
	ok(vla_logistic_fit(4, 1, 2, none, odd, 1, &penalty, NULL, 0, &m, NULL) == VLA_OK, "without features");
	near(m.bias[1] - m.bias[0], log(3), 1e-5, "the odds");
	vla_linear_release(&m);
}

static void test_knn(void)
{
	double x[5] = { 1, 2, 3, 10, 11 }, y[2] = { 1, -1 };
	size_t label[5] = { 0, 0, 0, 1, 1 }, out[5];
	ok(vla_knn(5, 2, 1, 2, x, label, y, 2, false, out, NULL) == VLA_OK, "nearest neighbours");
	ok(out[0] == 1 && out[1] == 0, "by inner product");
	ok(vla_knn(5, 2, 1, 2, x, label, y, 5, false, out, NULL) == VLA_OK && out[0] == 0, "the most of five");
	ok(vla_knn(5, 2, 1, 2, x, label, y, 4, false, out, NULL) == VLA_OK && out[0] == 1,
	   "the nearest of equal votes");
	ok(vla_knn(5, 5, 1, 2, x, label, x, 1, true, out, NULL) == VLA_OK && out[4] == 1 && out[3] == 1,
	   "a row is not its own neighbour");
	ok(vla_knn(0, 1, 1, 2, x, label, y, 1, false, out, NULL) == VLA_EINVAL, "no row is an error");
}

int main(void)
{
	test_linalg();
	test_ridge(30, 4, 2, 0.7);
	test_ridge(4, 9, 3, 0.7);
	test_ridge(7, 7, 1, 1e-3);
	test_ridge_choice();
	test_logistic();
	test_knn();
	return done();
}
