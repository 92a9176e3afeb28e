/* Depth scenes: spheres and boxes on a floor, seen in perspective and lit from a side, with the distance of each pixel,
 * an instruction to reach one object, and the motion that a hand above the floor makes to get there. One ray a sample;
 * lengths are in metres, x to the right, y up, z away from the camera. */
#include "world/kind.h"
#include "world/say.h"

#include <math.h>

enum { MAX_BODIES = 4, STEPS = 8, FINE = 3 };

static const float eye_height = 1.3f, tilt = .74f, focal = 1.15f, far_away = 6;

typedef struct vec {
	float x, y, z;
} vec;

typedef struct body {
	bool box;
	uint8_t colour;
	float x, z, r; // on the floor
} body;

typedef struct room {
	body b[MAX_BODIES];
	uint32_t n, target, floor;
	vec hand;
} room;

typedef struct hit {
	float t;
	int who; // 0 nothing, 1 the floor, 2 + i a body
	vec normal;
} hit;

static float dot(vec a, vec b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static vec along(vec o, vec d, float t)
{
	return (vec){ o.x + d.x * t, o.y + d.y * t, o.z + d.z * t };
}

static void hit_sphere(const body *b, vec o, vec d, int who, hit *h)
{
	vec m = { o.x - b->x, o.y - b->r, o.z - b->z };
	float p = dot(m, d), q = dot(m, m) - b->r * b->r, w = p * p - q;
	if (w < 0)
		return;
	float t = -p - sqrtf(w);
	if (t < 1e-3f || t >= h->t)
		return;
	vec at = along(m, d, t);
	*h = (hit){ t, who, { at.x / b->r, at.y / b->r, at.z / b->r } };
}

static void hit_box(const body *b, vec o, vec d, int who, hit *h)
{
	float lo[3] = { b->x - b->r, 0, b->z - b->r }, hi[3] = { b->x + b->r, 1.6f * b->r, b->z + b->r };
	float from[3] = { o.x, o.y, o.z }, way[3] = { d.x, d.y, d.z }, t0 = 1e-3f, t1 = h->t;
	int axis = -1;
	for (int k = 0; k < 3; k++) {
		float inv = 1 / (fabsf(way[k]) < 1e-9f ? 1e-9f : way[k]), a = (lo[k] - from[k]) * inv,
		      c = (hi[k] - from[k]) * inv;
		if (a > c) {
			float s = a;
			a = c;
			c = s;
		}
		if (a > t0) {
			t0 = a;
			axis = k;
		}
		t1 = c < t1 ? c : t1;
	}
	if (axis < 0 || t0 >= t1)
		return;
	float n[3] = { 0, 0, 0 };
	n[axis] = way[axis] > 0 ? -1.f : 1.f;
	*h = (hit){ t0, who, { n[0], n[1], n[2] } };
}

static hit trace(const room *r, vec o, vec d)
{
	hit h = { far_away, 0, { 0, 0, 0 } };
	if (d.y < -1e-6f && -o.y / d.y < h.t && o.y > 0)
		h = (hit){ -o.y / d.y, 1, { 0, 1, 0 } };
	for (uint32_t i = 0; i < r->n; i++)
		if (r->b[i].box)
			hit_box(&r->b[i], o, d, (int)i + 2, &h);
		else
			hit_sphere(&r->b[i], o, d, (int)i + 2, &h);
	return h;
}

static vec ray(float u, float v)
{
	float c = cosf(tilt), s = sinf(tilt), len = sqrtf(u * u + v * v + focal * focal);
	vec d = { u / len, -v / len, focal / len };
	return (vec){ d.x, c * d.y - s * d.z, s * d.y + c * d.z };
}

// Where a point is seen, in picture sides.
static void project(vec p, float *x, float *y)
{
	float c = cosf(tilt), s = sinf(tilt), py = p.y - eye_height;
	float up = c * py + s * p.z, deep = c * p.z - s * py;
	*x = .5f + p.x / deep * focal / 2;
	*y = .5f - up / deep * focal / 2;
}

static vec middle(const body *b)
{
	return (vec){ b->x, b->box ? .8f * b->r : b->r, b->z };
}

static bool draw_room(vla_draft *d, room *r)
{
	memset(r, 0, sizeof *r);
	r->n = d->w->opts.level == 1 ? 1 : 2 + vla_draw(d, MAX_BODIES - 1);
	r->floor = vla_draw(d, 2);
	uint64_t key[MAX_BODIES + 1] = { 0 };
	for (uint32_t i = 0; i < r->n; i++) {
		body *b = &r->b[i];
		float x, y;
		b->box = vla_draw(d, 2);
		b->colour = (uint8_t)vla_draw(d, VLA_BLACK);
		b->r = .14f + .1f * vla_rng_float(&d->rng);
		b->x = 2.2f * vla_rng_float(&d->rng) - 1.1f;
		b->z = .75f + 1.8f * vla_rng_float(&d->rng);
		project(middle(b), &x, &y);
		if (x < .12f || x > .88f || y > .85f || y < .12f)
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (hypotf(b->x - r->b[k].x, b->z - r->b[k].z) < 1.5f * (b->r + r->b[k].r) ||
			    (b->box == r->b[k].box && b->colour == r->b[k].colour))
				return false;
		key[i] = (uint64_t)b->box << 20 | (uint64_t)b->colour << 10 | (uint64_t)(b->x * 8 + 12) << 5 |
			 (uint64_t)(b->z * 8);
	}
	r->target = vla_draw(d, r->n);
	key[MAX_BODIES] = r->target;
	r->hand = (vec){ .6f * vla_rng_float(&d->rng) - .3f, .5f + .2f * vla_rng_float(&d->rng), .6f };
	return vla_draft_fits(d, vla_hash64(key, sizeof key, 8));
}

static vla_rgb shade(const room *r, const hit *h, vec o, vec d)
{
	static const vla_rgb sky = { 206, 214, 224 }, floors[2][2] = { { { 176, 168, 156 }, { 158, 150, 138 } },
								       { { 150, 160, 150 }, { 132, 142, 132 } } };
	static const vec light = { -.48f, .78f, -.4f };
	if (!h->who)
		return sky;
	vec at = along(o, d, h->t);
	bool dark = ((int)floorf(at.x * 2.5f) + (int)floorf(at.z * 2.5f)) & 1;
	vla_rgb c = h->who == 1 ? floors[r->floor][dark] : vla_colour_rgb(r->b[h->who - 2].colour);
	float k = dot(h->normal, light);
	if (k > 0 && trace(r, along(at, h->normal, 2e-3f), light).who > 1)
		k = 0; // in shadow
	return vla_rgb_mix((vla_rgb){ 0, 0, 0 }, c, .42f + .6f * (k > 0 ? k : 0));
}

static uint8_t byte(float v)
{
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + .5f);
}

