/* Runs every operator and optimiser on inputs of useful sizes and writes all inputs, outputs and gradients to a
 * safetensors file, which ops_torch.py recomputes with PyTorch. Names are "case/tensor"; settings are in the case's
 *code on both sides.
 *
 *	ref_ops OUT.safetensors
 */
#include "grad/optim.h"

#include <vla/checkpoint.h>

#define MAX 1024

struct dump {
	vla_step g;
	vla_tape tape;
	vla_rng rng;
	vla_ct t[MAX]; // names are owned
	size_t n;
	const char *name; // of the case
	vla_tensor *in[8];
	const char *in_name[8];
	size_t n_in;
};

static void put(struct dump *d, const char *tensor, vla_dtype dtype, unsigned ndim, const size_t *dim, const void *data)
{
	vla_ct *t = &d->t[d->n++];
	t->name = vla_format("%s/%s", d->name, tensor);
	t->dtype = dtype;
	t->ndim = ndim;
	t->n = 1;
	for (unsigned i = 0; i < ndim; i++)
		t->n *= t->dim[i] = dim[i];
	t->bytes = t->n * vla_dtype_size(dtype);
	void *copy = vla_arena_alloc(d->g.arena, t->bytes, 1);
	if (!t->name || !copy || d->n == MAX)
		exit(2);
	memcpy(copy, data, t->bytes);
	t->data = copy;
}

static vla_tensor *in(struct dump *d, const char *tensor, unsigned ndim, const size_t *dim)
{
	vla_tensor *x = vla_tensor_new(&d->g, ndim, dim);
	if (!x)
		exit(2);
	for (size_t i = 0; i < x->n; i++)
		x->data[i] = (float)vla_rng_normal(&d->rng);
	x->wants_grad = true;
	put(d, tensor, VLA_F32, ndim, dim, x->data);
	d->in[d->n_in] = x;
	d->in_name[d->n_in++] = tensor;
	return x;
}

#define IN(d, name, ...) in(d, name, sizeof((size_t[]){ __VA_ARGS__ }) / sizeof(size_t), (size_t[]){ __VA_ARGS__ })

// n numbers below `below` (UINT32_MAX: 1 in 8 ignored with `holes`).
static const uint32_t *ids(struct dump *d, const char *tensor, size_t n, uint32_t below, bool holes)
{
	uint32_t *x = vla_arena_alloc(d->g.arena, n, sizeof *x);
	if (!x)
		exit(2);
	for (size_t i = 0; i < n; i++)
		x[i] = holes && vla_rng_below(&d->rng, 8) == 0 ? UINT32_MAX : (uint32_t)vla_rng_below(&d->rng, below);
	put(d, tensor, VLA_U32, 1, &n, x);
	return x;
}

static vla_tensor *add(struct dump *d)
{
	return vla_add(&d->g, IN(d, "a", 6, 50, 33), IN(d, "b", 50, 33));
}

static vla_tensor *mul(struct dump *d)
{
	return vla_mul(&d->g, IN(d, "a", 6, 50, 33), IN(d, "b", 33));
}

static vla_tensor *mul_one(struct dump *d)
{
	return vla_mul(&d->g, IN(d, "a", 300, 200), IN(d, "b", 1));
}

static vla_tensor *scale_exp(struct dump *d)
{
	return vla_exp(&d->g, vla_scale(&d->g, IN(d, "a", 70, 90), -1.5f));
}

static vla_tensor *l2_norm(struct dump *d)
{
	return vla_l2_norm(&d->g, IN(d, "x", 3, 40, 65));
}

static vla_tensor *shapes(struct dump *d) // reshape, transposition, join, slice
{
	vla_step *g = &d->g;
	vla_tensor *x = vla_reshape(g, IN(d, "x", 6, 4, 10, 3), 3, (size_t[]){ 24, 10, 3 });
	vla_tensor *y = vla_transpose(g, IN(d, "y", 3, 10, 24), 0, 2);
	return vla_slice(g, vla_concat(g, (vla_tensor *[]){ x, y, x }, 3, 1), 1, 5, 20);
}

static vla_tensor *gather_rows(struct dump *d)
{
	const uint32_t *row = ids(d, "row", 50, 20, false);
	return vla_gather_rows(&d->g, IN(d, "x", 20, 130), row, 50);
}

static vla_tensor *sum(struct dump *d)
{
	return vla_sum(&d->g, IN(d, "x", 50, 201));
}

static vla_tensor *mean(struct dump *d)
{
	return vla_mean(&d->g, IN(d, "x", 50, 201));
}

