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

#include <math.h>
#include <stdatomic.h>

// Rows whose scores are accumulated together: 256 KiB, within the cache of a core.
enum { BLOCK = 1 << 16, STRIP = 64 };

struct vla_inverted {
	vla_index index;
	vla_postings own; // of a stream
	size_t dim;
	const uint64_t *offset; // [dim + 1]
	const uint32_t *row;
	const float *weight;
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
	size_t dim = p->header.dim, n = (size_t)p->offset[dim];
	vla_head head = { .type = "inverted", .header = p->header, .dtype = VLA_F32, .rows = p->rows };
	head.argc = o->argc;
	head.argv = o->argv;
	VLA_TRY(put(w, "INVO", p->offset, (dim + 1) * sizeof *p->offset, err));
	VLA_TRY(put(w, "INVR", p->row, n * sizeof *p->row, err));
	VLA_TRY(put(w, "INVW", p->weight, n * sizeof *p->weight, err));
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
		*report = (vla_index_report){ p.rows, p.rows, 0, 0, NAN, 0 };
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
	if (s->nparts != 1 || s->rows > UINT32_MAX || !v->offset || no != (v->dim + 1) * sizeof *v->offset ||
	    v->offset[0] != 0 || v->offset[v->dim] != nr / sizeof *v->row || nr % sizeof *v->row || nr != nw ||
	    (nr && (!v->row || !v->weight)))
		return vla_fail(err, VLA_ECORRUPT, "the lists of the index do not fit together");
	for (size_t i = 0; i < v->dim; i++)
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

// Lists of a file are trusted only after their rows were seen to rise and to lie inside the index.
static vla_status check_list(vla_inverted *v, uint32_t w, vla_err *err)
{
	if (atomic_load_explicit(&v->sound[w], memory_order_relaxed))
		return VLA_OK;
	uint64_t last = 0, rows = v->index.store.rows;
	bool bad = false;
	for (uint64_t i = v->offset[w]; i < v->offset[w + 1]; i++) {
		bad = bad || v->row[i] >= rows || (i > v->offset[w] && v->row[i] <= last) || !isfinite(v->weight[i]);
		last = v->row[i];
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

VLA_CLONES
static void fill_untouched(float *score, size_t n)
{
	for (size_t i = 0; i < n; i++)
		score[i] = -0.0f;
}

// Adds what lies before row `end` of a list, from *at on, to the scores of rows from `first` on.
static void add_list(const vla_inverted *v, uint64_t *at, uint64_t stop, uint64_t first, uint64_t end, float q,
		     float *score)
{
	uint64_t i = *at;
	for (; i < stop && v->row[i] < end; i++)
		score[v->row[i] - first] += q * v->weight[i];
	*at = i;
}

static bool allowed(const vla_inverted *v, const vla_search_opts *o, uint64_t row)
{
	return !vla_store_dead(&v->index.store, row) && !(o->allow && !(o->allow[row / 64] >> row % 64 & 1));
}

// Scores of rows first ... first + n, n rounded up to whole strips.
static void take_best(const vla_inverted *v, const vla_search_opts *o, const float *score, uint64_t first, size_t n,
		      vla_topk *top)
{
	for (size_t s = 0; s < n; s += STRIP) {
		if (top->n == top->k && !any_above(score + s, top->hit[0].score))
			continue;
		for (size_t i = s; i < s + STRIP && i < n; i++)
			if (bits_of(score[i]) != 0x80000000 && allowed(v, o, first + i))
				vla_topk_push(top, score[i], first + i);
	}
}

struct sparse_search {
	vla_inverted *v;
	const vla_search_opts *o;
	const vla_sparse *queries;
	float *score; // [workers, BLOCK]
	uint64_t *at; // [workers, most words of a query]
	size_t words, k;
	vla_hit *hits; // [nq, o->k]
	size_t *found;
};

static void search_queries(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct sparse_search *s = ctx;
	const vla_inverted *v = s->v;
	uint64_t rows = v->index.store.rows, *at = s->at + worker * s->words;
	float *score = s->score + (size_t)worker * BLOCK;
	for (size_t j = begin; j < end; j++) {
		const vla_sparse *q = &s->queries[j];
		vla_topk top = { s->hits + j * s->o->k, 0, s->k };
		for (size_t i = 0; i < q->n; i++)
			at[i] = v->offset[q->index[i]];
		for (uint64_t first = 0; first < rows; first += BLOCK) {
			size_t n = rows - first < BLOCK ? (size_t)(rows - first) : BLOCK;
			fill_untouched(score, (n + STRIP - 1) / STRIP * STRIP);
			for (size_t i = 0; i < q->n; i++)
				if (q->weight[i] != 0)
					add_list(v, &at[i], v->offset[q->index[i] + 1], first, first + n, q->weight[i],
						 score);
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
		s.words = queries[i].n > s.words ? queries[i].n : s.words;
		found[i] = 0;
	}
	s.k = o->k < v->index.store.live ? o->k : (size_t)v->index.store.live;
	if (!s.k)
		return VLA_OK;
	s.score = vla_alloc(workers, BLOCK * sizeof *s.score);
	s.at = vla_alloc(workers, s.words * sizeof *s.at);
	if (s.score && s.at)
		vla_parallel(v->index.pool, nq, 1, search_queries, &s);
	vla_status st = s.score && s.at ? VLA_OK : vla_nomem(err);
	free(s.score);
	free(s.at);
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
	*n = 0;
	for (size_t i = 0; i < q->n; i++) {
		uint64_t lo = v->offset[q->index[i]], end = v->offset[q->index[i] + 1], hi = end;
		while (lo < hi) {
			uint64_t mid = lo + (hi - lo) / 2;
			if (v->row[mid] < row)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < end && v->row[lo] == row)
			out[(*n)++] = (vla_match){ q->index[i], q->weight[i] * v->weight[lo] };
	}
	if (*n)
		qsort(out, *n, sizeof *out, by_score);
	return VLA_OK;
}
