/* Search over a million vectors of 512 f16 numbers (VLA_ROWS for another number of rows).
 *
 * 1. A text query from a fresh process against reading the file once with cat, both with the file out of the page cache
 * and with it in there, two threads.
 * 2. 256 queries at once against the matrix product of the same shape, as a share of its rate.
 *
 * TSV: name, value, unit. The file goes to $TMPDIR or /tmp and is removed.
 */
#define _GNU_SOURCE
#include <vla/index.h>

#include "kern/kern.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DIM = 512, QUERIES = 256, BLOCK = 2048 };

static char dir[128], stream[160], model[160];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_search: %s\n", what);
	remove(stream);
	exit(2);
}

static void run(const char *command)
{
	int s = system(command);
	if (s == -1 || !WIFEXITED(s) || WEXITSTATUS(s) != 0)
		fail(command);
}

// Sends the file out of the page cache; it was synced when it was written.
static void evict(void)
{
	int f = open(stream, O_RDONLY);
	if (f < 0 || posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED) != 0)
		fail("cannot evict the file");
	close(f);
}

static void generate(size_t rows)
{
	vla_err err = VLA_ERR_INIT;
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w;
	vla_rng r;
	float v[DIM];
	char id[64];
	h.dtype = VLA_F16;
	h.dim = DIM;
	h.l2 = true;
	vla_rng_seed(&r, 1, 0);
	if (vla_writer_open(stream, &h, &w, &err) != VLA_OK)
		fail(err.msg);
	for (size_t i = 0; i < rows; i++) {
		vla_rec rec = VLA_REC_INIT;
		// Uniform numbers cost less than normal ones; the length is 1 on average.
		for (size_t c = 0; c < DIM; c++)
			v[c] = (vla_rng_float(&r) - 0.5f) * 0.1531f;
		snprintf(id, sizeof id, "photos/%04zu/%08zu.jpg", i / 1000, i);
		rec.id = id;
		rec.rows = 1;
		rec.data = v;
		if (vla_writer_put(w, &rec, &err) != VLA_OK)
			fail(err.msg);
	}
	if (vla_writer_finish(w, &err) != VLA_OK)
		fail(err.msg);
	vla_writer_close(w);
}

// A text tower without an image tower would do, but a usual model has both.
static bool make_model(const char *bin)
{
	char command[1200], path[200];
	snprintf(path, sizeof path, "%s/config.json", dir);
	FILE *f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f,
		"{\"model_type\": \"vla_dual\", \"dim\": %d,"
		" \"image\": {\"tower\": \"vit\", \"size\": 224, \"patch\": 32, \"width\": 768, \"layers\": 12, \"heads\": 12, \"hidden\": 3072},"
		" \"text\": {\"tower\": \"transformer\", \"width\": 512, \"layers\": 12, \"heads\": 8, \"hidden\": 2048, \"positions\": 77,"
		" \"vocab\": 256}}\n",
		DIM);
	fclose(f);
	snprintf(path, sizeof path, "%s/tokenizer.json", dir);
	f = fopen(path, "w");
	if (!f)
		return false;
	fputs("{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\","
	      " \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}, \"post_processor\": null,"
	      " \"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {",
	      f);
	for (unsigned b = 0, n = 0; b < 256; b++) {
		bool visible = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
		fprintf(f, "%s\"\\u%04x\": %u", b ? ", " : "", visible ? b : 256 + n++, b);
	}
	fputs("}}}\n", f);
	fclose(f);
	snprintf(command, sizeof command,
		 "'%s/vla-model' new --dtype f16 --tokenizer '%s' -o '%s' '%s/config.json' >/dev/null", bin, dir, model,
		 dir);
	run(command);
	return true;
}

static double timed(const char *command, bool cold)
{
	if (cold)
		evict();
	double t = now();
	run(command);
	return now() - t;
}

