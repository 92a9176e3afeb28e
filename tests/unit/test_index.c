/* Search against a naive reference, over files and streams of every vector type; duplicates; calibration; damage and
 * lack of memory. */
#include <vla/index.h>

#include "base/base.h"

#include "fault_each.h"

#include <math.h>
#include <unistd.h>

static char stream[64], index_file[64];
static vla_pool *two;

// Numbers that sums of products represent exactly, so that equal scores are equal to the bit.
static float small_number(vla_rng *r)
{
	return (float)((int)vla_rng_below(r, 17) - 8) / 8;
}

static vla_status write_stream(const char *path, vla_dtype dtype, const float *v, size_t rows, uint32_t dim,
			       vla_err *err)
{
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w = NULL;
	char id[32], caption[32];
	h.dtype = dtype;
	h.dim = dim;
	snprintf(h.model, sizeof h.model, "test:0123456789abcdef");
	vla_status s = vla_writer_open(path, &h, &w, err);
	for (size_t i = 0; i < rows && s == VLA_OK; i++) {
		vla_rec rec = VLA_REC_INIT;
		snprintf(id, sizeof id, "row-%zu", i);
		snprintf(caption, sizeof caption, "caption %zu", i);
		rec.id = id;
		rec.rows = 1;
		rec.data = (float *)(uintptr_t)(v + i * dim);
		rec.caption = i % 3 ? caption : NULL;
		s = vla_writer_put(w, &rec, err);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, err);
	vla_writer_close(w);
	return s;
}

static vla_status build(const float *v, size_t rows, uint32_t dim, vla_dtype dtype, vla_err *err)
{
	const char *const in[] = { stream };
	static char *argv[] = { "test", NULL };
	VLA_TRY(write_stream(stream, dtype, v, rows, dim, err));
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	o.argc = 1;
	o.argv = argv;
	return vla_index_build(in, 1, index_file, &o, NULL, err);
}

struct scored {
	double score;
	size_t row;
};

static int by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

// Whether the hits are the k best by scores computed here from the stored vectors.
static bool equals_naive(const vla_index *x, const float *q, size_t k, const vla_hit *h, size_t found)
{
	size_t rows = (size_t)vla_index_rows(x), dim = vla_index_header(x)->dim;
	struct scored *s = malloc((rows + 1) * sizeof *s);
	float *v = malloc(dim * sizeof *v);
	bool same = s && v && found == (k < rows ? k : rows);
	for (size_t i = 0; same && i < rows; i++) {
		vla_index_vector(x, i, v);
		s[i] = (struct scored){ 0, i };
		for (size_t c = 0; c < dim; c++)
			s[i].score += (double)v[c] * q[c];
		s[i].score = (float)s[i].score;
	}
	if (same && rows)
		qsort(s, rows, sizeof *s, by_score);
	for (size_t i = 0; same && i < found; i++)
		same = h[i].row == s[i].row && fabs(h[i].score - s[i].score) < 1e-6 && isnan(h[i].p);
	free(s);
	free(v);
	return same;
}

static void search_case(vla_dtype dtype, size_t rows, uint32_t dim, size_t nq, size_t k)
{
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, 1, rows * 7 + dim);
	float *v = malloc((rows + 1) * dim * sizeof *v), *q = malloc(nq * dim * sizeof *q);
	vla_hit *h = calloc(nq * k + 1, sizeof *h), *h2 = calloc(nq * k + 1, sizeof *h2);
	size_t *n = calloc(nq, sizeof *n), *n2 = calloc(nq, sizeof *n2);
	if (!v || !q || !h || !h2 || !n || !n2)
		exit(2);
	for (size_t i = 0; i < rows * dim; i++)
		v[i] = small_number(&r);
	for (size_t i = 0; dtype == VLA_I8 && i < rows; i++)
		for (size_t c = 0; c < dim; c++)
			v[i * dim + c] =
				c == 0 ? 127.0f / 128 : v[i * dim + c] * 0.5f; // the scale of every row is 1/128
	for (size_t i = 0; i < nq * dim; i++)
		q[i] = small_number(&r);
	bool same = build(v, rows, dim, dtype, &err) == VLA_OK;
	for (int f = 0; same && f < 2; f++) {
		vla_index *x = NULL, *y = NULL;
		const char *path = f ? stream : index_file;
		same = vla_index_open(path, NULL, &x, &err) == VLA_OK &&
		       vla_index_open(path, two, &y, &err) == VLA_OK && vla_index_rows(x) == rows &&
		       vla_index_search(x, q, nq, k, h, n, &err) == VLA_OK &&
		       vla_index_search(y, q, nq, k, h2, n2, &err) == VLA_OK && memcmp(n, n2, nq * sizeof *n) == 0;
		for (size_t i = 0; same && i < nq; i++)
			same = equals_naive(x, q + i * dim, k, h + i * k, n[i]) &&
			       equals_naive(x, q + i * dim, k, h2 + i * k, n2[i]);
		vla_index_close(x);
		vla_index_close(y);
	}
	ok(same, "%s, %zu rows of %u, %zu queries, best %zu: as the naive search %s", vla_dtype_name(dtype), rows, dim,
	   nq, k, err.msg);
	free(v);
	free(q);
	free(h);
	free(h2);
	free(n);
	free(n2);
}

