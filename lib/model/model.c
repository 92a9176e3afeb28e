/* Life of a model: opened from a directory, made fresh from a configuration, closed. Opening maps files and checks
 * names and shapes; no weights are read but a few samples for the fingerprint. */
#include "model/model.h"

#include <math.h>

static vla_status read_arch(vla_model *m, const json_t *prep, vla_err *err)
{
	vla_arch *a = &m->arch;
	VLA_TRY(vla_family_find(m->config, &m->family, err));
	VLA_TRY(m->family->read(m->config, prep, m->ckpt, a, err));
	if (!a->image)
		return VLA_OK;
	if (m->image_size) {
		if (a->image == VLA_IMAGE_VIT && m->image_size < a->vit.patch)
			return vla_fail(err, VLA_EINVAL, "pictures of %u pixels are smaller than a patch of %u",
					m->image_size, a->vit.patch);
		vla_prep_scale(&a->prep, m->image_size);
		a->any_size = true;
	}
	VLA_TRY(vla_prep_finish(&a->prep, a->any_size ? 0 : a->image_size, err));
	a->image_size = vla_prep_side(&a->prep);
	return VLA_OK;
}

vla_status vla_model_load_config(vla_model *m, const char *dir, vla_err *err)
{
	json_t *prep = NULL;
	VLA_TRY(vla_json_read(dir, "config.json", true, &m->config, err));
	VLA_TRY(vla_family_config(m->ckpt, dir, &m->config, err));
	VLA_TRY(vla_json_read(dir, "preprocessor_config.json", true, &prep, err));
	vla_status st = read_arch(m, prep, err);
	json_decref(prep);
	return st;
}

static const char *compute_name(vla_compute c)
{
	return c == VLA_COMPUTE_BF16 ? "bf16" : c == VLA_COMPUTE_INT8 ? "int8" : "f32";
}

static float scalar(vla_param *p, float none)
{
	const float *x = p ? vla_param_f32(p) : NULL;
	return x ? *x : none;
}

static void fill_info(vla_model *m)
{
	const vla_arch *a = &m->arch;
	vla_model_info *i = &m->info;
	i->family = m->family->name;
	i->path = m->path;
	i->fingerprint = m->fingerprint;
	i->compute = compute_name(m->compute);
	i->dim = a->dim;
	i->has_image = a->image != VLA_IMAGE_NONE;
	i->has_text = a->text != VLA_TEXT_NONE;
	i->image_size = i->has_image ? a->image_size : 0;
	i->logit_scale = m->logit_scale ? expf(scalar(m->logit_scale, 0)) : 1;
	i->logit_bias = scalar(m->logit_bias, 0);
	i->sigmoid = a->sigmoid;
}

static vla_status new_model(const vla_model_opts *opts, vla_model **out, vla_err *err)
{
	static const vla_model_opts none = VLA_MODEL_OPTS_INIT;
	opts = opts ? opts : &none;
	vla_model *m = vla_zalloc(1, sizeof *m);
	if (!m || !(m->arena = vla_arena_new((size_t)8 << 20))) {
		vla_model_close(m);
		return vla_nomem(err);
	}
	m->pool = opts->pool;
	m->compute = vla_compute_resolve(opts->compute);
	m->text_mode = opts->text_mode;
	m->image_size = opts->image_size;
	*out = m;
	return VLA_OK;
}

static vla_status open_into(vla_model *m, vla_err *err)
{
	VLA_TRY(vla_checkpoint_open(m->path, &m->ckpt, err));
	char *dir = vla_model_dir(m->path, m->ckpt);
	vla_status st = dir ? vla_model_load_config(m, dir, err) : vla_nomem(err);
	if (st != VLA_OK || !m->arch.text) {
		free(dir);
		dir = NULL;
	}
	m->tokenizer_dir = dir;
	VLA_TRY(st);
	VLA_TRY(vla_model_set_text_mode(m, m->text_mode, err));
	VLA_TRY(vla_model_build(m, NULL, err));
	VLA_TRY(vla_model_bind(m, err));
	VLA_TRY(vla_model_ensure(m, "logit_", err));
	VLA_TRY(vla_model_fingerprint(m, err));
	fill_info(m);
	return VLA_OK;
}

vla_status vla_model_open(const char *dir_or_name, const vla_model_opts *opts, vla_model **out, vla_err *err)
{
	char *dir;
	vla_model *m;
	VLA_TRY(vla_model_locate(dir_or_name, &dir, err));
	vla_status st = new_model(opts, &m, err);
	if (st != VLA_OK) {
		free(dir);
		return st;
	}
	m->path = dir;
	st = open_into(m, err);
	if (st != VLA_OK) {
		vla_prefix(err, st, "model '%s'", dir);
		vla_model_close(m);
		return st;
	}
	*out = m;
	return VLA_OK;
}

