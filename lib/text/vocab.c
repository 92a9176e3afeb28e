/* Vocabularies: spellings in one pool, found through a hash table. */
#include "text/vocab.h"

static size_t power_of_two(size_t n)
{
	size_t p = 16;
	while (p < n)
		p *= 2;
	return p;
}

const char *vla_vocab_token(const vla_vocab *v, size_t id)
{
	return id < v->n && v->off[id] ? v->pool.data + v->off[id] : NULL;
}

static vla_status grow(vla_vocab *v, size_t n, vla_err *err)
{
	if (n > v->cap) {
		size_t cap = power_of_two(n), *t = vla_realloc(v->off, cap, sizeof *t);
		if (!t)
			return vla_nomem(err);
		v->off = t;
		v->cap = cap;
	}
	memset(v->off + v->n, 0, (n - v->n) * sizeof *v->off);
	v->n = n;
	return VLA_OK;
}

vla_status vla_vocab_add(vla_vocab *v, const char *spelling, size_t n, size_t id, vla_err *err)
{
	if (id >= VLA_MAX_VOCAB)
		return vla_fail(err, VLA_ECORRUPT, "token id %zu is out of range", id);
	if (id >= v->n)
		VLA_TRY(grow(v, id + 1, err));
	const char *old = vla_vocab_token(v, id);
	if (old)
		return strncmp(old, spelling, n) == 0 && old[n] == 0
			       ? VLA_OK
			       : vla_fail(err, VLA_ECORRUPT, "token id %zu is given twice", id);
	if (v->pool.n == 0)
		VLA_TRY(vla_buf_add(&v->pool, "", 1, err));
	size_t at = v->pool.n;
	VLA_TRY(vla_buf_reserve(&v->pool, n + 1, err));
	VLA_TRY(vla_buf_add(&v->pool, spelling, n, err));
	VLA_TRY(vla_buf_add(&v->pool, "", 1, err));
	v->off[id] = at;
	return VLA_OK;
}

uint32_t vla_vocab_find(const vla_vocab *v, const char *spelling, size_t n)
{
	if (!v->by_name_n)
		return VLA_NO_TOKEN;
	for (size_t i = vla_hash64(spelling, n, 0);; i++) {
		uint32_t id = v->by_name[i & (v->by_name_n - 1)];
		if (id == VLA_NO_TOKEN)
			return id;
		const char *s = v->pool.data + v->off[id];
		if (strncmp(s, spelling, n) == 0 && s[n] == 0)
			return id;
	}
}

vla_status vla_vocab_index(vla_vocab *v, vla_err *err)
{
	size_t size = power_of_two(v->n * 2 + 1);
	free(v->by_name);
	v->by_name_n = 0;
	v->by_name = vla_alloc(size, sizeof *v->by_name);
	if (!v->by_name)
		return vla_nomem(err);
	memset(v->by_name, 0xff, size * sizeof *v->by_name);
	v->by_name_n = size;
	for (size_t id = 0; id < v->n; id++) {
		const char *s = vla_vocab_token(v, id);
		if (!s)
			continue;
		size_t len = strlen(s), i = vla_hash64(s, len, 0);
		if (vla_vocab_find(v, s, len) != VLA_NO_TOKEN)
			continue;
		while (v->by_name[i & (size - 1)] != VLA_NO_TOKEN)
			i++;
		v->by_name[i & (size - 1)] = (uint32_t)id;
	}
	return VLA_OK;
}

bool vla_vocab_bytes(const vla_vocab *v, uint32_t id[256])
{
	bool all = true;
	for (unsigned b = 0; b < 256; b++) {
		char s[8];
		int n = snprintf(s, sizeof s, "<0x%02X>", b);
		id[b] = vla_vocab_find(v, s, (size_t)n);
		all = all && id[b] != VLA_NO_TOKEN;
	}
	return all;
}

void vla_vocab_release(vla_vocab *v)
{
	vla_buf_release(&v->pool);
	free(v->off);
	free(v->by_name);
	memset(v, 0, sizeof *v);
}
