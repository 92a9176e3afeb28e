/* SigLIP, SigLIP 2 of fixed and of variable resolution and FG-CLIP 2 against upstream's own numbers: pixels, every
 * expected value inside the towers, embeddings, scores; to 1e-4 of the largest value. */
#include "golden.h"
#include "model/model.h"
#include "tap.h"

#include <math.h>

enum { DIM = 40, MAX_TEXTS = 8, MAX_LENGTH = 196, PICTURES = 4 };

static golden want;

// The first picture's (text's) part of a value inside a tower.
struct seen {
	const char *tower;
};

static void watch(void *ctx, const char *name, const vla_tensor *x)
{
	const struct seen *s = ctx;
	static const char *const names[][2] = {
		{ "embeddings", "embeddings" },
		{ "layers.0", "block0" },
		{ "layers.1", "last_block" },
		{ "post_norm", "post_layernorm" },
		{ "pooler.attention", "head_attention" },
	};
	char key[64];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(key, sizeof key, "%s.%s", s->tower, names[i][1]);
		if (strcmp(name, names[i][0]) == 0 && vla_checkpoint_get(want.want, key))
			golden_compare_from(&want, x->data, key, 0, x->n / x->dim[0]);
	}
	// Upstream norms all rows; here only the last one of each text.
	if (strcmp(name, "pooled") == 0 && strcmp(s->tower, "text") == 0 &&
	    vla_checkpoint_get(want.want, "text.final_norm"))
		golden_compare_from(&want, x->data, "text.final_norm", 63 * DIM, DIM);
}

// Texts by the ids `ids` against the features `features`.
static void compare_texts(vla_model *m, const char *ids_name, const char *features, const vla_watch *w)
{
	static uint32_t ids[MAX_TEXTS * MAX_LENGTH];
	size_t offset[MAX_TEXTS + 1], n = golden_texts(&want);
	vla_err err = VLA_ERR_INIT;
	if (!ok(n > 0 && n <= MAX_TEXTS, "%zu texts", n) ||
	    !golden_ids(&want, ids_name, NULL, ids, sizeof ids / sizeof *ids, offset))
		return;
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	vla_model_set_watch(m, w);
	vla_tensor *x = vla_model_text(&g, m, &(vla_text_batch){ ids, offset, n });
	vla_model_set_watch(m, NULL);
	if (ok(vla_step_status(&g, &err) == VLA_OK, "text tower %s", err.msg))
		golden_compare(&want, x->data, features, x->n);
	// The padding is the tower's own when texts come without it.
	uint32_t length = vla_textnet_positions(&m->textnet, m->text_mode == VLA_TEXT_LONG), pad = ids[length - 1];
	m->textnet.o.pad_id = pad;
	size_t short_offset[] = { 0, length };
	while (short_offset[1] > 1 && ids[short_offset[1] - 1] == pad)
		short_offset[1]--;
	vla_tensor *y = vla_model_text(&g, m, &(vla_text_batch){ ids, short_offset, 1 });
	if (ok(vla_step_status(&g, &err) == VLA_OK, "unpadded text %s", err.msg))
		golden_compare_from(&want, y->data, features, 0, DIM);
	vla_arena_free(arena);
}

static void compare_scores(const vla_model *m, const float *image, const float *text, size_t n)
{
	static float logits[PICTURES * MAX_TEXTS], probs[PICTURES * MAX_TEXTS];
	const vla_model_info *info = vla_model_get_info(m);
	for (size_t i = 0; i < PICTURES; i++)
		for (size_t k = 0; k < n; k++) {
			double sum = 0;
			for (size_t c = 0; c < DIM; c++)
				sum += (double)image[i * DIM + c] * text[k * DIM + c];
			logits[i * n + k] = (float)(sum * info->logit_scale + info->logit_bias);
			probs[i * n + k] = (float)(1 / (1 + exp(-(double)logits[i * n + k])));
		}
	if (!vla_checkpoint_get(want.want, "logits_per_image"))
		return;
	golden_compare(&want, logits, "logits_per_image", PICTURES * n);
	golden_compare(&want, probs, "probs_per_image", PICTURES * n);
}

