/* gnuplot as a child process: posix_spawnp with a pipe to its standard input. What a user typed never becomes part of a
 * command: the picture is gnuplot's standard output, titles are quoted data in a block whose end they cannot spell. */
#include "common/plot.h"
#include "common/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MOST = 200 }; // bars that can still be told apart

void plot_add(struct plot *p, const char *title, double value, double low, double high)
{
	if (p->n == MOST)
		return;
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 32;
		p->bar = realloc(p->bar, p->cap * sizeof *p->bar);
		if (!p->bar)
			die("out of memory");
	}
	char *copy = strdup(title);
	if (!copy)
		die("out of memory");
	p->bar[p->n++] = (struct plot_bar){ copy, value, low, high };
}

void plot_release(struct plot *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->bar[i].title);
	free(p->bar);
	*p = (struct plot){ 0 };
}

static void write_title(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++)
		putc((unsigned char)*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f ? '\'' : *s, f);
	putc('"', f);
}

static void write_script(FILE *f, const struct plot *p)
{
	fputs("$data << VLA_PROBE_END\n", f);
	for (size_t i = 0; i < p->n; i++) {
		const struct plot_bar *b = &p->bar[i];
		write_title(f, b->title);
		fprintf(f, " %.9g %.9g %.9g %zu\n", b->value, isnan(b->low) ? b->value : b->low,
			isnan(b->high) ? b->value : b->high, p->n - i);
	}
	fprintf(f,
		"VLA_PROBE_END\n"
		"set terminal svg noenhanced size 900,%zu font 'sans,12'\n"
		"set key off\nset grid x\nset yrange [0.3:%zu.7]\nset ytics scale 0\nset bars 0.5\n"
		"plot $data using 2:5:3:4:ytic(1) with xerrorbars pointtype 7 linecolor rgb '#204a87'\n",
		60 + 22 * p->n, p->n);
}

static pid_t start(const char *path, FILE **script)
{
	posix_spawn_file_actions_t a;
	pid_t pid = 0;
	char *argv[] = { "gnuplot", "-", NULL };
	int in[2];
	if (pipe(in))
		die("cannot make a pipe:");
	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_adddup2(&a, in[0], STDIN_FILENO);
	posix_spawn_file_actions_addclose(&a, in[0]);
	posix_spawn_file_actions_addclose(&a, in[1]);
	posix_spawn_file_actions_addopen(&a, STDOUT_FILENO, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	errno = posix_spawnp(&pid, argv[0], &a, NULL, argv, environ);
	if (errno)
		die("--plot needs gnuplot, and cannot start it for '%s':", path);
	posix_spawn_file_actions_destroy(&a);
	close(in[0]);
	*script = fdopen(in[1], "w");
	if (!*script)
		die("cannot make a pipe:");
	return pid;
}

void plot_save(const struct plot *p, const char *path)
{
	FILE *f;
	int status;
	if (p->n == 0)
		return;
	fflush(stdout);
	void (*before)(int) = signal(SIGPIPE, SIG_IGN); // a gnuplot that fails is told from its status
	pid_t pid = start(path, &f);
	write_script(f, p);
	fclose(f);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("cannot wait for gnuplot:");
	signal(SIGPIPE, before);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die("gnuplot failed to draw '%s'", path);
}
