/* What a model is, and whether a directory holds a sound one. */
#include "model/model.h"

#include "io/file.h"

#include <math.h>

struct out {
	vla_model_line_fn *fn;
	void *ctx;
};

static void line(const struct out *o, const char *key, const char *fmt, ...) VLA_PRINTF(3, 4);
static void line(const struct out *o, const char *key, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	o->fn(o->ctx, key, text);
}

static const char *const act_names[] = {
	[VLA_ACT_NONE] = "none",           [VLA_ACT_RELU] = "relu",
	[VLA_ACT_RELU6] = "relu6",         [VLA_ACT_GELU] = "gelu",
	[VLA_ACT_GELU_TANH] = "gelu_tanh", [VLA_ACT_QUICK_GELU] = "quick_gelu",
	[VLA_ACT_SILU] = "silu",           [VLA_ACT_HARD_SWISH] = "hard_swish",
	[VLA_ACT_SIGMOID] = "sigmoid",     [VLA_ACT_TANH] = "tanh",
};

static void describe_image(const vla_model *m, const struct out *o)
{
	static const char *const filters[] = { "nearest", "lanczos", "bilinear", "bicubic" };
	const vla_arch *a = &m->arch;
	const vla_prep *p = &a->prep;
	uint32_t s = a->image_size;
	if (a->image == VLA_IMAGE_CONVNET) {
		uint32_t grid = vla_convnet_grid(&m->convnet, s);
		line(o, "image_tower", "convnet, %u blocks, %s, map %ux%ux%zu", m->convnet.blocks,
		     act_names[a->convnet.act], grid, grid, a->convnet.hidden);
	} else {
		const vla_nn_block_opts *b = &a->vit.block;
		line(o, "image_tower", "vit, %u layers, width %zu, %u heads, mlp %zu, %s, patches %ux%u of %u pixels",
		     b->layers, b->width, b->heads, b->hidden, act_names[b->act], s / a->vit.patch, s / a->vit.patch,
		     a->vit.patch);
		if (a->vit.registers)
			line(o, "registers", "%u", a->vit.registers);
	}
	line(o, "dense_maps", "%s", a->dense ? "yes" : "no");
	line(o, "image_params", "%llu", (unsigned long long)m->info.image_params);
	line(o, "image_size", "%u", s);
	if (p->mode == VLA_RESIZE_NONE)
		line(o, "resize", "none");
	else if (p->mode == VLA_RESIZE_PATCHES)
		line(o, "resize", "to at most %u patches%s, %s", p->max_patches,
		     p->by_picture ? " (fewer for smaller pictures)" : "", filters[p->filter]);
	else if (p->mode == VLA_RESIZE_SHORTEST)
		line(o, "resize", "short side to %u, %s", p->width, filters[p->filter]);
	else
		line(o, "resize", "to %ux%u, %s", p->width, p->height, filters[p->filter]);
	if (p->crop)
		line(o, "crop", "%ux%u", p->crop_width, p->crop_height);
	line(o, "mean", "%.7g %.7g %.7g", p->mean[0], p->mean[1], p->mean[2]);
	line(o, "std", "%.7g %.7g %.7g", p->std[0], p->std[1], p->std[2]);
	if (a->classes)
		line(o, "classes", "%u", a->classes);
}

static void describe_text(const vla_model *m, const struct out *o)
{
	const vla_arch *a = &m->arch;
	if (a->text == VLA_TEXT_BAG) {
		line(o, "text_tower", "bag, %u tokens of width %u%s", a->bag_vocab, a->bag_width,
		     a->bag_weighted ? ", weighted" : "");
	} else {
		const vla_nn_block_opts *b = &a->textnet.block;
		line(o, "text_tower",
		     "transformer, %u layers, width %zu, %u heads, mlp %zu, %s, %s, %u positions, %zu tokens",
		     b->layers, b->width, b->heads, b->hidden, act_names[b->act],
		     a->textnet.causal ? "causal" : "bidirectional", a->textnet.positions, a->textnet.vocab);
	}
	if (a->text_long)
		line(o, "text_modes", "short, long (%u positions)%s", a->textnet.long_positions,
		     a->text_region ? ", region" : "");
	line(o, "text_params", "%llu", (unsigned long long)m->info.text_params);
}

