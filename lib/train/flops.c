/* Counts the multiplications and additions of the products on a tape; element-wise work is left out. */
#include "train/stage.h"

static double product(const vla_node *nd)
{
	const char *op = nd->op->name;
	const vla_tensor *a = nd->in[0], *out = nd->out;
	if (!strcmp(op, "linear"))
		return 2.0 * (double)out->n * (double)a->dim[a->ndim - 1];
	if (!strcmp(op, "matmul")) {
		// a's elements are met once for each column of the result.
		return 2.0 * (double)a->n * (double)out->dim[out->ndim - 1];
	}
	if (!strcmp(op, "conv2d"))
		return 2.0 * (double)out->n * (double)(nd->in[1]->n / nd->in[1]->dim[0]);
	if (!strcmp(op, "conv2d_depthwise"))
		return 2.0 * (double)out->n * (double)(nd->in[1]->n / nd->in[1]->dim[2]);
	if (!strcmp(op, "attention") && a->ndim == 3)
		return 4.0 * (double)a->n * (double)nd->in[1]->dim[1];
	return 0;
}

double vla_tape_flops(const vla_tape *t)
{
	double sum = 0;
	for (size_t i = 0; i < t->n; i++)
		sum += product(t->node[i]);
	return sum;
}
