/* Distillation of a classifier into the text tower: for each picture the similarities to the names of the teacher's
 * classes shall give the teacher's class distribution. It gives every class a place in the shared space, and uses
 * pictures without any text. */
#include "train/losses.h"

#include <math.h>

// One text for each name, in this step's choice of language and template.
static bool name_texts(const vla_objective *o, vla_pass *p, vla_text_batch *out)
{
	const vla_data *d = o->names;
	vla_step *g = p->g;
	vla_rng rng;
	vla_buf text = { NULL, 0, 0 };
	vla_ids ids = VLA_IDS_INIT, all = VLA_IDS_INIT;
	vla_status s = VLA_OK;
	vla_rng_seed(&rng, o->seed, p->batch->step);
	size_t *offset = vla_save(g, d->n + 1, sizeof *offset);
	if (!offset)
		return false;
	offset[0] = 0;
	for (size_t i = 0; i < d->n && s == VLA_OK; i++) {
		bool found;
		text.n = 0;
		s = vla_data_text(d, &d->ex[i], &rng, &text, &found, &g->err);
		if (s == VLA_OK)
			s = vla_tokenizer_encode(vla_model_tokenizer(p->model), text.data, vla_longest_text(p->model),
						 &ids, &g->err);
		if (s == VLA_OK && all.n + ids.n > all.cap) {
			size_t cap = 2 * (all.n + ids.n);
			uint32_t *grown = vla_realloc(all.id, cap, sizeof *grown);
			if (grown) {
				all.id = grown;
				all.cap = cap;
			} else {
				s = vla_nomem(&g->err);
			}
		}
		if (s == VLA_OK) {
			memcpy(all.id + all.n, ids.id, ids.n * sizeof *ids.id);
			offset[i + 1] = all.n += ids.n;
		}
	}
	uint32_t *kept = s == VLA_OK ? vla_save(g, all.n, sizeof *kept) : NULL;
	if (kept)
		memcpy(kept, all.id, all.n * sizeof *kept);
	*out = (vla_text_batch){ kept, offset, d->n };
	vla_ids_release(&ids);
	vla_ids_release(&all);
	vla_buf_release(&text);
	return kept != NULL;
}

// The teacher's distribution over the named classes: [n, names].
static float *name_targets(const vla_objective *o, vla_pass *p, vla_tensor *logits, size_t n)
{
	const vla_data *d = o->names;
	float *target = vla_save(p->g, n * d->n, sizeof *target);
	if (!target || !logits)
		return NULL;
	size_t classes = logits->n / n;
	for (size_t i = 0; i < n; i++) {
		const float *row = logits->data + i * classes;
		float *t = target + i * d->n, top = -INFINITY;
		double sum = 0;
		for (size_t k = 0; k < d->n; k++) {
			t[k] = row[d->vector_row[d->ex[k].first_vector]] / o->temperature;
			top = fmaxf(top, t[k]);
		}
		for (size_t k = 0; k < d->n; k++)
			sum += t[k] = expf(t[k] - top);
		for (size_t k = 0; k < d->n; k++)
			t[k] = (float)(t[k] / sum);
	}
	return target;
}

vla_status vla_names_init(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err)
{
	(void)heads;
	o->seed = seed ^ vla_hash64(o->name, strlen(o->name), 0);
	if (!o->names)
		return vla_fail(err, VLA_EINVAL, "names: which data set holds the names of the classes is not given");
	if (!o->classify)
		return vla_fail(err, VLA_EINVAL, "the teacher's output must be pooled, and it needs a classifier");
	const vla_model *m = o->t->model;
	for (size_t i = 0; i < o->names->n; i++) {
		const vla_example *e = &o->names->ex[i];
		if ((!e->names && !e->texts) || e->vectors != 1)
			return vla_fail(err, VLA_EINVAL,
					"row %zu of [data %s] needs a name and the number of its class", i + 1,
					o->names->name);
		if (!vla_model_label(m, o->names->vector_row[e->first_vector]))
			return vla_fail(err, VLA_EINVAL,
					"row %zu of [data %s] is of class %u, which the teacher has not", i + 1,
					o->names->name, o->names->vector_row[e->first_vector]);
	}
	return VLA_OK;
}

vla_tensor *vla_loss_distill_names(const vla_objective *o, vla_pass *p)
{
	vla_step *g = p->g;
	vla_text_batch texts;
	uint32_t *row;
	size_t n = vla_pass_pictures(o, p, &row);
	if (!n || !name_texts(o, p, &texts))
		return NULL;
	vla_tensor *teacher = vla_gather_rows(g, vla_pass_target(o, p), row, n);
	float *target = name_targets(o, p, vla_model_classify(g, o->t->model, teacher), n);
	if (!target)
		return NULL;
	vla_tensor *image = vla_pass_embed(o, p, row, n);
	vla_tensor *text = vla_model_text(g, p->model, &texts);
	vla_tensor *logits = vla_matmul(g, vla_l2_norm(g, image), vla_l2_norm(g, text), false, true);
	vla_tensor *scale = vla_model_logit_scale(g, p->model);
	if (scale)
		logits = vla_mul(g, logits, scale);
	return vla_kl_div(g, logits, target);
}
