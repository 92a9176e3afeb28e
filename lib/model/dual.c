/* vla's own dual encoder (model_type vla_dual): an image tower and a text tower into one space. Tensors have our names
 *and layouts, so that a file is used as it lies on disk. config.json:
 *
 *	{
 *	  "model_type": "vla_dual",
 *	  "dim": 128,                   numbers an embedding
 *	  "sigmoid": false,             scored by sigmoid, not softmax
 *	  "logit_scale": 14.3,          where training starts; the learnt logarithm is a tensor. 0: none
 *	  "logit_bias": -10,            where training starts; absent: none
 *	  "image": {                    absent: no image tower
 *	    "tower": "convnet",         or "vit"
 *	    "size": 128,                pixels a side
 *	    "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
 *	    "resample": "bilinear",     nearest, lanczos, bilinear, bicubic
 *	    "resize": "shortest",       and centre crop; or "squash"
 *	    "projection": true, "projection_bias": true,
 *	    "classes": 0,               outputs of a classifier on the pooled vector (names: id2label)
 *	    convnet:
 *	    "stem": { "channels": 16, "kernel": 3, "stride": 2 },
 *	    "stages": [ { "channels": 24, "expand": 4, "kernel": 3, "stride": 2, "repeat": 2 }, ... ],
 *	    "hidden": 640,              channels of the last 1x1 convolution: the pooled width
 *	    "activation": "relu6",      or "hard_swish", ...
 *	    vit:
 *	    "patch": 16, "width": 192, "layers": 6, "heads": 3, "hidden": 768, "activation": "gelu", "pool": "mean" or
 *"first"
 *	  },
 *	  "text": {                     absent: no text tower
 *	    "tower": "bag",             mean of token vectors; or "transformer"
 *	    "vocab": 8192,              filled in from the tokenizer when absent
 *	    "width": 128,               of a token vector
 *	    "importance": true,         bag: a learnt weight for each token
 *	    "projection": false,        linear map to dim, needed when width != dim
 *	    transformer:
 *	    "layers": 2, "heads": 2, "hidden": 512, "positions": 64, "activation": "gelu", "causal": false,
 *	    "pool": "mean" or "last"
 *	  }
 *	}
 */
#include "model/family.h"

#include <math.h>

static const char *const image_towers[] = { "", "convnet", "vit", NULL };
static const char *const text_towers[] = { "", "bag", "transformer", NULL };
static const char *const filters[] = { "nearest", "lanczos", "bilinear", "bicubic", NULL };
static const char *const resizes[] = { "none", "shortest", "squash", NULL };
static const char *const image_pools[] = { "mean", "first", NULL }; // VLA_POOL_MEAN, VLA_POOL_FIRST
static const char *const text_pools[] = { "mean", "last", NULL };

struct options {
	uint32_t dim;
	bool sigmoid;
	float scale, bias;
	int image_tower, text_tower, filter, resize, image_pool, text_pool;
	uint32_t size, classes, patch, stem_kernel, stem_stride, positions, vocab, width, heads, layers;
	size_t stem_channels, hidden;
	bool project, project_bias, weighted, causal;
	vla_act act;
	size_t channels; // of a stage
	float expand;
	uint32_t kernel, stride, repeat;
};

