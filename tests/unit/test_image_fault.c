/* Every allocation that picture code and its libraries make fails once: a status, no crash, nothing lost. */
#define FAULT_SHARED
#include "fault.h"
#include "tap.h"

#include <vla/sheet.h>

#include "io/image.h"
#include "train/augment.h"

static vla_image rgb, rgba;
static vla_buf png, jpg, ppm;

static vla_status decode(const vla_buf *b, const vla_image_opts *o)
{
	vla_image im = VLA_IMAGE_INIT;
	vla_status st = vla_image_decode(b->data, b->n, o, &im, NULL);
	vla_image_release(&im);
	return st;
}

static vla_status decode_png(void)
{
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	o.keep_alpha = true;
	return decode(&png, &o);
}

static vla_status decode_jpeg(void)
{
	return decode(&jpg, NULL);
}

static vla_status decode_ppm(void)
{
	return decode(&ppm, NULL);
}

static vla_status encode(const char *name)
{
	vla_buf b = { 0 };
	vla_status st = vla_image_encode(&rgba, name, &b, NULL);
	vla_buf_release(&b);
	return st;
}

static vla_status encode_png(void)
{
	return encode(".png");
}

static vla_status encode_jpeg(void)
{
	return encode(".jpg");
}

static vla_status encode_ppm(void)
{
	return encode(".ppm");
}

static vla_status read_stream(void)
{
	vla_image im = VLA_IMAGE_INIT;
	FILE *f = fmemopen(jpg.data, jpg.n, "rb");
	if (!f)
		return VLA_ENOMEM;
	vla_status st = vla_image_next(f, NULL, &im, NULL);
	fclose(f);
	vla_image_release(&im);
	return st;
}

static vla_status upright(void)
{
	vla_image im = VLA_IMAGE_INIT;
	vla_status st = vla_image_crop(&rgb, 1, 2, 20, 10, &im, NULL);
	if (st == VLA_OK)
		st = vla_image_upright(&im, 6, NULL);
	vla_image_release(&im);
	return st;
}

static vla_status resize(void)
{
	vla_image im = VLA_IMAGE_INIT;
	vla_status st = vla_image_resize_box(&rgba, -3, 2.5, 20, 30, 11, 13, VLA_FILTER_LANCZOS, &im, NULL);
	if (st == VLA_OK)
		st = vla_image_resize(&rgb, 7, 5, VLA_FILTER_NEAREST, &im, NULL);
	vla_image_release(&im);
	return st;
}

static vla_status augment(void)
{
	vla_augment_opts o = VLA_AUGMENT_OPTS_INIT;
	vla_image im = VLA_IMAGE_INIT;
	vla_rng rng;
	vla_rng_seed(&rng, 1, 1);
	o.blur = 1;
	vla_status st = vla_augment(&rng, &rgb, &o, 16, &im, NULL);
	vla_image_release(&im);
	return st;
}

static vla_status sheet(void)
{
	vla_sheet *s;
	vla_status st = vla_sheet_new(2, NULL, &s, NULL);
	if (st == VLA_OK)
		st = vla_sheet_put(s, 1, &rgb, "a caption of two or three lines", 0.5, NULL);
	vla_sheet_free(s);
	return st;
}

static void each(const char *name, vla_status (*f)(void))
{
	long live = fault_live(), n = 1;
	bool clean = true;
	vla_status st;
	if (f() != VLA_OK) {
		ok(false, "%s works", name);
		return;
	}
	live = fault_live();
	for (;; n++) {
		fault_at(n);
		st = f();
		fault_at(0);
		clean = clean && fault_live() == live;
		if (st != VLA_ENOMEM || n > 10000)
			break;
	}
	ok(st == VLA_OK && clean, "%s: each of %ld allocations fails once%s%s", name, n - 1,
	   st == VLA_OK ? "" : ", status ", st == VLA_OK ? "" : vla_status_name(st));
}

int main(void)
{
	if (!FAULTS) {
		skip("a sanitizer has the allocator");
		return done();
	}
	bool good = vla_image_reserve(&rgb, 40, 30, 3, NULL) == VLA_OK &&
		    vla_image_reserve(&rgba, 40, 30, 4, NULL) == VLA_OK;
	if (!good)
		return 2;
	for (size_t i = 0; i < 40 * 30 * 4; i++)
		rgba.data[i] = (uint8_t)(i * 7);
	memcpy(rgb.data, rgba.data, 40 * 30 * 3);
	good = vla_png_encode(&rgba, &png, NULL) == VLA_OK && vla_jpeg_encode(&rgb, 80, &jpg, NULL) == VLA_OK &&
	       vla_ppm_encode(&rgb, &ppm, NULL) == VLA_OK;
	ok(good, "three files");
	each("decoding a PNG", decode_png);
	each("decoding a JPEG", decode_jpeg);
	each("decoding a PPM", decode_ppm);
	each("encoding a PNG", encode_png);
	each("encoding a JPEG", encode_jpeg);
	each("encoding a PPM", encode_ppm);
	each("a JPEG in a stream", read_stream);
	each("cropping and turning", upright);
	each("resampling", resize);
	each("augmentation", augment);
	each("a contact sheet", sheet);
	vla_buf_release(&png);
	vla_buf_release(&jpg);
	vla_buf_release(&ppm);
	vla_image_release(&rgb);
	vla_image_release(&rgba);
	return done();
}
