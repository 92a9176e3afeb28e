/* The header of a stream segment, vle(5): magic, version, key=value lines, checksum. The magic holds a byte above 127,
 * CR LF and Ctrl-Z, so that a transfer in text mode shows, as PNG does it. */
#include "io/stream.h"

#include <ctype.h>

static const char *const kinds[] = { "dense", "tokens", "sparse" };

void vla_header_release(vla_header *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->npg; i++)
		free(h->pg[i]);
	free(h->pg);
	*h = (vla_header)VLA_HEADER_INIT;
}

static vla_status push_pg(vla_header *h, char *line, vla_err *err)
{
	char **pg = line ? vla_realloc(h->pg, h->npg + 1, sizeof *pg) : NULL;
	if (!pg) {
		free(line);
		return vla_nomem(err);
	}
	h->pg = pg;
	if (h->npg == VLE_MAX_PG) { // the oldest goes
		free(pg[0]);
		memmove(pg, pg + 1, (VLE_MAX_PG - 1) * sizeof *pg);
		h->npg--;
	}
	pg[h->npg++] = line;
	return VLA_OK;
}

vla_status vla_header_copy(vla_header *dst, const vla_header *src, vla_err *err)
{
	vla_header h = *src;
	h.pg = NULL;
	h.npg = 0;
	for (size_t i = 0; i < src->npg; i++) {
		vla_status s = push_pg(&h, vla_strdup(src->pg[i]), err);
		if (s != VLA_OK) {
			vla_header_release(&h);
			return s;
		}
	}
	*dst = h;
	return VLA_OK;
}

static bool plain(const char *s)
{
	return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")] == 0;
}

