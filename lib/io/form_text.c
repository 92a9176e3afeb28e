/* Vectors as text: TSV and JSON Lines, read through the table reader, so that both have one parser of number lists. */
#include "io/convert.h"
#include "io/table.h"

#include <math.h>

void vla_write_tsv(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '\t': fputs("\\t", f); break;
		case '\n': fputs("\\n", f); break;
		case '\r': fputs("\\r", f); break;
		case '\\': fputs("\\\\", f); break;
		default: putc(*s, f);
		}
}

// Bytes of the UTF-8 character at s; 0 when there is none (overlong, surrogate, over U+10FFFF or cut).
static size_t utf8_length(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void vla_write_json(FILE *f, const char *s)
{
	putc('"', f);
	while (*s) {
		size_t n = utf8_length(s);
		unsigned char c = (unsigned char)*s;
		if (n == 0)
			fputs("\\ufffd", f);
		else if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			fprintf(f, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fwrite(s, 1, n, f);
		s += n ? n : 1;
	}
	putc('"', f);
}

static void write_list(FILE *f, const float *v, size_t n, char between)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc(between, f);
		fprintf(f, "%.9g", v[i]);
	}
}

static vla_status tsv_begin(vla_sink *k, const char *path, const vla_form_opts *opts, vla_err *err)
{
	(void)path, (void)opts, (void)err;
	fputs("id\tcaption\tlabel\tbox\ttime\tgrid\tvector\n", k->f);
	return VLA_OK;
}

static vla_status tsv_put(vla_sink *k, const vla_rec *r, vla_err *err)
{
	FILE *f = k->f;
	(void)err;
	vla_write_tsv(f, r->id);
	putc('\t', f);
	vla_write_tsv(f, r->caption ? r->caption : "");
	putc('\t', f);
	vla_write_tsv(f, r->label ? r->label : "");
	putc('\t', f);
	if (r->box)
		write_list(f, r->box, 4, ' ');
	putc('\t', f);
	if (r->time)
		fprintf(f, "%.17g %.17g", r->time[0], r->time[1]);
	putc('\t', f);
	if (r->grid_h)
		fprintf(f, "%u %u", r->grid_h, r->grid_w);
	putc('\t', f);
	for (size_t i = 0; i < r->rows; i++) {
		if (k->header.kind == VLA_SPARSE) {
			fprintf(f, "%s%u:%.9g", i ? " " : "", r->index[i], r->data[i]);
		} else {
			write_list(f, r->data + i * k->header.dim, k->header.dim, ' ');
			fputs(k->header.kind == VLA_TOKENS ? ";" : "", f);
		}
	}
	putc('\n', f);
	return VLA_OK;
}

const struct vla_sink_ops vla_sink_tsv = { tsv_begin, tsv_put, NULL, NULL, true };

static vla_status jsonl_begin(vla_sink *k, const char *path, const vla_form_opts *opts, vla_err *err)
{
	(void)k, (void)path, (void)opts, (void)err;
	return VLA_OK;
}

static void put_key(FILE *f, const char *key, const char *value)
{
	if (value) {
		fprintf(f, ",\"%s\":", key);
		vla_write_json(f, value);
	}
}

static vla_status jsonl_put(vla_sink *k, const vla_rec *r, vla_err *err)
{
	FILE *f = k->f;
	(void)err;
	fputs("{\"id\":", f);
	vla_write_json(f, r->id);
	put_key(f, "caption", r->caption);
	put_key(f, "label", r->label);
	if (r->box) {
		fputs(",\"box\":[", f);
		write_list(f, r->box, 4, ',');
		putc(']', f);
	}
	if (r->time)
		fprintf(f, ",\"time\":[%.17g,%.17g]", r->time[0], r->time[1]);
	if (r->grid_h)
		fprintf(f, ",\"grid\":[%u,%u]", r->grid_h, r->grid_w);
	if (k->header.kind == VLA_SPARSE) {
		fputs(",\"index\":[", f);
		for (size_t i = 0; i < r->rows; i++)
			fprintf(f, "%s%u", i ? "," : "", r->index[i]);
		fputs("],\"weight\":[", f);
		write_list(f, r->data, r->rows, ',');
		putc(']', f);
	} else if (k->header.kind == VLA_TOKENS) {
		fputs(",\"vectors\":[", f);
		for (size_t i = 0; i < r->rows; i++) {
			fputs(i ? ",[" : "[", f);
			write_list(f, r->data + i * k->header.dim, k->header.dim, ',');
			putc(']', f);
		}
		putc(']', f);
	} else {
		fputs(",\"vector\":[", f);
		write_list(f, r->data, k->header.dim, ',');
		putc(']', f);
	}
	fputs("}\n", f);
	return VLA_OK;
}

