/* Named weights: where their values live, conversion to f32, and the one block of trainable values that optimising,
 * clipping and saving walk. */
#include "grad/grad.h"

#define ALIGN 16 // floats: every parameter of a block starts on a cache line

vla_param *vla_params_add(vla_params *ps, const char *name, unsigned ndim, const size_t *dim)
{
	size_t n = 1;
	if (ndim > VLA_TENSOR_DIMS)
		return NULL;
	for (unsigned i = 0; i < ndim; i++)
		if (__builtin_mul_overflow(n, dim[i], &n))
			return NULL;
	if (ps->n == ps->cap) {
		size_t cap = ps->cap ? ps->cap * 2 : 64;
		vla_param **p = vla_realloc(ps->p, cap, sizeof *p);
		if (!p)
			return NULL;
		ps->p = p;
		ps->cap = cap;
	}
	vla_param *p = vla_zalloc(1, sizeof *p);
	if (!p || !(p->name = vla_strdup(name))) {
		free(p);
		return NULL;
	}
	p->ndim = ndim;
	for (unsigned i = 0; i < ndim; i++)
		p->dim[i] = dim[i];
	p->n = n;
	p->lr_scale = 1;
	return ps->p[ps->n++] = p;
}

vla_param *vla_params_find(const vla_params *ps, const char *name)
{
	for (size_t i = 0; i < ps->n; i++)
		if (strcmp(ps->p[i]->name, name) == 0)
			return ps->p[i];
	return NULL;
}

void vla_params_release(vla_params *ps)
{
	if (!ps)
		return;
	for (size_t i = 0; i < ps->n; i++) {
		vla_param *p = ps->p[i];
		if (p->packed)
			vla_packed_free(p->packed);
		free(p->converted);
		free(p->owned);
		free(p->name);
		free(p);
	}
	free(ps->p);
	free(ps->values);
	free(ps->grads);
	*ps = (vla_params){ 0 };
}

void vla_params_unpack(vla_params *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->p[i]->packed)
			vla_packed_free(ps->p[i]->packed);
		ps->p[i]->packed = NULL;
	}
	ps->version++;
}

void vla_params_zero_grad(vla_params *ps)
{
	if (ps->total)
		memset(ps->grads, 0, ps->total * sizeof *ps->grads);
}

static void convert(const vla_param *p, float *out)
{
	const char *raw = p->raw;
	size_t size = vla_dtype_size(p->raw_dtype);
	for (size_t i = 0; i < p->n; i++, raw += size) {
		uint16_t h = 0;
		double d;
		switch (p->raw_dtype) {
		case VLA_F16:
			memcpy(&h, raw, sizeof h);
			out[i] = vla_f16_to_f32(h);
			break;
		case VLA_BF16:
			memcpy(&h, raw, sizeof h);
			out[i] = vla_bf16_to_f32(h);
			break;
		case VLA_F64:
			memcpy(&d, raw, sizeof d);
			out[i] = (float)d;
			break;
		default: // f32 at an odd address
			memcpy(&out[i], raw, sizeof out[i]);
		}
	}
}

vla_status vla_param_load(vla_param *p, vla_err *err)
{
	if (p->value)
		return VLA_OK;
	if (!p->raw)
		return vla_fail(err, VLA_EINVAL, "parameter '%s' has no values", p->name);
	if (p->raw_dtype == VLA_F32 && (uintptr_t)p->raw % sizeof(float) == 0) {
		p->value = (float *)(uintptr_t)p->raw; // read-only by contract until vla_params_own
		return VLA_OK;
	}
	if (p->raw_dtype != VLA_F32 && p->raw_dtype != VLA_F16 && p->raw_dtype != VLA_BF16 && p->raw_dtype != VLA_F64)
		return vla_fail(err, VLA_EUNSUPPORTED, "parameter '%s' is stored as %s", p->name,
				vla_dtype_name(p->raw_dtype));
	float *v = vla_alloc(p->n, sizeof *v);
	if (!v)
		return vla_nomem(err);
	convert(p, v);
	p->converted = p->value = v;
	return VLA_OK;
}

float *vla_param_f32(vla_param *p)
{
	return vla_param_load(p, NULL) == VLA_OK ? p->value : NULL;
}

static bool in_block(const vla_params *ps, const float *v)
{
	return ps->values && v >= ps->values && v < ps->values + ps->total;
}

// Memory of p's own for its value: for buffers, which training writes, and for those that leave the old block.
static bool needs_copy(const vla_params *ps, const vla_param *p)
{
	bool writable = p->value == p->converted || p->value == p->owned;
	return p->n && (in_block(ps, p->value) || (p->buffer && !writable));
}

static void adopt(vla_param *p, float *value, float *grad, float *own)
{
	memcpy(own ? own : value, p->value, p->n * sizeof(float));
	free(p->converted);
	free(p->owned);
	p->owned = NULL;
	p->converted = own;
	p->value = own ? own : value;
	p->grad = grad;
	p->raw = NULL; // out of date from the first update on
}

static bool in_training(const vla_param *p)
{
	return p->trainable && !p->buffer;
}

static vla_status count_floats(vla_params *ps, size_t *total, vla_err *err)
{
	*total = 0;
	for (size_t i = 0; i < ps->n; i++) {
		vla_param *p = ps->p[i];
		if (!in_training(p) && !p->buffer && !in_block(ps, p->value))
			continue;
		VLA_TRY(vla_param_load(p, err));
		size_t n = (p->n + ALIGN - 1) / ALIGN * ALIGN;
		if (in_training(p) && __builtin_add_overflow(*total, n, total))
			return vla_nomem(err);
	}
	return VLA_OK;
}

vla_status vla_params_own(vla_params *ps, vla_err *err)
{
	size_t total;
	VLA_TRY(count_floats(ps, &total, err));
	float *values = total ? vla_alloc(total, sizeof *values) : NULL;
	float *grads = total ? vla_alloc(total, sizeof *grads) : NULL;
	float **own = vla_zalloc(ps->n, sizeof *own);
	bool enough = own && (!total || (values && grads));
	for (size_t i = 0; enough && i < ps->n; i++)
		if (!in_training(ps->p[i]) && needs_copy(ps, ps->p[i]))
			enough = (own[i] = vla_alloc(ps->p[i]->n, sizeof **own)) != NULL;
	if (!enough) {
		for (size_t i = 0; own && i < ps->n; i++)
			free(own[i]);
		free(own);
		free(values);
		free(grads);
		return vla_nomem(err);
	}
	if (total) {
		memset(values, 0, total * sizeof *values); // the gaps between parameters stay 0 for good
		memset(grads, 0, total * sizeof *grads);
	}
	size_t at = 0;
	for (size_t i = 0; i < ps->n; i++) {
		vla_param *p = ps->p[i];
		if (in_training(p)) {
			adopt(p, values + at, grads + at, NULL);
			at += (p->n + ALIGN - 1) / ALIGN * ALIGN;
		} else if (own[i]) {
			adopt(p, NULL, NULL, own[i]);
		}
	}
	free(own);
	free(ps->values);
	free(ps->grads);
	ps->values = values;
	ps->grads = grads;
	ps->total = total;
	vla_params_unpack(ps);
	return VLA_OK;
}
