/* A data set's options, checked and completed, and its items. */
#include "world/world.h"

#include "world/say.h"

#include <math.h>

static const struct {
	const char *name;
	vla_make_fn *make;
	uint32_t size, least; // side of a picture
	unsigned with;        // extras that there are
} kinds[VLA_WORLD_KINDS] = {
	[VLA_WORLD_SCENE] = { "scene", vla_scene_item, 64, 16, 0x7f },
	[VLA_WORLD_VIDEO] = { "video", vla_video_item, 64, 16, VLA_WORLD_PPM },
	[VLA_WORLD_DOCUMENT] = { "document", vla_document_item, 288, 224, VLA_WORLD_MASKS },
	[VLA_WORLD_CHART] = { "chart", vla_chart_item, 192, 128, 0 },
	[VLA_WORLD_GEOMETRY] = { "geometry", vla_geometry_item, 128, 96, 0 },
	[VLA_WORLD_SOUND] = { "sound", vla_sound_item, 64, 16, 0 },
	[VLA_WORLD_REACH] = { "reach", vla_reach_item, 64, 16, VLA_WORLD_MASKS | VLA_WORLD_DEPTH },
};

const char *vla_world_kind_name(int kind)
{
	return kind >= 0 && kind < VLA_WORLD_KINDS ? kinds[kind].name : NULL;
}

const char *vla_world_split_name(int split)
{
	static const char *const name[VLA_SPLITS] = { "train", "val", "test" };
	return split >= 0 && split < VLA_SPLITS ? name[split] : NULL;
}

static const vla_level levels[] = {
	{ 1, 1, 6, 6, 0, 0, 0, { 0, 35, 65 }, 0, 0, 0, .99f },
	{ 1, 3, 10, 8, 25, 0, 20, { 25, 50, 25 }, 0, 10, 20, .97f },
	{ 2, 5, 14, 12, 40, 35, 40, { 30, 45, 25 }, 25, 15, 22, .6f },
	{ 3, 8, 14, 12, 55, 50, 60, { 45, 40, 15 }, 45, 12, 25, .5f },
	{ 5, 12, 14, 12, 60, 60, 80, { 65, 30, 5 }, 55, 12, 28, .42f },
};

static int bias_factor(const char *s, size_t n)
{
	static const char *const name[] = { "shape", "colour", "texture", "material", "size" };
	for (int k = 0; k < VLA_CLASS; k++)
		if (strlen(name[k]) == n && !memcmp(s, name[k], n))
			return k;
	if (n == 8 && !memcmp(s, "position", n))
		return VLA_BIAS_CELL;
	if (n == 10 && !memcmp(s, "background", n))
		return VLA_BIAS_BACKGROUND;
	return n == 9 && !memcmp(s, "companion", n) ? VLA_BIAS_COMPANION : -1;
}

static vla_status parse_bias(const char *text, vla_bias *b, vla_err *err)
{
	const char *s = text, *slash = strchr(s, '/'), *colon = strchr(s, ':'), *eq = strchr(s, '=');
	char *end;
	int split = slash ? -1 : 0;
	for (int k = 0; slash && k < VLA_SPLITS; k++)
		if (!strncmp(s, vla_world_split_name(k), (size_t)(slash - s)) &&
		    strlen(vla_world_split_name(k)) == (size_t)(slash - s))
			split = k;
	if (slash)
		s = slash + 1;
	if (split < 0 || !colon || !eq || colon < s || eq < colon)
		return vla_fail(err, VLA_EINVAL, "a bias is [SPLIT/]FACTOR:FACTOR=P, not '%.60s'", text);
	int what = bias_factor(s, (size_t)(colon - s)), by = bias_factor(colon + 1, (size_t)(eq - colon - 1));
	double p = strtod(eq + 1, &end);
	if (what < 0 || by < 0 || by == VLA_BIAS_COMPANION || what == by)
		return vla_fail(err, VLA_EINVAL,
				"bias '%.60s': factors are shape, colour, texture, material, size, "
				"position, background and, as the first, companion",
				text);
	if (end == eq + 1 || *end || !(p >= 0 && p <= 1))
		return vla_fail(err, VLA_EINVAL, "bias '%.60s': a probability is from 0 to 1", text);
	*b = (vla_bias){ (uint8_t)split, (uint8_t)what, (uint8_t)by, p };
	return VLA_OK;
}

