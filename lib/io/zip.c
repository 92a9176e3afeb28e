/* Zip (PKWARE APPNOTE 6.3), the parts that archives of tensors use: the central directory decides, zip64 sizes and
 * offsets included; each local header has to agree with it. Nothing is unpacked. Everything in the file is taken for
 * hostile: each length is compared with what is left before it is used. */
#include "io/zip.h"

#define MAX_ENTRIES ((uint64_t)1 << 20)

enum {
	END_SIZE = 22,
	END64_SIZE = 56,
	LOCATOR_SIZE = 20,
	CENTRAL_SIZE = 46,
	LOCAL_SIZE = 30,
	MAX_COMMENT = 65535,
};

struct archive {
	const unsigned char *p;
	size_t n;
	uint64_t entries, at, bytes; // of the central directory
};

static uint32_t u16(const unsigned char *p)
{
	return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const unsigned char *p)
{
	return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const unsigned char *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

// Replaces the fields that say "too large for 32 bits".
static vla_status read_end64(struct archive *a, size_t end, vla_err *err)
{
	const unsigned char *l = a->p + end - LOCATOR_SIZE;
	if (end < LOCATOR_SIZE || u32(l) != 0x07064b50)
		return VLA_OK;
	uint64_t at = u64(l + 8);
	if (u32(l + 16) > 1)
		return vla_fail(err, VLA_EUNSUPPORTED, "an archive on several disks");
	if (at > end - LOCATOR_SIZE || end - LOCATOR_SIZE - at < END64_SIZE || u32(a->p + at) != 0x06064b50)
		return vla_fail(err, VLA_ECORRUPT, "the archive's zip64 record is not where it should be");
	const unsigned char *e = a->p + at;
	a->entries = u64(e + 32);
	a->bytes = u64(e + 40);
	a->at = u64(e + 48);
	return VLA_OK;
}

static vla_status find_end(struct archive *a, vla_err *err)
{
	size_t low = a->n > END_SIZE + MAX_COMMENT ? a->n - END_SIZE - MAX_COMMENT : 0;
	if (a->n < END_SIZE)
		return vla_fail(err, VLA_ETRUNC, "not a zip archive: %zu bytes", a->n);
	for (size_t i = a->n - END_SIZE + 1; i-- > low;) {
		const unsigned char *e = a->p + i;
		if (u32(e) != 0x06054b50 || u16(e + 20) != a->n - i - END_SIZE)
			continue;
		if (u16(e + 4) != u16(e + 6))
			return vla_fail(err, VLA_EUNSUPPORTED, "an archive on several disks");
		a->entries = u16(e + 10);
		a->bytes = u32(e + 12);
		a->at = u32(e + 16);
		VLA_TRY(read_end64(a, i, err));
		if (a->at > i || a->bytes > i - a->at || a->entries > a->bytes / CENTRAL_SIZE)
			return vla_fail(err, VLA_ECORRUPT, "the archive's directory does not lie inside the file");
		if (a->entries > MAX_ENTRIES)
			return vla_fail(err, VLA_EUNSUPPORTED, "an archive of more than %llu entries",
					(unsigned long long)MAX_ENTRIES);
		return VLA_OK;
	}
	return vla_fail(err, VLA_ETRUNC, "the archive has no directory: the file ends too early");
}

// Sizes and offset of one directory entry; the zip64 field holds those that are all ones, in this order.
static vla_status read_sizes(const unsigned char *c, uint64_t *full, uint64_t *packed, uint64_t *at, vla_err *err)
{
	const unsigned char *x = c + CENTRAL_SIZE + u16(c + 28), *end = x + u16(c + 30);
	uint64_t *out[3] = { full, packed, at };
	*packed = u32(c + 20);
	*full = u32(c + 24);
	*at = u32(c + 42);
	while (end - x >= 4) {
		size_t id = u16(x), len = u16(x + 2);
		x += 4;
		if ((size_t)(end - x) < len)
			break;
		for (size_t i = 0, k = 0; id == 1 && i < 3; i++)
			if (*out[i] == UINT32_MAX) {
				if (len - k < 8)
					return vla_fail(err, VLA_ECORRUPT, "a zip64 field of %zu bytes", len);
				*out[i] = u64(x + k);
				k += 8;
			}
		x += len;
	}
	return VLA_OK;
}

static vla_status read_entry(const struct archive *a, const unsigned char *c, vla_zip_entry *e, vla_err *err)
{
	uint64_t full, packed, at;
	int show = (int)(u16(c + 28) < 100 ? u16(c + 28) : 100);
	*e = (vla_zip_entry){ .name = (const char *)c + CENTRAL_SIZE, .name_n = u16(c + 28) };
	VLA_TRY(read_sizes(c, &full, &packed, &at, err));
	if (u16(c + 8) & 1)
		return vla_fail(err, VLA_EUNSUPPORTED, "entry '%.*s' is encrypted", show, e->name);
	e->stored = u16(c + 10) == 0;
	if (at > a->at || a->at - at < LOCAL_SIZE || u32(a->p + at) != 0x04034b50)
		return vla_fail(err, VLA_ECORRUPT, "entry '%.*s' is not where the directory says", show, e->name);
	const unsigned char *l = a->p + at;
	uint64_t head = LOCAL_SIZE + (uint64_t)u16(l + 26) + u16(l + 28), room = a->at - at;
	if (head > room || packed > room - head)
		return vla_fail(err, VLA_ECORRUPT, "entry '%.*s' reaches past the archive's data", show, e->name);
	if (u16(l + 26) != e->name_n || memcmp(l + LOCAL_SIZE, e->name, e->name_n) != 0 || u16(l + 8) != u16(c + 10))
		return vla_fail(err, VLA_ECORRUPT, "entry '%.*s' is called otherwise in its own header", show, e->name);
	if (e->stored && full != packed)
		return vla_fail(err, VLA_ECORRUPT, "entry '%.*s' has two sizes", show, e->name);
	e->data = (const char *)l + head;
	e->n = (size_t)packed;
	e->begin = (size_t)at;
	return VLA_OK;
}

static int by_place(const void *a, const void *b)
{
	const vla_zip_entry *x = a, *y = b;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static int compare_names(const char *a, size_t an, const char *b, size_t bn)
{
	size_t n = an < bn ? an : bn;
	int d = n ? memcmp(a, b, n) : 0;
	return d ? d : an < bn ? -1 : an > bn;
}

static int by_name(const void *a, const void *b)
{
	const vla_zip_entry *x = a, *y = b;
	return compare_names(x->name, x->name_n, y->name, y->name_n);
}

static vla_status check_entries(const char *file, vla_zip_entry *e, size_t n, vla_err *err)
{
	qsort(e, n, sizeof *e, by_place);
	for (size_t i = 1; i < n; i++)
		if (file + e[i].begin < e[i - 1].data + e[i - 1].n)
			return vla_fail(err, VLA_ECORRUPT, "two entries of the archive overlap");
	qsort(e, n, sizeof *e, by_name);
	for (size_t i = 1; i < n; i++)
		if (by_name(&e[i - 1], &e[i]) == 0)
			return vla_fail(err, VLA_ECORRUPT, "two entries are called '%.*s'",
					(int)(e[i].name_n < 100 ? e[i].name_n : 100), e[i].name);
	return VLA_OK;
}

vla_status vla_zip_parse(const void *bytes, size_t n, vla_zip_entry **out, size_t *count, vla_err *err)
{
	struct archive a = { .p = bytes, .n = n };
	VLA_TRY(find_end(&a, err));
	vla_zip_entry *e = vla_alloc((size_t)a.entries, sizeof *e);
	if (!e)
		return vla_nomem(err);
	vla_status st = VLA_OK;
	const unsigned char *c = a.p + a.at, *end = c + a.bytes;
	size_t k = 0;
	for (; st == VLA_OK && k < a.entries; k++) {
		size_t left = (size_t)(end - c);
		if (left < CENTRAL_SIZE || u32(c) != 0x02014b50 ||
		    left - CENTRAL_SIZE < (size_t)u16(c + 28) + u16(c + 30) + u16(c + 32)) {
			st = vla_fail(err, VLA_ECORRUPT, "entry %zu of the archive's directory is damaged", k);
			break;
		}
		st = read_entry(&a, c, &e[k], err);
		c += CENTRAL_SIZE + u16(c + 28) + u16(c + 30) + u16(c + 32);
	}
	if (st == VLA_OK)
		st = check_entries(bytes, e, k, err);
	if (st != VLA_OK) {
		free(e);
		return st;
	}
	*out = e;
	*count = k;
	return VLA_OK;
}

const vla_zip_entry *vla_zip_find(const vla_zip_entry *e, size_t count, const char *name)
{
	vla_zip_entry key = { .name = name, .name_n = strlen(name) };
	return count ? bsearch(&key, e, count, sizeof *e, by_name) : NULL;
}
