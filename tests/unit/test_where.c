/* Filters and range search against a loop over the rows. */
#include <vla/where.h>

#include "base/base.h"

#include "fault.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

enum { ROWS = 700, DIM = 6 };

static char stream[64], file[64];
static float row[ROWS * DIM];
static const char *const label[] = { "dog", "cat", NULL, "10", "9.5", "dogs" };

static const char *id_of(size_t i)
{
	static char id[64];
	if (i % 5 == 0)
		snprintf(id, sizeof id, "clips/a%zu.mp4#t=%zu,%zu", i % 7, i, i + 10);
	else
		snprintf(id, sizeof id, "%s/%04zu.jpg", i % 2 ? "2023" : "2024", i);
	return id;
}

static vla_status write_rows(size_t rows, vla_err *err)
{
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w = NULL;
	h.dtype = VLA_F32;
	h.dim = DIM;
	vla_status s = vla_writer_open(stream, &h, &w, err);
	for (size_t i = 0; i < rows && s == VLA_OK; i++) {
		vla_rec rec = VLA_REC_INIT;
		rec.id = (char *)(uintptr_t)id_of(i);
		rec.label = (char *)(uintptr_t)label[i % 6];
		rec.rows = 1;
		rec.data = row + i * DIM;
		s = vla_writer_put(w, &rec, err);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, err);
	vla_writer_close(w);
	return s;
}

// Rows that pass, or -1 - status.
static long count(vla_index *x, const char *a, const char *b, uint64_t *allow, vla_err *err)
{
	vla_where *f = NULL;
	uint64_t n = 0, bits = 0;
	vla_status s = vla_where_new(&f, err);
	if (s == VLA_OK)
		s = vla_where_add(f, a, err);
	if (s == VLA_OK && b)
		s = vla_where_add(f, b, err);
	if (s == VLA_OK)
		s = vla_where_rows(f, x, allow, &n, err);
	vla_where_free(f);
	for (uint64_t i = 0; i < vla_index_rows(x) / 64 * 64 + 64; i++)
		bits += allow[i / 64] >> i % 64 & 1;
	if (s == VLA_OK && bits != n)
		return -1000;
	return s == VLA_OK ? (long)n : (long)s - 1;
}

static void test_conditions(vla_index *x)
{
	static const struct {
		const char *a, *b;
		size_t want[6]; // of rows with i % 6 == 0, 1, ...: all or none
	} labels[] = {
		{ "label=dog", NULL, { 1, 0, 0, 0, 0, 0 } },
		{ "label!=dog", NULL, { 0, 1, 1, 1, 1, 1 } },
		{ "label=dog*", NULL, { 1, 0, 0, 0, 0, 1 } },
		{ "label=[cd]?[gt]", NULL, { 1, 1, 0, 0, 0, 0 } },
		{ "label!=?*", NULL, { 0, 0, 1, 0, 0, 0 } },
		{ "label>9.7", NULL, { 1, 1, 0, 1, 0, 1 } },
		{ "label<=9.5", NULL, { 0, 0, 0, 0, 1, 0 } },
		{ "label<dog", "label>a", { 0, 1, 0, 0, 0, 0 } },
		{ "label>=dog", "label<=dogs", { 1, 0, 0, 0, 0, 1 } },
	};
	uint64_t allow[ROWS / 64 + 1];
	vla_err err = VLA_ERR_INIT;
	for (size_t k = 0; k < sizeof labels / sizeof *labels; k++) {
		long want = 0;
		bool same = true;
		for (size_t i = 0; i < ROWS; i++)
			want += (long)labels[k].want[i % 6];
		long got = count(x, labels[k].a, labels[k].b, allow, &err);
		for (size_t i = 0; i < ROWS; i++)
			same = same && (allow[i / 64] >> i % 64 & 1) == labels[k].want[i % 6];
		ok(got == want && same, "%s %s: %ld rows %s", labels[k].a, labels[k].b ? labels[k].b : "", want,
		   err.msg);
	}
	ok(count(x, "id=2024/*", NULL, allow, &err) == 280, "a pattern of ids");
	ok(count(x, "time>100", "time<=200", allow, &err) == 22, "spans that overlap one of time");
	ok(count(x, "time=0:01:03.5", NULL, allow, &err) == 2, "spans that hold a time");
	ok(count(x, "time!=63.5", NULL, allow, &err) == ROWS - 2, "and those that do not, or have none");
}

