/* The certified first pass and cells: the same answers as an f32 scan, whatever the data, also after rows came and
 * went; filters; tuning that keeps its word; codes whose bounds hold. */
#include <vla/index.h>

#include "base/base.h"
#include "kern/codes.h"

#include "tap.h"

#include <math.h>
#include <unistd.h>

enum { DIM = 160, ROWS = 6000, MORE = 700, NQ = 40, K = 10 };

static char stream[80], more[80], samples[80], index_file[80];
static float *base, *queries;
static vla_pool *two;

// Clusters along a few directions, around a mean of their own; texts (kind 1) around another.
static void make(vla_rng *r, int kind, size_t n, float *out)
{
	static float map[16 * DIM], mean[2][DIM];
	for (size_t i = 0; !mean[0][0] && i < 16 * DIM; i++)
		map[i] = (float)vla_rng_normal(r);
	for (size_t i = 0; mean[1][DIM - 1] == 0 && i < 2 * DIM; i++)
		mean[i / DIM][i % DIM] = (float)vla_rng_normal(r) * 2;
	for (size_t i = 0; i < n; i++) {
		double sum = 0;
		float *v = out + i * DIM;
		for (size_t c = 0; c < DIM; c++)
			v[c] = mean[kind][c] + 0.3f * (float)vla_rng_normal(r);
		for (size_t j = 0; j < 16; j++) {
			float z = (float)vla_rng_normal(r) + (float)vla_rng_below(r, 3) - 1;
			for (size_t c = 0; c < DIM; c++)
				v[c] += z * map[j * DIM + c];
		}
		for (size_t c = 0; c < DIM; c++)
			sum += (double)v[c] * v[c];
		for (size_t c = 0; c < DIM; c++)
			v[c] = (float)(v[c] / sqrt(sum));
	}
}

static bool write_stream(const char *path, vla_dtype dtype, const float *v, size_t first, size_t n)
{
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w = NULL;
	char id[24];
	h.dtype = dtype;
	h.dim = DIM;
	vla_status s = vla_writer_open(path, &h, &w, NULL);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		vla_rec rec = VLA_REC_INIT;
		snprintf(id, sizeof id, "%zu", first + i);
		rec.id = id;
		rec.data = (float *)(uintptr_t)(v + i * DIM);
		s = vla_writer_put(w, &rec, NULL);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, NULL);
	vla_writer_close(w);
	return s == VLA_OK;
}

struct scored {
	double score;
	uint64_t row;
};

static int by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

// Whether hits are the best of the rows that are allowed and not deleted. Scores that differ by rounding may change
// places.
static bool best_of(const vla_index *x, const float *q, const uint64_t *allow, size_t k, const vla_hit *h, size_t found)
{
	static struct scored s[ROWS + MORE];
	float v[DIM];
	size_t n = 0;
	for (uint64_t r = 0; r < vla_index_rows(x); r++) {
		if (vla_index_deleted(x, r) || (allow && !(allow[r / 64] >> r % 64 & 1)))
			continue;
		vla_index_vector(x, r, v);
		s[n] = (struct scored){ 0, r };
		for (size_t c = 0; c < DIM; c++)
			s[n].score += (double)v[c] * q[c];
		n++;
	}
	qsort(s, n, sizeof *s, by_score);
	if (found != (k < n ? k : n))
		return false;
	for (size_t i = 0; i < found; i++) {
		if (fabs(h[i].score - s[i].score) > 2e-6)
			return false;
		for (size_t j = 0; j < i; j++)
			if (h[j].row == h[i].row)
				return false;
	}
	return true;
}

static size_t right(vla_index *x, const vla_search_opts *o, size_t nq)
{
	static vla_hit h[NQ * ROWS];
	static size_t found[NQ];
	size_t good = 0;
	if (vla_index_search_with(x, o, queries, nq, h, found, NULL) != VLA_OK)
		return 0;
	for (size_t q = 0; q < nq; q++)
		good += best_of(x, queries + q * DIM, o->allow, o->k, h + q * o->k, found[q]);
	return good;
}

