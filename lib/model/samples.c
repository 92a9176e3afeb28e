/* The pictures and texts of self tests and comparisons. */
#include "model/samples.h"

#include <math.h>

const char *const vla_sample_texts[VLA_SAMPLES] = {
	"a photo of a cat",
	"two dogs run through the grass",
	"a red car in front of a house",
	"a close-up of a flower",
	"a man rides a bicycle along the beach at sunset",
	"people at a table with food",
	"a city street at night",
	"text on a white page",
};

void vla_sample_pixels(size_t i, uint32_t w, uint32_t h, float *out)
{
	for (uint32_t y = 0; y < h; y++)
		for (uint32_t x = 0; x < w; x++)
			for (unsigned c = 0; c < 3; c++) {
				double u = (double)x / w, v = (double)y / h, k = (double)i + 1;
				*out++ = (float)(1.5 * sin(6.3 * (k * u + (c + 1) * v)) * cos(4.1 * (k * v - c * u)));
			}
}
