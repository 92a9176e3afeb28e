/* Towers with random weights: seconds a picture or a text of one of ViT-B/32, B/16 and L/14 and of their text towers.
 *The same shapes in PyTorch: torch_tower.py; the two in turn: tower.sh. With one thread processor time is counted,
 *which other programs disturb less.
 *
 *	bench_tower [NAME] [batch] [threads] [runs]      NAME: b32, b16, l14, b32-text, l14-text
 */
#include "nn/towers.h"

#include <time.h>

static const struct shape {
	const char *name;
	uint32_t patch; // 0: texts
	size_t width;
	unsigned layers, heads;
} shapes[] = {
	{ "b32", 32, 768, 12, 12 },    { "b16", 16, 768, 12, 12 },     { "l14", 14, 1024, 24, 16 },
	{ "b32-text", 0, 512, 12, 8 }, { "l14-text", 0, 768, 12, 12 },
};
enum { SIDE = 224, TEXT = 77, VOCAB = 49408 };

static clockid_t timer = CLOCK_MONOTONIC;

static double now(void)
{
	struct timespec t;
	clock_gettime(timer, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct bench {
	vla_step g;
	vla_vit vit;
	vla_textnet text;
	const struct shape *s;
	size_t batch;
	float *pixels;
	uint32_t *ids;
	size_t *offset;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_tower: %s\n", what);
	exit(2);
}

static void make(struct bench *b, vla_params *ps, vla_rng *rng)
{
	vla_maker mk = { .ps = ps, .rng = rng };
	vla_nn_block_opts block = { .width = b->s->width,
				    .hidden = 4 * b->s->width,
				    .heads = b->s->heads,
				    .layers = b->s->layers,
				    .act = VLA_ACT_QUICK_GELU,
				    .eps = 1e-5f };
	if (b->s->patch)
		vla_vit_init(&b->vit, &mk, "image",
			     &(vla_vit_opts){ .image_size = SIDE,
					      .patch = b->s->patch,
					      .block = block,
					      .class_token = true,
					      .pre_norm = true,
					      .pool = VLA_POOL_FIRST });
	else
		vla_textnet_init(&b->text, &mk, "text",
				 &(vla_textnet_opts){ .vocab = VOCAB,
						      .positions = TEXT,
						      .block = block,
						      .causal = true,
						      .pool = VLA_POOL_MAX_ID });
	if (vla_maker_status(&mk, NULL) != VLA_OK)
		die("out of memory");
}

static void run(struct bench *b)
{
	vla_tensor *x;
	vla_step_reset(&b->g);
	if (b->s->patch) {
		x = vla_tensor_view(&b->g, 4, (size_t[]){ b->batch, SIDE, SIDE, 3 }, b->pixels);
		x = vla_vit_embed(&b->g, &b->vit, x, NULL);
	} else {
		x = vla_textnet_forward(&b->g, &b->text, &(vla_texts){ b->ids, b->offset, b->batch }, false, NULL);
	}
	if (!x)
		die(b->g.err.msg);
}

static void fill(struct bench *b, vla_rng *rng)
{
	size_t n = b->batch * SIDE * SIDE * 3;
	b->pixels = vla_alloc(n, sizeof *b->pixels);
	b->ids = vla_alloc(b->batch * TEXT, sizeof *b->ids);
	b->offset = vla_alloc(b->batch + 1, sizeof *b->offset);
	if (!b->pixels || !b->ids || !b->offset)
		die("out of memory");
	for (size_t i = 0; i < n; i++)
		b->pixels[i] = 2 * vla_rng_float(rng) - 1;
	for (size_t i = 0; i < b->batch * TEXT; i++)
		b->ids[i] = i % TEXT == TEXT - 1 ? VOCAB - 1 : (uint32_t)vla_rng_below(rng, VOCAB - 1);
	for (size_t i = 0; i <= b->batch; i++)
		b->offset[i] = i * TEXT;
}

int main(int argc, char **argv)
{
	struct bench b = { .s = &shapes[0], .batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 8 };
	unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
	size_t runs = argc > 4 ? strtoul(argv[4], NULL, 10) : 3;
	vla_params ps = { 0 };
	vla_pool *pool = NULL;
	vla_rng rng;
	for (size_t i = 0; argc > 1 && i < sizeof shapes / sizeof *shapes; i++)
		if (strcmp(argv[1], shapes[i].name) == 0)
			b.s = &shapes[i];
	if (threads == 1)
		timer = CLOCK_PROCESS_CPUTIME_ID;
	vla_arena *arena = vla_arena_new((size_t)8 << 20);
	if (!arena || b.batch < 1 || vla_pool_new(threads, &pool, NULL) != VLA_OK)
		die("out of memory");
	vla_step_init(&b.g, arena, pool);
	b.g.compute = VLA_COMPUTE_F32;
	vla_rng_seed(&rng, 1, 0);
	fill(&b, &rng);
	make(&b, &ps, &rng);
	run(&b);
	printf("tower\tbatch\tthreads\tms_each\n");
	for (size_t i = 0; i < runs; i++) {
		double t = now();
		run(&b);
		printf("%s\t%zu\t%u\t%.2f\n", b.s->name, b.batch, threads, (now() - t) * 1e3 / (double)b.batch);
		fflush(stdout);
	}
	vla_vit_release(&b.vit);
	vla_textnet_release(&b.text);
	vla_params_release(&ps);
	vla_arena_free(arena);
	vla_pool_free(pool);
	free(b.pixels);
	free(b.ids);
	free(b.offset);
	return 0;
}
