/* Reads tar archives: POSIX.1-2001 ustar headers, pax extended headers (path and size), and the GNU forms of long names
 * ('L') and of numbers past 8 GiB (base 256). Sparse members and archives in several volumes are not known. */
#include <vla/tar.h>

#include "io/file.h"

#include <errno.h>
#include <sys/stat.h>

enum { BLOCK = 512, MAX_EXTENDED = 1 << 20 };

#define MAX_MEMBER (UINT64_MAX / 4)

struct vla_tar {
	FILE *f;
	bool plain; // f can be sought in, and is `length` bytes long
	uint64_t length;
	uint64_t at;     // position in the archive
	uint64_t left;   // bytes of the current member that were not read, padding included
	uint64_t size;   // of the current member
	bool any;        // a header was read
	bool unread;     // the contents of the current member were not asked for yet
	char *name;      // of the current member
	char *next_name; // from an extended header, for the next member
	uint64_t next_size;
	bool has_size;
};

vla_status vla_tar_open(const char *path, vla_tar **out, vla_err *err)
{
	vla_tar *t = calloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	vla_status s = vla_infile_open(path, &t->f, err);
	if (s != VLA_OK) {
		free(t);
		return s;
	}
	struct stat st;
	t->plain = fstat(fileno(t->f), &st) == 0 && S_ISREG(st.st_mode) && ftello(t->f) == 0;
	t->length = t->plain ? (uint64_t)st.st_size : 0;
	*out = t;
	return VLA_OK;
}

void vla_tar_close(vla_tar *t)
{
	if (!t)
		return;
	vla_infile_close(t->f);
	free(t->name);
	free(t->next_name);
	free(t);
}

static vla_status cut(vla_tar *t, vla_err *err)
{
	if (ferror(t->f))
		return vla_fail(err, VLA_EIO, "cannot read: %s", strerror(errno));
	return vla_fail(err, VLA_ETRUNC, "the archive ends inside a member");
}

static vla_status take(vla_tar *t, void *buf, size_t n, vla_err *err)
{
	if (fread(buf, 1, n, t->f) != n)
		return cut(t, err);
	t->at += n;
	return VLA_OK;
}

static vla_status pass_over(vla_tar *t, uint64_t n, vla_err *err)
{
	if (t->plain && n > 65536) {
		if (n > t->length - t->at)
			return vla_fail(err, VLA_ETRUNC, "the archive ends inside a member");
		if (fseeko(t->f, (off_t)n, SEEK_CUR) != 0)
			return vla_fail(err, VLA_EIO, "cannot seek: %s", strerror(errno));
		t->at += n;
		return VLA_OK;
	}
	char skip[8192];
	while (n) {
		size_t k = n < sizeof skip ? (size_t)n : sizeof skip;
		VLA_TRY(take(t, skip, k, err));
		n -= k;
	}
	return VLA_OK;
}

// Octal digits, or with the top bit set a big-endian binary number.
static bool parse_number(const unsigned char *p, size_t n, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;
	if (p[0] & 0x80) {
		v = p[0] & 0x7f;
		for (i = 1; i < n; i++) {
			if (v >> 55)
				return false;
			v = v << 8 | p[i];
		}
		*out = v;
		return true;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	if (i < n && p[i] != 0 && p[i] != ' ')
		return false;
	*out = v;
	return true;
}

static bool sum_fits(const unsigned char *h)
{
	uint64_t want, sum = 0;
	int64_t with_sign = 0; // what old archivers on signed-char machines wrote
	for (size_t i = 0; i < BLOCK; i++) {
		unsigned char c = i >= 148 && i < 156 ? ' ' : h[i];
		sum += c;
		with_sign += (signed char)c;
	}
	return parse_number(h + 148, 8, &want) && (want == sum || (int64_t)want == with_sign);
}

static bool all_zero(const unsigned char *h)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (h[i])
			return false;
	return true;
}