static void test_fields(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL;
	float v[] = { 1, 0, 0, 1, 1, 1 }, q[] = { 1, NAN };
	vla_hit h[3];
	size_t n;
	ok(build(v, 3, 2, VLA_F16, &err) == VLA_OK && vla_index_open(index_file, NULL, &x, &err) == VLA_OK, "built %s",
	   err.msg);
	ok(strcmp(vla_index_id(x, 2), "row-2") == 0 && !vla_index_id(x, 3), "ids");
	ok(!vla_index_caption(x, 0) && strcmp(vla_index_caption(x, 1), "caption 1") == 0 && !vla_index_label(x, 1),
	   "captions, some absent; labels, all absent");
	const vla_header *hd = vla_index_header(x);
	ok(hd->kind == VLA_DENSE && hd->dim == 2 && strcmp(hd->model, "test:0123456789abcdef") == 0, "header");
	ok(vla_index_search(x, q, 1, 3, h, &n, &err) == VLA_EINVAL, "a query that is not finite is refused");
	ok(vla_index_search(x, q, 0, 3, h, &n, &err) == VLA_OK, "no query at all");
	vla_index_close(x);
	ok(vla_index_check(index_file, &err) == VLA_OK && vla_index_check(stream, &err) == VLA_EFORMAT,
	   "check takes an index, not a stream");
}

static void test_damage(void)
{
	static char file[16384], copy[16384];
	vla_err err = VLA_ERR_INIT;
	float v[40] = { 0 };
	for (int i = 0; i < 40; i++)
		v[i] = (float)i / 40;
	ok(build(v, 10, 4, VLA_I8, &err) == VLA_OK, "sample built %s", err.msg);
	FILE *f = fopen(index_file, "rb");
	size_t n = f ? fread(file, 1, sizeof file, f) : 0, taken = 0, same = 0;
	if (f)
		fclose(f);
	for (size_t i = 0; i < n * 8; i += i < 64 * 8 ? 3 : i < 8192 * 8 ? 997 : 7) {
		memcpy(copy, file, n);
		copy[i / 8] ^= (char)(1 << i % 8);
		remove(index_file);
		f = fopen(index_file, "wb");
		if (!f || fwrite(copy, 1, n, f) != n || fclose(f) != 0)
			exit(2);
		taken += vla_index_check(index_file, NULL) == VLA_OK;
		// A damaged file that still opens must be safe to search.
		vla_index *x = NULL;
		vla_hit h[4];
		size_t found;
		if (vla_index_open(index_file, NULL, &x, NULL) == VLA_OK &&
		    vla_index_search(x, v, 1, 4, h, &found, NULL) == VLA_OK)
			for (size_t j = 0; j < found; j++)
				same += strlen(vla_index_id(x, h[j].row)) < 100;
		vla_index_close(x);
	}
	ok(n > 8192 && taken == 0, "every flipped bit of an index is refused by check");
	note("%zu hits looked at in damaged files", same);
}

