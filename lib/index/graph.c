/* Walks through a hierarchical navigable small-world graph (Malkov and Yashunin, 2018): greedy through the upper
 * levels, then best first with a bounded set of results. Every link is compared with the number of rows before it is
 * followed, since files may be damaged. */
#include "index/graph.h"

#include "kern/codes.h"

#include <math.h>

enum { MOST_LINKS = 2 * VLA_GRAPH_DEGREE };

vla_status vla_walk_init(vla_walk *w, size_t rows, size_t breadth, vla_err *err)
{
	*w = (vla_walk){ .breadth = breadth, .cap = 1024, .cap_touched = 4096 };
	w->seen = vla_zalloc(rows / 64 + 1, sizeof *w->seen);
	w->front = vla_alloc(w->cap, sizeof *w->front);
	w->best = vla_alloc(breadth, sizeof *w->best);
	w->touched = vla_alloc(w->cap_touched, sizeof *w->touched);
	if (w->seen && w->touched && w->front && w->best)
		return VLA_OK;
	vla_walk_release(w);
	*w = (vla_walk){ .seen = NULL };
	return vla_nomem(err);
}

void vla_walk_release(vla_walk *w)
{
	free(w->seen);
	free(w->touched);
	free(w->front);
	free(w->best);
}

static float distance(const vla_graph *g, const vla_graph_target *t, uint32_t row)
{
	const float *b = g->bounds + (size_t)row * VLA_CODE_BOUNDS;
	float dot = t->scale * b[0] * (float)vla_code_dot(g->dim, g->codes + (size_t)row * g->dim, t->d);
	float d = t->row ? b[3] * b[3] - 2 * dot : -dot;
	return d == d ? d : INFINITY;
}

static bool nearer(vla_near a, vla_near b)
{
	return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
}

// Heaps with the nearest (front) or the farthest (best) at the root.
static void push(vla_near *h, size_t n, vla_near v, bool farthest)
{
	size_t i = n;
	for (; i && (farthest ? nearer(h[(i - 1) / 2], v) : nearer(v, h[(i - 1) / 2])); i = (i - 1) / 2)
		h[i] = h[(i - 1) / 2];
	h[i] = v;
}

// Puts v in place of the root of a heap of n.
static void replace(vla_near *h, size_t n, vla_near v, bool farthest)
{
	size_t i = 0;
	for (size_t l; (l = 2 * i + 1) < n; i = l) {
		if (l + 1 < n && (farthest ? nearer(h[l], h[l + 1]) : nearer(h[l + 1], h[l])))
			l++;
		if (farthest ? !nearer(v, h[l]) : !nearer(h[l], v))
			break;
		h[i] = h[l];
	}
	h[i] = v;
}

static bool see(vla_walk *w, uint32_t row)
{
	uint64_t bit = (uint64_t)1 << row % 64, had = w->seen[row / 64] & bit;
	w->seen[row / 64] |= bit;
	if (!had)
		w->touched[w->ntouched++] = row;
	return !had;
}

// Room for the links of one more row.
static vla_status more_touched(vla_walk *w, vla_err *err)
{
	if (w->cap_touched - w->ntouched >= MOST_LINKS)
		return VLA_OK;
	uint32_t *t = vla_realloc(w->touched, w->cap_touched * 2, sizeof *t);
	if (!t)
		return vla_nomem(err);
	w->touched = t;
	w->cap_touched *= 2;
	return VLA_OK;
}

static vla_status add_front(vla_walk *w, size_t *n, vla_near v, vla_err *err)
{
	if (*n == w->cap) {
		vla_near *f = vla_realloc(w->front, w->cap * 2, sizeof *f);
		if (!f)
			return vla_nomem(err);
		w->front = f;
		w->cap *= 2;
	}
	push(w->front, (*n)++, v, false);
	return VLA_OK;
}

static const uint32_t *links(const vla_graph *g, uint32_t row, uint32_t level, size_t *n)
{
	*n = level ? g->degree : 2 * (size_t)g->degree;
	if (!level)
		return g->base + (size_t)row * *n;
	if (g->offset[row] + level > g->offset[row + 1]) {
		*n = 0;
		return g->upper;
	}
	return g->upper + (size_t)(g->offset[row] + level - 1) * *n;
}

// The links of a row that were not seen yet, into list; their codes are on their way when this returns.
static size_t unseen(const vla_graph *g, vla_walk *w, uint32_t row, uint32_t level, uint32_t *list)
{
	size_t n, m = 0;
	const uint32_t *l = links(g, row, level, &n);
	for (size_t i = 0; i < n && l[i] != VLA_GRAPH_NONE; i++)
		if (l[i] < g->rows && see(w, l[i])) {
			list[m++] = l[i];
			for (size_t b = 0; b < g->dim; b += 64)
				__builtin_prefetch(g->codes + (size_t)l[i] * g->dim + b);
			__builtin_prefetch(g->bounds + (size_t)l[i] * VLA_CODE_BOUNDS);
		}
	return m;
}

