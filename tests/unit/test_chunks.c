/* Chunk files: what was written is found again; every prefix and every flipped bit is refused, by open or by check. */
#include "io/chunks.h"

#include "fault.h"
#include "tap.h"

#include <unistd.h>

static char path[64];

static vla_status write_sample(vla_err *err)
{
	vla_chunk_writer *w = NULL;
	vla_status s = vla_chunk_writer_open(path, &w, err);
	if (s == VLA_OK)
		s = vla_chunk_begin(w, 0, "HEAD", err);
	if (s == VLA_OK)
		s = vla_chunk_add(w, "some", 4, err);
	if (s == VLA_OK)
		s = vla_chunk_add(w, " text", 5, err);
	if (s == VLA_OK)
		s = vla_chunk_begin(w, 0, "NONE", err);
	if (s == VLA_OK)
		s = vla_chunk_begin(w, 0, "DATA", err);
	for (int i = 0; i < 10 && s == VLA_OK; i++)
		s = vla_chunk_add(w, "0123456789abcdef", 16, err);
	if (s == VLA_OK)
		s = vla_chunk_writer_finish(w, err);
	vla_chunk_writer_close(w);
	return s;
}

static vla_status open_and_check(vla_err *err)
{
	vla_chunks *c = NULL;
	vla_status s = vla_chunks_open(path, &c, err);
	if (s == VLA_OK)
		s = vla_chunks_check(c, err);
	vla_chunks_close(c);
	return s;
}

static void save(const char *p, size_t n)
{
	remove(path); // file systems flush a file that is cut and written again
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		exit(2);
}

static void test_contents(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_chunks *c = NULL;
	size_t n, none, absent;
	ok(write_sample(&err) == VLA_OK && vla_chunks_open(path, &c, &err) == VLA_OK, "written and opened %s", err.msg);
	const char *head = vla_chunks_get(c, 0, "HEAD", &n);
	ok(head && n == 9 && memcmp(head, "some text", 9) == 0, "a chunk added in pieces");
	ok(vla_chunks_get(c, 0, "NONE", &none) && none == 0, "an empty chunk is there");
	ok(!vla_chunks_get(c, 0, "nope", &absent) && absent == 0, "an absent one is not");
	const char *data = vla_chunks_get(c, 0, "DATA", &n);
	ok(n == 160 && (uintptr_t)data % 64 == 0, "chunks are aligned");
	ok(vla_chunks_check(c, &err) == VLA_OK, "checksums fit");
	vla_chunks_close(c);
}

static void test_damage(void)
{
	static char file[16384], copy[16384];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(file, 1, sizeof file, f) : 0, taken = 0;
	if (f)
		fclose(f);
	ok(n > 8192 && n < sizeof file, "sample has %zu bytes", n);
	for (size_t i = 0; i < n; i += i < 64 ? 3 : i < 8192 ? 317 : 29) {
		save(file, i);
		taken += open_and_check(NULL) == VLA_OK;
	}
	ok(taken == 0, "every prefix is refused");
	for (size_t i = 0; i < n * 8; i += i < 64 * 8 ? 1 : i < 8192 * 8 ? 997 : 7) {
		memcpy(copy, file, n);
		copy[i / 8] ^= (char)(1 << i % 8);
		save(copy, n);
		if (open_and_check(NULL) == VLA_OK) {
			note("bit %zu of byte %zu", i % 8, i / 8);
			taken++;
		}
	}
	ok(taken == 0, "every flipped bit is refused");
	memcpy(copy, file, n);
	save(copy, n + 64 < sizeof copy ? n + 64 : n);
	ok(open_and_check(NULL) == VLA_OK, "bytes past the end, left by a writer that was killed, do no harm");
}

static void test_memory(void)
{
	vla_err err = VLA_ERR_INIT;
	bool clean = true;
	long n = 0;
	vla_status s = VLA_ENOMEM;
	while (FAULTS && s != VLA_OK && n < 100) {
		remove(path); // realpath of an existing file allocates behind our back
		long live = fault_live();
		fault_at(++n);
		s = write_sample(&err);
		if (s == VLA_OK)
			s = open_and_check(&err);
		fault_at(0);
		if (fault_live() != live || (s != VLA_OK && s != VLA_ENOMEM && s != VLA_EIO))
			note("%ld: %s, %ld blocks kept", n, vla_status_name(s), fault_live() - live);
		clean = clean && fault_live() == live && (s == VLA_OK || s == VLA_ENOMEM || s == VLA_EIO);
	}
	if (FAULTS)
		ok(clean && s == VLA_OK && n > 2, "each of %ld allocations may fail", n);
	else
		skip("allocation failures need the plain build");
}

int main(void)
{
	snprintf(path, sizeof path, "/tmp/vla-chunks-%ld", (long)getpid());
	test_contents();
	test_damage();
	test_memory();
	remove(path);
	return done();
}
