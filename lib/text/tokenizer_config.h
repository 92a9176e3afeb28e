/* What tokenizer_config.json says to the readers of the older file kinds. */
#ifndef VLA_TEXT_TOKENIZER_CONFIG_H
#define VLA_TEXT_TOKENIZER_CONFIG_H

#include "io/json.h"
#include "text/tokenizer.h"

/* text NULL: *out is NULL. Free with json_decref. */
vla_status vla_tc_parse(const char *text, size_t n, json_t **out, vla_err *err) VLA_MUST_USE;
/* A token's spelling: a string, or the content of an object; missing when it is not given or null. */
const char *vla_tc_token(const json_t *config, const char *key, const char *missing);
bool vla_tc_flag(const json_t *config, const char *key, bool missing);
/* Adds the tokens of added_tokens_decoder to the vocabulary, before it is indexed. */
vla_status vla_tc_add_vocab(const json_t *config, vla_vocab *v, vla_err *err) VLA_MUST_USE;
/* The same tokens as added ones; *n of them. */
vla_status vla_tc_add_tokens(const json_t *config, vla_tokenizer *t, size_t *n, vla_err *err) VLA_MUST_USE;

#endif
