/* Checkpoints of a run and its log. A checkpoint is one safetensors file with everything that the next step depends on:
 * values, running statistics, moments, averages, and as metadata where the run stands. The order of data and all random
 * choices follow from seed and step, so they are not stored. */
#include "train/trainer.h"

#include <vla/checkpoint.h>

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEP 2
#define NAME_FORMAT "checkpoint-%03zu-%010llu.safetensors"

struct list {
	vla_ct *t;
	size_t n, cap;
	vla_err *err;
};

static vla_status add(struct list *l, const char *prefix, const char *name, const float *data, size_t n)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 128;
		vla_ct *t = vla_realloc(l->t, cap, sizeof *t);
		if (!t)
			return vla_nomem(l->err);
		l->t = t;
		l->cap = cap;
	}
	char *full = vla_format("%s%s", prefix, name);
	if (!full)
		return vla_nomem(l->err);
	vla_ct *t = &l->t[l->n++];
	*t = (vla_ct){ .name = full, .dtype = VLA_F32, .ndim = 1, .n = n, .bytes = n * sizeof *data, .data = data };
	t->dim[0] = n;
	return VLA_OK;
}

static vla_status add_set(struct list *l, vla_trainer *t, int set)
{
	static const char *const prefix[2] = { "model.", "heads." };
	const vla_params *ps = set ? &t->heads : vla_model_params(t->model);
	for (size_t i = 0; i < ps->n; i++)
		VLA_TRY(add(l, prefix[set], ps->p[i]->name, ps->p[i]->value, ps->p[i]->n));
	const vla_optim *o = &t->optim[set];
	if (o->m)
		VLA_TRY(add(l, prefix[set], "#m", o->m, o->total));
	if (o->v)
		VLA_TRY(add(l, prefix[set], "#v", o->v, o->total));
	if (t->ema[set])
		VLA_TRY(add(l, prefix[set], "#ema", t->ema[set], ps->total));
	return VLA_OK;
}

static vla_status format_tally(const vla_trainer *t, vla_buf *b, vla_err *err)
{
	const vla_tally *y = &t->tally;
	VLA_TRY(vla_buf_addf(b, err, "%llu %a %a", (unsigned long long)y->steps, y->loss, y->grad_norm));
	for (size_t i = 0; i < t->objectives; i++)
		VLA_TRY(vla_buf_addf(b, err, " %a %llu", y->part[i], (unsigned long long)y->seen[i]));
	return vla_buf_add(b, "", 1, err);
}

static void parse_tally(vla_trainer *t, const char *s)
{
	vla_tally *y = &t->tally;
	char *p = (char *)(uintptr_t)s;
	y->steps = strtoull(p, &p, 10);
	y->loss = strtod(p, &p);
	y->grad_norm = strtod(p, &p);
	for (size_t i = 0; i < t->objectives; i++) {
		y->part[i] = strtod(p, &p);
		y->seen[i] = strtoull(p, &p, 10);
	}
}

static bool parse_name(const char *name, size_t *stage, unsigned long long *step)
{
	int end = 0;
	return sscanf(name, "checkpoint-%zu-%llu.safetensors%n", stage, step, &end) == 2 && end && !name[end];
}

static int newest_first(const void *a, const void *b)
{
	return -strcmp(*(char *const *)a, *(char *const *)b);
}

