/* The reader of tokenizer.json (Hugging Face tokenizers, version "1.0") with a byte-level BPE model: normalizer,
 * pre_tokenizer, model, added_tokens and post_processor. Parts that are not known are refused by name; truncation and
 * padding are left to the caller. */
#include "text/tokenizer.h"

#include "io/json.h"

enum { MAX_NESTING = 8 };

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static bool flag_of(const json_t *o, const char *key, bool missing)
{
	const json_t *v = json_object_get(o, key);
	return v && !json_is_null(v) ? json_is_true(v) : missing;
}

static bool is_type(const json_t *o, const char *name)
{
	return strcmp(text_of(o, "type"), name) == 0;
}

static vla_status not_known(const json_t *o, const char *what, vla_err *err)
{
	return vla_fail(err, VLA_EUNSUPPORTED, "tokenizer.json: %s '%.60s' is not supported", what, text_of(o, "type"));
}

static vla_status wrong(const char *what, vla_err *err)
{
	return vla_fail(err, VLA_EFORMAT, "tokenizer.json: %s is missing or of the wrong type", what);
}

/* {"Regex": s} or {"String": s}. */
static const char *pattern_of(const json_t *o, bool *regex)
{
	const json_t *p = json_object_get(o, "pattern");
	const char *s = json_string_value(json_object_get(p, "Regex"));
	*regex = s != NULL;
	return s ? s : json_string_value(json_object_get(p, "String"));
}

/* ---- normalizer ---- */

static vla_status read_normalizer(const json_t *o, vla_pipeline *p, unsigned depth, vla_err *err)
{
	if (!o || json_is_null(o))
		return VLA_OK;
	if (is_type(o, "Sequence") && depth < MAX_NESTING) {
		const json_t *list = json_object_get(o, "normalizers");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(read_normalizer(json_array_get(list, i), p, depth + 1, err));
		return VLA_OK;
	}
	if (is_type(o, "NFC"))
		return vla_pipeline_add_simple(p, VLA_NORM_NFC, NULL, err);
	if (is_type(o, "NFD"))
		return vla_pipeline_add_simple(p, VLA_NORM_NFD, NULL, err);
	if (is_type(o, "Lowercase"))
		return vla_pipeline_add_simple(p, VLA_NORM_LOWER, NULL, err);
	if (is_type(o, "Prepend"))
		return vla_pipeline_add_simple(p, VLA_NORM_PREPEND, text_of(o, "prepend"), err);
	if (is_type(o, "Strip")) {
		vla_norm s = { VLA_NORM_STRIP, NULL, NULL, flag_of(o, "strip_left", true),
			       flag_of(o, "strip_right", true) };
		return vla_pipeline_add_norm(p, &s, err);
	}
	if (is_type(o, "Replace")) {
		bool regex;
		const char *pattern = pattern_of(o, &regex);
		if (!pattern)
			return wrong("the pattern of Replace", err);
		return vla_pipeline_add_replace(p, pattern, regex, text_of(o, "content"), err);
	}
	return not_known(o, "normalizer", err);
}

/* ---- pre_tokenizer ---- */

static vla_status read_behavior(const json_t *o, vla_split_behavior *b, vla_err *err)
{
	static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
					     "Contiguous" };
	const char *s = text_of(o, "behavior");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(s, names[i]) == 0) {
			*b = (vla_split_behavior)i;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EUNSUPPORTED, "tokenizer.json: split behavior '%.40s' is not supported", s);
}

