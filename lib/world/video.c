/* Videos: a scene in which one or two objects do something between two frames. What is told are the events, their spans
 * and their order; boxes and masks are given for each frame. */
#include "world/kind.h"
#include "world/say.h"

#include <math.h>

enum event { MOVE_LEFT, MOVE_RIGHT, MOVE_UP, MOVE_DOWN, GROW, SHRINK, APPEAR, DISAPPEAR, RECOLOUR, EVENTS };

enum { MAX_EVENTS = 2, MAX_FRAMES = 64 };

typedef struct happening {
	enum event what;
	uint32_t object, begin, end; // frames [begin, end): before begin nothing, from end - 1 on it is done
	uint8_t colour;              // RECOLOUR
	float by;                    // MOVE_: how far
	vla_desc who;
} happening;

typedef struct film {
	vla_scene s;
	happening h[MAX_EVENTS];
	uint32_t n, frames;
} film;

static const struct {
	const char *name, *en, *zh;
} words[EVENTS] = {
	{ "move left", "moves to the left", "向左移动" },
	{ "move right", "moves to the right", "向右移动" },
	{ "move up", "moves up", "向上移动" },
	{ "move down", "moves down", "向下移动" },
	{ "grow", "grows", "变大" },
	{ "shrink", "shrinks", "变小" },
	{ "appear", "appears", "出现" },
	{ "disappear", "disappears", "消失" },
	{ "recolour", "turns", "变成" },
};

static bool can(const vla_scene *s, const happening *h)
{
	const vla_thing *t = &s->thing[h->object];
	float m = t->r * 1.1f;
	switch (h->what) {
	case MOVE_LEFT: return t->x - h->by > m;
	case MOVE_RIGHT: return t->x + h->by < 1 - m;
	case MOVE_UP: return t->y - h->by > m;
	case MOVE_DOWN: return t->y + h->by < 1 - m;
	case GROW: return t->r < .13f && t->x > .25f && t->x < .75f && t->y > .25f && t->y < .75f;
	case SHRINK: return t->r > .11f;
	case RECOLOUR: return h->colour != t->is[VLA_COLOUR] && h->colour != s->colour;
	default: return s->n > 1;
	}
}

static bool draw_event(vla_draft *d, film *f, uint32_t k)
{
	happening *h = &f->h[k];
	h->what = (enum event)vla_draw(d, EVENTS);
	h->object = vla_draw(d, f->s.n);
	h->by = .28f + .2f * vla_rng_float(&d->rng);
	h->colour = (uint8_t)vla_draw(d, d->w->level.colours);
	return can(&f->s, h) && vla_desc_unique(&f->s, h->object, &h->who) && (k == 0 || h->object != f->h[0].object);
}

static bool draw_film(vla_draft *d, film *f)
{
	uint32_t n = f->frames;
	if (!vla_scene_draw(d->w, vla_world_split(d->w, d->i), &d->rng, &f->s) || f->s.n > 5)
		return false;
	vla_scene_relate(&f->s);
	f->n = 1 + (f->s.n > 1 ? vla_draw(d, 2) : 0);
	for (uint32_t k = 0; k < f->n; k++)
		if (!draw_event(d, f, k))
			return false;
	bool together = f->n == 2 && vla_draw(d, 3) == 0;
	uint32_t half = n / 2;
	for (uint32_t k = 0; k < f->n; k++) {
		f->h[k].begin = f->n == 1 ? 1 + vla_draw(d, half) : together || k == 0 ? 0 : half;
		f->h[k].end = f->n == 1  ? f->h[k].begin + 2 + vla_draw(d, n - f->h[k].begin - 1)
			      : together ? n
			      : k == 0   ? half
					 : n;
		f->h[k].end = f->h[k].end > n ? n : f->h[k].end;
	}
	uint64_t key[1 + MAX_EVENTS] = { vla_scene_signature(&f->s) };
	for (uint32_t k = 0; k < f->n; k++)
		key[1 + k] = (uint64_t)f->h[k].what << 8 | f->h[k].object;
	return vla_scene_legible(d->w, &f->s) && vla_draft_fits(d, vla_hash64(key, sizeof key, 7));
}

