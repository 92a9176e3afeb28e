/* Sparse records turned into lists by counting. */
#include "index/postings.h"

// Records as they came, pair after pair.
struct pairs {
	vla_buf index, weight, end; // u32, f32; u64 a record: its end
};

static vla_status fit_header(vla_postings *p, const vla_header *h, const char *path, bool first, vla_err *err)
{
	if (h->kind != VLA_SPARSE)
		return vla_fail(err, VLA_EUNSUPPORTED, "'%s' holds %s records; inverted lists are of sparse ones", path,
				vla_kind_name(h->kind));
	p->dtype = (first || p->dtype == VLA_F16) && h->dtype == VLA_F16 ? VLA_F16 : VLA_F32;
	if (first)
		return vla_header_copy(&p->header, h, err);
	vla_status s = vla_header_fits(&p->header, h, err);
	if (s != VLA_OK)
		return vla_prefix(err, s, "'%s'", path);
	if (!p->header.model[0])
		memcpy(p->header.model, h->model, sizeof h->model);
	return VLA_OK;
}

static vla_status add_text(vla_column *c, const char *s, vla_err *err)
{
	uint64_t at = c->text.n;
	c->any = c->any || s;
	VLA_TRY(vla_buf_add(&c->offset, &at, sizeof at, err));
	return vla_buf_add(&c->text, s ? s : "", s ? strlen(s) + 1 : 1, err);
}

static vla_status add_rec(vla_postings *p, struct pairs *t, const vla_rec *rec, vla_err *err)
{
	if (p->rows == UINT32_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %u records", UINT32_MAX);
	for (size_t i = 0; i < rec->rows; i++)
		if (rec->data[i] != 0) {
			VLA_TRY(vla_buf_add(&t->index, &rec->index[i], sizeof *rec->index, err));
			VLA_TRY(vla_buf_add(&t->weight, &rec->data[i], sizeof *rec->data, err));
		}
	uint64_t end = t->index.n / sizeof(uint32_t);
	VLA_TRY(vla_buf_add(&t->end, &end, sizeof end, err));
	VLA_TRY(add_text(&p->id, rec->id, err));
	VLA_TRY(add_text(&p->caption, rec->caption, err));
	VLA_TRY(add_text(&p->label, rec->label, err));
	p->rows++;
	return VLA_OK;
}

static vla_status read_stream(vla_postings *p, struct pairs *t, const char *path, bool first, vla_err *err)
{
	vla_reader *r = NULL;
	vla_rec rec = VLA_REC_INIT;
	vla_status s = vla_reader_open(path, &r, err);
	if (s == VLA_OK)
		s = fit_header(p, vla_reader_header(r), path, first, err);
	while (s == VLA_OK) {
		s = vla_reader_next(r, &rec, err);
		if (s != VLA_OK && s != VLA_EOF)
			s = vla_prefix(err, s, "cannot read '%s'", path);
		if (s == VLA_OK)
			s = add_rec(p, t, &rec, err);
	}
	vla_rec_release(&rec);
	vla_reader_close(r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status make_lists(vla_postings *p, const struct pairs *t, vla_err *err)
{
	size_t n = t->index.n / sizeof(uint32_t), blocks = p->blocks = vla_postings_blocks(p->rows);
	const uint32_t *index = (const uint32_t *)(const void *)t->index.data;
	const float *weight = (const float *)(const void *)t->weight.data;
	const uint64_t *end = (const uint64_t *)(const void *)t->end.data;
	if (blocks && p->header.dim > SIZE_MAX / 16 / blocks)
		return vla_nomem(err);
	size_t lists = p->header.dim * blocks;
	p->offset = vla_zalloc(lists + 2, sizeof *p->offset);
	p->row = vla_alloc(n, sizeof *p->row);
	p->weight = vla_alloc(n, vla_dtype_size(p->dtype));
	if (!p->offset || !p->row || !p->weight)
		return vla_nomem(err);
	// offset[l + 1] is where the next pair of list l goes, and at last the end of list l.
	for (uint64_t r = 0, i = 0; r < p->rows; r++)
		for (; i < end[r]; i++)
			p->offset[index[i] * blocks + (r >> VLA_POSTINGS_SHIFT) + 2]++;
	for (size_t l = 0; l < lists; l++)
		p->offset[l + 2] += p->offset[l + 1];
	for (uint64_t r = 0, i = 0; r < p->rows; r++)
		for (; i < end[r]; i++) {
			uint64_t at = p->offset[index[i] * blocks + (r >> VLA_POSTINGS_SHIFT) + 1]++;
			p->row[at] = (uint16_t)r;
			if (p->dtype == VLA_F16)
				((uint16_t *)p->weight)[at] = vla_f32_to_f16(weight[i]);
			else
				((float *)p->weight)[at] = weight[i];
		}
	return VLA_OK;
}

vla_status vla_postings_read(vla_postings *p, const char *const *streams, size_t n, vla_err *err)
{
	struct pairs t = { { NULL, 0, 0 }, { NULL, 0, 0 }, { NULL, 0, 0 } };
	*p = (vla_postings){ .header = VLA_HEADER_INIT };
	vla_status s = n ? VLA_OK : vla_fail(err, VLA_EINVAL, "nothing to index");
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = read_stream(p, &t, streams[i], i == 0, err);
	if (s == VLA_OK)
		s = make_lists(p, &t, err);
	vla_buf_release(&t.index);
	vla_buf_release(&t.weight);
	vla_buf_release(&t.end);
	return s;
}

void vla_postings_release(vla_postings *p)
{
	vla_column *c[] = { &p->id, &p->caption, &p->label };
	for (size_t i = 0; i < 3; i++) {
		vla_buf_release(&c[i]->offset);
		vla_buf_release(&c[i]->text);
	}
	vla_header_release(&p->header);
	free(p->offset);
	free(p->row);
	free(p->weight);
	*p = (vla_postings){ .header = VLA_HEADER_INIT };
}
