/* One stage of a run: settings, the loop of steps, the log. */
#include "train/stage.h"

#include <errno.h>
#include <math.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// --- settings ---

static vla_status choose_data(vla_trainer *t, vla_stage *s, vla_err *err)
{
	char **name;
	size_t n;
	VLA_TRY(vla_split_list(vla_recipe_text(t->r, "stage", s->sec, "data"), ',', &name, &n, err));
	s->data = vla_alloc(n ? n : t->corpus->n, sizeof *s->data);
	vla_status st = s->data ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; st == VLA_OK && i < (n ? n : t->corpus->n); i++) {
		size_t at = n ? vla_corpus_find(t->corpus, name[i]) : i;
		if (at == SIZE_MAX)
			st = vla_recipe_fail(t->r, "stage", s->sec, "data", err, "there is no [data %s]", name[i]);
		s->data[s->n_data++] = at;
	}
	free(name);
	return st;
}

static vla_status add_objective(vla_trainer *t, vla_stage *s, size_t at)
{
	vla_objective *o = t->objective[at];
	s->objective_index[s->objectives] = at;
	s->objective[s->objectives++] = o;
	s->texts = s->texts || o->kind->text;
	s->pixels = s->pixels || vla_objective_needs_pixels(o);
	if (o->teacher != SIZE_MAX)
		s->need_target[o->teacher] = true;
	if (o->image_teacher != SIZE_MAX)
		s->need_target[o->image_teacher] = true;
	return VLA_OK;
}

static vla_status choose_objectives(vla_trainer *t, vla_stage *s, vla_err *err)
{
	char **name;
	size_t n;
	VLA_TRY(vla_split_list(vla_recipe_text(t->r, "stage", s->sec, "objectives"), ',', &name, &n, err));
	size_t room = n > t->objectives ? n : t->objectives;
	s->objective = vla_alloc(room, sizeof *s->objective);
	s->objective_index = vla_alloc(room, sizeof *s->objective_index);
	s->need_target = vla_zalloc(t->teachers, sizeof *s->need_target);
	vla_status st = s->objective && s->objective_index && s->need_target ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < (n ? n : t->objectives) && st == VLA_OK; i++) {
		size_t at = n ? SIZE_MAX : i;
		for (size_t k = 0; n && k < t->objectives; k++)
			if (!strcmp(t->objective[k]->name, name[i]))
				at = k;
		if (at == SIZE_MAX)
			st = vla_recipe_fail(t->r, "stage", s->sec, "objectives", err, "there is no [objective %s]",
					     name[i]);
		else
			st = add_objective(t, s, at);
	}
	free(name);
	if (st == VLA_OK && !s->objectives)
		st = vla_recipe_fail(t->r, "stage", s->sec, "objectives", err, "there is no objective");
	if (st == VLA_OK && s->texts && !vla_model_tokenizer(t->model))
		st = vla_recipe_fail(t->r, "stage", s->sec, "objectives", err, "the model has no text tower");
	return st;
}

static void read_optimiser(const vla_recipe *r, vla_stage *s)
{
	const vla_section *sec = s->sec;
	s->optim.kind = vla_recipe_choice(r, "stage", sec, "optimiser") ? VLA_SGD : VLA_ADAMW;
	s->optim.beta1 = (float)vla_recipe_number(r, "stage", sec, "beta1");
	s->optim.beta2 = (float)vla_recipe_number(r, "stage", sec, "beta2");
	s->optim.eps = (float)vla_recipe_number(r, "stage", sec, "eps");
	s->optim.momentum = (float)vla_recipe_number(r, "stage", sec, "momentum");
	s->optim.nesterov = vla_recipe_bool(r, "stage", sec, "nesterov");
	s->optim.weight_decay = (float)vla_recipe_number(r, "stage", sec, "weight_decay");
	static const vla_schedule schedules[] = { VLA_COSINE, VLA_LINEAR, VLA_CONSTANT };
	s->schedule = schedules[vla_recipe_choice(r, "stage", sec, "schedule")];
	s->lr = (float)vla_recipe_number(r, "stage", sec, "lr");
	s->floor = (float)vla_recipe_number(r, "stage", sec, "lr_floor");
	s->warmup = (uint64_t)vla_recipe_int(r, "stage", sec, "warmup");
	s->clip = vla_recipe_number(r, "stage", sec, "clip");
	s->ema = vla_recipe_number(r, "stage", sec, "ema");
}

