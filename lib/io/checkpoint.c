/* Checkpoints: one file of tensors (safetensors, or of torch.save) or the shards that an index names, mapped read-only,
 * as one sorted list of tensors. What a file is, its first bytes decide.
 * A file that shrinks while it is mapped kills the process (SIGBUS), as with every mmap reader: writers here rename,
 * never rewrite. */
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/torch.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define MAX_SHARDS 4096

struct shard {
	vla_map map;
	json_t *header;   // of safetensors; holds the names
	vla_arena *arena; // of torch.save; holds names, the list and copies
	char *name;       // file name as in the index
};

struct vla_checkpoint {
	struct shard *shard;
	size_t nshards;
	vla_ct *t; // sorted by name
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const vla_ct *)a)->name, ((const vla_ct *)b)->name);
}

// Appends the tensors of one file; with a weight map only those that it assigns to this file.
static vla_status add_shard(vla_checkpoint *c, const char *path, const char *name, const json_t *map, vla_err *err)
{
	struct shard *s = vla_realloc(c->shard, c->nshards + 1, sizeof *s);
	if (!s)
		return vla_nomem(err);
	c->shard = s;
	s += c->nshards++;
	*s = (struct shard){ .header = NULL };
	if (!(s->name = vla_strdup(name)))
		return vla_nomem(err);
	vla_ct *t = NULL;
	size_t n = 0;
	vla_status st = vla_map_open(path, VLA_MAP_NORMAL, &s->map, err);
	if (st == VLA_OK && vla_torch_is(s->map.data, s->map.n))
		st = vla_torch_parse(s->map.data, s->map.n, &s->arena, &t, &n, err);
	else if (st == VLA_OK)
		st = vla_safetensors_parse(s->map.data, s->map.n, &s->header, &t, &n, err);
	if (st != VLA_OK)
		return vla_prefix(err, st, "'%s'", path);
	vla_ct *all = vla_realloc(c->t, c->n + n, sizeof *all);
	if (all)
		c->t = all;
	for (size_t i = 0; all && i < n; i++) {
		const char *file = map ? json_string_value(json_object_get(map, t[i].name)) : name;
		if (file && strcmp(file, name) == 0)
			c->t[c->n++] = t[i];
	}
	if (!s->arena)
		free(t);
	return all ? VLA_OK : vla_nomem(err);
}

static bool have_shard(const vla_checkpoint *c, const char *name)
{
	for (size_t i = 0; i < c->nshards; i++)
		if (strcmp(c->shard[i].name, name) == 0)
			return true;
	return false;
}

// A shard lies beside its index: a name with a slash could reach any file.
static bool plain_name(const char *s)
{
	return s && s[0] && s[0] != '.' && !strchr(s, '/') && strlen(s) < 256;
}

static vla_status add_indexed(vla_checkpoint *c, const char *path, const json_t *map, vla_err *err)
{
	const char *key, *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0;
	json_t *v;
	json_object_foreach((json_t *)map, key, v)
	{
		const char *file = json_string_value(v);
		if (!plain_name(file))
			return vla_fail(err, VLA_EFORMAT, "'%s': bad shard name for tensor '%s'", path, key);
		if (have_shard(c, file))
			continue;
		if (c->nshards == MAX_SHARDS)
			return vla_fail(err, VLA_EFORMAT, "'%s': more than %d shards", path, MAX_SHARDS);
		char *full = vla_format("%.*s%s", dir, path, file);
		if (!full)
			return vla_nomem(err);
		vla_status st = add_shard(c, full, file, map, err);
		free(full);
		VLA_TRY(st);
	}
	if (c->n == json_object_size(map))
		return VLA_OK;
	qsort(c->t, c->n, sizeof *c->t, by_name);
	json_object_foreach((json_t *)map, key, v) if (!vla_checkpoint_get(c, key)) return vla_fail(
		err, VLA_ECORRUPT, "'%s': tensor '%s' is not in its shard '%s'", path, key, json_string_value(v));
	return VLA_OK;
}

