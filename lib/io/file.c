/* Mappings, whole reads and output files that appear whole or not at all: a temporary file beside the target, then
 * fflush, fsync, close and rename. */
#define _GNU_SOURCE // realpath without a limit, madvise
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static vla_status fail_errno(vla_err *err, const char *what, const char *path)
{
	return vla_fail(err, VLA_EIO, "cannot %s '%s': %s", what, path, strerror(errno));
}

static int advice(vla_map_hint hint)
{
	return hint == VLA_MAP_RANDOM ? MADV_RANDOM : MADV_NORMAL;
}

vla_status vla_map_fd(int fd, vla_map_hint hint, vla_map *out, vla_err *err)
{
	struct stat st;
	*out = (vla_map){ "", 0, NULL };
	if (fstat(fd, &st) != 0)
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return vla_fail(err, VLA_EUNSUPPORTED, S_ISDIR(st.st_mode) ? "is a directory" : "is not a plain file");
	if (st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			return vla_fail(err, VLA_EIO, "cannot map: %s", strerror(errno));
		*out = (vla_map){ p, (size_t)st.st_size, p };
	}
	vla_map_hint_set(out, hint);
	return VLA_OK;
}

vla_status vla_map_open(const char *path, vla_map_hint hint, vla_map *out, vla_err *err)
{
	*out = (vla_map){ "", 0, NULL };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	vla_status s = vla_map_fd(fd, hint, out, err);
	close(fd);
	return s;
}

void vla_map_hint_set(const vla_map *m, vla_map_hint hint)
{
	if (m->addr)
		(void)madvise(m->addr, m->n, advice(hint));
}

void vla_map_prefetch(const vla_map *m, size_t off, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = off / page * page;
	if (!m->addr || off >= m->n)
		return;
	if (n > m->n - off)
		n = m->n - off;
	(void)madvise((char *)m->addr + begin, off + n - begin, MADV_WILLNEED);
}

void vla_prefetch(const void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)p / page * page;
	if (n)
		(void)madvise((void *)begin, n + ((uintptr_t)p - begin), MADV_WILLNEED);
}

void vla_map_close(vla_map *m)
{
	if (m->addr)
		munmap(m->addr, m->n);
	*m = (vla_map){ "", 0, NULL };
}

vla_status vla_read_stream(FILE *f, size_t limit, vla_buf *b, vla_err *err)
{
	b->n = 0;
	for (;;) {
		size_t want = b->cap > b->n + 1 ? b->cap - b->n - 1 : 65536;
		VLA_TRY(vla_buf_reserve(b, want + 1, err));
		size_t got = fread(b->data + b->n, 1, want, f);
		b->n += got;
		if (b->n > limit)
			return vla_fail(err, VLA_EFORMAT, "more than %zu bytes", limit);
		if (got < want)
			break;
	}
	if (ferror(f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	b->data[b->n] = 0;
	return VLA_OK;
}

vla_status vla_infile_open(const char *path, FILE **out, vla_err *err)
{
	struct stat st;
	if (strcmp(path, "-") == 0) {
		*out = stdin;
		return VLA_OK;
	}
	FILE *f = fopen(path, "rb");
	if (!f)
		return fail_errno(err, "open", path);
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(f);
		errno = EISDIR;
		return fail_errno(err, "open", path);
	}
	*out = f;
	return VLA_OK;
}

void vla_infile_close(FILE *f)
{
	if (f && f != stdin)
		fclose(f);
}

vla_status vla_read_file(const char *path, size_t limit, vla_buf *b, vla_err *err)
{
	FILE *f;
	struct stat sb;
	if (strcmp(path, "-") != 0 && stat(path, &sb) != 0 && errno == ENOTDIR)
		return vla_member_read(path, limit, b, err);
	VLA_TRY(vla_infile_open(path, &f, err));
	vla_status s = vla_read_stream(f, limit, b, err);
	if (s != VLA_OK && s != VLA_ENOMEM)
		vla_prefix(err, s, "cannot read '%s'", path);
	vla_infile_close(f);
	return s;
}

struct vla_outfile {
	FILE *f;
	char *path; // target, symbolic links followed; NULL for standard output
	char *temp; // NULL when the target is written directly
	bool named; // temp exists as a name
};

// Where the system can, the file has no name before it is complete: then nothing is left behind however the process
// ends.
static int open_nameless(const char *path, mode_t mode)
{
#ifdef O_TMPFILE
	const char *slash = strrchr(path, '/');
	char *folder = slash ? vla_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : vla_strdup(".");
	int fd = folder ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode) : -1;
	free(folder);
	char proc[40];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	if (fd >= 0 && access(proc, F_OK) != 0) { // it could not be given a name later
		close(fd);
		fd = -1;
	}
	return fd;
#else
	(void)path, (void)mode;
	return -1;
#endif
}

