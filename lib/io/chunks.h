/* A file of tagged chunks behind a table of contents: what an index is stored in. Little-endian, each chunk at a
 * multiple of 64 bytes so that a mapping serves it in place. The layout is in vlx(5).
 */
#ifndef VLA_IO_CHUNKS_H
#define VLA_IO_CHUNKS_H

#include "base/base.h"

typedef struct vla_chunks vla_chunks;

/* Maps path and checks the table of contents: magic, version, its checksum, and that every chunk lies inside the file,
 * in order and aligned. Chunk contents are checked by vla_chunks_check. VLA_OK, VLA_EIO, VLA_EFORMAT, VLA_ETRUNC,
 * VLA_ECORRUPT, VLA_EVERSION. */
vla_status vla_chunks_open(const char *path, vla_chunks **out, vla_err *err) VLA_MUST_USE;
void vla_chunks_close(vla_chunks *c);
/* Address and length of the chunk with this 4-letter tag; NULL when there is none. */
const void *vla_chunks_get(const vla_chunks *c, const char tag[4], size_t *bytes);
/* Reads everything once and compares the checksums. */
vla_status vla_chunks_check(const vla_chunks *c, vla_err *err) VLA_MUST_USE;
/* Compares the checksum of one chunk. */
vla_status vla_chunks_check_one(const vla_chunks *c, const char tag[4], vla_err *err) VLA_MUST_USE;

typedef struct vla_chunk_writer vla_chunk_writer;

/* Writes to a temporary file beside path; at most 64 chunks. */
vla_status vla_chunk_writer_open(const char *path, vla_chunk_writer **out, vla_err *err) VLA_MUST_USE;
vla_status vla_chunk_begin(vla_chunk_writer *w, const char tag[4], vla_err *err) VLA_MUST_USE;
vla_status vla_chunk_add(vla_chunk_writer *w, const void *p, size_t n, vla_err *err) VLA_MUST_USE;
/* Writes the table of contents, syncs and renames. */
vla_status vla_chunk_writer_finish(vla_chunk_writer *w, vla_err *err) VLA_MUST_USE;
/* NULL legal; removes the temporary file unless finish succeeded. */
void vla_chunk_writer_close(vla_chunk_writer *w);

#endif
