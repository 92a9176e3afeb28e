/* Runs a fuzz target without a fuzzer: every file given, and of each some hundred damaged copies (cut, a bit flipped, a byte
 * or a 32-bit number set to an extreme value), the same ones each time. Directories stand for the files in them. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPIES 300
#define MAX_INPUT ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 1;
static unsigned long runs;

static uint32_t next(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) * below >> 31);
}

// The target gets a block of exactly n bytes, so that a sanitizer sees a read past its end.
static void try(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		exit(2);
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	runs++;
}

static void damage(uint8_t *p, size_t *n)
{
	static const uint32_t extreme[] = { 0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff };
	size_t at = next((uint32_t)*n);
	uint32_t x = extreme[next(sizeof extreme / sizeof extreme[0])];
	switch (next(4)) {
	case 0: *n = at; break;
	case 1: p[at] ^= (uint8_t)(1u << next(8)); break;
	case 2: p[at] = (uint8_t)x; break;
	default:
		if (*n - at >= 4)
			memcpy(p + at, &x, 4);
	}
}

static void file(const char *path)
{
	static uint8_t data[MAX_INPUT], copy[MAX_INPUT];
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(2);
	}
	size_t n = fread(data, 1, sizeof data, f);
	fclose(f);
	try(data, n);
	for (int i = 0; i < COPIES && n; i++) {
		size_t k = n;
		memcpy(copy, data, n);
		for (uint32_t hits = 1 + next(3); hits && k; hits--)
			damage(copy, &k);
		try(copy, k);
	}
}

static void folder(const char *path)
{
	struct dirent **e;
	int n = scandir(path, &e, NULL, alphasort);
	if (n < 0) {
		perror(path);
		exit(2);
	}
	for (int i = 0; i < n; i++) {
		char name[4096];
		struct stat st;
		snprintf(name, sizeof name, "%s/%s", path, e[i]->d_name);
		if (e[i]->d_name[0] != '.' && stat(name, &st) == 0 && S_ISREG(st.st_mode))
			file(name);
		free(e[i]);
	}
	free(e);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			folder(argv[i]);
		else
			file(argv[i]);
	}
	try((const uint8_t *)"", 0);
	printf("%lu inputs\n", runs);
	return 0;
}
