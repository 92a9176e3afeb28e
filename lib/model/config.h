/* Reading configuration files: a table of keys fills the fields of a struct, with defaults and limits. */
#ifndef VLA_MODEL_CONFIG_H
#define VLA_MODEL_CONFIG_H

#include "base/base.h"
#include "kern/kern.h"

#include <jansson.h>

typedef enum vla_key_kind {
	VLA_KEY_U32,  /* uint32_t */
	VLA_KEY_SIZE, /* size_t */
	VLA_KEY_F32,  /* float */
	VLA_KEY_BOOL, /* bool */
	VLA_KEY_ACT,  /* vla_act, by its name */
	VLA_KEY_ENUM  /* int: the index of the word in names */
} vla_key_kind;

typedef struct vla_key {
	const char *name;
	vla_key_kind kind;
	size_t offset;
	double dflt; /* NAN: the key must be there */
	double min, max;
	const char *const *names; /* NULL-terminated */
} vla_key;

/* obj may be NULL (all defaults); a null value counts as absent. `where` begins the messages: "config.json:
 * vision_config". */
vla_status vla_keys_read(const json_t *obj, const char *where, const vla_key *keys, size_t n, void *base,
			 vla_err *err) VLA_MUST_USE;
/* VLA_EFORMAT with the nearest known key when obj has one that is in neither list; also: NULL-terminated. */
vla_status vla_keys_check(const json_t *obj, const char *where, const vla_key *keys, size_t n, const char *const *also,
			  vla_err *err) VLA_MUST_USE;

/* A file as a JSON object; the message names it. Free with json_decref. */
vla_status vla_json_read_path(const char *path, json_t **out, vla_err *err) VLA_MUST_USE;
/* dir/name as a JSON object. An absent file is VLA_EIO, or *out = NULL when optional. Free with json_decref. */
vla_status vla_json_read(const char *dir, const char *name, bool optional, json_t **out, vla_err *err) VLA_MUST_USE;

#endif
