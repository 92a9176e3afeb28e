/* Towers: whole encoders over the blocks of nn.h, with the option flags that checkpoint families set. */
#ifndef VLA_NN_TOWERS_H
#define VLA_NN_TOWERS_H

#include "nn/nn.h"

/* Name of a part of a tower: "image" and "stem" give "image.stem" in buf. */
#define VLA_PART_NAME 96
const char *vla_part_name(char *buf, const char *tower, const char *part);

/* --- convolutional tower: stem, inverted residuals, last 1x1 convolution, mean over the map --- */
typedef struct vla_convnet_opts {
	size_t stem_channels;
	unsigned stem_kernel, stem_stride;
	vla_nn_residual_opts *block; /* [blocks]; owned by whoever fills it, copied by init */
	unsigned blocks;
	size_t hidden; /* channels of the last convolution and of the pooled output */
	vla_act act;
	vla_padding padding;
	float eps, momentum;
} vla_convnet_opts;

typedef struct vla_convnet {
	vla_nn_conv stem, final;
	vla_nn_residual *block; /* [blocks], owned */
	unsigned blocks;
	unsigned reduction; /* product of all strides: pixels of a side for one cell of the map */
} vla_convnet;

/* Parameters "name.stem", "name.blocks.N.{expand,depthwise,project}", "name.final", each with conv and norm. */
void vla_convnet_init(vla_convnet *t, vla_maker *mk, const char *name, const vla_convnet_opts *o);
void vla_convnet_release(vla_convnet *t);
/* pixels [n, h, w, 3] of any size -> the last map [n, h', w', hidden]. Pool it with vla_mean_pool. */
vla_tensor *vla_convnet_forward(vla_step *g, vla_convnet *t, vla_tensor *pixels, const vla_watch *watch);
/* Cells of the map on a side of `size` pixels. */
uint32_t vla_convnet_grid(const vla_convnet *t, uint32_t size);

/* --- vision transformer (Dosovitskiy et al. 2021) --- */
typedef enum vla_pool_kind {
	VLA_POOL_MEAN,      /* of all tokens */
	VLA_POOL_FIRST,     /* the class token */
	VLA_POOL_LAST,      /* the last token of a text */
	VLA_POOL_EOS,       /* the first token equal to eos_id */
	VLA_POOL_MAX_ID,    /* the token of the largest id: CLIP's way to find its end token */
	VLA_POOL_ATTENTION, /* a learnt query over the tokens (vla_nn_pooler) */
} vla_pool_kind;

typedef struct vla_vit_opts {
	uint32_t image_size, patch; /* positions are learnt for pictures of this size; others are computed as well */
	vla_nn_block_opts block;
	bool class_token, pre_norm, patch_bias;
	vla_pool_kind pool;              /* FIRST (needs class_token), MEAN or ATTENTION, of the normed tokens */
	uint32_t registers;              /* further tokens after the class token, without a position */
	vla_grid_filter position_filter; /* how positions follow another grid of patches */
	bool dense_head;                 /* a pooler whose queries are the tokens makes the dense map */
} vla_vit_opts;

typedef struct vla_vit {
	vla_vit_opts o;
	uint32_t grid;                 /* positions a side */
	vla_param *patch, *patch_bias; /* [width, p, p, 3], [width] or NULL */
	vla_param *class_token;        /* [width] or NULL */
	vla_param *registers;          /* [registers, width] or NULL */
	vla_param *position;           /* [1 + grid^2 (or grid^2), width] */
	vla_nn_norm pre_norm, post_norm;
	vla_nn_transformer layers;
	vla_nn_pooler head, dense_head;
} vla_vit;

/* Parameters "name.patch", "name.class_token", "name.registers", "name.position", "name.pre_norm", "name.layers.N",
 * "name.post_norm", "name.head", "name.dense_head". */
