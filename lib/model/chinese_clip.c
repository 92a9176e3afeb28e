/* Chinese-CLIP (model_type chinese_clip): Yang et al., "Chinese CLIP: Contrastive Vision-Language Pretraining in
 * Chinese", 2022. CLIP's image tower and BERT's encoder (Devlin et al. 2019) for texts: norms after the sums, padding
 * masked, the first token pooled without BERT's own pooler. */
#include "model/hf.h"

#define LAYER "text_model.encoder.layer.#."

static const vla_name_rule rules[] = {
	VLA_HF_CLIP_VISION_RULES,
	VLA_RULE("text.token.weight", "text_model.embeddings.word_embeddings.weight"),
	VLA_RULE("text.position", "text_model.embeddings.position_embeddings.weight"),
	VLA_RULE("text.types", "text_model.embeddings.token_type_embeddings.weight"),
	VLA_RULE("text.embed_norm.~", "text_model.embeddings.LayerNorm.~"),
	VLA_RULE("text.layers.#.attn.q.~", LAYER "attention.self.query.~"),
	VLA_RULE("text.layers.#.attn.k.~", LAYER "attention.self.key.~"),
	VLA_RULE("text.layers.#.attn.v.~", LAYER "attention.self.value.~"),
	VLA_RULE("text.layers.#.attn.out.~", LAYER "attention.output.dense.~"),
	VLA_RULE("text.layers.#.norm1.~", LAYER "attention.output.LayerNorm.~"),
	VLA_RULE("text.layers.#.mlp.fc1.~", LAYER "intermediate.dense.~"),
	VLA_RULE("text.layers.#.mlp.fc2.~", LAYER "output.dense.~"),
	VLA_RULE("text.layers.#.norm2.~", LAYER "output.LayerNorm.~"),
	VLA_RULE("text.projection.~", "text_projection.~"),
	VLA_RULE("logit_scale", "logit_scale"),
	{ NULL, NULL, VLA_LAYOUT_SAME },
};

static vla_status read_text(const json_t *config, vla_arch *a, vla_err *err)
{
	vla_hf_tower t = { .width = 768,
			   .hidden = 3072,
			   .heads = 12,
			   .layers = 12,
			   .act = VLA_ACT_GELU,
			   .eps = 1e-12f,
			   .positions = 512,
			   .vocab = 30522,
			   .types = 2 };
	VLA_TRY(vla_hf_tower_read(vla_hf_part(config, "text_config", "text_config_dict"), "config.json: text_config",
				  &t, err));
	a->text = VLA_TEXT_TRANSFORMER;
	a->textnet = (vla_textnet_opts){ .vocab = t.vocab,
					 .positions = t.positions,
					 .block = vla_hf_block(&t),
					 .pool = VLA_POOL_FIRST,
					 .embed_norm = true,
					 .types = t.types };
	a->textnet.block.post_norm = true;
	a->text_project = true;
	return VLA_OK;
}

static vla_status read_chinese_clip(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
				    vla_err *err)
{
	static const vla_key dim = { "projection_dim", VLA_KEY_U32, 0, 512, 1, 65536, NULL };
	(void)ckpt;
	VLA_TRY(vla_keys_read(config, "config.json", &dim, 1, &a->dim, err));
	VLA_TRY(vla_hf_clip_vision(config, a, err));
	VLA_TRY(read_text(config, a, err));
	a->logit_scale = true;
	a->logit_scale_init = 14.2857f;
	vla_prep_init(&a->prep, a->image_size, VLA_FILTER_BICUBIC, vla_mean_clip, vla_std_clip);
	a->prep.mode = VLA_RESIZE_SQUASH;
	a->prep.crop = false;
	return vla_prep_read(&a->prep, prep, true, err);
}

const vla_family vla_family_chinese_clip = {
	.name = "chinese_clip",
	.rules = rules,
	.read = read_chinese_clip,
	.trainable = true,
};
