/* Models: open a model directory, embed pictures and texts.
 *
 *	vla_model *m;
 *	vla_model_opts o = VLA_MODEL_OPTS_INIT;
 *	o.pool = pool;
 *	vla_model_open(NULL, &o, &m, &err);         // NULL: the default model
 *	float v[4096];
 *	const char *text = "a dog on the beach";
 *	vla_model_embed_texts(m, &text, 1, v, &err); // vla_model_info(m)->dim numbers
 *	vla_model_close(m);
 *
 * Weights are mapped; a tower that is never used is never read. One model may be used by one thread at a
 * time, except vla_model_preprocess, which is free of shared state.
 */
#ifndef VLA_MODEL_H
#define VLA_MODEL_H

#include <vla/dtype.h>
#include <vla/image.h>
#include <vla/pool.h>
#include <vla/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_model vla_model;

typedef enum vla_compute {
	VLA_COMPUTE_AUTO = 0, /* bf16 where the processor and this build have it in hardware, else f32 */
	VLA_COMPUTE_F32,
	VLA_COMPUTE_BF16,
	VLA_COMPUTE_INT8
} vla_compute;

typedef struct vla_model_opts {
	vla_pool *pool; /* NULL: one thread */
	vla_compute compute;
} vla_model_opts;

#define VLA_MODEL_OPTS_INIT \
	{ \
		NULL, VLA_COMPUTE_AUTO \
	}

typedef struct vla_model_info {
	const char *family;      /* "clip", "mobilenet_v2", "vla_dual" */
	const char *path;        /* directory it came from */
	const char *fingerprint; /* "family:16 hex digits" over config and weights */
	const char *compute;     /* "f32", "bf16", "int8": what auto became */
	uint32_t dim;            /* numbers an embedding */
	uint32_t image_size;     /* pixels a side; 0 without an image tower */
	bool has_image, has_text;
	float logit_scale; /* multiplier, not its logarithm; 1 when the family has none */
	float logit_bias;  /* 0 when the family has none */
	bool sigmoid;      /* scored by sigmoid, not softmax */
	uint64_t image_params, text_params;
} vla_model_info;

/* dir_or_name: a path (it holds a '/' or is a directory here), else a name looked up in each directory of
 * $VLA_PATH, then beside the library's data; NULL: "vla-mini". The message lists where it looked. */
VLA_API vla_status vla_model_open(const char *dir_or_name, const vla_model_opts *opts, vla_model **out,
				  vla_err *err) VLA_MUST_USE;
VLA_API void vla_model_close(vla_model *m); /* NULL legal */
VLA_API const vla_model_info *vla_model_get_info(const vla_model *m);

/* Class names of a classifier (config id2label), for zero-shot and for reports; NULL when out of range. */
VLA_API const char *vla_model_label(const vla_model *m, size_t i);

/* Floats that preprocess writes for one picture. */
VLA_API size_t vla_model_pixels(const vla_model *m);
/* Short side below which a decoder must not reduce a picture for this model (vla_image_opts.min_side). */
VLA_API uint32_t vla_model_min_side(const vla_model *m);
/* Resize, crop and normalise as the model's preprocessing says: out is [image_size, image_size, 3].
 * Thread-safe. */
VLA_API vla_status vla_model_preprocess(const vla_model *m, const vla_image *im, float *out, vla_err *err) VLA_MUST_USE;

typedef enum vla_output {
	VLA_OUT_EMBED = 0, /* [n, dim], unit length: the shared space */
	VLA_OUT_POOLED,    /* [n, pooled width]: before the projection */
	VLA_OUT_TOKENS,    /* [n, tokens, width]: the grid before pooling */
	VLA_OUT_LOGITS     /* [n, classes] of a classifier */
} vla_output;

/* Rows and width of an image output for one picture; VLA_EUNSUPPORTED when the family lacks it. */
VLA_API vla_status vla_model_output_shape(const vla_model *m, vla_output what, uint32_t *rows, uint32_t *grid_h,
					  uint32_t *grid_w, uint32_t *width, vla_err *err) VLA_MUST_USE;

/* pixels: [n, image_size, image_size, 3] from vla_model_preprocess. out: [n, rows, width]. */
VLA_API vla_status vla_model_embed_pixels(vla_model *m, const float *pixels, size_t n, vla_output what, float *out,
					  vla_err *err) VLA_MUST_USE;
/* out: [n, dim], unit length. Each text runs at its own length where the family allows it. */
VLA_API vla_status vla_model_embed_texts(vla_model *m, const char *const *texts, size_t n, float *out,
					 vla_err *err) VLA_MUST_USE;

VLA_API const vla_tokenizer *vla_model_tokenizer(const vla_model *m); /* NULL without a text tower */

/* A fresh model of a family that can be trained (vla_dual, clip, mobilenet_v2) from a config.json, with initial weights
 * drawn from seed. tokenizer_dir: directory with the tokenizer's files; NULL: texts cannot be embedded. */
VLA_API vla_status vla_model_new(const char *config_path, const char *tokenizer_dir, const vla_model_opts *opts,
				 uint64_t seed, vla_model **out, vla_err *err) VLA_MUST_USE;

/* Writes a directory that vla_model_open reads: config.json, preprocessor_config.json, tokenizer files,
 * model.safetensors (dtype f32, f16, bf16 or i8), whole or not at all per file. Names and layouts are the family's.
 * Vectors, scalars and running statistics stay f32; i8 stores matrices and convolutions with one f32 scale a row
 * (NAME.scale), depthwise ones as f16. */
VLA_API vla_status vla_model_save(const vla_model *m, const char *dir, vla_dtype dtype, vla_err *err) VLA_MUST_USE;

/* One line of a description: key and value, valid during the call. */
typedef void vla_model_line_fn(void *ctx, const char *key, const char *value);
/* What `vla-model show` prints. */
VLA_API vla_status vla_model_describe(const vla_model *m, vla_model_line_fn *line, void *ctx,
				      vla_err *err) VLA_MUST_USE;
/* Checks a directory: every tensor of the family present with its shape, all numbers finite, unknown tensors listed,
 * tokenizer and preprocessing found, a picture and a text embedded. Findings go to line (key "error", "warning" or
 * "ok"). VLA_OK when it can be used; VLA_EIO when it cannot be read; else the status of the first error. */
VLA_API vla_status vla_model_verify(const char *dir_or_name, vla_model_line_fn *line, void *ctx,
				    vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
