/* Index types beside FAISS and hnswlib on clustered unit vectors with a modality gap: build time, bytes a vector,
 *recall against the exact answer, CPU milliseconds a query on one thread, in batches and one at a time. Pairs are
 *measured in turn, and ratios are taken within the run.
 *
 *	bench_index [rows] [dim]        default 200000 512
 *
 * The other libraries are compiled from tests/bench/peers.cc where their headers are found (CPLUS_INCLUDE_PATH and
 * LIBRARY_PATH name other places); without them their rows say SKIP.
 */
#include "kern/kern.h"

#include <vla/index.h>

#include <dlfcn.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

enum { NQ = 1000, K = 10, LATENT = 64, CLUSTERS = 2000, SINGLES = 200 };

static size_t rows = 200000, dim = 512;
static char dir[300];
static float *base, *query[2]; // images, texts
static vla_hit *truth[2];

static double cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_index: %s\n", what);
	exit(2);
}

static void must(vla_status s, const vla_err *err)
{
	if (s != VLA_OK)
		fail(err->msg);
}

static void *need(size_t n, size_t size)
{
	void *p = vla_alloc(n, size);
	if (!p)
		fail("out of memory");
	return p;
}

static void unit(float *v)
{
	double s = 0;
	for (size_t i = 0; i < dim; i++)
		s += (double)v[i] * v[i];
	for (size_t i = 0; i < dim; i++)
		v[i] = (float)(v[i] / sqrt(s));
}

// Latent points around cluster centres, of decaying variance.
static void latent(vla_rng *r, const float *centres, float *z)
{
	const float *c = centres + vla_rng_below(r, CLUSTERS) * LATENT;
	for (size_t j = 0; j < LATENT; j++)
		z[j] = c[j] + 0.55f * (float)(vla_rng_normal(r) / sqrt((double)(j / 4 + 1)));
}

// n unit vectors: the latent point in dim numbers, the mean of the modality, and noise.
static void vectors(vla_rng *r, const float *centres, const float *map, const float *mean, float shift, float noise,
		    size_t n, float *out)
{
	float *z = need(n, LATENT * sizeof *z);
	for (size_t i = 0; i < n; i++) {
		latent(r, centres, z + i * LATENT);
		for (size_t j = 0; j < LATENT; j++)
			z[i * LATENT + j] += shift * (float)vla_rng_normal(r);
	}
	vla_gemm(NULL, false, false, n, dim, LATENT, 1, z, LATENT, map, dim, 0, out, dim);
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < dim; c++) // noise of uniform numbers is cheaper, and as good
			out[i * dim + c] += mean[c] + noise * (vla_rng_float(r) - 0.5f) * 3.46f;
		unit(out + i * dim);
	}
	free(z);
}

static void generate(void)
{
	vla_rng r;
	vla_rng_seed(&r, 7, 1);
	float *centres = need(CLUSTERS, LATENT * sizeof *centres), *map = need(LATENT, dim * sizeof *map);
	float *mean[2] = { need(dim, sizeof(float)), need(dim, sizeof(float)) };
	float spread = 1 / sqrtf((float)dim), energy = 0;
	for (size_t j = 0; j < LATENT; j++)
		energy += 1.3f / (float)(j / 4 + 1);
	for (size_t i = 0; i < CLUSTERS * LATENT; i++)
		centres[i] = (float)(vla_rng_normal(&r) / sqrt((double)(i % LATENT / 4 + 1)));
	for (size_t i = 0; i < LATENT * dim; i++)
		map[i] = (float)vla_rng_normal(&r) * spread / sqrtf(energy);
	for (size_t i = 0; i < dim; i++) {
		mean[0][i] = (float)vla_rng_normal(&r) * spread;
		mean[1][i] = 0.2f * mean[0][i] + (float)vla_rng_normal(&r) * 1.2f * spread;
	}
	base = need(rows, dim * sizeof *base);
	vectors(&r, centres, map, mean[0], 0, 0.4f * spread, rows, base);
	for (int t = 0; t < 2; t++) {
		query[t] = need(2 * NQ, dim * sizeof **query); // the second half for tuning
		vectors(&r, centres, map, mean[t], t ? 0.3f : 0, (t ? 0.8f : 0.4f) * spread, 2 * NQ, query[t]);
	}
	free(centres);
	free(map);
	free(mean[0]);
	free(mean[1]);
}

