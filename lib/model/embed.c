/* Embedding in batches: chunks of pictures or of texts of like length go through one arena that is reset between them.
 */
#include "model/model.h"

#include <math.h>

#define CONV_CHUNK 8 // pictures: the maps of a convolutional tower are to stay near the cache
#define VIT_CHUNK 32
#define VIT_TOKENS 8192  // patches of a chunk
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
	if (what == VLA_OUT_DENSE && !a->dense)
		return vla_fail(err, VLA_EUNSUPPORTED, "model '%s' has no dense maps", m->path);
	*width = what == VLA_OUT_EMBED || what == VLA_OUT_DENSE ? a->dim : what == VLA_OUT_LOGITS ? a->classes : pooled;
	if (what == VLA_OUT_TOKENS || what == VLA_OUT_DENSE) {
		vla_model_grid(m, (vla_size){ a->image_size, a->image_size }, grid_h, grid_w);
		*rows = *grid_h * *grid_w;
		if (a->prep.mode == VLA_RESIZE_PATCHES)
			*rows = a->prep.max_patches;
	}
	return VLA_OK;
}

void vla_model_grid(const vla_model *m, vla_size size, uint32_t *grid_h, uint32_t *grid_w)
{
	bool conv = m->arch.image == VLA_IMAGE_CONVNET;
	*grid_h = conv ? vla_convnet_grid(&m->convnet, size.height) : size.height / m->arch.vit.patch;
	*grid_w = conv ? vla_convnet_grid(&m->convnet, size.width) : size.width / m->arch.vit.patch;
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

// Pictures of one size, one after the other, to [n, rows, width].
static vla_tensor *run_chunk(vla_step *g, vla_model *m, vla_tensor *x, vla_output what)
{
	x = vla_model_image(g, m, x, what);
	return what == VLA_OUT_EMBED || what == VLA_OUT_DENSE ? vla_l2_norm(g, x) : x;
}

static size_t chunk_of(const vla_model *m, vla_size size)
{
	uint32_t gh, gw;
	if (m->arch.image == VLA_IMAGE_CONVNET)
		return CONV_CHUNK;
	vla_model_grid(m, size, &gh, &gw);
	size_t most = VIT_TOKENS / ((size_t)gh * gw + 1);
	return most < 1 ? 1 : most > VIT_CHUNK ? VIT_CHUNK : most;
}

vla_status vla_model_embed_pixels(vla_model *m, const float *pixels, size_t n, vla_output what, float *out,
				  vla_err *err)
{
	uint32_t rows, gh, gw, width, side = m->arch.image_size;
	VLA_TRY(vla_model_output_shape(m, what, &rows, &gh, &gw, &width, err));
	size_t stride = (size_t)rows * width, each = (size_t)side * side * 3;
	size_t chunk = chunk_of(m, (vla_size){ side, side });
	for (size_t i = 0; i < n; i += chunk) {
		vla_step g;
		size_t k = n - i < chunk ? n - i : chunk;
		begin_step(m, &g);
		float *data = (float *)(uintptr_t)(pixels + i * each); // a view is never written to
		vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ k, side, side, 3 }, data);
		x = run_chunk(&g, m, x, what);
		VLA_TRY(vla_step_status(&g, err));
		for (size_t j = 0; j < k; j++)
			memcpy(out + (i + j) * stride, x->data + j * (x->n / k), x->n / k * sizeof *out);
		VLA_TRY(check_finite(x->data, x->n, err));
	}
	return VLA_OK;
}

struct sized {
	vla_size size;
	size_t at;
};