static vla_status read_length(vla_trainer *t, vla_stage *s, vla_err *err)
{
	const vla_recipe *r = t->r;
	double examples = 0;
	for (size_t i = 0; i < s->n_data; i++)
		examples += (double)t->corpus->data[s->data[i]].n;
	s->batch = (size_t)vla_recipe_int(r, "stage", s->sec, "batch");
	s->steps = (uint64_t)vla_recipe_int(r, "stage", s->sec, "steps");
	if (!s->steps)
		s->steps =
			(uint64_t)ceil(vla_recipe_number(r, "stage", s->sec, "epochs") * examples / (double)s->batch);
	if (!s->steps)
		return vla_recipe_fail(r, "stage", s->sec, "steps", err, "give steps or epochs");
	return VLA_OK;
}

vla_status vla_stage_open(vla_trainer *t, size_t index, vla_stage *s, vla_err *err)
{
	const vla_recipe *r = t->r;
	*s = (vla_stage){ .sec = vla_recipe_section(r, "stage", index), .index = index };
	VLA_TRY(choose_data(t, s, err));
	VLA_TRY(choose_objectives(t, s, err));
	VLA_TRY(read_length(t, s, err));
	read_optimiser(r, s);
	s->size = (uint32_t)vla_recipe_int(r, "stage", s->sec, "image_size");
	if (!s->size)
		s->size = vla_model_get_info(t->model)->image_size;
	if (s->pixels && !vla_model_get_info(t->model)->has_image)
		return vla_recipe_fail(r, "stage", s->sec, "objectives", err, "the model has no image tower");
	s->checkpoint = (uint64_t)vla_recipe_int(r, "stage", s->sec, "checkpoint");
	s->checkpoint_seconds = vla_recipe_number(r, "stage", s->sec, "checkpoint_seconds");
	s->export = (uint64_t)vla_recipe_int(r, "stage", s->sec, "export");
	s->freeze_norm = vla_recipe_bool(r, "stage", s->sec, "freeze_norm");
	VLA_TRY(vla_setup_freeze(t, s->sec, err));
	return vla_stage_probe(t, s, err);
}

void vla_stage_release(vla_stage *s)
{
	free(s->data);
	free(s->objective);
	free(s->objective_index);
	free(s->need_target);
}

vla_status vla_stage_loader(vla_trainer *t, const vla_stage *s, uint64_t first, unsigned threads, vla_loader **out,
			    vla_err *err)
{
	vla_loader_opts o = { .corpus = t->corpus,
			      .data = s->data,
			      .n_data = s->n_data,
			      .model = t->model,
			      .tokenizer = s->texts ? vla_model_tokenizer(t->model) : NULL,
			      .teacher = t->teacher,
			      .n_teachers = t->teachers,
			      .pixels = s->pixels,
			      .texts = s->texts,
			      .need_target = s->need_target,
			      .batch = s->batch,
			      .max_len = vla_longest_text(t->model),
			      .size = s->size,
			      .seed = t->seed,
			      .stage = s->index,
			      .first_step = first,
			      .end_step = s->steps,
			      .threads = threads,
			      .min_side = t->min_side,
			      .warn = t->o->warn,
			      .warn_ctx = t->o->ctx };
	o.depth = (unsigned)vla_recipe_int(t->r, "run", NULL, "prefetch");
	return vla_loader_open(&o, t->pics, out, err);
}

