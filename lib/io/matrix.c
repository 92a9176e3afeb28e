/* Dense streams as one table of vectors, vle(5): a plain file is mapped and only its RECS blocks are read; a pipe is
 * read whole. A mapped file that another process cuts short ends this one with SIGBUS, as with every mapping; our own
 * tools rename. */
#include "io/file.h"
#include "io/stream.h"

struct run {
	size_t first;
	const char *values;
	const float *scales;
	vle_recs recs;
};

struct vla_matrix {
	vla_header header;
	vla_map map;
	char **owned; // [nowned] blocks read from a pipe
	size_t nowned, owned_cap;
	struct run *run;
	size_t nruns, runs_cap, rows;
};

// The segment that is being read.
struct walk {
	vla_matrix *m;
	vla_header segment;
	uint64_t records;
	bool first;
};

static vla_status add_run(struct walk *k, const vle_recs *recs, const vle_block *vecs, vla_err *err)
{
	vla_matrix *m = k->m;
	vle_layout l;
	if (!vle_block_is(vecs->data, "VECS") || vle_records(vecs) != recs->n)
		return vla_fail(err, VLA_ECORRUPT, "block of records is not followed by their vectors");
	if (!vle_layout_of(&k->segment, recs->n, recs->n, &l) || l.total != vecs->n)
		return vla_fail(err, VLA_ECORRUPT, "block of vectors has a length of %zu", vecs->n);
	if (m->nruns == m->runs_cap) {
		size_t cap = m->runs_cap ? 2 * m->runs_cap : 64;
		struct run *p = vla_realloc(m->run, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		m->run = p;
		m->runs_cap = cap;
	}
	const float *scales = l.scales ? (const float *)(const void *)(vecs->data + l.scales) : NULL;
	m->run[m->nruns++] = (struct run){ m->rows, vecs->data + l.values, scales, *recs };
	m->rows += recs->n;
	k->records += recs->n;
	return VLA_OK;
}

static vla_status take_header(struct walk *k, vla_err *err)
{
	vla_header *h = &k->m->header;
	if (k->segment.kind != VLA_DENSE)
		return vla_fail(err, VLA_EINVAL, "need a dense stream, this one is %s", vla_kind_name(k->segment.kind));
	if (k->first) {
		k->first = false;
		return vla_header_copy(h, &k->segment, err);
	}
	VLA_TRY(vle_header_join(h, &k->segment, err));
	if (h->dtype != k->segment.dtype)
		return vla_fail(err, VLA_EUNSUPPORTED, "segments store %s and %s; make them one with vla-view --concat",
				vla_dtype_name(h->dtype), vla_dtype_name(k->segment.dtype));
	return VLA_OK;
}

// The block at byte `at` of the mapping, not read further than its length.
static vla_status map_block(const vla_map *map, size_t at, vle_block *b, vla_err *err)
{
	if (at == map->n)
		return vla_fail(err, VLA_ETRUNC, "stream ends without an end block");
	if (map->n - at < VLE_HEAD)
		return vla_fail(err, VLA_ETRUNC, "stream ends inside a block");
	b->data = map->data + at;
	VLA_TRY(vle_block_length(b->data, &b->n, err));
	return b->n <= map->n - at ? VLA_OK : vla_fail(err, VLA_ETRUNC, "stream ends inside a block");
}

static vla_status map_header(struct walk *k, size_t *at, vla_err *err)
{
	const vla_map *map = &k->m->map;
	size_t n, left = map->n - *at;
	if (left == 0)
		return k->first ? vla_fail(err, VLA_ETRUNC, "the input is empty") : VLA_EOF;
	if (left >= 8 && !k->first && memcmp(map->data + *at, VLE_MAGIC, 8) != 0)
		return vla_fail(err, VLA_EFORMAT, "what follows the end block is not a segment");
	if (left < VLE_FIXED)
		return memcmp(map->data + *at, VLE_MAGIC, left < 8 ? left : 8) == 0
			       ? vla_fail(err, VLA_ETRUNC, "stream ends inside a header")
			       : vla_fail(err, VLA_EFORMAT, "not an embedding stream");
	VLA_TRY(vle_header_length(map->data + *at, &n, err));
	if (n > left)
		return vla_fail(err, VLA_ETRUNC, "stream ends inside a header");
	VLA_TRY(vle_header_parse(map->data + *at, n, &k->segment, err));
	*at += n;
	k->records = 0;
	return take_header(k, err);
}

static vla_status map_blocks(struct walk *k, size_t *at, vla_err *err)
{
	const vla_map *map = &k->m->map;
	for (;;) {
		vle_block b, vecs;
		VLA_TRY(map_block(map, *at, &b, err));
		*at += b.n;
		if (vle_block_is(b.data, "RECS")) {
			vle_recs recs;
			vla_map_prefetch(map, *at - b.n, b.n + VLE_HEAD);
			VLA_TRY(vle_block_verify(&b, err));
			VLA_TRY(vle_recs_parse(&b, &k->segment, &recs, err));
			VLA_TRY(map_block(map, *at, &vecs, err));
			VLA_TRY(add_run(k, &recs, &vecs, err));
			*at += vecs.n;
		} else if (vle_block_is(b.data, "ENDS")) {
			VLA_TRY(vle_block_verify(&b, err));
			return vle_check_end(&b, &k->segment, k->records, err);
		} else if (!vle_tag_optional(b.data)) {
			return vla_fail(err, VLA_EVERSION, "stream has a block of the unknown kind %.4s", b.data);
		}
	}
}

static vla_status walk_map(struct walk *k, vla_err *err)
{
	size_t at = 0;
	vla_status s = map_header(k, &at, err);
	while (s == VLA_OK && (s = map_blocks(k, &at, err)) == VLA_OK)
		s = map_header(k, &at, err);
	vla_map_hint_set(&k->m->map, VLA_MAP_NORMAL);
	return s;
}

// Reads a block into memory of its own, which the matrix keeps.
static vla_status keep_block(vla_matrix *m, vle_source *src, vle_block *b, vla_err *err)
{
	VLA_TRY(vle_source_block(src, b, err));
	if (m->nowned == m->owned_cap) {
		size_t cap = m->owned_cap ? 2 * m->owned_cap : 64;
		char **p = vla_realloc(m->owned, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		m->owned = p;
		m->owned_cap = cap;
	}
	m->owned[m->nowned++] = src->buf;
	src->buf = NULL;
	src->cap = 0;
	return VLA_OK;
}

// One block of a pipe, with the vectors that belong to it; VLA_EOF after an end block.
static vla_status pipe_block(struct walk *k, vle_source *src, vla_err *err)
{
	vle_block b, vecs;
	vle_recs recs;
	VLA_TRY(keep_block(k->m, src, &b, err));
	if (vle_block_is(b.data, "ENDS")) {
		VLA_TRY(vle_check_end(&b, &k->segment, k->records, err));
		return VLA_EOF;
	}
	if (!vle_block_is(b.data, "RECS"))
		return vle_tag_optional(b.data)
			       ? VLA_OK
			       : vla_fail(err, VLA_EVERSION, "stream has a block of the unknown kind %.4s", b.data);
	VLA_TRY(vle_recs_parse(&b, &k->segment, &recs, err));
	VLA_TRY(keep_block(k->m, src, &vecs, err));
	return add_run(k, &recs, &vecs, err);
}

static vla_status walk_pipe(struct walk *k, FILE *f, vla_err *err)
{
	vle_source src = { f, NULL, 0 };
	vla_status s;
	while ((s = vle_source_header(&src, k->first, &k->segment, err)) == VLA_OK) {
		k->records = 0;
		s = take_header(k, err);
		while (s == VLA_OK)
			s = pipe_block(k, &src, err);
		if (s != VLA_EOF)
			break;
	}
	vle_source_release(&src);
	return s;
}

static vla_status walk_file(struct walk *k, const char *path, vla_err *err)
{
	FILE *f;
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	vla_status s = path == name ? vla_map_open(path, VLA_MAP_RANDOM, &k->m->map, err) : VLA_EUNSUPPORTED;
	if (s == VLA_OK) {
		s = walk_map(k, err);
	} else if (s == VLA_EUNSUPPORTED) { // no plain file
		VLA_TRY(vla_infile_open(path, &f, err));
		s = walk_pipe(k, f, err);
		vla_infile_close(f);
	}
	if (s < 0 && s != VLA_ENOMEM)
		vla_prefix(err, s, "cannot read '%s'", name);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status load(vla_matrix *m, const char *path, vla_err *err)
{
	struct walk k = { m, VLA_HEADER_INIT, 0, true };
	vla_status s = walk_file(&k, path, err);
	vla_header_release(&k.segment);
	return s;
}

vla_status vla_matrix_open(const char *path, vla_matrix **out, vla_err *err)
{
	vla_matrix *m = vla_zalloc(1, sizeof *m);
	if (!m)
		return vla_nomem(err);
	m->header = (vla_header)VLA_HEADER_INIT;
	vla_status s = load(m, path, err);
	if (s != VLA_OK) {
		vla_matrix_close(m);
		return s;
	}
	m->header.count = m->rows;
	*out = m;
	return VLA_OK;
}

void vla_matrix_close(vla_matrix *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nowned; i++)
		free(m->owned[i]);
	free(m->owned);
	free(m->run);
	vla_map_close(&m->map);
	vla_header_release(&m->header);
	free(m);
}

const vla_header *vla_matrix_header(const vla_matrix *m)
{
	return &m->header;
}

size_t vla_matrix_rows(const vla_matrix *m)
{
	return m->rows;
}

// The run that holds a row, which must be in range.
static const struct run *find(const vla_matrix *m, size_t row)
{
	size_t lo = 0, hi = m->nruns;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->run[mid].first <= row)
			lo = mid;
		else
			hi = mid;
	}
	return &m->run[lo];
}

