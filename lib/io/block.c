/* Blocks of a stream, vle(5): lengths, checksums, the columns of a RECS block, the parts of a VECS block. Nothing here
 * trusts a number from the file before it was compared with the block's length. */
#include "io/stream.h"

#include <math.h>
#include <zlib.h>

uint32_t vle_crc(uint32_t crc, const void *p, size_t n)
{
	return (uint32_t)crc32_z(crc, p, n);
}

bool vle_block_is(const char *p, const char *tag)
{
	return memcmp(p, tag, 4) == 0;
}

bool vle_tag_optional(const char *p)
{
	return *p >= 'a' && *p <= 'z';
}

vla_status vle_block_length(const char *p, size_t *n, vla_err *err)
{
	size_t bytes = vle_u32(p + 8);
	if (bytes > VLE_MAX_BLOCK || (bytes + VLE_HEAD + 4) % VLE_ALIGN != 0)
		return vla_fail(err, VLA_ECORRUPT, "block has a length of %zu", bytes);
	*n = VLE_HEAD + bytes + 4;
	return VLA_OK;
}

vla_status vle_block_verify(const vle_block *b, vla_err *err)
{
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	if (vle_crc(0, b->data, b->n - 4) != vle_u32(b->data + b->n - 4))
		return vla_fail(err, VLA_ECORRUPT, "checksum of a block does not fit");
#else
	(void)b, (void)err;
#endif
	return VLA_OK;
}

// A column of a RECS block: its bytes without padding.
struct column {
	const char *tag;
	const char *data; // 8-byte aligned
	size_t n;
};

static vla_status next_column(const vle_block *b, size_t *at, struct column *c, vla_err *err)
{
	size_t end = b->n - 4;
	if (end - *at < 8)
		return vla_fail(err, VLA_ECORRUPT, "columns of a block reach outside");
	c->tag = b->data + *at;
	c->n = vle_u32(b->data + *at + 4);
	c->data = b->data + *at + 8;
	if (c->n > end - *at - 8 || vle_align(c->n, 8) > end - *at - 8)
		return vla_fail(err, VLA_ECORRUPT, "columns of a block reach outside");
	*at += 8 + vle_align(c->n, 8);
	return VLA_OK;
}

static vla_status bad_column(const struct column *c, vla_err *err)
{
	return vla_fail(err, VLA_ECORRUPT, "column %.4s of a block breaks the format", c->tag);
}

static vla_status take_strings(const struct column *c, uint32_t records, vle_strings *out, vla_err *err)
{
	size_t head = ((size_t)records + 1) * 4;
	if (out->off || c->n < head)
		return bad_column(c, err);
	const uint32_t *off = (const uint32_t *)(const void *)c->data;
	const char *text = c->data + head;
	if (off[0] != 0 || off[records] != c->n - head)
		return bad_column(c, err);
	for (uint32_t i = 0; i < records; i++) {
		if (off[i + 1] < off[i] || off[i + 1] > c->n - head)
			return bad_column(c, err);
		if (off[i + 1] > off[i] && memchr(text + off[i], 0, off[i + 1] - off[i]) != text + off[i + 1] - 1)
			return bad_column(c, err);
	}
	*out = (vle_strings){ off, text };
	return VLA_OK;
}

static vla_status take_fixed(const struct column *c, size_t each, uint32_t records, const void **out, vla_err *err)
{
	if (*out || c->n != each * records)
		return bad_column(c, err);
	*out = c->data;
	return VLA_OK;
}

// The fixed-width columns, untyped until they are known to fit.
struct fixed {
	const void *rows, *grid, *box, *time;
};

static vla_status take_column(const struct column *c, vle_recs *r, struct fixed *f, vla_err *err)
{
	if (vle_block_is(c->tag, "IDS "))
		return take_strings(c, r->n, &r->id, err);
	if (vle_block_is(c->tag, "ROWS"))
		return take_fixed(c, 4, r->n, &f->rows, err);
	if (vle_block_is(c->tag, "grid"))
		return take_fixed(c, 8, r->n, &f->grid, err);
	if (vle_block_is(c->tag, "capt"))
		return take_strings(c, r->n, &r->caption, err);
	if (vle_block_is(c->tag, "labl"))
		return take_strings(c, r->n, &r->label, err);
	if (vle_block_is(c->tag, "bbox"))
		return take_fixed(c, 16, r->n, &f->box, err);
	if (vle_block_is(c->tag, "time"))
		return take_fixed(c, 16, r->n, &f->time, err);
	if (!vle_tag_optional(c->tag))
		return vla_fail(err, VLA_EVERSION, "block has the unknown column %.4s", c->tag);
	return VLA_OK;
}