void vla_stage_pass(vla_trainer *t, const vla_stage *s, vla_step *g, const vla_batch *b, vla_pass *p)
{
	*p = (vla_pass){ .g = g,
			 .model = t->model,
			 .corpus = t->corpus,
			 .batch = b,
			 .teacher = t->teacher,
			 .size = s->size,
			 .fixed_norm = s->fixed_norm,
			 .frozen_tower = s->frozen_tower };
}

// --- the loop ---

struct loop {
	vla_trainer *t;
	vla_stage *s;
	vla_loader *loader;
	vla_arena *arena;
	vla_tape tape;
	vla_step g;
	double began, saved_at; // seconds
	double time[4];         // of the interval: waiting for data, forward, backward, update
	uint64_t timed;         // steps in time[]
	vla_err *err;
};

static vla_params *params_of(vla_trainer *t, int set)
{
	return set ? &t->heads : vla_model_params(t->model);
}

// Sum of the weighted objectives; their values go to part[]. NULL with VLA_OK when the batch fits none.
static vla_status forward(struct loop *l, const vla_batch *b, vla_tensor **out, double *total)
{
	vla_trainer *t = l->t;
	vla_pass pass;
	vla_tensor *sum = NULL;
	vla_stage_pass(t, l->s, &l->g, b, &pass);
	*total = 0;
	for (size_t i = 0; i < l->s->objectives; i++) {
		const vla_objective *o = l->s->objective[i];
		size_t at = l->s->objective_index[i];
		vla_tensor *loss = o->kind->loss(o, &pass);
		vla_status s = vla_step_status(&l->g, l->err);
		if (s != VLA_OK)
			return vla_prefix(l->err, s, "stage %s, objective %s", l->s->sec->name, o->name);
		if (!loss)
			continue;
		double v = loss->data[0];
		if (!isfinite(v))
			return vla_fail(l->err, VLA_EINVAL,
					"stage %s, step %llu: the loss of objective %s is not finite", l->s->sec->name,
					(unsigned long long)t->step + 1, o->name);
		t->tally.part[at] += v;
		t->tally.seen[at]++;
		*total += v * o->weight;
		loss = o->weight == 1 ? loss : vla_scale(&l->g, loss, o->weight);
		sum = sum ? vla_add(&l->g, sum, loss) : loss;
	}
	*out = sum;
	return vla_step_status(&l->g, l->err);
}

// Clips both sets by their common norm, which it returns.
static double clip(vla_trainer *t, double max)
{
	double sum = 0;
	for (int set = 0; set < 2; set++) {
		double norm = vla_clip_grad(params_of(t, set), t->o->pool, 0);
		sum += norm * norm;
	}
	double norm = sqrt(sum);
	if (max > 0 && norm > max) {
		float scale = (float)(max / norm);
		for (int set = 0; set < 2; set++) {
			vla_params *ps = params_of(t, set);
			for (size_t i = 0; i < ps->total; i++)
				ps->grads[i] *= scale;
		}
	}
	return norm;
}

static void average(vla_trainer *t, double decay)
{
	// A short memory at first, so that the average forgets the initial values.
	double early = (1.0 + (double)t->step) / (10.0 + (double)t->step);
	float keep = (float)(early < decay ? early : decay);
	for (int set = 0; set < 2; set++) {
		const vla_params *ps = params_of(t, set);
		for (size_t i = 0; t->ema[set] && i < ps->total; i++)
			t->ema[set][i] += (1 - keep) * (ps->values[i] - t->ema[set][i]);
	}
}

