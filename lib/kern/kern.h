/* Numeric kernels: pure functions on arrays, no allocation except in packed weights, no input or output. The only room
 * that knows OpenBLAS and oneDNN. Every fast kernel has a plain reference of the same name with _ref in kern/ref.h.
 * Row-major; pictures are [n, h, w, c]. Kernels take the pool and split their work into pieces that depend on the shape
 * only, so no result depends on the size of the pool. Memory named ws is scratch of the caller's, at least as many
 * floats as the function named beside it says.
 */
#ifndef VLA_KERN_KERN_H
#define VLA_KERN_KERN_H

#include "base/base.h"

#include <vla/dtype.h>
#include <vla/model.h>

/* C [M, N] = alpha op(A) op(B) + beta C. op(A) is [M, K], op(B) [K, N]; ta, tb: stored transposed. OpenBLAS runs one
 * thread; the split over the pool is by rows or columns of C. beta 0: C may hold anything. */
void vla_gemm(vla_pool *pool, bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda,
	      const float *B, size_t ldb, float beta, float *C, size_t ldc);
/* C [M, N] (rows dense) = A^T B, or += with add; A is [K, M], B [K, N], K much the largest: gradients of weights. K is
 * cut into fixed chunks whose products are added in order. */
size_t vla_gemm_tall_ws(size_t M, size_t N, size_t K);
void vla_gemm_tall(vla_pool *pool, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B, size_t ldb,
		   bool add, float *C, float *ws);

typedef enum vla_act {
	VLA_ACT_NONE = 0,
	VLA_ACT_RELU,
	VLA_ACT_RELU6,
	VLA_ACT_GELU, /* exact, erf */
	VLA_ACT_GELU_TANH,
	VLA_ACT_QUICK_GELU, /* x sigmoid(1.702 x) */
	VLA_ACT_SILU,
	VLA_ACT_HARD_SWISH, /* x relu6(x + 3) / 6 */
	VLA_ACT_SIGMOID,
	VLA_ACT_TANH
} vla_act;

/* Name as in config.json ("gelu", "quick_gelu", "gelu_pytorch_tanh", "gelu_new", "relu6", ...). */
vla_status vla_act_parse(const char *name, vla_act *out, vla_err *err) VLA_MUST_USE;
/* y = act(x); y may be x. */
void vla_act_forward(vla_pool *pool, vla_act act, size_t n, const float *x, float *y);
/* dx = dy act'(x), or += with add; dx may be dy when not adding. */
void vla_act_backward(vla_pool *pool, vla_act act, size_t n, const float *x, const float *dy, bool add, float *dx);
/* The same in this thread, on a piece that is in cache. */
void vla_act_apply(vla_act act, size_t n, const float *x, float *y);
/* y [rows, n] (stride ld) = act(y + bias [n] or NULL), in this thread. */
void vla_bias_act(size_t rows, size_t n, const float *bias, vla_act act, float *y, size_t ld);
/* dx = dy act'(x), in this thread; dx may be dy. */
void vla_act_derive(vla_act act, size_t n, const float *x, const float *dy, float *dx);
void vla_exp_rows(size_t n, const float *x, float *y); /* y = exp(x); y may be x */

/* f16, bf16 or f32 <-> f32, n elements; x need not be aligned beyond its type. */
void vla_to_f32(vla_dtype dtype, size_t n, const void *x, float *y);
void vla_from_f32(vla_dtype dtype, size_t n, const float *x, void *y);
/* x = scale * i8. The other way the scale is max |x| / 127 and is returned. */
void vla_i8_to_f32(size_t n, const int8_t *x, float scale, float *y);
float vla_f32_to_i8(size_t n, const float *x, int8_t *y);

/* out [nq, rows] = queries [nq, dim] times rows [rows, dim] stored as f32, f16, bf16 or i8 (scales [rows], else NULL).
 * The rows may be mapped: they are read once, in order. With up to 7 queries a row's scores depend on nothing but the
 * row and the query. */
