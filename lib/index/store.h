/* Where the rows of an index lie: a mapped index file or a dense stream, behind one set of accessors. An index file
 * consists of parts, vlx(5): the first from when it was built, one more for each time that rows were added. Rows are
 * numbered through all parts, and keep their numbers until the file is compacted; deleted rows stay in place and are
 * marked in `dead`.
 */
#ifndef VLA_INDEX_STORE_H
#define VLA_INDEX_STORE_H

#include "base/base.h"
#include "index/graph.h"
#include "io/chunks.h"

#include <vla/index.h>

/* Rows that are scored together: contiguous, of one dtype and part, at most VLA_STORE_BLOCK of them. */
typedef struct vla_store_block {
	const void *data;
	const float *scales; /* i8 only */
	uint64_t first;
	size_t rows, part;
} vla_store_block;

enum { VLA_STORE_BLOCK = 2048 };

/* A column of strings: n + 1 offsets into text, each string ended by a zero byte. offset NULL: the column is absent. */
typedef struct vla_store_text {
	const uint64_t *offset;
	const char *text;
} vla_store_text;

/* One part. Further structures of an index type are found with vla_store_chunk. */
typedef struct vla_store_part {
	uint64_t first; /* row */
	size_t rows;
	const char *vectors; /* [rows, dim] in the stored dtype; dense only */
	const float *scales; /* [rows], i8 only */
	vla_store_text id, caption, label;
	/* First pass in eight bits, kern/codes.h: NULL when the part has none. */
	const int8_t *codes; /* [rows, dim] */
	const float *bounds; /* [rows, VLA_CODE_BOUNDS] */
	/* Cells: rows [cell[i], cell[i + 1]) of the part belong to centroid i. NULL: no cells. */
	const uint64_t *cell; /* [cells + 1] */
	vla_graph graph;      /* over the codes; degree 0: there is none */
} vla_store_part;

typedef struct vla_store {
	vla_chunks *chunks; /* an index file, or */
	vla_matrix *matrix; /* a stream */
	char type[16];      /* "flat", "ivf", ...; "stream" */
	vla_header header;
	uint64_t rows, live;  /* live: without those deleted */
	const uint64_t *dead; /* bit r % 64 of dead[r / 64] is set when row r is deleted; NULL: none is */
	vla_store_part *part; /* [nparts]; of a stream one, with rows only */
	size_t nparts;
	const float *centroids; /* [cells, dim] */
	size_t cells;
	const float *rotation; /* [dim, dim] of the codes, or NULL */
	size_t head;           /* numbers of a code that come first; dim without a rotation */
	double rotation_error;
	vla_store_block *block; /* [nblocks] */
	size_t nblocks;
	char **key, **value; /* [nparams] further lines of HEAD, in order */
	size_t nparams;
} vla_store;

vla_status vla_store_open(const char *path, vla_store *out, vla_err *err) VLA_MUST_USE;
void vla_store_release(vla_store *s);
/* NULL past the last row. */
const char *vla_store_id(const vla_store *s, uint64_t row);
const char *vla_store_caption(const vla_store *s, uint64_t row);
const char *vla_store_label(const vla_store *s, uint64_t row);
void vla_store_vector(const vla_store *s, uint64_t row, float *out);
/* The part that holds a row. */
size_t vla_store_part_of(const vla_store *s, uint64_t row);
/* A chunk of a part (VLA_CHUNK_WHOLE: of the whole index); NULL when it is absent or s is a stream. Contents are not
 * checked: lengths must be compared, and numbers in it are not to be trusted. */
const void *vla_store_chunk(const vla_store *s, unsigned part, const char tag[4], size_t *bytes);
/* The value of a further line of HEAD, or NULL. */
const char *vla_store_param(const vla_store *s, const char *key);

static inline bool vla_store_dead(const vla_store *s, uint64_t row)
{
	return s->dead && s->dead[row / 64] >> row % 64 & 1;
}

#endif
