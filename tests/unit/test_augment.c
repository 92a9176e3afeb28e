/* Augmentation: crops stay inside and follow their distribution, colours change as described, everything repeats from
 * its seed. */
#include "tap.h"

#include "train/augment.h"

#include <math.h>

static vla_image drawn(uint32_t w, uint32_t h)
{
	vla_image im = VLA_IMAGE_INIT;
	im.data = malloc((size_t)w * h * 3);
	im.width = w;
	im.height = h;
	im.channels = 3;
	for (uint32_t i = 0; i < w * h * 3; i++)
		im.data[i] = (uint8_t)(40 + (i * 7 + i / w) % 170);
	return im;
}

static void crops(void)
{
	vla_augment_opts o = VLA_AUGMENT_OPTS_INIT;
	vla_rng rng;
	vla_rng_seed(&rng, 1, 2);
	bool inside = true, shaped = true, sized = true;
	double area = 0, flips = 0;
	for (int i = 0; i < 2000; i++) {
		vla_crop c = vla_crop_draw(&rng, 300, 200, &o);
		inside = inside && c.x + c.w <= 300 && c.y + c.h <= 200 && c.w > 0 && c.h > 0;
		// Sides are rounded to pixels.
		shaped = shaped && c.w / (c.h + 0.5) < 1.36 && (c.w + 0.5) / c.h > 0.73;
		sized = sized && c.w * c.h > 0.34 * 60000;
		area += c.w * c.h / 60000.0 / 2000;
		flips += c.flip / 2000.0;
	}
	ok(inside, "crops lie inside");
	ok(shaped, "their sides' ratio is bounded");
	ok(sized, "they are not too small");
	ok(area > 0.5 && area < 0.75, "their mean area is %.3f", area);
	ok(fabs(flips - 0.5) < 0.05, "every second one is mirrored: %.3f", flips);
	o.min_area = o.max_area = 1;
	o.max_aspect = 1;
	o.flip = 0;
	vla_crop c = vla_crop_draw(&rng, 300, 200, &o), m = vla_crop_middle(300, 200, VLA_FILTER_BILINEAR);
	ok(c.x == 50 && c.w == 200 && c.y == 0 && c.h == 200 && !c.flip, "what cannot fit gives the middle");
	ok(m.x == 50 && m.w == 200 && m.h == 200, "the middle square");
	bool good = true;
	for (uint32_t w = 1; w < 5; w++) {
		c = vla_crop_draw(&rng, w, 1000, &o);
		good = good && c.w == w && c.h == w && c.y + c.h <= 1000;
	}
	ok(good, "narrow pictures");
}

static void numbers(void)
{
	vla_augment_opts o = VLA_AUGMENT_OPTS_INIT;
	vla_crop a = vla_crop_number("a.jpg", 3, 640, 480, &o), b = vla_crop_number("a.jpg", 3, 640, 480, &o);
	vla_crop c = vla_crop_number("a.jpg", 4, 640, 480, &o), d = vla_crop_number("b.jpg", 3, 640, 480, &o);
	ok(memcmp(&a, &b, sizeof a) == 0, "a numbered crop repeats");
	ok(a.x != c.x || a.w != c.w, "another number is another crop");
	ok(a.x != d.x || a.w != d.w, "another picture has others");
}

static void apply(void)
{
	vla_image im = drawn(40, 30), a = VLA_IMAGE_INIT, b = VLA_IMAGE_INIT;
	vla_crop c = { 4, 5, 20, 20, false, VLA_FILTER_BICUBIC };
	vla_err err = VLA_ERR_INIT;
	ok(vla_crop_apply(&im, &c, 16, &a, NULL) == VLA_OK && a.width == 16 && a.height == 16, "a crop");
	c.flip = true;
	ok(vla_crop_apply(&im, &c, 16, &b, NULL) == VLA_OK, "a mirrored crop");
	bool good = true;
	for (size_t y = 0; y < 16; y++)
		for (size_t x = 0; x < 16; x++)
			good = good && memcmp(a.data + (y * 16 + x) * 3, b.data + (y * 16 + 15 - x) * 3, 3) == 0;
	ok(good, "is the mirror image");
	im.channels = 1;
	ok(vla_crop_apply(&im, &c, 16, &b, &err) == VLA_EINVAL, "grey: %s", err.msg);
	vla_image_release(&im);
	vla_image_release(&a);
	vla_image_release(&b);
}

