/* Finds out which tokenizer a model directory holds and reads it. */
#include "text/tokenizer.h"

#include "io/file.h"

#include <zlib.h>

static bool is_file(const char *path)
{
	return vla_is_file(path);
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
	if (!f) // inside a packed model it is stored unpacked
		return vla_read_file(path, VLA_MAX_TOKENIZER_FILE, b, err);
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

typedef vla_status parse_fn(const char *data, size_t n, const char *config, size_t config_n, vla_tokenizer **out,
			    vla_err *err);

static vla_status parse_spm(const char *data, size_t n, const char *config, size_t config_n, vla_tokenizer **out,
			    vla_err *err)
{
	return vla_tokenizer_parse_spm(data, n, config, config_n, out, err);
}

/* A file that tokenizer_config.json in the folder dir (NULL: none) goes with. */
static vla_status open_with_config(const char *dir, const char *path, parse_fn *parse, vla_tokenizer **out,
				   vla_err *err)
{
	vla_buf data = { NULL, 0, 0 }, config = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	char *config_path = dir ? path_of(dir, "tokenizer_config.json", &st, err) : NULL;
	if (st == VLA_OK)
		st = vla_read_file(path, VLA_MAX_TOKENIZER_FILE, &data, err);
	if (st == VLA_OK && config_path)
		st = vla_read_file(config_path, VLA_MAX_TOKENIZER_FILE, &config, err);
	if (st == VLA_OK) {
		st = parse(data.data, data.n, config_path ? config.data : NULL, config.n, out, err);
		if (st != VLA_OK)
			vla_prefix(err, st, "%s", path);
	}
	free(config_path);
	vla_buf_release(&data);
	vla_buf_release(&config);
	return st;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n >= k && strcmp(s + n - k, end) == 0;
}

static vla_status open_file(const char *path, vla_tokenizer **out, vla_err *err)
{
	if (ends_in(path, ".json"))
		return open_json(path, out, err);
	if (ends_in(path, ".model"))
		return open_with_config(NULL, path, parse_spm, out, err);
	if (ends_in(path, "vocab.txt"))
		return open_with_config(NULL, path, vla_tokenizer_parse_vocab, out, err);
	return open_clip(path, out, err);
}

/* Whether tokenizer_config.json names a class that reads its SentencePiece model even beside a tokenizer.json. */
static vla_status prefers_model(const char *dir, bool *yes, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	char *path = path_of(dir, "tokenizer_config.json", &st, err);
	*yes = false;
	if (st == VLA_OK && path)
		st = vla_read_file(path, VLA_MAX_TOKENIZER_FILE, &b, err);
	if (st == VLA_OK && path)
		*yes = strstr(b.data, "\"SiglipTokenizer\"") != NULL;
	free(path);
	vla_buf_release(&b);
	return st;
}

/* The files that a directory may have, in the order in which they are looked for. */
enum { F_JSON, F_SPIECE, F_TOKENIZER, F_SPM_BPE, F_VOCAB, F_MERGES, F_CLIP_GZ, F_CLIP, F_BERT, N_FILES };
static const char *const file_names[N_FILES] = { "tokenizer.json",
						 "spiece.model",
						 "tokenizer.model",
						 "sentencepiece.bpe.model",
						 "vocab.json",
						 "merges.txt",
						 "bpe_simple_vocab_16e6.txt.gz",
						 "bpe_simple_vocab_16e6.txt",
						 "vocab.txt" };

static vla_status open_found(const char *dir, char *const path[N_FILES], vla_tokenizer **out, vla_err *err)
{
	bool model = !path[F_JSON];
	const char *spm = path[F_SPIECE] ? path[F_SPIECE] : path[F_TOKENIZER] ? path[F_TOKENIZER] : path[F_SPM_BPE];
	if (path[F_JSON] && spm)
		VLA_TRY(prefers_model(dir, &model, err));
	if (path[F_JSON] && !model)
		return open_json(path[F_JSON], out, err);
	if (spm)
		return open_with_config(dir, spm, parse_spm, out, err);
	if (path[F_VOCAB] && path[F_MERGES])
		return open_pair(path[F_VOCAB], path[F_MERGES], out, err);
	if (path[F_CLIP_GZ] || path[F_CLIP])
		return open_clip(path[F_CLIP_GZ] ? path[F_CLIP_GZ] : path[F_CLIP], out, err);
	if (path[F_BERT])
		return open_with_config(dir, path[F_BERT], vla_tokenizer_parse_vocab, out, err);
	return vla_fail(err, VLA_EIO,
			"'%s' holds no tokenizer: looked for tokenizer.json, spiece.model, tokenizer.model, vocab.json "
			"with merges.txt, vocab.txt, bpe_simple_vocab_16e6.txt.gz",
			dir);
}

static vla_status open_dir(const char *dir, vla_tokenizer **out, vla_err *err)
{
	char *path[N_FILES] = { NULL };
	vla_status st = VLA_OK;
	for (size_t i = 0; i < N_FILES && st == VLA_OK; i++)
		path[i] = path_of(dir, file_names[i], &st, err);
	if (st == VLA_OK)
		st = open_found(dir, path, out, err);
	for (size_t i = 0; i < N_FILES; i++)
		free(path[i]);
	return st;
}

vla_status vla_tokenizer_open(const char *dir, vla_tokenizer **out, vla_err *err)
{
	return is_file(dir) && !vla_is_pack(dir) ? open_file(dir, out, err) : open_dir(dir, out, err);
}
