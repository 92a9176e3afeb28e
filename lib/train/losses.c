/* Losses. Contrastive: softmax in both directions (Radford et al. 2021, CLIP) or a sigmoid for each pair (Zhai et al.
 * 2023, SigLIP), where all pairs of one picture, class or text count as positives. Distillation: features by cosine and
 * squared distance, class distributions by their divergence at a temperature (Hinton et al. 2015). */
#include "train/losses.h"

#include <math.h>

// --- heads ---

static vla_status add_linear(vla_objective *o, vla_params *heads, size_t in, size_t out, uint64_t seed, vla_err *err)
{
	char name[160];
	snprintf(name, sizeof name, "objective.%s.head.weight", o->name);
	o->head_w = vla_params_add(heads, name, 2, (size_t[]){ out, in });
	snprintf(name, sizeof name, "objective.%s.head.bias", o->name);
	o->head_b = vla_params_add(heads, name, 1, (size_t[]){ out });
	if (!o->head_w || !o->head_b)
		return vla_nomem(err);
	o->head_w->owned = o->head_w->value = vla_alloc(o->head_w->n, sizeof(float));
	o->head_b->owned = o->head_b->value = vla_zalloc(out, sizeof(float));
	if (!o->head_w->value || !o->head_b->value)
		return vla_nomem(err);
	vla_rng rng;
	vla_rng_seed(&rng, seed, vla_hash64(o->name, strlen(o->name), 0));
	float scale = 1 / sqrtf((float)in);
	for (size_t i = 0; i < o->head_w->n; i++)
		o->head_w->value[i] = scale * (float)vla_rng_normal(&rng);
	memset(o->head_b->value, 0, out * sizeof(float));
	o->head_w->trainable = o->head_b->trainable = o->head_b->no_decay = true;
	o->head_w->lr_scale = o->head_b->lr_scale = 1;
	return VLA_OK;
}

static vla_status head_to(vla_objective *o, vla_params *heads, size_t out, bool needed, uint64_t seed, vla_err *err)
{
	bool differ = o->student_width != out;
	if (o->head_choice == 1 && (differ || needed))
		return vla_fail(err, VLA_EINVAL, "head = none, but the model gives %u numbers and the target has %zu",
				o->student_width, out);
	if (o->head_choice == 2 || differ || needed)
		return add_linear(o, heads, o->student_width, out, seed, err);
	return VLA_OK;
}

vla_status vla_head_for_teacher(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err)
{
	bool map = o->t->output == VLA_OUT_TOKENS;
	return head_to(o, heads, map ? o->t->row_width : o->t->width, false, seed, err);
}

vla_status vla_head_for_classifier(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err)
{
	return head_to(o, heads, o->t->width, !o->classify, seed, err);
}

vla_status vla_head_for_classes(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err)
{
	if (!o->classes)
		return vla_fail(err, VLA_EINVAL, "the data have no classes");
	return head_to(o, heads, o->classes, true, seed, err);
}

static vla_tensor *apply_head(const vla_objective *o, vla_step *g, vla_tensor *x)
{
	return o->head_w ? vla_linear(g, x, vla_use(g, o->head_w), vla_use(g, o->head_b)) : x;
}

// --- shared parts ---

static vla_tensor *pixels(vla_pass *p)
{
	if (!p->pixels)
		p->pixels = vla_tensor_view(p->g, 4, (size_t[]){ p->batch->pictures, p->size, p->size, 3 },
					    p->batch->pixels);
	return p->pixels;
}

static vla_tensor *run_image(vla_pass *p, vla_output what)
{
	bool training = p->g->training;
	vla_tape *tape = p->g->tape;
	if (p->fixed_norm)
		p->g->training = false;
	if (p->frozen_tower)
		p->g->tape = NULL;
	vla_tensor *x = vla_model_image(p->g, p->model, pixels(p), what);
	p->g->training = training;
	p->g->tape = tape;
	p->tower_nodes = tape ? tape->n : 0;
	return x;
}

vla_tensor *vla_pass_pooled(vla_pass *p)
{
	if (!p->pooled)
		p->pooled = run_image(p, VLA_OUT_POOLED);
	return p->pooled;
}

