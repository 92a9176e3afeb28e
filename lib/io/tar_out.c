/* Tar archives, POSIX.1-1988 ustar. Time and owner are zero, so that an archive depends on its contents alone. */
#include "io/tar_out.h"

#include <errno.h>

enum { BLOCK = 512 };

static vla_status put(FILE *f, const void *p, size_t n, vla_err *err)
{
	if (n && fwrite(p, 1, n, f) != n)
		return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
	return VLA_OK;
}

vla_status vla_tar_put(FILE *f, const char *name, const void *p, size_t n, vla_err *err)
{
	static const char zero[BLOCK];
	char h[BLOCK] = { 0 };
	size_t len = strlen(name);
	unsigned sum = 0;
	if (len > 100 || (uint64_t)n >> 33)
		return vla_fail(err, VLA_EINVAL, "'%.60s' does not fit into a tar archive", name);
	memcpy(h, name, len);
	memcpy(h + 100,
	       "0000644\0"
	       "0000000\0"
	       "0000000\0",
	       24);
	snprintf(h + 124, 13, "%011llo", (unsigned long long)n);
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	h[155] = ' ';
	VLA_TRY(put(f, h, BLOCK, err));
	VLA_TRY(put(f, p, n, err));
	return put(f, zero, (BLOCK - n % BLOCK) % BLOCK, err);
}

vla_status vla_tar_end(FILE *f, vla_err *err)
{
	static const char zero[2 * BLOCK];
	return put(f, zero, sizeof zero, err);
}
