/* Changes of whole pictures that are neither decoding nor resampling: cropping, and putting a colour behind alpha. */
#include "io/image.h"

vla_status vla_image_crop(const vla_image *in, int32_t x, int32_t y, uint32_t w, uint32_t h, vla_image *out,
			  vla_err *err)
{
	vla_image_opts o = vla_image_opts_resolve(NULL);
	if (w == 0 || h == 0)
		return vla_fail(err, VLA_EINVAL, "a crop of %lu x %lu pixels", (unsigned long)w, (unsigned long)h);
	VLA_TRY(vla_image_check_size(w, h, &o, err));
	VLA_TRY(vla_image_reserve(out, w, h, in->channels, err));
	size_t c = in->channels, row = (size_t)w * c;
	int64_t x0 = x < 0 ? 0 : x, x1 = (int64_t)x + w < in->width ? (int64_t)x + w : in->width;
	for (uint32_t i = 0; i < h; i++) {
		int64_t v = (int64_t)y + i;
		uint8_t *d = out->data + i * row;
		if (v < 0 || v >= in->height || x1 <= x0) {
			memset(d, 0, row);
			continue;
		}
		size_t left = (size_t)(x0 - x) * c, mid = (size_t)(x1 - x0) * c;
		memset(d, 0, left);
		memcpy(d + left, in->data + ((size_t)v * in->width + (size_t)x0) * c, mid);
		memset(d + left + mid, 0, row - left - mid);
	}
	return VLA_OK;
}

vla_status vla_image_flatten(vla_image *im, const uint8_t rgb[3], vla_err *err)
{
	if (im->channels == 3)
		return VLA_OK;
	if (im->channels != 4)
		return vla_fail(err, VLA_EINVAL, "a picture of %lu channels has no alpha", (unsigned long)im->channels);
	// In place: each pixel is written at or before the place where it was read.
	const uint8_t *s = im->data;
	uint8_t *d = im->data;
	for (size_t n = (size_t)im->width * im->height; n > 0; n--, s += 4, d += 3) {
		unsigned a = s[3];
		for (size_t k = 0; k < 3; k++)
			d[k] = (uint8_t)((s[k] * a + rgb[k] * (255 - a) + 127) / 255);
	}
	im->channels = 3;
	return VLA_OK;
}
