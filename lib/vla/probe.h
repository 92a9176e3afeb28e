/* Measurements of models, streams and files, with intervals. The tasks and their settings are those of vla-probe(1).
 *
 *	vla_probe_opts o = VLA_PROBE_OPTS_INIT;
 *	const char *input = "captions.tsv";
 *	o.input = &input;
 *	o.inputs = 1;
 *	o.result = print_row;
 *	if (vla_probe_run("retrieval", &o, &err) != VLA_OK)
 *		fprintf(stderr, "%s\n", err.msg);
 *
 * Every measurement is a row: what it was measured on, its name, a value, a 95 % interval where there is one, and the
 * number of cases. What is random follows from the seed. Bad rows of an input are warnings that name the line.
 */
#ifndef VLA_PROBE_H
#define VLA_PROBE_H

#include <vla/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_result {
	const char *group;   /* "all", a class, a kind of item, ... */
	const char *measure; /* "R@1" */
	double value;
	double low, high; /* NaN when there is no interval */
	double n;         /* cases */
} vla_result;

/* Takes a row, valid during the call; a status other than VLA_OK ends the run with it. */
typedef vla_status vla_result_fn(void *ctx, const vla_result *r, vla_err *err);

typedef struct vla_probe_opts {
	vla_pool *pool;
	const char *model; /* as for vla_model_open; opened when a task needs it */
	vla_compute compute;
	uint64_t seed;
	unsigned draws;           /* of bootstraps and permutations; 0 = 1000 */
	const char *const *input; /* [inputs] files, "-" for standard input */
	size_t inputs;
	const char *const *column; /* [columns] "ROLE=NAME": the column of a table that plays a role */
	size_t columns;
	const char *const *where; /* [wheres] "COLUMN=A|B" or "COLUMN!=A|B": rows to take */
	size_t wheres;
	const char *const *set; /* [sets] "KEY=VALUE": settings of the task */
	size_t sets;
	const char *join;   /* table with more columns of the pictures; NULL: none */
	const char *root;   /* folder of the pictures; NULL: that of the table */
	const char *images; /* stream of picture vectors, instead of the model; NULL: none */
	const char *texts;  /* stream of text vectors */
	const char *items;  /* file for a row per item; NULL: none */
	vla_result_fn *result;
	vla_warn_fn *warn; /* NULL: bad rows pass in silence */
	void *ctx;         /* of the callbacks */
} vla_probe_opts;

#define VLA_PROBE_OPTS_INIT \
	{ \
		NULL, NULL, VLA_COMPUTE_AUTO, 0, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, \
			NULL, NULL, NULL \
	}

/* Runs a task. VLA_OK; VLA_EINVAL for an unknown task, setting or a table without a needed column; else as reading,
 * embedding and the callbacks give. */
VLA_API vla_status vla_probe_run(const char *task, const vla_probe_opts *o, vla_err *err) VLA_MUST_USE;

/* The i-th task's name and in *purpose one line about it; NULL past the last. Static. */
VLA_API const char *vla_probe_task(size_t i, const char **purpose);
/* The i-th setting of the task at `task`: its key, and in *value its default and in *purpose one line; NULL past the
 * last. Static. */
VLA_API const char *vla_probe_setting(size_t task, size_t i, const char **value, const char **purpose);

#ifdef __cplusplus
}
#endif
#endif
