/* vla's dual encoder: made from a configuration, saved, opened, trained a step; needs no files. */
#include "model/net.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

static const char conv_bag[] =
	"{ 'model_type': 'vla_dual', 'dim': 24, 'logit_scale': 10, 'logit_bias': -5, 'sigmoid': true,"
	"  'image': { 'tower': 'convnet', 'size': 32, 'stem': { 'channels': 8 }, 'hidden': 40, 'activation': 'hard_swish',"
	"             'classes': 5, 'stages': [ { 'channels': 8, 'expand': 1 },"
	"                                       { 'channels': 16, 'expand': 3, 'stride': 2, 'repeat': 2, 'kernel': 5 } ] },"
	"  'text': { 'tower': 'bag', 'width': 24, 'importance': true } }";
static const char vit_text[] =
	"{ 'model_type': 'vla_dual', 'dim': 24, 'logit_scale': 10,"
	"  'image': { 'tower': 'vit', 'size': 32, 'patch': 8, 'width': 32, 'layers': 2, 'heads': 4, 'hidden': 64,"
	"             'pool': 'first', 'projection_bias': false },"
	"  'text': { 'tower': 'transformer', 'width': 16, 'layers': 2, 'heads': 2, 'hidden': 32, 'positions': 12,"
	"            'projection': true } }";

static char tok[] = "/tmp/vla-test-dual-XXXXXX", dir[64];
static const char *const texts[] = { "a dog on the beach", "two cats", "a red house by the lake with two dogs", "",
				     "a dog" };
#define NTEXTS (sizeof texts / sizeof *texts)
static float pixels[3 * 32 * 32 * 3];

// JSON with single quotes for double ones.
static json_t *parse(const char *text)
{
	char buf[2048];
	size_t n = strlen(text);
	for (size_t i = 0; i <= n; i++)
		buf[i] = text[i] == '\'' ? '"' : text[i];
	return json_loads(buf, 0, NULL);
}

static vla_model *make(const char *text, uint64_t seed)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	json_t *config = parse(text);
	if (vla_model_create(config, tok, &o, seed, &m, &err) != VLA_OK)
		note("%s", err.msg);
	json_decref(config);
	return m;
}

static double cosine(const float *a, const float *b, size_t n)
{
	double ab = 0, aa = 0, bb = 0;
	for (size_t i = 0; i < n; i++) {
		ab += (double)a[i] * b[i];
		aa += (double)a[i] * a[i];
		bb += (double)b[i] * b[i];
	}
	return ab / sqrt(aa * bb + 1e-30);
}

static bool embed(vla_model *m, float *image, float *text)
{
	vla_err err = VLA_ERR_INIT;
	bool good = m && vla_model_embed_pixels(m, pixels, 3, VLA_OUT_EMBED, image, &err) == VLA_OK &&
		    vla_model_embed_texts(m, texts, NTEXTS, text, &err) == VLA_OK;
	if (!good)
		note("%s", err.msg);
	return good;
}

static void clear(void)
{
	static const char *const made[] = { "config.json", "preprocessor_config.json", "model.safetensors",
					    "tokenizer.json", "tokenizer_config.json" };
	char file[96];
	for (size_t i = 0; i < 5; i++) {
		snprintf(file, sizeof file, "%s/%s", dir, made[i]);
		unlink(file);
	}
	ok(rmdir(dir) == 0, "five files were written");
}

static void test_round_trip(const char *what, const char *config)
{
	static const vla_dtype types[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8 };
	static const double floor[] = { 1, 0.9999, 0.999, 0.99 };
	vla_err err = VLA_ERR_INIT;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	float a[3 * 24], b[NTEXTS * 24], c[3 * 24], d[NTEXTS * 24];
	vla_model *m = make(config, 7), *same = make(config, 7), *other = make(config, 8);
	if (!ok(embed(m, a, b), "%s: made from its configuration", what))
		return;
	ok(embed(same, c, d) && !memcmp(a, c, sizeof a) && !memcmp(b, d, sizeof b), "%s: a seed gives one model", what);
	ok(embed(other, c, d) && memcmp(a, c, sizeof a), "%s: another seed another", what);
	vla_model_close(same);
	vla_model_close(other);
	char fingerprint[80] = "";
	for (size_t i = 0; i < 4; i++) {
		vla_model *r = NULL;
		bool good = vla_model_save(m, dir, types[i], &err) == VLA_OK &&
			    vla_model_open(dir, &o, &r, &err) == VLA_OK && embed(r, c, d);
		if (!ok(good, "%s: saved as %s and opened %s", what, vla_dtype_name(types[i]), err.msg))
			continue;
		double ci = cosine(a, c, sizeof a / sizeof *a), ct = cosine(b, d, sizeof b / sizeof *b);
		bool equal = !memcmp(a, c, sizeof a) && !memcmp(b, d, sizeof b);
		ok(i ? ci > floor[i] && ct > floor[i] : equal, "%s: %s keeps the vectors (%.5f, %.5f)", what,
		   vla_dtype_name(types[i]), ci, ct);
		const vla_model_info *info = vla_model_get_info(r);
		near(info->logit_scale, 10, 1e-5, "logit scale");
		ok(strcmp(fingerprint, info->fingerprint) != 0, "another fingerprint %s", info->fingerprint);
		snprintf(fingerprint, sizeof fingerprint, "%s", info->fingerprint);
		vla_model_close(r);
	}
	vla_model_close(m);
	clear();
}

