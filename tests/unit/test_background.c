/* p-values from background texts: the error rate and the power on a made-up collection of one subject, where the tail
 * of a query's own scores tells nothing; refusals; lack of memory. */
#include <vla/background.h>

#include "base/base.h"

#include "fault.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

enum { DIM = 48, ROWS = 1500, NQ = 400, TEXTS = 500 };

static char path[64];
static vla_pool *two;
static float row[ROWS * DIM], text[TEXTS * DIM], query[NQ * DIM];

static vla_status write_rows(size_t rows, vla_err *err)
{
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w = NULL;
	char id[32];
	h.dtype = VLA_F32;
	h.dim = DIM;
	vla_status s = vla_writer_open(path, &h, &w, err);
	for (size_t i = 0; i < rows && s == VLA_OK; i++) {
		vla_rec rec = VLA_REC_INIT;
		snprintf(id, sizeof id, "row-%zu", i);
		rec.id = id;
		rec.rows = 1;
		rec.data = row + i * DIM;
		s = vla_writer_put(w, &rec, err);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, err);
	vla_writer_close(w);
	return s;
}

/* Pictures are a common subject in the first dimensions and something of their own in all; texts agree with the subject
 * more or less, with a picture when they have a match, and are long or short. */
static void make(vla_rng *r, float *v, const float *match, double subject)
{
	double scale = 0.5 + vla_rng_double(r);
	for (size_t c = 0; c < DIM; c++) {
		double x = vla_rng_normal(r) + (c < 4 ? subject * 2 : 0);
		v[c] = (float)(scale * (x + (match ? 1.1 * match[c] : 0)));
	}
}

static void make_world(vla_rng *r)
{
	for (size_t i = 0; i < ROWS; i++)
		for (size_t c = 0; c < DIM; c++)
			row[i * DIM + c] = (float)(vla_rng_normal(r) + (c < 4 ? 1 + 0.3 * vla_rng_normal(r) : 0));
	for (size_t i = 0; i < TEXTS; i++)
		make(r, text + i * DIM, NULL, vla_rng_double(r));
}

static void test_rates(void)
{
	static vla_hit hit[NQ];
	static size_t found[NQ];
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL;
	vla_background *b = NULL;
	vla_rng r;
	vla_rng_seed(&r, 11, 0);
	make_world(&r);
	bool good = write_rows(ROWS, &err) == VLA_OK && vla_index_open(path, two, &x, &err) == VLA_OK &&
		    vla_background_new(x, text, TEXTS, &b, &err) == VLA_OK;
	size_t answered[2][2] = { { 0 } }, best = 0; // [matched][p 0.1 or 0.02]
	for (int matched = 0; matched < 2 && good; matched++) {
		for (size_t i = 0; i < NQ; i++)
			make(&r, query + i * DIM, matched ? row + i * 3 * DIM : NULL, 0.5 + 0.5 * vla_rng_double(&r));
		good = vla_index_search(x, query, NQ, 1, hit, found, &err) == VLA_OK &&
		       vla_background_calibrate(b, query, NQ, 1, hit, found, &err) == VLA_OK;
		for (size_t i = 0; i < NQ && good; i++) {
			good = hit[i].p > 0 && hit[i].p <= 1;
			answered[matched][0] += hit[i].p <= 0.1f;
			answered[matched][1] += hit[i].p <= 0.02f;
			best += matched && hit[i].row == i * 3;
		}
	}
	vla_background_free(b);
	vla_index_close(x);
	static const double level[] = { 0.1, 0.02 };
	for (int k = 0; k < 2; k++) {
		double error = (double)answered[0][k] / NQ, sigma = sqrt(level[k] * (1 - level[k]) / NQ);
		note("p %.2f: %.3f of the queries without a match got one, %.3f of those with one kept it", level[k],
		     error, (double)answered[1][k] / NQ);
		ok(good && error <= level[k] + 2 * sigma, "the error rate holds at %.2f %s", level[k], err.msg);
	}
	ok(good && best > NQ * 3 / 4 && answered[1][0] > NQ / 2, "true matches are kept");
}

