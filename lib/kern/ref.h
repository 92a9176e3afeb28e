/* Plain references of the kernels: the definition written as loops, sums in f64, one thread. For tests. */
#ifndef VLA_KERN_REF_H
#define VLA_KERN_REF_H

#include "kern/kern.h"

void vla_gemm_ref(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda,
		  const float *B, size_t ldb, float beta, float *C, size_t ldc);
double vla_act_ref(vla_act act, double x);
double vla_act_slope_ref(vla_act act, double x);
/* The convolutions as sums over taps; groups is 1 or s->c (depthwise, weights [kh, kw, c]). Gradients are added. */
void vla_conv2d_ref(const vla_conv_shape *s, bool depthwise, const float *x, const float *w, const float *bias,
		    float *y);
void vla_conv2d_backward_ref(const vla_conv_shape *s, bool depthwise, const float *x, const float *w, const float *dy,
			     float *dx, float *dw);
void vla_batch_norm_stats_ref(size_t rows, size_t c, const float *x, float *mean, float *var);
void vla_batch_norm_backward_ref(size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
				 const float *beta, const float *mean, const float *rstd, vla_act act, bool batch,
				 float *dx, float *dgamma, float *dbeta);
void vla_layer_norm_ref(size_t rows, size_t c, const float *x, const float *gamma, const float *beta, float eps,
			float *y);
void vla_layer_norm_backward_ref(size_t rows, size_t c, const float *x, const float *dy, const float *gamma, float eps,
				 float *dx, float *dgamma, float *dbeta);
void vla_softmax_ref(size_t rows, size_t c, float scale, const float *x, float *y);
void vla_attention_ref(const vla_attention_shape *s, const float *q, const float *k, const float *v, float *out);
void vla_scores_ref(const float *data, size_t rows, size_t dim, const float *queries, size_t nq, float *out);

#endif
