/* Rows of an index file or of a dense stream. The file's layout is in vlx(5): chunk HEAD holds key=value lines; VECS
 * the vectors in the stored dtype, row after row; SCAL one f32 a row for i8; IDOF, IDST (and CPOF, CPST, LBOF, LBST
 * when present) offsets and strings. */
#include "index/store.h"

#include "kern/kern.h"

#include <errno.h>

static vla_status text_column(const vla_chunks *c, const char *offsets, const char *strings, uint64_t rows,
			      vla_store_text *out, vla_err *err)
{
	size_t nof, nst;
	const uint64_t *of = vla_chunks_get(c, offsets, &nof);
	const char *st = vla_chunks_get(c, strings, &nst);
	if (!of && !st)
		return VLA_OK;
	if (!of || !st || nof != (rows + 1) * sizeof *of)
		return vla_fail(err, VLA_ECORRUPT, "chunk %s does not fit %llu rows", offsets,
				(unsigned long long)rows);
	// One pass over the offsets makes every later access safe; the strings themselves stay untouched.
	if (of[0] != 0 || of[rows] != nst)
		return vla_fail(err, VLA_ECORRUPT, "chunk %s does not fit its strings", offsets);
	for (uint64_t i = 0; i < rows; i++)
		if (of[i + 1] <= of[i] || of[i + 1] > nst)
			return vla_fail(err, VLA_ECORRUPT, "chunk %s is not increasing at row %llu", offsets,
					(unsigned long long)i);
	if (nst && st[nst - 1] != 0)
		return vla_fail(err, VLA_ECORRUPT, "chunk %s does not end a string", strings);
	*out = (vla_store_text){ of, st };
	return VLA_OK;
}

static vla_status parse_number(const char *v, uint64_t max, uint64_t *out, vla_err *err)
{
	char *end;
	errno = 0;
	unsigned long long x = strtoull(v, &end, 10);
	if (errno || *end || end == v || x > max)
		return vla_fail(err, VLA_EFORMAT, "number '%.40s' in the index header does not fit", v);
	*out = x;
	return VLA_OK;
}

// Takes *value over.
static vla_status add_pg(vla_header *h, char **value, vla_err *err)
{
	char **pg = vla_realloc(h->pg, h->npg + 1, sizeof *pg);
	if (!pg)
		return vla_nomem(err);
	h->pg = pg;
	h->pg[h->npg++] = *value;
	*value = NULL;
	return VLA_OK;
}

// HEAD: dtype=, dim=, rows=, l2=, model=, compute=, pg= (any number).
static vla_status parse_head(const char *text, size_t n, vla_store *s, vla_err *err)
{
	uint64_t dim = 0, rows = 0;
	bool have_rows = false;
	vla_status st = VLA_OK;
	while (n && st == VLA_OK) {
		const char *nl = memchr(text, '\n', n), *eq = nl ? memchr(text, '=', (size_t)(nl - text)) : NULL;
		if (!eq || nl - text > 65536)
			return vla_fail(err, VLA_EFORMAT, "bad line in the index header");
		char *key = vla_strndup(text, (size_t)(eq - text)), *value = vla_strndup(eq + 1, (size_t)(nl - eq - 1));
		if (!key || !value)
			st = vla_nomem(err);
		else if (strcmp(key, "dtype") == 0)
			st = vla_dtype_parse(value, &s->header.dtype, err);
		else if (strcmp(key, "dim") == 0)
			st = parse_number(value, 1 << 20, &dim, err);
		else if (strcmp(key, "rows") == 0)
			have_rows = true, st = parse_number(value, (uint64_t)1 << 40, &rows, err);
		else if (strcmp(key, "l2") == 0)
			s->header.l2 = value[0] == '1';
		else if (strcmp(key, "model") == 0)
			snprintf(s->header.model, sizeof s->header.model, "%s", value);
		else if (strcmp(key, "compute") == 0)
			snprintf(s->header.compute, sizeof s->header.compute, "%s", value);
		else if (strcmp(key, "pg") == 0)
			st = add_pg(&s->header, &value, err);
		free(key);
		free(value);
		n -= (size_t)(nl + 1 - text);
		text = nl + 1;
	}
	VLA_TRY(st);
	if (!dim || !have_rows || s->header.dtype > VLA_I8)
		return vla_fail(err, VLA_EFORMAT, "the index header lacks dim, rows or a vector type");
	s->header.dim = (uint32_t)dim;
	s->header.count = s->rows = rows;
	return VLA_OK;
}

