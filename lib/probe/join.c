/* A second table about the same pictures, held in memory: splits and classes often live apart from captions. */
#include "probe/probe.h"

#include "train/intern.h"

struct vla_join {
	vla_intern image, value;
	char **column; // [columns]
	size_t columns, rows_cap;
	uint32_t *cell; // [images, columns] number of the value + 1; 0: absent
};

static vla_status add_columns(vla_join *j, const vla_table *t, vla_err *err)
{
	j->column = vla_zalloc(vla_table_fields(t), sizeof *j->column);
	if (!j->column)
		return vla_nomem(err);
	for (size_t i = 0; i < vla_table_fields(t); i++) {
		j->column[i] = vla_strdup(vla_table_name(t, i));
		if (!j->column[i])
			return vla_nomem(err);
		j->columns++;
	}
	return VLA_OK;
}

static vla_status add_row(vla_join *j, vla_rows *r, vla_err *err)
{
	const char *image = vla_rows_get(r, "image");
	uint32_t at, value;
	if (!image) {
		vla_rows_warn(r, "no picture");
		return VLA_OK;
	}
	VLA_TRY(vla_intern_add(&j->image, image, &at, err));
	if (at >= j->rows_cap) {
		size_t cap = j->rows_cap ? 2 * j->rows_cap : 256;
		uint32_t *more = vla_realloc(j->cell, cap, j->columns * sizeof *more);
		if (!more)
			return vla_nomem(err);
		memset(more + j->rows_cap * j->columns, 0, (cap - j->rows_cap) * j->columns * sizeof *more);
		j->cell = more;
		j->rows_cap = cap;
	}
	for (size_t i = 0; i < j->columns; i++) {
		const char *s = vla_table_get(r->t, j->column[i]);
		if (!s)
			continue;
		VLA_TRY(vla_intern_add(&j->value, s, &value, err));
		j->cell[at * j->columns + i] = value + 1;
	}
	return VLA_OK;
}

vla_status vla_join_open(vla_probe *p, const char *path, vla_join **out, vla_err *err)
{
	vla_probe plain = *p;
	vla_probe_opts o = *p->o;
	vla_rows r = { 0 };
	vla_join *j = vla_zalloc(1, sizeof *j);
	if (!j)
		return vla_nomem(err);
	o.wheres = 0; // conditions are for the joined rows
	plain.o = &o;
	plain.join = NULL;
	vla_status s = vla_rows_open(&plain, path, NULL, &r, err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "image", err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		if (!j->column)
			s = add_columns(j, r.t, err);
		if (s == VLA_OK)
			s = add_row(j, &r, err);
	}
	vla_rows_close(&r);
	if (s != VLA_EOF) {
		vla_join_close(j);
		return s;
	}
	*out = j;
	return VLA_OK;
}

void vla_join_close(vla_join *j)
{
	if (!j)
		return;
	vla_intern_release(&j->image);
	vla_intern_release(&j->value);
	vla_texts_free(j->column, j->columns);
	free(j->cell);
	free(j);
}

bool vla_join_has(const vla_join *j, const char *column)
{
	for (size_t i = 0; i < j->columns; i++)
		if (strcmp(j->column[i], column) == 0)
			return true;
	return false;
}

const char *vla_join_get(const vla_join *j, const char *image, const char *column)
{
	uint32_t at = vla_intern_find(&j->image, image);
	for (size_t i = 0; at != UINT32_MAX && i < j->columns; i++)
		if (strcmp(j->column[i], column) == 0) {
			uint32_t v = j->cell[at * j->columns + i];
			return v ? j->value.text[v - 1] : NULL;
		}
	return NULL;
}
