/* The trainer in pieces, for callers that do not hold all texts at once. */
#ifndef VLA_TEXT_BPE_TRAIN_H
#define VLA_TEXT_BPE_TRAIN_H

#include "base/base.h"

#include <vla/tokenizer.h>

typedef struct vla_bpe_trainer vla_bpe_trainer;

/* VLA_EINVAL when the vocabulary cannot hold the special tokens and the 256 bytes. */
vla_status vla_bpe_trainer_new(const vla_bpe_train_opts *opts, vla_bpe_trainer **out, vla_err *err) VLA_MUST_USE;
void vla_bpe_trainer_free(vla_bpe_trainer *t);
/* Counts the words of one text; the text is not kept. */
vla_status vla_bpe_trainer_add(vla_bpe_trainer *t, const char *text, vla_err *err) VLA_MUST_USE;
/* Learns the merges; once, after the last text. */
vla_status vla_bpe_trainer_learn(vla_bpe_trainer *t, vla_err *err) VLA_MUST_USE;
/* The content of tokenizer.json, appended to out. */
vla_status vla_bpe_trainer_write(const vla_bpe_trainer *t, vla_buf *out, vla_err *err) VLA_MUST_USE;

#endif
