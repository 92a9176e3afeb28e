/* Weights made ready once for many products. The f32 form is the plain matrix, multiplied by OpenBLAS with bias and
 * activation put on each piece while it is in cache; bf16 and int8 are oneDNN's (see dnnl.c). */
#include "kern/dnnl.h"
#include "kern/kern.h"
#include "kern/skinny.h"
#include "kern/split.h"

struct vla_packed {
	size_t N, K;
	const float *W; // [N, K], f32 form
	float *own;     // W when it had to be converted
	vla_dnnl *dnnl; // bf16 and int8 forms
};

vla_compute vla_compute_resolve(vla_compute c)
{
	if (c != VLA_COMPUTE_AUTO)
		return c;
	return vla_dnnl_fast_bf16() ? VLA_COMPUTE_BF16 : VLA_COMPUTE_F32;
}

vla_status vla_packed_new(vla_compute compute, size_t N, size_t K, const void *W, vla_dtype dtype, vla_packed **out,
			  vla_err *err)
{
	if (dtype != VLA_F32 && dtype != VLA_F16 && dtype != VLA_BF16)
		return vla_fail(err, VLA_EUNSUPPORTED, "weights of type %s cannot be packed", vla_dtype_name(dtype));
	compute = vla_compute_resolve(compute);
	vla_status s = VLA_OK;
	vla_packed *p = calloc(1, sizeof *p);
	if (!p)
		return vla_nomem(err);
	p->N = N;
	p->K = K;
	if (dtype == VLA_F32 && (uintptr_t)W % sizeof(float) == 0) {
		p->W = W;
	} else {
		p->own = K && N > SIZE_MAX / K ? NULL : vla_alloc(N * K, sizeof(float));
		if (!p->own) {
			s = vla_nomem(err);
			goto fail;
		}
		vla_to_f32(dtype, N * K, W, p->own);
		p->W = p->own;
	}
	if (compute != VLA_COMPUTE_F32) {
		s = vla_dnnl_new(compute, N, K, p->W, &p->dnnl, err);
		if (s != VLA_OK)
			goto fail;
		free(p->own);
		p->own = NULL;
		p->W = NULL;
	}
	*out = p;
	return VLA_OK;
fail:
	vla_packed_free(p);
	return s;
}

void vla_packed_free(vla_packed *p)
{
	if (!p)
		return;
	vla_dnnl_free(p->dnnl);
	free(p->own);
	free(p);
}

const float *vla_packed_f32(const vla_packed *p)
{
	return p ? p->W : NULL;
}

struct job {
	const vla_packed *p;
	size_t M, lda, ldc, piece;
	bool columns;
	const float *A, *bias;
	vla_act act;
	float *C;
};

static void packed_pieces(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t N = j->p->N, K = j->p->K;
	(void)worker;
	for (size_t i = begin; i < end; i++) {
		size_t at = i * j->piece, len = j->columns ? N : j->M;
		size_t n = len - at < j->piece ? len - at : j->piece;
		if (j->columns) {
			vla_sgemm(false, true, j->M, n, K, 1, j->A, j->lda, j->p->W + at * K, K, 0, j->C + at, j->ldc);
			vla_bias_act(j->M, n, j->bias ? j->bias + at : NULL, j->act, j->C + at, j->ldc);
			continue;
		}
		// With small weights, rows in blocks that are still in cache when bias and activation come.
		size_t step = (j->bias || j->act != VLA_ACT_NONE) && vla_skinny_fits(N, K) ? 32768 / N + 48 : n;
		for (size_t end_row = at + n, rows; at < end_row; at += rows) {
			rows = end_row - at < step ? end_row - at : step;
			vla_sgemm(false, true, rows, N, K, 1, j->A + at * j->lda, j->lda, j->p->W, K, 0,
				  j->C + at * j->ldc, j->ldc);
			vla_bias_act(rows, N, j->bias, j->act, j->C + at * j->ldc, j->ldc);
		}
	}
}

void vla_gemm_bias_act(vla_pool *pool, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
		       const float *bias, vla_act act, float *C, size_t ldc)
{
	if (M == 0 || N == 0)
		return;
	vla_blas_init();
	vla_packed p = { N, K, W, NULL, NULL };
	bool columns = N > M;
	size_t piece = columns ? vla_gemm_piece(N, M, K) : vla_gemm_piece(M, N, K), len = columns ? N : M;
	struct job j = { &p, M, lda, ldc, piece, columns, A, bias, act, C };
	vla_parallel(pool, (len + piece - 1) / piece, 1, packed_pieces, &j);
}

vla_status vla_packed_gemm(const vla_packed *p, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
			   vla_act act, float *C, size_t ldc, vla_err *err)
{
	if (M == 0 || p->N == 0)
		return VLA_OK;
	if (p->dnnl)
		return vla_dnnl_gemm(p->dnnl, pool, M, A, lda, bias, act, C, ldc, err);
	vla_gemm_bias_act(pool, M, p->N, p->K, A, lda, p->W, bias, act, C, ldc);
	return VLA_OK;
}
