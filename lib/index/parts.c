/* The parts of an index file: how rows are laid out in cells, and their chunks. */
#include "index/parts.h"

#include "index/graph.h"
#include "index/kmeans.h"
#include "index/rotation.h"
#include "kern/codes.h"
#include "kern/kern.h"

#include <math.h>

enum { PER_CELL = 32, CODE_BLOCK = 1024, SAMPLE = 65536 };

void vla_layout_release(vla_layout *p)
{
	free(p->centroids);
	free(p->order);
	free(p->cell);
	free(p->rotation);
	*p = (vla_layout){ .cells = 0 };
}

// n of the rows, evenly spaced, as [n, dim].
static float *sample(const vla_intake *in, size_t n)
{
	size_t dim = in->header.dim;
	float *x = vla_alloc(n, dim * sizeof *x);
	for (size_t i = 0; x && i < n; i++)
		vla_intake_vector(in, (uint64_t)((double)i * ((double)in->rows / (double)n)), x + i * dim);
	return x;
}

vla_status vla_layout_flat(const vla_intake *in, vla_layout *out, vla_err *err)
{
	size_t dim = in->header.dim, n = in->rows < SAMPLE / 8 ? (size_t)in->rows : SAMPLE / 8;
	*out = (vla_layout){ .cells = 1, .codes = true, .head = dim };
	out->centroids = vla_zalloc(dim, sizeof *out->centroids);
	float *x = sample(in, n);
	double *sum = vla_zalloc(dim, sizeof *sum);
	vla_status st = out->centroids && x && sum ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n && st == VLA_OK; i++)
		for (size_t c = 0; c < dim; c++)
			sum[c] += x[i * dim + c];
	for (size_t c = 0; c < dim && n && st == VLA_OK; c++)
		out->centroids[c] = (float)(sum[c] / (double)n);
	free(x);
	free(sum);
	return st;
}

vla_status vla_layout_train(const vla_intake *in, size_t cells, uint64_t seed, vla_pool *pool, vla_layout *out,
			    vla_err *err)
{
	size_t dim = in->header.dim, rows = (size_t)in->rows;
	*out = (vla_layout){ .codes = true, .head = dim };
	if (!cells)
		cells = (size_t)(2 * sqrt((double)rows));
	if (cells > rows)
		cells = rows;
	cells = cells ? cells : 1;
	size_t n = cells * PER_CELL < SAMPLE / 8 ? SAMPLE / 8 : cells * PER_CELL;
	n = n < rows ? n : rows;
	out->centroids = vla_zalloc(cells, dim * sizeof *out->centroids);
	out->cells = cells;
	float *x = sample(in, n);
	vla_status st = out->centroids && x ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK && n)
		st = vla_kmeans_train(pool, x, n, dim, cells, seed, out->centroids, err);
	free(x);
	return st;
}

static void intake_rows(const void *ctx, uint64_t first, size_t count, float *out)
{
	const vla_intake *in = ctx;
	for (size_t i = 0; i < count; i++)
		vla_intake_vector(in, first + i, out + i * in->header.dim);
}

vla_status vla_layout_sort(const vla_intake *in, vla_pool *pool, vla_layout *p, vla_err *err)
{
	size_t rows = (size_t)in->rows;
	uint32_t *of = vla_alloc(rows, sizeof *of);
	p->order = vla_alloc(rows, sizeof *p->order);
	p->cell = vla_zalloc(p->cells + 1, sizeof *p->cell);
	vla_status st = of && p->order && p->cell ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK)
		st = vla_kmeans_assign(pool, intake_rows, in, in->rows, in->header.dim, p->centroids, p->cells, of,
				       err);
	if (st == VLA_OK) { // a counting sort keeps the order within a cell
		for (size_t i = 0; i < rows; i++)
			p->cell[of[i] + 1]++;
		for (size_t c = 0; c < p->cells; c++)
			p->cell[c + 1] += p->cell[c];
		for (size_t i = 0; i < rows; i++)
			p->order[p->cell[of[i]]++] = i;
		for (size_t c = p->cells; c > 0; c--)
			p->cell[c] = p->cell[c - 1];
		p->cell[0] = 0;
	}
	free(of);
	return st;
}

