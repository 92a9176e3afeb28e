/* torch.save's zip form: PREFIX/data.pkl describes the tensors, PREFIX/data/KEY are the storages, stored without
 * compression. A tensor is a strided view of a storage; a tensor whose rows do not lie one after another is copied, and
 * all copies together may not be larger than the file, so that a small file cannot ask for much memory. */
#include "io/torch.h"

#include "io/pickle.h"
#include "io/zip.h"

struct archive {
	vla_zip_entry *e;
	size_t n, prefix_n;
	const char *prefix; // [prefix_n], with its slash
	vla_arena *arena;
	size_t budget; // bytes that copies may still take
};

static bool begins(const void *bytes, size_t n, const char *with, size_t k)
{
	return n >= k && memcmp(bytes, with, k) == 0;
}

// A pickled number at the beginning of the form before torch 1.6.
static const char old_magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

bool vla_torch_is(const void *bytes, size_t n)
{
	return begins(bytes, n, "PK\3\4", 4) || begins(bytes, n, "PK\5\6", 4) ||
	       begins(bytes, n, old_magic, sizeof old_magic - 1) || begins(bytes, n, "\x80\x02", 2);
}

static const vla_zip_entry *find(const struct archive *a, const char *rest, const char *key)
{
	char name[512];
	int n = snprintf(name, sizeof name, "%.*s%s%s", (int)a->prefix_n, a->prefix, rest, key);
	return n > 0 && (size_t)n < sizeof name ? vla_zip_find(a->e, a->n, name) : NULL;
}

static vla_status find_pickle(struct archive *a, const vla_zip_entry **out, vla_err *err)
{
	static const char end[] = "/data.pkl";
	size_t k = sizeof end - 1;
	for (size_t i = 0; i < a->n; i++) {
		const vla_zip_entry *e = &a->e[i];
		if (e->name_n <= k || e->name_n > 256 || memcmp(e->name + e->name_n - k, end, k) != 0 ||
		    memchr(e->name, '/', e->name_n - k))
			continue;
		if (!e->stored)
			return vla_fail(err, VLA_EUNSUPPORTED, "the archive's data.pkl is compressed");
		a->prefix = e->name;
		a->prefix_n = e->name_n - k + 1;
		*out = e;
		return VLA_OK;
	}
	return vla_fail(err, VLA_EFORMAT, "a zip archive without a data.pkl: not a file of torch.save");
}

static vla_status check_order(const struct archive *a, vla_err *err)
{
	const vla_zip_entry *e = find(a, "byteorder", "");
	if (e && e->stored && begins(e->data, e->n, "big", 3))
		return vla_fail(err, VLA_EUNSUPPORTED, "the file was written on a big-endian machine");
	return VLA_OK;
}

// Elements of the shape and the last element's place; false on overflow.
static bool extent(const vla_pickle_tensor *p, vla_ct *t, uint64_t *last)
{
	t->ndim = p->ndim;
	t->n = 1;
	*last = p->offset;
	for (unsigned i = 0; i < p->ndim; i++) {
		uint64_t step;
		if (p->dim[i] > SIZE_MAX || __builtin_mul_overflow(t->n, (size_t)p->dim[i], &t->n))
			return false;
		t->dim[i] = (size_t)p->dim[i];
		if (p->dim[i] && (__builtin_mul_overflow(p->dim[i] - 1, p->stride[i], &step) ||
				  __builtin_add_overflow(*last, step, last)))
			return false;
	}
	return !__builtin_mul_overflow(t->n, vla_dtype_size(t->dtype), &t->bytes);
}

static bool row_by_row(const vla_pickle_tensor *p)
{
	uint64_t step = 1;
	for (unsigned i = p->ndim; i-- > 0;) {
		if (p->dim[i] != 1 && p->stride[i] != step)
			return false;
		step *= p->dim[i];
	}
	return true;
}

