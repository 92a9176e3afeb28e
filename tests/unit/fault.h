/* Allocation failures on demand: include once in a test program. The program's malloc family counts; the n-th call from
 * fault_at(n) on fails, and so do all after it; after fault_once(n) only that one. fault_live() is the number of blocks
 * allocated and not yet freed. The calls of shared libraries count too when FAULT_SHARED is defined before.
 * Sanitizers bring their own malloc: FAULTS is 0 there and the functions do nothing. */
#ifndef VLA_TESTS_FAULT_H
#define VLA_TESTS_FAULT_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FAULTS 1
#else
#define FAULTS 0
#endif

static atomic_long fault_left = -1; // calls until the failure; -1: none
static atomic_bool fault_single;
static atomic_long fault_blocks;

// n = 1: the next call fails; 0: none does.
static inline void fault_at(long n)
{
	atomic_store(&fault_single, false);
	atomic_store(&fault_left, n ? n - 1 : -1);
}

static inline void fault_once(long n)
{
	fault_at(n);
	atomic_store(&fault_single, true);
}

static inline long fault_live(void)
{
	return atomic_load(&fault_blocks);
}

#if FAULTS
#ifdef FAULT_SHARED
#pragma GCC visibility push(default)
#endif
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static bool fault_now(void)
{
	long left = atomic_load(&fault_left);
	if (left > 0 || (left == 0 && atomic_load(&fault_single)))
		atomic_store(&fault_left, left - 1);
	if (left == 0)
		errno = ENOMEM;
	return left == 0;
}

static void *fault_count(void *p)
{
	if (p)
		atomic_fetch_add(&fault_blocks, 1);
	return p;
}

void *malloc(size_t n)
{
	return fault_now() ? NULL : fault_count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return fault_now() ? NULL : fault_count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	if (fault_now())
		return NULL;
	return p ? __libc_realloc(p, n) : fault_count(__libc_realloc(p, n));
}

int posix_memalign(void **out, size_t align, size_t n)
{
	void *p = fault_now() ? NULL : fault_count(__libc_memalign(align, n));
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void free(void *p)
{
	if (p)
		atomic_fetch_sub(&fault_blocks, 1);
	__libc_free(p);
}
#ifdef FAULT_SHARED
#pragma GCC visibility pop
#endif
#endif

#endif
