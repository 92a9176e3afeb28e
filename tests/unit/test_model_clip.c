/* CLIP in the Hugging Face layout against upstream's own numbers (golden/clip-a): every expected tensor, those inside
 * the towers included, to 1e-4 of its largest value. A small CLIP made, saved and opened needs no files. */
#include "golden.h"
#include "model/model.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

#define DIR "golden/clip-a"
#define NTEXTS 6
#define NPICTURES 4

static golden want;

// The first picture's (text's) part of a value inside a tower.
struct seen {
	const char *tower;
	size_t rows; // of the first text
};

static void watch(void *ctx, const char *name, const vla_tensor *x)
{
	const struct seen *s = ctx;
	static const char *const names[][2] = { { "embeddings", "embeddings" },
						{ "pre_norm", "pre_layernorm" },
						{ "layers.0", "block0" },
						{ "layers.1", "last_block" } };
	for (size_t i = 0; i < 4; i++) {
		char key[64];
		if (strcmp(name, names[i][0]) != 0)
			continue;
		snprintf(key, sizeof key, "%s.%s", s->tower, names[i][1]);
		golden_compare_from(&want, x->data, key, 0, (s->rows ? s->rows : x->dim[1]) * x->dim[2]);
	}
	// Upstream norms all rows; here only the end token's, the last of the first text.
	if (strcmp(name, "pooled") == 0)
		golden_compare_from(&want, x->data, "text.final_norm", (s->rows - 1) * 32, 32);
}

static void test_image(vla_model *m, float *embeds)
{
	static float pixels[NPICTURES * 32 * 32 * 3], pooled[NPICTURES * 40], tokens[NPICTURES * 16 * 40];
	vla_err err = VLA_ERR_INIT;
	golden_preprocess(&want, m, "pixel_values", 0.26130258);
	golden_pixels(&want, "pixel_values", pixels, sizeof pixels / sizeof *pixels);
	struct seen s = { "vision", 0 };
	vla_watch w = { watch, &s };
	vla_model_set_watch(m, &w);
	ok(vla_model_embed_pixels(m, pixels, NPICTURES, VLA_OUT_POOLED, pooled, &err) == VLA_OK, "pooled %s", err.msg);
	vla_model_set_watch(m, NULL);
	golden_compare(&want, pooled, "vision.pooled", sizeof pooled / sizeof *pooled);
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	vla_tensor *x = vla_tensor_view(&g, 2, (size_t[]){ NPICTURES, 40 }, pooled);
	x = vla_model_image_project(&g, m, x);
	if (ok(x != NULL, "projection"))
		golden_compare(&want, x->data, "image_features", x->n);
	vla_arena_free(arena);
	ok(vla_model_embed_pixels(m, pixels, NPICTURES, VLA_OUT_EMBED, embeds, &err) == VLA_OK, "embed %s", err.msg);
	golden_compare(&want, embeds, "image_embeds", NPICTURES * 40);
	ok(vla_model_embed_pixels(m, pixels, NPICTURES, VLA_OUT_TOKENS, tokens, &err) == VLA_OK, "tokens %s", err.msg);
}

static void test_text_tower(vla_model *m)
{
	static uint32_t ids[NTEXTS * 77];
	size_t offset[NTEXTS + 1];
	if (!golden_ids(&want, "input_ids", "attention_mask", ids, sizeof ids / sizeof *ids, offset))
		return;
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_err err = VLA_ERR_INIT;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	struct seen s = { "text", offset[1] };
	vla_watch w = { watch, &s };
	vla_text_batch batch = { ids, offset, NTEXTS };
	vla_model_set_watch(m, &w);
	vla_tensor *x = vla_model_text(&g, m, &batch);
	vla_model_set_watch(m, NULL);
	if (ok(vla_step_status(&g, &err) == VLA_OK, "text tower %s", err.msg))
		golden_compare(&want, x->data, "text_features", x->n);
	vla_arena_free(arena);
}

static void test_texts(vla_model *m, float *embeds)
{
	const char *texts[NTEXTS];
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; i < NTEXTS; i++)
		texts[i] = golden_text(&want, i);
	if (ok(vla_model_embed_texts(m, texts, NTEXTS, embeds, &err) == VLA_OK, "texts %s", err.msg))
		golden_compare(&want, embeds, "text_embeds", NTEXTS * 40);
}

