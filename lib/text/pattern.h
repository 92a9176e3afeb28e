/* Split patterns: the part of regular expressions that tokenizer files use. */
#ifndef VLA_TEXT_PATTERN_H
#define VLA_TEXT_PATTERN_H

#include "base/base.h"

typedef struct vla_pattern vla_pattern;

typedef enum vla_match { VLA_MATCH_NONE = 0, VLA_MATCH_FOUND = 1, VLA_MATCH_TOO_LONG = 2 } vla_match;

/* VLA_EUNSUPPORTED names the part of the expression that is not known; VLA_EFORMAT for a malformed one. */
vla_status vla_pattern_new(const char *src, vla_pattern **out, vla_err *err) VLA_MUST_USE;
/* Matches the text s itself. */
vla_status vla_pattern_literal(const char *s, vla_pattern **out, vla_err *err) VLA_MUST_USE;
void vla_pattern_free(vla_pattern *p);

/* The leftmost match, not empty, that begins at or after from in the well-formed UTF-8 s of n bytes; alternatives
 * are tried in order. TOO_LONG: the expression backtracks without end on this text. Thread-safe. */
vla_match vla_pattern_find(const vla_pattern *p, const char *s, size_t n, size_t from, size_t *begin, size_t *end);

#endif