static vla_status read_split(const json_t *o, vla_pipeline *p, vla_err *err)
{
	vla_cut c = { NULL, VLA_SPLIT_ISOLATED, flag_of(o, "invert", false), false };
	bool regex;
	const char *pattern = pattern_of(o, &regex);
	if (!pattern)
		return wrong("the pattern of Split", err);
	VLA_TRY(read_behavior(o, &c.behavior, err));
	VLA_TRY(regex ? vla_pattern_new(pattern, &c.pattern, err) : vla_pattern_literal(pattern, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

static vla_status read_pre_tokenizer(const json_t *o, vla_pipeline *p, unsigned depth, bool *byte_level, vla_err *err)
{
	if (!o || json_is_null(o))
		return VLA_OK;
	/* After a byte-level step the text is in the byte alphabet, which no other step is run on here. */
	if (*byte_level)
		return not_known(o, "a step after ByteLevel: pre_tokenizer", err);
	if (is_type(o, "Sequence") && depth < MAX_NESTING) {
		const json_t *list = json_object_get(o, "pretokenizers");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(read_pre_tokenizer(json_array_get(list, i), p, depth + 1, byte_level, err));
		return VLA_OK;
	}
	if (is_type(o, "ByteLevel")) {
		*byte_level = true;
		return vla_pipeline_add_byte_level(p, flag_of(o, "add_prefix_space", true),
						   flag_of(o, "use_regex", true), err);
	}
	if (is_type(o, "Split"))
		return read_split(o, p, err);
	if (is_type(o, "Digits"))
		return vla_pipeline_add_split(p, flag_of(o, "individual_digits", false) ? "\\p{N}" : "\\p{N}+",
					      VLA_SPLIT_ISOLATED, false, err);
	if (is_type(o, "WhitespaceSplit"))
		return vla_pipeline_add_split(p, "\\s+", VLA_SPLIT_REMOVED, false, err);
	if (is_type(o, "Whitespace"))
		return vla_pipeline_add_split(p, "\\w+|[^\\w\\s]+", VLA_SPLIT_REMOVED, true, err);
	return not_known(o, "pre_tokenizer", err);
}

/* ---- model ---- */

static vla_status read_vocab(const json_t *vocab, vla_bpe *m, vla_err *err)
{
	const char *key;
	json_t *v;
	if (!json_is_object(vocab))
		return wrong("model.vocab", err);
	json_object_foreach((json_t *)vocab, key, v)
	{
		json_int_t id = json_integer_value(v);
		if (!json_is_integer(v) || id < 0 || (uint64_t)id >= VLA_MAX_VOCAB)
			return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: bad id for token '%.60s'", key);
		VLA_TRY(vla_bpe_add_token(m, key, (size_t)id, err));
	}
	return VLA_OK;
}

/* A merge is "left right" or ["left", "right"]. */
static vla_status read_merges(const json_t *list, vla_bpe *m, vla_err *err)
{
	if (!json_is_array(list))
		return wrong("model.merges", err);
	VLA_TRY(vla_bpe_reserve_merges(m, json_array_size(list), err));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		const char *left = json_string_value(json_is_array(e) ? json_array_get(e, 0) : e);
		const char *right = json_string_value(json_array_get(e, 1));
		size_t n = 0;
		if (json_is_array(e) && left) {
			n = strlen(left);
		} else if (left && strchr(left, ' ')) {
			n = (size_t)(strchr(left, ' ') - left);
			right = left + n + 1;
		}
		if (!left || !right || !n || !*right)
			return vla_fail(err, VLA_EFORMAT, "tokenizer.json: merge %zu is malformed", i);
		VLA_TRY(vla_bpe_add_merge(m, left, n, right, strlen(right), i, err));
	}
	return VLA_OK;
}

static vla_status read_model(const json_t *o, const json_t *added, vla_bpe *m, vla_err *err)
{
	const char *suffix = text_of(o, "end_of_word_suffix"), *unk = text_of(o, "unk_token");
	/* Older files have no type; the merges tell. */
	if (!is_type(o, "BPE") && !(json_object_get(o, "type") == NULL && json_object_get(o, "merges")))
		return not_known(o, "model", err);
	if (*text_of(o, "continuing_subword_prefix") || flag_of(o, "byte_fallback", false) ||
	    flag_of(o, "ignore_merges", false))
		return vla_fail(err, VLA_EUNSUPPORTED,
				"tokenizer.json: a BPE model with continuing_subword_prefix, "
				"byte_fallback or ignore_merges is not supported");
	if (*suffix && !(m->suffix = vla_strdup(suffix)))
		return vla_nomem(err);
	VLA_TRY(read_vocab(json_object_get(o, "vocab"), m, err));
	for (size_t i = 0; i < json_array_size(added); i++) {
		const json_t *a = json_array_get(added, i), *id = json_object_get(a, "id");
		if (!json_is_integer(id) || json_integer_value(id) < 0 || !*text_of(a, "content"))
			return wrong("an added token", err);
		VLA_TRY(vla_bpe_add_token(m, text_of(a, "content"), (size_t)json_integer_value(id), err));
	}
	VLA_TRY(vla_bpe_index(m, err));
	if (*unk)
		m->unk = vla_bpe_find(m, unk, strlen(unk));
	return read_merges(json_object_get(o, "merges"), m, err);
}

static vla_status read_added(const json_t *list, vla_tokenizer *t, vla_err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		vla_added a;
		memset(&a, 0, sizeof a);
		a.content = (char *)text_of(o, "content");
		a.id = (uint32_t)json_integer_value(json_object_get(o, "id"));
		a.special = flag_of(o, "special", false);
		a.normalized = flag_of(o, "normalized", !a.special);
		a.lstrip = flag_of(o, "lstrip", false);
		a.rstrip = flag_of(o, "rstrip", false);
		a.single_word = flag_of(o, "single_word", false);
		VLA_TRY(vla_tokenizer_add_added(t, &a, err));
	}
	return VLA_OK;
}

/* ---- post_processor ---- */

static vla_status frame_named(vla_tokenizer *t, const char *name, bool after, vla_err *err)
{
	uint32_t id = vla_tokenizer_id(t, name);
	if (id == VLA_NO_TOKEN)
		return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: post_processor names '%.60s', which is no token",
				name);
	return vla_tokenizer_frame(t, after, id, err);
}

