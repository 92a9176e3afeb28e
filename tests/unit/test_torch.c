/* Files of torch.save: archives and pickles built here byte by byte, good and hostile ones; every prefix, every flipped
 * bit, the n-th allocation; upstream's own files where they are at hand. */
#include "fault.h"
#include "io/torch.h"
#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>

/* --- an archive in memory --- */
struct zip {
	vla_buf file, directory;
	size_t n;
};

static void put(vla_buf *b, uint64_t x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (vla_buf_add(b, &(char){ (char)(i < 8 ? x >> 8 * i : 0) }, 1, NULL) != VLA_OK)
			note("no memory");
}

static void put_bytes(vla_buf *b, const void *p, size_t n)
{
	if (vla_buf_add(b, p, n, NULL) != VLA_OK)
		note("no memory");
}

// method 0 or 8; large: sizes and offset in a zip64 field.
static void zip_add(struct zip *z, const char *name, const void *p, size_t n, unsigned method, bool large)
{
	size_t at = z->file.n, name_n = strlen(name);
	put(&z->file, 0x04034b50, 4);
	put(&z->file, 20, 4); // version, flags
	put(&z->file, method, 2);
	put(&z->file, 0, 8); // time, checksum
	put(&z->file, n, 4);
	put(&z->file, n, 4);
	put(&z->file, name_n, 2);
	put(&z->file, 0, 2);
	put_bytes(&z->file, name, name_n);
	put_bytes(&z->file, p, n);
	vla_buf *d = &z->directory;
	put(d, 0x02014b50, 4);
	put(d, 20, 2);
	put(d, 20, 4);
	put(d, method, 2);
	put(d, 0, 8);
	put(d, large ? UINT32_MAX : n, 4);
	put(d, large ? UINT32_MAX : n, 4);
	put(d, name_n, 2);
	put(d, large ? 28 : 0, 2);
	put(d, 0, 10); // comment, disk, attributes
	put(d, large ? UINT32_MAX : at, 4);
	put_bytes(d, name, name_n);
	if (large) {
		put(d, 1, 2);
		put(d, 24, 2);
		put(d, n, 8);
		put(d, n, 8);
		put(d, at, 8);
	}
	z->n++;
}

static void zip_end(struct zip *z, bool large)
{
	size_t at = z->file.n, n = z->directory.n;
	put_bytes(&z->file, z->directory.data, n);
	size_t end = z->file.n;
	if (large) {
		put(&z->file, 0x06064b50, 4);
		put(&z->file, 44, 8);
		put(&z->file, 45 | 45 << 16, 4);
		put(&z->file, 0, 8);
		put(&z->file, z->n, 8);
		put(&z->file, z->n, 8);
		put(&z->file, n, 8);
		put(&z->file, at, 8);
		put(&z->file, 0x07064b50, 4);
		put(&z->file, 0, 4);
		put(&z->file, end, 8);
		put(&z->file, 1, 4);
	}
	put(&z->file, 0x06054b50, 4);
	put(&z->file, 0, 4);
	put(&z->file, large ? UINT16_MAX : z->n, 2);
	put(&z->file, large ? UINT16_MAX : z->n, 2);
	put(&z->file, large ? UINT32_MAX : n, 4);
	put(&z->file, large ? UINT32_MAX : at, 4);
	put(&z->file, 0, 2);
}

static void zip_release(struct zip *z)
{
	vla_buf_release(&z->file);
	vla_buf_release(&z->directory);
	*z = (struct zip){ .n = 0 };
}

/* --- a pickle --- */
static void text(vla_buf *b, const char *s)
{
	put(b, 'X', 1);
	put(b, strlen(s), 4);
	put_bytes(b, s, strlen(s));
}

static void global(vla_buf *b, const char *module, const char *name)
{
	put(b, 'c', 1);
	put_bytes(b, module, strlen(module));
	put(b, '\n', 1);
	put_bytes(b, name, strlen(name));
	put(b, '\n', 1);
}

