/* Rows of an index file or of a dense stream. The file's layout is in vlx(5). Everything that leads somewhere, that is
 * offsets, cells and HEAD, is checked on opening, so that damaged numbers cannot point outside the mapping; vectors and
 * codes are taken as they are. */
#include "index/store.h"

#include "kern/codes.h"
#include "kern/kern.h"

#include <errno.h>

static vla_status text_column(const vla_chunks *c, unsigned part, const char *offsets, const char *strings,
			      uint64_t rows, vla_store_text *out, vla_err *err)
{
	size_t nof, nst;
	const uint64_t *of = vla_chunks_get(c, part, offsets, &nof);
	const char *st = vla_chunks_get(c, part, strings, &nst);
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

// Takes *key and *value over.
static vla_status add_param(vla_store *s, char **key, char **value, vla_err *err)
{
	char **k = vla_realloc(s->key, s->nparams + 1, sizeof *k);
	if (k)
		s->key = k;
	char **v = vla_realloc(s->value, s->nparams + 1, sizeof *v);
	if (v)
		s->value = v;
	if (!k || !v)
		return vla_nomem(err);
	s->key[s->nparams] = *key;
	s->value[s->nparams++] = *value;
	*key = *value = NULL;
	return VLA_OK;
}

static vla_status parse_kind(const char *v, vla_kind *out, vla_err *err)
{
	for (int k = VLA_DENSE; k <= VLA_SPARSE; k++)
		if (strcmp(v, vla_kind_name((vla_kind)k)) == 0) {
			*out = (vla_kind)k;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EUNSUPPORTED, "records of kind '%.20s' are not known to this program", v);
}

// HEAD: type=, kind=, dtype=, dim=, rows=, l2=, model=, compute=, pg= (any number), and what index types add.
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
		else if (strcmp(key, "type") == 0)
			snprintf(s->type, sizeof s->type, "%s", value);
		else if (strcmp(key, "kind") == 0)
			st = parse_kind(value, &s->header.kind, err);
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
		else
			st = add_param(s, &key, &value, err);
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

static vla_status open_graph(vla_store *s, unsigned part, vla_store_part *p, vla_err *err)
{
	size_t n, nbase, noffset, nupper, group;
	uint32_t head[4];
	const void *about = vla_chunks_get(s->chunks, part, "GRPH", &n);
	vla_graph g = { .codes = p->codes, .bounds = p->bounds, .rows = p->rows, .dim = s->header.dim };
	if (!about || !p->codes)
		return VLA_OK;
	VLA_TRY(vla_chunks_check_one(s->chunks, part, "GRPH", err));
	memset(head, 0, sizeof head);
	if (n == sizeof head)
		memcpy(head, about, sizeof head);
	g.degree = head[0], g.entry = head[1], g.levels = head[2];
	group = g.degree * sizeof *g.base;
	g.base = vla_chunks_get(s->chunks, part, "GRBA", &nbase);
	g.offset = vla_chunks_get(s->chunks, part, "GROF", &noffset);
	g.upper = vla_chunks_get(s->chunks, part, "GRUP", &nupper);
	bool good = g.base && g.offset && g.upper && g.degree >= 2 && g.degree <= VLA_GRAPH_DEGREE && g.levels <= 16 &&
		    (g.entry < g.rows || !g.rows) && nbase == g.rows * 2 * group &&
		    noffset == (g.rows + 1) * sizeof *g.offset && g.offset[0] == 0 &&
		    nupper == g.offset[g.rows] * group;
	for (size_t i = 0; i < g.rows && good; i++)
		good = g.offset[i] <= g.offset[i + 1];
	if (!good)
		return vla_fail(err, VLA_ECORRUPT, "the graph of part %u does not fit its rows", part);
	p->graph = g;
	return VLA_OK;
}

// Codes, cells and graph of a part, where there are any.
static vla_status open_first_pass(vla_store *s, unsigned part, vla_store_part *p, vla_err *err)
{
	size_t dim = s->header.dim, ncode, nbound, ncell;
	p->codes = vla_chunks_get(s->chunks, part, "CODE", &ncode);
	p->bounds = vla_chunks_get(s->chunks, part, "CODB", &nbound);
	p->cell = vla_chunks_get(s->chunks, part, "CELL", &ncell);
	if (!p->codes && p->bounds && s->header.dtype == VLA_I8) { // vectors that are codes themselves
		p->codes = (const int8_t *)p->vectors;
		ncode = p->rows * dim;
	}
	if ((p->codes || p->bounds) && (!p->codes || !p->bounds || ncode != p->rows * dim ||
					nbound != p->rows * VLA_CODE_BOUNDS * sizeof(float) || !s->cells))
		return vla_fail(err, VLA_ECORRUPT, "the codes of part %u do not fit its rows", part);
	VLA_TRY(open_graph(s, part, p, err));
	if (!p->cell)
		return VLA_OK;
	if (ncell != (s->cells + 1) * sizeof *p->cell || p->cell[0] != 0 || p->cell[s->cells] != p->rows)
		return vla_fail(err, VLA_ECORRUPT, "the cells of part %u do not fit its rows", part);
	for (size_t i = 0; i < s->cells; i++)
		if (p->cell[i] > p->cell[i + 1])
			return vla_fail(err, VLA_ECORRUPT, "the cells of part %u do not fit its rows", part);
	return VLA_OK;
}

static vla_status open_part(vla_store *s, unsigned part, vla_err *err)
{
	vla_store_part *p = &s->part[part];
	size_t n, row_bytes = s->header.dim * vla_dtype_size(s->header.dtype);
	if (!vla_chunks_get(s->chunks, part, "IDOF", &n) || n % sizeof(uint64_t) || n == 0)
		return vla_fail(err, VLA_ECORRUPT, "part %u of the index has no ids", part);
	p->first = part ? p[-1].first + p[-1].rows : 0;
	p->rows = n / sizeof(uint64_t) - 1;
	VLA_TRY(text_column(s->chunks, part, "IDOF", "IDST", p->rows, &p->id, err));
	VLA_TRY(text_column(s->chunks, part, "CPOF", "CPST", p->rows, &p->caption, err));
	VLA_TRY(text_column(s->chunks, part, "LBOF", "LBST", p->rows, &p->label, err));
	if (s->header.kind != VLA_DENSE)
		return VLA_OK;
	p->vectors = vla_chunks_get(s->chunks, part, "VECS", &n);
	if (!p->vectors || n / row_bytes != p->rows || n % row_bytes)
		return vla_fail(err, VLA_ECORRUPT, "the index holds %zu bytes of vectors for %zu rows",
				p->vectors ? n : 0, p->rows);
	if (s->header.dtype == VLA_I8) {
		p->scales = vla_chunks_get(s->chunks, part, "SCAL", &n);
		if (!p->scales || n != p->rows * sizeof(float))
			return vla_fail(err, VLA_ECORRUPT, "the index lacks the scales of its i8 vectors");
	}
	return open_first_pass(s, part, p, err);
}

static vla_status open_rotation(vla_store *s, vla_err *err)
{
	size_t n, dim = s->header.dim;
	double about[2];
	const char *p = vla_chunks_get(s->chunks, VLA_CHUNK_WHOLE, "ROTA", &n);
	s->head = dim;
	VLA_TRY(vla_chunks_check_one(s->chunks, VLA_CHUNK_WHOLE, "ROTA", err));
	if (!p)
		return VLA_OK;
	if (n == sizeof about + dim * dim * sizeof(float))
		memcpy(about, p, sizeof about);
	if (n != sizeof about + dim * dim * sizeof(float) || !(about[0] >= 1 && about[0] < (double)dim) ||
	    !(about[1] >= 0 && about[1] < 1))
		return vla_fail(err, VLA_ECORRUPT, "the rotation of the index does not fit its vectors");
	s->head = (size_t)about[0];
	s->rotation_error = about[1];
	s->rotation = (const float *)(const void *)(p + sizeof about);
	return VLA_OK;
}

// Chunks of the whole index: the deleted rows, the centroids and the rotation.
static vla_status open_whole(vla_store *s, vla_err *err)
{
	size_t n;
	VLA_TRY(vla_chunks_check_one(s->chunks, VLA_CHUNK_WHOLE, "DEAD", err));
	VLA_TRY(vla_chunks_check_one(s->chunks, VLA_CHUNK_WHOLE, "CENT", err));
	s->dead = vla_chunks_get(s->chunks, VLA_CHUNK_WHOLE, "DEAD", &n);
	// Rows added later are not in it yet: the bitmap is written with each deletion and each addition.
	if (s->dead && n != (s->rows + 63) / 64 * sizeof *s->dead)
		return vla_fail(err, VLA_ECORRUPT, "the list of deleted rows does not fit the index");
	s->live = s->rows;
	for (uint64_t i = 0; i < s->rows; i++)
		s->live -= vla_store_dead(s, i);
	s->centroids = vla_chunks_get(s->chunks, VLA_CHUNK_WHOLE, "CENT", &n);
	s->cells = n / (s->header.dim * sizeof(float));
	if (s->centroids && (n % (s->header.dim * sizeof(float)) || !s->cells || s->cells > 1 << 24))
		return vla_fail(err, VLA_ECORRUPT, "the centroids of the index do not fit its vectors");
	return open_rotation(s, err);
}

static vla_status open_file(vla_store *s, vla_err *err)
{
	size_t n;
	uint64_t rows = 0;
	snprintf(s->type, sizeof s->type, "flat");
	const char *head = vla_chunks_get(s->chunks, VLA_CHUNK_WHOLE, "HEAD", &n);
	if (!head)
		return vla_fail(err, VLA_EFORMAT, "the index has no header chunk");
	VLA_TRY(vla_chunks_check_one(s->chunks, VLA_CHUNK_WHOLE, "HEAD", err));
	VLA_TRY(parse_head(head, n, s, err));
	VLA_TRY(open_whole(s, err));
	s->nparts = vla_chunks_parts(s->chunks);
	s->part = vla_zalloc(s->nparts, sizeof *s->part);
	if (!s->part)
		return vla_nomem(err);
	for (unsigned i = 0; i < s->nparts; i++) {
		VLA_TRY(open_part(s, i, err));
		rows += s->part[i].rows;
	}
	if (rows != s->rows)
		return vla_fail(err, VLA_ECORRUPT, "the parts of the index have %llu rows, its header says %llu",
				(unsigned long long)rows, (unsigned long long)s->rows);
	return VLA_OK;
}

static vla_status open_stream(const char *path, vla_store *s, vla_err *err)
{
	snprintf(s->type, sizeof s->type, "stream");
	VLA_TRY(vla_matrix_open(path, &s->matrix, err));
	VLA_TRY(vla_header_copy(&s->header, vla_matrix_header(s->matrix), err));
	s->rows = s->live = vla_matrix_rows(s->matrix);
	s->part = vla_zalloc(1, sizeof *s->part);
	if (!s->part)
		return vla_nomem(err);
	s->nparts = 1;
	s->part[0].rows = (size_t)s->rows;
	return VLA_OK;
}

static vla_status add_blocks(vla_store *s, size_t *cap, size_t part, uint64_t first, size_t rows, const void *data,
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
							    scales ? scales + at : NULL, first + at, n, part };
	}
	return VLA_OK;
}

