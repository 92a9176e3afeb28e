/* Vectors as plain arrays: NumPy's .npy (format versions 1 to 3, C order) and .fbin (u32 n, u32 dim, f32 numbers), with
 * ids in a text file beside them. The number of records stands first in both: it is patched in at the end when it was
 * not known. */
#include "io/convert.h"
#include "io/table.h"

#include <errno.h>

#define NPY_MAGIC "\x93NUMPY"
#define NPY_HEADER 128 // bytes that we write: room for any shape
#define MAX_NPY_HEADER 65536

struct array {
	FILE *f;
	FILE *ids; // NULL: ids are numbers
	vla_buf id, bytes;
	float *row;        // [rows, dim]
	uint64_t n, at;    // records
	size_t rows, each; // of a record; bytes of a number
	vla_dtype dtype;   // f32, f16 or f64
};

static vla_status open_ids(struct array *a, const char *path, const char *given, vla_err *err)
{
	if (given)
		return vla_infile_open(given, &a->ids, err);
	if (strcmp(path, "-") == 0)
		return VLA_OK;
	char *beside = vla_format("%s.ids", path);
	if (!beside)
		return vla_nomem(err);
	a->ids = fopen(beside, "rb"); // not there: no ids
	const int why = a->ids ? ENOENT : errno;
	free(beside);
	return why == ENOENT ? VLA_OK : vla_fail(err, VLA_EIO, "its ids: %s", strerror(why));
}

static vla_status read_bytes(struct array *a, void *p, size_t n, vla_err *err)
{
	if (fread(p, 1, n, a->f) == n)
		return VLA_OK;
	return ferror(a->f) ? vla_fail(err, VLA_EIO, "%s", strerror(errno))
			    : vla_fail(err, VLA_ETRUNC, "array ends too early");
}

static vla_status start_array(vla_source *s, struct array *a, vla_err *err)
{
	vla_header *h = &s->header;
	size_t n;
	a->each = vla_dtype_size(a->dtype);
	if (h->dim == 0 || __builtin_mul_overflow(a->rows, (size_t)h->dim, &n) || n > VLE_MAX_BLOCK / a->each)
		return vla_fail(err, VLA_EFORMAT, "array of %zu rows of %u numbers a record", a->rows, h->dim);
	h->count = a->n;
	h->dtype = a->dtype == VLA_F16 ? VLA_F16 : VLA_F32;
	VLA_TRY(vla_buf_reserve(&a->bytes, n * a->each, err));
	a->row = vla_alloc(n, sizeof *a->row);
	return a->row ? VLA_OK : vla_nomem(err);
}

static vla_status open_array(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err)
{
	struct array *a = s->state = vla_zalloc(1, sizeof *a);
	if (!a)
		return vla_nomem(err);
	VLA_TRY(vla_infile_open(path, &a->f, err));
	return open_ids(a, path, opts->ids, err);
}

// The text after key in the header's dictionary, blanks left out; NULL when the key is missing.
static const char *npy_value(const char *dict, const char *key)
{
	const char *p = strstr(dict, key);
	if (!p)
		return NULL;
	p += strlen(key);
	return p + strspn(p, " :");
}

static vla_status npy_shape(vla_source *s, struct array *a, const char *p, vla_err *err)
{
	unsigned long long dim[3] = { 0, 0, 0 };
	size_t n = 0;
	for (p += *p == '('; *p != ')'; n++) {
		char *end;
		if (n == 3 || *p < '0' || *p > '9')
			return vla_fail(err, VLA_EUNSUPPORTED, "array has not the shape [n, dim] or [n, rows, dim]");
		dim[n] = strtoull(p, &end, 10);
		p = end + strspn(end, " ,");
	}
	unsigned long long width = dim[n == 3 ? 2 : 1], rows = n == 3 ? dim[1] : 1;
	if (n < 2 || width > UINT32_MAX || rows > UINT32_MAX || dim[0] >= UINT64_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "array has not the shape [n, dim] or [n, rows, dim]");
	s->header.kind = n == 3 ? VLA_TOKENS : VLA_DENSE;
	s->header.dim = (uint32_t)width;
	a->n = dim[0];
	a->rows = (size_t)rows;
	return VLA_OK;
}

