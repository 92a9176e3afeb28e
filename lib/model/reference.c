/* Vectors stored beside a model, for its self test: reference.safetensors with pixel_values [n, 3, s, s] and their
 * image_embeds [n, dim], and texts (U8, each ended by a zero byte) and their text_embeds [n, dim], all f32 and of unit
 * length. Either pair may be absent; upstream code can write them as well as vla-model verify. */
#include "model/model.h"

#include "io/file.h"
#include "model/samples.h"

#include <math.h>

// Texts as a U8 tensor of strings that each end with a zero byte; [n] pointers into it.
static const char **split_texts(const vla_ct *t, size_t *n)
{
	const char *p = t->data;
	*n = 0;
	if (t->dtype != VLA_U8 || t->bytes == 0 || p[t->bytes - 1] != 0)
		return NULL;
	const char **out = vla_alloc(t->bytes, sizeof *out);
	for (size_t i = 0; out && i < t->bytes; i += strlen(p + i) + 1)
		out[(*n)++] = p + i;
	return out;
}

// Largest difference over the largest stored value.
static double off_by(const float *got, const float *want, size_t n)
{
	double most = 0, d = 0;
	for (size_t i = 0; i < n; i++) {
		most = fmax(most, fabs((double)want[i]));
		d = fmax(d, fabs((double)got[i] - (double)want[i]));
	}
	return most > 0 ? d / most : d;
}

#define TOLERANCE 1e-3 // f32 arithmetic in another order

static vla_status report(const char *what, size_t n, double d, vla_model_line_fn *line, void *ctx, vla_err *err)
{
	char text[160];
	if (!(d <= TOLERANCE))
		return vla_fail(err, VLA_ECORRUPT, "%s differ from reference.safetensors by %.3g, more than %g", what,
				d, TOLERANCE);
	snprintf(text, sizeof text, "%zu %s as in reference.safetensors (off by %.2g)", n, what, d);
	line(ctx, "ok", text);
	return VLA_OK;
}

// pixels [n, 3, h, w] and image_embeds [n, dim], both f32.
static vla_status check_pictures(vla_model *m, const vla_ct *pixels, const vla_ct *want, vla_model_line_fn *line,
				 void *ctx, vla_err *err)
{
	size_t s = m->info.image_size, n = pixels->dim[0], dim = m->info.dim, plane = s * s;
	if (pixels->dtype != VLA_F32 || pixels->ndim != 4 || pixels->dim[1] != 3 || pixels->dim[2] != s ||
	    pixels->dim[3] != s || want->dtype != VLA_F32 || want->n != n * dim)
		return vla_fail(err, VLA_EFORMAT,
				"reference.safetensors: pixel_values or image_embeds of another shape");
	float *x = vla_alloc(n * 3, plane * sizeof *x), *v = vla_alloc(want->n * 2, sizeof *v);
	vla_status st = x && v ? vla_ct_to_f32(want, v + want->n, err) : vla_nomem(err);
	if (st == VLA_OK)
		for (size_t i = 0; i < n * 3; i++)
			for (size_t k = 0; k < plane; k++)
				memcpy(&x[(i / 3 * plane + k) * 3 + i % 3],
				       (const char *)pixels->data + (i * plane + k) * sizeof *x, sizeof *x);
	if (st == VLA_OK)
		st = vla_model_embed_pixels(m, x, n, VLA_OUT_EMBED, v, err);
	if (st == VLA_OK)
		st = report("pictures", n, off_by(v, v + want->n, want->n), line, ctx, err);
	free(x);
	free(v);
	return st;
}

