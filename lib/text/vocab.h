/* A vocabulary: the spelling of each token id, and the id of each spelling. */
#ifndef VLA_TEXT_VOCAB_H
#define VLA_TEXT_VOCAB_H

#include "base/base.h"

#define VLA_NO_TOKEN UINT32_MAX
#define VLA_MAX_VOCAB ((size_t)1 << 22) /* largest id + 1 */

/* Zero-initialised is empty. */
typedef struct vla_vocab {
	size_t n;          /* largest id + 1 */
	vla_buf pool;      /* the spellings, each with a 0 behind it; the first byte is not used */
	size_t *off;       /* [n] in pool; 0 for an id that is not used */
	size_t cap;        /* of off */
	uint32_t *by_name; /* open addressing; VLA_NO_TOKEN is empty */
	size_t by_name_n;  /* a power of two; 0 before vla_vocab_index */
} vla_vocab;

/* The spelling has n bytes, without a 0. VLA_ECORRUPT for an id out of range or one that has another spelling. */
vla_status vla_vocab_add(vla_vocab *v, const char *spelling, size_t n, size_t id, vla_err *err) VLA_MUST_USE;
/* After the last token; of two ids with one spelling the lower one is found. */
vla_status vla_vocab_index(vla_vocab *v, vla_err *err) VLA_MUST_USE;
void vla_vocab_release(vla_vocab *v);

/* NULL when there is no such token. */
const char *vla_vocab_token(const vla_vocab *v, size_t id);
uint32_t vla_vocab_find(const vla_vocab *v, const char *spelling, size_t n);
/* Ids of the 256 tokens <0x00> to <0xFF>, VLA_NO_TOKEN for those that are missing; whether all are there. */
bool vla_vocab_bytes(const vla_vocab *v, uint32_t id[256]);

#endif
