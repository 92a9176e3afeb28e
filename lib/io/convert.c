/* Sources and sinks of records in any form: opening, naming of files in messages, comparison. The forms are in
 * form_*.c. */
#include "io/convert.h"

#include <errno.h>
#include <math.h>

static vla_status vle_open(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err)
{
	vla_reader *r;
	(void)opts;
	VLA_TRY(vla_reader_open(path, &r, err));
	s->state = r;
	return vla_header_copy(&s->header, vla_reader_header(r), err);
}

static vla_status vle_next(vla_source *s, vla_rec *rec, vla_err *err)
{
	vla_status st = vla_reader_next(s->state, rec, err);
	// Segments that differ: unlike a bad record, this ends the reading.
	return st == VLA_EINVAL ? vla_recode(err, VLA_EFORMAT) : st;
}

static void vle_close(vla_source *s)
{
	vla_reader_close(s->state);
}

static const struct vla_source_ops source_vle = { vle_open, vle_next, vle_close, true };

static vla_status vle_sink_open(vla_sink *k, const char *path, const vla_form_opts *opts, vla_err *err)
{
	vla_writer *w;
	(void)opts;
	VLA_TRY(vla_writer_open(path, &k->header, &w, err));
	k->state = w;
	return VLA_OK;
}

static vla_status vle_sink_put(vla_sink *k, const vla_rec *rec, vla_err *err)
{
	return vla_writer_put(k->state, rec, err);
}

static vla_status vle_sink_finish(vla_sink *k, vla_err *err)
{
	return vla_writer_finish(k->state, err);
}

static void vle_sink_close(vla_sink *k)
{
	vla_writer_close(k->state);
}

static const struct vla_sink_ops sink_vle = { vle_sink_open, vle_sink_put, vle_sink_finish, vle_sink_close, false };

static const struct {
	const char *ending;
	vla_form form;
} endings[] = { { ".vle", VLA_FORM_VLE },     { ".tsv", VLA_FORM_TSV }, { ".txt", VLA_FORM_TSV },
		{ ".jsonl", VLA_FORM_JSONL }, { ".npy", VLA_FORM_NPY }, { ".fbin", VLA_FORM_FBIN } };

bool vla_form_of(const char *path, vla_form *out)
{
	const char *dot = strrchr(path, '.');
	for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
		if (strcmp(dot, endings[i].ending) == 0) {
			*out = endings[i].form;
			return true;
		}
	return false;
}

static const struct vla_source_ops *const source_ops[] = { &source_vle, &vla_source_tsv, &vla_source_jsonl,
							   &vla_source_npy, &vla_source_fbin };
static const struct vla_sink_ops *const sink_ops[] = { &sink_vle, &vla_sink_tsv, &vla_sink_jsonl, &vla_sink_npy,
						       &vla_sink_fbin };

static vla_status named(const vla_source *s, vla_err *err, vla_status st)
{
	return st < 0 && st != VLA_ENOMEM && !s->ops->names_file ? vla_prefix(err, st, "cannot read '%s'", s->name)
								 : st;
}

vla_status vla_source_open(const char *path, vla_form form, const vla_form_opts *opts, vla_source **out, vla_err *err)
{
	const vla_form_opts none = VLA_FORM_OPTS_INIT;
	vla_source *s = vla_zalloc(1, sizeof *s);
	if (!s)
		return vla_nomem(err);
	s->header = (vla_header)VLA_HEADER_INIT;
	s->ops = source_ops[form];
	s->name = vla_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
	vla_status st = s->name ? named(s, err, s->ops->open(s, path, opts ? opts : &none, err)) : vla_nomem(err);
	if (st != VLA_OK) {
		vla_source_close(s);
		return st;
	}
	*out = s;
	return VLA_OK;
}

void vla_source_close(vla_source *s)
{
	if (!s)
		return;
	if (s->state)
		s->ops->close(s);
	vla_header_release(&s->header);
	free(s->name);
	free(s);
}

const vla_header *vla_source_header(const vla_source *s)
{
	return &s->header;
}

vla_status vla_source_next(vla_source *s, vla_rec *rec, vla_err *err)
{
	if (s->over == VLA_EOF)
		return VLA_EOF;
	if (s->over < 0)
		return vla_fail(err, s->over, "cannot read '%s': an earlier read failed", s->name);
	vla_status st = named(s, err, s->ops->next(s, rec, err));
	if (st != VLA_OK && st != VLA_EINVAL)
		s->over = st;
	return st;
}

static vla_status open_sink(vla_sink *k, const char *path, const vla_header *h, const vla_form_opts *opts, vla_err *err)
{
	VLA_TRY(vla_header_copy(&k->header, h, err));
	if (k->ops->file) {
		VLA_TRY(vla_outfile_open(path, &k->out, err));
		k->f = vla_outfile_stream(k->out);
	}
	return k->ops->open(k, path, opts, err);
}

