/* The normalizer, pre_tokenizer and decoder of tokenizer.json. Steps that are not known are refused by name. */
#include "text/tokenizer_json.h"

/* ---- normalizer ---- */

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 (RFC 4648) with padding. */
static vla_status from_base64(const char *s, vla_buf *out, vla_err *err)
{
	size_t n = strlen(s);
	while (n && s[n - 1] == '=')
		n--;
	uint32_t bits = 0;
	for (size_t i = 0; i < n; i++) {
		int d = base64_digit(s[i]);
		if (d < 0)
			return vla_fail(err, VLA_EFORMAT, "tokenizer.json: the character map is not in base64");
		bits = bits << 6 | (uint32_t)d;
		char c = (char)(bits >> (6 - i % 4 * 2) & 0xff);
		if (i % 4)
			VLA_TRY(vla_buf_add(out, &c, 1, err));
	}
	return VLA_OK;
}

static vla_status read_precompiled(const json_t *o, vla_pipeline *p, vla_err *err)
{
	vla_norm s = { .kind = VLA_NORM_CLUSTERS };
	vla_buf blob = { NULL, 0, 0 };
	vla_status st = from_base64(vla_tj_text(o, "precompiled_charsmap"), &blob, err);
	if (st == VLA_OK)
		st = vla_charsmap_read(&s.map, blob.data, blob.n, err);
	vla_buf_release(&blob);
	return st == VLA_OK ? vla_pipeline_add_norm(p, &s, err) : st;
}

static vla_status read_bert(const json_t *o, vla_pipeline *p, vla_err *err)
{
	bool lower = vla_tj_flag(o, "lowercase", true);
	return vla_pipeline_add_bert(p, vla_tj_flag(o, "clean_text", true),
				     vla_tj_flag(o, "handle_chinese_chars", true),
				     vla_tj_flag(o, "strip_accents", lower), lower, err);
}

vla_status vla_tj_normalizer(const json_t *o, vla_pipeline *p, unsigned depth, vla_err *err)
{
	static const struct {
		const char *type;
		vla_norm_kind kind;
	} plain[] = { { "NFC", VLA_NORM_NFC },
		      { "NFD", VLA_NORM_NFD },
		      { "NFKC", VLA_NORM_NFKC },
		      { "NFKD", VLA_NORM_NFKD },
		      { "Lowercase", VLA_NORM_LOWER } };
	if (!o || json_is_null(o))
		return VLA_OK;
	if (vla_tj_is(o, "Sequence") && depth < VLA_MAX_NESTING) {
		const json_t *list = json_object_get(o, "normalizers");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(vla_tj_normalizer(json_array_get(list, i), p, depth + 1, err));
		return VLA_OK;
	}
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (vla_tj_is(o, plain[i].type))
			return vla_pipeline_add_simple(p, plain[i].kind, NULL, err);
	if (vla_tj_is(o, "StripAccents"))
		return vla_pipeline_add_categories(p, "M", err);
	if (vla_tj_is(o, "Prepend"))
		return vla_pipeline_add_simple(p, VLA_NORM_PREPEND, vla_tj_text(o, "prepend"), err);
	if (vla_tj_is(o, "Strip")) {
		vla_norm s = { .kind = VLA_NORM_STRIP,
			       .left = vla_tj_flag(o, "strip_left", true),
			       .right = vla_tj_flag(o, "strip_right", true) };
		return vla_pipeline_add_norm(p, &s, err);
	}
	if (vla_tj_is(o, "Replace")) {
		bool regex;
		const char *pattern = vla_tj_pattern(o, &regex);
		if (!pattern)
			return vla_tj_wrong("the pattern of Replace", err);
		return vla_pipeline_add_replace(p, pattern, regex, vla_tj_text(o, "content"), err);
	}
	if (vla_tj_is(o, "Precompiled"))
		return read_precompiled(o, p, err);
	if (vla_tj_is(o, "BertNormalizer"))
		return read_bert(o, p, err);
	return vla_tj_unknown(o, "normalizer", err);
}

/* ---- pre_tokenizer ---- */

static vla_status read_behavior(const json_t *o, vla_split_behavior *b, vla_err *err)
{
	static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
					     "Contiguous" };
	const char *s = vla_tj_text(o, "behavior");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(s, names[i]) == 0) {
			*b = (vla_split_behavior)i;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EUNSUPPORTED, "tokenizer.json: split behavior '%.40s' is not supported", s);
}