static vla_status write_copies(float *v, size_t rows, uint32_t dim, vla_rng *r)
{
	for (size_t i = 0; i < rows * dim; i++)
		v[i] = (float)vla_rng_normal(r);
	for (size_t i = 0; i < 40; i++) // some copies, near and far
		memcpy(v + vla_rng_below(r, rows) * dim, v + vla_rng_below(r, rows) * dim, dim * sizeof *v);
	for (size_t i = 0; i < rows; i++) {
		double s = 0;
		for (size_t c = 0; c < dim; c++)
			s += (double)v[i * dim + c] * v[i * dim + c];
		for (size_t c = 0; c < dim; c++)
			v[i * dim + c] = (float)(v[i * dim + c] / sqrt(s));
	}
	return VLA_OK;
}

struct pair_list {
	size_t n;
	uint64_t first[4096], second[4096];
	bool ordered;
};

static vla_status take_pair(void *ctx, uint64_t first, uint64_t second, float score, vla_err *err)
{
	struct pair_list *l = ctx;
	(void)err;
	if (l->n && (l->first[l->n - 1] > first || (l->first[l->n - 1] == first && l->second[l->n - 1] >= second)))
		l->ordered = false;
	if (first >= second || score < 0.7f)
		l->ordered = false;
	if (l->n < 4096) {
		l->first[l->n] = first;
		l->second[l->n++] = second;
	}
	return VLA_OK;
}

static vla_status stop_at_once(void *ctx, uint64_t first, uint64_t second, float score, vla_err *err)
{
	(void)ctx;
	(void)first;
	(void)second;
	(void)score;
	return vla_fail(err, VLA_ECANCELED, "enough");
}

static void test_duplicates(void)
{
	enum { ROWS = 3000, DIM = 24 };
	static float v[ROWS * DIM];
	static struct pair_list got[2];
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, 3, 0);
	bool good = write_copies(v, ROWS, DIM, &r) == VLA_OK && build(v, ROWS, DIM, VLA_F32, &err) == VLA_OK;
	for (int t = 0; t < 2 && good; t++) {
		vla_index *x = NULL;
		got[t].ordered = true;
		good = vla_index_open(t ? stream : index_file, t ? two : NULL, &x, &err) == VLA_OK &&
		       vla_index_duplicates(x, 0.7f, take_pair, &got[t], &err) == VLA_OK && got[t].ordered;
		if (good)
			good = vla_index_duplicates(x, 0.7f, stop_at_once, NULL, &err) == VLA_ECANCELED;
		vla_index_close(x);
	}
	size_t want = 0, at = 0;
	for (size_t i = 0; i < ROWS; i++)
		for (size_t j = i + 1; j < ROWS; j++) {
			double s = 0;
			for (size_t c = 0; c < DIM; c++)
				s += (double)v[i * DIM + c] * v[j * DIM + c];
			if (fabs(s - 0.7) < 1e-5) // rounding decides: either answer is right
				continue;
			want += s > 0.7;
			while (at < got[0].n &&
			       (got[0].first[at] < i || (got[0].first[at] == i && got[0].second[at] < j)))
				at++;
			bool found = at < got[0].n && got[0].first[at] == i && got[0].second[at] == j;
			good = good && found == (s > 0.7);
		}
	ok(good && want > 40, "pairs above 0.7: %zu, as by brute force", want);
	ok(memcmp(&got[0], &got[1], sizeof got[0]) == 0, "the same from two threads and a stream");
}

