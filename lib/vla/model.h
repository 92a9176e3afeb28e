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

/* What kind of texts a model is to embed, where its family has further heads for them (FG-CLIP). */
typedef enum vla_text_mode {
	VLA_TEXT_SHORT = 0, /* captions */
	VLA_TEXT_LONG,      /* descriptions of many sentences */
	VLA_TEXT_REGION     /* phrases for parts of a picture */
} vla_text_mode;

typedef struct vla_model_opts {
	vla_pool *pool; /* NULL: one thread */
	vla_compute compute;
	vla_text_mode text_mode;
	uint32_t image_size; /* side of the pictures that the image tower sees; 0: as the model's files say */
} vla_model_opts;

#define VLA_MODEL_OPTS_INIT \
	{ \
		NULL, VLA_COMPUTE_AUTO, VLA_TEXT_SHORT, 0 \
	}

typedef struct vla_model_info {
	const char *family;      /* "clip", "siglip", "vla_dual", ... */
	const char *path;        /* directory it came from */
	const char *fingerprint; /* "family:16 hex digits" over config and weights */
	const char *compute;     /* "f32", "bf16", "int8": what auto became */
	uint32_t dim;            /* numbers an embedding */
	uint32_t image_size;     /* pixels a side (about, when sizes vary); 0 without an image tower */
	bool has_image, has_text;
	float logit_scale; /* multiplier, not its logarithm; 1 when the family has none */
	float logit_bias;  /* 0 when the family has none */
	bool sigmoid;      /* scored by sigmoid, not softmax */
	uint64_t image_params, text_params;
} vla_model_info;

/* dir_or_name: a path of a directory or of a file of weights (it holds a '/' or is there), else a name looked up in
 * each directory of $VLA_PATH, then beside the library's data; NULL: "vla-mini". The message lists where it looked. */
VLA_API vla_status vla_model_open(const char *dir_or_name, const vla_model_opts *opts, vla_model **out,
				  vla_err *err) VLA_MUST_USE;
VLA_API void vla_model_close(vla_model *m); /* NULL legal */
VLA_API const vla_model_info *vla_model_get_info(const vla_model *m);

/* Class names of a classifier (config id2label), for zero-shot and for reports; NULL when out of range. */
VLA_API const char *vla_model_label(const vla_model *m, size_t i);

/* Floats that preprocess writes for one picture, at most. */
VLA_API size_t vla_model_pixels(const vla_model *m);
typedef struct vla_size {
	uint32_t width, height;
} vla_size;
/* The size in pixels that a picture has after preprocessing: image_size square, but for models that keep a picture's
 * proportions (SigLIP 2 NaFlex, FG-CLIP 2). Thread-safe. */
VLA_API vla_status vla_model_target(const vla_model *m, uint32_t width, uint32_t height, vla_size *out,
				    vla_err *err) VLA_MUST_USE;
/* Short side below which a decoder must not reduce a picture for this model (vla_image_opts.min_side). */
VLA_API uint32_t vla_model_min_side(const vla_model *m);
/* Resize, crop and normalise as the model's preprocessing says: out is [height, width, 3] of vla_model_target.
 * Thread-safe. */
VLA_API vla_status vla_model_preprocess(const vla_model *m, const vla_image *im, float *out, vla_err *err) VLA_MUST_USE;

typedef enum vla_output {
	VLA_OUT_EMBED = 0, /* [n, dim], unit length: the shared space */
	VLA_OUT_POOLED,    /* [n, pooled width]: before the projection */
	VLA_OUT_TOKENS,    /* [n, tokens, width]: the grid before pooling */
	VLA_OUT_LOGITS,    /* [n, classes] of a classifier */
	VLA_OUT_DENSE      /* [n, patches, dim], unit length: patches in the shared space */
} vla_output;

/* Rows and width of an image output for one picture; where sizes vary the most rows, and the grid of a square picture.
 * VLA_EUNSUPPORTED when the family lacks the output. */
VLA_API vla_status vla_model_output_shape(const vla_model *m, vla_output what, uint32_t *rows, uint32_t *grid_h,
					  uint32_t *grid_w, uint32_t *width, vla_err *err) VLA_MUST_USE;

