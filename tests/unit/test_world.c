/* The micro-world's truth: captions, answers and phrases are parsed again and looked up in the scene, masks are
 * compared with pixels, splits and contrast pairs with their promises. */
#include "io/json.h"
#include "io/rle.h"
#include "tap.h"
#include "world/render.h"
#include "world/say.h"
#include "world/world.h"

#include <math.h>

static vla_err err;

static int judge(const vla_world *w, const char *row, const char *text, const char *answer)
{
	vla_world_truth v;
	if (!text || vla_world_judge(w, row, text, answer, &v, &err) != VLA_OK)
		return -1;
	return (int)v;
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

typedef struct tally {
	unsigned said, wrong, captions, negatives, negations, questions, regions, boxes, contrasts, unparsed;
} tally;

static void expect(tally *t, const vla_world *w, const char *row, const char *s, const char *answer, int want)
{
	int got = judge(w, row, s, answer);
	t->said++;
	if (got == want)
		return;
	if (t->wrong++ < 8)
		note("'%s' %s: %d, not %d", s ? s : "(null)", answer ? answer : "", got, want);
}

static void check_lists(tally *t, const vla_world *w, const char *row, const json_t *o)
{
	static const char *const list[] = { "caption", "caption_zh", "paraphrase", "paraphrase_zh" };
	size_t i;
	json_t *v;
	for (int k = 0; k < 4; k++)
		json_array_foreach(json_object_get(o, list[k]), i, v)
		{
			expect(t, w, row, json_string_value(v), NULL, VLA_WORLD_TRUE);
			t->captions++;
		}
	expect(t, w, row, text(o, "long"), NULL, VLA_WORLD_TRUE);
	expect(t, w, row, text(o, "long_zh"), NULL, VLA_WORLD_TRUE);
	json_array_foreach(json_object_get(o, "negatives"), i, v)
	{
		expect(t, w, row, text(v, "caption"), NULL, VLA_WORLD_TRUE);
		expect(t, w, row, text(v, "caption_zh"), NULL, VLA_WORLD_TRUE);
		expect(t, w, row, text(v, "negative"), NULL, VLA_WORLD_FALSE);
		expect(t, w, row, text(v, "negative_zh"), NULL, VLA_WORLD_FALSE);
		t->negatives++;
	}
	json_array_foreach(json_object_get(o, "negations"), i, v)
	{
		int want = json_is_true(json_object_get(v, "truth")) ? VLA_WORLD_TRUE : VLA_WORLD_FALSE;
		expect(t, w, row, text(v, "text"), NULL, want);
		expect(t, w, row, text(v, "text_zh"), NULL, want);
		t->negations++;
	}
	json_array_foreach(json_object_get(o, "qa"), i, v)
	{
		expect(t, w, row, text(v, "question"), text(v, "answer"), VLA_WORLD_TRUE);
		expect(t, w, row, text(v, "question_zh"), text(v, "answer_zh"), VLA_WORLD_TRUE);
		t->questions++;
	}
}

// A region's phrase is true; "exactly one" of a phrase without a relation holds.
static void check_regions(tally *t, const vla_world *w, const char *row, const json_t *o)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(o, "regions"), i, v)
	{
		const char *s = text(v, "phrase");
		char one[400];
		vla_fact f[VLA_MAX_FACTS];
		size_t n;
		t->regions++;
		snprintf(one, sizeof one, "exactly one %s", s);
		bool plain = vla_parse(w, s, NULL, f, &n) && f[0].kind == VLA_FACT_LIST;
		expect(t, w, row, plain ? one : s, NULL, VLA_WORLD_TRUE);
		expect(t, w, row, text(v, "phrase_zh"), NULL, VLA_WORLD_TRUE);
		expect(t, w, row, text(v, "full"), NULL, VLA_WORLD_TRUE);
	}
}

