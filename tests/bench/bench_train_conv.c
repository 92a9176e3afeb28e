/* Training speed of an inverted-residual convolution network (MobileNetV2's layout at a given width): pictures a
 *second, forward and backward, and the share of each operator. The same shapes in PyTorch: torch_conv.py.
 *
 *	bench_train_conv [width in per cent] [side] [batch] [threads] [steps]
 */
#include "grad/grad.h"

#include <math.h>
#include <time.h>

struct net {
	vla_params ps;
	vla_step g;
	size_t width; // per cent
	vla_rng rng;
	unsigned layer;
};

// With one thread processor time, which other programs disturb less.
static clockid_t timer = CLOCK_MONOTONIC;

static double now(void)
{
	struct timespec t;
	clock_gettime(timer, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// The parameter of this layer and name, made at the first call.
static vla_param *param(struct net *m, const char *what, unsigned ndim, const size_t *dim, float fill, float spread)
{
	char name[64];
	snprintf(name, sizeof name, "%u.%s", m->layer, what);
	vla_param *p = vla_params_find(&m->ps, name);
	if (p)
		return p;
	p = vla_params_add(&m->ps, name, ndim, dim);
	if (!p || !(p->owned = p->value = vla_alloc(p->n, sizeof(float))))
		exit(2);
	for (size_t i = 0; i < p->n; i++)
		p->value[i] = fill + spread * (float)vla_rng_normal(&m->rng);
	p->trainable = true;
	return p;
}

static vla_tensor *norm(struct net *m, vla_tensor *x, vla_act act)
{
	if (!x)
		return NULL;
	size_t c = x->dim[3];
	vla_param *g = param(m, "gamma", 1, &c, 1, 0), *b = param(m, "beta", 1, &c, 0, 0);
	vla_param *mean = param(m, "mean", 1, &c, 0, 0), *var = param(m, "var", 1, &c, 1, 0);
	mean->buffer = var->buffer = true;
	m->layer++;
	return vla_batch_norm_act(&m->g, x, vla_use(&m->g, g), vla_use(&m->g, b), mean, var, 1e-5f, 0.1f, act);
}

static vla_tensor *conv(struct net *m, vla_tensor *x, size_t out, size_t k, unsigned stride, vla_act act)
{
	if (!x)
		return NULL;
	size_t in = x->dim[3], dim[] = { out, k, k, in };
	unsigned pad = (unsigned)k / 2;
	vla_param *w = param(m, "w", 4, dim, 0, sqrtf(2.0f / (float)(k * k * in)));
	return norm(m, vla_conv2d(&m->g, x, vla_use(&m->g, w), NULL, (vla_conv_attr){ stride, pad, pad, pad, pad }),
		    act);
}

static vla_tensor *depthwise(struct net *m, vla_tensor *x, unsigned stride)
{
	if (!x)
		return NULL;
	size_t dim[] = { 3, 3, x->dim[3] };
	vla_param *w = param(m, "dw", 3, dim, 0, 0.4f);
	x = vla_conv2d_depthwise(&m->g, x, vla_use(&m->g, w), NULL, (vla_conv_attr){ stride, 1, 1, 1, 1 });
	return norm(m, x, VLA_ACT_RELU6);
}

static size_t channels(const struct net *m, size_t c)
{
	size_t v = (c * m->width + 399) / 800 * 8;
	return v < 8 ? 8 : v;
}

static vla_tensor *forward(struct net *m, vla_tensor *x)
{
	static const size_t blocks[][4] = {
		// expansion, channels, repeats, stride of the first
		{ 1, 16, 1, 1 }, { 6, 24, 2, 2 },  { 6, 32, 3, 2 },  { 6, 64, 4, 2 },
		{ 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 },
	};
	m->layer = 0;
	x = conv(m, x, channels(m, 32), 3, 2, VLA_ACT_RELU6);
	for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
		for (size_t r = 0; r < blocks[i][2] && x; r++) {
			vla_tensor *in = x;
			size_t c = channels(m, blocks[i][1]);
			unsigned stride = r ? 1 : (unsigned)blocks[i][3];
			if (blocks[i][0] > 1)
				x = conv(m, x, in->dim[3] * blocks[i][0], 1, 1, VLA_ACT_RELU6);
			x = depthwise(m, x, stride);
			x = conv(m, x, c, 1, 1, VLA_ACT_NONE);
			if (stride == 1 && x && in->dim[3] == c)
				x = vla_add(&m->g, x, in);
		}
	x = conv(m, x, channels(m, 1280), 1, 1, VLA_ACT_RELU6);
	x = vla_mean_pool(&m->g, x);
	return vla_mean(&m->g, vla_mul(&m->g, x, x));
}

/* --- time of each operator: the nodes of one pass again, forward and then backward --- */

#define KINDS 8
static const char *const kind_name[KINDS] = {
	"conv2d 1x1", "conv2d 3x3", "conv2d_depthwise", "batch_norm", "add", "mean_pool", "other", ""
};
static double spent[2][KINDS];
static vla_op timed[64];

static size_t kind(const vla_node *nd)
{
	if (strcmp(nd->op->name, "conv2d") == 0)
		return nd->in[1]->dim[1] == 1 ? 0 : 1;
	for (size_t i = 2; i < 6; i++)
		if (strcmp(nd->op->name, kind_name[i]) == 0)
			return i;
	return 6;
}

static vla_status timed_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	double t = now();
	vla_status s = vla_ops[nd->op - timed]->backward(g, nd, err);
	spent[1][kind(nd)] += now() - t;
	return s;
}

static void profile(struct net *m, vla_tensor *loss, size_t batch)
{
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; vla_ops[i]; i++) {
		timed[i] = *vla_ops[i];
		if (timed[i].backward)
			timed[i].backward = timed_backward;
	}
	for (size_t k = 0; k < m->g.tape->n; k++) {
		vla_node *nd = m->g.tape->node[k];
		double t = now();
		if (nd->op->view || nd->op->forward(&m->g, nd, &err) != VLA_OK)
			continue;
		spent[0][kind(nd)] += now() - t;
		for (size_t i = 0; vla_ops[i]; i++)
			if (nd->op == vla_ops[i]) {
				nd->op = &timed[i];
				break;
			}
	}
	if (vla_backward(&m->g, loss, &err) != VLA_OK)
		exit(2);
	double all = 0;
	for (size_t k = 0; k < KINDS; k++)
		all += spent[0][k] + spent[1][k];
	printf("operator\tforward_ms\tbackward_ms\tshare\n");
	for (size_t k = 0; k + 1 < KINDS; k++)
		printf("%s\t%.2f\t%.2f\t%.3f\n", kind_name[k], 1e3 * spent[0][k], 1e3 * spent[1][k],
		       (spent[0][k] + spent[1][k]) / all);
	printf("all\t%.1f\t\t%.0f pictures/s in operators\n", 1e3 * all, (double)batch / all);
}

