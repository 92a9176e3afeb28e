/* WordPiece: a word is cut into the longest tokens from its left. */
#ifndef VLA_TEXT_WORDPIECE_H
#define VLA_TEXT_WORDPIECE_H

#include "text/vocab.h"

#include <vla/tokenizer.h>

typedef struct vla_wordpiece {
	const vla_vocab *v;
	char *prefix;     /* of a token that does not begin a word ("##"); owned */
	uint32_t unk;     /* for a word that cannot be cut */
	size_t max_chars; /* longer words are unknown */
	size_t longest;   /* bytes of the longest token */
} vla_wordpiece;

/* prefix is copied. v is indexed and must outlive m. */
vla_status vla_wordpiece_init(vla_wordpiece *m, const vla_vocab *v, const char *prefix, uint32_t unk, size_t max_chars,
			      vla_err *err) VLA_MUST_USE;
void vla_wordpiece_release(vla_wordpiece *m);

/* Appends the ids of one word. Thread-safe. */
vla_status vla_wordpiece_encode(const vla_wordpiece *m, const char *word, size_t n, vla_ids *ids,
				vla_err *err) VLA_MUST_USE;

#endif
