/* Draws hits. Pictures are read one at a time and only their thumbnails are kept. */
#include "common/hits.h"
#include "common/diag.h"

#include <vla/sheet.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 400 };

void hit_sheet_init(struct hit_sheet *s)
{
	*s = (struct hit_sheet){ NULL, 0, 0 };
}

static char *copy(const char *s)
{
	char *p = strdup(s);
	if (!p)
		die("out of memory");
	return p;
}

void hit_sheet_add(struct hit_sheet *s, const char *query, const char *id, const char *caption, double score)
{
	if (s->n == MOST) {
		if (s->cap != SIZE_MAX)
			warn("the sheet shows the first %d hits only", MOST);
		s->cap = SIZE_MAX;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->row = realloc(s->row, s->cap * sizeof *s->row);
		if (!s->row)
			die("out of memory");
	}
	s->row[s->n++] = (struct hit_sheet_row){ copy(query), copy(id), caption ? copy(caption) : NULL, score };
}

static vla_status load(const char *id, vla_image *im)
{
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	o.allow_truncated = true;
	char *path = copy(id), *fragment = strrchr(path, '#');
	unsigned x, y, w, h;
	bool part = fragment && sscanf(fragment, "#xywh=%u,%u,%u,%u", &x, &y, &w, &h) == 4;
	if (part || (fragment && strncmp(fragment, "#t=", 3) == 0))
		*fragment = 0;
	vla_status s = vla_image_load(path, &o, im, NULL);
	free(path);
	if (s == VLA_OK && part && w && h && x < im->width && y < im->height) {
		vla_image cut = VLA_IMAGE_INIT;
		s = vla_image_crop(im, (int32_t)x, (int32_t)y, w, h, &cut, NULL);
		vla_image_release(im);
		*im = cut;
	}
	return s;
}

static bool one_query(const struct hit_sheet *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (strcmp(s->row[i].query, s->row[0].query) != 0)
			return false;
	return true;
}

static void put(vla_sheet *sheet, uint32_t i, const struct hit_sheet_row *r, bool with_query)
{
	vla_err err = VLA_ERR_INIT;
	vla_image im = VLA_IMAGE_INIT;
	const char *slash = strrchr(r->id, '/'), *name = r->caption ? r->caption : slash ? slash + 1 : r->id;
	size_t n = strlen(name) + strlen(r->query) + 3;
	char *text = malloc(n);
	if (!text)
		die("out of memory");
	if (with_query)
		snprintf(text, n, "%s: %s", r->query, name);
	else
		snprintf(text, n, "%s", name);
	bool have = load(r->id, &im) == VLA_OK;
	if (!have)
		inform("no picture for '%s'", r->id);
	if (vla_sheet_put(sheet, i, have ? &im : NULL, text, r->score, &err) != VLA_OK)
		die("%s", err.msg);
	vla_image_release(&im);
	free(text);
}

void hit_sheet_save(const struct hit_sheet *s, const char *path, const char *font)
{
	vla_err err = VLA_ERR_INIT;
	vla_sheet_opts o = VLA_SHEET_OPTS_INIT;
	vla_font *f = NULL;
	vla_sheet *sheet;
	if (font && vla_font_open(font, &f, &err) != VLA_OK)
		die("font: %s", err.msg);
	o.font = f;
	bool one = one_query(s);
	o.title = one ? s->row[0].query : NULL;
	if (vla_sheet_new((uint32_t)s->n, &o, &sheet, &err) != VLA_OK)
		die("%s", err.msg);
	for (size_t i = 0; i < s->n; i++)
		put(sheet, (uint32_t)i, &s->row[i], !one);
	if (vla_image_save(path, vla_sheet_picture(sheet), &err) != VLA_OK)
		die("cannot write sheet '%s': %s", path, err.msg);
	vla_sheet_free(sheet);
	vla_font_free(f);
}

void hit_sheet_release(struct hit_sheet *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->row[i].query);
		free(s->row[i].id);
		free(s->row[i].caption);
	}
	free(s->row);
	hit_sheet_init(s);
}