static vla_status open_file(vla_store *s, vla_err *err)
{
	size_t n, nv, ns;
	const char *head = vla_chunks_get(s->chunks, "HEAD", &n);
	if (!head)
		return vla_fail(err, VLA_EFORMAT, "the index has no header chunk");
	VLA_TRY(vla_chunks_check_one(s->chunks, "HEAD", err));
	VLA_TRY(parse_head(head, n, s, err));
	s->vectors = vla_chunks_get(s->chunks, "VECS", &nv);
	uint64_t want = s->rows * s->header.dim * vla_dtype_size(s->header.dtype);
	if (!s->vectors || nv != want)
		return vla_fail(err, VLA_ECORRUPT, "the index holds %zu bytes of vectors, its header says %llu",
				s->vectors ? nv : 0, (unsigned long long)want);
	if (s->header.dtype == VLA_I8) {
		s->scales = vla_chunks_get(s->chunks, "SCAL", &ns);
		if (!s->scales || ns != s->rows * sizeof(float))
			return vla_fail(err, VLA_ECORRUPT, "the index lacks the scales of its i8 vectors");
	}
	VLA_TRY(text_column(s->chunks, "IDOF", "IDST", s->rows, &s->id, err));
	VLA_TRY(text_column(s->chunks, "CPOF", "CPST", s->rows, &s->caption, err));
	VLA_TRY(text_column(s->chunks, "LBOF", "LBST", s->rows, &s->label, err));
	if (!s->id.offset && s->rows)
		return vla_fail(err, VLA_ECORRUPT, "the index has no ids");
	return VLA_OK;
}

static vla_status add_blocks(vla_store *s, size_t *cap, uint64_t first, size_t rows, const void *data,
			     const float *scales, vla_err *err)
{
	size_t row_bytes = s->header.dim * vla_dtype_size(s->header.dtype);
	for (size_t at = 0; at < rows; at += VLA_STORE_BLOCK) {
		if (s->nblocks == *cap) {
			size_t c = *cap ? *cap * 2 : 64;
			vla_store_block *b = vla_realloc(s->block, c, sizeof *b);
			if (!b)
				return vla_nomem(err);
			s->block = b;
			*cap = c;
		}
		size_t n = rows - at < VLA_STORE_BLOCK ? rows - at : VLA_STORE_BLOCK;
		s->block[s->nblocks++] = (vla_store_block){ (const char *)data + at * row_bytes,
							    scales ? scales + at : NULL, first + at, n };
	}
	return VLA_OK;
}

static vla_status make_blocks(vla_store *s, vla_err *err)
{
	size_t cap = 0;
	if (s->chunks)
		return add_blocks(s, &cap, 0, (size_t)s->rows, s->vectors, s->scales, err);
	size_t first, n;
	const void *data;
	const float *scales;
	for (size_t i = 0; vla_matrix_run(s->matrix, i, &first, &n, &data, &scales); i++)
		VLA_TRY(add_blocks(s, &cap, first, n, data, scales, err));
	return VLA_OK;
}

vla_status vla_store_open(const char *path, vla_store *s, vla_err *err)
{
	*s = (vla_store){ .header = VLA_HEADER_INIT };
	vla_err first = VLA_ERR_INIT;
	vla_status st = strcmp(path, "-") == 0 ? VLA_EFORMAT : vla_chunks_open(path, &s->chunks, &first);
	if (st == VLA_OK) {
		st = open_file(s, err);
	} else if (st == VLA_EFORMAT) { // not an index: a stream, or nothing we know
		st = vla_matrix_open(path, &s->matrix, err);
		if (st == VLA_OK)
			st = vla_header_copy(&s->header, vla_matrix_header(s->matrix), err);
		if (st == VLA_OK)
			s->rows = vla_matrix_rows(s->matrix);
	} else {
		st = vla_fail(err, st, "%s", first.msg);
	}
	if (st == VLA_OK)
		st = make_blocks(s, err);
	if (st != VLA_OK)
		vla_store_release(s);
	return st;
}

void vla_store_release(vla_store *s)
{
	vla_chunks_close(s->chunks);
	vla_matrix_close(s->matrix);
	vla_header_release(&s->header);
	free(s->block);
	*s = (vla_store){ .header = VLA_HEADER_INIT };
}

static const char *text_at(const vla_store_text *t, uint64_t row)
{
	if (!t->offset)
		return NULL;
	const char *p = t->text + t->offset[row];
	return *p ? p : NULL;
}

const char *vla_store_id(const vla_store *s, uint64_t row)
{
	if (row >= s->rows)
		return NULL;
	if (s->matrix)
		return vla_matrix_id(s->matrix, (size_t)row);
	return s->id.text + s->id.offset[row];
}

const char *vla_store_caption(const vla_store *s, uint64_t row)
{
	if (row >= s->rows)
		return NULL;
	return s->matrix ? vla_matrix_caption(s->matrix, (size_t)row) : text_at(&s->caption, row);
}

const char *vla_store_label(const vla_store *s, uint64_t row)
{
	if (row >= s->rows)
		return NULL;
	return s->matrix ? vla_matrix_label(s->matrix, (size_t)row) : text_at(&s->label, row);
}

void vla_store_vector(const vla_store *s, uint64_t row, float *out)
{
	if (s->matrix) {
		vla_matrix_row(s->matrix, (size_t)row, out);
		return;
	}
	size_t dim = s->header.dim;
	const char *p = s->vectors + (size_t)row * dim * vla_dtype_size(s->header.dtype);
	if (s->header.dtype == VLA_I8)
		vla_i8_to_f32(dim, (const int8_t *)p, s->scales[row], out);
	else
		vla_to_f32(s->header.dtype, dim, p, out);
}
