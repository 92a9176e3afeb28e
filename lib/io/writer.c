/* Streams written record by record, vle(5). Records are collected in columns and leave as a pair of blocks when about 1
 * MiB has come together, so memory does not grow with the stream. */
#include "io/file.h"
#include "io/stream.h"

#include <errno.h>
#include <math.h>

// A column of strings under construction.
struct texts {
	vla_buf off, text;
	bool any;
};

struct vla_writer {
	char *name;
	vla_outfile *out;
	FILE *f;
	vla_header header;
	struct texts id, caption, label;
	vla_buf rows, grid, box, time; // fixed-width columns
	bool any_grid, any_box, any_time;
	vla_buf index, values, scales; // the VECS block
	vla_buf block;                 // RECS block on its way out
	uint32_t n;                    // records collected
	uint64_t nrows;                // their rows
	uint64_t total;                // records of the segment
	bool failed;                   // a block was lost: the stream cannot be completed
};

static vla_status named(const vla_writer *w, vla_err *err, vla_status s)
{
	return s < 0 && s != VLA_ENOMEM ? vla_prefix(err, s, "cannot write '%s'", w->name) : s;
}

static vla_status send(vla_writer *w, const void *p, size_t n, vla_err *err)
{
	if (n && fwrite(p, 1, n, w->f) != n)
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	return VLA_OK;
}

static vla_status start(vla_writer *w, const char *path, const vla_header *h, vla_err *err)
{
	VLA_TRY(vla_header_copy(&w->header, h, err));
	VLA_TRY(vle_header_format(h, &w->block, err));
	VLA_TRY(vla_outfile_open(path, &w->out, err));
	w->f = vla_outfile_stream(w->out);
	return named(w, err, send(w, w->block.data, w->block.n, err));
}

vla_status vla_writer_open(const char *path, const vla_header *h, vla_writer **out, vla_err *err)
{
	vla_writer *w = vla_zalloc(1, sizeof *w);
	if (!w)
		return vla_nomem(err);
	w->name = vla_strdup(!path || strcmp(path, "-") == 0 ? "standard output" : path);
	vla_status s = w->name ? start(w, path, h, err) : vla_nomem(err);
	if (s != VLA_OK) {
		vla_writer_close(w);
		return s;
	}
	*out = w;
	return VLA_OK;
}

static void release_texts(struct texts *t)
{
	vla_buf_release(&t->off);
	vla_buf_release(&t->text);
}

void vla_writer_close(vla_writer *w)
{
	if (!w)
		return;
	vla_outfile_close(w->out);
	vla_header_release(&w->header);
	release_texts(&w->id);
	release_texts(&w->caption);
	release_texts(&w->label);
	vla_buf *const bufs[] = { &w->rows, &w->grid, &w->box, &w->time, &w->index, &w->values, &w->scales, &w->block };
	for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
		vla_buf_release(bufs[i]);
	free(w->name);
	free(w);
}

static vla_status add_column(vla_writer *w, const char *tag, const vla_buf *head, const vla_buf *body, vla_err *err)
{
	uint32_t n = (uint32_t)(head->n + (body ? body->n : 0));
	VLA_TRY(vla_buf_add(&w->block, tag, 4, err));
	VLA_TRY(vla_buf_add(&w->block, &n, 4, err));
	VLA_TRY(vla_buf_add(&w->block, head->data, head->n, err));
	if (body)
		VLA_TRY(vla_buf_add(&w->block, body->data, body->n, err));
	return vla_buf_add(&w->block, "\0\0\0\0\0\0\0", vle_align(n, 8) - n, err);
}

static vla_status add_texts(vla_writer *w, const char *tag, struct texts *t, vla_err *err)
{
	uint32_t end = (uint32_t)t->text.n;
	VLA_TRY(vla_buf_add(&t->off, &end, 4, err));
	return add_column(w, tag, &t->off, &t->text, err);
}

