/* Documents: forms with fields, a table and a line of text, printed in the built-in font. Each word has its box; the
 * mask is the ink of all text, which is drawn last, so that it can be told from rules and shades. */
#include "io/font.h"
#include "world/kind.h"

enum { FIELDS = 4, ROWS = 4, MAX_WORDS = 96, LINE = 12 };

static const char *const titles[] = { "INVOICE", "RECEIPT", "ORDER FORM", "DELIVERY NOTE", "REPORT", "TICKET" };
static const char *const titles_zh[] = { "发票", "收据", "订单", "送货单", "报告", "票据" };
static const char *const keys[] = { "Name", "City", "Date", "Number", "Phone", "Room", "Code", "Color" };
static const char *const keys_zh[] = { "姓名", "城市", "日期", "编号", "电话", "房间", "代码", "颜色" };
static const char *const first[] = { "Anna", "Omar", "Li", "Marta", "Pavel", "Ines", "Kofi", "Yuki" };
static const char *const last[] = { "Brook", "Stone", "Rivers", "Hill", "Marsh", "Field", "Woods", "Lake" };
static const char *const cities[] = { "Lima", "Oslo", "Cairo", "Kyoto", "Quito", "Delhi", "Porto", "Accra" };
static const char *const goods[] = {
	"lamp", "chair", "paper", "pen", "cup", "plate", "rope", "nail", "brush", "clock"
};
static const char *const notes[] = { "paid in full",        "handle with care", "fragile",
				     "copy for the office", "thank you",        "do not fold" };

#define COUNT(a) (uint32_t)(sizeof a / sizeof *a)

typedef struct page {
	uint32_t title, note, fields, rows;
	uint32_t key[FIELDS], good[ROWS], amount[ROWS], price[ROWS];
	char value[FIELDS][24];
	uint32_t total;
	uint32_t scale;
} page;

typedef struct word {
	char text[24];
	int32_t x, y, w, h;
} word;

typedef struct printer {
	vla_draft *d;
	vla_image mask; // grey, the ink
	word word[MAX_WORDS];
	size_t n;
	uint32_t scale;
	int32_t box[FIELDS][4]; // of the values
} printer;

static void make_value(vla_draft *d, uint32_t key, char *out, size_t size)
{
	switch (key) {
	case 0: snprintf(out, size, "%s %s", first[vla_draw(d, 8)], last[vla_draw(d, 8)]); break;
	case 1: snprintf(out, size, "%s", cities[vla_draw(d, 8)]); break;
	case 2:
		snprintf(out, size, "%u-%02u-%02u", 2000 + vla_draw(d, 30), 1 + vla_draw(d, 12), 1 + vla_draw(d, 28));
		break;
	case 3: snprintf(out, size, "%05u", vla_draw(d, 100000)); break;
	case 4: snprintf(out, size, "%03u %04u", vla_draw(d, 1000), vla_draw(d, 10000)); break;
	case 5: snprintf(out, size, "%c%u", 'A' + vla_draw(d, 6), 1 + vla_draw(d, 40)); break;
	case 6:
		snprintf(out, size, "%c%c%c-%u", 'A' + vla_draw(d, 26), 'A' + vla_draw(d, 26), 'A' + vla_draw(d, 26),
			 vla_draw(d, 100));
		break;
	default: snprintf(out, size, "%s", vla_plain(VLA_EN, VLA_COLOUR, vla_draw(d, VLA_COLOURS))); break;
	}
}

static bool draw_page(vla_draft *d, page *p)
{
	uint32_t order[8], level = d->w->opts.level;
	memset(p, 0, sizeof *p);
	p->title = vla_draw(d, COUNT(titles));
	p->note = vla_draw(d, COUNT(notes));
	p->fields = level == 1 ? 2 : 2 + vla_draw(d, FIELDS - 1);
	p->rows = level == 1 ? 0 : 1 + vla_draw(d, ROWS);
	p->scale = 1;
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t k = vla_draw(d, i + 1);
		order[i] = order[k];
		order[k] = i;
	}
	for (uint32_t i = 0; i < p->fields; i++) {
		p->key[i] = order[i];
		make_value(d, order[i], p->value[i], sizeof p->value[i]);
	}
	for (uint32_t i = 0; i < p->rows; i++) {
		p->good[i] = (vla_draw(d, 5) * 2 + i) % COUNT(goods);
		for (uint32_t k = 0; k < i; k++)
			if (p->good[k] == p->good[i])
				return false;
		p->amount[i] = 1 + vla_draw(d, 9);
		p->price[i] = 1 + vla_draw(d, 50);
		p->total += p->amount[i] * p->price[i];
	}
	return vla_draft_fits(d, vla_hash64(p, sizeof *p, 3));
}

