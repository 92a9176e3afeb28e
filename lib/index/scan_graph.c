/* Search by walks through the graphs of all parts. Codes lead the way; the f32 scores of those rows that may be among
 * the best, by the bounds of their codes, decide. */
#include "index/scan.h"

#include "index/rotation.h"
#include "index/shortlist.h"
#include "kern/codes.h"

#include <math.h>
#include <stdatomic.h>

struct walks {
	const vla_scan *s;
	size_t breadth;
	const float *turned; // [nq, dim]
	atomic_bool failed;
};

struct one {
	int16_t *d; // [dim]
	vla_candidate *c;
	float *scratch; // [cap], as c
	vla_walk walk;
};

bool vla_scan_has_graph(const vla_store *s)
{
	for (size_t i = 0; i < s->nparts; i++)
		if (!s->part[i].graph.degree && s->part[i].rows)
			return false;
	return s->chunks && s->cells == 1;
}

// Candidates of one part, behind the n there are.
static size_t collect(const struct walks *w, const vla_store_part *p, const vla_code_query *c, const vla_walk *walk,
		      float offset, float offset_error, vla_candidate *out)
{
	size_t n = 0;
	for (size_t i = 0; i < walk->n; i++) {
		uint32_t r = walk->best[i].row;
		const float *b = p->bounds + (size_t)r * VLA_CODE_BOUNDS;
		float score = offset - walk->best[i].distance, error = c->a * b[1] + c->b * b[3] + offset_error;
		if (!vla_scan_skips(w->s, p->first + r))
			out[n++] = (vla_candidate){ score - error, score + error, p->first + r };
	}
	return n;
}

static vla_status search_one(const struct walks *w, size_t q, size_t breadth, struct one *o, size_t *found)
{
	const vla_store *st = &w->s->x->store;
	size_t dim = st->header.dim, n = 0;
	const float *query = w->s->queries + q * dim;
	double dot = 0;
	vla_code_query c;
	vla_code_prepare(dim, w->turned + q * dim, st->rotation ? vla_rotation_rounding(dim) : 0, o->d, &c);
	for (size_t i = 0; i < dim && st->header.dtype != VLA_I8; i++)
		dot += (double)query[i] * st->centroids[i];
	vla_graph_target t = { o->d, c.scale, false };
	for (size_t i = 0; i < st->nparts; i++) {
		const vla_store_part *p = &st->part[i];
		VLA_TRY(vla_walk_init(&o->walk, p->rows, breadth, NULL));
		vla_status s = vla_graph_search(&p->graph, &t, &o->walk, NULL);
		if (s == VLA_OK)
			n += collect(w, p, &c, &o->walk, (float)dot, c.c * w->s->x->cell_norm[0], o->c + n);
		vla_walk_release(&o->walk);
		o->walk = (vla_walk){ .seen = NULL };
		VLA_TRY(s);
	}
	*found = vla_shortlist_finish(o->c, n, w->s->k, st, query, o->scratch, w->s->hits + q * w->s->stride);
	return VLA_OK;
}

// A filter or deletions may leave too few of what was found: then the walk takes a broader view.
static void search_queries(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct walks *w = ctx;
	const vla_store *st = &w->s->x->store;
	(void)worker;
	for (size_t q = begin; q < end; q++) {
		size_t breadth = w->breadth;
		for (bool again = true; again && !atomic_load(&w->failed); breadth *= 4) {
			breadth = breadth < st->rows ? breadth : (size_t)st->rows;
			struct one o = { vla_alloc(st->header.dim, sizeof *o.d), NULL, NULL, { .seen = NULL } };
			o.c = vla_alloc(st->nparts * breadth, sizeof *o.c);
			o.scratch = vla_alloc(st->nparts * breadth, sizeof *o.scratch);
			size_t found = 0;
			if (!o.d || !o.c || !o.scratch || search_one(w, q, breadth, &o, &found) != VLA_OK)
				atomic_store(&w->failed, true);
			w->s->found[q] = found;
			again = found < w->s->k && breadth < st->rows;
			vla_walk_release(&o.walk);
			free(o.d);
			free(o.c);
			free(o.scratch);
		}
	}
}

vla_status vla_scan_graph(const vla_scan *s, size_t breadth, vla_err *err)
{
	const vla_store *st = &s->x->store;
	size_t dim = st->header.dim;
	float *turned = st->rotation ? vla_alloc(s->nq, dim * sizeof *turned) : NULL;
	if (st->rotation && !turned)
		return vla_nomem(err);
	if (st->rotation)
		vla_rotation_apply(s->x->pool, st->rotation, dim, s->queries, s->nq, turned);
	struct walks w = { .s = s, .breadth = breadth < s->k ? s->k : breadth, .turned = turned ? turned : s->queries };
	vla_parallel(s->x->pool, s->nq, 1, search_queries, &w);
	free(turned);
	return atomic_load(&w.failed) ? vla_nomem(err) : VLA_OK;
}
