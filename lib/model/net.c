/* Towers of a model as functions of a step: one code path for all families, for training and for inference. */
#include "model/model.h"

#include <math.h>

static void build_image(vla_model *m, vla_maker *mk)
{
	const vla_arch *a = &m->arch;
	size_t width = a->dim;
	if (a->image == VLA_IMAGE_CONVNET) {
		vla_convnet_init(&m->convnet, mk, "image", &a->convnet);
		width = a->convnet.hidden;
	} else if (a->image == VLA_IMAGE_VIT) {
		vla_vit_init(&m->vit, mk, "image", &a->vit);
		width = a->vit.block.width;
	}
	float std = (float)(1 / sqrt((double)width));
	if (a->image_project)
		vla_nn_linear_init(&m->image_projection, mk, "image.projection", width, a->dim, a->image_bias, std);
	if (a->classes)
		vla_nn_linear_init(&m->classifier, mk, "image.classifier", width, a->classes, true, std);
}

static void build_text(vla_model *m, vla_maker *mk)
{
	const vla_arch *a = &m->arch;
	size_t width = a->dim;
	if (a->text == VLA_TEXT_BAG) {
		vla_bag_init(&m->bag, mk, "text", a->bag_vocab, a->bag_width, a->bag_weighted);
		width = a->bag_width;
	} else if (a->text == VLA_TEXT_TRANSFORMER) {
		vla_textnet_init(&m->textnet, mk, "text", &a->textnet);
		width = a->textnet.block.width;
	}
	float std = (float)(1 / sqrt((double)width));
	if (a->text_project)
		vla_nn_linear_init(&m->text_projection, mk, "text.projection", width, a->dim, a->text_bias, std);
	if (a->text_long)
		vla_nn_linear_init(&m->text_projection_long, mk, "text.projection_long", width, a->dim, a->text_bias,
				   std);
	if (a->text_region)
		vla_nn_linear_init(&m->text_projection_region, mk, "text.projection_region", width, a->dim,
				   a->text_bias, std);
}

static uint64_t count_params(const vla_params *ps, const char *prefix)
{
	uint64_t n = 0;
	for (size_t i = 0; i < ps->n; i++)
		if (!ps->p[i]->buffer && strncmp(ps->p[i]->name, prefix, strlen(prefix)) == 0)
			n += ps->p[i]->n;
	return n;
}

vla_status vla_model_build(vla_model *m, vla_rng *rng, vla_err *err)
{
	const vla_arch *a = &m->arch;
	vla_maker mk = { .ps = &m->params, .rng = rng };
	if (a->image)
		build_image(m, &mk);
	if (a->text)
		build_text(m, &mk);
	if (a->logit_scale)
		m->logit_scale =
			vla_make(&mk, VLA_FILL_CONST, logf(a->logit_scale_init), "", "logit_scale", 1, (size_t[]){ 1 });
	if (a->logit_bias)
		m->logit_bias = vla_make(&mk, VLA_FILL_CONST, a->logit_bias_init, "", "logit_bias", 1, (size_t[]){ 1 });
	m->info.image_params = count_params(&m->params, "image.");
	m->info.text_params = count_params(&m->params, "text.");
	return vla_maker_status(&mk, err);
}

static bool ensure(vla_step *g, vla_model *m, const char *prefix)
{
	return g->err.code == VLA_OK && vla_model_ensure(m, prefix, &g->err) == VLA_OK;
}

vla_tensor *vla_model_image_project(vla_step *g, vla_model *m, vla_tensor *pooled)
{
	if (!m->arch.image_project || !pooled)
		return pooled;
	return ensure(g, m, "image.") ? vla_nn_linear_forward(g, &m->image_projection, pooled) : NULL;
}

// The map or the pooled vector.
static vla_tensor *image_tower(vla_step *g, vla_model *m, vla_tensor *pixels, bool pooled)
{
	if (m->arch.image == VLA_IMAGE_CONVNET) {
		vla_tensor *x = vla_convnet_forward(g, &m->convnet, pixels, m->watch);
		return pooled ? vla_mean_pool(g, x) : x;
	}
	if (pooled)
		return vla_vit_embed(g, &m->vit, pixels, m->watch);
	vla_tensor *x = vla_vit_forward(g, &m->vit, pixels, m->watch);
	uint32_t p = m->arch.vit.patch;
	return vla_vit_patches(g, &m->vit, x, pixels->dim[1] / p, pixels->dim[2] / p);
}

