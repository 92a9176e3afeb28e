/* Writing the parts of an index file, vlx(5). */
#ifndef VLA_INDEX_PARTS_H
#define VLA_INDEX_PARTS_H

#include "index/intake.h"

/* How the rows of an intake lie in the part that they become. */
typedef struct vla_layout {
	float *centroids; /* [cells, dim] or NULL: no codes, no cells */
	size_t cells;
	bool codes;
	float *rotation; /* [dim, dim] of the codes, or NULL */
	size_t head;     /* numbers of a code that come first; dim without a rotation */
	double error;    /* of the rotation */
	uint32_t degree; /* of a graph over the codes; 0: none */
	uint32_t effort;
	uint64_t seed;
	uint64_t *order; /* [rows]: row of the intake at each place; NULL: as they came */
	uint64_t *cell;  /* [cells + 1]: places at which each cell begins; NULL: one cell */
} vla_layout;

void vla_layout_release(vla_layout *p);
/* One centre for all rows: what codes of a flat index refer to. */
vla_status vla_layout_flat(const vla_intake *in, vla_layout *out, vla_err *err) VLA_MUST_USE;
/* Trains centroids on a sample of the rows. cells 0: about 2 sqrt(rows). */
vla_status vla_layout_train(const vla_intake *in, size_t cells, uint64_t seed, vla_pool *pool, vla_layout *out,
			    vla_err *err) VLA_MUST_USE;
/* Sorts the rows into the cells of p->centroids. */
vla_status vla_layout_sort(const vla_intake *in, vla_pool *pool, vla_layout *p, vla_err *err) VLA_MUST_USE;

/* Finds a rotation for the codes; after the rows were sorted. */
vla_status vla_layout_rotate(const vla_intake *in, vla_pool *pool, vla_layout *p, vla_err *err) VLA_MUST_USE;

/* Vectors, codes, cells, ids and fields as the chunks of one part. */
vla_status vla_part_write(vla_chunk_writer *w, unsigned part, const vla_intake *in, const vla_layout *plan,
			  vla_pool *pool, vla_err *err) VLA_MUST_USE;
/* A column of strings in the order given (NULL: as it is). */
vla_status vla_column_write(vla_chunk_writer *w, unsigned part, const char *offsets, const char *strings,
			    const vla_column *c, uint64_t rows, const uint64_t *order, vla_err *err) VLA_MUST_USE;

/* What HEAD says of the whole index. params: n pairs of key and value. */
typedef struct vla_head {
	const char *type;
	vla_header header; /* not owned; kind, dim, l2, model, compute and provenance */
	vla_dtype dtype;
	uint64_t rows;
	char *const *key, *const *value;
	size_t nparams;
	int argc; /* one more provenance line */
	char *const *argv;
} vla_head;
vla_status vla_head_write(vla_chunk_writer *w, const vla_head *h, vla_err *err) VLA_MUST_USE;

#endif