static char *file(const char *name)
{
	static char path[4][400];
	static unsigned turn;
	char *p = path[turn++ % 4];
	snprintf(p, sizeof path[0], "%s/%s", dir, name);
	return p;
}

static void write_stream(const char *path, const float *v, size_t n)
{
	vla_err err = VLA_ERR_INIT;
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w;
	char id[24];
	h.dtype = VLA_F16;
	h.dim = (uint32_t)dim;
	h.l2 = true;
	must(vla_writer_open(path, &h, &w, &err), &err);
	for (size_t i = 0; i < n; i++) {
		vla_rec rec = VLA_REC_INIT;
		snprintf(id, sizeof id, "%zu", i);
		rec.id = id;
		rec.data = (float *)(uintptr_t)(v + i * dim);
		must(vla_writer_put(w, &rec, &err), &err);
	}
	must(vla_writer_finish(w, &err), &err);
	vla_writer_close(w);
}

// Rows by the number that their id holds.
static double recall_of(const int64_t *row, int t)
{
	size_t found = 0;
	for (size_t q = 0; q < NQ; q++)
		for (size_t i = 0; i < K; i++)
			for (size_t j = 0; j < K; j++)
				found += row[q * K + i] == (int64_t)truth[t][q * K + j].row;
	return (double)found / (NQ * K);
}

static vla_index *open_index(const char *path)
{
	vla_err err = VLA_ERR_INIT;
	vla_index *x;
	must(vla_index_open(path, NULL, &x, &err), &err);
	return x;
}

// CPU seconds for n queries, `batch` at a time; row [n, K] gets the ids' numbers.
static double search(vla_index *x, const vla_search_opts *o, const float *q, size_t n, size_t batch, int64_t *row)
{
	static vla_hit hits[NQ * K];
	static size_t found[NQ];
	vla_err err = VLA_ERR_INIT;
	double start = cpu();
	for (size_t i = 0; i < n; i += batch)
		must(vla_index_search_with(x, o, q + i * dim, batch < n - i ? batch : n - i, hits + i * K, found + i,
					   &err),
		     &err);
	double took = cpu() - start;
	for (size_t i = 0; i < n * K; i++)
		row[i] = i % K < found[i / K] ? strtoll(vla_index_id(x, hits[i].row), NULL, 10) : -1;
	return took;
}

static void line(const char *type, const char *setting, int t, double recall, double batch, double single)
{
	printf("%s\t%s\t%s\t%.4f\t%.4f\t%.4f\n", type, setting, t ? "text" : "image", recall, 1e3 * batch / NQ,
	       1e3 * single / SINGLES);
	fflush(stdout);
}

/* --- the other libraries --- */

static struct {
	void *(*faiss_flat)(const float *, size_t, size_t);
	void *(*faiss_ivf)(const float *, size_t, size_t, size_t);
	void (*faiss_probes)(void *, size_t);
	void (*faiss_search)(void *, const float *, size_t, size_t, float *, int64_t *);
	void *(*hnsw)(const float *, size_t, size_t, size_t, size_t);
	void (*hnsw_search)(void *, const float *, size_t, size_t, size_t, size_t, int64_t *);
} peer;

static void *symbol(void *lib, const char *name)
{
	return lib ? dlsym(lib, name) : NULL;
}

