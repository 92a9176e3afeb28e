/* Objectives: what a step minimises. Each kind is a row of a table: which parts of a batch it needs, its own
 * parameters, its loss. */
#ifndef VLA_TRAIN_OBJECTIVE_H
#define VLA_TRAIN_OBJECTIVE_H

#include "train/loader.h"
#include "train/teacher.h"

typedef struct vla_objective vla_objective;

/* What a forward pass shares between objectives; tensors are made when first asked for. */
typedef struct vla_pass {
	vla_step *g;
	vla_model *model;
	const vla_corpus *corpus;
	const vla_batch *batch;
	vla_teacher *const *teacher;
	uint32_t size;                        /* side of the pictures */
	bool fixed_norm;                      /* the image tower runs as in inference */
	bool frozen_tower;                    /* and needs no tape */
	size_t tower_nodes;                   /* length of the tape after the image tower */
	vla_tensor *pixels, *pooled, *tokens; /* [pictures, ...] */
	vla_tensor *projected;                /* [pictures, dim] */
	vla_tensor *vectors;                  /* [vectors, dim]: projected */
	vla_tensor *text;                     /* [texts, dim] */
} vla_pass;

typedef struct vla_kind_row {
	const char *name;
	bool image, text; /* needs the image tower, texts */
	bool teacher;     /* needs a teacher */
	/* Adds own parameters to heads. */
	vla_status (*init)(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err);
	/* The loss, or NULL with no error in g when the batch has nothing for it. */
	vla_tensor *(*loss)(const vla_objective *o, vla_pass *p);
} vla_kind_row;

struct vla_objective {
	const char *name;
	const vla_section *sec;
	const vla_kind_row *kind;
	float weight;
	bool *data;     /* [corpus->n] applies to it */
	size_t teacher; /* index, or SIZE_MAX */
	vla_teacher *t;
	size_t image_teacher; /* whose pooled output stands for the model's, or SIZE_MAX */
	vla_teacher *image_t;
	bool from_teacher; /* the picture's pooled output is the teacher's */
	bool sigmoid, share, raw;
	float cosine, mse, temperature, smoothing;
	vla_param *head_w, *head_b; /* of heads; NULL: none */
	bool classify;              /* through the teacher's classifier */
	uint32_t
		student_width; /* of the model's pooled output (distill_map: of its tokens); 0 without an image tower */
	const vla_data *names; /* distill_names: of the teacher's classes */
	uint64_t seed;
	size_t classes, dim;
	unsigned head_choice;
};

typedef struct vla_objective_env {
	const vla_recipe *recipe;
	const vla_corpus *corpus;
	vla_model *model;
	vla_teacher *const *teacher;
	size_t n_teachers;
	vla_params *heads;
	uint64_t seed;
} vla_objective_env;

vla_status vla_objective_open(const vla_objective_env *env, const vla_section *sec, vla_objective **out,
			      vla_err *err) VLA_MUST_USE;
void vla_objective_close(vla_objective *o);
bool vla_objective_needs_pixels(const vla_objective *o);
/* Tokens that the text tower has positions for; 0: any number. */
size_t vla_longest_text(const vla_model *m);

#endif