static void integer(vla_buf *b, uint64_t x)
{
	put(b, 0x8a, 1);
	put(b, 8, 1);
	put(b, x, 8);
}

static void tuple(vla_buf *b, size_t n, const uint64_t *x)
{
	put(b, '(', 1);
	for (size_t i = 0; i < n; i++)
		integer(b, x[i]);
	put(b, 't', 1);
}

struct tensor {
	const char *key, *class;
	uint64_t storage, offset;
	size_t n;
	uint64_t dim[8], stride[8];
};

static void tensor(vla_buf *b, const struct tensor *t)
{
	global(b, "torch._utils", "_rebuild_tensor_v2");
	put(b, '(' | '(' << 8, 2);
	text(b, "storage");
	global(b, "torch", t->class);
	text(b, t->key);
	text(b, "cpu");
	integer(b, t->storage);
	put(b, 't' | 'Q' << 8, 2);
	integer(b, t->offset);
	tuple(b, t->n, t->dim);
	tuple(b, t->n, t->stride);
	put(b, 0x89, 1);
	global(b, "collections", "OrderedDict");
	put(b, ')' | 'R' << 8 | 't' << 16 | 'R' << 24, 4);
}

// A dict of tensors "a", "b", ...
static void dict_of(vla_buf *b, const struct tensor *t, size_t n)
{
	put(b, 0x80 | 2 << 8 | '}' << 16 | '(' << 24, 4);
	for (size_t i = 0; i < n; i++) {
		text(b, (char[]){ (char)('a' + i), 0 });
		tensor(b, &t[i]);
	}
	put(b, 'u' | '.' << 8, 2);
}

static const float numbers[6] = { 1, 2, 3, 4, 5, 6 };

static void archive(struct zip *z, const vla_buf *pickle, bool large)
{
	zip_add(z, "m/data.pkl", pickle->data, pickle->n, 0, large);
	zip_add(z, "m/byteorder", "little", 6, 0, large);
	zip_add(z, "m/data/0", numbers, sizeof numbers, 0, large);
	zip_add(z, "m/data/1", numbers, sizeof numbers, 0, large);
	zip_end(z, large);
}

static vla_status parse(const void *p, size_t n, vla_ct **t, size_t *count, vla_arena **owner, vla_err *err)
{
	*owner = NULL;
	*count = 0;
	return vla_torch_parse(p, n, owner, t, count, err);
}

// In memory of exactly this size, every byte that the tensors name is read.
static vla_status read_all(const void *p, size_t n, vla_err *err)
{
	vla_arena *owner;
	vla_ct *t;
	size_t count;
	char *copy = vla_alloc(n, 1);
	memcpy(copy, p, n);
	vla_status st = parse(copy, n, &t, &count, &owner, err);
	volatile unsigned sum = 0;
	for (size_t i = 0; st == VLA_OK && i < count; i++)
		for (size_t k = 0; k < t[i].bytes; k++)
			sum += ((const unsigned char *)t[i].data)[k];
	vla_arena_free(owner);
	free(copy);
	return st;
}

static void refuse_pickle(const char *what, vla_status want, const vla_buf *b)
{
	struct zip z = { .n = 0 };
	vla_err err = VLA_ERR_INIT;
	archive(&z, b, false);
	vla_status st = read_all(z.file.data, z.file.n, &err);
	if (!ok(st == want && err.msg[0], "refused: %s (%s)", what, err.msg))
		note("%s", vla_status_name(st));
	zip_release(&z);
}

static void refuse_tensor(const char *what, vla_status want, struct tensor t)
{
	vla_buf b = { NULL, 0, 0 };
	dict_of(&b, &t, 1);
	refuse_pickle(what, want, &b);
	vla_buf_release(&b);
}

static void refuse_code(const char *what, vla_status want, const char *code, size_t n)
{
	vla_buf b = { NULL, 0, 0 };
	put_bytes(&b, code, n);
	refuse_pickle(what, want, &b);
	vla_buf_release(&b);
}
#define REFUSE_CODE(what, want, code) refuse_code(what, want, code, sizeof(code) - 1)