void vla_scores(vla_pool *pool, const void *data, vla_dtype dtype, const float *scales, size_t rows, size_t dim,
		const float *queries, size_t nq, float *out);

/* Weights packed once for many products: W is [N, K] (out, in). compute decides f32, bf16 or int8; the bf16 and int8
 * forms need oneDNN, else VLA_EUNSUPPORTED. An f32 W is borrowed by the f32 form and must outlive it. */
typedef struct vla_packed vla_packed;
vla_status vla_packed_new(vla_compute compute, size_t N, size_t K, const void *W, vla_dtype dtype, vla_packed **out,
			  vla_err *err) VLA_MUST_USE;
void vla_packed_free(vla_packed *p);
/* C [M, N] = act(A [M, K] W^T + bias [N] or NULL), W f32 [N, K]. */
void vla_gemm_bias_act(vla_pool *pool, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *W,
		       const float *bias, vla_act act, float *C, size_t ldc);
/* C [M, N] = act(A [M, K] W^T + bias [N] or NULL). */
vla_status vla_packed_gemm(const vla_packed *p, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
			   vla_act act, float *C, size_t ldc, vla_err *err) VLA_MUST_USE;
/* What auto becomes on this processor with this build. */
vla_compute vla_compute_resolve(vla_compute c);

/* Shape of a convolution: x [n, h, w, c] -> y [n, oh, ow, oc]; weights [oc, kh, kw, c], or [kh, kw, c] depthwise (oc =
 * c). */
typedef struct vla_conv_shape {
	size_t n, h, w, c, oh, ow, oc;
	size_t kh, kw, stride, pad_top, pad_left;
} vla_conv_shape;

/* Rows [row, row + rows) of the picture matrix [n oh ow, kh kw c]. */
void vla_im2col(const vla_conv_shape *s, size_t row, size_t rows, const float *x, float *col);
/* W may be NULL when p is given. ws: vla_conv2d_ws floats, none for 1x1 of stride 1 without padding. */
size_t vla_conv2d_ws(const vla_conv_shape *s, unsigned workers);
vla_status vla_conv2d_forward(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *W,
			      const vla_packed *p, const float *bias, vla_act act, float *y, float *ws,
			      vla_err *err) VLA_MUST_USE;
/* dx = the gradient of x, or += with add. */
void vla_conv2d_backward_input(vla_pool *pool, const vla_conv_shape *s, const float *dy, const float *W, bool add,
			       float *dx, float *ws);
/* dW += the gradient of W when add, else =. ws: vla_conv2d_weight_ws floats. */
size_t vla_conv2d_weight_ws(const vla_conv_shape *s);
void vla_conv2d_backward_weight(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *dy, bool add,
				float *dW, float *ws);

void vla_depthwise_forward(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *w, const float *bias,
			   vla_act act, float *y);
void vla_depthwise_backward_input(vla_pool *pool, const vla_conv_shape *s, const float *dy, const float *w, bool add,
				  float *dx);
size_t vla_depthwise_weight_ws(const vla_conv_shape *s);
void vla_depthwise_backward_weight(vla_pool *pool, const vla_conv_shape *s, const float *x, const float *dy, bool add,
				   float *dw, float *ws);

/* Column sums of [rows, c], or += with add: gradients of biases. ws: vla_colsum_ws floats. */
size_t vla_colsum_ws(size_t rows, size_t c);
void vla_colsum(vla_pool *pool, size_t rows, size_t c, const float *x, bool add, float *out, float *ws);

/* Batch norm over rows of [rows, c]. mean and var [c] (biased) come out of stats. ws: vla_batch_norm_ws floats. */
size_t vla_batch_norm_ws(size_t rows, size_t c);
void vla_batch_norm_stats(vla_pool *pool, size_t rows, size_t c, const float *x, float *mean, float *var, float *ws);
/* y = act(x * scale [c] + shift [c]); y may be x. */
void vla_scale_shift_act(vla_pool *pool, size_t rows, size_t c, const float *x, const float *scale, const float *shift,
			 vla_act act, float *y);
