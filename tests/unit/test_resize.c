/* Resampling: stored results of the reference to the last bit, and what must hold without them. */
#include "golden.h"
#include "tap.h"

#include <vla/image.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const filters[] = { "nearest", "lanczos", "bilinear", "bicubic" };

static void resized(const golden *g, const char *kind, const char *source, int w, int h)
{
	char name[128];
	snprintf(name, sizeof name, "%s.rgb", source);
	const vla_ct *t = golden_get(g, name);
	if (!t)
		return;
	size_t n = t->dim[0] * t->dim[1];
	bool grey = strcmp(kind, "resizeL") == 0;
	vla_image in = { (uint32_t)t->dim[1], (uint32_t)t->dim[0], 3, (uint8_t *)(uintptr_t)t->data, 0 };
	vla_image out = VLA_IMAGE_INIT;
	uint8_t *one = malloc(n);
	if (grey) {
		for (size_t i = 0; i < n; i++)
			one[i] = in.data[3 * i];
		in.channels = 1;
		in.data = one;
	}
	for (int f = 0; f < 4; f++) {
		snprintf(name, sizeof name, "%s.%s.%dx%d.%s", kind, source, w, h, filters[f]);
		if (vla_image_resize(&in, (uint32_t)w, (uint32_t)h, (vla_filter)f, &out, NULL) == VLA_OK)
			golden_image(g, &out, name);
		else
			ok(false, "%s", name);
	}
	vla_image_release(&out);
	free(one);
}

static void all_golden(void)
{
	static const int sizes[][2] = { { 16, 16 }, { 24, 35 }, { 64, 64 }, { 7, 80 }, { 90, 41 } };
	golden g;
	if (!golden_open(&g, "golden/resize-a", "expected.safetensors"))
		return;
	for (size_t i = 0; i < 5; i++) {
		resized(&g, "resize", "rgb8.png", sizes[i][0], sizes[i][1]);
		resized(&g, "resize", "gray8.png", sizes[i][0], sizes[i][1]);
		resized(&g, "resize", "base-444.jpg", sizes[i][0], sizes[i][1]);
	}
	resized(&g, "resize", "big-palette.png", 32, 18);
	resized(&g, "resize", "big-palette.png", 48, 48);
	resized(&g, "resizeL", "gray8.png", 16, 16);
	resized(&g, "resizeL", "gray8.png", 24, 35);
	golden_close(&g);
}

static vla_image noise(uint32_t w, uint32_t h, uint32_t c)
{
	vla_image im = { w, h, c, malloc((size_t)w * h * c), 0 };
	uint32_t s = 12345 + w * 31 + h;
	for (size_t i = 0; i < (size_t)w * h * c; i++) {
		s = s * 1664525u + 1013904223u;
		im.data[i] = (uint8_t)(s >> 24);
	}
	return im;
}

/* Four grey pixels and the sums that the kernels' definitions give for them. */
static void by_hand(void)
{
	uint8_t px[4] = { 0, 100, 200, 50 };
	vla_image in = { 4, 1, 1, px, 0 }, out = VLA_IMAGE_INIT;
	ok(vla_image_resize(&in, 2, 1, VLA_FILTER_BILINEAR, &out, NULL) == VLA_OK && out.width == 2 && out.height == 1,
	   "4 x 1 to 2 x 1");
	// Centre 1: distances 0.5 0.5 1.5 over 2 give weights 3 3 1 of 7; the other side mirrors.
	ok(out.data[0] == 71 && out.data[1] == 121, "bilinear weights 3 3 1 of 7: %d %d", out.data[0], out.data[1]);
	ok(vla_image_resize(&in, 8, 1, VLA_FILTER_NEAREST, &out, NULL) == VLA_OK && out.data[0] == 0 &&
		   out.data[1] == 0 && out.data[2] == 100 && out.data[5] == 200 && out.data[7] == 50,
	   "nearest doubles");
	ok(vla_image_resize(&in, 8, 1, VLA_FILTER_BILINEAR, &out, NULL) == VLA_OK && out.data[1] == 25 &&
		   out.data[2] == 75,
	   "bilinear enlarges by quarters: %d %d", out.data[1], out.data[2]);
	// Keys' kernel at 0.25 0.75 1.25 1.75: 0.8672 0.2266 -0.0703 -0.0234; around 1 and 2, 100 and 200.
	ok(vla_image_resize(&in, 8, 1, VLA_FILTER_BICUBIC, &out, NULL) == VLA_OK && out.data[3] == 131,
	   "bicubic by hand: %d", out.data[3]);
	vla_image_release(&out);
}

static void constant(uint32_t c)
{
	vla_image in = noise(37, 29, c), out = VLA_IMAGE_INIT;
	memset(in.data, 201, (size_t)in.width * in.height * c);
	if (c == 4)
		for (size_t i = 3; i < (size_t)in.width * in.height * c; i += 4)
			in.data[i] = 255;
	for (int f = 0; f < 4; f++) {
		bool good = vla_image_resize(&in, 19, 61, (vla_filter)f, &out, NULL) == VLA_OK;
		for (size_t i = 0; good && i < 19 * 61 * c; i++)
			good = out.data[i] == (c == 4 && i % 4 == 3 ? 255 : 201);
		ok(good, "a constant picture stays, %s, %u channels", filters[f], (unsigned)c);
	}
	vla_image_release(&in);
	vla_image_release(&out);
}

