/* Teacher outputs are kept as dense f16 streams of a few thousand pictures each, so that an interrupted computation
 * goes on with the next file. The folder's name holds a hash of all that decides the values: model, output, size, crops
 * and pictures. */
#include "train/teacher.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHARD 2048 // pictures

// One data set being looked at.
struct job {
	vla_teacher *t;
	const vla_teacher_env *env;
	const vla_data *d;
	size_t data;       // index
	uint32_t batch;    // pictures at a time
	size_t begin, n;   // pictures of the current batch
	float *pixels;     // [batch * crops, size, size, 3]
	float *out;        // [batch * crops, width]
	uint32_t *example; // [pictures] example of each picture
	bool *readable;    // [batch]
	vla_err *bad;      // [batch]
	size_t computed;   // pictures
	double start;
	vla_err *err;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void load_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct job *j = ctx;
	vla_image im = VLA_IMAGE_INIT, crop = VLA_IMAGE_INIT;
	(void)worker;
	size_t per = (size_t)j->t->size * j->t->size * 3;
	for (size_t i = begin; i < end; i++) {
		size_t pic = j->begin + i;
		const vla_example *e = &j->d->ex[j->example[pic]];
		j->bad[i] = (vla_err)VLA_ERR_INIT;
		vla_status s = vla_picture_load(&j->d->picture[pic], j->env->min_side, &im, &j->bad[i]);
		for (uint32_t k = 0; k < j->d->crops && s == VLA_OK; k++) {
			vla_crop c = vla_crop_number(e->id, k, im.width, im.height, &j->d->augment);
			s = vla_crop_apply(&im, &c, j->t->size, &crop, &j->bad[i]);
			if (s == VLA_OK)
				vla_model_normalise(j->t->model, &crop, j->pixels + (i * j->d->crops + k) * per);
		}
		j->readable[i] = s == VLA_OK;
		if (s != VLA_OK)
			memset(j->pixels + i * j->d->crops * per, 0, j->d->crops * per * sizeof *j->pixels);
	}
	vla_image_release(&im);
	vla_image_release(&crop);
}

static vla_status put_batch(struct job *j, vla_writer *w)
{
	for (size_t i = 0; i < j->n; i++)
		for (uint32_t k = 0; k < j->d->crops; k++) {
			const vla_example *e = &j->d->ex[j->example[j->begin + i]];
			float *row = j->out + (i * j->d->crops + k) * j->t->width;
			if (!j->readable[i])
				memset(row, 0, j->t->width * sizeof *row);
			vla_rec rec = VLA_REC_INIT;
			rec.id = vla_format("%s#crop=%u", e->id, k);
			rec.rows = 1;
			rec.data = row;
			vla_status s = rec.id ? vla_writer_put(w, &rec, j->err) : vla_nomem(j->err);
			free(rec.id);
			VLA_TRY(s);
		}
	return VLA_OK;
}

static void report(struct job *j, size_t done)
{
	char text[200];
	double dt = now() - j->start;
	snprintf(text, sizeof text, "teacher %s, data %s: %zu of %zu pictures, %.0f crops/s", j->t->name, j->d->name,
		 done, j->d->pictures, dt > 0 ? (double)(j->computed * j->d->crops) / dt : 0.0);
	if (j->env->line)
		j->env->line(j->env->ctx, text);
}

static vla_status compute_shard(struct job *j, size_t first, size_t last, const char *path)
{
	vla_header h = VLA_HEADER_INIT;
	h.dtype = VLA_F16;
	h.dim = (uint32_t)j->t->width;
	h.count = (last - first) * j->d->crops;
	snprintf(h.model, sizeof h.model, "%s", vla_model_get_info(j->t->model)->fingerprint);
	vla_writer *w;
	VLA_TRY(vla_writer_open(path, &h, &w, j->err));
	vla_status s = VLA_OK;
	for (j->begin = first; j->begin < last && s == VLA_OK; j->begin += j->n) {
		j->n = last - j->begin < j->batch ? last - j->begin : j->batch;
		vla_parallel(j->env->pool, j->n, 1, load_range, j);
		for (size_t i = 0; i < j->n; i++)
			if (!j->readable[i] && j->env->warn) {
				char text[400];
				snprintf(text, sizeof text, "'%s': %s", j->d->picture[j->begin + i].path,
					 j->bad[i].msg);
				j->env->warn(j->env->ctx, text);
			}
		s = vla_model_embed_pixels(j->t->model, j->pixels, j->n * j->d->crops, j->t->output, j->out, j->err);
		if (s == VLA_OK)
			s = put_batch(j, w);
		j->computed += j->n;
		if (s == VLA_OK && j->env->poll)
			s = j->env->poll(j->env->ctx);
		if (s == VLA_ECANCELED)
			vla_fail(j->err, s, "stopped while teacher %s computes", j->t->name);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, j->err);
	vla_writer_close(w);
	return s;
}

