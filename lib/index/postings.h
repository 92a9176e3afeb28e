/* Lists of a sparse collection: for each word of the vocabulary the rows that have it, rising, and their weights. */
#ifndef VLA_INDEX_POSTINGS_H
#define VLA_INDEX_POSTINGS_H

#include "index/intake.h"

typedef struct vla_postings {
	vla_header header; /* of the first stream; model as all agree */
	uint64_t rows;
	vla_column id, caption, label;
	uint64_t *offset; /* [dim + 1]: list w is [offset[w], offset[w + 1]) of row and weight */
	uint32_t *row;
	float *weight;
} vla_postings;

/* Reads all records of sparse streams. Weights of 0 are left out. Release in any case. */
vla_status vla_postings_read(vla_postings *p, const char *const *streams, size_t n, vla_err *err) VLA_MUST_USE;
void vla_postings_release(vla_postings *p);

#endif
