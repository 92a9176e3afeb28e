/* Byte-pair encoding over bytes: a vocabulary, ranked merges, and the encoder of one word. */
#ifndef VLA_TEXT_BPE_H
#define VLA_TEXT_BPE_H

#include "text/trie.h"
#include "text/vocab.h"

#include <vla/tokenizer.h>

/* The character of the vocabulary's spelling that stands for a byte (the GPT-2 table: printable Latin-1 bytes stand
 * for themselves, the others for U+0100 on). */
uint32_t vla_byte_char(unsigned byte);
/* The byte that c stands for, or -1. */
int vla_byte_of_char(uint32_t c);

#define VLA_SPACE_MARK "\xe2\x96\x81" /* U+2581, which stands for a space in vocabularies over characters */

typedef struct vla_merge {
	uint64_t key; /* left id << 32 | right id; UINT64_MAX is an empty slot */
	uint32_t rank, id;
} vla_merge;

/* Two alphabets: bytes (the spellings are in the byte alphabet) or characters as they are. Two ways to say what is
 * joined: ranked merges, or a score for each token (any two neighbours that make a token, the best score first). */
typedef struct vla_bpe {
	const vla_vocab *v;
	bool characters;       /* not bytes */
	bool fallback;         /* an unknown character becomes its bytes, tokens <0x00> to <0xFF> */
	bool fuse_unk;         /* neighbouring unknown characters are one unknown token */
	bool all_words;        /* a word that is a token is that token, whatever the merges say */
	char *suffix;          /* end-of-word mark in the spelling ("</w>"), or NULL */
	uint32_t unk;          /* for what has no token; VLA_NO_TOKEN: it is left out */
	uint32_t *rank;        /* [v->n] by score, equal scores equal; VLA_NO_TOKEN: never joined. NULL: merges */
	const vla_trie *fixed; /* tokens that are taken as they are and never joined; NULL: none; not owned */
	vla_buf raw;           /* the bytes of all tokens */
	size_t *raw_off;       /* [v->n + 1] */
	uint32_t *by_word;     /* open addressing over bytes: tokens that are whole words as they stand */
	size_t by_word_n;      /* a power of two */
	vla_merge *merge;      /* open addressing */
	size_t merge_n;        /* a power of two */
	size_t merges;         /* how many are in use */
	bool cut_at_space; /* no token goes on over the beginning of a word (U+2581): words are encoded one by one */
	uint32_t byte_id[256], byte_end_id[256]; /* one byte, inside and at the end of a word */
	uint32_t fallback_id[256];
} vla_bpe;

/* Takes over the vocabulary v (indexed; it must outlive m), after suffix and characters have been set. */
vla_status vla_bpe_index(vla_bpe *m, const vla_vocab *v, vla_err *err) VLA_MUST_USE;
/* Makes room for n merges. */
vla_status vla_bpe_reserve_merges(vla_bpe *m, size_t n, vla_err *err) VLA_MUST_USE;
/* left and right need not end in 0. VLA_ECORRUPT when a part or the whole is not in the vocabulary. */
vla_status vla_bpe_add_merge(vla_bpe *m, const char *left, size_t left_n, const char *right, size_t right_n,
			     size_t rank, vla_err *err) VLA_MUST_USE;
/* score [n] of the tokens in use; those with joined[id] false are never made by joining. */
vla_status vla_bpe_set_scores(vla_bpe *m, const float *score, const bool *joined, vla_err *err) VLA_MUST_USE;
static inline size_t vla_merge_slot(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return (size_t)(key ^ key >> 29);
}
vla_status vla_bpe_finish(vla_bpe *m, vla_err *err) VLA_MUST_USE;
/* After finish: a word with the bytes of token id is that token, whatever the merges say. */
void vla_bpe_make_word(vla_bpe *m, uint32_t id);
void vla_bpe_release(vla_bpe *m);

/* Appends the ids of a word of n bytes. Time n log n. Thread-safe. */
vla_status vla_bpe_encode(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err) VLA_MUST_USE;

/* The same without looking the whole word up first. */
vla_status vla_bpe_merge_word(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err) VLA_MUST_USE;

vla_status vla_ids_add(vla_ids *ids, uint32_t id, vla_err *err) VLA_MUST_USE;

#endif