static const struct tensor good[3] = {
	{ "0", "FloatStorage", 6, 0, 2, { 2, 3 }, { 3, 1 } },
	{ "1", "FloatStorage", 6, 0, 2, { 3, 2 }, { 1, 3 } }, // a transposed view
	{ "0", "FloatStorage", 6, 4, 1, { 2 }, { 1 } },
};

static void check_good(const struct zip *z, const char *what)
{
	vla_err err = VLA_ERR_INIT;
	vla_arena *owner;
	vla_ct *t;
	size_t n;
	float x[6];
	if (ok(parse(z->file.data, z->file.n, &t, &n, &owner, &err) == VLA_OK && n == 3, "%s %s", what, err.msg)) {
		bool same = vla_ct_to_f32(&t[0], x, NULL) == VLA_OK && memcmp(x, numbers, sizeof x) == 0;
		static const float turned[6] = { 1, 4, 2, 5, 3, 6 };
		ok(same && t[0].ndim == 2 && t[0].dim[1] == 3, "rows as they lie");
		same = vla_ct_to_f32(&t[1], x, NULL) == VLA_OK && memcmp(x, turned, sizeof x) == 0;
		ok(same && t[1].dim[0] == 3, "a transposed view is copied");
		ok(vla_ct_to_f32(&t[2], x, NULL) == VLA_OK && x[0] == 5 && x[1] == 6, "a part of a shared storage");
	}
	vla_arena_free(owner);
}

static void test_good(void)
{
	vla_buf b = { NULL, 0, 0 };
	struct zip z = { .n = 0 };
	dict_of(&b, good, 3);
	archive(&z, &b, false);
	check_good(&z, "opens");
	zip_release(&z);
	archive(&z, &b, true);
	check_good(&z, "opens as zip64");
	zip_release(&z);
	vla_buf_release(&b);
}

static void test_names(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_arena *owner;
	vla_ct *t;
	size_t n;
	vla_buf b = { NULL, 0, 0 };
	struct zip z = { .n = 0 };
	put(&b, 0x80 | 2 << 8 | '}' << 16 | '(' << 24, 4);
	text(&b, "epoch");
	integer(&b, 7);
	text(&b, "state_dict");
	put(&b, '}' | '(' << 8, 2);
	text(&b, "module.visual");
	global(&b, "__torch__.some", "Module");
	put(&b, ')' | 0x81 << 8 | '}' << 16 | '(' << 24, 4);
	text(&b, "proj");
	tensor(&b, &good[0]);
	text(&b, "training");
	put(&b, 0x88 | 'u' << 8 | 'b' << 16 | 'u' << 24, 4);
	put(&b, 'u' | '.' << 8, 2);
	archive(&z, &b, false);
	vla_status st = parse(z.file.data, z.file.n, &t, &n, &owner, &err);
	ok(st == VLA_OK && n == 1 && strcmp(t[0].name, "visual.proj") == 0,
	   "weights of a training checkpoint, attributes of a module %s", err.msg);
	vla_arena_free(owner);
	zip_release(&z);
	vla_buf_release(&b);
}

