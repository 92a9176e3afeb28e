/* Streams of n x 512 f16 vectors (default 100000): writing, opening as a matrix, reading them record by record and
 * once over the mapping. TSV: what, seconds, MB/s.
 *
 *	bench_stream [n [file]]
 *
 * A file that is named is kept, and only written when it is not there: for times with a cold cache. */
#include "base/base.h"

#include <vla/stream.h>

#include <time.h>
#include <unistd.h>

enum { DIM = 512 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void row(const char *what, double since, double bytes)
{
	double s = now() - since;
	printf("%s\t%.4f\t%.0f\n", what, s, bytes / s / 1e6);
	fflush(stdout);
}

static vla_status write_rows(const char *path, size_t n, vla_err *err)
{
	vla_header h = { .kind = VLA_DENSE, .dtype = VLA_F16, .dim = DIM, .count = UINT64_MAX };
	vla_writer *w;
	vla_rng r;
	float v[DIM];
	char id[64];
	vla_rng_seed(&r, 1, 0);
	for (size_t i = 0; i < DIM; i++)
		v[i] = vla_rng_float(&r) - 0.5f;
	VLA_TRY(vla_writer_open(path, &h, &w, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; s == VLA_OK && i < n; i++) {
		snprintf(id, sizeof id, "photos/%08zu.jpg", i);
		v[i % DIM] = vla_rng_float(&r) - 0.5f;
		const vla_rec rec = { .id = id, .rows = 1, .data = v };
		s = vla_writer_put(w, &rec, err);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, err);
	vla_writer_close(w);
	return s;
}

static vla_status read_records(const char *path, size_t *n, vla_err *err)
{
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	vla_status s;
	VLA_TRY(vla_reader_open(path, &r, err));
	while ((s = vla_reader_next(r, &rec, err)) == VLA_OK)
		++*n;
	vla_rec_release(&rec);
	vla_reader_close(r);
	return s == VLA_EOF ? VLA_OK : s;
}

static double touch(const vla_matrix *m)
{
	size_t first, count;
	const void *data;
	const float *scales;
	uint64_t sum = 0;
	for (size_t i = 0; vla_matrix_run(m, i, &first, &count, &data, &scales); i++)
		for (size_t j = 0; j < count * DIM / 4; j++)
			sum += ((const uint64_t *)data)[j];
	return (double)sum;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, got = 0;
	const char *dir = getenv("TMPDIR");
	char temp[256];
	vla_err err = VLA_ERR_INIT;
	vla_matrix *m = NULL;
	snprintf(temp, sizeof temp, "%s/vla-bench-%ld.vle", dir ? dir : "/tmp", (long)getpid());
	const char *path = argc > 2 ? argv[2] : temp;
	double bytes = (double)n * DIM * 2, t = now();
	printf("what\tseconds\tMB/s\n");
	vla_status s = VLA_OK;
	if (access(path, F_OK) != 0 && (s = write_rows(path, n, &err)) == VLA_OK)
		row("write", t, bytes);
	t = now();
	if (s == VLA_OK && (s = vla_matrix_open(path, &m, &err)) == VLA_OK) {
		row("open", t, bytes);
		t = now();
		double sum = touch(m);
		row(sum != 0 ? "scan" : "scan (zeros)", t, bytes);
		vla_matrix_close(m);
	}
	t = now();
	if (s == VLA_OK && (s = read_records(path, &got, &err)) == VLA_OK)
		row("records", t, bytes);
	if (argc <= 2)
		unlink(temp);
	if (s != VLA_OK || got != n)
		fprintf(stderr, "%s (%zu of %zu records)\n", err.msg, got, n);
	return s != VLA_OK || got != n;
}