static void test_scores(const vla_model *m, const float *image, const float *text)
{
	float logits[NPICTURES * NTEXTS], probs[NPICTURES * NTEXTS];
	for (size_t i = 0; i < NPICTURES; i++)
		for (size_t k = 0; k < NTEXTS; k++) {
			double sum = 0;
			for (size_t c = 0; c < 40; c++)
				sum += (double)image[i * 40 + c] * text[k * 40 + c];
			logits[i * NTEXTS + k] = (float)(sum * vla_model_get_info(m)->logit_scale);
		}
	golden_compare(&want, logits, "logits_per_image", NPICTURES * NTEXTS);
	for (size_t i = 0; i < NPICTURES; i++) {
		double sum = 0;
		for (size_t k = 0; k < NTEXTS; k++)
			sum += exp((double)logits[i * NTEXTS + k]);
		for (size_t k = 0; k < NTEXTS; k++)
			probs[i * NTEXTS + k] = (float)(exp((double)logits[i * NTEXTS + k]) / sum);
	}
	golden_compare(&want, probs, "probs_per_image", NPICTURES * NTEXTS);
}

// A text query must not wait for the image tower: nothing of it is converted, packed or read as f32.
static void test_lazy(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	float v[40];
	bool good = vla_model_open(shared(DIR), NULL, &m, &err) == VLA_OK &&
		    vla_model_embed_texts(m, (const char *[]){ "a cat" }, 1, v, &err) == VLA_OK;
	size_t touched = 0;
	for (size_t i = 0; good && i < m->params.n; i++)
		touched += strncmp(m->params.p[i]->name, "image.", 6) == 0 &&
			   (m->params.p[i]->value || m->params.p[i]->packed);
	ok(good && touched == 0, "a text query leaves the image tower alone %s", err.msg);
	vla_model_close(m);
}

static void test_golden(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	if (!golden_open(&want, DIR, "expected.safetensors"))
		return;
	float image[NPICTURES * 40], text[NTEXTS * 40];
	if (ok(vla_model_open(shared(DIR), &o, &m, &err) == VLA_OK, "opens %s", err.msg)) {
		const vla_model_info *i = vla_model_get_info(m);
		ok(i->dim == 40 && i->image_size == 32 && i->has_image && i->has_text && !i->sigmoid, "info");
		test_image(m, image);
		test_text_tower(m);
		test_texts(m, text);
		test_scores(m, image, text);
		test_lazy();
	}
	vla_model_close(m);
	golden_close(&want);
}

// Upstream names and layouts are what a saved CLIP holds.
static void test_small(void)
{
	vla_err err = VLA_ERR_INIT;
	char dir[] = "/tmp/vla-test-clip-XXXXXX", file[64];
	vla_model *m = NULL, *r = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	json_t *config = json_pack("{s:s, s:i, s:{s:i,s:i,s:i,s:i,s:i}, s:{s:i,s:i,s:i,s:i,s:i,s:i}}", "model_type",
				   "clip", "projection_dim", 16, "text_config", "hidden_size", 16, "intermediate_size",
				   32, "num_hidden_layers", 1, "num_attention_heads", 2, "vocab_size", 20,
				   "vision_config", "hidden_size", 24, "intermediate_size", 48, "num_hidden_layers", 2,
				   "num_attention_heads", 3, "image_size", 16, "patch_size", 4);
	static float x[16 * 16 * 3], a[16], b[16];
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		x[i] = (float)sin((double)i);
	bool good = mkdtemp(dir) && vla_model_create(config, NULL, &o, 1, &m, &err) == VLA_OK;
	good = good && vla_model_embed_pixels(m, x, 1, VLA_OUT_EMBED, a, &err) == VLA_OK;
	good = good && vla_model_save(m, dir, VLA_F32, &err) == VLA_OK && vla_model_open(dir, &o, &r, &err) == VLA_OK;
	good = good && vla_model_embed_pixels(r, x, 1, VLA_OUT_EMBED, b, &err) == VLA_OK;
	ok(good && memcmp(a, b, sizeof a) == 0, "a small one is made, saved and opened %s", err.msg);
	vla_checkpoint *c = NULL;
	if (good && vla_checkpoint_open(dir, &c, &err) == VLA_OK) {
		const vla_ct *t = vla_checkpoint_get(c, "vision_model.embeddings.patch_embedding.weight");
		ok(t && t->ndim == 4 && t->dim[0] == 24 && t->dim[1] == 3 && t->dim[2] == 4,
		   "patches as upstream has them");
		ok(vla_checkpoint_get(c, "vision_model.pre_layrnorm.weight") &&
			   vla_checkpoint_get(c, "text_model.encoder.layers.0.self_attn.out_proj.bias"),
		   "upstream's names");
		vla_checkpoint_close(c);
	}
	ok(r && vla_model_embed_texts(r, (const char *[]){ "a" }, 1, b, &err) != VLA_OK, "no tokenizer: %s", err.msg);
	json_decref(config);
	vla_model_close(m);
	vla_model_close(r);
	static const char *const made[] = { "config.json", "preprocessor_config.json", "model.safetensors" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof file, "%s/%s", dir, made[i]);
		unlink(file);
	}
	ok(rmdir(dir) == 0, "three files");
}

int main(void)
{
	test_golden();
	test_small();
	return done();
}
