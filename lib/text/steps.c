/* The steps of tokenizer.json that need more than a flag, built from their names. */
#include "text/tokenizer.h"

#include "text/unicode.h"

/* The pattern that a byte-level step cuts with (GPT-2). */
static const char byte_level_pattern[] =
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

vla_status vla_pipeline_add_split(vla_pipeline *p, const char *pattern, vla_split_behavior behavior, bool invert,
				  vla_err *err)
{
	vla_cut c = { NULL, behavior, invert, "", VLA_PREFIX_NEVER };
	VLA_TRY(vla_pattern_new(pattern, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

vla_status vla_pipeline_add_byte_level(vla_pipeline *p, bool prefix_space, bool regex, vla_err *err)
{
	vla_cut c = { NULL, VLA_SPLIT_ISOLATED, false, "", VLA_PREFIX_ALWAYS };
	if (prefix_space)
		c.mark[0] = ' ';
	if (regex)
		VLA_TRY(vla_pattern_new(byte_level_pattern, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

vla_status vla_pipeline_add_simple(vla_pipeline *p, vla_norm_kind kind, const char *content, vla_err *err)
{
	vla_norm s = { .kind = kind, .left = true, .right = true };
	if (content && !(s.content = vla_strdup(content)))
		return vla_nomem(err);
	return vla_pipeline_add_norm(p, &s, err);
}

vla_status vla_pipeline_add_replace(vla_pipeline *p, const char *pattern, bool regex, const char *content, vla_err *err)
{
	vla_norm s = { .kind = VLA_NORM_REPLACE };
	VLA_TRY(regex ? vla_pattern_new(pattern, &s.pattern, err) : vla_pattern_literal(pattern, &s.pattern, err));
	s.content = vla_strdup(content);
	if (!s.content) {
		vla_pattern_free(s.pattern);
		return vla_nomem(err);
	}
	return vla_pipeline_add_norm(p, &s, err);
}

vla_status vla_pipeline_add_categories(vla_pipeline *p, const char *name, vla_err *err)
{
	vla_norm s = { .kind = VLA_NORM_CATEGORIES, .gc = vla_gc_mask(name, strlen(name)) };
	return vla_pipeline_add_norm(p, &s, err);
}

vla_status vla_pipeline_add_bert(vla_pipeline *p, bool clean, bool ideographs, bool strip_accents, bool lower,
				 vla_err *err)
{
	if (clean)
		VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_CONTROLS, NULL, err));
	if (ideographs)
		VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_IDEOGRAPHS, NULL, err));
	if (strip_accents) {
		VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_NFD, NULL, err));
		VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_ACCENTS, NULL, err));
	}
	return lower ? vla_pipeline_add_simple(p, VLA_NORM_LOWER, NULL, err) : VLA_OK;
}

vla_status vla_pipeline_add_bert_cut(vla_pipeline *p, vla_err *err)
{
	VLA_TRY(vla_pipeline_add_split(p, "\\s+", VLA_SPLIT_REMOVED, false, err));
	return vla_pipeline_add_split(p, VLA_PUNCTUATION_PATTERN, VLA_SPLIT_ISOLATED, false, err);
}

vla_status vla_pipeline_add_metaspace(vla_pipeline *p, const char *mark, vla_prefix_scheme prefix, bool split,
				      vla_err *err)
{
	vla_cut c = { NULL, VLA_SPLIT_MERGED_WITH_NEXT, false, "", prefix };
	if (!*mark || strlen(mark) >= sizeof c.mark)
		return vla_fail(err, VLA_EUNSUPPORTED, "a Metaspace replacement of %zu bytes is not supported",
				strlen(mark));
	memcpy(c.mark, mark, strlen(mark));
	if (split)
		VLA_TRY(vla_pattern_literal(mark, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}
