/* The table of operators. One row each; the rest of an operator is in op_NAME.c. */
#include "grad/grad.h"

extern const vla_op vla_op_add;
extern const vla_op vla_op_mean;
extern const vla_op vla_op_mul;
extern const vla_op vla_op_reshape;
extern const vla_op vla_op_scale;
extern const vla_op vla_op_sum;

const vla_op *const vla_ops[] = {
	&vla_op_add,
	&vla_op_mean,
	&vla_op_mul,
	&vla_op_reshape,
	&vla_op_scale,
	&vla_op_sum,
	NULL,
};
