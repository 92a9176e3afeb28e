/* The table of operators. One row each; the rest of an operator is in op_NAME.c. */
#include "grad/grad.h"

extern const vla_op vla_op_activation;
extern const vla_op vla_op_add;
extern const vla_op vla_op_attention;
extern const vla_op vla_op_batch_norm;
extern const vla_op vla_op_concat;
extern const vla_op vla_op_conv2d;
extern const vla_op vla_op_conv2d_depthwise;
extern const vla_op vla_op_cosine_loss;
extern const vla_op vla_op_cross_entropy;
extern const vla_op vla_op_dropout;
extern const vla_op vla_op_embedding;
extern const vla_op vla_op_exp;
extern const vla_op vla_op_gather_rows;
extern const vla_op vla_op_kl_div;
extern const vla_op vla_op_l2_norm;
extern const vla_op vla_op_layer_norm;
extern const vla_op vla_op_linear;
extern const vla_op vla_op_matmul;
extern const vla_op vla_op_mean;
extern const vla_op vla_op_mean_pool;
extern const vla_op vla_op_mse;
extern const vla_op vla_op_mul;
extern const vla_op vla_op_reshape;
extern const vla_op vla_op_resize_grid;
extern const vla_op vla_op_roi_align;
extern const vla_op vla_op_scale;
extern const vla_op vla_op_segment_mean;
extern const vla_op vla_op_sigmoid_loss;
extern const vla_op vla_op_slice;
extern const vla_op vla_op_softmax;
extern const vla_op vla_op_sum;
extern const vla_op vla_op_transpose;

const vla_op *const vla_ops[] = {
	&vla_op_activation,
	&vla_op_add,
	&vla_op_attention,
	&vla_op_batch_norm,
	&vla_op_concat,
	&vla_op_conv2d,
	&vla_op_conv2d_depthwise,
	&vla_op_cosine_loss,
	&vla_op_cross_entropy,
	&vla_op_dropout,
	&vla_op_embedding,
	&vla_op_exp,
	&vla_op_gather_rows,
	&vla_op_kl_div,
	&vla_op_l2_norm,
	&vla_op_layer_norm,
	&vla_op_linear,
	&vla_op_matmul,
	&vla_op_mean,
	&vla_op_mean_pool,
	&vla_op_mse,
	&vla_op_mul,
	&vla_op_reshape,
	&vla_op_resize_grid,
	&vla_op_roi_align,
	&vla_op_scale,
	&vla_op_segment_mean,
	&vla_op_sigmoid_loss,
	&vla_op_slice,
	&vla_op_softmax,
	&vla_op_sum,
	&vla_op_transpose,
	NULL,
};
