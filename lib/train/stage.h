/* The stages of a run. */
#ifndef VLA_TRAIN_STAGE_H
#define VLA_TRAIN_STAGE_H

#include "train/trainer.h"

/* One stage's settings. */
typedef struct vla_stage {
	const vla_section *sec;
	size_t index;
	size_t *data, n_data;
	vla_objective **objective;
	size_t objectives;
	size_t *objective_index; /* into the trainer's */
	uint64_t steps, warmup, checkpoint, export;
	double checkpoint_seconds, clip, ema;
	size_t batch;
	uint32_t size;
	float lr, floor;
	vla_schedule schedule;
	vla_optim_opts optim;
	bool pixels, texts;
	bool *need_target;
	bool freeze_norm;   /* batch norm keeps its statistics, by the recipe */
	bool fixed_norm;    /* so does the image tower, for that or because it is frozen */
	bool frozen_tower;  /* nothing in the image tower is trained */
	double flops;       /* of one step, forward and backward */
	uint64_t trainable; /* numbers */
} vla_stage;

/* stage.c */
vla_status vla_stage_open(vla_trainer *t, size_t index, vla_stage *s, vla_err *err) VLA_MUST_USE;
void vla_stage_release(vla_stage *s);
/* Moments and averages of a fresh stage. */
vla_status vla_stage_begin(vla_trainer *t, vla_stage *s, vla_err *err) VLA_MUST_USE;
vla_status vla_stage_run(vla_trainer *t, vla_stage *s, vla_err *err) VLA_MUST_USE;
vla_status vla_stage_loader(vla_trainer *t, const vla_stage *s, uint64_t first, unsigned threads, vla_loader **out,
			    vla_err *err) VLA_MUST_USE;
void vla_stage_pass(vla_trainer *t, const vla_stage *s, vla_step *g, const vla_batch *b, vla_pass *p);

/* probe.c: finds out what the objectives of a stage reach, with a few batches and no update. */
vla_status vla_stage_probe(vla_trainer *t, vla_stage *s, vla_err *err) VLA_MUST_USE;
/* flops.c: operations of one forward pass over the tape. */
double vla_tape_flops(const vla_tape *t);

#endif
