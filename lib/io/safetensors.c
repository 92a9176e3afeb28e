/* The safetensors format: u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data. A header is taken
 * for hostile: every length is limited and every product checked before use, and the tensors must cover the data
 * exactly, without holes or overlaps, as the format's own reference demands. Values are not looked at here. */
#include "io/safetensors.h"

#include "io/json.h"

static const struct {
	const char *name;
	vla_dtype dtype;
} dtypes[] = {
	{ "F32", VLA_F32 },   { "F16", VLA_F16 },         { "BF16", VLA_BF16 },       { "I8", VLA_I8 },
	{ "F64", VLA_F64 },   { "U8", VLA_U8 },           { "I16", VLA_I16 },         { "U16", VLA_U16 },
	{ "I32", VLA_I32 },   { "U32", VLA_U32 },         { "I64", VLA_I64 },         { "U64", VLA_U64 },
	{ "BOOL", VLA_BOOL }, { "F8_E4M3", VLA_F8_E4M3 }, { "F8_E5M2", VLA_F8_E5M2 },
};

#define NDTYPES (sizeof dtypes / sizeof dtypes[0])

static vla_status parse_dtype(const json_t *v, const char *name, vla_dtype *out, vla_err *err)
{
	const char *s = json_string_value(v);
	if (!s)
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' has no dtype", name);
	for (size_t i = 0; i < NDTYPES; i++)
		if (strcmp(s, dtypes[i].name) == 0) {
			*out = dtypes[i].dtype;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EUNSUPPORTED, "tensor '%s' has the unknown dtype '%s'", name, s);
}

static bool natural(const json_t *v, uint64_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static vla_status parse_shape(const json_t *v, vla_ct *t, vla_err *err)
{
	if (!json_is_array(v))
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' has no shape", t->name);
	size_t nd = json_array_size(v);
	if (nd > VLA_MAX_DIMS)
		return vla_fail(err, VLA_EUNSUPPORTED, "tensor '%s' has %zu dimensions, more than %d", t->name, nd,
				VLA_MAX_DIMS);
	t->ndim = (unsigned)nd;
	t->n = 1;
	for (size_t i = 0; i < nd; i++) {
		uint64_t d;
		if (!natural(json_array_get(v, i), &d) || d > SIZE_MAX)
			return vla_fail(err, VLA_EFORMAT, "tensor '%s' has a bad shape", t->name);
		t->dim[i] = (size_t)d;
		if (__builtin_mul_overflow(t->n, t->dim[i], &t->n))
			return vla_fail(err, VLA_ECORRUPT, "the shape of tensor '%s' overflows", t->name);
	}
	if (__builtin_mul_overflow(t->n, vla_dtype_size(t->dtype), &t->bytes))
		return vla_fail(err, VLA_ECORRUPT, "the shape of tensor '%s' overflows", t->name);
	return VLA_OK;
}

// Fills t from one entry; t->data becomes base + begin.
static vla_status parse_entry(const char *name, const json_t *v, const char *base, size_t data_bytes, vla_ct *t,
			      vla_err *err)
{
	*t = (vla_ct){ .name = name };
	if (!json_is_object(v))
		return vla_fail(err, VLA_EFORMAT, "header entry '%s' is not an object", name);
	VLA_TRY(parse_dtype(json_object_get(v, "dtype"), name, &t->dtype, err));
	VLA_TRY(parse_shape(json_object_get(v, "shape"), t, err));
	const json_t *off = json_object_get(v, "data_offsets");
	uint64_t begin, end;
	if (json_array_size(off) != 2 || !natural(json_array_get(off, 0), &begin) ||
	    !natural(json_array_get(off, 1), &end))
		return vla_fail(err, VLA_EFORMAT, "tensor '%s' has no data_offsets", name);
	if (begin > end || end > data_bytes)
		return vla_fail(err, end > data_bytes ? VLA_ETRUNC : VLA_ECORRUPT,
				"tensor '%s' lies at %llu..%llu of %zu bytes of data", name, (unsigned long long)begin,
				(unsigned long long)end, data_bytes);
	if (end - begin != t->bytes)
		return vla_fail(err, VLA_ECORRUPT, "tensor '%s' has %llu bytes where its shape needs %zu", name,
				(unsigned long long)(end - begin), t->bytes);
	t->data = base + begin;
	return VLA_OK;
}

static int by_place(const void *a, const void *b)
{
	const vla_ct *x = a, *y = b;
	const char *p = x->data, *q = y->data;
	if (p != q)
		return p < q ? -1 : 1;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const vla_ct *)a)->name, ((const vla_ct *)b)->name);
}

// Every byte of data belongs to exactly one tensor.
static vla_status check_cover(const vla_ct *t, size_t n, const char *base, size_t data_bytes, vla_err *err)
{
	const char *at = base;
	for (size_t i = 0; i < n; i++) {
		const char *p = t[i].data;
		if (p < at)
			return vla_fail(err, VLA_ECORRUPT, "tensor '%s' overlaps another", t[i].name);
		if (p > at)
			return vla_fail(err, VLA_ECORRUPT, "%zu unused bytes before tensor '%s'", (size_t)(p - at),
					t[i].name);
		at = p + t[i].bytes;
	}
	if ((size_t)(at - base) != data_bytes)
		return vla_fail(err, VLA_ECORRUPT, "%zu bytes after the last tensor", data_bytes - (size_t)(at - base));
	return VLA_OK;
}

static vla_status check_meta(const json_t *v, vla_err *err)
{
	const char *key;
	json_t *s;
	if (!json_is_object(v))
		return vla_fail(err, VLA_EFORMAT, "__metadata__ is not an object");
	json_object_foreach((json_t *)v, key, s) if (!json_is_string(s)) return vla_fail(
		err, VLA_EFORMAT, "__metadata__ key '%s' is not a string", key);
	return VLA_OK;
}