static vla_status send_recs(vla_writer *w, vla_err *err)
{
	static const char zero[VLE_ALIGN];
	bool many = w->header.kind != VLA_DENSE;
	uint32_t columns = 1u + many + w->any_grid + w->caption.any + w->label.any + w->any_box + w->any_time;
	const uint32_t head[2] = { w->n, 0 };
	w->block.n = 0;
	VLA_TRY(vla_buf_add(&w->block, "RECS", 4, err));
	VLA_TRY(vla_buf_add(&w->block, head, 8, err));
	VLA_TRY(vla_buf_add(&w->block, &columns, 4, err));
	VLA_TRY(add_texts(w, "IDS ", &w->id, err));
	if (many)
		VLA_TRY(add_column(w, "ROWS", &w->rows, NULL, err));
	if (w->any_grid)
		VLA_TRY(add_column(w, "grid", &w->grid, NULL, err));
	if (w->caption.any)
		VLA_TRY(add_texts(w, "capt", &w->caption, err));
	if (w->label.any)
		VLA_TRY(add_texts(w, "labl", &w->label, err));
	if (w->any_box)
		VLA_TRY(add_column(w, "bbox", &w->box, NULL, err));
	if (w->any_time)
		VLA_TRY(add_column(w, "time", &w->time, NULL, err));
	size_t total = vle_align(w->block.n + 4, VLE_ALIGN);
	VLA_TRY(vla_buf_add(&w->block, zero, total - 4 - w->block.n, err));
	uint32_t bytes = (uint32_t)(total - VLE_HEAD - 4);
	memcpy(w->block.data + 8, &bytes, 4);
	uint32_t crc = vle_crc(0, w->block.data, w->block.n);
	VLA_TRY(vla_buf_add(&w->block, &crc, 4, err));
	return send(w, w->block.data, w->block.n, err);
}

// Sends a part of a block and zeros up to the next multiple of 64 (less the checksum's 4 at the end).
static vla_status send_part(vla_writer *w, const void *p, size_t n, size_t room, uint32_t *crc, vla_err *err)
{
	static const char zero[VLE_ALIGN];
	*crc = vle_crc(*crc, p ? p : zero, n);
	VLA_TRY(send(w, p, n, err));
	*crc = vle_crc(*crc, zero, room - n);
	return send(w, zero, room - n, err);
}

static vla_status send_vecs(vla_writer *w, vla_err *err)
{
	vle_layout l;
	uint32_t crc = 0;
	char head[VLE_ALIGN] = "VECS";
	if (!vle_layout_of(&w->header, w->n, w->nrows, &l))
		return vla_fail(err, VLA_EINVAL, "a record is over the limit of %zu bytes", VLE_MAX_BLOCK);
	uint32_t bytes = (uint32_t)(l.total - VLE_HEAD - 4);
	memcpy(head + 4, &w->n, 4);
	memcpy(head + 8, &bytes, 4);
	VLA_TRY(send_part(w, head, sizeof head, sizeof head, &crc, err));
	VLA_TRY(send_part(w, w->index.data, w->index.n, l.values - l.index, &crc, err));
	size_t after = l.scales ? l.scales : l.total - 4;
	VLA_TRY(send_part(w, w->values.data, w->values.n, after - l.values, &crc, err));
	if (l.scales)
		VLA_TRY(send_part(w, w->scales.data, w->scales.n, l.total - 4 - l.scales, &crc, err));
	return send(w, &crc, 4, err);
}

