/* Vectors of pictures and texts: from the model, in batches and once per distinct text, or from streams by id. */
#include "probe/probe.h"

#include "train/intern.h"

#include <vla/embed.h>

#include <math.h>

struct feed {
	vla_probe *p;
	char *const *path;
	const double *box;
	size_t n, next;
	size_t dim;
	float *out;
	bool *readable;
};

static vla_status crop(const struct feed *f, size_t i, vla_picture *out, vla_err *err)
{
	const double *b = f->box + 4 * i;
	vla_image whole = VLA_IMAGE_INIT;
	VLA_TRY(vla_image_load(f->path[i], NULL, &whole, err));
	double x = floor(fmax(b[0], 0)), y = floor(fmax(b[1], 0));
	double right = ceil(fmin(b[0] + b[2], whole.width)), bottom = ceil(fmin(b[1] + b[3], whole.height));
	vla_status s = right > x && bottom > y
			       ? vla_image_crop(&whole, (int32_t)x, (int32_t)y, (uint32_t)(right - x),
						(uint32_t)(bottom - y), &out->image, err)
			       : vla_fail(err, VLA_EINVAL, "box %g,%g,%g,%g is outside the picture of %u x %u", b[0],
					  b[1], b[2], b[3], whole.width, whole.height);
	vla_image_release(&whole);
	return s;
}

static vla_status next_picture(void *ctx, vla_picture *out, vla_err *err)
{
	struct feed *f = ctx;
	for (;;) {
		if (f->next == f->n)
			return VLA_EOF;
		size_t i = f->next++;
		if (f->box && f->box[4 * i + 2] > 0) {
			vla_err why = VLA_ERR_INIT;
			vla_status s = crop(f, i, out, &why);
			if (s == VLA_ENOMEM)
				return vla_nomem(err);
			if (s != VLA_OK) {
				vla_probe_warn(f->p, "'%s': %s", f->path[i], why.msg);
				continue;
			}
		} else if (!(out->path = vla_strdup(f->path[i]))) {
			return vla_nomem(err);
		}
		out->id = vla_format("%zu", i);
		return out->id ? VLA_OK : vla_nomem(err);
	}
}

static vla_status put_vector(void *ctx, const vla_rec *rec, vla_err *err)
{
	struct feed *f = ctx;
	size_t i = (size_t)strtoull(rec->id, NULL, 10);
	(void)err;
	memcpy(f->out + i * f->dim, rec->data, f->dim * sizeof *f->out);
	f->readable[i] = true;
	return VLA_OK;
}

static vla_status bad_picture(void *ctx, const char *id, const vla_err *why, vla_err *err)
{
	struct feed *f = ctx;
	(void)err;
	vla_probe_warn(f->p, "cannot read '%s': %s", f->path[strtoull(id, NULL, 10)], why->msg);
	return VLA_OK;
}

static vla_status allocate(size_t n, size_t dim, float **out, vla_err *err)
{
	*out = dim && n > SIZE_MAX / sizeof **out / dim ? NULL : vla_zalloc(n * dim, sizeof **out);
	return *out ? VLA_OK : vla_nomem(err);
}

// Rows of a stream by id, by caption where ids do not name the text.
struct vla_stream_rows {
	vla_matrix *m;
	vla_intern id;
	size_t *row; // [id.n]
};

void vla_stream_rows_close(struct vla_stream_rows *s)
{
	if (!s)
		return;
	vla_matrix_close(s->m);
	vla_intern_release(&s->id);
	free(s->row);
	free(s);
}

static vla_status stream_add(struct vla_stream_rows *s, const char *id, size_t row, size_t cap, vla_err *err)
{
	uint32_t at;
	size_t before = s->id.n;
	VLA_TRY(vla_intern_add(&s->id, id, &at, err));
	if (s->id.n > before && at < cap)
		s->row[at] = row;
	return VLA_OK;
}

static vla_status stream_fill(const char *path, struct vla_stream_rows *s, vla_err *err)
{
	vla_status st = vla_matrix_open(path, &s->m, err);
	if (st != VLA_OK)
		return vla_prefix(err, st, "cannot open '%s'", path);
	size_t n = vla_matrix_rows(s->m);
	s->row = vla_alloc(2 * n, sizeof *s->row);
	if (!s->row)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++) {
		VLA_TRY(stream_add(s, vla_matrix_id(s->m, i), i, 2 * n, err));
		const char *caption = vla_matrix_caption(s->m, i);
		if (caption)
			VLA_TRY(stream_add(s, caption, i, 2 * n, err));
	}
	return VLA_OK;
}