// The stored embeddings of texts and the model's of pictures.
static void test_scores(const vla_model *m, const float *image)
{
	static float text[MAX_TEXTS * DIM];
	const char *name = vla_checkpoint_get(want.want, "text_embeds") ? "text_embeds" : "text_embeds_short";
	const vla_ct *t = golden_get(&want, name);
	if (t && ok(t->n <= MAX_TEXTS * DIM && vla_ct_to_f32(t, text, NULL) == VLA_OK, "%s", name))
		compare_scores(m, image, text, t->n / DIM);
}

static void open_and(const char *dir, void (*test)(vla_model *m))
{
	vla_model *m = NULL;
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = VLA_COMPUTE_F32;
	if (!golden_open(&want, dir, "expected.safetensors"))
		return;
	if (ok(vla_model_open(shared(dir), &o, &m, &err) == VLA_OK, "%s opens %s", dir, err.msg)) {
		ok(vla_model_get_info(m)->sigmoid && vla_model_get_info(m)->dim == DIM, "scored by sigmoid");
		test(m);
	}
	vla_model_close(m);
	golden_close(&want);
}

// Normalised rows of x [n, DIM] against a tensor.
static void compare_unit(float *x, const char *name, size_t n)
{
	const vla_ct *t = golden_get(&want, name);
	float *y = t ? vla_alloc(t->n, sizeof *y) : NULL;
	if (!y || vla_ct_to_f32(t, y, NULL) != VLA_OK || t->n != n * DIM) {
		ok(false, "%s", name);
		free(y);
		return;
	}
	double off = 0;
	for (size_t i = 0; i < n; i++) {
		double s = 0;
		for (size_t c = 0; c < DIM; c++)
			s += (double)y[i * DIM + c] * y[i * DIM + c];
		for (size_t c = 0; c < DIM; c++)
			off = fmax(off, fabs(x[i * DIM + c] - y[i * DIM + c] / sqrt(s)));
	}
	ok(off <= 1e-4, "%s, unit length (off by %.2g)", name, off);
	free(y);
}

// The stored texts through the model's own tokenizer, cleaned in this way, against the features `name`.
static void embed_texts(vla_model *m, vla_text_clean clean, const char *name)
{
	static float v[MAX_TEXTS * DIM];
	const char *texts[MAX_TEXTS];
	size_t n = golden_texts(&want);
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; i < n && i < MAX_TEXTS; i++)
		texts[i] = golden_text(&want, i);
	if (!ok(n <= MAX_TEXTS && vla_model_open_tokenizer(m, &err) == VLA_OK, "tokenizer %s", err.msg))
		return;
	vla_tokenizer_set_clean(m->tokenizer, clean);
	if (ok(vla_model_embed_texts(m, texts, n, v, &err) == VLA_OK, "texts %s", err.msg))
		compare_unit(v, name, n);
	vla_tokenizer_set_clean(m->tokenizer, m->arch.clean);
}

static void test_fixed(vla_model *m)
{
	static float pixels[PICTURES * 32 * 32 * 3], image[PICTURES * DIM], tokens[PICTURES * 16 * DIM];
	vla_err err = VLA_ERR_INIT;
	struct seen s = { "vision" };
	vla_watch w = { watch, &s };
	golden_preprocess(&want, m, "pixel_values", 0.5);
	if (!golden_pixels(&want, "pixel_values", pixels, sizeof pixels / sizeof *pixels))
		return;
	vla_model_set_watch(m, &w);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_POOLED, image, &err) == VLA_OK, "pooled %s", err.msg);
	vla_model_set_watch(m, NULL);
	golden_compare(&want, image, "image_features", PICTURES * DIM);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_EMBED, image, &err) == VLA_OK, "embed %s", err.msg);
	golden_compare(&want, image, "image_embeds", PICTURES * DIM);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_TOKENS, tokens, &err) == VLA_OK, "tokens %s", err.msg);
	golden_compare_from(&want, tokens, "vision.post_layernorm", 0, 16 * DIM);
	ok(vla_model_embed_pixels(m, pixels, 1, VLA_OUT_DENSE, tokens, &err) == VLA_EUNSUPPORTED, "no dense maps");
	test_scores(m, image);
	s.tower = "text";
	compare_texts(m, "input_ids", "text_features", &w);
	embed_texts(m, VLA_CLEAN_NONE, "text_features");
	if (vla_checkpoint_get(want.want, "input_ids_lowercased"))
		embed_texts(m, VLA_CLEAN_LOWER, "text_features_lowercased");
	if (vla_checkpoint_get(want.want, "input_ids_lowercased"))
		compare_texts(m, "input_ids_lowercased", "text_features_lowercased", NULL);
	ok(vla_model_set_text_mode(m, VLA_TEXT_LONG, &err) == VLA_EUNSUPPORTED, "no long texts: %s", err.msg);
}