static void test_company(const char *what, const char *config)
{
	float all[NTEXTS * 24], one[24];
	double max = 0;
	vla_model *m = make(config, 3);
	bool good = m && vla_model_embed_texts(m, texts, NTEXTS, all, NULL) == VLA_OK;
	for (size_t i = 0; good && i < NTEXTS; i++) {
		good = vla_model_embed_texts(m, &texts[i], 1, one, NULL) == VLA_OK;
		for (size_t k = 0; k < 24; k++)
			max = fmax(max, fabs((double)one[k] - all[i * 24 + k]));
	}
	ok(good && max < 1e-5, "%s: a text gives the same vector in any company (%g)", what, max);
	vla_model_close(m);
}

// One step on softmax over images x texts; returns the loss.
static double train_step(vla_model *m, vla_tape *tape, vla_arena *arena, float rate)
{
	static const uint32_t ids[] = { 70, 71, 72, 80, 81, 90 }, target[] = { 0, 1, 2 };
	static const size_t offset[] = { 0, 3, 5, 6 };
	vla_text_batch batch = { ids, offset, 3 };
	vla_step g;
	vla_err err = VLA_ERR_INIT;
	vla_step_init(&g, arena, NULL);
	vla_step_reset(&g);
	g.tape = tape;
	tape->n = 0;
	g.training = true;
	g.compute = VLA_COMPUTE_F32;
	vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ 3, 32, 32, 3 }, pixels);
	vla_tensor *i = vla_l2_norm(&g, vla_model_image(&g, m, x, VLA_OUT_EMBED));
	vla_tensor *t = vla_l2_norm(&g, vla_model_text(&g, m, &batch));
	vla_tensor *logits = vla_mul(&g, vla_matmul(&g, i, t, false, true), vla_model_logit_scale(&g, m));
	vla_tensor *loss = vla_cross_entropy(&g, logits, target, 0);
	double value = loss ? loss->data[0] : NAN;
	vla_params *ps = vla_model_params(m);
	vla_params_zero_grad(ps);
	if (vla_step_status(&g, &err) != VLA_OK || vla_backward(&g, loss, &err) != VLA_OK)
		note("%s", err.msg);
	for (size_t k = 0; k < ps->total; k++)
		ps->values[k] -= rate * ps->grads[k];
	vla_params_unpack(ps);
	return value;
}

static size_t without_gradient(vla_params *ps)
{
	size_t n = 0;
	for (size_t i = 0; i < ps->n; i++) {
		vla_param *p = ps->p[i];
		bool any = p->buffer || strstr(p->name, "classifier") || strstr(p->name, "logit_bias") ||
			   strstr(p->name, "attn.k.bias"); // shifts all scores of a row alike
		for (size_t k = 0; !any && k < p->n; k++)
			any = p->grad && p->grad[k] != 0;
		if (!any)
			note("no gradient: %s", p->name);
		n += !any;
	}
	return n;
}

static void test_training(const char *what, const char *config, float rate, int steps)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = make(config, 5), *r = NULL;
	vla_tape tape = { NULL, 0, 0 };
	vla_arena *arena = vla_arena_new(0);
	float before[3 * 24], after[3 * 24], read[3 * 24], text[NTEXTS * 24];
	vla_params *ps = m ? vla_model_params(m) : NULL;
	bool good = ps && embed(m, before, text) && vla_params_own(ps, &err) == VLA_OK;
	if (!ok(good, "%s: parameters for training %s", what, err.msg))
		return;
	double first = train_step(m, &tape, arena, 0), last = first;
	ok(without_gradient(ps) == 0, "%s: every parameter gets a gradient", what);
	for (int i = 0; i < steps; i++)
		last = train_step(m, &tape, arena, rate);
	ok(isfinite(first) && last < first * 0.5, "%s: the loss falls (%g to %g)", what, first, last);
	vla_model_opts mo = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	good = embed(m, after, text) && vla_model_save(m, dir, VLA_F32, &err) == VLA_OK &&
	       vla_model_open(dir, &mo, &r, &err) == VLA_OK && embed(r, read, text);
	ok(good && memcmp(before, after, sizeof after) != 0, "%s: inference sees the new weights %s", what, err.msg);
	ok(good && memcmp(after, read, sizeof after) == 0, "%s: and so does what was saved", what);
	vla_model_close(r);
	clear();
	vla_model_close(m);
	vla_tape_release(&tape);
	vla_arena_free(arena);
}