static void exact_case(const char *type, vla_dtype dtype)
{
	vla_err err = VLA_ERR_INIT;
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_search_opts s = VLA_SEARCH_OPTS_INIT;
	vla_index *x = NULL, *y = NULL;
	const char *const in[] = { stream }, *const add[] = { more };
	const char *const ids[] = { "17", "6003", "4000" };
	o.type = type;
	o.dtype = (int)dtype;
	o.probes = 5;
	o.pool = two;
	s.exact = true;
	bool good = vla_index_build(in, 1, index_file, &o, NULL, &err) == VLA_OK &&
		    vla_index_open(index_file, two, &x, &err) == VLA_OK &&
		    vla_index_open(index_file, NULL, &y, &err) == VLA_OK;
	size_t many = good ? right(x, &s, NQ) : 0, few = good ? right(y, &s, 2) : 0, one = good ? right(y, &s, 1) : 0;
	ok(many == NQ && few == 2 && one == 1, "%s, %s: the f32 answers, %zu of %d at once %s", type,
	   vla_dtype_name(dtype), many, NQ, err.msg);
	vla_index_close(x);
	vla_index_close(y);
	x = NULL;
	good = vla_index_add(index_file, add, 1, false, &o, NULL, &err) == VLA_OK &&
	       vla_index_delete(index_file, ids, 3, NULL, NULL, &o, NULL, &err) == VLA_OK &&
	       vla_index_open(index_file, two, &x, &err) == VLA_OK && vla_index_live(x) == ROWS + MORE - 3;
	many = good ? right(x, &s, NQ) : 0;
	ok(many == NQ, "and after rows came and went %s", err.msg);
	vla_index_close(x);
	x = NULL;
	good = vla_index_compact(index_file, &o, NULL, &err) == VLA_OK && vla_index_check(index_file, &err) == VLA_OK &&
	       vla_index_open(index_file, two, &x, &err) == VLA_OK && vla_index_rows(x) == ROWS + MORE - 3;
	ok(good && right(x, &s, NQ) == NQ, "and compacted %s", err.msg);
	vla_index_close(x);
}

static void filters(const char *type)
{
	static uint64_t allow[(ROWS + 63) / 64];
	static const unsigned every[] = { 1, 3, 40, 3000 };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_search_opts s = VLA_SEARCH_OPTS_INIT;
	vla_index *x = NULL;
	const char *const in[] = { stream };
	o.type = type;
	o.probes = 500; // all cells: what is found is exact
	bool good = vla_index_build(in, 1, index_file, &o, NULL, NULL) == VLA_OK &&
		    vla_index_open(index_file, two, &x, NULL) == VLA_OK;
	s.allow = allow;
	for (size_t i = 0; i < 4; i++) {
		memset(allow, 0, sizeof allow);
		for (size_t r = 0; r < ROWS; r += every[i])
			allow[r / 64] |= (uint64_t)1 << r % 64;
		good = good && right(x, &s, NQ) == NQ;
	}
	s.k = 3000; // more than a quarter of the rows
	good = good && right(x, &s, NQ) == NQ;
	s.allow = NULL;
	s.k = 400;
	ok(good && right(x, &s, NQ) == NQ, "%s: filters of any width, and many results", type);
	vla_index_close(x);
}

// Recall@10 of the tuned index, by scores, on queries it has not seen.
static double recall_at(vla_index *x, const float *q, size_t n)
{
	static vla_hit h[2][200 * K];
	static size_t found[2][200];
	vla_search_opts s = VLA_SEARCH_OPTS_INIT;
	size_t same = 0;
	for (int e = 0; e < 2; e++) {
		s.exact = e == 1;
		if (vla_index_search_with(x, &s, q, n, h[e], found[e], NULL) != VLA_OK)
			return 0;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < found[0][i]; j++)
			for (size_t k = 0; k < found[1][i]; k++)
				same += h[0][i * K + j].row == h[1][i * K + k].row;
	return (double)same / (double)(n * K);
}

static void tuning(const float *texts)
{
	vla_err err = VLA_ERR_INIT;
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_index_report r[2], again;
	vla_index *x = NULL;
	const char *const in[] = { stream };
	o.type = "ivf";
	o.pool = two;
	bool good = vla_index_build(in, 1, index_file, &o, &r[0], &err) == VLA_OK;
	o.queries = samples;
	good = good && vla_index_build(in, 1, index_file, &o, &r[1], &err) == VLA_OK &&
	       vla_index_open(index_file, two, &x, &err) == VLA_OK;
	double got = good ? recall_at(x, texts + 400 * DIM, 200) : 0;
	vla_index_close(x);
	ok(good && r[0].probes < r[0].cells && r[0].recall >= 0.95 && r[0].measured == 500,
	   "rows: %u of %u cells for %.3f %s", r[0].probes, r[0].cells, r[0].recall, err.msg);
	// 200 queries of 10 hits: two standard errors of 0.005
	ok(good && r[1].recall >= 0.95 && got >= 0.93, "texts: %u cells for %.3f, %.3f on new ones", r[1].probes,
	   r[1].recall, got);
	o.recall = 0.5;
	o.pool = NULL;
	good = vla_index_build(in, 1, index_file, &o, &again, &err) == VLA_OK;
	ok(good && again.probes < r[1].probes, "a lower aim takes fewer: %u", again.probes);
	o.queries = "/nonexistent.vle";
	ok(vla_index_build(in, 1, index_file, &o, NULL, &err) == VLA_EIO, "queries that are not there: %s", err.msg);
}

