/* CLIP under its original names: OpenAI's own files (model_type openai_clip here), which hold tensors alone, so that
 * all sizes follow from shapes; and open_clip's (open_clip_config.json), whose text tower may be a module of its own
 * with the prefix "text." and whose options the configuration states. Ilharco et al., "OpenCLIP", 2021. Towers from
 * timm or from transformers and ResNets are refused. */
#include "model/hf.h"

#include <math.h>

#define Q VLA_LAYOUT_PART(0, 3)
#define K VLA_LAYOUT_PART(1, 3)
#define V VLA_LAYOUT_PART(2, 3)
#define LAYER_RULES(ours, stored) \
	VLA_RULE(ours ".layers.#.norm1.~", stored ".resblocks.#.ln_1.~"), \
		VLA_RULE(ours ".layers.#.norm2.~", stored ".resblocks.#.ln_2.~"), \
		{ ours ".layers.#.attn.q.~", stored ".resblocks.#.attn.in_proj_~", Q }, \
		{ ours ".layers.#.attn.k.~", stored ".resblocks.#.attn.in_proj_~", K }, \
		{ ours ".layers.#.attn.v.~", stored ".resblocks.#.attn.in_proj_~", V }, \
		VLA_RULE(ours ".layers.#.attn.out.~", stored ".resblocks.#.attn.out_proj.~"), \
		VLA_RULE(ours ".layers.#.mlp.fc1.~", stored ".resblocks.#.mlp.c_fc.~"), \
		VLA_RULE(ours ".layers.#.mlp.fc2.~", stored ".resblocks.#.mlp.c_proj.~"), \
		VLA_RULE(ours ".layers.#.scale1", stored ".resblocks.#.ls_1.gamma"), \
		VLA_RULE(ours ".layers.#.scale2", stored ".resblocks.#.ls_2.gamma")
#define RULES(text) \
	{ "image.patch.weight", "visual.conv1.weight", VLA_LAYOUT_CONV }, \
		VLA_RULE("image.class_token", "visual.class_embedding"), \
		VLA_RULE("image.position", "visual.positional_embedding"), \
		VLA_RULE("image.pre_norm.~", "visual.ln_pre.~"), LAYER_RULES("image", "visual.transformer"), \
		VLA_RULE("image.post_norm.~", "visual.ln_post.~"), \
		{ "image.projection.weight", "visual.proj", VLA_LAYOUT_TRANSPOSE }, \
		VLA_RULE("text.token.weight", text "token_embedding.weight"), \
		VLA_RULE("text.position", text "positional_embedding"), LAYER_RULES("text", text "transformer"), \
		VLA_RULE("text.post_norm.~", text "ln_final.~"), VLA_RULE("logit_scale", "logit_scale"), \
		VLA_RULE("logit_bias", "logit_bias")
#define END \
	{ \
		NULL, NULL, VLA_LAYOUT_SAME \
	}

static const vla_name_rule plain_rules[] = {
	RULES(""),
	{ "text.projection.weight", "text_projection", VLA_LAYOUT_TRANSPOSE },
	END,
};
static const vla_name_rule custom_rules[] = {
	RULES("text."),
	{ "text.projection.weight", "text.text_projection", VLA_LAYOUT_TRANSPOSE },
	END,
};
static const vla_name_rule custom_linear_rules[] = {
	RULES("text."),
	VLA_RULE("text.projection.~", "text.text_projection.~"),
	END,
};

/* --- which configuration --- */
vla_status vla_family_config(const vla_checkpoint *ckpt, const char *dir, json_t **config, vla_err *err)
{
	static const char *const marks[] = { "visual.conv1.weight", "visual.trunk.patch_embed.proj.weight",
					     "visual.layer1.0.conv1.weight" };
	const char *type = json_string_value(json_object_get(*config, "model_type"));
	bool original = false;
	for (size_t i = 0; ckpt && i < sizeof marks / sizeof *marks; i++)
		original |= vla_checkpoint_get(ckpt, marks[i]) != NULL;
	bool said = type && (strcmp(type, "open_clip") == 0 || strcmp(type, "openai_clip") == 0);
	json_t *open = NULL;
	if (original && !said)
		VLA_TRY(vla_json_read(dir, "open_clip_config.json", true, &open, err));
	else if (*config)
		return VLA_OK;
	else
		return vla_fail(err, VLA_EIO, "no config.json beside the weights, which are none of the original CLIP");
	json_decref(*config);
	*config = open ? open : json_object();
	if (json_object_set_new(*config, "model_type", json_string(open ? "open_clip" : "openai_clip")) != 0)
		return vla_nomem(err);
	return VLA_OK;
}

