/* JSON text, written piece by piece into a buffer. The first failure is kept and everything after it does nothing, so
 * that a writer looks once, at the end.
 *
 *	vla_json_out j = { 0 };
 *	vla_json_open(&j, NULL, '{');
 *	vla_json_text(&j, "name", "a \"b\"");
 *	vla_json_close(&j, '}');
 *	status = j.status == VLA_OK ? use(j.b.data, j.b.n) : vla_nomem(err);
 *	vla_buf_release(&j.b);
 */
#ifndef VLA_IO_JSON_OUT_H
#define VLA_IO_JSON_OUT_H

#include "base/base.h"

typedef struct vla_json_out {
	vla_buf b;
	vla_status status;
	bool comma; // a value stands before the next one
} vla_json_out;

/* key NULL: an element of a list, or the outermost value. bracket '{' or '['. */
void vla_json_open(vla_json_out *j, const char *key, char bracket);
void vla_json_close(vla_json_out *j, char bracket);
/* s is valid UTF-8, or NULL, which is written as null. */
void vla_json_text(vla_json_out *j, const char *key, const char *s);
void vla_json_int(vla_json_out *j, const char *key, int64_t v);
/* With `digits` decimals, trailing zeros left out; v is finite. */
void vla_json_number(vla_json_out *j, const char *key, double v, int digits);
void vla_json_bool(vla_json_out *j, const char *key, bool v);
/* n numbers as a list. */
void vla_json_numbers(vla_json_out *j, const char *key, const double *v, size_t n, int digits);
/* JSON text as it is. */
void vla_json_raw(vla_json_out *j, const char *key, const char *text, size_t n);
void vla_json_reset(vla_json_out *j); /* empty again, memory kept */

#endif
