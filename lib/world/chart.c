/* Charts: bars or a line over a few categories, with axes, ticks and labels. */
#include "world/kind.h"

#include <vla/sheet.h>

enum { MAX_BARS = 6, TOP = 20 };

static const char *const groups[][MAX_BARS] = {
	{ "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" },
	{ "A", "B", "C", "D", "E", "F" },
	{ "tea", "milk", "rice", "salt", "fish", "corn" },
	{ "2019", "2020", "2021", "2022", "2023", "2024" },
};
static const char *const titles[] = { "Sales", "Visitors", "Points", "Rain" };
static const char *const titles_zh[] = { "销售", "访客", "分数", "降雨" };

typedef struct chart {
	uint32_t line, group, title, n, most, least;
	uint32_t value[MAX_BARS], colour[MAX_BARS];
} chart;

static bool draw_chart(vla_draft *d, chart *c)
{
	memset(c, 0, sizeof *c);
	c->line = vla_draw(d, 3) == 0;
	c->group = vla_draw(d, 4);
	c->title = vla_draw(d, 4);
	c->n = 3 + vla_draw(d, d->w->opts.level == 1 ? 1 : MAX_BARS - 2);
	for (uint32_t i = 0; i < c->n; i++) {
		c->value[i] = 1 + vla_draw(d, TOP);
		c->colour[i] = c->line ? c->colour[0] : vla_draw(d, VLA_WHITE);
		if (i == 0)
			c->colour[0] = vla_draw(d, VLA_WHITE);
		if (c->value[i] > c->value[c->most])
			c->most = i;
		if (c->value[i] < c->value[c->least])
			c->least = i;
		for (uint32_t k = 0; k < i; k++)
			if (c->value[k] == c->value[i])
				return false;
	}
	return vla_draft_fits(d, vla_hash64(c, sizeof *c, 4));
}

typedef struct frame {
	int32_t x, y, w, h; // of the plot
} frame;

static void draw_axes(vla_image *im, const frame *f, const char *title)
{
	static const uint8_t white[3] = { 255, 255, 255 }, ink[3] = { 30, 30, 30 }, grid[3] = { 222, 222, 226 };
	vla_draw_fill(im, 0, 0, (int32_t)im->width, (int32_t)im->height, white);
	for (int t = 0; t <= TOP; t += 5) {
		char s[8];
		int32_t y = f->y + f->h - t * f->h / TOP;
		snprintf(s, sizeof s, "%d", t);
		vla_draw_fill(im, f->x, y, f->w, 1, grid);
		vla_draw_text(im, NULL, f->x - 4 - (int32_t)vla_text_width(NULL, s), y - 5, 1, s, ink);
	}
	vla_draw_fill(im, f->x, f->y, 1, f->h, ink);
	vla_draw_fill(im, f->x, f->y + f->h, f->w, 1, ink);
	vla_draw_text(im, NULL, f->x + f->w / 2 - (int32_t)vla_text_width(NULL, title) / 2, 4, 1, title, ink);
}