static vla_tensor *cross_entropy(struct dump *d)
{
	const uint32_t *t = ids(d, "target", 90, 70, true);
	return vla_cross_entropy(&d->g, vla_scale(&d->g, IN(d, "x", 90, 70), 4), t, 0.1f);
}

static vla_tensor *kl_div(struct dump *d)
{
	vla_tensor *t = IN(d, "t", 80, 60);
	for (size_t r = 0; r < 80; r++) { // squares as probabilities, with a zero in each row
		double s = 0;
		t->data[r * 60 + r % 60] = 0;
		for (size_t j = 0; j < 60; j++)
			s += (double)t->data[r * 60 + j] * t->data[r * 60 + j];
		for (size_t j = 0; j < 60; j++)
			t->data[r * 60 + j] *= t->data[r * 60 + j] / (float)s;
	}
	d->n_in--; // a constant
	put(d, "p", VLA_F32, 2, t->dim, t->data);
	return vla_kl_div(&d->g, IN(d, "x", 80, 60), t->data);
}

static vla_tensor *sigmoid_loss(struct dump *d)
{
	vla_tensor *x = IN(d, "x", 64, 96);
	float *sign = vla_arena_alloc(d->g.arena, x->n, sizeof *sign);
	if (!sign)
		exit(2);
	for (size_t i = 0; i < x->n; i++)
		sign[i] = (float)vla_rng_below(&d->rng, 3) - 1;
	put(d, "sign", VLA_F32, 2, x->dim, sign);
	return vla_sigmoid_loss(&d->g, vla_scale(&d->g, x, 10), sign);
}

static vla_tensor *mse(struct dump *d)
{
	return vla_mse(&d->g, IN(d, "a", 90, 100), IN(d, "b", 90, 100));
}

static vla_tensor *cosine_loss(struct dump *d)
{
	return vla_cosine_loss(&d->g, IN(d, "a", 90, 100), IN(d, "b", 90, 100));
}

static vla_tensor *linear(struct dump *d)
{
	return vla_linear(&d->g, IN(d, "x", 5, 60, 48), IN(d, "w", 70, 48), IN(d, "b", 70));
}

static vla_tensor *matmul(struct dump *d)
{
	return vla_matmul(&d->g, IN(d, "a", 3, 40, 30), IN(d, "b", 3, 50, 40), true, true);
}

static vla_tensor *matmul_shared(struct dump *d)
{
	return vla_matmul(&d->g, IN(d, "a", 3, 40, 30), IN(d, "b", 30, 50), false, false);
}

static vla_tensor *conv2d(struct dump *d)
{
	vla_conv_attr a = { .stride = 2, .pad_top = 0, .pad_left = 1, .pad_bottom = 2, .pad_right = 1 };
	return vla_conv2d(&d->g, IN(d, "x", 3, 15, 17, 6), IN(d, "w", 8, 3, 3, 6), IN(d, "b", 8), a);
}

static vla_tensor *conv2d_point(struct dump *d)
{
	vla_conv_attr a = { .stride = 1 };
	return vla_conv2d(&d->g, IN(d, "x", 3, 9, 7, 24), IN(d, "w", 40, 1, 1, 24), NULL, a);
}

static vla_tensor *depthwise(struct dump *d)
{
	vla_conv_attr a = { .stride = 2, .pad_top = 0, .pad_left = 0, .pad_bottom = 1, .pad_right = 1 };
	return vla_conv2d_depthwise(&d->g, IN(d, "x", 3, 14, 16, 20), IN(d, "w", 3, 3, 20), IN(d, "b", 20), a);
}

static vla_tensor *depthwise5(struct dump *d)
{
	vla_conv_attr a = { .stride = 1, .pad_top = 2, .pad_left = 2, .pad_bottom = 2, .pad_right = 2 };
	return vla_conv2d_depthwise(&d->g, IN(d, "x", 2, 11, 9, 33), IN(d, "w", 5, 5, 33), NULL, a);
}