/* pixels: [n, image_size, image_size, 3] from vla_model_preprocess. out: [n, rows, width]. */
VLA_API vla_status vla_model_embed_pixels(vla_model *m, const float *pixels, size_t n, vla_output what, float *out,
					  vla_err *err) VLA_MUST_USE;
/* Pictures of their own sizes: those of vla_model_target, picture i at pixels + i * vla_model_pixels. size NULL: all of
 * image_size. Its output begins at out + i * rows * width (vla_model_output_shape); of tokens and dense maps
 * vla_model_grid says how many rows there are. */
VLA_API vla_status vla_model_embed_sized(vla_model *m, const float *pixels, const vla_size *size, size_t n,
					 vla_output what, float *out, vla_err *err) VLA_MUST_USE;
/* Rows and columns of the map of a preprocessed picture. */
VLA_API void vla_model_grid(const vla_model *m, vla_size size, uint32_t *grid_h, uint32_t *grid_w);
/* Parts of one picture, for models with VLA_OUT_DENSE: pixels of vla_model_target's size, from a picture of size
 * `picture`; box [n, 4] of x, y, width, height on that picture, in its pixels. out: [n, dim], unit length. */
VLA_API vla_status vla_model_embed_regions(vla_model *m, const float *pixels, vla_size picture, const float *box,
					   size_t n, float *out, vla_err *err) VLA_MUST_USE;
/* VLA_EUNSUPPORTED when the model has no head for this kind of text. */
VLA_API vla_status vla_model_set_text_mode(vla_model *m, vla_text_mode mode, vla_err *err) VLA_MUST_USE;
/* "short", "long" or "region". */
VLA_API vla_status vla_text_mode_parse(const char *name, vla_text_mode *out, vla_err *err) VLA_MUST_USE;
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

/* One file with the weights, the configuration and the tokenizer's files, which vla_model_open takes like a directory.
 * It is a safetensors file: the other files are U8 tensors "vla.file/NAME". Tensors whose size allows it begin on a
 * cache line, so that f32 weights are used where they are mapped. */
VLA_API vla_status vla_model_pack(const vla_model *m, const char *path, vla_dtype dtype, vla_err *err) VLA_MUST_USE;
/* A model whose weights are the sum of weights[i] times those of model names[i]; all must be of one shape. The rest is
 * the first model's. It can be saved or packed. VLA_EINVAL when they do not fit. */
VLA_API vla_status vla_model_merge(const char *const *names, const double *weights, size_t n, vla_model **out,
				   vla_err *err) VLA_MUST_USE;

typedef struct vla_model_difference {
	size_t pictures, texts;           /* compared; 0 where one of the models lacks the tower */
	double picture_mean, picture_min; /* cosines of the two models' embeddings */
	double text_mean, text_min;
} vla_model_difference;

/* Embeds the same pictures and texts with both; with none given, ones made here. */
VLA_API vla_status vla_model_compare(vla_model *a, vla_model *b, const vla_image *pictures, size_t n_pictures,
				     const char *const *texts, size_t n_texts, vla_model_difference *out,
				     vla_err *err) VLA_MUST_USE;
/* Writes pictures and texts made here with their embeddings to path; as "reference.safetensors" in the model's
 * directory vla_model_verify compares with them. */
VLA_API vla_status vla_model_write_reference(vla_model *m, const char *path, vla_err *err) VLA_MUST_USE;

/* One line of a description: key and value, valid during the call. */
typedef void vla_model_line_fn(void *ctx, const char *key, const char *value);
/* What `vla-model show` prints. */
VLA_API vla_status vla_model_describe(const vla_model *m, vla_model_line_fn *line, void *ctx,
				      vla_err *err) VLA_MUST_USE;
/* Checks a directory: every tensor of the family present with its shape, all numbers finite, unknown tensors listed,
 * tokenizer and preprocessing found, a picture and a text embedded, those of reference.safetensors
 * compared with its vectors. Findings go to line (key "error", "warning" or
 * "ok"). VLA_OK when it can be used; VLA_EIO when it cannot be read; else the status of the first error. */
VLA_API vla_status vla_model_verify(const char *dir_or_name, vla_model_line_fn *line, void *ctx,
				    vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
