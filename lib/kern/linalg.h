/* Dense linear algebra in double precision for statistics: products, positive definite systems, symmetric eigenvalues,
 * singular values. Row-major, one thread. */
#ifndef VLA_KERN_LINALG_H
#define VLA_KERN_LINALG_H

#include "base/base.h"

/* C [M, N] = alpha op(A) op(B) + beta C. op(A) is [M, K], op(B) [K, N]; rows are dense; ta, tb: stored transposed. */
void vla_dgemm(bool ta, bool tb, size_t M, size_t N, size_t K, double alpha, const double *A, const double *B,
	       double beta, double *C);
/* B [n, m] becomes the solution X of A X = B; A [n, n] symmetric positive definite, overwritten. VLA_EINVAL when A is
 * not positive definite. */
vla_status vla_spd_solve(size_t n, size_t m, double *A, double *B, vla_err *err) VLA_MUST_USE;
/* w [n]: eigenvalues of symmetric A [n, n], ascending; row i of A becomes the unit eigenvector of w[i]. */
vla_status vla_sym_eigen(size_t n, double *A, double *w, vla_err *err) VLA_MUST_USE;
/* A [m, n] (overwritten) = U [m, k] diag(s [k]) Vt [k, n], k = min(m, n), s descending. */
vla_status vla_svd(size_t m, size_t n, double *A, double *U, double *s, double *Vt, vla_err *err) VLA_MUST_USE;

#endif