static void load_peers(void)
{
	static const struct {
		const char *flags, *libs, *out;
	} way[] = { { "-DPEER_FAISS", "-lfaiss -lopenblas -fopenmp", "faiss.so" },
		    { "-DPEER_HNSWLIB", "", "hnsw.so" } };
	void *lib[2] = { NULL, NULL };
	for (int i = 0; i < 2; i++) {
		char command[1000];
		snprintf(
			command, sizeof command,
			"${CXX:-c++} -O3 -march=native -w -shared -fPIC %s tests/bench/peers.cc -o '%s' %s 2>/dev/null",
			way[i].flags, file(way[i].out), way[i].libs);
		if (system(command) == 0)
			lib[i] = dlopen(file(way[i].out), RTLD_NOW | RTLD_LOCAL);
		if (!lib[i])
			printf("# SKIP %s: its headers or library were not found\n", i ? "hnswlib" : "FAISS");
	}
	// POSIX says that this conversion works.
	*(void **)&peer.faiss_flat = symbol(lib[0], "peer_faiss_flat");
	*(void **)&peer.faiss_ivf = symbol(lib[0], "peer_faiss_ivf");
	*(void **)&peer.faiss_probes = symbol(lib[0], "peer_faiss_probes");
	*(void **)&peer.faiss_search = symbol(lib[0], "peer_faiss_search");
	*(void **)&peer.hnsw = symbol(lib[1], "peer_hnsw");
	*(void **)&peer.hnsw_search = symbol(lib[1], "peer_hnsw_search");
}

static double faiss_search(void *f, const float *q, size_t n, size_t batch, int64_t *row)
{
	static float score[NQ * K];
	double start = cpu();
	for (size_t i = 0; i < n; i += batch)
		peer.faiss_search(f, q + i * dim, batch < n - i ? batch : n - i, K, score, row + i * K);
	return cpu() - start;
}

static double hnsw_search(void *h, const float *q, size_t n, size_t breadth, int64_t *row)
{
	double start = cpu();
	peer.hnsw_search(h, q, n, dim, K, breadth, row);
	return cpu() - start;
}

/* --- what is measured --- */

static vla_index *build(const char *name, vla_index_opts *o)
{
	vla_err err = VLA_ERR_INIT;
	vla_index_report r;
	const char *const in[] = { file("base.vle") };
	double start = cpu();
	must(vla_index_build(in, 1, file(name), o, &r, &err), &err);
	double took = cpu() - start;
	FILE *f = fopen(file(name), "rb");
	if (!f || fseeko(f, 0, SEEK_END) != 0)
		fail("no index");
	printf("build\tvla %s\t%.1f CPU s\t%.0f bytes a vector\n", name, took, (double)ftello(f) / (double)rows);
	fclose(f);
	return open_index(file(name));
}

static void exact(void)
{
	static int64_t row[NQ * K], mine[NQ * K];
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_search_opts s = VLA_SEARCH_OPTS_INIT;
	vla_err err = VLA_ERR_INIT;
	vla_index *x = build("flat", &o), *plain = open_index(file("base.vle"));
	size_t found[NQ];
	void *f = peer.faiss_flat ? peer.faiss_flat(base, rows, dim) : NULL;
	for (int t = 0; t < 2; t++) {
		truth[t] = need(NQ * K, sizeof **truth);
		double scan = cpu(), best = 1e9, other = 1e9, one = 1e9, other_one = 1e9;
		must(vla_index_search(plain, query[t], NQ, K, truth[t], found, &err), &err);
		scan = cpu() - scan;
		for (int i = 0; i < 2; i++) {
			best = fmin(best, search(x, &s, query[t], NQ, NQ, mine));
			if (f)
				other = fmin(other, faiss_search(f, query[t], NQ, NQ, row));
			one = fmin(one, search(x, &s, query[t], 20, 1, row) * SINGLES / 20);
			if (f)
				other_one = fmin(other_one, faiss_search(f, query[t], 20, 1, row) * SINGLES / 20);
		}
		line("exact, f32 scan of a stream", "-", t, 1, scan, NAN);
		line("vla flat", "-", t, recall_of(mine, t), best, one);
		if (f)
			line("FAISS Flat", "-", t, 1, other, other_one);
		if (f)
			printf("ratio\tFAISS Flat / vla flat, batches\t%s\t%.2f\tsingle\t%.2f\n", t ? "text" : "image",
			       other / best, other_one / one);
	}
	vla_index_close(x);
	vla_index_close(plain);
}

