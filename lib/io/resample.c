/* The inner loops of resampling, written for the compiler's vectoriser: integers only, so that every processor level
 * gives the same bits. In the horizontal pass 16 rows are turned to lie beside each other, so that one weight meets
 * 16 neighbours a channel, and turned back afterwards; in the vertical pass neighbours in a row share the weight. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") // full unrolling keeps the sums in registers
#endif

#include "io/resample.h"

#include "base/clones.h"

#define ROWS VLA_RESAMPLE_ROWS
#define HALF (1 << (VLA_RESAMPLE_BITS - 1))
/* Bytes that the vertical pass works on at once. */
#define BLOCK 64

VLA_INLINE uint8_t clip(int32_t v)
{
	v >>= VLA_RESAMPLE_BITS;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* t [pairs, 2 * n] gets each of the first half of the rows of s [2 * pairs, n] interleaved with one of the second. */
VLA_INLINE void interleave(const uint8_t *s, size_t pairs, size_t n, uint8_t *t)
{
	for (size_t p = 0; p < pairs; p++)
		for (size_t i = 0; i < n; i++) {
			t[p * 2 * n + 2 * i] = s[p * n + i];
			t[p * 2 * n + 2 * i + 1] = s[(p + pairs) * n + i];
		}
}

/* Transposes 16 x 16 bytes. */
VLA_INLINE void turn_block(uint8_t *a, uint8_t *b)
{
	interleave(a, 8, 16, b);
	interleave(b, 4, 32, a);
	interleave(a, 2, 64, b);
	interleave(b, 1, 128, a);
}

/* in is [rows, n]; turned becomes [n, ROWS]. Rows that are missing repeat the last one. */
VLA_INLINE void turn_in(const uint8_t *in, size_t rows, size_t n, uint8_t *turned)
{
	const uint8_t *r[ROWS];
	uint8_t a[ROWS * 16], b[ROWS * 16];
	size_t x = 0;
	for (size_t k = 0; k < ROWS; k++)
		r[k] = in + (k < rows ? k : rows - 1) * n;
	for (; x + 16 <= n; x += 16) {
		for (size_t k = 0; k < ROWS; k++)
			for (size_t i = 0; i < 16; i++)
				a[k * 16 + i] = r[k][x + i];
		turn_block(a, b);
		for (size_t i = 0; i < ROWS * 16; i++)
			turned[x * ROWS + i] = a[i];
	}
	for (; x < n; x++)
		for (size_t k = 0; k < ROWS; k++)
			turned[x * ROWS + k] = r[k][x];
}

/* The way back: turned is [n, ROWS], out [rows, n]. */
VLA_INLINE void turn_out(const uint8_t *turned, size_t rows, size_t n, uint8_t *out)
{
	uint8_t a[ROWS * 16], b[ROWS * 16];
	size_t x = 0;
	for (; x + 16 <= n; x += 16) {
		for (size_t i = 0; i < ROWS * 16; i++)
			a[i] = turned[x * ROWS + i];
		turn_block(a, b);
		for (size_t k = 0; k < rows; k++)
			for (size_t i = 0; i < 16; i++)
				out[k * n + x + i] = a[k * 16 + i];
	}
	for (; x < n; x++)
		for (size_t k = 0; k < rows; k++)
			out[k * n + x] = turned[x * ROWS + k];
}

/* in is [width, c, ROWS], out [t->n, c, ROWS]. */
VLA_INLINE void weigh_turned(const vla_taps *t, const uint8_t *in, size_t c, uint8_t *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const uint8_t *s = in + (size_t)t->first[i] * c * ROWS;
		const int32_t *w = t->weight + i * t->size, count = t->count[i];
		int32_t acc[4 * ROWS];
		for (size_t k = 0; k < c * ROWS; k++)
			acc[k] = HALF;
		for (int32_t j = 0; j < count; j++, s += c * ROWS)
			for (size_t k = 0; k < c * ROWS; k++)
				acc[k] += w[j] * s[k];
		for (size_t k = 0; k < c * ROWS; k++)
			out[i * c * ROWS + k] = clip(acc[k]);
	}
}

size_t vla_resample_scratch(size_t width, size_t n, size_t channels)
{
	return (width + n) * channels * ROWS;
}

VLA_CLONES void vla_resample_rows(const vla_taps *t, const uint8_t *in, size_t rows, size_t width, size_t c,
				  uint8_t *scratch, uint8_t *out)
{
	uint8_t *made = scratch + width * c * ROWS;
	turn_in(in, rows, width * c, scratch);
	// The number of channels is a constant in each branch.
	if (c == 3)
		weigh_turned(t, scratch, 3, made);
	else if (c == 4)
		weigh_turned(t, scratch, 4, made);
	else
		weigh_turned(t, scratch, 1, made);
	turn_out(made, rows, t->n * c, out);
}

VLA_CLONES void vla_resample_column(const int32_t *weight, int32_t count, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t x = 0;
	for (; x + BLOCK <= n; x += BLOCK) {
		const uint8_t *s = in + x;
		int32_t acc[BLOCK];
		for (size_t k = 0; k < BLOCK; k++)
			acc[k] = HALF;
		for (int32_t j = 0; j < count; j++, s += n)
			for (size_t k = 0; k < BLOCK; k++)
				acc[k] += weight[j] * s[k];
		for (size_t k = 0; k < BLOCK; k++)
			out[x + k] = clip(acc[k]);
	}
	for (; x < n; x++) {
		int32_t acc = HALF;
		for (int32_t j = 0; j < count; j++)
			acc += weight[j] * in[(size_t)j * n + x];
		out[x] = clip(acc);
	}
}
