#include "io/file.h"
#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/vla-file-XXXXXX";

static const char *in_dir(const char *name)
{
	static char buf[2][256];
	static int i;
	i = !i;
	snprintf(buf[i], sizeof buf[i], "%s/%s", dir, name);
	return buf[i];
}

static bool holds(const char *path, const char *want)
{
	vla_buf b = { 0 };
	bool same = vla_read_file(path, 1 << 20, &b, NULL) == VLA_OK && strcmp(b.data, want) == 0;
	vla_buf_release(&b);
	return same;
}

static void test_output(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_outfile *o = NULL;
	const char *path = in_dir("a");
	ok(vla_outfile_open(path, &o, &err) == VLA_OK, "open");
	fputs("one", vla_outfile_stream(o));
	ok(access(path, F_OK) != 0, "not visible before commit");
	ok(vla_outfile_commit(o, &err) == VLA_OK && holds(path, "one"), "visible after");
	vla_outfile_close(o);
	chmod(path, 0600);
	ok(symlink("a", in_dir("link")) == 0 && vla_outfile_open(in_dir("link"), &o, &err) == VLA_OK, "through a link");
	fputs("two", vla_outfile_stream(o));
	vla_outfile_close(o);
	ok(holds(in_dir("a"), "one"), "abandoned output leaves the old file");
	ok(vla_outfile_open(in_dir("link"), &o, &err) == VLA_OK, "again");
	fputs("three", vla_outfile_stream(o));
	ok(vla_outfile_commit(o, &err) == VLA_OK, "commit");
	vla_outfile_close(o);
	struct stat st;
	ok(holds(in_dir("a"), "three") && lstat(in_dir("link"), &st) == 0 && S_ISLNK(st.st_mode),
	   "the link stays a link");
	ok(stat(in_dir("a"), &st) == 0 && (st.st_mode & 0777) == 0600, "and the file keeps its mode");
	unlink(in_dir("link"));
	unlink(in_dir("a"));
	ok(vla_outfile_open(in_dir("no/such"), &o, &err) == VLA_EIO && strstr(err.msg, "no/such"), "missing folder");
	ok(vla_outfile_open("/dev/null", &o, &err) == VLA_OK && vla_outfile_commit(o, &err) == VLA_OK, "a device");
	vla_outfile_close(o);
	struct stat null;
	ok(stat("/dev/null", &null) == 0 && S_ISCHR(null.st_mode), "stays a device");
	if (access("/dev/full", W_OK) == 0) {
		ok(vla_outfile_open("/dev/full", &o, &err) == VLA_OK, "full disk: open");
		fputs("x", vla_outfile_stream(o));
		ok(vla_outfile_commit(o, &err) == VLA_EIO && strstr(err.msg, "space"), "full disk: commit fails");
		vla_outfile_close(o);
	}
	vla_outfile_close(NULL);
}

static void test_input(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_map m = { 0 };
	vla_buf b = { 0 };
	FILE *f = fopen(in_dir("e"), "wb");
	fclose(f);
	ok(vla_map_open(in_dir("e"), VLA_MAP_NORMAL, &m, &err) == VLA_OK && m.n == 0 && m.data, "empty file maps");
	vla_map_close(&m);
	f = fopen(in_dir("e"), "wb");
	fputs("hello", f);
	fclose(f);
	ok(vla_map_open(in_dir("e"), VLA_MAP_RANDOM, &m, &err) == VLA_OK && m.n == 5 && !memcmp(m.data, "hello", 5),
	   "map");
	vla_map_prefetch(&m, 3, 100);
	vla_map_prefetch(&m, 300, 1);
	vla_map_close(&m);
	vla_map_close(&m);
	ok(vla_map_open(dir, VLA_MAP_NORMAL, &m, &err) == VLA_EUNSUPPORTED, "directory is not mapped");
	ok(vla_map_open(in_dir("none"), VLA_MAP_NORMAL, &m, &err) == VLA_EIO, "missing file");
	ok(vla_read_file(in_dir("e"), 5, &b, &err) == VLA_OK && b.n == 5 && b.data[5] == 0, "read up to the limit");
	ok(vla_read_file(in_dir("e"), 4, &b, &err) == VLA_EFORMAT && strstr(err.msg, "/e'"), "over the limit");
	ok(vla_read_file(dir, 4, &b, &err) == VLA_EIO, "directory is not read");
	vla_buf_release(&b);
	unlink(in_dir("e"));
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_output();
	test_input();
	ok(rmdir(dir) == 0, "nothing is left behind");
	return done();
}
