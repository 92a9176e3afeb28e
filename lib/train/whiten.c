/* Whitening by principal directions, found with orthogonal iteration on the covariance and one small symmetric
 * eigenproblem (cyclic Jacobi) within the space found; Golub and Van Loan, Matrix Computations, chapter 8. */
#include "train/whiten.h"

#include "kern/kern.h"

#include <math.h>

#define ROUNDS 24
#define EXTRA 16 // directions beyond d, so that the last ones wanted converge too

// Rows of q [k, c] orthonormal, in place (modified Gram-Schmidt, twice).
static void orthonormal(float *q, size_t k, size_t c)
{
	for (size_t i = 0; i < k; i++)
		for (int pass = 0; pass < 2; pass++) {
			for (size_t j = 0; j < i; j++) {
				double dot = 0;
				for (size_t t = 0; t < c; t++)
					dot += (double)q[i * c + t] * q[j * c + t];
				for (size_t t = 0; t < c; t++)
					q[i * c + t] -= (float)dot * q[j * c + t];
			}
			double norm = 0;
			for (size_t t = 0; t < c; t++)
				norm += (double)q[i * c + t] * q[i * c + t];
			float scale = norm > 0 ? (float)(1 / sqrt(norm)) : 0;
			for (size_t t = 0; t < c; t++)
				q[i * c + t] *= scale;
		}
}

// a [k, k] symmetric becomes diagonal; the rows of v [k, k] become its eigenvectors.
static void jacobi(double *a, double *v, size_t k)
{
	for (size_t i = 0; i < k * k; i++)
		v[i] = i % (k + 1) == 0;
	for (int sweep = 0; sweep < 30; sweep++) {
		double off = 0, diag = 0;
		for (size_t i = 0; i < k; i++)
			for (size_t j = 0; j < k; j++)
				*(i == j ? &diag : &off) += a[i * k + j] * a[i * k + j];
		if (off <= 1e-22 * diag)
			break;
		for (size_t p = 0; p < k; p++)
			for (size_t q = p + 1; q < k; q++) {
				double apq = a[p * k + q];
				if (fabs(apq) < 1e-300)
					continue;
				double theta = (a[q * k + q] - a[p * k + p]) / (2 * apq);
				double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
				double cs = 1 / sqrt(t * t + 1), sn = t * cs;
				for (size_t i = 0; i < k; i++) {
					double x = a[i * k + p], y = a[i * k + q];
					a[i * k + p] = cs * x - sn * y;
					a[i * k + q] = sn * x + cs * y;
				}
				for (size_t i = 0; i < k; i++) {
					double x = a[p * k + i], y = a[q * k + i];
					a[p * k + i] = cs * x - sn * y;
					a[q * k + i] = sn * x + cs * y;
					x = v[p * k + i], y = v[q * k + i];
					v[p * k + i] = cs * x - sn * y;
					v[q * k + i] = sn * x + cs * y;
				}
			}
	}
}

struct work {
	float *centred, *cov, *q, *next;
	double *mean, *small, *vec;
};

static void principal(vla_pool *pool, const float *x, size_t n, size_t c, size_t k, struct work *w)
{
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < c; t++)
			w->mean[t] += (double)x[i * c + t] / (double)n;
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < c; t++)
			w->centred[i * c + t] = (float)(x[i * c + t] - w->mean[t]);
	vla_gemm(pool, true, false, c, c, n, 1 / (float)n, w->centred, c, w->centred, c, 0, w->cov, c);
	vla_rng rng;
	vla_rng_seed(&rng, 1, 0);
	for (size_t i = 0; i < k * c; i++)
		w->q[i] = (float)vla_rng_normal(&rng);
	orthonormal(w->q, k, c);
	for (int round = 0; round < ROUNDS; round++) {
		vla_gemm(pool, false, false, k, c, c, 1, w->q, c, w->cov, c, 0, w->next, c);
		memcpy(w->q, w->next, k * c * sizeof *w->q);
		orthonormal(w->q, k, c);
	}
	vla_gemm(pool, false, false, k, c, c, 1, w->q, c, w->cov, c, 0, w->next, c);
	for (size_t i = 0; i < k; i++)
		for (size_t j = 0; j < k; j++) {
			double dot = 0;
			for (size_t t = 0; t < c; t++)
				dot += (double)w->next[i * c + t] * w->q[j * c + t];
			w->small[i * k + j] = dot;
		}
	for (size_t i = 0; i < k; i++)
		for (size_t j = 0; j < i; j++)
			w->small[i * k + j] = w->small[j * k + i] = (w->small[i * k + j] + w->small[j * k + i]) / 2;
	jacobi(w->small, w->vec, k);
}

// The number of the largest eigenvalue that is not marked; it gets marked.
static size_t pick(double *eigen, size_t k)
{
	size_t best = 0;
	for (size_t i = 1; i < k; i++)
		if (eigen[i * k + i] > eigen[best * k + best])
			best = i;
	return best;
}

static void fill(size_t c, size_t d, size_t k, struct work *w, float *W, float *b)
{
	double largest = 0;
	for (size_t r = 0; r < d; r++) {
		size_t e = pick(w->small, k);
		double value = w->small[e * k + e];
		w->small[e * k + e] = -1;
		if (!r)
			largest = value;
		double floor = largest * 1e-4 + 1e-12;
		double scale = 1 / sqrt((value > 0 ? value : 0) + floor) / sqrt((double)d), shift = 0;
		for (size_t t = 0; t < c; t++) {
			double sum = 0;
			for (size_t i = 0; i < k; i++)
				sum += w->vec[e * k + i] * w->q[i * c + t];
			W[r * c + t] = (float)(scale * sum);
			shift -= scale * sum * w->mean[t];
		}
		if (b)
			b[r] = (float)shift;
	}
}

vla_status vla_whiten(vla_pool *pool, const float *x, size_t n, size_t c, size_t d, float *W, float *b, vla_err *err)
{
	if (d > c || !n)
		return vla_fail(err, VLA_EINVAL, "cannot whiten %zu vectors of %zu numbers to %zu", n, c, d);
	size_t k = d + EXTRA < c ? d + EXTRA : c;
	struct work w = { vla_alloc(n, c * sizeof(float)), vla_alloc(c, c * sizeof(float)),
			  vla_alloc(k, c * sizeof(float)), vla_alloc(k, c * sizeof(float)),
			  vla_zalloc(c, sizeof(double)),   vla_alloc(k, k * sizeof(double)),
			  vla_alloc(k, k * sizeof(double)) };
	bool enough = w.centred && w.cov && w.q && w.next && w.mean && w.small && w.vec;
	if (enough) {
		principal(pool, x, n, c, k, &w);
		fill(c, d, k, &w, W, b);
	}
	free(w.centred);
	free(w.cov);
	free(w.q);
	free(w.next);
	free(w.mean);
	free(w.small);
	free(w.vec);
	return enough ? VLA_OK : vla_nomem(err);
}
