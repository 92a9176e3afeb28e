#include "io/file.h"
#include "io/stream.h"
#include "streams.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

static char dir[] = "/tmp/vla-stream-XXXXXX";
static char path[64];

static const struct {
	vla_dtype t;
	float tol;
} types[] = { { VLA_F32, 0 }, { VLA_F16, 0x1p-11f }, { VLA_BF16, 0x1p-8f }, { VLA_I8, 1 / 127.0f } };

static vla_header header_of(vla_kind kind, vla_dtype t, uint32_t dim)
{
	vla_header h = VLA_HEADER_INIT;
	h.kind = kind;
	h.dtype = t;
	h.dim = dim;
	return h;
}

// Reads everything from memory; the status that ended it, VLA_EOF for a complete stream.
static vla_status read_all(const char *data, size_t n, unsigned *records)
{
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	FILE *f = fmemopen((void *)(uintptr_t)data, n ? n : 1, "rb");
	if (n == 0)
		fgetc(f);
	vla_status s = vla_reader_from(f, &r, NULL);
	*records = 0;
	if (s == VLA_OK) {
		while ((s = vla_reader_next(r, &rec, NULL)) == VLA_OK)
			++*records;
		vla_rec_release(&rec);
		vla_reader_close(r);
	}
	fclose(f);
	return s;
}

static vla_buf stream_of(const vla_header *h, unsigned n)
{
	vla_buf b = { 0 };
	vla_err err = VLA_ERR_INIT;
	if (sample_write(path, h, n, &err) != VLA_OK || vla_read_file(path, 1 << 26, &b, &err) != VLA_OK)
		note("%s", err.msg);
	return b;
}

static void test_round_trip(void)
{
	for (int kind = VLA_DENSE; kind <= VLA_SPARSE; kind++)
		for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
			vla_header h = header_of((vla_kind)kind, types[t].t, kind == VLA_SPARSE ? 64 : 5);
			vla_err err = VLA_ERR_INIT;
			vla_reader *r = NULL;
			vla_rec rec = VLA_REC_INIT;
			bool good =
				sample_write(path, &h, 9, &err) == VLA_OK && vla_reader_open(path, &r, &err) == VLA_OK;
			unsigned n = 0;
			vla_status s = VLA_OK;
			while (good && (s = vla_reader_next(r, &rec, &err)) == VLA_OK)
				good = sample_equal(&rec, h.kind, h.dim, n++, types[t].tol);
			ok(good && s == VLA_EOF && n == 9, "%s %s comes back", vla_kind_name(h.kind),
			   vla_dtype_name(h.dtype));
			ok(r && vla_reader_next(r, &rec, &err) == VLA_EOF, "and stays at its end");
			vla_rec_release(&rec);
			vla_reader_close(r);
		}
}

