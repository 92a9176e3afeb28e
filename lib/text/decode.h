/* From tokens back to text: the decoder steps of tokenizer.json, by name. */
#ifndef VLA_TEXT_DECODE_H
#define VLA_TEXT_DECODE_H

#include "text/pipeline.h"

typedef enum vla_decode_kind {
	VLA_DECODE_BYTE_LEVEL, /* the byte alphabet to bytes; all become one piece */
	VLA_DECODE_BYTES,      /* runs of <0x00> to <0xFF> to characters */
	VLA_DECODE_FUSE,       /* all become one piece */
	VLA_DECODE_STRIP,      /* content, at most start times at the left and stop times at the right of each piece */
	VLA_DECODE_REPLACE,    /* every match of pattern by content */
	VLA_DECODE_METASPACE,  /* the mark `content` to spaces; left out of the first piece when first */
	VLA_DECODE_WORDPIECE,  /* content is the prefix of pieces inside a word; tidy: spaces before punctuation go */
	VLA_DECODE_SUFFIX      /* content at the end of a word to a space, to nothing in the last piece */
} vla_decode_kind;

typedef struct vla_decode_step {
	vla_decode_kind kind;
	char *content;
	vla_pattern *pattern;
	size_t start, stop;
	bool first, tidy;
} vla_decode_step;

/* Without steps pieces are joined by spaces. */
typedef struct vla_decoder {
	vla_decode_step step[VLA_MAX_STEPS];
	size_t n;
} vla_decoder;

/* Takes ownership of *step, also on failure. */
vla_status vla_decoder_add(vla_decoder *d, vla_decode_step *step, vla_err *err) VLA_MUST_USE;
/* A step with a copy of content (which may be NULL). */
vla_status vla_decoder_add_simple(vla_decoder *d, vla_decode_kind kind, const char *content, vla_err *err) VLA_MUST_USE;
void vla_decoder_release(vla_decoder *d);

/* Adds one token to the pieces in w, which begins cleared. */
vla_status vla_decoder_put(vla_work *w, const char *token, vla_err *err) VLA_MUST_USE;
/* Runs the steps over the pieces; out gets the joined text, well-formed, and a 0 behind it. */
vla_status vla_decoder_run(const vla_decoder *d, vla_work *w, vla_buf *out, vla_err *err) VLA_MUST_USE;

#endif