static vla_status train_step(struct loop *l)
{
	vla_trainer *t = l->t;
	vla_stage *s = l->s;
	const vla_batch *b;
	double waited, total;
	VLA_TRY(vla_loader_next(l->loader, &b, &waited, l->err));
	double t0 = now();
	vla_step_reset(&l->g);
	vla_rng_seed(&l->g.rng, t->seed ^ 0x6472, (uint64_t)s->index << 48 | t->step);
	vla_params_zero_grad(params_of(t, 0));
	vla_params_zero_grad(params_of(t, 1));
	vla_tensor *loss = NULL;
	VLA_TRY(forward(l, b, &loss, &total));
	double t1 = now(), t2 = t1, norm = 0;
	if (loss) {
		VLA_TRY(vla_backward(&l->g, loss, l->err));
		t2 = now();
		norm = clip(t, s->clip);
		if (!isfinite(norm))
			return vla_fail(l->err, VLA_EINVAL, "stage %s, step %llu: the gradient is not finite",
					s->sec->name, (unsigned long long)t->step + 1);
		float lr = vla_learning_rate(s->schedule, s->lr, s->floor, t->step, s->warmup, s->steps);
		for (int set = 0; set < 2; set++)
			if (params_of(t, set)->total)
				vla_optim_step(&t->optim[set], params_of(t, set), t->o->pool, lr);
	}
	t->step++;
	average(t, s->ema);
	t->tally.steps++;
	t->tally.loss += total;
	t->tally.grad_norm += norm;
	l->time[0] += waited;
	l->time[1] += t1 - t0;
	l->time[2] += t2 - t1;
	l->time[3] += now() - t2;
	l->timed++;
	return VLA_OK;
}

static vla_status log_interval(struct loop *l)
{
	vla_trainer *t = l->t;
	vla_stage *s = l->s;
	vla_tally *y = &t->tally;
	const char *name[64];
	double value[64];
	size_t n = 0;
	double seconds = l->time[0] + l->time[1] + l->time[2] + l->time[3], steps = (double)(l->timed ? l->timed : 1);
	vla_train_event e = { .stage = s->sec->name,
			      .step = t->step,
			      .steps = s->steps,
			      .loss = y->loss / (double)y->steps,
			      .grad_norm = y->grad_norm / (double)y->steps,
			      .examples_per_s = seconds > 0 ? (double)(l->timed * s->batch) / seconds : 0 };
	e.lr = vla_learning_rate(s->schedule, s->lr, s->floor, t->step - 1, s->warmup, s->steps);
	e.data_s = l->time[0] / steps;
	e.forward_s = l->time[1] / steps;
	e.backward_s = l->time[2] / steps;
	e.update_s = l->time[3] / steps;
	fprintf(t->log, "%s\t%llu\t%.6g\t%.6g\t%.6g\t%.1f", e.stage, (unsigned long long)e.step, e.loss, e.lr,
		e.grad_norm, e.examples_per_s);
	for (size_t i = 0; i < t->objectives; i++) {
		if (y->seen[i] && n < 64) {
			name[n] = t->objective[i]->name;
			value[n] = y->part[i] / (double)y->seen[i];
			fprintf(t->log, "\t%.6g", value[n++]);
		} else {
			fprintf(t->log, "\t");
		}
	}
	fputc('\n', t->log);
	if (fflush(t->log) || ferror(t->log))
		return vla_fail(l->err, VLA_EIO, "cannot write the log: %s", strerror(errno));
	e.part = name;
	e.part_loss = value;
	e.nparts = n;
	y->steps = 0;
	y->loss = y->grad_norm = 0;
	memset(y->part, 0, t->objectives * sizeof *y->part);
	memset(y->seen, 0, t->objectives * sizeof *y->seen);
	memset(l->time, 0, sizeof l->time);
	l->timed = 0;
	return t->o->event ? t->o->event(t->o->ctx, &e) : VLA_OK;
}

static vla_status save_state(struct loop *l)
{
	off_t at = ftello(l->t->log);
	if (fflush(l->t->log) || at < 0)
		return vla_fail(l->err, VLA_EIO, "cannot write the log: %s", strerror(errno));
	l->t->log_bytes = (uint64_t)at;
	l->saved_at = now();
	return vla_state_save(l->t, l->err);
}

