/* Output files that appear whole or not at all.
 *
 *	vla_outfile *o;
 *	if (vla_outfile_open("hits.tsv", &o, &err) == VLA_OK) {
 *		fprintf(vla_outfile_stream(o), "query\trank\n");
 *		status = vla_outfile_commit(o, &err);
 *		vla_outfile_close(o);
 *	}
 *
 * What is written goes to a file without a name (FILE.tmp.PID where the file system has no such thing), which commit
 * flushes, syncs and renames to FILE. Standard output ("-" or NULL) and existing files that are not plain files
 * (/dev/null, a named pipe) are written directly.
 */
#ifndef VLA_FILE_H
#define VLA_FILE_H

#include <vla/status.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_outfile vla_outfile;

/* path is copied. VLA_OK, VLA_EIO (the message names the file), VLA_ENOMEM. Free with vla_outfile_close. */
VLA_API vla_status vla_outfile_open(const char *path, vla_outfile **out, vla_err *err) VLA_MUST_USE;
/* Where to write; owned by o, never to be closed by the caller. */
VLA_API FILE *vla_outfile_stream(vla_outfile *o);
/* Makes the file visible under its name; standard output is flushed and stays open. Call once. VLA_OK or VLA_EIO, also
 * when an earlier write failed. */
VLA_API vla_status vla_outfile_commit(vla_outfile *o, vla_err *err) VLA_MUST_USE;
/* NULL is legal; without a successful commit the temporary file is removed. */
VLA_API void vla_outfile_close(vla_outfile *o);

#ifdef __cplusplus
}
#endif
#endif
