/* First pass of search in eight bits: rows stored as codes around a centre, x = centre + scale * code + rest, where
 * only the norm of the rest is kept. A query in 16 bits then gives each score with a bound on its error, so that rows
 * which cannot be among the best are passed over without a look at their vector.
 */
#ifndef VLA_KERN_CODES_H
#define VLA_KERN_CODES_H

#include "base/base.h"

// Rows that vla_code_pass takes at once.
enum { VLA_CODE_TILE = 16 };

// Numbers that describe the code of a row.
enum { VLA_CODE_BOUNDS = 4 };

/* code [dim] of y, a row minus its centre, perhaps rotated, known up to `error` times its length. bound: the scale; the
 * length of the rest; of the part of scale times code past the first `head` numbers; of all of scale times code. The
 * three lengths are rounded up. */
void vla_code_encode(size_t dim, size_t head, const float *y, double error, int8_t *code, float bound[VLA_CODE_BOUNDS]);

/* A query [dim] (known up to `error` times its length) as d [dim] times `scale`. The error of the score of a row is at
 * most a * rest + b * length + c |centre|, with the rounding of the f32 arithmetic here and in a later f32 score
 * counted in. */
typedef struct vla_code_query {
	float scale, a, b, c;
} vla_code_query;
void vla_code_prepare(size_t dim, const float *query, double error, int16_t *d, vla_code_query *out);

/* The product of one code [dim] with d [dim]. */
int32_t vla_code_dot(size_t dim, const int8_t *code, const int16_t *d);

/* How queries are met in two steps: the first `head` numbers of a code decide about most rows. What all queries have in
 * common past them, `mean`, is worked out once a row; what a query has beyond that is bounded. */
typedef struct vla_code_split {
	size_t head;          /* dim: one step */
	const int16_t *mean;  /* [dim], zero before head */
	vla_code_query query; /* of mean */
} vla_code_split;

/* One query of a pass over the rows of one centre. */
typedef struct vla_code_probe {
	const int16_t *d;           /* [dim] */
	float scale, a, b;          /* of the query */
	float tail;                 /* length of the query minus the mean past the head, rounded up */
	float offset, offset_error; /* the score of the centre, and what its error adds */
	float floor;                /* rows whose score is surely below are passed over */
	uint32_t query;             /* for the caller */
} vla_code_probe;

/* A row that may reach the floor: its score lies within [lower, upper]. */
typedef struct vla_code_hit {
	uint32_t probe, row; /* row within the tile */
	float lower, upper;
} vla_code_hit;

/* rows (at most VLA_CODE_TILE) of codes [rows, dim] with bounds [rows, VLA_CODE_BOUNDS]; probes [n]; hits [n * rows].
 * Returns the number of hits, by probe, then row. *second, when not NULL, grows by the scores that took both steps. In
 * this thread. */
size_t vla_code_pass(const int8_t *codes, const float *bounds, size_t rows, size_t dim, const vla_code_split *split,
		     const vla_code_probe *probes, size_t n, vla_code_hit *hits, size_t *second);

#endif
