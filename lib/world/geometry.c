/* Geometry: a right or isosceles triangle, a rectangle, a parallelogram or a circle with named points and some lengths
 * and angles written beside it; the same as a formal description, a problem, its program and its answer. */
#include "world/kind.h"

#include <vla/sheet.h>

#include <math.h>

enum figure { RIGHT, ISOSCELES, RECTANGLE, PARALLELOGRAM, CIRCLE, FIGURES };

static const char *const figure_name[] = { "right triangle", "isosceles triangle", "rectangle", "parallelogram",
					   "circle" };
static const char *const figure_zh[] = { "直角三角形", "等腰三角形", "矩形", "平行四边形", "圆" };

typedef struct diagram {
	enum figure figure;
	uint32_t a, b, letter, ask, mirror; // side lengths; first letter
	float angle;                        // of the drawing
	char name[5];
} diagram;

// What is asked, with the program that solves it from the given lengths.
typedef struct problem {
	char given[3][48];
	int n;
	const char *goal, *goal_zh, *program;
	double answer;
} problem;

static void solve(const diagram *g, problem *p)
{
	double a = g->a, b = g->b;
	const char *n = g->name;
	memset(p, 0, sizeof *p);
	switch (g->figure) {
	case RIGHT:
		snprintf(p->given[0], 48, "Equals(Length(%c%c),%u)", n[0], n[1], g->a);
		snprintf(p->given[1], 48, "Equals(Length(%c%c),%u)", n[1], n[2], g->b);
		snprintf(p->given[2], 48, "Equals(Angle(%c%c%c),90)", n[0], n[1], n[2]);
		p->n = 3;
		p->goal = g->ask ? "area" : "hypotenuse";
		p->goal_zh = g->ask ? "面积" : "斜边长";
		p->program = g->ask ? "half(mul(a,b))" : "sqrt(add(square(a),square(b)))";
		p->answer = g->ask ? a * b / 2 : sqrt(a * a + b * b);
		break;
	case ISOSCELES:
		snprintf(p->given[0], 48, "Equals(Length(%c%c),Length(%c%c))", n[0], n[1], n[1], n[2]);
		snprintf(p->given[1], 48, "Equals(Angle(%c%c%c),%u)", n[0], n[1], n[2], 20 + 4 * g->a);
		p->n = 2;
		p->goal = "base angle";
		p->goal_zh = "底角";
		p->program = "half(sub(180,a))";
		p->answer = (180 - (20 + 4 * a)) / 2;
		break;
	case CIRCLE:
		snprintf(p->given[0], 48, "Equals(Radius(%c),%u)", n[0], g->a);
		p->n = 1;
		p->goal = g->ask ? "area" : "diameter";
		p->goal_zh = g->ask ? "面积" : "直径";
		p->program = g->ask ? "mul(pi,square(a))" : "mul(2,a)";
		p->answer = g->ask ? 3.14159265358979 * a * a : 2 * a;
		break;
	default:
		snprintf(p->given[0], 48, "Equals(Length(%c%c),%u)", n[0], n[1], g->a);
		snprintf(p->given[1], 48, "Equals(Length(%c%c),%u)", n[1], n[2], g->b);
		p->n = 2;
		p->goal = g->ask && g->figure == RECTANGLE ? "area" : "perimeter";
		p->goal_zh = g->ask && g->figure == RECTANGLE ? "面积" : "周长";
		p->program = g->ask && g->figure == RECTANGLE ? "mul(a,b)" : "mul(2,add(a,b))";
		p->answer = g->ask && g->figure == RECTANGLE ? a * b : 2 * (a + b);
		break;
	}
}

static bool draw_diagram(vla_draft *d, diagram *g)
{
	memset(g, 0, sizeof *g);
	g->figure = (enum figure)vla_draw(d, d->w->opts.level == 1 ? 3 : FIGURES);
	g->a = 3 + vla_draw(d, 18);
	g->b = 3 + vla_draw(d, 18);
	if (g->a > 3 * g->b || g->b > 3 * g->a)
		return false;
	g->letter = vla_draw(d, 20);
	g->ask = vla_draw(d, 2);
	g->mirror = vla_draw(d, 2);
	for (int i = 0; i < 4; i++)
		g->name[i] = (char)('A' + g->letter + (uint32_t)i);
	uint32_t key[] = { g->figure, g->a, g->b, g->letter, g->ask };
	g->angle = d->w->opts.level > 1 ? (vla_rng_float(&d->rng) - .5f) * .9f : 0;
	return vla_draft_fits(d, vla_hash64(key, sizeof key, 5));
}