static vla_status copy_rows(struct archive *a, const vla_pickle_tensor *p, const char *from, vla_ct *t, vla_err *err)
{
	size_t size = vla_dtype_size(t->dtype), index[VLA_MAX_DIMS] = { 0 };
	if (t->bytes > a->budget)
		return vla_fail(err, VLA_EUNSUPPORTED, "tensor '%s' repeats its storage", t->name);
	a->budget -= t->bytes;
	char *to = vla_arena_alloc(a->arena, t->n, size);
	if (!to)
		return vla_nomem(err);
	t->data = to;
	for (size_t i = 0; i < t->n; i++, to += size) {
		uint64_t at = p->offset;
		for (unsigned k = 0; k < p->ndim; k++)
			at += index[k] * p->stride[k];
		memcpy(to, from + at * size, size);
		for (unsigned k = p->ndim; k-- > 0 && ++index[k] == t->dim[k];)
			index[k] = 0;
	}
	return VLA_OK;
}

static vla_status place(struct archive *a, const vla_pickle_tensor *p, vla_ct *t, vla_err *err)
{
	uint64_t last;
	*t = (vla_ct){ .name = p->name, .dtype = p->dtype };
	size_t size = vla_dtype_size(p->dtype);
	const vla_zip_entry *e = find(a, "data/", p->key);
	if (!e || !e->stored)
		return vla_fail(err, e ? VLA_EUNSUPPORTED : VLA_ECORRUPT, "storage '%s' of tensor '%s' is %s", p->key,
				p->name, e ? "compressed" : "not in the archive");
	if (e->n / size < p->storage)
		return vla_fail(err, VLA_ECORRUPT, "storage '%s' of tensor '%s' has %zu bytes, not %llu elements of %s",
				p->key, p->name, e->n, (unsigned long long)p->storage, vla_dtype_name(p->dtype));
	if (!extent(p, t, &last))
		return vla_fail(err, VLA_ECORRUPT, "the shape of tensor '%s' overflows", p->name);
	if (t->n && last >= p->storage)
		return vla_fail(err, VLA_ECORRUPT, "tensor '%s' reaches past its storage", p->name);
	t->data = t->n ? e->data + p->offset * size : e->data;
	return t->n == 0 || row_by_row(p) ? VLA_OK : copy_rows(a, p, e->data, t, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const vla_ct *)a)->name, ((const vla_ct *)b)->name);
}

static vla_status read_archive(struct archive *a, vla_ct **out, size_t *count, vla_err *err)
{
	const vla_zip_entry *pickle = NULL;
	vla_pickle_tensor *p = NULL;
	size_t n = 0;
	VLA_TRY(find_pickle(a, &pickle, err));
	VLA_TRY(check_order(a, err));
	VLA_TRY(vla_pickle_tensors(pickle->data, pickle->n, a->arena, &p, &n, err));
	vla_ct *t = vla_arena_alloc(a->arena, n, sizeof *t);
	if (!t)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		VLA_TRY(place(a, &p[i], &t[i], err));
	if (n)
		qsort(t, n, sizeof *t, by_name);
	for (size_t i = 1; i < n; i++)
		if (strcmp(t[i - 1].name, t[i].name) == 0)
			return vla_fail(err, VLA_ECORRUPT, "two tensors are called '%s'", t[i].name);
	*out = t;
	*count = n;
	return VLA_OK;
}

vla_status vla_torch_parse(const void *bytes, size_t n, vla_arena **owner, vla_ct **t, size_t *count, vla_err *err)
{
	struct archive a = { .budget = n };
	if (!begins(bytes, n, "PK", 2))
		return vla_fail(err, VLA_EUNSUPPORTED,
				"a file of torch before 1.6, which is no zip archive; load it and save it again with a "
				"newer torch.save");
	VLA_TRY(vla_zip_parse(bytes, n, &a.e, &a.n, err));
	vla_status st = (a.arena = vla_arena_new((size_t)1 << 16)) ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK)
		st = read_archive(&a, t, count, err);
	free(a.e);
	if (st != VLA_OK) {
		vla_arena_free(a.arena);
		return st;
	}
	*owner = a.arena;
	return VLA_OK;
}
