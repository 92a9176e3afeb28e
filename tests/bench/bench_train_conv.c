/* Training speed of the convolutional tower: pictures a second, forward and backward, and the share of each operator.
 * The same shapes in PyTorch: torch_conv.py; the ratio of the two: train_conv.sh.
 *
 *	bench_train_conv [layout] [side] [batch] [threads] [steps]
 *
 * layout: mini, the default model's, or the width of a MobileNetV2 in per cent.
 */
#include "nn/towers.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define MAX_BLOCKS 32

struct net {
	vla_params ps;
	vla_step g;
	vla_convnet tower;
};

// A row of inverted residuals; channels 0 ends the table.
struct row {
	size_t expand, channels, repeat;
	unsigned stride;
};

static const struct row mobilenet[] = { { 1, 16, 1, 1 }, { 6, 24, 2, 2 },  { 6, 32, 3, 2 },  { 6, 64, 4, 2 },
					{ 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 }, { 0, 0, 0, 0 } };
static const struct row mini[] = {
	{ 4, 32, 2, 1 }, { 5, 64, 3, 2 }, { 6, 128, 4, 2 }, { 6, 192, 2, 2 }, { 0, 0, 0, 0 }
};

// With one thread processor time, which other programs disturb less.
static clockid_t timer = CLOCK_MONOTONIC;

static double now(void)
{
	struct timespec t;
	clock_gettime(timer, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t channels(size_t c, size_t width)
{
	size_t v = (c * width + 399) / 800 * 8;
	return v < 8 ? 8 : v;
}

static void build(struct net *m, const char *layout)
{
	bool is_mini = strcmp(layout, "mini") == 0;
	size_t width = is_mini ? 100 : strtoul(layout, NULL, 10);
	vla_nn_residual_opts block[MAX_BLOCKS];
	vla_convnet_opts o = { .stem_channels = channels(32, width),
			       .stem_kernel = is_mini ? 4 : 3,
			       .stem_stride = is_mini ? 4 : 2,
			       .block = block,
			       .hidden = channels(1280, width),
			       .act = VLA_ACT_RELU6,
			       .eps = 1e-5f,
			       .momentum = 0.1f };
	size_t in = o.stem_channels;
	for (const struct row *r = is_mini ? mini : mobilenet; r->channels; r++)
		for (size_t i = 0; i < r->repeat && o.blocks < MAX_BLOCKS; i++) {
			size_t out = channels(r->channels, width);
			block[o.blocks++] = (vla_nn_residual_opts){ .in = in,
								    .hidden = in * r->expand,
								    .out = out,
								    .expand = r->expand > 1,
								    .kernel = 3,
								    .stride = i ? 1 : r->stride };
			in = out;
		}
	vla_rng rng;
	vla_rng_seed(&rng, 1, 1);
	vla_maker mk = { .ps = &m->ps, .rng = &rng };
	vla_convnet_init(&m->tower, &mk, "image", &o);
	vla_err err = VLA_ERR_INIT;
	if (vla_maker_status(&mk, &err) != VLA_OK || vla_params_own(&m->ps, &err) != VLA_OK) {
		fprintf(stderr, "%s\n", err.msg);
		exit(2);
	}
}

static vla_tensor *forward(struct net *m, vla_tensor *x)
{
	x = vla_mean_pool(&m->g, vla_convnet_forward(&m->g, &m->tower, x, NULL));
	return vla_mean(&m->g, vla_mul(&m->g, x, x));
}

/* --- time of each operator: the nodes of one pass again, forward and then backward --- */

#define KINDS 8
static const char *const kind_name[KINDS] = {
	"conv2d 1x1", "conv2d kxk", "conv2d_depthwise", "batch_norm", "add", "mean_pool", "other", ""
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
	const char *layout = argc > 1 ? argv[1] : "mini";
	size_t a[4] = { 96, 64, 2, 6 };
	for (int i = 2; i < argc && i < 6; i++)
		a[i - 2] = strtoul(argv[i], NULL, 10);
	size_t side = a[0], batch = a[1], threads = a[2], steps = a[3];
	if (threads == 1)
		timer = CLOCK_PROCESS_CPUTIME_ID;
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool;
	vla_arena *arena = vla_arena_new((size_t)64 << 20);
	float *pixels = vla_alloc(batch * side * side * 3, sizeof *pixels);
	if (!pixels || !arena || vla_pool_new((unsigned)threads, &pool, &err) != VLA_OK)
		return 2;
	struct net m = { 0 };
	vla_tape tape = { 0 };
	build(&m, layout);
	vla_step_init(&m.g, arena, pool);
	m.g.tape = &tape;
	m.g.training = true;
	m.g.compute = VLA_COMPUTE_F32;
	vla_rng rng;
	vla_rng_seed(&rng, 2, 1);
	for (size_t i = 0; i < batch * side * side * 3; i++)
		pixels[i] = vla_rng_float(&rng) - 0.5f;
	double best = 1e9, total = 0;
	for (size_t s = 0; s <= steps + 1; s++) { // the first warms up, the last is taken apart
		size_t dim[] = { batch, side, side, 3 };
		vla_step_reset(&m.g);
		vla_params_zero_grad(&m.ps);
		double t = now();
		vla_tensor *loss = forward(&m, vla_tensor_view(&m.g, 4, dim, pixels));
		if (s == steps + 1) {
			profile(&m, loss, batch);
			break;
		}
		if (vla_step_status(&m.g, &err) != VLA_OK || vla_backward(&m.g, loss, &err) != VLA_OK) {
			fprintf(stderr, "%s\n", err.msg);
			return 2;
		}
		t = now() - t;
		total += s ? t : 0;
		best = s && t < best ? t : best;
	}
	printf("layout\tside\tbatch\tthreads\tmean_pictures_s\tbest_pictures_s\tMiB\n");
	printf("%s\t%zu\t%zu\t%zu\t%.1f\t%.1f\t%zu\n", layout, side, batch, threads, (double)(batch * steps) / total,
	       (double)batch / best, vla_arena_bytes(arena) >> 20);
	vla_convnet_release(&m.tower);
	vla_tape_release(&tape);
	vla_params_release(&m.ps);
	vla_arena_free(arena);
	vla_pool_free(pool);
	free(pixels);
	return 0;
}
