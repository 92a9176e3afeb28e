/* A language model of words: bigrams backed by unigrams with Witten and Bell's weights. It never sees a picture, which
 * is its use: what it scores, the texts give away. */
#ifndef VLA_PROBE_NGRAM_H
#define VLA_PROBE_NGRAM_H

#include "base/base.h"

typedef struct vla_ngram vla_ngram;

/* From the words of a text file, a sentence a line; a table's captions when the file begins with a header that has such
 * a column is the caller's business. Free with vla_ngram_close. */
vla_status vla_ngram_new(vla_ngram **out, vla_err *err) VLA_MUST_USE;
vla_status vla_ngram_add(vla_ngram *m, const char *sentence, vla_err *err) VLA_MUST_USE;
void vla_ngram_close(vla_ngram *m); /* NULL legal */
/* Mean natural logarithm of the probability of a word, the end included. */
vla_status vla_ngram_score(vla_ngram *m, const char *sentence, double *out, vla_err *err) VLA_MUST_USE;

/* The next word at *s: letters, digits and bytes from 128 on, with ' and - inside; moves past it. Returns its length, 0
 * at the end. */
size_t vla_word(const char **s, const char **begin);
/* The same as a lower-case (ASCII) string in out [cap]; false at the end. */
bool vla_word_lower(const char **s, char *out, size_t cap);

#endif