// Nearest to the target from `at` by steps that come nearer.
static vla_near descend(const vla_graph *g, const vla_graph_target *t, vla_near at, uint32_t level)
{
	for (bool moved = true; moved;) {
		size_t n;
		const uint32_t *l = links(g, at.row, level, &n);
		moved = false;
		for (size_t i = 0; i < n && l[i] != VLA_GRAPH_NONE; i++) {
			if (l[i] >= g->rows)
				continue;
			vla_near v = { distance(g, t, l[i]), l[i] };
			if (nearer(v, at)) {
				at = v;
				moved = true;
			}
		}
	}
	return at;
}

// Best first on one level from `at`: fills w->best as a heap, farthest first.
static vla_status layer_walk(const vla_graph *g, const vla_graph_target *t, vla_near at, uint32_t level, vla_walk *w,
			     vla_err *err)
{
	uint32_t list[MOST_LINKS];
	size_t nf = 0;
	for (size_t i = 0; i < w->ntouched; i++)
		w->seen[w->touched[i] / 64] = 0;
	w->ntouched = 0;
	w->n = 0;
	(void)see(w, at.row);
	VLA_TRY(add_front(w, &nf, at, err));
	push(w->best, w->n++, at, true);
	while (nf) {
		vla_near c = w->front[0];
		if (w->n == w->breadth && nearer(w->best[0], c))
			break;
		nf--;
		if (nf)
			replace(w->front, nf, w->front[nf], false);
		VLA_TRY(more_touched(w, err));
		size_t m = unseen(g, w, c.row, level, list);
		for (size_t i = 0; i < m; i++) {
			vla_near v = { distance(g, t, list[i]), list[i] };
			if (w->n < w->breadth)
				push(w->best, w->n++, v, true);
			else if (nearer(v, w->best[0]))
				replace(w->best, w->n, v, true);
			else
				continue;
			VLA_TRY(add_front(w, &nf, v, err));
		}
	}
	return VLA_OK;
}

static int by_nearness(const void *a, const void *b)
{
	return nearer(*(const vla_near *)a, *(const vla_near *)b) ? -1 : 1;
}

// From the entry down to just above `level`.
static vla_near enter(const vla_graph *g, const vla_graph_target *t, uint32_t level)
{
	vla_near at = { distance(g, t, g->entry), g->entry };
	for (uint32_t l = g->levels; l > level; l--)
		at = descend(g, t, at, l);
	return at;
}

vla_status vla_graph_search(const vla_graph *g, const vla_graph_target *t, vla_walk *w, vla_err *err)
{
	w->n = 0;
	if (!g->rows)
		return VLA_OK;
	VLA_TRY(layer_walk(g, t, enter(g, t, 0), 0, w, err));
	qsort(w->best, w->n, sizeof *w->best, by_nearness);
	return VLA_OK;
}

/* --- building --- */

struct making {
	vla_graph_builder *b;
	vla_walk w;
	int16_t *row, *other; // [dim]: codes in 16 bits
	vla_near *pool;       // [2 degree + 1]
};

static void widen(const vla_graph *g, uint32_t row, int16_t *d, vla_graph_target *t)
{
	for (size_t i = 0; i < g->dim; i++)
		d[i] = g->codes[(size_t)row * g->dim + i];
	*t = (vla_graph_target){ d, g->bounds[(size_t)row * VLA_CODE_BOUNDS], true };
}

// Of c [n], nearest first and each with its distance to a row but for that row's square: keeps up to `most` that are
// nearer to the row than to any kept before, so that links lead in different directions. Returns how many.
static size_t diverse(struct making *m, float square, vla_near *c, size_t n, size_t most)
{
	const vla_graph *g = &m->b->g;
	size_t kept = 0;
	for (size_t i = 0; i < n && kept < most; i++) {
		vla_graph_target t;
		bool good = true;
		float own = g->bounds[(size_t)c[i].row * VLA_CODE_BOUNDS + 3];
		widen(g, c[i].row, m->other, &t);
		for (size_t k = 0; k < kept && good; k++)
			good = distance(g, &t, c[k].row) + own * own >= c[i].distance + square;
		if (good)
			c[kept++] = c[i];
	}
	return kept;
}

static uint32_t *own_links(vla_graph_builder *b, uint32_t row, uint32_t level, size_t *n)
{
	return (uint32_t *)(uintptr_t)links(&b->g, row, level, n);
}

