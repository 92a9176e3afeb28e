/* What happens to a text before byte-pair encoding: normalisers on strings, then pre-tokenizers that cut it into
 * words. The steps and their names are those of tokenizer.json. */
#ifndef VLA_TEXT_PIPELINE_H
#define VLA_TEXT_PIPELINE_H

#include "base/base.h"
#include "text/pattern.h"

enum { VLA_MAX_STEPS = 16 };

typedef enum vla_norm_kind {
	VLA_NORM_NFC,
	VLA_NORM_NFD,
	VLA_NORM_LOWER,       /* without context */
	VLA_NORM_LOWER_WORDS, /* with the final sigma */
	VLA_NORM_REPLACE,     /* every match of pattern by content */
	VLA_NORM_PREPEND,     /* content before a text that is not empty */
	VLA_NORM_STRIP,       /* white space at the left, right end */
	VLA_NORM_HTML,        /* character references, once */
	VLA_NORM_REPAIR       /* see html.h */
} vla_norm_kind;

typedef struct vla_norm {
	vla_norm_kind kind;
	vla_pattern *pattern;
	char *content;
	bool left, right;
} vla_norm;

typedef enum vla_split_behavior {
	VLA_SPLIT_REMOVED,
	VLA_SPLIT_ISOLATED,
	VLA_SPLIT_MERGED_WITH_PREVIOUS,
	VLA_SPLIT_MERGED_WITH_NEXT,
	VLA_SPLIT_CONTIGUOUS
} vla_split_behavior;

/* One way of cutting. A byte-level step is a prefix space (maybe) and then a cut by pattern (maybe none). */
typedef struct vla_cut {
	vla_pattern *pattern; /* NULL: no cut */
	vla_split_behavior behavior;
	bool invert;       /* what lies between the matches is the delimiter */
	bool prefix_space; /* a space before each piece that does not begin with one */
} vla_cut;

typedef struct vla_pipeline {
	vla_norm norm[VLA_MAX_STEPS];
	size_t n_norms;
	vla_cut cut[VLA_MAX_STEPS];
	size_t n_cuts;
} vla_pipeline;

typedef struct vla_span {
	size_t off, n;
} vla_span;

/* Buffers of one run, reused from text to text; zero-initialised is empty. */
typedef struct vla_work {
	vla_buf text, spare;         /* text: what the spans point into */
	vla_span *span, *spare_span; /* [n_spans] the words */
	size_t n_spans, cap_spans, cap_spare;
} vla_work;

/* Both take ownership of *step, also on failure. */
vla_status vla_pipeline_add_norm(vla_pipeline *p, vla_norm *step, vla_err *err) VLA_MUST_USE;
vla_status vla_pipeline_add_cut(vla_pipeline *p, vla_cut *step, vla_err *err) VLA_MUST_USE;
void vla_pipeline_release(vla_pipeline *p);
void vla_work_release(vla_work *w);

/* w->text = normalised s (well-formed UTF-8). */
vla_status vla_pipeline_normalise(const vla_pipeline *p, const char *s, size_t n, vla_work *w,
				  vla_err *err) VLA_MUST_USE;
/* Cuts w->text into w->span. */
vla_status vla_pipeline_cut(const vla_pipeline *p, vla_work *w, vla_err *err) VLA_MUST_USE;

#endif