#define AT(field) offsetof(struct options, field)
static const vla_key top_keys[] = {
	{ "dim", VLA_KEY_U32, AT(dim), NAN, 1, 65536, NULL },
	{ "sigmoid", VLA_KEY_BOOL, AT(sigmoid), 0, 0, 1, NULL },
	{ "logit_scale", VLA_KEY_F32, AT(scale), 14.285714, 0, 1000, NULL },
	{ "logit_bias", VLA_KEY_F32, AT(bias), 0, -1000, 1000, NULL },
};
static const vla_key image_keys[] = {
	{ "tower", VLA_KEY_ENUM, AT(image_tower), NAN, 0, 0, image_towers },
	{ "size", VLA_KEY_U32, AT(size), NAN, 8, 4096, NULL },
	{ "resample", VLA_KEY_ENUM, AT(filter), VLA_FILTER_BILINEAR, 0, 0, filters },
	{ "resize", VLA_KEY_ENUM, AT(resize), VLA_RESIZE_SHORTEST, 0, 0, resizes },
	{ "projection", VLA_KEY_BOOL, AT(project), 1, 0, 1, NULL },
	{ "projection_bias", VLA_KEY_BOOL, AT(project_bias), 1, 0, 1, NULL },
	{ "classes", VLA_KEY_U32, AT(classes), 0, 0, 1 << 20, NULL },
	{ "hidden", VLA_KEY_SIZE, AT(hidden), NAN, 1, 65536, NULL },
};
static const vla_key convnet_keys[] = {
	{ "activation", VLA_KEY_ACT, AT(act), VLA_ACT_RELU6, 0, 0, NULL },
};
static const vla_key stem_keys[] = {
	{ "channels", VLA_KEY_SIZE, AT(stem_channels), NAN, 1, 65536, NULL },
	{ "kernel", VLA_KEY_U32, AT(stem_kernel), 3, 1, 31, NULL },
	{ "stride", VLA_KEY_U32, AT(stem_stride), 2, 1, 32, NULL },
};
static const vla_key stage_keys[] = {
	{ "channels", VLA_KEY_SIZE, AT(channels), NAN, 1, 65536, NULL },
	{ "expand", VLA_KEY_F32, AT(expand), 6, 1, 64, NULL },
	{ "kernel", VLA_KEY_U32, AT(kernel), 3, 1, 31, NULL },
	{ "stride", VLA_KEY_U32, AT(stride), 1, 1, 32, NULL },
	{ "repeat", VLA_KEY_U32, AT(repeat), 1, 1, 256, NULL },
};
static const vla_key vit_keys[] = {
	{ "patch", VLA_KEY_U32, AT(patch), NAN, 1, 1024, NULL },
	{ "width", VLA_KEY_U32, AT(width), NAN, 1, 65536, NULL },
	{ "layers", VLA_KEY_U32, AT(layers), NAN, 0, 256, NULL },
	{ "heads", VLA_KEY_U32, AT(heads), NAN, 1, 1024, NULL },
	{ "activation", VLA_KEY_ACT, AT(act), VLA_ACT_GELU, 0, 0, NULL },
	{ "pool", VLA_KEY_ENUM, AT(image_pool), VLA_POOL_MEAN, 0, 0, image_pools },
};
static const vla_key text_keys[] = {
	{ "tower", VLA_KEY_ENUM, AT(text_tower), NAN, 0, 0, text_towers },
	{ "vocab", VLA_KEY_U32, AT(vocab), NAN, 1, 1 << 24, NULL },
	{ "width", VLA_KEY_U32, AT(width), NAN, 1, 65536, NULL },
	{ "projection", VLA_KEY_BOOL, AT(project), 0, 0, 1, NULL },
};
static const vla_key bag_keys[] = {
	{ "importance", VLA_KEY_BOOL, AT(weighted), 0, 0, 1, NULL },
};
static const vla_key transformer_keys[] = {
	{ "layers", VLA_KEY_U32, AT(layers), NAN, 0, 256, NULL },
	{ "heads", VLA_KEY_U32, AT(heads), NAN, 1, 1024, NULL },
	{ "hidden", VLA_KEY_SIZE, AT(hidden), NAN, 1, 262144, NULL },
	{ "positions", VLA_KEY_U32, AT(positions), 64, 1, 65536, NULL },
	{ "activation", VLA_KEY_ACT, AT(act), VLA_ACT_GELU, 0, 0, NULL },
	{ "causal", VLA_KEY_BOOL, AT(causal), 0, 0, 1, NULL },
	{ "pool", VLA_KEY_ENUM, AT(text_pool), 0, 0, 0, text_pools },
};

// Reads two tables from one object and refuses keys that are in neither.
static vla_status read_two(const json_t *obj, const char *where, const vla_key *a, size_t na, const vla_key *b,
			   size_t nb, const char *const *also, struct options *o, vla_err *err)
{
	const char *known[32];
	size_t n = 0;
	for (size_t i = 0; i < nb; i++)
		known[n++] = b[i].name;
	for (size_t i = 0; also && also[i]; i++)
		known[n++] = also[i];
	known[n] = NULL;
	VLA_TRY(vla_keys_check(obj, where, a, na, known, err));
	VLA_TRY(vla_keys_read(obj, where, a, na, o, err));
	return vla_keys_read(obj, where, b, nb, o, err);
}

