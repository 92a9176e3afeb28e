/* Writing chunk files, vlx(5): new ones whole or not at all, existing ones a state at a time. What a state consists of
 * is synced before the slot that names it is written, and the slot is synced before the writer reports success; the
 * state before it is never touched. */
#define _GNU_SOURCE // flock
#include "io/chunk_file.h"
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

struct vla_chunk_writer {
	vla_outfile *out; // a new file, or
	int fd;           // an existing one; that of out otherwise
	chunk_table t;
	size_t cap;
	bool open;   // the last entry is being written
	uint64_t at; // of the next byte
	char *buf;   // [BUFFER]
	size_t buffered;
};

static vla_status write_at(int fd, const void *p, size_t n, uint64_t at, vla_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = pwrite(fd, (const char *)p + done, n - done, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
		done += (size_t)put;
	}
	return VLA_OK;
}

static vla_status sync_file(int fd, vla_err *err)
{
	if (fsync(fd) != 0 && errno != EINVAL)
		return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
	return VLA_OK;
}

static vla_status flush(vla_chunk_writer *w, vla_err *err)
{
	size_t n = w->buffered;
	w->buffered = 0;
	return write_at(w->fd, w->buf, n, w->at - n, err);
}

static vla_status put(vla_chunk_writer *w, const void *p, size_t n, vla_err *err)
{
	while (n) {
		if (w->buffered == BUFFER)
			VLA_TRY(flush(w, err));
		size_t k = BUFFER - w->buffered < n ? BUFFER - w->buffered : n;
		memcpy(w->buf + w->buffered, p, k);
		w->buffered += k;
		w->at += k;
		p = (const char *)p + k;
		n -= k;
	}
	return VLA_OK;
}

static vla_status pad(vla_chunk_writer *w, vla_err *err)
{
	static const char zeros[64];
	return put(w, zeros, (size_t)(chunk_pad(w->at) - w->at), err);
}

static vla_chunk_writer *new_writer(void)
{
	vla_chunk_writer *w = vla_zalloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->fd = -1;
	w->buf = vla_alloc(BUFFER, 1);
	if (!w->buf) {
		free(w);
		return NULL;
	}
	return w;
}

vla_status vla_chunk_writer_open(const char *path, vla_chunk_writer **out, vla_err *err)
{
	static const char zeros[CHUNK_FIRST];
	vla_chunk_writer *w = new_writer();
	if (!w)
		return vla_nomem(err);
	vla_status s = vla_outfile_open(path, &w->out, err);
	if (s == VLA_OK) {
		w->fd = fileno(vla_outfile_stream(w->out));
		s = put(w, zeros, sizeof zeros, err);
	}
	if (s != VLA_OK) {
		vla_chunk_writer_close(w);
		return s;
	}
	*out = w;
	return VLA_OK;
}

