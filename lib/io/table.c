/* TSV and JSON Lines. Both end up as one text buffer and a list of (name, value) positions in it, so callers see no
 * difference. */
#include "io/table.h"
#include "io/file.h"
#include "io/json.h"

#include <errno.h>

#define MAX_COLUMNS 4096

struct field {
	size_t name, value; // positions in text
	bool present;
};

struct vla_table {
	FILE *f;
	char *path;
	vla_table_format format;
	vla_buf line;
	size_t number;
	bool ahead;          // line was read to tell the format, and is still to be given
	vla_buf head;        // names of the columns (TSV), NUL-terminated, one after the other
	vla_buf text;        // values, for JSON Lines names too
	struct field *field; // [nfields]
	size_t nfields, fields_cap;
	size_t ncolumns; // TSV
};

static vla_status bad_row(const vla_table *t, vla_err *err, const char *what)
{
	return vla_fail(err, VLA_EFORMAT, "%s:%zu: %s", t->path, t->number, what);
}

static vla_status add_field(vla_table *t, size_t name, size_t value, bool present, vla_err *err)
{
	if (t->nfields == t->fields_cap) {
		size_t cap = t->fields_cap ? 2 * t->fields_cap : 16;
		struct field *p = vla_realloc(t->field, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		t->field = p;
		t->fields_cap = cap;
	}
	t->field[t->nfields++] = (struct field){ name, value, present };
	return VLA_OK;
}

// The next line without its end, NUL-terminated; memory is bounded.
static vla_status read_line(vla_table *t, vla_err *err)
{
	vla_buf *b = &t->line;
	int c;
	if (t->ahead) {
		t->ahead = false;
		return VLA_OK;
	}
	b->n = 0;
	t->number++;
	while ((c = getc_unlocked(t->f)) != EOF && c != '\n') {
		if (b->n + 1 >= b->cap)
			VLA_TRY(vla_buf_reserve(b, 2, err));
		b->data[b->n++] = (char)c;
		if (b->n > VLA_TABLE_MAX_LINE)
			return vla_fail(err, VLA_EUNSUPPORTED, "%s:%zu: line is over %zu bytes", t->path, t->number,
					VLA_TABLE_MAX_LINE);
	}
	if (c == EOF && ferror(t->f))
		return vla_fail(err, VLA_EIO, "cannot read '%s': %s", t->path, strerror(errno));
	if (c == EOF && b->n == 0)
		return VLA_EOF;
	VLA_TRY(vla_buf_reserve(b, 1, err));
	if (b->n && b->data[b->n - 1] == '\r')
		b->n--;
	b->data[b->n] = 0;
	if (t->number == 1 && b->n >= 3 && memcmp(b->data, "\xef\xbb\xbf", 3) == 0) {
		memmove(b->data, b->data + 3, b->n - 2);
		b->n -= 3;
	}
	return VLA_OK;
}

void vla_tsv_unescape(char *s)
{
	char *out = strchr(s, '\\');
	if (!out)
		return;
	for (s = out; *s; s++) {
		char c = *s;
		if (c == '\\' && s[1] && strchr("tnr\\", s[1])) {
			s++;
			c = *s == 't' ? '\t' : *s == 'n' ? '\n' : *s == 'r' ? '\r' : '\\';
		}
		*out++ = c;
	}
	*out = 0;
}

static vla_status check_names(const vla_table *t, vla_err *err)
{
	for (size_t i = 0; i < t->ncolumns; i++) {
		const char *name = vla_table_name(t, i);
		if (!*name)
			return vla_fail(err, VLA_EFORMAT, "'%s': column %zu has no name", t->path, i + 1);
		for (size_t j = 0; j < i; j++)
			if (strcmp(name, vla_table_name(t, j)) == 0)
				return vla_fail(err, VLA_EFORMAT, "'%s': two columns are called '%s'", t->path, name);
	}
	return VLA_OK;
}

static vla_status read_head(vla_table *t, vla_err *err)
{
	vla_status s = read_line(t, err);
	if (s == VLA_EOF || (s == VLA_OK && t->line.n == 0))
		return vla_fail(err, VLA_EFORMAT, "'%s' has no header line", t->path);
	VLA_TRY(s);
	if (memchr(t->line.data, 0, t->line.n))
		return vla_fail(err, VLA_EFORMAT, "'%s' is no text: its first line holds a NUL byte", t->path);
	for (char *p = t->line.data, *next; p; p = next) {
		next = strchr(p, '\t');
		if (next)
			*next++ = 0;
		vla_tsv_unescape(p);
		if (t->ncolumns == MAX_COLUMNS)
			return vla_fail(err, VLA_EFORMAT, "'%s' has over %d columns", t->path, MAX_COLUMNS);
		VLA_TRY(add_field(t, t->head.n, 0, false, err));
		VLA_TRY(vla_buf_add(&t->head, p, strlen(p) + 1, err));
		t->ncolumns++;
	}
	return check_names(t, err);
}

static vla_status guess_format(vla_table *t, vla_err *err)
{
	vla_status s = read_line(t, err);
	t->ahead = s == VLA_OK;
	t->format = t->ahead && t->line.data[0] == '{' ? VLA_TABLE_JSONL : VLA_TABLE_TSV;
	return s == VLA_EOF ? VLA_OK : s;
}

vla_status vla_table_open(const char *path, vla_table_format format, vla_table **out, vla_err *err)
{
	vla_table *t = vla_zalloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	t->format = format;
	t->path = vla_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
	vla_status s = t->path ? vla_infile_open(path, &t->f, err) : vla_nomem(err);
	if (s == VLA_OK && format == VLA_TABLE_AUTO)
		s = guess_format(t, err);
	if (s == VLA_OK && t->format == VLA_TABLE_TSV)
		s = read_head(t, err);
	if (s != VLA_OK) {
		vla_table_close(t);
		return s;
	}
	*out = t;
	return VLA_OK;
}

void vla_table_close(vla_table *t)
{
	if (!t)
		return;
	vla_infile_close(t->f);
	vla_buf_release(&t->line);
	vla_buf_release(&t->head);
	vla_buf_release(&t->text);
	free(t->field);
	free(t->path);
	free(t);
}

static vla_status split_tsv(vla_table *t, vla_err *err)
{
	size_t n = 0;
	t->text.n = 0;
	VLA_TRY(vla_buf_add(&t->text, t->line.data, t->line.n + 1, err));
	char *base = t->text.data;
	for (char *p = base, *next; p; p = next, n++) {
		next = strchr(p, '\t');
		if (next)
			*next++ = 0;
		vla_tsv_unescape(p);
		if (n < t->ncolumns) {
			t->field[n].value = (size_t)(p - base);
			t->field[n].present = true;
		}
	}
	if (n != t->ncolumns) {
		char what[80];
		snprintf(what, sizeof what, "%zu fields, the header has %zu", n, t->ncolumns);
		return bad_row(t, err, what);
	}
	t->nfields = n;
	return VLA_OK;
}

static vla_status add_json(vla_table *t, json_t *v, vla_err *err)
{
	if (json_is_string(v))
		return vla_buf_add(&t->text, json_string_value(v), json_string_length(v) + 1, err);
	if (json_is_boolean(v))
		return vla_buf_add(&t->text, json_is_true(v) ? "true" : "false", json_is_true(v) ? 5 : 6, err);
	char *s = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!s)
		return vla_nomem(err);
	vla_status st = vla_buf_add(&t->text, s, strlen(s) + 1, err);
	free(s);
	return st;
}

