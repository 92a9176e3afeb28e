/* Writing a model directory. The metadata key vla.hash holds a hash of all stored bytes, so that the fingerprint of a
 * directory written here covers every weight although opening samples only a few. */
#include "model/model.h"

#include "io/file.h"

#include <errno.h>
#include <sys/stat.h>

const char *const vla_model_tokenizer_files[] = {
	"tokenizer.json",
	"tokenizer_config.json",
	"special_tokens_map.json",
	"added_tokens.json",
	"vocab.json",
	"merges.txt",
	"vocab.txt",
	"spiece.model",
	"tokenizer.model",
	"sentencepiece.bpe.model",
	"bpe_simple_vocab_16e6.txt.gz",
	"bpe_simple_vocab_16e6.txt",
	NULL,
};

struct writer {
	vla_ct *t;     // [n]
	void **memory; // [n] behind t[i].data; NULL where it is a parameter's own
	char **name;   // [n]
	size_t n;
};

static void release(struct writer *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->memory[i]);
		free(w->name[i]);
	}
	free(w->t);
	free(w->memory);
	free(w->name);
}

// [n, k, c] (used) to [n, c, k] (stored).
static void to_stored(const vla_param *p, vla_layout layout, const float *x, float *y)
{
	const size_t *d = p->dim;
	size_t n = layout == VLA_LAYOUT_CONV ? d[0] : 1;
	size_t k = layout == VLA_LAYOUT_TRANSPOSE ? d[0] : layout == VLA_LAYOUT_CONV ? d[1] * d[2] : d[0] * d[1];
	size_t c = p->n / n / k;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < k; j++)
			for (size_t h = 0; h < c; h++)
				y[(i * c + h) * k + j] = x[(i * k + j) * c + h];
}

static vla_status add(struct writer *w, char *name, const vla_ct *t, void *memory, vla_err *err)
{
	if (!name) {
		free(memory);
		return vla_nomem(err);
	}
	w->t[w->n] = *t;
	w->t[w->n].name = w->name[w->n] = name;
	w->t[w->n].bytes = t->n * vla_dtype_size(t->dtype);
	w->memory[w->n++] = memory;
	return VLA_OK;
}

static vla_status add_i8(struct writer *w, const char *name, vla_ct t, const float *x, vla_err *err)
{
	size_t rows = t.dim[0], row = t.n / rows;
	int8_t *q = vla_alloc(t.n, 1);
	float *scale = vla_alloc(rows, sizeof *scale);
	if (!q || !scale) {
		free(q);
		free(scale);
		return vla_nomem(err);
	}
	for (size_t i = 0; i < rows; i++)
		scale[i] = vla_f32_to_i8(row, x + i * row, q + i * row);
	vla_ct s = { .dtype = VLA_F32, .ndim = 1, .dim = { rows }, .n = rows, .data = scale };
	t.dtype = VLA_I8;
	t.data = q;
	vla_status st = add(w, vla_strdup(name), &t, q, err);
	if (st != VLA_OK) {
		free(scale);
		return st;
	}
	return add(w, vla_format("%s.scale", name), &s, scale, err);
}

static vla_dtype dtype_of(const vla_param *p, vla_dtype wanted)
{
	if (p->ndim < 2 || p->buffer)
		return VLA_F32;
	// A depthwise weight [k, k, c] has no row that belongs to one output.
	return wanted == VLA_I8 && (p->ndim == 3 || p->n / p->dim[0] < 2) ? VLA_F16 : wanted;
}

// All parts of the tensor that p is the first part of, as it is stored.
static vla_status join_parts(const vla_model *m, const vla_param *first, const char *name, unsigned parts, float *out,
			     vla_err *err)
{
	unsigned found = 0, k;
	for (size_t i = 0; i < m->params.n && found < parts; i++) {
		vla_param *p = m->params.p[i];
		char other[256];
		vla_layout layout;
		if (p->n != first->n ||
		    !vla_family_stored_name(m->family, &m->arch, p->name, other, sizeof other, &layout) ||
		    strcmp(other, name) != 0 || vla_layout_parts(layout, &k) != parts)
			continue;
		const float *x = vla_param_f32(p);
		if (!x)
			return vla_nomem(err);
		memcpy(out + k * first->n, x, first->n * sizeof *out);
		found++;
	}
	return found == parts ? VLA_OK
			      : vla_fail(err, VLA_EUNSUPPORTED, "tensor '%s' lacks a part in this model", name);
}