static vla_status parse_json(const char *text, size_t n, json_t **out, vla_err *err)
{
	if (n == 0 || text[0] != '{')
		return vla_fail(err, VLA_EFORMAT, "not a safetensors file: its header does not begin with '{'");
	vla_status st = vla_json_parse(text, n, JSON_REJECT_DUPLICATES, out, err);
	return st == VLA_OK ? st : vla_prefix(err, st, "bad safetensors header");
}

vla_status vla_safetensors_parse(const void *bytes, size_t n, json_t **header, vla_ct **t, size_t *count, vla_err *err)
{
	const char *file = bytes;
	uint64_t len = 0;
	if (n < 8)
		return vla_fail(err, VLA_ETRUNC, "not a safetensors file: %zu bytes", n);
	for (int i = 7; i >= 0; i--)
		len = len << 8 | (unsigned char)file[i];
	if (len > VLA_SAFETENSORS_MAX_HEADER)
		return vla_fail(err, VLA_EFORMAT, "not a safetensors file: a header of %llu bytes",
				(unsigned long long)len);
	if (len > n - 8)
		return vla_fail(err, VLA_ETRUNC, "the file ends inside its header");
	const char *base = file + 8 + len;
	size_t data_bytes = n - 8 - (size_t)len, k = 0;
	json_t *root = NULL, *v;
	vla_ct *list = NULL;
	const char *key;
	vla_status st = parse_json(file + 8, (size_t)len, &root, err);
	if (st == VLA_OK && !(list = vla_alloc(json_object_size(root), sizeof *list)))
		st = vla_nomem(err);
	json_object_foreach(root, key, v)
	{
		if (st != VLA_OK)
			break;
		if (strcmp(key, "__metadata__") == 0)
			st = check_meta(v, err);
		else
			st = parse_entry(key, v, base, data_bytes, &list[k++], err);
	}
	if (st == VLA_OK) {
		qsort(list, k, sizeof *list, by_place);
		st = check_cover(list, k, base, data_bytes, err);
	}
	if (st != VLA_OK) {
		free(list);
		json_decref(root);
		return st;
	}
	qsort(list, k, sizeof *list, by_name);
	*header = root;
	*t = list;
	*count = k;
	return VLA_OK;
}

static const char *dtype_name(vla_dtype t)
{
	for (size_t i = 0; i < NDTYPES; i++)
		if (dtypes[i].dtype == t)
			return dtypes[i].name;
	return NULL;
}

// Adds one entry; *at moves past the tensor. Any failure of jansson here is a name that is not UTF-8 or short memory.
static vla_status add_entry(json_t *root, const vla_ct *t, uint64_t *at, vla_err *err)
{
	uint64_t end;
	if (!dtype_name(t->dtype) || t->ndim > VLA_MAX_DIMS || __builtin_add_overflow(*at, t->bytes, &end) ||
	    end > INT64_MAX)
		return vla_fail(err, VLA_EINVAL, "tensor '%s' cannot be stored", t->name);
	if (json_object_get(root, t->name))
		return vla_fail(err, VLA_EINVAL, "two tensors are called '%s'", t->name);
	json_t *shape = json_array(), *e = NULL;
	bool good = shape != NULL;
	for (unsigned i = 0; good && i < t->ndim; i++)
		good = json_array_append_new(shape, json_integer((json_int_t)t->dim[i])) == 0;
	if (good)
		e = json_pack("{s:s, s:O, s:[I,I]}", "dtype", dtype_name(t->dtype), "shape", shape, "data_offsets",
			      (json_int_t)*at, (json_int_t)end);
	json_decref(shape);
	if (!e || json_object_set_new(root, t->name, e) != 0)
		return vla_fail(err, VLA_ENOMEM, "cannot describe tensor '%s'", t->name);
	*at = end;
	return VLA_OK;
}

static vla_status add_meta(json_t *root, const char *const *meta, vla_err *err)
{
	json_t *m = json_object();
	if (!m || json_object_set_new(root, "__metadata__", m) != 0)
		return vla_nomem(err);
	for (; meta[0] && meta[1]; meta += 2)
		if (json_object_set_new(m, meta[0], json_string(meta[1])) != 0)
			return vla_fail(err, VLA_EINVAL, "cannot store the metadata key '%s'", meta[0]);
	return VLA_OK;
}

vla_status vla_safetensors_header(const vla_ct *src, const size_t *order, size_t n, const char *const *meta,
				  vla_buf *out, vla_err *err)
{
	uint64_t at = 0;
	vla_status st = VLA_OK;
	json_t *root = json_object();
	if (!root)
		return vla_nomem(err);
	if (meta && meta[0])
		st = add_meta(root, meta, err);
	for (size_t i = 0; st == VLA_OK && i < n; i++)
		st = add_entry(root, &src[order[i]], &at, err);
	char *text = st == VLA_OK ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	VLA_TRY(st);
	if (!text)
		return vla_nomem(err);
	size_t len = strlen(text), padded = (8 + len + 63) / 64 * 64 - 8;
	unsigned char size[8];
	for (int i = 0; i < 8; i++)
		size[i] = (unsigned char)((uint64_t)padded >> 8 * i);
	if (padded > VLA_SAFETENSORS_MAX_HEADER)
		st = vla_fail(err, VLA_EINVAL, "too many tensors for one file");
	else if ((st = vla_buf_reserve(out, 8 + padded, err)) == VLA_OK) {
		memcpy(out->data + out->n, size, 8);
		memcpy(out->data + out->n + 8, text, len);
		memset(out->data + out->n + 8 + len, ' ', padded - len);
		out->n += 8 + padded;
	}
	free(text);
	return st;
}
