/* Files written whole or not at all: a temporary file beside the target that takes its name at the end. */
#ifndef VLA_IO_OUTFILE_H
#define VLA_IO_OUTFILE_H

#include "base/base.h"

typedef struct vla_outfile {
	FILE *f;    /* write here; NULL when closed */
	char *path; /* the final name */
	char *tmp;
} vla_outfile;

#define VLA_OUTFILE_INIT { NULL, NULL, NULL }

/* VLA_OK, VLA_EIO, VLA_ENOMEM. */
vla_status vla_outfile_open(vla_outfile *o, const char *path, vla_err *err) VLA_MUST_USE;
/* Flushes, syncs, renames. Whatever it returns, release is still to be called. */
vla_status vla_outfile_commit(vla_outfile *o, vla_err *err) VLA_MUST_USE;
/* Without a commit, removes the temporary file. Legal on VLA_OUTFILE_INIT. */
void vla_outfile_release(vla_outfile *o);

/* All of it in one call. */
vla_status vla_outfile_write(const char *path, const void *p, size_t n, vla_err *err) VLA_MUST_USE;

#endif
