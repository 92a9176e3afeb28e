/* First pass of search in eight bits: rows stored as codes around a centre, x = centre + scale * code + rest, where
 * only the norm of the rest is kept. A query in 16 bits then gives each score with a bound on its error, so that rows
 * which cannot be among the best are passed over without a look at their vector.
 */
#ifndef VLA_KERN_CODES_H
#define VLA_KERN_CODES_H

#include "base/base.h"

// Rows that vla_code_pass takes at once.
enum { VLA_CODE_TILE = 16 };

/* code [dim]; bound[0] the scale, bound[1] the norm of the rest, rounded up. centre [dim] or NULL for zero. */
void vla_code_encode(size_t dim, const float *x, const float *centre, int8_t *code, float bound[2]);

/* A query [dim] as d [dim] times `scale`. The error of the score of a row is at most a * bound[1] + b * bound[0] + c
 * |centre| for any row of that bound, with the rounding of the f32 arithmetic here and in a later f32 score counted in.
 */
typedef struct vla_code_query {
	float scale, a, b, c;
} vla_code_query;
void vla_code_prepare(size_t dim, const float *query, int16_t *d, vla_code_query *out);

/* One query of a pass over the rows of one centre. */
typedef struct vla_code_probe {
	const int16_t *d;           /* [dim] */
	float scale, a, b;          /* of the query */
	float offset, offset_error; /* the score of the centre, and what its error adds */
	float floor;                /* rows whose score is surely below are passed over */
	uint32_t query;             /* for the caller */
} vla_code_probe;

/* A row that may reach the floor: its score lies within [lower, upper]. */
typedef struct vla_code_hit {
	uint32_t probe, row; /* row within the tile */
	float lower, upper;
} vla_code_hit;

/* rows (at most VLA_CODE_TILE) of codes [rows, dim] with bounds [rows, 2]; probes [n]; hits [n * rows]. Returns the
 * number of hits, by probe, then row. In this thread. */
size_t vla_code_pass(const int8_t *codes, const float *bounds, size_t rows, size_t dim, const vla_code_probe *probes,
		     size_t n, vla_code_hit *hits);

#endif