// A text tower's vocabulary, when the configuration leaves it to the tokenizer.
static vla_status fill_vocab(vla_model *m, vla_err *err)
{
	json_t *text = json_object_get(m->config, "text");
	if (!json_is_object(text))
		return VLA_OK;
	VLA_TRY(vla_model_open_tokenizer(m, err));
	size_t n = vla_tokenizer_vocab(m->tokenizer);
	const json_t *v = json_object_get(text, "vocab");
	if (json_is_integer(v)) {
		if (json_integer_value(v) < (json_int_t)n)
			return vla_fail(err, VLA_EINVAL, "the tokenizer has %zu tokens, the text tower's vocab is %lld",
					n, (long long)json_integer_value(v));
		return VLA_OK;
	}
	return json_object_set_new(text, "vocab", json_integer((json_int_t)n)) == 0 ? VLA_OK : vla_nomem(err);
}

static vla_status create_into(vla_model *m, const json_t *config, const char *tokenizer_dir, uint64_t seed,
			      vla_err *err)
{
	vla_rng rng;
	vla_rng_seed(&rng, seed, 0);
	if (!(m->config = json_deep_copy(config)) || !(m->path = vla_strdup("")) ||
	    (tokenizer_dir && !(m->tokenizer_dir = vla_strdup(tokenizer_dir))))
		return vla_nomem(err);
	if (tokenizer_dir)
		VLA_TRY(fill_vocab(m, err));
	VLA_TRY(read_arch(m, NULL, err));
	if (!m->family->trainable)
		return vla_fail(err, VLA_EUNSUPPORTED, "family %s cannot be made from its configuration",
				m->family->name);
	VLA_TRY(vla_model_build(m, &rng, err));
	VLA_TRY(vla_model_fingerprint(m, err));
	fill_info(m);
	return VLA_OK;
}

vla_status vla_model_create(const json_t *config, const char *tokenizer_dir, const vla_model_opts *opts, uint64_t seed,
			    vla_model **out, vla_err *err)
{
	vla_model *m;
	VLA_TRY(new_model(opts, &m, err));
	vla_status st = create_into(m, config, tokenizer_dir, seed, err);
	if (st != VLA_OK) {
		vla_model_close(m);
		return st;
	}
	*out = m;
	return VLA_OK;
}

vla_status vla_model_new(const char *config_path, const char *tokenizer_dir, const vla_model_opts *opts, uint64_t seed,
			 vla_model **out, vla_err *err)
{
	json_t *config;
	VLA_TRY(vla_json_read_path(config_path, &config, err));
	vla_status st = vla_model_create(config, tokenizer_dir, opts, seed, out, err);
	json_decref(config);
	return st == VLA_OK ? st : vla_prefix(err, st, "'%s'", config_path);
}

void vla_model_close(vla_model *m)
{
	if (!m)
		return;
	vla_convnet_release(&m->convnet);
	vla_vit_release(&m->vit);
	vla_textnet_release(&m->textnet);
	vla_params_release(&m->params);
	vla_arch_release(&m->arch);
	vla_checkpoint_close(m->ckpt);
	vla_tokenizer_free(m->tokenizer);
	vla_arena_free(m->arena);
	json_decref(m->config);
	free(m->binding);
	free(m->tokenizer_dir);
	free(m->path);
	free(m);
}

const vla_model_info *vla_model_get_info(const vla_model *m)
{
	return &m->info;
}

const char *vla_model_label(const vla_model *m, size_t i)
{
	char key[24];
	snprintf(key, sizeof key, "%zu", i);
	return json_string_value(json_object_get(json_object_get(m->config, "id2label"), key));
}

size_t vla_model_pixels(const vla_model *m)
{
	return m->info.has_image ? vla_prep_pixels(&m->arch.prep) * 3 : 0;
}

vla_status vla_model_target(const vla_model *m, uint32_t width, uint32_t height, vla_size *out, vla_err *err)
{
	if (!m->info.has_image)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no image tower", m->path);
	return vla_prep_size(&m->arch.prep, width, height, &out->width, &out->height, err);
}

uint32_t vla_model_min_side(const vla_model *m)
{
	const vla_prep *p = &m->arch.prep;
	if (!m->info.has_image || p->mode == VLA_RESIZE_NONE)
		return 0;
	if (p->mode == VLA_RESIZE_PATCHES)
		return p->max_patches > UINT16_MAX / p->patch ? UINT16_MAX : p->max_patches * p->patch;
	return p->width > p->height ? p->width : p->height;
}

vla_status vla_model_preprocess(const vla_model *m, const vla_image *im, float *out, vla_err *err)
{
	if (!m->info.has_image)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no image tower", m->path);
	return vla_prep_run(&m->arch.prep, im, out, err);
}