/* --- variable resolution --- */

// Loads picture i and checks its grid and pixels against the stored patches; false after a failing line.
static bool load_variable(vla_model *m, size_t i, float *pixels, vla_size *size, vla_size *whole)
{
	const json_t *one = json_array_get(json_object_get(want.info, "images"), i);
	const char *file = json_string_value(json_object_get(one, "file")), *path = golden_path(&want, file);
	vla_image im = VLA_IMAGE_INIT;
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	vla_err err = VLA_ERR_INIT;
	o.keep_exif = true;
	bool good = path && vla_image_load(path, &o, &im, &err) == VLA_OK &&
		    vla_model_target(m, im.width, im.height, size, &err) == VLA_OK &&
		    vla_model_preprocess(m, &im, pixels, &err) == VLA_OK;
	*whole = (vla_size){ im.width, im.height };
	vla_image_release(&im);
	if (!ok(good, "%s %s", file, err.msg))
		return false;
	const vla_ct *shape = golden_get(&want, "spatial_shapes"), *t = golden_get(&want, "pixel_values");
	int64_t grid[2];
	memcpy(grid, (const char *)shape->data + i * sizeof grid, sizeof grid);
	if (!ok(size->height == grid[0] * 8 && size->width == grid[1] * 8, "%s: %ux%u pixels", file, size->width,
		size->height))
		return false;
	const float *x = (const float *)t->data + i * t->dim[1] * t->dim[2];
	double off = 0;
	for (size_t y = 0; y < size->height; y++)
		for (size_t k = 0; k < size->width * 3; k++) {
			size_t patch = y / 8 * (size->width / 8) + k / 24;
			float *p = pixels + y * size->width * 3 + k, e = x[patch * 192 + y % 8 * 24 + k % 24];
			off = fmax(off, fabs(*p - e));
			*p = e;
		}
	return ok(off <= (strstr(file, ".png") ? 2e-5 : 1.01 / 255 / 0.5), "pixels of %s (off by %.2g)", file, off);
}

static void test_pictures(vla_model *m, float *pixels, vla_size *size, vla_size *whole)
{
	static float image[PICTURES * DIM];
	size_t each = vla_model_pixels(m);
	vla_err err = VLA_ERR_INIT;
	struct seen s = { "vision" };
	vla_watch w = { watch, &s };
	for (size_t i = 0; i < PICTURES; i++)
		if (!load_variable(m, i, pixels + i * each, &size[i], &whole[i]))
			return;
	vla_model_set_watch(m, &w);
	ok(vla_model_embed_sized(m, pixels, size, 1, VLA_OUT_POOLED, image, &err) == VLA_OK, "one %s", err.msg);
	vla_model_set_watch(m, NULL);
	ok(vla_model_embed_sized(m, pixels, size, PICTURES, VLA_OUT_POOLED, image, &err) == VLA_OK, "all %s", err.msg);
	golden_compare(&want, image, "image_features", PICTURES * DIM);
	ok(vla_model_embed_sized(m, pixels, size, PICTURES, VLA_OUT_EMBED, image, &err) == VLA_OK, "embed %s", err.msg);
	golden_compare(&want, image, "image_embeds", PICTURES * DIM);
	test_scores(m, image);
}

static void test_variable(vla_model *m)
{
	static float pixels[PICTURES * 24 * 64 * 3];
	vla_size size[PICTURES], whole[PICTURES];
	struct seen s = { "text" };
	vla_watch w = { watch, &s };
	ok(vla_model_pixels(m) == 24 * 64 * 3, "24 patches of 8x8 at most");
	test_pictures(m, pixels, size, whole);
	compare_texts(m, "input_ids", "text_features", &w);
	compare_texts(m, "input_ids_lowercased", "text_features_lowercased", NULL);
	embed_texts(m, VLA_CLEAN_NONE, "text_features");
	embed_texts(m, VLA_CLEAN_LOWER, "text_features_lowercased");
}