const char *vla_matrix_id(const vla_matrix *m, size_t row)
{
	if (row >= m->rows)
		return NULL;
	const struct run *r = find(m, row);
	return vle_string(&r->recs.id, row - r->first);
}

const char *vla_matrix_caption(const vla_matrix *m, size_t row)
{
	if (row >= m->rows)
		return NULL;
	const struct run *r = find(m, row);
	return vle_string(&r->recs.caption, row - r->first);
}

const char *vla_matrix_label(const vla_matrix *m, size_t row)
{
	if (row >= m->rows)
		return NULL;
	const struct run *r = find(m, row);
	return vle_string(&r->recs.label, row - r->first);
}

bool vla_matrix_run(const vla_matrix *m, size_t i, size_t *first, size_t *count, const void **data,
		    const float **scales)
{
	if (i >= m->nruns)
		return false;
	const struct run *r = &m->run[i];
	*first = r->first;
	*count = r->recs.n;
	*data = r->values;
	*scales = r->scales;
	return true;
}

void vla_matrix_row(const vla_matrix *m, size_t row, float *out)
{
	const struct run *r = find(m, row);
	size_t i = row - r->first, n = m->header.dim;
	const char *src = r->values + i * n * vla_dtype_size(m->header.dtype);
	(void)vle_decode(m->header.dtype, src, r->scales ? r->scales[i] : 1, n, out);
}
