#include "golden.h"

#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *golden_path(const golden *g, const char *file)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", g->dir, file);
	return shared(path);
}

bool golden_open(golden *g, const char *dir, const char *file)
{
	vla_err err = VLA_ERR_INIT;
	*g = (golden){ dir, NULL, NULL, 1e-4, false };
	const char *path = golden_path(g, file);
	if (!path) {
		skip("no %s/%s", dir, file);
		return false;
	}
	if (!ok(vla_checkpoint_open(path, &g->want, &err) == VLA_OK, "%s/%s %s", dir, file, err.msg))
		return false;
	path = golden_path(g, "expected.json");
	g->info = path ? json_load_file(path, 0, NULL) : NULL;
	return true;
}

void golden_close(golden *g)
{
	vla_checkpoint_close(g->want);
	json_decref(g->info);
	*g = (golden){ 0 };
}

const vla_ct *golden_get(const golden *g, const char *name)
{
	const vla_ct *t = vla_checkpoint_get(g->want, name);
	if (!t)
		ok(false, "%s is stored", name);
	return t;
}

// All of a tensor as f32, malloc'd; NULL after a failing line.
static float *numbers(const golden *g, const char *name, const vla_ct **t)
{
	vla_err err = VLA_ERR_INIT;
	if (!(*t = golden_get(g, name)))
		return NULL;
	float *x = malloc(((*t)->n + 1) * sizeof *x);
	if (x && vla_ct_to_f32(*t, x, &err) == VLA_OK)
		return x;
	ok(false, "%s %s", name, err.msg);
	free(x);
	return NULL;
}

// The larger size; what is no number is as far off as can be.
static double larger(double d, double difference)
{
	return isnan(difference) ? INFINITY : fmax(d, fabs(difference));
}

bool golden_compare_from(const golden *g, const float *got, const char *name, size_t begin, size_t n)
{
	const vla_ct *t;
	float *x = numbers(g, name, &t);
	if (!x)
		return false;
	if (begin > t->n || n > t->n - begin || n == 0) {
		free(x);
		return ok(false, "%s has %zu numbers, not %zu from %zu on", name, t->n, n, begin);
	}
	double max = 0, d = 0;
	for (size_t i = 0; i < t->n; i++)
		max = fmax(max, fabs((double)x[i]));
	for (size_t i = 0; i < n; i++)
		d = larger(d, (double)got[i] - x[begin + i]);
	free(x);
	if (!g->absolute)
		d /= max;
	return ok(d <= g->tolerance, "%s (off by %.2g)", name, d);
}

bool golden_compare(const golden *g, const float *got, const char *name, size_t n)
{
	const vla_ct *t = golden_get(g, name);
	if (!t)
		return false;
	if (t->n != n)
		return ok(false, "%s has %zu numbers, not %zu", name, t->n, n);
	return golden_compare_from(g, got, name, 0, n);
}

bool golden_image(const golden *g, const vla_image *im, const char *name)
{
	const vla_ct *t = golden_get(g, name);
	if (!t)
		return false;
	bool shape = t->dtype == VLA_U8 && (t->ndim == 2 || t->ndim == 3) && im->height == t->dim[0] &&
		     im->width == t->dim[1] && im->channels == (t->ndim == 3 ? t->dim[2] : 1);
	return ok(shape && memcmp(im->data, t->data, t->n) == 0, "%s", name);
}

size_t golden_pictures(const golden *g)
{
	return json_array_size(json_object_get(g->info, "images"));
}

size_t golden_texts(const golden *g)
{
	return json_array_size(json_object_get(g->info, "texts"));
}

const char *golden_text(const golden *g, size_t i)
{
	return json_string_value(json_array_get(json_object_get(g->info, "texts"), i));
}

bool golden_pixels(const golden *g, const char *name, float *out, size_t cap)
{
	const vla_ct *t;
	float *x = numbers(g, name, &t);
	if (!x)
		return false;
	bool good = t->ndim == 4 && t->dim[1] == 3 && t->n <= cap;
	size_t hw = good ? t->dim[2] * t->dim[3] : 0;
	for (size_t i = 0; good && i < t->dim[0]; i++)
		for (size_t k = 0; k < hw; k++)
			for (size_t c = 0; c < 3; c++)
				out[(i * hw + k) * 3 + c] = x[(i * 3 + c) * hw + k];
	free(x);
	return good || ok(false, "%s is [n, 3, h, w] and fits", name);
}

// Largest difference of picture i's pixels, or infinity when it cannot be made.
static double off_by(const golden *g, const vla_model *m, const char *file, const float *want)
{
	size_t n = vla_model_pixels(m);
	vla_image im = VLA_IMAGE_INIT;
	vla_err err = VLA_ERR_INIT;
	vla_image_opts stored = VLA_IMAGE_OPTS_INIT; // upstream leaves EXIF alone
	stored.keep_exif = true;
	stored.keep_alpha = true; // as the embedding pipeline does
	double d = 0;
	float *got = malloc(n * sizeof *got);
	const char *path = golden_path(g, file);
	if (got && path && vla_image_load(path, &stored, &im, &err) == VLA_OK &&
	    vla_model_preprocess(m, &im, got, &err) == VLA_OK) {
		for (size_t k = 0; k < n; k++)
			d = larger(d, (double)got[k] - want[k]);
	} else {
		note("%s: %s", file, err.msg);
		d = INFINITY;
	}
	free(got);
	vla_image_release(&im);
	return d;
}

void golden_preprocess(const golden *g, const vla_model *m, const char *name, double std)
{
	size_t n = golden_pictures(g), each = vla_model_pixels(m);
	float *want = malloc((n * each + 1) * sizeof *want);
	const vla_ct *t = golden_get(g, name);
	if (t && ok(want && n > 0 && t->n == n * each, "%s of %zu pictures", name, n) &&
	    golden_pixels(g, name, want, n * each))
		for (size_t i = 0; i < n; i++) {
			const json_t *one = json_array_get(json_object_get(g->info, "images"), i);
			const char *file = json_string_value(json_object_get(one, "file"));
			const char *dot = file ? strrchr(file, '.') : NULL;
			double limit = dot && strcmp(dot, ".png") == 0 ? 2e-5 : 1.01 / 255 / std;
			double d = file ? off_by(g, m, file, want + i * each) : INFINITY;
			ok(d <= limit, "%s of %s (off by %.2g)", name, file ? file : "?", d);
		}
	free(want);
}

bool golden_ids(const golden *g, const char *name, const char *mask, uint32_t *ids, size_t cap, size_t *offset)
{
	const vla_ct *t = golden_get(g, name), *keep = mask ? golden_get(g, mask) : NULL;
	if (!t || (mask && !keep))
		return false;
	if (t->ndim != 2 || t->dtype != VLA_I64 || (keep && (keep->n != t->n || keep->dtype != VLA_I64)))
		return ok(false, "%s is [texts, length] of i64", name);
	size_t n = 0;
	for (size_t i = 0; i < t->dim[0]; i++) {
		offset[i] = n;
		for (size_t k = i * t->dim[1]; k < (i + 1) * t->dim[1]; k++) {
			int64_t id, kept = 1;
			memcpy(&id, (const char *)t->data + k * sizeof id, sizeof id);
			if (keep)
				memcpy(&kept, (const char *)keep->data + k * sizeof kept, sizeof kept);
			if (!kept)
				continue;
			if (n == cap)
				return ok(false, "%s: more than %zu ids", name, cap);
			ids[n++] = (uint32_t)id;
		}
	}
	offset[t->dim[0]] = n;
	return true;
}
