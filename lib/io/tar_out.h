/* Writing tar archives: POSIX ustar, plain files, the same bytes for the same contents. */
#ifndef VLA_IO_TAR_OUT_H
#define VLA_IO_TAR_OUT_H

#include "base/base.h"

/* One member; name at most 100 bytes, n under 8 GiB. VLA_OK, VLA_EINVAL, VLA_EIO. */
vla_status vla_tar_put(FILE *f, const char *name, const void *p, size_t n, vla_err *err) VLA_MUST_USE;
/* The two zero blocks that end an archive. */
vla_status vla_tar_end(FILE *f, vla_err *err) VLA_MUST_USE;

#endif
