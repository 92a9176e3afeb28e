/* Candidates with bounds: the k-th largest lower end is a floor under the k-th best score, and what ends below it is
 * dropped. When bounds alone do not shorten a full list, its scores are computed. */
#include "index/shortlist.h"

#include "kern/kern.h"

#include <math.h>

float vla_score_row(const vla_store *s, uint64_t row, const float *query)
{
	const vla_store_part *p = &s->part[s->nparts > 1 ? vla_store_part_of(s, row) : 0];
	size_t at = (size_t)(row - p->first), dim = s->header.dim;
	float score;
	vla_scores(NULL, p->vectors + at * dim * vla_dtype_size(s->header.dtype), s->header.dtype,
		   p->scales ? p->scales + at : NULL, 1, dim, query, 1, &score);
	return score;
}

static float floor_of(const vla_candidate *c, size_t n, size_t k, float *scratch)
{
	if (n < k)
		return -INFINITY;
	for (size_t i = 0; i < n; i++)
		scratch[i] = c[i].lower;
	return vla_kth_largest(scratch, n, k);
}

static size_t drop_below(vla_candidate *c, size_t n, float floor)
{
	size_t m = 0;
	for (size_t i = 0; i < n; i++)
		if (c[i].upper >= floor)
			c[m++] = c[i];
	return m;
}

static int by_upper(const void *a, const void *b)
{
	const vla_candidate *x = a, *y = b;
	if (x->upper != y->upper)
		return x->upper > y->upper ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static void shorten(vla_shortlist *l, const vla_store *s, const float *query, float *scratch)
{
	l->floor = floor_of(l->c, l->n, l->k, scratch);
	l->n = drop_below(l->c, l->n, l->floor);
	if (l->n <= l->cap * 3 / 4)
		return;
	size_t m = 0;
	for (size_t i = 0; i < l->n; i++) {
		vla_candidate *c = &l->c[i];
		if (c->lower != c->upper)
			c->lower = c->upper = vla_score_row(s, c->row, query);
		if (c->lower == c->lower)
			l->c[m++] = *c;
	}
	l->n = m;
	qsort(l->c, l->n, sizeof *l->c, by_upper);
	if (l->n >= l->k) {
		l->n = l->k;
		l->floor = l->c[l->k - 1].lower;
	}
}

void vla_shortlist_add(vla_shortlist *l, vla_candidate c, const vla_store *s, const float *query, float *scratch)
{
	if (!(c.upper >= l->floor))
		return;
	if (l->n == l->cap)
		shorten(l, s, query, scratch);
	if (c.upper >= l->floor)
		l->c[l->n++] = c;
}

size_t vla_shortlist_finish(vla_candidate *c, size_t n, size_t k, const vla_store *s, const float *query,
			    float *scratch, vla_hit *hits)
{
	vla_topk t = { hits, 0, k };
	size_t bytes = s->header.dim * vla_dtype_size(s->header.dtype);
	n = drop_below(c, n, floor_of(c, n, k, scratch));
	qsort(c, n, sizeof *c, by_upper);
	for (size_t i = 0; i < n; i++) {
		if (t.n == k && c[i].upper < t.hit[0].score)
			break;
		if (i + 2 < n && s->nparts == 1)
			for (size_t b = 0; b < bytes && b < 4096; b += 64)
				__builtin_prefetch(s->part[0].vectors + (size_t)c[i + 2].row * bytes + b);
		vla_topk_push(&t, c[i].lower == c[i].upper ? c[i].lower : vla_score_row(s, c[i].row, query), c[i].row);
	}
	vla_topk_sort(&t);
	return t.n;
}
