/* Tables of keys over jansson objects. Every number from a file is checked against its limits here, once. */
#include "model/config.h"

#include "io/file.h"
#include "io/json.h"

#include <math.h>

#define MAX_CONFIG ((size_t)64 << 20)

static vla_status bad(vla_err *err, const char *where, const vla_key *k, const char *what)
{
	return vla_fail(err, VLA_EFORMAT, "%s: '%s' %s", where, k->name, what);
}

static vla_status read_enum(const json_t *v, const char *where, const vla_key *k, int *out, vla_err *err)
{
	const char *s = json_string_value(v);
	if (!s)
		return bad(err, where, k, "is not a string");
	size_t n = 0;
	for (; k->names[n]; n++)
		if (strcmp(s, k->names[n]) == 0) {
			*out = (int)n;
			return VLA_OK;
		}
	const char *near = vla_nearest(s, k->names, n);
	return vla_fail(err, VLA_EFORMAT, "%s: '%s' is '%s', which is not known; nearest: '%s'", where, k->name, s,
			near ? near : k->names[0]);
}

static vla_status put_number(double x, const char *where, const vla_key *k, void *field, vla_err *err)
{
	bool whole = k->kind != VLA_KEY_F32;
	if (!(x >= k->min && x <= k->max) || (whole && x != floor(x)))
		return vla_fail(err, VLA_EFORMAT, "%s: '%s' is %g, not %s%g to %g", where, k->name, x,
				whole ? "a whole number of " : "", k->min, k->max);
	if (k->kind == VLA_KEY_U32)
		*(uint32_t *)field = (uint32_t)x;
	else if (k->kind == VLA_KEY_SIZE)
		*(size_t *)field = (size_t)x;
	else
		*(float *)field = (float)x;
	return VLA_OK;
}

static vla_status read_key(const json_t *v, const char *where, const vla_key *k, void *field, vla_err *err)
{
	bool absent = !v || json_is_null(v);
	if (absent && isnan(k->dflt))
		return bad(err, where, k, "is missing");
	switch (k->kind) {
	case VLA_KEY_BOOL:
		if (!absent && !json_is_boolean(v))
			return bad(err, where, k, "is neither true nor false");
		*(bool *)field = absent ? k->dflt != 0 : json_is_true(v);
		return VLA_OK;
	case VLA_KEY_ACT:
		*(vla_act *)field = (vla_act)(absent ? k->dflt : 0);
		if (absent)
			return VLA_OK;
		if (!json_is_string(v))
			return bad(err, where, k, "is not a string");
		return vla_act_parse(json_string_value(v), field, err);
	case VLA_KEY_ENUM:
		*(int *)field = (int)(absent ? k->dflt : 0);
		return absent ? VLA_OK : read_enum(v, where, k, field, err);
	default:
		if (!absent && !json_is_number(v))
			return bad(err, where, k, "is not a number");
		return put_number(absent ? k->dflt : json_number_value(v), where, k, field, err);
	}
}

vla_status vla_keys_read(const json_t *obj, const char *where, const vla_key *keys, size_t n, void *base, vla_err *err)
{
	if (obj && !json_is_object(obj))
		return vla_fail(err, VLA_EFORMAT, "%s is not an object", where);
	for (size_t i = 0; i < n; i++)
		VLA_TRY(read_key(json_object_get(obj, keys[i].name), where, &keys[i], (char *)base + keys[i].offset,
				 err));
	return VLA_OK;
}

vla_status vla_keys_check(const json_t *obj, const char *where, const vla_key *keys, size_t n, const char *const *also,
			  vla_err *err)
{
	const char *known[64], *name;
	size_t nk = 0;
	json_t *v;
	for (size_t i = 0; i < n && nk < 64; i++)
		known[nk++] = keys[i].name;
	for (size_t i = 0; also && also[i] && nk < 64; i++)
		known[nk++] = also[i];
	json_object_foreach((json_t *)obj, name, v)
	{
		size_t i = 0;
		while (i < nk && strcmp(known[i], name) != 0)
			i++;
		if (i < nk)
			continue;
		const char *near = vla_nearest(name, known, nk);
		return vla_fail(err, VLA_EFORMAT, "%s: unknown key '%s'%s%s%s", where, name, near ? "; nearest: '" : "",
				near ? near : "", near ? "'" : "");
	}
	return VLA_OK;
}

vla_status vla_json_read_path(const char *path, json_t **out, vla_err *err)
{
	vla_buf text = { NULL, 0, 0 };
	*out = NULL;
	vla_status st = vla_read_file(path, MAX_CONFIG, &text, err);
	if (st == VLA_OK) {
		st = vla_json_parse(text.data, text.n, JSON_REJECT_DUPLICATES, out, err);
		if (st == VLA_OK && !json_is_object(*out))
			st = vla_fail(err, VLA_EFORMAT, "not a JSON object");
		if (st != VLA_OK) {
			vla_prefix(err, st, "'%s'", path);
			json_decref(*out);
			*out = NULL;
		}
	}
	vla_buf_release(&text);
	return st;
}

vla_status vla_json_read(const char *dir, const char *name, bool optional, json_t **out, vla_err *err)
{
	*out = NULL;
	char *path = vla_format("%s/%s", dir, name);
	if (!path)
		return vla_nomem(err);
	bool absent = optional && !vla_is_file(path);
	vla_status st = absent ? VLA_OK : vla_json_read_path(path, out, err);
	free(path);
	return st;
}
