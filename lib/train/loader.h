/* Batches: which examples a step sees, and threads that prepare them ahead. The content of a batch depends on seed,
 * stage and step alone, never on timing, so that a run can be taken up at any step. */
#ifndef VLA_TRAIN_LOADER_H
#define VLA_TRAIN_LOADER_H

#include "model/net.h"
#include "train/data.h"

typedef struct vla_teacher vla_teacher;

typedef struct vla_item { /* one example of a batch; rows are VLA_NONE where it has none */
	uint32_t data, example, crop;
	uint32_t label;     /* class over all data sets */
	uint64_t source;    /* equal for equal pictures or vectors */
	uint64_t text_hash; /* equal for equal texts */
	uint32_t picture_row, vector_row, text_row;
} vla_item;

typedef struct vla_batch {
	uint64_t step;
	size_t n;
	vla_item *item; /* [n] */
	size_t pictures;
	float *pixels;  /* [pictures, size, size, 3]; NULL when the stage needs none */
	float **target; /* [teachers]: [pictures, width], or NULL */
	size_t vectors;
	float *vector; /* [vectors, dim] */
	vla_text_batch texts;
	uint32_t *ids; /* behind texts */
	size_t *offset;
	size_t ids_cap;
} vla_batch;

typedef struct vla_loader_opts {
	vla_corpus *corpus;
	const size_t *data; /* [n_data] data sets of the stage */
	size_t n_data;
	const vla_model *model;
	const vla_tokenizer *tokenizer; /* NULL: no texts */
	vla_teacher *const *teacher;    /* [n_teachers] */
	size_t n_teachers;
	bool pixels, texts;      /* what the objectives need */
	const bool *need_target; /* [n_teachers] */
	size_t batch, max_len;
	uint32_t size; /* side of the pictures */
	uint64_t seed, stage, first_step, end_step;
	unsigned threads, depth;
	uint32_t min_side; /* to which a decoder may reduce */
	vla_warn_fn *warn;
	void *warn_ctx;
} vla_loader_opts;

typedef struct vla_pictures vla_pictures;
/* A store of decoded pictures, up to `bytes` in all, for one corpus. */
vla_pictures *vla_pictures_new(const vla_corpus *c, uint64_t bytes);
void vla_pictures_free(vla_pictures *p);
/* The picture number i of d: decoded, or kept from before. *kept: it belongs to the store, else it is in *own. */
vla_status vla_pictures_get(vla_pictures *p, const vla_data *d, uint32_t i, uint32_t min_side, vla_image *own,
			    const vla_image **out, vla_err *err) VLA_MUST_USE;

typedef struct vla_loader vla_loader;
/* The options' pointers stay the caller's and must outlive the loader. */
vla_status vla_loader_open(const vla_loader_opts *o, vla_pictures *pics, vla_loader **out, vla_err *err) VLA_MUST_USE;
void vla_loader_close(vla_loader *l);
/* The next batch, valid until the next call. waited: seconds. */
vla_status vla_loader_next(vla_loader *l, const vla_batch **out, double *waited, vla_err *err) VLA_MUST_USE;

#endif