// One word of a command line as a shell would have it quoted; control characters become '?'.
static vla_status add_word(vla_buf *b, const char *s, vla_err *err)
{
	if (plain(s))
		return vla_buf_addf(b, err, " %s", s);
	VLA_TRY(vla_buf_add(b, " '", 2, err));
	for (; *s; s++) {
		char c = (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s;
		VLA_TRY(c == '\'' ? vla_buf_add(b, "'\\''", 4, err) : vla_buf_add(b, &c, 1, err));
	}
	return vla_buf_add(b, "'", 1, err);
}

vla_status vla_header_add_pg(vla_header *h, int argc, char *const *argv, vla_err *err)
{
	vla_buf b = { 0 };
	vla_status s = vla_buf_add(&b, vla_version(), strlen(vla_version()), err);
	for (int i = 0; s == VLA_OK && i < argc && b.n <= VLE_MAX_PG_BYTES; i++) {
		const char *slash = i == 0 ? strrchr(argv[0], '/') : NULL;
		s = add_word(&b, slash ? slash + 1 : argv[i], err);
	}
	if (s == VLA_OK && b.n > VLE_MAX_PG_BYTES) {
		b.n = VLE_MAX_PG_BYTES - 4;
		while (b.n > 0 && (b.data[b.n] & 0xc0) == 0x80) // not inside a UTF-8 character
			b.n--;
		s = vla_buf_add(&b, " ...", 4, err);
	}
	if (s == VLA_OK)
		s = push_pg(h, vla_strndup(b.data, b.n), err);
	vla_buf_release(&b);
	return s;
}

static vla_status check_header(const vla_header *h, vla_err *err)
{
	if ((unsigned)h->kind > VLA_SPARSE || (unsigned)h->dtype > VLA_I8)
		return vla_fail(err, VLA_EINVAL, "a stream cannot hold kind %d with element type %s", (int)h->kind,
				vla_dtype_name(h->dtype));
	if (h->dim == 0)
		return vla_fail(err, VLA_EINVAL, "a stream needs a dimension of at least 1");
	if (strpbrk(h->model, "\n\r") || strpbrk(h->compute, "\n\r"))
		return vla_fail(err, VLA_EINVAL, "a model's fingerprint must be one line");
	return VLA_OK;
}

static vla_status add_lines(const vla_header *h, vla_buf *b, vla_err *err)
{
	VLA_TRY(vla_buf_addf(b, err, "kind=%s\ndtype=%s\ndim=%u\n", kinds[h->kind], vla_dtype_name(h->dtype), h->dim));
	if (h->count != UINT64_MAX)
		VLA_TRY(vla_buf_addf(b, err, "count=%llu\n", (unsigned long long)h->count));
	if (h->l2)
		VLA_TRY(vla_buf_addf(b, err, "norm=l2\n"));
	if (h->model[0])
		VLA_TRY(vla_buf_addf(b, err, "model=%s\n", h->model));
	if (h->compute[0])
		VLA_TRY(vla_buf_addf(b, err, "compute=%s\n", h->compute));
	for (size_t i = 0; i < h->npg; i++)
		VLA_TRY(vla_buf_addf(b, err, "pg.%zu=%s\n", i + 1, h->pg[i]));
	return VLA_OK;
}

vla_status vle_header_format(const vla_header *h, vla_buf *b, vla_err *err)
{
	VLA_TRY(check_header(h, err));
	size_t begin = b->n;
	const uint16_t version[2] = { VLE_MAJOR, VLE_MINOR };
	VLA_TRY(vla_buf_add(b, VLE_MAGIC, 8, err));
	VLA_TRY(vla_buf_add(b, version, 4, err));
	VLA_TRY(vla_buf_add(b, "\0\0\0", 4, err));
	VLA_TRY(add_lines(h, b, err));
	while ((b->n - begin + 4) % VLE_ALIGN != 0)
		VLA_TRY(vla_buf_add(b, "\n", 1, err));
	size_t text = b->n - begin - VLE_FIXED;
	if (text > VLE_MAX_TEXT)
		return vla_fail(err, VLA_EINVAL, "the stream's header is over %zu bytes", VLE_MAX_TEXT);
	uint32_t length = (uint32_t)text;
	memcpy(b->data + begin + 12, &length, 4);
	uint32_t crc = vle_crc(0, b->data + begin, b->n - begin);
	return vla_buf_add(b, &crc, 4, err);
}

vla_status vle_header_length(const char *p, size_t *n, vla_err *err)
{
	if (memcmp(p, VLE_MAGIC, 8) != 0) {
		if (memcmp(p, VLE_MAGIC, 4) == 0)
			return vla_fail(err, VLA_EFORMAT, "stream was damaged by a transfer in text mode");
		return vla_fail(err, VLA_EFORMAT, "not an embedding stream");
	}
	unsigned major = vle_u32(p + 8) & 0xffff;
	if (major != VLE_MAJOR)
		return vla_fail(err, VLA_EVERSION, "stream has format version %u, this program reads %d", major,
				VLE_MAJOR);
	size_t text = vle_u32(p + 12);
	if (text > VLE_MAX_TEXT || (text + VLE_FIXED + 4) % VLE_ALIGN != 0)
		return vla_fail(err, VLA_ECORRUPT, "header has a length of %zu", text);
	*n = VLE_FIXED + text + 4;
	return VLA_OK;
}

static bool parse_number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (max - (uint64_t)(*s - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*out = v;
	return true;
}

enum {
	HAS_KIND = 1,
	HAS_DTYPE = 2,
	HAS_DIM = 4,
	HAS_ALL = 7,
	HAS_COUNT = 8,
	HAS_NORM = 16,
	HAS_MODEL = 32,
	HAS_COMPUTE = 64
};

static vla_status bad_line(const char *key, const char *value, vla_err *err)
{
	return vla_fail(err, VLA_EFORMAT, "header says %s=%.60s", key, value);
}

static bool copy_word(char *dst, size_t cap, const char *value)
{
	if (strlen(value) >= cap)
		return false;
	memcpy(dst, value, strlen(value) + 1);
	return true;
}

// Takes one key; *seen collects those that may come once. Unknown keys are passed over.
static vla_status take_key(vla_header *h, const char *key, const char *value, unsigned *seen, vla_err *err)
{
	static const char *const once[] = { "kind", "dtype", "dim", "count", "norm", "model", "compute" };
	uint64_t u = 0;
	bool good = true;
	if (strncmp(key, "pg.", 3) == 0)
		return push_pg(h, vla_strdup(value), err);
	unsigned bit = 0;
	for (unsigned i = 0; i < sizeof once / sizeof once[0]; i++)
		if (strcmp(key, once[i]) == 0)
			bit = 1u << i;
	if (*seen & bit)
		return vla_fail(err, VLA_EFORMAT, "header has the key %s twice", key);
	*seen |= bit;
	switch (bit) {
	case HAS_KIND:
		while (u < 3 && strcmp(value, kinds[u]) != 0)
			u++;
		good = u < 3;
		h->kind = (vla_kind)u;
		break;
	case HAS_DTYPE: good = vla_dtype_parse(value, &h->dtype, NULL) == VLA_OK && h->dtype <= VLA_I8; break;
	case HAS_DIM:
		good = parse_number(value, UINT32_MAX, &u) && u > 0;
		h->dim = (uint32_t)u;
		break;
	case HAS_COUNT: good = parse_number(value, UINT64_MAX - 1, &h->count); break;
	case HAS_NORM: h->l2 = strcmp(value, "l2") == 0; break;
	case HAS_MODEL: good = copy_word(h->model, sizeof h->model, value); break;
	case HAS_COMPUTE: good = copy_word(h->compute, sizeof h->compute, value); break;
	default: break;
	}
	return good ? VLA_OK : bad_line(key, value, err);
}

static vla_status parse_lines(char *text, vla_header *h, vla_err *err)
{
	unsigned seen = 0;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!*line)
			continue;
		char *value = strchr(line, '=');
		if (!value)
			return vla_fail(err, VLA_EFORMAT, "header has the line '%.60s'", line);
		*value++ = 0;
		VLA_TRY(take_key(h, line, value, &seen, err));
	}
	if ((seen & HAS_ALL) != HAS_ALL)
		return vla_fail(err, VLA_EFORMAT, "header has no %s",
				!(seen & HAS_KIND)    ? "kind"
				: !(seen & HAS_DTYPE) ? "dtype"
						      : "dim");
	return VLA_OK;
}

