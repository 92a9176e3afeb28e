/* Reading chunk files, vlx(5). Two slots at the start of the file name its last two states in turn; each state ends in
 * a table of contents and a copy of its slot. When a slot is damaged, by a write that was cut short or otherwise, that
 * copy at the end of the file decides: everything of a state is on disk before its slot is written. */
#define _GNU_SOURCE // pread on 64-bit offsets, nanosleep
#include "io/chunk_file.h"
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC "\x89VLX\r\n\x1a\n"

struct vla_chunks {
	vla_map map;
	chunk_table t;
	unsigned parts;
};

uint32_t chunk_crc(uint32_t crc, const void *p, uint64_t n)
{
	const unsigned char *b = p;
	while (n) {
		uInt part = n > 1u << 30 ? 1u << 30 : (uInt)n;
		crc = (uint32_t)crc32(crc, b, part);
		b += part;
		n -= part;
	}
	return crc;
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

static unsigned get16(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

void chunk_slot_format(const chunk_state *s, unsigned char out[CHUNK_SLOT])
{
	memset(out, 0, CHUNK_SLOT);
	memcpy(out, MAGIC, 8);
	put16(out + 8, CHUNK_MAJOR);
	put16(out + 10, CHUNK_MINOR);
	put32(out + 12, s->chunks);
	put64(out + 16, s->length);
	put64(out + 24, s->generation);
	put64(out + 32, s->table);
	put32(out + 40, s->table_crc);
	put32(out + 60, chunk_crc(0, out, 60));
}

void chunk_entry_format(const chunk_entry *e, unsigned char out[CHUNK_ENTRY])
{
	memset(out, 0, CHUNK_ENTRY);
	memcpy(out, e->tag, 4);
	put32(out + 4, e->crc);
	put64(out + 8, e->offset);
	put64(out + 16, e->bytes);
	put16(out + 24, e->part);
}

vla_status chunk_read(int fd, void *p, size_t n, uint64_t at, vla_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return vla_fail(err, VLA_EIO, "%s", strerror(errno));
		if (got == 0)
			return vla_fail(err, VLA_ETRUNC, "the index ends too early");
		done += (size_t)got;
	}
	return VLA_OK;
}

// VLA_ECORRUPT: not a whole slot of this format.
static vla_status parse_slot(const unsigned char *p, chunk_state *s, vla_err *err)
{
	if (memcmp(p, MAGIC, 8) != 0 || get32(p + 60) != chunk_crc(0, p, 60))
		return vla_fail(err, VLA_ECORRUPT, "the header of the index is damaged");
	if (get16(p + 8) != CHUNK_MAJOR)
		return vla_fail(err, VLA_EVERSION, "index version %u; this program reads %d", get16(p + 8),
				CHUNK_MAJOR);
	*s = (chunk_state){ get64(p + 16), get64(p + 24), get64(p + 32), get32(p + 12), get32(p + 40) };
	for (int i = 44; i < 60; i++)
		if (p[i])
			return vla_fail(err, VLA_ECORRUPT, "the header of the index is damaged");
	uint64_t table = chunk_pad((uint64_t)s->chunks * CHUNK_ENTRY);
	if (s->chunks > CHUNK_MAX || s->table < CHUNK_FIRST || s->table % 64 || s->length > (uint64_t)1 << 60 ||
	    s->table > s->length || s->length - s->table != table + CHUNK_SLOT)
		return vla_fail(err, VLA_ECORRUPT, "the header of the index contradicts itself");
	return VLA_OK;
}

// The copy of a slot that ends the file; state `after` is the one that it must follow.
static bool last_copy(int fd, uint64_t size, uint64_t after, chunk_state *out)
{
	unsigned char p[CHUNK_SLOT];
	return size >= CHUNK_FIRST + CHUNK_SLOT && size % 64 == 0 &&
	       chunk_read(fd, p, sizeof p, size - CHUNK_SLOT, NULL) == VLA_OK && parse_slot(p, out, NULL) == VLA_OK &&
	       out->length == size && out->generation == after + 1;
}

// What the two slots say; VLA_ECORRUPT when that does not settle it.
static vla_status choose(int fd, chunk_table *t, vla_err *err)
{
	unsigned char p[2][CHUNK_SLOT];
	chunk_state s[2];
	vla_status st[2];
	struct stat file;
	for (int i = 0; i < 2; i++)
		VLA_TRY(chunk_read(fd, p[i], CHUNK_SLOT, (uint64_t)i * CHUNK_SLOT_STEP, err));
	for (int i = 0; i < 2; i++) {
		st[i] = parse_slot(p[i], &s[i], err);
		if (st[i] == VLA_EVERSION)
			return st[i];
		t->slot_bad[i] = st[i] != VLA_OK;
	}
	if (fstat(fd, &file) != 0) // after the slots were read: what they name is there
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	uint64_t size = (uint64_t)file.st_size;
	t->damaged = t->slot_bad[0] || t->slot_bad[1];
	if (t->slot_bad[0] && t->slot_bad[1])
		return VLA_ECORRUPT;
	int best = t->slot_bad[0] ? 1 : t->slot_bad[1] ? 0 : s[1].generation > s[0].generation;
	t->state = s[best];
	if (t->damaged && size != s[best].length && !last_copy(fd, size, s[best].generation, &t->state))
		return vla_fail(err, VLA_ECORRUPT, "the header of the index is damaged");
	if (t->state.length > size)
		return vla_fail(err, VLA_ETRUNC, "the index is %llu bytes long, its header says %llu",
				(unsigned long long)size, (unsigned long long)t->state.length);
	return VLA_OK;
}

static vla_status parse_table(const unsigned char *p, chunk_table *t, vla_err *err)
{
	for (uint32_t i = 0; i < t->state.chunks; i++, p += CHUNK_ENTRY) {
		chunk_entry *e = &t->e[i];
		memcpy(e->tag, p, 4);
		e->crc = get32(p + 4);
		e->offset = get64(p + 8);
		e->bytes = get64(p + 16);
		e->part = get16(p + 24);
		if (e->offset < CHUNK_FIRST || e->offset % 64 || e->offset > t->state.table ||
		    e->bytes > t->state.table - e->offset)
			return vla_fail(err, VLA_ECORRUPT, "chunk %.4s lies outside the index", e->tag);
		if (e->part >= VLA_CHUNK_PARTS && e->part != VLA_CHUNK_WHOLE)
			return vla_fail(err, VLA_ECORRUPT, "chunk %.4s is of part %u", e->tag, e->part);
	}
	return VLA_OK;
}

vla_status chunk_table_read(int fd, chunk_table *t, vla_err *err)
{
	char magic[8];
	*t = (chunk_table){ .e = NULL };
	vla_status st = chunk_read(fd, magic, sizeof magic, 0, NULL);
	if (st == VLA_EIO)
		return vla_fail(err, st, "cannot be read");
	if (st != VLA_OK || memcmp(magic, MAGIC, 4) != 0) {
		// A first slot that is damaged still leaves the second one.
		if (chunk_read(fd, magic, sizeof magic, CHUNK_SLOT_STEP, NULL) != VLA_OK ||
		    memcmp(magic, MAGIC, sizeof magic) != 0)
			return vla_fail(err, VLA_EFORMAT, "not an index file");
	}
	// A slot that a writer is at this moment writing may be seen half done.
	for (int i = 0; (st = choose(fd, t, err)) == VLA_ECORRUPT && i < 3; i++)
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	VLA_TRY(st);
	size_t n = t->state.chunks * (size_t)CHUNK_ENTRY;
	unsigned char *p = vla_alloc(n, 1);
	t->e = vla_alloc(t->state.chunks, sizeof *t->e);
	st = p && t->e ? chunk_read(fd, p, n, t->state.table, err) : vla_nomem(err);
	if (st == VLA_OK && chunk_crc(0, p, n) != t->state.table_crc)
		st = vla_fail(err, VLA_ECORRUPT, "the table of contents of the index is damaged");
	if (st == VLA_OK)
		st = parse_table(p, t, err);
	free(p);
	if (st != VLA_OK) {
		free(t->e);
		t->e = NULL;
	}
	return st;
}

vla_status vla_chunks_open(const char *path, vla_chunks **out, vla_err *err)
{
	struct stat st;
	vla_status s = VLA_OK;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	vla_chunks *c = vla_zalloc(1, sizeof *c);
	if (!c)
		s = vla_nomem(err);
	else if (fstat(fd, &st) != 0)
		s = vla_fail(err, VLA_EIO, "%s", strerror(errno));
	else if (S_ISDIR(st.st_mode))
		s = vla_fail(err, VLA_EIO, "is a directory");
	else if (!S_ISREG(st.st_mode)) // a pipe cannot hold an index, but may hold a stream
		s = vla_fail(err, VLA_EFORMAT, "not an index file");
	if (s == VLA_OK)
		s = chunk_table_read(fd, &c->t, err);
	if (s == VLA_OK)
		s = vla_map_fd(fd, VLA_MAP_NORMAL, &c->map, err);
	if (s == VLA_OK && c->map.n < c->t.state.length)
		s = vla_fail(err, VLA_ETRUNC, "the index ends too early");
	close(fd);
	if (s != VLA_OK) {
		vla_chunks_close(c);
		return s;
	}
	for (uint32_t i = 0; i < c->t.state.chunks; i++)
		if (c->t.e[i].part != VLA_CHUNK_WHOLE && c->t.e[i].part >= c->parts)
			c->parts = c->t.e[i].part + 1;
	*out = c;
	return VLA_OK;
}

void vla_chunks_close(vla_chunks *c)
{
	if (!c)
		return;
	vla_map_close(&c->map);
	free(c->t.e);
	free(c);
}

unsigned vla_chunks_parts(const vla_chunks *c)
{
	return c->parts;
}

uint64_t vla_chunks_generation(const vla_chunks *c)
{
	return c->t.state.generation;
}

static const chunk_entry *find(const vla_chunks *c, unsigned part, const char tag[4])
{
	for (size_t i = 0; i < c->t.state.chunks; i++)
		if (c->t.e[i].part == part && memcmp(c->t.e[i].tag, tag, 4) == 0)
			return &c->t.e[i];
	return NULL;
}

const void *vla_chunks_get(const vla_chunks *c, unsigned part, const char tag[4], size_t *bytes)
{
	const chunk_entry *e = find(c, part, tag);
	*bytes = e ? (size_t)e->bytes : 0;
	return e ? c->map.data + e->offset : NULL;
}

bool vla_chunks_nth(const vla_chunks *c, size_t n, unsigned *part, const char **tag, uint64_t *bytes)
{
	if (n >= c->t.state.chunks)
		return false;
	*part = c->t.e[n].part;
	*tag = c->t.e[n].tag;
	*bytes = c->t.e[n].bytes;
	return true;
}

static vla_status zero(const vla_chunks *c, uint64_t from, uint64_t to, const char *what, vla_err *err)
{
	for (uint64_t i = from; i < to; i++)
		if (c->map.data[i])
			return vla_fail(err, VLA_ECORRUPT, "the padding of %.4s is not zero", what);
	return VLA_OK;
}

static vla_status check_entry(const vla_chunks *c, const chunk_entry *e, vla_err *err)
{
	if (chunk_crc(0, c->map.data + e->offset, e->bytes) != e->crc)
		return vla_fail(err, VLA_ECORRUPT, "chunk %.4s of the index is damaged", e->tag);
	return zero(c, e->offset + e->bytes, e->offset + chunk_pad(e->bytes), e->tag, err);
}

vla_status vla_chunks_check_one(const vla_chunks *c, unsigned part, const char tag[4], vla_err *err)
{
	const chunk_entry *e = find(c, part, tag);
	return e ? check_entry(c, e, err) : VLA_OK;
}

vla_status vla_chunks_check(const vla_chunks *c, vla_err *err)
{
	const chunk_state *s = &c->t.state;
	unsigned char slot[CHUNK_SLOT];
	if (c->t.damaged)
		return vla_fail(err, VLA_ECORRUPT, "the header of the index is damaged");
	chunk_slot_format(s, slot);
	if (memcmp(slot, c->map.data + s->length - CHUNK_SLOT, sizeof slot) != 0)
		return vla_fail(err, VLA_ECORRUPT, "the end of the index is damaged");
	VLA_TRY(zero(c, s->table + (uint64_t)s->chunks * CHUNK_ENTRY, s->length - CHUNK_SLOT, "the table", err));
	VLA_TRY(zero(c, CHUNK_SLOT, CHUNK_SLOT_STEP, "the header", err));
	VLA_TRY(zero(c, CHUNK_SLOT_STEP + CHUNK_SLOT, CHUNK_FIRST, "the header", err));
	for (size_t i = 0; i < s->chunks; i++)
		VLA_TRY(check_entry(c, &c->t.e[i], err));
	return VLA_OK;
}
