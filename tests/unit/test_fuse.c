/* Fusion of rankings: against sums written down by hand, refusals, lack of memory. */
#include <vla/fuse.h>

#include "base/base.h"

#define FAULT_SHARED // getline allocates inside the C library
#include "fault.h"
#include "tap.h"

#include <math.h>
#include <unistd.h>

static char path[2][64];

struct got {
	char text[8][64]; // "query id"
	double score[8];
	size_t rank[8], n;
};

static vla_status take(void *ctx, const char *query, size_t rank, double score, const char *id, vla_err *err)
{
	struct got *g = ctx;
	(void)err;
	snprintf(g->text[g->n], sizeof g->text[0], "%s %s", query, id);
	g->rank[g->n] = rank;
	g->score[g->n++] = score;
	return VLA_OK;
}

static void write_text(size_t i, const char *text)
{
	FILE *f = fopen(path[i], "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		exit(2);
}

static vla_status run(vla_fuse_how how, const double *w, size_t k, struct got *g, vla_err *err)
{
	vla_fuser *f = NULL;
	g->n = 0;
	vla_status s = vla_fuser_new(how, 2, w, &f, err);
	for (size_t i = 0; i < 2 && s == VLA_OK; i++)
		s = vla_fuser_read(f, i, path[i], err);
	if (s == VLA_OK)
		s = vla_fuser_finish(f, k, take, g, err);
	vla_fuser_free(f);
	return s;
}

static bool is(const struct got *g, size_t i, const char *text, size_t rank, double score)
{
	return i < g->n && strcmp(g->text[i], text) == 0 && g->rank[i] == rank && fabs(g->score[i] - score) < 1e-12;
}

int main(void)
{
	vla_err err = VLA_ERR_INIT;
	struct got g;
	const double w[] = { 2, 0.5 };
	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof path[i], "/tmp/vla-fuse-%ld-%d.tsv", (long)getpid(), i);
	// b is twice in the second list: its better place counts. Queries are interleaved.
	write_text(0, "q\t1\t0.9\ta\tmore\nr\t1\t1\tz\nq\t2\t0.5\tb\n");
	write_text(1, "q\t1\t8\tb\nq\t2\t2\tc\nq\t3\t1\tb\ns\t1\t-4\ty\n");
	ok(run(VLA_FUSE_RANKS, w, 9, &g, &err) == VLA_OK && g.n == 5 && is(&g, 0, "q b", 1, 2.0 / 62 + 0.5 / 61) &&
		   is(&g, 1, "q a", 2, 2.0 / 61) && is(&g, 2, "q c", 3, 0.5 / 62) && is(&g, 3, "r z", 1, 2.0 / 61) &&
		   is(&g, 4, "s y", 1, 0.5 / 61),
	   "ranks %s", err.msg);
	ok(run(VLA_FUSE_SCORES, w, 2, &g, &err) == VLA_OK && g.n == 4 && is(&g, 0, "q b", 1, 2 * 0.5 + 0.5 * 8) &&
		   is(&g, 1, "q a", 2, 2 * 0.9 + 0.5 * 1) && is(&g, 2, "r z", 1, 2) && is(&g, 3, "s y", 1, -2),
	   "scores, two a query");
	ok(run(VLA_FUSE_RANKS, w, 0, &g, &err) == VLA_OK && g.n == 0, "none asked for");
	vla_fuser *f = NULL;
	const double bad[] = { 1, NAN };
	ok(vla_fuser_new(VLA_FUSE_RANKS, 2, bad, &f, &err) == VLA_EINVAL &&
		   vla_fuser_new(VLA_FUSE_RANKS, 0, NULL, &f, &err) == VLA_EINVAL &&
		   vla_fuser_new(VLA_FUSE_RANKS, 65, NULL, &f, &err) == VLA_EINVAL,
	   "bad weights, no list, too many: %s", err.msg);
	long n = 0;
	bool clean = true;
	vla_status s = VLA_ENOMEM;
	while (FAULTS && clean && s != VLA_OK && n < 100) {
		long live = fault_live();
		fault_at(++n);
		s = run(VLA_FUSE_SCORES, w, 9, &g, &err);
		fault_at(0);
		clean = fault_live() == live && (s == VLA_OK || s == VLA_ENOMEM || s == VLA_EIO);
		if (!clean)
			note("%ld: %s, %ld blocks kept", n, vla_status_name(s), fault_live() - live);
	}
	if (FAULTS)
		ok(clean && s == VLA_OK && n > 5, "each of %ld allocations may fail", n);
	else
		skip("allocation failures need the plain build");
	static const char *const lines[] = { "q\t1\t0.5\n", "q\tx\t0.5\ta\n", "q\t1\tnan\ta\n", "q\t0\t1\ta\n", "\n" };
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		write_text(0, lines[i]);
		ok(run(VLA_FUSE_RANKS, NULL, 9, &g, &err) == VLA_EFORMAT, "refused: %s", err.msg);
	}
	write_text(0, "");
	write_text(1, "");
	ok(run(VLA_FUSE_RANKS, NULL, 9, &g, &err) == VLA_OK && g.n == 0, "empty files");
	remove(path[0]);
	remove(path[1]);
	return done();
}