// Corners around the origin, in the order of the letters.
static int corners(const diagram *g, float p[4][2])
{
	float a = (float)g->a, b = (float)g->b, half = (20 + 4 * a) * 3.14159265f / 360;
	switch (g->figure) {
	case RIGHT: memcpy(p, (float[4][2]){ { 0, -a }, { 0, 0 }, { b, 0 } }, sizeof(float[4][2])); return 3;
	case ISOSCELES:
		memcpy(p, (float[4][2]){ { -sinf(half), cosf(half) }, { 0, 0 }, { sinf(half), cosf(half) } },
		       sizeof(float[4][2]));
		return 3;
	case CIRCLE: return 0;
	default: {
		float lean = g->figure == PARALLELOGRAM ? .4f * b : 0;
		memcpy(p, (float[4][2]){ { lean, -b * .9f }, { a + lean, -b * .9f }, { a, 0 }, { 0, 0 } },
		       sizeof(float[4][2]));
		if (g->figure == RECTANGLE)
			p[0][1] = p[1][1] = -b;
		return 4;
	}
	}
}

// Turned, mirrored and fitted into the picture.
static void fit(const diagram *g, float p[4][2], int n, float side)
{
	float lo[2] = { 1e9f, 1e9f }, hi[2] = { -1e9f, -1e9f }, c = cosf(g->angle), s = sinf(g->angle);
	for (int i = 0; i < n; i++) {
		float x = g->mirror ? -p[i][0] : p[i][0], y = p[i][1];
		p[i][0] = c * x - s * y;
		p[i][1] = s * x + c * y;
		for (int k = 0; k < 2; k++) {
			lo[k] = fminf(lo[k], p[i][k]);
			hi[k] = fmaxf(hi[k], p[i][k]);
		}
	}
	float scale = side * .62f / fmaxf(hi[0] - lo[0], hi[1] - lo[1]);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < 2; k++)
			p[i][k] = side / 2 + (p[i][k] - (lo[k] + hi[k]) / 2) * scale;
}

static void write_at(vla_image *im, float x, float y, const char *s)
{
	static const uint8_t ink[3] = { 20, 20, 20 };
	vla_draw_text(im, NULL, (int32_t)(x - (float)vla_text_width(NULL, s) / 2), (int32_t)(y - 5), 1, s, ink);
}

// The length of the side from corner i on, beside its middle and away from the centre.
static void write_length(vla_image *im, float p[4][2], int n, int i, unsigned v)
{
	char s[16];
	int k = (i + 1) % n;
	float cx = 0, cy = 0, x = (p[i][0] + p[k][0]) / 2, y = (p[i][1] + p[k][1]) / 2;
	for (int j = 0; j < n; j++) {
		cx += p[j][0] / (float)n;
		cy += p[j][1] / (float)n;
	}
	float nx = p[k][1] - p[i][1], ny = p[i][0] - p[k][0], len = hypotf(nx, ny);
	float away = (x - cx) * nx + (y - cy) * ny < 0 ? -11 : 11;
	snprintf(s, sizeof s, "%u", v);
	write_at(im, x + away * nx / len, y + away * ny / len, s);
}

static void draw_figure(vla_draft *d, const diagram *g)
{
	static const vla_rgb ink = { 20, 30, 60 };
	static const uint8_t white[3] = { 255, 255, 255 };
	float side = (float)d->w->opts.size, p[4][2] = { { 0 } };
	int n = corners(g, p);
	char s[16];
	vla_draw_fill(&d->im, 0, 0, (int32_t)side, (int32_t)side, white);
	if (!n) {
		float r = side * .32f, c = cosf(g->angle * 3), w = sinf(g->angle * 3);
		vla_draw_arc(&d->im, side / 2, side / 2, r, 1.6f, ink);
		vla_draw_line(&d->im, side / 2, side / 2, side / 2 + r * c, side / 2 + r * w, 1.4f, ink);
		snprintf(s, sizeof s, "%c", g->name[0]);
		write_at(&d->im, side / 2 - 8, side / 2 + 4, s);
		snprintf(s, sizeof s, "%u", g->a);
		write_at(&d->im, side / 2 + r * c / 2 - 8 * w, side / 2 + r * w / 2 + (c > 0 ? 9.f : -9.f), s);
		return;
	}
	fit(g, p, n, side);
	for (int i = 0; i < n; i++) {
		int k = (i + 1) % n;
		float dx = p[i][0] - side / 2, dy = p[i][1] - side / 2, len = hypotf(dx, dy);
		vla_draw_line(&d->im, p[i][0], p[i][1], p[k][0], p[k][1], 1.6f, ink);
		snprintf(s, sizeof s, "%c", g->name[i]);
		write_at(&d->im, p[i][0] + 10 * dx / len, p[i][1] + 10 * dy / len, s);
	}
	if (g->figure == ISOSCELES) {
		snprintf(s, sizeof s, "%u", 20 + 4 * g->a);
		write_at(&d->im, p[1][0] + .35f * ((p[0][0] + p[2][0]) / 2 - p[1][0]),
			 p[1][1] + .35f * ((p[0][1] + p[2][1]) / 2 - p[1][1]), s);
		return;
	}
	write_length(&d->im, p, n, 0, g->a);
	write_length(&d->im, p, n, 1, g->b);
	if (g->figure == RIGHT) { // the mark of a right angle
		float u = 6 / hypotf(p[0][0] - p[1][0], p[0][1] - p[1][1]),
		      v = 6 / hypotf(p[2][0] - p[1][0], p[2][1] - p[1][1]);
		float ux = (p[0][0] - p[1][0]) * u, uy = (p[0][1] - p[1][1]) * u, vx = (p[2][0] - p[1][0]) * v,
		      vy = (p[2][1] - p[1][1]) * v;
		vla_draw_line(&d->im, p[1][0] + ux, p[1][1] + uy, p[1][0] + ux + vx, p[1][1] + uy + vy, 1, ink);
		vla_draw_line(&d->im, p[1][0] + vx, p[1][1] + vy, p[1][0] + ux + vx, p[1][1] + uy + vy, 1, ink);
	}
}

