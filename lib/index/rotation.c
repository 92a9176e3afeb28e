/* Principal directions by orthogonal iteration on the covariance (Golub and Van Loan, Matrix Computations, 8.2), filled
 * up to a whole orthonormal matrix. Codes refer to the matrix as stored, so directions need not have converged: worse
 * ones only make the first step of a search less sharp. */
#include "index/rotation.h"

#include "kern/kern.h"

#include <float.h>
#include <math.h>

enum { ROUNDS = 6, LEAST_ROWS = 2048, LEAST_DIM = 128, MOST_DIM = 1024, STEP = 32 };

// What the directions past the head may hold of all variance.
static const double left_over = 0.12;

static double dot(const float *a, const float *b, size_t n)
{
	double s[4] = { 0 };
	size_t i = 0;
	for (; i + 4 <= n; i += 4)
		for (size_t j = 0; j < 4; j++)
			s[j] += (double)a[i + j] * b[i + j];
	for (; i < n; i++)
		s[0] += (double)a[i] * b[i];
	return s[0] + s[1] + s[2] + s[3];
}

// Rows [from, k) of q [k, dim] orthonormal to those before and each other, in place; twice is enough.
static void orthonormal(float *q, size_t from, size_t k, size_t dim)
{
	for (size_t i = from; i < k; i++) {
		float *v = q + i * dim;
		for (int pass = 0; pass < 2; pass++) {
			for (size_t j = 0; j < i; j++) {
				float d = (float)dot(v, q + j * dim, dim);
				for (size_t c = 0; c < dim; c++)
					v[c] -= d * q[j * dim + c];
			}
			double norm = sqrt(dot(v, v, dim));
			for (size_t c = 0; c < dim; c++)
				v[c] = norm > 1e-20 ? (float)(v[c] / norm) : 0;
		}
	}
}

// Frobenius norm of Q Q^T - 1.
static double defect(const float *q, size_t dim)
{
	double s = 0;
	for (size_t i = 0; i < dim; i++)
		for (size_t j = 0; j <= i; j++) {
			double d = dot(q + i * dim, q + j * dim, dim) - (i == j);
			s += (i == j ? 1 : 2) * d * d;
		}
	return sqrt(s);
}

double vla_rotation_rounding(size_t dim)
{
	return ((double)dim + 8) * FLT_EPSILON / 2 * sqrt((double)dim);
}

// How many directions, in steps, leave little of the variance; dim when it would be more than half of them.
static size_t choose_head(const float *q, const float *cq, size_t k, size_t dim, double total)
{
	double held = 0;
	for (size_t i = 0; i < k; i++) {
		held += dot(q + i * dim, cq + i * dim, dim);
		if ((i + 1) % STEP == 0 && total - held <= left_over * total)
			return i + 1;
	}
	return dim;
}

vla_status vla_rotation_train(vla_pool *pool, const float *y, size_t n, size_t dim, float **rotation, size_t *head,
			      double *error, vla_err *err)
{
	*rotation = NULL;
	*head = dim;
	*error = 0;
	if (n < LEAST_ROWS || dim < LEAST_DIM || dim > MOST_DIM)
		return VLA_OK;
	size_t k = dim / 2;
	vla_rng r;
	vla_rng_seed(&r, dim, 0x726f74);
	float *q = vla_alloc(dim, dim * sizeof *q), *c = vla_alloc(dim, dim * sizeof *c);
	float *cq = vla_alloc(k, dim * sizeof *cq);
	if (!q || !c || !cq) {
		free(q);
		free(c);
		free(cq);
		return vla_nomem(err);
	}
	double total = 0;
	vla_gemm(pool, true, false, dim, dim, n, 1 / (float)n, y, dim, y, dim, 0, c, dim);
	for (size_t i = 0; i < dim; i++)
		total += c[i * dim + i];
	for (size_t i = 0; i < dim * dim; i++)
		q[i] = (float)vla_rng_normal(&r);
	orthonormal(q, 0, k, dim);
	for (int round = 0; round <= ROUNDS; round++) {
		vla_gemm(pool, false, false, k, dim, dim, 1, q, dim, c, dim, 0, cq, dim);
		if (round == ROUNDS)
			break;
		memcpy(q, cq, k * dim * sizeof *q);
		orthonormal(q, 0, k, dim);
	}
	*head = total > 0 ? choose_head(q, cq, k, dim, total) : dim;
	if (*head < dim) {
		orthonormal(q, k, dim, dim);
		double d = defect(q, dim);
		// Rows that came out as zero would leave it far from orthonormal.
		if (d > 1e-3)
			*head = dim;
		*error = d + vla_rotation_rounding(dim);
	}
	if (*head < dim)
		*rotation = q;
	else
		free(q);
	free(c);
	free(cq);
	return VLA_OK;
}

void vla_rotation_apply(vla_pool *pool, const float *rotation, size_t dim, const float *y, size_t n, float *out)
{
	vla_gemm(pool, false, true, n, dim, dim, 1, y, dim, rotation, dim, 0, out, dim);
}
