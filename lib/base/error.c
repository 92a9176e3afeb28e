/* Status names, messages and allocation helpers. */
#include "base/base.h"

#include <vla/dtype.h>

#define STR2(x) #x
#define STR(x) STR2(x)

const char *vla_version(void)
{
	return STR(VLA_VERSION_MAJOR) "." STR(VLA_VERSION_MINOR) "." STR(VLA_VERSION_PATCH);
}

const char *vla_status_name(vla_status s)
{
	switch (s) {
	case VLA_OK: return "VLA_OK";
	case VLA_EOF: return "VLA_EOF";
	case VLA_EINVAL: return "VLA_EINVAL";
	case VLA_ENOMEM: return "VLA_ENOMEM";
	case VLA_EIO: return "VLA_EIO";
	case VLA_EFORMAT: return "VLA_EFORMAT";
	case VLA_ETRUNC: return "VLA_ETRUNC";
	case VLA_ECORRUPT: return "VLA_ECORRUPT";
	case VLA_EVERSION: return "VLA_EVERSION";
	case VLA_EUNSUPPORTED: return "VLA_EUNSUPPORTED";
	case VLA_ECANCELED: return "VLA_ECANCELED";
	}
	return "VLA_?";
}

// Bytes from a file may end up in a message; a terminal must not see its control characters.
static void clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

vla_status vla_fail(vla_err *err, vla_status code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof err->msg, fmt, ap);
		va_end(ap);
		clean(err->msg);
		err->code = code;
	}
	return code;
}

vla_status vla_prefix(vla_err *err, vla_status code, const char *fmt, ...)
{
	if (err) {
		char old[sizeof err->msg];
		memcpy(old, err->msg, sizeof old);
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof err->msg)
			snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %s", old);
		clean(err->msg);
		err->code = code;
	}
	return code;
}

vla_status vla_nomem(vla_err *err)
{
	return vla_fail(err, VLA_ENOMEM, "out of memory");
}

void *vla_alloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	if (posix_memalign(&p, 64, bytes ? bytes : 1) != 0)
		return NULL;
	return p;
}

void *vla_zalloc(size_t n, size_t size)
{
	size_t bytes; // calloc checks as well, but a sanitizer's ends the process over it
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	return calloc(bytes ? bytes : 1, 1);
}

void *vla_realloc(void *p, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return realloc(p, bytes ? bytes : 1);
}

char *vla_strndup(const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? malloc(n + 1) : NULL;
	if (p) {
		memcpy(p, s, n);
		p[n] = 0;
	}
	return p;
}

char *vla_strdup(const char *s)
{
	return vla_strndup(s, strlen(s));
}

char *vla_format(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n >= 0 ? malloc((size_t)n + 1) : NULL;
	if (p) {
		va_start(ap, fmt);
		vsnprintf(p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	return p;
}

vla_status vla_buf_reserve(vla_buf *b, size_t more, vla_err *err)
{
	if (more > SIZE_MAX - b->n)
		return vla_nomem(err);
	size_t need = b->n + more;
	if (need <= b->cap)
		return VLA_OK;
	size_t cap = b->cap ? b->cap : 256;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	char *p = realloc(b->data, cap);
	if (!p)
		return vla_nomem(err);
	b->data = p;
	b->cap = cap;
	return VLA_OK;
}

vla_status vla_buf_add(vla_buf *b, const void *p, size_t n, vla_err *err)
{
	VLA_TRY(vla_buf_reserve(b, n, err));
	if (n)
		memcpy(b->data + b->n, p, n);
	b->n += n;
	return VLA_OK;
}

vla_status vla_buf_addf(vla_buf *b, vla_err *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return vla_fail(err, VLA_EINVAL, "cannot format text");
	VLA_TRY(vla_buf_reserve(b, (size_t)n + 1, err));
	va_start(ap, fmt);
	vsnprintf(b->data + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
	return VLA_OK;
}

void vla_buf_release(vla_buf *b)
{
	free(b->data);
	*b = (vla_buf){ NULL, 0, 0 };
}

static const struct {
	const char *name;
	size_t size;
} dtypes[] = {
	[VLA_F32] = { "f32", 4 },   [VLA_F16] = { "f16", 2 },         [VLA_BF16] = { "bf16", 2 },
	[VLA_I8] = { "i8", 1 },     [VLA_F64] = { "f64", 8 },         [VLA_U8] = { "u8", 1 },
	[VLA_I16] = { "i16", 2 },   [VLA_U16] = { "u16", 2 },         [VLA_I32] = { "i32", 4 },
	[VLA_U32] = { "u32", 4 },   [VLA_I64] = { "i64", 8 },         [VLA_U64] = { "u64", 8 },
	[VLA_BOOL] = { "bool", 1 }, [VLA_F8_E4M3] = { "f8_e4m3", 1 }, [VLA_F8_E5M2] = { "f8_e5m2", 1 },
};

#define NDTYPES (sizeof dtypes / sizeof dtypes[0])

size_t vla_dtype_size(vla_dtype t)
{
	return (size_t)t < NDTYPES ? dtypes[t].size : 0;
}

const char *vla_dtype_name(vla_dtype t)
{
	return (size_t)t < NDTYPES ? dtypes[t].name : "?";
}

vla_status vla_dtype_parse(const char *name, vla_dtype *out, vla_err *err)
{
	for (size_t i = 0; i < NDTYPES; i++)
		if (strcmp(dtypes[i].name, name) == 0) {
			*out = (vla_dtype)i;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EINVAL, "unknown element type '%s'", name);
}

size_t vla_edit_distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), d[3][66];
	if (na > 64 || nb > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= nb; j++)
		d[1][j] = j;
	for (size_t i = 1; i <= na; i++) {
		d[2][0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = d[1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[1][j] + 1 < best)
				best = d[1][j] + 1;
			if (d[2][j - 1] + 1 < best)
				best = d[2][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[0][j - 2] + 1 < best)
				best = d[0][j - 2] + 1;
			d[2][j] = best;
		}
		memcpy(d[0], d[1], sizeof d[0]);
		memcpy(d[1], d[2], sizeof d[1]);
	}
	return d[1][nb];
}

const char *vla_nearest(const char *name, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t bd = 4;
	for (size_t i = 0; i < n; i++) {
		size_t d = vla_edit_distance(name, names[i]);
		if (d < bd) {
			bd = d;
			best = names[i];
		}
	}
	return best;
}