// The scene at a frame; an object that is not there has no size, so that numbers stay.
static void at_frame(const film *f, uint32_t frame, vla_scene *s)
{
	*s = f->s;
	for (uint32_t k = 0; k < f->n; k++) {
		const happening *h = &f->h[k];
		vla_thing *t = &s->thing[h->object];
		float len = (float)(h->end - h->begin) - 1, p = ((float)frame - (float)h->begin) / (len > 0 ? len : 1);
		p = p < 0 ? 0 : p > 1 ? 1 : p;
		switch (h->what) {
		case MOVE_LEFT: t->x -= p * h->by; break;
		case MOVE_RIGHT: t->x += p * h->by; break;
		case MOVE_UP: t->y -= p * h->by; break;
		case MOVE_DOWN: t->y += p * h->by; break;
		case GROW: t->r *= 1 + .8f * p; break;
		case SHRINK: t->r *= 1 - .5f * p; break;
		case APPEAR: t->r = p < .5f ? 0 : t->r; break;
		case DISAPPEAR: t->r = p < .5f ? t->r : 0; break;
		default: t->is[VLA_COLOUR] = p < .5f ? t->is[VLA_COLOUR] : h->colour; break;
		}
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (s->thing[i].r <= 0) {
			s->thing[i].r = 1e-6f;
			s->thing[i].x = -9;
		}
}

static void clause(vla_text *t, enum vla_language lang, const happening *h, vla_buf *out)
{
	vla_text_reset(t, lang);
	vla_say_desc(t, &h->who, 0, lang == VLA_EN ? VLA_ARTICLE_THE : VLA_ARTICLE_NONE);
	vla_text_add(t, lang == VLA_EN ? " " : "");
	vla_text_add(t, lang == VLA_EN ? words[h->what].en : words[h->what].zh);
	if (h->what == RECOLOUR) {
		vla_text_add(t, lang == VLA_EN ? " " : "");
		vla_text_add(t, vla_plain(lang, VLA_COLOUR, h->colour));
	}
	out->n = 0;
	if (t->status == VLA_OK)
		t->status = vla_buf_add(out, vla_text_get(t), strlen(vla_text_get(t)) + 1, NULL);
}

// a happens before b, or with it.
static void put_sentence(vla_draft *d, vla_text *t, enum vla_language lang, const happening *a, const happening *b)
{
	vla_buf one = { NULL, 0, 0 }, two = { NULL, 0, 0 }, all = { NULL, 0, 0 };
	clause(t, lang, a, &one);
	if (b)
		clause(t, lang, b, &two);
	bool together = b && a->begin == b->begin;
	const char *form = lang == VLA_EN ? together ? "%s while %s"
					    : b      ? "first %s, then %s"
						     : "%s%s"
			   : together     ? "%s，同时%s"
			   : b            ? "先是%s，然后%s"
					  : "%s%s";
	if (t->status == VLA_OK) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		t->status = vla_buf_addf(&all, NULL, form, one.data, b ? two.data : "");
#pragma GCC diagnostic pop
	}
	if (t->status == VLA_OK)
		vla_json_text(&d->j, NULL, all.data);
	vla_buf_release(&one);
	vla_buf_release(&two);
	vla_buf_release(&all);
}

static void put_texts(vla_draft *d, vla_text *t, const film *f)
{
	static const char *const key[] = { "caption", "caption_zh", "negative", "negative_zh" };
	const happening *b = f->n > 1 ? &f->h[1] : NULL;
	static const enum event opposite[EVENTS] = { MOVE_RIGHT, MOVE_LEFT, MOVE_DOWN, MOVE_UP, SHRINK,
						     GROW,       DISAPPEAR, APPEAR,    RECOLOUR };
	for (int k = 0; k < 4; k++) {
		happening wrong = f->h[0], second = b ? *b : f->h[0];
		enum vla_language lang = k % 2 ? VLA_ZH : VLA_EN;
		vla_json_open(&d->j, key[k], '[');
		if (k < 2) {
			put_sentence(d, t, lang, &f->h[0], b);
		} else if (b && b->begin != f->h[0].begin) { // the order
			second.begin = 0;
			wrong.begin = 1;
			put_sentence(d, t, lang, &second, &wrong);
		} else if (wrong.what != RECOLOUR) {
			wrong.what = opposite[wrong.what];
			put_sentence(d, t, lang, &wrong, b ? &second : NULL);
		}
		vla_json_close(&d->j, ']');
	}
}

