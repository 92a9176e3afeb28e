/* Double precision linear algebra over the LAPACK that OpenBLAS carries. LAPACK is column-major: a row-major matrix is
 * its transpose there, which symmetric problems do not notice and the singular value decomposition absorbs by swapping
 * U and V. */
#include "kern/linalg.h"
#include "kern/split.h"

#include <cblas.h>
#include <limits.h>

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_len);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
	     const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_len, size_t uplo_len);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
	     const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
	     size_t jobz_len);

void vla_dgemm(bool ta, bool tb, size_t M, size_t N, size_t K, double alpha, const double *A, const double *B,
	       double beta, double *C)
{
	if (M == 0 || N == 0)
		return;
	vla_blas_init();
	if (K == 0) {
		for (size_t i = 0; i < M * N; i++)
			C[i] = beta == 0 ? 0 : beta * C[i];
		return;
	}
	cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)M,
		    (blasint)N, (blasint)K, alpha, A, (blasint)(ta ? M : K), B, (blasint)(tb ? K : N), beta, C,
		    (blasint)N);
}

static vla_status as_int(size_t n, int *out, vla_err *err)
{
	if (n > INT_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "a matrix of %zu rows is too large", n);
	*out = (int)n;
	return VLA_OK;
}

vla_status vla_spd_solve(size_t n, size_t m, double *A, double *B, vla_err *err)
{
	int rows = 0, cols = 0, info;
	if (n == 0 || m == 0)
		return VLA_OK;
	VLA_TRY(as_int(n, &rows, err));
	VLA_TRY(as_int(m, &cols, err));
	vla_blas_init();
	// The upper factor of the transpose is the lower one here.
	dpotrf_("U", &rows, A, &rows, &info, 1);
	if (info)
		return vla_fail(err, VLA_EINVAL, "the matrix is not positive definite");
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, rows, cols, 1, A, rows, B, cols);
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, rows, cols, 1, A, rows, B, cols);
	return VLA_OK;
}

vla_status vla_sym_eigen(size_t n, double *A, double *w, vla_err *err)
{
	int rows, info, lwork = -1, liwork = -1, isize;
	double size;
	if (n == 0)
		return VLA_OK;
	VLA_TRY(as_int(n, &rows, err));
	vla_blas_init();
	dsyevd_("V", "U", &rows, A, &rows, w, &size, &lwork, &isize, &liwork, &info, 1, 1);
	if (size > INT_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "a matrix of %zu rows is too large", n);
	lwork = (int)size;
	liwork = isize;
	double *work = vla_alloc((size_t)lwork, sizeof *work);
	int *iwork = vla_alloc((size_t)liwork, sizeof *iwork);
	if (work && iwork)
		dsyevd_("V", "U", &rows, A, &rows, w, work, &lwork, iwork, &liwork, &info, 1, 1);
	vla_status s = !work || !iwork ? vla_nomem(err)
		       : info          ? vla_fail(err, VLA_EINVAL, "the eigenvalues do not converge")
				       : VLA_OK;
	free(work);
	free(iwork);
	return s;
}

vla_status vla_svd(size_t m, size_t n, double *A, double *U, double *s, double *Vt, vla_err *err)
{
	int rows, cols, info, lwork = -1;
	size_t k = m < n ? m : n;
	double size;
	if (k == 0)
		return VLA_OK;
	VLA_TRY(as_int(m, &rows, err));
	VLA_TRY(as_int(n, &cols, err));
	vla_blas_init();
	int least = (int)k;
	// The matrix as LAPACK sees it is [n, m]: its left vectors are the rows of Vt, its right ones the columns of U.
	dgesdd_("S", &cols, &rows, A, &cols, s, Vt, &cols, U, &least, &size, &lwork, NULL, &info, 1);
	if (size > INT_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "a matrix of %zu rows is too large", m);
	lwork = (int)size;
	double *work = vla_alloc((size_t)lwork, sizeof *work);
	int *iwork = vla_alloc(k, 8 * sizeof *iwork);
	if (work && iwork)
		dgesdd_("S", &cols, &rows, A, &cols, s, Vt, &cols, U, &least, work, &lwork, iwork, &info, 1);
	vla_status st = !work || !iwork ? vla_nomem(err)
			: info          ? vla_fail(err, VLA_EINVAL, "the singular values do not converge")
					: VLA_OK;
	free(work);
	free(iwork);
	return st;
}