static void test_header(void)
{
	vla_header h = header_of(VLA_DENSE, VLA_F16, 3), got = VLA_HEADER_INIT, copy = VLA_HEADER_INIT;
	char *argv[] = { "/usr/bin/vla-embed", "-o", "a b.vle", "it's", "x\ny", "", NULL };
	vla_err err = VLA_ERR_INIT;
	vla_buf b = { 0 };
	size_t n = 0;
	h.l2 = true;
	h.count = 7;
	snprintf(h.model, sizeof h.model, "mini:0123");
	snprintf(h.compute, sizeof h.compute, "bf16");
	ok(vla_header_add_pg(&h, 6, argv, &err) == VLA_OK && h.npg == 1, "provenance");
	ok(strcmp(h.pg[0] + strlen(vla_version()), " vla-embed -o 'a b.vle' 'it'\\''s' 'x?y' ''") == 0, "is quoted");
	char *many[2000];
	for (int i = 0; i < 2000; i++)
		many[i] = "\xc3\xa9\xc3\xa9\xc3\xa9";
	ok(vla_header_add_pg(&h, 2000, many, &err) == VLA_OK && strlen(h.pg[1]) <= VLE_MAX_PG_BYTES,
	   "and cut when long");
	ok(vle_header_format(&h, &b, &err) == VLA_OK && b.n % 64 == 0, "header is a multiple of 64 bytes");
	ok(vle_header_length(b.data, &n, &err) == VLA_OK && n == b.n, "and says its length");
	ok(vle_header_parse(b.data, n, &got, &err) == VLA_OK, "parses");
	ok(got.kind == h.kind && got.dtype == h.dtype && got.dim == 3 && got.count == 7 && got.l2 &&
		   !strcmp(got.model, h.model) && !strcmp(got.compute, "bf16") && got.npg == 2 &&
		   !strcmp(got.pg[0], h.pg[0]),
	   "all keys come back");
	ok(vla_header_copy(&copy, &got, &err) == VLA_OK && copy.npg == 2 && !strcmp(copy.pg[1], got.pg[1]), "copy");
	for (int i = 0; i < 300; i++)
		if (vla_header_add_pg(&copy, 1, argv, &err) != VLA_OK)
			break;
	ok(copy.npg == VLE_MAX_PG && strcmp(copy.pg[0], got.pg[0]) != 0, "the oldest provenance lines go first");
	snprintf(copy.model, sizeof copy.model, "other:9");
	ok(vla_header_fits(&got, &copy, &err) == VLA_EINVAL && strstr(err.msg, "mini:0123") &&
		   strstr(err.msg, "other:9"),
	   "another model is refused with both names");
	copy.model[0] = 0;
	ok(vla_header_fits(&got, &copy, &err) == VLA_OK, "an unknown model fits");
	vla_header_release(&h);
	vla_header_release(&got);
	vla_header_release(&copy);
	vla_buf_release(&b);
}

// Builds a header from text lines and says how parsing ends.
static vla_status parse_text(const char *text)
{
	char b[256] = VLE_MAGIC;
	vla_header h = VLA_HEADER_INIT;
	size_t n = strlen(text), total = vle_align(VLE_FIXED + n + 4, 64);
	uint16_t version[2] = { VLE_MAJOR, VLE_MINOR + 3 };
	uint32_t length = (uint32_t)(total - VLE_FIXED - 4);
	memcpy(b + 8, version, 4);
	memcpy(b + 12, &length, 4);
	memset(b + VLE_FIXED, '\n', length);
	memcpy(b + VLE_FIXED, text, n);
	uint32_t crc = vle_crc(0, b, total - 4);
	memcpy(b + total - 4, &crc, 4);
	vla_status s = vle_header_length(b, &total, NULL);
	if (s == VLA_OK)
		s = vle_header_parse(b, total, &h, NULL);
	vla_header_release(&h);
	return s;
}

