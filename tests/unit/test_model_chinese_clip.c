/* Chinese-CLIP against upstream's own numbers: pixels, every expected value inside the towers, embeddings, scores; to
 * 1e-4 of the largest value. */
#include "golden.h"
#include "model/model.h"
#include "tap.h"

#include <math.h>

enum { DIM = 40, TEXTS = 9, LENGTH = 52, PICTURES = 4 };

static golden want;

struct seen {
	const char *tower;
	size_t rows; // of the first text; 0: all
};

static void watch(void *ctx, const char *name, const vla_tensor *x)
{
	const struct seen *s = ctx;
	static const char *const names[][2] = { { "embeddings", "embeddings" },
						{ "pre_norm", "pre_layernorm" },
						{ "layers.0", "block0" },
						{ "layers.1", "last_hidden_state" } };
	char key[64];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(key, sizeof key, "%s.%s", s->tower, names[i][1]);
		if (strcmp(name, names[i][0]) == 0 && vla_checkpoint_get(want.want, key))
			golden_compare_from(&want, x->data, key, 0, (s->rows ? s->rows : x->dim[1]) * x->dim[2]);
	}
}

static void test_image(vla_model *m, float *embeds)
{
	static float pixels[PICTURES * 32 * 32 * 3], pooled[PICTURES * DIM];
	vla_err err = VLA_ERR_INIT;
	struct seen s = { "vision", 0 };
	vla_watch w = { watch, &s };
	golden_preprocess(&want, m, "pixel_values", 0.26130258);
	if (!golden_pixels(&want, "pixel_values", pixels, sizeof pixels / sizeof *pixels))
		return;
	vla_model_set_watch(m, &w);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_POOLED, pooled, &err) == VLA_OK, "pooled %s", err.msg);
	vla_model_set_watch(m, NULL);
	golden_compare(&want, pooled, "vision.pooled", PICTURES * DIM);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_EMBED, embeds, &err) == VLA_OK, "embed %s", err.msg);
	golden_compare(&want, embeds, "image_embeds", PICTURES * DIM);
}

static void test_text(vla_model *m, float *embeds)
{
	static uint32_t ids[TEXTS * LENGTH];
	size_t offset[TEXTS + 1];
	vla_err err = VLA_ERR_INIT;
	if (!golden_ids(&want, "input_ids", "attention_mask", ids, sizeof ids / sizeof *ids, offset))
		return;
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	struct seen s = { "text", offset[1] };
	vla_watch w = { watch, &s };
	vla_text_batch all = { ids, offset, TEXTS };
	vla_model_set_watch(m, &w);
	vla_tensor *x = vla_model_text(&g, m, &all);
	vla_model_set_watch(m, NULL);
	vla_tensor *y = vla_model_text(&g, m, &all);
	if (ok(vla_step_status(&g, &err) == VLA_OK, "text tower %s", err.msg)) {
		golden_compare(&want, x->data, "text_features", TEXTS * DIM);
		golden_compare(&want, y->data, "text_features", TEXTS * DIM);
		y = vla_l2_norm(&g, y);
		golden_compare(&want, y->data, "text_embeds", TEXTS * DIM);
		memcpy(embeds, y->data, TEXTS * DIM * sizeof *embeds);
	}
	vla_arena_free(arena);
}

static void test_tokenizer(vla_model *m)
{
	static float v[TEXTS * DIM];
	const char *texts[TEXTS];
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; i < TEXTS; i++)
		texts[i] = golden_text(&want, i);
	if (ok(vla_model_embed_texts(m, texts, TEXTS, v, &err) == VLA_OK, "texts %s", err.msg))
		golden_compare(&want, v, "text_embeds", TEXTS * DIM);
}

static void test_scores(const vla_model *m, const float *image, const float *text)
{
	static float logits[PICTURES * TEXTS];
	for (size_t i = 0; i < PICTURES; i++)
		for (size_t k = 0; k < TEXTS; k++) {
			double sum = 0;
			for (size_t c = 0; c < DIM; c++)
				sum += (double)image[i * DIM + c] * text[k * DIM + c];
			logits[i * TEXTS + k] = (float)(sum * vla_model_get_info(m)->logit_scale);
		}
	golden_compare(&want, logits, "logits_per_image", PICTURES * TEXTS);
}

int main(void)
{
	static float image[PICTURES * DIM], text[TEXTS * DIM];
	const char *dir = "golden/chinese-clip-a";
	vla_model *m = NULL;
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = VLA_COMPUTE_F32;
	if (golden_open(&want, dir, "expected.safetensors")) {
		if (ok(vla_model_open(shared(dir), &o, &m, &err) == VLA_OK, "opens %s", err.msg)) {
			test_image(m, image);
			test_text(m, text);
			test_scores(m, image, text);
			test_tokenizer(m);
		}
		vla_model_close(m);
		golden_close(&want);
	}
	return done();
}
