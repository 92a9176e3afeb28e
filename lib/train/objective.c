/* The table of objectives and what they share: choosing the rows of a batch, heads, and reading their settings. */
#include "train/objective.h"

#include "train/losses.h"

#include <math.h>

const vla_kind_row vla_objective_kinds[] = {
	{ "contrastive", true, true, false, NULL, vla_loss_contrastive },
	{ "distill_feature", true, false, true, vla_head_for_teacher, vla_loss_distill_feature },
	{ "distill_logits", true, false, true, vla_head_for_classifier, vla_loss_distill_logits },
	{ "distill_map", true, false, true, vla_head_for_teacher, vla_loss_distill_map },
	{ "distill_names", true, true, true, vla_names_init, vla_loss_distill_names },
	{ "anchor", false, true, false, NULL, vla_loss_anchor },
	{ "classify", true, false, false, vla_head_for_classes, vla_loss_classify },
};

static vla_status choose_data(const vla_objective_env *env, vla_objective *o, vla_err *err)
{
	const vla_corpus *c = env->corpus;
	char **name;
	size_t n;
	VLA_TRY(vla_split_list(vla_recipe_text(env->recipe, "objective", o->sec, "data"), ',', &name, &n, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		size_t at = vla_corpus_find(c, name[i]);
		if (at == SIZE_MAX)
			s = vla_recipe_fail(env->recipe, "objective", o->sec, "data", err, "there is no [data %s]",
					    name[i]);
		else
			o->data[at] = true;
	}
	bool any = false;
	for (size_t i = 0; i < c->n && s == VLA_OK; i++) {
		if (!n)
			o->data[i] = (!o->t || o->t->part[i].used) && (!o->image_t || o->image_t->part[i].used);
		else if (o->data[i] && o->image_t && c->data[i].pictures && !o->image_t->part[i].used)
			s = vla_recipe_fail(env->recipe, "objective", o->sec, "data", err,
					    "teacher %s does not look at [data %s]", o->image_t->name, c->data[i].name);
		else if (o->data[i] && o->t && c->data[i].pictures && !o->t->part[i].used)
			s = vla_recipe_fail(env->recipe, "objective", o->sec, "data", err,
					    "teacher %s does not look at [data %s]", o->t->name, c->data[i].name);
		any = any || o->data[i];
	}
	free(name);
	if (s == VLA_OK && !any)
		return vla_recipe_fail(env->recipe, "objective", o->sec, "data", err, "no data set fits it");
	return s;
}

static vla_status find_teacher(const vla_objective_env *env, const vla_objective *o, const char *key, size_t *out,
			       vla_err *err)
{
	const char *want = vla_recipe_text(env->recipe, "objective", o->sec, key);
	size_t found = SIZE_MAX;
	for (size_t i = 0; i < env->n_teachers; i++)
		if (!*want || !strcmp(env->teacher[i]->name, want)) {
			if (found != SIZE_MAX)
				return vla_recipe_fail(env->recipe, "objective", o->sec, key, err,
						       "there are several teachers: name one");
			found = i;
		}
	if (found == SIZE_MAX)
		return vla_recipe_fail(env->recipe, "objective", o->sec, key, err, "there is no [teacher%s%s]",
				       *want ? " " : "", want);
	*out = found;
	return VLA_OK;
}

static vla_status choose_teacher(const vla_objective_env *env, vla_objective *o, vla_err *err)
{
	o->teacher = o->image_teacher = SIZE_MAX;
	if (!o->kind->teacher && !o->from_teacher)
		return VLA_OK;
	VLA_TRY(find_teacher(env, o, "teacher", &o->teacher, err));
	o->t = env->teacher[o->teacher];
	if (!o->from_teacher)
		return VLA_OK;
	if (*vla_recipe_text(env->recipe, "objective", o->sec, "image_teacher"))
		VLA_TRY(find_teacher(env, o, "image_teacher", &o->image_teacher, err));
	else
		o->image_teacher = o->teacher;
	o->image_t = env->teacher[o->image_teacher];
	if (o->image_t->output != VLA_OUT_POOLED)
		return vla_recipe_fail(env->recipe, "objective", o->sec, "image", err,
				       "teacher %s does not keep pooled outputs", o->image_t->name);
	return VLA_OK;
}

static vla_status read_settings(const vla_objective_env *env, vla_objective *o, vla_err *err)
{
	const vla_recipe *r = env->recipe;
	const char *kind = vla_recipe_text(r, "objective", o->sec, "kind");
	for (size_t i = 0; i < sizeof vla_objective_kinds / sizeof *vla_objective_kinds; i++)
		if (!strcmp(kind, vla_objective_kinds[i].name))
			o->kind = &vla_objective_kinds[i];
	if (!o->kind)
		return vla_recipe_fail(r, "objective", o->sec, "kind", err, "the kind of the objective is not given");
	o->weight = (float)vla_recipe_number(r, "objective", o->sec, "weight");
	o->sigmoid = vla_recipe_choice(r, "objective", o->sec, "loss") == 1;
	o->share = vla_recipe_choice(r, "objective", o->sec, "positives") == 0;
	o->from_teacher = vla_recipe_choice(r, "objective", o->sec, "image") == 1;
	o->raw = vla_recipe_choice(r, "objective", o->sec, "target") == 1;
	o->cosine = (float)vla_recipe_number(r, "objective", o->sec, "cosine");
	o->mse = (float)vla_recipe_number(r, "objective", o->sec, "mse");
	o->temperature = (float)vla_recipe_number(r, "objective", o->sec, "temperature");
	o->smoothing = (float)vla_recipe_number(r, "objective", o->sec, "smoothing");
	o->head_choice = vla_recipe_choice(r, "objective", o->sec, "head");
	o->classes = env->corpus->classes.n;
	o->dim = vla_model_get_info(env->model)->dim;
	VLA_TRY(choose_teacher(env, o, err));
	const char *names = vla_recipe_text(r, "objective", o->sec, "names");
	if (*names) {
		size_t at = vla_corpus_find(env->corpus, names);
		if (at == SIZE_MAX)
			return vla_recipe_fail(r, "objective", o->sec, "names", err, "there is no [data %s]", names);
		o->names = &env->corpus->data[at];
	}
	return choose_data(env, o, err);
}

// Vectors that stand for the image tower's pooled output are as wide as that.
static vla_status check_vectors(const vla_objective_env *env, const vla_objective *o, vla_err *err)
{
	for (size_t i = 0; i < env->corpus->n; i++) {
		const vla_data *d = &env->corpus->data[i];
		if (o->data[i] && d->dim && d->dim != o->student_width)
			return vla_recipe_fail(env->recipe, "objective", o->sec, "data", err,
					       "[data %s] has vectors of %zu numbers, the model pools to %u", d->name,
					       d->dim, o->student_width);
	}
	return VLA_OK;
}

size_t vla_longest_text(const vla_model *m)
{
	static const char *const place[][2] = { { "text", "positions" }, { "text_config", "max_position_embeddings" } };
	const json_t *config = vla_model_config(m);
	for (int i = 0; i < 2; i++) {
		const json_t *n = json_object_get(json_object_get(config, place[i][0]), place[i][1]);
		if (json_is_integer(n) && json_integer_value(n) > 0)
			return (size_t)json_integer_value(n);
	}
	return strcmp(vla_model_get_info(m)->family, "clip") ? 0 : 77;
}

vla_status vla_objective_open(const vla_objective_env *env, const vla_section *sec, vla_objective **out, vla_err *err)
{
	vla_objective *o = vla_zalloc(1, sizeof *o);
	if (!o)
		return vla_nomem(err);
	o->name = sec->name;
	o->sec = sec;
	o->data = vla_zalloc(env->corpus->n, sizeof *o->data);
	vla_status s = o->data ? read_settings(env, o, err) : vla_nomem(err);
	if (s == VLA_OK && o->kind->image && vla_model_get_info(env->model)->has_image) {
		uint32_t rows, gh, gw;
		vla_output what = strcmp(o->kind->name, "distill_map") ? VLA_OUT_POOLED : VLA_OUT_TOKENS;
		s = vla_model_output_shape(env->model, what, &rows, &gh, &gw, &o->student_width, err);
	}
	if (s == VLA_OK && !strcmp(o->kind->name, "contrastive") && o->student_width)
		s = check_vectors(env, o, err);
	bool classes = !strcmp(o->kind->name, "distill_logits") || !strcmp(o->kind->name, "distill_names");
	if (s == VLA_OK && classes && o->t->output == VLA_OUT_POOLED) {
		o->classify = true;
		if (!vla_model_params(o->t->model))
			s = vla_nomem(err);
	}
	if (s == VLA_OK && o->kind->init)
		s = o->kind->init(o, env->heads, env->seed, err);
	if (s != VLA_OK) {
		vla_prefix(err, s, "objective %s", sec->name);
		vla_objective_close(o);
		return s;
	}
	*out = o;
	return VLA_OK;
}

void vla_objective_close(vla_objective *o)
{
	if (!o)
		return;
	free(o->data);
	free(o);
}

bool vla_objective_needs_pixels(const vla_objective *o)
{
	return o->kind->image && !o->from_teacher;
}
