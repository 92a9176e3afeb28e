/* The other kinds of items: what their rows say is looked up in their pictures and sounds. */
#include "io/image.h"
#include "io/json.h"
#include "io/rle.h"
#include "io/wav.h"
#include "tap.h"

#include <vla/world.h>

#include <math.h>

enum { N = 10 };

static vla_err err;
static uint8_t mask[512 * 512];

typedef bool check_fn(const json_t *row, const vla_world_item *item);

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static double number(const json_t *list, size_t i)
{
	return json_number_value(json_array_get(list, i));
}

static const vla_world_file *file(const vla_world_item *item, const char *name)
{
	for (size_t i = 0; name && i < item->files; i++)
		if (!strcmp(item->file[i].name, name))
			return &item->file[i];
	return NULL;
}

static bool load(const vla_world_item *item, const char *name, vla_image *im)
{
	const vla_world_file *f = file(item, name);
	return f && vla_image_decode(f->data, f->n, NULL, im, &err) == VLA_OK;
}

static bool decode(const json_t *m, uint32_t w, uint32_t h)
{
	const char *s = text(m, "counts");
	return s && w * h <= sizeof mask && vla_rle_decode(s, strlen(s), w, h, mask, &err) == VLA_OK;
}

// Left edge, top and number of the mask's pixels.
static unsigned extent(uint32_t w, uint32_t h, unsigned *x0, unsigned *y0)
{
	unsigned n = 0;
	*x0 = w;
	*y0 = h;
	for (unsigned i = 0; i < w * h; i++)
		if (mask[i]) {
			n++;
			*x0 = i % w < *x0 ? i % w : *x0;
			*y0 = i / w < *y0 ? i / w : *y0;
		}
	return n;
}

// An object's box and mask at a frame; false when it is not seen.
static bool at_frame(const json_t *o, size_t k, double out[3])
{
	unsigned x, y;
	const json_t *box = json_array_get(json_object_get(o, "boxes"), k);
	if (!decode(json_array_get(json_object_get(o, "masks"), k), 64, 64))
		return false;
	out[2] = extent(64, 64, &x, &y);
	if (json_is_null(box))
		return out[2] == 0 && (out[0] = -1, true);
	out[0] = x;
	out[1] = y;
	return number(box, 0) == x && number(box, 1) == y;
}

static bool check_video(const json_t *row, const vla_world_item *item)
{
	size_t i;
	json_t *e;
	vla_image im = VLA_IMAGE_INIT;
	bool good = json_array_size(json_object_get(row, "frames")) == 8 && item->files == 8;
	for (i = 0; i < 8; i++)
		good = good && load(item, json_string_value(json_array_get(json_object_get(row, "frames"), i)), &im);
	vla_image_release(&im);
	json_array_foreach(json_object_get(row, "events"), i, e)
	{
		const json_t *o = json_array_get(json_object_get(row, "objects"),
						 (size_t)json_integer_value(json_object_get(e, "object")));
		const char *what = text(e, "event");
		double a[3], b[3];
		if (!at_frame(o, 0, a) || !at_frame(o, 7, b) || !what)
			return false;
		bool seen = a[0] >= 0 && b[0] >= 0;
		if (!strcmp(what, "appear") || !strcmp(what, "disappear"))
			good = good && (*what == 'a' ? a[0] < 0 : b[0] < 0);
		else if (seen && !strcmp(what, "move right"))
			good = good && b[0] > a[0];
		else if (seen && !strcmp(what, "move left"))
			good = good && b[0] < a[0];
		else if (seen && !strcmp(what, "move down"))
			good = good && b[1] > a[1];
		else if (seen && !strcmp(what, "move up"))
			good = good && b[1] < a[1];
		good = good &&
		       json_integer_value(json_object_get(e, "begin")) < json_integer_value(json_object_get(e, "end"));
	}
	return good;
}

