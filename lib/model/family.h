/* Checkpoint families: a family is a table of names and keys over the shared towers of nn/towers.h. */
#ifndef VLA_MODEL_FAMILY_H
#define VLA_MODEL_FAMILY_H

#include "model/config.h"
#include "model/prep.h"
#include "nn/towers.h"

#include <vla/checkpoint.h>
#include <vla/tokenizer.h>

typedef enum vla_image_tower { VLA_IMAGE_NONE, VLA_IMAGE_CONVNET, VLA_IMAGE_VIT } vla_image_tower;
typedef enum vla_text_tower { VLA_TEXT_NONE, VLA_TEXT_BAG, VLA_TEXT_TRANSFORMER } vla_text_tower;

/* Option flags of a model: what its config.json comes down to. */
typedef struct vla_arch {
	vla_image_tower image;
	vla_text_tower text;
	uint32_t dim; /* numbers an embedding */
	uint32_t image_size;
	uint32_t classes; /* outputs of a classifier on the pooled vector; 0: none */
	bool image_project, image_bias, text_project, text_bias;
	bool dense;                  /* patches of the image tower can be brought into the shared space */
	bool text_long, text_region; /* texts have further projections */
	vla_text_clean clean;        /* what texts need beside what the tokenizer's files say */
	bool any_size;               /* pictures may have another size than the one that positions are learnt for */
	const struct vla_name_rule *rules; /* in the place of the family's, or NULL */
	bool logit_scale, logit_bias, sigmoid;
	float logit_scale_init, logit_bias_init; /* the multiplier itself, not its logarithm */
	vla_convnet_opts convnet;                /* convnet.block is owned by the arch */
	vla_vit_opts vit;
	uint32_t bag_vocab, bag_width;
	bool bag_weighted;
	vla_textnet_opts textnet;
	vla_prep prep;
} vla_arch;

/* How a tensor is stored, where that differs from grad.h's layout. */
typedef enum vla_layout {
	VLA_LAYOUT_SAME,
	VLA_LAYOUT_CONV,      /* stored [out, in, kh, kw], used [out, kh, kw, in] */
	VLA_LAYOUT_DEPTHWISE, /* stored [c, 1, kh, kw], used [kh, kw, c] */
	/* The same numbers in the same order under another shape: */
	VLA_LAYOUT_FLAT,      /* stored [out, all others] */
	VLA_LAYOUT_LEAD,      /* stored with a dimension of one before the others */
	VLA_LAYOUT_LEAD2,     /* with two */
	VLA_LAYOUT_TRANSPOSE, /* stored [in, out], used [out, in] */
	VLA_LAYOUT_PARTS = 64 /* from here on: VLA_LAYOUT_PART */
} vla_layout;

/* Rows k of n equal parts of a stored tensor (k < n < 8), as q, k and v of one projection. */
#define VLA_LAYOUT_PART(k, n) ((vla_layout)(VLA_LAYOUT_PARTS + (n)*8 + (k)))
/* n of a part, and k; 1 and 0 of a whole tensor. */
static inline unsigned vla_layout_parts(vla_layout layout, unsigned *k)
{
	bool part = layout >= VLA_LAYOUT_PARTS;
	*k = part ? ((unsigned)layout - VLA_LAYOUT_PARTS) % 8 : 0;
	return part ? ((unsigned)layout - VLA_LAYOUT_PARTS) / 8 : 1;
}

/* ours -> stored. '#' stands for a number (in stored "#-1" for the one before); '~' at the end for any rest. The first
 * row that matches serves. */
typedef struct vla_name_rule {
	const char *ours, *stored;
	vla_layout layout;
} vla_name_rule;

typedef struct vla_family {
	const char *name;           /* model_type */
	const vla_name_rule *rules; /* ends with a NULL row; NULL: names and layouts are ours */
	const char *prefix;         /* beginning of stored names that some writers leave out, or NULL */
	/* config.json (and preprocessor_config.json or NULL) to flags; ckpt NULL for a fresh model. Leaves dim, towers
	 * and prep set; arch is zeroed before. What arch owns is freed by vla_arch_release, also after a failure. */
	vla_status (*read)(const json_t *config, const json_t *prep, const vla_checkpoint *ckpt, vla_arch *arch,
			   vla_err *err);
	bool trainable; /* can be created from its config alone */
} vla_family;

extern const vla_family vla_family_dual, vla_family_clip, vla_family_siglip, vla_family_siglip2, vla_family_fgclip2,
	vla_family_chinese_clip, vla_family_openai_clip, vla_family_open_clip, vla_family_dinov2,
	vla_family_dinov2_with_registers, vla_family_mobilenet_v2;

/* The configuration of weights that have none of ours or of Hugging Face's: `config` (a dir's config.json or NULL)
 * stays unless the tensors have the names of the original CLIP; then open_clip_config.json, or no more than the
 * family's name where the directory has none. *config is replaced. */
vla_status vla_family_config(const vla_checkpoint *ckpt, const char *dir, json_t **config, vla_err *err) VLA_MUST_USE;
/* By model_type; VLA_EUNSUPPORTED lists the known ones. */
vla_status vla_family_find(const json_t *config, const vla_family **out, vla_err *err) VLA_MUST_USE;
void vla_arch_release(vla_arch *a);

/* The stored name of one of our names, in buf [n]; false when no rule covers it. */
bool vla_family_stored_name(const vla_family *f, const vla_arch *a, const char *ours, char *buf, size_t n,
			    vla_layout *layout);
/* Dimensions of p as the layout stores them; how many. */
unsigned vla_layout_shape(vla_layout layout, const vla_param *p, size_t *dim);
/* Whether values have to move between their stored and their used order. */
bool vla_layout_moves(vla_layout layout);

/* Appends blocks for `repeat` inverted residuals; the first has the stride. */
vla_status vla_arch_add_blocks(vla_arch *a, size_t channels, double expand, unsigned kernel, unsigned stride,
			       unsigned repeat, vla_err *err) VLA_MUST_USE;
/* The multiple of `divisor` near x, at least min, not more than a tenth below x (MobileNet's channel rule). */
size_t vla_round_channels(double x, size_t divisor, size_t min);

#define VLA_NKEYS(a) (sizeof(a) / sizeof((a)[0]))

#endif
