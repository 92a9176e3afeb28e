/* Builds a flat index file from dense streams. Vectors go to the file as they are read; ids, captions and labels wait
 * in memory. */
#include "index/store.h"

#include "kern/kern.h"

#include <math.h>

// A column of strings while it grows.
struct column {
	vla_buf offset, text; // offset: u64, without the last one
	bool any;
};

struct build {
	vla_chunk_writer *w;
	vla_header header; // of the first stream
	vla_dtype dtype;
	uint64_t rows;
	struct column id, caption, label;
	vla_buf scales;
	void *row; // [dim] in the stored dtype
};

static vla_status add_text(struct column *c, const char *s, vla_err *err)
{
	uint64_t at = c->text.n;
	c->any = c->any || s;
	VLA_TRY(vla_buf_add(&c->offset, &at, sizeof at, err));
	return vla_buf_add(&c->text, s ? s : "", s ? strlen(s) + 1 : 1, err);
}

static vla_status add_rec(struct build *b, const vla_rec *rec, vla_err *err)
{
	size_t dim = b->header.dim;
	if (b->dtype == VLA_I8) {
		float scale = vla_f32_to_i8(dim, rec->data, b->row);
		VLA_TRY(vla_buf_add(&b->scales, &scale, sizeof scale, err));
	} else {
		for (size_t i = 0; b->dtype == VLA_F16 && i < dim; i++)
			if (!(fabsf(rec->data[i]) <= 65504))
				return vla_fail(err, VLA_EINVAL, "record '%s' has numbers past the range of f16",
						rec->id);
		vla_from_f32(b->dtype, dim, rec->data, b->row);
	}
	VLA_TRY(vla_chunk_add(b->w, b->row, dim * vla_dtype_size(b->dtype), err));
	VLA_TRY(add_text(&b->id, rec->id, err));
	VLA_TRY(add_text(&b->caption, rec->caption, err));
	VLA_TRY(add_text(&b->label, rec->label, err));
	b->rows++;
	return VLA_OK;
}

static vla_status check_header(struct build *b, const vla_header *h, const char *path, bool first, vla_err *err)
{
	if (h->kind != VLA_DENSE)
		return vla_fail(err, VLA_EINVAL, "'%s' holds %s records; a flat index takes dense ones", path,
				vla_kind_name(h->kind));
	if (first)
		return vla_header_copy(&b->header, h, err);
	if (h->dim != b->header.dim)
		return vla_fail(err, VLA_EINVAL, "'%s' has vectors of %u numbers, the streams before it %u", path,
				h->dim, b->header.dim);
	if (h->model[0] && b->header.model[0] && strcmp(h->model, b->header.model) != 0)
		return vla_fail(err, VLA_EINVAL, "'%s' was made with model %s, the streams before it with %s", path,
				h->model, b->header.model);
	if (!b->header.model[0])
		memcpy(b->header.model, h->model, sizeof h->model);
	b->header.l2 = b->header.l2 && h->l2;
	return VLA_OK;
}