// Whether the n numbers of a record's box or time are all there or all absent.
static bool whole(size_t n, const float *box, const double *time)
{
	size_t there = 0, absent = 0;
	for (size_t i = 0; i < n; i++) {
		double x = box ? box[i] : time[i];
		there += isfinite(x) != 0;
		absent += isnan(x) != 0;
	}
	return there == n || absent == n;
}

static vla_status check_columns(const vla_header *h, vle_recs *r, vla_err *err)
{
	if (!r->id.off)
		return vla_fail(err, VLA_ECORRUPT, "block has no ids");
	if ((h->kind == VLA_DENSE) != !r->rows || (h->kind != VLA_TOKENS && r->grid))
		return vla_fail(err, VLA_ECORRUPT, "columns of a block do not fit a %s stream", vla_kind_name(h->kind));
	r->rows_total = r->rows ? 0 : r->n;
	for (uint32_t i = 0; i < r->n; i++) {
		if (!vle_string(&r->id, i))
			return vla_fail(err, VLA_ECORRUPT, "record has no id");
		if (r->rows)
			r->rows_total += r->rows[i];
		if (r->grid && (r->grid[2 * i] || r->grid[2 * i + 1]) &&
		    (uint64_t)r->grid[2 * i] * r->grid[2 * i + 1] != r->rows[i])
			return vla_fail(err, VLA_ECORRUPT, "grid of a record does not fit its rows");
		if ((r->box && !whole(4, r->box + 4 * i, NULL)) || (r->time && !whole(2, NULL, r->time + 2 * i)))
			return vla_fail(err, VLA_ECORRUPT, "box or time of a record is not finite");
	}
	return VLA_OK;
}

vla_status vle_recs_parse(const vle_block *b, const vla_header *h, vle_recs *out, vla_err *err)
{
	vle_recs r = { .n = vle_records(b) };
	struct fixed f = { NULL, NULL, NULL, NULL };
	if (b->n < VLE_ALIGN || r.n == 0 || r.n > b->n / 4)
		return vla_fail(err, VLA_ECORRUPT, "block has %u records", r.n);
	uint32_t columns = vle_u32(b->data + VLE_HEAD);
	size_t at = VLE_HEAD + 4;
	for (uint32_t i = 0; i < columns; i++) {
		struct column c;
		VLA_TRY(next_column(b, &at, &c, err));
		VLA_TRY(take_column(&c, &r, &f, err));
	}
	r.rows = f.rows;
	r.grid = f.grid;
	r.box = f.box;
	r.time = f.time;
	VLA_TRY(check_columns(h, &r, err));
	*out = r;
	return VLA_OK;
}

bool vle_layout_of(const vla_header *h, uint64_t records, uint64_t rows, vle_layout *out)
{
	size_t at = VLE_ALIGN, width = h->kind == VLA_SPARSE ? 1 : h->dim, each = vla_dtype_size(h->dtype), n;
	if (rows > VLE_MAX_BLOCK || records > VLE_MAX_BLOCK || __builtin_mul_overflow((size_t)rows, width * each, &n) ||
	    n > VLE_MAX_BLOCK)
		return false;
	*out = (vle_layout){ .index = at };
	if (h->kind == VLA_SPARSE)
		at = vle_align(at + rows * 4, VLE_ALIGN);
	out->values = at;
	out->end = at += n;
	if (h->dtype == VLA_I8) {
		out->scales = vle_align(at, VLE_ALIGN);
		out->nscales = h->kind == VLA_SPARSE ? records : rows;
		out->end = out->scales + out->nscales * 4;
	}
	out->total = vle_align(out->end + 4, VLE_ALIGN);
	return out->total <= VLE_MAX_BLOCK;
}

vla_status vle_check_end(const vle_block *b, const vla_header *h, uint64_t records, vla_err *err)
{
	if (b->n != VLE_ALIGN)
		return vla_fail(err, VLA_ECORRUPT, "end block has a length of %zu", b->n);
	uint64_t total = vle_u64(b->data + VLE_HEAD);
	if (total != records)
		return vla_fail(err, VLA_ECORRUPT, "segment has %llu records, its end block says %llu",
				(unsigned long long)records, (unsigned long long)total);
	if (h->count != UINT64_MAX && h->count != total)
		return vla_fail(err, VLA_ECORRUPT, "segment has %llu records, its header says %llu",
				(unsigned long long)total, (unsigned long long)h->count);
	return VLA_OK;
}
