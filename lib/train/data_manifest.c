/* Manifests: a TSV with a header line, or JSON Lines, with one row for each picture or for each caption of a picture.
 */
#include "train/data.h"

#include "io/table.h"

#include <errno.h>
#include <jansson.h>

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
	vla_table *table;
	vla_err *err;
};

static vla_status get_columns(const struct reader *m, const char *key, columns *out)
{
	return vla_split_list(vla_recipe_text(m->c->recipe, m->kind, m->d->sec, key), ',', &out->name, &out->n, m->err);
}

static const char *cell(const struct reader *m, const char *column)
{
	return vla_table_get(m->table, column);
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
		n -= not ;
		if (!n || n >= sizeof column)
			return vla_fail(m->err, VLA_EFORMAT, "where is COLUMN=VALUE, not '%.60s'", s);
		memcpy(column, s, n);
		column[n] = 0;
		const char *value = cell(m, column);
		if (!value)
			return vla_fail(m->err, VLA_EFORMAT, "where: there is no column '%s'", column);
		*take = one_of(eq + 1, value) != not ;
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

// One text, or a JSON list of texts.
static vla_status add_captions(const struct reader *m, vla_example *e, const char *value)
{
	json_error_t je;
	json_t *list = value && *value == '[' ? json_loads(value, 0, &je) : NULL;
	if (value && *value == '[' && !list && json_error_code(&je) == json_error_out_of_memory)
		return vla_nomem(m->err);
	vla_status s = VLA_OK;
	if (!json_is_array(list))
		s = value ? vla_data_add_text(m->d, e, value, m->err) : VLA_OK;
	for (size_t i = 0; s == VLA_OK && i < json_array_size(list); i++)
		if (json_is_string(json_array_get(list, i)))
			s = vla_data_add_text(m->d, e, json_string_value(json_array_get(list, i)), m->err);
	json_decref(list);
	return s;
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
		VLA_TRY(vla_data_set_label(m->c, e, first_cell(m, &m->label), m->err));
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
		VLA_TRY(add_captions(m, e, cell(m, m->caption.name[i])));
	return VLA_OK;
}

// Columns that the recipe names, not only the usual ones, must be there.
static vla_status check_columns(const struct reader *m)
{
	static const char *const key[] = { "file", "caption", "label", "names" };
	for (int i = 0; i < 4; i++) {
		if (!vla_recipe_given(m->c->recipe, m->kind, m->d->sec, key[i]))
			continue;
		columns c;
		VLA_TRY(get_columns(m, key[i], &c));
		vla_status s = VLA_OK;
		for (size_t k = 0; k < c.n && s == VLA_OK; k++)
			if (!vla_table_has(m->table, c.name[k]))
				s = vla_recipe_fail(m->c->recipe, m->kind, m->d->sec, key[i], m->err,
						    "there is no column '%s'", c.name[k]);
		free(c.name);
		VLA_TRY(s);
	}
	return VLA_OK;
}

static vla_status read_rows(struct reader *m, const char *path)
{
	VLA_TRY(vla_table_open(path, VLA_TABLE_AUTO, &m->table, m->err));
	vla_status s = check_columns(m);
	while (s == VLA_OK && (s = vla_table_next(m->table, m->err)) == VLA_OK) {
		bool take;
		m->line++;
		s = row_taken(m, &take);
		if (s == VLA_OK && take)
			s = add_row(m);
	}
	vla_table_close(m->table);
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
