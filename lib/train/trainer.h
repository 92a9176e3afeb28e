/* A training run: what is set up once, and the state that a checkpoint holds. */
#ifndef VLA_TRAIN_TRAINER_H
#define VLA_TRAIN_TRAINER_H

#include "grad/optim.h"
#include "train/objective.h"

/* Sums since the last line of the log. */
typedef struct vla_tally {
	uint64_t steps;
	double loss, grad_norm, *part; /* [objectives] */
	uint64_t *seen;                /* [objectives] steps in which the part had examples */
} vla_tally;

typedef struct vla_trainer {
	const vla_recipe *r;
	const vla_train_opts *o;
	vla_corpus *corpus;
	char *tokenizer_dir; /* or NULL */
	bool scratch_dir;    /* tokenizer_dir is removed at the end */
	vla_model *model;
	vla_params heads; /* of the objectives */
	vla_teacher **teacher;
	size_t teachers;
	vla_objective **objective;
	size_t objectives;
	vla_pictures *pics;
	uint32_t min_side;
	uint64_t seed, hash;
	/* the state */
	size_t stage;
	uint64_t step;      /* updates done in this stage */
	vla_optim optim[2]; /* of the model's and the heads' parameters */
	float *ema[2];      /* averaged values in the same order, or NULL */
	vla_tally tally;
	FILE *log;
	uint64_t log_bytes, eval_bytes; /* of log.tsv and eval.tsv when the checkpoint was written */
} vla_trainer;

/* setup.c */
vla_status vla_setup_tokenizer(vla_trainer *t, vla_err *err) VLA_MUST_USE;
vla_status vla_setup_model(vla_trainer *t, vla_err *err) VLA_MUST_USE;
vla_status vla_setup_init(vla_trainer *t, vla_err *err) VLA_MUST_USE;
/* Sets lr_scale and which parameters may be trained in this stage. */
vla_status vla_setup_freeze(vla_trainer *t, const vla_section *stage, vla_err *err) VLA_MUST_USE;

/* state.c */
vla_status vla_state_save(vla_trainer *t, vla_err *err) VLA_MUST_USE;
/* Finds the newest checkpoint of the run: *stage and *step of it, or stays at 0, 0 with *path NULL. */
vla_status vla_state_find(vla_trainer *t, char **path, vla_err *err) VLA_MUST_USE;
/* After the parameters of its stage were set up. */
vla_status vla_state_load(vla_trainer *t, const char *path, vla_err *err) VLA_MUST_USE;
/* Opens the log, and cuts it and eval.tsv back to the checkpoint: what follows will be written again. */
vla_status vla_state_log(vla_trainer *t, vla_err *err) VLA_MUST_USE;
/* Exchanges the values with their averages where there are any. */
void vla_state_swap_ema(vla_trainer *t);

/* evaluate.c */
/* Opens what the [eval] sections name, so that a mistake shows before hours of training. */
vla_status vla_evaluate_check(vla_trainer *t, vla_err *err) VLA_MUST_USE;
vla_status vla_evaluate(vla_trainer *t, const char *stage, uint64_t step, bool last, vla_err *err) VLA_MUST_USE;
bool vla_evaluate_due(const vla_trainer *t, uint64_t step, bool last);

/* describe.c */
vla_status vla_describe(vla_trainer *t, vla_err *err) VLA_MUST_USE;
void vla_trainer_line(const vla_trainer *t, const char *fmt, ...) VLA_PRINTF(2, 3);

#endif
