/* Vectors in other forms: text, JSON Lines, NumPy arrays and .fbin beside .vle streams, all read and written as
 * records.
 *
 *	vla_source *in;
 *	vla_sink *out;
 *	vla_rec rec = VLA_REC_INIT;
 *	vla_status s = vla_source_open("a.npy", VLA_FORM_NPY, NULL, &in, &err);
 *	if (s == VLA_OK)
 *		s = vla_sink_open("a.vle", VLA_FORM_VLE, vla_source_header(in), NULL, &out, &err);
 *	while (s == VLA_OK && (s = vla_source_next(in, &rec, &err)) == VLA_OK)
 *		s = vla_sink_put(out, &rec, &err);
 *	if (s == VLA_EOF)
 *		s = vla_sink_finish(out, &err);
 *	vla_sink_close(out);
 *	vla_source_close(in);
 *	vla_rec_release(&rec);
 *
 * tsv: a header line and the columns id, caption, label, box, time, grid, vector; numbers are separated by blanks, each
 * row of a tokens record ends in ';', pairs of a sparse one are index:weight; an empty field is an absent one; tab,
 * newline, CR and backslash are written \t \n \r \\. jsonl: the same keys, with arrays; tokens have "vectors", sparse
 * records "index" and "weight". npy: [n, dim] for dense, [n, rows, dim] for tokens, f32 or f16. fbin: u32 n, u32 dim,
 * f32 numbers. Both keep ids in a second file, one a line with the escapes of tsv. Numbers in text have as many digits
 * as give the same f32 back.
 */
#ifndef VLA_CONVERT_H
#define VLA_CONVERT_H

#include <vla/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vla_form { VLA_FORM_VLE, VLA_FORM_TSV, VLA_FORM_JSONL, VLA_FORM_NPY, VLA_FORM_FBIN } vla_form;

/* By the ending of a file's name: .vle .tsv .txt .jsonl .npy .fbin; false when it says nothing. */
VLA_API bool vla_form_of(const char *path, vla_form *out);

typedef struct vla_form_opts {
	const char
		*ids; /* npy, fbin: file of ids; NULL: PATH.ids when it exists (reading) or PATH is a file (writing) */
	uint32_t dim; /* reading text: needed for sparse records and where the first record has no row; else 0 */
	int kind;     /* reading text: a vla_kind, or -1: as the first record looks */
} vla_form_opts;

#define VLA_FORM_OPTS_INIT \
	{ \
		NULL, 0, -1 \
	}

typedef struct vla_source vla_source;

/* path "-" is standard input; opts may be NULL. For text the first record decides kind and dim. The statuses of
 * vla_reader_open, and VLA_EUNSUPPORTED for arrays in Fortran order or of other element types. Messages name the
 * file. */
VLA_API vla_status vla_source_open(const char *path, vla_form form, const vla_form_opts *opts, vla_source **out,
				   vla_err *err) VLA_MUST_USE;
VLA_API void vla_source_close(vla_source *s); /* NULL legal */
VLA_API const vla_header *vla_source_header(const vla_source *s);
/* As vla_reader_next; also VLA_EINVAL for one bad record, after which reading may go on. */
VLA_API vla_status vla_source_next(vla_source *s, vla_rec *rec, vla_err *err) VLA_MUST_USE;

typedef struct vla_sink vla_sink;

/* As vla_writer_open. npy and fbin to a pipe need h->count; npy cannot hold sparse records, fbin dense ones only:
 * VLA_EINVAL. */
VLA_API vla_status vla_sink_open(const char *path, vla_form form, const vla_header *h, const vla_form_opts *opts,
				 vla_sink **out, vla_err *err) VLA_MUST_USE;
/* VLA_EINVAL for a record that does not fit: the next one may. */
VLA_API vla_status vla_sink_put(vla_sink *k, const vla_rec *rec, vla_err *err) VLA_MUST_USE;
VLA_API vla_status vla_sink_finish(vla_sink *k, vla_err *err) VLA_MUST_USE;
VLA_API void vla_sink_close(vla_sink *k); /* NULL legal */

/* How far two sources are apart, record by record in their order. */
typedef struct vla_difference {
	uint64_t records;  /* compared */
	uint64_t ids;      /* records whose ids differ */
	uint64_t shapes;   /* records whose rows or indexes differ; their numbers are not compared */
	uint64_t missing;  /* records that only the longer source has */
	uint64_t over;     /* records with an absolute difference over the tolerance */
	double max_abs;    /* largest absolute difference of two numbers */
	double max_cosine; /* largest 1 - cosine of two rows; rows of zeros count as 0 apart when both are */
} vla_difference;

/* Reads both to their ends. VLA_EINVAL when kind or dim differ, else as vla_source_next. Models may differ. */
VLA_API vla_status vla_source_compare(vla_source *a, vla_source *b, double tol, vla_difference *out,
				      vla_err *err) VLA_MUST_USE;

/* Largest distance of a row's length from 1 over the rest of the stream, for streams whose header says l2; reads to the
 * end. */
VLA_API vla_status vla_source_norms(vla_source *s, uint64_t *records, double *worst, vla_err *err) VLA_MUST_USE;

/* One TSV field with its escapes; a JSON string with its quotes (bytes that are no UTF-8 become U+FFFD). For write
 * errors ask f. */
VLA_API void vla_write_tsv(FILE *f, const char *s);
VLA_API void vla_write_json(FILE *f, const char *s);

#ifdef __cplusplus
}
#endif
#endif