static void test_calibration(void)
{
	enum { ROWS = 4000, DIM = 64, NQ = 200 };
	static float v[ROWS * DIM], q[NQ * DIM];
	static vla_hit h[NQ];
	static size_t found[NQ];
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL;
	vla_rng r;
	vla_rng_seed(&r, 5, 0);
	// Rows share a few directions, so that the scores of a query are neither independent nor of one spread.
	float base[8 * DIM];
	for (size_t i = 0; i < 8 * DIM; i++)
		base[i] = (float)vla_rng_normal(&r);
	for (size_t i = 0; i < ROWS; i++)
		for (size_t c = 0, b = vla_rng_below(&r, 8); c < DIM; c++)
			v[i * DIM + c] = 0.5f * base[b * DIM + c] + (float)vla_rng_normal(&r);
	size_t refused = 0, kept = 0;
	bool good = build(v, ROWS, DIM, VLA_F32, &err) == VLA_OK && vla_index_open(index_file, two, &x, &err) == VLA_OK;
	for (int matched = 0; matched < 2 && good; matched++) {
		for (size_t i = 0; i < NQ; i++)
			for (size_t c = 0; c < DIM; c++)
				q[i * DIM + c] = (float)vla_rng_normal(&r) + (matched ? 1.0f * v[i * 9 * DIM + c] : 0);
		good = vla_index_search(x, q, NQ, 1, h, found, &err) == VLA_OK &&
		       vla_index_calibrate(x, q, NQ, 1, h, found, &err) == VLA_OK;
		for (size_t i = 0; i < NQ && good; i++) {
			good = h[i].p >= 0 && h[i].p <= 1;
			if (matched)
				kept += h[i].p <= 0.1f && h[i].row == i * 9;
			else
				refused += h[i].p > 0.1f;
		}
	}
	vla_index_close(x);
	double error = 1 - (double)refused / NQ, bound = 0.1 + 2 * sqrt(0.1 * 0.9 / NQ);
	note("at p 0.1: %.3f of the queries without a match got one, %.3f of those with one kept it", error,
	     (double)kept / NQ);
	ok(good && error <= bound, "the stated error rate holds");
	ok(good && kept > NQ * 3 / 4, "true matches are kept");
}

static void test_calibration_small(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL;
	float v[20] = { 1 }, q[2] = { 1, 0 };
	vla_hit h;
	size_t n;
	bool good = build(v, 10, 2, VLA_F32, &err) == VLA_OK && vla_index_open(index_file, NULL, &x, &err) == VLA_OK &&
		    vla_index_search(x, q, 1, 1, &h, &n, &err) == VLA_OK;
	ok(good && vla_index_calibrate(x, q, 1, 1, &h, &n, &err) == VLA_EUNSUPPORTED,
	   "too few rows to calibrate on: %s", err.msg);
	vla_index_close(x);
}

static vla_status whole_run(void *ctx, vla_err *err)
{
	(void)ctx;
	static const char *const in[] = { stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_index *x = NULL;
	float q[8] = { 1 };
	vla_hit h[6];
	size_t n[2];
	static struct pair_list pairs;
	pairs.n = 0;
	vla_status s = vla_index_build(in, 1, index_file, &o, NULL, err);
	if (s == VLA_OK)
		s = vla_index_open(index_file, NULL, &x, err);
	if (s == VLA_OK)
		s = vla_index_search(x, q, 2, 3, h, n, err);
	if (s == VLA_OK)
		s = vla_index_calibrate(x, q, 2, 3, h, n, err);
	if (s == VLA_OK)
		s = vla_index_duplicates(x, 0.7f, take_pair, &pairs, err);
	vla_index_close(x);
	return s;
}

static void test_memory(void)
{
	enum { ROWS = 200, DIM = 4 };
	float v[ROWS * DIM];
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	vla_rng_seed(&r, 9, 0);
	bool clean =
		write_copies(v, ROWS, DIM, &r) == VLA_OK && write_stream(stream, VLA_F16, v, ROWS, DIM, &err) == VLA_OK;
	fault_each(whole_run, NULL, index_file, clean, 10);
}

int main(void)
{
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; // many small files that are synced
	snprintf(stream, sizeof stream, "%s/vla-index-%ld.vle", dir, (long)getpid());
	snprintf(index_file, sizeof index_file, "%s/vla-index-%ld.vlx", dir, (long)getpid());
	if (vla_pool_new(2, &two, NULL) != VLA_OK)
		return 2;
	static const vla_dtype types[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8 };
	for (size_t i = 0; i < 4; i++) {
		search_case(types[i], 5000, 8, 3, 50);
		search_case(types[i], 2100, 40, 300, 10);
	}
	search_case(VLA_F16, 1, 1, 1, 1);
	search_case(VLA_F16, 7, 3, 9, 20);
	search_case(VLA_F32, 0, 5, 2, 3);
	search_case(VLA_F32, 40, 9001, 2, 3);
	search_case(VLA_BF16, 40, 1100, 20, 3);
	search_case(VLA_F32, 100, 4, 5, 0);
	test_fields();
	test_damage();
	test_duplicates();
	test_calibration();
	test_calibration_small();
	test_memory();
	vla_pool_free(two);
	remove(stream);
	remove(index_file);
	return done();
}
