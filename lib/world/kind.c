/* Common parts of the sub-worlds' items. */
#include "world/kind.h"

#include "io/rle.h"

#include <math.h>

void vla_draft_seed(vla_draft *d, uint64_t attempt)
{
	vla_rng_seed(&d->rng, d->w->opts.seed ^ 0x9a11u * (d->w->opts.kind + 1u), d->i * VLA_DRAFT_ATTEMPTS + attempt);
}

bool vla_draft_fits(const vla_draft *d, uint64_t signature)
{
	return vla_signature_split(signature) == vla_world_split(d->w, d->i);
}

vla_status vla_draft_none(const vla_draft *d, vla_err *err)
{
	return vla_fail(err, VLA_EINVAL, "nothing of kind '%s' fits the options", vla_world_kind_name(d->w->opts.kind));
}

vla_status vla_draft_finish(vla_draft *d, vla_status status, vla_err *err)
{
	if (status == VLA_OK)
		status = vla_item_row(d->out, &d->j, err);
	vla_buf_release(&d->j.b);
	vla_image_release(&d->im);
	return status;
}

uint32_t vla_draw(vla_draft *d, uint32_t n)
{
	return (uint32_t)vla_rng_below(&d->rng, n);
}

const char *vla_plain(enum vla_language lang, enum vla_factor f, unsigned value)
{
	size_t n;
	const vla_word *w = &vla_words(f, &n)[value];
	return lang == VLA_EN ? w->en[0] : w->zh[0];
}

void vla_row_head(vla_draft *d, const char *image, uint32_t width, uint32_t height)
{
	char id[48];
	const char *kind = vla_world_kind_name(d->w->opts.kind);
	snprintf(id, sizeof id, "%s-%09llu", kind, (unsigned long long)d->i);
	vla_json_open(&d->j, NULL, '{');
	vla_json_text(&d->j, "id", id);
	vla_json_text(&d->j, "kind", kind);
	vla_json_text(&d->j, "split", vla_world_split_name(vla_world_split(d->w, d->i)));
	vla_json_int(&d->j, "level", d->w->opts.level);
	if (!image)
		return;
	vla_json_text(&d->j, "image", image);
	vla_json_int(&d->j, "width", width);
	vla_json_int(&d->j, "height", height);
}

void vla_row_qa(vla_draft *d, const char *type, const char *q, const char *a, const char *q_zh, const char *a_zh)
{
	vla_json_open(&d->j, NULL, '{');
	vla_json_text(&d->j, "type", type);
	vla_json_text(&d->j, "question", q);
	vla_json_text(&d->j, "answer", a);
	vla_json_text(&d->j, "question_zh", q_zh);
	vla_json_text(&d->j, "answer_zh", a_zh);
	vla_json_close(&d->j, '}');
}

void vla_row_texts(vla_draft *d, const char *key, const char *const *text)
{
	vla_json_open(&d->j, key, '[');
	for (; *text; text++)
		vla_json_text(&d->j, NULL, *text);
	vla_json_close(&d->j, ']');
}

void vla_row_box(vla_draft *d, const char *key, double x, double y, double w, double h)
{
	vla_json_numbers(&d->j, key, (double[]){ x, y, w, h }, 4, 2);
}

vla_status vla_row_mask(vla_json_out *j, const char *key, const uint8_t *label, uint32_t w, uint32_t h, uint8_t value,
			vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	vla_status s = vla_rle_encode(label, w, h, value, &b, err);
	if (s == VLA_OK)
		s = vla_buf_add(&b, "", 1, err);
	if (s == VLA_OK) {
		vla_json_open(j, key, '{');
		vla_json_numbers(j, "size", (double[]){ h, w }, 2, 0);
		vla_json_text(j, "counts", b.data);
		vla_json_close(j, '}');
	}
	vla_buf_release(&b);
	return s;
}

static void mix_pixel(vla_image *im, int x, int y, float cover, vla_rgb c)
{
	if (cover <= 0 || x < 0 || y < 0 || x >= (int)im->width || y >= (int)im->height)
		return;
	uint8_t *p = im->data + ((size_t)y * im->width + (size_t)x) * 3;
	float k = cover > 1 ? 1 : cover, v[3] = { c.r, c.g, c.b };
	for (int i = 0; i < 3; i++)
		p[i] = (uint8_t)((float)p[i] + (v[i] - (float)p[i]) * k + .5f);
}

void vla_draw_line(vla_image *im, float x0, float y0, float x1, float y1, float width, vla_rgb c)
{
	float dx = x1 - x0, dy = y1 - y0, len = dx * dx + dy * dy, reach = width / 2 + 1;
	int ya = (int)floorf(fminf(y0, y1) - reach), yb = (int)ceilf(fmaxf(y0, y1) + reach);
	int xa = (int)floorf(fminf(x0, x1) - reach), xb = (int)ceilf(fmaxf(x0, x1) + reach);
	for (int y = ya; y <= yb; y++)
		for (int x = xa; x <= xb; x++) {
			float px = (float)x + .5f, py = (float)y + .5f;
			float t = len > 0 ? ((px - x0) * dx + (py - y0) * dy) / len : 0;
			t = t < 0 ? 0 : t > 1 ? 1 : t;
			mix_pixel(im, x, y, width / 2 + .5f - hypotf(px - x0 - t * dx, py - y0 - t * dy), c);
		}
}

void vla_draw_arc(vla_image *im, float x, float y, float r, float width, vla_rgb c)
{
	float reach = r + width / 2 + 1;
	for (int j = (int)(y - reach); j <= (int)(y + reach); j++)
		for (int i = (int)(x - reach); i <= (int)(x + reach); i++)
			mix_pixel(im, i, j, width / 2 + .5f - fabsf(hypotf((float)i + .5f - x, (float)j + .5f - y) - r),
				  c);
}