static vla_status add_param(struct writer *w, const vla_model *m, vla_param *p, vla_dtype wanted, vla_err *err)
{
	char name[256];
	vla_layout layout;
	const float *x = vla_param_f32(p);
	if (!x)
		return vla_nomem(err);
	if (!vla_family_stored_name(m->family, &m->arch, p->name, name, sizeof name, &layout))
		return vla_fail(err, VLA_EUNSUPPORTED, "family %s has no name for '%s'", m->family->name, p->name);
	vla_ct t = { .dtype = dtype_of(p, wanted), .data = x };
	float *moved = NULL;
	unsigned k, parts = vla_layout_parts(layout, &k);
	if (k > 0)
		return VLA_OK; // it went with the first one
	t.ndim = vla_layout_shape(layout, p, t.dim);
	t.n = p->n * parts;
	if (parts > 1) {
		if (!(moved = vla_alloc(t.n, sizeof *moved)))
			return vla_nomem(err);
		vla_status st = join_parts(m, p, name, parts, moved, err);
		if (st != VLA_OK) {
			free(moved);
			return st;
		}
		t.data = x = moved;
	}
	if (vla_layout_moves(layout)) {
		if (!(moved = vla_alloc(p->n, sizeof *moved)))
			return vla_nomem(err);
		to_stored(p, layout, x, moved);
		t.data = x = moved;
	}
	if (t.dtype == VLA_F32)
		return add(w, vla_strdup(name), &t, moved, err);
	vla_status st;
	if (t.dtype == VLA_I8) {
		st = add_i8(w, name, t, x, err);
	} else {
		void *half = vla_alloc(t.n, 2);
		if (half)
			vla_from_f32(t.dtype, t.n, x, half);
		t.data = half;
		st = half ? add(w, vla_strdup(name), &t, half, err) : vla_nomem(err);
	}
	free(moved);
	return st;
}

vla_status vla_model_write_weights(const vla_model *m, const char *path, vla_dtype dtype, const vla_ct *more,
				   size_t n_more, bool packed, vla_err *err)
{
	size_t n = m->params.n * 2 + n_more; // i8 makes two of one
	struct writer w = { vla_zalloc(n, sizeof *w.t), vla_zalloc(n, sizeof *w.memory), vla_zalloc(n, sizeof *w.name),
			    0 };
	vla_status st = w.t && w.memory && w.name ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; st == VLA_OK && i < m->params.n; i++)
		st = add_param(&w, m, m->params.p[i], dtype, err);
	for (size_t i = 0; st == VLA_OK && i < n_more; i++)
		st = add(&w, vla_strdup(more[i].name), &more[i], NULL, err);
	if (st == VLA_OK) {
		uint64_t h = 0;
		char text[20];
		for (size_t i = 0; i < w.n; i++)
			h = vla_hash64(w.t[i].data, w.t[i].bytes, h);
		snprintf(text, sizeof text, "%016llx", (unsigned long long)h);
		// f32 holds every weight as it was: the vectors stay those of the model that was packed.
		bool same = packed && dtype == VLA_F32 && m->ckpt;
		const char *meta[] = { "format",
				       "pt",
				       "vla.hash",
				       text,
				       packed ? "vla.packed" : NULL,
				       "1",
				       same ? "vla.fingerprint" : NULL,
				       m->fingerprint,
				       NULL };
		st = vla_checkpoint_write(path, w.t, w.n, meta, err);
	}
	release(&w);
	return st;
}

static vla_status write_json(const char *dir, const char *name, const json_t *v, vla_err *err)
{
	char *path = vla_format("%s/%s", dir, name),
	     *text = v ? json_dumps(v, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
	vla_status st = path && text ? vla_outfile_write(path, text, strlen(text), err) : vla_nomem(err);
	free(path);
	free(text);
	return st;
}

static vla_status copy_file(const char *from, const char *to, const char *name, vla_err *err)
{
	char *src = vla_format("%s/%s", from, name), *dst = vla_format("%s/%s", to, name);
	struct stat a, b;
	vla_buf text = { NULL, 0, 0 };
	vla_status st = src && dst ? VLA_OK : vla_nomem(err);
	bool there = st == VLA_OK && vla_is_file(src);
	bool same = there && stat(src, &a) == 0 && stat(dst, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	if (there && !same) {
		st = vla_read_file(src, (size_t)1 << 30, &text, err);
		if (st == VLA_OK)
			st = vla_outfile_write(dst, text.data, text.n, err);
	}
	vla_buf_release(&text);
	free(src);
	free(dst);
	return st;
}

vla_status vla_model_save(const vla_model *m, const char *dir, vla_dtype dtype, vla_err *err)
{
	if (dtype != VLA_F32 && dtype != VLA_F16 && dtype != VLA_BF16 && dtype != VLA_I8)
		return vla_fail(err, VLA_EINVAL, "a model cannot be stored as %s", vla_dtype_name(dtype));
	if (mkdir(dir, 0777) != 0 && errno != EEXIST)
		return vla_fail(err, VLA_EIO, "cannot make '%s': %s", dir, strerror(errno));
	VLA_TRY(vla_model_ensure((vla_model *)(uintptr_t)m, "", err));
	for (size_t i = 0; m->tokenizer_dir && vla_model_tokenizer_files[i]; i++)
		VLA_TRY(copy_file(m->tokenizer_dir, dir, vla_model_tokenizer_files[i], err));
	if (m->arch.image) {
		json_t *prep = vla_prep_write(&m->arch.prep);
		vla_status st = write_json(dir, "preprocessor_config.json", prep, err);
		json_decref(prep);
		VLA_TRY(st);
	}
	VLA_TRY(write_json(dir, "config.json", m->config, err));
	char *path = vla_format("%s/model.safetensors", dir);
	vla_status st = path ? vla_model_write_weights(m, path, dtype, NULL, 0, false, err) : vla_nomem(err);
	free(path);
	return st;
}