// Batch statistics aside, the operators of training and the folded kernels compute the same thing.
static void test_folding(void)
{
	vla_model *m = make(conv_bag, 11);
	vla_params *ps = m ? vla_model_params(m) : NULL;
	vla_rng rng;
	vla_rng_seed(&rng, 4, 0);
	if (!ok(ps && vla_params_own(ps, NULL) == VLA_OK, "folding: model"))
		return;
	for (size_t i = 0; i < ps->n; i++)
		for (size_t k = 0; ps->p[i]->ndim == 1 && k < ps->p[i]->n; k++)
			ps->p[i]->value[k] = 0.5f + vla_rng_float(&rng);
	vla_params_unpack(ps);
	float folded[3 * 40];
	vla_err err = VLA_ERR_INIT;
	bool good = vla_model_embed_pixels(m, pixels, 3, VLA_OUT_POOLED, folded, &err) == VLA_OK;
	vla_arena *arena = vla_arena_new(0);
	vla_tape tape = { NULL, 0, 0 };
	vla_step g;
	vla_step_init(&g, arena, NULL);
	g.tape = &tape;
	vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ 3, 32, 32, 3 }, pixels);
	vla_tensor *y = vla_model_image(&g, m, x, VLA_OUT_POOLED);
	double max = 0;
	for (size_t i = 0; y && i < 120; i++)
		max = fmax(max, fabs((double)folded[i] - y->data[i]) / fmax(1, fabs((double)folded[i])));
	ok(good && y && max < 1e-4, "folding: both ways agree (%g)", max);
	// A larger picture gives a larger map.
	static float big[64 * 48 * 3];
	vla_step_init(&g, arena, NULL);
	x = vla_tensor_view(&g, 4, (size_t[]){ 1, 64, 48, 3 }, big);
	y = vla_model_image(&g, m, x, VLA_OUT_TOKENS);
	ok(y && y->dim[1] == 16 && y->dim[2] == 12 && y->dim[3] == 40, "a convolutional tower takes other sizes");
	vla_tape_release(&tape);
	vla_arena_free(arena);
	vla_model_close(m);
}

static void refuse(const char *what, const char *text, const char *part)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	json_t *config = parse(text);
	vla_status st = vla_model_create(config, tok, NULL, 1, &m, &err);
	if (!ok(st != VLA_OK && strstr(err.msg, part), "refused: %s", what))
		note("%s: %s", vla_status_name(st), err.msg);
	json_decref(config);
	vla_model_close(st == VLA_OK ? m : NULL);
}

static void test_refused(void)
{
	refuse("unknown family", "{ 'model_type': 'clop' }", "vla_dual, clip, siglip");
	refuse("no towers", "{ 'model_type': 'vla_dual', 'dim': 8 }", "neither");
	refuse("no dim", "{ 'model_type': 'vla_dual' }", "'dim' is missing");
	refuse("misspelt key", "{ 'model_type': 'vla_dual', 'dim': 8, 'logit_scal': 3 }", "nearest: 'logit_scale'");
	refuse("misspelt tower", "{ 'model_type': 'vla_dual', 'dim': 8, 'text': { 'tower': 'bog', 'width': 8 } }",
	       "nearest: 'bag'");
	refuse("width without projection",
	       "{ 'model_type': 'vla_dual', 'dim': 8, 'text': { 'tower': 'bag', 'width': 9 } }", "projection");
	refuse("heads",
	       "{ 'model_type': 'vla_dual', 'dim': 9, 'text': { 'tower': 'transformer', 'width': 9, 'heads': 2,"
	       " 'layers': 1, 'hidden': 9 } }",
	       "heads");
	refuse("vocabulary too small",
	       "{ 'model_type': 'vla_dual', 'dim': 8, 'text': { 'tower': 'bag', 'width': 8,"
	       " 'vocab': 3 } }",
	       "vocab");
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	ok(vla_model_open("no-such-model", NULL, &m, &err) == VLA_EIO && strstr(err.msg, "share/vla/models"),
	   "an unknown name says where it looked: %s", err.msg);
	ok(vla_model_open("/nonexistent/dir", NULL, &m, &err) == VLA_EIO, "no directory: %s", err.msg);
}

int main(void)
{
	vla_err err = VLA_ERR_INIT;
	if (!mkdtemp(tok))
		return 1;
	snprintf(dir, sizeof dir, "%s/model", tok);
	for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++)
		pixels[i] = (float)sin((double)(i % 3072) * (0.01 + 0.3 * (double)(i / 3072)));
	vla_bpe_train_opts o = { .vocab_size = 300, .lower = true };
	if (ok(vla_bpe_train(texts, NTEXTS, &o, tok, &err) == VLA_OK, "a tokenizer %s", err.msg)) {
		test_round_trip("convnet and bag", conv_bag);
		test_round_trip("vit and transformer", vit_text);
		test_company("bag", conv_bag);
		test_company("transformer", vit_text);
		test_folding();
		test_training("convnet and bag", conv_bag, 0.05f, 30);
		test_training("vit and transformer", vit_text, 0.2f, 60);
		test_refused();
	}
	char file[96];
	snprintf(file, sizeof file, "%s/tokenizer.json", tok);
	unlink(file);
	snprintf(file, sizeof file, "%s/tokenizer_config.json", tok);
	unlink(file);
	rmdir(tok);
	return done();
}
