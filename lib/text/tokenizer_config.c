/* tokenizer_config.json, as far as the older tokenizer files need it. */
#include "text/tokenizer_config.h"

vla_status vla_tc_parse(const char *text, size_t n, json_t **out, vla_err *err)
{
	*out = NULL;
	if (!text)
		return VLA_OK;
	vla_status st = vla_json_parse(text, n, 0, out, err);
	if (st != VLA_OK) {
		*out = NULL;
		return vla_prefix(err, st, "tokenizer_config.json");
	}
	if (json_is_object(*out))
		return VLA_OK;
	json_decref(*out);
	*out = NULL;
	return vla_fail(err, VLA_EFORMAT, "tokenizer_config.json: not an object");
}

const char *vla_tc_token(const json_t *config, const char *key, const char *missing)
{
	const json_t *v = json_object_get(config, key);
	if (json_is_object(v))
		v = json_object_get(v, "content");
	return json_is_string(v) && *json_string_value(v) ? json_string_value(v) : missing;
}

bool vla_tc_flag(const json_t *config, const char *key, bool missing)
{
	const json_t *v = json_object_get(config, key);
	return v && !json_is_null(v) ? json_is_true(v) : missing;
}

static vla_status read_id(const char *key, const json_t *v, size_t *id, vla_err *err)
{
	char *end;
	unsigned long x = strtoul(key, &end, 10);
	if (*key < '0' || *key > '9' || *end || x >= VLA_MAX_VOCAB || !*vla_tc_token(v, "content", ""))
		return vla_fail(err, VLA_EFORMAT, "tokenizer_config.json: bad added token '%.40s'", key);
	*id = x;
	return VLA_OK;
}

vla_status vla_tc_add_vocab(const json_t *config, vla_vocab *v, vla_err *err)
{
	const char *key;
	json_t *o;
	json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, o)
	{
		size_t id = 0;
		const char *s = vla_tc_token(o, "content", "");
		VLA_TRY(read_id(key, o, &id, err));
		VLA_TRY(vla_vocab_add(v, s, strlen(s), id, err));
	}
	return VLA_OK;
}

vla_status vla_tc_add_tokens(const json_t *config, vla_tokenizer *t, size_t *n, vla_err *err)
{
	const char *key;
	json_t *o;
	*n = 0;
	json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, o)
	{
		vla_added a;
		size_t id = 0;
		memset(&a, 0, sizeof a);
		VLA_TRY(read_id(key, o, &id, err));
		a.content = (char *)vla_tc_token(o, "content", "");
		a.id = (uint32_t)id;
		a.special = vla_tc_flag(o, "special", false);
		a.normalized = vla_tc_flag(o, "normalized", !a.special);
		a.lstrip = vla_tc_flag(o, "lstrip", false);
		a.rstrip = vla_tc_flag(o, "rstrip", false);
		a.single_word = vla_tc_flag(o, "single_word", false);
		VLA_TRY(vla_tokenizer_add_added(t, &a, err));
		++*n;
	}
	return VLA_OK;
}
