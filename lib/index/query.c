/* Queries as sums of embedded texts and pictures. */
#include <vla/query.h>

#include "base/base.h"

#include <math.h>

struct term {
	char *source; // text or path
	bool image;
	float weight;
	size_t query;
};

struct vla_queries {
	struct term *term; // [n]
	size_t n, terms_cap;
	vla_buf *name; // [count], NUL-terminated strings
	size_t count, names_cap;
	size_t combined; // SIZE_MAX: none yet
	float *vectors;  // [count, dim]
};

vla_status vla_queries_new(vla_queries **out, vla_err *err)
{
	vla_queries *q = calloc(1, sizeof *q);
	if (!q)
		return vla_nomem(err);
	q->combined = SIZE_MAX;
	*out = q;
	return VLA_OK;
}

void vla_queries_clear(vla_queries *q)
{
	for (size_t i = 0; i < q->n; i++)
		free(q->term[i].source);
	for (size_t i = 0; i < q->count; i++)
		vla_buf_release(&q->name[i]);
	free(q->vectors);
	q->vectors = NULL;
	q->n = q->count = 0;
	q->combined = SIZE_MAX;
}

void vla_queries_free(vla_queries *q)
{
	if (!q)
		return;
	vla_queries_clear(q);
	free(q->term);
	free(q->name);
	free(q);
}

static vla_status add_query(vla_queries *q, const char *name, vla_err *err)
{
	if (q->count == q->names_cap) {
		size_t cap = q->names_cap ? q->names_cap * 2 : 16;
		vla_buf *p = vla_realloc(q->name, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		q->name = p;
		q->names_cap = cap;
	}
	vla_buf *b = &q->name[q->count];
	*b = (vla_buf){ NULL, 0, 0 };
	VLA_TRY(vla_buf_add(b, name, strlen(name) + 1, err));
	q->count++;
	return VLA_OK;
}

static vla_status add_term(vla_queries *q, const char *source, bool image, float weight, size_t query, vla_err *err)
{
	if (q->n == q->terms_cap) {
		size_t cap = q->terms_cap ? q->terms_cap * 2 : 16;
		struct term *p = vla_realloc(q->term, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		q->term = p;
		q->terms_cap = cap;
	}
	char *copy = vla_strdup(source);
	if (!copy)
		return vla_nomem(err);
	q->term[q->n++] = (struct term){ copy, image, weight, query };
	return VLA_OK;
}

vla_status vla_queries_add_text(vla_queries *q, const char *text, vla_err *err)
{
	VLA_TRY(add_query(q, text, err));
	return add_term(q, text, false, 1, q->count - 1, err);
}

vla_status vla_queries_add_image(vla_queries *q, const char *path, vla_err *err)
{
	VLA_TRY(add_query(q, path, err));
	return add_term(q, path, true, 1, q->count - 1, err);
}

// Appends a term to the combined query's name, which is made with its first term.
static vla_status name_term(vla_queries *q, const char *name, vla_err *err)
{
	if (q->combined == SIZE_MAX) {
		VLA_TRY(add_query(q, name, err));
		q->combined = q->count - 1;
		return VLA_OK;
	}
	vla_buf *b = &q->name[q->combined];
	VLA_TRY(vla_buf_reserve(b, strlen(name) + 1, err));
	b->data[b->n - 1] = ' ';
	return vla_buf_add(b, name, strlen(name) + 1, err);
}

vla_status vla_queries_add_term(vla_queries *q, const char *operand, vla_err *err)
{
	if (operand[0] != '+' && operand[0] != '-')
		return vla_fail(err, VLA_EINVAL, "term '%s' does not begin with + or -", operand);
	const char *text = operand + 1;
	char *end;
	double weight = strspn(text, "0123456789.") ? strtod(text, &end) : 1;
	if (strspn(text, "0123456789.") && *end == ':') {
		if (!(weight > 0) || weight > 1e6)
			return vla_fail(err, VLA_EINVAL, "weight of term '%s' is not between 0 and 1000000", operand);
		text = end + 1;
	} else {
		weight = 1;
	}
	if (!*text)
		return vla_fail(err, VLA_EINVAL, "term '%s' holds no text", operand);
	VLA_TRY(name_term(q, operand, err));
	return add_term(q, text, false, (float)(operand[0] == '-' ? -weight : weight), q->combined, err);
}

vla_status vla_queries_add_image_term(vla_queries *q, const char *path, float weight, vla_err *err)
{
	VLA_TRY(name_term(q, path, err));
	return add_term(q, path, true, weight, q->combined, err);
}

static void add_scaled(const float *v, float w, size_t dim, float *out)
{
	for (size_t c = 0; c < dim; c++)
		out[c] += w * v[c];
}

static vla_status embed_texts(vla_queries *q, vla_model *m, size_t dim, vla_err *err)
{
	size_t n = 0;
	const char **text = vla_alloc(q->n, sizeof *text);
	float *v = vla_alloc(q->n, dim * sizeof *v);
	vla_status s = text && v ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < q->n && s == VLA_OK; i++)
		if (!q->term[i].image)
			text[n++] = q->term[i].source;
	if (s == VLA_OK && n)
		s = vla_model_embed_texts(m, text, n, v, err);
	n = 0;
	for (size_t i = 0; i < q->n && s == VLA_OK; i++)
		if (!q->term[i].image)
			add_scaled(v + n++ * dim, q->term[i].weight, dim, q->vectors + q->term[i].query * dim);
	free(text);
	free(v);
	return s;
}

static vla_status embed_image(const char *path, vla_model *m, float *pixels, float *out, vla_err *err)
{
	vla_image im = VLA_IMAGE_INIT;
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	vla_size size = { 0, 0 };
	vla_status s = vla_image_load(path, &o, &im, err);
	if (s == VLA_OK)
		s = vla_model_target(m, im.width, im.height, &size, err);
	if (s == VLA_OK)
		s = vla_model_preprocess(m, &im, pixels, err);
	vla_image_release(&im);
	if (s != VLA_OK)
		return vla_prefix(err, s, "picture '%s'", path);
	return vla_model_embed_sized(m, pixels, &size, 1, VLA_OUT_EMBED, out, err);
}

static vla_status embed_images(vla_queries *q, vla_model *m, size_t dim, vla_err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < q->n; i++)
		n += q->term[i].image;
	if (!n)
		return VLA_OK;
	if (!vla_model_get_info(m)->has_image)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no image tower", vla_model_get_info(m)->path);
	float *pixels = vla_alloc(vla_model_pixels(m), sizeof *pixels), *v = vla_alloc(dim, sizeof *v);
	vla_status s = pixels && v ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < q->n && s == VLA_OK; i++) {
		const struct term *t = &q->term[i];
		if (!t->image)
			continue;
		s = embed_image(t->source, m, pixels, v, err);
		if (s == VLA_OK)
			add_scaled(v, t->weight, dim, q->vectors + t->query * dim);
	}
	free(pixels);
	free(v);
	return s;
}