// What a tokenizer's own files say of padding and length; where they do not, what the tower was told stays.
static vla_status read_limits(vla_model *m, vla_err *err)
{
	static const char *const files[] = { "special_tokens_map.json", "tokenizer_config.json" };
	for (size_t i = 0; i < 2; i++) {
		json_t *file;
		VLA_TRY(vla_json_read(m->tokenizer_dir, files[i], true, &file, err));
		const json_t *v = json_object_get(file, "pad_token"), *most = json_object_get(file, "model_max_length");
		const char *token = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
		uint32_t id = token ? vla_tokenizer_id(m->tokenizer, token) : UINT32_MAX;
		if (id < m->arch.textnet.vocab)
			m->textnet.o.pad_id = id;
		// Files that mean "no limit" say so by a number of 30 digits.
		if (json_is_integer(most) && json_integer_value(most) > 1 && json_integer_value(most) < UINT16_MAX)
			m->text_limit = (uint32_t)json_integer_value(most);
		json_decref(file);
	}
	return VLA_OK;
}

vla_status vla_model_open_tokenizer(vla_model *m, vla_err *err)
{
	if (m->tokenizer)
		return VLA_OK;
	if (!m->tokenizer_dir)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no text tower", m->path ? m->path : "");
	VLA_TRY(vla_tokenizer_open(m->tokenizer_dir, &m->tokenizer, err));
	vla_status st = m->arch.text == VLA_TEXT_TRANSFORMER
				? vla_tokenizer_check_vocab(m->tokenizer, m->arch.textnet.vocab, err)
				: VLA_OK;
	if (st != VLA_OK) {
		vla_tokenizer_free(m->tokenizer);
		m->tokenizer = NULL;
		return vla_prefix(err, st, "%s", m->tokenizer_dir);
	}
	// SigLIP's own unigram tokenizers clean texts themselves.
	if (strncmp(vla_tokenizer_kind(m->tokenizer), "unigram", 7) != 0)
		vla_tokenizer_set_clean(m->tokenizer, m->arch.clean);
	return m->arch.text == VLA_TEXT_TRANSFORMER ? read_limits(m, err) : VLA_OK;
}

const vla_tokenizer *vla_model_tokenizer(const vla_model *m)
{
	// Opened at the first use; the handle behind the const pointer is this library's own.
	return vla_model_open_tokenizer((vla_model *)(uintptr_t)m, NULL) == VLA_OK ? m->tokenizer : NULL;
}

#define SPOTS 4
#define SPOT_BYTES ((size_t)64)

// A few bytes of each tensor: training moves every tensor, so it shows, and little of a large file is touched.
static uint64_t hash_samples(const vla_checkpoint *c, uint64_t h)
{
	for (size_t i = 0; i < vla_checkpoint_count(c); i++) {
		const vla_ct *t = vla_checkpoint_at(c, i);
		const char *p = t->data;
		h = vla_hash64(t->name, strlen(t->name), h);
		h = vla_hash64(t->dim, t->ndim * sizeof *t->dim, h + (uint64_t)t->dtype);
		size_t spot = t->bytes < SPOT_BYTES ? t->bytes : SPOT_BYTES, span = t->bytes - spot;
		for (size_t k = 0; k < SPOTS; k++)
			h = vla_hash64(p + span / (SPOTS - 1) * k, spot, h);
	}
	return h;
}

// What a packed file says of the model that it was made from; NULL when it says nothing fitting.
static const char *kept_fingerprint(const vla_model *m)
{
	const char *s = m->ckpt ? vla_checkpoint_meta(m->ckpt, "vla.fingerprint") : NULL;
	size_t n = strlen(m->family->name);
	bool fits = s && strncmp(s, m->family->name, n) == 0 && s[n] == ':' && strlen(s + n + 1) == 16 &&
		    strspn(s + n + 1, "0123456789abcdef") == 16;
	return fits ? s : NULL;
}

vla_status vla_model_fingerprint(vla_model *m, vla_err *err)
{
	const char *kept = kept_fingerprint(m);
	if (kept) {
		snprintf(m->fingerprint, sizeof m->fingerprint, "%s", kept);
		return VLA_OK;
	}
	char *text = json_dumps(m->config, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return vla_nomem(err);
	uint64_t h = vla_hash64(text, strlen(text), 0);
	free(text);
	const char *whole = m->ckpt ? vla_checkpoint_meta(m->ckpt, "vla.hash") : NULL;
	if (whole)
		h = vla_hash64(whole, strlen(whole), h);
	if (m->ckpt)
		h = hash_samples(m->ckpt, h);
	snprintf(m->fingerprint, sizeof m->fingerprint, "%s:%016llx", m->family->name, (unsigned long long)h);
	return VLA_OK;
}
