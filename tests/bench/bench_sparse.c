/* Exact search over sparse vectors: 200,000 records (VLA_ROWS for another number) of about 100 words out of 32,768, one
 * thread. Word number r is drawn with a chance of about 1 / (r + s): s 20 is the text of a language with its stop
 * words, s 500 what is left without them. Queries are other such records, and short ones of 10 words; weights are f16.
 *
 * TSV: name, value, unit; milliseconds of processor time a query, and nanoseconds a pair of the lists that were added.
 * The answers to the first queries are compared with a loop over all records.
 */
#include <vla/inverted.h>

#include "base/base.h"

#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DIM = 32768, WORDS = 100, NQ = 200, K = 10, COMPARED = 5 };

static char stream[160], file[160];
static double shift;
static uint32_t records_with[DIM];

static void fail(const char *what)
{
	fprintf(stderr, "bench_sparse: %s\n", what);
	remove(stream);
	remove(file);
	exit(2);
}

static double cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

// Weights fall off like those of learned sparse models.
static size_t draw(vla_rng *r, size_t words, uint32_t *index, float *weight)
{
	size_t n = 0, m = 0;
	for (size_t i = 0; i < words; i++) {
		double u = vla_rng_double(r);
		index[n++] = (uint32_t)(shift * (pow((DIM + shift) / shift, u) - 1)) % DIM;
	}
	qsort(index, n, sizeof *index, by_index);
	for (size_t i = 0; i < n; i++)
		if (!i || index[i] != index[i - 1]) {
			index[m] = index[i];
			weight[m++] = (float)-log(1 - 0.95 * vla_rng_double(r));
		}
	return m;
}

static void generate(size_t rows)
{
	vla_err err = VLA_ERR_INIT;
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w;
	vla_rng r;
	uint32_t index[2 * WORDS];
	float weight[2 * WORDS];
	char id[32];
	h.kind = VLA_SPARSE;
	h.dtype = VLA_F16;
	h.dim = DIM;
	vla_rng_seed(&r, 1, 0);
	if (vla_writer_open(stream, &h, &w, &err) != VLA_OK)
		fail(err.msg);
	for (size_t i = 0; i < rows; i++) {
		vla_rec rec = VLA_REC_INIT;
		snprintf(id, sizeof id, "%zu", i);
		rec.id = id;
		rec.rows = draw(&r, WORDS * 5 / 4, index, weight);
		rec.index = index;
		rec.data = weight;
		for (size_t c = 0; c < rec.rows; c++)
			records_with[index[c]]++;
		if (vla_writer_put(w, &rec, &err) != VLA_OK)
			fail(err.msg);
	}
	if (vla_writer_finish(w, &err) != VLA_OK)
		fail(err.msg);
	vla_writer_close(w);
}

// Scores of all records, read again from the stream.
static bool same(const vla_sparse *q, const vla_hit *h)
{
	static float dense[DIM], best[K];
	static uint64_t row[K];
	vla_err err = VLA_ERR_INIT;
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	size_t n = 0;
	memset(dense, 0, sizeof dense);
	for (size_t i = 0; i < q->n; i++)
		dense[q->index[i]] = q->weight[i];
	if (vla_reader_open(stream, &r, &err) != VLA_OK)
		fail(err.msg);
	for (uint64_t i = 0; vla_reader_next(r, &rec, &err) == VLA_OK; i++) {
		float s = 0;
		for (size_t c = 0; c < rec.rows; c++)
			s += dense[rec.index[c]] * rec.data[c];
		size_t at = n < K ? n++ : K;
		while (at && best[at - 1] < s) {
			if (at < K) {
				best[at] = best[at - 1];
				row[at] = row[at - 1];
			}
			at--;
		}
		if (at < K) {
			best[at] = s;
			row[at] = i;
		}
	}
	vla_rec_release(&rec);
	vla_reader_close(r);
	for (size_t i = 0; i < K; i++)
		if (h[i].row != row[i] || h[i].score != best[i])
			return false;
	return true;
}

static void search(vla_inverted *v, size_t words, const char *name)
{
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	uint32_t *index = vla_alloc(NQ, 2 * WORDS * sizeof *index);
	float *weight = vla_alloc(NQ, 2 * WORDS * sizeof *weight);
	static vla_sparse q[NQ];
	static vla_hit hit[NQ * K];
	static size_t found[NQ];
	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
	vla_rng_seed(&r, 2, words);
	o.k = K;
	if (!index || !weight)
		fail("out of memory");
	size_t total = 0, equal = 0;
	double pairs = 0;
	for (size_t i = 0; i < NQ; i++) {
		q[i] = (vla_sparse){ index + i * 2 * WORDS, weight + i * 2 * WORDS, 0 };
		q[i].n = draw(&r, words * 5 / 4, index + i * 2 * WORDS, weight + i * 2 * WORDS);
		total += q[i].n;
		for (size_t c = 0; c < q[i].n; c++)
			pairs += records_with[q[i].index[c]];
	}
	double best = 1e9;
	for (int k = 0; k < 3; k++) {
		double t = cpu();
		if (vla_inverted_search(v, &o, q, NQ, hit, found, &err) != VLA_OK)
			fail(err.msg);
		t = cpu() - t;
		best = t < best ? t : best;
	}
	for (size_t i = 0; i < COMPARED; i++)
		equal += same(&q[i], hit + i * K);
	printf("s %g, %s: words a query\t%.1f\t\n", shift, name, (double)total / NQ);
	printf("s %g, %s: pairs in their lists\t%.0f\ta query\n", shift, name, pairs / NQ);
	printf("s %g, %s: best %d\t%.3f\tms\n", shift, name, K, best * 1e3 / NQ);
	printf("s %g, %s: a pair\t%.2f\tns\n", shift, name, best * 1e9 / pairs);
	printf("s %g, %s: answers as by a loop over all records\t%zu\tof %d\n", shift, name, equal, COMPARED);
	free(index);
	free(weight);
}

static void run(size_t rows)
{
	vla_err err = VLA_ERR_INIT;
	vla_inverted *v;
	struct stat st;
	memset(records_with, 0, sizeof records_with);
	generate(rows);
	const char *const in[] = { stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	double t = cpu();
	if (vla_inverted_build(in, 1, file, &o, NULL, &err) != VLA_OK)
		fail(err.msg);
	t = cpu() - t;
	if (stat(file, &st) != 0 || vla_inverted_open(file, NULL, &v, &err) != VLA_OK)
		fail(err.msg);
	printf("s %g: sparse records\t%zu\tof about %d words out of %d\n", shift, rows, WORDS, DIM);
	printf("s %g: build\t%.2f\ts\n", shift, t);
	printf("s %g: index file\t%.1f\tbytes a record\n", shift, (double)st.st_size / (double)rows);
	search(v, WORDS, "queries like records");
	search(v, 10, "short queries");
	vla_inverted_close(v);
	remove(stream);
	remove(file);
}

int main(void)
{
	const char *tmp = getenv("TMPDIR"), *want = getenv("VLA_ROWS");
	snprintf(stream, sizeof stream, "%.100s/vla-sparse-%ld.vle", tmp ? tmp : "/tmp", (long)getpid());
	snprintf(file, sizeof file, "%.100s/vla-sparse-%ld.vlx", tmp ? tmp : "/tmp", (long)getpid());
	for (int i = 0; i < 2; i++) {
		shift = i ? 20 : 500;
		run(want ? strtoul(want, NULL, 10) : 200000);
	}
	return 0;
}