static int32_t wide(const printer *p, const char *s)
{
	return (int32_t)(vla_text_width(NULL, s) * p->scale);
}

// Prints a run of words and notes each; returns the x behind it.
static int32_t print(printer *p, int32_t x, int32_t y, const char *s)
{
	static const uint8_t ink[3] = { 20, 20, 30 }, white[3] = { 255, 255, 255 };
	for (const char *q = s; *q;) {
		char one[24];
		size_t n = strcspn(q, " ");
		snprintf(one, sizeof one, "%.*s", (int)(n < 23 ? n : 23), q);
		if (n && p->n < MAX_WORDS) {
			word *w = &p->word[p->n++];
			memcpy(w->text, one, sizeof one);
			w->x = x;
			w->y = y;
			w->w = wide(p, one);
			w->h = (int32_t)(LINE * p->scale);
		}
		vla_draw_text(&p->d->im, NULL, x, y, p->scale, one, ink);
		vla_draw_text(&p->mask, NULL, x, y, p->scale, one, white);
		x += wide(p, one) + wide(p, " ");
		q += n + strspn(q + n, " ");
	}
	return x - wide(p, " ");
}

static int32_t print_table(printer *p, const page *g, int32_t x, int32_t y)
{
	static const uint8_t rule[3] = { 120, 120, 130 }, shade[3] = { 216, 222, 232 };
	static const char *const head[] = { "Item", "Count", "Price" };
	int32_t h = (int32_t)(LINE * p->scale) + 4, col[] = { 0, wide(p, "MMMMMMMMM"), wide(p, "MMMMMMMMMMMMMMMM") },
		w = wide(p, "MMMMMMMMMMMMMMMMMMMMMMM");
	char cell[24];
	vla_draw_fill(&p->d->im, x, y, w, h, shade);
	for (uint32_t r = 0; r <= g->rows + 1; r++)
		vla_draw_fill(&p->d->im, x, y + (int32_t)r * h, w, 1, rule);
	for (int k = 0; k < 4; k++)
		vla_draw_fill(&p->d->im, x + (k < 3 ? col[k] : w), y, 1, (int32_t)(g->rows + 1) * h + 1, rule);
	for (int k = 0; k < 3; k++)
		print(p, x + col[k] + 4, y + 3, head[k]);
	for (uint32_t r = 0; r < g->rows; r++) {
		int32_t at = y + (int32_t)(r + 1) * h + 3;
		print(p, x + 4, at, goods[g->good[r]]);
		snprintf(cell, sizeof cell, "%u", g->amount[r]);
		print(p, x + col[1] + 4, at, cell);
		snprintf(cell, sizeof cell, "%u.00", g->price[r]);
		print(p, x + col[2] + 4, at, cell);
	}
	return y + (int32_t)(g->rows + 1) * h + 8;
}

static void print_page(printer *p, const page *g, uint32_t side)
{
	static const uint8_t paper[3] = { 250, 249, 244 }, rule[3] = { 40, 70, 120 };
	int32_t x = 12 + (int32_t)vla_draw(p->d, 14), y = 10 + (int32_t)vla_draw(p->d, 10);
	char text[64];
	vla_draw_fill(&p->d->im, 0, 0, (int32_t)side, (int32_t)side, paper);
	memset(p->mask.data, 0, (size_t)side * side);
	p->scale = 2;
	print(p, x, y, titles[g->title]);
	p->scale = 1;
	y += 28;
	vla_draw_fill(&p->d->im, x, y, (int32_t)side - 2 * x, 2, rule);
	y += 10;
	for (uint32_t i = 0; i < g->fields; i++, y += 16) {
		snprintf(text, sizeof text, "%s:", keys[g->key[i]]);
		int32_t at = print(p, x, y, text) + wide(p, " ");
		int32_t end = print(p, at, y, g->value[i]);
		int32_t box[4] = { at, y, end - at, LINE };
		memcpy(p->box[i], box, sizeof box);
	}
	y += 6;
	if (g->rows) {
		y = print_table(p, g, x, y);
		snprintf(text, sizeof text, "Total: %u.00", g->total);
		print(p, x, y, text);
		y += 20;
	}
	print(p, x, y, notes[g->note]);
}