/* --- OpenAI: everything from shapes --- */
static vla_status need(const vla_checkpoint *c, const char *name, unsigned ndim, const vla_ct **out, vla_err *err)
{
	const vla_ct *t = *out = vla_checkpoint_get(c, name);
	if (!t)
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' is missing", name);
	bool good = t->ndim == ndim;
	for (unsigned i = 0; good && i < ndim; i++)
		good = t->dim[i] > 0 && t->dim[i] <= 1 << 24;
	return good ? VLA_OK : vla_fail(err, VLA_EFORMAT, "tensor '%s' has not %u dimensions of use", name, ndim);
}

// Width, layers and so on of one tower; the first part of the names is `stored`.
static vla_status read_layers(const vla_checkpoint *c, const char *stored, size_t width, vla_nn_block_opts *b,
			      vla_err *err)
{
	char name[96];
	const vla_ct *t;
	unsigned n = 0;
	do
		snprintf(name, sizeof name, "%s.resblocks.%u.ln_1.weight", stored, n);
	while (vla_checkpoint_get(c, name) && ++n < 256);
	snprintf(name, sizeof name, "%s.resblocks.0.mlp.c_fc.weight", stored);
	VLA_TRY(need(c, name, 2, &t, err));
	if (width % 64 || width > 65536 || t->dim[0] > 262144)
		return vla_fail(err, VLA_EFORMAT, "'%s': a width of %zu is not made of heads of 64", stored, width);
	*b = (vla_nn_block_opts){ .width = width,
				  .hidden = t->dim[0],
				  .heads = (unsigned)(width / 64),
				  .layers = n,
				  .act = VLA_ACT_QUICK_GELU,
				  .eps = 1e-5f };
	return VLA_OK;
}

static vla_status refuse_resnet(const vla_checkpoint *c, vla_err *err)
{
	if (!c || !vla_checkpoint_get(c, "visual.layer1.0.conv1.weight"))
		return VLA_OK;
	return vla_fail(err, VLA_EUNSUPPORTED,
			"the image tower is a ResNet; of CLIP's towers only the vision transformers "
			"(ViT) are known");
}

// Side of the grid that positions (with one for the class token) are learnt for; 0: no square.
static uint32_t grid_side(size_t rows)
{
	uint32_t side = (uint32_t)sqrt((double)(rows - 1));
	return (size_t)side * side + 1 == rows ? side : 0;
}

static vla_status vision_from_shapes(const vla_checkpoint *c, vla_arch *a, vla_err *err)
{
	const vla_ct *conv, *position, *proj;
	VLA_TRY(need(c, "visual.conv1.weight", 4, &conv, err));
	VLA_TRY(need(c, "visual.positional_embedding", 2, &position, err));
	VLA_TRY(need(c, "visual.proj", 2, &proj, err));
	uint32_t side = grid_side(position->dim[0]);
	if (side == 0 || side > 4096 || conv->dim[2] > 1024)
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' has %zu rows, which is no square and one",
				position->name, position->dim[0]);
	a->image = VLA_IMAGE_VIT;
	a->dim = (uint32_t)proj->dim[1];
	a->vit = (vla_vit_opts){ .image_size = side * (uint32_t)conv->dim[2],
				 .patch = (uint32_t)conv->dim[2],
				 .class_token = true,
				 .pre_norm = true,
				 .pool = VLA_POOL_FIRST,
				 .position_filter = VLA_GRID_BICUBIC_SMOOTH };
	a->image_size = a->vit.image_size;
	return read_layers(c, "visual.transformer", conv->dim[0], &a->vit.block, err);
}

static vla_status text_from_shapes(const vla_checkpoint *c, vla_arch *a, vla_err *err)
{
	const vla_ct *token, *position;
	VLA_TRY(need(c, "token_embedding.weight", 2, &token, err));
	VLA_TRY(need(c, "positional_embedding", 2, &position, err));
	a->text = VLA_TEXT_TRANSFORMER;
	a->textnet = (vla_textnet_opts){
		.vocab = token->dim[0], .positions = (uint32_t)position->dim[0], .causal = true, .pool = VLA_POOL_MAX_ID
	};
	return read_layers(c, "transformer", token->dim[1], &a->textnet.block, err);
}

static void finish(vla_arch *a)
{
	a->image_project = a->text_project = a->dense = true;
	a->logit_scale = true;
	a->logit_scale_init = 14.2857f;
	vla_prep_init(&a->prep, a->image_size, VLA_FILTER_BICUBIC, vla_mean_clip, vla_std_clip);
	a->prep.crop_even = a->prep.weigh_alpha = true;
}

