/* Matrix products over OpenBLAS. OpenBLAS runs one thread; C is cut into pieces of rows or columns whose sizes follow
 * from the shape, and the pool's workers take pieces. */
#include "kern/kern.h"
#include "kern/skinny.h"
#include "kern/split.h"

#include <cblas.h>
#include <pthread.h>

static void single_thread(void)
{
	openblas_set_num_threads(1);
}

void vla_blas_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, single_thread);
}

void vla_sgemm(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda, const float *B,
	       size_t ldb, float beta, float *C, size_t ldc)
{
	if (M == 0 || N == 0)
		return;
	if (K == 0 || alpha == 0) {
		for (size_t i = 0; i < M; i++)
			for (size_t j = 0; j < N; j++)
				C[i * ldc + j] = beta == 0 ? 0 : beta * C[i * ldc + j];
		return;
	}
	bool plain = alpha == 1 && (beta == 0 || beta == 1);
	if (plain && !ta && M >= 48 && vla_skinny_fits(N, K)) {
		vla_skinny_rows(tb, M, N, K, A, lda, B, ldb, beta == 1, C, ldc);
		return;
	}
	if (plain && ta && !tb && K >= 128 && vla_skinny_fits(N, M)) {
		vla_skinny_tall(M, N, K, A, lda, B, ldb, beta == 1, C, ldc);
		return;
	}
	cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)M,
		    (blasint)N, (blasint)K, alpha, A, (blasint)lda, B, (blasint)ldb, beta, C, (blasint)ldc);
}

// Every piece packs the other operand again, so pieces stay large: at least 160 rows (256 where there are
// many) and a million multiply-adds.
size_t vla_gemm_piece(size_t len, size_t other, size_t K)
{
	double work = (double)len * (double)other * (double)K;
	size_t n = len < 1024 ? len / 160 : len / 256, most = work / 1e6 < 256 ? (size_t)(work / 1e6) : 256;
	if (n > most)
		n = most;
	if (n <= 1)
		return len;
	if (n > 2)
		n = n / 2 * 2;
	size_t piece = (len + n - 1) / n;
	return (piece + 15) / 16 * 16;
}

struct job {
	bool ta, tb, columns;
	size_t M, N, K, lda, ldb, ldc, piece;
	float alpha, beta;
	const float *A, *B;
	float *C;
};

static void gemm_pieces(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++) {
		size_t at = i * j->piece, len = j->columns ? j->N : j->M;
		size_t n = len - at < j->piece ? len - at : j->piece;
		if (j->columns)
			vla_sgemm(j->ta, j->tb, j->M, n, j->K, j->alpha, j->A, j->lda,
				  j->B + (j->tb ? at * j->ldb : at), j->ldb, j->beta, j->C + at, j->ldc);
		else
			vla_sgemm(j->ta, j->tb, n, j->N, j->K, j->alpha, j->A + (j->ta ? at : at * j->lda), j->lda,
				  j->B, j->ldb, j->beta, j->C + at * j->ldc, j->ldc);
	}
}

void vla_gemm(vla_pool *pool, bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda,
	      const float *B, size_t ldb, float beta, float *C, size_t ldc)
{
	if (M == 0 || N == 0)
		return;
	vla_blas_init();
	bool columns = N > M;
	size_t piece = columns ? vla_gemm_piece(N, M, K) : vla_gemm_piece(M, N, K);
	struct job j = { ta, tb, columns, M, N, K, lda, ldb, ldc, piece, alpha, beta, A, B, C };
	size_t len = columns ? N : M;
	vla_parallel(pool, (len + piece - 1) / piece, 1, gemm_pieces, &j);
}

/* --- weight gradients: K cut into chunks --- */

#define TALL_ROWS 2048 // rows of a chunk at least: more would leave workers idle on small batches

static size_t tall_chunks(size_t M, size_t N, size_t K)
{
	size_t size = M * N, n = K / TALL_ROWS, most = size ? ((size_t)4 << 20) / size : 1;
	n = n > 64 ? 64 : n;
	n = n > most ? most : n;
	return n ? n : 1;
}

size_t vla_gemm_tall_ws(size_t M, size_t N, size_t K)
{
	size_t n = tall_chunks(M, N, K);
	return n > 1 ? n * M * N : 0;
}

struct tall {
	size_t M, N, K, lda, ldb, chunk;
	const float *A, *B;
	float *ws;
};

static void tall_pieces(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct tall *t = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++) {
		size_t at = i * t->chunk, k = t->K - at < t->chunk ? t->K - at : t->chunk;
		vla_sgemm(true, false, t->M, t->N, k, 1, t->A + at * t->lda, t->lda, t->B + at * t->ldb, t->ldb, 0,
			  t->ws + i * t->M * t->N, t->N);
	}
}

void vla_sum_chunks(size_t chunks, size_t n, const float *ws, bool add, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = add ? out[i] + ws[i] : ws[i];
	for (size_t k = 1; k < chunks; k++)
		for (size_t i = 0; i < n; i++)
			out[i] += ws[k * n + i];
}

void vla_gemm_tall(vla_pool *pool, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B, size_t ldb,
		   bool add, float *C, float *ws)
{
	size_t n = tall_chunks(M, N, K);
	if (n <= 1) {
		vla_gemm(pool, true, false, M, N, K, 1, A, lda, B, ldb, add ? 1.0f : 0.0f, C, N);
		return;
	}
	vla_blas_init();
	size_t chunk = (K + n - 1) / n;
	n = (K + chunk - 1) / chunk;
	struct tall t = { M, N, K, lda, ldb, chunk, A, B, ws };
	vla_parallel(pool, n, 1, tall_pieces, &t);
	vla_sum_chunks(n, M * N, ws, add, C);
}
