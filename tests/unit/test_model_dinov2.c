/* DINOv2 with and without registers against upstream's own numbers: pixels, values inside the tower, class tokens and
 * patches, on pictures of other sizes than the one positions are learnt for; to 1e-4 of the largest value. */
#include "golden.h"
#include "model/model.h"
#include "tap.h"

#include <math.h>

enum { DIM = 48, PICTURES = 4, SIDE = 42 };

static golden want;

struct seen {
	const char *prefix; // of the tensors' names
};

static void watch(void *ctx, const char *name, const vla_tensor *x)
{
	const struct seen *s = ctx;
	static const char *const names[][2] = { { "patches", "patch_embeddings" },
						{ "embeddings", "embeddings" },
						{ "layers.0", "block0" } };
	char key[64];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(key, sizeof key, "%s%s", s->prefix, names[i][1]);
		if (strcmp(name, names[i][0]) == 0 && vla_checkpoint_get(want.want, key))
			golden_compare_from(&want, x->data, key, 0, x->n / x->dim[0]);
	}
}

// A stored input of another size through the tower.
static void test_size(vla_model *m, const char *prefix, size_t h, size_t w)
{
	static float pixels[84 * 84 * 3];
	char key[64];
	struct seen s = { prefix };
	vla_watch look = { watch, &s };
	vla_err err = VLA_ERR_INIT;
	snprintf(key, sizeof key, "%spixel_values", prefix);
	if (!golden_pixels(&want, key, pixels, sizeof pixels / sizeof *pixels))
		return;
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ 1, h, w, 3 }, pixels);
	vla_model_set_watch(m, &look);
	vla_tensor *cls = vla_model_image(&g, m, x, VLA_OUT_POOLED);
	vla_model_set_watch(m, NULL);
	vla_tensor *again = vla_model_image(&g, m, x, VLA_OUT_EMBED);
	vla_tensor *map = vla_model_image(&g, m, x, VLA_OUT_TOKENS);
	if (ok(vla_step_status(&g, &err) == VLA_OK, "%zux%zu %s", w, h, err.msg)) {
		snprintf(key, sizeof key, "%scls", prefix);
		golden_compare(&want, cls->data, key, DIM);
		golden_compare(&want, again->data, key, DIM);
		snprintf(key, sizeof key, "%slast_hidden_state", prefix);
		size_t extra = 1 + m->arch.vit.registers, patches = (h / 14) * (w / 14);
		ok(map->n == patches * DIM, "%zu patches", patches);
		golden_compare_from(&want, map->data, key, extra * DIM, map->n);
	}
	vla_arena_free(arena);
}

static void test_golden(const char *dir)
{
	static float pixels[PICTURES * SIDE * SIDE * 3], cls[PICTURES * DIM], tokens[PICTURES * 9 * DIM];
	vla_model *m = NULL;
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = VLA_COMPUTE_F32;
	if (!golden_open(&want, dir, "expected.safetensors"))
		return;
	if (ok(vla_model_open(shared(dir), &o, &m, &err) == VLA_OK, "%s opens %s", dir, err.msg)) {
		const vla_model_info *i = vla_model_get_info(m);
		ok(i->has_image && !i->has_text && i->dim == DIM && i->image_size == SIDE, "pictures of %u", SIDE);
		golden_preprocess(&want, m, "pixel_values", 0.224);
		golden_pixels(&want, "pixel_values", pixels, sizeof pixels / sizeof *pixels);
		struct seen s = { "" };
		vla_watch w = { watch, &s };
		vla_model_set_watch(m, &w);
		ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_POOLED, cls, &err) == VLA_OK, "%s", err.msg);
		vla_model_set_watch(m, NULL);
		golden_compare(&want, cls, "cls", PICTURES * DIM);
		ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_TOKENS, tokens, &err) == VLA_OK, "%s", err.msg);
		golden_compare(&want, tokens, "patch_tokens", 9 * DIM);
		test_size(m, "native.", 56, 56);
		test_size(m, "wide.", 84, 45);
	}
	vla_model_close(m);
	// The option for another size goes through the same preprocessing.
	o.image_size = 70;
	if (ok(vla_model_open(shared(dir), &o, &m, &err) == VLA_OK, "opens for 70 pixels %s", err.msg)) {
		ok(vla_model_pixels(m) == 70 * 70 * 3, "70x70");
		vla_model_close(m);
	}
	golden_close(&want);
}

int main(void)
{
	test_golden("golden/dinov2-a");
	test_golden("golden/dinov2-registers-a");
	return done();
}
