/* The reader of tokenizer.json (Hugging Face tokenizers, version "1.0"): model (BPE over bytes or characters, Unigram,
 * WordPiece), added_tokens and post_processor; json_steps.c has the other parts. What is not known is refused by name;
 * truncation and padding are left to the caller. */
#include "text/tokenizer_json.h"

const char *vla_tj_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

bool vla_tj_flag(const json_t *o, const char *key, bool missing)
{
	const json_t *v = json_object_get(o, key);
	return v && !json_is_null(v) ? json_is_true(v) : missing;
}

bool vla_tj_is(const json_t *o, const char *type)
{
	return strcmp(vla_tj_text(o, "type"), type) == 0;
}

vla_status vla_tj_unknown(const json_t *o, const char *what, vla_err *err)
{
	return vla_fail(err, VLA_EUNSUPPORTED, "tokenizer.json: %s '%.60s' is not supported", what,
			vla_tj_text(o, "type"));
}

vla_status vla_tj_wrong(const char *what, vla_err *err)
{
	return vla_fail(err, VLA_EFORMAT, "tokenizer.json: %s is missing or of the wrong type", what);
}

const char *vla_tj_pattern(const json_t *o, bool *regex)
{
	const json_t *p = json_object_get(o, "pattern");
	const char *s = json_string_value(json_object_get(p, "Regex"));
	*regex = s != NULL;
	return s ? s : json_string_value(json_object_get(p, "String"));
}

/* ---- vocabulary ---- */

static vla_status read_vocab(const json_t *vocab, vla_vocab *m, vla_err *err)
{
	const char *key;
	json_t *v;
	if (!json_is_object(vocab))
		return vla_tj_wrong("model.vocab", err);
	json_object_foreach((json_t *)vocab, key, v)
	{
		json_int_t id = json_integer_value(v);
		if (!json_is_integer(v) || id < 0 || (uint64_t)id >= VLA_MAX_VOCAB)
			return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: bad id for token '%.60s'", key);
		VLA_TRY(vla_vocab_add(m, key, strlen(key), (size_t)id, err));
	}
	return VLA_OK;
}

/* Added tokens may be beyond the model's own. */
static vla_status read_added_vocab(const json_t *added, vla_vocab *v, vla_err *err)
{
	for (size_t i = 0; i < json_array_size(added); i++) {
		const json_t *a = json_array_get(added, i), *id = json_object_get(a, "id");
		const char *s = vla_tj_text(a, "content");
		if (!json_is_integer(id) || json_integer_value(id) < 0 || !*s)
			return vla_tj_wrong("an added token", err);
		VLA_TRY(vla_vocab_add(v, s, strlen(s), (size_t)json_integer_value(id), err));
	}
	return vla_vocab_index(v, err);
}

static vla_status find_unknown(const json_t *o, const vla_vocab *v, uint32_t *id, vla_err *err)
{
	const char *s = vla_tj_text(o, "unk_token");
	*id = *s ? vla_vocab_find(v, s, strlen(s)) : VLA_NO_TOKEN;
	if (*s && *id == VLA_NO_TOKEN)
		return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: the unknown token '%.60s' is not in the vocabulary",
				s);
	return VLA_OK;
}

/* ---- models ---- */

