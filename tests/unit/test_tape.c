// The tape, steps, scopes and parameter blocks.
#include "grad/grad.h"
#include "tap.h"

static vla_param *param(vla_params *ps, const char *name, size_t n, float first)
{
	vla_param *p = vla_params_add(ps, name, 1, &n);
	p->owned = p->value = vla_alloc(n, sizeof(float));
	for (size_t i = 0; i < n; i++)
		p->value[i] = first + (float)i;
	return p;
}

static void test_backward(void)
{
	vla_arena *a = vla_arena_new(0);
	vla_params ps = { 0 };
	vla_tape tape = { 0 };
	vla_err err = VLA_ERR_INIT;
	vla_param *w = param(&ps, "w", 3, 1), *f = param(&ps, "f", 3, 2);
	w->trainable = true;
	ok(vla_params_own(&ps, &err) == VLA_OK, "parameters go into a block");
	vla_step g;
	vla_step_init(&g, a, NULL);
	g.tape = &tape;
	for (int i = 0; i < 2; i++) { // gradients add up over two passes
		vla_step_reset(&g);
		vla_tensor *x = vla_mul(&g, vla_use(&g, w), vla_use(&g, w)); // w^2 f, with w used twice
		vla_tensor *loss = vla_sum(&g, vla_mul(&g, x, vla_use(&g, f)));
		ok(vla_step_status(&g, &err) == VLA_OK && loss->data[0] == 1 * 2 + 4 * 3 + 9 * 4, "value");
		ok(vla_backward(&g, loss, &err) == VLA_OK, "backward");
	}
	ok(w->grad[0] == 2 * 2 * 1 * 2 && w->grad[1] == 2 * 2 * 2 * 3 && w->grad[2] == 2 * 2 * 3 * 4, "2 w f, twice");
	ok(f->grad == NULL, "a frozen parameter has no gradient");
	vla_params_zero_grad(&ps);
	ok(w->grad[1] == 0, "gradients are cleared");

	f->trainable = true;
	w->trainable = false;
	ok(vla_params_own(&ps, &err) == VLA_OK, "flags change");
	ok(w->value[2] == 3 && f->value[2] == 4 && !w->grad && f->grad == ps.grads, "values stay, gradients move");
	vla_step_reset(&g);
	vla_tensor *bad = vla_add(&g, vla_use(&g, w), vla_tensor_new(&g, 1, (size_t[]){ 2 }));
	bad = vla_sum(&g, bad);
	ok(!bad && vla_step_status(&g, &err) == VLA_EINVAL, "an error sticks");
	ok(strncmp(err.msg, "add: ", 5) == 0 && strstr(err.msg, "[3], [2]"), "it names operator and shapes: %s",
	   err.msg);
	ok(vla_backward(&g, bad, &err) == VLA_EINVAL, "and stops the backward pass");
	vla_step_reset(&g);
	vla_tensor *c = vla_sum(&g, vla_use(&g, w));
	ok(vla_backward(&g, c, &err) == VLA_EINVAL && tape.n == 0, "frozen parts are not recorded");
	vla_tape_release(&tape);
	vla_params_release(&ps);
	vla_arena_free(a);
}

static void test_scope(void)
{
	vla_arena *a = vla_arena_new(4096);
	vla_step g;
	vla_step_init(&g, a, NULL);
	vla_tensor *x = vla_tensor_new(&g, 1, (size_t[]){ 500 });
	for (size_t i = 0; i < x->n; i++)
		x->data[i] = (float)i;
	size_t held = 0;
	bool good = true;
	for (int layer = 0; layer < 50; layer++) {
		vla_arena_mark m = vla_scope_begin(&g);
		vla_tensor *y = vla_add(&g, vla_scale(&g, x, 1), vla_scale(&g, x, 0));
		y = vla_reshape(&g, y, 2, (size_t[]){ 5, 100 });
		y = vla_scope_end(&g, m, vla_reshape(&g, y, 1, (size_t[]){ 500 }));
		for (size_t i = 0; y && i < y->n; i++)
			good &= y->data[i] == (float)i;
		vla_arena_rewind(a, m);
		if (layer == 1)
			held = vla_arena_bytes(a);
	}
	ok(good, "the value moves down unharmed");
	ok(vla_arena_bytes(a) == held, "memory does not grow with depth");

	vla_arena_mark m = vla_scope_begin(&g);
	vla_tensor *v = vla_reshape(&g, x, 2, (size_t[]){ 50, 10 });
	v = vla_scope_end(&g, m, v);
	ok(v->data == x->data && v->ndim == 2, "a view of an older value stays one");
	m = vla_scope_begin(&g);
	(void)vla_scale(&g, x, 3);
	ok(vla_scope_end(&g, m, x) == x && x->data[7] == 7, "an older tensor stays where it is");
	ok(memcmp(&m, &(vla_arena_mark){ vla_arena_get_mark(a).block, vla_arena_get_mark(a).used }, sizeof m) == 0,
	   "and all else is dropped");
	float *data = x->data;
	vla_tensor *y = vla_add(&g, vla_last_use(x), x);
	ok(y->data == data && y->data[9] == 18, "the last use may work in place");
	float mine[2] = { 1, 2 };
	vla_tensor *t = vla_last_use(vla_tensor_view(&g, 1, (size_t[]){ 2 }, mine));
	ok(vla_add(&g, t, t)->data != mine && mine[1] == 2, "but not in the caller's memory");
	vla_arena_free(a);
}

static void test_raw(void)
{
	vla_params ps = { 0 };
	uint16_t h[2] = { 0x3c00, 0xc000 }, b[2] = { 0x3f80, 0xc000 };
	float f[2] = { 1, -2 };
	size_t n = 2;
	const void *raw[3] = { h, b, f };
	vla_dtype type[3] = { VLA_F16, VLA_BF16, VLA_F32 };
	for (int i = 0; i < 3; i++) {
		vla_param *p = vla_params_add(&ps, i == 1 ? "b" : "a", 1, &n);
		p->raw = raw[i];
		p->raw_dtype = type[i];
		p->buffer = i == 2;
		float *v = vla_param_f32(p);
		ok(v && v[0] == 1 && v[1] == -2, "%s becomes f32", vla_dtype_name(type[i]));
	}
	ok(vla_params_find(&ps, "b") == ps.p[1] && !vla_params_find(&ps, "c"), "found by name");
	vla_err err = VLA_ERR_INIT;
	ok(vla_params_own(&ps, &err) == VLA_OK && ps.total == 0 && ps.p[2]->value != f && ps.p[2]->value[1] == -2,
	   "a buffer gets memory of its own");
	ok(ps.p[0]->value[1] == -2, "a frozen parameter keeps its values");
	vla_params_release(&ps);
}

int main(void)
{
	test_backward();
	test_scope();
	test_raw();
	return done();
}
