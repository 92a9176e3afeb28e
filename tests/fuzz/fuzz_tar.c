/* Fuzz target: any bytes as a tar archive, from a file and from a pipe, as they are and with the checksums of their
 * headers mended, so that damage gets past them. Both ways give the same members. */
#include "base/base.h"

#include <vla/tar.h>

#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK = 512, MOST = 1 << 20 };

static uint64_t octal(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	return v;
}

static void mend(uint8_t *p, size_t n)
{
	for (size_t at = 0; n - at >= BLOCK;) {
		uint8_t *h = p + at;
		unsigned sum = 0;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += h[i];
		if (sum == 8 * ' ') { // a block of zeros
			memset(h + 148, 0, 8);
			return;
		}
		snprintf((char *)h + 148, 8, "%06o", sum);
		uint64_t size = (octal(h + 124, 12) + BLOCK - 1) / BLOCK * BLOCK;
		at += BLOCK;
		if (size > n - at)
			return;
		at += size;
	}
}

// A hash of the members' names and contents, and of how it ended.
static uint64_t read_tar(const char *path)
{
	vla_tar *t;
	vla_tar_member m;
	vla_err err = VLA_ERR_INIT;
	vla_status s;
	uint64_t hash = 0;
	if (vla_tar_open(path, &t, &err) != VLA_OK)
		return 1;
	while ((s = vla_tar_next(t, &m, &err)) == VLA_OK) {
		hash = vla_hash64(m.name, strlen(m.name), hash);
		if (m.size > MOST || m.size % 3 == 0) // passed over
			continue;
		uint8_t *p = malloc(m.size + 1);
		if (p && (s = vla_tar_read(t, p, &err)) == VLA_OK)
			hash = vla_hash64(p, m.size, hash);
		free(p);
		if (s != VLA_OK)
			break;
		if (vla_tar_read(t, NULL, &err) == VLA_OK && m.size) // at most once
			abort();
	}
	vla_tar_close(t);
	return hash + (uint64_t)(int64_t)s;
}

static void both(const uint8_t *p, size_t n)
{
	fuzz_file f;
	if (!fuzz_plain(&f, p, n))
		return;
	uint64_t plain = read_tar(f.path);
	fuzz_remove(&f);
	if (!fuzz_pipe(&f, p, n))
		return;
	if (read_tar(f.path) != plain)
		abort();
	fuzz_remove(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 16)
		return 0;
	uint8_t *copy = malloc(size + 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	both(copy, size);
	mend(copy, size);
	both(copy, size);
	free(copy);
	return 0;
}
