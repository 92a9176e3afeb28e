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
	float weight_decay; /* not applied to no_decay parameters; with SGD it is added to the gradient */
} vla_optim_opts;

#define VLA_OPTIM_OPTS_INIT \
	{ \
		VLA_ADAMW, 0.9f, 0.999f, 1e-8f, 0.9f, false, 0.01f \
	}

typedef struct vla_optim {
	vla_optim_opts o;
	uint64_t step; /* updates done */
	float *m, *v;  /* [total]; v NULL for SGD */
	size_t total;
} vla_optim;

/* State for the block that ps has now, all zero; a checkpoint holds step, m and v. After another vla_params_own it has
 * to be made again. VLA_EINVAL names an option out of range. */
vla_status vla_optim_init(vla_optim *o, const vla_optim_opts *opts, const vla_params *ps, vla_err *err) VLA_MUST_USE;
void vla_optim_release(vla_optim *o);
/* L2 norm of all gradients (f64 sum); scales them when it is above max (> 0). Returns the norm before clipping; when
 * that is not finite, nothing is scaled. */
double vla_clip_grad(vla_params *ps, vla_pool *pool, double max);
/* One update at rate lr (times each parameter's lr_scale). Forgets packed forms. Nothing happens, step included, when
 * the block has another size than o was made for. */
void vla_optim_step(vla_optim *o, vla_params *ps, vla_pool *pool, float lr);

/* An exponential moving average of the trainable values often better than
 * the last values. Early on the decay is (1 + t) / (10 + t) when that is less, so that the start is forgotten soon. */
typedef struct vla_ema {
	float *avg; /* [total] */
	size_t total;
	double decay;
	uint64_t step; /* updates done */
} vla_ema;

/* Starts from the present values; decay in [0, 1). */
vla_status vla_ema_init(vla_ema *e, double decay, const vla_params *ps, vla_err *err) VLA_MUST_USE;
void vla_ema_release(vla_ema *e);
/* avg = decay avg + (1 - decay) values. */
void vla_ema_update(vla_ema *e, const vla_params *ps, vla_pool *pool);
/* Exchanges averages and values, for an evaluation or a save; once more puts them back. Forgets packed forms. */
void vla_ema_swap(vla_ema *e, vla_params *ps);

typedef enum vla_schedule { VLA_CONSTANT, VLA_COSINE, VLA_LINEAR } vla_schedule;
/* Rate at step (0-based) of total: linear warm-up over `warmup` steps, then the schedule down to lr * floor. */
float vla_learning_rate(vla_schedule s, float lr, float floor, uint64_t step, uint64_t warmup, uint64_t total);

#endif
