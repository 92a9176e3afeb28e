/* Small networks learn small problems, and the weights that come out are the same to the last bit whatever the number
 * of threads: a convolutional classifier of stripes, and a token network with attention trained by a contrastive loss.
 */
#include "grad/optim.h"
#include "tap.h"

#include <math.h>

struct net {
	vla_params ps;
	vla_rng rng;
	bool short_of_memory;
};

// Normal values of deviation `dev` around `mean`.
static vla_param *weight(struct net *n, const char *name, float mean, float dev, unsigned ndim, const size_t *dim)
{
	vla_param *p = vla_params_add(&n->ps, name, ndim, dim);
	if (!p || !(p->owned = p->value = vla_alloc(p->n, sizeof(float)))) {
		n->short_of_memory = true;
		return NULL;
	}
	for (size_t i = 0; i < p->n; i++)
		p->value[i] = mean + dev * (float)vla_rng_normal(&n->rng);
	p->trainable = true;
	p->no_decay = ndim == 1;
	return p;
}

#define W(name, mean, dev, ...) \
	weight(n, name, mean, dev, sizeof((size_t[]){ __VA_ARGS__ }) / sizeof(size_t), (size_t[]){ __VA_ARGS__ })

typedef void build_fn(struct net *n);
typedef vla_tensor *loss_fn(vla_step *g, struct net *n);

static vla_tensor *use(vla_step *g, struct net *n, const char *name)
{
	return vla_use(g, vla_params_find(&n->ps, name));
}

/* --- stripes: 24 x 24 pictures, horizontal or vertical, of random phase, under noise --- */

#define BATCH 48
#define SIDE 24

static void stripes_build(struct net *n)
{
	W("stem", 0, 0.27f, 16, 3, 3, 3);
	W("gamma", 1, 0, 16);
	W("beta", 0, 0, 16);
	W("mean", 0, 0, 16)->buffer = true;
	W("var", 1, 0, 16)->buffer = true;
	W("spatial", 0, 0.3f, 3, 3, 16);
	W("point", 0, 0.25f, 24, 1, 1, 16);
	W("point_bias", 0, 0, 24);
	W("head", 0, 0.2f, 2, 24);
	W("head_bias", 0, 0, 2);
}

static vla_tensor *stripes_loss(vla_step *g, struct net *n)
{
	static uint32_t target[BATCH];
	vla_tensor *x = vla_tensor_new(g, 4, (size_t[]){ BATCH, SIDE, SIDE, 3 });
	for (size_t i = 0; x && i < BATCH; i++) {
		target[i] = (uint32_t)vla_rng_below(&n->rng, 2);
		double phase = 6.28 * vla_rng_double(&n->rng);
		for (size_t p = 0; p < SIDE * SIDE; p++)
			for (size_t c = 0; c < 3; c++)
				x->data[(i * SIDE * SIDE + p) * 3 + c] =
					(float)(sin(1.5 * (double)(target[i] ? p / SIDE : p % SIDE) + phase) +
						vla_rng_normal(&n->rng));
	}
	vla_conv_attr s2 = { 2, 0, 0, 1, 1 }, s1 = { 1, 1, 1, 1, 1 };
	vla_tensor *y = vla_conv2d(g, x, use(g, n, "stem"), NULL, s2);
	y = vla_batch_norm(g, y, use(g, n, "gamma"), use(g, n, "beta"), vla_params_find(&n->ps, "mean"),
			   vla_params_find(&n->ps, "var"), 1e-5f, 0.1f);
	y = vla_activation(g, y, VLA_ACT_RELU6);
	y = vla_activation(g, vla_conv2d_depthwise(g, y, use(g, n, "spatial"), NULL, s1), VLA_ACT_SILU);
	y = vla_activation(
		g, vla_conv2d(g, y, use(g, n, "point"), use(g, n, "point_bias"), (vla_conv_attr){ .stride = 1 }),
		VLA_ACT_RELU);
	y = vla_dropout(g, vla_mean_pool(g, y), 0.1f);
	y = vla_linear(g, y, use(g, n, "head"), use(g, n, "head_bias"));
	return vla_cross_entropy(g, y, target, 0);
}

/* --- pairs: two sequences that hold the same tokens in another order belong together --- */

#define PAIRS 64
#define TOKENS 6
#define VOCAB 40
#define WIDTH 32

static void pairs_build(struct net *n)
{
	W("table", 0, 0.5f, VOCAB, WIDTH);
	W("place", 0, 0.1f, TOKENS, WIDTH);
	W("gamma", 1, 0, WIDTH);
	W("beta", 0, 0, WIDTH);
	W("qkv", 0, 0.18f, 3 * WIDTH, WIDTH);
	W("out", 0, 0.18f, WIDTH, WIDTH);
	W("up", 0, 0.18f, 2 * WIDTH, WIDTH);
	W("up_bias", 0, 0, 2 * WIDTH);
	W("down", 0, 0.1f, WIDTH, 2 * WIDTH);
	W("temperature", 1, 0, 1);
}