static vla_status make_blocks(vla_store *s, vla_err *err)
{
	size_t cap = 0;
	if (s->chunks) {
		for (size_t i = 0; i < s->nparts && s->header.kind == VLA_DENSE; i++)
			VLA_TRY(add_blocks(s, &cap, i, s->part[i].first, s->part[i].rows, s->part[i].vectors,
					   s->part[i].scales, err));
		return VLA_OK;
	}
	size_t first, n;
	const void *data;
	const float *scales;
	for (size_t i = 0; vla_matrix_run(s->matrix, i, &first, &n, &data, &scales); i++)
		VLA_TRY(add_blocks(s, &cap, 0, first, n, data, scales, err));
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
		st = open_stream(path, s, err);
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
	for (size_t i = 0; i < s->nparams; i++) {
		free(s->key[i]);
		free(s->value[i]);
	}
	free(s->key);
	free(s->value);
	free(s->part);
	free(s->block);
	*s = (vla_store){ .header = VLA_HEADER_INIT };
}

size_t vla_store_part_of(const vla_store *s, uint64_t row)
{
	size_t lo = 0, hi = s->nparts;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->part[mid].first <= row)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
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
	const vla_store_part *p = &s->part[vla_store_part_of(s, row)];
	return p->id.text + p->id.offset[row - p->first];
}

