/* Batch norm over all dimensions but the last, with the activation that follows it in one pass. In training the batch's
 * statistics are used and the running ones move towards them (variance unbiased, as the common frameworks keep it). */
#include "grad/op.h"

#include <math.h>

struct attr {
	vla_param *mean, *var;
	float eps, momentum;
	vla_act act;
};

static vla_status norm_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const vla_tensor *x = nd->in[0], *gamma = nd->in[1], *beta = nd->in[2];
	const struct attr *a = nd->attr;
	size_t c = vla_last_dim(x);
	if (x->ndim < 1 || gamma->n != c || beta->n != c)
		return vla_op_refuse(nd, err, "gamma and beta must be [%zu]", c);
	if (a->mean->n != c || a->var->n != c)
		return vla_op_refuse(nd, err, "the running statistics must be [%zu]", c);
	VLA_TRY(vla_param_load(a->mean, err));
	VLA_TRY(vla_param_load(a->var, err));
	vla_shape_like(out, x);
	return VLA_OK;
}

static void move_running(const struct attr *a, size_t rows, size_t c, const float *mean, const float *var)
{
	double unbias = rows > 1 ? (double)rows / (double)(rows - 1) : 1;
	for (size_t i = 0; i < c; i++) {
		float *m = a->mean->value, *v = a->var->value;
		m[i] += a->momentum * (mean[i] - m[i]);
		v[i] += a->momentum * ((float)(var[i] * unbias) - v[i]);
	}
}

// saved: mean [c], 1 / standard deviation [c], and whether they are the batch's, since the step's mode may change
static vla_status norm_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	size_t c = vla_last_dim(x), rows = vla_rows(x);
	const float *gamma = nd->in[1]->data, *beta = nd->in[2]->data;
	float *saved = vla_save(g, 2 * c + 1, sizeof *saved);
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	float *ws = vla_arena_alloc(g->arena, vla_batch_norm_ws(rows, c) + 2 * c, sizeof *ws);
	if (!saved || !ws)
		return vla_nomem(err);
	float *mean = saved, *rstd = saved + c, *scale = ws, *shift = ws + c;
	const float *var = a->var->value;
	saved[2 * c] = g->training;
	if (g->training) {
		vla_batch_norm_stats(g->pool, rows, c, x->data, mean, rstd, ws);
		move_running(a, rows, c, mean, rstd);
		var = rstd;
	} else if (c) {
		memcpy(mean, a->mean->value, c * sizeof *mean);
	}
	for (size_t i = 0; i < c; i++) {
		rstd[i] = 1.0f / sqrtf(var[i] + a->eps);
		scale[i] = gamma[i] * rstd[i];
		shift[i] = beta[i] - mean[i] * scale[i];
	}
	vla_scale_shift_act(g->pool, rows, c, x->data, scale, shift, a->act, nd->out->data);
	vla_arena_rewind(g->arena, mark);
	nd->saved = saved;
	return VLA_OK;
}

static vla_status norm_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	vla_tensor *x = nd->in[0], *gamma = nd->in[1], *beta = nd->in[2];
	size_t c = vla_last_dim(x), rows = vla_rows(x);
	const float *mean = nd->saved, *rstd = mean + c;
	float *ws = vla_arena_alloc(g->arena, vla_batch_norm_ws(rows, c), sizeof *ws);
	if (!ws)
		return vla_nomem(err);
	vla_batch_norm_backward(g->pool, rows, c, x->data, nd->out->grad, gamma->data, beta->data, mean, rstd, a->act,
				rstd[c] != 0, x->wants_grad && vla_grad_add(x), x->wants_grad ? x->grad : NULL,
				gamma->wants_grad ? gamma->grad : NULL, beta->wants_grad ? beta->grad : NULL, ws);
	return VLA_OK;
}

static vla_param *sample_buffer(vla_step *g, vla_rng *rng, size_t c, bool positive)
{
	vla_param *p = vla_arena_zalloc(g->arena, 1, sizeof *p);
	float *value = vla_arena_alloc(g->arena, c, sizeof *value);
	if (!p || !value)
		return NULL;
	for (size_t i = 0; i < c; i++)
		value[i] = positive ? 0.5f + vla_rng_float(rng) : (float)vla_rng_normal(rng);
	*p = (vla_param){ .ndim = 1, .dim = { c }, .n = c, .value = value, .buffer = true };
	return p;
}

static bool norm_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		size_t rows, c;
		bool training;
		vla_act act;
	} c[] = {
		{ 12, 3, true, VLA_ACT_NONE },  { 12, 3, false, VLA_ACT_NONE }, { 40, 17, true, VLA_ACT_SILU },
		{ 9, 20, false, VLA_ACT_GELU }, { 33, 8, true, VLA_ACT_TANH },
	};
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 3, (size_t[]){ 1, c[i].rows, c[i].c });
	vla_tensor *gamma = vla_sample_normal(g, rng, 1, &c[i].c), *beta = vla_sample_normal(g, rng, 1, &c[i].c);
	vla_param *mean = sample_buffer(g, rng, c[i].c, false), *var = sample_buffer(g, rng, c[i].c, true);
	g->training = c[i].training;
	*out = mean && var ? vla_batch_norm_act(g, x, gamma, beta, mean, var, 1e-5f, 0.1f, c[i].act) : NULL;
	return true;
}

const vla_op vla_op_batch_norm = {
	.name = "batch_norm",
	.inputs = 3,
	.shape = norm_shape,
	.forward = norm_forward,
	.backward = norm_backward,
	.inplace = true,
	.sets_grad = true,
	.grad_in_place = true,
	.sample = norm_sample,
};

vla_tensor *vla_batch_norm_act(vla_step *g, vla_tensor *x, vla_tensor *gamma, vla_tensor *beta, vla_param *mean,
			       vla_param *var, float eps, float momentum, vla_act act)
{
	struct attr a = { mean, var, eps, momentum, act };
	return vla_apply(g, &vla_op_batch_norm, (vla_tensor *[]){ x, gamma, beta }, 3, &a, sizeof a);
}

vla_tensor *vla_batch_norm(vla_step *g, vla_tensor *x, vla_tensor *gamma, vla_tensor *beta, vla_param *mean,
			   vla_param *var, float eps, float momentum)
{
	return vla_batch_norm_act(g, x, gamma, beta, mean, var, eps, momentum, VLA_ACT_NONE);
}