static int by_size(const void *a, const void *b)
{
	const struct sized *x = a, *y = b;
	if (x->size.height != y->size.height)
		return x->size.height < y->size.height ? -1 : 1;
	if (x->size.width != y->size.width)
		return x->size.width < y->size.width ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool same_size(vla_size a, vla_size b)
{
	return a.width == b.width && a.height == b.height;
}

// k pictures of one size that lie apart.
static vla_status embed_apart(vla_model *m, const float *pixels, const struct sized *s, size_t k, vla_output what,
			      size_t stride, float *out, vla_err *err)
{
	vla_step g;
	size_t h = s->size.height, w = s->size.width, each = h * w * 3, apart = vla_model_pixels(m);
	begin_step(m, &g);
	vla_tensor *x = vla_tensor_new(&g, 4, (size_t[]){ k, h, w, 3 });
	for (size_t i = 0; x && i < k; i++)
		memcpy(x->data + i * each, pixels + s[i].at * apart, each * sizeof *pixels);
	x = run_chunk(&g, m, x, what);
	VLA_TRY(vla_step_status(&g, err));
	size_t part = x->n / k;
	for (size_t i = 0; i < k; i++)
		memcpy(out + s[i].at * stride, x->data + i * part, part * sizeof *out);
	return check_finite(x->data, x->n, err);
}

static vla_status check_sizes(const vla_model *m, const vla_size *size, size_t n, vla_err *err)
{
	uint32_t gh, gw;
	for (size_t i = 0; i < n; i++) {
		vla_model_grid(m, size[i], &gh, &gw);
		if ((uint64_t)size[i].width * size[i].height * 3 > vla_model_pixels(m) || gh == 0 || gw == 0)
			return vla_fail(err, VLA_EINVAL, "a preprocessed picture of %ux%u", size[i].width,
					size[i].height);
	}
	return VLA_OK;
}

vla_status vla_model_embed_sized(vla_model *m, const float *pixels, const vla_size *size, size_t n, vla_output what,
				 float *out, vla_err *err)
{
	uint32_t rows, gh, gw, width, side = m->arch.image_size;
	VLA_TRY(vla_model_output_shape(m, what, &rows, &gh, &gw, &width, err));
	bool fixed = vla_model_pixels(m) == (size_t)side * side * 3;
	for (size_t i = 0; fixed && size && i < n; i++)
		fixed = same_size(size[i], (vla_size){ side, side });
	if (fixed || !size)
		return vla_model_embed_pixels(m, pixels, n, what, out, err);
	VLA_TRY(check_sizes(m, size, n, err));
	struct sized *s = vla_alloc(n, sizeof *s);
	if (!s)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		s[i] = (struct sized){ size[i], i };
	qsort(s, n, sizeof *s, by_size);
	vla_status st = VLA_OK;
	for (size_t i = 0, k; st == VLA_OK && i < n; i += k) {
		size_t chunk = chunk_of(m, s[i].size);
		for (k = 1; k < chunk && i + k < n && same_size(s[i].size, s[i + k].size); k++)
			;
		st = embed_apart(m, pixels, s + i, k, what, (size_t)rows * width, out, err);
	}
	free(s);
	return st;
}

vla_status vla_model_embed_regions(vla_model *m, const float *pixels, vla_size picture, const float *box, size_t n,
				   float *out, vla_err *err)
{
	vla_step g;
	vla_size size;
	VLA_TRY(vla_model_target(m, picture.width, picture.height, &size, err));
	begin_step(m, &g);
	float *cells = vla_nn_scratch(&g, n * 4, sizeof *cells);
	for (size_t i = 0; cells && i < n; i++) {
		double at[4];
		vla_prep_box(&m->arch.prep, picture.width, picture.height, box + i * 4, at);
		for (size_t k = 0; k < 4; k++)
			cells[i * 4 + k] = (float)(at[k] / m->arch.vit.patch);
	}
	float *data = (float *)(uintptr_t)pixels; // a view is never written to
	vla_tensor *x = vla_tensor_view(&g, 4, (size_t[]){ 1, size.height, size.width, 3 }, data);
	x = vla_model_image(&g, m, x, VLA_OUT_DENSE);
	x = x ? vla_reshape(&g, x, 3, x->dim + 1) : NULL;
	x = vla_l2_norm(&g, vla_roi_align(&g, x, cells, n));
	VLA_TRY(vla_step_status(&g, err));
	memcpy(out, x->data, x->n * sizeof *out);
	return check_finite(out, x->n, err);
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
	size_t max = 0;
	if (m->arch.text == VLA_TEXT_TRANSFORMER)
		max = vla_textnet_positions(&m->textnet, m->text_mode == VLA_TEXT_LONG);
	if (m->text_mode != VLA_TEXT_LONG && m->text_limit && m->text_limit < max)
		max = m->text_limit;
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
