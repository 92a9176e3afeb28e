/* Rows of named fields: TSV with a header line, or JSON Lines, from a file or a pipe, one row in memory at a time.
 *
 *	vla_table *t;
 *	vla_status s = vla_table_open("captions.tsv", VLA_TABLE_AUTO, &t, &err);
 *	while (s == VLA_OK && (s = vla_table_next(t, &err)) == VLA_OK || s == VLA_EFORMAT)
 *		if (s == VLA_EFORMAT)
 *			warn(err.msg); // "captions.tsv:17: 2 fields, the header has 3"; the others are read
 *		else
 *			use(vla_table_get(t, "image"), vla_table_get(t, "caption"));
 *	vla_table_close(t);
 *
 * TSV fields may hold \t, \n, \r and \\ as escapes; other backslashes are themselves. CR before the line end and a byte
 * order mark are dropped. JSON: strings as they are, numbers and booleans as text, null as absent, arrays and objects
 * as JSON text. Empty lines are passed over.
 */
#ifndef VLA_IO_TABLE_H
#define VLA_IO_TABLE_H

#include "base/base.h"

typedef struct vla_table vla_table;

/* AUTO: JSON Lines when the first byte is '{'. */
typedef enum vla_table_format { VLA_TABLE_AUTO, VLA_TABLE_TSV, VLA_TABLE_JSONL } vla_table_format;

/* A line longer than this is an error that ends the reading. */
#define VLA_TABLE_MAX_LINE ((size_t)16 << 20)

/* path: a file or "-". For TSV the header line is read at once: VLA_EFORMAT when it is missing, has an empty name or
 * one twice. VLA_OK, VLA_EIO, VLA_EFORMAT, VLA_ENOMEM; messages name the file. */
vla_status vla_table_open(const char *path, vla_table_format format, vla_table **out, vla_err *err) VLA_MUST_USE;
void vla_table_close(vla_table *t); /* NULL legal */

/* The next row. VLA_OK; VLA_EOF; VLA_EFORMAT for a bad row, after which reading may go on; VLA_EUNSUPPORTED (a line
 * over the limit), VLA_EIO and VLA_ENOMEM end it. */
vla_status vla_table_next(vla_table *t, vla_err *err) VLA_MUST_USE;

/* A field of the current row by name; NULL when absent. Valid until the next call of vla_table_next. */
const char *vla_table_get(const vla_table *t, const char *name);
/* Fields of the current row by position; for TSV in the order of the header. */
size_t vla_table_fields(const vla_table *t);
const char *vla_table_name(const vla_table *t, size_t i);
const char *vla_table_value(const vla_table *t, size_t i);
/* TSV: whether the header names the column. JSON Lines: true, since only a row can tell. */
bool vla_table_has(const vla_table *t, const char *name);
/* Undoes the escapes of a TSV field in place. */
void vla_tsv_unescape(char *s);
/* Number of the current line, from 1. */
size_t vla_table_line(const vla_table *t);

#endif