static vla_status export(struct loop *l)
{
	vla_trainer *t = l->t;
	char *path = vla_format("%s/export", t->o->dir);
	if (!path)
		return vla_nomem(l->err);
	static const vla_dtype dtypes[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8 };
	vla_state_swap_ema(t);
	vla_status s =
		vla_model_save(t->model, path, dtypes[vla_recipe_choice(t->r, "run", NULL, "save_dtype")], l->err);
	vla_state_swap_ema(t);
	free(path);
	return s;
}

static vla_status measure(struct loop *l, bool last)
{
	vla_trainer *t = l->t;
	vla_state_swap_ema(t);
	vla_status s = vla_evaluate(t, l->s->sec->name, t->step, last, l->err);
	vla_state_swap_ema(t);
	return s;
}

// What follows a step: log, measurement, copies, checkpoint. VLA_ECANCELED after a checkpoint when asked to stop.
static vla_status after_step(struct loop *l)
{
	vla_trainer *t = l->t;
	const vla_stage *s = l->s;
	bool last = t->step == s->steps;
	uint64_t interval = (uint64_t)vla_recipe_int(t->r, "run", NULL, "log_interval");
	bool stop = t->o->stop && t->o->stop(t->o->ctx);
	if (t->step % interval == 0 || last) {
		vla_status st = log_interval(l);
		if (st != VLA_OK && st != VLA_ECANCELED)
			return st;
		stop = stop || st == VLA_ECANCELED;
	}
	if (vla_evaluate_due(t, t->step, last))
		VLA_TRY(measure(l, last));
	if (s->export && t->step % s->export == 0 && !last)
		VLA_TRY(export(l));
	bool due = (s->checkpoint && t->step % s->checkpoint == 0) ||
		   (s->checkpoint_seconds > 0 && now() - l->saved_at >= s->checkpoint_seconds);
	if (due || stop || last)
		VLA_TRY(save_state(l));
	if (stop && !last)
		return vla_fail(l->err, VLA_ECANCELED, "stopped at step %llu of stage %s; the same command goes on",
				(unsigned long long)t->step, s->sec->name);
	return VLA_OK;
}

static vla_status run_loop(struct loop *l)
{
	vla_trainer *t = l->t;
	unsigned threads =
		t->o->loaders >= 0 ? (unsigned)t->o->loaders : (unsigned)vla_recipe_int(t->r, "run", NULL, "loaders");
	VLA_TRY(vla_stage_loader(t, l->s, t->step, threads, &l->loader, l->err));
	l->arena = vla_arena_new(0);
	if (!l->arena)
		return vla_nomem(l->err);
	vla_step_init(&l->g, l->arena, t->o->pool);
	l->g.tape = &l->tape;
	l->g.training = true;
	l->saved_at = now();
	vla_status s = VLA_OK;
	while (s == VLA_OK && t->step < l->s->steps) {
		s = train_step(l);
		if (s == VLA_OK)
			s = after_step(l);
	}
	return s;
}

vla_status vla_stage_begin(vla_trainer *t, vla_stage *s, vla_err *err)
{
	for (int set = 0; set < 2; set++) {
		vla_params *ps = params_of(t, set);
		VLA_TRY(vla_params_own(ps, err));
		vla_optim_release(&t->optim[set]);
		VLA_TRY(vla_optim_init(&t->optim[set], &s->optim, ps, err));
		free(t->ema[set]);
		t->ema[set] = NULL;
		if (s->ema > 0 && ps->total) {
			t->ema[set] = vla_alloc(ps->total, sizeof *t->ema[set]);
			if (!t->ema[set])
				return vla_nomem(err);
			memcpy(t->ema[set], ps->values, ps->total * sizeof *t->ema[set]);
		}
	}
	return VLA_OK;
}

vla_status vla_stage_run(vla_trainer *t, vla_stage *s, vla_err *err)
{
	struct loop l = { .t = t, .s = s, .err = err };
	vla_status st = run_loop(&l);
	vla_loader_close(l.loader);
	vla_tape_release(&l.tape);
	vla_arena_free(l.arena);
	// The average is what the stage hands on.
	if (st == VLA_OK)
		vla_state_swap_ema(t);
	return st;
}
