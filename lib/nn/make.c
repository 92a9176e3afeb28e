/* Parameters with their initial values: truncated normal, constants. Values depend on the generator's state and the
 * order of creation only, so one seed gives one model. */
#include "nn/nn.h"

void *vla_nn_fail(vla_step *g, vla_status code, const char *fmt, ...)
{
	if (g->err.code == VLA_OK) {
		char msg[sizeof g->err.msg];
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(msg, sizeof msg, fmt, ap);
		va_end(ap);
		vla_fail(&g->err, code, "%s", msg);
	}
	return NULL;
}

void *vla_nn_scratch(vla_step *g, size_t n, size_t size)
{
	void *p = g->err.code == VLA_OK ? vla_save(g, n, size) : NULL;
	return p ? p : vla_nn_fail(g, VLA_ENOMEM, "out of memory");
}

vla_status vla_maker_status(const vla_maker *mk, vla_err *err)
{
	if (mk->err.code != VLA_OK && err)
		*err = mk->err;
	return mk->err.code;
}

static void fill_values(vla_rng *rng, vla_fill fill, float arg, float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double z = 0;
		switch (fill) {
		case VLA_FILL_ZERO: x[i] = 0; break;
		case VLA_FILL_ONE: x[i] = 1; break;
		case VLA_FILL_CONST: x[i] = arg; break;
		case VLA_FILL_NORMAL:
			do
				z = vla_rng_normal(rng);
			while (z < -2 || z > 2);
			x[i] = (float)(z * arg);
			break;
		}
	}
}

vla_param *vla_make(vla_maker *mk, vla_fill fill, float arg, const char *prefix, const char *leaf, unsigned ndim,
		    const size_t *dim)
{
	if (mk->err.code != VLA_OK)
		return NULL;
	char *name = vla_format("%s%s%s", prefix, prefix[0] ? "." : "", leaf);
	vla_param *p = name ? vla_params_add(mk->ps, name, ndim, dim) : NULL;
	free(name);
	if (p && mk->rng && (p->owned = vla_alloc(p->n, sizeof(float)))) {
		p->value = p->owned;
		fill_values(mk->rng, fill, arg, p->value, p->n);
	}
	if (!p || (mk->rng && !p->owned)) {
		vla_nomem(&mk->err);
		return NULL;
	}
	p->trainable = true;
	p->no_decay = ndim < 2;
	return p;
}

vla_param *vla_make_buffer(vla_maker *mk, float value, const char *prefix, const char *leaf, size_t n)
{
	vla_param *p = vla_make(mk, VLA_FILL_CONST, value, prefix, leaf, 1, &n);
	if (p) {
		p->trainable = false;
		p->buffer = true;
	}
	return p;
}

void vla_watch_call(const vla_watch *w, const char *name, int index, const vla_tensor *x)
{
	char full[64];
	if (!w || !w->fn || !x)
		return;
	if (index < 0)
		snprintf(full, sizeof full, "%s", name);
	else
		snprintf(full, sizeof full, "%s.%d", name, index);
	w->fn(w->ctx, full, x);
}
