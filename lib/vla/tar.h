/* Tar archives, read member by member; the shards that picture collections are passed around in.
 *
 *	vla_tar *t;
 *	vla_tar_member m;
 *	if (vla_tar_open("shard-000.tar", &t, &err) == VLA_OK)
 *		while (vla_tar_next(t, &m, &err) == VLA_OK)
 *			puts(m.name);
 *	vla_tar_close(t);
 *
 * POSIX ustar and pax archives and the GNU extensions for long names and sizes. Only plain files are handed out;
 * folders, links and devices are passed over. An archive that ends without its two zero blocks is taken as complete
 * when it ends between two members, as many writers leave them out.
 */
#ifndef VLA_TAR_H
#define VLA_TAR_H

#include <vla/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_tar vla_tar;

typedef struct vla_tar_member {
	const char *name; /* valid until the next call of vla_tar_next */
	uint64_t size;    /* bytes */
	uint64_t offset;  /* of the contents in the archive */
} vla_tar_member;

/* "-" is standard input. VLA_OK, VLA_EIO (the message names the file), VLA_ENOMEM. */
VLA_API vla_status vla_tar_open(const char *path, vla_tar **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_tar_close(vla_tar *t); /* NULL legal */

/* The next plain file. VLA_OK, VLA_EOF, VLA_EFORMAT (no tar archive), VLA_ETRUNC, VLA_ECORRUPT, VLA_EIO, VLA_ENOMEM. */
VLA_API vla_status vla_tar_next(vla_tar *t, vla_tar_member *m, vla_err *err) VLA_MUST_USE;
/* The contents of the member that the last vla_tar_next gave, at most once: buf is [m->size]. */
VLA_API vla_status vla_tar_read(vla_tar *t, void *buf, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
