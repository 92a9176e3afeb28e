/* CLIP in the Hugging Face layout against upstream's own numbers (golden/clip-a): every expected tensor, those inside
 * the towers included, to 1e-4 of its largest value. A small CLIP made, saved and opened needs no files. */
#include "model/model.h"
#include "tap.h"

#include <vla/checkpoint.h>

#include <math.h>
#include <unistd.h>

#define DIR "golden/clip-a"
#define NTEXTS 6
#define NPICTURES 4
#define TOLERANCE 1e-4

static vla_checkpoint *want;
static const char *const pictures[NPICTURES] = { "0-rgb.png", "1-gray.png", "2-rgba.png", "3-photo.jpg" };

// Largest difference over the largest expected value, of the n elements from `begin` on.
static double off_by(const float *got, const char *key, size_t begin, size_t n)
{
	const vla_ct *t = vla_checkpoint_get(want, key);
	float *x = t ? vla_alloc(t->n, sizeof *x) : NULL;
	if (!x || begin + n > t->n || vla_ct_to_f32(t, x, NULL) != VLA_OK) {
		free(x);
		return INFINITY;
	}
	double max = 0, d = 0;
	for (size_t i = 0; i < t->n; i++)
		max = fmax(max, fabs((double)x[i]));
	for (size_t i = 0; i < n; i++)
		d = fmax(d, fabs((double)got[i] - x[begin + i]));
	free(x);
	return d / max;
}

static void compare_from(const float *got, const char *key, size_t begin, size_t n)
{
	double d = off_by(got, key, begin, n);
	ok(d <= TOLERANCE, "%s (off by %.2g)", key, d);
}

static void compare(const float *got, const char *key, size_t n)
{
	compare_from(got, key, 0, n);
}

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
		compare(x->data, key, (s->rows ? s->rows : x->dim[1]) * x->dim[2]);
	}
	// Upstream norms all rows; here only the end token's, the last of the first text.
	if (strcmp(name, "pooled") == 0)
		compare_from(x->data, "text.final_norm", (s->rows - 1) * 32, 32);
}

static bool load_pixels(vla_model *m, float *pixels)
{
	vla_err err = VLA_ERR_INIT;
	vla_image im = VLA_IMAGE_INIT;
	bool good = true;
	for (size_t i = 0; good && i < NPICTURES; i++) {
		char path[128];
		snprintf(path, sizeof path, DIR "/images/%s", pictures[i]);
		const char *file = shared(path);
		good = file && vla_image_load(file, NULL, &im, &err) == VLA_OK &&
		       vla_model_preprocess(m, &im, pixels + i * 32 * 32 * 3, &err) == VLA_OK;
	}
	if (!good)
		note("%s", err.msg);
	vla_image_release(&im);
	return good;
}

// Expected pixels are [n, 3, 32, 32]; 2e-5 absolute for the PNG files.
static void compare_pixels(const float *pixels)
{
	const vla_ct *t = vla_checkpoint_get(want, "pixel_values");
	const float *x = t->data;
	double max[NPICTURES] = { 0 };
	for (size_t i = 0; i < NPICTURES; i++)
		for (size_t k = 0; k < 1024; k++)
			for (size_t c = 0; c < 3; c++)
				max[i] = fmax(max[i],
					      fabs((double)pixels[(i * 1024 + k) * 3 + c] - x[(i * 3 + c) * 1024 + k]));
	for (size_t i = 0; i < 3; i++)
		ok(max[i] <= 2e-5, "pixel_values of %s (off by %.2g)", pictures[i], max[i]);
	// A decoder one level off moves a pixel by 1/255/std.
	ok(max[3] <= 1.01 / 255 / 0.26130258, "pixel_values of %s (off by %.2g)", pictures[3], max[3]);
}

static void use_expected_pixels(float *pixels)
{
	const float *x = vla_checkpoint_get(want, "pixel_values")->data;
	for (size_t i = 0; i < NPICTURES; i++)
		for (size_t k = 0; k < 1024; k++)
			for (size_t c = 0; c < 3; c++)
				pixels[(i * 1024 + k) * 3 + c] = x[(i * 3 + c) * 1024 + k];
}

