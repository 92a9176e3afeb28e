/* Private foundation of libvla: errors, checked allocation, growable buffers, arenas, random numbers, hashing
 * and parallel loops. Every other room includes this header. */
#ifndef VLA_BASE_BASE_H
#define VLA_BASE_BASE_H

#include <vla/pool.h>
#include <vla/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Formats the message (control characters become '?') and returns code, so that a detector can write
 * `return vla_fail(err, VLA_EIO, "cannot read: %s", strerror(errno));`. err may be NULL. */
vla_status vla_fail(vla_err *err, vla_status code, const char *fmt, ...) VLA_PRINTF(3, 4);

/* Puts "prefix: " before the message that err holds and returns its code; for layers that know the name of
 * the file or record. */
vla_status vla_prefix(vla_err *err, vla_status code, const char *fmt, ...) VLA_PRINTF(3, 4);

#define VLA_TRY(expr) \
	do { \
		vla_status vla_try_status_ = (expr); \
		if (vla_try_status_ != VLA_OK) \
			return vla_try_status_; \
	} while (0)

/* n * size bytes, not cleared; NULL when n * size overflows or memory is short. n or size 0 gives a pointer that
 * can be freed. Memory is aligned to 64 bytes; free with free(). */
void *vla_alloc(size_t n, size_t size);
/* The same, cleared (calloc's alignment only). */
void *vla_zalloc(size_t n, size_t size);
/* realloc with a checked product. */
void *vla_realloc(void *p, size_t n, size_t size);
char *vla_strdup(const char *s);
char *vla_strndup(const char *s, size_t n);
/* printf into a malloc'd string; NULL when memory is short. */
char *vla_format(const char *fmt, ...) VLA_PRINTF(1, 2);

/* The one message for a failed allocation. */
vla_status vla_nomem(vla_err *err);

/* A growable run of bytes; zero-initialised is empty. */
typedef struct vla_buf {
	char *data;
	size_t n, cap;
} vla_buf;

/* Makes room for `more` bytes after n. */
vla_status vla_buf_reserve(vla_buf *b, size_t more, vla_err *err) VLA_MUST_USE;
vla_status vla_buf_add(vla_buf *b, const void *p, size_t n, vla_err *err) VLA_MUST_USE;
vla_status vla_buf_addf(vla_buf *b, vla_err *err, const char *fmt, ...) VLA_PRINTF(3, 4) VLA_MUST_USE;
void vla_buf_release(vla_buf *b);

/* An arena: pieces are never freed alone. Blocks are kept over a reset, so that a step that repeats does not
 * allocate. Not thread-safe. */
typedef struct vla_arena vla_arena;
typedef struct vla_arena_mark {
	size_t block, used;
} vla_arena_mark;

vla_arena *vla_arena_new(size_t block_bytes); /* 0 = 1 MiB; NULL when memory is short */
void vla_arena_free(vla_arena *a);
void *vla_arena_alloc(vla_arena *a, size_t n, size_t size); /* 64-byte aligned, not cleared; NULL on failure */
void *vla_arena_zalloc(vla_arena *a, size_t n, size_t size);
void vla_arena_reset(vla_arena *a);
vla_arena_mark vla_arena_get_mark(const vla_arena *a);
void vla_arena_rewind(vla_arena *a, vla_arena_mark m);                     /* frees all that came after m */
size_t vla_arena_bytes(const vla_arena *a);                                /* held in all */
bool vla_arena_after(const vla_arena *a, vla_arena_mark m, const void *p); /* p was allocated after m */

/* Calls fn(ctx, begin, end, worker) over pieces that cover [0, n), each at least `grain` long but the last.
 * Which worker runs which piece is not fixed: results must not depend on it. pool NULL: in this thread. Calls
 * from within fn run in the calling thread. */
typedef void vla_range_fn(void *ctx, size_t begin, size_t end, unsigned worker);
void vla_parallel(vla_pool *pool, size_t n, size_t grain, vla_range_fn *fn, void *ctx);

/* xoshiro256++; the state is explicit so that a checkpoint can hold it. */
typedef struct vla_rng {
	uint64_t s[4];
} vla_rng;

/* Different (seed, stream) pairs give independent sequences. */
void vla_rng_seed(vla_rng *r, uint64_t seed, uint64_t stream);
uint64_t vla_rng_u64(vla_rng *r);
uint64_t vla_rng_below(vla_rng *r, uint64_t n); /* uniform in [0, n); n > 0 */
double vla_rng_double(vla_rng *r);              /* uniform in [0, 1) */
float vla_rng_float(vla_rng *r);                /* uniform in [0, 1) */
double vla_rng_normal(vla_rng *r);

/* XXH64 (xxHash specification 0.1.1) of n bytes. */
uint64_t vla_hash64(const void *p, size_t n, uint64_t seed);

/* Optimal string alignment distance, for "did you mean"; strings over 64 bytes count as far. */
size_t vla_edit_distance(const char *a, const char *b);

/* f16 and bf16 as bit patterns; rounding to nearest even. */
float vla_f16_to_f32(uint16_t h);
uint16_t vla_f32_to_f16(float f);
static inline float vla_bf16_to_f32(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;
	memcpy(&f, &u, 4);
	return f;
}
uint16_t vla_f32_to_bf16(float f);

#if defined(__GNUC__) && !defined(VLA_NO_POISON)
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets rand srand setlocale
#endif

#endif
