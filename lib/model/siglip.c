/* SigLIP (model_type siglip): Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023; SigLIP 2 of fixed
 * resolution has the same layout, its variable one (NaFlex) is model_type siglip2: Tschannen et al., "SigLIP 2", 2025.
 * FG-CLIP 2 (model_type fgclip2): Xie et al., "FG-CLIP 2: A Bilingual Fine-grained Vision-Language Alignment Model",
 * 2025, adds a head for dense maps and positions and heads for long and for region texts. Texts are padded to all
 * positions and the last one is pooled, so the padding is part of the result. */
#include "model/hf.h"

#include <math.h>

#define POOLER_RULES(ours, stored) \
	{ ours ".query", stored ".probe", VLA_LAYOUT_LEAD2 }, \
		VLA_RULE(ours ".in.weight", stored ".attention.in_proj_weight"), \
		VLA_RULE(ours ".in.bias", stored ".attention.in_proj_bias"), \
		VLA_RULE(ours ".out.~", stored ".attention.out_proj.~"), \
		VLA_RULE(ours ".norm.~", stored ".layernorm.~"), VLA_RULE(ours ".mlp.~", stored ".mlp.~")
#define RULES \
	VLA_RULE("image.patch.bias", "vision_model.embeddings.patch_embedding.bias"), \
		VLA_RULE("image.position", "vision_model.embeddings.position_embedding.weight"), \
		VLA_HF_LAYER_RULES("image", "vision_model"), \
		VLA_RULE("image.post_norm.~", "vision_model.post_layernorm.~"), \
		POOLER_RULES("image.head", "vision_model.head"), \
		POOLER_RULES("image.dense_head", "dense_feature_head"), \
		VLA_RULE("text.token.weight", "text_model.embeddings.token_embedding.weight"), \
		VLA_RULE("text.position", "text_model.embeddings.position_embedding.weight"), \
		VLA_RULE("text.position_first", "text_model.embeddings.position_embedding_ori.weight"), \
		VLA_RULE("text.position_rest", "text_model.embeddings.position_embedding_res.weight"), \
		VLA_HF_LAYER_RULES("text", "text_model"), \
		VLA_RULE("text.post_norm.~", "text_model.final_layer_norm.~"), \
		VLA_RULE("text.projection.~", "text_model.head.~"), \
		VLA_RULE("text.projection_long.~", "longtext_head.~"), \
		VLA_RULE("text.projection_region.~", "boxtext_head.~"), VLA_RULE("logit_scale", "logit_scale"), \
		VLA_RULE("logit_bias", "logit_bias"), \
	{ \
		NULL, NULL, VLA_LAYOUT_SAME \
	}

static const vla_name_rule fixed_rules[] = {
	{ "image.patch.weight", "vision_model.embeddings.patch_embedding.weight", VLA_LAYOUT_CONV },
	RULES,
};
static const vla_name_rule variable_rules[] = {
	{ "image.patch.weight", "vision_model.embeddings.patch_embedding.weight", VLA_LAYOUT_FLAT },
	RULES,
};

static const vla_hf_tower base = { .width = 768,
				   .hidden = 3072,
				   .heads = 12,
				   .layers = 12,
				   .act = VLA_ACT_GELU_TANH,
				   .eps = 1e-6f,
				   .image_size = 224,
				   .patch = 16,
				   .patches = 256,
				   .positions = 64,
				   .vocab = 32000,
				   .pad = 1,
				   .keep = 20,
				   .long_positions = 196 };