// Opens and locks path; another writer may have replaced the file while this one waited.
static vla_status open_locked(const char *path, int *out, vla_err *err)
{
	for (;;) {
		struct stat mine, now;
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return vla_fail(err, VLA_EIO, "cannot open '%s': %s", path, strerror(errno));
		int failed;
		while ((failed = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
			;
		if (failed || fstat(fd, &mine) != 0) {
			vla_status s = vla_fail(err, VLA_EIO, "cannot lock '%s': %s", path, strerror(errno));
			close(fd);
			return s;
		}
		*out = fd;
		if (stat(path, &now) == 0 && now.st_dev == mine.st_dev && now.st_ino == mine.st_ino)
			return VLA_OK;
		close(fd);
	}
}

// Makes both slots whole again and cuts off what a writer left that did not finish.
static vla_status repair(vla_chunk_writer *w, vla_err *err)
{
	unsigned char slot[CHUNK_SLOT];
	chunk_slot_format(&w->t.state, slot);
	for (unsigned i = 0; i < 2; i++)
		if (w->t.slot_bad[i])
			VLA_TRY(write_at(w->fd, slot, sizeof slot, i * CHUNK_SLOT_STEP, err));
	if (w->t.damaged)
		VLA_TRY(sync_file(w->fd, err));
	if (ftruncate(w->fd, (off_t)w->t.state.length) != 0)
		return vla_fail(err, VLA_EIO, "cannot write: %s", strerror(errno));
	return VLA_OK;
}

vla_status vla_chunk_writer_append(const char *path, vla_chunk_writer **out, vla_err *err)
{
	vla_chunk_writer *w = new_writer();
	if (!w)
		return vla_nomem(err);
	vla_status s = open_locked(path, &w->fd, err);
	if (s == VLA_OK) {
		s = chunk_table_read(w->fd, &w->t, err);
		if (s == VLA_OK)
			s = repair(w, err);
		if (s != VLA_OK && s != VLA_ENOMEM)
			s = vla_prefix(err, s, "'%s'", path);
	}
	if (s != VLA_OK) {
		vla_chunk_writer_close(w);
		return s;
	}
	w->cap = w->t.state.chunks;
	w->at = w->t.state.length;
	*out = w;
	return VLA_OK;
}

void vla_chunk_drop(vla_chunk_writer *w, unsigned part, const char tag[4])
{
	size_t n = 0;
	for (size_t i = 0; i < w->t.state.chunks; i++)
		if (w->t.e[i].part != part || memcmp(w->t.e[i].tag, tag, 4) != 0)
			w->t.e[n++] = w->t.e[i];
	w->t.state.chunks = (uint32_t)n;
}

vla_status vla_chunk_begin(vla_chunk_writer *w, unsigned part, const char tag[4], vla_err *err)
{
	chunk_state *s = &w->t.state;
	if (s->chunks == CHUNK_MAX || (part >= VLA_CHUNK_PARTS && part != VLA_CHUNK_WHOLE))
		return vla_fail(err, VLA_EINVAL, "the index has too many parts");
	if (s->chunks == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 32;
		chunk_entry *e = vla_realloc(w->t.e, cap, sizeof *e);
		if (!e)
			return vla_nomem(err);
		w->t.e = e;
		w->cap = cap;
	}
	VLA_TRY(pad(w, err));
	chunk_entry *e = &w->t.e[s->chunks++];
	*e = (chunk_entry){ .offset = w->at, .part = part };
	memcpy(e->tag, tag, 4);
	return VLA_OK;
}

vla_status vla_chunk_add(vla_chunk_writer *w, const void *p, size_t n, vla_err *err)
{
	chunk_entry *e = &w->t.e[w->t.state.chunks - 1];
	e->bytes += n;
	e->crc = chunk_crc(e->crc, p, n);
	return put(w, p, n, err);
}

vla_status vla_chunk_writer_finish(vla_chunk_writer *w, vla_err *err)
{
	chunk_state *s = &w->t.state;
	unsigned char entry[CHUNK_ENTRY], slot[CHUNK_SLOT];
	VLA_TRY(pad(w, err));
	s->table = w->at;
	s->table_crc = 0;
	for (size_t i = 0; i < s->chunks; i++) {
		chunk_entry_format(&w->t.e[i], entry);
		s->table_crc = chunk_crc(s->table_crc, entry, sizeof entry);
		VLA_TRY(put(w, entry, sizeof entry, err));
	}
	VLA_TRY(pad(w, err));
	s->generation++;
	s->length = w->at + CHUNK_SLOT;
	chunk_slot_format(s, slot);
	VLA_TRY(put(w, slot, sizeof slot, err));
	VLA_TRY(flush(w, err));
	if (w->out) {
		VLA_TRY(write_at(w->fd, slot, sizeof slot, 0, err));
		VLA_TRY(write_at(w->fd, slot, sizeof slot, CHUNK_SLOT_STEP, err));
		return vla_outfile_commit(w->out, err);
	}
	VLA_TRY(sync_file(w->fd, err));
	VLA_TRY(write_at(w->fd, slot, sizeof slot, s->generation % 2 * CHUNK_SLOT_STEP, err));
	return sync_file(w->fd, err);
}

void vla_chunk_writer_close(vla_chunk_writer *w)
{
	if (!w)
		return;
	if (!w->out && w->fd >= 0)
		close(w->fd); // gives the lock back too
	vla_outfile_close(w->out);
	free(w->t.e);
	free(w->buf);
	free(w);
}