static void draw_values(vla_draft *d, const chart *c, const frame *f)
{
	static const uint8_t ink[3] = { 30, 30, 30 };
	int32_t step = f->w / (int32_t)c->n, wide = step * 6 / 10;
	float lx = 0, ly = 0;
	vla_json_open(&d->j, "bars", '[');
	for (uint32_t i = 0; i < c->n; i++) {
		vla_rgb k = vla_colour_rgb((int)c->colour[i]);
		uint8_t rgb[3] = { (uint8_t)k.r, (uint8_t)k.g, (uint8_t)k.b };
		int32_t h = (int32_t)c->value[i] * f->h / TOP, x = f->x + (int32_t)i * step + (step - wide) / 2,
			y = f->y + f->h - h;
		const char *label = groups[c->group][i];
		float px = (float)x + (float)wide / 2, py = (float)y;
		if (!c->line)
			vla_draw_fill(&d->im, x, y, wide, h, rgb);
		if (c->line && i)
			vla_draw_line(&d->im, lx, ly, px, py, 2, k);
		if (c->line)
			vla_draw_line(&d->im, px, py, px, py, 6, k);
		lx = px;
		ly = py;
		vla_draw_text(&d->im, NULL, x + wide / 2 - (int32_t)vla_text_width(NULL, label) / 2, f->y + f->h + 4, 1,
			      label, ink);
		vla_json_open(&d->j, NULL, '{');
		vla_json_text(&d->j, "name", label);
		vla_json_int(&d->j, "value", c->value[i]);
		vla_json_text(&d->j, "colour", vla_plain(VLA_EN, VLA_COLOUR, c->colour[i]));
		if (c->line)
			vla_row_box(d, "box", px - 3, py - 3, 6, 6);
		else
			vla_row_box(d, "box", x, y, wide, h);
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
}

static void put_texts(vla_draft *d, const chart *c)
{
	char a[160], b[160], e[160], f[160], v[16];
	const char *const *name = groups[c->group];
	uint32_t k = vla_draw(d, c->n), o = (k + 1 + vla_draw(d, c->n - 1)) % c->n;
	snprintf(a, sizeof a, "a %s chart titled %s with %u values", c->line ? "line" : "bar", titles[c->title], c->n);
	snprintf(b, sizeof b, "%s is highest with %u and %s is lowest with %u", name[c->most], c->value[c->most],
		 name[c->least], c->value[c->least]);
	vla_row_texts(d, "caption", (const char *const[]){ a, b, NULL });
	snprintf(e, sizeof e, "一张标题为%s的%s，有%u个数值", titles_zh[c->title], c->line ? "折线图" : "柱状图", c->n);
	snprintf(f, sizeof f, "%s最高，为%u；%s最低，为%u", name[c->most], c->value[c->most], name[c->least],
		 c->value[c->least]);
	vla_row_texts(d, "caption_zh", (const char *const[]){ e, f, NULL });
	snprintf(b, sizeof b, "%s is highest with %u and %s is lowest with %u", name[c->least], c->value[c->most],
		 name[c->most], c->value[c->least]);
	vla_row_texts(d, "negative", (const char *const[]){ b, NULL });
	vla_json_open(&d->j, "qa", '[');
	vla_row_qa(d, "highest", "which value is highest?", name[c->most], "哪个数值最高？", name[c->most]);
	vla_row_qa(d, "lowest", "which value is lowest?", name[c->least], "哪个数值最低？", name[c->least]);
	snprintf(a, sizeof a, "what is the value of %s?", name[k]);
	snprintf(e, sizeof e, "%s的数值是多少？", name[k]);
	snprintf(v, sizeof v, "%u", c->value[k]);
	vla_row_qa(d, "value", a, v, e, v);
	snprintf(a, sizeof a, "is %s higher than %s?", name[k], name[o]);
	snprintf(e, sizeof e, "%s比%s高吗？", name[k], name[o]);
	bool higher = c->value[k] > c->value[o];
	vla_row_qa(d, "compare", a, higher ? "yes" : "no", e, higher ? "是" : "不是");
	snprintf(a, sizeof a, "what is the difference between %s and %s?", name[k], name[o]);
	snprintf(e, sizeof e, "%s和%s相差多少？", name[k], name[o]);
	snprintf(v, sizeof v, "%u", higher ? c->value[k] - c->value[o] : c->value[o] - c->value[k]);
	vla_row_qa(d, "difference", a, v, e, v);
	vla_json_close(&d->j, ']');
}

static vla_status tell(vla_draft *d, const chart *c, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	char name[VLA_ITEM_NAME];
	frame f = { 26, 22, (int32_t)side - 36, (int32_t)side - 46 };
	VLA_TRY(vla_image_reserve(&d->im, side, side, 3, err));
	vla_item_name(name, sizeof name, "images", d->i, ".png");
	vla_row_head(d, name, side, side);
	vla_json_text(&d->j, "type", c->line ? "line" : "bar");
	vla_json_text(&d->j, "title", titles[c->title]);
	put_texts(d, c);
	draw_axes(&d->im, &f, titles[c->title]);
	draw_values(d, c, &f);
	vla_json_close(&d->j, '}');
	return vla_item_picture(d->out, name, &d->im, err);
}

vla_status vla_chart_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	vla_draft d = { .w = w, .i = i, .out = out };
	chart c;
	for (uint64_t k = 0; k < VLA_DRAFT_ATTEMPTS; k++) {
		vla_draft_seed(&d, k);
		if (draw_chart(&d, &c))
			return vla_draft_finish(&d, tell(&d, &c, err), err);
	}
	return vla_draft_finish(&d, vla_draft_none(&d, err), err);
}