const char *vla_store_caption(const vla_store *s, uint64_t row)
{
	if (row >= s->rows)
		return NULL;
	const vla_store_part *p = &s->part[vla_store_part_of(s, row)];
	return s->matrix ? vla_matrix_caption(s->matrix, (size_t)row) : text_at(&p->caption, row - p->first);
}

const char *vla_store_label(const vla_store *s, uint64_t row)
{
	if (row >= s->rows)
		return NULL;
	const vla_store_part *p = &s->part[vla_store_part_of(s, row)];
	return s->matrix ? vla_matrix_label(s->matrix, (size_t)row) : text_at(&p->label, row - p->first);
}

void vla_store_vector(const vla_store *s, uint64_t row, float *out)
{
	if (s->matrix) {
		vla_matrix_row(s->matrix, (size_t)row, out);
		return;
	}
	const vla_store_part *part = &s->part[vla_store_part_of(s, row)];
	size_t dim = s->header.dim, at = (size_t)(row - part->first);
	if (!part->vectors) { // not dense
		memset(out, 0, dim * sizeof *out);
		return;
	}
	const char *p = part->vectors + at * dim * vla_dtype_size(s->header.dtype);
	if (s->header.dtype == VLA_I8)
		vla_i8_to_f32(dim, (const int8_t *)p, part->scales[at], out);
	else
		vla_to_f32(s->header.dtype, dim, p, out);
}

const void *vla_store_chunk(const vla_store *s, unsigned part, const char tag[4], size_t *bytes)
{
	*bytes = 0;
	return s->chunks ? vla_chunks_get(s->chunks, part, tag, bytes) : NULL;
}

const char *vla_store_param(const vla_store *s, const char *key)
{
	for (size_t i = 0; i < s->nparams; i++)
		if (strcmp(s->key[i], key) == 0)
			return s->value[i];
	return NULL;
}
