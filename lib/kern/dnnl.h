/* Matrix products in bf16 and int8 through oneDNN; in a build without it every call says so. */
#ifndef VLA_KERN_DNNL_H
#define VLA_KERN_DNNL_H

#include "kern/kern.h"

typedef struct vla_dnnl vla_dnnl;

/* True when this build has oneDNN and the processor multiplies bf16 in hardware. */
bool vla_dnnl_fast_bf16(void);
/* W f32 [N, K] is reordered once; compute is bf16 or int8. */
vla_status vla_dnnl_new(vla_compute compute, size_t N, size_t K, const float *W, vla_dnnl **out,
			vla_err *err) VLA_MUST_USE;
void vla_dnnl_free(vla_dnnl *d);
vla_status vla_dnnl_gemm(const vla_dnnl *d, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
			 vla_act act, float *C, size_t ldc, vla_err *err) VLA_MUST_USE;

#endif