static void put_texts(vla_draft *d, const diagram *g, const problem *p)
{
	char en[200], zh[200], q[240], q_zh[240], a[32], formal[240];
	int n = g->figure == CIRCLE ? 1 : g->figure <= ISOSCELES ? 3 : 4;
	snprintf(en, sizeof en, "%s %.*s", figure_name[g->figure], n, g->name);
	snprintf(zh, sizeof zh, "%s%.*s", figure_zh[g->figure], n, g->name);
	vla_row_texts(d, "caption", (const char *const[]){ en, NULL });
	vla_row_texts(d, "caption_zh", (const char *const[]){ zh, NULL });
	snprintf(formal, sizeof formal, "%s(%.*s)",
		 g->figure == CIRCLE      ? "Circle"
		 : n == 3                 ? "Triangle"
		 : g->figure == RECTANGLE ? "Rectangle"
					  : "Parallelogram",
		 n, g->name);
	vla_json_open(&d->j, "formal", '[');
	vla_json_text(&d->j, NULL, formal);
	for (int i = 0; i < p->n; i++)
		vla_json_text(&d->j, NULL, p->given[i]);
	vla_json_close(&d->j, ']');
	snprintf(q, sizeof q, "what is the %s of the %s %.*s?", p->goal, figure_name[g->figure], n, g->name);
	snprintf(q_zh, sizeof q_zh, "%s%.*s的%s是多少？", figure_zh[g->figure], n, g->name, p->goal_zh);
	snprintf(a, sizeof a, fabs(p->answer - floor(p->answer + .5)) < 1e-9 ? "%.0f" : "%.2f", p->answer);
	vla_json_open(&d->j, "qa", '[');
	vla_row_qa(d, p->goal, q, a, q_zh, a);
	vla_row_qa(d, "figure", "which figure is this?", figure_name[g->figure], "这是什么图形？",
		   figure_zh[g->figure]);
	vla_json_close(&d->j, ']');
	vla_json_text(&d->j, "goal", p->goal);
	vla_json_text(&d->j, "program", p->program);
	vla_json_number(&d->j, "answer", p->answer, 6);
	vla_json_numbers(&d->j, "arguments", (double[]){ g->figure == ISOSCELES ? 20 + 4 * g->a : g->a, g->b },
			 g->figure == ISOSCELES || g->figure == CIRCLE ? 1 : 2, 0);
}

vla_status vla_geometry_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	vla_draft d = { .w = w, .i = i, .out = out };
	diagram g;
	problem p;
	char name[VLA_ITEM_NAME];
	uint64_t k = 0;
	do
		vla_draft_seed(&d, k);
	while (!draw_diagram(&d, &g) && ++k < VLA_DRAFT_ATTEMPTS);
	vla_status s = k < VLA_DRAFT_ATTEMPTS ? vla_image_reserve(&d.im, w->opts.size, w->opts.size, 3, err)
					      : vla_draft_none(&d, err);
	if (s != VLA_OK)
		return vla_draft_finish(&d, s, err);
	vla_item_name(name, sizeof name, "images", i, ".png");
	vla_row_head(&d, name, w->opts.size, w->opts.size);
	vla_json_text(&d.j, "figure", figure_name[g.figure]);
	solve(&g, &p);
	put_texts(&d, &g, &p);
	vla_json_close(&d.j, '}');
	draw_figure(&d, &g);
	return vla_draft_finish(&d, vla_item_picture(out, name, &d.im, err), err);
}