static void approximate(const char *type, const char *name, bool ivf)
{
	static const uint32_t probes[] = { 4, 8, 16, 32, 64, 128 }, breadth[] = { 16, 32, 64, 128, 256, 512 };
	static int64_t row[NQ * K], one_row[NQ * K];
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	o.type = type;
	o.probes = ivf;
	o.breadth = !ivf;
	vla_index *x = build(name, &o);
	for (int t = 0; t < 2; t++)
		for (int i = 0; i < 6; i++) {
			vla_search_opts s = VLA_SEARCH_OPTS_INIT;
			char setting[32];
			s.probes = probes[i];
			s.breadth = breadth[i];
			snprintf(setting, sizeof setting, "%u", ivf ? probes[i] : breadth[i]);
			double batch = search(x, &s, query[t], NQ, NQ, row);
			double one = search(x, &s, query[t], SINGLES, 1, one_row);
			line(name, setting, t, recall_of(row, t), batch, one);
		}
	vla_index_close(x);
}

static void others(void)
{
	static const size_t probes[] = { 8, 16, 32, 64 }, breadth[] = { 16, 32, 64, 128, 256, 512 };
	static int64_t row[NQ * K];
	char setting[32];
	double start = cpu();
	void *f = peer.faiss_ivf ? peer.faiss_ivf(base, rows, dim, (size_t)(2 * sqrt((double)rows))) : NULL;
	if (f)
		printf("build\tFAISS IVFFlat\t%.1f CPU s\n", cpu() - start);
	for (int t = 0; f && t < 2; t++)
		for (int i = 0; i < 4; i++) {
			peer.faiss_probes(f, probes[i]);
			double batch = faiss_search(f, query[t], NQ, NQ, row), recall = recall_of(row, t);
			snprintf(setting, sizeof setting, "%zu", probes[i]);
			line("FAISS IVFFlat", setting, t, recall, batch, faiss_search(f, query[t], SINGLES, 1, row));
		}
	start = cpu();
	void *h = peer.hnsw ? peer.hnsw(base, rows, dim, 16, 200) : NULL;
	if (h)
		printf("build\thnswlib\t%.1f CPU s\n", cpu() - start);
	for (int t = 0; h && t < 2; t++)
		for (int i = 0; i < 6; i++) {
			double batch = hnsw_search(h, query[t], NQ, breadth[i], row);
			snprintf(setting, sizeof setting, "%zu", breadth[i]);
			line("hnswlib M 16", setting, t, recall_of(row, t), batch, batch * SINGLES / NQ);
		}
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR"), *only = getenv("VLA_BENCH");
	char command[400];
	rows = argc > 1 ? strtoul(argv[1], NULL, 10) : rows;
	dim = argc > 2 ? strtoul(argv[2], NULL, 10) : dim;
	setenv("OMP_NUM_THREADS", "1", 1);
	setenv("OPENBLAS_NUM_THREADS", "1", 1);
	snprintf(dir, sizeof dim < sizeof dir ? sizeof dir : 0, "%.200s/vla-bench-%ld", tmp ? tmp : "/tmp",
		 (long)getpid());
	snprintf(command, sizeof command, "mkdir -p '%s'", dir);
	if (system(command) != 0)
		fail("no folder");
	load_peers();
	generate();
	write_stream(file("base.vle"), base, rows);
	write_stream(file("sample.vle"), query[1] + NQ * dim, NQ);
	printf("vectors\t%zu\tof %zu numbers, f16; one thread\n", rows, dim);
	printf("type\tsetting\tqueries\trecall@10\tms a query in batches\tms a query alone\n");
	exact();
	if (!only || strstr(only, "ivf"))
		approximate("ivf", "ivf", true);
	if (!only || strstr(only, "hnsw"))
		approximate("hnsw", "hnsw", false);
	if (!only || strstr(only, "others"))
		others();
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command) != 0;
}
