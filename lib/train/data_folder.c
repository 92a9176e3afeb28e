/* A folder with one folder of pictures for each class; the class is the folder's name with '_' read as a blank. */
#include "train/data.h"

#include <dirent.h>
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_DEPTH 8

static bool picture_name(const char *s)
{
	static const char *const ext[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm" };
	const char *dot = strrchr(s, '.');
	for (size_t i = 0; dot && i < sizeof ext / sizeof *ext; i++)
		if (!strcasecmp(dot, ext[i]))
			return true;
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

// Names in a folder, sorted, without those that begin with a dot.
static vla_status list_folder(const char *path, char ***out, size_t *count, vla_err *err)
{
	DIR *dir = opendir(path);
	if (!dir)
		return vla_fail(err, VLA_EIO, "cannot open '%s': %s", path, strerror(errno));
	char **list = NULL;
	size_t n = 0, cap = 0;
	vla_status s = VLA_OK;
	for (struct dirent *e; s == VLA_OK && (e = readdir(dir));) {
		if (*e->d_name == '.')
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			char **p = vla_realloc(list, cap, sizeof *p);
			if (!p) {
				s = vla_nomem(err);
				break;
			}
			list = p;
		}
		list[n] = vla_strdup(e->d_name);
		if (!list[n])
			s = vla_nomem(err);
		else
			n++;
	}
	closedir(dir);
	if (s != VLA_OK) {
		free_list(list, n);
		return s;
	}
	if (n)
		qsort(list, n, sizeof *list, by_text);
	*out = list;
	*count = n;
	return VLA_OK;
}

static vla_status add_file(vla_corpus *c, vla_data *d, const char *path, const char *id, const char *class,
			   vla_err *err)
{
	vla_example *e;
	bool fresh;
	VLA_TRY(vla_data_example(d, id, &fresh, &e, err));
	VLA_TRY(vla_data_add_picture(d, e, path, 0, 0, err));
	char *name = vla_strdup(class);
	if (!name)
		return vla_nomem(err);
	for (char *p = name; *p; p++)
		if (*p == '_')
			*p = ' ';
	vla_status s = vla_data_set_label(c, e, name, err);
	if (s == VLA_OK)
		s = vla_data_add_name(d, e, name, 0, err);
	free(name);
	if (s == VLA_OK)
		vla_data_share_names(d, e);
	return s;
}

// class NULL at the top: the folders there are the classes.
static vla_status walk(vla_corpus *c, vla_data *d, const char *path, const char *id, const char *class, int depth,
		       uint64_t limit, vla_err *err)
{
	char **list = NULL;
	size_t n = 0;
	if (depth > MAX_DEPTH)
		return VLA_OK;
	VLA_TRY(list_folder(path, &list, &n, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK && !(limit && d->n >= limit); i++) {
		char *sub = vla_format("%s/%s", path, list[i]),
		     *sub_id = vla_format("%s%s%s", id, *id ? "/" : "", list[i]);
		struct stat st;
		if (!sub || !sub_id)
			s = vla_nomem(err);
		else if (stat(sub, &st) == 0 && S_ISDIR(st.st_mode))
			s = walk(c, d, sub, sub_id, class ? class : list[i], depth + 1, limit, err);
		else if (class && picture_name(list[i]))
			s = add_file(c, d, sub, sub_id, class, err);
		free(sub);
		free(sub_id);
	}
	free_list(list, n);
	return s;
}

vla_status vla_data_read_folder(vla_corpus *c, vla_data *d, vla_err *err)
{
	const vla_recipe *r = c->recipe;
	char *path = vla_recipe_path(r, d->root, vla_recipe_text(r, "data", d->sec, "folder"));
	if (!path)
		return vla_nomem(err);
	uint64_t limit = (uint64_t)vla_recipe_int(r, "data", d->sec, "limit");
	vla_status s = walk(c, d, path, "", NULL, 0, limit, err);
	free(path);
	return s;
}