vla_tensor *vla_pass_projected(vla_pass *p)
{
	if (!p->projected)
		p->projected = vla_model_image_project(p->g, p->model, vla_pass_pooled(p));
	return p->projected;
}

vla_tensor *vla_pass_text(vla_pass *p)
{
	if (!p->text)
		p->text = vla_model_text(p->g, p->model, &p->batch->texts);
	return p->text;
}

static vla_tensor *vector_view(vla_pass *p)
{
	size_t dim = 0;
	for (size_t i = 0; i < p->batch->n && !dim; i++)
		if (p->batch->item[i].vector_row != VLA_NONE)
			dim = p->corpus->data[p->batch->item[i].data].dim;
	return vla_tensor_view(p->g, 2, (size_t[]){ p->batch->vectors, dim }, p->batch->vector);
}

static vla_tensor *project_vectors(vla_pass *p)
{
	if (!p->vectors)
		p->vectors = vla_model_image_project(p->g, p->model, vector_view(p));
	return p->vectors;
}

// Rows of a batch that an objective looks at.
typedef struct rows {
	uint32_t *item, *picture, *vector, *text, *label;
	size_t n, pictures, vectors;
} rows;

// Space for n rows; false after a failure that the step holds.
static bool rows_init(vla_pass *p, rows *r)
{
	size_t n = p->batch->n;
	*r = (rows){ NULL, NULL, NULL, NULL, NULL, 0, 0, 0 };
	uint32_t *all = vla_save(p->g, n * 5, sizeof *all);
	if (!all)
		return false;
	r->item = all;
	r->picture = all + n;
	r->vector = all + 2 * n;
	r->text = all + 3 * n;
	r->label = all + 4 * n;
	return true;
}

// The chosen rows of x [m, ..]; x itself when these are all of them in order.
static vla_tensor *take(vla_pass *p, vla_tensor *x, const uint32_t *row, size_t n)
{
	bool all = x && n == x->dim[0];
	for (size_t i = 0; i < n && all; i++)
		all = row[i] == i;
	return all ? x : vla_gather_rows(p->g, x, row, n);
}

// --- contrastive ---

// Items with a text and a picture (or a vector): pictures first, then vectors.
static bool pairs(const vla_objective *o, vla_pass *p, rows *r)
{
	const vla_batch *b = p->batch;
	if (!rows_init(p, r))
		return false;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < b->n; i++) {
			const vla_item *it = &b->item[i];
			uint32_t row = pass ? it->vector_row : it->picture_row;
			if (!o->data[it->data] || it->text_row == VLA_NONE || row == VLA_NONE)
				continue;
			if (pass)
				r->vector[r->vectors++] = row;
			else
				r->picture[r->pictures++] = row;
			r->text[r->n] = it->text_row;
			r->item[r->n++] = (uint32_t)i;
		}
	return true;
}

static bool positive(const vla_item *a, const vla_item *b)
{
	return a->source == b->source || a->text_hash == b->text_hash || (a->label != VLA_NONE && a->label == b->label);
}

vla_tensor *vla_pass_target(const vla_objective *o, vla_pass *p)
{
	return vla_tensor_view(p->g, 2, (size_t[]){ p->batch->pictures, o->t->width }, p->batch->target[o->teacher]);
}

vla_tensor *vla_pass_embed(const vla_objective *o, vla_pass *p, const uint32_t *row, size_t n)
{
	if (!o->from_teacher)
		return take(p, vla_pass_projected(p), row, n);
	vla_tensor *pooled = vla_tensor_view(p->g, 2, (size_t[]){ p->batch->pictures, o->image_t->width },
					     p->batch->target[o->image_teacher]);
	return vla_model_image_project(p->g, p->model, take(p, pooled, row, n));
}

static vla_tensor *pair_images(const vla_objective *o, vla_pass *p, const rows *r)
{
	vla_tensor *part[2];
	size_t n = 0;
	if (r->pictures)
		part[n++] = vla_pass_embed(o, p, r->picture, r->pictures);
	if (r->vectors)
		part[n++] = take(p, project_vectors(p), r->vector, r->vectors);
	return vla_l2_norm(p->g, n == 2 ? vla_concat(p->g, part, 2, 0) : part[0]);
}

