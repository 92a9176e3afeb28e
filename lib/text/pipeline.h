/* What happens to a text before byte-pair encoding: normalisers on strings, then pre-tokenizers that cut it into
 * words. The steps and their names are those of tokenizer.json. */
#ifndef VLA_TEXT_PIPELINE_H
#define VLA_TEXT_PIPELINE_H

#include "base/base.h"
#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/trie.h"

enum { VLA_MAX_STEPS = 16 };

typedef enum vla_norm_kind {
	VLA_NORM_NFC,
	VLA_NORM_NFD,
	VLA_NORM_NFKC,
	VLA_NORM_NFKD,
	VLA_NORM_LOWER,       /* without context */
	VLA_NORM_LOWER_WORDS, /* with the final sigma */
	VLA_NORM_REPLACE,     /* every match of pattern by content */
	VLA_NORM_PREPEND,     /* content before a text that is not empty */
	VLA_NORM_STRIP,       /* white space at the left, right end */
	VLA_NORM_HTML,        /* character references, once */
	VLA_NORM_REPAIR,      /* see html.h */
	VLA_NORM_CONTROLS,    /* the next five: see clean.h */
	VLA_NORM_ACCENTS,
	VLA_NORM_IDEOGRAPHS,
	VLA_NORM_CATEGORIES,  /* gc is left out */
	VLA_NORM_PUNCTUATION, /* left: '_' is a space */
	VLA_NORM_CLUSTERS,    /* map, see charsmap.h */
	VLA_NORM_SPM          /* map and rules; left: a prefix space only where the text begins */
} vla_norm_kind;

typedef struct vla_norm {
	vla_norm_kind kind;
	vla_pattern *pattern;
	char *content;
	bool left, right;
	uint32_t gc;
	vla_charsmap map;
	vla_spm_rules rules;
	const vla_trie *kept; /* tokens that VLA_NORM_SPM leaves as they are, or NULL; not owned */
} vla_norm;

typedef enum vla_split_behavior {
	VLA_SPLIT_REMOVED,
	VLA_SPLIT_ISOLATED,
	VLA_SPLIT_MERGED_WITH_PREVIOUS,
	VLA_SPLIT_MERGED_WITH_NEXT,
	VLA_SPLIT_CONTIGUOUS
} vla_split_behavior;

typedef enum vla_prefix { VLA_PREFIX_NEVER, VLA_PREFIX_FIRST, VLA_PREFIX_ALWAYS } vla_prefix_scheme;

/* One way of cutting: mark a prefix (maybe), replace spaces by the mark, and then cut by pattern (maybe). A byte-level
 * step has a space for mark, Metaspace has U+2581. */
typedef struct vla_cut {
	vla_pattern *pattern; /* NULL: no cut */
	vla_split_behavior behavior;
	bool invert;              /* what lies between the matches is the delimiter */
	char mark[5];             /* replaces spaces; "" without a mark */
	vla_prefix_scheme prefix; /* a mark before each piece that does not begin with one, or before the first */
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
	bool inside; /* the text to be cut is not the beginning of what is encoded */
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
