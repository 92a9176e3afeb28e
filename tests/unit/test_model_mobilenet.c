/* MobileNetV2 with its real weights against values computed in double precision; a small one made and read back without
 * them. */
#include "golden.h"
#include "model/net.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

#define DIR "models/mobilenet_v2_1.0_224"
#define SIDE 224

static golden want;
static char prefix[32];

static void within(const float *got, const char *key, size_t n)
{
	char name[128];
	snprintf(name, sizeof name, "%s.%s", prefix, key);
	golden_compare(&want, got, name, n);
}

// The channel means and five points of a map [1, h, w, c].
static void check_map(const vla_tensor *x, const char *key)
{
	char name[64];
	static float mean[1280], points[5 * 1280];
	size_t h = x->dim[1], w = x->dim[2], c = x->dim[3];
	size_t at[5] = { 0, w - 1, (h - 1) * w, h * w - 1, h / 2 * w + w / 2 };
	for (size_t k = 0; k < c; k++) {
		double sum = 0;
		for (size_t i = 0; i < h * w; i++)
			sum += x->data[i * c + k];
		mean[k] = (float)(sum / (double)(h * w));
	}
	for (size_t i = 0; i < 5; i++)
		memcpy(points + i * c, x->data + at[i] * c, c * sizeof *points);
	snprintf(name, sizeof name, "%s.mean", key);
	within(mean, name, c);
	snprintf(name, sizeof name, "%s.points", key);
	within(points, name, 5 * c);
}

static void watch(void *ctx, const char *name, const vla_tensor *x)
{
	(void)ctx;
	if (strcmp(name, "blocks.0") == 0)
		check_map(x, "conv_stem");
	else if (strcmp(name, "blocks.8") == 0)
		check_map(x, "layer.7");
	else if (strcmp(name, "final") == 0)
		check_map(x, "conv_1x1");
}

static const float *pixels_of(const vla_model *m)
{
	static float pixels[SIDE * SIDE * 3];
	char name[64];
	snprintf(name, sizeof name, "%s.rgb", prefix);
	const vla_ct *t = golden_get(&want, name);
	vla_image im = { SIDE, SIDE, 3, (uint8_t *)(uintptr_t)t->data, 0 };
	vla_model_normalise(m, &im, pixels);
	return pixels;
}

static void check_picture(vla_model *m, const char *picture, size_t label)
{
	static float pooled[1280], logits[1001], tokens[49 * 1280];
	vla_err err = VLA_ERR_INIT;
	snprintf(prefix, sizeof prefix, "%s", picture);
	const float *pixels = pixels_of(m);
	vla_watch w = { watch, NULL };
	vla_model_set_watch(m, &w);
	ok(vla_model_embed_pixels(m, pixels, 1, VLA_OUT_POOLED, pooled, &err) == VLA_OK, "pooled %s", err.msg);
	vla_model_set_watch(m, NULL);
	within(pooled, "pooled", 1280);
	ok(vla_model_embed_pixels(m, pixels, 1, VLA_OUT_LOGITS, logits, &err) == VLA_OK, "logits %s", err.msg);
	within(logits, "logits", 1001);
	size_t best = 0;
	for (size_t i = 0; i < 1001; i++)
		best = logits[i] > logits[best] ? i : best;
	ok(best == label && vla_model_label(m, best), "top class is %zu: %s", best, vla_model_label(m, best));
	ok(vla_model_embed_pixels(m, pixels, 1, VLA_OUT_TOKENS, tokens, &err) == VLA_OK, "tokens %s", err.msg);
	double sum = 0;
	for (size_t i = 0; i < 49; i++)
		sum += tokens[i * 1280 + 7] / 49.0;
	near(sum, pooled[7], 1e-5, "the map's mean is the pooled vector");
	static float embed[1280];
	double norm = 0;
	ok(vla_model_embed_pixels(m, pixels, 1, VLA_OUT_EMBED, embed, &err) == VLA_OK, "embed %s", err.msg);
	for (size_t i = 0; i < 1280; i++)
		norm += (double)embed[i] * embed[i];
	near(norm, 1, 1e-5, "unit length");
}

static void test_real(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	if (!golden_open(&want, DIR, "golden.safetensors"))
		return;
	want.absolute = true; // within 1e-4
	if (ok(vla_model_open(shared(DIR), &o, &m, &err) == VLA_OK, "opens %s", err.msg)) {
		const vla_model_info *i = vla_model_get_info(m);
		ok(i->dim == 1280 && i->image_size == SIDE && i->has_image && !i->has_text, "info");
		ok(strncmp(i->fingerprint, "mobilenet_v2:", 13) == 0 && strlen(i->fingerprint) == 29, "fingerprint %s",
		   i->fingerprint);
		check_picture(m, "sunflower", 986);
		check_picture(m, "bird", 20);
	}
	vla_model_close(m);
	golden_close(&want);
}

// Upstream names and layouts are written and read; folded and unfolded arithmetic agree.
static void test_small(void)
{
	vla_err err = VLA_ERR_INIT;
	char dir[] = "/tmp/vla-test-mb-XXXXXX", file[64];
	vla_model *m = NULL, *m2 = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	json_t *config = json_pack("{s:s, s:i, s:f, s:b, s:{s:s, s:s}}", "model_type", "mobilenet_v2", "image_size", 64,
				   "depth_multiplier", 0.25, "tf_padding", 0, "id2label", "0", "cat", "1", "dog");
	static float x[2 * 64 * 64 * 3], a[2 * 1280], b[2 * 1280];
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		x[i] = (float)sin((double)i);
	bool good = mkdtemp(dir) && vla_model_create(config, NULL, &o, 1, &m, &err) == VLA_OK;
	good = good && vla_model_embed_pixels(m, x, 2, VLA_OUT_POOLED, a, &err) == VLA_OK;
	good = good && vla_model_save(m, dir, VLA_F32, &err) == VLA_OK && vla_model_open(dir, &o, &m2, &err) == VLA_OK;
	good = good && vla_model_embed_pixels(m2, x, 2, VLA_OUT_POOLED, b, &err) == VLA_OK;
	if (ok(good, "a small one is made, saved and opened %s", err.msg)) {
		ok(memcmp(a, b, sizeof a) == 0, "and gives the same numbers");
		ok(strcmp(vla_model_label(m2, 1), "dog") == 0 && !vla_model_label(m2, 2), "labels");
	}
	json_decref(config);
	vla_model_close(m);
	vla_model_close(m2);
	static const char *const made[] = { "config.json", "preprocessor_config.json", "model.safetensors" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof file, "%s/%s", dir, made[i]);
		unlink(file);
	}
	ok(rmdir(dir) == 0, "three files");
}

int main(void)
{
	test_real();
	test_small();
	return done();
}