/* What is left of a channel must not depend on how many channels are worked on together. */
static void channels_agree(void)
{
	vla_image in = noise(83, 57, 3), one = noise(83, 57, 1), out = VLA_IMAGE_INIT, out1 = VLA_IMAGE_INIT;
	for (size_t i = 0; i < 83 * 57; i++)
		one.data[i] = in.data[3 * i + 1];
	for (int f = 1; f < 4; f++) {
		bool good = vla_image_resize(&in, 40, 33, (vla_filter)f, &out, NULL) == VLA_OK &&
			    vla_image_resize(&one, 40, 33, (vla_filter)f, &out1, NULL) == VLA_OK;
		for (size_t i = 0; good && i < 40 * 33; i++)
			good = out.data[3 * i + 1] == out1.data[i];
		ok(good, "grey equals green, %s", filters[f]);
	}
	vla_image_release(&in);
	vla_image_release(&one);
	vla_image_release(&out);
	vla_image_release(&out1);
}

static void alpha(void)
{
	// Red that nobody sees must not reach the visible blue.
	uint8_t px[8] = { 255, 0, 0, 0, 0, 0, 255, 255 };
	vla_image in = { 2, 1, 4, px, 0 }, out = VLA_IMAGE_INIT;
	ok(vla_image_resize(&in, 1, 1, VLA_FILTER_BILINEAR, &out, NULL) == VLA_OK && out.data[0] == 0 &&
		   out.data[2] == 255 && out.data[3] == 128,
	   "invisible colour does not bleed");
	vla_image_release(&out);
}

static void boxes(void)
{
	vla_image in = noise(50, 40, 3), a = VLA_IMAGE_INIT, b = VLA_IMAGE_INIT, cut = VLA_IMAGE_INIT;
	ok(vla_image_resize(&in, 20, 21, VLA_FILTER_BICUBIC, &a, NULL) == VLA_OK &&
		   vla_image_resize_box(&in, 0, 0, 50, 40, 20, 21, VLA_FILTER_BICUBIC, &b, NULL) == VLA_OK &&
		   memcmp(a.data, b.data, 20 * 21 * 3) == 0,
	   "the whole box is the whole picture");
	ok(vla_image_resize_box(&in, 5, 6, 10, 12, 10, 12, VLA_FILTER_NEAREST, &b, NULL) == VLA_OK &&
		   vla_image_crop(&in, 5, 6, 10, 12, &cut, NULL) == VLA_OK &&
		   memcmp(cut.data, b.data, 10 * 12 * 3) == 0,
	   "a box of the same size is a crop");
	ok(vla_image_resize_box(&in, 5, 6, 10, 12, 10, 12, VLA_FILTER_LANCZOS, &b, NULL) == VLA_OK &&
		   memcmp(cut.data, b.data, 10 * 12 * 3) == 0,
	   "with lanczos too");
	ok(vla_image_resize_box(&in, -10, -10, 5, 5, 4, 4, VLA_FILTER_BILINEAR, &b, NULL) == VLA_OK && b.data[0] == 0 &&
		   b.data[47] == 0,
	   "zeros outside");
	ok(vla_image_resize_box(&in, -1, 38.5, 3, 3, 3, 3, VLA_FILTER_NEAREST, &b, NULL) == VLA_OK && b.data[0] == 0 &&
		   b.data[3] == in.data[39 * 50 * 3],
	   "a box over the corner");
	ok(vla_image_crop(&in, -2, -3, 4, 5, &cut, NULL) == VLA_OK && cut.data[0] == 0 &&
		   memcmp(cut.data + (3 * 4 + 2) * 3, in.data, 6) == 0,
	   "a crop over the corner");
	vla_err err = VLA_ERR_INIT;
	ok(vla_image_resize(&in, 0, 5, VLA_FILTER_BICUBIC, &a, &err) == VLA_EINVAL, "0 pixels: %s", err.msg);
	ok(vla_image_resize(&in, 5, 5, (vla_filter)9, &a, &err) == VLA_EINVAL, "no filter: %s", err.msg);
	ok(vla_image_resize(&in, 5, 5, VLA_FILTER_BICUBIC, &in, &err) == VLA_EINVAL, "in place is refused");
	ok(vla_image_resize_box(&in, 0, 0, 1e300, 5, 5, 5, VLA_FILTER_BICUBIC, &a, &err) == VLA_EINVAL, "%s", err.msg);
	vla_image_release(&in);
	vla_image_release(&a);
	vla_image_release(&b);
	vla_image_release(&cut);
}

/* Sizes around the blocks of the kernels. */
static void sizes(void)
{
	vla_image out = VLA_IMAGE_INIT;
	bool good = true;
	for (uint32_t w = 1; w < 70; w += 3)
		for (uint32_t h = 1; h < 70; h += 5) {
			vla_image in = noise(w, h, 1 + 2 * (w & 1));
			for (int f = 0; f < 4; f++)
				good = good &&
				       vla_image_resize(&in, 70 - w, h / 2 + 1, (vla_filter)f, &out, NULL) == VLA_OK;
			vla_image_release(&in);
		}
	ok(good, "all small sizes");
	vla_image_release(&out);
}

int main(void)
{
	all_golden();
	by_hand();
	constant(1);
	constant(3);
	constant(4);
	channels_agree();
	alpha();
	boxes();
	sizes();
	return done();
}
