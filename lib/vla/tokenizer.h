/* Tokenizers: text to token ids, as the model's own upstream code does it.
 *
 *	vla_tokenizer *t;
 *	if (vla_tokenizer_open("model-dir", &t, &err) != VLA_OK) ...
 *	vla_ids ids = VLA_IDS_INIT;
 *	vla_tokenizer_encode(t, "two dogs", 0, &ids, &err);
 *	vla_ids_release(&ids);
 *	vla_tokenizer_free(t);
 */
#ifndef VLA_TOKENIZER_H
#define VLA_TOKENIZER_H

#include <vla/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_tokenizer vla_tokenizer;

typedef struct vla_ids {
	uint32_t *id; /* [n], owned */
	size_t n, cap;
} vla_ids;

#define VLA_IDS_INIT \
	{ \
		NULL, 0, 0 \
	}

VLA_API void vla_ids_release(vla_ids *ids);

/* From a model directory: tokenizer.json, or the older files (spiece.model or tokenizer.model, vocab.json with
 * merges.txt, BERT's vocab.txt, CLIP's bpe_simple_vocab_16e6.txt.gz), each with tokenizer_config.json where there is
 * one; or from one of these files by its own path. VLA_OK, VLA_EIO, VLA_EFORMAT, VLA_ETRUNC, VLA_ECORRUPT, VLA_ENOMEM;
 * VLA_EUNSUPPORTED names the part that is not known. */
VLA_API vla_status vla_tokenizer_open(const char *dir, vla_tokenizer **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_tokenizer_free(vla_tokenizer *t);

/* Encodes one UTF-8 text with the model's special tokens; invalid UTF-8 becomes U+FFFD. max_len > 0
 * truncates and keeps the end token. ids is cleared first, its buffer reused. Thread-safe. */
VLA_API vla_status vla_tokenizer_encode(const vla_tokenizer *t, const char *text, size_t max_len, vla_ids *ids,
					vla_err *err) VLA_MUST_USE;

/* Appends the ids of a text as it stands, without the special tokens around it and without a limit: for prompts
 * that hold their special tokens themselves. ids is not cleared. Thread-safe. */
VLA_API vla_status vla_tokenizer_append(const vla_tokenizer *t, const char *text, vla_ids *ids,
					vla_err *err) VLA_MUST_USE;

/* How texts are cleaned before they are encoded, beside what the tokenizer's own files say. SIGLIP is what the text
 * towers of SigLIP 2 were trained with and their files do not say: lower case, '_' to a space, no other ASCII
 * punctuation, single spaces. Not to be called while other threads encode. */
typedef enum vla_text_clean { VLA_CLEAN_NONE, VLA_CLEAN_LOWER, VLA_CLEAN_SIGLIP } vla_text_clean;
VLA_API void vla_tokenizer_set_clean(vla_tokenizer *t, vla_text_clean clean);

/* ids to text; malloc'd, free with free(). Special tokens are left out when skip_special. */
VLA_API vla_status vla_tokenizer_decode(const vla_tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
					char **text, vla_err *err) VLA_MUST_USE;

/* What kind of tokenizer it is, for people ("byte-level BPE", "WordPiece"). */
VLA_API const char *vla_tokenizer_kind(const vla_tokenizer *t);
/* VLA_ECORRUPT when an id does not fit a model with a vocabulary of n; the message says both sizes. */
VLA_API vla_status vla_tokenizer_check_vocab(const vla_tokenizer *t, size_t n, vla_err *err) VLA_MUST_USE;

VLA_API size_t vla_tokenizer_vocab(const vla_tokenizer *t);
/* The bytes of one token in the vocabulary's own spelling; NULL when out of range. */
VLA_API const char *vla_tokenizer_token(const vla_tokenizer *t, uint32_t id);
/* The id of a token spelled as in the vocabulary; UINT32_MAX when there is none. */
VLA_API uint32_t vla_tokenizer_id(const vla_tokenizer *t, const char *token);

typedef struct vla_bpe_train_opts {
	size_t vocab_size; /* special tokens and the 256 byte symbols included */
	bool lower;        /* lower-case and NFC first */
	size_t min_count;  /* pairs rarer than this are never merged; 0 = 2 */
	size_t cjk_max;    /* ideographs that a piece may hold: 1 = single characters; 0 = 4 (short words) */
} vla_bpe_train_opts;

/* Trains a byte-level BPE on n texts and writes dir/tokenizer.json and dir/tokenizer_config.json (Hugging
 * Face layout, standard parts only). White space is collapsed; a word and the same word at the beginning of a
 * text are one piece; pieces are whole characters or parts of one. The special tokens are <|pad|> 0,
 * <|startoftext|> 1, <|endoftext|> 2; a text is encoded as start, pieces, end. Deterministic: ties go to the
 * pair of the smaller ids. VLA_EINVAL, VLA_EIO, VLA_ENOMEM. */
VLA_API vla_status vla_bpe_train(const char *const *texts, size_t n, const vla_bpe_train_opts *opts, const char *dir,
				 vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