// Syllables that make no English word, and characters that are used for foreign names.
static void make_classes(vla_world *w)
{
	static const char *const a[] = { "z", "v", "d", "k", "m", "t", "b", "gl", "fl", "pr" },
				 *const o[] = { "i", "a", "o", "u" }, *const b[] = { "b", "l", "v", "m",
										     "t", "f", "n", "d" };
	static const char *const zh[] = { "泽", "维", "达", "卡", "姆", "塔", "巴", "格",
					  "弗", "普", "里", "拉", "洛", "鲁", "波", "丁" };
	vla_rng rng;
	vla_rng_seed(&rng, w->opts.seed, 0xc1a55);
	for (uint32_t k = 0; k < w->opts.classes; k++) {
		vla_class *c = &w->cls[k];
		bool again = true;
		while (again) {
			again = false;
			snprintf(c->en, sizeof c->en, "%s%s%s%s", a[vla_rng_below(&rng, 10)], o[vla_rng_below(&rng, 4)],
				 b[vla_rng_below(&rng, 8)], o[vla_rng_below(&rng, 4)]);
			snprintf(c->zh, sizeof c->zh, "%s%s%s", zh[vla_rng_below(&rng, 10)],
				 zh[10 + vla_rng_below(&rng, 6)], zh[vla_rng_below(&rng, 16)]);
			c->shape = (uint8_t)vla_rng_below(&rng, w->level.shapes);
			c->colour = (uint8_t)vla_rng_below(&rng, w->level.colours);
			c->texture = w->level.textured ? (uint8_t)(1 + vla_rng_below(&rng, VLA_TEXTURES - 1)) : 0;
			for (uint32_t i = 0; i < k; i++)
				again |= !strcmp(c->en, w->cls[i].en) || !strcmp(c->zh, w->cls[i].zh) ||
					 (c->shape == w->cls[i].shape && c->colour == w->cls[i].colour &&
					  c->texture == w->cls[i].texture);
		}
	}
}

static vla_status check(const vla_world_opts *o, vla_err *err)
{
	double sum = o->split[0] + o->split[1] + o->split[2];
	if ((unsigned)o->kind >= VLA_WORLD_KINDS)
		return vla_fail(err, VLA_EINVAL, "no kind of world has number %d", (int)o->kind);
	if (o->size && (o->size < kinds[o->kind].least || o->size > 2048))
		return vla_fail(err, VLA_EINVAL, "a picture's side is from %lu to 2048 pixels, not %lu",
				(unsigned long)kinds[o->kind].least, (unsigned long)o->size);
	if (o->with & ~kinds[o->kind].with)
		return vla_fail(err, VLA_EINVAL, "that extra is not there for kind '%s'", kinds[o->kind].name);
	if (o->frames && (o->frames < 4 || o->frames > 64))
		return vla_fail(err, VLA_EINVAL, "a video has 4 to 64 frames, not %lu", (unsigned long)o->frames);
	if (o->level < 1 || o->level > 5)
		return vla_fail(err, VLA_EINVAL, "levels are 1 to 5, not %lu", (unsigned long)o->level);
	if (o->objects_min > VLA_MAX_OBJECTS || o->objects_max > VLA_MAX_OBJECTS || o->objects_max < o->objects_min ||
	    (o->objects_max && !o->objects_min))
		return vla_fail(err, VLA_EINVAL, "a scene has 1 to %d objects", VLA_MAX_OBJECTS);
	if (o->classes > VLA_MAX_CLASSES || (o->classes > 24 && o->level == 1))
		return vla_fail(err, VLA_EINVAL, "no more than %d classes can be invented",
				o->level == 1 ? 24 : VLA_MAX_CLASSES);
	if (!(o->split[0] >= 0 && o->split[1] >= 0 && o->split[2] >= 0 && sum > 0 && sum < 1e9))
		return vla_fail(err, VLA_EINVAL, "shares of the splits must not be negative, nor all 0");
	if (o->n > 1000000000000u)
		return vla_fail(err, VLA_EINVAL, "no more than 10^12 items can be made");
	return o->nbias > VLA_MAX_BIASES ? vla_fail(err, VLA_EINVAL, "no more than %d biases fit", VLA_MAX_BIASES)
					 : VLA_OK;
}

