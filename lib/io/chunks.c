/* Chunk files, vlx(5). Header, 64 bytes: magic "\x89VLX\r\n\x1a\n", u16 major, u16 minor, u32 number of chunks, u64
 * length of the file, u32 CRC-32 of the table, zeros, and in the last four bytes the CRC-32 of the 60 before. Table: 32
 * bytes a chunk: tag, u32 CRC-32 of the contents, u64 offset, u64 length, zeros; always room for 64 entries. Chunks
 * follow in order, each padded with zeros to a multiple of 64. */
#include "io/chunks.h"

#include "io/file.h"

#include <errno.h>
#include <zlib.h>

#define MAGIC "\x89VLX\r\n\x1a\n"

enum { MAX_CHUNKS = 64, HEAD = 64, ENTRY = 32, MAJOR = 1, MINOR = 0 };

struct entry {
	char tag[4];
	uint32_t crc;
	uint64_t offset, bytes;
};

struct vla_chunks {
	vla_map map;
	struct entry e[MAX_CHUNKS];
	size_t n;
};

struct vla_chunk_writer {
	vla_outfile *out;
	struct entry e[MAX_CHUNKS];
	size_t n;
	uint64_t at;
};

static uint64_t pad64(uint64_t n)
{
	return (n + 63) & ~(uint64_t)63;
}

static uint32_t crc_of(const void *p, uint64_t n)
{
	uLong c = crc32(0, NULL, 0);
	const unsigned char *b = p;
	while (n) {
		uInt part = n > 1u << 30 ? 1u << 30 : (uInt)n;
		c = crc32(c, b, part);
		b += part;
		n -= part;
	}
	return (uint32_t)c;
}

