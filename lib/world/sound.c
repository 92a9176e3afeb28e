/* Sounds of objects: a shape has a timbre, a colour a pitch, a size a rhythm. The picture shows the objects that are
 * seen; in some items one that is heard is not in the picture, or one that is seen is silent. */
#include "io/wav.h"
#include "world/kind.h"
#include "world/say.h"

#include <math.h>

enum { RATE = 16000, FRAMES = 2 * RATE, MAX_SOURCES = 3 };

typedef struct source {
	uint8_t shape, colour, size;
	bool seen, heard;
	uint32_t onset; // samples
} source;

typedef struct concert {
	source s[MAX_SOURCES];
	uint32_t n, ground;
} concert;

static bool draw_concert(vla_draft *d, concert *c)
{
	memset(c, 0, sizeof *c);
	c->n = d->w->opts.level == 1 ? 1 : 1 + vla_draw(d, MAX_SOURCES);
	for (uint32_t i = 0; i < c->n; i++) {
		source *s = &c->s[i];
		s->shape = (uint8_t)vla_draw(d, d->w->level.shapes);
		s->colour = (uint8_t)vla_draw(d, VLA_BLACK);
		s->size = (uint8_t)vla_draw(d, VLA_SIZES);
		s->seen = d->w->opts.level < 3 || vla_draw(d, 5) > 0;
		s->heard = d->w->opts.level < 3 || !s->seen || vla_draw(d, 5) > 0;
		s->onset = i * (FRAMES / 4);
		for (uint32_t k = 0; k < i; k++)
			if (c->s[k].shape == s->shape)
				return false;
	}
	c->ground = 9 + vla_draw(d, 2);
	bool seen = false, heard = false;
	for (uint32_t i = 0; i < c->n; i++) {
		seen |= c->s[i].seen;
		heard |= c->s[i].heard;
	}
	return seen && heard && vla_draft_fits(d, vla_hash64(c, sizeof *c, 6));
}

// Strength of a timbre's harmonic: each shape its own decay, comb and inharmonicity.
static float harmonic(int shape, int k)
{
	static const float decay[] = { .35f, .6f, .8f, .5f, .45f, .9f, .25f };
	bool odd = k % 2 == 1;
	float a = powf(decay[shape % 7], (float)(k - 1));
	return shape < 7 ? a : odd ? a : .12f * a;
}

static float pitch_of(const source *s)
{
	static const int step[] = { 0, 2, 4, 5, 7, 9, 11, 12 }; // of a major scale
	return 220 * powf(2, (float)step[s->colour] / 12);
}

static void play(const source *s, float *out)
{
	static const uint32_t beat[VLA_SIZES] = { RATE / 8, RATE / 4, RATE / 2 }; // small things are quick
	float pitch = pitch_of(s);
	uint32_t length = FRAMES - s->onset < RATE ? FRAMES - s->onset : RATE;
	for (uint32_t i = 0; i < length; i++) {
		float t = (float)i / RATE, since = (float)(i % beat[s->size]) / RATE, v = 0;
		float envelope = expf(-since * (s->shape % 2 ? 6.f : 12.f)) * fminf(1, since * 200);
		for (int k = 1; k <= 8 && pitch * (float)k < RATE / 2; k++)
			v += harmonic(s->shape, k) *
			     sinf(6.2831853f * pitch * (float)k * t * (s->shape % 3 == 2 && k > 1 ? 1.01f : 1));
		out[s->onset + i] += .18f * envelope * v;
	}
}

static void picture(const concert *c, vla_scene *s)
{
	static const float r[VLA_SIZES] = { .09f, .125f, .155f };
	memset(s, 0, sizeof *s);
	s->colour = (uint8_t)c->ground;
	s->level = 1;
	for (uint32_t i = 0; i < c->n; i++) {
		if (!c->s[i].seen)
			continue;
		vla_thing *t = &s->thing[s->n++];
		t->is[VLA_SHAPE] = c->s[i].shape;
		t->is[VLA_COLOUR] = c->s[i].colour;
		t->is[VLA_SIZE] = c->s[i].size;
		t->x = (.5f + (float)i) / (float)c->n;
		t->y = .5f;
		t->r = r[c->s[i].size];
	}
}

// "a red circle", from a source.
static void name_source(vla_text *t, const source *s, char *out, size_t size, enum vla_language lang)
{
	vla_desc d = { .mask = 1 << VLA_SHAPE | 1 << VLA_COLOUR };
	d.is[VLA_SHAPE] = s->shape;
	d.is[VLA_COLOUR] = s->colour;
	vla_text_reset(t, lang);
	vla_say_desc(t, &d, 0, VLA_ARTICLE_A);
	snprintf(out, size, "%s", vla_text_get(t));
}

