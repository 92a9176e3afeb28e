/* Numeric kernels: pure functions on arrays, no allocation except in packed weights, no input or output. The only room that
 * knows OpenBLAS and oneDNN. Every fast kernel has a plain reference of the same name with _ref beside it.
 * Row-major; pictures are [n, h, w, c]. Kernels take the pool and split their work; sums do not depend on its size.
 */
#ifndef VLA_KERN_KERN_H
#define VLA_KERN_KERN_H

#include "base/base.h"

#include <vla/dtype.h>
#include <vla/model.h>

/* C [M, N] = alpha op(A) op(B) + beta C. op(A) is [M, K], op(B) [K, N]; ta, tb: stored transposed. OpenBLAS runs one thread; the
 * split over the pool is by rows or columns of C. */
void vla_gemm(vla_pool *pool, bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda,
              const float *B, size_t ldb, float beta, float *C, size_t ldc);

typedef enum vla_act {
	VLA_ACT_NONE = 0,
	VLA_ACT_RELU,
	VLA_ACT_RELU6,
	VLA_ACT_GELU,       /* exact, erf */
	VLA_ACT_GELU_TANH,
	VLA_ACT_QUICK_GELU, /* x sigmoid(1.702 x) */
	VLA_ACT_SILU,
	VLA_ACT_HARD_SWISH, /* x relu6(x + 3) / 6 */
	VLA_ACT_SIGMOID,
	VLA_ACT_TANH
} vla_act;

/* Name as in config.json ("gelu", "quick_gelu", "gelu_pytorch_tanh", "gelu_new", "relu6", ...). */
vla_status vla_act_parse(const char *name, vla_act *out, vla_err *err) VLA_MUST_USE;

/* Weights packed once for many products: W is [N, K] (out, in). compute decides f32, bf16 or int8; the bf16 and int8 forms need
 * oneDNN, else VLA_EUNSUPPORTED. */
typedef struct vla_packed vla_packed;
vla_status vla_packed_new(vla_compute compute, size_t N, size_t K, const void *W, vla_dtype dtype, vla_packed **out,
                          vla_err *err) VLA_MUST_USE;
void vla_packed_free(vla_packed *p);
/* C [M, N] = act(A [M, K] W^T + bias [N] or NULL). */
vla_status vla_packed_gemm(const vla_packed *p, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
                           vla_act act, float *C, size_t ldc, vla_err *err) VLA_MUST_USE;
/* What auto becomes on this processor with this build. */
vla_compute vla_compute_resolve(vla_compute c);

#endif