static vla_status read_template(const json_t *o, vla_tokenizer *t, vla_err *err)
{
	const json_t *single = json_object_get(o, "single");
	bool after = false;
	if (!json_is_array(single))
		return wrong("the template 'single'", err);
	for (size_t i = 0; i < json_array_size(single); i++) {
		const json_t *e = json_array_get(single, i), *sp = json_object_get(e, "SpecialToken");
		if (!sp) {
			after = true;
			continue;
		}
		const char *name = text_of(sp, "id");
		const json_t *ids = json_object_get(json_object_get(json_object_get(o, "special_tokens"), name), "ids");
		if (json_array_size(ids) == 0)
			VLA_TRY(frame_named(t, name, after, err));
		for (size_t k = 0; k < json_array_size(ids); k++) {
			json_int_t id = json_integer_value(json_array_get(ids, k));
			if (id < 0 || (uint64_t)id >= t->bpe.n)
				return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: post_processor has a bad id");
			VLA_TRY(vla_tokenizer_frame(t, after, (uint32_t)id, err));
		}
	}
	return VLA_OK;
}

static vla_status read_post_processor(const json_t *o, vla_tokenizer *t, unsigned depth, vla_err *err)
{
	if (!o || json_is_null(o) || is_type(o, "ByteLevel"))
		return VLA_OK;
	if (is_type(o, "Sequence") && depth < MAX_NESTING) {
		const json_t *list = json_object_get(o, "processors");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(read_post_processor(json_array_get(list, i), t, depth + 1, err));
		return VLA_OK;
	}
	if (is_type(o, "TemplateProcessing"))
		return read_template(o, t, err);
	if (is_type(o, "RobertaProcessing") || is_type(o, "BertProcessing")) {
		const char *cls = json_string_value(json_array_get(json_object_get(o, "cls"), 0));
		const char *sep = json_string_value(json_array_get(json_object_get(o, "sep"), 0));
		if (!cls || !sep)
			return wrong("cls or sep of the post_processor", err);
		VLA_TRY(frame_named(t, cls, false, err));
		return frame_named(t, sep, true, err);
	}
	return not_known(o, "post_processor", err);
}

/* Only one thing of the decoder matters here: whether it takes the first space away. */
static bool strips_space(const json_t *o)
{
	const json_t *list = json_object_get(o, "decoders");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		if (is_type(e, "Strip") && json_integer_value(json_object_get(e, "start")) > 0)
			return true;
	}
	return false;
}

static vla_status build(const json_t *root, vla_tokenizer *t, vla_err *err)
{
	const json_t *added = json_object_get(root, "added_tokens"), *pre = json_object_get(root, "pre_tokenizer");
	bool byte_level = false;
	if (!json_is_object(json_object_get(root, "model")))
		return wrong("model", err);
	VLA_TRY(read_normalizer(json_object_get(root, "normalizer"), &t->pipe, 0, err));
	VLA_TRY(read_pre_tokenizer(pre, &t->pipe, 0, &byte_level, err));
	VLA_TRY(read_model(json_object_get(root, "model"), added, &t->bpe, err));
	if (!byte_level)
		return vla_fail(err, VLA_EUNSUPPORTED,
				"tokenizer.json: a BPE model without ByteLevel is not supported");
	VLA_TRY(read_added(added, t, err));
	VLA_TRY(read_post_processor(json_object_get(root, "post_processor"), t, 0, err));
	t->strip_first_space = strips_space(json_object_get(root, "decoder"));
	return vla_tokenizer_ready(t, err);
}

vla_status vla_tokenizer_parse_json(const char *text, size_t n, vla_tokenizer **out, vla_err *err)
{
	json_t *root;
	vla_status st = vla_json_parse(text, n, 0, &root, err);
	if (st != VLA_OK)
		return vla_prefix(err, st, "tokenizer.json");
	vla_tokenizer *t = vla_tokenizer_blank();
	st = t ? build(root, t, err) : vla_nomem(err);
	json_decref(root);
	if (st != VLA_OK) {
		vla_tokenizer_free(t);
		return st;
	}
	*out = t;
	return VLA_OK;
}
