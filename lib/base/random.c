/* Random numbers (xoshiro256++ by Blackman and Vigna, seeded by splitmix64), XXH64, half precision. */
#include "base/base.h"

#include <math.h>

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void vla_rng_seed(vla_rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed, y = stream ^ 0x6a09e667f3bcc909u;
	x = splitmix(&x) ^ rotl(splitmix(&y), 32);
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix(&x);
}

uint64_t vla_rng_u64(vla_rng *r)
{
	uint64_t *s = r->s, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t vla_rng_below(vla_rng *r, uint64_t n)
{
	// Values under `reject` would make the small remainders too frequent.
	uint64_t reject = -n % n, x;
	do
		x = vla_rng_u64(r);
	while (x < reject);
	return x % n;
}

double vla_rng_double(vla_rng *r)
{
	return (double)(vla_rng_u64(r) >> 11) * 0x1p-53;
}

float vla_rng_float(vla_rng *r)
{
	return (float)(vla_rng_u64(r) >> 40) * 0x1p-24f;
}

double vla_rng_normal(vla_rng *r)
{
	// Box-Muller without keeping the second value: the state stays the generator's alone.
	double u = 1.0 - vla_rng_double(r), v = vla_rng_double(r);
	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

#define P1 0x9e3779b185ebca87u
#define P2 0xc2b2ae3d27d4eb4fu
#define P3 0x165667b19e3779f9u
#define P4 0x85ebca77c2b2ae63u
#define P5 0x27d4eb2f165667c5u

static uint64_t load64(const unsigned char *p)
{
	uint64_t x;
	memcpy(&x, p, 8);
	return x;
}

static uint64_t lane(uint64_t acc, uint64_t x)
{
	return rotl(acc + x * P2, 31) * P1;
}

uint64_t vla_hash64(const void *data, size_t n, uint64_t seed)
{
	const unsigned char *p = data, *end = p + n;
	uint64_t h;
	if (n >= 32) {
		uint64_t v[4] = { seed + P1 + P2, seed + P2, seed, seed - P1 };
		do {
			for (int i = 0; i < 4; i++, p += 8)
				v[i] = lane(v[i], load64(p));
		} while (end - p >= 32);
		h = rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18);
		for (int i = 0; i < 4; i++)
			h = (h ^ lane(0, v[i])) * P1 + P4;
	} else {
		h = seed + P5;
	}
	h += n;
	for (; end - p >= 8; p += 8)
		h = rotl(h ^ lane(0, load64(p)), 27) * P1 + P4;
	if (end - p >= 4) {
		uint32_t x;
		memcpy(&x, p, 4);
		h = rotl(h ^ x * P1, 23) * P2 + P3;
		p += 4;
	}
	for (; p < end; p++)
		h = rotl(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

float vla_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023, u;
	float f;
	if (e == 0) {
		f = (float)m * 0x1p-24f;
		return sign ? -f : f;
	}
	u = e == 31 ? sign | 0x7f800000 | m << 13 : sign | (e + 112) << 23 | m << 13;
	memcpy(&f, &u, 4);
	return f;
}

uint16_t vla_f32_to_f16(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	uint32_t sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
	if (a > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (a >= 0x477ff000) // rounds to 2^16 or is infinite
		return (uint16_t)(sign | 0x7c00);
	if (a < 0x38800000) { // subnormal: the sum's rounding does the work
		float x;
		memcpy(&x, &a, 4);
		x += 0.5f;
		uint32_t b;
		memcpy(&b, &x, 4);
		return (uint16_t)(sign | (b - 0x3f000000));
	}
	a += 0xc8000fff + (a >> 13 & 1);
	return (uint16_t)(sign | a >> 13);
}

uint16_t vla_f32_to_bf16(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