static vla_status check_texts(vla_model *m, const vla_ct *texts, const vla_ct *want, vla_model_line_fn *line, void *ctx,
			      vla_err *err)
{
	size_t n, dim = m->info.dim;
	const char **text = split_texts(texts, &n);
	if (!text || want->dtype != VLA_F32 || want->n != n * dim) {
		free(text);
		return vla_fail(err, VLA_EFORMAT, "reference.safetensors: texts or text_embeds of another shape");
	}
	float *v = vla_alloc(want->n * 2, sizeof *v);
	vla_status st = v ? vla_ct_to_f32(want, v + want->n, err) : vla_nomem(err);
	if (st == VLA_OK)
		st = vla_model_embed_texts(m, text, n, v, err);
	if (st == VLA_OK)
		st = report("texts", n, off_by(v, v + want->n, want->n), line, ctx, err);
	free(text);
	free(v);
	return st;
}

vla_status vla_model_check_reference(vla_model *m, const char *dir, vla_model_line_fn *line, void *ctx, vla_err *err)
{
	char *path = vla_format("%s/reference.safetensors", dir);
	vla_checkpoint *c = NULL;
	vla_status st = path ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK && vla_is_file(path)) {
		st = vla_checkpoint_open(path, &c, err);
		const vla_ct *pixels = st == VLA_OK ? vla_checkpoint_get(c, "pixel_values") : NULL;
		const vla_ct *image = st == VLA_OK ? vla_checkpoint_get(c, "image_embeds") : NULL;
		const vla_ct *texts = st == VLA_OK ? vla_checkpoint_get(c, "texts") : NULL;
		const vla_ct *text = st == VLA_OK ? vla_checkpoint_get(c, "text_embeds") : NULL;
		if (pixels && image && m->info.has_image)
			st = check_pictures(m, pixels, image, line, ctx, err);
		if (st == VLA_OK && texts && text && m->info.has_text)
			st = check_texts(m, texts, text, line, ctx, err);
	}
	vla_checkpoint_close(c);
	free(path);
	return st;
}

vla_status vla_model_write_reference(vla_model *m, const char *path, vla_err *err)
{
	enum { N = 2 };
	size_t s = m->info.image_size, plane = s * s, dim = m->info.dim;
	bool image = m->info.has_image, text = m->info.has_text && vla_model_tokenizer(m);
	float *x = vla_alloc(N * 3 * plane, sizeof *x), *y = vla_alloc(N * 3 * plane, sizeof *y);
	float *v = vla_alloc((N + VLA_SAMPLES) * dim, sizeof *v);
	vla_buf strings = { NULL, 0, 0 };
	vla_status st = x && y && v ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; st == VLA_OK && image && i < N; i++)
		vla_sample_pixels(i, (uint32_t)s, (uint32_t)s, x + i * 3 * plane);
	if (st == VLA_OK && image)
		st = vla_model_embed_pixels(m, x, N, VLA_OUT_EMBED, v, err);
	for (size_t i = 0; st == VLA_OK && i < N * 3 * plane; i++) // [n, pixel, 3] to [n, 3, pixel]
		y[(i / 3 / plane * 3 + i % 3) * plane + i / 3 % plane] = x[i];
	if (st == VLA_OK && text)
		st = vla_model_embed_texts(m, vla_sample_texts, VLA_SAMPLES, v + N * dim, err);
	for (size_t i = 0; st == VLA_OK && i < VLA_SAMPLES; i++)
		st = vla_buf_add(&strings, vla_sample_texts[i], strlen(vla_sample_texts[i]) + 1, err);
	if (st == VLA_OK) {
		vla_ct t[4] = { { "pixel_values", VLA_F32, 4, { N, 3, s, s }, 0, 0, y },
				{ "image_embeds", VLA_F32, 2, { N, dim }, 0, 0, v },
				{ "texts", VLA_U8, 1, { strings.n }, 0, 0, strings.data },
				{ "text_embeds", VLA_F32, 2, { VLA_SAMPLES, dim }, 0, 0, v + N * dim } };
		st = vla_checkpoint_write(path, image ? t : t + 2, (image ? 2u : 0u) + (text ? 2u : 0u), NULL, err);
	}
	vla_buf_release(&strings);
	free(x);
	free(y);
	free(v);
	return st;
}
