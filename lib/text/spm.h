/* A SentencePiece model as it is stored. */
#ifndef VLA_TEXT_SPM_H
#define VLA_TEXT_SPM_H

#include "text/tokenizer.h"

#include "io/json.h"

typedef enum vla_spm_type {
	VLA_SPM_NORMAL = 1,
	VLA_SPM_UNKNOWN,
	VLA_SPM_CONTROL,
	VLA_SPM_USER,
	VLA_SPM_UNUSED,
	VLA_SPM_BYTE
} vla_spm_type;

typedef struct vla_spm_piece {
	const char *s; /* [n], not ended by 0 */
	size_t n;
	float score;
	vla_spm_type type;
} vla_spm_piece;

typedef struct vla_spm {
	vla_spm_piece *piece; /* owned; the spellings point into the file */
	size_t n, cap;
	bool bpe; /* else unigram */
	bool byte_fallback;
	const char *charsmap;
	size_t charsmap_n;
	vla_spm_rules rules;
} vla_spm;

/* Reads the protobuf message of n bytes. VLA_ECORRUPT, VLA_ETRUNC, VLA_EUNSUPPORTED, VLA_ENOMEM. */
vla_status vla_spm_read(vla_spm *m, const void *data, size_t n, vla_err *err) VLA_MUST_USE;
void vla_spm_release(vla_spm *m);

/* Fills t, which is blank, with a tokenizer of these pieces; config is that of tokenizer_config.json or NULL. */
vla_status vla_spm_build(const vla_spm *m, const json_t *config, vla_tokenizer *t, vla_err *err) VLA_MUST_USE;

#endif