void vla_vit_init(vla_vit *t, vla_maker *mk, const char *name, const vla_vit_opts *o);
void vla_vit_release(vla_vit *t);
/* pixels [n, h, w, 3], h and w at least a patch; what does not fill a patch on the right and below is left out ->
 * tokens before the last norm [n, tokens, width]: class token, registers, patches. */
vla_tensor *vla_vit_forward(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch);
/* Those tokens -> [n, width]. */
vla_tensor *vla_vit_pool(vla_step *g, const vla_vit *t, vla_tensor *tokens, const vla_watch *watch);
/* Those tokens -> the normed patches [n, gh, gw, width]; gh, gw: patches of the picture. */
vla_tensor *vla_vit_patches(vla_step *g, const vla_vit *t, vla_tensor *tokens, size_t gh, size_t gw);
/* pixels -> [n, width], as vla_vit_pool(vla_vit_forward()), without the tokens that do not matter. */
vla_tensor *vla_vit_embed(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch);
/* pixels -> [n, gh, gw, width]: patches that go with the pooled vector's space. With dense_head that head's output,
 * else the normed output of a last block in which each patch keeps its own value (Zhou et al., "Extract Free Dense
 * Labels from CLIP", 2022). */
vla_tensor *vla_vit_dense(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch);

/* --- text towers; texts are ragged: text i has ids[offset[i] .. offset[i + 1]) --- */
typedef struct vla_texts {
	const uint32_t *ids;
	const size_t *offset; /* [n + 1] */
	size_t n;
} vla_texts;

/* Mean of the vectors of a text's tokens, each optionally times a learnt weight of its token. */
typedef struct vla_bag {
	vla_param *token;  /* [vocab, width] */
	vla_param *weight; /* [vocab, 1] or NULL */
} vla_bag;
/* Parameters "name.token.weight" and "name.token.importance". */
void vla_bag_init(vla_bag *t, vla_maker *mk, const char *name, size_t vocab, size_t width, bool weighted);
vla_tensor *vla_bag_forward(vla_step *g, const vla_bag *t, const vla_texts *texts); /* -> [n, width] */

typedef struct vla_textnet_opts {
	size_t vocab;
	uint32_t positions; /* longest text */
	vla_nn_block_opts block;
	bool causal;
	vla_pool_kind pool; /* FIRST, MEAN, LAST, EOS or MAX_ID */
	uint32_t eos_id;
	bool padded; /* texts are padded to all positions, and the padding takes part */
	uint32_t pad_id;
	bool embed_norm; /* a norm after the positions; with block.post_norm there is none at the end */
	uint32_t types;  /* rows of a table of token types, of which the first is used; 0: none */
	/* Long texts (Zhang et al., "Long-CLIP", 2024): positions of their own, the first `keep` from one table and the
	 * others from another. 0: none. */
	uint32_t long_positions, keep;
} vla_textnet_opts;

typedef struct vla_textnet {
	vla_textnet_opts o;
	vla_param *token, *position;               /* [vocab, width], [positions, width] */
	vla_param *types;                          /* [types, width] or NULL */
	vla_param *position_first, *position_rest; /* [long_positions, width] or NULL */
	vla_nn_transformer layers;
	vla_nn_norm embed_norm, post_norm;
} vla_textnet;
/* Parameters "name.token.weight", "name.position", "name.types", "name.position_first", "name.position_rest",
 * "name.embed_norm", "name.layers.N", "name.post_norm". */
void vla_textnet_init(vla_textnet *t, vla_maker *mk, const char *name, const vla_textnet_opts *o);
void vla_textnet_release(vla_textnet *t);
/* Longest text, of ordinary or of long ones. */
uint32_t vla_textnet_positions(const vla_textnet *t, bool long_text);
/* -> [n, width]. Texts are padded to the longest of the batch and padding is masked, unless o.padded. */
vla_tensor *vla_textnet_forward(vla_step *g, const vla_textnet *t, const vla_texts *texts, bool long_text,
				const vla_watch *watch);

#endif
