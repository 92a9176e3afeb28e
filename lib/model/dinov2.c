/* DINOv2, an image tower (model_type dinov2): Oquab et al., "DINOv2: Learning Robust Visual Features without
 * Supervision", 2023; with registers (dinov2_with_registers): Darcet et al., "Vision Transformers Need Registers",
 * 2024. The embedding is the class token after the last norm. Pictures have the size that their preprocessing gives
 * them, not the one that positions were learnt for. */
#include "model/hf.h"

#define LAYER "dinov2.encoder.layer.#."
#define RULES \
	{ "image.patch.weight", "dinov2.embeddings.patch_embeddings.projection.weight", VLA_LAYOUT_CONV }, \
		VLA_RULE("image.patch.bias", "dinov2.embeddings.patch_embeddings.projection.bias"), \
		{ "image.class_token", "dinov2.embeddings.cls_token", VLA_LAYOUT_LEAD2 }, \
		{ "image.registers", "dinov2.embeddings.register_tokens", VLA_LAYOUT_LEAD }, \
		{ "image.position", "dinov2.embeddings.position_embeddings", VLA_LAYOUT_LEAD }, \
		VLA_RULE("image.layers.#.norm1.~", LAYER "norm1.~"), \
		VLA_RULE("image.layers.#.attn.q.~", LAYER "attention.attention.query.~"), \
		VLA_RULE("image.layers.#.attn.k.~", LAYER "attention.attention.key.~"), \
		VLA_RULE("image.layers.#.attn.v.~", LAYER "attention.attention.value.~"), \
		VLA_RULE("image.layers.#.attn.out.~", LAYER "attention.output.dense.~"), \
		VLA_RULE("image.layers.#.scale1", LAYER "layer_scale1.lambda1"), \
		VLA_RULE("image.layers.#.norm2.~", LAYER "norm2.~"), \
		VLA_RULE("image.layers.#.scale2", LAYER "layer_scale2.lambda1"), \
		VLA_RULE("image.post_norm.~", "dinov2.layernorm.~")

static const vla_name_rule plain_rules[] = {
	RULES,
	VLA_RULE("image.layers.#.mlp.~", LAYER "mlp.~"),
	{ NULL, NULL, VLA_LAYOUT_SAME },
};
static const vla_name_rule gated_rules[] = {
	RULES,
	VLA_RULE("image.layers.#.mlp.fc1.~", LAYER "mlp.weights_in.~"),
	VLA_RULE("image.layers.#.mlp.fc2.~", LAYER "mlp.weights_out.~"),
	{ NULL, NULL, VLA_LAYOUT_SAME },
};

static const float mean[3] = { 0.485f, 0.456f, 0.406f };
static const float std[3] = { 0.229f, 0.224f, 0.225f };

static vla_status read_tower(const json_t *config, uint32_t registers, vla_arch *a, vla_err *err)
{
	vla_hf_tower t = { .width = 768,
			   .heads = 12,
			   .layers = 12,
			   .act = VLA_ACT_GELU,
			   .eps = 1e-6f,
			   .image_size = 224,
			   .patch = 14,
			   .qkv_bias = true,
			   .mlp_ratio = 4,
			   .registers = registers,
			   .hidden = 1 };
	VLA_TRY(vla_hf_tower_read(config, "config.json", &t, err));
	if (!t.qkv_bias)
		return vla_fail(err, VLA_EUNSUPPORTED, "config.json: 'qkv_bias' is false");
	t.hidden = (size_t)((double)t.width * (double)t.mlp_ratio);
	if (t.gated) {
		t.hidden = (t.hidden * 2 / 3 + 7) / 8 * 8;
		t.act = VLA_ACT_SILU;
	}
	if (t.hidden < 1)
		return vla_fail(err, VLA_EFORMAT, "config.json: 'mlp_ratio' %g", (double)t.mlp_ratio);
	VLA_TRY(vla_hf_vit(&t, "config.json", a, err));
	a->dim = (uint32_t)t.width;
	a->vit.class_token = a->vit.patch_bias = true;
	a->vit.pool = VLA_POOL_FIRST;
	a->vit.block.layer_scale = true;
	a->vit.block.gated = t.gated;
	if (t.gated)
		a->rules = gated_rules;
	return VLA_OK;
}

static vla_status read_prep(const json_t *prep, vla_arch *a, vla_err *err)
{
	a->any_size = true;
	vla_prep_init(&a->prep, 224, VLA_FILTER_BICUBIC, mean, std);
	a->prep.width = a->prep.height = 256;
	return vla_prep_read(&a->prep, prep, false, err);
}

static vla_status read_dinov2(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			      vla_err *err)
{
	(void)ckpt;
	VLA_TRY(read_tower(config, 0, a, err));
	return read_prep(prep, a, err);
}

static vla_status read_with_registers(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
				      vla_err *err)
{
	(void)ckpt;
	VLA_TRY(read_tower(config, 4, a, err));
	static const vla_key key = { "num_register_tokens", VLA_KEY_U32, 0, 4, 0, 1024, NULL };
	VLA_TRY(vla_keys_read(config, "config.json", &key, 1, &a->vit.registers, err));
	a->vit.position_filter = VLA_GRID_BICUBIC_SMOOTH; // upstream smooths in this class only
	return read_prep(prep, a, err);
}

const vla_family vla_family_dinov2 = {
	.name = "dinov2",
	.rules = plain_rules,
	.prefix = "dinov2.",
	.read = read_dinov2,
	.trainable = true,
};

const vla_family vla_family_dinov2_with_registers = {
	.name = "dinov2_with_registers",
	.rules = plain_rules,
	.prefix = "dinov2.",
	.read = read_with_registers,
	.trainable = true,
};
