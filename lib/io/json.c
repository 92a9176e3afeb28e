/* jansson reports most failed allocations as no error or as one without text; where memory runs out inside a string, as
 * a syntax error, which cannot be told from a real one. */
#include "io/json.h"

vla_status vla_json_parse(const char *text, size_t n, size_t flags, json_t **out, vla_err *err)
{
	json_error_t je;
	*out = json_loadb(text, n, flags, &je);
	if (*out)
		return VLA_OK;
	enum json_error_code code = json_error_code(&je);
	if (!je.text[0] || code == json_error_unknown || code == json_error_out_of_memory)
		return vla_nomem(err);
	return vla_fail(err, code == json_error_premature_end_of_input ? VLA_ETRUNC : VLA_EFORMAT, "line %d: %s",
			je.line, je.text);
}