static vla_status npy_dict(vla_source *s, struct array *a, const char *dict, vla_err *err)
{
	static const struct {
		const char *name;
		vla_dtype t;
	} types[] = { { "'<f4'", VLA_F32 }, { "'<f2'", VLA_F16 }, { "'<f8'", VLA_F64 } };
	const char *descr = npy_value(dict, "'descr'"), *order = npy_value(dict, "'fortran_order'");
	const char *shape = npy_value(dict, "'shape'");
	size_t i = 0;
	if (!descr || !order || !shape)
		return vla_fail(err, VLA_EFORMAT, "array header lacks descr, fortran_order or shape");
	while (i < 3 && strncmp(descr, types[i].name, 5) != 0)
		i++;
	if (i == 3)
		return vla_fail(err, VLA_EUNSUPPORTED,
				"array has elements %.5s; f2, f4 and f8, little-endian, are read", descr);
	a->dtype = types[i].t;
	if (strncmp(order, "False", 5) != 0)
		return vla_fail(err, VLA_EUNSUPPORTED, "array is in Fortran order");
	return npy_shape(s, a, shape, err);
}

static vla_status npy_open(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err)
{
	char head[12] = "";
	VLA_TRY(open_array(s, path, opts, err));
	struct array *a = s->state;
	if (read_bytes(a, head, 10, NULL) != VLA_OK || memcmp(head, NPY_MAGIC, 6) != 0)
		return vla_fail(err, VLA_EFORMAT, "not an .npy array");
	if (head[6] < 1 || head[6] > 3)
		return vla_fail(err, VLA_EVERSION, "array format version %d", head[6]);
	size_t n = (unsigned char)head[8] | (size_t)(unsigned char)head[9] << 8;
	if (head[6] > 1) {
		VLA_TRY(read_bytes(a, head + 10, 2, err));
		n |= (size_t)(unsigned char)head[10] << 16 | (size_t)(unsigned char)head[11] << 24;
	}
	if (n > MAX_NPY_HEADER)
		return vla_fail(err, VLA_EFORMAT, "array header of %zu bytes", n);
	VLA_TRY(vla_buf_reserve(&a->bytes, n + 1, err));
	VLA_TRY(read_bytes(a, a->bytes.data, n, err));
	a->bytes.data[n] = 0;
	VLA_TRY(npy_dict(s, a, a->bytes.data, err));
	return start_array(s, a, err);
}

static vla_status fbin_open(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err)
{
	uint32_t head[2];
	VLA_TRY(open_array(s, path, opts, err));
	struct array *a = s->state;
	VLA_TRY(read_bytes(a, head, sizeof head, err));
	a->n = head[0];
	a->rows = 1;
	a->dtype = VLA_F32;
	s->header.dim = head[1];
	return start_array(s, a, err);
}

static vla_status next_id(struct array *a, vla_err *err)
{
	int c;
	a->id.n = 0;
	if (!a->ids)
		return vla_buf_addf(&a->id, err, "%llu", (unsigned long long)a->at);
	while ((c = getc_unlocked(a->ids)) != EOF && c != '\n') {
		if (a->id.n > VLA_TABLE_MAX_LINE || c == 0)
			return vla_fail(err, VLA_EFORMAT, "bad id of record %llu", (unsigned long long)a->at);
		char ch = (char)c;
		VLA_TRY(vla_buf_add(&a->id, &ch, 1, err));
	}
	if (c == EOF && ferror(a->ids))
		return vla_fail(err, VLA_EIO, "cannot read the ids: %s", strerror(errno));
	if (c == EOF && a->id.n == 0)
		return vla_fail(err, VLA_ETRUNC, "there are only %llu ids", (unsigned long long)a->at);
	VLA_TRY(vla_buf_add(&a->id, "", 1, err));
	vla_tsv_unescape(a->id.data);
	return VLA_OK;
}

