/* Inverted lists in files and in memory, and exact search over them, term at a time: the scores of a block of rows are
 * accumulated list by list, then looked through for what beats the worst of the best so far. A score that was never
 * added to is -0, which no sum of products is, since a product of weights that are not 0 is added to it.
 */
#include <vla/inverted.h>

#include "base/clones.h"
#include "index/flat.h"
#include "index/parts.h"
#include "index/postings.h"
#include "index/topk.h"
#include "kern/kern.h"

#include <math.h>
#include <stdatomic.h>

// Scores of a block of rows, 256 KiB, stay within the cache of a core.
enum { BLOCK = VLA_POSTINGS_BLOCK, STRIP = 64, CONVERTED = 512 };

struct vla_inverted {
	vla_index index;
	vla_postings own; // of a stream
	size_t dim, blocks;
	// As in postings.h.
	const uint64_t *offset;
	const uint16_t *row;
	const void *weight;
	vla_dtype dtype;
	atomic_uchar *sound; // [dim]: 1 when the list was looked at and its rows rise
};

/* --- files --- */

static vla_status refuse_twins(const vla_postings *p, vla_err *err)
{
	vla_id_set *ids;
	vla_status s = VLA_OK;
	VLA_TRY(vla_id_set_new((size_t)p->rows, &ids, err));
	for (uint64_t i = 0, n; i < p->rows && s == VLA_OK; i++) {
		n = i;
		if (!vla_id_set_add(ids, vla_column_at(&p->id, i), &n))
			s = vla_fail(err, VLA_EINVAL, "id '%s' comes twice, as records %llu and %llu",
				     vla_column_at(&p->id, i), (unsigned long long)n + 1, (unsigned long long)i + 1);
	}
	vla_id_set_free(ids);
	return s;
}

static vla_status put(vla_chunk_writer *w, const char *tag, const void *p, size_t n, vla_err *err)
{
	VLA_TRY(vla_chunk_begin(w, 0, tag, err));
	return vla_chunk_add(w, p, n, err);
}

static vla_status write_file(vla_chunk_writer *w, const vla_postings *p, const vla_index_opts *o, vla_err *err)
{
	size_t lists = p->header.dim * p->blocks, n = (size_t)p->offset[lists];
	vla_head head = { .type = "inverted", .header = p->header, .dtype = p->dtype, .rows = p->rows };
	head.argc = o->argc;
	head.argv = o->argv;
	VLA_TRY(put(w, "INVO", p->offset, (lists + 1) * sizeof *p->offset, err));
	VLA_TRY(put(w, "INVR", p->row, n * sizeof *p->row, err));
	VLA_TRY(put(w, "INVW", p->weight, n * vla_dtype_size(p->dtype), err));
	VLA_TRY(vla_column_write(w, 0, "IDOF", "IDST", &p->id, p->rows, NULL, err));
	if (p->caption.any)
		VLA_TRY(vla_column_write(w, 0, "CPOF", "CPST", &p->caption, p->rows, NULL, err));
	if (p->label.any)
		VLA_TRY(vla_column_write(w, 0, "LBOF", "LBST", &p->label, p->rows, NULL, err));
	VLA_TRY(vla_head_write(w, &head, err));
	return vla_chunk_writer_finish(w, err);
}

vla_status vla_inverted_build(const char *const *streams, size_t n, const char *path, const vla_index_opts *o,
			      vla_index_report *report, vla_err *err)
{
	vla_postings p;
	vla_chunk_writer *w = NULL;
	vla_status s = vla_postings_read(&p, streams, n, err);
	if (s == VLA_OK)
		s = refuse_twins(&p, err);
	if (s == VLA_OK)
		s = vla_chunk_writer_open(path, &w, err);
	if (s == VLA_OK)
		s = write_file(w, &p, o, err);
	if (s == VLA_OK && report)
		*report = (vla_index_report){ p.rows, p.rows, 0, 0, 0, NAN, 0 };
	vla_chunk_writer_close(w);
	vla_postings_release(&p);
	return s;
}

