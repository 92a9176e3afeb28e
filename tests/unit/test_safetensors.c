/* safetensors: round trip of every dtype, hostile headers, every prefix, every bit of the header flipped, shards. */
#include "io/safetensors.h"
#include "tap.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/vla-test-st-XXXXXX";
static char path[4096];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void put_file(const char *name, const void *p, size_t n)
{
	FILE *f = fopen(in_dir(name), "wb");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		note("cannot write %s", path);
}

// Length field, header text, then `data` zero bytes.
static size_t build(char *out, const char *header, size_t data)
{
	size_t n = strlen(header);
	memset(out, 0, 8 + n + data);
	for (int i = 0; i < 8; i++)
		out[i] = (char)((uint64_t)n >> 8 * i);
	memcpy(out + 8, header, n);
	return 8 + n + data;
}

static vla_status parse(const void *p, size_t n, vla_err *err)
{
	json_t *header = NULL;
	vla_ct *t = NULL;
	size_t count = 0;
	char *copy = vla_alloc(n, 1); // exact size, so that a sanitizer sees a read past the end
	memcpy(copy, p, n);
	vla_status st = vla_safetensors_parse(copy, n, &header, &t, &count, err);
	if (st == VLA_OK) {
		volatile unsigned sum = 0;
		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k < t[i].bytes; k++)
				sum += ((const unsigned char *)t[i].data)[k];
		json_decref(header);
		free(t);
	}
	free(copy);
	return st;
}

static void refuse(const char *what, vla_status want, const char *header, size_t data)
{
	char buf[4096];
	vla_err err = VLA_ERR_INIT;
	vla_status st = parse(buf, build(buf, header, data), &err);
	if (!ok(st == want && err.msg[0], "refused: %s", what))
		note("%s: %s", vla_status_name(st), err.msg);
}

