/* Function multiversioning: VLA_CLONES before a function compiles its loops for several x86-64 levels and picks one
 * when the program is loaded. Results must be the same at every level, so it is for integer loops and for float loops
 * that do not reassociate; lib/kern says there what else it allows itself. Elsewhere, where the whole build is for one
 * processor, and under sanitizers (which start after the choice is made), it is nothing. */
#ifndef VLA_BASE_CLONES_H
#define VLA_BASE_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
	!defined(__AVX2__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VLA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define VLA_HAVE_CLONES 1
#else
#define VLA_CLONES
#endif

/* A helper that must become part of the versioned function that calls it: left as a call it would be compiled for the
 * lowest level alone. */
#if defined(__GNUC__)
#define VLA_INLINE static inline __attribute__((always_inline))
#else
#define VLA_INLINE static inline
#endif

#endif
