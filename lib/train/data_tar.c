/* Tar shards in the WebDataset manner: members with one name before the first dot belong together; pictures, .txt
 * captions, .cls classes, .json objects with "caption" and "label". */
#include "train/data.h"

#include <vla/tar.h>

#include <ctype.h>
#include <jansson.h>
#include <strings.h>

#define MAX_TEXT (1u << 20)
#define MAX_SHARDS 1000000

static bool ends(const char *ext, const char *const *list)
{
	for (; *list; list++)
		if (!strcasecmp(ext, *list))
			return true;
	return false;
}

static vla_status set_class(vla_corpus *c, vla_data *d, vla_example *e, const char *label, vla_err *err)
{
	if (e->label != VLA_NONE || !*label)
		return VLA_OK;
	VLA_TRY(vla_data_set_label(c, e, label, err));
	VLA_TRY(vla_data_add_name(d, e, label, 0, err));
	vla_data_share_names(d, e);
	return VLA_OK;
}

static vla_status take_json(vla_corpus *c, vla_data *d, vla_example *e, const char *text, size_t n, vla_err *err)
{
	json_error_t je;
	json_t *o = json_loadb(text, n, 0, &je);
	if (!json_is_object(o)) {
		json_decref(o);
		return vla_fail(err, VLA_EFORMAT, "'%s': a .json member is no JSON object", e->id);
	}
	static const char *const caption[] = { "caption", "text", "captions" }, *const label[] = { "label", "class" };
	vla_status s = VLA_OK;
	for (int i = 0; i < 3 && s == VLA_OK; i++) {
		const json_t *v = json_object_get(o, caption[i]);
		if (json_is_string(v))
			s = vla_data_add_text(d, e, json_string_value(v), err);
		for (size_t k = 0; k < json_array_size(v) && s == VLA_OK; k++)
			if (json_is_string(json_array_get(v, k)))
				s = vla_data_add_text(d, e, json_string_value(json_array_get(v, k)), err);
	}
	for (int i = 0; i < 2 && s == VLA_OK; i++)
		if (json_is_string(json_object_get(o, label[i])))
			s = set_class(c, d, e, json_string_value(json_object_get(o, label[i])), err);
	json_decref(o);
	return s;
}

static vla_status take_text(vla_corpus *c, vla_data *d, vla_example *e, vla_tar *t, const vla_tar_member *m,
			    const char *ext, vla_err *err)
{
	if (m->size > MAX_TEXT)
		return vla_fail(err, VLA_EFORMAT, "'%s' is larger than a text can be (1 MiB)", m->name);
	char *text = vla_alloc((size_t)m->size + 1, 1);
	if (!text)
		return vla_nomem(err);
	size_t n = (size_t)m->size;
	vla_status s = vla_tar_read(t, text, err);
	while (s == VLA_OK && n && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = 0;
	if (s == VLA_OK && !strcasecmp(ext, ".json"))
		s = take_json(c, d, e, text, n, err);
	else if (s == VLA_OK && !strcasecmp(ext, ".cls"))
		s = set_class(c, d, e, text, err);
	else if (s == VLA_OK)
		s = vla_data_add_text(d, e, text, err);
	free(text);
	return s;
}

static vla_status take_member(vla_corpus *c, vla_data *d, const char *shard, vla_tar *t, const vla_tar_member *m,
			      uint64_t limit, vla_err *err)
{
	static const char *const picture[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm", NULL };
	static const char *const text[] = { ".txt", ".json", ".cls", NULL };
	const char *base = strrchr(m->name, '/'), *dot = strchr(base ? base + 1 : m->name, '.');
	if (!dot || (!ends(dot, picture) && !ends(dot, text)))
		return VLA_OK;
	char *id = vla_strndup(m->name, (size_t)(dot - m->name));
	if (!id)
		return vla_nomem(err);
	vla_example *e = NULL;
	bool fresh, full = limit && d->n >= limit && vla_intern_find(&d->ids, id) == UINT32_MAX;
	vla_status s = full ? VLA_OK : vla_data_example(d, id, &fresh, &e, err);
	free(id);
	if (s != VLA_OK || !e)
		return s;
	if (!ends(dot, picture))
		return take_text(c, d, e, t, m, dot, err);
	if (e->picture != VLA_NONE)
		return vla_fail(err, VLA_EFORMAT, "'%s' has two pictures", e->id);
	return m->size ? vla_data_add_picture(d, e, shard, m->offset, m->size, err) : VLA_OK;
}

static vla_status read_shard(vla_corpus *c, vla_data *d, const char *path, uint64_t limit, vla_err *err)
{
	vla_tar *t;
	vla_tar_member m;
	VLA_TRY(vla_tar_open(path, &t, err));
	vla_status s;
	while ((s = vla_tar_next(t, &m, err)) == VLA_OK) {
		s = take_member(c, d, path, t, &m, limit, err);
		if (s != VLA_OK)
			break;
	}
	vla_tar_close(t);
	if (s == VLA_EOF)
		return VLA_OK;
	return vla_prefix(err, s, "%s", path);
}

// shard-{000..009}.tar stands for ten files.
static vla_status read_range(vla_corpus *c, vla_data *d, const char *pattern, uint64_t limit, vla_err *err)
{
	const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
	if (!open)
		return read_shard(c, d, pattern, limit, err);
	char *end = NULL;
	unsigned long long first = strtoull(open + 1, &end, 10), last = 0;
	int width = (int)(end - open) - 1;
	bool good = width > 0 && close && !strncmp(end, "..", 2);
	if (good) {
		last = strtoull(end + 2, &end, 10);
		good = end == close && last >= first && last - first < MAX_SHARDS;
	}
	if (!good)
		return vla_fail(err, VLA_EFORMAT, "'%s': a range of shards is {000..009}", pattern);
	for (unsigned long long i = first; i <= last; i++) {
		char *path = vla_format("%.*s%0*llu%s", (int)(open - pattern), pattern, width, i, close + 1);
		vla_status s = path ? read_shard(c, d, path, limit, err) : vla_nomem(err);
		free(path);
		VLA_TRY(s);
	}
	return VLA_OK;
}

vla_status vla_data_read_tar(vla_corpus *c, vla_data *d, vla_err *err)
{
	const vla_recipe *r = c->recipe;
	char **list;
	size_t n;
	uint64_t limit = (uint64_t)vla_recipe_int(r, "data", d->sec, "limit");
	VLA_TRY(vla_split_list(vla_recipe_text(r, "data", d->sec, "tar"), ',', &list, &n, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		char *path = vla_recipe_path(r, d->root, list[i]);
		s = path ? read_range(c, d, path, limit, err) : vla_nomem(err);
		free(path);
	}
	free(list);
	return s;
}
