/* Cleaning steps of WordPiece and SigLIP tokenizers. All append to out and take well-formed UTF-8. */
#ifndef VLA_TEXT_CLEAN_H
#define VLA_TEXT_CLEAN_H

#include "base/base.h"
#include "text/unicode.h"

/* The category that BERT tokenizers know for c: that of Unicode 8.0 for punctuation, marks and format characters. */
vla_gc vla_bert_gc(uint32_t c);

/* Leaves out control characters, U+0000 and U+FFFD, and makes every white space a space. */
vla_status vla_clean_controls(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;
/* A space before and after each ideograph. */
vla_status vla_clean_ideographs(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;
/* Leaves out marks without width (Mn, as vla_bert_gc has it). */
vla_status vla_clean_accents(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;
/* Leaves out the characters of the general categories in mask (see vla_gc_mask). */
vla_status vla_clean_categories(const char *s, size_t n, uint32_t mask, vla_buf *out, vla_err *err) VLA_MUST_USE;
/* Leaves out ASCII punctuation, makes runs of white space one space and takes it from the ends. underscore_space:
 * '_' counts as a space instead. */
vla_status vla_clean_punctuation(const char *s, size_t n, bool underscore_space, vla_buf *out,
				 vla_err *err) VLA_MUST_USE;

#endif