/* A merge is "left right" or ["left", "right"]. */
static vla_status read_merges(const json_t *list, vla_bpe *m, vla_err *err)
{
	if (!json_is_array(list))
		return vla_tj_wrong("model.merges", err);
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

static vla_status read_bpe(const json_t *o, const json_t *added, bool byte_level, vla_tokenizer *t, vla_err *err)
{
	vla_bpe *m = &t->bpe;
	const char *suffix = vla_tj_text(o, "end_of_word_suffix");
	if (*vla_tj_text(o, "continuing_subword_prefix"))
		return vla_fail(err, VLA_EUNSUPPORTED,
				"tokenizer.json: a BPE model with continuing_subword_prefix is not supported");
	if (json_number_value(json_object_get(o, "dropout")) > 0)
		return vla_fail(err, VLA_EUNSUPPORTED, "tokenizer.json: a BPE model with dropout is not supported");
	m->characters = !byte_level;
	m->fallback = vla_tj_flag(o, "byte_fallback", false);
	m->fuse_unk = vla_tj_flag(o, "fuse_unk", false);
	m->all_words = vla_tj_flag(o, "ignore_merges", false);
	if (*suffix && !(m->suffix = vla_strdup(suffix)))
		return vla_nomem(err);
	VLA_TRY(read_vocab(json_object_get(o, "vocab"), &t->vocab, err));
	VLA_TRY(read_added_vocab(added, &t->vocab, err));
	VLA_TRY(vla_bpe_index(m, &t->vocab, err));
	VLA_TRY(find_unknown(o, &t->vocab, &m->unk, err));
	return read_merges(json_object_get(o, "merges"), m, err);
}

static vla_status read_wordpiece(const json_t *o, const json_t *added, vla_tokenizer *t, vla_err *err)
{
	const char *prefix =
		json_object_get(o, "continuing_subword_prefix") ? vla_tj_text(o, "continuing_subword_prefix") : "##";
	json_int_t most = json_object_get(o, "max_input_chars_per_word")
				  ? json_integer_value(json_object_get(o, "max_input_chars_per_word"))
				  : 100;
	uint32_t unk;
	if (most < 1)
		return vla_tj_wrong("model.max_input_chars_per_word", err);
	VLA_TRY(read_vocab(json_object_get(o, "vocab"), &t->vocab, err));
	VLA_TRY(read_added_vocab(added, &t->vocab, err));
	VLA_TRY(find_unknown(o, &t->vocab, &unk, err));
	return vla_wordpiece_init(&t->wordpiece, &t->vocab, prefix, unk, (size_t)most, err);
}

/* vocab is a list of [spelling, score]. */
static vla_status read_pieces(const json_t *list, vla_vocab *v, double *score, double *least, vla_err *err)
{
	*least = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i), *x = json_array_get(e, 1);
		const char *s = json_string_value(json_array_get(e, 0));
		if (!s || !json_is_number(x))
			return vla_fail(err, VLA_EFORMAT, "tokenizer.json: piece %zu is malformed", i);
		VLA_TRY(vla_vocab_add(v, s, strlen(s), i, err));
		score[i] = json_number_value(x);
		*least = i == 0 || score[i] < *least ? score[i] : *least;
	}
	return VLA_OK;
}

static vla_status read_unigram(const json_t *o, const json_t *added, vla_tokenizer *t, vla_err *err)
{
	const json_t *list = json_object_get(o, "vocab"), *unk = json_object_get(o, "unk_id");
	size_t n = json_array_size(list);
	double least = 0;
	if (!json_is_array(list) || n == 0 || n > VLA_MAX_VOCAB)
		return vla_tj_wrong("model.vocab", err);
	json_int_t id = json_is_integer(unk) ? json_integer_value(unk) : -1;
	if (json_is_integer(unk) && (id < 0 || (uint64_t)id >= n))
		return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: model.unk_id is not in the vocabulary");
	double *score = vla_alloc(n, sizeof *score), *grown;
	bool *use = NULL;
	vla_status st = score ? read_pieces(list, &t->vocab, score, &least, err) : vla_nomem(err);
	if (st == VLA_OK)
		st = read_added_vocab(added, &t->vocab, err);
	if (st == VLA_OK) {
		if ((grown = vla_realloc(score, t->vocab.n, sizeof *score)) != NULL)
			score = grown;
		use = vla_zalloc(t->vocab.n, sizeof *use);
		st = grown && use ? VLA_OK : vla_nomem(err);
	}
	if (st == VLA_OK) {
		memset(use, 1, n);
		st = vla_unigram_init(&t->unigram, &t->vocab, score, use, id < 0 ? VLA_NO_TOKEN : (uint32_t)id,
				      least - VLA_UNKNOWN_PENALTY, err);
		score = NULL;
		t->unigram.fallback = vla_tj_flag(o, "byte_fallback", false);
		t->unigram.by_text = true;
	}
	free(score);
	free(use);
	return st;
}

static vla_status read_model(const json_t *o, const json_t *added, bool byte_level, vla_tokenizer *t, vla_err *err)
{
	/* Older files have no type; the merges tell. */
	if (vla_tj_is(o, "BPE") || (json_object_get(o, "type") == NULL && json_object_get(o, "merges")))
		return read_bpe(o, added, byte_level, t, err);
	if (byte_level)
		return vla_tj_unknown(o, "ByteLevel with model", err);
	if (vla_tj_is(o, "WordPiece")) {
		t->model = VLA_WORDS_WORDPIECE;
		return read_wordpiece(o, added, t, err);
	}
	if (vla_tj_is(o, "Unigram")) {
		t->model = VLA_WORDS_UNIGRAM;
		return read_unigram(o, added, t, err);
	}
	return vla_tj_unknown(o, "model", err);
}

