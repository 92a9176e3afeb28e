/* How far two models of one kind are apart: cosines of their embeddings of the same pictures and texts, those given or
 * ones made here. */
#include "model/model.h"
#include "model/samples.h"

#include <math.h>

static void add_cosine(const float *a, const float *b, size_t dim, double *mean, double *min)
{
	double sum = 0;
	for (size_t i = 0; i < dim; i++)
		sum += (double)a[i] * (double)b[i]; // both have unit length
	*mean += sum;
	*min = sum < *min ? sum : *min;
}

static vla_status embed_picture(vla_model *m, const vla_image *im, size_t i, float *pixels, float *v, vla_err *err)
{
	vla_size size = { m->info.image_size, m->info.image_size };
	if (im) {
		VLA_TRY(vla_model_target(m, im->width, im->height, &size, err));
		VLA_TRY(vla_model_preprocess(m, im, pixels, err));
	} else {
		VLA_TRY(vla_model_target(m, size.width, size.height, &size, err));
		vla_sample_pixels(i, size.width, size.height, pixels);
	}
	return vla_model_embed_sized(m, pixels, &size, 1, VLA_OUT_EMBED, v, err);
}

static vla_status compare_pictures(vla_model *a, vla_model *b, const vla_image *pictures, size_t n,
				   vla_model_difference *out, vla_err *err)
{
	size_t dim = a->info.dim, floats = vla_model_pixels(a);
	float *pixels = vla_alloc(floats, sizeof *pixels), *v = vla_alloc(dim * 2, sizeof *v);
	vla_status st = pixels && v ? VLA_OK : vla_nomem(err);
	out->pictures = n ? n : VLA_SAMPLES;
	for (size_t i = 0; st == VLA_OK && i < out->pictures; i++) {
		const vla_image *im = n ? &pictures[i] : NULL;
		st = embed_picture(a, im, i, pixels, v, err);
		if (st == VLA_OK)
			st = embed_picture(b, im, i, pixels, v + dim, err);
		if (st == VLA_OK)
			add_cosine(v, v + dim, dim, &out->picture_mean, &out->picture_min);
	}
	out->picture_mean /= (double)out->pictures;
	free(pixels);
	free(v);
	return st;
}

static vla_status compare_texts(vla_model *a, vla_model *b, const char *const *texts, size_t n,
				vla_model_difference *out, vla_err *err)
{
	size_t dim = a->info.dim;
	if (n == 0) {
		texts = vla_sample_texts;
		n = VLA_SAMPLES;
	}
	float *v = vla_alloc(n * 2, dim * sizeof *v);
	vla_status st = v ? vla_model_embed_texts(a, texts, n, v, err) : vla_nomem(err);
	if (st == VLA_OK)
		st = vla_model_embed_texts(b, texts, n, v + n * dim, err);
	out->texts = n;
	for (size_t i = 0; st == VLA_OK && i < n; i++)
		add_cosine(v + i * dim, v + (n + i) * dim, dim, &out->text_mean, &out->text_min);
	out->text_mean /= (double)n;
	free(v);
	return st;
}

vla_status vla_model_compare(vla_model *a, vla_model *b, const vla_image *pictures, size_t n_pictures,
			     const char *const *texts, size_t n_texts, vla_model_difference *out, vla_err *err)
{
	*out = (vla_model_difference){ .picture_min = 1, .text_min = 1 };
	if (a->info.dim != b->info.dim || vla_model_pixels(a) != vla_model_pixels(b))
		return vla_fail(err, VLA_EINVAL, "models of %u and %u numbers an embedding cannot be compared",
				a->info.dim, b->info.dim);
	if (a->info.has_image && b->info.has_image)
		VLA_TRY(compare_pictures(a, b, pictures, n_pictures, out, err));
	if (a->info.has_text && b->info.has_text && vla_model_tokenizer(a) && vla_model_tokenizer(b))
		VLA_TRY(compare_texts(a, b, texts, n_texts, out, err));
	return VLA_OK;
}