static void test_refused(void)
{
	static const uint64_t big = (uint64_t)1 << 62;
	struct tensor t = good[0];
	t.key = "9";
	refuse_tensor("a storage that is not there", VLA_ECORRUPT, t);
	t = good[0];
	t.storage = 7;
	refuse_tensor("a storage larger than its entry", VLA_ECORRUPT, t);
	t = good[0];
	t.class = "DoubleStorage";
	refuse_tensor("a storage of wider elements than its entry", VLA_ECORRUPT, t);
	t = good[0];
	t.offset = 1;
	refuse_tensor("a view past its storage", VLA_ECORRUPT, t);
	t.offset = UINT64_MAX;
	refuse_tensor("a negative offset", VLA_EFORMAT, t);
	t = good[0];
	t.dim[0] = big;
	refuse_tensor("a shape that overflows", VLA_ECORRUPT, t);
	t = good[0];
	t.stride[0] = big;
	t.dim[0] = 5;
	refuse_tensor("strides that overflow", VLA_ECORRUPT, t);
	refuse_tensor("a storage repeated without end", VLA_EUNSUPPORTED,
		      (struct tensor){ "0", "FloatStorage", 6, 0, 2, { 1 << 20, 6 }, { 0, 1 } });
	refuse_tensor("7 dimensions", VLA_EUNSUPPORTED,
		      (struct tensor){ "0", "FloatStorage", 6, 0, 7, { 1, 1, 1, 1, 1, 1, 1 }, { 1 } });
	refuse_tensor("a class that is no storage", VLA_EFORMAT, (struct tensor){ .key = "0", .class = "Size" });
	refuse_tensor("an unknown class", VLA_EUNSUPPORTED, (struct tensor){ .key = "0", .class = "QInt8Storage" });
	refuse_tensor("a key that climbs", VLA_ECORRUPT, (struct tensor){ .key = "../x", .class = "FloatStorage" });
	REFUSE_CODE("os.system", VLA_EUNSUPPORTED, "\x80\2cos\nsystem\n(X\2\0\0\0lstR.");
	REFUSE_CODE("builtins.eval", VLA_EUNSUPPORTED, "\x80\2cbuiltins\neval\n(X\1\0\0\0\61tR.");
	REFUSE_CODE("a global from the stack", VLA_EUNSUPPORTED, "\x80\4\x8c\2os\x8c\6system\x93.");
	REFUSE_CODE("INST", VLA_EUNSUPPORTED, "\x80\2(ios\nsystem\n.");
	REFUSE_CODE("OBJ", VLA_EUNSUPPORTED, "\x80\2(o.");
	REFUSE_CODE("EXT1", VLA_EUNSUPPORTED, "\x80\2\x82\1.");
	REFUSE_CODE("a call of text", VLA_EFORMAT, "\x80\2X\1\0\0\0a)R.");
	REFUSE_CODE("a module that is called", VLA_EFORMAT, "\x80\2c__torch__.a\nB\n)R.");
	REFUSE_CODE("an object of no class", VLA_EFORMAT, "\x80\2})\x81.");
	REFUSE_CODE("a list as the whole", VLA_EFORMAT, "\x80\2].");
	REFUSE_CODE("an empty stack", VLA_EFORMAT, "\x80\2.");
	REFUSE_CODE("a missing mark", VLA_EFORMAT, "\x80\2}u.");
	REFUSE_CODE("a missing value", VLA_EFORMAT, "\x80\2}(X\1\0\0\0au.");
	REFUSE_CODE("an unset memo", VLA_EFORMAT, "\x80\2h\7.");
	REFUSE_CODE("a memo far away", VLA_EFORMAT, "\x80\2}r\xff\xff\xff\x7f.");
	REFUSE_CODE("protocol 9", VLA_EFORMAT, "\x80\11}.");
	REFUSE_CODE("no end", VLA_ETRUNC, "\x80\2}");
	REFUSE_CODE("text past the end", VLA_ETRUNC, "\x80\2X\xff\0\0\0a.");
	REFUSE_CODE("text of 4 GB", VLA_EFORMAT, "\x80\2X\xff\xff\xff\xff.");
	REFUSE_CODE("a dict that holds itself", VLA_EFORMAT, "\x80\2}q\0X\1\0\0\0ah\0s.");
	REFUSE_CODE("a parameter that calls on itself", VLA_EFORMAT,
		    "\x80\2ctorch._tensor\n_rebuild_from_type_v2\nq\0(h\0N]q\1tq\2R.");
}

static void refuse_zip(const char *what, vla_status want, const void *p, size_t n)
{
	vla_err err = VLA_ERR_INIT;
	vla_status st = read_all(p, n, &err);
	if (!ok(st == want && err.msg[0], "refused: %s (%s)", what, err.msg))
		note("%s", vla_status_name(st));
}

