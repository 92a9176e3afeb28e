#include "io/table.h"
#include "tap.h"

#include <unistd.h>

static char path[] = "/tmp/vla-table-XXXXXX";

static vla_table *table_of(const char *text, size_t n, vla_table_format format, vla_status want)
{
	vla_err err = VLA_ERR_INIT;
	vla_table *t = NULL;
	FILE *f = fopen(path, "wb");
	fwrite(text, 1, n, f);
	fclose(f);
	vla_status s = vla_table_open(path, format, &t, &err);
	if (!ok(s == want, "opening gives %s", vla_status_name(want)))
		note("%s: %s", vla_status_name(s), err.msg);
	return s == VLA_OK ? t : NULL;
}

static bool field_is(const vla_table *t, const char *name, const char *want)
{
	const char *got = vla_table_get(t, name);
	bool same = got && want ? strcmp(got, want) == 0 : got == want;
	return ok(same, "%s is %s", name, want ? want : "absent");
}

#define TEXT(s) s, sizeof s - 1

static void test_tsv(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_table *t = table_of(TEXT("\xef\xbb\xbfimage\tcaption\r\na.jpg\tone\\ttab \\q \\\\n\r\n"
				     "\nb.jpg\nc.jpg\t\nd.jpg\t1\t2\ne\tlast"),
				VLA_TABLE_AUTO, VLA_OK);
	if (!t)
		return;
	ok(vla_table_has(t, "caption") && !vla_table_has(t, "label"), "columns by name");
	ok(vla_table_next(t, &err) == VLA_OK && vla_table_line(t) == 2, "first row");
	field_is(t, "image", "a.jpg");
	field_is(t, "caption", "one\ttab \\q \\n");
	field_is(t, "label", NULL);
	ok(vla_table_next(t, &err) == VLA_EFORMAT && strstr(err.msg, ":4: 1 fields, the header has 2"), "short row: %s",
	   err.msg);
	ok(vla_table_fields(t) == 0 && !vla_table_get(t, "image"), "which has no fields");
	ok(vla_table_next(t, &err) == VLA_OK, "goes on");
	field_is(t, "caption", "");
	ok(vla_table_next(t, &err) == VLA_EFORMAT && vla_table_line(t) == 6, "long row");
	ok(vla_table_next(t, &err) == VLA_OK, "last line has no newline");
	field_is(t, "caption", "last");
	ok(vla_table_fields(t) == 2 && !strcmp(vla_table_name(t, 1), "caption") && !strcmp(vla_table_value(t, 0), "e"),
	   "by position");
	ok(vla_table_next(t, &err) == VLA_EOF, "end");
	vla_table_close(t);
	table_of(TEXT(""), VLA_TABLE_AUTO, VLA_EFORMAT);
	table_of(TEXT("a\ta\n"), VLA_TABLE_AUTO, VLA_EFORMAT);
	table_of(TEXT("a\t\n"), VLA_TABLE_AUTO, VLA_EFORMAT);
	table_of(TEXT("a\0b\n"), VLA_TABLE_AUTO, VLA_EFORMAT);
	t = table_of(TEXT("a\nx\0y\nz\n"), VLA_TABLE_AUTO, VLA_OK);
	ok(t && vla_table_next(t, &err) == VLA_EFORMAT && vla_table_next(t, &err) == VLA_OK,
	   "a NUL byte spoils its row only");
	vla_table_close(t);
}

static void test_jsonl(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_table *t = table_of(
		TEXT("{\"image\": \"a.jpg\", \"n\": 3, \"x\": 0.5, \"b\": true, \"none\": null, \"box\": [1, 2]}\n"
		     "{\"image\": \n[1]\n{\"a\":1,\"a\":2}\n{\"image\": \"\\u96ea\\n\"}\n{}\n"),
		VLA_TABLE_AUTO, VLA_OK);
	if (!t)
		return;
	ok(vla_table_next(t, &err) == VLA_OK && vla_table_has(t, "whatever"), "first row");
	field_is(t, "image", "a.jpg");
	field_is(t, "n", "3");
	field_is(t, "x", "0.5");
	field_is(t, "b", "true");
	field_is(t, "none", NULL);
	field_is(t, "box", "[1,2]");
	field_is(t, "other", NULL);
	for (int i = 2; i <= 4; i++)
		ok(vla_table_next(t, &err) == VLA_EFORMAT && vla_table_line(t) == (size_t)i, "bad line %d: %s", i,
		   err.msg);
	ok(vla_table_next(t, &err) == VLA_OK, "goes on");
	field_is(t, "image", "\xe9\x9b\xaa\n");
	field_is(t, "n", NULL);
	ok(vla_table_next(t, &err) == VLA_OK && vla_table_fields(t) == 0, "an empty object");
	ok(vla_table_next(t, &err) == VLA_EOF, "end");
	vla_table_close(t);
	t = table_of(TEXT("\xef\xbb\xbf{\"a\":1}\n"), VLA_TABLE_AUTO, VLA_OK);
	ok(t && vla_table_next(t, &err) == VLA_OK && vla_table_line(t) == 1, "after a byte order mark too");
	field_is(t, "a", "1");
	vla_table_close(t);
}

static void test_limits(void)
{
	vla_err err = VLA_ERR_INIT;
	size_t n = VLA_TABLE_MAX_LINE + 100;
	char *big = malloc(n);
	memset(big, 'x', n);
	memcpy(big, "a\n", 2);
	vla_table *t = table_of(big, n, VLA_TABLE_AUTO, VLA_OK);
	ok(t && vla_table_next(t, &err) == VLA_EUNSUPPORTED, "a line over the limit ends the reading");
	vla_table_close(t);
	free(big);
	ok(vla_table_open("/no/such", VLA_TABLE_AUTO, &t, &err) == VLA_EIO && strstr(err.msg, "/no/such"),
	   "missing file");
	vla_table_close(NULL);
}

int main(void)
{
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	test_tsv();
	test_jsonl();
	test_limits();
	unlink(path);
	return done();
}