static vla_status read_text(const json_t *config, bool regions, vla_arch *a, vla_err *err)
{
	vla_hf_tower t = base;
	VLA_TRY(vla_hf_tower_read(vla_hf_part(config, "text_config", NULL), "config.json: text_config", &t, err));
	a->text = VLA_TEXT_TRANSFORMER;
	a->textnet = (vla_textnet_opts){ .vocab = t.vocab,
					 .positions = t.positions,
					 .block = vla_hf_block(&t),
					 .pool = VLA_POOL_LAST,
					 .padded = true,
					 .pad_id = t.pad,
					 .long_positions = regions ? t.long_positions : 0,
					 .keep = t.keep };
	a->text_project = a->text_bias = true;
	a->text_long = a->text_region = regions;
	a->clean = regions ? VLA_CLEAN_LOWER : VLA_CLEAN_SIGLIP;
	uint32_t dim = t.projection ? t.projection : (uint32_t)t.width;
	if (a->dim != dim || (regions && t.width != dim))
		return vla_fail(err, VLA_EFORMAT, "config.json: texts of %u numbers and pictures of %u", dim, a->dim);
	return VLA_OK;
}

static vla_status read_towers(const json_t *config, bool variable, bool regions, vla_arch *a, vla_err *err)
{
	static const char where[] = "config.json: vision_config";
	static const vla_key use_head = { "vision_use_head", VLA_KEY_BOOL, 0, 1, 0, 1, NULL };
	const json_t *vision = vla_hf_part(config, "vision_config", NULL);
	vla_hf_tower t = base;
	bool head;
	VLA_TRY(vla_hf_tower_read(vision, where, &t, err));
	VLA_TRY(vla_keys_read(vision, where, &use_head, 1, &head, err));
	if (variable) {
		uint32_t side = (uint32_t)sqrt((double)t.patches);
		if (side * side != t.patches || side < 1)
			return vla_fail(err, VLA_EFORMAT, "%s: 'num_patches' is %u, which is no square", where,
					t.patches);
		t.image_size = side * t.patch;
	}
	VLA_TRY(vla_hf_vit(&t, where, a, err));
	a->vit.patch_bias = true;
	a->vit.pool = head ? VLA_POOL_ATTENTION : VLA_POOL_MEAN;
	a->vit.dense_head = a->dense = regions;
	if (variable)
		a->vit.position_filter = VLA_GRID_BILINEAR_SMOOTH;
	a->dim = (uint32_t)t.width;
	VLA_TRY(read_text(config, regions, a, err));
	a->sigmoid = a->logit_scale = a->logit_bias = true;
	a->logit_scale_init = 10;
	a->logit_bias_init = -10;
	return VLA_OK;
}

static vla_status read_fixed(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			     vla_err *err)
{
	(void)ckpt;
	VLA_TRY(read_towers(config, false, false, a, err));
	vla_prep_init(&a->prep, a->image_size, VLA_FILTER_BICUBIC, vla_mean_half, vla_std_half);
	a->prep.mode = VLA_RESIZE_SQUASH;
	a->prep.crop = false;
	return vla_prep_read(&a->prep, prep, true, err);
}

static vla_status read_variable(const json_t *config, const json_t *prep, bool regions, vla_arch *a, vla_err *err)
{
	VLA_TRY(read_towers(config, true, regions, a, err));
	vla_prep_init(&a->prep, a->image_size, VLA_FILTER_BILINEAR, vla_mean_half, vla_std_half);
	a->prep.mode = VLA_RESIZE_PATCHES;
	a->prep.crop = false;
	a->prep.patch = a->vit.patch;
	a->prep.max_patches = 256;
	a->prep.by_picture = regions;
	return vla_prep_read(&a->prep, prep, true, err);
}

static vla_status read_siglip2(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			       vla_err *err)
{
	(void)ckpt;
	return read_variable(config, prep, false, a, err);
}

static vla_status read_fgclip2(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			       vla_err *err)
{
	(void)ckpt;
	return read_variable(config, prep, true, a, err);
}

const vla_family vla_family_siglip = {
	.name = "siglip",
	.rules = fixed_rules,
	.read = read_fixed,
	.trainable = true,
};

const vla_family vla_family_siglip2 = {
	.name = "siglip2",
	.rules = variable_rules,
	.read = read_siglip2,
	.trainable = true,
};

const vla_family vla_family_fgclip2 = {
	.name = "fgclip2",
	.rules = variable_rules,
	.read = read_fgclip2,
	.trainable = true,
};