static bool check_document(const json_t *row, const vla_world_item *item)
{
	vla_image im = VLA_IMAGE_INIT;
	size_t i, words = 0;
	json_t *v;
	bool good =
		load(item, text(row, "image"), &im) && decode(json_object_get(row, "text_mask"), im.width, im.height);
	for (i = 0; good && i < (size_t)im.width * im.height; i++)
		good = !mask[i] || (im.data[3 * i] == 20 && im.data[3 * i + 2] == 30);
	json_array_foreach(json_object_get(row, "words"), i, v)
	{
		const json_t *b = json_object_get(v, "box");
		unsigned ink = 0;
		for (unsigned y = (unsigned)number(b, 1); y < number(b, 1) + number(b, 3); y++)
			for (unsigned x = (unsigned)number(b, 0); x < number(b, 0) + number(b, 2); x++) {
				if (!good || x >= im.width || y >= im.height)
					return false;
				ink += mask[y * im.width + x];
				mask[y * im.width + x] = 0;
			}
		good = good && ink > 0 && strstr(text(row, "text"), text(v, "text"));
		words++;
	}
	for (i = 0; good && i < (size_t)im.width * im.height; i++)
		good = !mask[i]; // no ink but that of the words
	vla_image_release(&im);
	return good && words > 5;
}

static bool check_chart(const json_t *row, const vla_world_item *item)
{
	vla_image im = VLA_IMAGE_INIT;
	bool good = load(item, text(row, "image"), &im) && text(row, "type"),
	     bars = good && !strcmp(text(row, "type"), "bar");
	size_t i;
	json_t *v;
	double unit = 0;
	json_array_foreach(json_object_get(row, "bars"), i, v)
	{
		const json_t *b = json_object_get(v, "box");
		double value = json_number_value(json_object_get(v, "value"));
		if (bars && i == 0)
			unit = number(b, 3) / value;
		good = good && (!bars || fabs(number(b, 3) - unit * value) <= 1 + unit);
		const uint8_t *p = good ? im.data + 3 * ((unsigned)(number(b, 1) + number(b, 3) / 2) * im.width +
							 (unsigned)(number(b, 0) + number(b, 2) / 2))
					: NULL;
		good = good && (p[0] < 250 || p[1] < 250 || p[2] < 250);
	}
	vla_image_release(&im);
	return good;
}

// A program's value: NAME(a[,b]), numbers, a and b.
static double value(const char **p, const double *x)
{
	char name[12];
	size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz");
	double a, b = 0;
	if (!n)
		return strtod(*p, (char **)p);
	snprintf(name, sizeof name, "%.*s", (int)(n < 11 ? n : 11), *p);
	*p += n;
	if (**p != '(')
		return n > 1 ? 3.14159265358979 : x[name[0] - 'a'];
	++*p;
	a = value(p, x);
	if (**p == ',') {
		++*p;
		b = value(p, x);
	}
	++*p;
	return !strcmp(name, "add")    ? a + b
	       : !strcmp(name, "sub")  ? a - b
	       : !strcmp(name, "mul")  ? a * b
	       : !strcmp(name, "half") ? a / 2
	       : !strcmp(name, "sqrt") ? sqrt(a)
				       : a * a;
}

static bool check_geometry(const json_t *row, const vla_world_item *item)
{
	const json_t *list = json_object_get(row, "arguments");
	double x[2] = { number(list, 0), number(list, 1) };
	const char *p = text(row, "program");
	vla_image im = VLA_IMAGE_INIT;
	unsigned ink = 0;
	bool good = load(item, text(row, "image"), &im) && p && json_array_size(json_object_get(row, "formal")) > 1;
	for (size_t i = 0; good && i < (size_t)im.width * im.height; i++)
		ink += im.data[3 * i] < 128;
	vla_image_release(&im);
	return good && ink > 100 && fabs(value(&p, x) - json_number_value(json_object_get(row, "answer"))) < 1e-4;
}

static bool check_sound(const json_t *row, const vla_world_item *item)
{
	const vla_world_file *f = file(item, text(row, "audio"));
	vla_sound s;
	size_t i;
	json_t *v;
	bool good = f && vla_wav_decode(f->data, f->n, &s, &err) == VLA_OK;
	if (!good)
		return false;
	good = s.rate == 16000 && s.channels == 1 && s.frames == 32000;
	json_array_foreach(json_object_get(row, "sources"), i, v)
	{
		size_t at = (size_t)(16000 * json_number_value(json_object_get(v, "onset")));
		double energy = 0;
		for (size_t k = at; json_is_true(json_object_get(v, "heard")) && k < at + 1600; k++)
			energy += fabs((double)s.sample[k]);
		good = good && (energy > 1 || !json_is_true(json_object_get(v, "heard")));
	}
	vla_sound_release(&s);
	return good;
}