vla_status vle_header_parse(const char *p, size_t n, vla_header *out, vla_err *err)
{
	size_t text = n - VLE_FIXED - 4;
	if (vle_crc(0, p, n - 4) != vle_u32(p + n - 4))
		return vla_fail(err, VLA_ECORRUPT, "checksum of the header does not fit");
	if (memchr(p + VLE_FIXED, 0, text))
		return vla_fail(err, VLA_EFORMAT, "header holds a NUL byte");
	vla_header h = VLA_HEADER_INIT;
	char *copy = vla_strndup(p + VLE_FIXED, text);
	vla_status s = copy ? parse_lines(copy, &h, err) : vla_nomem(err);
	free(copy);
	if (s != VLA_OK) {
		vla_header_release(&h);
		return s;
	}
	vla_header_release(out);
	*out = h;
	return VLA_OK;
}

vla_status vla_header_fits(const vla_header *a, const vla_header *b, vla_err *err)
{
	if (a->kind != b->kind)
		return vla_fail(err, VLA_EINVAL, "a %s stream does not go with a %s stream", kinds[b->kind],
				kinds[a->kind]);
	if (a->model[0] && b->model[0] && strcmp(a->model, b->model) != 0)
		return vla_fail(err, VLA_EINVAL, "vectors of model %s do not go with those of model %s", b->model,
				a->model);
	if (a->dim != b->dim)
		return vla_fail(err, VLA_EINVAL, "%u numbers a vector do not go with %u", b->dim, a->dim);
	return VLA_OK;
}

const char *vla_kind_name(vla_kind k)
{
	return (unsigned)k <= VLA_SPARSE ? kinds[k] : "?";
}

vla_status vle_header_join(vla_header *first, const vla_header *next, vla_err *err)
{
	vla_status s = vla_header_fits(first, next, err);
	if (s != VLA_OK)
		return vla_prefix(err, s, "segments differ");
	if (first->l2 != next->l2)
		return vla_fail(err, VLA_EINVAL, "segments differ: only one has unit vectors");
	if (!first->model[0])
		memcpy(first->model, next->model, sizeof first->model);
	return VLA_OK;
}