static void put_events(vla_draft *d, vla_text *t, const film *f)
{
	vla_buf b = { NULL, 0, 0 };
	vla_json_open(&d->j, "events", '[');
	for (uint32_t k = 0; k < f->n; k++) {
		const happening *h = &f->h[k];
		vla_json_open(&d->j, NULL, '{');
		vla_json_int(&d->j, "object", h->object);
		vla_json_text(&d->j, "event", words[h->what].name);
		vla_json_int(&d->j, "begin", h->begin);
		vla_json_int(&d->j, "end", h->end);
		clause(t, VLA_EN, h, &b);
		vla_json_text(&d->j, "phrase", b.n ? b.data : "");
		clause(t, VLA_ZH, h, &b);
		vla_json_text(&d->j, "phrase_zh", b.n ? b.data : "");
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
	vla_json_open(&d->j, "qa", '[');
	for (uint32_t k = 0; k < f->n; k++) {
		char q[300], q_zh[300], a[60], a_zh[60];
		const happening *h = &f->h[k];
		bool c = h->what == RECOLOUR;
		vla_text_reset(t, VLA_EN);
		vla_say_desc(t, &h->who, 0, VLA_ARTICLE_THE);
		snprintf(q, sizeof q, "what happens to %s?", vla_text_get(t));
		vla_text_reset(t, VLA_ZH);
		vla_say_desc(t, &h->who, 0, VLA_ARTICLE_NONE);
		snprintf(q_zh, sizeof q_zh, "%s发生了什么？", vla_text_get(t));
		snprintf(a, sizeof a, "it %s%s%s", words[h->what].en, c ? " " : "",
			 c ? vla_plain(VLA_EN, VLA_COLOUR, h->colour) : "");
		snprintf(a_zh, sizeof a_zh, "%s%s", words[h->what].zh,
			 c ? vla_plain(VLA_ZH, VLA_COLOUR, h->colour) : "");
		vla_row_qa(d, "event", q, a, q_zh, a_zh);
	}
	vla_json_close(&d->j, ']');
	vla_buf_release(&b);
}

static vla_status put_tracks(vla_draft *d, const film *f, const uint8_t *owner, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	vla_json_open(&d->j, "objects", '[');
	for (uint32_t i = 0; i < f->s.n; i++) {
		vla_json_open(&d->j, NULL, '{');
		vla_json_int(&d->j, "id", i);
		for (int k = 0; k < VLA_CLASS; k++) {
			size_t n;
			vla_json_text(&d->j, vla_factor_name((enum vla_factor)k),
				      vla_words((enum vla_factor)k, &n)[f->s.thing[i].is[k]].name);
		}
		vla_json_open(&d->j, "boxes", '[');
		for (uint32_t k = 0; k < f->frames; k++) {
			vla_box b = vla_label_box(owner + (size_t)k * side * side, side, side, (uint8_t)(i + 1));
			if (b.w)
				vla_row_box(d, NULL, b.x, b.y, b.w, b.h);
			else
				vla_json_text(&d->j, NULL, NULL);
		}
		vla_json_close(&d->j, ']');
		vla_json_open(&d->j, "masks", '[');
		for (uint32_t k = 0; k < f->frames; k++)
			VLA_TRY(vla_row_mask(&d->j, NULL, owner + (size_t)k * side * side, side, side, (uint8_t)(i + 1),
					     err));
		vla_json_close(&d->j, ']');
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
	return VLA_OK;
}

static vla_status put_frames(vla_draft *d, const film *f, uint8_t *owner, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	char name[VLA_ITEM_NAME], tail[24];
	vla_buf ppm = { NULL, 0, 0 };
	vla_status s = VLA_OK;
	vla_item_name(name, sizeof name, "images", d->i, "-00.png");
	vla_row_head(d, name, side, side);
	vla_json_open(&d->j, "frames", '[');
	for (uint32_t k = 0; k < f->frames && s == VLA_OK; k++) {
		vla_scene now;
		at_frame(f, k, &now);
		snprintf(tail, sizeof tail, "-%02u.png", k);
		vla_item_name(name, sizeof name, "images", d->i, tail);
		s = vla_scene_render(&now, side, &d->im, owner + (size_t)k * side * side, err);
		if (s == VLA_OK)
			s = vla_item_picture(d->out, name, &d->im, err);
		if (s == VLA_OK && d->w->opts.with & VLA_WORLD_PPM)
			s = vla_ppm_encode(&d->im, &ppm, err);
		vla_json_text(&d->j, NULL, name);
	}
	vla_json_close(&d->j, ']');
	if (s == VLA_OK && d->w->opts.with & VLA_WORLD_PPM) {
		vla_item_name(name, sizeof name, "videos", d->i, ".ppm");
		vla_json_text(&d->j, "video", name);
		s = vla_item_add(d->out, name, &ppm, err);
	}
	vla_buf_release(&ppm);
	return s;
}

static vla_status tell(vla_draft *d, const film *f, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	vla_text t = { .w = d->w, .rng = &d->rng };
	uint8_t *owner = vla_alloc((size_t)side * side, f->frames);
	vla_status s = owner ? put_frames(d, f, owner, err) : vla_nomem(err);
	if (s == VLA_OK) {
		put_texts(d, &t, f);
		put_events(d, &t, f);
		s = t.status == VLA_OK ? put_tracks(d, f, owner, err) : vla_nomem(err);
	}
	vla_json_close(&d->j, '}');
	vla_buf_release(&t.b);
	free(owner);
	return s;
}

vla_status vla_video_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	vla_draft d = { .w = w, .i = i, .out = out };
	film f = { .frames = w->opts.frames ? w->opts.frames : 8 };
	for (uint64_t k = 0; k < VLA_DRAFT_ATTEMPTS; k++) {
		vla_draft_seed(&d, k);
		if (draw_film(&d, &f))
			return vla_draft_finish(&d, tell(&d, &f, err), err);
	}
	return vla_draft_finish(&d, vla_draft_none(&d, err), err);
}
