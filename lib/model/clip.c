/* CLIP in the Hugging Face layout (model_type clip): Radford et al., "Learning Transferable Visual Models From Natural
 * Language Supervision", 2021. Missing keys take the defaults of the upstream classes (ViT-B/32). FG-CLIP (Xie et al.,
 * "FG-CLIP: Fine-Grained Visual and Textual Alignment", 2025) is a CLIP with positions and a projection of its own for
 * long texts; its files say so by those tensors. */
#include "model/hf.h"

static const vla_name_rule rules[] = {
	VLA_HF_CLIP_VISION_RULES,
	VLA_RULE("text.token.weight", "text_model.embeddings.token_embedding.weight"),
	VLA_RULE("text.position", "text_model.embeddings.position_embedding.weight"),
	VLA_RULE("text.position_first", "text_model.embeddings.position_embedding_ori.weight"),
	VLA_RULE("text.position_rest", "text_model.embeddings.position_embedding_res.weight"),
	VLA_HF_LAYER_RULES("text", "text_model"),
	VLA_RULE("text.post_norm.~", "text_model.final_layer_norm.~"),
	VLA_RULE("text.projection.~", "text_projection.~"),
	VLA_RULE("text.projection_long.~", "text_filip_projection.~"),
	VLA_RULE("logit_scale", "logit_scale"),
	{ NULL, NULL, VLA_LAYOUT_SAME },
};

static vla_status read_text(const json_t *config, const vla_checkpoint *ckpt, vla_arch *a, vla_err *err)
{
	const vla_ct *far =
		ckpt ? vla_checkpoint_get(ckpt, "text_model.embeddings.position_embedding_res.weight") : NULL;
	vla_hf_tower t = { .width = 512,
			   .hidden = 2048,
			   .heads = 8,
			   .layers = 12,
			   .act = VLA_ACT_QUICK_GELU,
			   .eps = 1e-5f,
			   .positions = 77,
			   .vocab = 49408,
			   .eos = 49407,
			   .keep = 20 };
	VLA_TRY(vla_hf_tower_read(vla_hf_part(config, "text_config", "text_config_dict"), "config.json: text_config",
				  &t, err));
	if (far && far->ndim == 2 && far->dim[0] > 0 && far->dim[0] <= 65536) {
		t.long_positions = (uint32_t)far->dim[0];
		t.eos = 49407; // whatever its config says
	}
	a->text = VLA_TEXT_TRANSFORMER;
	a->text_long = t.long_positions != 0;
	a->textnet = (vla_textnet_opts){ .vocab = t.vocab,
					 .positions = t.positions,
					 .block = vla_hf_block(&t),
					 .causal = true,
					 // 2 is what old files say by mistake; the end token then is the largest id.
					 .pool = t.eos == 2 ? VLA_POOL_MAX_ID : VLA_POOL_EOS,
					 .eos_id = t.eos,
					 .long_positions = a->text_long ? t.long_positions : 0,
					 .keep = t.keep };
	return VLA_OK;
}

static vla_status read_clip(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			    vla_err *err)
{
	static const vla_key dim = { "projection_dim", VLA_KEY_U32, 0, 512, 1, 65536, NULL };
	VLA_TRY(vla_keys_read(config, "config.json", &dim, 1, &a->dim, err));
	VLA_TRY(vla_hf_clip_vision(config, a, err));
	VLA_TRY(read_text(config, ckpt, a, err));
	a->text_project = true;
	a->logit_scale = true;
	a->logit_scale_init = 14.2857f;
	vla_prep_init(&a->prep, a->image_size, VLA_FILTER_BICUBIC, vla_mean_clip, vla_std_clip);
	return vla_prep_read(&a->prep, prep, false, err);
}

const vla_family vla_family_clip = {
	.name = "clip",
	.rules = rules,
	.read = read_clip,
	.trainable = true,
};
