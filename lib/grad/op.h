/* What the operator files share: messages about shapes, row and element loops over the pool, sample inputs. */
#ifndef VLA_GRAD_OP_H
#define VLA_GRAD_OP_H

#include "grad/grad.h"

/* Elements a thread should have at least, for a loop over cheap and over costly (exp) element-wise work. */
#define VLA_GRAIN_CHEAP ((size_t)1 << 15)
#define VLA_GRAIN_EXP ((size_t)1 << 12)

/* "NAME: reason (inputs [2, 3], [4])" with status VLA_EINVAL. */
vla_status vla_op_refuse(const vla_node *nd, vla_err *err, const char *fmt, ...) VLA_PRINTF(3, 4);
/* "[2, 3]" cut at size bytes. */
void vla_shape_text(const vla_tensor *t, char *buf, size_t size);
bool vla_same_shape(const vla_tensor *a, const vla_tensor *b);
/* For shape functions: out becomes [1], or takes like's shape. */
void vla_shape_scalar(vla_tensor *out);
void vla_shape_like(vla_tensor *out, const vla_tensor *like);
/* Last dimension and product of the others; rows is 0 when the last dimension is. */
size_t vla_last_dim(const vla_tensor *t);
size_t vla_rows(const vla_tensor *t);
/* Rows of this many elements that make a piece of at least grain elements. */
static inline size_t vla_row_grain(size_t row, size_t grain)
{
	return row >= grain ? 1 : grain / (row ? row : 1);
}

/* Sum of a[i] b[i] (b NULL: of a[i]) in f64, in an order that does not depend on the pool. false: out of memory. */
bool vla_dot(vla_step *g, const float *a, const float *b, size_t n, double *sum);
/* to[i] += s from[i] */
void vla_add_scaled(vla_step *g, float *to, const float *from, float s, size_t n);

/* For losses over rows: fills part[r] (r in [begin, end)) of nd. */
typedef void vla_row_loss_fn(const vla_node *nd, size_t begin, size_t end, double *part);
/* out = sum of part over n rows, in order, times scale. */
vla_status vla_row_loss(vla_step *g, const vla_node *nd, size_t n, size_t grain, vla_row_loss_fn *fn, double scale,
			vla_err *err) VLA_MUST_USE;
/* Maximum of a row, and the sum of exp(x - max); n > 0. */
double vla_exp_sum(const float *x, size_t n, float *max);

/* Scale of the gradient of a scalar output. */
static inline float vla_out_grad(const vla_node *nd)
{
	return nd->out->grad[0];
}

/* For samples: a leaf with standard normal values that wants a gradient when a tape is attached. */
vla_tensor *vla_sample_normal(vla_step *g, vla_rng *rng, unsigned ndim, const size_t *dim);
/* The same, but values are at least `gap` away from zero, for functions with a kink there. */
vla_tensor *vla_sample_away(vla_step *g, vla_rng *rng, unsigned ndim, const size_t *dim, float gap);

#endif