const struct vla_sink_ops vla_sink_jsonl = { jsonl_begin, jsonl_put, NULL, NULL, true };

struct text {
	vla_table *table;
	vla_rec rec; // the current record; points into the buffers below and the table's row
	bool ahead;  // rec was read by open and is still to be given
	vla_buf data, index;
	float box[4];
	double time[2];
};

static vla_status bad(const struct text *t, vla_err *err, const char *what)
{
	return vla_fail(err, VLA_EINVAL, "line %zu: %s", vla_table_line(t->table), what);
}

// Numbers between blanks, commas and '['; ';' and ']' end a row. Appends to data and counts rows and numbers a row.
static vla_status scan_rows(struct text *t, const char *p, size_t *rows, size_t *width, vla_err *err)
{
	size_t in_row = 0;
	t->data.n = *rows = *width = 0;
	for (;;) {
		p += strspn(p, " ,[");
		if (!*p || *p == ';' || *p == ']') {
			if (in_row && *rows && in_row != *width)
				return bad(t, err, "rows of different length");
			if (in_row) {
				*width = in_row;
				++*rows;
			}
			in_row = 0;
			if (!*p++)
				return VLA_OK;
			continue;
		}
		char *end;
		float x = strtof(p, &end);
		if (end == p || !isfinite(x))
			return bad(t, err, "not a finite number in the vector");
		VLA_TRY(vla_buf_add(&t->data, &x, sizeof x, err));
		in_row++;
		p = end;
	}
}

static vla_status add_index(struct text *t, const char **p, vla_err *err)
{
	char *end;
	unsigned long long i = **p >= '0' && **p <= '9' ? strtoull(*p, &end, 10) : UINT64_MAX;
	if (i >= UINT32_MAX)
		return bad(t, err, "bad index in the vector");
	const uint32_t x = (uint32_t)i;
	*p = end;
	return vla_buf_add(&t->index, &x, sizeof x, err);
}

// "index:weight index:weight"
static vla_status scan_pairs(struct text *t, const char *p, vla_err *err)
{
	t->index.n = t->data.n = 0;
	while (*(p += strspn(p, " "))) {
		VLA_TRY(add_index(t, &p, err));
		char *end;
		float x = *p == ':' ? strtof(p + 1, &end) : NAN;
		if (!isfinite(x) || end == p + 1)
			return bad(t, err, "not a finite weight in the vector");
		p = end;
		VLA_TRY(vla_buf_add(&t->data, &x, sizeof x, err));
	}
	return VLA_OK;
}

static vla_status scan_index_weight(struct text *t, const char *index, const char *weight, vla_err *err)
{
	size_t rows, width;
	VLA_TRY(scan_rows(t, weight ? weight : "", &rows, &width, err));
	t->index.n = 0;
	if (!index)
		return bad(t, err, "no index");
	while (*(index += strspn(index, " ,[]")))
		VLA_TRY(add_index(t, &index, err));
	return t->index.n == t->data.n ? VLA_OK : bad(t, err, "index and weight differ in length");
}

// Exactly n numbers in a field; an absent or empty one gives *have false.
static vla_status scan_fixed(struct text *t, const char *name, double *v, size_t n, bool *have, vla_err *err)
{
	const char *p = vla_table_get(t->table, name);
	*have = p && *p;
	for (size_t i = 0; *have && i < n; i++) {
		char *end;
		p += strspn(p, " ,[");
		v[i] = strtod(p, &end);
		if (end == p || !isfinite(v[i]))
			return bad(t, err, "bad box, time or grid");
		p = end + strspn(end, " ,]");
	}
	return *have && *p ? bad(t, err, "bad box, time or grid") : VLA_OK;
}

static const char *filled(const vla_table *t, const char *name)
{
	const char *s = vla_table_get(t, name);
	return s && *s ? s : NULL;
}

static vla_status scan_fields(struct text *t, vla_err *err)
{
	vla_rec *r = &t->rec;
	double box[4], grid[2];
	bool have;
	r->id = (char *)(uintptr_t)vla_table_get(t->table, "id");
	if (!r->id)
		return bad(t, err, "no id");
	r->caption = (char *)(uintptr_t)filled(t->table, "caption");
	r->label = (char *)(uintptr_t)filled(t->table, "label");
	VLA_TRY(scan_fixed(t, "box", box, 4, &have, err));
	for (int i = 0; have && i < 4; i++)
		t->box[i] = (float)box[i];
	r->box = have ? t->box : NULL;
	VLA_TRY(scan_fixed(t, "time", t->time, 2, &have, err));
	r->time = have ? t->time : NULL;
	VLA_TRY(scan_fixed(t, "grid", grid, 2, &have, err));
	if (have && !(grid[0] >= 1 && grid[1] >= 1 && grid[0] <= 65536 && grid[1] <= 65536))
		return bad(t, err, "bad box, time or grid");
	r->grid_h = have ? (uint32_t)grid[0] : 0;
	r->grid_w = have ? (uint32_t)grid[1] : 0;
	return VLA_OK;
}

