/* Manifests: a TSV with a header line, or JSON Lines, with one row for each picture or for each caption of a picture. */
#include "train/data.h"

#include "io/table.h"

#include <errno.h>

// The columns that a recipe's list of names finds in this table.
typedef struct columns {
	char **name;
	size_t n;
} columns;

struct reader {
	vla_corpus *c;
	vla_data *d;
	const char *kind;
	char *folder; // of the pictures
	columns file, caption, label, where;
	const char *row_column, *synonyms;
	uint64_t row_offset, limit, line;
	vla_table_row *row;
	vla_err *err;
};

static vla_status get_columns(const struct reader *m, const char *key, columns *out)
{
	return vla_split_list(vla_recipe_text(m->c->recipe, m->kind, m->d->sec, key), ',', &out->name, &out->n, m->err);
}

static const char *cell(const struct reader *m, const char *column)
{
	return vla_table_cell(m->row, column);
}

// The first of the listed columns that this row has with a value.
static const char *first_cell(const struct reader *m, const columns *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const char *s = cell(m, c->name[i]);
		if (s && *s)
			return s;
	}
	return "";
}

static bool one_of(const char *list, const char *value)
{
	size_t nv = strlen(value);
	for (const char *p = list;;) {
		size_t n = strcspn(p, "|");
		if (n == nv && !memcmp(p, value, n))
			return true;
		if (!p[n])
			return false;
		p += n + 1;
	}
}

// All conditions COLUMN=A|B and COLUMN!=A|B hold.
static vla_status row_taken(const struct reader *m, bool *take)
{
	*take = true;
	for (size_t i = 0; i < m->where.n && *take; i++) {
		const char *s = m->where.name[i], *eq = strchr(s, '=');
		char column[128];
		size_t n = eq ? (size_t)(eq - s) : 0;
		bool not = n && s[n - 1] == '!';
		n -= not;
		if (!n || n >= sizeof column)
			return vla_fail(m->err, VLA_EFORMAT, "where is COLUMN=VALUE, not '%.60s'", s);
		memcpy(column, s, n);
		column[n] = 0;
		const char *value = cell(m, column);
		if (!value)
			return vla_fail(m->err, VLA_EFORMAT, "where: there is no column '%s'", column);
		*take = one_of(eq + 1, value) != not;
	}
	return VLA_OK;
}

static vla_status add_names(const struct reader *m, vla_example *e)
{
	for (size_t i = 0; i < m->d->columns; i++) {
		const char *text = cell(m, m->d->column[i].name);
		if (!text || !*text)
			continue;
		if (!*m->synonyms) {
			VLA_TRY(vla_data_add_name(m->d, e, text, (uint32_t)i, m->err));
			continue;
		}
		char **part;
		size_t n;
		VLA_TRY(vla_split_list(text, *m->synonyms, &part, &n, m->err));
		vla_status s = VLA_OK;
		for (size_t k = 0; k < n && s == VLA_OK; k++)
			s = vla_data_add_name(m->d, e, part[k], (uint32_t)i, m->err);
		free(part);
		VLA_TRY(s);
	}
	vla_data_share_names(m->d, e);
	return VLA_OK;
}

static vla_status add_tensor_row(const struct reader *m, vla_example *e)
{
	uint64_t row = m->line - 1;
	if (*m->row_column) {
		const char *s = cell(m, m->row_column);
		char *end;
		errno = 0;
		row = s ? strtoull(s, &end, 10) : 0;
		if (!s || end == s || *end || errno)
			return vla_fail(m->err, VLA_EFORMAT, "column '%s' holds no row number", m->row_column);
	}
	return vla_data_add_vector(m->d, e, row + m->row_offset, m->err);
}

static vla_status add_row(const struct reader *m)
{
	vla_data *d = m->d;
	const char *file = first_cell(m, &m->file);
	char number[32];
	snprintf(number, sizeof number, "%llu", (unsigned long long)m->line);
	vla_example *e;
	bool fresh;
	if (m->limit && d->n >= m->limit && vla_intern_find(&d->ids, *file ? file : number) == UINT32_MAX)
		return VLA_OK;
	VLA_TRY(vla_data_example(d, *file ? file : number, &fresh, &e, m->err));
	if (fresh) {
		VLA_TRY(vla_data_set_label(m->c, d, e, first_cell(m, &m->label), m->err));
		VLA_TRY(add_names(m, e));
		if (d->rows)
			VLA_TRY(add_tensor_row(m, e));
	}
	// Pictures beside a stream of features are not opened.
	if (fresh && *file && !d->rows && !vla_recipe_given(m->c->recipe, m->kind, d->sec, "features")) {
		char *path = *file == '/' ? vla_strdup(file) : vla_format("%s/%s", m->folder, file);
		vla_status s = path ? vla_data_add_picture(d, e, path, 0, 0, m->err) : vla_nomem(m->err);
		free(path);
		VLA_TRY(s);
	}
	for (size_t i = 0; i < m->caption.n; i++)
		for (size_t k = 0;; k++) {
			const char *text = vla_table_item(m->row, m->caption.name[i], k);
			if (!text)
				break;
			VLA_TRY(vla_data_add_text(d, e, text, m->err));
		}
	return VLA_OK;
}

static vla_status read_rows(struct reader *m, const char *path)
{
	vla_table *t;
	VLA_TRY(vla_table_open(path, &t, m->err));
	vla_status s;
	while ((s = vla_table_next(t, &m->row, m->err)) == VLA_OK) {
		bool take;
		m->line++;
		s = row_taken(m, &take);
		if (s == VLA_OK && take)
			s = add_row(m);
		if (s != VLA_OK)
			break;
	}
	vla_table_close(t);
	return s == VLA_EOF ? VLA_OK : s;
}

static char *parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? vla_strndup(path, (size_t)(slash - path) + (slash == path)) : vla_strdup(".");
}

vla_status vla_data_read_manifest(vla_corpus *c, const char *kind, vla_data *d, vla_err *err)
{
	const vla_recipe *r = c->recipe;
	struct reader m = { .c = c, .d = d, .kind = kind, .row_column = "", .synonyms = "", .err = err };
	char *path = vla_recipe_path(r, d->root, vla_recipe_text(r, kind, d->sec, "manifest"));
	const char *images = vla_recipe_text(r, kind, d->sec, "images");
	if (path)
		m.folder = *images ? vla_recipe_path(r, d->root, images) : parent(path);
	m.limit = (uint64_t)vla_recipe_int(r, kind, d->sec, "limit");
	if (!strcmp(kind, "data")) {
		m.row_column = vla_recipe_text(r, kind, d->sec, "row");
		m.synonyms = vla_recipe_text(r, kind, d->sec, "synonyms");
		m.row_offset = (uint64_t)vla_recipe_int(r, kind, d->sec, "row_offset");
	}
	vla_status s = m.folder ? get_columns(&m, "file", &m.file) : vla_nomem(err);
	if (s == VLA_OK)
		s = get_columns(&m, "caption", &m.caption);
	if (s == VLA_OK)
		s = get_columns(&m, "label", &m.label);
	if (s == VLA_OK)
		s = get_columns(&m, "where", &m.where);
	if (s == VLA_OK)
		s = read_rows(&m, path);
	free(m.file.name);
	free(m.caption.name);
	free(m.label.name);
	free(m.where.name);
	free(m.folder);
	free(path);
	return s;
}
