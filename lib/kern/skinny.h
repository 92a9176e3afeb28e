/* Products with a right factor or a result that stays in cache; in the calling thread. */
#ifndef VLA_KERN_SKINNY_H
#define VLA_KERN_SKINNY_H

#include "kern/kern.h"

#define VLA_SKINNY_PANELS 65536 // floats of a packed right factor, or of the result, at most

/* Whether a right factor [K, N] is small enough and the processor has the lanes. */
bool vla_skinny_fits(size_t N, size_t K);
/* C [M, N] = A [M, K] B, or += with add; B is [K, N], with tb stored [N, K]. */
void vla_skinny_rows(bool tb, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B, size_t ldb,
		     bool add, float *C, size_t ldc);
/* C [M, N] = A^T B, or += with add; A is [K, M], B [K, N], K long, vla_skinny_fits(N, M). */
void vla_skinny_tall(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B, size_t ldb, bool add,
		     float *C, size_t ldc);

#endif
