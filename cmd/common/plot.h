/* Bars with intervals through gnuplot, when it is installed.
 *
 *	plot_add(&p, "retrieval: R@1", 0.3, 0.2, 0.4);
 *	plot_save(&p, "hits.svg");     // dies when gnuplot is missing or fails
 *	plot_release(&p);
 *
 * gnuplot runs without a shell; titles and numbers reach it through its standard input as quoted data, and its standard
 * output is the file.
 */
#ifndef VLA_COMMON_PLOT_H
#define VLA_COMMON_PLOT_H

#include <stddef.h>

struct plot_bar {
	char *title;
	double value, low, high;
};

struct plot {
	struct plot_bar *bar;
	size_t n, cap;
};

void plot_add(struct plot *p, const char *title, double value, double low, double high);
void plot_save(const struct plot *p, const char *path);
void plot_release(struct plot *p);

#endif
