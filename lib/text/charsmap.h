/* The compiled character map of SentencePiece: replacements of short strings, found through a double-array trie. */
#ifndef VLA_TEXT_CHARSMAP_H
#define VLA_TEXT_CHARSMAP_H

#include "base/base.h"

typedef struct vla_charsmap {
	uint32_t *unit; /* [n_units] of the trie; owned, the texts are in the same piece of memory */
	size_t n_units;
	const char *text; /* [n_text] replacements, each ending in 0 */
	size_t n_text;
} vla_charsmap;

/* blob [n] is copied; an empty one is a map without rules. VLA_ECORRUPT. */
vla_status vla_charsmap_read(vla_charsmap *m, const void *blob, size_t n, vla_err *err) VLA_MUST_USE;
void vla_charsmap_release(vla_charsmap *m);

/* The replacement of a beginning of s[n], or NULL; *len is the length of what it replaces. The longest rule, or the
 * shortest. */
const char *vla_charsmap_find(const vla_charsmap *m, const char *s, size_t n, bool longest, size_t *len);

/* Appends s, changed as Hugging Face tokenizers' Precompiled does it: whole grapheme clusters of less than six bytes
 * are replaced by the shortest rule that begins them, else their characters one by one. s is well-formed UTF-8. */
vla_status vla_charsmap_clusters(const vla_charsmap *m, const char *s, size_t n, vla_buf *out,
				 vla_err *err) VLA_MUST_USE;

/* SentencePiece's normaliser. */
typedef struct vla_spm_rules {
	bool prefix_space;  /* a space before the text */
	bool remove_spaces; /* at the ends, and runs of them */
	bool mark_spaces;   /* spaces become U+2581 */
} vla_spm_rules;

/* Tells the length of a piece of the text at s[n] that must not be changed; 0: none. */
typedef size_t vla_kept_fn(const void *ctx, const char *s, size_t n);

vla_status vla_charsmap_spm(const vla_charsmap *m, const vla_spm_rules *r, vla_kept_fn *kept, const void *ctx,
			    const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;

#endif