static vla_status add_stream(struct build *b, const char *path, bool first, int dtype, vla_err *err)
{
	vla_reader *r = NULL;
	vla_rec rec = VLA_REC_INIT;
	vla_status s = vla_reader_open(path, &r, err);
	if (s == VLA_OK)
		s = check_header(b, vla_reader_header(r), path, first, err);
	if (s == VLA_OK && first) {
		b->dtype = dtype < 0 ? b->header.dtype : (vla_dtype)dtype;
		b->row = vla_alloc(b->header.dim, vla_dtype_size(b->dtype));
		s = b->row ? VLA_OK : vla_nomem(err);
	}
	while (s == VLA_OK) {
		s = vla_reader_next(r, &rec, err);
		if (s == VLA_OK)
			s = add_rec(b, &rec, err);
		else if (s != VLA_EOF)
			s = vla_prefix(err, s, "cannot read '%s'", path);
	}
	vla_rec_release(&rec);
	vla_reader_close(r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status put_column(struct build *b, const struct column *c, const char *offsets, const char *strings,
			     vla_err *err)
{
	uint64_t end = c->text.n;
	VLA_TRY(vla_chunk_begin(b->w, offsets, err));
	VLA_TRY(vla_chunk_add(b->w, c->offset.data, c->offset.n, err));
	VLA_TRY(vla_chunk_add(b->w, &end, sizeof end, err));
	VLA_TRY(vla_chunk_begin(b->w, strings, err));
	return vla_chunk_add(b->w, c->text.data, c->text.n, err);
}

static vla_status put_head(struct build *b, int argc, char *const *argv, vla_err *err)
{
	vla_buf t = { NULL, 0, 0 };
	vla_status s = vla_header_add_pg(&b->header, argc, argv, err);
	if (s == VLA_OK)
		s = vla_buf_addf(&t, err, "dtype=%s\ndim=%u\nrows=%llu\nl2=%d\nmodel=%s\ncompute=%s\n",
				 vla_dtype_name(b->dtype), b->header.dim, (unsigned long long)b->rows, b->header.l2,
				 b->header.model, b->header.compute);
	for (size_t i = 0; i < b->header.npg && s == VLA_OK; i++)
		s = vla_buf_addf(&t, err, "pg=%s\n", b->header.pg[i]);
	if (s == VLA_OK)
		s = vla_chunk_begin(b->w, "HEAD", err);
	if (s == VLA_OK)
		s = vla_chunk_add(b->w, t.data, t.n, err);
	vla_buf_release(&t);
	return s;
}

static vla_status build(struct build *b, const char *const *streams, size_t n, int dtype, const char *path, int argc,
			char *const *argv, vla_err *err)
{
	VLA_TRY(vla_chunk_writer_open(path, &b->w, err));
	VLA_TRY(vla_chunk_begin(b->w, "VECS", err));
	for (size_t i = 0; i < n; i++)
		VLA_TRY(add_stream(b, streams[i], i == 0, dtype, err));
	if (b->dtype == VLA_I8) {
		VLA_TRY(vla_chunk_begin(b->w, "SCAL", err));
		VLA_TRY(vla_chunk_add(b->w, b->scales.data, b->scales.n, err));
	}
	VLA_TRY(put_column(b, &b->id, "IDOF", "IDST", err));
	if (b->caption.any)
		VLA_TRY(put_column(b, &b->caption, "CPOF", "CPST", err));
	if (b->label.any)
		VLA_TRY(put_column(b, &b->label, "LBOF", "LBST", err));
	VLA_TRY(put_head(b, argc, argv, err));
	return vla_chunk_writer_finish(b->w, err);
}

static void release_column(struct column *c)
{
	vla_buf_release(&c->offset);
	vla_buf_release(&c->text);
}

vla_status vla_index_build_flat(const char *const *streams, size_t n, int dtype, const char *path, int argc,
				char *const *argv, vla_err *err)
{
	if (!n || dtype > (int)VLA_I8)
		return vla_fail(err, VLA_EINVAL, n ? "an index stores f32, f16, bf16 or i8" : "no stream to index");
	struct build b = { .header = VLA_HEADER_INIT };
	vla_status s = build(&b, streams, n, dtype, path, argc, argv, err);
	vla_chunk_writer_close(b.w);
	release_column(&b.id);
	release_column(&b.caption);
	release_column(&b.label);
	vla_buf_release(&b.scales);
	free(b.row);
	vla_header_release(&b.header);
	return s;
}

vla_status vla_index_check(const char *path, vla_err *err)
{
	vla_store s;
	VLA_TRY(vla_store_open(path, &s, err));
	vla_status st = s.chunks ? vla_chunks_check(s.chunks, err) : vla_fail(err, VLA_EFORMAT, "not an index file");
	vla_store_release(&s);
	return st;
}
