/* Small measurements while a run is under way: ranks of the right picture for held-out captions, and classes by their
 * names. */
#include "train/trainer.h"

#include <errno.h>
#include <math.h>

#define BATCH 32

struct eval {
	vla_trainer *t;
	const vla_section *sec;
	vla_corpus own; // its classes are not the run's
	vla_data d;
	size_t dim;
	float *image;   // [d.n, dim]
	bool *readable; // [d.n]
	float *pixels;  // [BATCH, vla_model_pixels]
	vla_size size[BATCH];
	size_t begin;
	FILE *out;
	const char *stage;
	uint64_t step;
	vla_err *err;
};

static uint64_t interval(const vla_trainer *t, size_t i)
{
	return (uint64_t)vla_recipe_int(t->r, "eval", vla_recipe_section(t->r, "eval", i), "interval");
}

bool vla_evaluate_due(const vla_trainer *t, uint64_t step, bool last)
{
	for (size_t i = 0; vla_recipe_section(t->r, "eval", i); i++)
		if (last || step % interval(t, i) == 0)
			return true;
	return false;
}

static void load_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct eval *e = ctx;
	vla_image im = VLA_IMAGE_INIT;
	(void)worker;
	for (size_t i = begin; i < end; i++) {
		const vla_example *ex = &e->d.ex[e->begin + i];
		float *out = e->pixels + i * vla_model_pixels(e->t->model);
		bool good = ex->picture != VLA_NONE &&
			    vla_picture_load(&e->d.picture[ex->picture], vla_model_min_side(e->t->model), &im, NULL) ==
				    VLA_OK &&
			    vla_model_target(e->t->model, im.width, im.height, &e->size[i], NULL) == VLA_OK &&
			    vla_model_preprocess(e->t->model, &im, out, NULL) == VLA_OK;
		e->readable[e->begin + i] = good;
		if (!good) {
			uint32_t side = vla_model_get_info(e->t->model)->image_size;
			e->size[i] = (vla_size){ side, side };
			memset(out, 0, vla_model_pixels(e->t->model) * sizeof *out);
		}
	}
	vla_image_release(&im);
}

static vla_status embed_pictures(struct eval *e)
{
	for (e->begin = 0; e->begin < e->d.n; e->begin += BATCH) {
		size_t n = e->d.n - e->begin < BATCH ? e->d.n - e->begin : BATCH;
		vla_parallel(e->t->o->pool, n, 1, load_range, e);
		VLA_TRY(vla_model_embed_sized(e->t->model, e->pixels, e->size, n, VLA_OUT_EMBED,
					      e->image + e->begin * e->dim, e->err));
	}
	return VLA_OK;
}

static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static void report(const struct eval *e, const char *metric, double value, size_t n)
{
	fprintf(e->out, "%s\t%llu\t%s\t%s\t%.4f\t%zu\n", e->stage, (unsigned long long)e->step, e->sec->name, metric,
		value, n);
	vla_trainer_line(e->t, "eval %s: %s %.4f of %zu", e->sec->name, metric, value, n);
}

// Each caption ranks all pictures; equal scores count as better, so that a constant model gets nothing.
static vla_status retrieval(struct eval *e)
{
	size_t n = 0, hit[3] = { 0, 0, 0 };
	static const size_t cut[3] = { 1, 5, 10 };
	float *text = vla_alloc(e->dim, sizeof *text);
	if (!text)
		return vla_nomem(e->err);
	vla_status s = VLA_OK;
	for (size_t i = 0; i < e->d.n && s == VLA_OK; i++)
		for (uint32_t k = 0; k < e->d.ex[i].texts && e->readable[i] && s == VLA_OK; k++) {
			s = vla_model_embed_texts(e->t->model, &e->d.text[e->d.ex[i].first_text + k], 1, text, e->err);
			double own = dot(text, e->image + i * e->dim, e->dim);
			size_t rank = 0;
			for (size_t j = 0; j < e->d.n; j++)
				rank += j != i && e->readable[j] && dot(text, e->image + j * e->dim, e->dim) >= own;
			for (int c = 0; c < 3; c++)
				hit[c] += rank < cut[c];
			n++;
		}
	free(text);
	static const char *const name[3] = { "R@1", "R@5", "R@10" };
	for (int c = 0; c < 3 && s == VLA_OK && n; c++)
		report(e, name[c], (double)hit[c] / (double)n, n);
	return s;
}

