/* JSON from memory, with the library's statuses for what jansson reports. */
#ifndef VLA_IO_JSON_H
#define VLA_IO_JSON_H

#include "base/base.h"

#include <jansson.h>

/* flags: of json_loadb. VLA_OK, VLA_EFORMAT, VLA_ETRUNC (the text ends too early), VLA_ENOMEM; the message begins with
 * the line. Free *out with json_decref. */
vla_status vla_json_parse(const char *text, size_t n, size_t flags, json_t **out, vla_err *err) VLA_MUST_USE;

#endif