static void describe_storage(const vla_checkpoint *c, const struct out *o)
{
	size_t count[VLA_F8_E5M2 + 1] = { 0 }, at = 0;
	uint64_t bytes = 0;
	char types[256] = "";
	for (size_t i = 0; i < vla_checkpoint_count(c); i++) {
		const vla_ct *t = vla_checkpoint_at(c, i);
		count[t->dtype]++;
		bytes += t->bytes;
	}
	for (size_t i = 0; i <= VLA_F8_E5M2; i++)
		if (count[i])
			at += (size_t)snprintf(types + at, sizeof types - at, "%s%s %zu", at ? ", " : "",
					       vla_dtype_name((vla_dtype)i), count[i]);
	line(o, "tensors", "%s", types);
	line(o, "bytes", "%llu", (unsigned long long)bytes);
}

vla_status vla_model_describe(const vla_model *m, vla_model_line_fn *fn, void *ctx, vla_err *err)
{
	const vla_model_info *i = &m->info;
	struct out o = { fn, ctx };
	(void)err;
	line(&o, "family", "%s", i->family);
	line(&o, "path", "%s", i->path);
	line(&o, "fingerprint", "%s", i->fingerprint);
	line(&o, "dim", "%u", i->dim);
	line(&o, "compute", "%s", i->compute);
	if (i->has_image)
		describe_image(m, &o);
	if (i->has_text)
		describe_text(m, &o);
	if (m->logit_scale) {
		line(&o, "scoring", "%s", i->sigmoid ? "sigmoid" : "softmax");
		line(&o, "logit_scale", "%.6g", (double)i->logit_scale);
	}
	if (m->logit_bias)
		line(&o, "logit_bias", "%.6g", (double)i->logit_bias);
	if (m->ckpt)
		describe_storage(m->ckpt, &o);
	return VLA_OK;
}

/* --- verify --- */
struct check {
	struct out o;
	vla_status first; // of the errors
	const vla_ct **used;
	size_t n, cap;
};

static void failed(struct check *k, const vla_err *err)
{
	line(&k->o, "error", "%s", err->msg);
	if (k->first == VLA_OK)
		k->first = err->code;
}

#define PIECE ((size_t)4096)

static bool all_finite(const vla_ct *t)
{
	float x[PIECE];
	size_t size = vla_dtype_size(t->dtype);
	for (size_t i = 0; i < t->n; i += PIECE) {
		vla_ct part = *t;
		part.n = t->n - i < PIECE ? t->n - i : PIECE;
		part.bytes = part.n * size;
		part.data = (const char *)t->data + i * size;
		if (vla_ct_to_f32(&part, x, NULL) != VLA_OK)
			return false;
		for (size_t j = 0; j < part.n; j++)
			if (!isfinite(x[j]))
				return false;
	}
	return true;
}