static void cold_process(const char *bin)
{
	char query[1200], cat[400];
	snprintf(cat, sizeof cat, "cat '%s' >/dev/null", stream);
	snprintf(query, sizeof query, "'%s/vla-search' -@ 2 -m '%s' --compute f32 '%s' 'a dog on the beach' >/dev/null",
		 bin, model, stream);
	for (int cold = 1; cold >= 0; cold--) {
		const char *how = cold ? "file on disk" : "file in memory";
		double read = 1e9, search = 1e9;
		if (!cold)
			run(cat);
		for (int i = 0; i < 3; i++) {
			double a = timed(cat, cold), b = timed(query, cold);
			read = a < read ? a : read;
			search = b < search ? b : search;
		}
		printf("read once with cat, %s\t%.3f\ts\n", how, read);
		printf("text query of a fresh process, %s\t%.3f\ts\n", how, search);
		printf("query / read, %s\t%.2f\tratio\n", how, search / read);
	}
}

static double gemm_rate(vla_pool *pool)
{
	float *a = vla_alloc(QUERIES, DIM * sizeof *a), *b = vla_alloc(BLOCK, DIM * sizeof *b);
	float *c = vla_alloc(QUERIES, BLOCK * sizeof *c);
	if (!a || !b || !c)
		fail("out of memory");
	for (size_t i = 0; i < BLOCK * DIM; i++)
		b[i] = a[i % (QUERIES * DIM)] = (float)(i % 31) / 31;
	double best = 0;
	for (int k = 0; k < 5; k++) {
		double t = now();
		for (int i = 0; i < 40; i++)
			vla_gemm(pool, false, true, QUERIES, BLOCK, DIM, 1, a, DIM, b, DIM, 0, c, BLOCK);
		double rate = 40.0 * 2 * QUERIES * BLOCK * DIM / (now() - t) * 1e-9;
		best = rate > best ? rate : best;
	}
	free(a);
	free(b);
	free(c);
	return best;
}

static void batch(size_t rows)
{
	vla_err err = VLA_ERR_INIT;
	vla_pool *pool;
	vla_index *x;
	float *q = vla_alloc(QUERIES, DIM * sizeof *q);
	vla_hit *h = vla_alloc(QUERIES, 10 * sizeof *h);
	size_t *n = vla_alloc(QUERIES, sizeof *n);
	vla_rng r;
	vla_rng_seed(&r, 2, 0);
	if (!q || !h || !n || vla_pool_new(2, &pool, &err) != VLA_OK ||
	    vla_index_open(stream, pool, &x, &err) != VLA_OK)
		fail(err.msg);
	for (size_t i = 0; i < QUERIES * DIM; i++)
		q[i] = (float)vla_rng_normal(&r);
	double best = 0, gemm = gemm_rate(pool);
	for (int i = 0; i < 2; i++) {
		double t = now();
		if (vla_index_search(x, q, QUERIES, 10, h, n, &err) != VLA_OK)
			fail(err.msg);
		double rate = 2.0 * QUERIES * (double)rows * DIM / (now() - t) * 1e-9;
		best = rate > best ? rate : best;
	}
	printf("matrix product, f32, two threads\t%.1f\tGFLOP/s\n", gemm);
	printf("%d queries at once, two threads\t%.1f\tGFLOP/s\n", QUERIES, best);
	printf("search / matrix product\t%.2f\tratio\n", best / gemm);
	vla_index_close(x);
	vla_pool_free(pool);
	free(q);
	free(h);
	free(n);
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR"), *want = getenv("VLA_ROWS"), *b = getenv("B");
	size_t rows = want ? strtoul(want, NULL, 10) : 1000000;
	char bin[256], command[400];
	struct statvfs fs;
	(void)argc;
	(void)argv;
	tmp = tmp ? tmp : "/tmp";
	if (statvfs(tmp, &fs) != 0 || (double)fs.f_bavail * (double)fs.f_frsize < (double)rows * DIM * 2.2 + 5e8) {
		printf("# SKIP search: %s has no room for %zu vectors\n", tmp, rows);
		return 0;
	}
	snprintf(dir, sizeof dir, "%.100s/vla-bench-%ld", tmp, (long)getpid());
	snprintf(stream, sizeof stream, "%s/rows.vle", dir);
	snprintf(model, sizeof model, "%s/model", dir);
	snprintf(bin, sizeof bin, "%.200s/bin", b ? b : "build");
	snprintf(command, sizeof command, "mkdir -p '%s'", dir);
	run(command);
	generate(rows);
	printf("vectors\t%zu\trows of %d f16 numbers\n", rows, DIM);
	if (make_model(bin))
		cold_process(bin);
	batch(rows);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	run(command);
	return 0;
}
