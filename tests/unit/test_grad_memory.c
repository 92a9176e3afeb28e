// Every allocation of a small training step fails once: the status says so, nothing leaks, nothing crashes.
#include "grad/optim.h"
#include "fault.h"
#include "tap.h"

static vla_status add_param(vla_params *ps, const char *name, unsigned ndim, const size_t *dim, vla_err *err)
{
	vla_param *p = vla_params_add(ps, name, ndim, dim);
	if (!p || !(p->owned = p->value = vla_alloc(p->n, sizeof(float))))
		return vla_nomem(err);
	for (size_t i = 0; i < p->n; i++)
		p->value[i] = 0.1f * (float)(i % 7) - 0.2f;
	p->trainable = true;
	return VLA_OK;
}

static vla_tensor *forward(vla_step *g, const vla_params *ps)
{
	static const uint32_t target[] = { 0, 2, 1 }, ids[] = { 1, 0, 1, 1, 0, 0 };
	vla_tensor *x = vla_tensor_new(g, 2, (size_t[]){ 3, 5 });
	for (size_t i = 0; x && i < x->n; i++)
		x->data[i] = (float)(i % 4);
	vla_tensor *h = vla_add(g, vla_mul(g, x, vla_use(g, ps->p[0])), vla_use(g, ps->p[1]));
	h = vla_concat(g, (vla_tensor *[]){ h, vla_use(g, ps->p[2]) }, 2, 1);
	h = vla_l2_norm(g, vla_dropout(g, h, 0.5f));
	vla_tensor *t = vla_reshape(g, vla_embedding(g, vla_use(g, ps->p[3]), ids, 6), 3, (size_t[]){ 3, 2, 8 });
	t = vla_layer_norm(g, t, vla_use(g, ps->p[4]), vla_use(g, ps->p[5]), 1e-5f);
	t = vla_mean_pool(g, vla_attention(g, t, t, t, 2, true, NULL));
	vla_tensor *y = vla_reshape(g, t, 4, (size_t[]){ 3, 2, 2, 2 });
	y = vla_conv2d(g, y, vla_use(g, ps->p[6]), NULL, (vla_conv_attr){ 1, 1, 1, 1, 1 });
	y = vla_batch_norm_act(g, y, vla_use(g, ps->p[4]), vla_use(g, ps->p[5]), ps->p[7], ps->p[8], 1e-5f, 0.1f,
			       VLA_ACT_RELU);
	y = vla_linear(g, vla_mean_pool(g, y), vla_use(g, ps->p[9]), NULL);
	h = vla_concat(g, (vla_tensor *[]){ h, y, vla_matmul(g, y, y, false, true) }, 3, 1);
	return vla_cross_entropy(g, vla_transpose(g, vla_transpose(g, h, 0, 1), 0, 1), target, 0.1f);
}

static vla_status train(vla_arena *arena, vla_tape *tape, vla_params *ps, vla_optim *opt, vla_ema *ema, vla_err *err)
{
	vla_optim_opts o = VLA_OPTIM_OPTS_INIT;
	VLA_TRY(add_param(ps, "scale", 1, (size_t[]){ 5 }, err));
	VLA_TRY(add_param(ps, "shift", 1, (size_t[]){ 5 }, err));
	VLA_TRY(add_param(ps, "more", 2, (size_t[]){ 3, 500 }, err));
	VLA_TRY(add_param(ps, "table", 2, (size_t[]){ 2, 8 }, err));
	VLA_TRY(add_param(ps, "gamma", 1, (size_t[]){ 8 }, err));
	VLA_TRY(add_param(ps, "beta", 1, (size_t[]){ 8 }, err));
	VLA_TRY(add_param(ps, "conv", 4, (size_t[]){ 8, 3, 3, 2 }, err));
	VLA_TRY(add_param(ps, "mean", 1, (size_t[]){ 8 }, err));
	VLA_TRY(add_param(ps, "var", 1, (size_t[]){ 8 }, err));
	VLA_TRY(add_param(ps, "head", 2, (size_t[]){ 4, 8 }, err));
	ps->p[7]->buffer = ps->p[8]->buffer = true;
	VLA_TRY(vla_params_own(ps, err));
	VLA_TRY(vla_optim_init(opt, &o, ps, err));
	VLA_TRY(vla_ema_init(ema, 0.9, ps, err));
	for (int i = 0; i < 2; i++) {
		vla_step g;
		vla_step_init(&g, arena, NULL);
		g.tape = tape;
		g.training = true;
		vla_step_reset(&g);
		VLA_TRY(vla_backward(&g, forward(&g, ps), err));
		vla_clip_grad(ps, NULL, 1);
		vla_optim_step(opt, ps, NULL, 0.1f);
		vla_ema_update(ema, ps, NULL);
		vla_params_zero_grad(ps);
		g.tape = NULL; // inference packs weights
		g.training = false;
		vla_step_reset(&g);
		(void)forward(&g, ps);
		VLA_TRY(vla_step_status(&g, err));
	}
	ps->p[1]->trainable = false; // it leaves the block
	ps->p[2]->buffer = true;
	return vla_params_own(ps, err);
}

static vla_status whole(vla_err *err)
{
	vla_arena *arena = vla_arena_new(4096);
	vla_tape tape = { 0 };
	vla_params ps = { 0 };
	vla_optim opt = { 0 };
	vla_ema ema = { 0 };
	vla_status s = arena ? train(arena, &tape, &ps, &opt, &ema, err) : vla_nomem(err);
	vla_ema_release(&ema);
	vla_optim_release(&opt);
	vla_params_release(&ps);
	vla_tape_release(&tape);
	vla_arena_free(arena);
	return s;
}

int main(void)
{
	vla_err err = VLA_ERR_INIT;
	if (!ok(whole(&err) == VLA_OK, "without failures: %s", err.msg))
		return done();
	if (!FAULTS) {
		skip("allocation failures: this build brings its own malloc");
		return done();
	}
	for (int once = 0; once < 2; once++) {
		long live = fault_live();
		unsigned n = 0;
		bool kept = true, said = true;
		for (vla_status s = VLA_EOF; s != VLA_OK && n < 1000;) {
			(once ? fault_once : fault_at)(++n);
			s = whole(&err);
			fault_at(0);
			kept &= fault_live() == live;
			said &= s == VLA_OK || (s == VLA_ENOMEM && err.code == VLA_ENOMEM);
		}
		note("%u allocations", n - 1);
		ok(n > 20 && n < 1000, "%s",
		   once ? "each allocation failed alone" : "all from each allocation on failed");
		ok(said, "the status is VLA_ENOMEM");
		ok(kept, "nothing leaks");
	}
	return done();
}