// Names of the run's checkpoints, the newest first; free each and the list.
static vla_status list_checkpoints(const vla_trainer *t, char ***out, size_t *count, vla_err *err)
{
	DIR *dir = opendir(t->o->dir);
	if (!dir)
		return vla_fail(err, VLA_EIO, "cannot open '%s': %s", t->o->dir, strerror(errno));
	char **list = NULL;
	size_t n = 0, stage;
	unsigned long long step;
	vla_status s = VLA_OK;
	for (struct dirent *e; s == VLA_OK && (e = readdir(dir));) {
		if (!parse_name(e->d_name, &stage, &step))
			continue;
		char **p = vla_realloc(list, n + 1, sizeof *p);
		if (p)
			list = p;
		if (!p || !(list[n] = vla_strdup(e->d_name)))
			s = vla_nomem(err);
		else
			n++;
	}
	closedir(dir);
	if (n)
		qsort(list, n, sizeof *list, newest_first);
	*out = list;
	*count = n;
	return s;
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static vla_status drop_old(const vla_trainer *t, size_t keep, vla_err *err)
{
	char **list;
	size_t n;
	vla_status s = list_checkpoints(t, &list, &n, err);
	for (size_t i = keep; i < n && s == VLA_OK; i++) {
		char *path = vla_format("%s/%s", t->o->dir, list[i]);
		if (path)
			unlink(path);
		free(path);
	}
	free_list(list, n);
	return s;
}

static vla_status write_state(vla_trainer *t, struct list *l, const char *path)
{
	char hash[20], stage[24], step[24], updates[2][24], bytes[24], eval[24];
	vla_buf tally = { NULL, 0, 0 };
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)t->hash);
	snprintf(stage, sizeof stage, "%zu", t->stage);
	snprintf(step, sizeof step, "%llu", (unsigned long long)t->step);
	snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)t->log_bytes);
	snprintf(eval, sizeof eval, "%llu", (unsigned long long)t->eval_bytes);
	for (int i = 0; i < 2; i++)
		snprintf(updates[i], sizeof updates[i], "%llu", (unsigned long long)t->optim[i].step);
	vla_status s = format_tally(t, &tally, l->err);
	if (s == VLA_OK) {
		const char *meta[] = { "recipe",     hash,       "stage",     stage,      "step",      step,
				       "updates.0",  updates[0], "updates.1", updates[1], "log_bytes", bytes,
				       "eval_bytes", eval,       "tally",     tally.data, NULL };
		s = vla_checkpoint_write(path, l->t, l->n, meta, l->err);
	}
	vla_buf_release(&tally);
	return s;
}

static vla_status eval_size(vla_trainer *t, vla_err *err)
{
	struct stat st;
	char *path = vla_format("%s/eval.tsv", t->o->dir);
	if (!path)
		return vla_nomem(err);
	t->eval_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	free(path);
	return VLA_OK;
}

vla_status vla_state_save(vla_trainer *t, vla_err *err)
{
	VLA_TRY(eval_size(t, err));
	struct list l = { NULL, 0, 0, err };
	char *path = vla_format("%s/" NAME_FORMAT, t->o->dir, t->stage, (unsigned long long)t->step);
	vla_status s = path ? add_set(&l, t, 0) : vla_nomem(err);
	if (s == VLA_OK)
		s = add_set(&l, t, 1);
	if (s == VLA_OK)
		s = write_state(t, &l, path);
	for (size_t i = 0; i < l.n; i++)
		free((char *)(uintptr_t)l.t[i].name);
	free(l.t);
	free(path);
	return s == VLA_OK ? drop_old(t, KEEP, err) : s;
}

vla_status vla_state_find(vla_trainer *t, char **path, vla_err *err)
{
	char **list;
	size_t n, stage;
	unsigned long long step;
	*path = NULL;
	if (t->o->restart)
		return drop_old(t, 0, err);
	vla_status s = list_checkpoints(t, &list, &n, err);
	for (size_t i = 0; i < n && s == VLA_OK && !*path; i++) {
		vla_checkpoint *c;
		vla_err e = VLA_ERR_INIT;
		char *full = vla_format("%s/%s", t->o->dir, list[i]);
		if (!full) {
			s = vla_nomem(err);
			break;
		}
		if (vla_checkpoint_open(full, &c, &e) != VLA_OK) {
			if (t->o->warn)
				t->o->warn(t->o->ctx, e.msg);
			free(full);
			continue;
		}
		char hash[20];
		snprintf(hash, sizeof hash, "%016llx", (unsigned long long)t->hash);
		const char *stored = vla_checkpoint_meta(c, "recipe");
		if (!stored || strcmp(stored, hash)) {
			s = vla_fail(err, VLA_EINVAL,
				     "'%s' was made with other settings; give another output folder or --restart",
				     full);
			free(full);
		} else {
			parse_name(list[i], &stage, &step);
			t->stage = stage;
			t->step = step;
			*path = full;
		}
		vla_checkpoint_close(c);
	}
	free_list(list, n);
	return s;
}

static vla_status load(const vla_checkpoint *c, const char *prefix, const char *name, float *out, size_t n,
		       vla_err *err)
{
	char full[512];
	snprintf(full, sizeof full, "%s%s", prefix, name);
	const vla_ct *t = vla_checkpoint_get(c, full);
	if (!t || t->n != n)
		return vla_fail(err, VLA_ECORRUPT, "the checkpoint has no '%s' of %zu numbers", full, n);
	return vla_ct_to_f32(t, out, err);
}