static vla_status take_file(vla_inverted *v, vla_err *err)
{
	const vla_store *s = &v->index.store;
	size_t no, nr, nw;
	if (s->header.kind != VLA_SPARSE || strcmp(s->type, "inverted") != 0)
		return vla_fail(err, VLA_EUNSUPPORTED, "the index is of type %s, not inverted", s->type);
	v->offset = vla_store_chunk(s, 0, "INVO", &no);
	v->row = vla_store_chunk(s, 0, "INVR", &nr);
	v->weight = vla_store_chunk(s, 0, "INVW", &nw);
	v->blocks = vla_postings_blocks(s->rows);
	v->dtype = s->header.dtype;
	size_t lists = v->dim * v->blocks;
	if (s->nparts != 1 || s->rows > UINT32_MAX || (v->dtype != VLA_F32 && v->dtype != VLA_F16) || !v->offset ||
	    no != (lists + 1) * sizeof *v->offset || v->offset[0] != 0 || v->offset[lists] != nr / sizeof *v->row ||
	    nr % sizeof *v->row || nr / sizeof *v->row * vla_dtype_size(v->dtype) != nw ||
	    (nr && (!v->row || !v->weight)))
		return vla_fail(err, VLA_ECORRUPT, "the lists of the index do not fit together");
	for (size_t i = 0; i < lists; i++)
		if (v->offset[i] > v->offset[i + 1])
			return vla_fail(err, VLA_ECORRUPT, "the lists of the index do not fit together");
	return VLA_OK;
}

// The last offset, which columns of an intake lack.
static vla_status end_column(vla_column *c, vla_store_text *out, vla_err *err)
{
	uint64_t end = c->text.n;
	VLA_TRY(vla_buf_add(&c->offset, &end, sizeof end, err));
	*out = (vla_store_text){ (const uint64_t *)(const void *)c->offset.data, c->text.data };
	return VLA_OK;
}

static vla_status take_stream(vla_inverted *v, const char *path, vla_err *err)
{
	vla_store *s = &v->index.store;
	VLA_TRY(vla_postings_read(&v->own, &path, 1, err));
	VLA_TRY(vla_header_copy(&s->header, &v->own.header, err));
	snprintf(s->type, sizeof s->type, "stream");
	s->rows = s->live = s->header.count = v->own.rows;
	s->part = vla_zalloc(1, sizeof *s->part);
	if (!s->part)
		return vla_nomem(err);
	s->nparts = 1;
	s->part[0].rows = (size_t)s->rows;
	VLA_TRY(end_column(&v->own.id, &s->part[0].id, err));
	VLA_TRY(end_column(&v->own.caption, &s->part[0].caption, err));
	VLA_TRY(end_column(&v->own.label, &s->part[0].label, err));
	v->offset = v->own.offset;
	v->row = v->own.row;
	v->weight = v->own.weight;
	v->dtype = v->own.dtype;
	v->blocks = v->own.blocks;
	return VLA_OK;
}

static vla_status open_any(vla_inverted *v, const char *path, vla_err *err)
{
	vla_chunks *c = NULL;
	vla_status s = strcmp(path, "-") == 0 ? VLA_EFORMAT : vla_chunks_open(path, &c, NULL);
	vla_chunks_close(c);
	if (s != VLA_EFORMAT) { // an index file, sound or not
		VLA_TRY(vla_store_open(path, &v->index.store, err));
		v->dim = v->index.store.header.dim;
		VLA_TRY(take_file(v, err));
	} else {
		VLA_TRY(take_stream(v, path, err));
		v->dim = v->index.store.header.dim;
	}
	v->sound = vla_zalloc(v->dim, sizeof *v->sound);
	return v->sound ? VLA_OK : vla_nomem(err);
}

vla_status vla_inverted_open(const char *path, vla_pool *pool, vla_inverted **out, vla_err *err)
{
	vla_inverted *v = calloc(1, sizeof *v);
	if (!v)
		return vla_nomem(err);
	v->index.pool = pool;
	v->index.store.header = v->own.header = (vla_header)VLA_HEADER_INIT;
	vla_status s = open_any(v, path, err);
	if (s != VLA_OK) {
		vla_inverted_close(v);
		return s;
	}
	*out = v;
	return VLA_OK;
}

