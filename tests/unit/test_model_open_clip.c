/* CLIP under its original names against upstream's own numbers: OpenAI's files in their three forms and open_clip's
 * directory, every expected value inside the towers to 1e-4 of the largest one. Small models of the options that these
 * do not have are made, saved and opened again. */
#include "golden.h"
#include "model/model.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

enum { PICTURES = 4, TEXTS = 6, DIM = 40, MAX_WIDTH = 64, LENGTH = 77, SIZE = 32 };

static golden want;

struct seen {
	const char *tower;
	size_t rows; // of the first text; 0: all
};

static void watch(void *ctx, const char *name, const vla_tensor *x)
{
	const struct seen *s = ctx;
	static const char *const names[][2] = { { "pre_norm", "ln_pre" }, { "layers.0", "block0" } };
	char key[64];
	for (size_t i = 0; i < 2; i++) {
		snprintf(key, sizeof key, "%s.%s", s->tower, names[i][1]);
		if (strcmp(name, names[i][0]) == 0)
			golden_compare_from(&want, x->data, key, 0, (s->rows ? s->rows : x->dim[1]) * x->dim[2]);
	}
	// Upstream norms all rows; here only the pooled one, the last of the first text.
	if (strcmp(name, "pooled") == 0 && s->rows)
		golden_compare_from(&want, x->data, "text.ln_final", (s->rows - 1) * x->dim[1], x->dim[1]);
}

static vla_model *open_model(const char *path, vla_err *err)
{
	vla_model *m = NULL;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = VLA_COMPUTE_F32;
	if (!ok(path && vla_model_open(path, &o, &m, err) == VLA_OK, "opens %s", err->msg))
		return NULL;
	const vla_model_info *i = vla_model_get_info(m);
	ok(i->dim == DIM && i->image_size == SIZE && i->has_image && i->has_text && !i->sigmoid, "sizes");
	return m;
}

static void test_image(vla_model *m, const char *features, float *embeds)
{
	static float pixels[PICTURES * SIZE * SIZE * 3], pooled[PICTURES * MAX_WIDTH];
	vla_err err = VLA_ERR_INIT;
	size_t width = m->arch.vit.block.width;
	if (!golden_pixels(&want, "pixel_values", pixels, sizeof pixels / sizeof *pixels))
		return;
	struct seen s = { "vision", 0 };
	vla_watch w = { watch, &s };
	vla_model_set_watch(m, features ? NULL : &w);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_POOLED, pooled, &err) == VLA_OK, "pooled %s", err.msg);
	vla_model_set_watch(m, NULL);
	if (!features) {
		const vla_ct *norm = golden_get(&want, "vision.ln_post");
		// All positions of the first picture, or the class token of each.
		golden_compare_from(&want, pooled, "vision.ln_post", 0,
				    norm && norm->ndim == 2 ? PICTURES * width : width);
	}
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	vla_tensor *x = vla_model_image_project(&g, m, vla_tensor_view(&g, 2, (size_t[]){ PICTURES, width }, pooled));
	if (ok(x != NULL, "projection"))
		golden_compare(&want, x->data, features ? features : "image_features", x->n);
	vla_arena_free(arena);
	ok(vla_model_embed_pixels(m, pixels, PICTURES, VLA_OUT_EMBED, embeds, &err) == VLA_OK, "embed %s", err.msg);
	if (!features)
		golden_compare(&want, embeds, "image_embeds", PICTURES * DIM);
}

// Upstream pads with zeros, which the causal mask hides: each text here is as long as its ids say.
static void test_text(vla_model *m, const char *features)
{
	static uint32_t ids[TEXTS * LENGTH];
	size_t offset[TEXTS + 1], n = 0;
	vla_err err = VLA_ERR_INIT;
	if (!golden_ids(&want, "input_ids", NULL, ids, sizeof ids / sizeof *ids, offset))
		return;
	for (size_t i = 0; i < TEXTS; i++) {
		const uint32_t *from = ids + offset[i];
		size_t k = 0;
		offset[i] = n;
		do
			ids[n++] = from[k];
		while (++k < LENGTH && from[k] != 0);
	}
	offset[TEXTS] = n;
	vla_arena *arena = vla_arena_new(0);
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.compute = VLA_COMPUTE_F32;
	struct seen s = { "text", offset[1] };
	vla_watch w = { watch, &s };
	vla_model_set_watch(m, features ? NULL : &w);
	vla_tensor *x = vla_model_text(&g, m, &(vla_text_batch){ ids, offset, TEXTS });
	vla_model_set_watch(m, NULL);
	if (ok(vla_step_status(&g, &err) == VLA_OK, "text tower %s", err.msg))
		golden_compare(&want, x->data, features ? features : "text_features", x->n);
	vla_arena_free(arena);
}

