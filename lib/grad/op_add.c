/* Sum of two tensors; the second may be repeated over leading dimensions (a bias, a position table) or be one number.
 */
#include "grad/broadcast.h"

#include "kern/clones.h"

static vla_status add_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	return vla_suffix_shape(nd, out, err);
}

VLA_CLONES static void add_row(float *out, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = a[i] + b[i];
}

struct shifted {
	float *out;
	const float *a;
	float s;
};

static void shifted_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct shifted *c = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		c->out[i] = c->a[i] + c->s;
}

static vla_status add_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *a = nd->in[0], *b = nd->in[1];
	(void)err;
	if (b->n == 1)
		vla_parallel(g->pool, a->n, VLA_GRAIN_CHEAP, shifted_range,
			     &(struct shifted){ nd->out->data, a->data, b->data[0] });
	else
		vla_pairs(g, add_row, nd->out->data, a->data, a->n, b->data, b->n);
	return VLA_OK;
}

static vla_status add_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *a = nd->in[0], *b = nd->in[1];
	const float *d = nd->out->grad;
	// A first gradient of a is out's memory itself.
	if (a->wants_grad && vla_grad_add(a))
		vla_add_scaled(g, a->grad, d, 1, a->n);
	if (b->wants_grad && b->n == a->n)
		vla_add_scaled(g, b->grad, d, 1, b->n);
	else if (b->wants_grad && !vla_column_sums(g, b->grad, d, NULL, a->n, b->n))
		return vla_nomem(err);
	return VLA_OK;
}

static bool add_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		unsigned na, nb;
		size_t a[3], b[3];
	} c[] = {
		{ 2, 2, { 3, 5 }, { 3, 5 } }, { 3, 1, { 2, 3, 70 }, { 70 } }, { 3, 2, { 4, 3, 2 }, { 3, 2 } },
		{ 2, 1, { 7, 1 }, { 1 } },    { 2, 1, { 7, 3 }, { 1 } },
	};
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *a = vla_sample_normal(g, rng, c[i].na, c[i].a), *b = vla_sample_normal(g, rng, c[i].nb, c[i].b);
	*out = vla_add(g, a, b);
	return true;
}

const vla_op vla_op_add = {
	.name = "add",
	.inputs = 2,
	.shape = add_shape,
	.forward = add_forward,
	.backward = add_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = add_sample,
};

vla_tensor *vla_add(vla_step *g, vla_tensor *a, vla_tensor *b)
{
	return vla_apply(g, &vla_op_add, (vla_tensor *[]){ a, b }, 2, NULL, 0);
}