static vla_status load_set(vla_trainer *t, const vla_checkpoint *c, int set, vla_err *err)
{
	static const char *const prefix[2] = { "model.", "heads." };
	vla_params *ps = set ? &t->heads : vla_model_params(t->model);
	for (size_t i = 0; i < ps->n; i++)
		VLA_TRY(load(c, prefix[set], ps->p[i]->name, ps->p[i]->value, ps->p[i]->n, err));
	vla_optim *o = &t->optim[set];
	if (o->m)
		VLA_TRY(load(c, prefix[set], "#m", o->m, o->total, err));
	if (o->v)
		VLA_TRY(load(c, prefix[set], "#v", o->v, o->total, err));
	if (t->ema[set])
		VLA_TRY(load(c, prefix[set], "#ema", t->ema[set], ps->total, err));
	vla_params_unpack(ps);
	return VLA_OK;
}

static uint64_t meta_number(const vla_checkpoint *c, const char *key, uint64_t absent)
{
	const char *s = vla_checkpoint_meta(c, key);
	return s ? strtoull(s, NULL, 10) : absent;
}

vla_status vla_state_load(vla_trainer *t, const char *path, vla_err *err)
{
	vla_checkpoint *c;
	VLA_TRY(vla_checkpoint_open(path, &c, err));
	vla_status s = VLA_OK;
	for (int i = 0; i < 2 && s == VLA_OK; i++)
		s = load_set(t, c, i, err);
	t->optim[0].step = meta_number(c, "updates.0", 0);
	t->optim[1].step = meta_number(c, "updates.1", 0);
	t->log_bytes = meta_number(c, "log_bytes", 0);
	t->eval_bytes = meta_number(c, "eval_bytes", UINT64_MAX);
	const char *tally = vla_checkpoint_meta(c, "tally");
	if (tally)
		parse_tally(t, tally);
	vla_checkpoint_close(c);
	return s == VLA_OK ? s : vla_prefix(err, s, "%s", path);
}

// Shortens a file in the run's folder to `bytes`; one that is shorter or not there stays as it is.
static vla_status cut(const vla_trainer *t, const char *name, uint64_t bytes, vla_err *err)
{
	struct stat st;
	vla_status s = VLA_OK;
	char *path = vla_format("%s/%s", t->o->dir, name);
	if (!path)
		return vla_nomem(err);
	if (stat(path, &st) == 0 && (uint64_t)st.st_size > bytes && truncate(path, (off_t)bytes) != 0)
		s = vla_fail(err, VLA_EIO, "cannot write '%s': %s", path, strerror(errno));
	free(path);
	return s;
}

vla_status vla_state_log(vla_trainer *t, vla_err *err)
{
	VLA_TRY(cut(t, "log.tsv", t->log_bytes, err));
	VLA_TRY(cut(t, "eval.tsv", t->eval_bytes, err));
	char *path = vla_format("%s/log.tsv", t->o->dir);
	if (!path)
		return vla_nomem(err);
	t->log = fopen(path, "ab");
	vla_status s = VLA_OK;
	if (!t->log || fseeko(t->log, 0, SEEK_END))
		s = vla_fail(err, VLA_EIO, "cannot write '%s': %s", path, strerror(errno));
	free(path);
	VLA_TRY(s);
	if (ftello(t->log) > 0)
		return VLA_OK;
	fprintf(t->log, "stage\tstep\tloss\tlr\tgrad_norm\texamples_per_s");
	for (size_t i = 0; i < t->objectives; i++)
		fprintf(t->log, "\t%s", t->objective[i]->name);
	fputc('\n', t->log);
	return VLA_OK;
}

void vla_state_swap_ema(vla_trainer *t)
{
	for (int set = 0; set < 2; set++) {
		vla_params *ps = set ? &t->heads : vla_model_params(t->model);
		for (size_t i = 0; t->ema[set] && i < ps->total; i++) {
			float x = ps->values[i];
			ps->values[i] = t->ema[set][i];
			t->ema[set][i] = x;
		}
		vla_params_unpack(ps);
	}
}
