/* Tar archives as members: forms of headers, truncation, damage. */
#include "base/base.h"
#include "tap.h"

#include <vla/tar.h>

#include <unistd.h>

static vla_buf archive;
static char path[64];

static void header(char type, const char *name, const char *prefix, unsigned long long size)
{
	char h[512] = { 0 };
	vla_err err;
	snprintf(h, 100, "%s", name);
	snprintf(h + 124, 12, "%011llo", size);
	h[156] = type;
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	snprintf(h + 345, 155, "%s", prefix);
	memset(h + 148, ' ', 8);
	unsigned sum = 0;
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	if (vla_buf_add(&archive, h, 512, &err) != VLA_OK)
		exit(2);
}

static void contents(const char *p, size_t n)
{
	static const char zero[512];
	vla_err err;
	if (vla_buf_add(&archive, p, n, &err) != VLA_OK || vla_buf_add(&archive, zero, -n % 512, &err) != VLA_OK)
		exit(2);
}

static void save(size_t n)
{
	remove(path); // file systems flush a file that is cut and written again
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(archive.data, 1, n, f) != n || fclose(f) != 0)
		exit(2);
}

// Names and contents of all members as one string; the last status in *s.
static void list(char *out, size_t cap, vla_status *s)
{
	vla_tar *t;
	vla_tar_member m;
	vla_err err = VLA_ERR_INIT;
	size_t at = 0;
	char buf[2048];
	out[0] = 0;
	*s = vla_tar_open(path, &t, &err);
	if (*s != VLA_OK)
		return;
	while ((*s = vla_tar_next(t, &m, &err)) == VLA_OK) {
		if (m.size < sizeof buf && (*s = vla_tar_read(t, buf, &err)) != VLA_OK)
			break;
		buf[m.size < sizeof buf ? m.size : 0] = 0;
		at += (size_t)snprintf(out + at, cap - at, "%s=%s;", m.name, buf);
	}
	vla_tar_close(t);
}

static void build(void)
{
	char name[300];
	memset(name, 'n', sizeof name);
	name[299] = 0;
	archive.n = 0;
	header('0', "a.txt", "", 3);
	contents("one", 3);
	header('5', "folder/", "", 0);
	header('0', "b.txt", "folder", 0);
	header('L', "././@LongLink", "", 300);
	contents(name, 300);
	header('0', "cut", "", 3);
	contents("two", 3);
	header('g', "pax_global_header", "", 11);
	contents("11 path=no\n", 11);
	header('x', "pax", "", 20);
	contents("20 path=long/\xc3\xa9.txt\n", 20);
	header('0', "cut", "", 5);
	contents("three", 5);
}

// Contents are given once, also where the padding behind them is longer than they are.
static void test_once(void)
{
	vla_tar *t;
	vla_tar_member m;
	vla_err err = VLA_ERR_INIT;
	char buf[16];
	bool good = vla_tar_open(path, &t, &err) == VLA_OK;
	ok(good && vla_tar_read(t, buf, &err) == VLA_EINVAL, "no contents before the first member");
	ok(good && vla_tar_next(t, &m, &err) == VLA_OK && vla_tar_read(t, buf, &err) == VLA_OK &&
		   memcmp(buf, "one", 3) == 0,
	   "contents");
	ok(good && vla_tar_read(t, buf, &err) == VLA_EINVAL, "and not a second time: %s", err.msg);
	ok(good && vla_tar_next(t, &m, &err) == VLA_OK && strcmp(m.name, "folder/b.txt") == 0, "the next is found");
	vla_tar_close(t);
}

int main(void)
{
	char got[4096], want[4096], name[300];
	vla_status s;
	snprintf(path, sizeof path, "/tmp/vla-tar-%ld", (long)getpid());
	memset(name, 'n', sizeof name);
	name[299] = 0;
	build();
	save(archive.n);
	list(got, sizeof got, &s);
	snprintf(want, sizeof want, "a.txt=one;folder/b.txt=;%s=two;long/\xc3\xa9.txt=three;", name);
	ok(s == VLA_EOF && strcmp(got, want) == 0, "members without the final zero blocks");
	if (strcmp(got, want) != 0)
		note("%s", got);
	test_once();

	size_t whole = archive.n;
	unsigned silent = 0;
	for (size_t n = 0; n < whole; n += 37) {
		save(n);
		list(got, sizeof got, &s);
		// A cut between two members cannot be seen; everywhere else it must be.
		silent += s == VLA_EOF && n % 512 != 0;
	}
	ok(silent == 0, "a cut inside a block is seen");

	contents("", 0);
	static const char zero[1024];
	vla_err err;
	if (vla_buf_add(&archive, zero, sizeof zero, &err) != VLA_OK)
		return 2;
	save(archive.n);
	list(got, sizeof got, &s);
	ok(s == VLA_EOF && strcmp(got, want) == 0, "the same with them");

	silent = 0;
	for (size_t i = 0; i < 512 * 8; i += 5) {
		if (i / 8 == 155) // after the digits of the checksum: no reader looks at it
			continue;
		archive.data[i / 8] ^= (char)(1 << i % 8);
		save(archive.n);
		list(got, sizeof got, &s);
		silent += s >= 0;
		archive.data[i / 8] ^= (char)(1 << i % 8);
	}
	ok(silent == 0, "a flipped bit of a header is seen");

	archive.n = 0;
	header('g', "pax_global_header", "", (2 << 20) + 5);
	for (int i = 0; i < 4096; i++)
		contents(" ", 1); // a block each
	contents("12345", 5);
	header('0', "after", "", 1);
	contents("x", 1);
	save(archive.n);
	list(got, sizeof got, &s);
	ok(s == VLA_EOF && strcmp(got, "after=x;") == 0, "defaults of any length are passed over");

	memcpy(archive.data, "text, no archive", 16);
	save(archive.n);
	list(got, sizeof got, &s);
	ok(s == VLA_EFORMAT, "text is no archive");
	save(0);
	list(got, sizeof got, &s);
	ok(s == VLA_EFORMAT, "an empty file is no archive");
	remove(path);
	vla_buf_release(&archive);
	return done();
}
