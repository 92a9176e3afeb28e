/* vla_train: sets a run up, takes it from its last checkpoint through its stages, and writes the model. */
#include "train/stage.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static bool poll_stop(void *ctx)
{
	const vla_trainer *t = ctx;
	return t->o->stop && t->o->stop(t->o->ctx);
}

static vla_status poll_teacher(void *ctx)
{
	return poll_stop(ctx) ? VLA_ECANCELED : VLA_OK;
}

static void line_teacher(void *ctx, const char *text)
{
	vla_trainer_line(ctx, "%s", text);
}

static void warn_teacher(void *ctx, const char *text)
{
	const vla_trainer *t = ctx;
	if (t->o->warn)
		t->o->warn(t->o->ctx, text);
}

// Decoders may reduce pictures to the side that the largest view of the smallest crop needs.
static uint32_t smallest_side(const vla_trainer *t)
{
	double side = vla_model_get_info(t->model)->image_size, part = 1;
	for (size_t i = 0; vla_recipe_section(t->r, "stage", i); i++) {
		double s = vla_recipe_number(t->r, "stage", vla_recipe_section(t->r, "stage", i), "image_size");
		side = s > side ? s : side;
	}
	for (size_t i = 0; i < t->corpus->n; i++)
		if (t->corpus->data[i].augment.min_area < part)
			part = t->corpus->data[i].augment.min_area;
	return (uint32_t)ceil(side / sqrt(part));
}

static vla_status open_teachers(vla_trainer *t, vla_err *err)
{
	size_t n = 0;
	while (vla_recipe_section(t->r, "teacher", n))
		n++;
	t->teacher = vla_zalloc(n, sizeof *t->teacher);
	if (!t->teacher)
		return vla_nomem(err);
	vla_teacher_env env = { .corpus = t->corpus,
				.pool = t->o->pool,
				.dir = t->o->dir,
				.min_side = 0,
				.line = line_teacher,
				.poll = poll_teacher,
				.warn = warn_teacher,
				.ctx = t,
				.dry_run = t->o->dry_run };
	for (size_t i = 0; i < n; i++) {
		VLA_TRY(vla_teacher_open(t->r, vla_recipe_section(t->r, "teacher", i), &env, &t->teacher[i], err));
		t->teachers++;
	}
	return VLA_OK;
}

static vla_status open_objectives(vla_trainer *t, vla_err *err)
{
	size_t n = 0;
	while (vla_recipe_section(t->r, "objective", n))
		n++;
	t->objective = vla_zalloc(n, sizeof *t->objective);
	t->tally.part = vla_zalloc(n, sizeof *t->tally.part);
	t->tally.seen = vla_zalloc(n, sizeof *t->tally.seen);
	if (!t->objective || !t->tally.part || !t->tally.seen)
		return vla_nomem(err);
	vla_objective_env env = { t->r, t->corpus, t->model, t->teacher, t->teachers, &t->heads, t->seed };
	for (size_t i = 0; i < n; i++) {
		VLA_TRY(vla_objective_open(&env, vla_recipe_section(t->r, "objective", i), &t->objective[i], err));
		t->objectives++;
	}
	return VLA_OK;
}

static vla_status set_up(vla_trainer *t, vla_err *err)
{
	const vla_recipe *r = t->r;
	if (!vla_recipe_section(r, "stage", 0))
		return vla_fail(err, VLA_EFORMAT, "%s: there is no [stage NAME]", r->path);
	t->seed = t->o->seed ? t->o->seed : (uint64_t)vla_recipe_int(r, "run", NULL, "seed");
	t->hash = vla_hash64(&t->seed, sizeof t->seed, vla_recipe_hash(r));
	if (!t->o->dry_run && mkdir(t->o->dir, 0777) && errno != EEXIST)
		return vla_fail(err, VLA_EIO, "cannot make '%s': %s", t->o->dir, strerror(errno));
	VLA_TRY(vla_corpus_open(r, t->o->warn, t->o->ctx, &t->corpus, err));
	VLA_TRY(vla_evaluate_check(t, err));
	VLA_TRY(vla_setup_tokenizer(t, err));
	VLA_TRY(vla_setup_model(t, err));
	VLA_TRY(vla_setup_init(t, err));
	VLA_TRY(open_teachers(t, err));
	VLA_TRY(open_objectives(t, err));
	t->min_side = smallest_side(t);
	t->pics = vla_pictures_new(t->corpus, (uint64_t)vla_recipe_int(r, "run", NULL, "picture_cache") << 20);
	return t->pics ? VLA_OK : vla_nomem(err);
}

static vla_status run_stages(vla_trainer *t, vla_err *err)
{
	char *path;
	VLA_TRY(vla_state_find(t, &path, err));
	vla_status s = VLA_OK;
	for (; s == VLA_OK && vla_recipe_section(t->r, "stage", t->stage); t->stage++) {
		vla_stage st;
		s = vla_stage_open(t, t->stage, &st, err);
		if (s == VLA_OK)
			s = vla_stage_begin(t, &st, err);
		if (s == VLA_OK && path) {
			s = vla_state_load(t, path, err);
			vla_trainer_line(t, "resumed from %s", path);
			free(path);
			path = NULL;
		}
		if (s == VLA_OK && !t->log)
			s = vla_state_log(t, err);
		if (s == VLA_OK)
			s = vla_stage_run(t, &st, err);
		vla_stage_release(&st);
		if (s == VLA_OK)
			t->step = 0;
	}
	free(path);
	return s;
}

static vla_status save_model(vla_trainer *t, vla_err *err)
{
	static const vla_dtype dtypes[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8 };
	vla_params_unpack(vla_model_params(t->model));
	return vla_model_save(t->model, t->o->dir, dtypes[vla_recipe_choice(t->r, "run", NULL, "save_dtype")], err);
}

static void release(vla_trainer *t)
{
	for (int i = 0; i < 2; i++) {
		vla_optim_release(&t->optim[i]);
		free(t->ema[i]);
	}
	for (size_t i = 0; i < t->objectives; i++)
		vla_objective_close(t->objective[i]);
	free(t->objective);
	for (size_t i = 0; i < t->teachers; i++)
		vla_teacher_close(t->teacher[i]);
	free(t->teacher);
	vla_params_release(&t->heads);
	vla_pictures_free(t->pics);
	vla_model_close(t->model);
	vla_corpus_close(t->corpus);
	free(t->tally.part);
	free(t->tally.seen);
	if (t->scratch_dir) {
		char *file = vla_format("%s/tokenizer.json", t->tokenizer_dir);
		if (file)
			unlink(file);
		free(file);
		rmdir(t->tokenizer_dir);
	}
	free(t->tokenizer_dir);
	if (t->log)
		fclose(t->log);
}

vla_status vla_train(vla_recipe *r, const vla_train_opts *opts, vla_err *err)
{
	vla_trainer t = { .r = r, .o = opts };
	vla_status s = set_up(&t, err);
	if (s == VLA_OK)
		s = opts->dry_run ? vla_describe(&t, err) : run_stages(&t, err);
	if (s == VLA_OK && !opts->dry_run)
		s = save_model(&t, err);
	release(&t);
	return s;
}