void vla_inverted_close(vla_inverted *v)
{
	if (v) {
		vla_store_release(&v->index.store);
		vla_postings_release(&v->own);
		free(v->sound);
	}
	free(v);
}

vla_index *vla_inverted_index(vla_inverted *v)
{
	return &v->index;
}

/* --- search --- */

static float weight_at(const vla_inverted *v, uint64_t i)
{
	return v->dtype == VLA_F16 ? vla_f16_to_f32(((const uint16_t *)v->weight)[i]) : ((const float *)v->weight)[i];
}

// Lists of a file are trusted only after their rows were seen to rise and to lie inside the index.
static vla_status check_list(vla_inverted *v, uint32_t w, vla_err *err)
{
	if (atomic_load_explicit(&v->sound[w], memory_order_relaxed))
		return VLA_OK;
	bool bad = false;
	for (size_t b = 0; b < v->blocks; b++) {
		const uint64_t *o = v->offset + w * v->blocks + b;
		uint64_t rows = v->index.store.rows - (uint64_t)b * BLOCK;
		for (uint64_t i = o[0]; i < o[1]; i++)
			bad = bad || v->row[i] >= rows || (i > o[0] && v->row[i] <= v->row[i - 1]) ||
			      !isfinite(weight_at(v, i));
	}
	if (bad)
		return vla_fail(err, VLA_ECORRUPT, "the list of word %u is damaged", w);
	atomic_store_explicit(&v->sound[w], 1, memory_order_relaxed);
	return VLA_OK;
}

static vla_status check_query(vla_inverted *v, const vla_sparse *q, vla_err *err)
{
	for (size_t i = 0; i < q->n; i++) {
		if (q->index[i] >= v->dim || (i && q->index[i] <= q->index[i - 1]))
			return vla_fail(err, VLA_EINVAL,
					"the words of a query do not rise, or lie outside the vocabulary");
		if (!isfinite(q->weight[i]))
			return vla_fail(err, VLA_EINVAL, "a query holds a number that is not finite");
		VLA_TRY(check_list(v, q->index[i], err));
	}
	return VLA_OK;
}

static uint32_t bits_of(float f)
{
	uint32_t u;
	memcpy(&u, &f, sizeof u);
	return u;
}

// Whether any of STRIP scores is above the floor.
VLA_CLONES
static unsigned any_above(const float *score, float floor)
{
	int any = 0;
	for (size_t i = 0; i < STRIP; i++)
		any |= score[i] > floor;
	return (unsigned)any;
}

static void add_weights(const uint16_t *row, const float *weight, size_t n, float q, float *restrict score)
{
	for (size_t i = 0; i < n; i++)
		score[row[i]] += q * weight[i];
}

// Adds list l, times q, to the scores of its block.
static void add_list(const vla_inverted *v, size_t l, float q, float *score)
{
	uint64_t from = v->offset[l], to = v->offset[l + 1];
	if (v->dtype == VLA_F32) {
		add_weights(v->row + from, (const float *)v->weight + from, (size_t)(to - from), q, score);
		return;
	}
	float weight[CONVERTED];
	for (size_t n; from < to; from += n) {
		n = to - from < CONVERTED ? (size_t)(to - from) : CONVERTED;
		vla_to_f32(VLA_F16, n, (const uint16_t *)v->weight + from, weight);
		add_weights(v->row + from, weight, n, q, score);
	}
}

static bool allowed(const vla_inverted *v, const vla_search_opts *o, uint64_t row)
{
	return !vla_store_dead(&v->index.store, row) && !(o->allow && !(o->allow[row / 64] >> row % 64 & 1));
}

// Scores of rows first ... first + n, which are left untouched again; n is rounded up to whole strips.
static void take_best(const vla_inverted *v, const vla_search_opts *o, float *score, uint64_t first, size_t n,
		      vla_topk *top)
{
	for (size_t s = 0; s < n; s += STRIP) {
		if (top->n < top->k || any_above(score + s, top->hit[0].score))
			for (size_t i = s; i < s + STRIP && i < n; i++)
				if (bits_of(score[i]) != 0x80000000 && allowed(v, o, first + i))
					vla_topk_push(top, score[i], first + i);
		for (size_t i = s; i < s + STRIP; i++)
			score[i] = -0.0f;
	}
}