static void test_phrases(void)
{
	char a[128], b[128];
	size_t n = vla_background_text(7, a, sizeof a), repeated = 0;
	ok(n == strlen(a) && n > 4 && vla_background_text(7, b, sizeof b) == n && strcmp(a, b) == 0,
	   "text 7 is '%s', always", a);
	ok(vla_background_text(7, b, 4) == n && strlen(b) == 3, "it is cut to the buffer");
	for (uint64_t i = 0; i < VLA_BACKGROUND_TEXTS; i++) {
		vla_background_text(i, a, sizeof a);
		for (uint64_t j = 0; j < i; j++) {
			vla_background_text(j, b, sizeof b);
			if (strcmp(a, b) == 0) {
				repeated++;
				break;
			}
		}
	}
	ok(repeated < VLA_BACKGROUND_TEXTS / 10, "few of a thousand repeat another: %zu", repeated);
}

static void test_refusals(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL;
	vla_background *b = NULL;
	bool good = write_rows(200, &err) == VLA_OK && vla_index_open(path, NULL, &x, &err) == VLA_OK;
	ok(good && vla_background_new(x, text, 99, &b, &err) == VLA_EINVAL, "too few texts: %s", err.msg);
	text[5] = NAN;
	ok(good && vla_background_new(x, text, TEXTS, &b, &err) == VLA_EINVAL, "a text that is not finite: %s",
	   err.msg);
	// All rows and texts alike: there is no spread to divide by.
	for (size_t i = 0; i < 200 * DIM; i++)
		row[i] = 0.5f;
	for (size_t i = 0; i < TEXTS * DIM; i++)
		text[i] = 0.25f;
	vla_index_close(x);
	vla_hit h;
	size_t n;
	good = write_rows(200, &err) == VLA_OK && vla_index_open(path, NULL, &x, &err) == VLA_OK &&
	       vla_background_new(x, text, TEXTS, &b, &err) == VLA_OK &&
	       vla_index_search(x, text, 1, 1, &h, &n, &err) == VLA_OK &&
	       vla_background_calibrate(b, text, 1, 1, &h, &n, &err) == VLA_OK;
	ok(good && h.p == 1, "rows and texts that are all the same: p is 1");
	vla_background_free(b);
	vla_index_close(x);
	good = write_rows(99, &err) == VLA_OK && vla_index_open(path, NULL, &x, &err) == VLA_OK;
	ok(good && vla_background_new(x, text, TEXTS, &b, &err) == VLA_EUNSUPPORTED, "too few rows: %s", err.msg);
	vla_index_close(x);
}

static vla_status whole_run(vla_index *x, vla_err *err)
{
	vla_background *b = NULL;
	vla_hit h[2];
	size_t n[2] = { 0, 0 };
	vla_status s = vla_background_new(x, text, 150, &b, err);
	if (s == VLA_OK)
		s = vla_index_search(x, text, 2, 1, h, n, err);
	if (s == VLA_OK)
		s = vla_background_calibrate(b, text, 2, 1, h, n, err);
	vla_background_free(b);
	return s;
}

static void test_memory(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_index *x = NULL;
	bool clean = write_rows(120, &err) == VLA_OK && vla_index_open(path, NULL, &x, &err) == VLA_OK;
	long n = 0;
	vla_status s = VLA_ENOMEM;
	while (FAULTS && clean && s != VLA_OK && n < 1000) {
		long live = fault_live();
		fault_at(++n);
		s = whole_run(x, &err);
		fault_at(0);
		clean = fault_live() == live && (s == VLA_OK || s == VLA_ENOMEM);
	}
	vla_index_close(x);
	if (FAULTS)
		ok(clean && s == VLA_OK && n > 5, "each of %ld allocations may fail", n);
	else
		skip("allocation failures need the plain build");
}

int main(void)
{
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(path, sizeof path, "%s/vla-background-%ld.vle", dir, (long)getpid());
	if (vla_pool_new(2, &two, NULL) != VLA_OK)
		return 2;
	test_phrases();
	test_rates();
	test_refusals();
	test_memory();
	vla_pool_free(two);
	remove(path);
	return done();
}
