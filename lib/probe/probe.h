/* What the tasks of the room share: the run, its results, rows of tables by the role of their columns, vectors of
 * pictures and texts. */
#ifndef VLA_PROBE_PROBE_H
#define VLA_PROBE_PROBE_H

#include "io/table.h"
#include "probe/stats.h"

#include <vla/file.h>
#include <vla/probe.h>
#include <vla/stream.h>

typedef struct vla_probe_key {
	const char *name, *value, *purpose;
} vla_probe_key;

typedef struct vla_probe vla_probe;

typedef struct vla_probe_kind {
	const char *name, *purpose;
	vla_status (*run)(vla_probe *p, vla_err *err);
	const vla_probe_key *key; // ends with a NULL name; NULL: none
} vla_probe_kind;

struct vla_probe {
	const vla_probe_opts *o;
	const vla_probe_kind *kind;
	unsigned draws;
	vla_model *model; // NULL until vla_probe_model
	vla_outfile *items;
	struct vla_join *join;                          // NULL: none
	struct vla_stream_rows *image_rows, *text_rows; // streams that were opened
};

extern const vla_probe_kind vla_probe_retrieval, vla_probe_zeroshot, vla_probe_linear, vla_probe_knn,
	vla_probe_calibration, vla_probe_gap, vla_probe_hubness, vla_probe_uniformity, vla_probe_choice,
	vla_probe_contrast, vla_probe_snare, vla_probe_yesno, vla_probe_objects, vla_probe_words, vla_probe_compare,
	vla_probe_manifest, vla_probe_boxes, vla_probe_masks, vla_probe_captions, vla_probe_clipscore, vla_probe_tokens,
	vla_probe_segments, vla_probe_encoding;

/* A row of results. An estimate without an interval has NaN ends. */
vla_status vla_emit(vla_probe *p, const char *group, const char *measure, vla_estimate e, double n,
		    vla_err *err) VLA_MUST_USE;
vla_status vla_emit_value(vla_probe *p, const char *group, const char *measure, double value, double n,
			  vla_err *err) VLA_MUST_USE;
void vla_probe_warn(const vla_probe *p, const char *fmt, ...) VLA_PRINTF(2, 3);
/* One line of the file of items; fields are written as TSV by their printf formats' author: no tabs within. Nothing
 * without such a file. */
void vla_item(vla_probe *p, const char *id, const char *group, double value);

/* The setting of that key, its default when not given. */
const char *vla_get(const vla_probe *p, const char *key);
vla_status vla_get_number(const vla_probe *p, const char *key, double least, double most, double *out,
			  vla_err *err) VLA_MUST_USE;
vla_status vla_get_count(const vla_probe *p, const char *key, size_t least, size_t most, size_t *out,
			 vla_err *err) VLA_MUST_USE;
/* Numbers with commas between; "a:b" stands for a, a + 1, ... b. Free *out. */
vla_status vla_get_list(const vla_probe *p, const char *key, double **out, size_t *n, vla_err *err) VLA_MUST_USE;
/* A number of a table's cell; false when it is none. */
bool vla_number(const char *s, double *out);

/* --- rows of tables --- */

typedef struct vla_rows {
	vla_probe *p;
	vla_table *t;
	char *folder; // pictures are relative to it
	const char *where;
	size_t bad;
} vla_rows;

/* more: further conditions, "COLUMN=VALUE" with commas between; NULL: none. */
vla_status vla_rows_open(vla_probe *p, const char *path, const char *more, vla_rows *r, vla_err *err) VLA_MUST_USE;
void vla_rows_close(vla_rows *r); /* a zeroed one is legal */
/* The next good row that the conditions take; bad ones, and text that is no UTF-8, are warnings. VLA_OK, VLA_EOF, or
 * what ends the reading. */
vla_status vla_rows_next(vla_rows *r, vla_err *err) VLA_MUST_USE;
/* The cell of a role ("image", "caption", "label", ...): the column that was named for it, else the first of the
 * usual ones that the row has with a value; NULL when there is none. Valid until the next row. */