int main(int argc, char **argv)
{
	size_t a[5] = { 50, 128, 64, 2, 6 };
	for (int i = 1; i < argc && i < 6; i++)
		a[i - 1] = strtoul(argv[i], NULL, 10);
	if (a[3] == 1)
		timer = CLOCK_PROCESS_CPUTIME_ID;
	size_t side = a[1], batch = a[2];
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool;
	if (vla_pool_new((unsigned)a[3], &pool, &err) != VLA_OK)
		return 2;
	struct net m = { .width = a[0] };
	vla_arena *arena = vla_arena_new((size_t)64 << 20);
	vla_tape tape = { 0 };
	vla_rng_seed(&m.rng, 1, 1);
	vla_step_init(&m.g, arena, pool);
	m.g.tape = &tape;
	m.g.training = true;
	m.g.compute = VLA_COMPUTE_F32;
	float *pixels = vla_alloc(batch * side * side * 3, sizeof *pixels);
	if (!pixels || !arena)
		return 2;
	for (size_t i = 0; i < batch * side * side * 3; i++)
		pixels[i] = vla_rng_float(&m.rng) - 0.5f;
	double best = 1e9, total = 0;
	for (size_t s = 0; s < a[4] + 2; s++) {
		size_t dim[] = { batch, side, side, 3 };
		vla_step_reset(&m.g);
		double t = now();
		vla_tensor *loss = forward(&m, vla_tensor_view(&m.g, 4, dim, pixels));
		if (s == 0) { // parameters exist now
			if (vla_step_status(&m.g, &err) != VLA_OK || vla_params_own(&m.ps, &err) != VLA_OK) {
				fprintf(stderr, "%s\n", err.msg);
				return 2;
			}
			continue;
		}
		vla_params_zero_grad(&m.ps);
		if (s == a[4] + 1) {
			profile(&m, loss, batch);
			break;
		}
		if (vla_backward(&m.g, loss, &err) != VLA_OK) {
			fprintf(stderr, "%s\n", err.msg);
			return 2;
		}
		t = now() - t;
		total += s > 1 ? t : 0;
		best = t < best ? t : best;
	}
	printf("width\tside\tbatch\tthreads\tmean_pictures_s\tbest_pictures_s\tMiB\n");
	printf("%.2f\t%zu\t%zu\t%zu\t%.1f\t%.1f\t%zu\n", (double)a[0] / 100, side, batch, a[3],
	       (double)(batch * (a[4] - 1)) / total, (double)batch / best, vla_arena_bytes(arena) >> 20);
	vla_tape_release(&tape);
	vla_params_release(&m.ps);
	vla_arena_free(arena);
	vla_pool_free(pool);
	free(pixels);
	return 0;
}
