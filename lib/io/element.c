/* Numbers between f32 and the stored types of a stream. i8 is symmetric with one scale a row: value = scale * q,
 * scale = max|x| / 127. Whatever is not finite is refused in both directions. */
#include "io/stream.h"

#include <math.h>

bool vle_finite(const float *p, size_t n)
{
	uint32_t bad = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t u;
		memcpy(&u, p + i, 4);
		bad |= (u & 0x7f800000) == 0x7f800000;
	}
	return !bad;
}

static bool decode_f16(const uint16_t *src, size_t n, float *out)
{
	uint32_t bad = 0;
	for (size_t i = 0; i < n; i++) {
		// The product moves the exponent to f32's bias, and normalises what was subnormal.
		uint32_t u = (uint32_t)(src[i] & 0x7fff) << 13;
		float x;
		memcpy(&x, &u, 4);
		x *= 0x1p112f;
		out[i] = src[i] & 0x8000 ? -x : x;
		bad |= (src[i] & 0x7c00) == 0x7c00;
	}
	return !bad;
}

bool vle_decode(vla_dtype t, const void *src, float scale, size_t n, float *out)
{
	const uint16_t *h = src;
	const int8_t *q = src;
	switch (t) {
	case VLA_F16: return decode_f16(src, n, out);
	case VLA_BF16:
		for (size_t i = 0; i < n; i++)
			out[i] = vla_bf16_to_f32(h[i]);
		return vle_finite(out, n);
	case VLA_I8:
		for (size_t i = 0; i < n; i++)
			out[i] = scale * (float)q[i];
		return vle_finite(&scale, 1) && vle_finite(out, n);
	default: memcpy(out, src, n * sizeof *out); return vle_finite(out, n);
	}
}

static void encode_i8(const float *src, size_t n, int8_t *out, float *scale)
{
	float max = 0;
	for (size_t i = 0; i < n; i++)
		max = fabsf(src[i]) > max ? fabsf(src[i]) : max;
	*scale = max / 127;
	// A maximum among the smallest subnormals gives a scale of 0 or a quotient over 127.
	for (size_t i = 0; i < n; i++) {
		float q = *scale > 0 ? rintf(src[i] / *scale) : 0;
		out[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
	}
}

bool vle_encode(vla_dtype t, const float *src, size_t n, void *out, float *scale)
{
	uint16_t *h = out;
	bool good = vle_finite(src, n);
	if (!good)
		return false;
	switch (t) {
	case VLA_F16:
		for (size_t i = 0; i < n; i++) {
			h[i] = vla_f32_to_f16(src[i]);
			good &= (h[i] & 0x7c00) != 0x7c00;
		}
		return good;
	case VLA_BF16:
		for (size_t i = 0; i < n; i++) {
			h[i] = vla_f32_to_bf16(src[i]);
			good &= (h[i] & 0x7f80) != 0x7f80;
		}
		return good;
	case VLA_I8: encode_i8(src, n, out, scale); return true;
	default: memcpy(out, src, n * sizeof *src); return true;
	}
}