static void test_refusals(vla_index *x)
{
	static const char *const bad[] = { "colour=red", "label",     "",        "=dog",
					   "label!dog",  "time=soon", "time<1:", "idx=1" };
	uint64_t allow[ROWS / 64 + 1];
	vla_err err = VLA_ERR_INIT;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(count(x, bad[i], NULL, allow, &err) == (long)VLA_EINVAL - 1, "refused: %s", err.msg);
	ok(count(x, "caption=x", NULL, allow, &err) == (long)VLA_EINVAL - 1, "no record has one: %s", err.msg);
}

static int by_score(const void *a, const void *b)
{
	const vla_hit *x = a, *y = b;
	return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->row < y->row ? -1 : 1;
}

static void test_search(vla_index *x, const char *name)
{
	static vla_hit want[ROWS];
	uint64_t allow[ROWS / 64 + 1];
	vla_err err = VLA_ERR_INIT;
	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
	float q[DIM] = { 1, -0.5f, 0.25f, 0, 2, 1 };
	size_t n = 0, found;
	o.allow = allow;
	bool good = count(x, "label=dog*", "id!=clips/*", allow, &err) > 100;
	for (size_t i = 0; i < ROWS; i++) {
		double s = 0;
		for (size_t c = 0; c < DIM; c++)
			s += (double)row[i * DIM + c] * q[c];
		if (allow[i / 64] >> i % 64 & 1)
			want[n++] = (vla_hit){ i, (float)s, NAN };
	}
	qsort(want, n, sizeof *want, by_score);
	vla_hit hit[ROWS];
	for (o.k = 1; o.k <= ROWS && good; o.k = o.k * 3 + 1) {
		good = vla_index_search_with(x, &o, q, 1, hit, &found, &err) == VLA_OK && found == (o.k < n ? o.k : n);
		for (size_t i = 0; i < found && good; i++)
			good = hit[i].row == want[i].row && fabsf(hit[i].score - want[i].score) < 1e-5f;
	}
	ok(good, "%s: filtered search is exact %s", name, err.msg);
	static const float level[] = { -INFINITY, 0, 0.625f, 1e9f };
	for (int k = 0; k < 4; k++) {
		vla_hit *h = NULL;
		size_t m = 0;
		good = vla_index_search_range(x, &o, q, level[k], &h, &found, &err) == VLA_OK;
		while (m < n && want[m].score >= level[k])
			m++;
		good = good && found == m;
		for (size_t i = 0; i < found && good; i++)
			good = h[i].row == want[i].row;
		free(h);
		ok(good, "%s: %zu rows score at least %g", name, m, level[k]);
	}
}

static void test_memory(vla_index *x)
{
	uint64_t allow[ROWS / 64 + 1];
	vla_err err = VLA_ERR_INIT;
	bool clean = true;
	long n = 0, s = -1;
	while (FAULTS && clean && s < 0 && n < 100) {
		long live = fault_live();
		fault_at(++n);
		s = count(x, "label=dog", "id!=*.png", allow, &err);
		fault_at(0);
		clean = fault_live() == live && (s >= 0 || s == (long)VLA_ENOMEM - 1);
	}
	if (FAULTS)
		ok(clean && s > 0 && n > 4, "each of %ld allocations may fail", n);
	else
		skip("allocation failures need the plain build");
}

int main(void)
{
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL, *y = NULL;
	vla_pool *two;
	vla_rng r;
	vla_rng_seed(&r, 2, 0);
	for (size_t i = 0; i < ROWS * DIM; i++)
		row[i] = (float)((int)vla_rng_below(&r, 33) - 16) / 16;
	snprintf(stream, sizeof stream, "%s/vla-where-%ld.vle", dir, (long)getpid());
	snprintf(file, sizeof file, "%s/vla-where-%ld.vlx", dir, (long)getpid());
	const char *const in[] = { stream };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	if (vla_pool_new(2, &two, NULL) != VLA_OK || write_rows(ROWS, &err) != VLA_OK ||
	    vla_index_build(in, 1, file, &o, NULL, &err) != VLA_OK ||
	    vla_index_open(stream, NULL, &x, &err) != VLA_OK || vla_index_open(file, two, &y, &err) != VLA_OK)
		return 2;
	test_conditions(x);
	test_refusals(y);
	test_search(x, "stream");
	test_search(y, "index");
	test_memory(x);
	vla_index_close(x);
	vla_index_close(y);
	uint64_t allow[1];
	ok(write_rows(0, &err) == VLA_OK && vla_index_open(stream, NULL, &x, &err) == VLA_OK &&
		   count(x, "label=dog", NULL, allow, &err) == 0,
	   "of an empty stream nothing passes");
	vla_index_close(x);
	vla_pool_free(two);
	remove(stream);
	remove(file);
	return done();
}