/* ---- added tokens ---- */

static vla_status read_added(const json_t *list, vla_tokenizer *t, vla_err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		vla_added a;
		memset(&a, 0, sizeof a);
		a.content = (char *)vla_tj_text(o, "content");
		a.id = (uint32_t)json_integer_value(json_object_get(o, "id"));
		a.special = vla_tj_flag(o, "special", false);
		a.normalized = vla_tj_flag(o, "normalized", !a.special);
		a.lstrip = vla_tj_flag(o, "lstrip", false);
		a.rstrip = vla_tj_flag(o, "rstrip", false);
		a.single_word = vla_tj_flag(o, "single_word", false);
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
		return vla_tj_wrong("the template 'single'", err);
	for (size_t i = 0; i < json_array_size(single); i++) {
		const json_t *e = json_array_get(single, i), *sp = json_object_get(e, "SpecialToken");
		if (!sp) {
			if (after || strcmp(vla_tj_text(json_object_get(e, "Sequence"), "id"), "A") != 0)
				return vla_fail(err, VLA_EUNSUPPORTED,
						"tokenizer.json: a template 'single' with other than one sequence A "
						"is not supported");
			after = true;
			continue;
		}
		const char *name = vla_tj_text(sp, "id");
		const json_t *ids = json_object_get(json_object_get(json_object_get(o, "special_tokens"), name), "ids");
		if (json_array_size(ids) == 0)
			VLA_TRY(frame_named(t, name, after, err));
		for (size_t k = 0; k < json_array_size(ids); k++) {
			json_int_t id = json_integer_value(json_array_get(ids, k));
			if (id < 0 || (uint64_t)id >= t->vocab.n)
				return vla_fail(err, VLA_ECORRUPT, "tokenizer.json: post_processor has a bad id");
			VLA_TRY(vla_tokenizer_frame(t, after, (uint32_t)id, err));
		}
	}
	return VLA_OK;
}

static vla_status read_post_processor(const json_t *o, vla_tokenizer *t, unsigned depth, vla_err *err)
{
	if (!o || json_is_null(o) || vla_tj_is(o, "ByteLevel"))
		return VLA_OK;
	if (vla_tj_is(o, "Sequence") && depth < VLA_MAX_NESTING) {
		const json_t *list = json_object_get(o, "processors");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(read_post_processor(json_array_get(list, i), t, depth + 1, err));
		return VLA_OK;
	}
	if (vla_tj_is(o, "TemplateProcessing"))
		return read_template(o, t, err);
	if (vla_tj_is(o, "RobertaProcessing") || vla_tj_is(o, "BertProcessing")) {
		const char *cls = json_string_value(json_array_get(json_object_get(o, "cls"), 0));
		const char *sep = json_string_value(json_array_get(json_object_get(o, "sep"), 0));
		if (!cls || !sep)
			return vla_tj_wrong("cls or sep of the post_processor", err);
		VLA_TRY(frame_named(t, cls, false, err));
		return frame_named(t, sep, true, err);
	}
	return vla_tj_unknown(o, "post_processor", err);
}

/* ---- the whole ---- */

static vla_status read_decoder(const json_t *o, bool byte_level, vla_tokenizer *t, vla_err *err)
{
	if (byte_level && (!o || json_is_null(o) || vla_tj_is(o, "ByteLevel")))
		return vla_tokenizer_decode_bytes(t, err);
	return vla_tj_decoder(o, &t->decoder, 0, err);
}

static vla_status build(const json_t *root, vla_tokenizer *t, vla_err *err)
{
	const json_t *added = json_object_get(root, "added_tokens"), *model = json_object_get(root, "model");
	bool byte_level = false;
	if (!json_is_object(model))
		return vla_tj_wrong("model", err);
	VLA_TRY(vla_tj_normalizer(json_object_get(root, "normalizer"), &t->pipe, 0, err));
	VLA_TRY(vla_tj_pre_tokenizer(json_object_get(root, "pre_tokenizer"), &t->pipe, 0, &byte_level, err));
	VLA_TRY(read_model(model, added, byte_level, t, err));
	VLA_TRY(read_added(added, t, err));
	VLA_TRY(read_post_processor(json_object_get(root, "post_processor"), t, 0, err));
	VLA_TRY(read_decoder(json_object_get(root, "decoder"), byte_level, t, err));
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
