/* Arena: a list of blocks that survives resets; allocation moves a pointer. */
#include "base/base.h"

#define ALIGN 64

struct block {
	char *data;
	size_t size;
};

struct vla_arena {
	struct block *blocks;
	size_t nblocks, cap;
	size_t cur, used; // allocation point
	size_t block_bytes;
};

vla_arena *vla_arena_new(size_t block_bytes)
{
	vla_arena *a = calloc(1, sizeof *a);
	if (a)
		a->block_bytes = block_bytes ? block_bytes : (size_t)1 << 20;
	return a;
}

void vla_arena_free(vla_arena *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->nblocks; i++)
		free(a->blocks[i].data);
	free(a->blocks);
	free(a);
}

static bool add_block(vla_arena *a, size_t need)
{
	if (a->nblocks == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 8;
		struct block *b = vla_realloc(a->blocks, cap, sizeof *b);
		if (!b)
			return false;
		a->blocks = b;
		a->cap = cap;
	}
	size_t size = need > a->block_bytes ? need : a->block_bytes;
	char *data = vla_alloc(size, 1);
	if (!data)
		return false;
	a->blocks[a->nblocks++] = (struct block){ data, size };
	return true;
}

void *vla_arena_alloc(vla_arena *a, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = bytes ? (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	while (a->cur < a->nblocks && a->blocks[a->cur].size - a->used < bytes) {
		// A later block that is too small is left in place for the next reset; look one further.
		a->cur++;
		a->used = 0;
	}
	if (a->cur == a->nblocks && !add_block(a, bytes))
		return NULL;
	void *p = a->blocks[a->cur].data + a->used;
	a->used += bytes;
	return p;
}

void *vla_arena_zalloc(vla_arena *a, size_t n, size_t size)
{
	void *p = vla_arena_alloc(a, n, size);
	if (p)
		memset(p, 0, n * size);
	return p;
}

void vla_arena_reset(vla_arena *a)
{
	a->cur = a->used = 0;
}

vla_arena_mark vla_arena_get_mark(const vla_arena *a)
{
	return (vla_arena_mark){ a->cur, a->used };
}

void vla_arena_rewind(vla_arena *a, vla_arena_mark m)
{
	a->cur = m.block;
	a->used = m.used;
}

size_t vla_arena_bytes(const vla_arena *a)
{
	size_t n = 0;
	for (size_t i = 0; i < a->nblocks; i++)
		n += a->blocks[i].size;
	return n;
}

bool vla_arena_after(const vla_arena *a, vla_arena_mark m, const void *p)
{
	for (size_t i = m.block; i < a->nblocks && i <= a->cur; i++) {
		const char *begin = a->blocks[i].data + (i == m.block ? m.used : 0);
		const char *end = a->blocks[i].data + (i == a->cur ? a->used : a->blocks[i].size);
		if ((const char *)p >= begin && (const char *)p < end)
			return true;
	}
	return false;
}
