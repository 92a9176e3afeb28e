/* What the reader and the writer of chunk files share, vlx(5). */
#ifndef VLA_IO_CHUNK_FILE_H
#define VLA_IO_CHUNK_FILE_H

#include "io/chunks.h"

enum {
	CHUNK_SLOT = 64,        // bytes of a state record
	CHUNK_SLOT_STEP = 4096, // the two slots lie in different pages
	CHUNK_FIRST = 8192,     // where chunks begin
	CHUNK_ENTRY = 32,       // bytes of an entry of the table of contents
	CHUNK_MAX = 8192,       // entries
	CHUNK_MAJOR = 2,
	CHUNK_MINOR = 0
};

typedef struct chunk_entry {
	char tag[4];
	uint32_t crc;
	uint64_t offset, bytes;
	unsigned part;
} chunk_entry;

/* One state of the file: what a slot says. */
typedef struct chunk_state {
	uint64_t length, generation, table;
	uint32_t chunks, table_crc;
} chunk_state;

/* A state and its table. */
typedef struct chunk_table {
	chunk_state state;
	chunk_entry *e; // [state.chunks]
	bool damaged;   // one of the slots is; the state was found all the same
	bool slot_bad[2];
} chunk_table;

static inline uint64_t chunk_pad(uint64_t n)
{
	return (n + 63) & ~(uint64_t)63;
}

uint32_t chunk_crc(uint32_t crc, const void *p, uint64_t n);
void chunk_slot_format(const chunk_state *s, unsigned char out[CHUNK_SLOT]);
void chunk_entry_format(const chunk_entry *e, unsigned char out[CHUNK_ENTRY]);
/* The newest whole state of the open file. out is released first by the caller; its table is freed with free. */
vla_status chunk_table_read(int fd, chunk_table *out, vla_err *err) VLA_MUST_USE;
/* All n bytes at an offset; VLA_ETRUNC when there are fewer. */
vla_status chunk_read(int fd, void *p, size_t n, uint64_t at, vla_err *err) VLA_MUST_USE;

#endif