// The bounds of codes hold: for rows and queries of any size, also those that codes fit badly.
static void bounds(void)
{
	vla_rng r;
	vla_rng_seed(&r, 4, 0);
	size_t outside = 0, tested = 0;
	double widest = 0;
	for (int round = 0; round < 300; round++) {
		size_t dim = 1 + vla_rng_below(&r, 700), head = vla_rng_below(&r, 3) ? dim : 1 + vla_rng_below(&r, dim);
		float x[16][700], q[5][700], bound[16 * VLA_CODE_BOUNDS], mean[700] = { 0 };
		int8_t code[16 * 700];
		int16_t d[5][700], dm[700];
		vla_code_query c[5];
		vla_code_split split = { .head = head, .mean = dm };
		vla_code_probe p[5];
		vla_code_hit hits[80];
		size_t rows = 1 + vla_rng_below(&r, 16);
		double spike = round % 5 == 0 ? 50 : 0, size = pow(10, (double)(round % 9) - 4);
		for (size_t i = 0; i < rows; i++) {
			for (size_t k = 0; k < dim; k++)
				x[i][k] = (float)(size * (vla_rng_normal(&r) + (k == 0 ? spike : 0)));
			vla_code_encode(dim, head, x[i], 0, code + i * dim, bound + i * VLA_CODE_BOUNDS);
		}
		for (size_t j = 0; j < 5; j++)
			for (size_t k = 0; k < dim; k++) {
				q[j][k] = (float)vla_rng_normal(&r) + (k >= head ? 2 : 0);
				mean[k] += k >= head ? q[j][k] / 5 : 0;
			}
		vla_code_prepare(dim, mean, 0, dm, &split.query);
		for (size_t j = 0; j < 5; j++) {
			double tail = 0;
			vla_code_prepare(dim, q[j], 0, d[j], &c[j]);
			for (size_t k = head; k < dim; k++)
				tail += ((double)q[j][k] - mean[k]) * ((double)q[j][k] - mean[k]);
			p[j] = (vla_code_probe){ .d = d[j], .scale = c[j].scale, .a = c[j].a, .b = c[j].b };
			p[j].tail = (float)(sqrt(tail) * 1.000001);
			p[j].floor = round % 2 ? -INFINITY : (float)(size * sqrt((double)dim));
		}
		size_t n = vla_code_pass(code, bound, rows, dim, &split, p, 5, hits, NULL), at = 0;
		for (size_t j = 0; j < 5; j++)
			for (size_t i = 0; i < rows; i++) {
				double s = 0;
				for (size_t k = 0; k < dim; k++)
					s += (double)x[i][k] * q[j][k];
				tested++;
				if (at < n && hits[at].probe == j && hits[at].row == i) {
					outside += s < hits[at].lower || s > hits[at].upper;
					widest = fmax(widest, (hits[at].upper - hits[at].lower) / (size * (double)dim));
					at++;
				} else {
					outside += !(s < p[j].floor); // passed over, so it must lie below
				}
			}
		outside += at != n;
	}
	ok(outside == 0 && widest < 1, "all of %zu scores lie within their bounds", tested);
}

