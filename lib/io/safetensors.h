/* One safetensors file in memory: its header checked and turned into tensor records. */
#ifndef VLA_IO_SAFETENSORS_H
#define VLA_IO_SAFETENSORS_H

#include "base/base.h"

#include <vla/checkpoint.h>

#include <jansson.h>

#define VLA_SAFETENSORS_MAX_HEADER ((uint64_t)100000000)

/* bytes [n]: a whole file. Fills *header (owner: caller, json_decref), whose keys are the names in *t; *t [*count] is
 * sorted by name (owner: caller, free). VLA_OK, VLA_EFORMAT, VLA_ETRUNC, VLA_ECORRUPT, VLA_EUNSUPPORTED, VLA_ENOMEM. */
vla_status vla_safetensors_parse(const void *bytes, size_t n, json_t **header, vla_ct **t, size_t *count,
				 vla_err *err) VLA_MUST_USE;

/* The header as bytes ready to write, length field included, padded to a multiple of 64. src in file order: that of
 * `order` [n]. A metadata list of key, value, ..., NULL or NULL. */
vla_status vla_safetensors_header(const vla_ct *src, const size_t *order, size_t n, const char *const *meta,
				  vla_buf *out, vla_err *err) VLA_MUST_USE;

#endif
