/* The inside of a vla_model, shared by the files of this room. */
#ifndef VLA_MODEL_MODEL_H
#define VLA_MODEL_MODEL_H

#include "model/family.h"
#include "model/net.h"

/* Where a parameter's values come from; conversions wait until a tower is used. */
typedef struct vla_binding {
	vla_param *p;
	const vla_ct *t;     /* in the checkpoint */
	const vla_ct *scale; /* i8: f32 by row of t, else NULL */
	vla_layout layout;
	bool pending; /* p has neither value nor raw yet */
} vla_binding;

struct vla_model {
	const vla_family *family;
	json_t *config;
	vla_arch arch;
	vla_params params;
	vla_checkpoint *ckpt; /* NULL for a fresh model */
	vla_binding *binding; /* [nbindings] */
	size_t nbindings;
	vla_convnet convnet; /* arch.image says which of the two is alive */
	vla_vit vit;
	vla_nn_linear image_projection, classifier;
	vla_bag bag; /* arch.text likewise */
	vla_textnet textnet;
	vla_nn_linear text_projection, text_projection_long, text_projection_region;
	vla_text_mode text_mode;
	uint32_t image_size; /* asked for, or 0 */
	uint32_t text_limit; /* tokens of a text that is not long, as the tokenizer says; 0: it does not */
	vla_param *logit_scale, *logit_bias; /* [1] or NULL; the scale is a logarithm */
	vla_tokenizer *tokenizer;            /* opened at the first use */
	char *tokenizer_dir;                 /* NULL without a text tower */
	vla_model_info info;
	char *path, fingerprint[80];
	vla_pool *pool;
	vla_compute compute;
	vla_arena *arena; /* of the embed functions */
	const vla_watch *watch;
};

/* Makes the towers' parameters. */
vla_status vla_model_build(vla_model *m, vla_rng *rng, vla_err *err) VLA_MUST_USE;
/* Finds every parameter in m->ckpt; the first that is absent or has another shape is VLA_EFORMAT. */
vla_status vla_model_bind(vla_model *m, vla_err *err) VLA_MUST_USE;
/* Converts what waits of the parameters whose names begin with prefix ("" for all). */
vla_status vla_model_ensure(vla_model *m, const char *prefix, vla_err *err) VLA_MUST_USE;
/* Where p is in the checkpoint and whether it fits: VLA_OK, or VLA_EFORMAT with the reason. */
vla_status vla_model_find_tensor(const vla_model *m, const vla_checkpoint *ckpt, const vla_param *p, vla_binding *out,
				 vla_err *err) VLA_MUST_USE;
/* Family and towers of a directory, without its weights bound; for open and verify. */
vla_status vla_model_load_config(vla_model *m, const char *dir, vla_err *err) VLA_MUST_USE;
/* Opens the tokenizer unless it is open. */
vla_status vla_model_open_tokenizer(vla_model *m, vla_err *err) VLA_MUST_USE;
/* All weights and n_more further tensors as one safetensors file; packed: with the mark of a packed model. */
vla_status vla_model_write_weights(const vla_model *m, const char *path, vla_dtype dtype, const vla_ct *more,
				   size_t n_more, bool packed, vla_err *err) VLA_MUST_USE;
/* The names of tokenizer files that a model may have beside its weights; ends with NULL. */
extern const char *const vla_model_tokenizer_files[];
/* Compares with the vectors of "reference.safetensors" in dir, if there is one; findings as those of vla_model_verify.
 */
vla_status vla_model_check_reference(vla_model *m, const char *dir, vla_model_line_fn *line, void *ctx,
				     vla_err *err) VLA_MUST_USE;
vla_status vla_model_fingerprint(vla_model *m, vla_err *err) VLA_MUST_USE;
/* dir_or_name to a directory or a file of weights; malloc'd. */
vla_status vla_model_locate(const char *dir_or_name, char **out, vla_err *err) VLA_MUST_USE;
/* The directory in which the files beside the weights lie: path itself, or that of a file, or a packed model, whose
 * files have names like those in a directory (io/file.h); malloc'd, NULL when memory is short. */
char *vla_model_dir(const char *path, const vla_checkpoint *ckpt);

#endif
