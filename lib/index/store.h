/* Where the rows of an index lie: a mapped index file or a dense stream, behind one set of accessors. */
#ifndef VLA_INDEX_STORE_H
#define VLA_INDEX_STORE_H

#include "base/base.h"
#include "io/chunks.h"

#include <vla/index.h>

/* Rows that are scored together: contiguous, of one dtype, at most VLA_STORE_BLOCK of them. */
typedef struct vla_store_block {
	const void *data;
	const float *scales; /* i8 only */
	uint64_t first;
	size_t rows;
} vla_store_block;

enum { VLA_STORE_BLOCK = 2048 };

/* A column of strings: n + 1 offsets into text, each string ended by a zero byte. offset NULL: the column is absent. */
typedef struct vla_store_text {
	const uint64_t *offset;
	const char *text;
} vla_store_text;

typedef struct vla_store {
	vla_chunks *chunks; /* an index file, or */
	vla_matrix *matrix; /* a stream */
	vla_header header;
	uint64_t rows;
	const char *vectors; /* of the index file */
	const float *scales;
	vla_store_text id, caption, label;
	vla_store_block *block; /* [nblocks] */
	size_t nblocks;
} vla_store;

vla_status vla_store_open(const char *path, vla_store *out, vla_err *err) VLA_MUST_USE;
void vla_store_release(vla_store *s);
const char *vla_store_id(const vla_store *s, uint64_t row);
const char *vla_store_caption(const vla_store *s, uint64_t row);
const char *vla_store_label(const vla_store *s, uint64_t row);
void vla_store_vector(const vla_store *s, uint64_t row, float *out);

#endif
