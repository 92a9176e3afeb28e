/* A model as the rest of the library sees it: parameters, towers as functions of a step, configuration. Training and
 * inference call the same functions. Public calls are in <vla/model.h>.
 */
#ifndef VLA_MODEL_NET_H
#define VLA_MODEL_NET_H

#include "nn/towers.h"

#include <vla/model.h>

#include <jansson.h>

/* A ragged batch of texts: text i has ids[offset[i] .. offset[i + 1]); offset [n + 1] begins with 0. Both arrays must
 * live until the backward pass. */
typedef vla_texts vla_text_batch;

/* A fresh model from a parsed config.json of family vla_dual (or any family that can be trained from scratch),
 * initialised from seed. config is copied. tokenizer_dir: directory with the tokenizer's files, or NULL without a text
 * tower. */
vla_status vla_model_create(const json_t *config, const char *tokenizer_dir, const vla_model_opts *opts, uint64_t seed,
			    vla_model **out, vla_err *err) VLA_MUST_USE;

/* All parameters, ready to be made trainable; NULL when memory is short. Afterwards vla_params_own gives gradients to
 * those whose trainable flag is set (all but the buffers, at first). */
vla_params *vla_model_params(vla_model *m);
const json_t *vla_model_config(const vla_model *m);

/* pixels [n, s, s, 3] -> VLA_OUT_TOKENS [n, h, w, c] or [n, t, c]; VLA_OUT_POOLED [n, c]; VLA_OUT_EMBED [n, dim], not
 * normalised; VLA_OUT_LOGITS [n, classes]; VLA_OUT_DENSE [n, h, w, dim], not normalised. Height and width may differ
 * from the configured size and from each other. */
vla_tensor *vla_model_image(vla_step *g, vla_model *m, vla_tensor *pixels, vla_output what);
/* pooled [n, c] -> [n, dim], not normalised. */
vla_tensor *vla_model_image_project(vla_step *g, vla_model *m, vla_tensor *pooled);
/* pooled [n, c] -> [n, classes]. */
vla_tensor *vla_model_classify(vla_step *g, vla_model *m, vla_tensor *pooled);
/* -> [n, dim], not normalised. */
vla_tensor *vla_model_text(vla_step *g, vla_model *m, const vla_text_batch *texts);
/* The learnt multiplier as a scalar [1] (exp of the stored value) and the bias [1]; NULL where the family has none. */
vla_tensor *vla_model_logit_scale(vla_step *g, vla_model *m);
vla_tensor *vla_model_logit_bias(vla_step *g, vla_model *m);

/* Shows the values inside the towers to watch->fn as they are made (see vla_watch); NULL ends it. watch stays the
 * caller's. */
void vla_model_set_watch(vla_model *m, const vla_watch *watch);

/* Preprocessing without the resize: 8-bit RGB picture of side s to [s, s, 3] floats, normalised as the model wants. */
void vla_model_normalise(const vla_model *m, const vla_image *im, float *out);

#endif