static void colours(void)
{
	vla_augment_opts o = VLA_AUGMENT_OPTS_INIT;
	vla_image im = drawn(32, 32), was = drawn(32, 32);
	size_t n = 32 * 32 * 3;
	vla_rng rng;
	vla_rng_seed(&rng, 7, 0);
	ok(vla_augment_colours(&rng, &im, &o, NULL) == VLA_OK && memcmp(im.data, was.data, n) == 0,
	   "no options, no change");
	o.grey = 1;
	bool good = vla_augment_colours(&rng, &im, &o, NULL) == VLA_OK;
	for (size_t i = 0; i < n; i += 3) {
		const uint8_t *p = was.data + i;
		int luma = (int)(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2] + 0.5);
		good = good && im.data[i] == im.data[i + 1] && im.data[i] == im.data[i + 2] &&
		       abs(luma - im.data[i]) <= 1;
	}
	ok(good, "grey is the luma");
	o.jitter = 0.5f;
	good = true;
	for (int k = 0; k < 20; k++) {
		good = good && vla_augment_colours(&rng, &im, &o, NULL) == VLA_OK;
		for (size_t i = 0; i < n; i += 3)
			good = good && im.data[i] == im.data[i + 1];
	}
	ok(good, "jitter keeps grey grey");
	o = (vla_augment_opts)VLA_AUGMENT_OPTS_INIT;
	o.hue = 0.3f;
	memcpy(im.data, was.data, n);
	good = vla_augment_colours(&rng, &im, &o, NULL) == VLA_OK && memcmp(im.data, was.data, n) != 0;
	for (size_t i = 0; i < n; i += 3) {
		int a = im.data[i] + im.data[i + 1] + im.data[i + 2],
		    b = was.data[i] + was.data[i + 1] + was.data[i + 2];
		bool clipped = false;
		for (size_t k = 0; k < 3; k++)
			clipped = clipped || im.data[i + k] == 0 || im.data[i + k] == 255;
		good = good && (clipped || abs(a - b) <= 2);
	}
	ok(good, "a turned hue keeps the sum of the channels");
	vla_image_release(&im);
	vla_image_release(&was);
}

static void blur_and_erase(void)
{
	vla_augment_opts o = VLA_AUGMENT_OPTS_INIT;
	vla_image im = drawn(224, 224);
	size_t n = 224 * 224 * 3;
	vla_rng rng;
	vla_rng_seed(&rng, 7, 1);
	o.blur = 1;
	memset(im.data, 77, n);
	im.data[n / 2] = 255;
	bool good = vla_augment_colours(&rng, &im, &o, NULL) == VLA_OK;
	long sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += im.data[i] - 77;
	ok(good && im.data[0] == 77 && im.data[n - 1] == 77 && labs(sum - 178) < 40, "blur keeps the sum: %ld", sum);
	o.blur = 0;
	o.erase = 1;
	memset(im.data, 77, n);
	good = vla_augment_colours(&rng, &im, &o, NULL) == VLA_OK;
	size_t erased = 0;
	for (size_t i = 0; i < n; i++)
		erased += im.data[i] != 77;
	ok(good && erased > n / 60 && erased < n * 2 / 5, "%.2f is erased", (double)erased / (double)n);
	vla_image tiny = drawn(1, 1);
	o.blur = 1;
	ok(vla_augment_colours(&rng, &tiny, &o, NULL) == VLA_OK, "one pixel");
	vla_image_release(&tiny);
	vla_image_release(&im);
}

static void repeats(void)
{
	vla_augment_opts o = { 0.2f, 1, 1.5f, 0.5f, VLA_FILTER_BICUBIC, 0.4f, 0.1f, 0.2f, 0.3f, 0.3f };
	vla_image im = drawn(50, 70), a = VLA_IMAGE_INIT, b = VLA_IMAGE_INIT;
	bool same = true, differ = false;
	for (uint64_t i = 0; i < 20; i++) {
		vla_rng r, s, t;
		vla_rng_seed(&r, 5, i);
		vla_rng_seed(&s, 5, i);
		vla_rng_seed(&t, 6, i);
		same = same && vla_augment(&r, &im, &o, 24, &a, NULL) == VLA_OK &&
		       vla_augment(&s, &im, &o, 24, &b, NULL) == VLA_OK && memcmp(a.data, b.data, 24 * 24 * 3) == 0;
		differ = (vla_augment(&t, &im, &o, 24, &b, NULL) == VLA_OK &&
			  memcmp(a.data, b.data, 24 * 24 * 3) != 0) ||
			 differ;
	}
	ok(same, "the same seed gives the same view");
	ok(differ, "another seed gives another");
	vla_image_release(&im);
	vla_image_release(&a);
	vla_image_release(&b);
}

static void flatten(void)
{
	static const uint8_t back[3] = { 255, 0, 100 };
	vla_image im = drawn(2, 2);
	uint8_t px[16] = { 9, 9, 9, 0, 200, 100, 50, 255, 0, 0, 0, 51, 1, 2, 3, 0 };
	memcpy(im.data = realloc(im.data, 16), px, 16);
	im.channels = 4;
	static const uint8_t want[12] = { 255, 0, 100, 200, 100, 50, 204, 0, 80, 255, 0, 100 };
	ok(vla_image_flatten(&im, back, NULL) == VLA_OK && im.channels == 3 && memcmp(im.data, want, 12) == 0,
	   "alpha over a colour");
	vla_image_release(&im);
	vla_rng rng;
	vla_rng_seed(&rng, 3, 3);
	int white = 0;
	for (int i = 0; i < 1000; i++) {
		uint8_t c[3];
		vla_augment_background(&rng, c);
		white += c[0] == 255 && c[1] == 255 && c[2] == 255;
	}
	ok(white > 400 && white < 600, "half of the backgrounds are white: %d of 1000", white);
}

int main(void)
{
	crops();
	numbers();
	apply();
	colours();
	blur_and_erase();
	repeats();
	flatten();
	return done();
}