static vla_kind kind_of(const vla_table *t)
{
	const char *v = vla_table_get(t, "vector");
	if (vla_table_get(t, "index") || (v && strchr(v, ':')))
		return VLA_SPARSE;
	return vla_table_get(t, "vectors") || (v && strchr(v, ';')) ? VLA_TOKENS : VLA_DENSE;
}

// The current row as a record of the header's kind; dim 0 in the header is set from it.
static vla_status scan_record(struct text *t, vla_header *h, vla_err *err)
{
	vla_rec *r = &t->rec;
	const char *vector = vla_table_get(t->table, "vector"), *vectors = vla_table_get(t->table, "vectors");
	size_t width = 0;
	VLA_TRY(scan_fields(t, err));
	r->index = NULL;
	if (h->kind == VLA_SPARSE) {
		const char *index = vla_table_get(t->table, "index");
		VLA_TRY(index || !vector ? scan_index_weight(t, index, vla_table_get(t->table, "weight"), err)
					 : scan_pairs(t, vector, err));
		r->rows = t->data.n / sizeof(float);
		r->index = (uint32_t *)(void *)t->index.data;
	} else {
		const char *p = h->kind == VLA_TOKENS && vectors ? vectors : vector;
		if (!p)
			return bad(t, err, "no vector");
		VLA_TRY(scan_rows(t, p, &r->rows, &width, err));
		if (h->dim == 0)
			h->dim = (uint32_t)width;
		if ((r->rows && width != h->dim) || (h->kind == VLA_DENSE && r->rows != 1))
			return vla_fail(err, VLA_EINVAL, "line %zu: %zu rows of %zu numbers in a %s stream of %u",
					vla_table_line(t->table), r->rows, width, vla_kind_name(h->kind), h->dim);
	}
	r->data = (float *)(void *)t->data.data;
	return VLA_OK;
}

static vla_status open_text(vla_source *s, const char *path, vla_table_format format, const vla_form_opts *opts,
			    vla_err *err)
{
	struct text *t = s->state = vla_zalloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	vla_header *h = &s->header;
	VLA_TRY(vla_table_open(path, format, &t->table, err));
	vla_status st = vla_table_next(t->table, err);
	h->dim = opts->dim;
	if (st == VLA_EOF) {
		if (!h->dim)
			return vla_fail(err, VLA_EFORMAT, "'%s' has no record that would tell the dimension", s->name);
		h->kind = opts->kind >= 0 ? (vla_kind)opts->kind : VLA_DENSE;
		return VLA_OK;
	}
	VLA_TRY(st);
	h->kind = opts->kind >= 0 ? (vla_kind)opts->kind : kind_of(t->table);
	if (h->kind == VLA_SPARSE && !h->dim)
		return vla_fail(err, VLA_EINVAL, "'%s' is sparse: its dimension must be given", s->name);
	st = scan_record(t, h, err);
	if (st != VLA_OK)
		return st == VLA_ENOMEM ? st : vla_prefix(err, st, "cannot read '%s'", s->name);
	if (h->dim == 0)
		return vla_fail(err, VLA_EFORMAT, "'%s': the first record has no number", s->name);
	t->ahead = true;
	return VLA_OK;
}

static vla_status tsv_open(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err)
{
	return open_text(s, path, VLA_TABLE_TSV, opts, err);
}

static vla_status jsonl_open(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err)
{
	return open_text(s, path, VLA_TABLE_JSONL, opts, err);
}

static vla_status text_next(vla_source *s, vla_rec *rec, vla_err *err)
{
	struct text *t = s->state;
	if (!t->ahead) {
		vla_status st = vla_table_next(t->table, err);
		if (st != VLA_OK)
			return st == VLA_EFORMAT ? vla_recode(err, VLA_EINVAL) : st;
		st = scan_record(t, &s->header, err);
		if (st != VLA_OK)
			return st == VLA_ENOMEM ? st : vla_prefix(err, st, "cannot read '%s'", s->name);
	}
	t->ahead = false;
	void *priv = rec->priv;
	*rec = t->rec;
	rec->priv = priv;
	return VLA_OK;
}

static void text_close(vla_source *s)
{
	struct text *t = s->state;
	vla_table_close(t->table);
	vla_buf_release(&t->data);
	vla_buf_release(&t->index);
	free(t);
}

const struct vla_source_ops vla_source_tsv = { tsv_open, text_next, text_close, true };
const struct vla_source_ops vla_source_jsonl = { jsonl_open, text_next, text_close, true };
