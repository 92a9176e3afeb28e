#include "streams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static float number(unsigned i, unsigned j)
{
	return (float)((int)((i * 37 + j * 11) % 41) - 20) / 16;
}

void sample_make(sample *s, vla_kind kind, uint32_t dim, unsigned i)
{
	vla_rec *r = &s->rec;
	*r = (vla_rec)VLA_REC_INIT;
	snprintf(s->id, sizeof s->id, "photos/%u.jpg#xywh=%u,0,8,8", i, i);
	r->id = s->id;
	r->rows = kind == VLA_DENSE ? 1 : i % 4; // 0 rows are legal
	size_t width = kind == VLA_SPARSE ? 1 : dim;
	for (unsigned j = 0; j < r->rows * width; j++) {
		s->data[j] = number(i, j);
		s->index[j] = i + 2 * j;
	}
	r->data = s->data;
	if (kind == VLA_SPARSE)
		r->index = s->index;
	if (kind == VLA_TOKENS && i % 4 == 2) {
		r->grid_h = 1;
		r->grid_w = 2;
	}
	if (i % 2) {
		snprintf(s->caption, sizeof s->caption, "%s", i % 3 ? "two dogs on \xe9\x9b\xaa" : "");
		r->caption = s->caption;
	}
	if (i % 3 == 1) {
		snprintf(s->label, sizeof s->label, "class %u", i);
		r->label = s->label;
		s->time[0] = i;
		s->time[1] = i + 0.1;
		r->time = s->time;
	}
	if (i % 3 == 2) {
		for (unsigned j = 0; j < 4; j++)
			s->box[j] = (float)j + 0.5f;
		r->box = s->box;
	}
}

vla_status sample_write(const char *path, const vla_header *h, unsigned n, vla_err *err)
{
	vla_writer *w;
	vla_status s = vla_writer_open(path, h, &w, err);
	if (s != VLA_OK)
		return s;
	for (unsigned i = 0; s == VLA_OK && i < n; i++) {
		sample x;
		sample_make(&x, h->kind, h->dim, i);
		s = vla_writer_put(w, &x.rec, err);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, err);
	vla_writer_close(w);
	return s;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool sample_equal(const vla_rec *got, vla_kind kind, uint32_t dim, unsigned i, float tol)
{
	sample x;
	sample_make(&x, kind, dim, i);
	const vla_rec *want = &x.rec;
	if (!same_text(got->id, want->id) || !same_text(got->caption, want->caption) ||
	    !same_text(got->label, want->label))
		return false;
	if (got->rows != want->rows || got->grid_h != want->grid_h || got->grid_w != want->grid_w)
		return false;
	if (!got->box != !want->box || (got->box && memcmp(got->box, want->box, sizeof x.box) != 0))
		return false;
	if (!got->time != !want->time || (got->time && memcmp(got->time, want->time, sizeof x.time) != 0))
		return false;
	for (size_t j = 0; j < want->rows * (kind == VLA_SPARSE ? 1 : dim); j++)
		if (!(fabsf(got->data[j] - want->data[j]) <= tol * 1.25f))
			return false;
	return kind != VLA_SPARSE || !want->rows || memcmp(got->index, want->index, want->rows * 4) == 0;
}