static bool same_box(const json_t *box, vla_box b)
{
	uint32_t want[4] = { b.x, b.y, b.w, b.h };
	for (size_t i = 0; i < 4; i++)
		if (json_integer_value(json_array_get(box, i)) != (json_int_t)want[i])
			return false;
	return json_array_size(box) == 4;
}

static void check_masks(tally *t, const json_t *o, uint32_t side)
{
	uint8_t mask[128 * 128], all[128 * 128] = { 0 };
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(o, "objects"), i, v)
	{
		const char *counts = text(json_object_get(v, "mask"), "counts");
		bool good = counts && vla_rle_decode(counts, strlen(counts), side, side, mask, &err) == VLA_OK;
		vla_box b = vla_label_box(mask, side, side, 1);
		good = good && same_box(json_object_get(v, "box"), b) &&
		       json_integer_value(json_object_get(v, "area")) == (json_int_t)b.area && b.area > 0;
		for (size_t k = 0; k < (size_t)side * side; k++) {
			good &= !(mask[k] && all[k]);
			all[k] |= mask[k];
		}
		t->boxes++;
		t->wrong += !good;
	}
}

static void check_level(uint32_t level, uint32_t classes)
{
	enum { N = 16, SIDE = 48 };
	vla_world_opts o = VLA_WORLD_OPTS_INIT;
	vla_world *w = NULL;
	tally t = { 0 };
	o.n = N;
	o.level = level;
	o.size = SIDE;
	o.classes = classes;
	o.seed = 5;
	if (!ok(vla_world_new(&o, &w, &err) == VLA_OK, "level %u", level))
		return;
	for (uint64_t i = 0; i < N; i++) {
		vla_world_item item;
		json_t *row = NULL;
		if (vla_world_make(w, i, &item, &err) != VLA_OK ||
		    vla_json_parse(item.row, item.row_bytes, JSON_REJECT_DUPLICATES, &row, &err) != VLA_OK) {
			note("%s", err.msg);
			t.wrong++;
		} else {
			check_lists(&t, w, item.row, row);
			check_regions(&t, w, item.row, row);
			check_masks(&t, row, SIDE);
			const json_t *c = json_object_get(row, "contrast");
			expect(&t, w, item.row, text(c, "caption"), NULL, VLA_WORLD_TRUE);
			expect(&t, w, item.row, text(c, "caption_zh"), NULL, VLA_WORLD_TRUE);
			expect(&t, w, item.row, text(c, "contrast_caption"), NULL, VLA_WORLD_FALSE);
			expect(&t, w, item.row, text(c, "contrast_caption_zh"), NULL, VLA_WORLD_FALSE);
		}
		json_decref(row);
		vla_world_item_release(&item);
	}
	ok(t.said > 30 * N && t.wrong == 0, "level %u: %u texts judged, %u wrong", level, t.said, t.wrong);
	ok(t.captions == 16 * N && t.negatives > N && t.negations > N && t.questions > 2 * N && t.regions > N / 2 &&
		   t.boxes >= N,
	   "level %u: %u captions, %u negatives, %u negations, %u questions, %u regions, %u masks", level, t.captions,
	   t.negatives, t.negations, t.questions, t.regions, t.boxes);
	vla_world_free(w);
}

