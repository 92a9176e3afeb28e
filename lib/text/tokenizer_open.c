/* Finds out which tokenizer a model directory holds and reads it. */
#include "text/tokenizer.h"

#include "io/file.h"

static vla_status open_json(const char *path, vla_tokenizer **out, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status st = vla_read_file(path, VLA_MAX_TOKENIZER_FILE, &b, err);
	if (st == VLA_OK) {
		st = vla_tokenizer_parse_json(b.data, b.n, out, err);
		if (st != VLA_OK)
			vla_prefix(err, st, "%s", path);
	}
	vla_buf_release(&b);
	return st;
}

vla_status vla_tokenizer_open(const char *dir, vla_tokenizer **out, vla_err *err)
{
	char *path = vla_format("%s/tokenizer.json", dir);
	if (!path)
		return vla_nomem(err);
	vla_status st = open_json(path, out, err);
	free(path);
	return st;
}
