/* Writing pictures: the format by the file name's ending, the file whole or not at all. */
#include "io/image.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#define JPEG_QUALITY 90

static bool ends(const char *name, const char *ending)
{
	size_t n = strlen(name), k = strlen(ending);
	return n >= k && strcasecmp(name + n - k, ending) == 0;
}

vla_status vla_image_encode(const vla_image *im, const char *name, vla_buf *b, vla_err *err)
{
	if (im->width == 0 || im->height == 0 || !(im->channels == 1 || im->channels == 3 || im->channels == 4))
		return vla_fail(err, VLA_EINVAL, "a picture of %lu x %lu x %lu cannot be written",
		                (unsigned long)im->width, (unsigned long)im->height, (unsigned long)im->channels);
	if (ends(name, ".png"))
		return vla_png_encode(im, b, err);
	if (ends(name, ".jpg") || ends(name, ".jpeg"))
		return vla_jpeg_encode(im, JPEG_QUALITY, b, err);
	if (ends(name, ".ppm"))
		return vla_ppm_encode(im, b, err);
	return vla_fail(err, VLA_EINVAL, "the name of a picture must end in .png, .jpg, .jpeg or .ppm");
}

static vla_status write_all(int fd, const char *p, size_t n, vla_err *err)
{
	while (n) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return vla_fail(err, VLA_EIO, "%s", strerror(errno));
		p += k;
		n -= (size_t)k;
	}
	return VLA_OK;
}

/* Through a file beside it that is renamed when it is complete. */
static vla_status replace(const char *path, const vla_buf *b, vla_err *err)
{
	char *tmp = vla_format("%s.part-%ld", path, (long)getpid());
	if (!tmp)
		return vla_nomem(err);
	vla_status st = VLA_OK;
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0) {
		st = vla_fail(err, VLA_EIO, "%s", strerror(errno));
		free(tmp);
		return st;
	}
	st = write_all(fd, b->data, b->n, err);
	if (close(fd) != 0 && st == VLA_OK)
		st = vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (st == VLA_OK && rename(tmp, path) != 0)
		st = vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (st != VLA_OK)
		unlink(tmp);
	free(tmp);
	return st;
}

vla_status vla_image_save(const char *path, const vla_image *im, vla_err *err)
{
	vla_buf b = { 0 };
	vla_status st = vla_image_encode(im, path, &b, err);
	if (st == VLA_OK)
		st = replace(path, &b, err);
	vla_buf_release(&b);
	return st;
}