static vla_tensor *norm_batch(struct dump *d, bool training)
{
	static float start[2][19];
	size_t c = 19;
	vla_param run[2] = { { .ndim = 1, .dim = { 19 }, .n = 19, .value = start[0], .buffer = true },
			     { .ndim = 1, .dim = { 19 }, .n = 19, .value = start[1], .buffer = true } };
	vla_param *p = vla_arena_alloc(d->g.arena, 2, sizeof *p);
	if (!p)
		exit(2);
	memcpy(p, run, sizeof run);
	for (size_t j = 0; j < c; j++) {
		start[0][j] = 0.1f * (float)j;
		start[1][j] = 1 + 0.1f * (float)j;
	}
	d->g.training = training;
	vla_tensor *x = IN(d, "x", 4, 6, 5, 19), *gamma = IN(d, "gamma", 19), *beta = IN(d, "beta", 19);
	vla_tensor *y = vla_batch_norm(&d->g, x, gamma, beta, &p[0], &p[1], 1e-3f, 0.1f);
	put(d, "mean", VLA_F32, 1, &c, start[0]);
	put(d, "var", VLA_F32, 1, &c, start[1]);
	return y;
}

static vla_tensor *batch_norm(struct dump *d)
{
	return norm_batch(d, true);
}

static vla_tensor *batch_norm_fixed(struct dump *d)
{
	return norm_batch(d, false);
}

static vla_tensor *layer_norm(struct dump *d)
{
	return vla_layer_norm(&d->g, IN(d, "x", 3, 40, 65), IN(d, "gamma", 65), IN(d, "beta", 65), 1e-5f);
}

static vla_tensor *activations(struct dump *d)
{
	vla_tensor *x = vla_scale(&d->g, IN(d, "x", 20, 101), 3), *y[10];
	for (int i = VLA_ACT_RELU; i <= VLA_ACT_TANH; i++)
		y[i - VLA_ACT_RELU] = vla_activation(&d->g, x, (vla_act)i);
	return vla_concat(&d->g, y, VLA_ACT_TANH - VLA_ACT_RELU + 1, 0);
}

static vla_tensor *softmax(struct dump *d)
{
	return vla_softmax(&d->g, vla_scale(&d->g, IN(d, "x", 3, 40, 65), 5));
}

static vla_tensor *attend(struct dump *d, bool causal, const uint32_t *lens)
{
	return vla_attention(&d->g, IN(d, "q", 3, 37, 48), IN(d, "k", 3, 37, 48), IN(d, "v", 3, 37, 48), 4, causal,
			     lens);
}

static vla_tensor *attention(struct dump *d)
{
	return attend(d, false, NULL);
}

static vla_tensor *attention_causal(struct dump *d)
{
	return attend(d, true, NULL);
}

static vla_tensor *attention_lens(struct dump *d)
{
	static const uint32_t lens[] = { 37, 5, 1 };
	return attend(d, false, lens);
}

static vla_tensor *embedding(struct dump *d)
{
	const uint32_t *id = ids(d, "id", 200, 50, false);
	return vla_embedding(&d->g, IN(d, "x", 50, 64), id, 200);
}

static vla_tensor *mean_pool(struct dump *d)
{
	return vla_mean_pool(&d->g, IN(d, "x", 5, 7, 6, 33));
}

static vla_tensor *segment_mean(struct dump *d)
{
	static const size_t offset[] = { 0, 3, 3, 20, 21, 40 };
	return vla_segment_mean(&d->g, IN(d, "x", 40, 33), offset, 5);
}

static const struct {
	const char *name;
	vla_tensor *(*run)(struct dump *d);
} cases[] = {
	{ "add", add },
	{ "mul", mul },
	{ "mul_one", mul_one },
	{ "scale_exp", scale_exp },
	{ "l2_norm", l2_norm },
	{ "shapes", shapes },
	{ "gather_rows", gather_rows },
	{ "sum", sum },
	{ "mean", mean },
	{ "cross_entropy", cross_entropy },
	{ "kl_div", kl_div },
	{ "sigmoid_loss", sigmoid_loss },
	{ "mse", mse },
	{ "cosine_loss", cosine_loss },
	{ "linear", linear },
	{ "matmul", matmul },
	{ "matmul_shared", matmul_shared },
	{ "conv2d", conv2d },
	{ "conv2d_point", conv2d_point },
	{ "depthwise", depthwise },
	{ "depthwise5", depthwise5 },
	{ "batch_norm", batch_norm },
	{ "batch_norm_fixed", batch_norm_fixed },
	{ "layer_norm", layer_norm },
	{ "activations", activations },
	{ "softmax", softmax },
	{ "attention", attention },
	{ "attention_causal", attention_causal },
	{ "attention_lens", attention_lens },
	{ "embedding", embedding },
	{ "mean_pool", mean_pool },
	{ "segment_mean", segment_mean },
};

