/* Streams read record by record from a file or a pipe, vle(5). One block pair is in memory at a time; records point
 * into it, and only numbers that are not stored as f32 are converted into a buffer of the record. */
#include "io/file.h"
#include "io/stream.h"

#include <errno.h>
#include <math.h>

// A block over twice this is read in steps: a length alone must not make us take 64 MiB.
#define STEP ((size_t)1 << 20)

void vla_rec_release(vla_rec *rec)
{
	if (!rec)
		return;
	free(rec->priv);
	*rec = (vla_rec)VLA_REC_INIT;
}

static vla_status reserve(vle_source *s, size_t used, size_t n, vla_err *err)
{
	if (n <= s->cap)
		return VLA_OK;
	size_t cap = vle_align(n > 2 * s->cap ? n : 2 * s->cap, 4096);
	char *p = vla_alloc(cap, 1);
	if (!p)
		return vla_nomem(err);
	if (used)
		memcpy(p, s->buf, used);
	free(s->buf);
	s->buf = p;
	s->cap = cap;
	return VLA_OK;
}

// Reads until s->buf holds n bytes, used of which are there already.
static vla_status fill(vle_source *s, size_t used, size_t n, const char *where, vla_err *err)
{
	while (used < n) {
		size_t more = n - used < 2 * STEP ? n - used : STEP;
		VLA_TRY(reserve(s, used, used + more, err));
		size_t got = fread(s->buf + used, 1, more, s->f);
		used += got;
		if (got < more)
			return ferror(s->f) ? vla_fail(err, VLA_EIO, "%s", strerror(errno))
					    : vla_fail(err, VLA_ETRUNC, "stream ends inside a %s", where);
	}
	return VLA_OK;
}

