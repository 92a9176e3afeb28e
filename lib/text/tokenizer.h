/* A tokenizer: normalisers and cuts, byte-pair encoding, added tokens, the ids around a text. */
#ifndef VLA_TEXT_TOKENIZER_H
#define VLA_TEXT_TOKENIZER_H

#include "text/bpe.h"
#include "text/pipeline.h"

#include <vla/tokenizer.h>

enum { VLA_MAX_FRAME = 8 };

/* A token that is taken out of the text before anything else happens to it. */
typedef struct vla_added {
	char *content; /* normalised when normalized */
	size_t n;
	uint32_t id;
	bool special, normalized, lstrip, rstrip, single_word;
	bool by_pattern; /* not taken out: a word that the cuts leave as it is */
	uint32_t next;   /* the next one with the same first byte, longest first; VLA_NO_TOKEN: none */
} vla_added;

struct vla_tokenizer {
	vla_pipeline pipe;
	vla_bpe bpe;
	vla_added *added;
	size_t n_added, cap_added;
	uint32_t added_by_byte[2][256];                       /* [normalized] */
	uint32_t before[VLA_MAX_FRAME], after[VLA_MAX_FRAME]; /* ids around a text */
	size_t n_before, n_after;
	bool strip_first_space; /* of a decoded text: it was put there by the normaliser */
};

vla_tokenizer *vla_tokenizer_blank(void); /* NULL when memory is short */
vla_status vla_tokenizer_add_added(vla_tokenizer *t, const vla_added *a, vla_err *err) VLA_MUST_USE;
/* Ends the building: indexes added tokens and whole words. */
vla_status vla_tokenizer_ready(vla_tokenizer *t, vla_err *err) VLA_MUST_USE;
vla_status vla_tokenizer_frame(vla_tokenizer *t, bool after, uint32_t id, vla_err *err) VLA_MUST_USE;

/* The steps of tokenizer.json, by name. */
vla_status vla_pipeline_add_byte_level(vla_pipeline *p, bool prefix_space, bool regex, vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_split(vla_pipeline *p, const char *pattern, vla_split_behavior behavior, bool invert,
				  vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_replace(vla_pipeline *p, const char *pattern, bool regex, const char *content,
				    vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_simple(vla_pipeline *p, vla_norm_kind kind, const char *content, vla_err *err) VLA_MUST_USE;

/* Readers of the file kinds. text [n]. */
vla_status vla_tokenizer_parse_json(const char *text, size_t n, vla_tokenizer **out, vla_err *err) VLA_MUST_USE;

/* The older files. merges: the text of merges.txt; vocab: that of vocab.json. Which of the two kinds it is (CLIP with
 * end-of-word marks, GPT-2 without) is seen from the merges. */
vla_status vla_tokenizer_parse_merges(const char *vocab, size_t vocab_n, const char *merges, vla_tokenizer **out,
				      vla_err *err) VLA_MUST_USE;
/* The merges file of OpenAI's CLIP, whose vocabulary follows from it; with the cleaning of text that goes with it. */
vla_status vla_tokenizer_parse_clip(const char *merges, vla_tokenizer **out, vla_err *err) VLA_MUST_USE;

#define VLA_MAX_TOKENIZER_FILE ((size_t)1 << 28)

#endif
