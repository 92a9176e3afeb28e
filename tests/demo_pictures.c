/* Draws the pictures of `make demo`: simple objects in flat colours, one PPM of 160 x 160 each, into the folder given.
 * A drawing is a list of shapes; each pixel is the mean of 3 x 3 points. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 160, FINE = 3, POINTS = 40 };

typedef struct colour {
	double r, g, b;
} colour;

static colour canvas[SIDE * FINE][SIDE * FINE]; // over the unit square, y down

static const colour white = { 1, 1, 1 }, black = { .1, .1, .12 }, red = { .86, .12, .16 }, green = { .18, .55, .2 },
		    blue = { .2, .45, .85 }, yellow = { 1, .82, .15 }, orange = { .97, .55, .12 },
		    brown = { .48, .3, .16 }, sky = { .6, .83, .97 }, night = { .07, .1, .28 }, grey = { .6, .63, .68 },
		    pink = { .98, .6, .72 }, cream = { .98, .92, .8 };

static void fill(colour c)
{
	for (int y = 0; y < SIDE * FINE; y++)
		for (int x = 0; x < SIDE * FINE; x++)
			canvas[y][x] = c;
}

static double at(int i)
{
	return (i + .5) / (SIDE * FINE);
}

static void ellipse(double cx, double cy, double rx, double ry, colour c)
{
	for (int y = 0; y < SIDE * FINE; y++)
		for (int x = 0; x < SIDE * FINE; x++) {
			double u = (at(x) - cx) / rx, v = (at(y) - cy) / ry;
			if (u * u + v * v <= 1)
				canvas[y][x] = c;
		}
}

static void circle(double cx, double cy, double r, colour c)
{
	ellipse(cx, cy, r, r, c);
}

static void box(double x0, double y0, double x1, double y1, colour c)
{
	for (int y = 0; y < SIDE * FINE; y++)
		for (int x = 0; x < SIDE * FINE; x++)
			if (at(x) >= x0 && at(x) <= x1 && at(y) >= y0 && at(y) <= y1)
				canvas[y][x] = c;
}

// n corners as x, y pairs; even-odd rule.
static void polygon(int n, const double *p, colour c)
{
	for (int y = 0; y < SIDE * FINE; y++)
		for (int x = 0; x < SIDE * FINE; x++) {
			bool inside = false;
			for (int i = 0, j = n - 1; i < n; j = i++) {
				double xi = p[2 * i], yi = p[2 * i + 1], xj = p[2 * j], yj = p[2 * j + 1];
				if ((yi > at(y)) != (yj > at(y)) && at(x) < (xj - xi) * (at(y) - yi) / (yj - yi) + xi)
					inside = !inside;
			}
			if (inside)
				canvas[y][x] = c;
		}
}

static void line(double x0, double y0, double x1, double y1, double width, colour c)
{
	double dx = x1 - x0, dy = y1 - y0, len = dx * dx + dy * dy;
	for (int y = 0; y < SIDE * FINE; y++)
		for (int x = 0; x < SIDE * FINE; x++) {
			double t = ((at(x) - x0) * dx + (at(y) - y0) * dy) / len;
			t = t < 0 ? 0 : t > 1 ? 1 : t;
			if (hypot(at(x) - x0 - t * dx, at(y) - y0 - t * dy) <= width / 2)
				canvas[y][x] = c;
		}
}

// A star or a flower of n points between two radii.
static void star(double cx, double cy, int n, double outer, double inner, colour c)
{
	double p[2 * POINTS];
	for (int i = 0; i < 2 * n; i++) {
		double r = i % 2 ? inner : outer, a = 3.14159265 * (i / (double)n - .5);
		p[2 * i] = cx + r * cos(a);
		p[2 * i + 1] = cy + r * sin(a);
	}
	polygon(2 * n, p, c);
}

static void draw_heart(void)
{
	double p[2 * POINTS];
	fill(white);
	for (int i = 0; i < POINTS; i++) {
		double t = 2 * 3.14159265 * i / POINTS, s = sin(t);
		p[2 * i] = .5 + .024 * 16 * s * s * s;
		p[2 * i + 1] = .46 - .024 * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t));
	}
	polygon(POINTS, p, red);
}

static void draw_star(void)
{
	fill(white);
	star(.5, .53, 5, .44, .18, yellow);
}

static void draw_sun(void)
{
	fill(sky);
	star(.5, .5, 12, .46, .3, orange);
	circle(.5, .5, .27, yellow);
}

static void draw_moon(void)
{
	fill(night);
	circle(.48, .5, .34, cream);
	circle(.62, .42, .3, night);
	for (int i = 0; i < 7; i++)
		star(.1 + .13 * i, .12 + .11 * (i * 5 % 7), 4, .03, .01, white);
}

static void draw_smile(void)
{
	fill(white);
	circle(.5, .5, .42, yellow);
	ellipse(.36, .4, .05, .08, brown);
	ellipse(.64, .4, .05, .08, brown);
	for (int i = 0; i < 12; i++) {
		double a = .25 + i * .055, b = a + .055, y = 1.4;
		line(.5 - .25 * cos(y * a * 2), .56 + .2 * sin(y * a * 2), .5 - .25 * cos(y * b * 2),
		     .56 + .2 * sin(y * b * 2), .045, brown);
	}
}

static void draw_house(void)
{
	fill(sky);
	box(0, .8, 1, 1, green);
	box(.22, .45, .78, .84, cream);
	polygon(3, (const double[]){ .14, .47, .5, .14, .86, .47 }, red);
	box(.43, .6, .57, .84, brown);
	box(.28, .54, .38, .66, blue);
	box(.62, .54, .72, .66, blue);
}

static void draw_tree(void)
{
	fill(sky);
	box(0, .86, 1, 1, (colour){ .45, .75, .3 });
	box(.44, .55, .56, .9, brown);
	circle(.5, .34, .24, green);
	circle(.34, .46, .17, green);
	circle(.66, .46, .17, green);
}

static void draw_apple(void)
{
	fill(white);
	circle(.38, .56, .27, red);
	circle(.62, .56, .27, red);
	ellipse(.5, .68, .26, .23, red);
	line(.5, .34, .54, .16, .04, brown);
	ellipse(.66, .2, .12, .05, green);
}

static void draw_umbrella(void)
{
	fill(white);
	circle(.5, .5, .4, blue);
	box(0, .5, 1, 1, white);
	for (int i = 0; i < 3; i++)
		ellipse(.233 + .267 * i, .5, .133, .06, white);
	line(.5, .1, .5, .86, .03, brown);
	line(.5, .86, .42, .9, .03, brown);
	line(.42, .9, .38, .84, .03, brown);
}

static void draw_snowman(void)
{
	fill(sky);
	box(0, .84, 1, 1, white);
	circle(.5, .7, .22, white);
	circle(.5, .38, .16, white);
	box(.38, .12, .62, .26, black);
	box(.32, .24, .68, .28, black);
	circle(.44, .36, .02, black);
	circle(.56, .36, .02, black);
	polygon(3, (const double[]){ .5, .4, .5, .44, .66, .43 }, orange);
	for (int i = 0; i < 3; i++)
		circle(.5, .6 + .09 * i, .02, black);
	line(.3, .62, .12, .5, .025, brown);
	line(.7, .62, .88, .5, .025, brown);
}

static void draw_rain(void)
{
	fill(white);
	circle(.3, .42, .16, grey);
	circle(.5, .34, .2, grey);
	circle(.7, .42, .16, grey);
	box(.3, .42, .7, .58, grey);
	for (int i = 0; i < 4; i++)
		line(.3 + .14 * i, .68, .24 + .14 * i, .84, .035, blue);
}

static void draw_boat(void)
{
	fill(sky);
	box(0, .7, 1, 1, blue);
	polygon(4, (const double[]){ .16, .66, .84, .66, .7, .82, .3, .82 }, brown);
	line(.48, .14, .48, .68, .025, black);
	polygon(3, (const double[]){ .5, .14, .5, .6, .82, .6 }, white);
	polygon(3, (const double[]){ .46, .22, .46, .6, .22, .6 }, red);
}

static void draw_flower(void)
{
	fill(white);
	line(.5, .5, .5, .96, .035, green);
	ellipse(.62, .78, .13, .05, green);
	for (int i = 0; i < 8; i++)
		circle(.5 + .2 * cos(i * .785398), .36 + .2 * sin(i * .785398), .11, pink);
	circle(.5, .36, .13, yellow);
}

static void draw_mushroom(void)
{
	fill(white);
	ellipse(.5, .5, .4, .38, red);
	box(0, .5, 1, 1, white);
	ellipse(.5, .68, .14, .24, cream);
	box(.36, .5, .64, .66, cream);
	circle(.36, .34, .07, white);
	circle(.58, .25, .06, white);
	circle(.7, .4, .05, white);
}

static void draw_clock(void)
{
	fill(white);
	circle(.5, .5, .43, black);
	circle(.5, .5, .38, white);
	for (int i = 0; i < 12; i++) {
		double c = cos(i * .523599), s = sin(i * .523599);
		line(.5 + .31 * c, .5 + .31 * s, .5 + .35 * c, .5 + .35 * s, .02, black);
	}
	line(.5, .5, .5, .22, .03, black);
	line(.5, .5, .68, .6, .04, black);
}

static void draw_cat(void)
{
	fill(white);
	polygon(3, (const double[]){ .18, .5, .2, .1, .48, .3 }, orange);
	polygon(3, (const double[]){ .82, .5, .8, .1, .52, .3 }, orange);
	ellipse(.5, .55, .36, .32, orange);
	ellipse(.36, .5, .05, .07, black);
	ellipse(.64, .5, .05, .07, black);
	polygon(3, (const double[]){ .46, .62, .54, .62, .5, .67 }, pink);
	for (int i = -1; i <= 1; i++) {
		line(.38, .68, .12, .68 + .06 * i, .01, black);
		line(.62, .68, .88, .68 + .06 * i, .01, black);
	}
}

static const struct {
	const char *name;
	void (*draw)(void);
} pictures[] = {
	{ "heart", draw_heart },       { "star", draw_star },         { "sun", draw_sun },     { "moon", draw_moon },
	{ "smile", draw_smile },       { "house", draw_house },       { "tree", draw_tree },   { "apple", draw_apple },
	{ "umbrella", draw_umbrella }, { "snowman", draw_snowman },   { "rain", draw_rain },   { "boat", draw_boat },
	{ "flower", draw_flower },     { "mushroom", draw_mushroom }, { "clock", draw_clock }, { "cat", draw_cat },
};

static bool save(const char *path)
{
	static unsigned char out[SIDE * SIDE * 3];
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++) {
			colour s = { 0, 0, 0 };
			for (int i = 0; i < FINE * FINE; i++) {
				colour c = canvas[y * FINE + i / FINE][x * FINE + i % FINE];
				s.r += c.r;
				s.g += c.g;
				s.b += c.b;
			}
			unsigned char *p = out + (y * SIDE + x) * 3;
			p[0] = (unsigned char)(255 * s.r / (FINE * FINE) + .5);
			p[1] = (unsigned char)(255 * s.g / (FINE * FINE) + .5);
			p[2] = (unsigned char)(255 * s.b / (FINE * FINE) + .5);
		}
	FILE *f = fopen(path, "wb");
	if (!f)
		return false;
	bool good = fprintf(f, "P6\n%d %d\n255\n", SIDE, SIDE) > 0 && fwrite(out, 1, sizeof out, f) == sizeof out;
	return fclose(f) == 0 && good;
}

int main(int argc, char **argv)
{
	char path[4096];
	for (size_t i = 0; argc == 2 && i < sizeof pictures / sizeof *pictures; i++) {
		pictures[i].draw();
		snprintf(path, sizeof path, "%s/%s.ppm", argv[1], pictures[i].name);
		if (!save(path)) {
			perror(path);
			return 1;
		}
	}
	return argc == 2 ? 0 : 2;
}
