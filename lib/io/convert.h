/* One form of vectors: how its records are read and written. form_*.c fill in these tables; convert.c opens and
 * names. */
#ifndef VLA_IO_CONVERT_H
#define VLA_IO_CONVERT_H

#include <vla/convert.h>

#include "io/file.h"
#include "io/stream.h"

struct vla_source {
	char *name; // for messages
	const struct vla_source_ops *ops;
	void *state;
	vla_header header;
	vla_status over;
};

struct vla_source_ops {
	/* Sets s->state and s->header. close is called after a failure too, with the state that was set. */
	vla_status (*open)(vla_source *s, const char *path, const vla_form_opts *opts, vla_err *err);
	vla_status (*next)(vla_source *s, vla_rec *rec, vla_err *err);
	void (*close)(vla_source *s);
	bool names_file; // messages hold the file's name already
};

struct vla_sink {
	char *name;
	const struct vla_sink_ops *ops;
	void *state;
	vla_header header;
	vla_outfile *out; // opened by convert.c when ops->file
	FILE *f;
	uint64_t n; // records put
};

struct vla_sink_ops {
	vla_status (*open)(vla_sink *k, const char *path, const vla_form_opts *opts, vla_err *err);
	vla_status (*put)(vla_sink *k, const vla_rec *rec, vla_err *err);
	vla_status (*finish)(vla_sink *k, vla_err *err); // before the output is committed
	void (*close)(vla_sink *k);
	bool file; // writes to k->f
};

extern const struct vla_source_ops vla_source_tsv, vla_source_jsonl, vla_source_npy, vla_source_fbin;
extern const struct vla_sink_ops vla_sink_tsv, vla_sink_jsonl, vla_sink_npy, vla_sink_fbin;

/* Another code for the message that err holds. */
static inline vla_status vla_recode(vla_err *err, vla_status code)
{
	if (err)
		err->code = code;
	return code;
}

/* Numbers of a row or pair list in the header's shape: n of them a record row. */
static inline size_t vla_width(const vla_header *h)
{
	return h->kind == VLA_SPARSE ? 1 : h->dim;
}

#endif