// Adds `row` to the links of `to`, which are chosen anew when they are full.
static void link_back(struct making *m, uint32_t to, uint32_t row, uint32_t level)
{
	const vla_graph *g = &m->b->g;
	size_t n, used = 0;
	uint32_t *l = own_links(m->b, to, level, &n);
	vla_graph_target t;
	while (used < n && l[used] != VLA_GRAPH_NONE)
		used++;
	if (used < n) {
		l[used] = row;
		return;
	}
	widen(g, to, m->row, &t);
	for (size_t i = 0; i < n; i++)
		m->pool[i] = (vla_near){ distance(g, &t, l[i]), l[i] };
	m->pool[n] = (vla_near){ distance(g, &t, row), row };
	qsort(m->pool, n + 1, sizeof *m->pool, by_nearness);
	float size = g->bounds[(size_t)to * VLA_CODE_BOUNDS + 3];
	size_t kept = diverse(m, size * size, m->pool, n + 1, n);
	for (size_t i = 0; i < n; i++)
		l[i] = i < kept ? m->pool[i].row : VLA_GRAPH_NONE;
}

static vla_status insert(struct making *m, uint32_t row, vla_err *err)
{
	vla_graph *g = &m->b->g;
	uint32_t top = g->offset[row + 1] - g->offset[row];
	vla_graph_target t;
	widen(g, row, m->row, &t);
	float size = g->bounds[(size_t)row * VLA_CODE_BOUNDS + 3];
	vla_near at = enter(g, &t, top);
	for (uint32_t level = (top < g->levels ? top : g->levels) + 1; level-- > 0;) {
		widen(g, row, m->row, &t); // linking back used it
		VLA_TRY(layer_walk(g, &t, at, level, &m->w, err));
		qsort(m->w.best, m->w.n, sizeof *m->w.best, by_nearness);
		at = m->w.best[0];
		size_t room, kept = diverse(m, size * size, m->w.best, m->w.n, g->degree);
		uint32_t *l = own_links(m->b, row, level, &room);
		for (size_t i = 0; i < kept; i++)
			l[i] = m->w.best[i].row;
		for (size_t i = 0; i < kept; i++)
			link_back(m, l[i], row, level);
	}
	if (top > g->levels) {
		g->levels = top;
		g->entry = row;
	}
	return VLA_OK;
}

static void draw_levels(const vla_graph *g, uint64_t seed, uint32_t *offset)
{
	vla_rng r;
	vla_rng_seed(&r, seed, 0x686e);
	offset[0] = 0;
	for (size_t i = 0; i < g->rows; i++) {
		double level = -log(1 - vla_rng_double(&r)) / log((double)g->degree);
		offset[i + 1] = offset[i] + (uint32_t)(level < 16 ? level : 16);
	}
}

vla_status vla_graph_build(const vla_graph *g, size_t effort, uint64_t seed, vla_graph_builder *out, vla_err *err)
{
	*out = (vla_graph_builder){ .g = *g };
	struct making m = { .b = out };
	if (g->rows >= VLA_GRAPH_NONE || g->degree < 2 || g->degree > VLA_GRAPH_DEGREE)
		return vla_fail(err, VLA_EINVAL, "a graph has fewer than 2^32 rows and a degree of 2 to %d",
				VLA_GRAPH_DEGREE);
	size_t width = 2 * (size_t)g->degree;
	out->base = vla_alloc(g->rows, width * sizeof *out->base);
	out->offset = vla_alloc(g->rows + 1, sizeof *out->offset);
	if (out->offset) {
		draw_levels(g, seed, out->offset);
		out->upper = vla_alloc(out->offset[g->rows], g->degree * sizeof *out->upper);
	}
	m.row = vla_alloc(g->dim, sizeof *m.row);
	m.other = vla_alloc(g->dim, sizeof *m.other);
	m.pool = vla_alloc(width + 1, sizeof *m.pool);
	vla_status s = vla_walk_init(&m.w, g->rows, effort, err);
	if (s == VLA_OK && (!out->base || !out->offset || !out->upper || !m.row || !m.other || !m.pool))
		s = vla_nomem(err);
	if (s == VLA_OK) {
		memset(out->base, 0xff, g->rows * width * sizeof *out->base);
		memset(out->upper, 0xff, out->offset[g->rows] * (size_t)g->degree * sizeof *out->upper);
		out->g.base = out->base;
		out->g.offset = out->offset;
		out->g.upper = out->upper;
		out->g.entry = 0;
		out->g.levels = g->rows ? out->offset[1] : 0;
	}
	for (uint32_t i = 1; i < g->rows && s == VLA_OK; i++)
		s = insert(&m, i, err);
	vla_walk_release(&m.w);
	free(m.row);
	free(m.other);
	free(m.pool);
	return s;
}

void vla_graph_builder_release(vla_graph_builder *b)
{
	free(b->base);
	free(b->offset);
	free(b->upper);
}
