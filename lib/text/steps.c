/* The steps of tokenizer.json that need more than a flag, built from their names. */
#include "text/tokenizer.h"

/* The pattern that a byte-level step cuts with (GPT-2). */
static const char byte_level_pattern[] =
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

vla_status vla_pipeline_add_split(vla_pipeline *p, const char *pattern, vla_split_behavior behavior, bool invert,
				  vla_err *err)
{
	vla_cut c = { NULL, behavior, invert, false };
	VLA_TRY(vla_pattern_new(pattern, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

vla_status vla_pipeline_add_byte_level(vla_pipeline *p, bool prefix_space, bool regex, vla_err *err)
{
	vla_cut c = { NULL, VLA_SPLIT_ISOLATED, false, prefix_space };
	if (regex)
		VLA_TRY(vla_pattern_new(byte_level_pattern, &c.pattern, err));
	return vla_pipeline_add_cut(p, &c, err);
}

vla_status vla_pipeline_add_simple(vla_pipeline *p, vla_norm_kind kind, const char *content, vla_err *err)
{
	vla_norm s = { kind, NULL, NULL, true, true };
	if (content && !(s.content = vla_strdup(content)))
		return vla_nomem(err);
	return vla_pipeline_add_norm(p, &s, err);
}

vla_status vla_pipeline_add_replace(vla_pipeline *p, const char *pattern, bool regex, const char *content, vla_err *err)
{
	vla_norm s = { VLA_NORM_REPLACE, NULL, NULL, false, false };
	VLA_TRY(regex ? vla_pattern_new(pattern, &s.pattern, err) : vla_pattern_literal(pattern, &s.pattern, err));
	s.content = vla_strdup(content);
	if (!s.content) {
		vla_pattern_free(s.pattern);
		return vla_nomem(err);
	}
	return vla_pipeline_add_norm(p, &s, err);
}