static vla_status read_openai(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			      vla_err *err)
{
	(void)config;
	if (!ckpt)
		return vla_fail(err, VLA_EUNSUPPORTED, "sizes of this family come from its weights");
	VLA_TRY(refuse_resnet(ckpt, err));
	VLA_TRY(vision_from_shapes(ckpt, a, err));
	VLA_TRY(text_from_shapes(ckpt, a, err));
	finish(a);
	return vla_prep_read(&a->prep, prep, false, err);
}

/* --- open_clip --- */
struct tower {
	uint32_t layers, heads, head_width, patch, positions, vocab, pad, eos;
	size_t width;
	float mlp_ratio, eps, layer_scale;
	bool no_causal, proj_bias, no_ln_pre;
	int pool;
};

static const char *const text_pools[] = { "argmax", "last", "first", "eos", NULL };
#define AT(field) offsetof(struct tower, field)
static const vla_key vision_keys[] = {
	{ "layers", VLA_KEY_U32, AT(layers), 12, 0, 256, NULL },
	{ "width", VLA_KEY_SIZE, AT(width), 768, 1, 65536, NULL },
	{ "head_width", VLA_KEY_U32, AT(head_width), 64, 1, 65536, NULL },
	{ "mlp_ratio", VLA_KEY_F32, AT(mlp_ratio), 4, 0.01, 64, NULL },
	{ "patch_size", VLA_KEY_U32, AT(patch), 16, 1, 1024, NULL },
	{ "ls_init_value", VLA_KEY_F32, AT(layer_scale), 0, 0, 1e6, NULL },
	{ "no_ln_pre", VLA_KEY_BOOL, AT(no_ln_pre), 0, 0, 1, NULL },
};
static const vla_key text_keys[] = {
	{ "layers", VLA_KEY_U32, AT(layers), 12, 0, 256, NULL },
	{ "width", VLA_KEY_SIZE, AT(width), 512, 1, 65536, NULL },
	{ "heads", VLA_KEY_U32, AT(heads), 8, 1, 1024, NULL },
	{ "mlp_ratio", VLA_KEY_F32, AT(mlp_ratio), 4, 0.01, 64, NULL },
	{ "context_length", VLA_KEY_U32, AT(positions), 77, 1, 65536, NULL },
	{ "vocab_size", VLA_KEY_U32, AT(vocab), 49408, 1, 1 << 24, NULL },
	{ "pad_id", VLA_KEY_U32, AT(pad), 0, 0, 1 << 24, NULL },
	{ "eos_id", VLA_KEY_U32, AT(eos), 2, 0, 1 << 24, NULL },
	{ "ls_init_value", VLA_KEY_F32, AT(layer_scale), 0, 0, 1e6, NULL },
	{ "no_causal_mask", VLA_KEY_BOOL, AT(no_causal), 0, 0, 1, NULL },
	{ "proj_bias", VLA_KEY_BOOL, AT(proj_bias), 0, 0, 1, NULL },
	{ "pool_type", VLA_KEY_ENUM, AT(pool), 0, 0, 0, text_pools },
};
static const vla_key eps_key = { "eps", VLA_KEY_F32, AT(eps), 1e-5, 0, 1, NULL };

static bool is_true(const json_t *obj, const char *name)
{
	return json_is_true(json_object_get(obj, name));
}

// Keys whose meaning is not known here must be absent, null, false or the word that means nothing special.
static vla_status refuse_others(const json_t *obj, const char *where, const char *const (*key)[2], vla_err *err)
{
	for (; (*key)[0]; key++) {
		const json_t *v = json_object_get(obj, (*key)[0]);
		const char *s = json_string_value(v);
		if (!v || json_is_null(v) || json_is_false(v) || (s && (*key)[1] && strcmp(s, (*key)[1]) == 0))
			continue;
		return vla_fail(err, VLA_EUNSUPPORTED, "open_clip_config.json: %s: '%s' is not known here%s%s", where,
				(*key)[0], s ? ": " : "", s ? s : "");
	}
	return VLA_OK;
}

