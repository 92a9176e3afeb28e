/* The base room: errors, memory, arena, random numbers, hash, half precision, names, threads. */
#include "base/base.h"
#include "tap.h"

#include <vla/dtype.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

static void test_errors(void)
{
	vla_err err = VLA_ERR_INIT;
	ok(vla_fail(&err, VLA_EIO, "bad '%s'", "a\x1b[2J\nb") == VLA_EIO && err.code == VLA_EIO,
	   "fail returns its code");
	ok(strcmp(err.msg, "bad 'a?[2J?b'") == 0, "control characters do not reach a terminal");
	ok(vla_prefix(&err, VLA_EFORMAT, "in '%s'", "f") == VLA_EFORMAT &&
		   strcmp(err.msg, "in 'f': bad 'a?[2J?b'") == 0 && err.code == VLA_EFORMAT,
	   "prefix");
	char many[600];
	memset(many, 'x', sizeof many - 1);
	many[sizeof many - 1] = 0;
	ok(vla_prefix(&err, VLA_EIO, "%s", many) == VLA_EIO && strlen(err.msg) == sizeof err.msg - 1,
	   "long messages are cut");
	ok(vla_fail(NULL, VLA_EIO, "x") == VLA_EIO && vla_prefix(NULL, VLA_EIO, "x") == VLA_EIO,
	   "no place for a message");
	ok(strcmp(vla_status_name(VLA_ETRUNC), "VLA_ETRUNC") == 0 &&
		   strcmp(vla_status_name((vla_status)-99), "VLA_?") == 0,
	   "names of statuses");
	vla_dtype t;
	bool same = true;
	for (int i = 0; vla_dtype_size((vla_dtype)i); i++)
		same &= vla_dtype_parse(vla_dtype_name((vla_dtype)i), &t, NULL) == VLA_OK && (int)t == i;
	ok(same && vla_dtype_parse("f12", &t, &err) == VLA_EINVAL && strcmp(vla_dtype_name((vla_dtype)99), "?") == 0,
	   "types by name");
}

static void test_memory(void)
{
	volatile size_t half = SIZE_MAX / 2 + 2;
	void *p = vla_alloc(3, 5), *q = vla_alloc(0, 7);
	ok(p && (uintptr_t)p % 64 == 0 && q, "alloc is aligned; nothing is something");
	free(p);
	free(q);
	ok(!vla_alloc(half, 2) && !vla_zalloc(half, 2) && !vla_realloc(NULL, half, 2),
	   "products that overflow are refused");
	vla_buf b = { 0 };
	vla_err err = VLA_ERR_INIT;
	bool good = true;
	for (int i = 0; i < 1000; i++)
		good &= vla_buf_addf(&b, &err, "%d,", i) == VLA_OK;
	ok(good && b.n == 3890 && memcmp(b.data + b.n - 4, "999,", 4) == 0, "a buffer grows");
	ok(vla_buf_reserve(&b, half * 2 - 3, &err) == VLA_ENOMEM, "but not past the address space");
	vla_buf_release(&b);
	char *s = vla_format("%s-%d", "a", 7), *d = vla_strndup("abcdef", 3);
	ok(s && d && !strcmp(s, "a-7") && !strcmp(d, "abc"), "strings");
	free(s);
	free(d);
}

static void test_arena(void)
{
	vla_arena *a = vla_arena_new(4096);
	bool aligned = true;
	char *first = vla_arena_alloc(a, 1, 1);
	for (size_t i = 1; i < 300; i++) {
		char *p = vla_arena_alloc(a, i, 3);
		aligned &= p && (uintptr_t)p % 64 == 0;
		memset(p, 1, 3 * i);
	}
	ok(aligned, "pieces are aligned");
	size_t held = vla_arena_bytes(a);
	vla_arena_reset(a);
	ok(vla_arena_alloc(a, 1, 1) == first, "a reset begins at the front");
	vla_arena_reset(a);
	for (size_t i = 0; i < 300; i++)
		vla_arena_alloc(a, i ? i : 1, i ? 3 : 1);
	ok(vla_arena_bytes(a) == held, "a step that repeats takes no more memory");
	vla_arena_mark m = vla_arena_get_mark(a);
	char *p = vla_arena_alloc(a, 100000, 1);
	vla_arena_rewind(a, m);
	ok(vla_arena_alloc(a, 100000, 1) == p, "rewind frees what came after the mark");
	unsigned char *z = vla_arena_zalloc(a, 500, 2);
	bool zero = true;
	for (size_t i = 0; i < 1000; i++)
		zero &= z[i] == 0;
	ok(zero, "zalloc clears");
	ok(!vla_arena_alloc(a, SIZE_MAX / 2, 4), "products that overflow are refused");
	vla_arena_free(a);
	vla_arena_free(NULL);
}

