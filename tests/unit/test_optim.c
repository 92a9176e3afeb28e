// Optimisers, clipping, schedules and the moving average against values worked out by hand or by the plain formula.
#include "grad/optim.h"
#include "tap.h"

#include <math.h>

static vla_param *param(vla_params *ps, const char *name, size_t n, float first)
{
	vla_param *p = vla_params_add(ps, name, 1, &n);
	p->owned = p->value = vla_alloc(n, sizeof(float));
	for (size_t i = 0; i < n; i++)
		p->value[i] = first + 0.01f * (float)(i % 100);
	p->trainable = true;
	return p;
}

static void set_grad(vla_params *ps, float x)
{
	for (size_t i = 0; i < ps->n; i++)
		for (size_t j = 0; j < ps->p[i]->n; j++)
			ps->p[i]->grad[j] = x;
}

static void test_adamw(void)
{
	vla_params ps = { 0 };
	vla_err err = VLA_ERR_INIT;
	vla_param *w = param(&ps, "w", 1, 2), *b = param(&ps, "b", 1, 2), *s = param(&ps, "s", 1, 2),
		  *f = param(&ps, "f", 1, 2);
	b->no_decay = true;
	s->lr_scale = 0.5f;
	s->no_decay = true;
	f->lr_scale = 0;
	vla_optim_opts o = VLA_OPTIM_OPTS_INIT;
	vla_optim opt;
	o.weight_decay = 0.1f;
	ok(vla_params_own(&ps, &err) == VLA_OK && vla_optim_init(&opt, &o, &ps, &err) == VLA_OK, "adamw starts");
	// The first step moves by the whole rate against the gradient's sign, whatever its size.
	set_grad(&ps, 123);
	vla_optim_step(&opt, &ps, NULL, 0.1f);
	near(b->value[0], 1.9, 1e-6, "first step: the rate");
	near(w->value[0], 2 * (1 - 0.1 * 0.1) - 0.1, 1e-6, "decay is apart from the gradient");
	near(s->value[0], 1.95, 1e-6, "a parameter with a smaller rate");
	ok(f->value[0] == 2, "a parameter with rate 0 rests");
	// Second step with gradient -1 on b: m = .9 * 12.3 - .1, v = .999 * .001 * 123^2 + .001.
	set_grad(&ps, -1);
	vla_optim_step(&opt, &ps, NULL, 0.1f);
	double m = (0.9 * 12.3 - 0.1) / (1 - 0.81), v = (0.999 * 0.001 * 123 * 123 + 0.001) / (1 - 0.999 * 0.999);
	near(b->value[0], 1.9 - 0.1 * m / sqrt(v), 1e-6, "second step with bias correction");
	ok(opt.step == 2, "steps are counted");
	ps.total += 16;
	vla_optim_step(&opt, &ps, NULL, 0.1f);
	ok(opt.step == 2, "another block is left alone");
	ps.total -= 16;
	vla_optim_release(&opt);
	o.beta2 = 1;
	ok(vla_optim_init(&opt, &o, &ps, &err) == VLA_EINVAL && strstr(err.msg, "beta2"), "options are checked: %s",
	   err.msg);
	vla_params_release(&ps);
}

static void test_sgd(bool nesterov)
{
	vla_params ps = { 0 };
	vla_err err = VLA_ERR_INIT;
	vla_param *w = param(&ps, "w", 1, 1);
	vla_optim_opts o = VLA_OPTIM_OPTS_INIT;
	vla_optim opt;
	o.kind = VLA_SGD;
	o.nesterov = nesterov;
	o.weight_decay = 0.5f;
	ok(vla_params_own(&ps, &err) == VLA_OK && vla_optim_init(&opt, &o, &ps, &err) == VLA_OK, "sgd starts");
	double x = 1, m = 0;
	for (int i = 0; i < 3; i++) {
		set_grad(&ps, (float)i - 0.5f);
		vla_optim_step(&opt, &ps, NULL, 0.1f);
		double d = i - 0.5 + 0.5 * x;
		m = 0.9 * m + d;
		x -= 0.1 * (nesterov ? d + 0.9 * m : m);
	}
	near(w->value[0], x, 1e-6, nesterov ? "three steps of Nesterov's momentum" : "three steps of momentum");
	vla_optim_release(&opt);
	vla_params_release(&ps);
}

static void test_clip(void)
{
	vla_params ps = { 0 };
	vla_err err = VLA_ERR_INIT;
	vla_param *a = param(&ps, "a", 1, 0), *b = param(&ps, "b", 3, 0);
	ok(vla_params_own(&ps, &err) == VLA_OK && ps.total == 32, "parameters start on cache lines");
	a->grad[0] = 3;
	b->grad[2] = -4;
	near(vla_clip_grad(&ps, NULL, 10), 5, 1e-12, "norm");
	ok(a->grad[0] == 3, "a small gradient stays");
	near(vla_clip_grad(&ps, NULL, 1), 5, 1e-12, "norm before clipping");
	near(a->grad[0], 0.6, 1e-7, "clipped");
	near(b->grad[2], -0.8, 1e-7, "all by one factor");
	a->grad[0] = NAN;
	ok(isnan(vla_clip_grad(&ps, NULL, 0.1)) && b->grad[2] < -0.7f, "a NaN is reported and spreads no further");
	vla_params_release(&ps);
}

