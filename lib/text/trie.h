/* A trie over the spellings of a vocabulary, for all tokens that a text begins with. */
#ifndef VLA_TEXT_TRIE_H
#define VLA_TEXT_TRIE_H

#include "text/vocab.h"

/* Nodes in breadth-first order, so that the children of a node are neighbours, sorted by byte. Node 0 is the root. */
typedef struct vla_trie {
	size_t n;
	uint8_t *byte;   /* [n] on the edge from the parent */
	uint32_t *child; /* [n + 1] children of i are child[i] .. child[i + 1] */
	uint32_t *id;    /* [n] the token that ends here, or VLA_NO_TOKEN */
} vla_trie;

/* Of the tokens ids[n]; empty spellings are left out; of equal spellings the lower id is kept. */
vla_status vla_trie_build(vla_trie *t, const vla_vocab *v, const uint32_t *ids, size_t n, vla_err *err) VLA_MUST_USE;
void vla_trie_release(vla_trie *t);

/* The child of node along byte b, or 0. */
static inline uint32_t vla_trie_step(const vla_trie *t, uint32_t node, uint8_t b)
{
	uint32_t lo = t->child[node], hi = t->child[node + 1];
	if (hi - lo <= 8) {
		for (; lo < hi; lo++)
			if (t->byte[lo] == b)
				return lo;
		return 0;
	}
	const uint8_t *p = memchr(t->byte + lo, b, hi - lo);
	return p ? (uint32_t)(p - t->byte) : 0;
}

/* The longest token that s[n] begins with; VLA_NO_TOKEN without one. */
uint32_t vla_trie_longest(const vla_trie *t, const char *s, size_t n, size_t *len);

#endif