static vla_status read_split(const json_t *o, vla_pipeline *p, vla_err *err)
{
	vla_cut c = { NULL, VLA_SPLIT_ISOLATED, vla_tj_flag(o, "invert", false), "", VLA_PREFIX_NEVER };
	bool regex;
	const char *pattern = vla_tj_pattern(o, &regex);
	if (!pattern)
		return vla_tj_wrong("the pattern of Split", err);
	VLA_TRY(read_behavior(o, &c.behavior, err));
	VLA_TRY(regex ? vla_pattern_new(pattern, &c.pattern, err) : vla_pattern_literal(pattern, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

static vla_status read_delimiter(const json_t *o, vla_pipeline *p, vla_err *err)
{
	vla_cut c = { NULL, VLA_SPLIT_REMOVED, false, "", VLA_PREFIX_NEVER };
	VLA_TRY(vla_pattern_literal(vla_tj_text(o, "delimiter"), &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

/* Older files say add_prefix_space, newer ones prepend_scheme. */
static vla_status read_prefix(const json_t *o, vla_prefix_scheme *p, vla_err *err)
{
	static const char *const names[] = { "never", "first", "always" };
	const char *s = vla_tj_text(o, "prepend_scheme");
	*p = vla_tj_flag(o, "add_prefix_space", true) ? VLA_PREFIX_ALWAYS : VLA_PREFIX_NEVER;
	if (!*s)
		return VLA_OK;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(s, names[i]) == 0) {
			*p = (vla_prefix_scheme)i;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EUNSUPPORTED, "tokenizer.json: prepend_scheme '%.40s' is not supported", s);
}

static vla_status read_metaspace(const json_t *o, vla_pipeline *p, vla_err *err)
{
	vla_prefix_scheme prefix;
	const char *mark = json_object_get(o, "replacement") ? vla_tj_text(o, "replacement") : VLA_SPACE_MARK;
	VLA_TRY(read_prefix(o, &prefix, err));
	return vla_pipeline_add_metaspace(p, mark, prefix, vla_tj_flag(o, "split", true), err);
}

/* \w of the engine that this step was defined with: no other numbers, but joiners and circled letters. */
#define WORD \
	"\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200c}\\x{200d}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}" \
	"\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"

static vla_status read_pre_step(const json_t *o, vla_pipeline *p, vla_err *err)
{
	if (vla_tj_is(o, "Split"))
		return read_split(o, p, err);
	if (vla_tj_is(o, "CharDelimiterSplit"))
		return read_delimiter(o, p, err);
	if (vla_tj_is(o, "Metaspace"))
		return read_metaspace(o, p, err);
	if (vla_tj_is(o, "BertPreTokenizer"))
		return vla_pipeline_add_bert_cut(p, err);
	if (vla_tj_is(o, "Punctuation")) {
		vla_split_behavior b = VLA_SPLIT_ISOLATED;
		if (json_object_get(o, "behavior"))
			VLA_TRY(read_behavior(o, &b, err));
		return vla_pipeline_add_split(p, VLA_PUNCTUATION_PATTERN, b, false, err);
	}
	if (vla_tj_is(o, "Digits"))
		return vla_pipeline_add_split(p, vla_tj_flag(o, "individual_digits", false) ? "\\p{N}" : "\\p{N}+",
					      VLA_SPLIT_ISOLATED, false, err);
	if (vla_tj_is(o, "WhitespaceSplit"))
		return vla_pipeline_add_split(p, "\\s+", VLA_SPLIT_REMOVED, false, err);
	if (vla_tj_is(o, "Whitespace"))
		return vla_pipeline_add_split(p, "[" WORD "]+|[^" WORD "\\s]+", VLA_SPLIT_REMOVED, true, err);
	return vla_tj_unknown(o, "pre_tokenizer", err);
}

vla_status vla_tj_pre_tokenizer(const json_t *o, vla_pipeline *p, unsigned depth, bool *byte_level, vla_err *err)
{
	if (!o || json_is_null(o))
		return VLA_OK;
	/* After a byte-level step the text is in the byte alphabet, which no other step is run on here. */
	if (*byte_level)
		return vla_tj_unknown(o, "a step after ByteLevel: pre_tokenizer", err);
	if (vla_tj_is(o, "Sequence") && depth < VLA_MAX_NESTING) {
		const json_t *list = json_object_get(o, "pretokenizers");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(vla_tj_pre_tokenizer(json_array_get(list, i), p, depth + 1, byte_level, err));
		return VLA_OK;
	}
	if (!vla_tj_is(o, "ByteLevel"))
		return read_pre_step(o, p, err);
	*byte_level = true;
	return vla_pipeline_add_byte_level(p, vla_tj_flag(o, "add_prefix_space", true),
					   vla_tj_flag(o, "use_regex", true), err);
}

/* ---- decoder ---- */

static vla_status add_step(const json_t *o, vla_decoder *d, vla_decode_step *s, const char *content, vla_err *err)
{
	json_int_t start = json_integer_value(json_object_get(o, "start"));
	json_int_t stop = json_integer_value(json_object_get(o, "stop"));
	s->start = start > 0 ? (size_t)start : 0;
	s->stop = stop > 0 ? (size_t)stop : 0;
	if (content && !(s->content = vla_strdup(content))) {
		vla_pattern_free(s->pattern);
		return vla_nomem(err);
	}
	return vla_decoder_add(d, s, err);
}

static vla_status read_replace(const json_t *o, vla_decoder *d, vla_err *err)
{
	vla_decode_step s = { .kind = VLA_DECODE_REPLACE };
	bool regex;
	const char *pattern = vla_tj_pattern(o, &regex);
	if (!pattern)
		return vla_tj_wrong("the pattern of Replace", err);
	VLA_TRY(regex ? vla_pattern_new(pattern, &s.pattern, err) : vla_pattern_literal(pattern, &s.pattern, err));
	return add_step(o, d, &s, vla_tj_text(o, "content"), err);
}

static vla_status read_decode_step(const json_t *o, vla_decoder *d, vla_err *err)
{
	vla_decode_step s = { .kind = VLA_DECODE_STRIP };
	if (vla_tj_is(o, "Strip"))
		return *vla_tj_text(o, "content") ? add_step(o, d, &s, vla_tj_text(o, "content"), err)
						  : vla_tj_wrong("the content of Strip", err);
	if (vla_tj_is(o, "Replace"))
		return read_replace(o, d, err);
	if (vla_tj_is(o, "ByteFallback")) {
		s.kind = VLA_DECODE_BYTES;
		return add_step(o, d, &s, NULL, err);
	}
	if (vla_tj_is(o, "Fuse")) {
		s.kind = VLA_DECODE_FUSE;
		return add_step(o, d, &s, NULL, err);
	}
	if (vla_tj_is(o, "WordPiece")) {
		s.kind = VLA_DECODE_WORDPIECE;
		s.tidy = vla_tj_flag(o, "cleanup", true);
		return add_step(o, d, &s, json_object_get(o, "prefix") ? vla_tj_text(o, "prefix") : "##", err);
	}
	if (vla_tj_is(o, "Metaspace")) {
		vla_prefix_scheme prefix;
		VLA_TRY(read_prefix(o, &prefix, err));
		s.kind = VLA_DECODE_METASPACE;
		s.first = prefix != VLA_PREFIX_NEVER;
		return add_step(o, d, &s,
				json_object_get(o, "replacement") ? vla_tj_text(o, "replacement") : VLA_SPACE_MARK,
				err);
	}
	if (vla_tj_is(o, "BPEDecoder")) {
		s.kind = VLA_DECODE_SUFFIX;
		return add_step(o, d, &s, json_object_get(o, "suffix") ? vla_tj_text(o, "suffix") : "</w>", err);
	}
	return vla_tj_unknown(o, "decoder", err);
}

vla_status vla_tj_decoder(const json_t *o, vla_decoder *d, unsigned depth, vla_err *err)
{
	if (!o || json_is_null(o))
		return VLA_OK;
	if (vla_tj_is(o, "Sequence") && depth < VLA_MAX_NESTING) {
		const json_t *list = json_object_get(o, "decoders");
		for (size_t i = 0; i < json_array_size(list); i++)
			VLA_TRY(vla_tj_decoder(json_array_get(list, i), d, depth + 1, err));
		return VLA_OK;
	}
	if (vla_tj_is(o, "ByteLevel"))
		return vla_decoder_add_simple(d, VLA_DECODE_BYTE_LEVEL, NULL, err);
	return read_decode_step(o, d, err);
}
