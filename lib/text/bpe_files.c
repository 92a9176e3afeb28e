/* Trains a tokenizer on texts in memory and writes the files of a model directory. */
#include "text/bpe_train.h"

#include <vla/file.h>

static const char config[] = "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
			     "  \"bos_token\": \"<|startoftext|>\",\n  \"eos_token\": \"<|endoftext|>\",\n"
			     "  \"pad_token\": \"<|pad|>\"\n}\n";

static vla_status write_in(const char *dir, const char *name, const void *p, size_t n, vla_err *err)
{
	char *path = vla_format("%s/%s", dir, name);
	if (!path)
		return vla_nomem(err);
	vla_outfile *o = NULL;
	vla_status st = vla_outfile_open(path, &o, err);
	if (st == VLA_OK && fwrite(p, 1, n, vla_outfile_stream(o)) != n)
		st = vla_fail(err, VLA_EIO, "cannot write '%s'", path);
	if (st == VLA_OK)
		st = vla_outfile_commit(o, err);
	vla_outfile_close(o);
	free(path);
	return st;
}

vla_status vla_bpe_train(const char *const *texts, size_t n, const vla_bpe_train_opts *opts, const char *dir,
			 vla_err *err)
{
	vla_bpe_trainer *t;
	vla_buf b = { NULL, 0, 0 };
	VLA_TRY(vla_bpe_trainer_new(opts, &t, err));
	vla_status st = VLA_OK;
	for (size_t i = 0; i < n && st == VLA_OK; i++)
		st = vla_bpe_trainer_add(t, texts[i], err);
	if (st == VLA_OK)
		st = vla_bpe_trainer_learn(t, err);
	if (st == VLA_OK)
		st = vla_bpe_trainer_write(t, &b, err);
	if (st == VLA_OK)
		st = write_in(dir, "tokenizer.json", b.data, b.n, err);
	if (st == VLA_OK)
		st = write_in(dir, "tokenizer_config.json", config, sizeof config - 1, err);
	vla_buf_release(&b);
	vla_bpe_trainer_free(t);
	return st;
}