static void test_random(void)
{
	static const uint64_t want[] = { 41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205u };
	vla_rng r = { { 1, 2, 3, 4 } }, a, b, c;
	bool same = true;
	for (size_t i = 0; i < 5; i++)
		same &= vla_rng_u64(&r) == want[i];
	ok(same, "xoshiro256++ from the state 1 2 3 4");
	vla_rng_seed(&a, 7, 0);
	vla_rng_seed(&b, 7, 1);
	vla_rng_seed(&c, 7, 0);
	unsigned equal = 0;
	for (int i = 0; i < 1000; i++) {
		uint64_t x = vla_rng_u64(&a);
		equal += x == vla_rng_u64(&b);
		same &= x == vla_rng_u64(&c);
	}
	ok(same && !equal, "a seed repeats, a stream differs");
	double count[7] = { 0 }, sum = 0, square = 0, chi = 0;
	enum { N = 70000 };
	bool inside = true;
	for (int i = 0; i < N; i++) {
		count[vla_rng_below(&a, 7)]++;
		double u = vla_rng_double(&a), n = vla_rng_normal(&a);
		float f = vla_rng_float(&a);
		inside &= u >= 0 && u < 1 && f >= 0 && f < 1;
		sum += n;
		square += n * n;
	}
	for (int i = 0; i < 7; i++)
		chi += (count[i] - N / 7) * (count[i] - N / 7) / (N / 7);
	ok(inside, "uniform numbers stay in [0, 1)");
	ok(chi < 22.5, "below is uniform (chi-square %.1f of 6 degrees)", chi); // 0.1 %
	ok(fabs(sum / N) < 0.0126 && fabs(square / N - 1) < 0.018, "normal: mean %.4f, variance %.4f", sum / N,
	   square / N);
	ok(vla_rng_below(&a, 1) == 0, "below 1");
}

static void test_hash(void)
{
	// The buffer and values of the reference implementation's own check.
	unsigned char buf[222];
	uint64_t x = 2654435761u, prime = 2654435761u;
	for (size_t i = 0; i < sizeof buf; i++, x *= 11400714785074694797u)
		buf[i] = (unsigned char)(x >> 56);
	const struct {
		size_t n;
		uint64_t seed, want;
	} cases[] = { { 0, 0, 0xef46db3751d8e999u },   { 0, prime, 0xac75fda2929b17efu },
		      { 1, 0, 0xe934a84adb052768u },   { 1, prime, 0x5014607643a9b4c3u },
		      { 14, 0, 0x8282dcc4994e35c8u },  { 14, prime, 0xc3bd6bf63deb6df0u },
		      { 222, 0, 0xb641ae8cb691c174u }, { 222, prime, 0x20cb8ab7ae10c14au } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ok(vla_hash64(buf, cases[i].n, cases[i].seed) == cases[i].want, "XXH64 of %zu bytes", cases[i].n);
	ok(vla_hash64("abc", 3, 0) == 0x44bc2cf5ad770999u, "XXH64 of abc");
}

static float from_bits(uint32_t u)
{
	float f;
	memcpy(&f, &u, 4);
	return f;
}

// Value of a finite f16 pattern by its definition.
static double f16_value(unsigned h)
{
	int e = (int)(h >> 10 & 31), m = (int)(h & 1023);
	double v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
	return h & 0x8000 ? -v : v;
}

static void test_half(void)
{
	bool value = true, back = true, nan = true, middle = true, bf = true, bf_middle = true;
	for (unsigned h = 0; h < 65536; h++) {
		float f = vla_f16_to_f32((uint16_t)h);
		if ((h & 0x7c00) == 0x7c00) {
			bool is_nan = h & 0x3ff;
			nan &= is_nan ? isnan(f) && isnan(vla_f16_to_f32(vla_f32_to_f16(f)))
				      : isinf(f) && vla_f32_to_f16(f) == h;
			continue;
		}
		value &= f == f16_value(h);
		back &= vla_f32_to_f16(f) == h;
		if ((h & 0x7fff) == 0x7bff)
			continue;
		// Half way to the next larger number goes to the even one, a little less or more to the nearer one.
		double next = f16_value(h + 1);
		float mid = (float)((f + next) / 2);
		middle &= vla_f32_to_f16(mid) == (h & 1 ? h + 1 : h);
		middle &= vla_f32_to_f16(nextafterf(mid, 0)) == h &&
			  vla_f32_to_f16(nextafterf(mid, (float)next * 2)) == h + 1;
	}
	ok(value && back && nan, "all f16 patterns come back");
	ok(middle, "f16 rounds to nearest, ties to even");
	ok(vla_f32_to_f16(65519.996f) == 0x7bff && vla_f32_to_f16(65520.0f) == 0x7c00 &&
		   vla_f32_to_f16(1e30f) == 0x7c00 && vla_f32_to_f16(-1e30f) == 0xfc00 && vla_f32_to_f16(1e-30f) == 0 &&
		   vla_f32_to_f16(-1e-30f) == 0x8000,
	   "f16 at its ends");
	for (unsigned h = 0; h < 65536; h++) {
		float f = vla_bf16_to_f32((uint16_t)h);
		if ((h & 0x7f80) == 0x7f80 && (h & 0x7f)) {
			bf &= isnan(f) && isnan(vla_bf16_to_f32(vla_f32_to_bf16(f)));
			continue;
		}
		bf &= vla_f32_to_bf16(f) == h;
		if ((h & 0x7f80) == 0x7f80)
			continue;
		uint32_t u = (uint32_t)h << 16;
		bf_middle &= vla_f32_to_bf16(from_bits(u | 0x8000)) == (h & 1 ? h + 1 : h) &&
			     vla_f32_to_bf16(from_bits(u | 0x7fff)) == h &&
			     vla_f32_to_bf16(from_bits(u | 0x8001)) == h + 1;
	}
	ok(bf && bf_middle, "all bf16 patterns come back, and their middles round to even");
	ok(isnan(vla_bf16_to_f32(vla_f32_to_bf16(from_bits(0x7f800001)))), "a NaN stays one");
}

static void test_names(void)
{
	const char *const names[] = { "top", "threads", "tolerance", "seed" };
	char far[80];
	memset(far, 'a', sizeof far - 1);
	far[sizeof far - 1] = 0;
	ok(vla_edit_distance("kitten", "sitting") == 3 && vla_edit_distance("", "abc") == 3 &&
		   vla_edit_distance("abc", "abc") == 0,
	   "edit distance");
	ok(vla_edit_distance("ab", "ba") == 1 && vla_edit_distance("ca", "abc") == 3,
	   "neighbours that changed places count once");
	ok(vla_edit_distance(far, "a") == SIZE_MAX, "long strings are far");
	ok(!strcmp(vla_nearest("thread", names, 4), "threads") && !strcmp(vla_nearest("sede", names, 4), "seed") &&
		   !vla_nearest("completely", names, 4) && !vla_nearest("x", names, 0),
	   "the nearest name, or none");
}

struct job {
	vla_pool *pool;
	atomic_ullong sum;
	atomic_uint calls, bad;
	size_t grain;
	bool nested;
};

static void add_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct job *j = ctx;
	unsigned long long s = 0;
	for (size_t i = begin; i < end; i++)
		s += i;
	atomic_fetch_add(&j->sum, s);
	atomic_fetch_add(&j->calls, 1);
	if (worker >= vla_pool_size(j->pool) || begin >= end)
		atomic_fetch_add(&j->bad, 1);
}