static vla_status split_object(vla_table *t, json_t *row, vla_err *err)
{
	const char *key;
	json_t *v;
	t->text.n = t->nfields = 0;
	json_object_foreach(row, key, v)
	{
		size_t name = t->text.n;
		VLA_TRY(vla_buf_add(&t->text, key, strlen(key) + 1, err));
		VLA_TRY(add_field(t, name, t->text.n, !json_is_null(v), err));
		VLA_TRY(add_json(t, v, err));
	}
	return VLA_OK;
}

static vla_status split_json(vla_table *t, vla_err *err)
{
	json_t *row;
	vla_err why = VLA_ERR_INIT;
	t->nfields = 0;
	vla_status s = vla_json_parse(t->line.data, t->line.n, JSON_REJECT_DUPLICATES, &row, &why);
	if (s == VLA_ENOMEM)
		return vla_nomem(err);
	if (s != VLA_OK) { // the message counts lines of its own: there is one
		const char *text = strstr(why.msg, ": ");
		return bad_row(t, err, text ? text + 2 : why.msg);
	}
	s = json_is_object(row) ? split_object(t, row, err) : bad_row(t, err, "not a JSON object");
	json_decref(row);
	return s;
}

vla_status vla_table_next(vla_table *t, vla_err *err)
{
	do
		VLA_TRY(read_line(t, err));
	while (t->line.n == 0);
	if (t->format == VLA_TABLE_JSONL)
		return split_json(t, err);
	t->nfields = 0;
	if (memchr(t->line.data, 0, t->line.n))
		return bad_row(t, err, "line holds a NUL byte");
	return split_tsv(t, err);
}

size_t vla_table_fields(const vla_table *t)
{
	return t->nfields;
}

const char *vla_table_name(const vla_table *t, size_t i)
{
	if (i >= t->nfields)
		return NULL;
	return (t->format == VLA_TABLE_TSV ? t->head.data : t->text.data) + t->field[i].name;
}

const char *vla_table_value(const vla_table *t, size_t i)
{
	return i < t->nfields && t->field[i].present ? t->text.data + t->field[i].value : NULL;
}

const char *vla_table_get(const vla_table *t, const char *name)
{
	for (size_t i = 0; i < t->nfields; i++)
		if (strcmp(vla_table_name(t, i), name) == 0)
			return vla_table_value(t, i);
	return NULL;
}

bool vla_table_has(const vla_table *t, const char *name)
{
	if (t->format == VLA_TABLE_JSONL)
		return true;
	for (size_t i = 0; i < t->ncolumns; i++)
		if (strcmp(t->head.data + t->field[i].name, name) == 0)
			return true;
	return false;
}

size_t vla_table_line(const vla_table *t)
{
	return t->number;
}
