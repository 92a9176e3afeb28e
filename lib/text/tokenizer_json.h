/* The parts of the reader of tokenizer.json, and what they share. */
#ifndef VLA_TEXT_TOKENIZER_JSON_H
#define VLA_TEXT_TOKENIZER_JSON_H

#include "io/json.h"
#include "text/tokenizer.h"

enum { VLA_MAX_NESTING = 8 };

/* The string at key, "" without one. */
const char *vla_tj_text(const json_t *o, const char *key);
bool vla_tj_flag(const json_t *o, const char *key, bool missing);
bool vla_tj_is(const json_t *o, const char *type);
vla_status vla_tj_unknown(const json_t *o, const char *what, vla_err *err);
vla_status vla_tj_wrong(const char *what, vla_err *err);
/* {"Regex": s} or {"String": s} at "pattern"; NULL without one. */
const char *vla_tj_pattern(const json_t *o, bool *regex);

vla_status vla_tj_normalizer(const json_t *o, vla_pipeline *p, unsigned depth, vla_err *err) VLA_MUST_USE;
/* *byte_level is set by the step of this name, which is the last one. */
vla_status vla_tj_pre_tokenizer(const json_t *o, vla_pipeline *p, unsigned depth, bool *byte_level,
				vla_err *err) VLA_MUST_USE;
vla_status vla_tj_decoder(const json_t *o, vla_decoder *d, unsigned depth, vla_err *err) VLA_MUST_USE;

#endif
