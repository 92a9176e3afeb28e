/* The .vle format, vle(5), as the reader, the writer and the mapped matrix share it. A segment is a header, pairs of a
 * RECS block (ids and other fields) and a VECS block (numbers), and an ENDS block. Every part is a multiple of 64 bytes
 * long, so that numbers stay aligned wherever a segment lands. */
#ifndef VLA_IO_STREAM_H
#define VLA_IO_STREAM_H

#include <vla/stream.h>

#include "base/base.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the stream code reads little-endian numbers in place"
#endif

#define VLE_MAGIC "\x89VLE\r\n\x1a\n"
#define VLE_MAJOR 1
#define VLE_MINOR 0
#define VLE_ALIGN 64
#define VLE_FIXED 16 // bytes of the header before its text
#define VLE_HEAD 12  // bytes of a block before its payload
#define VLE_MAX_TEXT ((size_t)1 << 20)
#define VLE_MAX_BLOCK ((size_t)64 << 20)
#define VLE_TARGET ((size_t)1 << 20)
#define VLE_MAX_RECORDS 65536 // a block, as written; the format has no such limit
#define VLE_MAX_PG 200
#define VLE_MAX_PG_BYTES 4096

static inline size_t vle_align(size_t n, size_t a)
{
	return (n + a - 1) / a * a;
}

static inline uint32_t vle_u32(const char *p)
{
	uint32_t x;
	memcpy(&x, p, 4);
	return x;
}

static inline uint64_t vle_u64(const char *p)
{
	uint64_t x;
	memcpy(&x, p, 8);
	return x;
}

uint32_t vle_crc(uint32_t crc, const void *p, size_t n);

/* Header as bytes, padded and with its checksum; appended to b. */
vla_status vle_header_format(const vla_header *h, vla_buf *b, vla_err *err) VLA_MUST_USE;
/* The length in bytes of the header that starts with p [VLE_FIXED]; checks magic, version and limit. */
vla_status vle_header_length(const char *p, size_t *n, vla_err *err) VLA_MUST_USE;
/* p [n]: the whole header; out is released first. */
vla_status vle_header_parse(const char *p, size_t n, vla_header *out, vla_err *err) VLA_MUST_USE;
/* Whether the segment `next` continues `first`; an empty model in first is filled in. */
vla_status vle_header_join(vla_header *first, const vla_header *next, vla_err *err) VLA_MUST_USE;

/* One block, from its tag to its checksum; data is 64-byte aligned. */
typedef struct vle_block {
	const char *data;
	size_t n;
} vle_block;

static inline uint32_t vle_records(const vle_block *b)
{
	return vle_u32(b->data + 4);
}

/* The length of the block that starts with p [VLE_HEAD]; checks limit and alignment. */
vla_status vle_block_length(const char *p, size_t *n, vla_err *err) VLA_MUST_USE;
vla_status vle_block_verify(const vle_block *b, vla_err *err) VLA_MUST_USE;
bool vle_block_is(const char *p, const char *tag);
/* Whether a reader that does not know the tag may pass over the block. */
bool vle_tag_optional(const char *p);

/* Strings of a block: string i is text + off[i], NUL-terminated; off[i] == off[i + 1] is an absent one. */
typedef struct vle_strings {
	const uint32_t *off; // [records + 1], or NULL: no record has one
	const char *text;
} vle_strings;

static inline const char *vle_string(const vle_strings *s, size_t i)
{
	return s->off && s->off[i] != s->off[i + 1] ? s->text + s->off[i] : NULL;
}

/* A RECS block; pointers into it. */
typedef struct vle_recs {
	uint32_t n;
	uint64_t rows_total;
	vle_strings id, caption, label;
	const uint32_t *rows; // [n]; NULL for dense
	const uint32_t *grid; // [n, 2] height, width; or NULL
	const float *box;     // [n, 4], NaN where absent; or NULL
	const double *time;   // [n, 2], NaN where absent; or NULL
} vle_recs;

vla_status vle_recs_parse(const vle_block *b, const vla_header *h, vle_recs *out, vla_err *err) VLA_MUST_USE;

/* Where the parts of a VECS block lie, from its first byte. */
typedef struct vle_layout {
	size_t index, values, scales; // scales: i8 only
	size_t nscales;
	size_t end;   // of the last part, before padding and checksum
	size_t total; // bytes of the block
} vle_layout;

/* False when the block would be over the limit. */
bool vle_layout_of(const vla_header *h, uint64_t records, uint64_t rows, vle_layout *out);

/* n numbers of the stored type (i8: times scale) to f32; false when one is not finite. */
bool vle_decode(vla_dtype t, const void *src, float scale, size_t n, float *out);
/* The reverse; *scale is set for i8. False when a number is not finite or does not fit the type. */
bool vle_encode(vla_dtype t, const float *src, size_t n, void *out, float *scale);
bool vle_finite(const float *p, size_t n);

/* A block at a time from a FILE. */
typedef struct vle_source {
	FILE *f;
	char *buf; // 64-byte aligned
	size_t cap;
} vle_source;

/* The next header into h; VLA_EOF at a clean end when `first` is false. */
vla_status vle_source_header(vle_source *s, bool first, vla_header *h, vla_err *err) VLA_MUST_USE;
/* The next block, checked, in s->buf until the next call. */
vla_status vle_source_block(vle_source *s, vle_block *out, vla_err *err) VLA_MUST_USE;
void vle_source_release(vle_source *s);

/* Checks an ENDS block against the records and the header's count. */
vla_status vle_check_end(const vle_block *b, const vla_header *h, uint64_t records, vla_err *err) VLA_MUST_USE;

#endif
