/* Changes of an index that are stopped at any write, cut or sync, by a killed process, a power failure or a full disk:
 * what is left is the old state or the new one, and the next change works. VLA_LONG=1 cuts each write at many lengths.
 *
 * The system calls of the writer are replaced here: the n-th call is carried out in part, or not, and the process ends.
 * For a power failure, writes since the last fsync are taken back in one of several ways. */
#define _GNU_SOURCE // syscall, SYS_
#include <vla/index.h>

#include "base/base.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIM = 6, ROWS = 12, DIED = 9 };

static enum { NOTHING, KILL, POWER, FULL } mode;
static long calls_left; // until the one that fails
static size_t cut;      // bytes of it that are still written, per thousand of its length
static unsigned lose;   // power: which writes since the last fsync are lost

static struct undo {
	int fd;
	off_t at;
	size_t n, old; // old: bytes that were there
	char *data;
} undo[64];
static size_t undos;

static void power_failure(void)
{
	for (size_t i = undos; i-- > 0;) {
		const struct undo *u = &undo[i];
		char zeros[256] = { 0 };
		if (!(lose >> i % 8 & 1))
			continue;
		(void)!syscall(SYS_pwrite64, u->fd, u->data, u->old, u->at);
		for (size_t k = u->old; k < u->n; k += sizeof zeros)
			(void)!syscall(SYS_pwrite64, u->fd, zeros, u->n - k < sizeof zeros ? u->n - k : sizeof zeros,
				       u->at + (off_t)k);
	}
}

static bool fails_now(void)
{
	return mode != NOTHING && calls_left-- == 0;
}

static void die_here(void)
{
	if (mode == POWER)
		power_failure();
	syscall(SYS_exit_group, DIED);
}

static void remember(int fd, size_t n, off_t at)
{
	if (mode != POWER || undos == 64)
		return;
	struct undo *u = &undo[undos++];
	*u = (struct undo){ fd, at, n, 0, malloc(n + 1) };
	ssize_t got = u->data ? syscall(SYS_pread64, fd, u->data, n, at) : 0;
	u->old = got > 0 ? (size_t)got : 0;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	bool fail = fails_now();
	remember(fd, n, at);
	if (!fail)
		return syscall(SYS_pwrite64, fd, p, n, at);
	size_t part = n * cut / 1000;
	if (part)
		(void)!syscall(SYS_pwrite64, fd, p, part, at);
	if (mode != FULL)
		die_here();
	errno = ENOSPC;
	return -1;
}