static vla_tensor *pairs_tower(vla_step *g, struct net *n, const uint32_t *ids)
{
	vla_tensor *x = vla_embedding(g, use(g, n, "table"), ids, PAIRS * TOKENS);
	x = vla_reshape(g, x, 3, (size_t[]){ PAIRS, TOKENS, WIDTH });
	x = vla_add(g, x, use(g, n, "place"));
	vla_tensor *y = vla_layer_norm(g, x, use(g, n, "gamma"), use(g, n, "beta"), 1e-5f);
	y = vla_linear(g, y, use(g, n, "qkv"), NULL);
	y = vla_attention(g, vla_slice(g, y, 2, 0, WIDTH), vla_slice(g, y, 2, WIDTH, WIDTH),
			  vla_slice(g, y, 2, 2 * WIDTH, WIDTH), 4, false, NULL);
	x = vla_add(g, x, vla_linear(g, y, use(g, n, "out"), NULL));
	y = vla_activation(g, vla_linear(g, x, use(g, n, "up"), use(g, n, "up_bias")), VLA_ACT_GELU);
	x = vla_add(g, x, vla_linear(g, y, use(g, n, "down"), NULL));
	return vla_l2_norm(g, vla_mean_pool(g, x));
}

static vla_tensor *pairs_loss(vla_step *g, struct net *n)
{
	static uint32_t a[PAIRS * TOKENS], b[PAIRS * TOKENS], diagonal[PAIRS];
	for (size_t i = 0; i < PAIRS; i++) {
		diagonal[i] = (uint32_t)i;
		for (size_t j = 0; j < TOKENS; j++)
			a[i * TOKENS + j] = (uint32_t)vla_rng_below(&n->rng, VOCAB);
		for (size_t j = 0; j < TOKENS; j++)
			b[i * TOKENS + j] = a[i * TOKENS + (j + 1 + i) % TOKENS];
	}
	vla_tensor *x = pairs_tower(g, n, a), *y = pairs_tower(g, n, b), *t = vla_exp(g, use(g, n, "temperature"));
	vla_tensor *s = vla_mul(g, vla_matmul(g, x, y, false, true), t);
	vla_tensor *there = vla_cross_entropy(g, s, diagonal, 0);
	vla_tensor *back = vla_cross_entropy(g, vla_transpose(g, s, 0, 1), diagonal, 0);
	return vla_scale(g, vla_add(g, there, back), 0.5f);
}

// Trains from scratch; the caller frees n->ps.
static vla_status learn(struct net *n, build_fn *build, loss_fn *loss, unsigned steps, vla_pool *pool, double *first,
			double *last, vla_err *err)
{
	vla_step g;
	vla_tape tape = { 0 };
	vla_optim opt = { 0 };
	vla_optim_opts o = VLA_OPTIM_OPTS_INIT;
	vla_arena *arena = vla_arena_new((size_t)8 << 20);
	memset(n, 0, sizeof *n);
	vla_rng_seed(&n->rng, 3, 0);
	build(n);
	vla_status s = arena && !n->short_of_memory ? vla_params_own(&n->ps, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = vla_optim_init(&opt, &o, &n->ps, err);
	size_t held = 0;
	for (unsigned i = 0; i < steps && s == VLA_OK; i++) {
		vla_step_init(&g, arena, pool);
		vla_rng_seed(&g.rng, 4, i);
		g.tape = &tape;
		g.training = true;
		vla_step_reset(&g);
		vla_params_zero_grad(&n->ps);
		vla_tensor *l = loss(&g, n);
		s = vla_backward(&g, l, err);
		if (s != VLA_OK)
			break;
		*(i ? last : first) = l->data[0];
		vla_clip_grad(&n->ps, pool, 1);
		vla_optim_step(&opt, &n->ps, pool, vla_learning_rate(VLA_COSINE, 0.02f, 0.1f, i, 3, steps));
		if (i == 1)
			held = vla_arena_bytes(arena);
		else if (i > 1 && vla_arena_bytes(arena) != held)
			s = vla_fail(err, VLA_EINVAL, "memory grows from step to step");
	}
	vla_optim_release(&opt);
	vla_tape_release(&tape);
	vla_arena_free(arena);
	return s;
}

static void test(const char *name, build_fn *build, loss_fn *loss, unsigned steps, double goal)
{
	struct net n[3];
	vla_err err = VLA_ERR_INIT;
	double first = 0, last = 0;
	for (unsigned t = 0; t < 3; t++) {
		vla_pool *pool = NULL;
		vla_status s = t ? vla_pool_new(t + 1, &pool, &err) : VLA_OK;
		if (s == VLA_OK)
			s = learn(&n[t], build, loss, steps, pool, &first, &last, &err);
		if (!ok(s == VLA_OK, "%s: %u steps with %u threads %s", name, steps, t + 1, err.msg))
			return;
		vla_pool_free(pool);
		if (t == 0)
			ok(last < goal && first > 2 * goal, "%s: the loss falls from %.3f to %.3f", name, first, last);
		else
			ok(n[t].ps.total == n[0].ps.total &&
				   memcmp(n[t].ps.values, n[0].ps.values, n[0].ps.total * sizeof(float)) == 0,
			   "%s: the same weights with %u threads", name, t + 1);
	}
	for (unsigned t = 0; t < 3; t++)
		vla_params_release(&n[t].ps);
}

int main(void)
{
	test("stripes", stripes_build, stripes_loss, 25, 0.25);
	test("pairs", pairs_build, pairs_loss, 80, 0.6);
	return done();
}