static void test_schedule(void)
{
	near(vla_learning_rate(VLA_COSINE, 2, 0, 0, 4, 104), 0.5, 1e-7, "warm-up starts above 0");
	near(vla_learning_rate(VLA_COSINE, 2, 0, 3, 4, 104), 2, 1e-7, "and reaches the rate");
	near(vla_learning_rate(VLA_COSINE, 2, 0, 54, 4, 104), 1, 1e-6, "half of the cosine");
	near(vla_learning_rate(VLA_COSINE, 2, 0.1f, 104, 4, 104), 0.2, 1e-6, "down to the floor");
	near(vla_learning_rate(VLA_LINEAR, 2, 0.5f, 54, 4, 104), 1.5, 1e-6, "half of the line");
	near(vla_learning_rate(VLA_CONSTANT, 2, 0.5f, 999, 4, 104), 2, 1e-6, "constant");
	near(vla_learning_rate(VLA_COSINE, 2, 0, 500, 4, 104), 0, 1e-7, "past the end");
	near(vla_learning_rate(VLA_LINEAR, 2, 0, 7, 9, 5), 2 * 8 / 9.0, 1e-6, "a warm-up longer than the run");
}

// One pool or none: the same bits, over sizes where pieces cut through parameters.
static void test_threads(vla_optim_kind kind)
{
	vla_params ps[2] = { { 0 }, { 0 } };
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool = NULL;
	double norm[2] = { 0, 0 };
	ok(vla_pool_new(3, &pool, &err) == VLA_OK, "a pool of 3");
	for (int t = 0; t < 2; t++) {
		vla_optim_opts o = VLA_OPTIM_OPTS_INIT;
		vla_optim opt;
		vla_ema ema;
		vla_rng rng;
		o.kind = kind;
		for (size_t i = 0; i < 9; i++)
			param(&ps[t], (char[]){ (char)('a' + i), 0 }, 20000 + 77 * i, (float)i)->lr_scale =
				1 + (float)i;
		ok(vla_params_own(&ps[t], &err) == VLA_OK && vla_optim_init(&opt, &o, &ps[t], &err) == VLA_OK &&
			   vla_ema_init(&ema, 0.5, &ps[t], &err) == VLA_OK,
		   "start");
		vla_rng_seed(&rng, 1, 2);
		for (int step = 0; step < 3; step++) {
			for (size_t i = 0; i < ps[t].total; i++)
				ps[t].grads[i] = vla_rng_float(&rng) - 0.4f;
			norm[t] = vla_clip_grad(&ps[t], t ? pool : NULL, 1);
			vla_optim_step(&opt, &ps[t], t ? pool : NULL, 0.01f);
			vla_ema_update(&ema, &ps[t], t ? pool : NULL);
		}
		vla_ema_swap(&ema, &ps[t]);
		vla_optim_release(&opt);
		vla_ema_release(&ema);
	}
	ok(norm[0] == norm[1], "norms are equal");
	ok(memcmp(ps[0].values, ps[1].values, ps[0].total * sizeof(float)) == 0, "weights are equal to the last bit");
	vla_params_release(&ps[0]);
	vla_params_release(&ps[1]);
	vla_pool_free(pool);
}

static void test_ema(void)
{
	vla_params ps = { 0 };
	vla_err err = VLA_ERR_INIT;
	vla_param *w = param(&ps, "w", 1, 1);
	vla_ema e;
	ok(vla_params_own(&ps, &err) == VLA_OK && vla_ema_init(&e, 0.9, &ps, &err) == VLA_OK, "an average starts");
	w->value[0] = 2;
	vla_ema_update(&e, &ps, NULL); // decay 2 / 11
	near(e.avg[0], 1 * 2 / 11.0 + 2 * 9 / 11.0, 1e-6, "the start is forgotten soon");
	e.step = 1000;
	float was = e.avg[0];
	vla_ema_update(&e, &ps, NULL);
	near(e.avg[0], 0.9 * was + 0.1 * 2, 1e-6, "later the decay holds");
	was = e.avg[0];
	uint64_t version = ps.version;
	vla_ema_swap(&e, &ps);
	ok(w->value[0] == was && e.avg[0] == 2 && ps.version != version, "averages take the values' place");
	vla_ema_swap(&e, &ps);
	ok(w->value[0] == 2, "and give it back");
	vla_ema_release(&e);
	ok(vla_ema_init(&e, 1, &ps, &err) == VLA_EINVAL, "a decay of 1 is refused");
	vla_params_release(&ps);
}

int main(void)
{
	test_adamw();
	test_sgd(false);
	test_sgd(true);
	test_clip();
	test_schedule();
	test_threads(VLA_ADAMW);
	test_threads(VLA_SGD);
	test_ema();
	return done();
}
