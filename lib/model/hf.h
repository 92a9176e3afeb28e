/* What the families in Hugging Face layouts share: keys of a transformer tower, names of its layers. */
#ifndef VLA_MODEL_HF_H
#define VLA_MODEL_HF_H

#include "model/family.h"

/* Keys of a tower's part of config.json. */
typedef struct vla_hf_tower {
	size_t width, hidden;
	uint32_t heads, layers;
	vla_act act;
	float eps;
	uint32_t image_size, patch, patches;        /* pictures; patches: of the learnt positions */
	uint32_t vocab, positions, eos, pad, types; /* texts */
	uint32_t projection;                        /* numbers an embedding; 0: not said */
	uint32_t keep, long_positions;              /* of long texts */
	bool qkv_bias, gated;
	float mlp_ratio;
	uint32_t registers;
} vla_hf_tower;

/* t comes in with the defaults of the upstream class and leaves with what obj (may be NULL) says. Checks that heads
 * divide the width. */
vla_status vla_hf_tower_read(const json_t *obj, const char *where, vla_hf_tower *t, vla_err *err) VLA_MUST_USE;
/* A tower's part of config.json; when `override` is an object it replaces the part (old files carry both). */
const json_t *vla_hf_part(const json_t *config, const char *name, const char *override);
vla_nn_block_opts vla_hf_block(const vla_hf_tower *t);
/* Checks that patches fit on the pictures and sets the image tower's sizes and blocks; position_filter bicubic. */
vla_status vla_hf_vit(const vla_hf_tower *t, const char *where, vla_arch *a, vla_err *err) VLA_MUST_USE;
/* CLIP's image tower from vision_config. */
vla_status vla_hf_clip_vision(const json_t *config, vla_arch *a, vla_err *err) VLA_MUST_USE;

#define VLA_RULE(ours, stored) \
	{ \
		ours, stored, VLA_LAYOUT_SAME \
	}
/* Layers as most families name them: `ours` and `stored` are the towers' names. */
#define VLA_HF_LAYER_RULES(ours, stored) \
	VLA_RULE(ours ".layers.#.norm1.~", stored ".encoder.layers.#.layer_norm1.~"), \
		VLA_RULE(ours ".layers.#.norm2.~", stored ".encoder.layers.#.layer_norm2.~"), \
		VLA_RULE(ours ".layers.#.attn.q.~", stored ".encoder.layers.#.self_attn.q_proj.~"), \
		VLA_RULE(ours ".layers.#.attn.k.~", stored ".encoder.layers.#.self_attn.k_proj.~"), \
		VLA_RULE(ours ".layers.#.attn.v.~", stored ".encoder.layers.#.self_attn.v_proj.~"), \
		VLA_RULE(ours ".layers.#.attn.out.~", stored ".encoder.layers.#.self_attn.out_proj.~"), \
		VLA_RULE(ours ".layers.#.mlp.~", stored ".encoder.layers.#.mlp.~")
/* CLIP's image tower with its projection. */
#define VLA_HF_CLIP_VISION_RULES \
	{ "image.patch.weight", "vision_model.embeddings.patch_embedding.weight", VLA_LAYOUT_CONV }, \
		VLA_RULE("image.class_token", "vision_model.embeddings.class_embedding"), \
		VLA_RULE("image.position", "vision_model.embeddings.position_embedding.weight"), \
		VLA_RULE("image.pre_norm.~", "vision_model.pre_layrnorm.~"), /* spelled so upstream */ \
		VLA_HF_LAYER_RULES("image", "vision_model"), \
		VLA_RULE("image.post_norm.~", "vision_model.post_layernorm.~"), \
		VLA_RULE("image.projection.~", "visual_projection.~")

#endif
