/* Activations that batch norm has in fused form, on eight lanes. Masks instead of branches; a NaN stays one. */
#ifndef VLA_KERN_LANES_H
#define VLA_KERN_LANES_H

#include "kern/kern.h"

#include "kern/clones.h"

typedef int32_t vla_v8i __attribute__((vector_size(32)));

VLA_INLINE vla_v8 vla_v8_keep(vla_v8 x, vla_v8i mask)
{
	return (vla_v8)((vla_v8i)x & mask);
}

VLA_INLINE vla_v8 vla_v8_pick(vla_v8i mask, vla_v8 a, vla_v8 b)
{
	return (vla_v8)(((vla_v8i)a & mask) | ((vla_v8i)b & ~mask));
}

VLA_INLINE bool vla_act_fused(vla_act act)
{
	return act == VLA_ACT_NONE || act == VLA_ACT_RELU || act == VLA_ACT_RELU6 || act == VLA_ACT_HARD_SWISH;
}

// Calls f, which is inlined, with an activation of those that is a constant there.
#define VLA_ACT_FUSED(act, f, ...) \
	do { \
		if ((act) == VLA_ACT_RELU6) \
			f(VLA_ACT_RELU6, __VA_ARGS__); \
		else if ((act) == VLA_ACT_RELU) \
			f(VLA_ACT_RELU, __VA_ARGS__); \
		else if ((act) == VLA_ACT_HARD_SWISH) \
			f(VLA_ACT_HARD_SWISH, __VA_ARGS__); \
		else \
			f(VLA_ACT_NONE, __VA_ARGS__); \
	} while (0)

VLA_INLINE vla_v8 vla_v8_relu6(vla_v8 x)
{
	vla_v8 six = vla_v8_set(6);
	x = vla_v8_keep(x, ~(x < 0));
	return vla_v8_pick(x > six, six, x);
}

VLA_INLINE vla_v8 vla_v8_act(vla_act act, vla_v8 x)
{
	if (act == VLA_ACT_RELU)
		return vla_v8_keep(x, ~(x < 0));
	if (act == VLA_ACT_RELU6)
		return vla_v8_relu6(x);
	if (act == VLA_ACT_HARD_SWISH)
		return x * vla_v8_relu6(x + 3) * vla_v8_set(1.0f / 6.0f);
	return x;
}

// g times the derivative at z.
VLA_INLINE vla_v8 vla_v8_derive(vla_act act, vla_v8 z, vla_v8 g)
{
	if (act == VLA_ACT_RELU)
		return vla_v8_keep(g, z > 0);
	if (act == VLA_ACT_RELU6)
		return vla_v8_keep(g, (z > 0) & (z < vla_v8_set(6)));
	if (act == VLA_ACT_HARD_SWISH)
		return vla_v8_pick(z < vla_v8_set(3), vla_v8_keep(g * (z * (1.0f / 3.0f) + 0.5f), z > vla_v8_set(-3)),
				   g);
	return g;
}

// The first n (< 8) of eight lanes.
VLA_INLINE vla_v8 vla_v8_load_n(const float *p, size_t n)
{
	float t[8] = { 0 };
	for (size_t i = 0; i < n; i++)
		t[i] = p[i];
	return vla_v8_load(t);
}

VLA_INLINE void vla_v8_store_n(float *p, size_t n, vla_v8 v)
{
	float t[8];
	vla_v8_store(t, v);
	for (size_t i = 0; i < n; i++)
		p[i] = t[i];
}

#endif