static vla_status make_folder(const char *path, vla_err *err)
{
	if (mkdir(path, 0777) && errno != EEXIST)
		return vla_fail(err, VLA_EIO, "cannot make '%s': %s", path, strerror(errno));
	return VLA_OK;
}

static uint64_t job_key(const struct job *j)
{
	const vla_augment_opts *a = &j->d->augment;
	char text[400];
	snprintf(text, sizeof text, "1 %s %d %u %u %a %a %a %a", vla_model_get_info(j->t->model)->fingerprint,
		 (int)j->t->output, j->t->size, j->d->crops, (double)a->min_area, (double)a->max_area,
		 (double)a->max_aspect, (double)a->flip);
	uint64_t h = vla_hash64(text, strlen(text), 0);
	for (size_t i = 0; i < j->d->n; i++)
		if (j->d->ex[i].picture != VLA_NONE)
			h = vla_hash64(j->d->ex[i].id, strlen(j->d->ex[i].id), h);
	return h;
}

static vla_status open_shard(struct job *j, const char *path, size_t pictures, vla_matrix **out)
{
	VLA_TRY(vla_matrix_open(path, out, j->err));
	if (vla_matrix_rows(*out) != pictures * j->d->crops || vla_matrix_header(*out)->dim != j->t->width)
		return vla_fail(j->err, VLA_ECORRUPT, "'%s' does not belong to this recipe; remove it", path);
	return VLA_OK;
}

static vla_status run_shards(struct job *j, const char *folder)
{
	vla_teacher_part *p = &j->t->part[j->data];
	size_t shards = (j->d->pictures + SHARD - 1) / SHARD;
	double told = j->start = now();
	p->shard = vla_zalloc(shards, sizeof *p->shard);
	if (!p->shard)
		return vla_nomem(j->err);
	for (; p->shards < shards; p->shards++) {
		size_t first = p->shards * SHARD,
		       last = first + SHARD < j->d->pictures ? first + SHARD : j->d->pictures;
		char *path = vla_format("%s/part-%05zu.vle", folder, p->shards);
		if (!path)
			return vla_nomem(j->err);
		vla_status s = VLA_OK;
		if (access(path, F_OK))
			s = compute_shard(j, first, last, path);
		if (s == VLA_OK)
			s = open_shard(j, path, last - first, &p->shard[p->shards]);
		free(path);
		if (s != VLA_OK) {
			p->shards++; // so that close sees a shard that was opened
			return s;
		}
		if (j->computed && (now() - told > 5 || last == j->d->pictures)) {
			report(j, last);
			told = now();
		}
	}
	return VLA_OK;
}

static vla_status look_at(struct job *j, const char *base)
{
	size_t crops = j->d->crops;
	char *folder = vla_format("%s/%s-%s-%016llx", base, j->t->name, j->d->name, (unsigned long long)job_key(j));
	j->batch = (uint32_t)(j->batch / crops ? j->batch / crops : 1);
	j->pixels = vla_alloc(j->batch * crops, (size_t)j->t->size * j->t->size * 3 * sizeof *j->pixels);
	j->out = vla_alloc(j->batch * crops, j->t->width * sizeof *j->out);
	j->example = vla_zalloc(j->d->pictures, sizeof *j->example);
	j->readable = vla_zalloc(j->batch, sizeof *j->readable);
	j->bad = vla_zalloc(j->batch, sizeof *j->bad);
	vla_status s =
		folder && j->pixels && j->out && j->example && j->readable && j->bad ? VLA_OK : vla_nomem(j->err);
	if (s == VLA_OK)
		s = make_folder(base, j->err);
	if (s == VLA_OK)
		s = make_folder(folder, j->err);
	if (s == VLA_OK) {
		for (size_t i = 0; i < j->d->n; i++)
			if (j->d->ex[i].picture != VLA_NONE)
				j->example[j->d->ex[i].picture] = (uint32_t)i;
		s = run_shards(j, folder);
	}
	free(folder);
	free(j->pixels);
	free(j->out);
	free(j->example);
	free(j->readable);
	free(j->bad);
	return s;
}