static vla_status read_stages(const json_t *stages, vla_arch *a, vla_err *err)
{
	if (!json_is_array(stages))
		return vla_fail(err, VLA_EFORMAT, "config.json: image has no list 'stages'");
	for (size_t i = 0; i < json_array_size(stages); i++) {
		struct options s;
		char where[64];
		const json_t *stage = json_array_get(stages, i);
		snprintf(where, sizeof where, "config.json: image stage %zu", i + 1);
		VLA_TRY(vla_keys_read(stage, where, stage_keys, VLA_NKEYS(stage_keys), &s, err));
		VLA_TRY(vla_keys_check(stage, where, stage_keys, VLA_NKEYS(stage_keys), NULL, err));
		VLA_TRY(vla_arch_add_blocks(a, s.channels, s.expand, s.kernel, s.stride, s.repeat, err));
	}
	return VLA_OK;
}

static vla_status read_convnet(const json_t *image, struct options *o, vla_arch *a, vla_err *err)
{
	static const char *const also[] = { "mean", "std", "stem", "stages", NULL };
	const json_t *stem = json_object_get(image, "stem");
	VLA_TRY(read_two(image, "config.json: image", image_keys, VLA_NKEYS(image_keys), convnet_keys,
			 VLA_NKEYS(convnet_keys), also, o, err));
	VLA_TRY(vla_keys_read(stem, "config.json: image stem", stem_keys, VLA_NKEYS(stem_keys), o, err));
	VLA_TRY(vla_keys_check(stem, "config.json: image stem", stem_keys, VLA_NKEYS(stem_keys), NULL, err));
	a->convnet.stem_channels = o->stem_channels;
	a->convnet.stem_kernel = o->stem_kernel;
	a->convnet.stem_stride = o->stem_stride;
	a->convnet.hidden = o->hidden;
	a->convnet.act = o->act;
	a->convnet.padding = VLA_PAD_HALF;
	a->convnet.eps = 1e-5f;
	a->convnet.momentum = 0.1f;
	return read_stages(json_object_get(image, "stages"), a, err);
}

static vla_status read_vit(const json_t *image, struct options *o, vla_arch *a, vla_err *err)
{
	static const char *const also[] = { "mean", "std", NULL };
	VLA_TRY(read_two(image, "config.json: image", image_keys, VLA_NKEYS(image_keys), vit_keys, VLA_NKEYS(vit_keys),
			 also, o, err));
	if (o->width % o->heads || o->patch > o->size)
		return vla_fail(err, VLA_EFORMAT,
				"config.json: image: width %u by %u heads, patch %u of %u pixels do not fit", o->width,
				o->heads, o->patch, o->size);
	a->vit = (vla_vit_opts){
		.image_size = o->size,
		.patch = o->patch,
		.block = { o->width, o->hidden, o->heads, o->layers, o->act, 1e-5f },
		.class_token = o->image_pool == VLA_POOL_FIRST,
		.patch_bias = true,
		.pool = (vla_pool_kind)o->image_pool,
	};
	return VLA_OK;
}

static vla_status read_triple(const json_t *image, const char *name, float out[3], vla_err *err)
{
	const json_t *v = json_object_get(image, name);
	for (size_t i = 0; v && i < 3; i++) {
		double x = json_number_value(json_array_get(v, i));
		if (json_array_size(v) != 3 || !json_is_number(json_array_get(v, i)) || (name[0] == 's' && x == 0))
			return vla_fail(err, VLA_EFORMAT, "config.json: image: '%s' is not a list of three numbers",
					name);
		out[i] = (float)x;
	}
	return VLA_OK;
}

