/* The optional oneDNN path. */
#include "kern/dnnl.h"

bool vla_dnnl_fast_bf16(void)
{
	return false;
}

vla_status vla_dnnl_new(vla_compute compute, size_t N, size_t K, const float *W, vla_dnnl **out, vla_err *err)
{
	(void)N, (void)K, (void)W, (void)out;
	return vla_fail(err, VLA_EUNSUPPORTED, "--compute %s needs oneDNN, which this build lacks",
	                compute == VLA_COMPUTE_INT8 ? "int8" : "bf16");
}

void vla_dnnl_free(vla_dnnl *d)
{
	(void)d;
}

vla_status vla_dnnl_gemm(const vla_dnnl *d, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
                         vla_act act, float *C, size_t ldc, vla_err *err)
{
	(void)d, (void)pool, (void)M, (void)A, (void)lda, (void)bias, (void)act, (void)C, (void)ldc;
	return vla_fail(err, VLA_EUNSUPPORTED, "this build lacks oneDNN");
}