static uint64_t row_at(const uint64_t *order, uint64_t i)
{
	return order ? order[i] : i;
}

vla_status vla_column_write(vla_chunk_writer *w, unsigned part, const char *offsets, const char *strings,
			    const vla_column *c, uint64_t rows, const uint64_t *order, vla_err *err)
{
	uint64_t at = 0;
	VLA_TRY(vla_chunk_begin(w, part, offsets, err));
	for (uint64_t i = 0; i < rows; i++) {
		VLA_TRY(vla_chunk_add(w, &at, sizeof at, err));
		at += strlen(vla_column_at(c, row_at(order, i))) + 1;
	}
	VLA_TRY(vla_chunk_add(w, &at, sizeof at, err));
	VLA_TRY(vla_chunk_begin(w, part, strings, err));
	for (uint64_t i = 0; i < rows; i++) {
		const char *s = vla_column_at(c, row_at(order, i));
		VLA_TRY(vla_chunk_add(w, s, strlen(s) + 1, err));
	}
	return VLA_OK;
}

// The cell that holds a place.
static size_t cell_of(const vla_layout *p, uint64_t place)
{
	size_t lo = 0, hi = p->cells;
	while (p->cell && hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (p->cell[mid] <= place)
			lo = mid;
		else
			hi = mid;
	}
	return p->cell ? lo : 0;
}

// The row at a place minus its centre.
static void centred(const vla_intake *in, const vla_layout *p, uint64_t place, float *out)
{
	size_t dim = in->header.dim;
	const float *c = p->centroids + cell_of(p, place) * dim;
	vla_intake_vector(in, row_at(p->order, place), out);
	for (size_t i = 0; i < dim; i++)
		out[i] -= c[i];
}

vla_status vla_layout_rotate(const vla_intake *in, vla_pool *pool, vla_layout *p, vla_err *err)
{
	size_t dim = in->header.dim, n = in->rows < SAMPLE / 8 ? (size_t)in->rows : SAMPLE / 8;
	if (in->dtype == VLA_I8 || !p->codes)
		return VLA_OK;
	float *y = vla_alloc(n, dim * sizeof *y);
	if (!y)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		centred(in, p, (uint64_t)((double)i * ((double)in->rows / (double)n)), y + i * dim);
	vla_status s = vla_rotation_train(pool, y, n, dim, &p->rotation, &p->head, &p->error, err);
	free(y);
	return s;
}

struct encode {
	const vla_intake *in;
	const vla_layout *plan;
	uint64_t first;
	float *rows, *turned; // [CODE_BLOCK, dim]
	int8_t *codes;        // [CODE_BLOCK, dim]
	float *bounds;        // [rows of the intake, VLA_CODE_BOUNDS]
};

static void centre_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct encode *e = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		centred(e->in, e->plan, e->first + i, e->rows + i * e->in->header.dim);
}

static void encode_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct encode *e = ctx;
	size_t dim = e->in->header.dim;
	const float *y = e->plan->rotation ? e->turned : e->rows;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		vla_code_encode(dim, e->plan->head, y + i * dim, e->plan->error, e->codes + i * dim,
				e->bounds + VLA_CODE_BOUNDS * (e->first + i));
}

static vla_status put(vla_chunk_writer *w, unsigned part, const char tag[4], const void *p, size_t n, vla_err *err)
{
	VLA_TRY(vla_chunk_begin(w, part, tag, err));
	return vla_chunk_add(w, p, n, err);
}

