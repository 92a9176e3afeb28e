/* Weights of a model: from checkpoint tensors to parameters and back. Tensors whose stored bytes serve as they are stay
 * in the mapping; the others (convolutions of upstream layouts, i8 with scales) are converted when their tower is first
 * used, so that a text query reads no image weights. */
#include "model/model.h"

#include <math.h>

static const char *shape_text(char *buf, size_t n, unsigned ndim, const size_t *dim)
{
	size_t at = (size_t)snprintf(buf, n, "[");
	for (unsigned i = 0; i < ndim && at < n; i++)
		at += (size_t)snprintf(buf + at, n - at, "%s%zu", i ? ", " : "", dim[i]);
	if (at < n)
		snprintf(buf + at, n - at, "]");
	return buf;
}

static vla_status check_shape(const vla_ct *t, const vla_param *p, vla_layout layout, vla_err *err)
{
	size_t dim[VLA_TENSOR_DIMS + 2];
	unsigned ndim = vla_layout_shape(layout, p, dim);
	bool same = t->ndim == ndim;
	for (unsigned i = 0; same && i < ndim; i++)
		same = t->dim[i] == dim[i];
	if (same || (t->n == 1 && p->n == 1))
		return VLA_OK;
	char want[96], got[96];
	return vla_fail(err, VLA_EFORMAT, "tensor '%s' has the shape %s; expected %s", t->name,
			shape_text(got, sizeof got, t->ndim, t->dim), shape_text(want, sizeof want, ndim, dim));
}

static vla_status check_dtype(const vla_checkpoint *ckpt, const vla_ct *t, const vla_ct **scale, vla_err *err)
{
	*scale = NULL;
	if (t->dtype == VLA_F32 || t->dtype == VLA_F16 || t->dtype == VLA_BF16 || t->dtype == VLA_F64)
		return VLA_OK;
	if (t->dtype != VLA_I8)
		return vla_fail(err, VLA_EUNSUPPORTED, "tensor '%s' is stored as %s", t->name,
				vla_dtype_name(t->dtype));
	char *name = vla_format("%s.scale", t->name);
	if (!name)
		return vla_nomem(err);
	*scale = vla_checkpoint_get(ckpt, name);
	free(name);
	if (!*scale || t->ndim < 1 || (*scale)->dtype != VLA_F32 || (*scale)->n != t->dim[0])
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' is i8 without '%s.scale' of one f32 a row", t->name,
				t->name);
	return VLA_OK;
}

vla_status vla_model_find_tensor(const vla_model *m, const vla_checkpoint *ckpt, const vla_param *p, vla_binding *out,
				 vla_err *err)
{
	char name[256];
	const char *prefix = m->family->prefix;
	*out = (vla_binding){ .p = (vla_param *)(uintptr_t)p };
	if (!vla_family_stored_name(m->family, &m->arch, p->name, name, sizeof name, &out->layout))
		return vla_fail(err, VLA_EUNSUPPORTED, "family %s has no name for '%s'", m->family->name, p->name);
	out->t = vla_checkpoint_get(ckpt, name);
	if (!out->t && prefix && strncmp(name, prefix, strlen(prefix)) == 0)
		out->t = vla_checkpoint_get(ckpt, name + strlen(prefix));
	if (!out->t)
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' is missing", name);
	VLA_TRY(check_shape(out->t, p, out->layout, err));
	return check_dtype(ckpt, out->t, &out->scale, err);
}

// Whether the stored bytes are in engine layout.
static bool direct(const vla_binding *b)
{
	if (b->t->dtype == VLA_I8)
		return false;
	const size_t *d = b->p->dim;
	return !vla_layout_moves(b->layout) || (b->layout == VLA_LAYOUT_CONV && d[1] * d[2] == 1);
}

// The stored tensor, or the rows of it that are the parameter's.
static vla_ct own_rows(const vla_binding *b)
{
	vla_ct t = *b->t;
	unsigned k, parts = vla_layout_parts(b->layout, &k);
	t.n /= parts;
	t.bytes /= parts;
	t.data = (const char *)t.data + k * t.bytes;
	if (parts > 1)
		t.dim[0] /= parts;
	return t;
}

vla_status vla_model_bind(vla_model *m, vla_err *err)
{
	m->binding = vla_zalloc(m->params.n, sizeof *m->binding);
	if (!m->binding)
		return vla_nomem(err);
	for (size_t i = 0; i < m->params.n; i++) {
		vla_binding *b = &m->binding[i];
		VLA_TRY(vla_model_find_tensor(m, m->ckpt, m->params.p[i], b, err));
		m->nbindings++;
		b->pending = !direct(b);
		if (!b->pending) {
			b->p->raw = own_rows(b).data;
			b->p->raw_dtype = b->t->dtype;
		}
	}
	return VLA_OK;
}

// Moves [n, c, k] (stored) to [n, k, c] (used), or back.
static void swap_last(const float *x, float *y, size_t n, size_t c, size_t k)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < k; j++)
			for (size_t h = 0; h < c; h++)
				y[(i * k + j) * c + h] = x[(i * c + h) * k + j];
}

static void from_stored(const vla_binding *b, const float *x, float *y)
{
	const size_t *d = b->p->dim;
	if (b->layout == VLA_LAYOUT_CONV)
		swap_last(x, y, d[0], d[3], d[1] * d[2]);
	else if (b->layout == VLA_LAYOUT_TRANSPOSE)
		swap_last(x, y, 1, d[1], d[0]);
	else
		swap_last(x, y, 1, d[2], d[0] * d[1]);
}

static vla_status convert(vla_binding *b, vla_err *err)
{
	size_t n = b->p->n;
	float *x = vla_alloc(n, sizeof *x), *y = NULL;
	if (vla_layout_moves(b->layout))
		y = vla_alloc(n, sizeof *y);
	if (!x || (!y && vla_layout_moves(b->layout))) {
		free(x);
		free(y);
		return vla_nomem(err);
	}
	vla_ct t = own_rows(b);
	vla_status st = vla_ct_to_f32(&t, x, err);
	if (st == VLA_OK && b->scale) {
		unsigned k;
		vla_layout_parts(b->layout, &k);
		const unsigned char *s = (const unsigned char *)b->scale->data + k * t.dim[0] * sizeof(float);
		size_t row = t.dim[0] ? n / t.dim[0] : 0;
		for (size_t i = 0; i < n; i++) {
			float scale;
			memcpy(&scale, s + i / row * sizeof scale, sizeof scale);
			x[i] *= scale;
		}
	}
	if (st == VLA_OK && y) {
		from_stored(b, x, y);
		free(x);
		x = y;
	}
	if (st != VLA_OK) {
		free(x);
		free(y);
		return st;
	}
	b->p->owned = b->p->value = x;
	b->pending = false;
	return VLA_OK;
}

vla_status vla_model_ensure(vla_model *m, const char *prefix, vla_err *err)
{
	for (size_t i = 0; i < m->nbindings; i++)
		if (m->binding[i].pending && strncmp(m->binding[i].p->name, prefix, strlen(prefix)) == 0)
			VLA_TRY(convert(&m->binding[i], err));
	return VLA_OK;
}
