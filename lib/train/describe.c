/* The description that a dry run prints: data, model, teachers, stages. */
#include "train/stage.h"

#include <stdarg.h>

void vla_trainer_line(const vla_trainer *t, const char *fmt, ...)
{
	char text[500];
	if (!t->o->line)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	t->o->line(t->o->ctx, text);
}

static void describe_data(const vla_trainer *t)
{
	for (size_t i = 0; i < t->corpus->n; i++) {
		const vla_data *d = &t->corpus->data[i];
		size_t templates = 0;
		for (size_t k = 0; k < d->columns; k++)
			templates += d->column[k].n;
		vla_trainer_line(
			t,
			"data\t%s\texamples %zu\tpictures %zu\tvectors %zu x %zu\tcaptions %zu\tnames %zu\ttemplates %zu\t"
			"crops %u",
			d->name, d->n, d->pictures, d->n_vectors, d->dim, d->texts, d->n_names, templates, d->crops);
	}
	vla_trainer_line(t, "classes\t%zu", t->corpus->classes.n);
}

static void describe_model(const vla_trainer *t)
{
	const vla_model_info *m = vla_model_get_info(t->model);
	vla_trainer_line(
		t, "model\t%s\tdim %u\timage size %u\timage parameters %llu\ttext parameters %llu\tvocabulary %zu",
		m->family, m->dim, m->image_size, (unsigned long long)m->image_params,
		(unsigned long long)m->text_params,
		vla_model_tokenizer(t->model) ? vla_tokenizer_vocab(vla_model_tokenizer(t->model)) : 0);
	const vla_params *ps = vla_model_params(t->model);
	for (size_t i = 0; i < ps->n; i++) {
		const vla_param *p = ps->p[i];
		char shape[128];
		size_t at = 0;
		shape[0] = 0;
		for (unsigned k = 0; k < p->ndim && at < sizeof shape; k++)
			at += (size_t)snprintf(shape + at, sizeof shape - at, "%s%zu", k ? "x" : "", p->dim[k]);
		vla_trainer_line(t, "parameter\t%s\t%s%s", p->name, p->ndim ? shape : "1",
				 p->buffer ? "\tstatistics" : "");
	}
	for (size_t i = 0; i < t->teachers; i++)
		vla_trainer_line(t, "teacher\t%s\t%s\tsize %u\toutput %u x %u", t->teacher[i]->name,
				 vla_model_get_info(t->teacher[i]->model)->fingerprint, t->teacher[i]->size,
				 t->teacher[i]->rows, t->teacher[i]->row_width);
}

static void describe_trainable(const vla_trainer *t, const vla_params *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->p[i]->trainable)
			vla_trainer_line(t, "trained\t%s\t%zu\tlr x %g%s", ps->p[i]->name, ps->p[i]->n,
					 (double)ps->p[i]->lr_scale, ps->p[i]->no_decay ? "\tno decay" : "");
}

vla_status vla_describe(vla_trainer *t, vla_err *err)
{
	describe_data(t);
	describe_model(t);
	for (size_t i = 0; vla_recipe_section(t->r, "stage", i); i++) {
		vla_stage s;
		vla_status st = vla_stage_open(t, i, &s, err);
		if (st == VLA_OK) {
			double examples = 0, share = 0;
			for (size_t k = 0; k < s.n_data; k++) {
				examples += (double)t->corpus->data[s.data[k]].n;
				share += t->corpus->data[s.data[k]].share;
			}
			vla_trainer_line(
				t,
				"stage\t%s\tsteps %llu\tbatch %zu\tpictures %u px\tepochs %.2f\ttrained %llu\t%.3f GFLOP a step",
				s.sec->name, (unsigned long long)s.steps, s.batch, s.pixels ? s.size : 0,
				(double)s.steps * (double)s.batch / examples, (unsigned long long)s.trainable,
				s.flops * 1e-9);
			for (size_t k = 0; k < s.n_data; k++) {
				const vla_data *d = &t->corpus->data[s.data[k]];
				vla_trainer_line(t, "share\t%s\t%.4f", d->name, d->share / share);
			}
			for (size_t k = 0; k < s.objectives; k++)
				vla_trainer_line(t, "objective\t%s\t%s\tweight %g", s.objective[k]->name,
						 s.objective[k]->kind->name, (double)s.objective[k]->weight);
			describe_trainable(t, vla_model_params(t->model));
			describe_trainable(t, &t->heads);
		}
		vla_stage_release(&s);
		VLA_TRY(st);
	}
	return VLA_OK;
}