static vla_status write_graph(vla_chunk_writer *w, unsigned part, const vla_intake *in, const vla_layout *plan,
			      const int8_t *codes, const float *bounds, vla_err *err)
{
	vla_graph g = { .codes = codes, .bounds = bounds, .rows = (size_t)in->rows, .dim = in->header.dim };
	vla_graph_builder b;
	g.degree = plan->degree;
	vla_status s = vla_graph_build(&g, plan->effort, plan->seed, &b, err);
	if (s == VLA_OK) {
		uint32_t head[4] = { b.g.degree, b.g.entry, b.g.levels, 0 };
		s = put(w, part, "GRPH", head, sizeof head, err);
	}
	if (s == VLA_OK)
		s = put(w, part, "GRBA", b.base, g.rows * 2 * g.degree * sizeof *b.base, err);
	if (s == VLA_OK)
		s = put(w, part, "GROF", b.offset, (g.rows + 1) * sizeof *b.offset, err);
	if (s == VLA_OK)
		s = put(w, part, "GRUP", b.upper, b.offset[g.rows] * (size_t)g.degree * sizeof *b.upper, err);
	vla_graph_builder_release(&b);
	return s;
}

// Vectors stored in eight bits are codes around zero that leave no rest.
static void own_bounds(const vla_intake *in, const uint64_t *order, float *bounds)
{
	for (uint64_t i = 0; i < in->rows; i++) {
		uint64_t row = row_at(order, i);
		const int8_t *code = vla_intake_raw(in, row);
		float *b = bounds + i * VLA_CODE_BOUNDS, scale = vla_intake_scale(in, row);
		double sum = 0;
		for (size_t c = 0; c < in->header.dim; c++)
			sum += code[c] * code[c];
		b[0] = scale;
		b[1] = b[2] = 0;
		b[3] = (float)(scale * sqrt(sum) * 1.000001);
	}
}

// Codes as a chunk, block by block; keep [rows, dim] or NULL gets them all.
static vla_status write_codes(vla_chunk_writer *w, unsigned part, struct encode *e, int8_t *keep, vla_pool *pool,
			      vla_err *err)
{
	const vla_intake *in = e->in;
	size_t dim = in->header.dim;
	int8_t *block = vla_alloc(CODE_BLOCK, dim);
	e->rows = vla_alloc(CODE_BLOCK, dim * sizeof *e->rows);
	e->turned = e->plan->rotation ? vla_alloc(CODE_BLOCK, dim * sizeof *e->turned) : NULL;
	vla_status st = block && e->rows && (e->turned || !e->plan->rotation) ? vla_chunk_begin(w, part, "CODE", err)
									      : vla_nomem(err);
	for (e->first = 0; e->first < in->rows && st == VLA_OK; e->first += CODE_BLOCK) {
		size_t n = in->rows - e->first < CODE_BLOCK ? (size_t)(in->rows - e->first) : CODE_BLOCK;
		e->codes = keep ? keep + (size_t)e->first * dim : block;
		vla_parallel(pool, n, 64, centre_rows, e);
		if (e->plan->rotation)
			vla_rotation_apply(pool, e->plan->rotation, dim, e->rows, n, e->turned);
		vla_parallel(pool, n, 64, encode_rows, e);
		st = vla_chunk_add(w, e->codes, n * dim, err);
	}
	free(block);
	free(e->rows);
	free(e->turned);
	return st;
}

static vla_status write_first_pass(vla_chunk_writer *w, unsigned part, const vla_intake *in, const vla_layout *plan,
				   vla_pool *pool, vla_err *err)
{
	struct encode e = { .in = in, .plan = plan };
	size_t rows = (size_t)in->rows;
	bool own = in->dtype == VLA_I8;
	int8_t *keep = plan->degree && !own ? vla_alloc(rows, in->header.dim) : NULL;
	vla_status st = VLA_OK;
	e.bounds = vla_alloc(rows, VLA_CODE_BOUNDS * sizeof *e.bounds);
	if (!e.bounds || (plan->degree && !own && !keep))
		st = vla_nomem(err);
	else if (own)
		own_bounds(in, plan->order, e.bounds);
	else
		st = write_codes(w, part, &e, keep, pool, err);
	if (st == VLA_OK)
		st = put(w, part, "CODB", e.bounds, rows * VLA_CODE_BOUNDS * sizeof *e.bounds, err);
	if (st == VLA_OK && plan->degree) // rows of a graph lie in the order they came
		st = write_graph(w, part, in, plan, own ? (const int8_t *)in->map.data : keep, e.bounds, err);
	free(keep);
	free(e.bounds);
	return st;
}

