/* Messages, exit status and progress of a tool; one process, one tool, so the state is static.
 *
 *	int main(int argc, char **argv)
 *	{
 *		diag_init(argv[0]);
 *		...
 *		if (vla_reader_open(path, &r, &err) != VLA_OK)
 *			die("cannot open '%s': %s", path, err.msg);
 *		return finish(0);
 *	}
 *
 * Messages start in lower case, quote what they are about and have no full stop. A format that ends in ':' gets
 * the reason of errno appended. Control characters are shown as '?'. SIGPIPE keeps its default action.
 */
#ifndef VLA_COMMON_DIAG_H
#define VLA_COMMON_DIAG_H

#include <vla/status.h>

#include <stdio.h>

#define NORETURN __attribute__((noreturn))

/* Exit statuses. */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_TROUBLE = 2 };

void diag_init(const char *argv0);
const char *diag_name(void);
void diag_level(bool quiet, bool verbose);
bool diag_quiet(void);

/* Prints the message and exits with status 2. */
void die(const char *fmt, ...) VLA_PRINTF(1, 2) NORETURN;
/* The same, and a pointer to --help. */
void usage_error(const char *fmt, ...) VLA_PRINTF(1, 2) NORETURN;
/* Prints the message; finish() will return 2. */
void warn(const char *fmt, ...) VLA_PRINTF(1, 2);
/* A vla_warn_fn: same as warn("%s", msg); ctx is not used. */
void warn_fn(void *ctx, const char *msg);
/* Printed with -v only. */
void inform(const char *fmt, ...) VLA_PRINTF(1, 2);
/* Warnings so far. */
unsigned long diag_warnings(void);

/* Last call of main: closes standard output (a full disk is an error) and returns the exit status, which is 2 when
 * there was a warning. */
int finish(int status) VLA_MUST_USE;

/* Dies when binary data would go to a terminal; output is the argument of -o or NULL. */
void refuse_terminal(const char *output);

/* Dies when a tool without operands would wait for a terminal. */
void refuse_terminal_input(void);

/* A line on standard error that is rewritten in place; silent when that is no terminal, or with -q. */
struct progress {
	const char *unit;            // "images"
	unsigned long long n, total; // total 0: not known
	double start, shown;         // seconds
	bool on;
};

void progress_init(struct progress *p, const char *unit, unsigned long long total);
void progress_add(struct progress *p, unsigned long long n);
void progress_end(struct progress *p); /* clears the line */

/* Seconds on the monotonic clock. */
double seconds(void);

#endif
