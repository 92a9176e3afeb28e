/* Fuzz target: any bytes as a table (TSV, JSON Lines, the one that the first byte says) and as records of vectors in
 * both. A field found by its name is the one at its place, and what is written as TSV is read back the same. */
#include "io/table.h"

#include <vla/convert.h>

#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_escapes(const char *s)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	if (!f)
		return;
	vla_write_tsv(f, s);
	if (fclose(f) == 0) {
		if (strpbrk(text, "\t\n\r"))
			abort();
		vla_tsv_unescape(text);
		if (strcmp(text, s) != 0)
			abort();
	}
	free(text);
}

static void check_row(const vla_table *t)
{
	for (size_t i = 0; i < vla_table_fields(t); i++) {
		const char *name = vla_table_name(t, i), *value = vla_table_value(t, i);
		if (!vla_table_has(t, name) || vla_table_get(t, name) != value)
			abort();
		if (value)
			check_escapes(value);
	}
}

static void read_table(const char *path, vla_table_format format)
{
	vla_table *t;
	vla_err err = VLA_ERR_INIT;
	vla_status s = vla_table_open(path, format, &t, &err);
	if (s != VLA_OK)
		return;
	while ((s = vla_table_next(t, &err)) == VLA_OK || s == VLA_EFORMAT)
		if (s == VLA_OK)
			check_row(t);
		else if (vla_table_fields(t) != 0)
			abort();
	vla_table_close(t);
}

static void read_records(const char *path, vla_form form, const vla_form_opts *o)
{
	vla_source *in;
	vla_rec rec = VLA_REC_INIT;
	vla_status s;
	if (vla_source_open(path, form, o, &in, NULL) != VLA_OK)
		return;
	volatile float sum = 0;
	while ((s = vla_source_next(in, &rec, NULL)) == VLA_OK || s == VLA_EINVAL) {
		size_t width = vla_source_header(in)->kind == VLA_SPARSE ? 1 : vla_source_header(in)->dim;
		for (size_t i = 0; s == VLA_OK && i < rec.rows * width; i++)
			sum += rec.data[i];
	}
	vla_source_close(in);
	vla_rec_release(&rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_file f;
	if (size > 1 << 16 || !fuzz_plain(&f, data, size))
		return 0;
	static const vla_table_format formats[] = { VLA_TABLE_AUTO, VLA_TABLE_TSV, VLA_TABLE_JSONL };
	for (size_t i = 0; i < 3; i++)
		read_table(f.path, formats[i]);
	vla_form_opts sparse = VLA_FORM_OPTS_INIT;
	sparse.dim = 10;
	sparse.kind = VLA_SPARSE;
	read_records(f.path, VLA_FORM_TSV, NULL);
	read_records(f.path, VLA_FORM_JSONL, NULL);
	read_records(f.path, VLA_FORM_TSV, &sparse);
	read_records(f.path, VLA_FORM_JSONL, &sparse);
	fuzz_remove(&f);
	return 0;
}