static vla_status run_case(struct dump *d, size_t i, vla_err *err)
{
	d->name = cases[i].name;
	d->n_in = 0;
	d->tape.n = 0;
	d->g.training = true;
	vla_tensor *out = cases[i].run(d);
	VLA_TRY(vla_step_status(&d->g, err));
	vla_tensor *r = vla_tensor_new(&d->g, out->ndim, out->dim);
	for (size_t k = 0; r && k < r->n; k++)
		r->data[k] = (float)vla_rng_normal(&d->rng);
	VLA_TRY(vla_backward(&d->g, vla_sum(&d->g, vla_mul(&d->g, out, r)), err));
	put(d, "out", VLA_F32, out->ndim, out->dim, out->data);
	put(d, "r", VLA_F32, out->ndim, out->dim, r->data);
	for (size_t k = 0; k < d->n_in; k++) {
		char *name = vla_format("%s.grad", d->in_name[k]);
		if (!name)
			return vla_nomem(err);
		put(d, name, VLA_F32, d->in[k]->ndim, d->in[k]->dim, d->in[k]->grad);
		free(name);
	}
	return VLA_OK;
}

#define STEPS 6

// Two parameters, the second without decay and at half the rate; gradients are clipped to norm 8.
static vla_status run_optim(struct dump *d, const char *name, vla_optim_opts o, vla_err *err)
{
	const size_t n[2] = { 500, 300 };
	vla_params ps = { 0 };
	vla_optim opt = { 0 };
	d->name = name;
	for (int k = 0; k < 2; k++) {
		vla_param *p = vla_params_add(&ps, k ? "b" : "w", 1, &n[k]);
		if (!p || !(p->owned = p->value = vla_alloc(n[k], sizeof(float))))
			return vla_nomem(err);
		for (size_t i = 0; i < n[k]; i++)
			p->value[i] = (float)vla_rng_normal(&d->rng);
		p->trainable = true;
		p->no_decay = k == 1;
		p->lr_scale = k ? 0.5f : 1;
		put(d, k ? "b0" : "w0", VLA_F32, 1, &n[k], p->value);
	}
	VLA_TRY(vla_params_own(&ps, err));
	VLA_TRY(vla_optim_init(&opt, &o, &ps, err));
	for (int s = 0; s < STEPS; s++) {
		for (int k = 0; k < 2; k++) {
			char g[8] = { k ? 'b' : 'w', 'g', (char)('0' + s) };
			for (size_t i = 0; i < n[k]; i++)
				ps.p[k]->grad[i] = (float)(vla_rng_normal(&d->rng) * (s == 3 ? 0.01 : 1));
			put(d, g, VLA_F32, 1, &n[k], ps.p[k]->grad);
		}
		vla_clip_grad(&ps, d->g.pool, 8);
		vla_optim_step(&opt, &ps, d->g.pool, 0.02f);
	}
	put(d, "w", VLA_F32, 1, &n[0], ps.p[0]->value);
	put(d, "b", VLA_F32, 1, &n[1], ps.p[1]->value);
	vla_optim_release(&opt);
	vla_params_release(&ps);
	return VLA_OK;
}

static vla_status run_all(struct dump *d, const char *path, vla_err *err)
{
	static const char *const meta[] = { NULL };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		VLA_TRY(run_case(d, i, err));
	vla_optim_opts o = VLA_OPTIM_OPTS_INIT;
	o.weight_decay = 0.1f;
	VLA_TRY(run_optim(d, "adamw", o, err));
	o.kind = VLA_SGD;
	VLA_TRY(run_optim(d, "sgd", o, err));
	o.nesterov = true;
	VLA_TRY(run_optim(d, "nesterov", o, err));
	return vla_checkpoint_write(path, d->t, d->n, meta, err);
}

int main(int argc, char **argv)
{
	static struct dump d;
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool = NULL;
	vla_arena *arena = vla_arena_new((size_t)1 << 24);
	if (argc != 2 || !arena || vla_pool_new(2, &pool, &err) != VLA_OK)
		return 2;
	vla_step_init(&d.g, arena, pool);
	d.g.tape = &d.tape;
	d.g.compute = VLA_COMPUTE_F32;
	vla_rng_seed(&d.rng, 2026, 0);
	vla_status s = run_all(&d, argv[1], &err);
	if (s != VLA_OK)
		fprintf(stderr, "ref_ops: %s: %s\n", d.name, err.msg);
	for (size_t i = 0; i < d.n; i++)
		free((char *)(uintptr_t)d.t[i].name);
	vla_tape_release(&d.tape);
	vla_arena_free(arena);
	vla_pool_free(pool);
	return s == VLA_OK ? 0 : 2;
}
