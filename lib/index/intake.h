/* Rows on their way into an index: read from streams and index files, checked, and laid down where they can be visited
 * in any order. Vectors go to an unnamed file beside the index to be, in the type they will be stored in; ids, captions
 * and labels stay in memory.
 */
#ifndef VLA_INDEX_INTAKE_H
#define VLA_INDEX_INTAKE_H

#include "index/store.h"
#include "io/file.h"

/* A column of strings while it grows. */
typedef struct vla_column {
	vla_buf offset, text; /* offset: u64, without the last one */
	bool any;
} vla_column;

typedef struct vla_intake {
	vla_header header; /* of the first source; model and l2 as all sources agree */
	vla_dtype dtype;   /* as stored */
	uint64_t rows;
	vla_column id, caption, label;
	vla_buf scales; /* f32 a row, for i8 */
	FILE *spool;
	vla_map map; /* of the spool, after finish */
	void *row;   /* [dim] as stored */
} vla_intake;

/* Begins an intake beside `path`. fit: what streams must fit to, or NULL; dtype: a vla_dtype up to VLA_I8, or -1 for
 * that of fit or of the first source. Release in any case. */
vla_status vla_intake_init(vla_intake *in, const char *path, const vla_header *fit, int dtype,
			   vla_err *err) VLA_MUST_USE;
/* All records of a stream ("-": standard input). */
vla_status vla_intake_stream(vla_intake *in, const char *path, vla_err *err) VLA_MUST_USE;
/* All rows of an index that are not deleted; its checksums are verified before. name is for messages. */
vla_status vla_intake_store(vla_intake *in, const vla_store *s, const char *name, vla_err *err) VLA_MUST_USE;
/* VLA_EINVAL when an id came twice. Afterwards rows may be visited. */
vla_status vla_intake_finish(vla_intake *in, vla_err *err) VLA_MUST_USE;
void vla_intake_release(vla_intake *in);

size_t vla_intake_row_bytes(const vla_intake *in);
const void *vla_intake_raw(const vla_intake *in, uint64_t row);         /* as stored */
void vla_intake_vector(const vla_intake *in, uint64_t row, float *out); /* [dim] */
float vla_intake_scale(const vla_intake *in, uint64_t row);
const char *vla_column_at(const vla_column *c, uint64_t row);

/* A set of strings that the caller keeps alive, each with a number. */
typedef struct vla_id_set vla_id_set;
vla_status vla_id_set_new(size_t most, vla_id_set **out, vla_err *err) VLA_MUST_USE;
void vla_id_set_free(vla_id_set *s);
/* False, and *number that of the earlier one, when the string is there already. At most `most` of them. */
bool vla_id_set_add(vla_id_set *s, const char *id, uint64_t *number);
bool vla_id_set_find(const vla_id_set *s, const char *id, uint64_t *number);

#endif
