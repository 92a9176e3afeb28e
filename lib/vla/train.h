/* Training from recipes; the format is vla-recipe(5).
 *
 *	vla_recipe *r;
 *	vla_recipe_open("contrastive.recipe", overrides, n, &r, &err);
 *	vla_train_opts o = VLA_TRAIN_OPTS_INIT;
 *	o.dir = "out";
 *	vla_train(r, &o, &err);
 *	vla_recipe_free(r);
 */
#ifndef VLA_TRAIN_H
#define VLA_TRAIN_H

#include <vla/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_recipe vla_recipe;

/* overrides: n strings "section.key=value" or "key=value", applied in order. An unknown key or a bad value
 * is VLA_EFORMAT; the message holds file, line and the nearest known key. */
VLA_API vla_status vla_recipe_open(const char *path, const char *const *overrides, size_t n, vla_recipe **out,
				   vla_err *err) VLA_MUST_USE;
VLA_API void vla_recipe_free(vla_recipe *r);

/* The i-th known key of recipes: section, name ("lr_scale." stands for any ending), value when absent, one line of
 * help; false past the end. Static strings. */
VLA_API bool vla_recipe_key(size_t i, const char **section, const char **name, const char **fallback,
			    const char **help);

/* Where a run stands; strings and numbers are valid during the call. */
typedef struct vla_train_event {
	const char *stage;
	uint64_t step, steps;
	double loss; /* mean over the interval */
	double lr, grad_norm;
	double examples_per_s;
	const char *const *part; /* [nparts] names of the objectives */
	const double *part_loss; /* [nparts] their mean values */
	size_t nparts;
	double data_s, forward_s, backward_s, update_s; /* mean seconds a step: waiting for data, and so on */
} vla_train_event;

typedef struct vla_train_opts {
	const char *dir; /* output directory; made when absent */
	vla_pool *pool;
	uint64_t seed;                                            /* 0: the recipe's */
	bool dry_run;                                             /* describe only */
	bool restart;                                             /* ignore checkpoints in dir instead of resuming */
	int loaders;                                              /* threads that prepare batches; -1: the recipe's */
	void (*line)(void *ctx, const char *text);                /* dry-run and notes; may be NULL */
	bool (*stop)(void *ctx);                                  /* asked after every step; may be NULL */
	vla_status (*event)(void *ctx, const vla_train_event *e); /* VLA_ECANCELED: checkpoint and stop */
	vla_warn_fn *warn;
	void *ctx;
} vla_train_opts;

#define VLA_TRAIN_OPTS_INIT \
	{ \
		NULL, NULL, 0, false, false, -1, NULL, NULL, NULL, NULL, NULL \
	}

/* Runs all stages, resuming from dir's last checkpoint. VLA_ECANCELED when the callback asked to stop (a
 * checkpoint is written first); VLA_EINVAL with step and objective when the loss is not finite. */
VLA_API vla_status vla_train(vla_recipe *r, const vla_train_opts *opts, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