static void put_words(vla_draft *d, const printer *p, const page *g)
{
	vla_buf all = { NULL, 0, 0 };
	vla_json_open(&d->j, "words", '[');
	for (size_t i = 0; i < p->n; i++) {
		const word *w = &p->word[i];
		vla_json_open(&d->j, NULL, '{');
		vla_json_text(&d->j, "text", w->text);
		vla_row_box(d, "box", w->x, w->y, w->w, w->h);
		vla_json_close(&d->j, '}');
		bool line = i && w->y != p->word[i - 1].y;
		if (d->j.status == VLA_OK)
			d->j.status = vla_buf_addf(&all, NULL, "%s%s", line ? "\n" : i ? " " : "", w->text);
	}
	vla_json_close(&d->j, ']');
	vla_json_text(&d->j, "text", all.n ? all.data : "");
	vla_buf_release(&all);
	vla_json_open(&d->j, "fields", '[');
	for (uint32_t i = 0; i < g->fields; i++) {
		vla_json_open(&d->j, NULL, '{');
		vla_json_text(&d->j, "key", keys[g->key[i]]);
		vla_json_text(&d->j, "value", g->value[i]);
		vla_row_box(d, "box", p->box[i][0], p->box[i][1], p->box[i][2], p->box[i][3]);
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
	vla_json_open(&d->j, "table", '[');
	for (uint32_t r = 0; r < g->rows; r++) {
		vla_json_open(&d->j, NULL, '{');
		vla_json_text(&d->j, "item", goods[g->good[r]]);
		vla_json_int(&d->j, "count", g->amount[r]);
		vla_json_int(&d->j, "price", g->price[r]);
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
	if (g->rows)
		vla_json_int(&d->j, "total", g->total);
}

static void put_texts(vla_draft *d, const page *g)
{
	char a[200], b[200], q[120], q_zh[120], v[32];
	uint32_t k = vla_draw(d, g->fields);
	snprintf(a, sizeof a, "a document titled %s with %u fields; %s is %s", titles[g->title], g->fields,
		 keys[g->key[k]], g->value[k]);
	vla_row_texts(d, "caption", (const char *const[]){ a, NULL });
	snprintf(b, sizeof b, "一份有%u个字段的%s，%s是%s", g->fields, titles_zh[g->title], keys_zh[g->key[k]],
		 g->value[k]);
	vla_row_texts(d, "caption_zh", (const char *const[]){ b, NULL });
	vla_json_open(&d->j, "qa", '[');
	vla_row_qa(d, "title", "what is the title?", titles[g->title], "标题是什么？", titles[g->title]);
	for (uint32_t i = 0; i < g->fields; i++) {
		snprintf(q, sizeof q, "what is the value of %s?", keys[g->key[i]]);
		snprintf(q_zh, sizeof q_zh, "%s是什么？", keys_zh[g->key[i]]);
		vla_row_qa(d, "field", q, g->value[i], q_zh, g->value[i]);
	}
	if (g->rows) {
		uint32_t r = vla_draw(d, g->rows);
		snprintf(q, sizeof q, "how many of the item %s?", goods[g->good[r]]);
		snprintf(q_zh, sizeof q_zh, "%s有多少件？", goods[g->good[r]]);
		snprintf(v, sizeof v, "%u", g->amount[r]);
		vla_row_qa(d, "table", q, v, q_zh, v);
		snprintf(v, sizeof v, "%u.00", g->total);
		vla_row_qa(d, "total", "what is the total?", v, "总计是多少？", v);
	}
	vla_json_close(&d->j, ']');
}

static vla_status tell(vla_draft *d, printer *p, const page *g, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	char name[VLA_ITEM_NAME], mask[VLA_ITEM_NAME];
	VLA_TRY(vla_image_reserve(&d->im, side, side, 3, err));
	VLA_TRY(vla_image_reserve(&p->mask, side, side, 1, err));
	print_page(p, g, side);
	vla_item_name(name, sizeof name, "images", d->i, ".png");
	vla_item_name(mask, sizeof mask, "masks", d->i, ".png");
	VLA_TRY(vla_item_picture(d->out, name, &d->im, err));
	if (d->w->opts.with & VLA_WORLD_MASKS)
		VLA_TRY(vla_item_picture(d->out, mask, &p->mask, err));
	vla_row_head(d, name, side, side);
	vla_json_text(&d->j, "title", titles[g->title]);
	put_texts(d, g);
	put_words(d, p, g);
	VLA_TRY(vla_row_mask(&d->j, "text_mask", p->mask.data, side, side, 255, err));
	if (d->w->opts.with & VLA_WORLD_MASKS)
		vla_json_text(&d->j, "mask", mask);
	vla_json_close(&d->j, '}');
	return VLA_OK;
}

vla_status vla_document_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	vla_draft d = { .w = w, .i = i, .out = out };
	page g;
	printer *p = vla_zalloc(1, sizeof *p);
	vla_status s = p ? vla_draft_none(&d, err) : vla_nomem(err);
	if (p)
		p->d = &d;
	for (uint64_t k = 0; p && k < VLA_DRAFT_ATTEMPTS; k++) {
		vla_draft_seed(&d, k);
		if (draw_page(&d, &g)) {
			s = tell(&d, p, &g, err);
			break;
		}
	}
	if (p)
		vla_image_release(&p->mask);
	free(p);
	return vla_draft_finish(&d, s, err);
}
