/* Fuzz target: a stream read record by record and, as a file, through the mapping. Built by a fuzzer's build, checksums
 * are not compared; otherwise a damaged input is mended first, so that damage gets past them. */
#include "io/stream.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Puts the right checksums into whatever looks like a header and blocks.
static void mend(char *p, size_t n)
{
	size_t at = 0, len;
	if (n < VLE_FIXED || vle_header_length(p, &len, NULL) != VLA_OK || len > n)
		return;
	for (bool head = true; at < n; at += len, head = false) {
		if (!head && (n - at < VLE_HEAD || vle_block_length(p + at, &len, NULL) != VLA_OK || len > n - at))
			return;
		uint32_t crc = vle_crc(0, p + at, len - 4);
		memcpy(p + at + len - 4, &crc, 4);
	}
}

static void read_records(const char *p, size_t n)
{
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	FILE *f = fmemopen((void *)(uintptr_t)p, n, "rb");
	if (!f)
		return;
	if (vla_reader_from(f, &r, NULL) == VLA_OK) {
		volatile float sum = 0;
		while (vla_reader_next(r, &rec, NULL) == VLA_OK) {
			size_t width = vla_reader_header(r)->kind == VLA_SPARSE ? 1 : vla_reader_header(r)->dim;
			for (size_t i = 0; i < rec.rows * width; i++)
				sum += rec.data[i];
			sum += (float)strlen(rec.id) + (rec.caption ? (float)strlen(rec.caption) : 0);
		}
		vla_rec_release(&rec);
		vla_reader_close(r);
	}
	fclose(f);
}

static void read_matrix(const char *p, size_t n)
{
	char path[] = "/tmp/vla-fuzz-XXXXXX";
	vla_matrix *m;
	int fd = mkstemp(path);
	if (fd < 0)
		return;
	if (write(fd, p, n) == (ssize_t)n && vla_matrix_open(path, &m, NULL) == VLA_OK) {
		size_t dim = vla_matrix_header(m)->dim;
		float *row = malloc(dim * sizeof *row);
		for (size_t i = 0; row && i < vla_matrix_rows(m); i++) {
			vla_matrix_row(m, i, row);
			(void)strlen(vla_matrix_id(m, i));
		}
		free(row);
		vla_matrix_close(m);
	}
	close(fd);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 1 << 20)
		return 0;
	char *copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	read_records(copy, size);
	mend(copy, size);
	read_records(copy, size);
	read_matrix(copy, size);
	free(copy);
	return 0;
}