// Opened at its first use and kept for the run.
static vla_status stream_open(const char *path, struct vla_stream_rows **kept, vla_err *err)
{
	if (*kept)
		return VLA_OK;
	struct vla_stream_rows *s = vla_zalloc(1, sizeof *s);
	if (!s)
		return vla_nomem(err);
	vla_status st = stream_fill(path, s, err);
	if (st == VLA_OK)
		*kept = s;
	else
		vla_stream_rows_close(s);
	return st;
}

// A path is known to a stream by itself or by its last parts.
static uint32_t stream_find(const struct vla_stream_rows *s, const char *id)
{
	for (;;) {
		uint32_t at = vla_intern_find(&s->id, id);
		const char *slash = strchr(id, '/');
		if (at != UINT32_MAX || !slash)
			return at;
		id = slash + 1;
	}
}

static vla_status from_stream(vla_probe *p, const char *path, struct vla_stream_rows **kept, char *const *id, size_t n,
			      float **out, size_t *dim, bool *readable, vla_err *err)
{
	VLA_TRY(stream_open(path, kept, err));
	const struct vla_stream_rows *st = *kept;
	*dim = vla_matrix_header(st->m)->dim;
	vla_status s = allocate(n, *dim, out, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		uint32_t at = stream_find(st, id[i]);
		if (at != UINT32_MAX)
			vla_matrix_row(st->m, st->row[at], *out + i * *dim);
		else if (!readable)
			s = vla_fail(err, VLA_EINVAL, "'%s' has no vector of '%.100s'", path, id[i]);
		else
			vla_probe_warn(p, "'%s' has no vector of '%.100s'", path, id[i]);
		if (readable)
			readable[i] = at != UINT32_MAX;
	}
	return s;
}

vla_status vla_embed_files(vla_probe *p, char *const *path, const double *box, size_t n, float **out, size_t *dim,
			   bool *readable, vla_err *err)
{
	*out = NULL;
	memset(readable, 0, n * sizeof *readable);
	if (p->o->images && !box)
		return from_stream(p, p->o->images, &p->image_rows, path, n, out, dim, readable, err);
	VLA_TRY(vla_probe_model(p, err));
	*dim = vla_model_get_info(p->model)->dim;
	VLA_TRY(allocate(n, *dim, out, err));
	struct feed f = { p, path, box, n, 0, *dim, *out, readable };
	vla_embed_opts o = VLA_EMBED_OPTS_INIT;
	o.next = next_picture;
	o.put = put_vector;
	o.bad = bad_picture;
	o.ctx = &f;
	vla_status s = vla_embed_pictures(p->model, &o, err);
	if (s != VLA_OK) {
		free(*out);
		*out = NULL;
	}
	return s;
}

vla_status vla_embed_strings(vla_probe *p, char *const *text, size_t n, float **out, size_t *dim, vla_err *err)
{
	vla_intern once = { 0 };
	uint32_t *at = vla_alloc(n, sizeof *at);
	float *v = NULL;
	*out = NULL;
	if (p->o->texts) {
		free(at);
		return from_stream(p, p->o->texts, &p->text_rows, text, n, out, dim, NULL, err);
	}
	vla_status s = at ? vla_probe_model(p, err) : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = vla_intern_add(&once, text[i], &at[i], err);
	if (s == VLA_OK) {
		*dim = vla_model_get_info(p->model)->dim;
		s = allocate(once.n, *dim, &v, err);
	}
	if (s == VLA_OK)
		s = allocate(n, *dim, out, err);
	if (s == VLA_OK && once.n)
		s = vla_model_embed_texts(p->model, (const char *const *)once.text, once.n, v, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		memcpy(*out + i * *dim, v + at[i] * *dim, *dim * sizeof *v);
	if (s != VLA_OK) {
		free(*out);
		*out = NULL;
	}
	free(v);
	free(at);
	vla_intern_release(&once);
	return s;
}
