/* The search kernel against the memory: GB/s of stored vectors read for one query, beside a plain sum over the same
 *bytes and a copy of them; GFLOP/s for many queries.
 *
 *	bench_scores [rows] [dim] [threads]
 */
#include "kern/kern.h"

#include <math.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct reading {
	const uint64_t *p;
	char *to;
	uint64_t sum[64];
};

static void sum_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct reading *r = ctx;
	uint64_t s[8] = { 0 };
	for (size_t i = begin; i < end; i++)
		for (size_t k = 0; k < 512; k += 8)
			for (int l = 0; l < 8; l++)
				s[l] += r->p[i * 512 + k + l];
	for (int l = 0; l < 8; l++)
		r->sum[worker % 64] += s[l];
}

static void copy_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct reading *r = ctx;
	(void)worker;
	memcpy(r->to + begin * 4096, r->p + begin * 512, (end - begin) * 4096);
}

int main(int argc, char **argv)
{
	size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, dim = argc > 2 ? strtoul(argv[2], NULL, 10) : 512;
	unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	static const vla_dtype types[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8 };
	static const size_t counts[] = { 1, 4, 64 };
	vla_err err;
	vla_pool *pool;
	char *data = vla_zalloc(rows * dim, 4), *other = vla_zalloc(rows * dim, 4);
	float *queries = vla_alloc(64 * dim, sizeof *queries), *out = vla_alloc(64 * rows, sizeof *out);
	float *scales = vla_alloc(rows, sizeof *scales);
	if (!data || !other || !queries || !out || !scales || vla_pool_new(threads, &pool, &err) != VLA_OK)
		return 2;
	vla_rng rng;
	vla_rng_seed(&rng, 1, 1);
	for (size_t i = 0; i < 64 * dim; i++)
		queries[i] = vla_rng_float(&rng) - 0.5f;
	for (size_t i = 0; i < rows; i++)
		scales[i] = 0.01f;
	for (size_t i = 0; i < rows * dim * 4; i++)
		data[i] = i % 2 ? 0x3c : (char)(i * 37 >> 4); // small finite numbers in all four types
	printf("type\tqueries\tGB/s\tGFLOP/s\tof_plain_read\tof_copy\n");
	for (size_t t = 0; t < 4; t++)
		for (size_t c = 0; c < 3; c++) {
			size_t bytes = rows * dim * vla_dtype_size(types[t]);
			struct reading r = { (const uint64_t *)(const void *)data, other, { 0 } };
			double best = 1e9, read = 1e9, copy = 1e9;
			for (int i = 0; i < 3; i++) {
				double a = now();
				vla_parallel(pool, bytes / 4096, 64, sum_range, &r);
				double b = now();
				vla_scores(pool, data, types[t], scales, rows, dim, queries, counts[c], out);
				double d = now();
				vla_parallel(pool, bytes / 4096, 64, copy_range, &r);
				double e = now();
				read = fmin(read, b - a);
				best = fmin(best, d - b);
				copy = fmin(copy, e - d);
			}
			printf("%s\t%zu\t%.1f\t%.1f\t%.2f\t%.2f\n", vla_dtype_name(types[t]), counts[c],
			       (double)bytes / best / 1e9, 2e-9 * (double)(rows * dim * counts[c]) / best, read / best,
			       copy / best);
		}
	vla_pool_free(pool);
	free(data);
	free(other);
	free(queries);
	free(out);
	free(scales);
	return 0;
}
