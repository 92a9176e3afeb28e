/* Where models are: a path, else a name in the directories of VLA_PATH, else beside the library (PREFIX/lib/libvla.so
 * -> PREFIX/share/vla/models), so that an installed tree can be moved. */
#define _GNU_SOURCE
#include "model/model.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dir(const char *path)
{
	struct stat sb;
	return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

char *vla_model_dir(const char *path, const vla_checkpoint *ckpt)
{
	const char *slash = strrchr(path, '/');
	if (is_dir(path) || vla_checkpoint_meta(ckpt, "vla.packed"))
		return vla_strdup(path);
	return slash ? vla_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : vla_strdup(".");
}

// Tries root/name; notes it in `tried` when it is not there.
static char *attempt(const char *root, size_t n, const char *rest, const char *name, vla_buf *tried, vla_err *err)
{
	char *path = vla_format("%.*s%s/%s", (int)n, root, rest, name);
	if (!path || is_dir(path))
		return path;
	vla_status st = vla_buf_addf(tried, err, "%s'%s'", tried->n ? ", " : "", path);
	(void)st; // only the message gets shorter
	free(path);
	return NULL;
}

static char *beside_library(const char *name, vla_buf *tried, vla_err *err)
{
	Dl_info info;
	if (!dladdr((const void *)(uintptr_t)vla_model_locate, &info) || !info.dli_fname)
		return NULL;
	const char *slash = strrchr(info.dli_fname, '/');
	if (!slash)
		return attempt("../share/vla/models", 19, "", name, tried, err);
	return attempt(info.dli_fname, (size_t)(slash - info.dli_fname), "/../share/vla/models", name, tried, err);
}

vla_status vla_model_locate(const char *dir_or_name, char **out, vla_err *err)
{
	const char *name = dir_or_name ? dir_or_name : "vla-mini", *p = getenv("VLA_PATH");
	vla_buf tried = { NULL, 0, 0 };
	*out = NULL;
	if (dir_or_name && (strchr(name, '/') || access(name, F_OK) == 0))
		return (*out = vla_strdup(name)) ? VLA_OK : vla_nomem(err);
	while (p && *p && !*out) {
		size_t n = strcspn(p, ":");
		if (n)
			*out = attempt(p, n, "", name, &tried, err);
		p += n + (p[n] == ':');
	}
	if (!*out)
		*out = beside_library(name, &tried, err);
	vla_status st = VLA_OK;
	if (!*out)
		st = vla_fail(err, VLA_EIO, "no model '%s'; looked for %s", name, tried.n ? tried.data : "nothing");
	vla_buf_release(&tried);
	return st;
}
