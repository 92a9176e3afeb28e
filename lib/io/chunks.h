/* A file of tagged chunks with a table of contents: what an index is stored in. Little-endian, each chunk at a multiple
 * of 64 bytes so that a mapping serves it in place. A file grows by whole states: a writer adds chunks behind what is
 * there and a new table, and one small write makes them the state that readers see; whoever opened the file before goes
 * on with the old one. The layout is in vlx(5).
 */
#ifndef VLA_IO_CHUNKS_H
#define VLA_IO_CHUNKS_H

#include "base/base.h"

// Parts of a collection, each with chunks of its own; chunks of the whole are in part VLA_CHUNK_WHOLE.
enum { VLA_CHUNK_PARTS = 256, VLA_CHUNK_WHOLE = 0xffff };

typedef struct vla_chunks vla_chunks;

/* Maps the newest state of path and checks its table of contents: magic, version, checksums, and that every chunk lies
 * inside the file, aligned. Chunk contents are checked by vla_chunks_check. VLA_OK, VLA_EIO, VLA_EFORMAT, VLA_ETRUNC,
 * VLA_ECORRUPT, VLA_EVERSION. */
vla_status vla_chunks_open(const char *path, vla_chunks **out, vla_err *err) VLA_MUST_USE;
void vla_chunks_close(vla_chunks *c);
/* Parts are numbered from 0. */
unsigned vla_chunks_parts(const vla_chunks *c);
/* Address and length of the chunk of `part` with this 4-letter tag; NULL when there is none. */
const void *vla_chunks_get(const vla_chunks *c, unsigned part, const char tag[4], size_t *bytes);
/* Reads everything once and compares the checksums. */
vla_status vla_chunks_check(const vla_chunks *c, vla_err *err) VLA_MUST_USE;
/* Compares the checksum of one chunk; an absent one is sound. */
vla_status vla_chunks_check_one(const vla_chunks *c, unsigned part, const char tag[4], vla_err *err) VLA_MUST_USE;
/* The n-th chunk: its part, tag (4 letters, not ended) and length; false past the last. */
bool vla_chunks_nth(const vla_chunks *c, size_t n, unsigned *part, const char **tag, uint64_t *bytes);
/* Counts the states: grows by one at each commit. */
uint64_t vla_chunks_generation(const vla_chunks *c);

typedef struct vla_chunk_writer vla_chunk_writer;

/* A new file: a temporary one beside path that finish renames. */
vla_status vla_chunk_writer_open(const char *path, vla_chunk_writer **out, vla_err *err) VLA_MUST_USE;
/* The next state of an existing file, which stays locked against other writers (who wait) until close. All chunks there
 * are stay part of it but those dropped. */
vla_status vla_chunk_writer_append(const char *path, vla_chunk_writer **out, vla_err *err) VLA_MUST_USE;
/* Leaves the chunk out of the new state. */
void vla_chunk_drop(vla_chunk_writer *w, unsigned part, const char tag[4]);
vla_status vla_chunk_begin(vla_chunk_writer *w, unsigned part, const char tag[4], vla_err *err) VLA_MUST_USE;
vla_status vla_chunk_add(vla_chunk_writer *w, const void *p, size_t n, vla_err *err) VLA_MUST_USE;
/* Writes the table of contents, syncs, and makes the state visible; the old one stays whole until that moment. */
vla_status vla_chunk_writer_finish(vla_chunk_writer *w, vla_err *err) VLA_MUST_USE;
/* NULL legal; without a finish that succeeded the temporary file is removed, or the old state stays. */
void vla_chunk_writer_close(vla_chunk_writer *w);

#endif