static void set_ranges(vla_world *w)
{
	const double *p = w->opts.split;
	double sum = p[0] + p[1] + p[2];
	w->end[0] = (uint64_t)floor((double)w->opts.n * p[0] / sum + .5);
	w->end[1] = (uint64_t)floor((double)w->opts.n * (p[0] + p[1]) / sum + .5);
	w->end[2] = w->opts.n;
}

vla_status vla_world_new(const vla_world_opts *opts, vla_world **out, vla_err *err)
{
	VLA_TRY(check(opts, err));
	vla_world *w = vla_zalloc(1, sizeof *w);
	if (!w)
		return vla_nomem(err);
	w->opts = *opts;
	w->opts.size = opts->size ? opts->size : kinds[opts->kind].size;
	w->level = levels[opts->level - 1];
	if (opts->objects_min) {
		w->level.min = (uint8_t)opts->objects_min;
		w->level.max = (uint8_t)(opts->objects_max ? opts->objects_max : opts->objects_min);
	}
	vla_status s = VLA_OK;
	for (size_t i = 0; i < opts->nbias && s == VLA_OK; i++)
		s = parse_bias(opts->bias[i], &w->bias[w->nbias++], err);
	w->opts.bias = NULL; // the caller's
	if (s != VLA_OK) {
		free(w);
		return s;
	}
	set_ranges(w);
	make_classes(w);
	*out = w;
	return VLA_OK;
}

void vla_world_free(vla_world *w)
{
	free(w);
}

int vla_world_split(const vla_world *w, uint64_t item)
{
	return item < w->end[0] ? 0 : item < w->end[1] ? 1 : 2;
}

void vla_world_range(const vla_world *w, int split, uint64_t *begin, uint64_t *end)
{
	*begin = split ? w->end[split - 1] : 0;
	*end = w->end[split];
}

vla_status vla_world_make(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err)
{
	*out = (vla_world_item){ .row = NULL };
	if (i >= w->opts.n)
		return vla_fail(err, VLA_EINVAL, "there is no item %llu", (unsigned long long)i);
	vla_status s = kinds[w->opts.kind].make(w, i, out, err);
	return s == VLA_OK || s == VLA_ENOMEM ? s : vla_prefix(err, s, "item %llu", (unsigned long long)i);
}

void vla_world_item_release(vla_world_item *item)
{
	if (!item)
		return;
	for (size_t i = 0; i < item->files; i++) {
		free(item->file[i].name);
		free(item->file[i].data);
	}
	free(item->row);
	*item = (vla_world_item){ .row = NULL };
}

vla_status vla_item_add(vla_world_item *item, const char *name, vla_buf *b, vla_err *err)
{
	char *copy = item->files < VLA_MAX_FILES ? vla_strdup(name) : NULL;
	if (!copy) {
		vla_buf_release(b);
		return vla_nomem(err);
	}
	item->file[item->files++] = (vla_world_file){ copy, b->data, b->n };
	*b = (vla_buf){ NULL, 0, 0 };
	return VLA_OK;
}

vla_status vla_item_picture(vla_world_item *item, const char *name, const vla_image *im, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status s = vla_image_encode(im, name, &b, err);
	if (s == VLA_OK)
		return vla_item_add(item, name, &b, err);
	vla_buf_release(&b);
	return s;
}

vla_status vla_item_row(vla_world_item *item, vla_json_out *j, vla_err *err)
{
	if (j->status == VLA_OK)
		j->status = vla_buf_add(&j->b, "", 1, NULL);
	if (j->status != VLA_OK)
		return vla_nomem(err);
	item->row = j->b.data;
	item->row_bytes = j->b.n - 1;
	j->b = (vla_buf){ NULL, 0, 0 };
	return VLA_OK;
}

void vla_item_name(char *out, size_t size, const char *dir, uint64_t i, const char *tail)
{
	snprintf(out, size, "%s/%03llu/%09llu%s", dir, (unsigned long long)(i / 1000), (unsigned long long)i, tail);
}