static vla_status write_vectors(vla_chunk_writer *w, unsigned part, const vla_intake *in, const uint64_t *order,
				vla_err *err)
{
	size_t n = vla_intake_row_bytes(in);
	VLA_TRY(vla_chunk_begin(w, part, "VECS", err));
	if (!order)
		VLA_TRY(vla_chunk_add(w, in->map.data, (size_t)in->rows * n, err));
	for (uint64_t i = 0; order && i < in->rows; i++)
		VLA_TRY(vla_chunk_add(w, vla_intake_raw(in, order[i]), n, err));
	if (in->dtype != VLA_I8)
		return VLA_OK;
	VLA_TRY(vla_chunk_begin(w, part, "SCAL", err));
	for (uint64_t i = 0; i < in->rows; i++) {
		float scale = vla_intake_scale(in, row_at(order, i));
		VLA_TRY(vla_chunk_add(w, &scale, sizeof scale, err));
	}
	return VLA_OK;
}

vla_status vla_part_write(vla_chunk_writer *w, unsigned part, const vla_intake *in, const vla_layout *plan,
			  vla_pool *pool, vla_err *err)
{
	VLA_TRY(write_vectors(w, part, in, plan->order, err));
	if (plan->codes)
		VLA_TRY(write_first_pass(w, part, in, plan, pool, err));
	if (plan->cell) {
		VLA_TRY(vla_chunk_begin(w, part, "CELL", err));
		VLA_TRY(vla_chunk_add(w, plan->cell, (plan->cells + 1) * sizeof *plan->cell, err));
	}
	VLA_TRY(vla_column_write(w, part, "IDOF", "IDST", &in->id, in->rows, plan->order, err));
	if (in->caption.any)
		VLA_TRY(vla_column_write(w, part, "CPOF", "CPST", &in->caption, in->rows, plan->order, err));
	if (in->label.any)
		VLA_TRY(vla_column_write(w, part, "LBOF", "LBST", &in->label, in->rows, plan->order, err));
	return VLA_OK;
}

vla_status vla_head_write(vla_chunk_writer *w, const vla_head *h, vla_err *err)
{
	vla_buf t = { NULL, 0, 0 };
	vla_header copy = VLA_HEADER_INIT;
	vla_status s = vla_header_copy(&copy, &h->header, err);
	if (s == VLA_OK && h->argc)
		s = vla_header_add_pg(&copy, h->argc, h->argv, err);
	if (s == VLA_OK)
		s = vla_buf_addf(&t, err,
				 "type=%s\nkind=%s\ndtype=%s\ndim=%u\nrows=%llu\nl2=%d\nmodel=%s\ncompute=%s\n",
				 h->type, vla_kind_name(copy.kind), vla_dtype_name(h->dtype), copy.dim,
				 (unsigned long long)h->rows, copy.l2, copy.model, copy.compute);
	for (size_t i = 0; i < h->nparams && s == VLA_OK; i++)
		s = vla_buf_addf(&t, err, "%s=%s\n", h->key[i], h->value[i]);
	for (size_t i = 0; i < copy.npg && s == VLA_OK; i++)
		s = vla_buf_addf(&t, err, "pg=%s\n", copy.pg[i]);
	if (s == VLA_OK)
		s = vla_chunk_begin(w, VLA_CHUNK_WHOLE, "HEAD", err);
	if (s == VLA_OK)
		s = vla_chunk_add(w, t.data, t.n, err);
	vla_buf_release(&t);
	vla_header_release(&copy);
	return s;
}