static void draw_pixels(const room *r, vla_image *im, uint8_t *owner, uint8_t *depth)
{
	uint32_t side = im->width;
	vec o = { 0, eye_height, 0 };
	for (uint32_t i = 0; i < side * side; i++) {
		vla_rgb sum = { 0, 0, 0 };
		for (int k = 0; k < FINE * FINE; k++) {
			float u = 2 * ((float)(i % side) + ((float)(k % FINE) + .5f) / FINE) / (float)side - 1;
			float v = 2 * ((float)(i / side) + ((float)(k / FINE) + .5f) / FINE) / (float)side - 1;
			vec d = ray(u, v);
			hit h = trace(r, o, d);
			vla_rgb c = shade(r, &h, o, d);
			sum = (vla_rgb){ sum.r + c.r, sum.g + c.g, sum.b + c.b };
			if (k == FINE * FINE / 2) { // the pixel's centre
				owner[i] = (uint8_t)(h.who > 1 ? h.who - 1 : 0);
				depth[i] = byte(255 * h.t / far_away);
			}
		}
		float k = 1.f / (FINE * FINE);
		im->data[3 * i] = byte(sum.r * k);
		im->data[3 * i + 1] = byte(sum.g * k);
		im->data[3 * i + 2] = byte(sum.b * k);
	}
}

static void name_body(const body *b, bool zh, char *out, size_t size)
{
	snprintf(out, size, zh ? "%s的%s" : "%s %s", vla_plain(zh ? VLA_ZH : VLA_EN, VLA_COLOUR, b->colour),
		 zh       ? b->box ? "方块" : "球"
		 : b->box ? "box"
			  : "sphere");
}

static void put_point(vla_json_out *j, const char *key, vec p)
{
	vla_json_numbers(j, key, (double[]){ p.x, p.y, p.z }, 3, 4);
}