vla_tensor *vla_model_image(vla_step *g, vla_model *m, vla_tensor *pixels, vla_output what)
{
	if (!m->arch.image)
		return vla_nn_fail(g, VLA_EUNSUPPORTED, "this model has no image tower");
	if (what == VLA_OUT_LOGITS && !m->arch.classes)
		return vla_nn_fail(g, VLA_EUNSUPPORTED, "this model has no classifier");
	if (what == VLA_OUT_DENSE && !m->arch.dense)
		return vla_nn_fail(g, VLA_EUNSUPPORTED, "this model has no dense maps");
	if (!pixels || !ensure(g, m, "image."))
		return NULL;
	vla_tensor *x = what == VLA_OUT_DENSE ? vla_vit_dense(g, &m->vit, pixels, m->watch)
					      : image_tower(g, m, pixels, what != VLA_OUT_TOKENS);
	if (what == VLA_OUT_EMBED || what == VLA_OUT_DENSE)
		return vla_model_image_project(g, m, x);
	return what == VLA_OUT_LOGITS && x ? vla_nn_linear_forward(g, &m->classifier, x) : x;
}

vla_tensor *vla_model_classify(vla_step *g, vla_model *m, vla_tensor *pooled)
{
	if (!m->arch.classes)
		return vla_nn_fail(g, VLA_EUNSUPPORTED, "this model has no classifier");
	return pooled && ensure(g, m, "image.") ? vla_nn_linear_forward(g, &m->classifier, pooled) : NULL;
}

vla_tensor *vla_model_text(vla_step *g, vla_model *m, const vla_text_batch *texts)
{
	if (!m->arch.text)
		return vla_nn_fail(g, VLA_EUNSUPPORTED, "this model has no text tower");
	if (!ensure(g, m, "text."))
		return NULL;
	if (m->arch.text == VLA_TEXT_BAG) {
		vla_tensor *x = vla_bag_forward(g, &m->bag, texts);
		return m->arch.text_project && x ? vla_nn_linear_forward(g, &m->text_projection, x) : x;
	}
	bool long_text = m->text_mode == VLA_TEXT_LONG, region = m->text_mode == VLA_TEXT_REGION;
	vla_tensor *x = vla_textnet_forward(g, &m->textnet, texts, long_text, m->watch);
	const vla_nn_linear *project = &m->text_projection;
	if (long_text && m->arch.text_long)
		project = &m->text_projection_long;
	else if (region && m->arch.text_region)
		project = &m->text_projection_region;
	return m->arch.text_project && x ? vla_nn_linear_forward(g, project, x) : x;
}

vla_status vla_model_set_text_mode(vla_model *m, vla_text_mode mode, vla_err *err)
{
	// Where only long texts have a head, parts of a picture go with the ordinary one.
	bool has = mode == VLA_TEXT_SHORT || m->arch.text_long;
	if (!has)
		return vla_fail(err, VLA_EUNSUPPORTED, "family %s has one kind of texts only", m->family->name);
	m->text_mode = mode;
	return VLA_OK;
}

vla_status vla_text_mode_parse(const char *name, vla_text_mode *out, vla_err *err)
{
	static const char *const names[] = { "short", "long", "region" };
	for (size_t i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (vla_text_mode)i;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EINVAL, "text mode '%s' is not short, long or region", name);
}

vla_tensor *vla_model_logit_scale(vla_step *g, vla_model *m)
{
	return m->logit_scale ? vla_exp(g, vla_use(g, m->logit_scale)) : NULL;
}

vla_tensor *vla_model_logit_bias(vla_step *g, vla_model *m)
{
	return m->logit_bias ? vla_use(g, m->logit_bias) : NULL;
}

void vla_model_set_watch(vla_model *m, const vla_watch *watch)
{
	m->watch = watch;
}

vla_params *vla_model_params(vla_model *m)
{
	return vla_model_ensure(m, "", NULL) == VLA_OK ? &m->params : NULL;
}

const json_t *vla_model_config(const vla_model *m)
{
	return m->config;
}

void vla_model_normalise(const vla_model *m, const vla_image *im, float *out)
{
	vla_prep_normalise(&m->arch.prep, im, out);
}