static void test_header_text(void)
{
	ok(parse_text("kind=dense\ndtype=f32\ndim=2") == VLA_OK, "smallest header, and a higher minor version");
	ok(parse_text("kind=dense\ndtype=f32\ndim=2\nfuture=1\n\n") == VLA_OK, "unknown keys are passed over");
	static const char *const bad[] = {
		"dtype=f32\ndim=2",
		"kind=dense\ndim=2",
		"kind=dense\ndtype=f32",
		"kind=dense\ndtype=f32\ndim=2\ndim=2",
		"kind=cube\ndtype=f32\ndim=2",
		"kind=dense\ndtype=u8\ndim=2",
		"kind=dense\ndtype=f32\ndim=0",
		"kind=dense\ndtype=f32\ndim=-1",
		"kind=dense\ndtype=f32\ndim=4294967296",
		"kind=dense\ndtype=f32\ndim=2\ncount=x",
		"kind=dense\ndtype=f32\ndim=2\nnonsense",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(parse_text(bad[i]) == VLA_EFORMAT, "bad header %zu", i);
}

static void test_damage(void)
{
	for (int kind = VLA_DENSE; kind <= VLA_SPARSE; kind++) {
		vla_header h =
			header_of((vla_kind)kind, kind == VLA_TOKENS ? VLA_I8 : VLA_F16, kind == VLA_SPARSE ? 64 : 3);
		vla_buf b = stream_of(&h, 5);
		unsigned n, accepted = 0, lost = 0;
		ok(read_all(b.data, b.n, &n) == VLA_EOF && n == 5, "%s: whole stream of %zu bytes",
		   vla_kind_name(h.kind), b.n);
		for (size_t i = 0; i < b.n; i++) {
			vla_status s = read_all(b.data, i, &n);
			accepted += s == VLA_EOF;
			lost += s != VLA_ETRUNC;
		}
		ok(!accepted && !lost, "every proper prefix is VLA_ETRUNC (%u, %u)", accepted, lost);
		accepted = 0;
		for (size_t i = 0; i < b.n * 8; i++) {
			b.data[i / 8] ^= (char)(1 << i % 8);
			accepted += read_all(b.data, b.n, &n) == VLA_EOF;
			b.data[i / 8] ^= (char)(1 << i % 8);
		}
		ok(!accepted, "every single-bit flip is refused (%u of %zu)", accepted, b.n * 8);
		vla_buf_release(&b);
	}
}

static void test_segments(void)
{
	vla_header h = header_of(VLA_DENSE, VLA_F16, 3), other = header_of(VLA_DENSE, VLA_F16, 4);
	vla_buf a = stream_of(&h, 4), e = stream_of(&h, 0), x = stream_of(&other, 1), all = { 0 };
	unsigned n;
	ok(read_all(e.data, e.n, &n) == VLA_EOF && n == 0, "an empty segment is a stream");
	ok(read_all("", 0, &n) == VLA_ETRUNC, "an empty input is not");
	ok(vla_buf_add(&all, a.data, a.n, NULL) == VLA_OK && vla_buf_add(&all, e.data, e.n, NULL) == VLA_OK &&
		   vla_buf_add(&all, a.data, a.n, NULL) == VLA_OK,
	   "concatenate");
	ok(read_all(all.data, all.n, &n) == VLA_EOF && n == 8, "segments concatenate");
	ok(read_all(all.data, all.n - 64, &n) == VLA_ETRUNC && n == 8, "the last end block is missed");
	ok(vla_buf_add(&all, x.data, x.n, NULL) == VLA_OK && read_all(all.data, all.n, &n) == VLA_EINVAL,
	   "another dimension is refused");
	all.n = a.n;
	ok(vla_buf_add(&all, "garbage!", 8, NULL) == VLA_OK && read_all(all.data, all.n, &n) == VLA_EFORMAT && n == 4,
	   "garbage after the end block is refused");
	// An optional block between header and records, an unknown required one.
	char extra[64] = "note\1\0\0\0\060";
	uint32_t crc = vle_crc(0, extra, 60);
	memcpy(extra + 60, &crc, 4);
	size_t head = 0;
	ok(vle_header_length(a.data, &head, NULL) == VLA_OK, "length of the header");
	for (int i = 0; i < 2; i++) {
		all.n = 0;
		ok(vla_buf_add(&all, a.data, head, NULL) == VLA_OK && vla_buf_add(&all, extra, 64, NULL) == VLA_OK &&
			   vla_buf_add(&all, a.data + head, a.n - head, NULL) == VLA_OK &&
			   read_all(all.data, all.n, &n) == (i ? VLA_EVERSION : VLA_EOF),
		   "a block that %s", i ? "must be known is refused" : "may be skipped is skipped");
		extra[0] = 'N';
		crc = vle_crc(0, extra, 60);
		memcpy(extra + 60, &crc, 4);
	}
	vla_buf_release(&a);
	vla_buf_release(&e);
	vla_buf_release(&x);
	vla_buf_release(&all);
}

static void test_writer_refuses(void)
{
	vla_header h = header_of(VLA_DENSE, VLA_F16, 2), bad = header_of(VLA_DENSE, VLA_F64, 2);
	vla_err err = VLA_ERR_INIT;
	vla_writer *w = NULL;
	ok(vla_writer_open(path, &bad, &w, &err) == VLA_EINVAL, "f64 is no type of a stream");
	unlink(path);
	ok(vla_writer_open(path, &h, &w, &err) == VLA_OK, "open");
	float data[4] = { 1, NAN, 0, 0 };
	vla_rec rec = VLA_REC_INIT;
	rec.data = data;
	ok(vla_writer_put(w, &rec, &err) == VLA_EINVAL, "no id");
	rec.id = "a";
	ok(vla_writer_put(w, &rec, &err) == VLA_EINVAL && strstr(err.msg, "'a'"), "NaN");
	data[1] = 70000;
	ok(vla_writer_put(w, &rec, &err) == VLA_EINVAL, "too large for f16");
	data[1] = 2;
	rec.rows = 2;
	ok(vla_writer_put(w, &rec, &err) == VLA_EINVAL, "two rows in a dense stream");
	rec.rows = 0;
	float box[4] = { 1, 2, INFINITY, 4 };
	rec.box = box;
	ok(vla_writer_put(w, &rec, &err) == VLA_EINVAL, "a box without end");
	rec.box = NULL;
	ok(vla_writer_put(w, &rec, &err) == VLA_OK, "0 rows mean 1");
	ok(access(path, F_OK) != 0 && vla_writer_finish(w, &err) == VLA_OK && access(path, F_OK) == 0,
	   "whole or not at all");
	vla_writer_close(w);
	h.count = 3;
	ok(vla_writer_open(path, &h, &w, &err) == VLA_OK && vla_writer_finish(w, &err) == VLA_EINVAL,
	   "announced count");
	vla_writer_close(w);
	if (access("/dev/full", W_OK) == 0) {
		h.count = UINT64_MAX;
		ok(vla_writer_open("/dev/full", &h, &w, &err) == VLA_OK && vla_writer_put(w, &rec, &err) == VLA_OK &&
			   vla_writer_finish(w, &err) == VLA_EIO && strstr(err.msg, "/dev/full"),
		   "full disk");
		vla_writer_close(w);
	}
}

static void test_hostile(void)
{
	vla_header h = header_of(VLA_DENSE, VLA_F32, 2);
	vla_buf b = stream_of(&h, 3);
	size_t head = 0;
	unsigned n;
	ok(vle_header_length(b.data, &head, NULL) == VLA_OK, "length of the header");
	uint32_t huge = UINT32_MAX - 15, fits = (64u << 20) - 16;
	memcpy(b.data + head + 8, &huge, 4);
	ok(read_all(b.data, b.n, &n) == VLA_ECORRUPT, "a block length over the limit");
	memcpy(b.data + head + 8, &fits, 4);
	ok(read_all(b.data, b.n, &n) == VLA_ETRUNC, "a block length over the input");
	vla_buf_release(&b);
	char text[] = "\x89VLE\n\x1a\n, mangled text that is long enough for a header";
	ok(read_all(text, sizeof text, &n) == VLA_EFORMAT, "text-mode damage");
	ok(read_all("hello", 5, &n) == VLA_EFORMAT, "other text");
	ok(read_all("\x89VLE\r", 5, &n) == VLA_ETRUNC, "start of the magic");
}

// One number of a column set, and the block's checksum mended.
static vla_status with_number(const char *tag, size_t at, const void *x, size_t bytes)
{
	vla_header h = header_of(VLA_DENSE, VLA_F32, 2);
	vla_buf b = stream_of(&h, 3);
	size_t head = 0, length = 0;
	unsigned n;
	vla_status s = vle_header_length(b.data, &head, NULL);
	if (s == VLA_OK)
		s = vle_block_length(b.data + head, &length, NULL);
	char *p = b.data + head;
	while (s == VLA_OK && memcmp(p, tag, 4) != 0)
		p++;
	memcpy(p + 8 + at, x, bytes);
	uint32_t crc = vle_crc(0, b.data + head, length - 4);
	memcpy(b.data + head + length - 4, &crc, 4);
	s = s == VLA_OK ? read_all(b.data, b.n, &n) : s;
	vla_buf_release(&b);
	return s;
}

static void test_fields(void)
{
	const float infinite = INFINITY, nan = NAN, one = 1;
	const double endless = INFINITY;
	ok(with_number("bbox", 36, &one, 4) == VLA_EOF, "another box");
	ok(with_number("bbox", 36, &infinite, 4) == VLA_ECORRUPT, "an infinite box");
	ok(with_number("bbox", 36, &nan, 4) == VLA_ECORRUPT, "half a box");
	ok(with_number("time", 24, &endless, 8) == VLA_ECORRUPT, "an infinite time");
}

static bool equal_matrix(const vla_matrix *m, const vla_header *h, unsigned n, float tol)
{
	float row[8];
	for (unsigned i = 0; i < n; i++) {
		sample x;
		vla_rec rec = VLA_REC_INIT;
		sample_make(&x, VLA_DENSE, h->dim, i);
		vla_matrix_row(m, i, row);
		rec = x.rec; // fields that a matrix does not give are taken as they are
		rec.data = row;
		rec.id = (char *)(uintptr_t)vla_matrix_id(m, i);
		rec.caption = (char *)(uintptr_t)vla_matrix_caption(m, i);
		rec.label = (char *)(uintptr_t)vla_matrix_label(m, i);
		if (!sample_equal(&rec, VLA_DENSE, h->dim, i, tol))
			return false;
	}
	return true;
}

static void test_matrix(void)
{
	vla_err err = VLA_ERR_INIT;
	for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
		vla_header h = header_of(VLA_DENSE, types[t].t, 5);
		vla_matrix *m = NULL;
		vla_buf b = stream_of(&h, 9);
		FILE *f = fopen(path, "ab");
		fwrite(b.data, 1, b.n, f); // two segments
		fclose(f);
		ok(vla_matrix_open(path, &m, &err) == VLA_OK && vla_matrix_rows(m) == 18, "open %s",
		   vla_dtype_name(h.dtype));
		ok(m && equal_matrix(m, &h, 9, types[t].tol), "rows, ids and fields");
		ok(m && !strcmp(vla_matrix_id(m, 17), vla_matrix_id(m, 8)) && !vla_matrix_id(m, 18), "second segment");
		size_t first, count, rows = 0, runs = 0;
		const void *data;
		const float *scales;
		bool aligned = true;
		for (; m && vla_matrix_run(m, runs, &first, &count, &data, &scales); runs++) {
			aligned &= (uintptr_t)data % 64 == 0 && first == rows && !scales == (h.dtype != VLA_I8);
			rows += count;
		}
		ok(aligned && rows == 18 && runs == 2, "runs cover all rows and are aligned, after cat too");
		vla_matrix_close(m);
		// A named pipe takes the other way.
		char fifo[80], cmd[256];
		snprintf(fifo, sizeof fifo, "%s/fifo", dir);
		snprintf(cmd, sizeof cmd, "mkfifo %s && (cat %s >%s &)", fifo, path, fifo);
		m = NULL;
		ok(system(cmd) == 0 && vla_matrix_open(fifo, &m, &err) == VLA_OK && vla_matrix_rows(m) == 18 &&
			   equal_matrix(m, &h, 9, types[t].tol),
		   "the same from a pipe");
		vla_matrix_close(m);
		unlink(fifo);
		// Damage: any prefix and any flip outside the vectors is refused.
		unsigned accepted = 0;
		for (size_t i = 0; i < b.n; i += 7) {
			f = fopen(path, "wb");
			fwrite(b.data, 1, i, f);
			fclose(f);
			if (vla_matrix_open(path, &m, &err) == VLA_OK) {
				accepted++;
				vla_matrix_close(m);
			}
		}
		ok(!accepted, "prefixes are refused (%u)", accepted);
		vla_buf_release(&b);
	}
	vla_header h = header_of(VLA_TOKENS, VLA_F32, 5);
	vla_buf b = stream_of(&h, 3);
	vla_matrix *m;
	ok(vla_matrix_open(path, &m, &err) == VLA_EINVAL && strstr(err.msg, "tokens") && strstr(err.msg, path),
	   "a tokens stream is no matrix");
	ok(vla_matrix_open("/no/such", &m, &err) == VLA_EIO && strstr(err.msg, "/no/such"), "missing file");
	ok(vla_matrix_open(dir, &m, &err) == VLA_EIO && strstr(err.msg, dir), "directory");
	vla_buf_release(&b);
}

