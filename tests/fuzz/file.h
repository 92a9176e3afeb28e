/* The input of a fuzz target as a file, for what only takes paths. */
#ifndef VLA_TESTS_FUZZ_FILE_H
#define VLA_TESTS_FUZZ_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct fuzz_file {
	char path[32];
	int pipe[2]; // of fuzz_pipe; else -1
} fuzz_file;

/* A plain file of these bytes. */
static inline bool fuzz_plain(fuzz_file *f, const void *p, size_t n)
{
	*f = (fuzz_file){ "/tmp/vla-fuzz-XXXXXX", { -1, -1 } };
	int fd = mkstemp(f->path);
	bool good = fd >= 0 && write(fd, p, n) == (ssize_t)n;
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !good)
		unlink(f->path);
	return good;
}

/* A pipe with these bytes and nothing after them. */
static inline bool fuzz_pipe(fuzz_file *f, const void *p, size_t n)
{
	if (n > 4096 || pipe(f->pipe) != 0) // what every system's pipe holds
		return false;
	bool good = write(f->pipe[1], p, n) == (ssize_t)n;
	close(f->pipe[1]);
	snprintf(f->path, sizeof f->path, "/dev/fd/%d", f->pipe[0]);
	if (!good)
		close(f->pipe[0]);
	return good;
}

static inline void fuzz_remove(const fuzz_file *f)
{
	if (f->pipe[0] >= 0)
		close(f->pipe[0]);
	else
		unlink(f->path);
}

#endif
