/* Optimisers: AdamW (Loshchilov and Hutter 2019) and SGD with momentum or Nesterov's momentum (in the form of Sutskever
 * et al. 2013 that uses one gradient a step), over the one block of trainable values. Every element is updated alone,
 * so the result does not depend on how many threads share the block. */
#include "grad/optim.h"

#include <math.h>

#include "kern/clones.h"

#define GRAIN ((size_t)1 << 14)
#define PIECES 256 // partial sums of a norm, whatever the pool's size

vla_status vla_optim_init(vla_optim *o, const vla_optim_opts *opts, const vla_params *ps, vla_err *err)
{
	const struct {
		const char *name;
		float x, low, high;
	} r[] = {
		{ "beta1", opts->beta1, 0, 1 },
		{ "beta2", opts->beta2, 0, 1 },
		{ "momentum", opts->momentum, 0, 1 },
		{ "eps", opts->eps, 0, INFINITY },
		{ "weight_decay", opts->weight_decay, 0, INFINITY },
	};
	memset(o, 0, sizeof *o);
	for (size_t i = 0; i < sizeof r / sizeof r[0]; i++)
		if (!(r[i].x >= r[i].low && r[i].x < r[i].high))
			return vla_fail(err, VLA_EINVAL, "optimiser: %s is %g, not in [%g, %g)", r[i].name,
					(double)r[i].x, (double)r[i].low, (double)r[i].high);
	o->o = *opts;
	o->total = ps->total;
	o->m = vla_zalloc(ps->total, sizeof *o->m);
	o->v = opts->kind == VLA_ADAMW ? vla_zalloc(ps->total, sizeof *o->v) : NULL;
	if (o->m && (o->v || opts->kind != VLA_ADAMW))
		return VLA_OK;
	vla_optim_release(o);
	return vla_nomem(err);
}

void vla_optim_release(vla_optim *o)
{
	if (!o)
		return;
	free(o->m);
	free(o->v);
	memset(o, 0, sizeof *o);
}

struct norm {
	float *g;
	size_t total, piece;
	double part[PIECES];
	float scale;
};

VLA_CLONES static double sum_squares(const float *restrict g, size_t n)
{
	double s[8] = { 0 };
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		for (int k = 0; k < 8; k++)
			s[k] += (double)g[i + k] * g[i + k];
	for (; i < n; i++)
		s[0] += (double)g[i] * g[i];
	return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static void norm_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct norm *c = ctx;
	(void)worker;
	for (size_t p = begin; p < end; p++) {
		size_t at = p * c->piece, left = at < c->total ? c->total - at : 0;
		c->part[p] = sum_squares(c->g + (left ? at : 0), left < c->piece ? left : c->piece);
	}
}

static void scale_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct norm *c = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		c->g[i] *= c->scale;
}

double vla_clip_grad(vla_params *ps, vla_pool *pool, double max)
{
	struct norm c = { .g = ps->grads, .total = ps->total, .piece = (ps->total + PIECES - 1) / PIECES };
	double sum = 0;
	vla_parallel(pool, PIECES, ps->total < GRAIN ? PIECES : 1, norm_range, &c);
	for (size_t p = 0; p < PIECES; p++)
		sum += c.part[p];
	double norm = sqrt(sum);
	if (max > 0 && norm > max && isfinite(norm)) {
		c.scale = (float)(max / norm);
		vla_parallel(pool, ps->total, GRAIN, scale_range, &c);
	}
	return norm;
}

// One parameter's part of an update; rates have its lr_scale in them.
struct rule {
	float rate, shrink; // AdamW: lr / (1 - beta1^t), 1 - lr decay
	float b1, b2, inv_root, eps;
	float lr, decay, momentum; // SGD
	bool nesterov;
};

VLA_CLONES static void adamw(float *restrict w, const float *restrict g, float *restrict m, float *restrict v, size_t n,
			     const struct rule *r)
{
	const float rate = r->rate, shrink = r->shrink, b1 = r->b1, b2 = r->b2, inv_root = r->inv_root, eps = r->eps;
	for (size_t i = 0; i < n; i++) {
		m[i] = b1 * m[i] + (1 - b1) * g[i];
		v[i] = b2 * v[i] + (1 - b2) * (g[i] * g[i]);
		w[i] = w[i] * shrink - rate * m[i] / (sqrtf(v[i]) * inv_root + eps);
	}
}

VLA_CLONES static void sgd(float *restrict w, const float *restrict g, float *restrict m, size_t n,
			   const struct rule *r)
{
	const float lr = r->lr, decay = r->decay, momentum = r->momentum, ahead = r->nesterov ? 1 : 0;
	for (size_t i = 0; i < n; i++) {
		float d = g[i] + decay * w[i];
		m[i] = momentum * m[i] + d;
		w[i] -= lr * (ahead * (d + momentum * m[i]) + (1 - ahead) * m[i]);
	}
}

struct update {
	const vla_optim *o;
	const vla_params *ps;
	float lr;
	double c1, c2; // 1 - beta^t
};

static struct rule rule_for(const struct update *u, const vla_param *p)
{
	const vla_optim_opts *o = &u->o->o;
	double lr = (double)u->lr * p->lr_scale, decay = p->no_decay ? 0 : o->weight_decay;
	return (struct rule){ .rate = (float)(lr / u->c1),
			      .shrink = (float)(1 - lr * decay),
			      .b1 = o->beta1,
			      .b2 = o->beta2,
			      .inv_root = (float)(1 / sqrt(u->c2)),
			      .eps = o->eps,
			      .lr = (float)lr,
			      .decay = (float)decay,
			      .momentum = o->momentum,
			      .nesterov = o->nesterov };
}

// The parts of all parameters that lie in [begin, end) of the block.
static void update_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct update *u = ctx;
	const vla_params *ps = u->ps;
	(void)worker;
	for (size_t i = 0; i < ps->n; i++) {
		const vla_param *p = ps->p[i];
		if (!p->grad || !p->trainable || p->lr_scale == 0)
			continue;
		size_t first = (size_t)(p->value - ps->values), last = first + p->n;
		first = first < begin ? begin : first;
		last = last > end ? end : last;
		if (first >= last)
			continue;
		struct rule r = rule_for(u, p);
		float *w = ps->values + first, *g = ps->grads + first, *m = u->o->m + first;
		if (u->o->o.kind == VLA_ADAMW)
			adamw(w, g, m, u->o->v + first, last - first, &r);
		else
			sgd(w, g, m, last - first, &r);
	}
}

void vla_optim_step(vla_optim *o, vla_params *ps, vla_pool *pool, float lr)
{
	if (o->total != ps->total)
		return;
	o->step++;
	struct update u = { o, ps, lr, 1 - pow(o->o.beta1, (double)o->step), 1 - pow(o->o.beta2, (double)o->step) };
	vla_parallel(pool, ps->total, GRAIN, update_range, &u);
	vla_params_unpack(ps);
}

float vla_learning_rate(vla_schedule s, float lr, float floor, uint64_t step, uint64_t warmup, uint64_t total)
{
	if (step < warmup)
		return (float)(lr * (double)(step + 1) / (double)warmup);
	double x = total > warmup ? (double)(step - warmup) / (double)(total - warmup) : 1;
	x = x > 1 ? 1 : x;
	double part = 1;
	if (s == VLA_COSINE)
		part = 0.5 * (1 + cos(3.14159265358979323846 * x));
	else if (s == VLA_LINEAR)
		part = 1 - x;
	return (float)(lr * (floor + (1 - floor) * part));
}