static vla_status open_index(vla_checkpoint *c, const char *path, vla_err *err)
{
	vla_buf text = { NULL, 0, 0 };
	json_t *root = NULL;
	vla_status st = vla_read_file(path, VLA_SAFETENSORS_MAX_HEADER, &text, err);
	if (st == VLA_OK && (st = vla_json_parse(text.data, text.n, JSON_REJECT_DUPLICATES, &root, err)) != VLA_OK)
		vla_prefix(err, st, "'%s'", path);
	vla_buf_release(&text);
	VLA_TRY(st);
	const json_t *map = json_object_get(root, "weight_map");
	st = json_is_object(map) ? add_indexed(c, path, map, err)
				 : vla_fail(err, VLA_EFORMAT, "'%s' has no weight_map", path);
	json_decref(root);
	return st;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static const char *const names[] = {
	"model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
	"pytorch_model.bin", "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin",
};
#define NNAMES (sizeof names / sizeof names[0])

// The directory's file of tensors whatever it is called, when there is one only; NULL otherwise.
static char *only_file(const char *dir, vla_err *err)
{
	static const char *const ends[] = { ".safetensors", ".pt", ".pth", ".bin" };
	DIR *d = opendir(dir);
	char *found = NULL;
	size_t n = 0;
	for (const struct dirent *e; d && (e = readdir(d));)
		for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
			if (e->d_name[0] != '.' && ends_with(e->d_name, ends[i]) && n++ == 0 &&
			    !(found = vla_format("%s/%s", dir, e->d_name)))
				vla_nomem(err);
	if (d)
		closedir(d);
	if (n == 1)
		return found;
	free(found);
	return NULL;
}

// The file that a directory's checkpoint begins with; malloc'd.
static vla_status resolve(const char *path, char **out, vla_err *err)
{
	struct stat sb;
	if (stat(path, &sb) != 0)
		return vla_fail(err, VLA_EIO, "cannot open '%s': %s", path, strerror(errno));
	if (!S_ISDIR(sb.st_mode))
		return (*out = vla_strdup(path)) ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < NNAMES; i++) {
		if (!(*out = vla_format("%s/%s", path, names[i])))
			return vla_nomem(err);
		if (stat(*out, &sb) == 0)
			return VLA_OK;
		free(*out);
	}
	if ((*out = only_file(path, err)))
		return VLA_OK;
	return vla_fail(err, VLA_EIO,
			"'%s' holds no weights: neither %s, %s nor %s, nor one file of tensors of another name", path,
			names[0], names[2], names[3]);
}

vla_status vla_checkpoint_open(const char *path, vla_checkpoint **out, vla_err *err)
{
	char *file = NULL;
	VLA_TRY(resolve(path, &file, err));
	vla_status st;
	vla_checkpoint *c = vla_zalloc(1, sizeof *c);
	if (!c)
		st = vla_nomem(err);
	else if (ends_with(file, ".json"))
		st = open_index(c, file, err);
	else
		st = add_shard(c, file, "", NULL, err);
	free(file);
	if (st != VLA_OK) {
		vla_checkpoint_close(c);
		return st;
	}
	if (c->n)
		qsort(c->t, c->n, sizeof *c->t, by_name);
	*out = c;
	return VLA_OK;
}

void vla_checkpoint_close(vla_checkpoint *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nshards; i++) {
		vla_map_close(&c->shard[i].map);
		json_decref(c->shard[i].header);
		vla_arena_free(c->shard[i].arena);
		free(c->shard[i].name);
	}
	free(c->shard);
	free(c->t);
	free(c);
}

size_t vla_checkpoint_count(const vla_checkpoint *c)
{
	return c->n;
}

const vla_ct *vla_checkpoint_at(const vla_checkpoint *c, size_t i)
{
	return i < c->n ? &c->t[i] : NULL;
}

const vla_ct *vla_checkpoint_get(const vla_checkpoint *c, const char *name)
{
	vla_ct key = { .name = name };
	return c->n ? bsearch(&key, c->t, c->n, sizeof *c->t, by_name) : NULL;
}

const char *vla_checkpoint_meta(const vla_checkpoint *c, const char *key)
{
	for (size_t i = 0; i < c->nshards; i++) {
		const json_t *m = json_object_get(c->shard[i].header, "__metadata__");
		const char *v = json_string_value(json_object_get(m, key));
		if (v)
			return v;
	}
	return NULL;
}

struct place {
	const vla_ct *t;
	size_t i;
};

// Whole cache lines first, so that all of those are aligned to 64 bytes; then wide elements, so that each tensor is
// aligned to its element; then by name, so that equal contents give equal files.
static int by_width(const void *a, const void *b)
{
	const vla_ct *x = ((const struct place *)a)->t, *y = ((const struct place *)b)->t;
	size_t p = vla_dtype_size(x->dtype), q = vla_dtype_size(y->dtype);
	bool a_line = x->bytes % 64 == 0, b_line = y->bytes % 64 == 0;
	if (a_line != b_line)
		return a_line ? -1 : 1;
	if (p != q)
		return p > q ? -1 : 1;
	return strcmp(x->name, y->name);
}