static void test_dense(vla_model *m, const float *pixels, const vla_size *size, const vla_size *whole)
{
	static float map[PICTURES * 24 * DIM], regions[PICTURES * 3 * DIM];
	size_t each = vla_model_pixels(m);
	vla_err err = VLA_ERR_INIT;
	ok(vla_model_embed_sized(m, pixels, size, PICTURES, VLA_OUT_DENSE, map, &err) == VLA_OK, "dense %s", err.msg);
	for (size_t i = 0; i < PICTURES; i++) {
		vla_arena *arena = vla_arena_new(0);
		vla_step g;
		vla_step_init(&g, arena, NULL);
		g.compute = VLA_COMPUTE_F32;
		vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ 1, size[i].height, size[i].width, 3 },
						(float *)(uintptr_t)(pixels + i * each));
		x = vla_model_image(&g, m, x, VLA_OUT_DENSE);
		if (ok(x != NULL, "dense map %s", g.err.msg)) {
			golden_compare_from(&want, x->data, "dense_features", i * 24 * DIM, x->n);
			double s = 0, d = 0;
			for (size_t c = 0; c < DIM; c++)
				s += (double)x->data[c] * x->data[c];
			for (size_t c = 0; c < DIM; c++)
				d = fmax(d, fabs(map[i * 24 * DIM + c] - x->data[c] / sqrt(s)));
			ok(d < 1e-6, "unit length in the stream");
		}
		vla_arena_free(arena);
		const json_t *boxes = json_array_get(json_object_get(want.info, "regions"), i);
		float box[3][4];
		for (size_t k = 0; k < 3; k++)
			for (size_t c = 0; c < 4; c++)
				box[k][c] = (float)json_number_value(json_array_get(json_array_get(boxes, k), c)) -
					    (c > 1 ? box[k][c - 2] : 0);
		ok(vla_model_embed_regions(m, pixels + i * each, whole[i], box[0], 3, regions + i * 3 * DIM, &err) ==
			   VLA_OK,
		   "regions %s", err.msg);
	}
	compare_unit(regions, "region_features", PICTURES * 3);
}

static void test_modes(vla_model *m)
{
	vla_err err = VLA_ERR_INIT;
	compare_texts(m, "input_ids_short", "text_features_short", NULL);
	embed_texts(m, m->arch.clean, "text_features_short");
	ok(vla_model_set_text_mode(m, VLA_TEXT_REGION, &err) == VLA_OK, "region texts %s", err.msg);
	compare_texts(m, "input_ids_short", "text_features_box", NULL);
	ok(vla_model_set_text_mode(m, VLA_TEXT_LONG, &err) == VLA_OK, "long texts %s", err.msg);
	compare_texts(m, "input_ids_long", "text_features_long", NULL);
	embed_texts(m, m->arch.clean, "text_features_long");
}

// The grids when the budget follows from the picture; upstream takes the largest picture's for all.
static void test_budget(vla_model *m)
{
	const json_t *info = json_object_get(want.info, "dynamic_max_patches");
	vla_prep p = m->arch.prep;
	p.max_patches = (uint32_t)json_integer_value(json_object_get(info, "padded_patches"));
	for (size_t i = 0; i < PICTURES; i++) {
		const json_t *one = json_array_get(json_object_get(want.info, "images"), i);
		const json_t *grid = json_array_get(json_object_get(info, "spatial_shapes"), i);
		uint32_t w = 0, h = 0;
		bool good = vla_prep_size(&p, (uint32_t)json_integer_value(json_object_get(one, "width")),
					  (uint32_t)json_integer_value(json_object_get(one, "height")), &w, &h,
					  NULL) == VLA_OK;
		ok(good && h == 8 * json_integer_value(json_array_get(grid, 0)) &&
			   w == 8 * json_integer_value(json_array_get(grid, 1)),
		   "grid %ux%u of %u patches", h / 8, w / 8, p.max_patches);
	}
}

static void test_fgclip2(vla_model *m)
{
	static float pixels[PICTURES * 24 * 64 * 3];
	vla_size size[PICTURES], whole[PICTURES];
	test_pictures(m, pixels, size, whole);
	test_dense(m, pixels, size, whole);
	test_modes(m);
	test_budget(m);
}

int main(void)
{
	open_and("golden/siglip-a", test_fixed);
	open_and("golden/siglip2-a", test_fixed);
	open_and("golden/siglip2-naflex-a", test_variable);
	open_and("golden/fgclip2-a", test_fgclip2);
	return done();
}
