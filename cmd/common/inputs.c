/* Walks over operands, lists of names and directories. */
#include "common/inputs.h"
#include "common/diag.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct inputs_dir {
	struct inputs_dir *up;
	char *path;
	char **name; // [n], sorted
	size_t n, at;
};

static void *grow(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		die("out of memory");
	return p;
}

void inputs_init(struct inputs *in, char *const *operand, int n, const struct opt_common *com)
{
	static char *const from_stdin[] = { "-" };
	*in = (struct inputs){ .operand = operand, .n = (size_t)n, .null = com->null, .recursive = com->recursive };
	if (com->files_from) {
		in->list_name = com->files_from;
		in->list = strcmp(com->files_from, "-") == 0 ? stdin : fopen(com->files_from, "r");
		if (!in->list)
			die("cannot open '%s':", com->files_from);
	} else if (n == 0) {
		refuse_terminal_input();
		in->operand = from_stdin;
		in->n = 1;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void pop_dir(struct inputs *in)
{
	struct inputs_dir *d = in->dir;
	in->dir = d->up;
	for (size_t i = d->at; i < d->n; i++)
		free(d->name[i]);
	free(d->name);
	free(d->path);
	free(d);
}

static void push_dir(struct inputs *in, const char *path)
{
	DIR *dir = opendir(path);
	if (!dir) {
		warn("cannot open directory '%s':", path);
		return;
	}
	struct inputs_dir *d = grow(NULL, sizeof *d);
	*d = (struct inputs_dir){ .up = in->dir, .path = strdup(path) };
	if (!d->path)
		die("out of memory");
	size_t cap = 0;
	struct dirent *e;
	for (errno = 0; (e = readdir(dir)) != NULL; errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (d->n == cap)
			d->name = grow(d->name, (cap = cap ? cap * 2 : 64) * sizeof *d->name);
		if (!(d->name[d->n++] = strdup(e->d_name)))
			die("out of memory");
	}
	if (errno)
		warn("cannot read directory '%s':", path);
	closedir(dir);
	if (d->n)
		qsort(d->name, d->n, sizeof *d->name, by_name);
	in->dir = d;
}

static bool ending_fits(const struct inputs *in, const char *name)
{
	size_t n = strlen(name);
	if (!in->endings)
		return true;
	for (size_t i = 0; in->endings[i]; i++) {
		size_t k = strlen(in->endings[i]);
		if (n > k && strcasecmp(name + n - k, in->endings[i]) == 0)
			return true;
	}
	return false;
}

// The next file of the innermost directory, or NULL when it is used up or a deeper one was opened.
static const char *next_in_dir(struct inputs *in)
{
	struct inputs_dir *d = in->dir;
	if (d->at == d->n) {
		pop_dir(in);
		return NULL;
	}
	char *name = d->name[d->at++];
	size_t need = strlen(d->path) + strlen(name) + 2;
	if (need > in->cap)
		in->path = grow(in->path, in->cap = need * 2);
	size_t k = strlen(d->path);
	snprintf(in->path, in->cap, "%s%s%s", d->path, k && d->path[k - 1] == '/' ? "" : "/", name);
	free(name);
	struct stat link, st;
	if (lstat(in->path, &link) != 0 || stat(in->path, &st) != 0) {
		warn("cannot read '%s':", in->path);
		return NULL;
	}
	if (S_ISDIR(st.st_mode)) {
		if (!S_ISLNK(link.st_mode))
			push_dir(in, in->path);
		return NULL;
	}
	return ending_fits(in, in->path) ? in->path : NULL;
}

static const char *next_listed(struct inputs *in)
{
	ssize_t n;
	do {
		n = getdelim(&in->path, &in->cap, in->null ? 0 : '\n', in->list);
		if (n > 0 && !in->null && in->path[n - 1] == '\n')
			in->path[--n] = 0;
	} while (n == 0 || (n > 0 && !in->path[0]));
	if (n > 0)
		return in->path;
	if (ferror(in->list))
		die("cannot read '%s':", in->list_name);
	if (in->list != stdin)
		fclose(in->list);
	in->list = NULL;
	return NULL;
}

const char *inputs_next(struct inputs *in)
{
	for (;;) {
		const char *path;
		if (in->dir) {
			path = next_in_dir(in);
			if (path)
				return path;
			continue;
		}
		path = in->list ? next_listed(in) : NULL;
		if (!path && !in->list && in->at < in->n)
			path = in->operand[in->at++];
		if (!path)
			return NULL;
		struct stat st;
		if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
			return path;
		if (in->recursive)
			push_dir(in, path);
		else
			warn("'%s' is a directory (use -r)", path);
	}
}

void inputs_release(struct inputs *in)
{
	while (in->dir)
		pop_dir(in);
	if (in->list && in->list != stdin)
		fclose(in->list);
	free(in->path);
	*in = (struct inputs){ 0 };
}