// Bytes that contents of this size take up; size is at most MAX_MEMBER.
static uint64_t padded(uint64_t size)
{
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static size_t field(const unsigned char *p, size_t n)
{
	const unsigned char *z = memchr(p, 0, n);
	return z ? (size_t)(z - p) : n;
}

static char *header_name(const unsigned char *h)
{
	size_t n = field(h, 100), pre = memcmp(h + 257, "ustar", 5) == 0 && h[262] == 0 ? field(h + 345, 155) : 0;
	return pre ? vla_format("%.*s/%.*s", (int)pre, (const char *)h + 345, (int)n, (const char *)h)
		   : vla_strndup((const char *)h, n);
}

// Records "LENGTH KEY=VALUE\n" of a pax header.
static vla_status parse_pax(vla_tar *t, const char *p, size_t n, vla_err *err)
{
	while (n) {
		char *end;
		unsigned long long len = strtoull(p, &end, 10);
		if (*end != ' ' || len > n || len < (size_t)(end - p) + 3 || p[len - 1] != '\n')
			return vla_fail(err, VLA_ECORRUPT, "the archive has a damaged extended header");
		const char *key = end + 1, *stop = p + len - 1;
		if (stop - key > 5 && memcmp(key, "path=", 5) == 0) {
			free(t->next_name);
			t->next_name = vla_strndup(key + 5, (size_t)(stop - key) - 5);
			if (!t->next_name)
				return vla_nomem(err);
		} else if (stop - key > 5 && memcmp(key, "size=", 5) == 0) {
			t->next_size = strtoull(key + 5, &end, 10);
			if (end != stop)
				return vla_fail(err, VLA_ECORRUPT, "the archive has a damaged extended header");
			t->has_size = true;
		}
		p += len;
		n -= (size_t)len;
	}
	return VLA_OK;
}

// A header that speaks of the next one: 'x' (pax) or 'L' (GNU long name).
static vla_status read_extended(vla_tar *t, char type, uint64_t size, vla_err *err)
{
	if (size > MAX_EXTENDED)
		return vla_fail(err, VLA_ECORRUPT, "the archive has an extended header of %llu bytes",
				(unsigned long long)size);
	size_t n = (size_t)size;
	char *b = vla_alloc(n + 1, 1);
	if (!b)
		return vla_nomem(err);
	vla_status s = take(t, b, n, err);
	b[s == VLA_OK ? n : 0] = 0;
	if (s == VLA_OK && type == 'x') {
		s = parse_pax(t, b, n, err);
	} else if (s == VLA_OK) {
		free(t->next_name);
		t->next_name = vla_strdup(b);
		s = t->next_name ? VLA_OK : vla_nomem(err);
	}
	free(b);
	return s == VLA_OK ? pass_over(t, -size % BLOCK, err) : s;
}

static vla_status start_member(vla_tar *t, const unsigned char *h, uint64_t size, vla_err *err)
{
	free(t->name);
	t->name = t->next_name ? t->next_name : header_name(h);
	t->next_name = NULL;
	if (!t->name)
		return vla_nomem(err);
	t->size = t->has_size ? t->next_size : size;
	t->has_size = false;
	if (t->size > MAX_MEMBER)
		return vla_fail(err, VLA_ECORRUPT, "member '%s' has an impossible size", t->name);
	t->left = padded(t->size);
	return VLA_OK;
}

// The next header block; VLA_EOF after the archive.
static vla_status read_header(vla_tar *t, unsigned char *h, vla_err *err)
{
	size_t n = fread(h, 1, BLOCK, t->f);
	if (n == 0 && !ferror(t->f) && t->any)
		return VLA_EOF;
	if (n < BLOCK)
		return t->any || ferror(t->f) ? cut(t, err) : vla_fail(err, VLA_EFORMAT, "not a tar archive");
	t->at += BLOCK;
	if (all_zero(h) && (t->any || t->at == BLOCK))
		return VLA_EOF;
	if (!sum_fits(h))
		return t->any ? vla_fail(err, VLA_ECORRUPT, "the archive has a damaged header at byte %llu",
					 (unsigned long long)(t->at - BLOCK))
			      : vla_fail(err, VLA_EFORMAT, "not a tar archive");
	t->any = true;
	return VLA_OK;
}

vla_status vla_tar_next(vla_tar *t, vla_tar_member *m, vla_err *err)
{
	unsigned char h[BLOCK];
	for (;;) {
		uint64_t size;
		uint64_t left = t->left;
		t->left = 0;
		t->unread = false;
		VLA_TRY(pass_over(t, left, err));
		VLA_TRY(read_header(t, h, err));
		if (!parse_number(h + 124, 12, &size) || size > MAX_MEMBER)
			return vla_fail(err, VLA_ECORRUPT, "the archive has a damaged header at byte %llu",
					(unsigned long long)(t->at - BLOCK));
		char type = (char)h[156];
		if (type == 'x' || type == 'L') {
			VLA_TRY(read_extended(t, type, size, err));
			continue;
		}
		if (type == 'g' || type == 'K') { // defaults for all members; a long link target
			t->left = padded(size);
			continue;
		}
		VLA_TRY(start_member(t, h, size, err));
		size_t n = strlen(t->name);
		if ((type == '0' || type == 0 || type == '7') && n && t->name[n - 1] != '/')
			break;
		if (type >= '1' && type <= '6')
			t->left = 0; // links, devices and folders have no contents, whatever their size says
	}
	t->unread = true;
	*m = (vla_tar_member){ t->name, t->size, t->at };
	return VLA_OK;
}

vla_status vla_tar_read(vla_tar *t, void *buf, vla_err *err)
{
	uint64_t n = t->size;
	if (!t->unread)
		return vla_fail(err, VLA_EINVAL, "the contents of '%s' were read before", t->name ? t->name : "");
	t->unread = false;
	t->left -= n;
	return take(t, buf, (size_t)n, err);
}
