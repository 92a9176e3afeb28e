/* Training data: examples with a picture or a feature vector, captions, and a class with names, from manifests, tar
 * shards, folders and streams. Everything but pixels is in memory; data sets are read-only after they were opened. */
#ifndef VLA_TRAIN_DATA_H
#define VLA_TRAIN_DATA_H

#include "train/augment.h"
#include "train/intern.h"
#include "train/recipe.h"

#include <vla/image.h>
#include <vla/stream.h>

#define VLA_NONE UINT32_MAX

/* Where a picture lies: a whole file, or `bytes` bytes from `offset` on. */
typedef struct vla_picture {
	const char *path;
	uint64_t offset, bytes; /* bytes 0: the whole file */
} vla_picture;

typedef struct vla_name {
	const char *text;
	uint32_t column; /* whose templates it goes into */
} vla_name;

typedef struct vla_example {
	const char *id;                 /* file or stream id */
	uint32_t picture;               /* into picture[], or VLA_NONE */
	uint32_t first_vector, vectors; /* into vector_row[] */
	uint32_t first_text, texts;     /* captions, into text[] */
	uint32_t first_name, names;     /* into name[] */
	uint32_t label;                 /* class number over all data sets, or VLA_NONE */
} vla_example;

typedef struct vla_column { /* a column of names with its templates */
	char *name;
	const char **pattern; /* with {} */
	size_t n;
} vla_column;

typedef struct vla_data {
	const char *name;
	const vla_section *sec;
	vla_example *ex;
	size_t n, cap;
	vla_picture *picture;
	size_t pictures, picture_cap;
	size_t first_picture; /* number of picture 0 over all data sets */
	const char **text;
	size_t texts, text_cap;
	vla_name *names;
	size_t n_names, name_cap;
	vla_column *column;
	size_t columns;
	uint32_t *vector_row; /* rows of the vectors, grouped by example */
	size_t n_vectors, vector_cap;
	vla_matrix *matrix; /* the vectors: a stream, or */
	float *rows;        /* a tensor [n_rows, dim] */
	size_t n_rows, dim; /* dim 0: no vectors */
	double share;       /* weight in a batch */
	double name_share, word_dropout;
	uint32_t crops; /* fixed crops a picture; 0: new ones each time */
	vla_augment_opts augment;
	vla_arena *mem; /* strings */
	vla_intern ids; /* example ids, while reading */
	char *root;
} vla_data;

typedef struct vla_corpus {
	const vla_recipe *recipe;
	vla_data *data;
	size_t n;
	vla_intern classes; /* class names, shared by all data sets: equal names are one class */
	size_t pictures;    /* in all */
} vla_corpus;

/* Opens all [data NAME] sections. */
vla_status vla_corpus_open(const vla_recipe *r, vla_warn_fn *warn, void *ctx, vla_corpus **out,
			   vla_err *err) VLA_MUST_USE;
void vla_corpus_close(vla_corpus *c);
/* Opens one section of kind "data" or "eval" as a data set of c. */
vla_status vla_data_open(vla_corpus *c, const char *kind, const vla_section *sec, vla_data *d,
			 vla_err *err) VLA_MUST_USE;
void vla_data_close(vla_data *d);

/* Index of the data set, or of none: SIZE_MAX. */
size_t vla_corpus_find(const vla_corpus *c, const char *name);

/* One text for an example: a caption, or a name in a template. Appended to out with a NUL; false when the example has
 * none. */
vla_status vla_data_text(const vla_data *d, const vla_example *e, vla_rng *rng, vla_buf *out, bool *found,
			 vla_err *err) VLA_MUST_USE;
/* The name in its column's template t (modulo their number). */
vla_status vla_data_prompt(const vla_data *d, const vla_name *name, size_t t, vla_buf *out, vla_err *err) VLA_MUST_USE;
/* Vector of row `row` as f32, [dim]. */
void vla_data_vector(const vla_data *d, uint32_t row, float *out);

/* Reads and decodes a picture. */
vla_status vla_picture_load(const vla_picture *p, uint32_t min_side, vla_image *out, vla_err *err) VLA_MUST_USE;

/* Used by the readers of each layout. */
char *vla_data_string(vla_data *d, const char *s);
vla_status vla_data_example(vla_data *d, const char *id, bool *fresh, vla_example **out, vla_err *err) VLA_MUST_USE;
vla_status vla_data_add_picture(vla_data *d, vla_example *e, const char *path, uint64_t offset, uint64_t bytes,
				vla_err *err) VLA_MUST_USE;
vla_status vla_data_add_text(vla_data *d, vla_example *e, const char *text, vla_err *err) VLA_MUST_USE;
vla_status vla_data_set_label(vla_corpus *c, vla_example *e, const char *label, vla_err *err) VLA_MUST_USE;
/* column: of d->column. An example's names are added one after another. */
vla_status vla_data_add_name(vla_data *d, vla_example *e, const char *text, uint32_t column, vla_err *err) VLA_MUST_USE;
/* Lets e, the last example, use the names of the one before when they are the same: classes come in runs. */
bool vla_data_share_names(vla_data *d, vla_example *e);
/* The tensor's row as e's vector. */
vla_status vla_data_add_vector(vla_data *d, vla_example *e, uint64_t row, vla_err *err) VLA_MUST_USE;
vla_status vla_data_read_manifest(vla_corpus *c, const char *kind, vla_data *d, vla_err *err) VLA_MUST_USE;
vla_status vla_data_read_tar(vla_corpus *c, vla_data *d, vla_err *err) VLA_MUST_USE;
vla_status vla_data_read_folder(vla_corpus *c, vla_data *d, vla_err *err) VLA_MUST_USE;

#endif