static bool check_reach(const json_t *row, const vla_world_item *item)
{
	vla_image im = VLA_IMAGE_INIT;
	const json_t *step = json_object_get(row, "actions"), *hand = json_object_get(row, "hand"),
		     *place = json_object_get(row, "target_place"), *pixel = json_object_get(row, "target_pixel");
	const json_t *o = json_array_get(json_object_get(row, "objects"),
					 (size_t)json_integer_value(json_object_get(row, "target")));
	bool good = load(item, text(row, "image"), &im) && decode(json_object_get(o, "mask"), im.width, im.height);
	for (size_t k = 0; k < 3; k++) {
		double at = number(hand, k);
		for (size_t i = 0; i < json_array_size(step); i++)
			at += number(json_array_get(step, i), k);
		good = good && fabs(at - number(place, k)) < 2e-3;
	}
	size_t at = good ? (size_t)number(pixel, 1) * im.width + (size_t)number(pixel, 0) : 0;
	good = good && (mask[at] || json_integer_value(json_object_get(o, "area")) < 60);
	vla_image_release(&im);
	return good;
}

static void check_kind(vla_world_kind kind, check_fn *check)
{
	vla_world_opts o = VLA_WORLD_OPTS_INIT;
	vla_world *w = NULL;
	unsigned good = 0, same = 0;
	o.kind = kind;
	o.n = N;
	o.seed = 9;
	if (!ok(vla_world_new(&o, &w, &err) == VLA_OK, "%s", vla_world_kind_name((int)kind)))
		return;
	for (uint64_t i = 0; i < N; i++) {
		vla_world_item a, b;
		json_t *row = NULL;
		bool made = vla_world_make(w, i, &a, &err) == VLA_OK;
		bool again = vla_world_make(w, i, &b, &err) == VLA_OK;
		same += made && again && !strcmp(a.row, b.row) && a.files == b.files && a.file[0].n == b.file[0].n &&
			!memcmp(a.file[0].data, b.file[0].data, a.file[0].n);
		if (made && vla_json_parse(a.row, a.row_bytes, JSON_REJECT_DUPLICATES, &row, &err) == VLA_OK &&
		    json_is_string(json_array_get(json_object_get(row, "caption"), 0)) &&
		    json_is_string(json_array_get(json_object_get(row, "caption_zh"), 0)) && check(row, &a))
			good++;
		else
			note("%s: %.300s", err.msg, made ? a.row : "");
		json_decref(row);
		vla_world_item_release(&a);
		vla_world_item_release(&b);
	}
	ok(good == N, "%s: %u of %u rows agree with their files", vla_world_kind_name((int)kind), good, N);
	ok(same == N, "%s: the same again", vla_world_kind_name((int)kind));
	vla_world_free(w);
}

static void check_wav(void)
{
	float x[6] = { 0, .5f, -.5f, 1, -1, .25f };
	vla_sound s = { x, 3, 2, 8000 }, t;
	vla_buf b = { NULL, 0, 0 };
	bool good = vla_wav_encode(&s, &b, &err) == VLA_OK && b.n == 44 + 12 &&
		    vla_wav_decode(b.data, b.n, &t, &err) == VLA_OK;
	ok(good && t.frames == 3 && t.channels == 2 && t.rate == 8000, "a sound comes back");
	for (int i = 0; good && i < 6; i++)
		good = fabsf(t.sample[i] - x[i]) < 1.f / 16000;
	ok(good, "with its samples");
	vla_sound_release(&t);
	unsigned refused = 0;
	for (size_t n = 0; n < b.n; n++) {
		vla_sound cut;
		refused += vla_wav_decode(b.data, n, &cut, &err) != VLA_OK;
		vla_sound_release(&cut);
	}
	ok(refused == b.n, "every cut sound is refused");
	b.data[34] = 12;
	ok(vla_wav_decode(b.data, b.n, &t, &err) == VLA_EUNSUPPORTED, "samples of 12 bits are refused");
	b.data[34] = 8;
	ok(vla_wav_decode(b.data, b.n, &t, &err) == VLA_OK && t.frames == 6 && t.sample[0] == -1, "8 bits are read");
	vla_sound_release(&t);
	vla_buf_release(&b);
}

int main(void)
{
	check_wav();
	check_kind(VLA_WORLD_VIDEO, check_video);
	check_kind(VLA_WORLD_DOCUMENT, check_document);
	check_kind(VLA_WORLD_CHART, check_chart);
	check_kind(VLA_WORLD_GEOMETRY, check_geometry);
	check_kind(VLA_WORLD_SOUND, check_sound);
	check_kind(VLA_WORLD_REACH, check_reach);
	return done();
}
