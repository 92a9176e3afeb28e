/* Streams, tables and conversions when the n-th allocation fails: the status says so, nothing is leaked, and an output
 * that was not finished is not there. */
#define FAULT_SHARED // the JSON library counts too
#include "fault.h"
#include "io/convert.h"
#include "io/table.h"
#include "streams.h"
#include "tap.h"

#include <unistd.h>

static char dir[] = "/tmp/vla-alloc-XXXXXX";
static char vle[64], out[64], ids[64], tsv[64], jsonl[64];

static vla_header header_of(vla_kind kind, vla_dtype t)
{
	vla_header h = VLA_HEADER_INIT;
	h.kind = kind;
	h.dtype = t;
	h.dim = kind == VLA_SPARSE ? 64 : 5;
	return h;
}

static vla_status write_stream(vla_err *err)
{
	char *argv[] = { "tool", "an argument" };
	vla_header h = header_of(VLA_TOKENS, VLA_I8);
	vla_status s = vla_header_add_pg(&h, 2, argv, err);
	if (s == VLA_OK)
		s = sample_write(out, &h, 9, err);
	vla_header_release(&h);
	return s;
}

static vla_status write_sparse(vla_err *err)
{
	vla_header h = header_of(VLA_SPARSE, VLA_F16);
	return sample_write(out, &h, 9, err);
}

static vla_status read_stream(vla_err *err)
{
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	vla_status s = vla_reader_open(vle, &r, err);
	if (s != VLA_OK)
		return s;
	while ((s = vla_reader_next(r, &rec, err)) == VLA_OK)
		;
	vla_rec_release(&rec);
	vla_reader_close(r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status open_matrix(vla_err *err)
{
	vla_matrix *m;
	vla_status s = vla_matrix_open(vle, &m, err);
	if (s == VLA_OK)
		vla_matrix_close(m);
	return s;
}

static vla_status read_table(const char *path, vla_err *err)
{
	vla_table *t;
	vla_status s = vla_table_open(path, VLA_TABLE_AUTO, &t, err);
	if (s != VLA_OK)
		return s;
	while ((s = vla_table_next(t, err)) == VLA_OK)
		;
	vla_table_close(t);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status read_tsv(vla_err *err)
{
	return read_table(tsv, err);
}

static vla_status read_jsonl(vla_err *err)
{
	return read_table(jsonl, err);
}

static vla_status convert(const char *from, vla_form ff, const char *to, vla_form tf, vla_err *err)
{
	vla_source *in = NULL;
	vla_sink *k = NULL;
	vla_rec rec = VLA_REC_INIT;
	vla_status s = vla_source_open(from, ff, NULL, &in, err);
	if (s == VLA_OK)
		s = vla_sink_open(to, tf, vla_source_header(in), NULL, &k, err);
	while (s == VLA_OK && (s = vla_source_next(in, &rec, err)) == VLA_OK)
		s = vla_sink_put(k, &rec, err);
	if (s == VLA_EOF)
		s = vla_sink_finish(k, err);
	vla_sink_close(k);
	vla_source_close(in);
	vla_rec_release(&rec);
	return s;
}

static vla_status to_npy(vla_err *err)
{
	return convert(vle, VLA_FORM_VLE, out, VLA_FORM_NPY, err);
}

static vla_status from_tsv(vla_err *err)
{
	return convert(tsv, VLA_FORM_TSV, out, VLA_FORM_VLE, err);
}

static vla_status from_jsonl(vla_err *err)
{
	return convert(jsonl, VLA_FORM_JSONL, out, VLA_FORM_JSONL, err);
}

// json: memory that is short inside a string is a syntax error to the JSON library.
static void each_failure(const char *what, vla_status (*run)(vla_err *err), bool json)
{
	vla_err err = VLA_ERR_INIT;
	vla_status s = run(&err); // once without, for what stays allocated by the C library
	ok(s == VLA_OK, "%s without failures: %s", what, err.msg);
	if (!FAULTS) {
		skip("no failing allocations under a sanitizer");
		return;
	}
	long leaked = 0, n = 0;
	bool said = true, half = false;
	for (s = VLA_EOF; s != VLA_OK && n < 2000;) {
		unlink(out);
		unlink(ids);
		long before = fault_live();
		fault_at(++n);
		s = run(&err);
		fault_at(0);
		leaked += fault_live() - before;
		// A C library call that fails for want of memory, such as fopen, is an I/O error that says so.
		said &= s == VLA_OK || s == VLA_ENOMEM || (s == VLA_EIO && strstr(err.msg, "memory"));
		said |= json && (s == VLA_EFORMAT || s == VLA_EINVAL);
		if (s != VLA_OK && access(out, F_OK) == 0)
			half = true;
		if (!said)
			break;
	}
	ok(said, "%s: each of %ld failures is said (%s: %s)", what, n - 1, vla_status_name(s), err.msg);
	ok(leaked == 0, "%s: nothing leaks (%ld)", what, leaked);
	ok(!half, "%s: no output that is not whole", what);
}

int main(void)
{
	vla_err err = VLA_ERR_INIT;
	if (!mkdtemp(dir))
		return 1;
	snprintf(vle, sizeof vle, "%s/a.vle", dir);
	snprintf(out, sizeof out, "%s/out", dir);
	snprintf(ids, sizeof ids, "%s/out.ids", dir);
	snprintf(tsv, sizeof tsv, "%s/a.tsv", dir);
	snprintf(jsonl, sizeof jsonl, "%s/a.jsonl", dir);
	vla_header h = header_of(VLA_DENSE, VLA_F16);
	if (sample_write(vle, &h, 9, &err) != VLA_OK || convert(vle, VLA_FORM_VLE, tsv, VLA_FORM_TSV, &err) != VLA_OK ||
	    convert(vle, VLA_FORM_VLE, jsonl, VLA_FORM_JSONL, &err) != VLA_OK)
		note("%s", err.msg);
	each_failure("writer", write_stream, false);
	each_failure("sparse writer", write_sparse, false);
	each_failure("reader", read_stream, false);
	each_failure("matrix", open_matrix, false);
	each_failure("TSV table", read_tsv, false);
	each_failure("JSON table", read_jsonl, true);
	each_failure("vle to npy", to_npy, false);
	each_failure("tsv to vle", from_tsv, false);
	each_failure("jsonl to jsonl", from_jsonl, true);
	const char *const files[] = { vle, out, ids, tsv, jsonl };
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		unlink(files[i]);
	ok(rmdir(dir) == 0, "nothing is left behind");
	return done();
}