static void test_archives(void)
{
	vla_buf b = { NULL, 0, 0 };
	struct zip z = { .n = 0 };
	dict_of(&b, good, 3);
	zip_add(&z, "m/data.pkl", b.data, b.n, 8, false);
	zip_end(&z, false);
	refuse_zip("a compressed pickle", VLA_EUNSUPPORTED, z.file.data, z.file.n);
	zip_release(&z);
	zip_add(&z, "m/data.pkl", b.data, b.n, 0, false);
	zip_add(&z, "m/data/0", numbers, sizeof numbers, 8, false);
	zip_end(&z, false);
	refuse_zip("a compressed storage", VLA_EUNSUPPORTED, z.file.data, z.file.n);
	zip_release(&z);
	zip_add(&z, "m/data.pkl", b.data, b.n, 0, false);
	zip_add(&z, "m/byteorder", "big", 3, 0, false);
	zip_end(&z, false);
	refuse_zip("another byte order", VLA_EUNSUPPORTED, z.file.data, z.file.n);
	zip_release(&z);
	zip_add(&z, "m/other", b.data, b.n, 0, false);
	zip_end(&z, false);
	refuse_zip("another kind of archive", VLA_EFORMAT, z.file.data, z.file.n);
	zip_release(&z);
	zip_add(&z, "m/data.pkl", b.data, b.n, 0, false);
	zip_add(&z, "m/data.pkl", b.data, b.n, 0, false);
	zip_end(&z, false);
	refuse_zip("one name twice", VLA_ECORRUPT, z.file.data, z.file.n);
	zip_release(&z);
	// The second directory entry names the first one's place.
	zip_add(&z, "m/a", numbers, 4, 0, false);
	zip_add(&z, "m/b", numbers, 4, 0, false);
	memset(z.directory.data + z.directory.n - 7, 0, 4);
	z.directory.data[z.directory.n - 1] = 'a';
	zip_end(&z, false);
	refuse_zip("two entries in one place", VLA_ECORRUPT, z.file.data, z.file.n);
	zip_release(&z);
	zip_end(&z, false);
	refuse_zip("an empty archive", VLA_EFORMAT, z.file.data, z.file.n);
	zip_release(&z);
	static const char old[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";
	ok(vla_torch_is(old, sizeof old - 1) && !vla_torch_is("{\0\0\0\0\0\0\0{}", 10), "known by the first bytes");
	refuse_zip("the old form", VLA_EUNSUPPORTED, old, sizeof old - 1);
	vla_buf_release(&b);
}

static void test_damage(void)
{
	vla_buf b = { NULL, 0, 0 };
	struct zip z = { .n = 0 };
	vla_err err = VLA_ERR_INIT;
	dict_of(&b, good, 3);
	archive(&z, &b, true);
	size_t accepted = 0, flips = 0;
	for (size_t i = 0; i < z.file.n; i++)
		accepted += read_all(z.file.data, i, &err) == VLA_OK;
	ok(accepted == 0, "all %zu proper prefixes are refused", z.file.n);
	for (size_t bit = 0; bit < z.file.n * 8; bit++) {
		z.file.data[bit / 8] ^= (char)(1 << bit % 8);
		flips += read_all(z.file.data, z.file.n, &err) == VLA_OK;
		z.file.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	ok(flips < z.file.n * 8, "%zu flipped bits: nothing read outside, %zu refused", z.file.n * 8,
	   z.file.n * 8 - flips);
	zip_release(&z);
	vla_buf_release(&b);
}

static void test_allocations(void)
{
	vla_buf b = { NULL, 0, 0 };
	struct zip z = { .n = 0 };
	dict_of(&b, good, 3);
	archive(&z, &b, false);
	if (!FAULTS)
		skip("allocation failures: the sanitizer has its own malloc");
	size_t failed = 0, wrong = 0;
	long before = fault_live();
	for (long i = 1; FAULTS && i < 200; i++) {
		vla_err err = VLA_ERR_INIT;
		vla_arena *owner;
		vla_ct *t;
		size_t n;
		fault_at(i);
		vla_status st = parse(z.file.data, z.file.n, &t, &n, &owner, &err);
		fault_at(0);
		vla_arena_free(owner);
		wrong += st != VLA_OK && st != VLA_ENOMEM;
		wrong += fault_live() != before;
		failed += st == VLA_ENOMEM;
		if (st == VLA_OK)
			break;
	}
	if (FAULTS)
		ok(failed > 4 && wrong == 0, "%zu allocations that fail are reported, nothing leaks", failed);
	zip_release(&z);
	vla_buf_release(&b);
}

static void write_file(const char *dir, const char *name, const void *p, size_t n)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		note("cannot write %s", path);
}

// Shards of torch files behind an index, and a directory of one file.
static void test_directory(void)
{
	char dir[] = "/tmp/vla-test-torch-XXXXXX", path[256];
	static const char index[] = "{\"weight_map\":{\"a\":\"m-1.bin\",\"b\":\"m-2.bin\"}}";
	vla_err err = VLA_ERR_INIT;
	vla_checkpoint *c = NULL;
	vla_buf b = { NULL, 0, 0 };
	struct zip z = { .n = 0 };
	dict_of(&b, good, 3);
	archive(&z, &b, false);
	if (!mkdtemp(dir))
		return;
	write_file(dir, "m-1.bin", z.file.data, z.file.n);
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_OK && vla_checkpoint_count(c) == 3, "the only file %s", err.msg);
	vla_checkpoint_close(c);
	c = NULL;
	write_file(dir, "m-2.bin", z.file.data, z.file.n);
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_EIO, "of two files it takes none: %s", err.msg);
	write_file(dir, "pytorch_model.bin.index.json", index, sizeof index - 1);
	ok(vla_checkpoint_open(dir, &c, &err) == VLA_OK && vla_checkpoint_count(c) == 2, "shards %s", err.msg);
	ok(vla_checkpoint_get(c, "b") && !vla_checkpoint_get(c, "c") && !vla_checkpoint_meta(c, "format"),
	   "as the index says");
	vla_checkpoint_close(c);
	static const char *const made[] = { "m-1.bin", "m-2.bin", "pytorch_model.bin.index.json" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, made[i]);
		unlink(path);
	}
	rmdir(dir);
	zip_release(&z);
	vla_buf_release(&b);
}

