/* Fuzz target: any bytes as a picture, alone and as a stream of pictures. */
#include "io/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vla_image im = VLA_IMAGE_INIT, small = VLA_IMAGE_INIT;
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	o.max_side = 4096;
	o.max_pixels = 1 << 20;
	for (int i = 0; i < 4; i++) {
		o.keep_alpha = i & 1;
		o.allow_truncated = i & 2;
		o.min_side = i == 3 ? 16 : 0;
		if (vla_image_decode(data, size, &o, &im, NULL) != VLA_OK)
			continue;
		// All pixels must be there.
		if (vla_image_resize(&im, 7, 5, VLA_FILTER_BILINEAR, &small, NULL) != VLA_OK)
			abort();
	}
	FILE *f = size ? fmemopen((void *)data, size, "rb") : NULL;
	for (int i = 0; f && i < 8; i++)
		if (vla_image_next(f, &o, &im, NULL) != VLA_OK)
			break;
	if (f)
		fclose(f);
	vla_image_release(&im);
	vla_image_release(&small);
	return 0;
}
