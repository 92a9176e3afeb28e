/* Embedding in batches: chunks of pictures or of texts of like length go through one arena that is reset between them.
 */
#include "model/model.h"

#include <math.h>

#define CONV_CHUNK 8 // pictures: the maps of a convolutional tower are to stay near the cache
#define VIT_CHUNK 32
#define TEXT_CHUNK 64    // texts
#define TOKEN_CHUNK 4096 // tokens of a batch, padding included

vla_status vla_model_output_shape(const vla_model *m, vla_output what, uint32_t *rows, uint32_t *grid_h,
				  uint32_t *grid_w, uint32_t *width, vla_err *err)
{
	const vla_arch *a = &m->arch;
	bool conv = a->image == VLA_IMAGE_CONVNET;
	uint32_t pooled = conv ? (uint32_t)a->convnet.hidden : (uint32_t)a->vit.block.width;
	if (!a->image)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no image tower", m->path);
	if (what == VLA_OUT_LOGITS && !a->classes)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no classifier", m->path);
	*rows = 1;
	*grid_h = *grid_w = 0;
	*width = what == VLA_OUT_EMBED ? a->dim : what == VLA_OUT_LOGITS ? a->classes : pooled;
	if (what == VLA_OUT_TOKENS) {
		*grid_h = *grid_w = conv ? vla_convnet_grid(&m->convnet, a->image_size) : m->vit.grid;
		*rows = *grid_h * *grid_w;
	}
	return VLA_OK;
}

static vla_status check_finite(const float *x, size_t n, vla_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return vla_fail(err, VLA_ECORRUPT,
					"the model gives a number that is not finite (see vla-model verify)");
	return VLA_OK;
}

static void begin_step(vla_model *m, vla_step *g)
{
	vla_arena_reset(m->arena);
	vla_step_init(g, m->arena, m->pool);
	g->compute = m->compute;
}

vla_status vla_model_embed_pixels(vla_model *m, const float *pixels, size_t n, vla_output what, float *out,
				  vla_err *err)
{
	uint32_t rows, gh, gw, width;
	VLA_TRY(vla_model_output_shape(m, what, &rows, &gh, &gw, &width, err));
	size_t size = m->arch.image_size, each = (size_t)rows * width;
	size_t chunk = m->arch.image == VLA_IMAGE_CONVNET ? CONV_CHUNK : VIT_CHUNK;
	for (size_t i = 0; i < n; i += chunk) {
		vla_step g;
		size_t k = n - i < chunk ? n - i : chunk;
		begin_step(m, &g);
		float *data = (float *)(uintptr_t)(pixels + i * size * size * 3); // a view is never written to
		vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ k, size, size, 3 }, data);
		x = vla_model_image(&g, m, x, what);
		if (what == VLA_OUT_EMBED)
			x = vla_l2_norm(&g, x);
		VLA_TRY(vla_step_status(&g, err));
		memcpy(out + i * each, x->data, k * each * sizeof *out);
	}
	return check_finite(out, n * each, err);
}

struct text {
	size_t begin, n, row; // its ids in the common list; where its vector goes
};

static int by_length(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

// All texts as one run of ids.
static vla_status encode_all(vla_model *m, const char *const *texts, size_t n, struct text *t, vla_buf *all,
			     vla_err *err)
{
	size_t max = m->arch.text == VLA_TEXT_TRANSFORMER ? m->arch.textnet.positions : 0;
	vla_ids ids = VLA_IDS_INIT;
	vla_status st = VLA_OK;
	for (size_t i = 0; st == VLA_OK && i < n; i++) {
		st = vla_tokenizer_encode(m->tokenizer, texts[i], max, &ids, err);
		if (st != VLA_OK)
			break;
		t[i] = (struct text){ all->n / sizeof(uint32_t), ids.n, i };
		st = vla_buf_add(all, ids.id, ids.n * sizeof(uint32_t), err);
	}
	vla_ids_release(&ids);
	return st;
}

static vla_status embed_batch(vla_model *m, const struct text *t, size_t n, const uint32_t *all, float *out,
			      vla_err *err)
{
	vla_step g;
	size_t total = 0, dim = m->arch.dim;
	begin_step(m, &g);
	for (size_t i = 0; i < n; i++)
		total += t[i].n;
	uint32_t *ids = vla_nn_scratch(&g, total, sizeof *ids);
	size_t *offset = vla_nn_scratch(&g, n + 1, sizeof *offset);
	if (ids && offset) {
		offset[0] = 0;
		for (size_t i = 0; i < n; i++) {
			if (t[i].n)
				memcpy(ids + offset[i], all + t[i].begin, t[i].n * sizeof *ids);
			offset[i + 1] = offset[i] + t[i].n;
		}
	}
	vla_text_batch batch = { ids, offset, n };
	vla_tensor *x = offset ? vla_l2_norm(&g, vla_model_text(&g, m, &batch)) : NULL;
	VLA_TRY(vla_step_status(&g, err));
	for (size_t i = 0; i < n; i++)
		memcpy(out + t[i].row * dim, x->data + i * dim, dim * sizeof *out);
	return VLA_OK;
}

vla_status vla_model_embed_texts(vla_model *m, const char *const *texts, size_t n, float *out, vla_err *err)
{
	if (!m->arch.text)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no text tower", m->path);
	VLA_TRY(vla_model_open_tokenizer(m, err));
	struct text *t = vla_alloc(n, sizeof *t);
	if (!t)
		return vla_nomem(err);
	vla_buf all = { NULL, 0, 0 };
	vla_status st = encode_all(m, texts, n, t, &all, err);
	if (st == VLA_OK)
		qsort(t, n, sizeof *t, by_length);
	for (size_t i = 0, k; st == VLA_OK && i < n; i += k) {
		for (k = 1; k < TEXT_CHUNK && i + k < n && t[i + k].n * (k + 1) <= TOKEN_CHUNK; k++)
			;
		st = embed_batch(m, t + i, k, (const uint32_t *)(const void *)all.data, out, err);
	}
	vla_buf_release(&all);
	free(t);
	return st == VLA_OK ? check_finite(out, n * m->arch.dim, err) : st;
}