int fsync(int fd)
{
	if (fails_now()) {
		if (mode != FULL)
			die_here();
		errno = EIO;
		return -1;
	}
	undos = 0;
	return (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t n)
{
	if (fails_now()) {
		if (mode != FULL)
			die_here();
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_ftruncate, fd, n);
}

int rename(const char *from, const char *to)
{
	if (fails_now()) {
		if (mode != FULL)
			die_here();
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static char dir[64], path[80], saved[80], stream[2][80];

static bool write_stream(const char *to, unsigned first, unsigned n, float shift)
{
	vla_header h = VLA_HEADER_INIT;
	vla_writer *w = NULL;
	h.dim = DIM;
	vla_status s = vla_writer_open(to, &h, &w, NULL);
	for (unsigned i = first; i < first + n && s == VLA_OK; i++) {
		vla_rec rec = VLA_REC_INIT;
		float v[DIM];
		char id[16];
		for (unsigned c = 0; c < DIM; c++)
			v[c] = (float)((i * 7 + c * 3) % 11) - 5 + shift;
		snprintf(id, sizeof id, "id-%u", i);
		rec.id = id;
		rec.data = v;
		s = vla_writer_put(w, &rec, NULL);
	}
	if (s == VLA_OK)
		s = vla_writer_finish(w, NULL);
	vla_writer_close(w);
	return s == VLA_OK;
}

static bool copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
	size_t n = a ? fread(buf, 1, sizeof buf, a) : 0;
	bool good = a && b && n < sizeof buf && fwrite(buf, 1, n, b) == n;
	if (a)
		fclose(a);
	return (!b || fclose(b) == 0) && good;
}

// What an index holds, order aside; 0 when it cannot be opened.
static uint64_t contents(const char *file)
{
	vla_index *x;
	vla_err err = VLA_ERR_INIT;
	uint64_t sum = 1;
	float v[DIM];
	if (vla_index_open(file, NULL, &x, &err) != VLA_OK) {
		note("%s", err.msg);
		return 0;
	}
	for (uint64_t r = 0; r < vla_index_rows(x); r++) {
		if (vla_index_deleted(x, r))
			continue;
		const char *id = vla_index_id(x, r);
		vla_index_vector(x, r, v);
		sum += vla_hash64(v, sizeof v, vla_hash64(id, strlen(id), 0));
	}
	vla_index_close(x);
	return sum;
}

typedef enum { ADD, REPLACE, DELETE, COMPACT, CHANGES } change;
static const char *const names[] = { "add", "add --replace", "delete", "compact" };

static vla_status do_change(change c, vla_err *err)
{
	const char *const in[] = { c == REPLACE ? stream[1] : stream[0] };
	static const char *const ids[] = { "id-3", "id-0" };
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	if (c == DELETE)
		return vla_index_delete(path, ids, 2, NULL, NULL, &o, NULL, err);
	if (c == COMPACT)
		return vla_index_compact(path, &o, NULL, err);
	return vla_index_add(path, in, 1, c == REPLACE, &o, NULL, err);
}

static bool fresh(void)
{
	remove(path);
	return copy_file(saved, path);
}

struct outcome {
	long trials, bad, refused, old, new;
};

// One trial in a process of its own: whether it ended by itself.
static bool trial(change c, long n, uint64_t before, uint64_t after, struct outcome *o)
{
	int status = 0;
	if (!fresh())
		exit(2);
	pid_t child = fork();
	if (child == 0) {
		calls_left = n;
		vla_status s = do_change(c, NULL);
		syscall(SYS_exit_group, s == VLA_OK ? 0 : 3);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		exit(2);
	int code = WEXITSTATUS(status);
	uint64_t now = contents(path);
	o->trials++;
	o->old += now == before;
	o->new += now == after &&now != before;
	bool good = now == before || now == after;
	if (code == 0)
		good = good && now == after;
	// The next change finds the file usable and leaves it sound.
	vla_err err = VLA_ERR_INIT;
	enum { OTHER = DELETE };
	bool had = mode != NOTHING;
	int was = (int)mode;
	mode = NOTHING;
	const char *const id[] = { "id-5" };
	vla_index_opts opts = VLA_INDEX_OPTS_INIT;
	vla_status s = vla_index_delete(path, id, 1, NULL, NULL, &opts, NULL, &err);
	if (s != VLA_OK || vla_index_check(path, &err) != VLA_OK || !good) {
		note("%s, call %ld, cut %zu: %s %s", names[c], n, cut, good ? "then" : "neither state", err.msg);
		o->bad++;
	}
	mode = had ? was : NOTHING;
	return code == 0;
}

static void faults(const char *what, int how, change c)
{
	static const size_t few[] = { 0, 500, 999, 1000 };
	struct outcome o = { 0, 0, 0, 0, 0 };
	bool thorough = getenv("VLA_LONG") != NULL;
	vla_err err = VLA_ERR_INIT;
	mode = NOTHING;
	if (!fresh())
		exit(2);
	uint64_t before = contents(path);
	bool good = do_change(c, &err) == VLA_OK;
	uint64_t after = contents(path);
	long calls = 0;
	for (size_t k = 0; k < (thorough ? 67 : 4); k++) {
		cut = thorough ? k * 15 : few[k];
		for (lose = how == POWER ? 1 : 0; lose < (how == POWER ? (thorough ? 16 : 4) : 1); lose++) {
			bool ended = false;
			for (long n = 0; n < 100 && !ended; n++) {
				mode = how;
				ended = trial(c, n, before, after, &o);
				calls = n;
			}
			o.bad += !ended;
		}
	}
	mode = NOTHING;
	ok(good && o.bad == 0 && o.old > 0 && calls > 3,
	   "%s, %s: %ld trials at %ld calls, %ld kept the old state, %ld had the new %s", names[c], what, o.trials,
	   calls, o.old, o.new, err.msg);
}

// A reader that opens the file again and again while it grows sees one whole state after the other.
static void readers(void)
{
	enum { ADDS = 12 };
	char more[96];
	int status = 0;
	uint64_t last = 0, opened = 0;
	bool good = fresh();
	vla_index *early = NULL;
	good = good && vla_index_open(path, NULL, &early, NULL) == VLA_OK;
	pid_t child = fork();
	if (child == 0) {
		vla_index_opts o = VLA_INDEX_OPTS_INIT;
		for (unsigned i = 0; i < ADDS; i++) {
			const char *const in[] = { more };
			snprintf(more, sizeof more, "%s/more.vle", dir);
			if (!write_stream(more, 100 + 10 * i, 10, 0) ||
			    vla_index_add(path, in, 1, false, &o, NULL, NULL) != VLA_OK)
				syscall(SYS_exit_group, 1);
		}
		syscall(SYS_exit_group, 0);
	}
	good = good && child > 0;
	for (bool running = true; good && running;) {
		vla_index *x = NULL;
		running = waitpid(child, &status, WNOHANG) == 0;
		good = vla_index_open(path, NULL, &x, NULL) == VLA_OK;
		if (!good)
			break;
		uint64_t rows = vla_index_rows(x);
		good = rows >= last && (rows - ROWS) % 10 == 0 && vla_index_check(path, NULL) == VLA_OK;
		last = rows;
		opened++;
		vla_index_close(x);
	}
	ok(good && status == 0 && last == ROWS + 10 * ADDS, "a reader sees whole states while a writer adds");
	float q[DIM] = { 1 };
	vla_hit h[ROWS];
	size_t n = 0;
	ok(early && vla_index_rows(early) == ROWS && vla_index_search(early, q, 1, ROWS, h, &n, NULL) == VLA_OK &&
		   n == ROWS,
	   "one that had opened the file goes on with what it was");
	vla_index_close(early);
}

static void remove_all(void)
{
	const char *files[] = { path, saved, stream[0], stream[1] };
	char more[96];
	for (size_t i = 0; i < 4; i++)
		remove(files[i]);
	snprintf(more, sizeof more, "%s/more.vle", dir);
	remove(more);
	rmdir(dir);
}

int main(void)
{
	vla_index_opts o = VLA_INDEX_OPTS_INIT;
	snprintf(dir, sizeof dir, "%s/vla-fault-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir))
		return 2;
	snprintf(path, sizeof path, "%s/i.vlx", dir);
	snprintf(saved, sizeof saved, "%s/saved.vlx", dir);
	snprintf(stream[0], sizeof stream[0], "%s/a.vle", dir);
	snprintf(stream[1], sizeof stream[1], "%s/b.vle", dir);
	const char *const first[] = { stream[0] };
	bool good = write_stream(stream[0], 0, ROWS, 0) && vla_index_build(first, 1, saved, &o, NULL, NULL) == VLA_OK &&
		    write_stream(stream[0], 50, 5, 0) && write_stream(stream[1], 8, 8, 0.5f);
	ok(good, "sample built");
	for (int c = 0; c < CHANGES && good; c++) {
		faults("killed", KILL, (change)c);
		faults("power failure", POWER, (change)c);
		faults("disk full", FULL, (change)c);
	}
	if (good)
		readers();
	remove_all();
	return done();
}
