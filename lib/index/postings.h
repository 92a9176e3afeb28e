/* Lists of a sparse collection: for each word of the vocabulary the rows that have it, rising, and their weights. Rows
 * are taken in blocks of 65,536, so that two bytes say which row of its block one is.
 */
#ifndef VLA_INDEX_POSTINGS_H
#define VLA_INDEX_POSTINGS_H

#include "index/intake.h"

enum { VLA_POSTINGS_SHIFT = 16, VLA_POSTINGS_BLOCK = 1 << VLA_POSTINGS_SHIFT };

static inline size_t vla_postings_blocks(uint64_t rows)
{
	return (size_t)((rows + VLA_POSTINGS_BLOCK - 1) >> VLA_POSTINGS_SHIFT);
}

typedef struct vla_postings {
	vla_header header; /* of the first stream; model as all agree */
	uint64_t rows;
	vla_column id, caption, label;
	size_t blocks;    /* of rows */
	uint64_t *offset; /* [dim * blocks + 1]: word w in block b is [offset[w * blocks + b], the next) of row and
			     weight */
	uint16_t *row;    /* less the first of the block */
	vla_dtype dtype;  /* of weight: f16 when all streams are, else f32 */
	void *weight;
} vla_postings;

/* Reads all records of sparse streams. Weights of 0 are left out. Release in any case. */
vla_status vla_postings_read(vla_postings *p, const char *const *streams, size_t n, vla_err *err) VLA_MUST_USE;
void vla_postings_release(vla_postings *p);

#endif