static void put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static void put64(unsigned char *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static vla_status parse(vla_chunks *c, vla_err *err)
{
	const unsigned char *p = (const unsigned char *)c->map.data;
	size_t have = c->map.n;
	if (have < 8 || memcmp(p, MAGIC, 8) != 0)
		return vla_fail(err, VLA_EFORMAT, "not an index file");
	if (have < HEAD)
		return vla_fail(err, VLA_ETRUNC, "the index ends inside its header");
	if (get32(p + 60) != crc_of(p, 60))
		return vla_fail(err, VLA_ECORRUPT, "the header of the index is damaged");
	if ((p[8] | p[9] << 8) != MAJOR)
		return vla_fail(err, VLA_EVERSION, "index version %d; this program reads %d", p[8] | p[9] << 8, MAJOR);
	uint32_t n = get32(p + 12);
	if (n > MAX_CHUNKS)
		return vla_fail(err, VLA_ECORRUPT, "the index names %u chunks, at most %d are allowed", n, MAX_CHUNKS);
	const size_t table = MAX_CHUNKS * ENTRY;
	uint64_t at = HEAD + table;
	if (get64(p + 16) != have)
		return vla_fail(err, get64(p + 16) > have ? VLA_ETRUNC : VLA_ECORRUPT,
				"the index is %zu bytes long, its header says %llu", have,
				(unsigned long long)get64(p + 16));
	if (have < at || get32(p + 24) != crc_of(p + HEAD, table))
		return vla_fail(err, VLA_ECORRUPT, "the table of contents of the index is damaged");
	for (uint32_t i = 0; i < n; i++) {
		const unsigned char *q = p + HEAD + (size_t)i * ENTRY;
		struct entry *e = &c->e[i];
		memcpy(e->tag, q, 4);
		e->crc = get32(q + 4);
		e->offset = get64(q + 8);
		e->bytes = get64(q + 16);
		if (e->offset != at || e->bytes > have - at || pad64(e->bytes) > have - at)
			return vla_fail(err, VLA_ECORRUPT, "chunk %.4s lies outside the index", e->tag);
		at += pad64(e->bytes);
	}
	if (at != have)
		return vla_fail(err, VLA_ECORRUPT, "the index has %llu bytes past its last chunk",
				(unsigned long long)(have - at));
	c->n = n;
	return VLA_OK;
}

vla_status vla_chunks_open(const char *path, vla_chunks **out, vla_err *err)
{
	vla_chunks *c = calloc(1, sizeof *c);
	if (!c)
		return vla_nomem(err);
	vla_status s = vla_map_open(path, VLA_MAP_NORMAL, &c->map, err);
	if (s == VLA_EUNSUPPORTED) // a pipe cannot hold an index, but may hold a stream
		s = vla_fail(err, VLA_EFORMAT, "not an index file");
	else if (s == VLA_OK)
		s = parse(c, err);
	if (s != VLA_OK) {
		vla_chunks_close(c);
		return s;
	}
	*out = c;
	return VLA_OK;
}

void vla_chunks_close(vla_chunks *c)
{
	if (c)
		vla_map_close(&c->map);
	free(c);
}

static const struct entry *find(const vla_chunks *c, const char tag[4])
{
	for (size_t i = 0; i < c->n; i++)
		if (memcmp(c->e[i].tag, tag, 4) == 0)
			return &c->e[i];
	return NULL;
}

const void *vla_chunks_get(const vla_chunks *c, const char tag[4], size_t *bytes)
{
	const struct entry *e = find(c, tag);
	*bytes = e ? (size_t)e->bytes : 0;
	return e ? c->map.data + e->offset : NULL;
}

static vla_status check_entry(const vla_chunks *c, const struct entry *e, vla_err *err)
{
	if (crc_of(c->map.data + e->offset, e->bytes) != e->crc)
		return vla_fail(err, VLA_ECORRUPT, "chunk %.4s of the index is damaged", e->tag);
	for (uint64_t i = e->bytes; i < pad64(e->bytes); i++)
		if (c->map.data[e->offset + i])
			return vla_fail(err, VLA_ECORRUPT, "the padding of chunk %.4s is not zero", e->tag);
	return VLA_OK;
}

vla_status vla_chunks_check_one(const vla_chunks *c, const char tag[4], vla_err *err)
{
	const struct entry *e = find(c, tag);
	return e ? check_entry(c, e, err) : VLA_OK;
}

vla_status vla_chunks_check(const vla_chunks *c, vla_err *err)
{
	const unsigned char *p = (const unsigned char *)c->map.data;
	for (size_t i = 28; i < 60; i++)
		if (p[i])
			return vla_fail(err, VLA_ECORRUPT, "reserved bytes of the index header are set");
	for (size_t i = 0; i < c->n; i++)
		VLA_TRY(check_entry(c, &c->e[i], err));
	return VLA_OK;
}

static vla_status put(vla_chunk_writer *w, const void *p, size_t n, vla_err *err)
{
	if (n && fwrite(p, 1, n, vla_outfile_stream(w->out)) != n)
		return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
	return VLA_OK;
}

vla_status vla_chunk_writer_open(const char *path, vla_chunk_writer **out, vla_err *err)
{
	static const char zero[HEAD + MAX_CHUNKS * ENTRY];
	vla_chunk_writer *w = calloc(1, sizeof *w);
	if (!w)
		return vla_nomem(err);
	w->at = sizeof zero;
	vla_status s = vla_outfile_open(path, &w->out, err);
	if (s == VLA_OK)
		s = put(w, zero, sizeof zero, err);
	if (s != VLA_OK) {
		vla_chunk_writer_close(w);
		return s;
	}
	*out = w;
	return VLA_OK;
}

static vla_status end_chunk(vla_chunk_writer *w, vla_err *err)
{
	static const char zero[64];
	if (!w->n)
		return VLA_OK;
	uint64_t bytes = w->e[w->n - 1].bytes;
	w->at += pad64(bytes);
	return put(w, zero, (size_t)(pad64(bytes) - bytes), err);
}

vla_status vla_chunk_begin(vla_chunk_writer *w, const char tag[4], vla_err *err)
{
	if (w->n == MAX_CHUNKS)
		return vla_fail(err, VLA_EINVAL, "more than %d chunks", MAX_CHUNKS);
	VLA_TRY(end_chunk(w, err));
	struct entry *e = &w->e[w->n++];
	memcpy(e->tag, tag, 4);
	e->offset = w->at;
	e->crc = crc_of(NULL, 0);
	return VLA_OK;
}

vla_status vla_chunk_add(vla_chunk_writer *w, const void *p, size_t n, vla_err *err)
{
	struct entry *e = &w->e[w->n - 1];
	e->bytes += n;
	for (size_t at = 0; at < n;) {
		uInt part = n - at > 1u << 30 ? 1u << 30 : (uInt)(n - at);
		e->crc = (uint32_t)crc32(e->crc, (const unsigned char *)p + at, part);
		at += part;
	}
	return put(w, p, n, err);
}

vla_status vla_chunk_writer_finish(vla_chunk_writer *w, vla_err *err)
{
	unsigned char head[HEAD] = MAGIC, table[MAX_CHUNKS * ENTRY] = { 0 };
	VLA_TRY(end_chunk(w, err));
	for (size_t i = 0; i < w->n; i++) {
		unsigned char *q = table + i * ENTRY;
		memcpy(q, w->e[i].tag, 4);
		put32(q + 4, w->e[i].crc);
		put64(q + 8, w->e[i].offset);
		put64(q + 16, w->e[i].bytes);
	}
	put16(head + 8, MAJOR);
	put16(head + 10, MINOR);
	put32(head + 12, (uint32_t)w->n);
	put64(head + 16, w->at);
	put32(head + 24, crc_of(table, sizeof table));
	put32(head + 60, crc_of(head, 60));
	if (fseeko(vla_outfile_stream(w->out), 0, SEEK_SET) != 0)
		return vla_fail(err, VLA_EIO, "an index needs a plain file: %s", strerror(errno));
	VLA_TRY(put(w, head, HEAD, err));
	VLA_TRY(put(w, table, sizeof table, err));
	return vla_outfile_commit(w->out, err);
}

void vla_chunk_writer_close(vla_chunk_writer *w)
{
	if (w)
		vla_outfile_close(w->out);
	free(w);
}