// Many blocks: ids and vectors must stay together.
static void test_blocks(void)
{
	enum { N = 30000 };
	vla_header h = header_of(VLA_DENSE, VLA_F32, 32);
	vla_err err = VLA_ERR_INIT;
	vla_writer *w;
	ok(vla_writer_open(path, &h, &w, &err) == VLA_OK, "open");
	float v[32] = { 0 };
	char id[32];
	vla_rec rec = { .id = id, .rows = 1, .data = v };
	vla_status s = VLA_OK;
	for (unsigned i = 0; s == VLA_OK && i < N; i++) {
		snprintf(id, sizeof id, "%u", i);
		v[0] = v[31] = (float)i;
		s = vla_writer_put(w, &rec, &err);
		if (i == 100 && s == VLA_OK)
			s = vla_writer_flush(w, &err);
	}
	ok(s == VLA_OK && vla_writer_finish(w, &err) == VLA_OK, "%d records", N);
	vla_writer_close(w);
	vla_matrix *m = NULL;
	bool good = vla_matrix_open(path, &m, &err) == VLA_OK && vla_matrix_rows(m) == N;
	for (unsigned i = 0; good && i < N; i++) {
		vla_matrix_row(m, i, v);
		good = v[0] == (float)i && v[31] == (float)i && (unsigned)atoi(vla_matrix_id(m, i)) == i;
	}
	ok(good, "come back through the mapping");
	vla_matrix_close(m);
	vla_reader *r = NULL;
	vla_rec got = VLA_REC_INIT;
	unsigned n = 0;
	good = vla_reader_open(path, &r, &err) == VLA_OK;
	while (good && (s = vla_reader_next(r, &got, &err)) == VLA_OK)
		good = got.data[31] == (float)n && (unsigned)atoi(got.id) == n, n++;
	ok(good && s == VLA_EOF && n == N, "and through the reader");
	vla_rec_release(&got);
	vla_reader_close(r);
}

static void test_elements(void)
{
	bool same = true;
	for (uint32_t h = 0; h < 65536; h++) {
		uint16_t u = (uint16_t)h;
		float f = 0;
		bool finite = (h & 0x7c00) != 0x7c00;
		same &= vle_decode(VLA_F16, &u, 1, 1, &f) == finite && (!finite || f == vla_f16_to_f32(u));
	}
	ok(same, "all f16 patterns decode as in the base room");
	float tiny[2] = { 1e-45f, -1e-45f }, scale;
	int8_t q[2];
	ok(vle_encode(VLA_I8, tiny, 2, q, &scale) && scale == 0 && q[0] == 0, "subnormal rows in i8 become zero");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/a.vle", dir);
	test_round_trip();
	test_header();
	test_header_text();
	test_damage();
	test_segments();
	test_writer_refuses();
	test_hostile();
	test_fields();
	test_matrix();
	test_blocks();
	test_elements();
	unlink(path);
	ok(rmdir(dir) == 0, "nothing is left behind");
	return done();
}