// Sentences written by hand, so that vocabulary and parser are checked by something else than each other.
static void check_parser(void)
{
	static const char row[] =
		"{\"objects\":[{\"shape\":\"circle\",\"colour\":\"red\",\"texture\":\"plain\",\"material\":\"metal\","
		"\"size\":\"large\",\"center\":[0.2,0.2]},{\"shape\":\"star\",\"colour\":\"blue\",\"texture\":\"striped\","
		"\"material\":\"matte\",\"size\":\"small\",\"center\":[0.8,0.8]},{\"shape\":\"star\",\"colour\":\"red\","
		"\"texture\":\"plain\",\"material\":\"matte\",\"size\":\"medium\",\"center\":[0.8,0.2]}],"
		"\"background\":{\"colour\":\"white\",\"texture\":\"plain\"},"
		"\"relations\":[[0,\"left of\",1],[1,\"right of\",0],[0,\"above\",1],[1,\"below\",0],[0,\"left of\",2],"
		"[2,\"right of\",0],[1,\"below\",2],[2,\"above\",1]],\"unclear\":[[0,\"above\",2]]}";
	static const struct {
		const char *text, *answer;
		int want;
	} t[] = {
		{ "A red circle to the left of a blue star.", NULL, 1 },
		{ "a blue star to the left of a red circle", NULL, 0 },
		{ "a red circle above a red star", NULL, 2 },
		{ "a large shiny circle", NULL, 3 },
		{ "a big metallic red circle and two stars", NULL, 1 },
		{ "three stars", NULL, 0 },
		{ "there is no green star", NULL, 1 },
		{ "there are no stars", NULL, 0 },
		{ "the circle is not red", NULL, 0 },
		{ "the circle is not blue", NULL, 1 },
		{ "exactly one circle; two red shapes", NULL, 1 },
		{ "the blue star is in the lower right", NULL, 1 },
		{ "the blue star is in the top left", NULL, 0 },
		{ "the background is white", NULL, 1 },
		{ "a black background", NULL, 0 },
		{ "the red star is not to the right of the circle", NULL, 0 },
		{ "star the blue of left", NULL, 3 },
		{ "", NULL, 3 },
		{ "一个红色圆形在一个蓝色星形的左边", NULL, 1 },
		{ "蓝色星形的左侧有一个红色的圆", NULL, 1 },
		{ "蓝色星形在红色圆形的左边", NULL, 0 },
		{ "图中没有绿色星形", NULL, 1 },
		{ "没有星星", NULL, 0 },
		{ "圆形不是蓝色的", NULL, 1 },
		{ "圆形是蓝色的", NULL, 0 },
		{ "画面右下角有一个小的条纹蓝色星形", NULL, 1 },
		{ "有两个星形和一个大的金属圆形。背景是白色的。", NULL, 1 },
		{ "黑色背景", NULL, 0 },
		{ "how many stars are there?", "two", 1 },
		{ "how many stars are there?", "3", 0 },
		{ "what color is the circle?", "red", 1 },
		{ "圆形是什么颜色？", "蓝色", 0 },
		{ "is there a green star?", "no", 1 },
		{ "is the blue star below the red star?", "yes", 1 },
		{ "what is to the left of the blue star?", "a red circle", 1 },
		{ "where is the circle?", "in the top left", 1 },
		{ "蓝色星形在红色圆形的下方吗？", "是", 1 },
		{ "图中有几个星形？", "两个", 1 },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		ok(judge(NULL, row, t[i].text, t[i].answer) == t[i].want, "'%s' %s", t[i].text,
		   t[i].answer ? t[i].answer : "");
	ok(judge(NULL, "{}", "a star", NULL) == -1 && judge(NULL, "[1", "a star", NULL) == -1, "bad rows are refused");
}

// Where an object is repainted, the pixels that change are those of its mask, and the rim around it.
static void check_pixels(void)
{
	enum { SIDE = 96 };
	static uint8_t owner[SIDE * SIDE], other[SIDE * SIDE];
	vla_world_opts o = VLA_WORLD_OPTS_INIT;
	vla_world *w = NULL;
	unsigned unchanged = 0, stray = 0, inside = 0, moved = 0;
	o.n = 16;
	if (!ok(vla_world_new(&o, &w, &err) == VLA_OK, "world of scenes"))
		return;
	for (uint64_t i = 0; i < o.n; i++) {
		vla_scene s;
		vla_contrast c;
		vla_image a = VLA_IMAGE_INIT, b = VLA_IMAGE_INIT;
		if (vla_scene_make(w, i, &s, &c, &err) != VLA_OK ||
		    vla_scene_render(&s, SIDE, &a, owner, &err) != VLA_OK)
			break;
		s.thing[0].is[VLA_COLOUR] = s.thing[0].is[VLA_COLOUR] == 0 ? 2 : 0;
		if (vla_scene_render(&s, SIDE, &b, other, &err) != VLA_OK)
			break;
		for (int k = 0; k < SIDE * SIDE; k++) {
			bool mine = owner[k] == 1, near = false, same = !memcmp(a.data + 3 * k, b.data + 3 * k, 3);
			for (int d = 0; d < 25; d++) { // a point may be too thin to have most of a pixel
				int at = k + (d / 5 - 2) * SIDE + d % 5 - 2;
				near |= at >= 0 && at < SIDE * SIDE && owner[at] == 1;
			}
			bool glass = owner[k] && s.thing[owner[k] - 1].is[VLA_MATERIAL] == VLA_GLASS;
			inside += mine;
			unchanged += mine && same && s.thing[0].is[VLA_MATERIAL] == VLA_MATTE;
			stray += !near && !same && !glass;
			moved += owner[k] != other[k];
		}
		vla_image_release(&a);
		vla_image_release(&b);
	}
	ok(inside > 3000 && stray == 0 && moved == 0 && unchanged * 100 < inside,
	   "repainting an object changes its mask: %u pixels, %u unchanged, %u elsewhere", inside, unchanged, stray);
	vla_world_free(w);
}

static int differing(const vla_scene *a, const vla_scene *b, int *what)
{
	int n = 0;
	for (uint32_t i = 0; i < a->n && i < b->n; i++) {
		const vla_thing *x = &a->thing[i], *y = &b->thing[i];
		for (int f = 0; f < VLA_CLASS; f++)
			if (x->is[f] != y->is[f]) {
				*what = f;
				n++;
			}
		if (x->x != y->x || x->y != y->y) {
			*what = VLA_CELL;
			n++;
		}
	}
	return n;
}

static void check_contrast(uint32_t level)
{
	static const char *const name[] = { "colour", "shape",    "texture",  "material",
					    "size",   "position", "relation", "count" };
	vla_world_opts o = VLA_WORLD_OPTS_INIT;
	vla_world *w = NULL;
	unsigned seen[8] = { 0 }, wrong = 0, strays = 0;
	o.n = 160;
	o.level = level;
	o.split[0] = 1;
	o.split[1] = o.split[2] = 1;
	if (!ok(vla_world_new(&o, &w, &err) == VLA_OK, "world of contrasts"))
		return;
	for (uint64_t i = 0; i < o.n; i++) {
		vla_scene s;
		vla_contrast c;
		int what = -1, k = 0;
		if (vla_scene_make(w, i, &s, &c, &err) != VLA_OK) {
			wrong++;
			continue;
		}
		while (k < 7 && strcmp(name[k], c.what))
			k++;
		seen[k]++;
		int n = differing(&s, &c.scene, &what);
		bool good = k == 7 ? c.scene.n + 1 == s.n : c.scene.n == s.n;
		if (k < 5)
			good = good && n == 1 && !strcmp(vla_factor_name((enum vla_factor)what), c.what);
		else if (k < 7)
			good = good && n == (k == 6 ? 2 : 1) && what == VLA_CELL;
		wrong += !good || vla_fact_holds(&c.fact[0], &s) != VLA_TRUE ||
			 vla_fact_holds(&c.fact[1], &s) != VLA_FALSE ||
			 vla_fact_holds(&c.fact[0], &c.scene) != VLA_FALSE ||
			 vla_fact_holds(&c.fact[1], &c.scene) != VLA_TRUE;
		strays += vla_signature_split(vla_scene_signature(&s)) != vla_world_split(w, i) ||
			  vla_signature_split(vla_scene_signature(&c.scene)) != vla_world_split(w, i);
	}
	ok(wrong == 0, "level %u: contrast pairs differ in one fact", level);
	ok(strays == 0, "level %u: scenes and their contrasts keep to their split", level);
	note("colour %u, shape %u, texture %u, material %u, size %u, position %u, relation %u, count %u", seen[0],
	     seen[1], seen[2], seen[3], seen[4], seen[5], seen[6], seen[7]);
	for (int k = 0; level == 3 && k < 8; k++)
		ok(seen[k] > 2, "pairs that differ in %s", name[k]);
	vla_world_free(w);
}

static void check_bias(void)
{
	static const char *const bias[] = { "colour:shape=0.9", "test/colour:shape=0" };
	vla_world_opts o = VLA_WORLD_OPTS_INIT;
	vla_world *w = NULL;
	unsigned n[VLA_SPLITS] = { 0 }, held[VLA_SPLITS] = { 0 };
	o.n = 450;
	o.bias = bias;
	o.nbias = 2;
	o.split[1] = o.split[2] = o.split[0] = 1;
	if (!ok(vla_world_new(&o, &w, &err) == VLA_OK, "world with a bias"))
		return;
	for (uint64_t i = 0; i < o.n; i++) {
		vla_scene s;
		vla_contrast c;
		int split = vla_world_split(w, i);
		if (vla_scene_make(w, i, &s, &c, &err) != VLA_OK)
			break;
		for (uint32_t k = 0; k < s.n; k++) {
			n[split]++;
			held[split] += s.thing[k].is[VLA_COLOUR] == s.thing[k].is[VLA_SHAPE] % 12;
		}
	}
	double p[VLA_SPLITS];
	for (int k = 0; k < VLA_SPLITS; k++)
		p[k] = n[k] ? (double)held[k] / n[k] : -1;
	ok(fabs(p[0] - .9) < .05 && p[1] < .2 && p[2] == 0, "bias held in %.3f of train, %.3f of val, %.3f of test",
	   p[0], p[1], p[2]);
	vla_world_free(w);
	static const char *const bad[] = {
		"colour",         "colour:shape",      "colour:shape=2", "colour:colour=0.5", "all/colour:shape=1",
		"tone:shape=0.5", "shape:companion=1", "colour:shape=x"
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		o.bias = &bad[i];
		o.nbias = 1;
		ok(vla_world_new(&o, &w, &err) == VLA_EINVAL, "bias '%s' is refused", bad[i]);
	}
}

static void check_rle(void)
{
	// Values of the COCO mask API for these masks.
	static const uint8_t cross[] = { 0, 1, 0, 1, 1, 1, 0, 1, 0 };
	uint8_t back[9];
	vla_buf b = { NULL, 0, 0 };
	ok(vla_rle_encode(cross, 3, 3, 1, &b, &err) == VLA_OK && b.n == 7 && !memcmp(b.data, "11120N0", 7),
	   "a mask has run lengths");
	ok(vla_rle_decode(b.data, b.n, 3, 3, back, &err) == VLA_OK && !memcmp(back, cross, 9), "and comes back");
	ok(vla_rle_decode(b.data, b.n - 1, 3, 3, back, &err) != VLA_OK, "cut run lengths are refused");
	ok(vla_rle_decode("~~~", 3, 3, 3, back, &err) != VLA_OK, "damaged run lengths are refused");
	b.n = 0;
	ok(vla_rle_encode(cross, 3, 3, 7, &b, &err) == VLA_OK && b.n == 1 && b.data[0] == '9',
	   "an empty mask is one run");
	vla_buf_release(&b);
}

int main(void)
{
	check_rle();
	check_parser();
	for (uint32_t level = 1; level <= 5; level++)
		check_level(level, level == 3 ? 8 : 0);
	check_pixels();
	check_contrast(1);
	check_contrast(3);
	check_bias();
	return done();
}
