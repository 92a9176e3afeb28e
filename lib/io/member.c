/* Files inside a packed model. Its header is read again for each of them, which takes less than a millisecond. */
#include "io/file.h"

#include <vla/checkpoint.h>

#include <sys/stat.h>

static bool is_plain(const char *path)
{
	struct stat sb;
	return stat(path, &sb) == 0 && S_ISREG(sb.st_mode);
}

// Opens the file that path is a member of; NULL when it is none.
static const vla_ct *open_member(const char *path, vla_checkpoint **c)
{
	const char *slash = strrchr(path, '/');
	char *pack = slash ? vla_strndup(path, (size_t)(slash - path)) : NULL;
	char *name = slash ? vla_format("%s%s", VLA_MEMBER, slash + 1) : NULL;
	const vla_ct *t = NULL;
	*c = NULL;
	if (pack && name && is_plain(pack) && vla_checkpoint_open(pack, c, NULL) == VLA_OK)
		t = vla_checkpoint_get(*c, name);
	free(pack);
	free(name);
	return t && t->dtype == VLA_U8 ? t : NULL;
}

bool vla_is_file(const char *path)
{
	vla_checkpoint *c = NULL;
	bool is = is_plain(path) || open_member(path, &c);
	vla_checkpoint_close(c);
	return is;
}

bool vla_is_pack(const char *path)
{
	vla_checkpoint *c = NULL;
	bool is =
		is_plain(path) && vla_checkpoint_open(path, &c, NULL) == VLA_OK && vla_checkpoint_meta(c, "vla.packed");
	vla_checkpoint_close(c);
	return is;
}

vla_status vla_member_read(const char *path, size_t limit, vla_buf *b, vla_err *err)
{
	vla_checkpoint *c;
	const vla_ct *t = open_member(path, &c);
	vla_status st = VLA_OK;
	b->n = 0;
	if (!t)
		st = vla_fail(err, VLA_EIO, "cannot open '%s'", path);
	else if (t->bytes > limit)
		st = vla_fail(err, VLA_EFORMAT, "'%s' has more than %zu bytes", path, limit);
	else if ((st = vla_buf_reserve(b, t->bytes + 1, err)) == VLA_OK) {
		memcpy(b->data, t->data, t->bytes);
		b->n = t->bytes;
		b->data[b->n] = 0;
	}
	vla_checkpoint_close(c);
	return st;
}
