/* Blocks: structs of parameters with an init and a forward. A block is built once through a maker and then used by any
 *number of steps; forward functions follow the rule of grad.h: NULL in gives NULL out, the first failure sticks to the
 *step.
 *
 *	vla_maker mk = { .ps = &params, .rng = &rng };
 *	vla_nn_linear l;
 *	vla_nn_linear_init(&l, &mk, "head", 128, 10, true, 0.02f);
 *	if (vla_maker_status(&mk, err) == VLA_OK)
 *		y = vla_nn_linear_forward(&g, &l, x);
 */
#ifndef VLA_NN_NN_H
#define VLA_NN_NN_H

#include "grad/grad.h"

/* Leaves the first failure in the step and returns NULL, so that a block can write `return vla_nn_fail(...)`. */
void *vla_nn_fail(vla_step *g, vla_status code, const char *fmt, ...) VLA_PRINTF(3, 4);
/* Scratch of the step: n elements; NULL after setting the step's error. */
void *vla_nn_scratch(vla_step *g, size_t n, size_t size);

/* --- making parameters --- */
typedef enum vla_fill {
	VLA_FILL_ZERO,
	VLA_FILL_ONE,
	VLA_FILL_CONST,  /* arg */
	VLA_FILL_NORMAL, /* standard deviation arg, redrawn beyond two of them */
} vla_fill;

typedef struct vla_maker {
	vla_params *ps;
	vla_rng *rng; /* NULL: parameters get no values; a checkpoint fills them */
	vla_err err;  /* the first failure sticks */
} vla_maker;

vla_status vla_maker_status(const vla_maker *mk, vla_err *err) VLA_MUST_USE;
/* A parameter "prefix.leaf" (trainable; without weight decay when it has one dimension). NULL after a failure. */
vla_param *vla_make(vla_maker *mk, vla_fill fill, float arg, const char *prefix, const char *leaf, unsigned ndim,
		    const size_t *dim);
/* A buffer: saved, not trained. */
vla_param *vla_make_buffer(vla_maker *mk, float value, const char *prefix, const char *leaf, size_t n);

/* Called with values inside a tower as they are made: "layers.3", "embeddings", ... relative to the tower. */
typedef struct vla_watch {
	void (*fn)(void *ctx, const char *name, const vla_tensor *x);
	void *ctx;
} vla_watch;
/* w may be NULL; index < 0: the name alone, else "name.index". */
void vla_watch_call(const vla_watch *w, const char *name, int index, const vla_tensor *x);

/* --- linear --- */
typedef struct vla_nn_linear {
	vla_param *w, *b; /* [out, in], [out] or NULL */
} vla_nn_linear;
void vla_nn_linear_init(vla_nn_linear *l, vla_maker *mk, const char *name, size_t in, size_t out, bool bias, float std);
vla_tensor *vla_nn_linear_forward(vla_step *g, const vla_nn_linear *l, vla_tensor *x); /* [.., in] -> [.., out] */

/* --- layer norm --- */
typedef struct vla_nn_norm {
	vla_param *gamma, *beta; /* [c] */
	float eps;
} vla_nn_norm;
void vla_nn_norm_init(vla_nn_norm *l, vla_maker *mk, const char *name, size_t c, float eps);
vla_tensor *vla_nn_norm_forward(vla_step *g, const vla_nn_norm *l, vla_tensor *x);

/* --- convolution, batch norm, activation --- */
typedef enum vla_padding {
	VLA_PAD_HALF, /* (k - 1) / 2 on every side */
	VLA_PAD_SAME, /* output ceil(size / stride); an odd pixel of padding goes right and bottom (TensorFlow) */
} vla_padding;

typedef struct vla_nn_conv_opts {
	size_t in, out; /* equal when depthwise */
	unsigned kernel, stride;
	bool depthwise;
	vla_padding padding;
	vla_act act;
	float eps, momentum; /* of the batch norm */
} vla_nn_conv_opts;

/* What inference uses instead: batch norm folded into the weights once. */
typedef struct vla_folded {
	float *w, *b;       /* shape of the weights, [out] */
	vla_packed *packed; /* of w; NULL when depthwise */
	uint64_t version;   /* vla_params.version when it was made */
	vla_compute compute;
	bool valid;
} vla_folded;

typedef struct vla_nn_conv {
	vla_nn_conv_opts o;
	const vla_params *ps;
	vla_param *w;                         /* [out, k, k, in]; depthwise [k, k, c] */
	vla_param *gamma, *beta, *mean, *var; /* [out] */
	vla_folded folded;
} vla_nn_conv;
void vla_nn_conv_init(vla_nn_conv *c, vla_maker *mk, const char *name, const vla_nn_conv_opts *o);
void vla_nn_conv_release(vla_nn_conv *c);
/* [n, h, w, in] -> [n, oh, ow, out]. A frozen block uses its running statistics in training, too. */
vla_tensor *vla_nn_conv_forward(vla_step *g, vla_nn_conv *c, vla_tensor *x);

/* --- inverted residual (Sandler et al. 2018): 1x1 to hidden, depthwise kxk, linear 1x1; plus x when shapes agree ---
 */