static void test_scores(vla_model *m, const float *image)
{
	float text[TEXTS * DIM], logits[PICTURES * TEXTS];
	const char *texts[TEXTS];
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; i < TEXTS; i++)
		texts[i] = golden_text(&want, i);
	if (!ok(vla_model_embed_texts(m, texts, TEXTS, text, &err) == VLA_OK, "texts %s", err.msg))
		return;
	golden_compare(&want, text, "text_embeds", TEXTS * DIM);
	for (size_t i = 0; i < PICTURES; i++)
		for (size_t k = 0; k < TEXTS; k++) {
			double sum = 0;
			for (size_t c = 0; c < DIM; c++)
				sum += (double)image[i * DIM + c] * text[k * DIM + c];
			logits[i * TEXTS + k] = (float)(sum * vla_model_get_info(m)->logit_scale);
		}
	golden_compare(&want, logits, "logits_per_image", PICTURES * TEXTS);
}

static void test_model(const char *path)
{
	vla_err err = VLA_ERR_INIT;
	float image[PICTURES * DIM];
	vla_model *m = open_model(path, &err);
	if (!m)
		return;
	golden_preprocess(&want, m, "pixel_values", 0.26130258);
	test_image(m, NULL, image);
	test_text(m, NULL);
	test_scores(m, image);
	vla_model_close(m);
}

static void test_openai(void)
{
	float image[PICTURES * DIM];
	vla_err err = VLA_ERR_INIT;
	if (!golden_open(&want, "golden/openai-clip-a", "expected.safetensors"))
		return;
	test_model(shared("golden/openai-clip-a"));
	test_model(golden_path(&want, "model.pt"));
	// Rounded to half, as the README of the folder says.
	vla_model *m = open_model(golden_path(&want, "ViT-tiny.jit.pt"), &err);
	want.tolerance = 5e-3;
	if (m) {
		test_image(m, "image_features", image);
		test_text(m, "text_features");
		test_scores(m, image);
	}
	vla_model_close(m);
	golden_close(&want);
}

static void test_open_clip(void)
{
	float image[PICTURES * DIM];
	vla_err err = VLA_ERR_INIT;
	if (!golden_open(&want, "golden/open-clip-a", "expected.safetensors"))
		return;
	test_model(shared("golden/open-clip-a"));
	vla_model *m = open_model(shared("golden/open-clip-a"), &err);
	if (m) {
		json_object_set_new(json_object_get(m->config, "model_cfg"), "quick_gelu", json_true());
		vla_arch a = { .dim = 0 };
		ok(m->family->read(m->config, NULL, m->ckpt, &a, &err) == VLA_OK &&
			   a.vit.block.act == VLA_ACT_QUICK_GELU && a.textnet.block.act == VLA_ACT_QUICK_GELU,
		   "quick_gelu is read %s", err.msg);
		for (unsigned i = 0; i < m->vit.layers.layers; i++)
			m->vit.layers.block[i].mlp.act = VLA_ACT_QUICK_GELU;
		for (unsigned i = 0; i < m->textnet.layers.layers; i++)
			m->textnet.layers.block[i].mlp.act = VLA_ACT_QUICK_GELU;
		test_image(m, "quick_gelu.image_features", image);
		test_text(m, "quick_gelu.text_features");
	}
	vla_model_close(m);
	golden_close(&want);
}

#define CONFIG(more, vision, text) \
	"{\"model_type\":\"open_clip\",\"model_cfg\":{\"embed_dim\":16," more "\"vision_cfg\":{\"image_size\":16," \
	"\"patch_size\":4,\"width\":24,\"layers\":2,\"head_width\":8" vision "},\"text_cfg\":{\"vocab_size\":20," \
	"\"width\":16,\"heads\":2,\"layers\":1,\"context_length\":8" text "}}%s}"

static json_t *config_of(const char *text)
{
	char buf[1024];
	snprintf(buf, sizeof buf, text, "");
	return json_loads(buf, 0, NULL);
}

static void remove_dir(const char *dir)
{
	static const char *const made[] = { "config.json", "preprocessor_config.json", "model.safetensors" };
	char file[96];
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof file, "%s/%s", dir, made[i]);
		unlink(file);
	}
	ok(rmdir(dir) == 0, "three files");
}