vla_status vle_source_header(vle_source *s, bool first, vla_header *h, vla_err *err)
{
	VLA_TRY(reserve(s, 0, VLE_FIXED, err));
	size_t got = fread(s->buf, 1, 8, s->f), n;
	if (ferror(s->f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (got == 0)
		return first ? vla_fail(err, VLA_ETRUNC, "the input is empty") : VLA_EOF;
	if (got < 8 || memcmp(s->buf, VLE_MAGIC, 8) != 0) {
		if (got < 8 && memcmp(s->buf, VLE_MAGIC, got) == 0)
			return vla_fail(err, VLA_ETRUNC, "stream ends inside a header");
		if (!first)
			return vla_fail(err, VLA_EFORMAT, "what follows the end block is not a segment");
		if (got < 4 || memcmp(s->buf, VLE_MAGIC, 4) != 0)
			return vla_fail(err, VLA_EFORMAT, "not an embedding stream");
	}
	VLA_TRY(fill(s, got, VLE_FIXED, "header", err));
	VLA_TRY(vle_header_length(s->buf, &n, err));
	VLA_TRY(fill(s, VLE_FIXED, n, "header", err));
	return vle_header_parse(s->buf, n, h, err);
}

vla_status vle_source_block(vle_source *s, vle_block *out, vla_err *err)
{
	size_t n;
	VLA_TRY(reserve(s, 0, VLE_HEAD, err));
	size_t got = fread(s->buf, 1, VLE_HEAD, s->f);
	if (ferror(s->f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (got < VLE_HEAD)
		return vla_fail(err, VLA_ETRUNC,
				got ? "stream ends inside a block" : "stream ends without an end block");
	VLA_TRY(vle_block_length(s->buf, &n, err));
	VLA_TRY(fill(s, VLE_HEAD, n, "block", err));
	*out = (vle_block){ s->buf, n };
	return vle_block_verify(out, err);
}

void vle_source_release(vle_source *s)
{
	free(s->buf);
	*s = (vle_source){ NULL, NULL, 0 };
}

struct vla_reader {
	char *name;         // for messages; NULL when the FILE came from the caller
	FILE *own;          // closed with the reader
	vla_header header;  // first segment
	vla_header segment; // current one
	vle_source src;     // headers and blocks other than RECS
	vle_source recs_src, vecs_src;
	vle_recs recs;
	vle_block vecs;
	vle_layout layout;
	size_t at;        // next record of the block
	size_t row;       // its first row in the block
	uint64_t records; // of this segment, so far
	vla_status over;  // VLA_EOF after the end, an error after an error
};

static vla_status named(const vla_reader *r, vla_err *err, vla_status s)
{
	return s < 0 && r->name && s != VLA_ENOMEM ? vla_prefix(err, s, "cannot read '%s'", r->name) : s;
}

static vla_status start(vla_reader *r, FILE *f, vla_err *err)
{
	r->src.f = r->recs_src.f = r->vecs_src.f = f;
	VLA_TRY(vle_source_header(&r->src, true, &r->segment, err));
	return vla_header_copy(&r->header, &r->segment, err);
}

static vla_status open_reader(const char *path, FILE *f, vla_reader **out, vla_err *err)
{
	vla_reader *r = vla_zalloc(1, sizeof *r);
	if (!r)
		return vla_nomem(err);
	r->header = r->segment = (vla_header)VLA_HEADER_INIT;
	vla_status s = VLA_OK;
	if (path) {
		r->name = vla_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
		s = r->name ? vla_infile_open(path, &r->own, err) : vla_nomem(err);
		f = r->own;
	}
	if (s == VLA_OK)
		s = named(r, err, start(r, f, err));
	if (s != VLA_OK) {
		vla_reader_close(r);
		return s;
	}
	*out = r;
	return VLA_OK;
}

vla_status vla_reader_open(const char *path, vla_reader **out, vla_err *err)
{
	return open_reader(path, NULL, out, err);
}

vla_status vla_reader_from(FILE *f, vla_reader **out, vla_err *err)
{
	return open_reader(NULL, f, out, err);
}

void vla_reader_close(vla_reader *r)
{
	if (!r)
		return;
	vla_infile_close(r->own);
	vla_header_release(&r->header);
	vla_header_release(&r->segment);
	vle_source_release(&r->src);
	vle_source_release(&r->recs_src);
	vle_source_release(&r->vecs_src);
	free(r->name);
	free(r);
}

const vla_header *vla_reader_header(const vla_reader *r)
{
	return &r->header;
}

// Loads the block pair that b, a RECS block in r->recs_src, begins.
static vla_status load_pair(vla_reader *r, const vle_block *b, vla_err *err)
{
	VLA_TRY(vle_recs_parse(b, &r->segment, &r->recs, err));
	VLA_TRY(vle_source_block(&r->vecs_src, &r->vecs, err));
	if (!vle_block_is(r->vecs.data, "VECS") || vle_records(&r->vecs) != r->recs.n)
		return vla_fail(err, VLA_ECORRUPT, "block of records is not followed by their vectors");
	if (!vle_layout_of(&r->segment, r->recs.n, r->recs.rows_total, &r->layout) || r->layout.total != r->vecs.n)
		return vla_fail(err, VLA_ECORRUPT, "block of vectors has a length of %zu", r->vecs.n);
	r->at = r->row = 0;
	return VLA_OK;
}

// Moves on to the next block with records; VLA_EOF after the last segment.
static vla_status next_pair(vla_reader *r, vla_err *err)
{
	for (;;) {
		vle_block b;
		VLA_TRY(vle_source_block(&r->recs_src, &b, err));
		if (vle_block_is(b.data, "RECS"))
			return load_pair(r, &b, err);
		if (vle_block_is(b.data, "ENDS")) {
			VLA_TRY(vle_check_end(&b, &r->segment, r->records, err));
			VLA_TRY(vle_source_header(&r->src, false, &r->segment, err));
			VLA_TRY(vle_header_join(&r->header, &r->segment, err));
			r->records = 0;
		} else if (!vle_tag_optional(b.data)) {
			return vla_fail(err, VLA_EVERSION, "stream has a block of the unknown kind %.4s", b.data);
		}
	}
}

static vla_status row_data(vla_reader *r, vla_rec *rec, vla_err *err)
{
	const vla_header *h = &r->segment;
	size_t width = h->kind == VLA_SPARSE ? 1 : h->dim, n = rec->rows * width, each = vla_dtype_size(h->dtype);
	const char *values = r->vecs.data + r->layout.values + r->row * width * each;
	if (h->dtype == VLA_F32) {
		rec->data = (float *)(uintptr_t)values; // our own buffer
		return vle_finite(rec->data, n)
			       ? VLA_OK
			       : vla_fail(err, VLA_ECORRUPT, "vector holds a number that is not finite");
	}
	float *out = vla_realloc(rec->priv, n, sizeof *out);
	if (!out)
		return vla_nomem(err);
	rec->priv = rec->data = out;
	bool good = true;
	const char *scales = r->vecs.data + r->layout.scales;
	// Sparse i8 has one scale a record, the others one a row.
	size_t step = h->dtype == VLA_I8 && h->kind != VLA_SPARSE ? width : n;
	for (size_t i = 0, row = h->kind == VLA_SPARSE ? r->at : r->row; i < n; i += step, row++) {
		float scale = 1;
		if (h->dtype == VLA_I8)
			memcpy(&scale, scales + row * 4, 4);
		good &= vle_decode(h->dtype, values + i * each, scale, step, out + i);
	}
	return good ? VLA_OK : vla_fail(err, VLA_ECORRUPT, "vector holds a number that is not finite");
}

static vla_status row_index(vla_reader *r, vla_rec *rec, vla_err *err)
{
	rec->index = NULL;
	if (r->segment.kind != VLA_SPARSE)
		return VLA_OK;
	rec->index = (uint32_t *)(uintptr_t)(r->vecs.data + r->layout.index) + r->row;
	for (size_t i = 0; i < rec->rows; i++)
		if (rec->index[i] >= r->segment.dim || (i && rec->index[i] <= rec->index[i - 1]))
			return vla_fail(err, VLA_ECORRUPT, "indexes of a sparse vector are not in order");
	return VLA_OK;
}

static vla_status next_record(vla_reader *r, vla_rec *rec, vla_err *err)
{
	if (r->at == r->recs.n)
		VLA_TRY(next_pair(r, err));
	const vle_recs *c = &r->recs;
	size_t i = r->at;
	rec->rows = c->rows ? c->rows[i] : 1;
	VLA_TRY(row_index(r, rec, err));
	VLA_TRY(row_data(r, rec, err));
	rec->id = (char *)(uintptr_t)vle_string(&c->id, i);
	rec->caption = (char *)(uintptr_t)vle_string(&c->caption, i);
	rec->label = (char *)(uintptr_t)vle_string(&c->label, i);
	rec->grid_h = c->grid ? c->grid[2 * i] : 0;
	rec->grid_w = c->grid ? c->grid[2 * i + 1] : 0;
	rec->box = c->box && !isnan(c->box[4 * i]) ? (float *)(uintptr_t)(c->box + 4 * i) : NULL;
	rec->time = c->time && !isnan(c->time[2 * i]) ? (double *)(uintptr_t)(c->time + 2 * i) : NULL;
	r->row += rec->rows;
	r->at++;
	r->records++;
	return VLA_OK;
}

vla_status vla_reader_next(vla_reader *r, vla_rec *rec, vla_err *err)
{
	if (r->over < 0)
		return named(r, err, vla_fail(err, r->over, "an earlier read failed"));
	if (r->over == VLA_EOF)
		return VLA_EOF;
	vla_status s = next_record(r, rec, err);
	r->over = s;
	return named(r, err, s);
}
