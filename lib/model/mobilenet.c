/* MobileNetV2 in the Hugging Face layout (model_type mobilenet_v2): Sandler, Howard, Zhu, Zhmoginov, Chen,
 * "MobileNetV2", CVPR 2018. An image classifier without a text tower; its embedding is the pooled vector. */
#include "model/family.h"

#include <math.h>

#define CONV_RULES(ours, stored, layout) \
	{ ours ".conv.weight", stored ".convolution.weight", layout }, \
		{ ours ".norm.mean", stored ".normalization.running_mean", VLA_LAYOUT_SAME }, \
		{ ours ".norm.var", stored ".normalization.running_var", VLA_LAYOUT_SAME }, \
	{ \
		ours ".norm.~", stored ".normalization.~", VLA_LAYOUT_SAME \
	}

static const vla_name_rule rules[] = {
	CONV_RULES("image.stem", "mobilenet_v2.conv_stem.first_conv", VLA_LAYOUT_CONV),
	CONV_RULES("image.blocks.0.expand", "mobilenet_v2.conv_stem.expand_1x1", VLA_LAYOUT_CONV),
	CONV_RULES("image.blocks.0.depthwise", "mobilenet_v2.conv_stem.conv_3x3", VLA_LAYOUT_DEPTHWISE),
	CONV_RULES("image.blocks.0.project", "mobilenet_v2.conv_stem.reduce_1x1", VLA_LAYOUT_CONV),
	CONV_RULES("image.blocks.#.expand", "mobilenet_v2.layer.#-1.expand_1x1", VLA_LAYOUT_CONV),
	CONV_RULES("image.blocks.#.depthwise", "mobilenet_v2.layer.#-1.conv_3x3", VLA_LAYOUT_DEPTHWISE),
	CONV_RULES("image.blocks.#.project", "mobilenet_v2.layer.#-1.reduce_1x1", VLA_LAYOUT_CONV),
	CONV_RULES("image.final", "mobilenet_v2.conv_1x1", VLA_LAYOUT_CONV),
	{ "image.classifier.~", "classifier.~", VLA_LAYOUT_SAME },
	{ NULL, NULL, VLA_LAYOUT_SAME },
};

struct options {
	uint32_t image_size, divisible_by, min_depth, output_stride;
	float multiplier, expand, eps;
	bool first_is_expansion, finegrained, tf_padding;
	vla_act act;
};

#define KEY(name, kind, field, dflt, min, max) \
	{ \
		name, kind, offsetof(struct options, field), dflt, min, max, NULL \
	}
static const vla_key keys[] = {
	KEY("image_size", VLA_KEY_U32, image_size, 224, 1, 4096),
	KEY("depth_multiplier", VLA_KEY_F32, multiplier, 1, 0.01, 16),
	KEY("depth_divisible_by", VLA_KEY_U32, divisible_by, 8, 1, 1024),
	KEY("min_depth", VLA_KEY_U32, min_depth, 8, 1, 1024),
	KEY("expand_ratio", VLA_KEY_F32, expand, 6, 1, 64),
	KEY("output_stride", VLA_KEY_U32, output_stride, 32, 1, 1024),
	KEY("first_layer_is_expansion", VLA_KEY_BOOL, first_is_expansion, 1, 0, 1),
	KEY("finegrained_output", VLA_KEY_BOOL, finegrained, 1, 0, 1),
	KEY("hidden_act", VLA_KEY_ACT, act, VLA_ACT_RELU6, 0, 0),
	KEY("tf_padding", VLA_KEY_BOOL, tf_padding, 1, 0, 1),
	KEY("layer_norm_eps", VLA_KEY_F32, eps, 0.001, 0, 1),
};

static const struct {
	uint16_t channels;
	uint8_t stride;
} layers[17] = { { 16, 1 }, { 24, 2 }, { 24, 1 }, { 32, 2 }, { 32, 1 },  { 32, 1 },  { 64, 2 },  { 64, 1 }, { 64, 1 },
		 { 64, 1 }, { 96, 1 }, { 96, 1 }, { 96, 1 }, { 160, 2 }, { 160, 1 }, { 160, 1 }, { 320, 1 } };

static size_t channels_of(const struct options *o, size_t n)
{
	return vla_round_channels(rint(n * (double)o->multiplier), o->divisible_by, o->min_depth);
}

static vla_status add_blocks(const struct options *o, vla_arch *a, vla_err *err)
{
	for (size_t i = 0; i < VLA_NKEYS(layers); i++) {
		VLA_TRY(vla_arch_add_blocks(a, channels_of(o, layers[i].channels), 1, 3, layers[i].stride, 1, err));
		vla_nn_residual_opts *b = &a->convnet.block[i];
		// The stem's own block keeps the width; the stem has widened already when it counts as the expansion.
		b->expand = i > 0 || !o->first_is_expansion;
		if (i > 0)
			b->hidden = vla_round_channels(rint((double)b->in * o->expand), o->divisible_by, o->min_depth);
	}
	return VLA_OK;
}

static vla_status read_mobilenet(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
				 vla_err *err)
{
	struct options o;
	VLA_TRY(vla_keys_read(config, "config.json", keys, VLA_NKEYS(keys), &o, err));
	if (o.output_stride != 32)
		return vla_fail(err, VLA_EUNSUPPORTED, "config.json: output_stride %u (only 32 is known)",
				o.output_stride);
	a->image = VLA_IMAGE_CONVNET;
	a->image_size = o.image_size;
	a->convnet.stem_channels = channels_of(&o, 32);
	a->convnet.stem_kernel = 3;
	a->convnet.stem_stride = 2;
	a->convnet.act = o.act;
	a->convnet.padding = o.tf_padding ? VLA_PAD_SAME : VLA_PAD_HALF;
	a->convnet.eps = o.eps;
	a->convnet.momentum = 0.003f;
	a->convnet.hidden = o.finegrained && o.multiplier < 1 ? 1280 : channels_of(&o, 1280);
	VLA_TRY(add_blocks(&o, a, err));
	a->dim = (uint32_t)a->convnet.hidden;
	const vla_ct *t = ckpt ? vla_checkpoint_get(ckpt, "classifier.weight") : NULL;
	if (t && t->ndim == 2 && t->dim[0] <= UINT32_MAX)
		a->classes = (uint32_t)t->dim[0];
	else if (!ckpt)
		a->classes = (uint32_t)json_object_size(json_object_get(config, "id2label"));
	vla_prep_init(&a->prep, o.image_size, VLA_FILTER_BILINEAR, vla_mean_half, vla_std_half);
	a->prep.width = a->prep.height = 256;
	return vla_prep_read(&a->prep, prep, false, err);
}

const vla_family vla_family_mobilenet_v2 = {
	.name = "mobilenet_v2",
	.rules = rules,
	.prefix = "mobilenet_v2.",
	.read = read_mobilenet,
	.trainable = true,
};