static vla_status end_of_array(struct array *a, vla_err *err)
{
	if (getc(a->f) != EOF)
		return vla_fail(err, VLA_EFORMAT, "array goes on after its last record");
	if (ferror(a->f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	return a->ids && getc(a->ids) != EOF ? vla_fail(err, VLA_EFORMAT, "there are more ids than records") : VLA_EOF;
}

static vla_status array_next(vla_source *s, vla_rec *rec, vla_err *err)
{
	struct array *a = s->state;
	size_t n = a->rows * s->header.dim;
	if (a->at == a->n)
		return end_of_array(a, err);
	VLA_TRY(read_bytes(a, a->bytes.data, n * a->each, err));
	VLA_TRY(next_id(a, err));
	a->at++;
	if (a->dtype == VLA_F64) {
		for (size_t i = 0; i < n; i++) {
			double d;
			memcpy(&d, a->bytes.data + 8 * i, 8);
			a->row[i] = (float)d;
		}
	} else {
		(void)vle_decode(a->dtype, a->bytes.data, 1, n, a->row);
	}
	if (!vle_finite(a->row, n))
		return vla_fail(err, VLA_EINVAL, "record %llu ('%s') holds a number that is not finite",
				(unsigned long long)a->at - 1, a->id.data);
	void *priv = rec->priv;
	*rec = (vla_rec)VLA_REC_INIT;
	rec->id = a->id.data;
	rec->rows = a->rows;
	rec->data = a->row;
	rec->priv = priv;
	return VLA_OK;
}

static void array_close(vla_source *s)
{
	struct array *a = s->state;
	vla_infile_close(a->f);
	vla_infile_close(a->ids);
	vla_buf_release(&a->id);
	vla_buf_release(&a->bytes);
	free(a->row);
	free(a);
}

const struct vla_source_ops vla_source_npy = { npy_open, array_next, array_close, false };
const struct vla_source_ops vla_source_fbin = { fbin_open, array_next, array_close, false };

struct array_sink {
	vla_outfile *ids;
	size_t rows; // of each record
	bool shaped; // the first record was seen
	vla_dtype dtype;
	vla_buf bytes;
};

static vla_status sink_ids(struct array_sink *a, const char *path, const char *given, vla_err *err)
{
	if (given)
		return vla_outfile_open(given, &a->ids, err);
	if (strcmp(path, "-") == 0)
		return VLA_OK;
	char *beside = vla_format("%s.ids", path);
	vla_status s = beside ? vla_outfile_open(beside, &a->ids, err) : vla_nomem(err);
	free(beside);
	return s;
}

static vla_status sink_array(vla_sink *k, const char *path, const vla_form_opts *opts, bool tokens, vla_err *err)
{
	struct array_sink *a = k->state = vla_zalloc(1, sizeof *a);
	if (!a)
		return vla_nomem(err);
	if (k->header.kind != VLA_DENSE && !(tokens && k->header.kind == VLA_TOKENS))
		return vla_fail(err, VLA_EINVAL, "this form cannot hold %s records", vla_kind_name(k->header.kind));
	if (k->header.count == UINT64_MAX && ftello(k->f) != 0) // no plain file, or not at its start
		return vla_fail(err, VLA_EINVAL,
				"the number of records is not known, and '%s' cannot be written out of order", k->name);
	a->dtype = tokens && k->header.dtype == VLA_F16 ? VLA_F16 : VLA_F32;
	return sink_ids(a, path, opts->ids, err);
}

static void npy_head(vla_sink *k, uint64_t count)
{
	const struct array_sink *a = k->state;
	char shape[80], dict[NPY_HEADER];
	if (k->header.kind == VLA_TOKENS)
		snprintf(shape, sizeof shape, "(%llu, %zu, %u)", (unsigned long long)count, a->rows, k->header.dim);
	else
		snprintf(shape, sizeof shape, "(%llu, %u)", (unsigned long long)count, k->header.dim);
	int n = snprintf(dict, sizeof dict, "{'descr': '<f%zu', 'fortran_order': False, 'shape': %s, }",
			 vla_dtype_size(a->dtype), shape);
	const unsigned char start[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, NPY_HEADER - 10, 0 };
	fwrite(start, 1, sizeof start, k->f);
	fprintf(k->f, "%s%*s\n", dict, NPY_HEADER - 11 - n, "");
}

static void fbin_head(vla_sink *k, uint64_t count)
{
	const uint32_t head[2] = { (uint32_t)count, k->header.dim };
	fwrite(head, 1, sizeof head, k->f);
}

static void array_head(vla_sink *k, uint64_t count)
{
	if (k->ops == &vla_sink_npy)
		npy_head(k, count);
	else
		fbin_head(k, count);
}

static vla_status npy_sink_open(vla_sink *k, const char *path, const vla_form_opts *opts, vla_err *err)
{
	return sink_array(k, path, opts, true, err);
}

static vla_status fbin_sink_open(vla_sink *k, const char *path, const vla_form_opts *opts, vla_err *err)
{
	return sink_array(k, path, opts, false, err);
}

static uint64_t announced(const vla_sink *k)
{
	return k->header.count == UINT64_MAX ? 0 : k->header.count;
}

static vla_status array_put(vla_sink *k, const vla_rec *rec, vla_err *err)
{
	struct array_sink *a = k->state;
	size_t rows = k->header.kind == VLA_DENSE ? 1 : rec->rows, n = rows * k->header.dim,
	       bytes = n * vla_dtype_size(a->dtype);
	if (a->shaped && rows != a->rows)
		return vla_fail(err, VLA_EINVAL, "record '%s' has %zu rows, those before it %zu", rec->id, rows,
				a->rows);
	VLA_TRY(vla_buf_reserve(&a->bytes, bytes, err));
	float scale;
	if (!vle_encode(a->dtype, rec->data, n, a->bytes.data, &scale))
		return vla_fail(err, VLA_EINVAL, "record '%s' holds a number that is not finite or too large", rec->id);
	if (!a->shaped) {
		a->rows = rows;
		a->shaped = true;
		array_head(k, announced(k));
	}
	fwrite(a->bytes.data, 1, bytes, k->f);
	if (a->ids) {
		vla_write_tsv(vla_outfile_stream(a->ids), rec->id);
		putc('\n', vla_outfile_stream(a->ids));
	}
	return VLA_OK;
}

static vla_status array_finish(vla_sink *k, vla_err *err)
{
	struct array_sink *a = k->state;
	if (k->header.count != UINT64_MAX && k->header.count != k->n)
		return vla_fail(err, VLA_EINVAL, "%llu records were announced, %llu came",
				(unsigned long long)k->header.count, (unsigned long long)k->n);
	if (k->ops == &vla_sink_fbin && k->n > UINT32_MAX)
		return vla_fail(err, VLA_EINVAL, ".fbin holds at most 4,294,967,295 records");
	if (!a->shaped || k->header.count == UINT64_MAX) {
		if (a->shaped && fseeko(k->f, 0, SEEK_SET) != 0)
			return vla_fail(err, VLA_EIO, "cannot write '%s': %s", k->name, strerror(errno));
		array_head(k, k->n);
	}
	return a->ids ? vla_outfile_commit(a->ids, err) : VLA_OK;
}

static void array_sink_close(vla_sink *k)
{
	struct array_sink *a = k->state;
	vla_outfile_close(a->ids);
	vla_buf_release(&a->bytes);
	free(a);
}

const struct vla_sink_ops vla_sink_npy = { npy_sink_open, array_put, array_finish, array_sink_close, true };
const struct vla_sink_ops vla_sink_fbin = { fbin_sink_open, array_put, array_finish, array_sink_close, true };