vla_status vla_queries_embed(vla_queries *q, vla_model *m, vla_err *err)
{
	size_t dim = vla_model_get_info(m)->dim;
	free(q->vectors);
	q->vectors = vla_zalloc(q->count, dim * sizeof *q->vectors);
	if (!q->vectors)
		return vla_nomem(err);
	VLA_TRY(embed_texts(q, m, dim, err));
	VLA_TRY(embed_images(q, m, dim, err));
	for (size_t i = 0; i < q->count; i++) {
		float *v = q->vectors + i * dim;
		double sum = 0;
		for (size_t c = 0; c < dim; c++)
			sum += (double)v[c] * v[c];
		if (sum < 1e-8)
			return vla_fail(err, VLA_EINVAL, "the terms of query '%s' cancel out", q->name[i].data);
		for (size_t c = 0; c < dim; c++)
			v[c] = (float)(v[c] / sqrt(sum));
	}
	return VLA_OK;
}

size_t vla_queries_count(const vla_queries *q)
{
	return q->count;
}

const char *vla_queries_name(const vla_queries *q, size_t i)
{
	return i < q->count ? q->name[i].data : NULL;
}

bool vla_queries_has_image(const vla_queries *q, size_t i)
{
	for (size_t t = 0; t < q->n; t++)
		if (q->term[t].query == i && q->term[t].image)
			return true;
	return false;
}

const float *vla_queries_vectors(const vla_queries *q)
{
	return q->vectors;
}