static vla_status send_pair(vla_writer *w, vla_err *err)
{
	if (w->failed)
		return vla_fail(err, VLA_EIO, "an earlier write failed");
	if (w->n == 0)
		return VLA_OK;
	w->failed = true;
	VLA_TRY(send_recs(w, err));
	VLA_TRY(send_vecs(w, err));
	w->failed = false;
	vla_buf *const bufs[] = { &w->id.off,     &w->id.text, &w->caption.off, &w->caption.text, &w->label.off,
				  &w->label.text, &w->rows,    &w->grid,        &w->box,          &w->time,
				  &w->index,      &w->values,  &w->scales };
	for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
		bufs[i]->n = 0;
	w->caption.any = w->label.any = w->any_grid = w->any_box = w->any_time = false;
	w->n = 0;
	w->nrows = 0;
	return VLA_OK;
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static vla_status check_index(const vla_header *h, const vla_rec *rec, vla_err *err)
{
	if (!rec->index && rec->rows)
		return vla_fail(err, VLA_EINVAL, "sparse record '%s' has no indexes", rec->id);
	for (size_t i = 0; i < rec->rows; i++)
		if (rec->index[i] >= h->dim || (i && rec->index[i] <= rec->index[i - 1]))
			return vla_fail(err, VLA_EINVAL,
					"indexes of record '%s' are not increasing or reach the dimension %u", rec->id,
					h->dim);
	return VLA_OK;
}

// Says whether the record can be stored at all, and how many bytes it adds to the larger of the two blocks.
static vla_status check_record(const vla_writer *w, const vla_rec *rec, size_t rows, size_t *bytes, vla_err *err)
{
	const vla_header *h = &w->header;
	vle_layout l;
	if (!rec->id)
		return vla_fail(err, VLA_EINVAL, "record %llu has no id", (unsigned long long)w->total + w->n);
	if (h->kind == VLA_DENSE && rows != 1)
		return vla_fail(err, VLA_EINVAL, "record '%s' has %zu rows in a dense stream", rec->id, rows);
	uint64_t cells = (uint64_t)rec->grid_h * rec->grid_w;
	if ((rec->grid_h || rec->grid_w) && (h->kind != VLA_TOKENS || cells != rows))
		return vla_fail(err, VLA_EINVAL, "grid of record '%s' does not fit its %zu rows", rec->id, rows);
	for (size_t i = 0; i < 4; i++)
		if ((rec->box && !isfinite(rec->box[i])) || (rec->time && i < 2 && !isfinite(rec->time[i])))
			return vla_fail(err, VLA_EINVAL, "box or time of record '%s' is not finite", rec->id);
	size_t texts = text_size(rec->id) + text_size(rec->caption) + text_size(rec->label) + 256;
	if (texts > VLE_MAX_BLOCK / 2 || !vle_layout_of(h, 1, rows, &l))
		return vla_fail(err, VLA_EINVAL, "record '%.100s' is over the limit of %zu bytes", rec->id,
				VLE_MAX_BLOCK);
	*bytes = texts > l.total ? texts : l.total;
	return h->kind == VLA_SPARSE ? check_index(h, rec, err) : VLA_OK;
}

static vla_status put_values(vla_writer *w, const vla_rec *rec, size_t rows, vla_err *err)
{
	const vla_header *h = &w->header;
	size_t width = h->kind == VLA_SPARSE ? 1 : h->dim, n = rows * width, each = vla_dtype_size(h->dtype);
	bool scaled = h->dtype == VLA_I8;
	size_t step = scaled && h->kind != VLA_SPARSE ? width : n, nscales = h->kind == VLA_SPARSE ? 1 : rows;
	VLA_TRY(vla_buf_reserve(&w->values, n * each, err));
	VLA_TRY(vla_buf_reserve(&w->scales, nscales * 4, err));
	if (h->kind == VLA_SPARSE)
		VLA_TRY(vla_buf_reserve(&w->index, n * 4, err));
	size_t row = 0;
	float scale = 0;
	for (size_t i = 0; i < n; i += step, row++) {
		if (!vle_encode(h->dtype, rec->data + i, step, w->values.data + w->values.n + i * each, &scale))
			return vla_fail(err, VLA_EINVAL,
					"record '%s' holds a number that is not finite or too large for %s", rec->id,
					vla_dtype_name(h->dtype));
		if (scaled)
			memcpy(w->scales.data + w->scales.n + row * 4, &scale, 4);
	}
	if (scaled && n == 0 && nscales)
		memcpy(w->scales.data + w->scales.n, &scale, 4);
	if (h->kind == VLA_SPARSE && n)
		memcpy(w->index.data + w->index.n, rec->index, n * 4);
	return VLA_OK;
}

static vla_status reserve_fields(vla_writer *w, const vla_rec *rec, vla_err *err)
{
	const struct {
		vla_buf *b;
		size_t n;
	} need[] = {
		{ &w->id.off, 4 },      { &w->id.text, text_size(rec->id) },
		{ &w->caption.off, 4 }, { &w->caption.text, text_size(rec->caption) },
		{ &w->label.off, 4 },   { &w->label.text, text_size(rec->label) },
		{ &w->rows, 4 },        { &w->grid, 8 },
		{ &w->box, 16 },        { &w->time, 16 },
	};
	for (size_t i = 0; i < sizeof need / sizeof need[0]; i++)
		VLA_TRY(vla_buf_reserve(need[i].b, need[i].n, err));
	return VLA_OK;
}

// From here on nothing can fail: memory is there.
static void append(vla_buf *b, const void *p, size_t n)
{
	if (n)
		memcpy(b->data + b->n, p, n);
	b->n += n;
}

static void append_text(struct texts *t, const char *s)
{
	uint32_t at = (uint32_t)t->text.n;
	append(&t->off, &at, 4);
	append(&t->text, s, text_size(s));
	t->any |= s != NULL;
}

static void append_fields(vla_writer *w, const vla_rec *rec, size_t rows)
{
	static const float no_box[4] = { NAN, NAN, NAN, NAN };
	static const double no_time[2] = { NAN, NAN };
	const uint32_t grid[2] = { rec->grid_h, rec->grid_w }, r = (uint32_t)rows;
	append_text(&w->id, rec->id);
	append_text(&w->caption, rec->caption);
	append_text(&w->label, rec->label);
	append(&w->rows, &r, 4);
	append(&w->grid, grid, 8);
	append(&w->box, rec->box ? rec->box : no_box, 16);
	append(&w->time, rec->time ? rec->time : no_time, 16);
	w->any_grid |= rec->grid_h != 0;
	w->any_box |= rec->box != NULL;
	w->any_time |= rec->time != NULL;
}

static vla_status put(vla_writer *w, const vla_rec *rec, vla_err *err)
{
	const vla_header *h = &w->header;
	size_t rows = h->kind == VLA_DENSE && rec->rows == 0 ? 1 : rec->rows, bytes = 0;
	VLA_TRY(check_record(w, rec, rows, &bytes, err));
	size_t texts = w->id.text.n + w->caption.text.n + w->label.text.n;
	size_t held = w->values.n + w->index.n;
	if (w->n == VLE_MAX_RECORDS || (held > texts ? held : texts) + bytes > VLE_TARGET + 256)
		VLA_TRY(send_pair(w, err));
	VLA_TRY(put_values(w, rec, rows, err));
	VLA_TRY(reserve_fields(w, rec, err));
	size_t n = rows * (h->kind == VLA_SPARSE ? 1 : h->dim);
	append_fields(w, rec, rows);
	w->values.n += n * vla_dtype_size(h->dtype);
	if (h->kind == VLA_SPARSE)
		w->index.n += n * 4;
	if (h->dtype == VLA_I8)
		w->scales.n += (h->kind == VLA_SPARSE ? 1 : rows) * 4;
	w->n++;
	w->nrows += rows;
	w->total++;
	return VLA_OK;
}

vla_status vla_writer_put(vla_writer *w, const vla_rec *rec, vla_err *err)
{
	return named(w, err, put(w, rec, err));
}

vla_status vla_writer_flush(vla_writer *w, vla_err *err)
{
	vla_status s = send_pair(w, err);
	if (s == VLA_OK && fflush(w->f) != 0)
		s = vla_fail(err, VLA_EIO, "%s", strerror(errno));
	return named(w, err, s);
}

vla_status vla_writer_finish(vla_writer *w, vla_err *err)
{
	char end[VLE_ALIGN] = "ENDS";
	const uint32_t bytes = VLE_ALIGN - VLE_HEAD - 4;
	if (w->header.count != UINT64_MAX && w->header.count != w->total)
		return named(w, err,
			     vla_fail(err, VLA_EINVAL, "%llu records were announced, %llu came",
				      (unsigned long long)w->header.count, (unsigned long long)w->total));
	vla_status s = send_pair(w, err);
	memcpy(end + 8, &bytes, 4);
	memcpy(end + VLE_HEAD, &w->total, 8);
	uint32_t crc = vle_crc(0, end, VLE_ALIGN - 4);
	memcpy(end + VLE_ALIGN - 4, &crc, 4);
	if (s == VLA_OK)
		s = send(w, end, sizeof end, err);
	return s == VLA_OK ? vla_outfile_commit(w->out, err) : named(w, err, s);
}