// Asks for the beginning of list l; what follows the processor sees coming.
static void prefetch_list(const vla_inverted *v, size_t l)
{
	const char *row = (const char *)(v->row + v->offset[l]);
	const char *weight = (const char *)v->weight + v->offset[l] * vla_dtype_size(v->dtype);
	for (size_t i = 0; i < 256; i += 64) {
		__builtin_prefetch(row + i);
		__builtin_prefetch(weight + i);
	}
}

struct sparse_search {
	vla_inverted *v;
	const vla_search_opts *o;
	const vla_sparse *queries;
	float *score; // [workers, BLOCK], untouched between blocks
	size_t k;
	vla_hit *hits; // [nq, o->k]
	size_t *found;
};

static void search_queries(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct sparse_search *s = ctx;
	const vla_inverted *v = s->v;
	uint64_t rows = v->index.store.rows;
	float *score = s->score + (size_t)worker * BLOCK;
	for (size_t j = begin; j < end; j++) {
		const vla_sparse *q = &s->queries[j];
		vla_topk top = { s->hits + j * s->o->k, 0, s->k };
		for (size_t b = 0; b < v->blocks; b++) {
			uint64_t first = (uint64_t)b * BLOCK;
			size_t n = rows - first < BLOCK ? (size_t)(rows - first) : BLOCK;
			for (size_t i = 0; i < q->n; i++) {
				if (i + 2 < q->n)
					prefetch_list(v, q->index[i + 2] * v->blocks + b);
				if (q->weight[i] != 0)
					add_list(v, q->index[i] * v->blocks + b, q->weight[i], score);
			}
			take_best(v, s->o, score, first, n, &top);
		}
		vla_topk_sort(&top);
		s->found[j] = top.n;
	}
}

vla_status vla_inverted_search(vla_inverted *v, const vla_search_opts *o, const vla_sparse *queries, size_t nq,
			       vla_hit *hits, size_t *found, vla_err *err)
{
	struct sparse_search s = { .v = v, .o = o, .queries = queries, .hits = hits, .found = found };
	size_t workers = vla_pool_size(v->index.pool);
	for (size_t i = 0; i < nq; i++) {
		VLA_TRY(check_query(v, &queries[i], err));
		found[i] = 0;
	}
	s.k = o->k < v->index.store.live ? o->k : (size_t)v->index.store.live;
	if (!s.k)
		return VLA_OK;
	s.score = vla_alloc(workers, BLOCK * sizeof *s.score);
	for (size_t i = 0; s.score && i < workers * BLOCK; i++)
		s.score[i] = -0.0f;
	if (s.score)
		vla_parallel(v->index.pool, nq, 1, search_queries, &s);
	vla_status st = s.score ? VLA_OK : vla_nomem(err);
	free(s.score);
	return st;
}

static int by_score(const void *a, const void *b)
{
	const vla_match *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

vla_status vla_inverted_explain(vla_inverted *v, const vla_sparse *q, uint64_t row, vla_match *out, size_t *n,
				vla_err *err)
{
	VLA_TRY(check_query(v, q, err));
	if (row >= v->index.store.rows)
		return vla_fail(err, VLA_EINVAL, "no such row");
	*n = 0;
	for (size_t i = 0; i < q->n; i++) {
		const uint64_t *o = v->offset + q->index[i] * v->blocks + (row >> VLA_POSTINGS_SHIFT);
		uint64_t lo = o[0], hi = o[1];
		uint16_t want = (uint16_t)row;
		while (lo < hi) {
			uint64_t mid = lo + (hi - lo) / 2;
			if (v->row[mid] < want)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < o[1] && v->row[lo] == want && q->weight[i] != 0)
			out[(*n)++] = (vla_match){ q->index[i], q->weight[i] * weight_at(v, lo) };
	}
	if (*n)
		qsort(out, *n, sizeof *out, by_score);
	return VLA_OK;
}
