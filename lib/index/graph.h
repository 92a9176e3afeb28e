/* A hierarchical navigable small-world graph over the codes of one part. */
#ifndef VLA_INDEX_GRAPH_H
#define VLA_INDEX_GRAPH_H

#include "base/base.h"

// No link.
#define VLA_GRAPH_NONE UINT32_MAX

// The largest degree.
enum { VLA_GRAPH_DEGREE = 256 };

/* Level 0 has 2 degree links a row, each level above degree; the links of row r above level 0 are upper[offset[r]] to
 * upper[offset[r + 1]], one group of degree links a level. */
typedef struct vla_graph {
	const int8_t *codes; /* [rows, dim] */
	const float *bounds; /* [rows, VLA_CODE_BOUNDS] */
	size_t rows, dim;
	uint32_t degree, entry, levels; /* levels above 0 */
	const uint32_t *base;           /* [rows, 2 degree] */
	const uint32_t *offset;         /* [rows + 1], in groups */
	const uint32_t *upper;          /* [groups, degree] */
} vla_graph;

typedef struct vla_near {
	float distance;
	uint32_t row;
} vla_near;

/* What rows are compared with: a query or the code of a row, as d times scale. */
typedef struct vla_graph_target {
	const int16_t *d; /* [dim] */
	float scale;
	bool row; /* squared distance; else minus the inner product */
} vla_graph_target;

/* Scratch of one walk. */
typedef struct vla_walk {
	uint64_t *seen;    /* a bit a row */
	uint32_t *touched; /* [ntouched] rows whose bit is set */
	size_t ntouched, cap_touched;
	vla_near *front; /* [rows seen at most] */
	size_t cap;
	vla_near *best; /* [breadth] */
	size_t n, breadth;
} vla_walk;
vla_status vla_walk_init(vla_walk *w, size_t rows, size_t breadth, vla_err *err) VLA_MUST_USE;
void vla_walk_release(vla_walk *w);

/* The rows nearest to a target that a walk finds, nearest first in w->best [w->n]. VLA_ENOMEM; a damaged graph gives
 * fewer or worse rows. */
vla_status vla_graph_search(const vla_graph *g, const vla_graph_target *t, vla_walk *w, vla_err *err) VLA_MUST_USE;

/* Links in growing arrays, as they are stored. */
typedef struct vla_graph_builder {
	vla_graph g;
	uint32_t *base, *offset, *upper;
} vla_graph_builder;
/* g: codes, bounds, rows, dim and degree are given. effort: breadth of the walks that find neighbours. */
vla_status vla_graph_build(const vla_graph *g, size_t effort, uint64_t seed, vla_graph_builder *out,
			   vla_err *err) VLA_MUST_USE;
void vla_graph_builder_release(vla_graph_builder *b);

#endif
