/* Writing pictures: the format by the file name's ending, the file whole or not at all. */
#include "io/file.h"
#include "io/image.h"

#include <strings.h>

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

vla_status vla_image_save(const char *path, const vla_image *im, vla_err *err)
{
	vla_buf b = { 0 };
	vla_status st = vla_image_encode(im, path, &b, err);
	if (st == VLA_OK)
		st = vla_outfile_write(path, b.data, b.n, err);
	vla_buf_release(&b);
	return st;
}
