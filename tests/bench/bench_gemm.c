/* Matrix products against this machine's peak, in one run: the peak is OpenBLAS's own multithreaded sgemm on a large
 *square. Rows: whole-batch products of the towers in f32 (ratio to the peak, at least 0.85 asked of those marked so),
 *the narrow products of convolution networks (ratio to OpenBLAS's threads on the same shape), bf16 and int8 (ratio to
 *our f32, and the cosine with it). Rounds are interleaved and the best of each counts, since other programs may run.
 *
 *	bench_gemm [threads]
 */
#include "kern/kern.h"

#include <cblas.h>
#include <math.h>
#include <time.h>

#define ROUNDS 4

// With one thread processor time, which other programs disturb less.
static clockid_t timer = CLOCK_MONOTONIC;

static double now(void)
{
	struct timespec t;
	clock_gettime(timer, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct data {
	size_t M, N, K;
	float *A, *W, *b, *C, *D;
};

static float *random_floats(vla_rng *rng, size_t n)
{
	float *p = vla_alloc(n, sizeof *p);
	if (!p)
		exit(2);
	for (size_t i = 0; i < n; i++)
		p[i] = vla_rng_float(rng) - 0.5f;
	return p;
}

static struct data make(size_t M, size_t N, size_t K)
{
	vla_rng rng;
	vla_rng_seed(&rng, M, N);
	return (struct data){ M,
			      N,
			      K,
			      random_floats(&rng, M * K),
			      random_floats(&rng, N * K),
			      random_floats(&rng, N),
			      random_floats(&rng, M * N),
			      random_floats(&rng, M * N) };
}

static void drop(struct data *d)
{
	free(d->A);
	free(d->W);
	free(d->b);
	free(d->C);
	free(d->D);
}

static double gflops(const struct data *d, double seconds)
{
	return 2e-9 * (double)d->M * (double)d->N * (double)d->K / seconds;
}

// OpenBLAS's own threads.
static double blas(const struct data *d, unsigned threads)
{
	openblas_set_num_threads((int)threads);
	double t = now();
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)d->M, (int)d->N, (int)d->K, 1, d->A, (int)d->K, d->W,
		    (int)d->K, 0, d->D, (int)d->N);
	t = now() - t;
	openblas_set_num_threads(1);
	return gflops(d, t);
}

static double ours(const struct data *d, vla_pool *pool)
{
	double t = now();
	vla_gemm(pool, false, true, d->M, d->N, d->K, 1, d->A, d->K, d->W, d->K, 0, d->C, d->N);
	return gflops(d, now() - t);
}

static void low_precision(const struct data *d, vla_pool *pool, vla_compute c)
{
	const char *name = c == VLA_COMPUTE_BF16 ? "bf16" : "int8";
	vla_err err;
	vla_packed *p;
	if (vla_packed_new(c, d->N, d->K, d->W, VLA_F32, &p, &err) != VLA_OK) {
		printf("%s\t%zu\t%zu\t%zu\tSKIP\t%s\n", name, d->M, d->N, d->K, err.msg);
		return;
	}
	double best = 0, f32 = 0, xy = 0, xx = 0, yy = 0;
	for (int i = 0; i < ROUNDS; i++) {
		f32 = fmax(f32, ours(d, pool));
		double t = now();
		if (vla_packed_gemm(p, pool, d->M, d->A, d->K, NULL, VLA_ACT_NONE, d->D, d->N, &err) != VLA_OK)
			exit(2);
		best = fmax(best, gflops(d, now() - t));
	}
	for (size_t i = 0; i < d->M * d->N; i++) {
		xy += (double)d->C[i] * d->D[i];
		xx += (double)d->C[i] * d->C[i];
		yy += (double)d->D[i] * d->D[i];
	}
	printf("%s\t%zu\t%zu\t%zu\t%.1f\t%.2f of f32, cosine %.6f\n", name, d->M, d->N, d->K, best, best / f32,
	       xy / sqrt(xx * yy));
	vla_packed_free(p);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		size_t M, N, K;
		bool whole; // a whole-batch product, measured against the peak
	} rows[] = {
		{ "square", 2048, 2048, 2048, true },      { "vit_mlp", 1600, 3072, 768, true },
		{ "vit_mlp_back", 1600, 768, 3072, true }, { "vit_qkv", 1600, 768, 768, true },
		{ "text_mlp", 2464, 2048, 512, true },     { "few_rows", 77, 2048, 512, false },
		{ "expand_16_96", 32768, 96, 16, false },  { "project_96_16", 32768, 16, 96, false },
		{ "expand_32_192", 8192, 192, 32, false }, { "project_192_32", 8192, 32, 192, false },
		{ "expand_64_384", 2048, 384, 64, false }, { "head_160_640", 1024, 640, 160, false },
	};
	vla_err err;
	vla_pool *pool;
	unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	if (vla_pool_new(threads, &pool, &err) != VLA_OK)
		return 2;
	threads = vla_pool_size(pool);
	if (threads == 1)
		timer = CLOCK_PROCESS_CPUTIME_ID;
	struct data sq = make(2048, 2048, 2048);
	bool good = true;
	printf("product\tM\tN\tK\tGFLOP/s\tratio\n");
	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		struct data d = make(rows[k].M, rows[k].N, rows[k].K);
		double best = 0, peak = 0;
		for (int i = 0; i < ROUNDS; i++) {
			peak = fmax(peak, blas(rows[k].whole ? &sq : &d, threads));
			for (int again = 0; again < 2; again++)
				best = fmax(best, ours(&d, pool));
		}
		bool short_of = rows[k].whole && best / peak < 0.85;
		printf("%s\t%zu\t%zu\t%zu\t%.1f\t%.2f of %s%s\n", rows[k].what, d.M, d.N, d.K, best, best / peak,
		       rows[k].whole ? "the peak" : "OpenBLAS there", short_of ? " BELOW 0.85" : "");
		good &= !short_of;
		drop(&d);
	}
	struct data d = make(1600, 3072, 768);
	low_precision(&d, pool, VLA_COMPUTE_BF16);
	low_precision(&d, pool, VLA_COMPUTE_INT8);
	drop(&d);
	drop(&sq);
	vla_pool_free(pool);
	return good ? 0 : 1;
}