// Copies the records with n and bytes worked out from the shape.
static vla_status check_source(const vla_ct *src, vla_ct *out, struct place *place, size_t n, vla_err *err)
{
	for (size_t i = 0; i < n; i++) {
		vla_ct *t = &out[i];
		*t = src[i];
		t->n = 1;
		bool good = t->name && strcmp(t->name, "__metadata__") != 0 && t->ndim <= VLA_MAX_DIMS;
		for (unsigned k = 0; good && k < t->ndim; k++)
			good = !__builtin_mul_overflow(t->n, t->dim[k], &t->n);
		if (!good || __builtin_mul_overflow(t->n, vla_dtype_size(t->dtype), &t->bytes))
			return vla_fail(err, VLA_EINVAL, "tensor '%s' cannot be stored", t->name ? t->name : "");
		place[i] = (struct place){ t, i };
	}
	qsort(place, n, sizeof *place, by_width);
	return VLA_OK;
}

static vla_status write_data(vla_outfile *o, const char *path, const vla_buf *header, const vla_ct *t,
			     const size_t *order, size_t n, vla_err *err)
{
	FILE *f = vla_outfile_stream(o);
	bool good = fwrite(header->data, 1, header->n, f) == header->n;
	for (size_t i = 0; good && i < n; i++) {
		const vla_ct *x = &t[order[i]];
		good = x->bytes == 0 || fwrite(x->data, 1, x->bytes, f) == x->bytes;
	}
	return good ? vla_outfile_commit(o, err)
		    : vla_fail(err, VLA_EIO, "cannot write '%s': %s", path, strerror(errno));
}

vla_status vla_checkpoint_write(const char *path, const vla_ct *src, size_t n, const char *const *meta, vla_err *err)
{
	vla_outfile *o = NULL;
	vla_buf header = { NULL, 0, 0 };
	vla_ct *t = vla_alloc(n, sizeof *t);
	struct place *place = vla_alloc(n, sizeof *place);
	size_t *order = vla_alloc(n, sizeof *order);
	vla_status st = t && place && order ? check_source(src, t, place, n, err) : vla_nomem(err);
	if (st == VLA_OK) {
		for (size_t i = 0; i < n; i++)
			order[i] = place[i].i;
		st = vla_safetensors_header(t, order, n, meta, &header, err);
	}
	if (st == VLA_OK)
		st = vla_outfile_open(path, &o, err);
	if (st == VLA_OK)
		st = write_data(o, path, &header, t, order, n, err);
	vla_outfile_close(o);
	vla_buf_release(&header);
	free(t);
	free(place);
	free(order);
	return st;
}

#define CONVERT(type, expr) \
	do { \
		const unsigned char *p = t->data; \
		for (size_t i = 0; i < t->n; i++) { \
			type x; \
			memcpy(&x, p + i * sizeof x, sizeof x); \
			out[i] = (expr); \
		} \
	} while (0)

// 4 exponent bits of bias 7, 3 mantissa bits; no infinities, NaN is all ones (the "fn" form).
static float f8_e4m3(uint8_t v)
{
	int e = v >> 3 & 15, m = v & 7;
	float x = e ? (float)(8 + m) * (float)(1u << e) / 1024.0f : (float)m / 512.0f;
	if ((v & 127) == 127)
		return vla_f16_to_f32(0x7e00);
	return v & 128 ? -x : x;
}

vla_status vla_ct_to_f32(const vla_ct *t, float *out, vla_err *err)
{
	switch (t->dtype) {
	case VLA_F32:
		if (t->bytes)
			memcpy(out, t->data, t->bytes);
		return VLA_OK;
	case VLA_F16: CONVERT(uint16_t, vla_f16_to_f32(x)); return VLA_OK;
	case VLA_BF16: CONVERT(uint16_t, vla_bf16_to_f32(x)); return VLA_OK;
	case VLA_F64: CONVERT(double, (float)x); return VLA_OK;
	case VLA_I8: CONVERT(int8_t, (float)x); return VLA_OK;
	case VLA_U8: CONVERT(uint8_t, (float)x); return VLA_OK;
	case VLA_BOOL: CONVERT(uint8_t, x ? 1.0f : 0.0f); return VLA_OK;
	case VLA_I16: CONVERT(int16_t, (float)x); return VLA_OK;
	case VLA_U16: CONVERT(uint16_t, (float)x); return VLA_OK;
	case VLA_I32: CONVERT(int32_t, (float)x); return VLA_OK;
	case VLA_U32: CONVERT(uint32_t, (float)x); return VLA_OK;
	case VLA_I64: CONVERT(int64_t, (float)x); return VLA_OK;
	case VLA_U64: CONVERT(uint64_t, (float)x); return VLA_OK;
	case VLA_F8_E4M3: CONVERT(uint8_t, f8_e4m3(x)); return VLA_OK;
	case VLA_F8_E5M2: CONVERT(uint8_t, vla_f16_to_f32((uint16_t)(x << 8))); return VLA_OK;
	}
	return vla_fail(err, VLA_EUNSUPPORTED, "tensor '%s' has an unknown element type", t->name);
}
