/* How kernels are compiled: at -O3 with fused multiply-add wherever the processor has it, in the several versions of
 * base/clones.h. To be included after every other header. */
#ifndef VLA_KERN_CLONES_H
#define VLA_KERN_CLONES_H

#include "base/clones.h"

#include <stdbool.h>
#include <stddef.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "fp-contract=fast")
#endif

// Eight floats; compilers lower it to what the target has. The _u form may lie at any float.
typedef float vla_v8 __attribute__((vector_size(32)));
typedef float vla_v8u __attribute__((vector_size(32), aligned(4), may_alias));

VLA_INLINE vla_v8 vla_v8_load(const float *p)
{
	return (vla_v8) * (const vla_v8u *)p;
}

VLA_INLINE void vla_v8_store(float *p, vla_v8 v)
{
	*(vla_v8u *)p = (vla_v8u)v;
}

// A broadcast. A macro, since GCC puts a vector that a function returns together from single lanes.
#define vla_v8_set(x) ((vla_v8){ (x), (x), (x), (x), (x), (x), (x), (x) })

VLA_INLINE float vla_v8_sum(vla_v8 v)
{
	return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// Stores past the caches, for results larger than those; p at a multiple of 16 bytes. vla_stream_end before other
// threads read them.
VLA_INLINE void vla_v8_stream(float *p, vla_v8 v)
{
#if defined(__SSE__)
	_mm_stream_ps(p, (__m128){ v[0], v[1], v[2], v[3] });
	_mm_stream_ps(p + 4, (__m128){ v[4], v[5], v[6], v[7] });
#else
	vla_v8_store(p, v);
#endif
}

VLA_INLINE void vla_stream_end(void)
{
#if defined(__SSE__)
	_mm_sfence();
#endif
}

VLA_INLINE bool vla_streams(size_t floats)
{
	return floats >= (size_t)6 << 20;
}

#endif
