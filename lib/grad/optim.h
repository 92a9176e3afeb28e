/* Optimisers over the trainable block of a parameter set, learning-rate schedules and clipping. */
#ifndef VLA_GRAD_OPTIM_H
#define VLA_GRAD_OPTIM_H

#include "grad/grad.h"

typedef enum vla_optim_kind { VLA_ADAMW, VLA_SGD } vla_optim_kind;

typedef struct vla_optim_opts {
	vla_optim_kind kind;
	float beta1, beta2, eps; /* AdamW (Loshchilov and Hutter 2019: decay apart from the gradient) */
	float momentum;          /* SGD; Nesterov when nesterov */
	bool nesterov;
	float weight_decay;      /* not applied to no_decay parameters */
} vla_optim_opts;

typedef struct vla_optim {
	vla_optim_opts o;
	uint64_t step;   /* updates done */
	float *m, *v;    /* [ps->total]; v NULL for SGD */
	size_t total;
} vla_optim;

vla_status vla_optim_init(vla_optim *o, const vla_optim_opts *opts, const vla_params *ps, vla_err *err) VLA_MUST_USE;
void vla_optim_release(vla_optim *o);
/* L2 norm of all gradients (f64 sum); scales them when it is above max (> 0). Returns the norm before clipping. */
double vla_clip_grad(vla_params *ps, vla_pool *pool, double max);
/* One update at rate lr (times each parameter's lr_scale). Forgets packed forms. */
void vla_optim_step(vla_optim *o, vla_params *ps, vla_pool *pool, float lr);

typedef enum vla_schedule { VLA_CONSTANT, VLA_COSINE, VLA_LINEAR } vla_schedule;
/* Rate at step (0-based) of total: linear warm-up over `warmup` steps, then the schedule down to lr * floor. */
float vla_learning_rate(vla_schedule s, float lr, float floor, uint64_t step, uint64_t warmup, uint64_t total);

#endif
