/* Finds out which tokenizer a model directory holds and reads it. */
#include "text/tokenizer.h"

#include "io/file.h"

#include <sys/stat.h>
#include <zlib.h>

static const char clip_name[] = "bpe_simple_vocab_16e6.txt";

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* dir/name when there is such a file, NULL otherwise. *st is set when memory is short. */
static char *path_of(const char *dir, const char *name, vla_status *st, vla_err *err)
{
	char *path = vla_format("%s/%s", dir, name);
	if (!path)
		*st = vla_nomem(err);
	if (path && !is_file(path)) {
		free(path);
		return NULL;
	}
	return path;
}

/* The whole of a file that may be packed with gzip, with a 0 at its end. */
static vla_status read_packed(const char *path, vla_buf *b, vla_err *err)
{
	gzFile f = gzopen(path, "rb");
	vla_status st = VLA_OK;
	int n = 0;
	if (!f)
		return vla_fail(err, VLA_EIO, "cannot open '%s'", path);
	do {
		st = vla_buf_reserve(b, 1 << 16, err);
		if (st == VLA_OK && (n = gzread(f, b->data + b->n, (1 << 16) - 1)) > 0)
			b->n += (size_t)n;
		if (st == VLA_OK && b->n > VLA_MAX_TOKENIZER_FILE)
			st = vla_fail(err, VLA_EFORMAT, "'%s' is too large", path);
	} while (st == VLA_OK && n > 0);
	if (st == VLA_OK && n < 0)
		st = vla_fail(err, VLA_ECORRUPT, "cannot unpack '%s'", path);
	gzclose(f);
	if (st == VLA_OK)
		b->data[b->n] = 0;
	return st;
}

static vla_status open_clip(const char *path, vla_tokenizer **out, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status st = read_packed(path, &b, err);
	if (st == VLA_OK) {
		st = vla_tokenizer_parse_clip(b.data, out, err);
		if (st != VLA_OK)
			vla_prefix(err, st, "%s", path);
	}
	vla_buf_release(&b);
	return st;
}

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

static vla_status open_pair(const char *vocab_path, const char *merges_path, vla_tokenizer **out, vla_err *err)
{
	vla_buf vocab = { NULL, 0, 0 }, merges = { NULL, 0, 0 };
	vla_status st = vla_read_file(vocab_path, VLA_MAX_TOKENIZER_FILE, &vocab, err);
	if (st == VLA_OK)
		st = vla_read_file(merges_path, VLA_MAX_TOKENIZER_FILE, &merges, err);
	if (st == VLA_OK) {
		st = vla_tokenizer_parse_merges(vocab.data, vocab.n, merges.data, out, err);
		if (st != VLA_OK)
			vla_prefix(err, st, "%s", vocab_path);
	}
	vla_buf_release(&vocab);
	vla_buf_release(&merges);
	return st;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n >= k && strcmp(s + n - k, end) == 0;
}

static vla_status open_file(const char *path, vla_tokenizer **out, vla_err *err)
{
	return ends_in(path, ".json") ? open_json(path, out, err) : open_clip(path, out, err);
}

static vla_status open_dir(const char *dir, vla_tokenizer **out, vla_err *err)
{
	vla_status st = VLA_OK;
	char *json = path_of(dir, "tokenizer.json", &st, err), *vocab = path_of(dir, "vocab.json", &st, err);
	char *merges = path_of(dir, "merges.txt", &st, err), *clip = NULL;
	char packed[sizeof clip_name + 3];
	snprintf(packed, sizeof packed, "%s.gz", clip_name);
	clip = path_of(dir, packed, &st, err);
	if (!clip)
		clip = path_of(dir, clip_name, &st, err);
	if (st != VLA_OK)
		goto out;
	if (json)
		st = open_json(json, out, err);
	else if (vocab && merges)
		st = open_pair(vocab, merges, out, err);
	else if (clip)
		st = open_clip(clip, out, err);
	else
		st = vla_fail(err, VLA_EIO,
			      "'%s' holds no tokenizer: looked for tokenizer.json, vocab.json with merges.txt, "
			      "%s.gz",
			      dir, clip_name);
out:
	free(json);
	free(vocab);
	free(merges);
	free(clip);
	return st;
}

vla_status vla_tokenizer_open(const char *dir, vla_tokenizer **out, vla_err *err)
{
	return is_file(dir) ? open_file(dir, out, err) : open_dir(dir, out, err);
}
