/* A temporary file in the target's own directory, so that the rename stays within one file system; synced before the rename,
 * so that a power cut leaves the old file or the new one. */
#include "io/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

vla_status vla_outfile_open(vla_outfile *o, const char *path, vla_err *err)
{
	*o = (vla_outfile)VLA_OUTFILE_INIT;
	o->path = vla_strdup(path);
	o->tmp = vla_format("%s.tmp.%ld", path, (long)getpid());
	if (!o->path || !o->tmp) {
		vla_outfile_release(o);
		return vla_nomem(err);
	}
	int fd = open(o->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int e = errno;
	if (fd >= 0 && !(o->f = fdopen(fd, "wb"))) {
		e = errno;
		close(fd);
		unlink(o->tmp);
	}
	if (!o->f) {
		free(o->tmp);
		o->tmp = NULL; // nothing to remove
		vla_outfile_release(o);
		return vla_fail(err, VLA_EIO, "cannot create '%s': %s", path, strerror(e));
	}
	return VLA_OK;
}

vla_status vla_outfile_commit(vla_outfile *o, vla_err *err)
{
	const char *step = NULL;
	errno = 0;
	if (fflush(o->f) != 0 || ferror(o->f))
		step = "write";
	else if (fsync(fileno(o->f)) != 0 && errno != EINVAL && errno != EROFS)
		step = "sync";
	int e = errno;
	if (fclose(o->f) != 0 && !step) {
		step = "write";
		e = errno;
	}
	o->f = NULL;
	if (!step && rename(o->tmp, o->path) != 0) {
		step = "rename";
		e = errno;
	}
	if (step)
		return vla_fail(err, VLA_EIO, "cannot %s '%s': %s", step, o->path, e ? strerror(e) : "short write");
	free(o->tmp);
	o->tmp = NULL;
	return VLA_OK;
}

void vla_outfile_release(vla_outfile *o)
{
	if (o->f)
		fclose(o->f);
	if (o->tmp)
		unlink(o->tmp);
	free(o->tmp);
	free(o->path);
	*o = (vla_outfile)VLA_OUTFILE_INIT;
}

vla_status vla_outfile_write(const char *path, const void *p, size_t n, vla_err *err)
{
	vla_outfile o;
	VLA_TRY(vla_outfile_open(&o, path, err));
	vla_status st = VLA_OK;
	if (n && fwrite(p, 1, n, o.f) != n)
		st = vla_fail(err, VLA_EIO, "cannot write '%s': %s", path, strerror(errno));
	if (st == VLA_OK)
		st = vla_outfile_commit(&o, err);
	vla_outfile_release(&o);
	return st;
}
