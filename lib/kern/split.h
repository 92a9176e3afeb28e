/* Shared inside the room: products in the calling thread and the rules by which work is cut. */
#ifndef VLA_KERN_SPLIT_H
#define VLA_KERN_SPLIT_H

#include "kern/kern.h"

/* Sets OpenBLAS to one thread, once per process. */
void vla_blas_init(void);
/* One product in this thread; vla_blas_init must have run. */
void vla_sgemm(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda, const float *B,
	       size_t ldb, float beta, float *C, size_t ldc);
/* The matrix of an f32 packed form, NULL for the others. */
const float *vla_packed_f32(const vla_packed *p);
/* Length of the pieces into which `len` rows (or columns) of C are cut. */
size_t vla_gemm_piece(size_t len, size_t other, size_t K);
/* out [n] = (or += with add) the sum of `chunks` arrays [n] in ws, in order. */
void vla_sum_chunks(size_t chunks, size_t n, const float *ws, bool add, float *out);

#endif
