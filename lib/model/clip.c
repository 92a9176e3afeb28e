/* CLIP in the Hugging Face layout (model_type clip): Radford et al., "Learning Transferable Visual Models From Natural
 * Language Supervision", 2021. Missing keys take the defaults of the upstream classes (ViT-B/32). */
#include "model/family.h"

#define BLOCK_RULES(ours, stored) \
	{ ours ".layers.#.norm1.~", stored ".encoder.layers.#.layer_norm1.~", VLA_LAYOUT_SAME }, \
		{ ours ".layers.#.norm2.~", stored ".encoder.layers.#.layer_norm2.~", VLA_LAYOUT_SAME }, \
		{ ours ".layers.#.attn.q.~", stored ".encoder.layers.#.self_attn.q_proj.~", VLA_LAYOUT_SAME }, \
		{ ours ".layers.#.attn.k.~", stored ".encoder.layers.#.self_attn.k_proj.~", VLA_LAYOUT_SAME }, \
		{ ours ".layers.#.attn.v.~", stored ".encoder.layers.#.self_attn.v_proj.~", VLA_LAYOUT_SAME }, \
		{ ours ".layers.#.attn.out.~", stored ".encoder.layers.#.self_attn.out_proj.~", VLA_LAYOUT_SAME }, \
	{ \
		ours ".layers.#.mlp.~", stored ".encoder.layers.#.mlp.~", VLA_LAYOUT_SAME \
	}

static const vla_name_rule rules[] = {
	{ "image.patch.weight", "vision_model.embeddings.patch_embedding.weight", VLA_LAYOUT_CONV },
	{ "image.class_token", "vision_model.embeddings.class_embedding", VLA_LAYOUT_SAME },
	{ "image.position", "vision_model.embeddings.position_embedding.weight", VLA_LAYOUT_SAME },
	{ "image.pre_norm.~", "vision_model.pre_layrnorm.~", VLA_LAYOUT_SAME }, // spelled so upstream
	BLOCK_RULES("image", "vision_model"),
	{ "image.post_norm.~", "vision_model.post_layernorm.~", VLA_LAYOUT_SAME },
	{ "image.projection.~", "visual_projection.~", VLA_LAYOUT_SAME },
	{ "text.token.weight", "text_model.embeddings.token_embedding.weight", VLA_LAYOUT_SAME },
	{ "text.position", "text_model.embeddings.position_embedding.weight", VLA_LAYOUT_SAME },
	BLOCK_RULES("text", "text_model"),
	{ "text.post_norm.~", "text_model.final_layer_norm.~", VLA_LAYOUT_SAME },
	{ "text.projection.~", "text_projection.~", VLA_LAYOUT_SAME },
	{ "logit_scale", "logit_scale", VLA_LAYOUT_SAME },
	{ NULL, NULL, VLA_LAYOUT_SAME },
};

struct options {
	uint32_t dim, image_size, patch, channels, heads, layers, positions, vocab, eos;
	size_t width, hidden;
	vla_act act;
	float eps;
};

#define AT(field) offsetof(struct options, field)
#define TOWER_KEYS(width_, hidden_, heads_) \
	{ "hidden_size", VLA_KEY_SIZE, AT(width), width_, 1, 65536, NULL }, \
		{ "intermediate_size", VLA_KEY_SIZE, AT(hidden), hidden_, 1, 262144, NULL }, \
		{ "num_hidden_layers", VLA_KEY_U32, AT(layers), 12, 0, 256, NULL }, \
		{ "num_attention_heads", VLA_KEY_U32, AT(heads), heads_, 1, 1024, NULL }, \
		{ "hidden_act", VLA_KEY_ACT, AT(act), VLA_ACT_QUICK_GELU, 0, 0, NULL }, \
	{ \
		"layer_norm_eps", VLA_KEY_F32, AT(eps), 1e-5, 0, 1, NULL \
	}

static const vla_key top_keys[] = {
	{ "projection_dim", VLA_KEY_U32, AT(dim), 512, 1, 65536, NULL },
};
static const vla_key vision_keys[] = {
	TOWER_KEYS(768, 3072, 12),
	{ "image_size", VLA_KEY_U32, AT(image_size), 224, 1, 4096, NULL },
	{ "patch_size", VLA_KEY_U32, AT(patch), 32, 1, 1024, NULL },
	{ "num_channels", VLA_KEY_U32, AT(channels), 3, 3, 3, NULL },
};
static const vla_key text_keys[] = {
	TOWER_KEYS(512, 2048, 8),
	{ "max_position_embeddings", VLA_KEY_U32, AT(positions), 77, 1, 65536, NULL },
	{ "vocab_size", VLA_KEY_U32, AT(vocab), 49408, 1, 1 << 24, NULL },
	{ "eos_token_id", VLA_KEY_U32, AT(eos), 49407, 0, UINT32_MAX, NULL },
};

// Old files carry a second, complete description that replaces the first.
static const json_t *tower_config(const json_t *config, const char *name, const char *override)
{
	const json_t *v = json_object_get(config, override);
	return json_is_object(v) ? v : json_object_get(config, name);
}

static vla_status check_heads(const struct options *o, const char *where, vla_err *err)
{
	if (o->width % o->heads)
		return vla_fail(err, VLA_EFORMAT, "config.json: %s: %u heads do not divide the width %zu", where,
				o->heads, o->width);
	return VLA_OK;
}

static vla_status read_vision(const json_t *vision, vla_arch *a, vla_err *err)
{
	struct options o;
	VLA_TRY(vla_keys_read(vision, "config.json: vision_config", vision_keys, VLA_NKEYS(vision_keys), &o, err));
	VLA_TRY(check_heads(&o, "vision_config", err));
	if (o.patch > o.image_size)
		return vla_fail(err, VLA_EFORMAT, "config.json: vision_config: patches of %u on pictures of %u pixels",
				o.patch, o.image_size);
	a->image = VLA_IMAGE_VIT;
	a->image_size = o.image_size;
	a->vit = (vla_vit_opts){ .image_size = o.image_size,
				 .patch = o.patch,
				 .block = { o.width, o.hidden, o.heads, o.layers, o.act, o.eps },
				 .class_token = true,
				 .pre_norm = true,
				 .pool = VLA_POOL_FIRST };
	return VLA_OK;
}

static vla_status read_clip(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			    vla_err *err)
{
	struct options o;
	(void)ckpt;
	VLA_TRY(vla_keys_read(config, "config.json", top_keys, VLA_NKEYS(top_keys), &o, err));
	a->dim = o.dim;
	VLA_TRY(read_vision(tower_config(config, "vision_config", "vision_config_dict"), a, err));
	const json_t *text = tower_config(config, "text_config", "text_config_dict");
	VLA_TRY(vla_keys_read(text, "config.json: text_config", text_keys, VLA_NKEYS(text_keys), &o, err));
	VLA_TRY(check_heads(&o, "text_config", err));
	a->text = VLA_TEXT_TRANSFORMER;
	a->textnet = (vla_textnet_opts){ .vocab = o.vocab,
					 .positions = o.positions,
					 .block = { o.width, o.hidden, o.heads, o.layers, o.act, o.eps },
					 .causal = true,
					 // 2 is what old files say by mistake; the end token then is the largest id.
					 .pool = o.eos == 2 ? VLA_POOL_MAX_ID : VLA_POOL_EOS,
					 .eos_id = o.eos };
	a->image_project = a->text_project = true;
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