const char *vla_rows_get(const vla_rows *r, const char *role);
/* VLA_EINVAL, with the columns that would do, when no column can play the role. */
vla_status vla_rows_need(const vla_rows *r, const char *role, vla_err *err) VLA_MUST_USE;
size_t vla_rows_line(const vla_rows *r);
/* Warns about the row: "captions.tsv:17: ...". */
void vla_rows_warn(vla_rows *r, const char *fmt, ...) VLA_PRINTF(2, 3);
/* The path of a picture that a cell names; free. NULL when memory is short. */
char *vla_rows_path(const vla_rows *r, const char *cell);
/* A box from the columns x y w h or the list in "box"; false when the row has none or a bad one. */
bool vla_rows_box(const vla_rows *r, const char *prefix, double box[4]);

/* The table of --join, by the picture; a run opens it, rows look into it where their own table lacks a column. */
typedef struct vla_join vla_join;
vla_status vla_join_open(vla_probe *p, const char *path, vla_join **out, vla_err *err) VLA_MUST_USE;
void vla_join_close(vla_join *j); /* NULL legal */
/* The cell of that column for the picture; NULL when there is none. */
const char *vla_join_get(const vla_join *j, const char *image, const char *column);
bool vla_join_has(const vla_join *j, const char *column);

/* A list of texts from a cell: JSON when it begins with '[', else the text itself. Free each and *out. */
vla_status vla_texts_of(const char *cell, char ***out, size_t *n, vla_err *err) VLA_MUST_USE;
void vla_texts_free(char **text, size_t n);

/* --- vectors --- */

vla_status vla_probe_model(vla_probe *p, vla_err *err) VLA_MUST_USE;
void vla_stream_rows_close(struct vla_stream_rows *s); /* NULL legal */

/* Pictures (of boxes, when box is not NULL: [n, 4], width 0 = the whole) and texts as vectors [n, dim], unit length
 * when they come from the model. Where readable is false the row is zeros and a warning was given. Free *out. */
vla_status vla_embed_files(vla_probe *p, char *const *path, const double *box, size_t n, float **out, size_t *dim,
			   bool *readable, vla_err *err) VLA_MUST_USE;
vla_status vla_embed_strings(vla_probe *p, char *const *text, size_t n, float **out, size_t *dim,
			     vla_err *err) VLA_MUST_USE;

/* --- pictures with texts --- */

typedef struct vla_pairs {
	char **image; // [images] paths, or ids of the stream
	size_t images, images_cap;
	char **label; // [images] or NULL members
	char **text;  // [texts]
	size_t texts, texts_cap;
	size_t *of;     // [texts] its picture
	float *iv, *tv; // [images, dim], [texts, dim]
	size_t dim;
} vla_pairs;

/* Reads all inputs (roles image and caption) and embeds both sides, or takes two streams whose ids agree. Pictures that
 * cannot be read are left out with their texts. */
vla_status vla_pairs_open(vla_probe *p, vla_pairs *d, vla_err *err) VLA_MUST_USE;
/* The rows of a condition with vectors of the pictures alone (tv stays NULL). */
vla_status vla_pairs_pictures(vla_probe *p, const char *where, vla_pairs *d, vla_err *err) VLA_MUST_USE;
void vla_pairs_close(vla_pairs *d);
/* The rows of task retrieval. */
vla_status vla_retrieval_measure(vla_probe *p, const vla_pairs *d, vla_err *err) VLA_MUST_USE;

/* Pictures with a class. */
typedef struct vla_labelled {
	char **path; // [n]
	size_t n, cap;
	size_t *label; // [n] below classes
	char **name;   // [classes]
	size_t classes, classes_cap;
	float *v; // [n, dim]
	size_t dim;
	size_t train; // the first rows, when a setting splits; else n
} vla_labelled;

/* From tables (roles image and label) or from the labels of a stream. With the settings `train` and `test` rows of the
 * first condition come first. */
vla_status vla_labelled_open(vla_probe *p, vla_labelled *d, vla_err *err) VLA_MUST_USE;
void vla_labelled_close(vla_labelled *d);

#endif
