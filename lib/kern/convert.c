/* Bulk conversion between f32 and the stored types: f16, bf16, i8 with a scale. Rounding is to nearest even. */
#include "kern/kern.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_F16C 1
#endif

#include "kern/clones.h"

VLA_INLINE float bits_f32(uint32_t u)
{
	float f;
	memcpy(&f, &u, 4);
	return f;
}

VLA_INLINE uint32_t f32_bits(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

// Exponent and mantissa move by 13 bits; the product restores the bias and makes subnormals exact.
VLA_INLINE float f16_f32(uint16_t h)
{
	uint32_t em = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
	float f = bits_f32(em) * bits_f32(0x77800000u); // 2^112
	uint32_t special = (h & 0x7c00) == 0x7c00 ? 0x7f800000u | em : f32_bits(f);
	return bits_f32(special | sign);
}

#if defined(HAVE_F16C)
__attribute__((target("avx,f16c"))) static size_t from_f16_eight(size_t n, const uint16_t *x, float *y)
{
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
	return i;
}

__attribute__((target("avx,f16c"))) static size_t to_f16_eight(size_t n, const float *x, uint16_t *y)
{
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((__m128i *)(void *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
	return i;
}
#endif

// How many of the n the processor converts itself, eight at a time.
static size_t f16_hardware(bool to, size_t n, const void *x, void *y)
{
#if defined(HAVE_F16C)
	if (__builtin_cpu_supports("avx2")) // these all have f16c; not every compiler knows that name
		return to ? to_f16_eight(n, x, y) : from_f16_eight(n, x, y);
#endif
	(void)to, (void)n, (void)x, (void)y;
	return 0;
}

VLA_CLONES static void from_f16(size_t n, const uint16_t *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = f16_f32(x[i]);
}

VLA_CLONES static void from_bf16(size_t n, const uint16_t *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = bits_f32((uint32_t)x[i] << 16);
}

VLA_CLONES static void to_bf16(size_t n, const float *x, uint16_t *y)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t u = f32_bits(x[i]);
		uint32_t r = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
		y[i] = (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? (u >> 16) | 0x40 : r);
	}
}

void vla_to_f32(vla_dtype dtype, size_t n, const void *x, float *y)
{
	if (dtype == VLA_F16) {
		size_t done = f16_hardware(false, n, x, y);
		from_f16(n - done, (const uint16_t *)x + done, y + done);
	} else if (dtype == VLA_BF16) {
		from_bf16(n, x, y);
	} else if (n) {
		memcpy(y, x, n * sizeof *y);
	}
}

void vla_from_f32(vla_dtype dtype, size_t n, const float *x, void *y)
{
	uint16_t *h = y;
	if (dtype == VLA_F16) {
		for (size_t i = f16_hardware(true, n, x, h); i < n; i++)
			h[i] = vla_f32_to_f16(x[i]);
	} else if (dtype == VLA_BF16) {
		to_bf16(n, x, h);
	} else if (n) {
		memcpy(y, x, n * sizeof *x);
	}
}

VLA_CLONES static void from_i8(size_t n, const int8_t *x, float scale, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = (float)x[i] * scale;
}

VLA_CLONES static float largest(size_t n, const float *x)
{
	float m = 0;
	for (size_t i = 0; i < n; i++) {
		float a = x[i] < 0 ? -x[i] : x[i];
		m = a > m ? a : m;
	}
	return m;
}

VLA_CLONES static void to_i8(size_t n, const float *x, float inverse, int8_t *y)
{
	for (size_t i = 0; i < n; i++) {
		float v = x[i] * inverse;
		v = v > 127 ? 127 : v;
		v = v < -127 ? -127 : v;
		y[i] = (int8_t)(int32_t)((v + 12582912.0f) - 12582912.0f);
	}
}

void vla_i8_to_f32(size_t n, const int8_t *x, float scale, float *y)
{
	from_i8(n, x, scale, y);
}

float vla_f32_to_i8(size_t n, const float *x, int8_t *y)
{
	float m = largest(n, x), scale = m / 127.0f;
	to_i8(n, x, m > 0 ? 127.0f / m : 0, y);
	return scale;
}
