/* Merging: weighted sums of the weights of models of one family and one shape (Wortsman et al., "Model soups", 2022;
 * interpolation with a fine-tuned model: "Robust fine-tuning of zero-shot models", 2022). */
#include "model/model.h"

#include <math.h>

// m += w * other, or m = w * m when other is NULL; one parameter at a time.
static vla_status accumulate(vla_param *p, const vla_param *q, double w, vla_err *err)
{
	VLA_TRY(vla_param_load(p, err));
	float *sum = p->value;
	if (!q) {
		if (!(sum = vla_alloc(p->n, sizeof *sum)))
			return vla_nomem(err);
		for (size_t i = 0; i < p->n; i++)
			sum[i] = (float)(w * (double)p->value[i]);
		free(p->converted);
		free(p->owned);
		p->owned = p->value = sum;
		p->converted = NULL;
		p->raw = NULL;
		return VLA_OK;
	}
	for (size_t i = 0; i < p->n; i++)
		sum[i] += (float)(w * (double)q->value[i]);
	return VLA_OK;
}

static vla_status add_model(vla_model *m, const char *name, double w, vla_err *err)
{
	vla_model *o;
	vla_model_opts opts = VLA_MODEL_OPTS_INIT;
	opts.compute = VLA_COMPUTE_F32;
	VLA_TRY(vla_model_open(name, &opts, &o, err));
	vla_status st = vla_model_ensure(o, "", err);
	if (st == VLA_OK && o->params.n != m->params.n)
		st = vla_fail(err, VLA_EINVAL, "'%s' has %zu tensors, the first model has %zu", name, o->params.n,
			      m->params.n);
	for (size_t i = 0; st == VLA_OK && i < m->params.n; i++) {
		vla_param *p = m->params.p[i], *q = vla_params_find(&o->params, p->name);
		bool same = q && q->ndim == p->ndim && memcmp(q->dim, p->dim, p->ndim * sizeof *p->dim) == 0;
		if (!same)
			st = vla_fail(err, VLA_EINVAL, "'%s' %s '%s' of the first model", name,
				      q ? "has another shape of" : "lacks", p->name);
		else if ((st = vla_param_load(q, err)) == VLA_OK)
			st = accumulate(p, q, w, err);
	}
	vla_model_close(o);
	return st;
}

vla_status vla_model_merge(const char *const *names, const double *weights, size_t n, vla_model **out, vla_err *err)
{
	vla_model *m;
	vla_model_opts opts = VLA_MODEL_OPTS_INIT;
	opts.compute = VLA_COMPUTE_F32;
	for (size_t i = 0; i < n; i++)
		if (!isfinite(weights[i]))
			return vla_fail(err, VLA_EINVAL, "a weight that is no number");
	if (n == 0)
		return vla_fail(err, VLA_EINVAL, "no models to merge");
	VLA_TRY(vla_model_open(names[0], &opts, &m, err));
	vla_status st = vla_model_ensure(m, "", err);
	for (size_t i = 0; st == VLA_OK && i < m->params.n; i++)
		st = accumulate(m->params.p[i], NULL, weights[0], err);
	for (size_t i = 1; st == VLA_OK && i < n; i++)
		st = add_model(m, names[i], weights[i], err);
	if (st != VLA_OK) {
		vla_model_close(m);
		return st;
	}
	*out = m;
	return VLA_OK;
}