static vla_status block_opts(const json_t *cfg, const char *where, const json_t *model, const struct tower *t,
			     vla_nn_block_opts *b, vla_err *err)
{
	const char *approximate = json_string_value(json_object_get(json_object_get(cfg, "act_kwargs"), "approximate"));
	struct tower eps;
	VLA_TRY(vla_keys_read(json_object_get(cfg, "norm_kwargs"), where, &eps_key, 1, &eps, err));
	if (!t->heads || t->width % t->heads)
		return vla_fail(err, VLA_EFORMAT, "open_clip_config.json: %s: %u heads do not divide the width %zu",
				where, t->heads, t->width);
	*b = (vla_nn_block_opts){ .width = t->width,
				  .hidden = (size_t)((double)t->width * (double)t->mlp_ratio),
				  .heads = t->heads,
				  .layers = t->layers,
				  .act = is_true(model, "quick_gelu")                      ? VLA_ACT_QUICK_GELU
					 : approximate && strcmp(approximate, "tanh") == 0 ? VLA_ACT_GELU_TANH
											   : VLA_ACT_GELU,
				  .eps = eps.eps,
				  .layer_scale = t->layer_scale != 0 };
	return VLA_OK;
}

// A number or [height, width] of equal numbers.
static vla_status read_image_size(const json_t *v, uint32_t *out, vla_err *err)
{
	const json_t *x = json_is_array(v) ? json_array_get(v, 0) : v;
	bool good = !json_is_array(v) || (json_array_size(v) == 2 && json_equal(x, json_array_get(v, 1)));
	json_int_t n = x ? json_integer_value(x) : 224;
	if (!good || n < 1 || n > 16384)
		return vla_fail(err, VLA_EUNSUPPORTED, "open_clip_config.json: image_size is no square of up to 16384");
	*out = (uint32_t)n;
	return VLA_OK;
}

static vla_status read_vision(const json_t *model, const vla_checkpoint *ckpt, vla_arch *a, vla_err *err)
{
	static const char *const others[][2] = { { "timm_model_name", NULL },
						 { "attentional_pool", NULL },
						 { "pool_type", "tok" },
						 { "pos_embed_type", "learnable" },
						 { "final_ln_after_pool", NULL },
						 { "input_patchnorm", NULL },
						 { NULL, NULL } };
	static const char where[] = "vision_cfg";
	const json_t *cfg = json_object_get(model, where);
	struct tower t;
	if (json_is_array(json_object_get(cfg, "layers")))
		return vla_fail(err, VLA_EUNSUPPORTED,
				"the image tower is a ResNet; of CLIP's towers only the vision "
				"transformers (ViT) are known");
	VLA_TRY(refuse_others(cfg, where, others, err));
	VLA_TRY(vla_keys_read(cfg, "open_clip_config.json: vision_cfg", vision_keys, VLA_NKEYS(vision_keys), &t, err));
	VLA_TRY(read_image_size(json_object_get(cfg, "image_size"), &a->image_size, err));
	t.heads = (uint32_t)(t.width / t.head_width);
	if (t.patch > a->image_size)
		return vla_fail(err, VLA_EFORMAT, "open_clip_config.json: patches of %u on pictures of %u pixels",
				t.patch, a->image_size);
	a->image = VLA_IMAGE_VIT;
	a->vit = (vla_vit_opts){ .image_size = a->image_size,
				 .patch = t.patch,
				 .class_token = true,
				 .pre_norm = !t.no_ln_pre,
				 .pool = VLA_POOL_FIRST,
				 .position_filter = VLA_GRID_BICUBIC_SMOOTH };
	// Positions learnt for another size than the configuration's are resized.
	const vla_ct *p = ckpt ? vla_checkpoint_get(ckpt, "visual.positional_embedding") : NULL;
	uint32_t side = p && p->ndim == 2 && p->dim[0] > 1 && p->dim[0] < 1 << 24 ? grid_side(p->dim[0]) : 0;
	if (side && side * t.patch != a->image_size - a->image_size % t.patch) {
		a->vit.image_size = side * t.patch;
		a->any_size = true;
	}
	return block_opts(cfg, where, model, &t, &a->vit.block, err);
}