typedef struct vla_nn_residual_opts {
	size_t in, hidden, out;
	bool expand; /* false: no first 1x1, hidden == in */
	unsigned kernel, stride;
} vla_nn_residual_opts;
typedef struct vla_nn_residual {
	vla_nn_conv expand, depthwise, project;
	bool has_expand, skip;
} vla_nn_residual;
/* base: activation, padding, eps and momentum of all three. */
void vla_nn_residual_init(vla_nn_residual *r, vla_maker *mk, const char *name, const vla_nn_residual_opts *o,
			  const vla_nn_conv_opts *base);
void vla_nn_residual_release(vla_nn_residual *r);
vla_tensor *vla_nn_residual_forward(vla_step *g, vla_nn_residual *r, vla_tensor *x);

/* --- transformer --- */
typedef struct vla_nn_attention {
	vla_nn_linear q, k, v, out;
	unsigned heads;
} vla_nn_attention;
typedef struct vla_nn_mlp {
	vla_nn_linear fc1, fc2; /* gated: fc1 makes 2 hidden */
	vla_act act;
	bool gated;
} vla_nn_mlp;
typedef struct vla_nn_block {
	vla_nn_norm norm1, norm2;
	vla_nn_attention attn;
	vla_nn_mlp mlp;
	vla_param *scale1, *scale2; /* [width] or NULL: layer scale (Touvron et al. 2021) */
	bool post_norm;
} vla_nn_block;

typedef struct vla_nn_block_opts {
	size_t width, hidden; /* hidden: of the MLP */
	unsigned heads, layers;
	vla_act act;
	float eps;
	bool post_norm;   /* norms after the sums (BERT), not before the parts */
	bool layer_scale; /* each part's output times a learnt vector */
	bool gated;       /* mlp: act(first half of fc1) * second half (Shazeer 2020) */
} vla_nn_block_opts;

void vla_nn_attention_init(vla_nn_attention *a, vla_maker *mk, const char *name, const vla_nn_block_opts *o);
/* x [n, t, width]; causal and lens [n] (NULL: all) as vla_attention. */
vla_tensor *vla_nn_attention_forward(vla_step *g, const vla_nn_attention *a, vla_tensor *x, bool causal,
				     const uint32_t *lens);
/* Queries from another sequence: x [n, tq, width], from [n, t, width] -> [n, tq, width]. */
vla_tensor *vla_nn_attention_from(vla_step *g, const vla_nn_attention *a, vla_tensor *x, vla_tensor *from, bool causal,
				  const uint32_t *lens);
void vla_nn_mlp_init(vla_nn_mlp *m, vla_maker *mk, const char *name, const vla_nn_block_opts *o);
vla_tensor *vla_nn_mlp_forward(vla_step *g, const vla_nn_mlp *m, vla_tensor *x);
void vla_nn_block_init(vla_nn_block *b, vla_maker *mk, const char *name, const vla_nn_block_opts *o);
vla_tensor *vla_nn_block_forward(vla_step *g, const vla_nn_block *b, vla_tensor *x, bool causal, const uint32_t *lens);
/* The same for some rows only: x [n, t, width], row[i] of sequence i -> [n, 1, width]. */
vla_tensor *vla_nn_block_forward_row(vla_step *g, const vla_nn_block *b, vla_tensor *x, const uint32_t *row,
				     bool causal, const uint32_t *lens);
/* Without mixing of tokens: each token's own value takes the place of the attention's result. Pre-norm only. */
vla_tensor *vla_nn_block_forward_values(vla_step *g, const vla_nn_block *b, vla_tensor *x);

typedef struct vla_nn_transformer {
	vla_nn_block *block; /* [layers], owned */
	unsigned layers;
} vla_nn_transformer;
/* Parameters "name.0", "name.1", ... */
void vla_nn_transformer_init(vla_nn_transformer *t, vla_maker *mk, const char *name, const vla_nn_block_opts *o);
void vla_nn_transformer_release(vla_nn_transformer *t);
vla_tensor *vla_nn_transformer_forward(vla_step *g, const vla_nn_transformer *t, vla_tensor *x, bool causal,
				       const uint32_t *lens, const vla_watch *watch);
/* The first `layers` of them. */
vla_tensor *vla_nn_transformer_begin(vla_step *g, const vla_nn_transformer *t, unsigned layers, vla_tensor *x,
				     bool causal, const uint32_t *lens, const vla_watch *watch);

/* --- attention pooling (Lee et al. 2019; Zhai et al. 2023): a = attention(query, tokens); a + mlp(norm(a)) --- */
typedef struct vla_nn_pooler {
	vla_param *query;      /* [width] */
	vla_nn_linear in, out; /* in: queries, keys and values, [3 width, width] */
	unsigned heads;
	vla_nn_norm norm;
	vla_nn_mlp mlp;
} vla_nn_pooler;
/* Parameters "name.query", "name.in", "name.out", "name.norm", "name.mlp". */
void vla_nn_pooler_init(vla_nn_pooler *p, vla_maker *mk, const char *name, const vla_nn_block_opts *o);
/* tokens [n, t, width] -> [n, width] */
vla_tensor *vla_nn_pooler_forward(vla_step *g, const vla_nn_pooler *p, vla_tensor *tokens, const vla_watch *watch);
/* Every token asks in the query's place -> [n, t, width] */
vla_tensor *vla_nn_pooler_dense(vla_step *g, const vla_nn_pooler *p, vla_tensor *tokens);

/* x [1, .., c] n times along the first dimension. */
vla_tensor *vla_nn_repeat(vla_step *g, vla_tensor *x, size_t n);

#endif
