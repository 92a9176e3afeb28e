/* TAP output for unit tests.
 *
 *	int main(void)
 *	{
 *		ok(1 + 1 == 2, "sums");
 *		return done();
 *	}
 */
#ifndef VLA_TESTS_TAP_H
#define VLA_TESTS_TAP_H

#include <stdbool.h>

/* One test line; returns cond. */
bool ok(bool cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A passing line marked `# SKIP reason`. */
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A `# ...` line. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* |got - want| <= tol * max(1, |want|); prints both otherwise. */
bool near(double got, double want, double tol, const char *name);
/* Path of a file under ../shared (or $VLA_SHARED), or NULL when it is absent. Static buffer, one at a time. */
const char *shared(const char *path);
/* Prints the plan; returns the exit status of main. */
int done(void);

#endif