vla_status vla_sink_open(const char *path, vla_form form, const vla_header *h, const vla_form_opts *opts,
			 vla_sink **out, vla_err *err)
{
	const vla_form_opts none = VLA_FORM_OPTS_INIT;
	vla_sink *k = vla_zalloc(1, sizeof *k);
	if (!k)
		return vla_nomem(err);
	k->header = (vla_header)VLA_HEADER_INIT;
	k->ops = sink_ops[form];
	k->name = vla_strdup(!path || strcmp(path, "-") == 0 ? "standard output" : path);
	vla_status st = k->name ? open_sink(k, path ? path : "-", h, opts ? opts : &none, err) : vla_nomem(err);
	if (st != VLA_OK) {
		vla_sink_close(k);
		return st;
	}
	*out = k;
	return VLA_OK;
}

vla_status vla_sink_put(vla_sink *k, const vla_rec *rec, vla_err *err)
{
	VLA_TRY(k->ops->put(k, rec, err));
	k->n++;
	if (k->f && ferror(k->f))
		return vla_fail(err, VLA_EIO, "cannot write '%s': %s", k->name, strerror(errno));
	return VLA_OK;
}

vla_status vla_sink_finish(vla_sink *k, vla_err *err)
{
	if (k->ops->finish)
		VLA_TRY(k->ops->finish(k, err));
	return k->out ? vla_outfile_commit(k->out, err) : VLA_OK;
}

void vla_sink_close(vla_sink *k)
{
	if (!k)
		return;
	if (k->state && k->ops->close)
		k->ops->close(k);
	vla_outfile_close(k->out);
	vla_header_release(&k->header);
	free(k->name);
	free(k);
}

static double cosine_gap(const float *a, const float *b, size_t n)
{
	double ab = 0, aa = 0, bb = 0;
	for (size_t i = 0; i < n; i++) {
		ab += (double)a[i] * b[i];
		aa += (double)a[i] * a[i];
		bb += (double)b[i] * b[i];
	}
	if (aa == 0 || bb == 0)
		return aa == bb ? 0 : 1;
	double gap = 1 - ab / sqrt(aa) / sqrt(bb);
	return gap > 0 ? gap : 0;
}

static void compare_records(const vla_header *h, const vla_rec *a, const vla_rec *b, double tol, vla_difference *d)
{
	d->records++;
	d->ids += strcmp(a->id, b->id) != 0;
	bool sparse = h->kind == VLA_SPARSE;
	if (a->rows != b->rows || (sparse && a->rows && memcmp(a->index, b->index, a->rows * 4) != 0)) {
		d->shapes++;
		return;
	}
	size_t step = sparse ? a->rows : h->dim, n = sparse ? a->rows : a->rows * h->dim;
	double worst = 0;
	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, fabs((double)a->data[i] - b->data[i]));
	for (size_t i = 0; i < n; i += step)
		d->max_cosine = fmax(d->max_cosine, cosine_gap(a->data + i, b->data + i, step));
	d->max_abs = fmax(d->max_abs, worst);
	d->over += worst > tol;
}

vla_status vla_source_compare(vla_source *a, vla_source *b, double tol, vla_difference *out, vla_err *err)
{
	const vla_header *ha = &a->header, *hb = &b->header;
	*out = (vla_difference){ 0 };
	if (ha->kind != hb->kind || ha->dim != hb->dim)
		return vla_fail(err, VLA_EINVAL, "'%s' is %s with %u numbers a vector, '%s' is %s with %u", a->name,
				vla_kind_name(ha->kind), ha->dim, b->name, vla_kind_name(hb->kind), hb->dim);
	vla_rec ra = VLA_REC_INIT, rb = VLA_REC_INIT;
	vla_status sa, sb;
	for (;;) {
		sa = vla_source_next(a, &ra, err);
		sb = sa < 0 ? sa : vla_source_next(b, &rb, err);
		if (sb < 0 || (sa == VLA_EOF && sb == VLA_EOF))
			break;
		if (sa == VLA_OK && sb == VLA_OK)
			compare_records(ha, &ra, &rb, tol, out);
		else
			out->missing++;
	}
	vla_rec_release(&ra);
	vla_rec_release(&rb);
	return sb < 0 ? sb : VLA_OK;
}

vla_status vla_source_norms(vla_source *s, uint64_t *records, double *worst, vla_err *err)
{
	const vla_header *h = &s->header;
	vla_rec rec = VLA_REC_INIT;
	vla_status st;
	*records = 0;
	*worst = 0;
	while ((st = vla_source_next(s, &rec, err)) == VLA_OK) {
		size_t step = h->kind == VLA_SPARSE ? rec.rows : h->dim, n = rec.rows * vla_width(h);
		++*records;
		for (size_t i = 0; h->l2 && i < n; i += step) {
			double sum = 0;
			for (size_t j = i; j < i + step; j++)
				sum += (double)rec.data[j] * rec.data[j];
			*worst = fmax(*worst, fabs(sqrt(sum) - 1));
		}
	}
	vla_rec_release(&rec);
	return st == VLA_EOF ? VLA_OK : st;
}