static void test_malformed(void)
{
	refuse("empty header", VLA_EFORMAT, "", 0);
	refuse("not an object", VLA_EFORMAT, "[]", 0);
	refuse("cut JSON", VLA_ETRUNC, "{\"a\":", 0);
	refuse("entry is a number", VLA_EFORMAT, "{\"a\":3}", 0);
	refuse("no dtype", VLA_EFORMAT, "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
	refuse("unknown dtype", VLA_EUNSUPPORTED, "{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}",
	       8);
	refuse("no shape", VLA_EFORMAT, "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4);
	refuse("negative dimension", VLA_EFORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
	       4);
	refuse("fractional dimension", VLA_EFORMAT,
	       "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4);
	refuse("product overflows", VLA_ECORRUPT,
	       "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,0]}}", 0);
	refuse("bytes overflow", VLA_ECORRUPT,
	       "{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0);
	refuse("7 dimensions", VLA_EUNSUPPORTED,
	       "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1);
	refuse("offsets past the end", VLA_ETRUNC, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
	       4);
	refuse("offsets reversed", VLA_ECORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4);
	refuse("three offsets", VLA_EFORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8);
	refuse("size against shape", VLA_ECORRUPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
	       4);
	refuse("duplicate name", VLA_EFORMAT,
	       "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
	       "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
	       2);
	refuse("overlap", VLA_ECORRUPT,
	       "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
	       "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
	       3);
	refuse("same bytes twice", VLA_ECORRUPT,
	       "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
	       "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
	       2);
	refuse("hole", VLA_ECORRUPT,
	       "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
	       "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
	       3);
	refuse("bytes after the last", VLA_ECORRUPT, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
	       2);
	refuse("metadata is a list", VLA_EFORMAT, "{\"__metadata__\":[]}", 0);
	refuse("metadata value is a number", VLA_EFORMAT, "{\"__metadata__\":{\"a\":1}}", 0);
	refuse("NUL in a name", VLA_EFORMAT, "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
	       1);
	char big[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	vla_err err = VLA_ERR_INIT;
	ok(parse(big, 16, &err) == VLA_EFORMAT, "refused: header length of text");
	ok(parse("\x10\0\0\0\0\0\0\0{}", 10, &err) == VLA_ETRUNC, "refused: header longer than the file");
	char small[64];
	ok(parse(small, build(small, "{}", 0), &err) == VLA_OK, "accepted: no tensors");
	ok(parse(small, build(small, "{}   ", 0), &err) == VLA_OK, "accepted: padding after the header");
}

static const vla_dtype all[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8,  VLA_F64,  VLA_U8,      VLA_I16,    VLA_U16,
				 VLA_I32, VLA_U32, VLA_I64,  VLA_U64, VLA_BOOL, VLA_F8_E4M3, VLA_F8_E5M2 };
#define NALL (sizeof all / sizeof all[0])

// The number 2 in each dtype, [2, 1].
static void test_round_trip(void)
{
	static const float f32[2] = { 2, 2 };
	static const double f64[2] = { 2, 2 };
	static const uint16_t f16[2] = { 0x4000, 0x4000 }, w[2] = { 2, 2 };
	static const uint8_t b[2] = { 2, 2 }, yes[2] = { 1, 1 }, e4[2] = { 0x40, 0x40 };
	static const uint32_t d[2] = { 2, 2 };
	static const uint64_t q[2] = { 2, 2 };
	const void *data[NALL] = { f32, f16, f16, b, f64, b, w, w, d, d, q, q, yes, e4, e4 };
	vla_ct t[NALL + 2];
	for (size_t i = 0; i < NALL; i++)
		t[i] = (vla_ct){ vla_dtype_name(all[i]), all[i], 2, { 2, 1 }, 0, 0, data[i] };
	t[NALL] = (vla_ct){ "scalar", VLA_F32, 0, { 0 }, 0, 0, f32 };
	t[NALL + 1] = (vla_ct){ "empty", VLA_F32, 2, { 0, 5 }, 0, 0, NULL };
	const char *meta[] = { "format", "pt", "note", "caf\xc3\xa9 \"q\"", NULL };
	vla_err err = VLA_ERR_INIT;
	vla_checkpoint *c = NULL;
	ok(vla_checkpoint_write(in_dir("all.safetensors"), t, NALL + 2, meta, &err) == VLA_OK, "writes: %s", err.msg);
	if (!ok(vla_checkpoint_open(in_dir("all.safetensors"), &c, &err) == VLA_OK, "opens: %s", err.msg))
		return;
	ok(vla_checkpoint_count(c) == NALL + 2, "count");
	ok(vla_checkpoint_at(c, NALL + 2) == NULL && vla_checkpoint_get(c, "absent") == NULL, "absent is NULL");
	bool sorted = true, aligned = true, equal = true;
	for (size_t i = 0; i < NALL; i++) {
		const vla_ct *x = vla_checkpoint_get(c, vla_dtype_name(all[i]));
		float out[2] = { 0, 0 }, want = all[i] == VLA_BOOL ? 1 : 2;
		equal &= x && x->dtype == all[i] && x->ndim == 2 && x->dim[0] == 2 && x->n == 2 &&
			 vla_ct_to_f32(x, out, &err) == VLA_OK && out[0] == want && out[1] == want;
		aligned &= x && (uintptr_t)x->data % vla_dtype_size(x->dtype) == 0;
		sorted &= i == 0 || strcmp(vla_checkpoint_at(c, i - 1)->name, vla_checkpoint_at(c, i)->name) < 0;
	}
	ok(equal, "every dtype reads back as its number");
	ok(aligned, "tensors are aligned");
	ok(sorted, "sorted by name");
	const vla_ct *s = vla_checkpoint_get(c, "scalar"), *e = vla_checkpoint_get(c, "empty");
	ok(s && s->ndim == 0 && s->n == 1, "a scalar has one element");
	ok(e && e->n == 0 && e->ndim == 2 && e->dim[1] == 5, "an empty tensor keeps its shape");
	const char *m = vla_checkpoint_meta(c, "note");
	ok(m && strcmp(m, meta[3]) == 0 && !vla_checkpoint_meta(c, "x"), "metadata");
	vla_checkpoint_close(c);
	vla_checkpoint_close(NULL);
	t[1].name = t[0].name;
	ok(vla_checkpoint_write(in_dir("dup.safetensors"), t, 2, NULL, &err) == VLA_EINVAL && access(path, F_OK) != 0,
	   "two tensors of one name are refused, nothing is left");
	ok(vla_checkpoint_write("/nonexistent/a", t, 1, NULL, &err) == VLA_EIO, "no directory: %s", err.msg);
	ok(vla_checkpoint_open("/nonexistent/a", &c, &err) == VLA_EIO, "no file: %s", err.msg);
}

static void test_f8(void)
{
	static const uint8_t v[6] = { 0x01, 0x08, 0x7e, 0xfe, 0x38, 0x7f };
	float out[6];
	vla_ct t = { "x", VLA_F8_E4M3, 1, { 6 }, 6, 6, v };
	bool good = vla_ct_to_f32(&t, out, NULL) == VLA_OK;
	ok(good && out[0] == 0x1p-9f && out[1] == 0x1p-6f && out[2] == 448 && out[3] == -448 && out[4] == 1 &&
		   isnan(out[5]),
	   "f8 e4m3");
	t.dtype = VLA_F8_E5M2;
	good = vla_ct_to_f32(&t, out, NULL) == VLA_OK;
	ok(good && out[0] == 0x1p-16f && out[1] == 0x1p-13f * 1.0f && isnan(out[2]) && out[4] == 0.5f, "f8 e5m2");
}

static size_t sample_file(char *buf, size_t cap)
{
	static const float x[6] = { 1, 2, 3, 4, 5, 6 };
	vla_ct t[2] = { { "b", VLA_F32, 2, { 2, 2 }, 0, 0, x }, { "a", VLA_F32, 1, { 2 }, 0, 0, x + 4 } };
	vla_err err = VLA_ERR_INIT;
	if (vla_checkpoint_write(in_dir("s.safetensors"), t, 2, NULL, &err) != VLA_OK)
		return 0;
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, cap, f) : 0;
	if (f)
		fclose(f);
	return n;
}

static void test_damage(void)
{
	char buf[1024];
	size_t n = sample_file(buf, sizeof buf), accepted = 0, flips = 0, bad = 0;
	vla_err err = VLA_ERR_INIT;
	ok(n > 100 && parse(buf, n, &err) == VLA_OK, "the whole file is accepted");
	for (size_t i = 0; i < n; i++)
		accepted += parse(buf, i, &err) == VLA_OK;
	ok(accepted == 0, "all %zu proper prefixes are refused", n);
	size_t header = 8 + (unsigned char)buf[0];
	for (size_t bit = 0; bit < header * 8; bit++) {
		buf[bit / 8] ^= (char)(1 << bit % 8);
		json_t *root = NULL;
		vla_ct *t = NULL;
		size_t count = 0;
		if (vla_safetensors_parse(buf, n, &root, &t, &count, &err) == VLA_OK) {
			// Only a name or a dtype of the same width can differ: what is read stays inside.
			flips++;
			bad += count != 2;
			for (size_t k = 0; k < count; k++)
				bad += (const char *)t[k].data < buf + header ||
				       (const char *)t[k].data + t[k].bytes > buf + n;
			json_decref(root);
			free(t);
		}
		buf[bit / 8] ^= (char)(1 << bit % 8);
	}
	ok(bad == 0, "%zu bit flips of the header: nothing read outside", header * 8);
	ok(flips < header, "%zu of them make another valid header", flips);
}

static void write_index(const char *json)
{
	put_file("model.safetensors.index.json", json, strlen(json));
}

static void test_shards(void)
{
	static const float x[4] = { 1, 2, 3, 4 };
	vla_ct a[2] = { { "a", VLA_F32, 1, { 2 }, 0, 0, x }, { "extra", VLA_F32, 1, { 1 }, 0, 0, x } };
	vla_ct b[2] = { { "b", VLA_F32, 1, { 2 }, 0, 0, x + 2 }, { "a", VLA_F32, 1, { 1 }, 0, 0, x } };
	vla_err err = VLA_ERR_INIT;
	vla_checkpoint *c = NULL;
	bool good = vla_checkpoint_write(in_dir("m-1.safetensors"), a, 2, NULL, &err) == VLA_OK &&
		    vla_checkpoint_write(in_dir("m-2.safetensors"), b, 2, NULL, &err) == VLA_OK;
	write_index("{\"metadata\":{},\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
	good = good && vla_checkpoint_open(dir, &c, &err) == VLA_OK;
	const vla_ct *t = good ? vla_checkpoint_get(c, "a") : NULL;
	ok(t && vla_checkpoint_count(c) == 2 && t->n == 2, "shards: the index decides: %s", err.msg);
	vla_checkpoint_close(c);
	write_index("{\"weight_map\":{\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"}}");
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_ECORRUPT, "shards: a tensor that is not there: %s", err.msg);
	write_index("{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}");
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_EFORMAT, "shards: a path is refused: %s", err.msg);
	write_index("{\"weight_map\":{\"a\":\"none.safetensors\"}}");
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_EIO, "shards: a missing file: %s", err.msg);
	write_index("{\"weight_map\":[]}");
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_EFORMAT, "shards: no map: %s", err.msg);
	write_index("{\"weight_map\":{");
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_ETRUNC, "shards: cut index: %s", err.msg);
	unlink(in_dir("model.safetensors.index.json"));
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_EIO, "an empty directory: %s", err.msg);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_malformed();
	test_round_trip();
	test_f8();
	test_damage();
	test_shards();
	static const char *const made[] = { "all.safetensors", "s.safetensors", "m-1.safetensors", "m-2.safetensors" };
	for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
		unlink(in_dir(made[i]));
	ok(rmdir(dir) == 0, "nothing else was left behind");
	return done();
}
