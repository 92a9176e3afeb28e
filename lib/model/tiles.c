/* Tiles: a picture as overlapping parts that a tower sees at a larger scale. The parts are squares whose side is the
 * long side over the number asked for, cut to the short side where that is less; they lie evenly, the first and the
 * last at the borders. */
#include "model/tiles.h"

#include "base/base.h"

// Parts of `part` pixels that cover `whole`.
static uint32_t count(uint32_t whole, uint32_t part)
{
	return (whole + part - 1) / part;
}

static uint32_t place(uint32_t whole, uint32_t part, uint32_t n, uint32_t i)
{
	return n > 1 ? (uint32_t)((uint64_t)(whole - part) * i / (n - 1)) : 0;
}

static vla_status cut(const vla_model *m, const vla_image *im, vla_tile *t, float *pixels, vla_err *err)
{
	vla_image part = VLA_IMAGE_INIT;
	vla_status st = vla_image_crop(im, (int32_t)t->x, (int32_t)t->y, t->size.width, t->size.height, &part, err);
	if (st == VLA_OK)
		st = vla_model_target(m, t->size.width, t->size.height, &t->target, err);
	if (st == VLA_OK)
		st = vla_model_preprocess(m, &part, pixels, err);
	vla_image_release(&part);
	return st;
}

vla_status vla_tiles_make(const vla_model *m, const vla_image *im, uint32_t along, vla_tiles *t, vla_err *err)
{
	uint32_t longer = im->width > im->height ? im->width : im->height, side = count(longer, along);
	vla_size part = { side < im->width ? side : im->width, side < im->height ? side : im->height };
	if (part.width == im->width && part.height == im->height)
		return VLA_OK;
	uint32_t nx = count(im->width, part.width), ny = count(im->height, part.height);
	size_t n = (size_t)nx * ny, each = vla_model_pixels(m);
	t->tile = vla_alloc(n, sizeof *t->tile);
	t->pixels = vla_alloc(n, each * sizeof *t->pixels);
	if (!t->tile || !t->pixels)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++) {
		uint32_t column = (uint32_t)(i % nx), row = (uint32_t)(i / nx);
		t->tile[i] = (vla_tile){ .x = place(im->width, part.width, nx, column),
					 .y = place(im->height, part.height, ny, row),
					 .size = part };
		VLA_TRY(cut(m, im, &t->tile[i], t->pixels + i * each, err));
		t->n++;
	}
	return VLA_OK;
}

void vla_tiles_release(vla_tiles *t)
{
	free(t->tile);
	free(t->pixels);
	*t = (vla_tiles){ NULL, NULL, 0 };
}
