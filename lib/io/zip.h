/* Zip archives in memory, as far as model files need them: the list of entries and where stored ones lie. */
#ifndef VLA_IO_ZIP_H
#define VLA_IO_ZIP_H

#include "base/base.h"

typedef struct vla_zip_entry {
	const char *name; /* [name_n], inside the archive, without a final NUL */
	size_t name_n;
	const char *data; /* [n] as in the archive */
	size_t n, begin;  /* begin: of the local header */
	bool stored;      /* false: compressed, data is of no use here */
} vla_zip_entry;

/* bytes [n]: a whole archive. *out [*count] is sorted by name (owner: caller, free). Entries that overlap, lie outside
 * or have one name twice are refused. VLA_OK, VLA_EFORMAT, VLA_ETRUNC, VLA_ECORRUPT, VLA_EUNSUPPORTED (encrypted, on
 * several disks), VLA_ENOMEM. */
vla_status vla_zip_parse(const void *bytes, size_t n, vla_zip_entry **out, size_t *count, vla_err *err) VLA_MUST_USE;
/* NULL when there is none. */
const vla_zip_entry *vla_zip_find(const vla_zip_entry *e, size_t count, const char *name);

#endif