#define GOLDEN "golden/openai-clip-a/"

// model.pt holds what model.safetensors does and three numbers more; the TorchScript archive has the same names.
static void test_upstream(void)
{
	vla_checkpoint *st = NULL, *pt = NULL, *jit = NULL;
	vla_err err = VLA_ERR_INIT;
	const char *path = shared(GOLDEN "model.safetensors");
	if (!path || vla_checkpoint_open(path, &st, &err) != VLA_OK) {
		skip("no " GOLDEN);
		return;
	}
	bool open = vla_checkpoint_open(shared(GOLDEN "model.pt"), &pt, &err) == VLA_OK &&
		    vla_checkpoint_open(shared(GOLDEN "ViT-tiny.jit.pt"), &jit, &err) == VLA_OK;
	ok(open, "upstream's files open %s", err.msg);
	size_t differ = 0, n = vla_checkpoint_count(st);
	for (size_t i = 0; open && i < n; i++) {
		const vla_ct *a = vla_checkpoint_at(st, i), *b = vla_checkpoint_get(pt, a->name),
			     *c = vla_checkpoint_get(jit, a->name);
		differ += !b || !c || a->bytes != b->bytes || memcmp(a->data, b->data, a->bytes) != 0 ||
			  c->ndim != a->ndim || c->n != a->n;
	}
	ok(open && differ == 0 && n > 40, "%zu tensors are the same in all forms", n);
	vla_checkpoint_close(st);
	vla_checkpoint_close(pt);
	vla_checkpoint_close(jit);
}

int main(void)
{
	test_good();
	test_names();
	test_refused();
	test_archives();
	test_damage();
	test_allocations();
	test_directory();
	test_upstream();
	return done();
}