static void put_caption(vla_draft *d, const concert *c, vla_text *t, enum vla_language lang, bool heard,
			const char *key)
{
	char all[400] = "", one[100];
	for (uint32_t i = 0; i < c->n; i++) {
		if (heard ? !c->s[i].heard : !c->s[i].seen)
			continue;
		name_source(t, &c->s[i], one, sizeof one, lang);
		size_t n = strlen(all);
		snprintf(all + n, sizeof all - n, "%s%s",
			 !n               ? ""
			 : heard          ? lang == VLA_EN ? ", then " : "，然后是"
			 : lang == VLA_EN ? " and "
					  : "和",
			 one);
	}
	char line[460];
	snprintf(line, sizeof line, heard ? lang == VLA_EN ? "the sound of %s" : "声音来自%s" : "%s", all);
	vla_row_texts(d, key, (const char *const[]){ line, NULL });
}

static void put_row(vla_draft *d, const concert *c, vla_text *t, const char *audio)
{
	char one[100], zh[100], q[160], q_zh[160];
	vla_json_text(&d->j, "audio", audio);
	vla_json_int(&d->j, "rate", RATE);
	put_caption(d, c, t, VLA_EN, false, "caption");
	put_caption(d, c, t, VLA_ZH, false, "caption_zh");
	put_caption(d, c, t, VLA_EN, true, "audio_caption");
	put_caption(d, c, t, VLA_ZH, true, "audio_caption_zh");
	vla_json_open(&d->j, "sources", '[');
	for (uint32_t i = 0; i < c->n; i++) {
		const source *s = &c->s[i];
		vla_json_open(&d->j, NULL, '{');
		vla_json_text(&d->j, "shape", vla_plain(VLA_EN, VLA_SHAPE, s->shape));
		vla_json_text(&d->j, "colour", vla_plain(VLA_EN, VLA_COLOUR, s->colour));
		vla_json_text(&d->j, "size", vla_plain(VLA_EN, VLA_SIZE, s->size));
		vla_json_bool(&d->j, "seen", s->seen);
		vla_json_bool(&d->j, "heard", s->heard);
		if (s->heard) {
			vla_json_number(&d->j, "onset", (double)s->onset / RATE, 3);
			vla_json_number(&d->j, "duration",
					FRAMES - s->onset < RATE ? (double)(FRAMES - s->onset) / RATE : 1, 3);
			vla_json_number(&d->j, "pitch", pitch_of(s), 2);
		}
		vla_json_close(&d->j, '}');
	}
	vla_json_close(&d->j, ']');
	vla_json_open(&d->j, "qa", '[');
	for (uint32_t i = 0; i < c->n; i++) {
		name_source(t, &c->s[i], one, sizeof one, VLA_EN);
		name_source(t, &c->s[i], zh, sizeof zh, VLA_ZH);
		snprintf(q, sizeof q, "can you hear %s?", one);
		snprintf(q_zh, sizeof q_zh, "能听到%s吗？", zh);
		vla_row_qa(d, "heard", q, c->s[i].heard ? "yes" : "no", q_zh, c->s[i].heard ? "是" : "不是");
		snprintf(q, sizeof q, "can you see %s?", one);
		snprintf(q_zh, sizeof q_zh, "能看到%s吗？", zh);
		vla_row_qa(d, "seen", q, c->s[i].seen ? "yes" : "no", q_zh, c->s[i].seen ? "是" : "不是");
	}
	vla_json_close(&d->j, ']');
	vla_json_close(&d->j, '}');
}

static vla_status tell(vla_draft *d, const concert *c, vla_err *err)
{
	char image[VLA_ITEM_NAME], audio[VLA_ITEM_NAME];
	uint32_t side = d->w->opts.size;
	vla_text t = { .w = d->w };
	vla_scene s;
	vla_buf b = { NULL, 0, 0 };
	vla_sound sound = { vla_zalloc(FRAMES, sizeof(float)), FRAMES, 1, RATE };
	vla_item_name(image, sizeof image, "images", d->i, ".png");
	vla_item_name(audio, sizeof audio, "audio", d->i, ".wav");
	picture(c, &s);
	vla_status status = sound.sample ? vla_scene_render(&s, side, &d->im, NULL, err) : vla_nomem(err);
	if (status == VLA_OK)
		status = vla_item_picture(d->out, image, &d->im, err);
	for (uint32_t i = 0; status == VLA_OK && i < c->n; i++)
		if (c->s[i].heard)
			play(&c->s[i], sound.sample);
	if (status == VLA_OK)
		status = vla_wav_encode(&sound, &b, err);
	if (status == VLA_OK)
		status = vla_item_add(d->out, audio, &b, err);
	if (status == VLA_OK) {
		vla_row_head(d, image, side, side);
		put_row(d, c, &t, audio);
		status = t.status == VLA_OK ? VLA_OK : vla_nomem(err);
	}
	vla_sound_release(&sound);
	vla_buf_release(&b);
	vla_buf_release(&t.b);
	return status;
}

vla_status vla_sound_item(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	vla_draft d = { .w = w, .i = i, .out = out };
	concert c;
	for (uint64_t k = 0; k < VLA_DRAFT_ATTEMPTS; k++) {
		vla_draft_seed(&d, k);
		if (draw_concert(&d, &c))
			return vla_draft_finish(&d, tell(&d, &c, err), err);
	}
	return vla_draft_finish(&d, vla_draft_none(&d, err), err);
}