static void nest(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct job *j = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		vla_parallel(j->pool, 100, 1, add_range, j);
}

static void *loops(void *ctx)
{
	struct job *outer = ctx;
	for (int i = 0; i < 200; i++) {
		struct job j = { .pool = outer->pool };
		vla_parallel(outer->pool, 1000, 1, add_range, &j);
		if (j.sum != 499500 || j.bad)
			atomic_fetch_add(&outer->bad, 1);
	}
	return NULL;
}

static void test_pool(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool = NULL;
	ok(vla_pool_new(1025, &pool, &err) == VLA_EINVAL, "too many threads");
	for (unsigned n = 1; n <= 4; n += 3) {
		ok(vla_pool_new(n, &pool, &err) == VLA_OK && vla_pool_size(pool) == n, "a pool of %u", n);
		bool good = true;
		for (size_t len = 0; len < 300; len++) {
			struct job j = { .pool = pool };
			vla_parallel(pool, len, 7, add_range, &j);
			good &= j.sum == len * (len ? len - 1 : 0) / 2 && !j.bad && (len == 0) == (j.calls == 0) &&
				j.calls <= (len + 6) / 7;
		}
		ok(good, "pieces cover the range once and keep the grain");
		struct job nested = { .pool = pool };
		vla_parallel(pool, 50, 1, nest, &nested);
		ok(nested.sum == 50 * 4950 && !nested.bad, "loops inside loops");
		struct job outer = { .pool = pool };
		pthread_t t[3];
		for (int i = 0; i < 3; i++)
			if (pthread_create(&t[i], NULL, loops, &outer) != 0)
				return;
		loops(&outer);
		for (int i = 0; i < 3; i++)
			pthread_join(t[i], NULL);
		ok(!outer.bad, "callers in several threads");
		vla_pool_free(pool);
	}
	struct job j = { .pool = NULL };
	vla_parallel(NULL, 10, 3, add_range, &j);
	ok(j.sum == 45 && j.calls == 1 && vla_pool_size(NULL) == 1, "no pool");
	for (int i = 0; i < 50; i++)
		if (vla_pool_new(3, &pool, &err) == VLA_OK)
			vla_pool_free(pool);
	vla_pool_free(NULL);
	ok(vla_pool_new(0, &pool, &err) == VLA_OK && vla_pool_size(pool) >= 1, "as many threads as processors");
	vla_pool_free(pool);
}

int main(void)
{
	test_errors();
	test_memory();
	test_arena();
	test_random();
	test_hash();
	test_half();
	test_names();
	test_pool();
	return done();
}
