/* Elementary functions in f32 that the vectoriser can spread over lanes: no branches, no calls. Polynomials were fitted
 * by reweighted least squares on Chebyshev nodes; relative errors are below 3e-7 where the result is a normal number.
 */
#ifndef VLA_KERN_VECMATH_H
#define VLA_KERN_VECMATH_H

#include <stdint.h>
#include <string.h>

#include "kern/clones.h"

VLA_INLINE float vla_fast_exp(float x)
{
	// x = n ln 2 + r; adding 1.5 * 2^23 rounds n to an integer.
	float c = x > 88.7f ? 88.7f : x;
	c = c < -87.3f ? -87.3f : c;
	float n = (c * 1.44269504f + 12582912.0f) - 12582912.0f;
	float r = c - n * 0.693359375f;
	r = r + n * 2.12194440e-4f;
	float p = 0.0013942160876f;
	p = p * r + 0.0083637759089f;
	p = p * r + 0.0416663624346f;
	p = p * r + 0.1666657328607f;
	p = p * r + 0.5f;
	p = p * (r * r) + r + 1.0f;
	// 2^n in two factors: n may be 128.
	int32_t k = (int32_t)n, h = k >> 1;
	int32_t b0 = (h + 127) << 23, b1 = (k - h + 127) << 23;
	float s0, s1;
	memcpy(&s0, &b0, 4);
	memcpy(&s1, &b1, 4);
	float y = p * s0 * s1;
	return x < -87.3f ? 0.0f : y;
}

VLA_INLINE float vla_fast_sigmoid(float x)
{
	return 1.0f / (1.0f + vla_fast_exp(-x));
}

VLA_INLINE float vla_fast_tanh(float x)
{
	float a = x < 0 ? -x : x, t = a * a;
	float p = -0.005482151173055172f;
	p = p * t + 0.020429879426956177f;
	p = p * t - 0.053670719265937805f;
	p = p * t + 0.13330496847629547f;
	p = p * t - 0.3333323299884796f;
	float small = a + a * t * p;
	float big = 1.0f - 2.0f / (vla_fast_exp(2.0f * a) + 1.0f);
	float y = a < 0.625f ? small : big;
	return x < 0 ? -y : y;
}

VLA_INLINE float vla_fast_erf(float x)
{
	float a = x < 0 ? -x : x, t = a * a;
	float p = 7.889119297033176e-05f;
	p = p * t - 0.0008020841050893068f;
	p = p * t + 0.005189535208046436f;
	p = p * t - 0.026854444295167923f;
	p = p * t + 0.11283600330352783f;
	p = p * t - 0.3761262595653534f;
	p = p * t + 1.1283791065216064f;
	float small = a * p;
	// 1 - exp(-q(a)), with q fitted to -log(erfc(a)) over [0.9, 4]
	float c = a > 4.0f ? 4.0f : a;
	float q = 2.0909566956106573e-05f;
	q = q * c - 0.00043230311712250113f;
	q = q * c + 0.004160527605563402f;
	q = q * c - 0.025091497227549553f;
	q = q * c + 0.10823661834001541f;
	q = q * c + 0.6333866715431213f;
	q = q * c + 1.1294951438903809f;
	q = q * c - 0.00017055217176675797f;
	float big = 1.0f - vla_fast_exp(-q);
	float y = a < 1.0f ? small : big;
	return x < 0 ? -y : y;
}

#endif
