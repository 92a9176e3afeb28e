/* Messages, exit status and progress. Standard output is flushed before a message is written, so that the two streams
 * stay in order when both go to one place. */
#include "common/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *name = "vla";
static bool quiet, verbose, line_shown;
static unsigned long warnings;

void diag_init(const char *argv0)
{
	if (argv0 && *argv0) {
		const char *slash = strrchr(argv0, '/');
		name = slash ? slash + 1 : argv0;
	}
}

const char *diag_name(void)
{
	return name;
}

void diag_level(bool q, bool v)
{
	quiet = q;
	verbose = v;
}

bool diag_quiet(void)
{
	return quiet;
}

static void clear_line(void)
{
	if (line_shown)
		fputs("\r\033[K", stderr);
	line_shown = false;
}

static void print(const char *fmt, va_list ap)
{
	int saved = errno;
	char msg[1024];
	vsnprintf(msg, sizeof msg, fmt, ap);
	for (char *s = msg; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	fflush(stdout);
	clear_line();
	size_t n = strlen(fmt);
	if (n && fmt[n - 1] == ':')
		fprintf(stderr, "%s: %s %s\n", name, msg, strerror(saved));
	else
		fprintf(stderr, "%s: %s\n", name, msg);
}

void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	print(fmt, ap);
	va_end(ap);
	exit(EXIT_TROUBLE);
}

void usage_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	print(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help'.\n", name);
	exit(EXIT_TROUBLE);
}

void warn(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	print(fmt, ap);
	va_end(ap);
	warnings++;
}

void warn_fn(void *ctx, const char *msg)
{
	(void)ctx;
	warn("%s", msg);
}

void inform(const char *fmt, ...)
{
	if (!verbose)
		return;
	va_list ap;
	va_start(ap, fmt);
	print(fmt, ap);
	va_end(ap);
}

unsigned long diag_warnings(void)
{
	return warnings;
}

int finish(int status)
{
	errno = 0;
	bool bad = ferror(stdout) != 0;
	// EBADF: standard output was closed before we started, and nothing was written to it.
	if ((fclose(stdout) != 0 && errno != EBADF) || bad) {
		clear_line();
		fprintf(stderr, "%s: cannot write to standard output: %s\n", name,
			errno ? strerror(errno) : "earlier write failed");
		return EXIT_TROUBLE;
	}
	return warnings ? EXIT_TROUBLE : status;
}

void refuse_terminal(const char *output)
{
	if ((!output || strcmp(output, "-") == 0) && isatty(STDOUT_FILENO))
		usage_error("will not write binary data to a terminal; use -o FILE or a pipe");
}

void refuse_terminal_input(void)
{
	if (isatty(STDIN_FILENO))
		usage_error("no input given, and standard input is a terminal");
}

double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_init(struct progress *p, const char *unit, unsigned long long total)
{
	*p = (struct progress){ unit, 0, total, seconds(), 0, !quiet && isatty(STDERR_FILENO) };
}

void progress_add(struct progress *p, unsigned long long n)
{
	p->n += n;
	if (!p->on)
		return;
	double now = seconds(), t = now - p->start;
	if (t < 1 || now - p->shown < 0.5)
		return;
	p->shown = now;
	double rate = (double)p->n / t;
	fprintf(stderr, "\r\033[K%s: %llu", name, p->n);
	if (p->total)
		fprintf(stderr, "/%llu", p->total);
	fprintf(stderr, " %s, %.3g/s", p->unit, rate);
	if (p->total > p->n && rate > 0)
		fprintf(stderr, ", %.0f s left", (double)(p->total - p->n) / rate);
	fflush(stderr);
	line_shown = true;
}

void progress_end(struct progress *p)
{
	if (p->on)
		clear_line();
	p->on = false;
}
