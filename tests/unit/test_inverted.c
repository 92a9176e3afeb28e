/* Inverted lists against a loop over the records: files and streams, filters, ties, explanations; damage, refusals,
 * lack of memory. */
#include <vla/inverted.h>
#include <vla/where.h>

#include "base/base.h"

#include "fault_each.h"

#include <math.h>
#include <unistd.h>

enum { WORDS = 300, MOST = 40 };

static char stream[64], file[64];
static vla_pool *two;

struct record {
	uint32_t index[MOST];
	float weight[MOST];
	size_t n;
};

// Few different weights, so that equal scores are common; sums of their products are exact.
static void make(vla_rng *r, struct record *d, bool negative)
{
	d->n = 0;
	for (uint32_t w = 0; w < WORDS && d->n < MOST; w++)
		if (vla_rng_below(r, 10 + w) < 4) {
			d->index[d->n] = w;
			d->weight[d->n++] = (float)((int)vla_rng_below(r, 8) - (negative ? 4 : 0)) / 4;
		}
}

static vla_status write_records(const char *path, vla_kind kind, const struct record *d, size_t n, vla_err *err)
{
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w = NULL;
	char id[32];
	h.kind = kind;
	h.dtype = n % 2 ? VLA_F32 : VLA_F16;
	h.dim = WORDS;
	vla_status s = vla_writer_open(path, &h, &w, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		vla_rec rec = VLA_REC_INIT;
		snprintf(id, sizeof id, "doc-%zu", i);
		rec.id = id;
		rec.label = i % 3 ? NULL : id;
		rec.rows = d[i].n;
		rec.index = (uint32_t *)(uintptr_t)d[i].index;
		rec.data = (float *)(uintptr_t)d[i].weight;
		s = vla_writer_put(w, &rec, err);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, err);
	vla_writer_close(w);
	return s;
}

static int by_score(const void *a, const void *b)
{
	const vla_hit *x = a, *y = b;
	return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->row < y->row ? -1 : 1;
}

// All rows that share a word, best first.
static size_t naive(const struct record *d, size_t n, const struct record *q, const uint64_t *allow, vla_hit *out)
{
	size_t found = 0;
	for (size_t r = 0; r < n; r++) {
		float s = 0;
		bool shared = false;
		for (size_t i = 0, j = 0; i < q->n && j < d[r].n;) {
			if (q->index[i] != d[r].index[j]) {
				q->index[i] < d[r].index[j] ? i++ : j++;
				continue;
			}
			if (q->weight[i] != 0 && d[r].weight[j] != 0) {
				shared = true;
				s += q->weight[i] * d[r].weight[j];
			}
			i++;
			j++;
		}
		if (shared && !(allow && !(allow[r / 64] >> r % 64 & 1)))
			out[found++] = (vla_hit){ r, s, NAN };
	}
	qsort(out, found, sizeof *out, by_score);
	return found;
}

static bool answers(vla_inverted *v, const struct record *d, size_t n, const struct record *q, size_t nq, size_t k,
		    const uint64_t *allow)
{
	vla_err err = VLA_ERR_INIT;
	vla_hit *hits = malloc((nq * k + 1) * sizeof *hits), *want = malloc((n + 1) * sizeof *want);
	vla_sparse *s = malloc(nq * sizeof *s);
	size_t *found = malloc(nq * sizeof *found);
	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
	if (!hits || !want || !s || !found)
		exit(2);
	o.k = k;
	o.allow = allow;
	for (size_t i = 0; i < nq; i++)
		s[i] = (vla_sparse){ q[i].index, q[i].weight, q[i].n };
	bool same = vla_inverted_search(v, &o, s, nq, hits, found, &err) == VLA_OK;
	for (size_t i = 0; i < nq && same; i++) {
		size_t m = naive(d, n, &q[i], allow, want);
		same = found[i] == (m < k ? m : k);
		for (size_t j = 0; j < found[i] && same; j++) {
			vla_match match[MOST];
			size_t nm;
			const vla_hit *h = &hits[i * k + j];
			double sum = 0;
			same = h->row == want[j].row && h->score == want[j].score &&
			       vla_inverted_explain(v, &s[i], h->row, match, &nm, &err) == VLA_OK && nm;
			for (size_t c = 0; c < nm && same; c++) {
				sum += match[c].score;
				same = c == 0 || match[c].score <= match[c - 1].score;
			}
			same = same && fabs(sum - h->score) < 1e-5;
		}
	}
	free(hits);
	free(want);
	free(s);
	free(found);
	return same;
}

