/* Which examples a step sees. */
#ifndef VLA_TRAIN_PLAN_H
#define VLA_TRAIN_PLAN_H

#include "train/data.h"

typedef struct vla_plan_data {
	const vla_data *d;
	size_t index;    /* in the corpus */
	double upto;     /* sum of the shares up to this one, of 1 */
	uint64_t taken;  /* examples handed out so far */
	uint64_t epoch;  /* of order; UINT64_MAX: none yet */
	uint32_t *order; /* [d->n] */
} vla_plan_data;

typedef struct vla_plan {
	vla_plan_data *set;
	size_t n;
	uint64_t serial, seed;
} vla_plan;

/* Examples come from the data sets by their shares, spread evenly; each data set is gone through in a new random order
 * each time, which depends on seed, data set and epoch. */
vla_status vla_plan_init(vla_plan *p, const vla_corpus *c, const size_t *data, size_t n, uint64_t seed,
			 vla_err *err) VLA_MUST_USE;
void vla_plan_release(vla_plan *p);
/* Passes over `n` examples. */
void vla_plan_skip(vla_plan *p, uint64_t n);
void vla_plan_next(vla_plan *p, uint32_t *data, uint32_t *example);

#endif
