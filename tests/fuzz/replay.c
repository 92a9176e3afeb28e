/* Runs a fuzz target without a fuzzer, as a TAP test: on the files of tests/fuzz/corpus/NAME, on all their beginnings
 * and on copies with changed bytes, and on bytes drawn at random; or on the files that are named. */
#include "base/base.h"

#include <dirent.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILE = 1 << 20, VARIANTS = 200, RANDOM = 500 };

/* In memory of exactly this size, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		return;
	if (n)
		memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void run_variants(uint8_t *data, size_t n, vla_rng *r)
{
	run(data, n);
	for (size_t i = 0; i < VARIANTS && n; i++) {
		uint64_t at = vla_rng_below(r, n);
		uint8_t old = data[at];
		run(data, at);
		data[at] = (uint8_t)vla_rng_below(r, 256);
		run(data, n);
		data[at] = old;
	}
}

static bool run_file(const char *path, vla_rng *r)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(MAX_FILE);
	bool done = f && data;
	if (done)
		run_variants(data, fread(data, 1, MAX_FILE, f), r);
	free(data);
	if (f)
		fclose(f);
	return done;
}

static size_t run_corpus(const char *program, vla_rng *r)
{
	const char *base = strrchr(program, '/');
	base = base ? base + 1 : program;
	char dir[256], path[600];
	size_t n = 0;
	snprintf(dir, sizeof dir, "tests/fuzz/corpus/%s", strncmp(base, "fuzz_", 5) == 0 ? base + 5 : base);
	DIR *d = opendir(dir);
	for (const struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		n += run_file(path, r);
	}
	if (d)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	vla_rng r;
	int bad = 0;
	vla_rng_seed(&r, 1, 0);
	for (int i = 1; i < argc; i++) {
		bool read = run_file(argv[i], &r);
		bad += !read;
		printf("%sok %d - %s\n", read ? "" : "not ", i, argv[i]);
	}
	if (argc > 1) {
		printf("1..%d\n", argc - 1);
		return bad != 0;
	}
	printf("ok 1 - %zu files of the corpus and their variants\n", run_corpus(argv[0], &r));
	for (size_t i = 0; i < RANDOM; i++) {
		uint8_t data[300];
		size_t n = (size_t)vla_rng_below(&r, sizeof data);
		for (size_t k = 0; k < n; k++)
			data[k] = (uint8_t)vla_rng_below(&r, 256);
		run(data, n);
	}
	printf("ok 2 - random bytes\n1..2\n");
	return 0;
}