static vla_tensor *softmax_loss(const vla_objective *o, vla_pass *p, const rows *r, vla_tensor *logits)
{
	vla_step *g = p->g;
	size_t n = r->n;
	const vla_item *item = p->batch->item;
	float *target = vla_save(g, n * n, sizeof *target);
	vla_tensor *mask = NULL;
	if (!target)
		return NULL;
	if (!o->share) {
		mask = vla_tensor_new(g, 2, (size_t[]){ n, n });
		if (!mask)
			return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		size_t count = 0;
		for (size_t k = 0; k < n; k++) {
			bool pos = positive(&item[r->item[i]], &item[r->item[k]]);
			target[i * n + k] = o->share ? (float)pos : (float)(i == k);
			count += pos;
			if (mask)
				mask->data[i * n + k] = pos && i != k ? -1e4f : 0;
		}
		for (size_t k = 0; k < n && o->share; k++)
			target[i * n + k] /= (float)count;
	}
	// Being a positive is mutual, so that one matrix of targets serves both directions.
	vla_tensor *other = vla_transpose(g, logits, 0, 1);
	if (mask) {
		logits = vla_add(g, logits, mask);
		other = vla_add(g, other, mask);
	}
	vla_tensor *sum = vla_add(g, vla_kl_div(g, logits, target), vla_kl_div(g, other, target));
	return vla_scale(g, sum, 0.5f);
}

static vla_tensor *sigmoid_loss(const vla_objective *o, vla_pass *p, const rows *r, vla_tensor *logits)
{
	size_t n = r->n;
	const vla_item *item = p->batch->item;
	float *sign = vla_save(p->g, n * n, sizeof *sign);
	if (!sign)
		return NULL;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			bool pos = positive(&item[r->item[i]], &item[r->item[k]]);
			sign[i * n + k] = i == k ? 1 : !pos ? -1 : o->share ? 1 : 0;
		}
	return vla_sigmoid_loss(p->g, logits, sign);
}

vla_tensor *vla_loss_contrastive(const vla_objective *o, vla_pass *p)
{
	rows r;
	if (!pairs(o, p, &r) || r.n < 2)
		return NULL;
	vla_step *g = p->g;
	vla_tensor *image = pair_images(o, p, &r);
	vla_tensor *text = vla_l2_norm(g, take(p, vla_pass_text(p), r.text, r.n));
	vla_tensor *logits = vla_matmul(g, image, text, false, true);
	vla_tensor *scale = vla_model_logit_scale(g, p->model);
	if (scale)
		logits = vla_mul(g, logits, scale);
	if (!o->sigmoid)
		return softmax_loss(o, p, &r, logits);
	vla_tensor *bias = vla_model_logit_bias(g, p->model);
	if (bias)
		logits = vla_add(g, logits, bias);
	return sigmoid_loss(o, p, &r, logits);
}

// --- distillation ---

// Pictures of the data sets that o applies to.
static bool pictures(const vla_objective *o, vla_pass *p, rows *r)
{
	const vla_batch *b = p->batch;
	if (!rows_init(p, r))
		return false;
	for (size_t i = 0; i < b->n; i++) {
		const vla_item *it = &b->item[i];
		if (!o->data[it->data] || it->picture_row == VLA_NONE)
			continue;
		r->label[r->n] = it->label;
		r->picture[r->n++] = it->picture_row;
	}
	return r->n > 0;
}

size_t vla_pass_pictures(const vla_objective *o, vla_pass *p, uint32_t **row)
{
	rows r;
	*row = NULL;
	if (!pictures(o, p, &r))
		return 0;
	*row = r.picture;
	return r.n;
}

static vla_tensor *distance(const vla_objective *o, vla_step *g, vla_tensor *x, vla_tensor *y)
{
	vla_tensor *sum = NULL;
	if (o->cosine > 0)
		sum = vla_scale(g, vla_cosine_loss(g, x, y), o->cosine);
	if (o->mse > 0) {
		vla_tensor *m = vla_scale(g, vla_mse(g, x, y), o->mse);
		sum = sum ? vla_add(g, sum, m) : m;
	}
	return sum;
}

