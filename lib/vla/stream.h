/* Embedding streams (.vle): read and write. The format is vle(5).
 *
 *	vla_reader *r;
 *	vla_rec rec = VLA_REC_INIT;
 *	vla_status s = vla_reader_open("a.vle", &r, &err);
 *	while (s == VLA_OK && (s = vla_reader_next(r, &rec, &err)) == VLA_OK)
 *		printf("%s %g\n", rec.id, rec.data[0]);
 *	vla_rec_release(&rec);
 *	vla_reader_close(r);
 *
 * A stream is one or more segments (header, blocks, end block); a reader passes over segment
 * boundaries as long as kind, dim, model and norm stay the same, and refuses the stream when they do not. Messages name
 * the file when the reader, writer or matrix was opened with a path.
 */
#ifndef VLA_STREAM_H
#define VLA_STREAM_H

#include <vla/dtype.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vla_kind {
	VLA_DENSE = 0,  /* one vector a record */
	VLA_TOKENS = 1, /* rows vectors a record: a grid of patches, a sequence of frames */
	VLA_SPARSE = 2  /* rows index:weight pairs a record, index < dim */
} vla_kind;

/* What a stream says of itself. Strings are owned by whoever holds the header. */
typedef struct vla_header {
	vla_kind kind;
	vla_dtype dtype; /* f32, f16, bf16, i8 (i8: one f32 scale a row) */
	uint32_t dim;    /* numbers a vector; for sparse the size of the vocabulary */
	uint64_t count;  /* records when known beforehand, else UINT64_MAX */
	bool l2;         /* rows have unit length */
	char model[80];  /* fingerprint "name:hash" of the model; "" = unknown, fits any */
	char compute[8]; /* "f32", "bf16", "int8" or "" */
	char **pg;       /* [npg] provenance: version and quoted command line, oldest first */
	size_t npg;
} vla_header;

#define VLA_HEADER_INIT \
	{ \
		VLA_DENSE, VLA_F32, 0, UINT64_MAX, false, "", "", NULL, 0 \
	}

VLA_API void vla_header_release(vla_header *h); /* NULL legal */
VLA_API vla_status vla_header_copy(vla_header *dst, const vla_header *src, vla_err *err) VLA_MUST_USE;
/* Appends a provenance line made from argv. */
VLA_API vla_status vla_header_add_pg(vla_header *h, int argc, char *const *argv, vla_err *err) VLA_MUST_USE;
/* Whether vectors of b may be put beside those of a: same kind, model ("" fits any) and dim. VLA_OK or VLA_EINVAL; the
 * message names what differs. */
VLA_API vla_status vla_header_fits(const vla_header *a, const vla_header *b, vla_err *err) VLA_MUST_USE;
VLA_API const char *vla_kind_name(vla_kind k); /* "dense", "tokens", "sparse"; static */

/* One record. Buffers are reused by the next call and freed by vla_rec_release. */
typedef struct vla_rec {
	char *id;                /* UTF-8, never NULL after a read; may carry #xywh= or #t= (W3C Media Fragments) */
	size_t rows;             /* dense 1; tokens: vectors; sparse: pairs */
	uint32_t grid_h, grid_w; /* tokens that form a grid: grid_h * grid_w == rows; else 0 */
	float *data;             /* [rows, dim] (sparse: [rows] weights), whatever the stored dtype; always finite */
	uint32_t *index;         /* sparse: [rows], strictly increasing; else NULL */
	char *caption;           /* optional fields, NULL when absent */
	char *label;
	float *box;   /* [4] x y w h in pixels, or NULL */
	double *time; /* [2] begin, end in seconds, or NULL */
	void *priv;   /* buffers */
} vla_rec;

#define VLA_REC_INIT \
	{ \
		NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL \
	}

VLA_API void vla_rec_release(vla_rec *rec); /* NULL legal */

typedef struct vla_reader vla_reader;

/* "-" is standard input. The header of the first segment is read at once. */
VLA_API vla_status vla_reader_open(const char *path, vla_reader **out, vla_err *err) VLA_MUST_USE;
/* f stays the caller's and must outlive the reader. */
VLA_API vla_status vla_reader_from(FILE *f, vla_reader **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_reader_close(vla_reader *r); /* NULL legal */
VLA_API const vla_header *vla_reader_header(const vla_reader *r);
/* VLA_OK, VLA_EOF after a complete stream, VLA_ETRUNC, VLA_ECORRUPT, VLA_EFORMAT, VLA_EVERSION, VLA_EIO,
 * VLA_ENOMEM, VLA_EINVAL (a further segment of another kind, dim or model). rec stays yours; what it points to is valid
 * until the next call. */
VLA_API vla_status vla_reader_next(vla_reader *r, vla_rec *rec, vla_err *err) VLA_MUST_USE;

typedef struct vla_writer vla_writer;

/* path "-": standard output, else a temporary file that vla_writer_finish renames to path. h is copied. */
VLA_API vla_status vla_writer_open(const char *path, const vla_header *h, vla_writer **out, vla_err *err) VLA_MUST_USE;
/* Converts to the stored dtype. rec->id must be given, rec->data be finite and fit the type, box and time be finite,
 * rec->rows be 1 for dense (0 is taken as 1) and below 2^32: VLA_EINVAL otherwise, and the writer may go on with the
 * next record. Records are written in blocks of about 1 MiB. VLA_OK, VLA_EINVAL, VLA_EIO, VLA_ENOMEM. */
VLA_API vla_status vla_writer_put(vla_writer *w, const vla_rec *rec, vla_err *err) VLA_MUST_USE;
/* Sends the records so far on their way, for a reader at the other end of a pipe. */
VLA_API vla_status vla_writer_flush(vla_writer *w, vla_err *err) VLA_MUST_USE;
/* Writes the end block, flushes, syncs and renames. Call once, then close. */
VLA_API vla_status vla_writer_finish(vla_writer *w, vla_err *err) VLA_MUST_USE;
/* NULL legal; before a successful finish the temporary file is removed. */
VLA_API void vla_writer_close(vla_writer *w);

/* A whole dense stream in memory. A plain file is mapped: opening reads and checks ids and fields but no vector, whose
 * checksums `vla-view --check` verifies. A pipe is read and checked in full. All segments must store one dtype. */
typedef struct vla_matrix vla_matrix;

VLA_API vla_status vla_matrix_open(const char *path, vla_matrix **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_matrix_close(vla_matrix *m);
VLA_API const vla_header *vla_matrix_header(const vla_matrix *m);
VLA_API size_t vla_matrix_rows(const vla_matrix *m);
VLA_API const char *vla_matrix_id(const vla_matrix *m, size_t row);
VLA_API const char *vla_matrix_caption(const vla_matrix *m, size_t row); /* NULL when absent */
VLA_API const char *vla_matrix_label(const vla_matrix *m, size_t row);   /* NULL when absent */
/* Runs of rows that lie contiguous in the stored dtype: fills first row, count and the address of run i;
 * false when i is past the last run. For i8, scales is [count]; else NULL. */
VLA_API bool vla_matrix_run(const vla_matrix *m, size_t i, size_t *first, size_t *count, const void **data,
			    const float **scales);
/* Row as f32: out is [dim]. */
VLA_API void vla_matrix_row(const vla_matrix *m, size_t row, float *out);

#ifdef __cplusplus
}
#endif
#endif