// Made, saved, opened: the same numbers under upstream's names.
static void test_small(const char *what, const char *text, const char *const *names)
{
	vla_err err = VLA_ERR_INIT;
	char dir[] = "/tmp/vla-test-open-XXXXXX";
	vla_model *m = NULL, *r = NULL;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = VLA_COMPUTE_F32;
	json_t *config = config_of(text);
	static float x[16 * 16 * 3], a[16], b[16];
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		x[i] = (float)sin((double)i);
	bool good = config && mkdtemp(dir) && vla_model_create(config, NULL, &o, 1, &m, &err) == VLA_OK;
	good = good && vla_model_embed_pixels(m, x, 1, VLA_OUT_EMBED, a, &err) == VLA_OK;
	good = good && vla_model_save(m, dir, VLA_F32, &err) == VLA_OK && vla_model_open(dir, &o, &r, &err) == VLA_OK;
	good = good && vla_model_embed_pixels(r, x, 1, VLA_OUT_EMBED, b, &err) == VLA_OK;
	ok(good && memcmp(a, b, sizeof a) == 0, "%s: made, saved and opened %s", what, err.msg);
	for (; good && *names; names++)
		ok(vla_checkpoint_get(r->ckpt, *names) != NULL, "%s", *names);
	good = good && vla_model_save(r, dir, VLA_I8, &err) == VLA_OK;
	vla_model_close(r);
	r = NULL;
	good = good && vla_model_open(dir, &o, &r, &err) == VLA_OK &&
	       vla_model_embed_pixels(r, x, 1, VLA_OUT_EMBED, b, &err) == VLA_OK;
	double cosine = 0;
	for (size_t i = 0; i < 16; i++)
		cosine += (double)a[i] * b[i];
	ok(good && cosine > 0.99, "%s: parts of i8 rows find their scales (cosine %.4f) %s", what, cosine, err.msg);
	json_decref(config);
	vla_model_close(m);
	vla_model_close(r);
	remove_dir(dir);
}

static void refuse(const char *what, vla_status want_status, const char *text)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	json_t *config = config_of(text);
	vla_status st = config ? vla_model_create(config, NULL, NULL, 1, &m, &err) : VLA_OK;
	ok(st == want_status && err.msg[0], "refused: %s (%s)", what, err.msg);
	vla_model_close(m);
	json_decref(config);
}

// A checkpoint of a ResNet and one that is no CLIP, as files of their own.
static void test_foreign(void)
{
	static const float x[1] = { 1 };
	char dir[] = "/tmp/vla-test-open-XXXXXX", path[64];
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	vla_ct t = { "visual.layer1.0.conv1.weight", VLA_F32, 1, { 1 }, 1, 4, x };
	if (!mkdtemp(dir))
		return;
	snprintf(path, sizeof path, "%s/a.safetensors", dir);
	ok(vla_checkpoint_write(path, &t, 1, NULL, &err) == VLA_OK &&
		   vla_model_open(path, NULL, &m, &err) == VLA_EUNSUPPORTED && strstr(err.msg, "ResNet"),
	   "a ResNet is refused: %s", err.msg);
	t.name = "visual.conv1.weight";
	ok(vla_checkpoint_write(path, &t, 1, NULL, &err) == VLA_OK &&
		   vla_model_open(path, NULL, &m, &err) == VLA_EFORMAT,
	   "a weight of no shape: %s", err.msg);
	t.name = "something";
	ok(vla_checkpoint_write(path, &t, 1, NULL, &err) == VLA_OK && vla_model_open(path, NULL, &m, &err) == VLA_EIO,
	   "a file that is no model: %s", err.msg);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	test_openai();
	test_open_clip();
	test_small("plain", CONFIG("", "", ""),
		   (const char *[]){ "visual.transformer.resblocks.1.attn.in_proj_weight", "text_projection",
				     "visual.proj", NULL });
	test_small("custom text, sigmoid, layer scale",
		   CONFIG("\"custom_text\":true,\"init_logit_bias\":-10,", ",\"ls_init_value\":0.1,\"mlp_ratio\":3.5",
			  ",\"proj_bias\":true,\"pool_type\":\"last\",\"no_causal_mask\":true"),
		   (const char *[]){ "text.text_projection.bias", "text.transformer.resblocks.0.attn.in_proj_bias",
				     "visual.transformer.resblocks.0.ls_1.gamma", "logit_bias", NULL });
	refuse("a ResNet", VLA_EUNSUPPORTED,
	       "{\"model_type\":\"open_clip\",\"model_cfg\":{\"embed_dim\":4,\"vision_cfg\":{\"layers\":[3,4,6,3]}}%s}");
	refuse("a timm trunk", VLA_EUNSUPPORTED, CONFIG("", ",\"timm_model_name\":\"x\"", ""));
	refuse("a text tower from elsewhere", VLA_EUNSUPPORTED, CONFIG("", "", ",\"hf_model_name\":\"roberta\""));
	refuse("another pool", VLA_EFORMAT, CONFIG("", "", ",\"pool_type\":\"lats\""));
	refuse("heads that do not divide", VLA_EFORMAT, CONFIG("", "", ",\"heads\":3"));
	refuse("no model_cfg", VLA_EFORMAT, "{\"model_type\":\"open_clip\"%s}");
	test_foreign();
	return done();
}