static void test_image(vla_model *m, float *embeds)
{
	static float pixels[NPICTURES * 32 * 32 * 3], pooled[NPICTURES * 40], tokens[NPICTURES * 16 * 40];
	vla_err err = VLA_ERR_INIT;
	if (ok(load_pixels(m, pixels), "pictures"))
		compare_pixels(pixels);
	use_expected_pixels(pixels);
	struct seen s = { "vision", 0 };
	vla_watch w = { watch, &s };
	vla_model_set_watch(m, &w);
	ok(vla_model_embed_pixels(m, pixels, NPICTURES, VLA_OUT_POOLED, pooled, &err) == VLA_OK, "pooled %s", err.msg);
	vla_model_set_watch(m, NULL);
	compare(pooled, "vision.pooled", sizeof pooled / sizeof *pooled);
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	vla_tensor *x = vla_tensor_view(&g, 2, (size_t[]){ NPICTURES, 40 }, pooled);
	x = vla_model_image_project(&g, m, x);
	if (ok(x != NULL, "projection"))
		compare(x->data, "image_features", x->n);
	vla_arena_free(arena);
	ok(vla_model_embed_pixels(m, pixels, NPICTURES, VLA_OUT_EMBED, embeds, &err) == VLA_OK, "embed %s", err.msg);
	compare(embeds, "image_embeds", NPICTURES * 40);
	ok(vla_model_embed_pixels(m, pixels, NPICTURES, VLA_OUT_TOKENS, tokens, &err) == VLA_OK, "tokens %s", err.msg);
}

// Ids of expected.safetensors without their padding.
static size_t expected_ids(uint32_t *ids, size_t *offset)
{
	const int64_t *id = vla_checkpoint_get(want, "input_ids")->data;
	const int64_t *mask = vla_checkpoint_get(want, "attention_mask")->data;
	size_t n = 0;
	for (size_t i = 0; i < NTEXTS; i++) {
		offset[i] = n;
		for (size_t k = 0; k < 77; k++)
			if (mask[i * 77 + k])
				ids[n++] = (uint32_t)id[i * 77 + k];
	}
	offset[NTEXTS] = n;
	return n;
}

static void test_text_tower(vla_model *m)
{
	static uint32_t ids[NTEXTS * 77];
	size_t offset[NTEXTS + 1];
	expected_ids(ids, offset);
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
		compare(x->data, "text_features", x->n);
	vla_arena_free(arena);
}

static void test_texts(vla_model *m, const json_t *expected, float *embeds)
{
	const json_t *list = json_object_get(expected, "texts");
	const char *texts[NTEXTS];
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; i < NTEXTS; i++)
		texts[i] = json_string_value(json_array_get(list, i));
	if (ok(vla_model_embed_texts(m, texts, NTEXTS, embeds, &err) == VLA_OK, "texts %s", err.msg))
		compare(embeds, "text_embeds", NTEXTS * 40);
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
	compare(logits, "logits_per_image", NPICTURES * NTEXTS);
	for (size_t i = 0; i < NPICTURES; i++) {
		double sum = 0;
		for (size_t k = 0; k < NTEXTS; k++)
			sum += exp((double)logits[i * NTEXTS + k]);
		for (size_t k = 0; k < NTEXTS; k++)
			probs[i * NTEXTS + k] = (float)(exp((double)logits[i * NTEXTS + k]) / sum);
	}
	compare(probs, "probs_per_image", NPICTURES * NTEXTS);
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
	vla_model_opts o = { NULL, VLA_COMPUTE_F32 };
	const char *path = shared(DIR "/expected.safetensors");
	if (!path || vla_checkpoint_open(path, &want, &err) != VLA_OK) {
		skip("no " DIR);
		return;
	}
	path = shared(DIR "/expected.json");
	json_t *expected = path ? json_load_file(path, 0, NULL) : NULL;
	float image[NPICTURES * 40], text[NTEXTS * 40];
	if (ok(vla_model_open(shared(DIR), &o, &m, &err) == VLA_OK, "opens %s", err.msg)) {
		const vla_model_info *i = vla_model_get_info(m);
		ok(i->dim == 40 && i->image_size == 32 && i->has_image && i->has_text && !i->sigmoid, "info");
		test_image(m, image);
		test_text_tower(m);
		test_texts(m, expected, text);
		test_scores(m, image, text);
		test_lazy();
	}
	json_decref(expected);
	vla_model_close(m);
	vla_checkpoint_close(want);
}

// Upstream names and layouts are what a saved CLIP holds.
static void test_small(void)
{
	vla_err err = VLA_ERR_INIT;
	char dir[] = "/tmp/vla-test-clip-XXXXXX", file[64];
	vla_model *m = NULL, *r = NULL;
	vla_model_opts o = { NULL, VLA_COMPUTE_F32 };
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
