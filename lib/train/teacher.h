/* Frozen models whose outputs are targets: computed once for each crop of each picture, and kept in streams. */
#ifndef VLA_TRAIN_TEACHER_H
#define VLA_TRAIN_TEACHER_H

#include "train/loader.h"

struct vla_teacher {
	const char *name;
	const vla_section *sec;
	vla_model *model;
	vla_output output;
	uint32_t size;
	size_t width; /* numbers a crop: rows * row_width */
	uint32_t rows, row_width;
	size_t n_data;                 /* of the corpus */
	struct vla_teacher_part *part; /* [n_data] */
};

typedef struct vla_teacher_part {
	bool used;
	vla_matrix **shard; /* [shards] consecutive pictures */
	size_t shards;
} vla_teacher_part;

typedef struct vla_teacher_env {
	vla_corpus *corpus;
	vla_pool *pool;
	const char *dir; /* run directory */
	uint32_t min_side;
	void (*line)(void *ctx, const char *text);
	vla_status (*poll)(void *ctx); /* VLA_ECANCELED: stop between two shards; may be NULL */
	vla_warn_fn *warn;
	void *ctx;
	bool dry_run; /* open the model only */
} vla_teacher_env;

vla_status vla_teacher_open(const vla_recipe *r, const vla_section *sec, const vla_teacher_env *env, vla_teacher **out,
			    vla_err *err) VLA_MUST_USE;
void vla_teacher_close(vla_teacher *t);
/* What the teacher says of crop k of picture i: out is [width]. false: that picture could not be read. */
bool vla_teacher_row(const vla_teacher *t, const vla_data *d, size_t data, uint32_t i, uint32_t k, float *out);

#endif
