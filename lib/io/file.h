/* Files as bytes: read-only mappings and whole reads. Output is <vla/file.h>. */
#ifndef VLA_IO_FILE_H
#define VLA_IO_FILE_H

#include <vla/file.h>

#include "base/base.h"

/* Access that a mapping expects. */
typedef enum vla_map_hint { VLA_MAP_NORMAL, VLA_MAP_RANDOM } vla_map_hint;

typedef struct vla_map {
	const char *data; // page-aligned; never NULL after vla_map_open, also for an empty file
	size_t n;
	void *addr; // NULL for an empty file
} vla_map;

/* Maps a plain file read-only. VLA_OK, VLA_EIO, VLA_EUNSUPPORTED when it is no plain file (a pipe, a device, a
 * directory). The message does not name the file. */
vla_status vla_map_open(const char *path, vla_map_hint hint, vla_map *out, vla_err *err) VLA_MUST_USE;
/* The same of an open file, which may be closed afterwards. */
vla_status vla_map_fd(int fd, vla_map_hint hint, vla_map *out, vla_err *err) VLA_MUST_USE;
void vla_map_hint_set(const vla_map *m, vla_map_hint hint);
/* Starts to read n bytes from off. */
void vla_map_prefetch(const vla_map *m, size_t off, size_t n);
/* The same for n mapped bytes at p; harmless where nothing is mapped from a file. */
void vla_prefetch(const void *p, size_t n);
void vla_map_close(vla_map *m); /* a zeroed or closed map is legal */

/* All of f, with a NUL byte after the end that is not counted in b->n. VLA_EFORMAT when there are more than limit
 * bytes. b is replaced; release it in any case. */
vla_status vla_read_stream(FILE *f, size_t limit, vla_buf *b, vla_err *err) VLA_MUST_USE;
/* The same from a file or "-"; the message names it. */
vla_status vla_read_file(const char *path, size_t limit, vla_buf *b, vla_err *err) VLA_MUST_USE;

/* Files inside a packed model: PACK/NAME names the U8 tensor VLA_MEMBER NAME of the file PACK. vla_read_file reads them
 * like others; vla_is_file is true for plain files and for these. */
#define VLA_MEMBER "vla.file/"
bool vla_is_file(const char *path);
bool vla_is_pack(const char *path);
/* VLA_EIO when path is no such member; the message names it. */
vla_status vla_member_read(const char *path, size_t limit, vla_buf *b, vla_err *err) VLA_MUST_USE;

/* Writes n bytes to path, whole or not at all. */
vla_status vla_outfile_write(const char *path, const void *p, size_t n, vla_err *err) VLA_MUST_USE;

/* fopen(path, "rb"), or stdin for "-"; the message names the file. Directories are refused here, since reading one
 * fails late. */
vla_status vla_infile_open(const char *path, FILE **out, vla_err *err) VLA_MUST_USE;
void vla_infile_close(FILE *f); /* NULL legal; stdin stays open */

/* Takes a line, its line end still on. A status other than VLA_OK ends the walk with it. */
typedef vla_status vla_line_fn(void *ctx, const char *line, vla_err *err);
/* All lines of a file, or of stdin for "-". */
vla_status vla_infile_lines(const char *path, vla_line_fn *fn, void *ctx, vla_err *err) VLA_MUST_USE;

#endif
