/* Element-wise product; the second factor may be repeated over leading dimensions or be one number. */
#include "grad/broadcast.h"

#include "kern/clones.h"

static vla_status mul_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	return vla_suffix_shape(nd, out, err);
}

VLA_CLONES static void mul_row(float *out, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = a[i] * b[i];
}

VLA_CLONES static void mul_add_row(float *out, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] += a[i] * b[i];
}

struct scaled {
	float *out;
	const float *a;
	float s;
};

static void scaled_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct scaled *c = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		c->out[i] = c->a[i] * c->s;
}

static vla_status mul_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *a = nd->in[0], *b = nd->in[1];
	(void)err;
	if (b->n == 1)
		vla_parallel(g->pool, a->n, VLA_GRAIN_CHEAP, scaled_range,
			     &(struct scaled){ nd->out->data, a->data, b->data[0] });
	else
		vla_pairs(g, mul_row, nd->out->data, a->data, a->n, b->data, b->n);
	return VLA_OK;
}

static vla_status mul_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *a = nd->in[0], *b = nd->in[1];
	const float *d = nd->out->grad;
	if (a->wants_grad && b->n == 1)
		vla_add_scaled(g, a->grad, d, b->data[0], a->n);
	else if (a->wants_grad)
		vla_pairs(g, mul_add_row, a->grad, d, a->n, b->data, b->n);
	if (b->wants_grad && b->n == a->n)
		vla_pairs(g, mul_add_row, b->grad, d, b->n, a->data, a->n);
	else if (b->wants_grad && !vla_column_sums(g, b->grad, d, a->data, a->n, b->n))
		return vla_nomem(err);
	return VLA_OK;
}

static bool mul_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		unsigned na, nb;
		size_t a[3], b[3];
	} c[] = {
		{ 2, 2, { 3, 5 }, { 3, 5 } },
		{ 3, 1, { 2, 3, 70 }, { 70 } },
		{ 3, 2, { 4, 3, 2 }, { 3, 2 } },
		{ 2, 1, { 7, 4 }, { 1 } },
	};
	if (i > sizeof c / sizeof c[0])
		return false;
	if (i == sizeof c / sizeof c[0]) { // a square: both inputs are one tensor
		vla_tensor *x = vla_sample_normal(g, rng, 1, (size_t[]){ 9 });
		*out = vla_mul(g, x, x);
		return true;
	}
	vla_tensor *a = vla_sample_normal(g, rng, c[i].na, c[i].a), *b = vla_sample_normal(g, rng, c[i].nb, c[i].b);
	*out = vla_mul(g, a, b);
	return true;
}

const vla_op vla_op_mul = {
	.name = "mul",
	.inputs = 2,
	.shape = mul_shape,
	.forward = mul_forward,
	.backward = mul_backward,
	.inplace = true,
	.sample = mul_sample,
};

vla_tensor *vla_mul(vla_step *g, vla_tensor *a, vla_tensor *b)
{
	return vla_apply(g, &vla_op_mul, (vla_tensor *[]){ a, b }, 2, NULL, 0);
}