static vla_status put_bodies(vla_draft *d, const room *r, const uint8_t *owner, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	vla_json_open(&d->j, "objects", '[');
	for (uint32_t i = 0; i < r->n; i++) {
		const body *b = &r->b[i];
		vla_box box = vla_label_box(owner, side, side, (uint8_t)(i + 1));
		vec m = middle(b), from = { m.x, m.y - eye_height, m.z };
		vla_json_open(&d->j, NULL, '{');
		vla_json_int(&d->j, "id", i);
		vla_json_text(&d->j, "shape", b->box ? "box" : "sphere");
		vla_json_text(&d->j, "colour", vla_plain(VLA_EN, VLA_COLOUR, b->colour));
		put_point(&d->j, "place", m);
		vla_json_number(&d->j, "radius", b->r, 4);
		vla_json_number(&d->j, "distance", sqrtf(dot(from, from)), 4);
		vla_row_box(d, "box", box.x, box.y, box.w, box.h);
		vla_json_int(&d->j, "area", box.area);
		VLA_TRY(vla_row_mask(&d->j, "mask", owner, side, side, (uint8_t)(i + 1), err));
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
	return VLA_OK;
}

// Steps of equal length to a point just above the target, then down onto it.
static void put_motion(vla_draft *d, const room *r)
{
	const body *b = &r->b[r->target];
	vec top = { b->x, b->box ? 1.6f * b->r : 2 * b->r, b->z }, above = { top.x, top.y + .15f, top.z };
	float x, y;
	project(middle(b), &x, &y);
	vla_json_int(&d->j, "target", r->target);
	put_point(&d->j, "target_place", top);
	vla_json_numbers(&d->j, "target_pixel", (double[]){ x * (float)d->w->opts.size, y * (float)d->w->opts.size }, 2,
			 2);
	put_point(&d->j, "hand", r->hand);
	vla_json_open(&d->j, "actions", '[');
	for (int k = 0; k < STEPS; k++) {
		vec from = k < STEPS - 2 ? r->hand : above, to = k < STEPS - 2 ? above : top;
		float n = k < STEPS - 2 ? STEPS - 2 : 2;
		put_point(&d->j, NULL, (vec){ (to.x - from.x) / n, (to.y - from.y) / n, (to.z - from.z) / n });
	}
	vla_json_close(&d->j, ']');
}

static void put_texts(vla_draft *d, const room *r)
{
	char one[60], zh[60], en_all[300] = "", zh_all[300] = "", line[340], q[200], q_zh[200], other[60], other_zh[60];
	for (uint32_t i = 0; i < r->n; i++) {
		size_t n = strlen(en_all), m = strlen(zh_all);
		name_body(&r->b[i], false, one, sizeof one);
		name_body(&r->b[i], true, zh, sizeof zh);
		snprintf(en_all + n, sizeof en_all - n, "%s%s %s", n ? " and " : "", strchr("aeiou", *one) ? "an" : "a",
			 one);
		snprintf(zh_all + m, sizeof zh_all - m, "%s一个%s", m ? "和" : "", zh);
	}
	snprintf(line, sizeof line, "%s on the floor", en_all);
	vla_row_texts(d, "caption", (const char *const[]){ line, NULL });
	snprintf(line, sizeof line, "地上有%s", zh_all);
	vla_row_texts(d, "caption_zh", (const char *const[]){ line, NULL });
	name_body(&r->b[r->target], false, one, sizeof one);
	name_body(&r->b[r->target], true, zh, sizeof zh);
	snprintf(line, sizeof line, "reach the %s", one);
	vla_json_text(&d->j, "instruction", line);
	snprintf(line, sizeof line, "伸手去拿%s", zh);
	vla_json_text(&d->j, "instruction_zh", line);
	vla_json_open(&d->j, "qa", '[');
	for (uint32_t i = 0; i < r->n; i++) {
		if (i == r->target || fabsf(r->b[i].z - r->b[r->target].z) < .15f)
			continue;
		bool nearer = r->b[r->target].z < r->b[i].z;
		name_body(&r->b[i], false, other, sizeof other);
		name_body(&r->b[i], true, other_zh, sizeof other_zh);
		snprintf(q, sizeof q, "is the %s nearer than the %s?", one, other);
		snprintf(q_zh, sizeof q_zh, "%s比%s更近吗？", zh, other_zh);
		vla_row_qa(d, "nearer", q, nearer ? "yes" : "no", q_zh, nearer ? "是" : "不是");
	}
	vla_json_close(&d->j, ']');
}

static vla_status tell(vla_draft *d, const room *r, uint8_t *owner, vla_err *err)
{
	uint32_t side = d->w->opts.size;
	size_t n = (size_t)side * side;
	char name[VLA_ITEM_NAME];
	VLA_TRY(vla_image_reserve(&d->im, side, side, 3, err));
	draw_pixels(r, &d->im, owner, owner + n);
	vla_item_name(name, sizeof name, "images", d->i, ".png");
	VLA_TRY(vla_item_picture(d->out, name, &d->im, err));
	vla_row_head(d, name, side, side);
	put_texts(d, r);
	put_motion(d, r);
	VLA_TRY(put_bodies(d, r, owner, err));
	for (int k = 0; k < 2; k++) {
		if (!(d->w->opts.with & (k ? VLA_WORLD_DEPTH : VLA_WORLD_MASKS)))
			continue;
		VLA_TRY(vla_image_reserve(&d->im, side, side, 1, err));
		memcpy(d->im.data, owner + (size_t)k * n, n);
		vla_item_name(name, sizeof name, k ? "depth" : "masks", d->i, ".png");
		VLA_TRY(vla_item_picture(d->out, name, &d->im, err));
		vla_json_text(&d->j, k ? "depth" : "mask", name);
	}
	vla_json_number(&d->j, "depth_range", far_away, 1);
	vla_json_close(&d->j, '}');
	return VLA_OK;
}

vla_status vla_reach_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	vla_draft d = { .w = w, .i = i, .out = out };
	room r;
	uint8_t *owner = vla_alloc((size_t)w->opts.size * w->opts.size, 2);
	vla_status s = owner ? vla_draft_none(&d, err) : vla_nomem(err);
	for (uint64_t k = 0; owner && k < VLA_DRAFT_ATTEMPTS; k++) {
		vla_draft_seed(&d, k);
		if (draw_room(&d, &r)) {
			s = tell(&d, &r, owner, err);
			break;
		}
	}
	free(owner);
	return vla_draft_finish(&d, s, err);
}