static bool give_name(int fd, const char *name)
{
	char proc[40];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	(void)unlink(name); // left by a dead process that had our number
	return linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

static vla_status open_temp(vla_outfile *o, const struct stat *old, vla_err *err)
{
	mode_t mode = old ? old->st_mode & 0777 : 0666;
	o->temp = vla_format("%s.tmp.%ld", o->path, (long)getpid());
	if (!o->temp)
		return vla_nomem(err);
	int fd = open_nameless(o->path, mode);
	if (fd < 0) {
		fd = open(o->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
		o->named = fd >= 0;
	}
	if (fd >= 0 && !(o->f = fdopen(fd, "wb"))) {
		close(fd);
		if (o->named)
			unlink(o->temp);
	}
	return o->f ? VLA_OK : fail_errno(err, "create", o->path);
}

vla_status vla_outfile_open(const char *path, vla_outfile **out, vla_err *err)
{
	struct stat st;
	vla_status s = VLA_OK;
	vla_outfile *o = vla_zalloc(1, sizeof *o);
	if (!o)
		return vla_nomem(err);
	if (!path || strcmp(path, "-") == 0) {
		o->f = stdout;
		*out = o;
		return VLA_OK;
	}
	bool exists = stat(path, &st) == 0;
	o->path = exists ? realpath(path, NULL) : vla_strdup(path);
	if (!o->path)
		s = errno == ENOMEM || !exists ? vla_nomem(err) : fail_errno(err, "create", path);
	else if (!exists || S_ISREG(st.st_mode))
		s = open_temp(o, exists ? &st : NULL, err);
	else if (!(o->f = fopen(o->path, "wb")))
		s = fail_errno(err, "open", path);
	if (s != VLA_OK) {
		free(o->temp);
		free(o->path);
		free(o);
		return s;
	}
	*out = o;
	return VLA_OK;
}

FILE *vla_outfile_stream(vla_outfile *o)
{
	return o->f;
}

vla_status vla_outfile_commit(vla_outfile *o, vla_err *err)
{
	const char *name = o->path ? o->path : "standard output";
	errno = 0;
	bool bad = ferror(o->f) != 0;
	if (fflush(o->f) != 0 || bad)
		return vla_fail(err, VLA_EIO, "cannot write %s: %s", name,
				errno ? strerror(errno) : "an earlier write failed");
	if (!o->path)
		return VLA_OK;
	// A device or a pipe cannot be synced, and need not be.
	if (fsync(fileno(o->f)) != 0 && errno != EINVAL && errno != EROFS)
		return fail_errno(err, "write", name);
	if (o->temp && !o->named && !(o->named = give_name(fileno(o->f), o->temp)))
		return fail_errno(err, "create", o->temp);
	FILE *f = o->f;
	o->f = NULL;
	if (fclose(f) != 0)
		return fail_errno(err, "write", name);
	if (o->temp && rename(o->temp, o->path) != 0)
		return fail_errno(err, "rename to", name);
	free(o->temp);
	o->temp = NULL;
	return VLA_OK;
}

void vla_outfile_close(vla_outfile *o)
{
	if (!o)
		return;
	if (o->f && o->path)
		fclose(o->f);
	if (o->temp && o->named)
		unlink(o->temp);
	free(o->temp);
	free(o->path);
	free(o);
}

vla_status vla_outfile_write(const char *path, const void *p, size_t n, vla_err *err)
{
	vla_outfile *o;
	VLA_TRY(vla_outfile_open(path, &o, err));
	vla_status s = VLA_OK;
	if (n && fwrite(p, 1, n, o->f) != n)
		s = fail_errno(err, "write", path);
	if (s == VLA_OK)
		s = vla_outfile_commit(o, err);
	vla_outfile_close(o);
	return s;
}

vla_status vla_infile_lines(const char *path, vla_line_fn *fn, void *ctx, vla_err *err)
{
	FILE *f;
	char *line = NULL;
	size_t cap = 0;
	VLA_TRY(vla_infile_open(path, &f, err));
	vla_status s = VLA_OK;
	while (s == VLA_OK && getline(&line, &cap, f) >= 0)
		s = fn(ctx, line, err);
	if (s == VLA_OK && !feof(f)) // also when memory was short
		s = vla_fail(err, VLA_EIO, "cannot read '%s': %s", path, strerror(errno));
	free(line);
	vla_infile_close(f);
	return s;
}