static void test_search(size_t n, size_t nq, size_t k, bool negative)
{
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, n, k);
	struct record *d = calloc(n + 1, sizeof *d), *q = calloc(nq, sizeof *q);
	uint64_t *allow = calloc(n / 64 + 1, sizeof *allow);
	if (!d || !q || !allow)
		exit(2);
	for (size_t i = 0; i < n; i++)
		make(&r, &d[i], negative);
	for (size_t i = 1; i < nq; i++) // the first has no word
		make(&r, &q[i], negative);
	for (size_t i = 0; i < n; i++)
		allow[i / 64] |= (uint64_t)(vla_rng_below(&r, 3) == 0) << i % 64;
	const char *const in[] = { stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_inverted *v = NULL;
	bool good = write_records(stream, VLA_SPARSE, d, n, &err) == VLA_OK &&
		    vla_inverted_build(in, 1, file, &o, NULL, &err) == VLA_OK && vla_index_check(file, &err) == VLA_OK;
	for (int f = 0; f < 2 && good; f++) {
		good = vla_inverted_open(f ? stream : file, f ? two : NULL, &v, &err) == VLA_OK &&
		       vla_index_rows(vla_inverted_index(v)) == n && answers(v, d, n, q, nq, k, NULL) &&
		       answers(v, d, n, q, nq, k, allow);
		if (good && n > 4)
			good = strcmp(vla_index_id(vla_inverted_index(v), 4), "doc-4") == 0 &&
			       strcmp(vla_index_label(vla_inverted_index(v), 3), "doc-3") == 0 &&
			       !vla_index_label(vla_inverted_index(v), 4);
		vla_inverted_close(v);
		v = NULL;
	}
	ok(good, "%zu records, %zu queries, best %zu%s: as the naive search, to the bit %s", n, nq, k,
	   negative ? ", weights of both signs" : "", err.msg);
	free(d);
	free(q);
	free(allow);
}

static void test_refusals(void)
{
	static struct record d[50];
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, 4, 0);
	for (size_t i = 0; i < 50; i++)
		make(&r, &d[i], false);
	const char *const in[] = { stream, stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_inverted *v = NULL;
	vla_index *x = NULL;
	ok(write_records(stream, VLA_SPARSE, d, 50, &err) == VLA_OK &&
		   vla_inverted_build(in, 2, file, &o, NULL, &err) == VLA_EINVAL,
	   "ids that come twice: %s", err.msg);
	ok(vla_inverted_build(in, 1, file, &o, NULL, &err) == VLA_OK &&
		   vla_inverted_open(file, NULL, &v, &err) == VLA_OK,
	   "built %s", err.msg);
	vla_search_opts so = VLA_SEARCH_OPTS_INIT;
	vla_hit h[10];
	size_t n;
	uint32_t past[] = { WORDS }, falling[] = { 5, 4 };
	float w[] = { 1, 1 }, nan[] = { NAN };
	vla_sparse q = { past, w, 1 };
	ok(vla_inverted_search(v, &so, &q, 1, h, &n, &err) == VLA_EINVAL, "a word past the vocabulary: %s", err.msg);
	q = (vla_sparse){ falling, w, 2 };
	ok(vla_inverted_search(v, &so, &q, 1, h, &n, &err) == VLA_EINVAL, "words that do not rise");
	q = (vla_sparse){ falling, nan, 1 };
	ok(vla_inverted_search(v, &so, &q, 1, h, &n, &err) == VLA_EINVAL, "a weight that is no number: %s", err.msg);
	float dense[WORDS] = { 1 };
	ok(vla_index_search(vla_inverted_index(v), dense, 1, 10, h, &n, &err) == VLA_EINVAL, "a dense query: %s",
	   err.msg);
	vla_inverted_close(v);
	ok(vla_index_open(file, NULL, &x, &err) == VLA_OK &&
		   vla_index_search(x, dense, 1, 10, h, &n, &err) == VLA_EINVAL,
	   "the same by the other way in");
	vla_index_close(x);
	static float ones[WORDS];
	vla_header hd = VLA_HEADER_INIT;
	vla_writer *wr = NULL;
	vla_rec rec = VLA_REC_INIT;
	hd.dim = WORDS;
	rec.id = (char *)(uintptr_t) "a";
	rec.rows = 1;
	rec.data = ones;
	bool wrote = vla_writer_open(stream, &hd, &wr, &err) == VLA_OK && vla_writer_put(wr, &rec, &err) == VLA_OK &&
		     vla_writer_finish(wr, &err) == VLA_OK;
	vla_writer_close(wr);
	ok(wrote && vla_inverted_open(stream, NULL, &v, &err) == VLA_EUNSUPPORTED, "a dense stream: %s", err.msg);
}

