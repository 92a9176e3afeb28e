/* Packed models: one safetensors file with the weights and, as U8 tensors, the files that lie beside them in a
 * directory. All rows of a matrix begin on a cache line where their width allows it, so that a product reads f32
 * weights where they are mapped. */
#include "model/model.h"

#include "io/file.h"

#include <zlib.h>

enum { MAX_MEMBERS = 16, MAX_MEMBER = 1 << 30 };

struct members {
	vla_ct t[MAX_MEMBERS];
	vla_buf data[MAX_MEMBERS];
	char *name[MAX_MEMBERS];
	size_t n;
};

static void release(struct members *m)
{
	for (size_t i = 0; i < MAX_MEMBERS; i++) {
		vla_buf_release(&m->data[i]);
		free(m->name[i]);
	}
}

// Takes m->data[m->n] as the member `name`, n bytes of it without an ending such as ".gz".
static vla_status add(struct members *m, const char *name, size_t n, vla_err *err)
{
	vla_buf *b = &m->data[m->n];
	if (!(m->name[m->n] = vla_format("%s%.*s", VLA_MEMBER, (int)n, name)))
		return vla_nomem(err);
	m->t[m->n] = (vla_ct){ .name = m->name[m->n],
			       .dtype = VLA_U8,
			       .ndim = 1,
			       .dim = { b->n },
			       .n = b->n,
			       .bytes = b->n,
			       .data = b->data };
	m->n++;
	return VLA_OK;
}

static vla_status add_json(struct members *m, const char *name, const json_t *v, vla_err *err)
{
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	if (!text)
		return vla_nomem(err);
	vla_status st = vla_buf_add(&m->data[m->n], text, strlen(text), err);
	free(text);
	return st == VLA_OK ? add(m, name, strlen(name), err) : st;
}

static vla_status read_gzip(const char *path, vla_buf *b, vla_err *err)
{
	gzFile f = gzopen(path, "rb");
	if (!f)
		return vla_read_file(path, MAX_MEMBER, b, err);
	vla_status st;
	int n = 0;
	do {
		st = vla_buf_reserve(b, 1 << 16, err);
		if (st == VLA_OK && (n = gzread(f, b->data + b->n, 1 << 16)) > 0)
			b->n += (size_t)n;
		if (st == VLA_OK && (n < 0 || b->n > MAX_MEMBER))
			st = vla_fail(err, VLA_ECORRUPT, "cannot unpack '%s'", path);
	} while (st == VLA_OK && n > 0);
	gzclose(f);
	return st;
}

static vla_status add_file(struct members *m, const char *dir, const char *name, vla_err *err)
{
	size_t n = strlen(name);
	bool gz = n > 3 && strcmp(name + n - 3, ".gz") == 0;
	char *path = vla_format("%s/%s", dir, name);
	if (!path)
		return vla_nomem(err);
	vla_status st = VLA_OK;
	if (vla_is_file(path)) {
		vla_buf *b = &m->data[m->n];
		st = gz ? read_gzip(path, b, err) : vla_read_file(path, MAX_MEMBER, b, err);
		if (st == VLA_OK)
			st = add(m, name, gz ? n - 3 : n, err);
	}
	free(path);
	return st;
}

static vla_status collect(const vla_model *m, struct members *all, vla_err *err)
{
	VLA_TRY(add_json(all, "config.json", m->config, err));
	if (m->arch.image) {
		json_t *prep = vla_prep_write(&m->arch.prep);
		vla_status st = add_json(all, "preprocessor_config.json", prep, err);
		json_decref(prep);
		VLA_TRY(st);
	}
	for (size_t i = 0; m->tokenizer_dir && vla_model_tokenizer_files[i]; i++) {
		// The packed form of CLIP's list is stored under the name of the other.
		bool twice = all->n && strcmp(vla_model_tokenizer_files[i], "bpe_simple_vocab_16e6.txt") == 0 &&
			     strcmp(all->t[all->n - 1].name, VLA_MEMBER "bpe_simple_vocab_16e6.txt") == 0;
		if (!twice)
			VLA_TRY(add_file(all, m->tokenizer_dir, vla_model_tokenizer_files[i], err));
	}
	return VLA_OK;
}

vla_status vla_model_pack(const vla_model *m, const char *path, vla_dtype dtype, vla_err *err)
{
	struct members all = { .n = 0 };
	if (dtype != VLA_F32 && dtype != VLA_F16 && dtype != VLA_BF16 && dtype != VLA_I8)
		return vla_fail(err, VLA_EINVAL, "a model cannot be stored as %s", vla_dtype_name(dtype));
	VLA_TRY(vla_model_ensure((vla_model *)(uintptr_t)m, "", err));
	vla_status st = collect(m, &all, err);
	if (st == VLA_OK)
		st = vla_model_write_weights(m, path, dtype, all.t, all.n, true, err);
	release(&all);
	return st;
}