static vla_status read_image(const json_t *image, vla_arch *a, vla_err *err)
{
	struct options o;
	float mean[3] = { 0.5f, 0.5f, 0.5f }, std[3] = { 0.5f, 0.5f, 0.5f };
	VLA_TRY(vla_keys_read(image, "config.json: image", image_keys, 1, &o, err));
	a->image = (vla_image_tower)o.image_tower;
	if (a->image == VLA_IMAGE_NONE)
		return vla_fail(err, VLA_EFORMAT, "config.json: image: 'tower' is empty");
	VLA_TRY(a->image == VLA_IMAGE_VIT ? read_vit(image, &o, a, err) : read_convnet(image, &o, a, err));
	VLA_TRY(read_triple(image, "mean", mean, err));
	VLA_TRY(read_triple(image, "std", std, err));
	a->image_size = o.size;
	a->classes = o.classes;
	a->image_project = o.project;
	a->image_bias = o.project && o.project_bias;
	size_t width = a->image == VLA_IMAGE_VIT ? o.width : o.hidden;
	if (!o.project && width != a->dim)
		return vla_fail(err, VLA_EFORMAT, "config.json: image: a width of %zu needs a projection to dim %u",
				width, a->dim);
	vla_prep_init(&a->prep, o.size, (vla_filter)o.filter, mean, std);
	a->prep.mode = (vla_resize_mode)o.resize;
	a->prep.crop = a->prep.mode != VLA_RESIZE_SQUASH;
	return VLA_OK;
}

static vla_status read_text(const json_t *text, vla_arch *a, vla_err *err)
{
	struct options o;
	VLA_TRY(vla_keys_read(text, "config.json: text", text_keys, 1, &o, err));
	a->text = (vla_text_tower)o.text_tower;
	bool bag = a->text == VLA_TEXT_BAG;
	if (a->text == VLA_TEXT_NONE)
		return vla_fail(err, VLA_EFORMAT, "config.json: text: 'tower' is empty");
	VLA_TRY(read_two(text, "config.json: text", text_keys, VLA_NKEYS(text_keys), bag ? bag_keys : transformer_keys,
			 bag ? VLA_NKEYS(bag_keys) : VLA_NKEYS(transformer_keys), NULL, &o, err));
	a->text_project = o.project;
	if (!o.project && o.width != a->dim)
		return vla_fail(err, VLA_EFORMAT, "config.json: text: a width of %u needs a projection to dim %u",
				o.width, a->dim);
	if (bag) {
		a->bag_vocab = o.vocab;
		a->bag_width = o.width;
		a->bag_weighted = o.weighted;
		return VLA_OK;
	}
	if (o.width % o.heads)
		return vla_fail(err, VLA_EFORMAT, "config.json: text: %u heads do not divide the width %u", o.heads,
				o.width);
	a->textnet = (vla_textnet_opts){
		.vocab = o.vocab,
		.positions = o.positions,
		.block = { o.width, o.hidden, o.heads, o.layers, o.act, 1e-5f },
		.causal = o.causal,
		.pool = o.text_pool ? VLA_POOL_LAST : VLA_POOL_MEAN,
	};
	return VLA_OK;
}

static vla_status read_dual(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *a,
			    vla_err *err)
{
	static const char *const also[] = { "model_type", "image", "text", "id2label", "card", NULL };
	const json_t *image = json_object_get(config, "image"), *text = json_object_get(config, "text");
	struct options o;
	(void)ckpt;
	VLA_TRY(vla_keys_check(config, "config.json", top_keys, VLA_NKEYS(top_keys), also, err));
	VLA_TRY(vla_keys_read(config, "config.json", top_keys, VLA_NKEYS(top_keys), &o, err));
	a->dim = o.dim;
	a->sigmoid = o.sigmoid;
	a->logit_scale = o.scale > 0;
	a->logit_scale_init = o.scale;
	a->logit_bias = json_is_number(json_object_get(config, "logit_bias"));
	a->logit_bias_init = o.bias;
	if (image && !json_is_null(image))
		VLA_TRY(read_image(image, a, err));
	if (text && !json_is_null(text))
		VLA_TRY(read_text(text, a, err));
	if (!a->image && !a->text)
		return vla_fail(err, VLA_EFORMAT, "config.json has neither 'image' nor 'text'");
	return a->image ? vla_prep_read(&a->prep, prep, false, err) : VLA_OK;
}

const vla_family vla_family_dual = {
	.name = "vla_dual",
	.read = read_dual,
	.trainable = true,
};