static vla_status read_text(const json_t *model, const vla_checkpoint *ckpt, vla_arch *a, vla_err *err)
{
	static const char *const others[][2] = {
		{ "hf_model_name", NULL }, { "embed_cls", NULL }, { "proj_type", "linear" }, { NULL, NULL }
	};
	static const vla_pool_kind pools[] = { VLA_POOL_MAX_ID, VLA_POOL_LAST, VLA_POOL_FIRST, VLA_POOL_EOS };
	static const char where[] = "text_cfg";
	const json_t *cfg = json_object_get(model, where);
	struct tower t;
	VLA_TRY(refuse_others(cfg, where, others, err));
	VLA_TRY(vla_keys_read(cfg, "open_clip_config.json: text_cfg", text_keys, VLA_NKEYS(text_keys), &t, err));
	const char *clean = json_string_value(json_object_get(json_object_get(cfg, "tokenizer_kwargs"), "clean"));
	if (clean && strcmp(clean, "lower") != 0 && !json_is_string(json_object_get(cfg, "hf_tokenizer_name")))
		return vla_fail(err, VLA_EUNSUPPORTED, "open_clip_config.json: texts cleaned by '%s' are not known",
				clean);
	a->text = VLA_TEXT_TRANSFORMER;
	a->textnet = (vla_textnet_opts){ .vocab = t.vocab,
					 .positions = t.positions,
					 .causal = !t.no_causal,
					 .pool = pools[t.pool],
					 .eos_id = t.eos,
					 .padded = t.no_causal || pools[t.pool] == VLA_POOL_LAST,
					 .pad_id = t.pad };
	a->rules = plain_rules;
	a->text_bias = t.proj_bias;
	if (is_true(model, "custom_text") || (ckpt && vla_checkpoint_get(ckpt, "text.token_embedding.weight"))) {
		bool linear = t.proj_bias || (ckpt && vla_checkpoint_get(ckpt, "text.text_projection.weight"));
		a->rules = linear ? custom_linear_rules : custom_rules;
	}
	return block_opts(cfg, where, model, &t, &a->textnet.block, err);
}

static vla_status read_triple(const json_t *v, float *out, const char *name, vla_err *err)
{
	for (size_t i = 0; v && i < 3; i++) {
		const json_t *x = json_array_get(v, i);
		if (json_array_size(v) != 3 || !json_is_number(x) || !isfinite(json_number_value(x)))
			return vla_fail(err, VLA_EFORMAT, "open_clip_config.json: '%s' is not three numbers", name);
		out[i] = (float)json_number_value(x);
	}
	return VLA_OK;
}

static vla_status read_prep(const json_t *cfg, vla_prep *p, vla_err *err)
{
	const char *mode = json_string_value(json_object_get(cfg, "resize_mode"));
	const char *filter = json_string_value(json_object_get(cfg, "interpolation"));
	VLA_TRY(read_triple(json_object_get(cfg, "mean"), p->mean, "mean", err));
	VLA_TRY(read_triple(json_object_get(cfg, "std"), p->std, "std", err));
	for (size_t i = 0; i < 3; i++)
		if (p->std[i] == 0)
			return vla_fail(err, VLA_EFORMAT, "open_clip_config.json: a number of 'std' is 0");
	if (filter && strcmp(filter, "bilinear") == 0)
		p->filter = VLA_FILTER_BILINEAR;
	else if (filter && strcmp(filter, "bicubic") != 0)
		return vla_fail(err, VLA_EUNSUPPORTED, "open_clip_config.json: interpolation '%s' is not known",
				filter);
	if (mode && strcmp(mode, "squash") == 0) {
		p->mode = VLA_RESIZE_SQUASH;
		p->crop = false;
	} else if (mode && strcmp(mode, "shortest") != 0) {
		return vla_fail(err, VLA_EUNSUPPORTED, "open_clip_config.json: resize_mode '%s' is not known", mode);
	}
	return VLA_OK;
}

static vla_status read_open_clip(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
				 vla_err *err)
{
	static const vla_key dim = { "embed_dim", VLA_KEY_U32, 0, NAN, 1, 65536, NULL };
	const json_t *model = json_object_get(config, "model_cfg");
	static const char *const others[][2] = { { "multimodal_cfg", NULL }, { NULL, NULL } };
	VLA_TRY(refuse_resnet(ckpt, err));
	if (!json_is_object(model))
		return vla_fail(err, VLA_EFORMAT, "open_clip_config.json has no model_cfg");
	VLA_TRY(refuse_others(model, "model_cfg", others, err));
	VLA_TRY(vla_keys_read(model, "open_clip_config.json: model_cfg", &dim, 1, &a->dim, err));
	VLA_TRY(read_vision(model, ckpt, a, err));
	VLA_TRY(read_text(model, ckpt, a, err));
	finish(a);
	const json_t *bias = json_object_get(model, "init_logit_bias");
	a->logit_bias = a->sigmoid = json_is_number(bias) || (ckpt && vla_checkpoint_get(ckpt, "logit_bias"));
	a->logit_bias_init = (float)json_number_value(bias);
	VLA_TRY(read_prep(json_object_get(config, "preprocess_cfg"), &a->prep, err));
	return vla_prep_read(&a->prep, prep, false, err);
}

const vla_family vla_family_openai_clip = {
	.name = "openai_clip",
	.rules = plain_rules,
	.read = read_openai,
};

const vla_family vla_family_open_clip = {
	.name = "open_clip",
	.rules = plain_rules,
	.read = read_open_clip,
	.trainable = true,
};