static void check_tensor(struct check *k, vla_model *m, vla_checkpoint *c, vla_param *p)
{
	vla_binding b;
	vla_err err = VLA_ERR_INIT;
	vla_status st = vla_model_find_tensor(m, c, p, &b, &err);
	if (b.t)
		k->used[k->n++] = b.t;
	if (b.scale)
		k->used[k->n++] = b.scale;
	if (st != VLA_OK)
		failed(k, &err);
	else if (!all_finite(b.t) || (b.scale && !all_finite(b.scale))) {
		vla_fail(&err, VLA_ECORRUPT, "tensor '%s' holds a number that is not finite", b.t->name);
		failed(k, &err);
	}
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

// Counters and sizes that upstream keeps beside the weights say nothing.
static bool is_counter(const char *name)
{
	static const char *const sizes[] = { "input_resolution", "context_length", "vocab_size" };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (strcmp(name, sizes[i]) == 0)
			return true;
	return strncmp(name, VLA_MEMBER, sizeof VLA_MEMBER - 1) == 0 || ends_with(name, ".position_ids") ||
	       ends_with(name, ".num_batches_tracked");
}

static void list_unknown(struct check *k, const vla_checkpoint *c)
{
	for (size_t i = 0; i < vla_checkpoint_count(c); i++) {
		const vla_ct *t = vla_checkpoint_at(c, i);
		size_t j = 0;
		while (j < k->n && k->used[j] != t)
			j++;
		if (j == k->n && !is_counter(t->name))
			line(&k->o, "warning", "tensor '%s' is not used", t->name);
	}
}

static vla_status check_weights(struct check *k, vla_model *m, vla_checkpoint *c, vla_err *err)
{
	if (!(k->used = vla_alloc(m->params.n * 2, sizeof *k->used)))
		return vla_nomem(err);
	for (size_t i = 0; i < m->params.n; i++)
		check_tensor(k, m, c, m->params.p[i]);
	list_unknown(k, c);
	if (k->first == VLA_OK)
		line(&k->o, "ok", "%zu tensors have the names and shapes of family %s and finite numbers", m->params.n,
		     m->family->name);
	return VLA_OK;
}

// A picture of noise and a short text through the towers.
static vla_status check_use(struct check *k, const char *path, const char *dir, vla_err *err)
{
	vla_model *m;
	vla_model_opts opts = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	VLA_TRY(vla_model_open(path, &opts, &m, err));
	size_t n = vla_model_pixels(m);
	float *pixels = vla_alloc(n, sizeof *pixels), *v = vla_alloc(m->info.dim, sizeof *v);
	vla_status st = pixels && v ? VLA_OK : vla_nomem(err);
	vla_rng rng;
	vla_rng_seed(&rng, 1, 0);
	for (size_t i = 0; st == VLA_OK && i < n; i++)
		pixels[i] = 2 * vla_rng_float(&rng) - 1;
	if (st == VLA_OK && m->info.has_image) {
		st = vla_model_embed_pixels(m, pixels, 1, VLA_OUT_EMBED, v, err);
		if (st == VLA_OK)
			line(&k->o, "ok", "a picture gives %u finite numbers", m->info.dim);
	}
	if (st == VLA_OK && m->info.has_text) {
		st = vla_model_embed_texts(m, (const char *[]){ "a photo of a cat" }, 1, v, err);
		if (st == VLA_OK)
			line(&k->o, "ok", "a text gives %u finite numbers", m->info.dim);
	}
	if (st == VLA_OK)
		st = vla_model_check_reference(m, dir, k->o.fn, k->o.ctx, err);
	free(pixels);
	free(v);
	vla_model_close(m);
	return st;
}

static vla_status verify_dir(struct check *k, const char *path, const char *dir, vla_model *m, vla_err *err)
{
	json_t *prep = NULL;
	VLA_TRY(vla_model_load_config(m, dir, err));
	line(&k->o, "ok", "family %s, %u numbers an embedding", m->family->name, m->arch.dim);
	VLA_TRY(vla_model_build(m, NULL, err));
	VLA_TRY(check_weights(k, m, m->ckpt, err));
	if (m->arch.image) {
		VLA_TRY(vla_json_read(dir, "preprocessor_config.json", true, &prep, err));
		if (!prep)
			line(&k->o, "warning", "no preprocessor_config.json: the family's own preprocessing is used");
		json_decref(prep);
	}
	return k->first == VLA_OK ? check_use(k, path, dir, err) : VLA_OK;
}

vla_status vla_model_verify(const char *dir_or_name, vla_model_line_fn *fn, void *ctx, vla_err *err)
{
	struct check k = { .o = { fn, ctx } };
	char *dir;
	vla_err e = VLA_ERR_INIT;
	VLA_TRY(vla_model_locate(dir_or_name, &dir, err));
	vla_model *m = vla_zalloc(1, sizeof *m);
	vla_status st = m ? vla_checkpoint_open(dir, &m->ckpt, &e) : vla_nomem(&e);
	char *files = st == VLA_OK ? vla_model_dir(dir, m->ckpt) : NULL;
	if (st == VLA_OK)
		st = files ? verify_dir(&k, dir, files, m, &e) : vla_nomem(&e);
	free(files);
	if (st != VLA_OK)
		failed(&k, &e);
	else if (k.first != VLA_OK)
		vla_fail(&e, k.first, "model '%s' cannot be used", dir);
	if (k.first != VLA_OK && err)
		*err = e;
	vla_model_close(m);
	free(k.used);
	free(dir);
	return k.first;
}
