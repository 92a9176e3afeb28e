/* Unigram: the cut of a text into tokens with the best sum of scores. */
#ifndef VLA_TEXT_UNIGRAM_H
#define VLA_TEXT_UNIGRAM_H

#include "text/trie.h"

#include <vla/tokenizer.h>

#define VLA_UNKNOWN_PENALTY 10.0 /* an unknown character scores this much below the least token */

typedef struct vla_unigram {
	const vla_vocab *v;
	double *score; /* [v->n]; owned */
	vla_trie trie;
	double unk_score;
	uint32_t unk;  /* VLA_NO_TOKEN: an unknown character is an error */
	bool fallback; /* unknown text becomes tokens <0x00> to <0xFF> */
	bool single;   /* sums are kept in single precision, as SentencePiece does */
	bool by_text;  /* a run of unknown characters that is a token all the same is that token */
	uint32_t fallback_id[256];
} vla_unigram;

/* score [v->n], taken over also on failure; use[id]: the token may be chosen (NULL: all). v is indexed and must
 * outlive m. unk_score: of an unknown character. */
vla_status vla_unigram_init(vla_unigram *m, const vla_vocab *v, double *score, const bool *use, uint32_t unk,
			    double unk_score, vla_err *err) VLA_MUST_USE;
void vla_unigram_release(vla_unigram *m);

/* Appends the ids of s[n], well-formed UTF-8. Time n times the longest token. Thread-safe. */
vla_status vla_unigram_encode(const vla_unigram *m, const char *s, size_t n, vla_ids *ids, vla_err *err) VLA_MUST_USE;

#endif
