/* Tries in breadth-first order: nine bytes a node, and a step looks at neighbouring bytes only. */
#include "text/trie.h"

/* Sorting without a global: the spelling travels with the id. */
typedef struct entry {
	const char *s;
	uint32_t id;
} entry;

static int by_spelling(const void *a, const void *b)
{
	const entry *x = a, *y = b;
	int c = strcmp(x->s, y->s);
	return c ? c : (x->id > y->id) - (x->id < y->id);
}

/* A node to be split: the entries that share its path of depth bytes. */
typedef struct part {
	uint32_t lo, hi, depth;
} part;

static vla_status add_node(vla_trie *t, part **parts, size_t *cap, uint8_t byte, part p, vla_err *err)
{
	if (t->n == *cap) {
		size_t more = *cap ? *cap * 2 : 256;
		uint8_t *b = vla_realloc(t->byte, more, sizeof *b);
		if (b)
			t->byte = b;
		uint32_t *id = vla_realloc(t->id, more, sizeof *id);
		if (id)
			t->id = id;
		uint32_t *child = vla_realloc(t->child, more + 1, sizeof *child);
		if (child)
			t->child = child;
		part *q = vla_realloc(*parts, more, sizeof *q);
		if (q)
			*parts = q;
		if (!b || !id || !child || !q)
			return vla_nomem(err);
		*cap = more;
	}
	t->byte[t->n] = byte;
	t->id[t->n] = VLA_NO_TOKEN;
	(*parts)[t->n++] = p;
	return VLA_OK;
}

static vla_status split(vla_trie *t, const entry *e, size_t n, vla_err *err)
{
	part *parts = NULL;
	size_t cap = 0;
	vla_status st = add_node(t, &parts, &cap, 0, (part){ 0, (uint32_t)n, 0 }, err);
	for (size_t i = 0; i < t->n && st == VLA_OK; i++) {
		part p = parts[i];
		t->child[i] = (uint32_t)t->n;
		for (; p.lo < p.hi && e[p.lo].s[p.depth] == 0; p.lo++)
			if (t->id[i] == VLA_NO_TOKEN && i)
				t->id[i] = e[p.lo].id;
		while (p.lo < p.hi && st == VLA_OK) {
			char b = e[p.lo].s[p.depth];
			uint32_t hi = p.lo + 1;
			while (hi < p.hi && e[hi].s[p.depth] == b)
				hi++;
			st = add_node(t, &parts, &cap, (uint8_t)b, (part){ p.lo, hi, p.depth + 1 }, err);
			p.lo = hi;
		}
	}
	if (st == VLA_OK)
		t->child[t->n] = (uint32_t)t->n;
	free(parts);
	return st;
}

vla_status vla_trie_build(vla_trie *t, const vla_vocab *v, const uint32_t *ids, size_t n, vla_err *err)
{
	entry *e = vla_alloc(n, sizeof *e);
	if (!e)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		e[i] = (entry){ vla_vocab_token(v, ids[i]), ids[i] };
	if (n)
		qsort(e, n, sizeof *e, by_spelling);
	vla_status st = split(t, e, n, err);
	free(e);
	if (st != VLA_OK)
		vla_trie_release(t);
	return st;
}

uint32_t vla_trie_longest(const vla_trie *t, const char *s, size_t n, size_t *len)
{
	uint32_t node = 0, best = VLA_NO_TOKEN;
	for (size_t i = 0; t->n && i < n && (node = vla_trie_step(t, node, (uint8_t)s[i])) != 0; i++)
		if (t->id[node] != VLA_NO_TOKEN) {
			best = t->id[node];
			*len = i + 1;
		}
	return best;
}

void vla_trie_release(vla_trie *t)
{
	free(t->byte);
	free(t->child);
	free(t->id);
	memset(t, 0, sizeof *t);
}