vla_tensor *vla_loss_distill_feature(const vla_objective *o, vla_pass *p)
{
	rows r;
	if (!pictures(o, p, &r))
		return NULL;
	vla_tensor *x = apply_head(o, p->g, take(p, vla_pass_pooled(p), r.picture, r.n));
	return distance(o, p->g, x, take(p, vla_pass_target(o, p), r.picture, r.n));
}

vla_tensor *vla_loss_distill_logits(const vla_objective *o, vla_pass *p)
{
	rows r;
	vla_step *g = p->g;
	if (!pictures(o, p, &r))
		return NULL;
	vla_tensor *x = apply_head(o, g, take(p, vla_pass_pooled(p), r.picture, r.n));
	vla_tensor *y = take(p, vla_pass_target(o, p), r.picture, r.n);
	if (o->classify) {
		x = vla_model_classify(g, o->t->model, x);
		y = vla_model_classify(g, o->t->model, y);
	}
	float t = o->temperature;
	vla_tensor *target = vla_softmax(g, vla_scale(g, y, 1 / t));
	if (!target)
		return NULL;
	// The factor t^2 keeps the size of the gradient (Hinton et al. 2015).
	return vla_scale(g, vla_kl_div(g, vla_scale(g, x, 1 / t), target->data), t * t);
}

vla_tensor *vla_loss_distill_map(const vla_objective *o, vla_pass *p)
{
	rows r;
	vla_step *g = p->g;
	if (!pictures(o, p, &r))
		return NULL;
	if (!p->tokens)
		p->tokens = run_image(p, VLA_OUT_TOKENS);
	if (!p->tokens)
		return NULL;
	size_t c = p->tokens->dim[p->tokens->ndim - 1], n = p->batch->pictures, rows_each = p->tokens->n / (n * c);
	if (rows_each != o->t->rows) {
		vla_fail(&g->err, VLA_EINVAL, "the model's map has %zu places, the teacher's %u", rows_each,
			 o->t->rows);
		return NULL;
	}
	vla_tensor *x = take(p, vla_reshape(g, p->tokens, 2, (size_t[]){ n, rows_each * c }), r.picture, r.n);
	x = apply_head(o, g, vla_reshape(g, x, 2, (size_t[]){ r.n * rows_each, c }));
	vla_tensor *y = take(p, vla_pass_target(o, p), r.picture, r.n);
	return distance(o, g, x, vla_reshape(g, y, 2, (size_t[]){ r.n * rows_each, o->t->row_width }));
}

// --- anchor, classify ---

vla_tensor *vla_loss_anchor(const vla_objective *o, vla_pass *p)
{
	const vla_batch *b = p->batch;
	rows r;
	if (!rows_init(p, &r))
		return NULL;
	for (size_t i = 0; i < b->n; i++) {
		const vla_item *it = &b->item[i];
		if (!o->data[it->data] || it->text_row == VLA_NONE || it->vector_row == VLA_NONE)
			continue;
		r.vector[r.n] = it->vector_row;
		r.text[r.n++] = it->text_row;
	}
	if (!r.n)
		return NULL;
	vla_tensor *y = take(p, o->raw ? vector_view(p) : project_vectors(p), r.vector, r.n);
	if (!y)
		return NULL;
	// The anchor is a constant: text moves towards it, it does not move towards the text.
	vla_tensor *fixed = vla_tensor_view(p->g, y->ndim, y->dim, y->data);
	return vla_cosine_loss(p->g, take(p, vla_pass_text(p), r.text, r.n), fixed);
}

vla_tensor *vla_loss_classify(const vla_objective *o, vla_pass *p)
{
	rows r;
	if (!pictures(o, p, &r))
		return NULL;
	vla_tensor *x = take(p, vla_pass_pooled(p), r.picture, r.n);
	return vla_cross_entropy(p->g, apply_head(o, p->g, x), r.label, o->smoothing);
}
