/* A tokenizer: normalisers and cuts, one of the encoders of words, added tokens, the ids around a text, decoders. */
#ifndef VLA_TEXT_TOKENIZER_H
#define VLA_TEXT_TOKENIZER_H

#include "text/bpe.h"
#include "text/decode.h"
#include "text/pipeline.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

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

typedef enum vla_word_model { VLA_WORDS_BPE, VLA_WORDS_UNIGRAM, VLA_WORDS_WORDPIECE } vla_word_model;

struct vla_tokenizer {
	vla_text_clean clean; /* of the whole text, before anything else */
	vla_pipeline pipe;
	vla_vocab vocab;
	vla_word_model model; /* which of the three is in use */
	vla_bpe bpe;
	vla_unigram unigram;
	vla_wordpiece wordpiece;
	vla_trie fixed; /* SentencePiece's user-defined tokens, which nothing changes or joins */
	vla_added *added;
	size_t n_added, cap_added;
	uint32_t added_by_byte[2][256];                       /* [normalized] */
	bool any_added[2];                                    /* [normalized] */
	uint32_t before[VLA_MAX_FRAME], after[VLA_MAX_FRAME]; /* ids around a text */
	size_t n_before, n_after;
	vla_decoder decoder;
};

vla_tokenizer *vla_tokenizer_blank(void); /* NULL when memory is short */
vla_status vla_tokenizer_add_added(vla_tokenizer *t, const vla_added *a, vla_err *err) VLA_MUST_USE;
/* Ends the building: indexes added tokens and whole words. */
vla_status vla_tokenizer_ready(vla_tokenizer *t, vla_err *err) VLA_MUST_USE;
vla_status vla_tokenizer_frame(vla_tokenizer *t, bool after, uint32_t id, vla_err *err) VLA_MUST_USE;
/* The decoder of byte-level vocabularies, with or without an end-of-word mark. */
vla_status vla_tokenizer_decode_bytes(vla_tokenizer *t, vla_err *err) VLA_MUST_USE;
/* That of SentencePiece: U+2581 to spaces, bytes to characters; strip: the first space goes. */
vla_status vla_tokenizer_decode_spm(vla_tokenizer *t, bool strip, vla_err *err) VLA_MUST_USE;
vla_status vla_tokenizer_decode_wordpiece(vla_tokenizer *t, const char *prefix, bool tidy, vla_err *err) VLA_MUST_USE;

/* The steps of tokenizer.json, by name. */
#define VLA_PUNCTUATION_PATTERN "[!-/:-@\\[-`{-~\\p{BertP}]"
vla_status vla_pipeline_add_byte_level(vla_pipeline *p, bool prefix_space, bool regex, vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_split(vla_pipeline *p, const char *pattern, vla_split_behavior behavior, bool invert,
				  vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_replace(vla_pipeline *p, const char *pattern, bool regex, const char *content,
				    vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_simple(vla_pipeline *p, vla_norm_kind kind, const char *content, vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_categories(vla_pipeline *p, const char *name, vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_bert(vla_pipeline *p, bool clean, bool ideographs, bool strip_accents, bool lower,
				 vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_bert_cut(vla_pipeline *p, vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_metaspace(vla_pipeline *p, const char *mark, vla_prefix_scheme prefix, bool split,
				      vla_err *err) VLA_MUST_USE;

/* Readers of the file kinds. text [n]. */
vla_status vla_tokenizer_parse_json(const char *text, size_t n, vla_tokenizer **out, vla_err *err) VLA_MUST_USE;

/* The older files. merges: the text of merges.txt; vocab: that of vocab.json. Which of the two kinds it is (CLIP with
 * end-of-word marks, GPT-2 without) is seen from the merges. */
vla_status vla_tokenizer_parse_merges(const char *vocab, size_t vocab_n, const char *merges, vla_tokenizer **out,
				      vla_err *err) VLA_MUST_USE;
/* The merges file of OpenAI's CLIP, whose vocabulary follows from it; with the cleaning of text that goes with it. */
vla_status vla_tokenizer_parse_clip(const char *merges, vla_tokenizer **out, vla_err *err) VLA_MUST_USE;
/* vocab.txt of BERT, one token a line; config: the text of tokenizer_config.json, or NULL. */
vla_status vla_tokenizer_parse_vocab(const char *vocab, size_t n, const char *config, size_t config_n,
				     vla_tokenizer **out, vla_err *err) VLA_MUST_USE;
/* A SentencePiece model (spiece.model, tokenizer.model); config as above. */
vla_status vla_tokenizer_parse_spm(const void *model, size_t n, const char *config, size_t config_n,
				   vla_tokenizer **out, vla_err *err) VLA_MUST_USE;

#define VLA_MAX_TOKENIZER_FILE ((size_t)1 << 28)

#endif