static vla_status look_at_all(const vla_recipe *r, vla_teacher *t, const vla_teacher_env *env, vla_err *err)
{
	const char *cache = vla_recipe_text(r, "teacher", t->sec, "cache");
	char *base = *cache ? vla_recipe_path(r, NULL, cache) : vla_format("%s/teacher", env->dir);
	if (!base)
		return vla_nomem(err);
	vla_status s = VLA_OK;
	for (size_t i = 0; i < env->corpus->n && s == VLA_OK; i++) {
		if (!t->part[i].used)
			continue;
		struct job j = { .t = t, .env = env, .d = &env->corpus->data[i], .data = i, .err = err };
		j.batch = (uint32_t)vla_recipe_int(r, "teacher", t->sec, "batch");
		s = look_at(&j, base);
	}
	free(base);
	return s;
}

// Marks the data sets that the teacher looks at.
static vla_status choose_data(const vla_recipe *r, vla_teacher *t, const vla_corpus *c, vla_err *err)
{
	char **name;
	size_t n;
	VLA_TRY(vla_split_list(vla_recipe_text(r, "teacher", t->sec, "data"), ',', &name, &n, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		size_t at = vla_corpus_find(c, name[i]);
		if (at == SIZE_MAX)
			s = vla_recipe_fail(r, "teacher", t->sec, "data", err, "there is no [data %s]", name[i]);
		else
			t->part[at].used = true;
	}
	for (size_t i = 0; i < c->n && s == VLA_OK; i++) {
		const vla_data *d = &c->data[i];
		if (!n && d->pictures)
			t->part[i].used = true;
		if (t->part[i].used && (!d->crops || !d->pictures))
			s = vla_recipe_fail(r, "teacher", t->sec, "data", err, "[data %s] needs %s", d->name,
					    d->pictures ? "crops = N for a teacher" : "pictures");
	}
	free(name);
	return s;
}

static vla_status open_model(const vla_recipe *r, vla_teacher *t, const vla_teacher_env *env, vla_err *err)
{
	static const vla_output outputs[] = { VLA_OUT_POOLED, VLA_OUT_TOKENS, VLA_OUT_LOGITS, VLA_OUT_EMBED };
	static const vla_compute computes[] = { VLA_COMPUTE_AUTO, VLA_COMPUTE_F32, VLA_COMPUTE_BF16, VLA_COMPUTE_INT8 };
	const char *model = vla_recipe_text(r, "teacher", t->sec, "model");
	if (!*model)
		return vla_recipe_fail(r, "teacher", t->sec, "model", err, "the teacher's model is not given");
	vla_model_opts mo = VLA_MODEL_OPTS_INIT;
	mo.pool = env->pool;
	mo.compute = computes[vla_recipe_choice(r, "teacher", t->sec, "compute")];
	t->output = outputs[vla_recipe_choice(r, "teacher", t->sec, "output")];
	char *path = strchr(model, '/') ? vla_recipe_path(r, NULL, model) : vla_strdup(model);
	vla_status s = path ? vla_model_open(path, &mo, &t->model, err) : vla_nomem(err);
	free(path);
	VLA_TRY(s);
	uint32_t gh, gw;
	VLA_TRY(vla_model_output_shape(t->model, t->output, &t->rows, &gh, &gw, &t->row_width, err));
	t->width = (size_t)t->rows * t->row_width;
	t->size = vla_model_get_info(t->model)->image_size;
	return VLA_OK;
}

vla_status vla_teacher_open(const vla_recipe *r, const vla_section *sec, const vla_teacher_env *env, vla_teacher **out,
			    vla_err *err)
{
	vla_teacher *t = vla_zalloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	t->name = sec->name;
	t->sec = sec;
	t->n_data = env->corpus->n;
	t->part = vla_zalloc(t->n_data, sizeof *t->part);
	vla_status s = t->part ? open_model(r, t, env, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = choose_data(r, t, env->corpus, err);
	if (s == VLA_OK && !env->dry_run)
		s = look_at_all(r, t, env, err);
	if (s != VLA_OK) {
		vla_prefix(err, s, "teacher %s", sec->name);
		vla_teacher_close(t);
		return s;
	}
	*out = t;
	return VLA_OK;
}

void vla_teacher_close(vla_teacher *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->part && i < t->n_data; i++) {
		for (size_t k = 0; k < t->part[i].shards; k++)
			vla_matrix_close(t->part[i].shard[k]);
		free(t->part[i].shard);
	}
	free(t->part);
	vla_model_close(t->model);
	free(t);
}

bool vla_teacher_row(const vla_teacher *t, const vla_data *d, size_t data, uint32_t i, uint32_t k, float *out)
{
	const vla_teacher_part *p = &t->part[data];
	if (!p->shard) { // a dry run computes nothing
		for (size_t c = 0; c < t->width; c++)
			out[c] = 1;
		return true;
	}
	vla_matrix_row(p->shard[i / SHARD], (size_t)(i % SHARD) * d->crops + k, out);
	for (size_t c = 0; c < t->width; c++)
		if (out[c] != 0)
			return true;
	return false;
}