// The direction of the mean of a class's prompts.
static vla_status embed_class(struct eval *e, const vla_example *ex, float *out)
{
	vla_buf b = { NULL, 0, 0 };
	float *one = vla_alloc(e->dim, sizeof *one);
	vla_status s = one ? VLA_OK : vla_nomem(e->err);
	memset(out, 0, e->dim * sizeof *out);
	for (uint32_t k = 0; k < ex->names && s == VLA_OK; k++) {
		const vla_name *name = &e->d.names[ex->first_name + k];
		for (size_t t = 0; t < e->d.column[name->column].n && s == VLA_OK; t++) {
			b.n = 0;
			s = vla_data_prompt(&e->d, name, t, &b, e->err);
			const char *text = b.data;
			if (s == VLA_OK)
				s = vla_model_embed_texts(e->t->model, &text, 1, one, e->err);
			for (size_t i = 0; i < e->dim && s == VLA_OK; i++)
				out[i] += one[i];
		}
	}
	double norm = 0;
	for (size_t i = 0; i < e->dim; i++)
		norm += (double)out[i] * out[i];
	for (size_t i = 0; i < e->dim && norm > 0; i++)
		out[i] = (float)(out[i] / sqrt(norm));
	free(one);
	vla_buf_release(&b);
	return s;
}

static vla_status zero_shot(struct eval *e)
{
	size_t classes = e->own.classes.n, n = 0, top[2] = { 0, 0 };
	float *vec = vla_zalloc(classes, e->dim * sizeof *vec);
	bool *made = vla_zalloc(classes, sizeof *made);
	vla_status s = vec && made ? VLA_OK : vla_nomem(e->err);
	for (size_t i = 0; i < e->d.n && s == VLA_OK; i++) {
		uint32_t c = e->d.ex[i].label;
		if (c == VLA_NONE || made[c])
			continue;
		made[c] = true;
		s = embed_class(e, &e->d.ex[i], vec + c * e->dim);
	}
	for (size_t i = 0; i < e->d.n && s == VLA_OK; i++) {
		uint32_t c = e->d.ex[i].label;
		if (c == VLA_NONE || !e->readable[i])
			continue;
		double own = dot(vec + c * e->dim, e->image + i * e->dim, e->dim);
		size_t rank = 0;
		for (size_t k = 0; k < classes; k++)
			rank += k != c && dot(vec + k * e->dim, e->image + i * e->dim, e->dim) >= own;
		top[0] += rank < 1;
		top[1] += rank < 5;
		n++;
	}
	free(vec);
	free(made);
	if (s == VLA_OK && n) {
		report(e, "top1", (double)top[0] / (double)n, n);
		report(e, "top5", (double)top[1] / (double)n, n);
	}
	return s;
}

static vla_status measure(struct eval *e)
{
	e->own.recipe = e->t->r;
	VLA_TRY(vla_data_open(&e->own, "eval", e->sec, &e->d, e->err));
	e->dim = vla_model_get_info(e->t->model)->dim;
	e->image = vla_alloc(e->d.n, e->dim * sizeof *e->image);
	e->readable = vla_zalloc(e->d.n, sizeof *e->readable);
	e->pixels = vla_alloc(BATCH, vla_model_pixels(e->t->model) * sizeof *e->pixels);
	if (!e->image || !e->readable || !e->pixels)
		return vla_nomem(e->err);
	VLA_TRY(embed_pictures(e));
	return vla_recipe_choice(e->t->r, "eval", e->sec, "kind") ? zero_shot(e) : retrieval(e);
}

vla_status vla_evaluate_check(vla_trainer *t, vla_err *err)
{
	vla_status s = VLA_OK;
	for (size_t i = 0; s == VLA_OK && vla_recipe_section(t->r, "eval", i); i++) {
		struct eval e = { .t = t, .sec = vla_recipe_section(t->r, "eval", i) };
		e.own.recipe = t->r;
		s = vla_data_open(&e.own, "eval", e.sec, &e.d, err);
		vla_data_close(&e.d);
		vla_intern_release(&e.own.classes);
	}
	return s;
}

vla_status vla_evaluate(vla_trainer *t, const char *stage, uint64_t step, bool last, vla_err *err)
{
	char *path = vla_format("%s/eval.tsv", t->o->dir);
	if (!path)
		return vla_nomem(err);
	FILE *out = fopen(path, "a");
	vla_status s = out ? VLA_OK : vla_fail(err, VLA_EIO, "cannot write '%s': %s", path, strerror(errno));
	if (out && fseeko(out, 0, SEEK_END) == 0 && ftello(out) == 0)
		fputs("stage\tstep\teval\tmetric\tvalue\tn\n", out);
	for (size_t i = 0; s == VLA_OK && vla_recipe_section(t->r, "eval", i); i++) {
		if (!last && step % interval(t, i))
			continue;
		struct eval e = { .t = t,
				  .sec = vla_recipe_section(t->r, "eval", i),
				  .out = out,
				  .stage = stage,
				  .step = step,
				  .err = err };
		s = measure(&e);
		vla_data_close(&e.d);
		vla_intern_release(&e.own.classes);
		free(e.image);
		free(e.readable);
		free(e.pixels);
	}
	if (out && fclose(out) && s == VLA_OK)
		s = vla_fail(err, VLA_EIO, "cannot write '%s': %s", path, strerror(errno));
	free(path);
	return s;
}
