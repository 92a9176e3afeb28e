/* The two passes of resampling in fixed point. */
#ifndef VLA_IO_RESAMPLE_H
#define VLA_IO_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* Fractional bits of a weight: a sum of 8-bit samples and weights, some of them negative, stays inside 32 bits. */
#define VLA_RESAMPLE_BITS 22
/* Rows that the horizontal pass takes at once. */
#define VLA_RESAMPLE_ROWS 16

/* Output i is the sum over t < count[i] of weight[i * size + t] * input[first[i] + t], rounded and clipped to 0..255.
 */
typedef struct vla_taps {
	size_t n, size;
	int32_t *first, *count, *weight;
} vla_taps;

/* Scratch bytes for rows of `width` samples that become n. */
size_t vla_resample_scratch(size_t width, size_t n, size_t channels);
/* in [rows, width, c] to out [rows, t->n, c], rows <= VLA_RESAMPLE_ROWS, c is 1, 3 or 4. */
void vla_resample_rows(const vla_taps *t, const uint8_t *in, size_t rows, size_t width, size_t c, uint8_t *scratch,
		       uint8_t *out);
/* One output row of n bytes from `count` input rows that are n bytes apart. */
void vla_resample_column(const int32_t *weight, int32_t count, const uint8_t *in, size_t n, uint8_t *out);

#endif