static void graphs(const float *texts)
{
	vla_err err = VLA_ERR_INIT;
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	vla_search_opts s = VLA_SEARCH_OPTS_INIT;
	vla_index_report r;
	vla_index *x = NULL, *y = NULL;
	const char *const in[] = { stream }, *const add[] = { more };
	const char *const ids[] = { "17", "6003", "4000" };
	static uint64_t allow[(ROWS + MORE + 63) / 64];
	o.type = "hnsw";
	o.effort = 60;
	o.queries = samples;
	o.recall = 0.9;
	o.pool = two;
	bool good = vla_index_build(in, 1, index_file, &o, &r, &err) == VLA_OK &&
		    vla_index_open(index_file, two, &x, &err) == VLA_OK;
	double got = good ? recall_at(x, texts + 400 * DIM, 200) : 0;
	ok(good && r.recall >= 0.9 && got >= 0.88, "hnsw, texts: breadth %u for %.3f, %.3f on new ones %s", r.breadth,
	   r.recall, got, err.msg);
	s.breadth = ROWS;
	ok(good && right(x, &s, 5) == 5, "with all rows in view it is exact");
	vla_index_close(x);
	good = good && vla_index_add(index_file, add, 1, false, &o, NULL, &err) == VLA_OK &&
	       vla_index_delete(index_file, ids, 3, NULL, NULL, &o, NULL, &err) == VLA_OK &&
	       vla_index_open(index_file, NULL, &y, &err) == VLA_OK;
	got = good ? recall_at(y, texts + 400 * DIM, 200) : 0;
	s.breadth = ROWS + MORE;
	ok(good && got >= 0.88 && right(y, &s, 3) == 3, "after rows came and went: %.3f %s", got, err.msg);
	for (size_t i = 0; i < ROWS; i += 5)
		allow[i / 64] |= (uint64_t)1 << i % 64;
	s.allow = allow;
	s.breadth = 12;
	static vla_hit h[K];
	size_t found = 0;
	good = good && vla_index_search_with(y, &s, queries, 1, h, &found, &err) == VLA_OK && found == K;
	for (size_t i = 0; i < found; i++)
		good = good && h[i].row % 5 == 0;
	ok(good, "a filter leaves enough");
	vla_index_close(y);
	ok(vla_index_compact(index_file, &o, NULL, &err) == VLA_OK && vla_index_check(index_file, &err) == VLA_OK,
	   "compacted %s", err.msg);
	// Damaged links lead to worse answers, never out of bounds.
	static char file[8 << 20];
	FILE *f = fopen(index_file, "rb");
	size_t n = f ? fread(file, 1, sizeof file, f) : 0;
	if (f)
		fclose(f);
	vla_rng rng;
	vla_rng_seed(&rng, 2, 0);
	for (size_t i = 0; i < n / 50; i++)
		file[8192 + vla_rng_below(&rng, n - 16384)] = (char)vla_rng_below(&rng, 256);
	remove(index_file);
	f = fopen(index_file, "wb");
	good = f && n < sizeof file && fwrite(file, 1, n, f) == n && fclose(f) == 0;
	x = NULL;
	s.allow = NULL;
	if (good && vla_index_open(index_file, two, &x, NULL) == VLA_OK)
		(void)!vla_index_search_with(x, &s, queries, 1, h, &found, NULL);
	vla_index_close(x);
	ok(good && vla_index_check(index_file, NULL) != VLA_OK, "a damaged graph");
}

int main(void)
{
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	vla_rng r;
	snprintf(stream, sizeof stream, "%s/vla-types-%ld-a.vle", dir, (long)getpid());
	snprintf(more, sizeof more, "%s/vla-types-%ld-b.vle", dir, (long)getpid());
	snprintf(samples, sizeof samples, "%s/vla-types-%ld-q.vle", dir, (long)getpid());
	snprintf(index_file, sizeof index_file, "%s/vla-types-%ld.vlx", dir, (long)getpid());
	base = malloc((ROWS + MORE) * DIM * sizeof *base);
	queries = malloc(NQ * DIM * sizeof *queries);
	float *texts = malloc(600 * DIM * sizeof *texts);
	if (!base || !queries || !texts || vla_pool_new(2, &two, NULL) != VLA_OK)
		return 2;
	vla_rng_seed(&r, 1, 0);
	make(&r, 0, ROWS + MORE, base);
	for (size_t i = 0; i < 50; i++) // copies, so that scores are equal
		memcpy(base + i * 97 * DIM, base + i * 61 * DIM, DIM * sizeof *base);
	make(&r, 0, NQ / 2, queries);
	make(&r, 1, NQ / 2, queries + NQ / 2 * DIM);
	make(&r, 1, 600, texts);
	bounds();
	if (!write_stream(stream, VLA_F32, base, 0, ROWS) ||
	    !write_stream(more, VLA_F32, base + ROWS * DIM, ROWS, MORE) ||
	    !write_stream(samples, VLA_F32, texts, 0, 400))
		return 2;
	exact_case("flat", VLA_F32);
	exact_case("flat", VLA_F16);
	exact_case("flat", VLA_I8);
	exact_case("ivf", VLA_F16);
	exact_case("ivf", VLA_I8);
	filters("flat");
	filters("ivf");
	tuning(texts);
	graphs(texts);
	remove(stream);
	remove(more);
	remove(samples);
	remove(index_file);
	vla_pool_free(two);
	free(base);
	free(queries);
	free(texts);
	return done();
}