/* Backward of y = act(gamma (x - mean) rstd + beta). batch: mean and rstd are functions of x. dx NULL: not wanted, may
 * be dy; add adds to dx. dgamma and dbeta [c] are added to, NULL: not wanted. */
void vla_batch_norm_backward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
			     const float *beta, const float *mean, const float *rstd, vla_act act, bool batch, bool add,
			     float *dx, float *dgamma, float *dbeta, float *ws);

/* Rows to mean 0 and variance 1, then gamma and beta [c]; mean and rstd [rows] may be NULL. */
void vla_layer_norm_forward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *gamma,
			    const float *beta, float eps, float *y, float *mean, float *rstd);
size_t vla_layer_norm_ws(size_t rows, size_t c);
void vla_layer_norm_backward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
			     const float *mean, const float *rstd, bool add, float *dx, float *dgamma, float *dbeta,
			     float *ws);

/* Softmax of scale * x over rows of c; y may be x. */
void vla_softmax_forward(vla_pool *pool, size_t rows, size_t c, float scale, const float *x, float *y);
/* One row of c in this thread. */
void vla_softmax_row(size_t c, float scale, const float *x, float *y);
void vla_softmax_row_backward(size_t c, const float *y, const float *dy, bool add, float scale, float *dx);
/* dx = y (dy - sum(y dy)), or += with add. */
void vla_softmax_backward(vla_pool *pool, size_t rows, size_t c, const float *y, const float *dy, bool add, float *dx);

/* q [n, tq, heads d], k, v [n, tk, heads d]. causal: query i sees keys up to i + tk - tq; lens [n] (NULL: all): keys
 * from lens on are hidden. A query that sees nothing gives zeros. */
typedef struct vla_attention_shape {
	size_t n, tq, tk, heads, d;
	bool causal;
	const uint32_t *lens;
} vla_attention_shape;

/* probs [n, heads, tq, tk] is filled when not NULL, for backward; ws may then be NULL. */
size_t vla_attention_ws(const vla_attention_shape *s, unsigned workers);
void vla_attention_forward(vla_pool *pool, const vla_attention_shape *s, const float *q, const float *k, const float *v,
			   float *out, float *probs, float *ws);
/* Adds to dq, dk, dv (NULL: not wanted). */
size_t vla_attention_backward_ws(const vla_attention_shape *s, unsigned workers);
void vla_attention_backward(vla_pool *pool, const vla_attention_shape *s, const float *q, const float *k,
			    const float *v, const float *probs, const float *dout, float *dq, float *dk, float *dv,
			    float *ws);

/* out [n, d] = rows ids of table [v, d] (f32, f16, bf16); ids must be in range. */
void vla_gather(vla_pool *pool, vla_dtype dtype, size_t d, const void *table, const uint32_t *ids, size_t n,
		float *out);
/* table[ids[i]] += x[i], in the order of i. */
void vla_scatter_add(vla_pool *pool, size_t d, const float *x, const uint32_t *ids, size_t n, float *table);
/* Means of x's rows offset[i] .. offset[i + 1]; an empty run gives zeros. Backward adds. */
void vla_segment_mean_forward(vla_pool *pool, size_t d, const float *x, const size_t *offset, size_t n, float *out);
void vla_segment_mean_backward(vla_pool *pool, size_t d, const float *dout, const size_t *offset, size_t n, float *dx);
/* x [n, rows, d] -> [n, d]. Backward adds. */
void vla_mean_pool_forward(vla_pool *pool, size_t n, size_t rows, size_t d, const float *x, float *out);
void vla_mean_pool_backward(vla_pool *pool, size_t n, size_t rows, size_t d, const float *dout, float *dx);

#endif
