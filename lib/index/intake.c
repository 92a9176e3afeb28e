/* Rows on their way into an index: what streams and index files hold, in the stored type, in an unnamed file that is
 * then mapped, so that neither a pipe nor a collection larger than memory is a special case. */
#define _GNU_SOURCE // O_TMPFILE
#include "index/intake.h"

#include "kern/kern.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

static vla_status open_spool(vla_intake *in, const char *path, vla_err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? vla_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : vla_strdup(".");
	char *temp = vla_format("%s.rows.XXXXXX", path);
	int fd = -1;
	vla_status s = folder && temp ? VLA_OK : vla_nomem(err);
#ifdef O_TMPFILE
	if (s == VLA_OK)
		fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
	if (s == VLA_OK && fd < 0 && (fd = mkstemp(temp)) >= 0)
		unlink(temp);
	if (s == VLA_OK && (fd < 0 || !(in->spool = fdopen(fd, "w+b")))) {
		s = vla_fail(err, VLA_EIO, "cannot create a file beside '%s': %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	free(folder);
	free(temp);
	return s;
}

vla_status vla_intake_init(vla_intake *in, const char *path, const vla_header *fit, int dtype, vla_err *err)
{
	*in = (vla_intake){ .header = VLA_HEADER_INIT };
	in->map.data = "";
	in->dtype = dtype < 0 ? VLA_BOOL : (vla_dtype)dtype; // VLA_BOOL: not known yet
	if (fit) {
		VLA_TRY(vla_header_copy(&in->header, fit, err));
		if (dtype < 0)
			in->dtype = fit->dtype;
	}
	return open_spool(in, path, err);
}

static vla_status fit_header(vla_intake *in, const vla_header *h, const char *path, vla_err *err)
{
	vla_header *mine = &in->header;
	if (h->kind != VLA_DENSE)
		return vla_fail(err, VLA_EINVAL, "'%s' holds %s records; this type of index takes dense ones", path,
				vla_kind_name(h->kind));
	if (!mine->dim) { // the first source
		VLA_TRY(vla_header_copy(mine, h, err));
		if (in->dtype == VLA_BOOL)
			in->dtype = h->dtype;
	}
	if (h->dim != mine->dim)
		return vla_fail(err, VLA_EINVAL, "'%s' has vectors of %u numbers, those before it %u", path, h->dim,
				mine->dim);
	if (h->model[0] && mine->model[0] && strcmp(h->model, mine->model) != 0)
		return vla_fail(err, VLA_EINVAL, "'%s' was made with model %s, those before it with %s", path, h->model,
				mine->model);
	if (!mine->model[0])
		memcpy(mine->model, h->model, sizeof h->model);
	mine->l2 = mine->l2 && h->l2;
	if (!in->row)
		in->row = vla_alloc(mine->dim, sizeof(float));
	return in->row ? VLA_OK : vla_nomem(err);
}

static vla_status add_text(vla_column *c, const char *s, vla_err *err)
{
	uint64_t at = c->text.n;
	c->any = c->any || s;
	VLA_TRY(vla_buf_add(&c->offset, &at, sizeof at, err));
	return vla_buf_add(&c->text, s ? s : "", s ? strlen(s) + 1 : 1, err);
}

static vla_status spool(vla_intake *in, const void *row, vla_err *err)
{
	size_t n = vla_intake_row_bytes(in);
	if (fwrite(row, 1, n, in->spool) != n)
		return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
	return VLA_OK;
}

static vla_status add_vector(vla_intake *in, const float *v, const char *id, vla_err *err)
{
	size_t dim = in->header.dim;
	if (in->dtype == VLA_I8) {
		float scale = vla_f32_to_i8(dim, v, in->row);
		VLA_TRY(vla_buf_add(&in->scales, &scale, sizeof scale, err));
	} else {
		float limit = in->dtype == VLA_F16 ? 65504.0f : in->dtype == VLA_BF16 ? 3.389e38f : INFINITY;
		for (size_t i = 0; in->dtype != VLA_F32 && i < dim; i++)
			if (!(fabsf(v[i]) <= limit))
				return vla_fail(err, VLA_EINVAL, "record '%s' has numbers past the range of %s", id,
						vla_dtype_name(in->dtype));
		vla_from_f32(in->dtype, dim, v, in->row);
	}
	return spool(in, in->row, err);
}

static vla_status add_fields(vla_intake *in, const char *id, const char *caption, const char *label, vla_err *err)
{
	VLA_TRY(add_text(&in->id, id, err));
	VLA_TRY(add_text(&in->caption, caption, err));
	VLA_TRY(add_text(&in->label, label, err));
	in->rows++;
	return VLA_OK;
}

vla_status vla_intake_stream(vla_intake *in, const char *path, vla_err *err)
{
	vla_reader *r = NULL;
	vla_rec rec = VLA_REC_INIT;
	vla_status s = vla_reader_open(path, &r, err);
	if (s == VLA_OK)
		s = fit_header(in, vla_reader_header(r), path, err);
	while (s == VLA_OK) {
		s = vla_reader_next(r, &rec, err);
		if (s != VLA_OK && s != VLA_EOF)
			s = vla_prefix(err, s, "cannot read '%s'", path);
		if (s == VLA_OK)
			s = add_vector(in, rec.data, rec.id, err);
		if (s == VLA_OK)
			s = add_fields(in, rec.id, rec.caption, rec.label, err);
	}
	vla_rec_release(&rec);
	vla_reader_close(r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status add_row(vla_intake *in, const vla_store *s, const vla_store_part *p, size_t at, float *v,
			  vla_err *err)
{
	size_t dim = in->header.dim;
	uint64_t row = p->first + at;
	if (s->header.dtype == in->dtype) { // to the bit
		VLA_TRY(spool(in, p->vectors + at * vla_intake_row_bytes(in), err));
		if (in->dtype == VLA_I8)
			VLA_TRY(vla_buf_add(&in->scales, &p->scales[at], sizeof *p->scales, err));
	} else {
		vla_store_vector(s, row, v);
		for (size_t i = 0; i < dim; i++)
			if (!isfinite(v[i]))
				return vla_fail(err, VLA_ECORRUPT, "row '%s' is not finite", vla_store_id(s, row));
		VLA_TRY(add_vector(in, v, vla_store_id(s, row), err));
	}
	return add_fields(in, vla_store_id(s, row), vla_store_caption(s, row), vla_store_label(s, row), err);
}

vla_status vla_intake_store(vla_intake *in, const vla_store *s, const char *name, vla_err *err)
{
	if (!s->chunks)
		return vla_fail(err, VLA_EFORMAT, "'%s' is not an index file", name);
	vla_status st = vla_chunks_check(s->chunks, err);
	if (st != VLA_OK)
		return vla_prefix(err, st, "'%s'", name);
	VLA_TRY(fit_header(in, &s->header, name, err));
	float *v = vla_alloc(in->header.dim, sizeof *v);
	if (!v)
		return vla_nomem(err);
	for (size_t i = 0; i < s->nparts && st == VLA_OK; i++)
		for (size_t at = 0; at < s->part[i].rows && st == VLA_OK; at++)
			if (!vla_store_dead(s, s->part[i].first + at))
				st = add_row(in, s, &s->part[i], at, v, err);
	free(v);
	return st;
}

static vla_status refuse_twins(const vla_intake *in, vla_err *err)
{
	vla_id_set *ids;
	vla_status s = VLA_OK;
	VLA_TRY(vla_id_set_new((size_t)in->rows, &ids, err));
	for (uint64_t i = 0, n; i < in->rows && s == VLA_OK; i++) {
		n = i;
		if (!vla_id_set_add(ids, vla_column_at(&in->id, i), &n))
			s = vla_fail(err, VLA_EINVAL, "id '%s' comes twice, as records %llu and %llu",
				     vla_column_at(&in->id, i), (unsigned long long)n + 1, (unsigned long long)i + 1);
	}
	vla_id_set_free(ids);
	return s;
}

vla_status vla_intake_finish(vla_intake *in, vla_err *err)
{
	if (fflush(in->spool) != 0)
		return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
	VLA_TRY(refuse_twins(in, err));
	VLA_TRY(vla_map_fd(fileno(in->spool), VLA_MAP_NORMAL, &in->map, err));
	if (in->map.n != in->rows * vla_intake_row_bytes(in))
		return vla_fail(err, VLA_EIO, "cannot write: the rows read are not all there");
	return VLA_OK;
}

void vla_intake_release(vla_intake *in)
{
	vla_column *c[] = { &in->id, &in->caption, &in->label };
	for (size_t i = 0; i < 3; i++) {
		vla_buf_release(&c[i]->offset);
		vla_buf_release(&c[i]->text);
	}
	vla_map_close(&in->map);
	if (in->spool)
		fclose(in->spool);
	vla_buf_release(&in->scales);
	free(in->row);
	vla_header_release(&in->header);
	*in = (vla_intake){ .header = VLA_HEADER_INIT };
}

size_t vla_intake_row_bytes(const vla_intake *in)
{
	return in->header.dim * vla_dtype_size(in->dtype);
}

const void *vla_intake_raw(const vla_intake *in, uint64_t row)
{
	return in->map.data + (size_t)row * vla_intake_row_bytes(in);
}

float vla_intake_scale(const vla_intake *in, uint64_t row)
{
	float f;
	memcpy(&f, in->scales.data + (size_t)row * sizeof f, sizeof f);
	return f;
}

void vla_intake_vector(const vla_intake *in, uint64_t row, float *out)
{
	if (in->dtype == VLA_I8)
		vla_i8_to_f32(in->header.dim, vla_intake_raw(in, row), vla_intake_scale(in, row), out);
	else
		vla_to_f32(in->dtype, in->header.dim, vla_intake_raw(in, row), out);
}

const char *vla_column_at(const vla_column *c, uint64_t row)
{
	uint64_t at;
	memcpy(&at, c->offset.data + (size_t)row * sizeof at, sizeof at);
	return c->text.data + at;
}
