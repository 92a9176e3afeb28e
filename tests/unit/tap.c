#include "tap.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int count, failed;

bool ok(bool cond, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("%sok %d - ", cond ? "" : "not ", ++count);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	failed += !cond;
	fflush(stdout);
	return cond;
}

void skip(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("ok %d # SKIP ", ++count);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

bool near(double got, double want, double tol, const char *name)
{
	bool good = fabs(got - want) <= tol * fmax(1, fabs(want));
	if (!ok(good, "%s", name))
		note("got %.9g, want %.9g, tolerance %g", got, want, tol);
	return good;
}

const char *shared(const char *path)
{
	static char buf[4096];
	const char *root = getenv("VLA_SHARED");
	snprintf(buf, sizeof buf, "%s/%s", root ? root : "../shared", path);
	return access(buf, R_OK) == 0 ? buf : NULL;
}

int done(void)
{
	printf("1..%d\n", count);
	if (failed)
		printf("# %d of %d failed\n", failed, count);
	return failed != 0;
}
