/* Byte-pair encoding over bytes: a vocabulary, ranked merges, and the encoder of one word. */
#ifndef VLA_TEXT_BPE_H
#define VLA_TEXT_BPE_H

#include "base/base.h"

#include <vla/tokenizer.h>

#define VLA_NO_TOKEN UINT32_MAX
#define VLA_MAX_VOCAB ((size_t)1 << 22) /* largest id + 1 */

/* The character of the vocabulary's spelling that stands for a byte (the GPT-2 table: printable Latin-1 bytes stand
 * for themselves, the others for U+0100 on). */
uint32_t vla_byte_char(unsigned byte);
/* The byte that c stands for, or -1. */
int vla_byte_of_char(uint32_t c);

typedef struct vla_merge {
	uint64_t key; /* left id << 32 | right id; UINT64_MAX is an empty slot */
	uint32_t rank, id;
} vla_merge;

typedef struct vla_bpe {
	size_t n;          /* largest id + 1 */
	char **token;      /* [n] spelling, NULL for an id that is not used; owned */
	vla_buf raw;       /* the bytes of all tokens */
	size_t *raw_off;   /* [n + 1] */
	uint32_t *by_name; /* open addressing over spellings; VLA_NO_TOKEN is empty */
	size_t by_name_n;  /* a power of two */
	uint32_t *by_word; /* open addressing over bytes: tokens that are whole words as they stand */
	size_t by_word_n;
	vla_merge *merge; /* open addressing */
	size_t merge_n;
	size_t merges;                           /* how many are in use */
	char *suffix;                            /* end-of-word mark in the spelling ("</w>"), or NULL */
	uint32_t unk;                            /* for bytes without a token; VLA_NO_TOKEN: they are left out */
	uint32_t byte_id[256], byte_end_id[256]; /* one byte, inside and at the end of a word */
} vla_bpe;

/* A cleared vla_bpe is empty; the calls below come in this order: tokens, then index, merges, finish. */
vla_status vla_bpe_add_token(vla_bpe *m, const char *spelling, size_t id, vla_err *err) VLA_MUST_USE;
vla_status vla_bpe_index(vla_bpe *m, vla_err *err) VLA_MUST_USE;
/* Makes room for n merges. */
vla_status vla_bpe_reserve_merges(vla_bpe *m, size_t n, vla_err *err) VLA_MUST_USE;
/* left and right need not end in 0. VLA_ECORRUPT when a part or the whole is not in the vocabulary. */
vla_status vla_bpe_add_merge(vla_bpe *m, const char *left, size_t left_n, const char *right, size_t right_n,
			     size_t rank, vla_err *err) VLA_MUST_USE;
vla_status vla_bpe_finish(vla_bpe *m, vla_err *err) VLA_MUST_USE;
/* After finish: a word with the bytes of token id is that token, whatever the merges say. */
void vla_bpe_make_word(vla_bpe *m, uint32_t id);
void vla_bpe_release(vla_bpe *m);

uint32_t vla_bpe_find(const vla_bpe *m, const char *spelling, size_t n);

/* Appends the ids of a word of n bytes. Time n log n. Thread-safe. */
vla_status vla_bpe_encode(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err) VLA_MUST_USE;

vla_status vla_ids_add(vla_ids *ids, uint32_t id, vla_err *err) VLA_MUST_USE;

#endif