// Every flipped bit of a file is refused by check, and what still opens is safe to search.
static void test_damage(void)
{
	static char bytes[16384], copy[16384];
	static struct record d[8];
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, 8, 0);
	for (size_t i = 0; i < 8; i++)
		make(&r, &d[i], false);
	const char *const in[] = { stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	bool good = write_records(stream, VLA_SPARSE, d, 8, &err) == VLA_OK &&
		    vla_inverted_build(in, 1, file, &o, NULL, &err) == VLA_OK;
	FILE *f = fopen(file, "rb");
	size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0, taken = 0;
	if (f)
		fclose(f);
	vla_search_opts so = VLA_SEARCH_OPTS_INIT;
	vla_sparse q = { d[0].index, d[0].weight, d[0].n };
	for (size_t i = 8192 * 8; i < n * 8; i += i < 10900 * 8 ? 211 : 23) {
		memcpy(copy, bytes, n);
		copy[i / 8] ^= (char)(1 << i % 8);
		remove(file);
		f = fopen(file, "wb");
		if (!f || fwrite(copy, 1, n, f) != n || fclose(f) != 0)
			exit(2);
		taken += vla_index_check(file, NULL) == VLA_OK;
		vla_inverted *v = NULL;
		vla_hit h[10];
		vla_match m[MOST];
		size_t found = 0, nm;
		if (vla_inverted_open(file, NULL, &v, NULL) == VLA_OK &&
		    vla_inverted_search(v, &so, &q, 1, h, &found, NULL) == VLA_OK)
			for (size_t j = 0; j < found; j++)
				good = good && vla_inverted_explain(v, &q, h[j].row, m, &nm, NULL) == VLA_OK &&
				       strlen(vla_index_id(vla_inverted_index(v), h[j].row)) < 100;
		vla_inverted_close(v);
	}
	ok(good && n > 8192 && taken == 0, "flipped bits are refused by check and harmless otherwise: %zu bytes", n);
}

static vla_status whole_run(void *ctx, vla_err *err)
{
	(void)ctx;
	const char *const in[] = { stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_search_opts so = VLA_SEARCH_OPTS_INIT;
	vla_inverted *v = NULL;
	uint32_t words[] = { 1, 2 };
	float w[] = { 1, 1 };
	vla_sparse q = { words, w, 2 };
	vla_hit h[10];
	size_t n;
	vla_status s = vla_inverted_build(in, 1, file, &o, NULL, err);
	for (int f = 0; f < 2 && s == VLA_OK; f++) {
		s = vla_inverted_open(f ? stream : file, NULL, &v, err);
		if (s == VLA_OK)
			s = vla_inverted_search(v, &so, &q, 1, h, &n, err);
		vla_inverted_close(v);
		v = NULL;
	}
	return s;
}

static void test_memory(void)
{
	static struct record d[20];
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, 6, 0);
	for (size_t i = 0; i < 20; i++)
		make(&r, &d[i], false);
	bool clean = write_records(stream, VLA_SPARSE, d, 20, &err) == VLA_OK;
	fault_each(whole_run, NULL, file, clean, 10);
}

int main(void)
{
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(stream, sizeof stream, "%s/vla-inverted-%ld.vle", dir, (long)getpid());
	snprintf(file, sizeof file, "%s/vla-inverted-%ld.vlx", dir, (long)getpid());
	if (vla_pool_new(2, &two, NULL) != VLA_OK)
		return 2;
	test_search(2000, 30, 10, false);
	test_search(70000, 4, 25, true); // more than one block of rows
	test_search(63, 5, 100, true);
	test_search(1, 3, 1, false);
	test_search(0, 3, 5, false);
	test_refusals();
	test_damage();
	test_memory();
	vla_pool_free(two);
	remove(stream);
	remove(file);
	return done();
}
