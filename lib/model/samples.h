/* Pictures and texts for self tests, the same everywhere. */
#ifndef VLA_MODEL_SAMPLES_H
#define VLA_MODEL_SAMPLES_H

#include "base/base.h"

enum { VLA_SAMPLES = 8 };

extern const char *const vla_sample_texts[VLA_SAMPLES];
/* Smooth waves of colour, others for each i: [h, w, 3] with values as preprocessing makes them. */
void vla_sample_pixels(size_t i, uint32_t w, uint32_t h, float *out);

#endif
