/* Keys and image towers that several families in Hugging Face layouts have alike. */
#include "model/hf.h"

#define AT(field) offsetof(vla_hf_tower, field)
#define U32(name, field, min, max) \
	{ \
		name, VLA_KEY_U32, AT(field), 0, min, max, NULL \
	}
#define SIZE(name, field, max) \
	{ \
		name, VLA_KEY_SIZE, AT(field), 0, 1, max, NULL \
	}

static const vla_key keys[] = {
	SIZE("hidden_size", width, 65536),
	SIZE("intermediate_size", hidden, 262144),
	U32("num_attention_heads", heads, 1, 1024),
	U32("num_hidden_layers", layers, 0, 256),
	{ "hidden_act", VLA_KEY_ACT, AT(act), 0, 0, 0, NULL },
	{ "layer_norm_eps", VLA_KEY_F32, AT(eps), 0, 0, 1, NULL },
	U32("image_size", image_size, 0, 16384),
	U32("patch_size", patch, 0, 1024),
	U32("num_patches", patches, 0, 1 << 20),
	U32("vocab_size", vocab, 0, 1 << 24),
	U32("max_position_embeddings", positions, 0, 65536),
	U32("eos_token_id", eos, 0, UINT32_MAX),
	U32("pad_token_id", pad, 0, UINT32_MAX),
	U32("type_vocab_size", types, 0, 65536),
	U32("projection_size", projection, 0, 65536),
	U32("keep_len", keep, 0, 65536),
	U32("longtext_len", long_positions, 0, 65536),
	{ "qkv_bias", VLA_KEY_BOOL, AT(qkv_bias), 0, 0, 1, NULL },
	{ "use_swiglu_ffn", VLA_KEY_BOOL, AT(gated), 0, 0, 1, NULL },
	{ "mlp_ratio", VLA_KEY_F32, AT(mlp_ratio), 0, 0, 64, NULL },
	U32("num_register_tokens", registers, 0, 1024),
};

static double value_of(const vla_key *k, const vla_hf_tower *t)
{
	const char *field = (const char *)t + k->offset;
	switch (k->kind) {
	case VLA_KEY_SIZE: return (double)*(const size_t *)(const void *)field;
	case VLA_KEY_F32: return (double)*(const float *)(const void *)field;
	case VLA_KEY_BOOL: return *(const bool *)(const void *)field;
	case VLA_KEY_ACT: return *(const vla_act *)(const void *)field;
	default: return *(const uint32_t *)(const void *)field;
	}
}

vla_status vla_hf_tower_read(const json_t *obj, const char *where, vla_hf_tower *t, vla_err *err)
{
	static const vla_key channels = { "num_channels", VLA_KEY_U32, 0, 3, 3, 3, NULL };
	uint32_t three;
	VLA_TRY(vla_keys_read(obj, where, &channels, 1, &three, err));
	for (size_t i = 0; i < VLA_NKEYS(keys); i++) {
		vla_key k = keys[i];
		k.dflt = value_of(&k, t);
		VLA_TRY(vla_keys_read(obj, where, &k, 1, t, err));
	}
	if (t->width % t->heads)
		return vla_fail(err, VLA_EFORMAT, "%s: %u heads do not divide the width %zu", where, t->heads,
				t->width);
	return VLA_OK;
}

const json_t *vla_hf_part(const json_t *config, const char *name, const char *override)
{
	const json_t *v = override ? json_object_get(config, override) : NULL;
	return json_is_object(v) ? v : json_object_get(config, name);
}

vla_nn_block_opts vla_hf_block(const vla_hf_tower *t)
{
	return (vla_nn_block_opts){ .width = t->width,
				    .hidden = t->hidden,
				    .heads = t->heads,
				    .layers = t->layers,
				    .act = t->act,
				    .eps = t->eps };
}

vla_status vla_hf_vit(const vla_hf_tower *t, const char *where, vla_arch *a, vla_err *err)
{
	if (t->patch < 1 || t->patch > t->image_size)
		return vla_fail(err, VLA_EFORMAT, "%s: patches of %u on pictures of %u pixels", where, t->patch,
				t->image_size);
	a->image = VLA_IMAGE_VIT;
	a->image_size = t->image_size;
	a->vit = (vla_vit_opts){ .image_size = t->image_size,
				 .patch = t->patch,
				 .block = vla_hf_block(t),
				 .position_filter = VLA_GRID_BICUBIC };
	return VLA_OK;
}

vla_status vla_hf_clip_vision(const json_t *config, vla_arch *a, vla_err *err)
{
	static const char where[] = "config.json: vision_config";
	vla_hf_tower t = { .width = 768,
			   .hidden = 3072,
			   .heads = 12,
			   .layers = 12,
			   .act = VLA_ACT_QUICK_GELU,
			   .eps = 1e-5f,
			   .image_size = 224,
			   .patch = 32 };
	VLA_TRY(vla_hf_tower_read(vla_hf_part(config, "vision_config", "vision_config_dict"), where, &t, err));
	VLA_TRY(vla_hf_vit(&t, where, a, err));
	a->vit.class_token = true;
	a->vit.pre_norm = true;
	a->vit.pool = VLA_POOL_FIRST;
	a->image_project = true;
	a->dense = true;
	return VLA_OK;
}
