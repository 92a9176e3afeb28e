/* Picture decoding and writing: stored results of the reference to the last bit, round trips, and files that are cut,
 * damaged or no pictures. */
#include "golden.h"
#include "tap.h"

#include <vla/image.h>

#include "io/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static void decoded(const golden *g, const char *file, const char *tensor, const vla_image_opts *o)
{
	char name[128];
	vla_image im = VLA_IMAGE_INIT;
	vla_err err = VLA_ERR_INIT;
	snprintf(name, sizeof name, "images/%s", file);
	const char *path = golden_path(g, name);
	vla_status st = path ? vla_image_load(path, o, &im, &err) : VLA_EIO;
	snprintf(name, sizeof name, "%s.%s", file, tensor);
	if (st == VLA_OK)
		golden_image(g, &im, name);
	else
		ok(false, "%s %s", name, err.msg);
	vla_image_release(&im);
}

static void decoded_grey16(const golden *g)
{
	vla_image im = VLA_IMAGE_INIT;
	const vla_ct *t = golden_get(g, "gray16.png.raw16");
	bool good = t && vla_image_load(golden_path(g, "images/gray16.png"), NULL, &im, NULL) == VLA_OK;
	for (size_t i = 0; good && i < t->n; i++) {
		int32_t want;
		memcpy(&want, (const char *)t->data + i * sizeof want, sizeof want);
		good = im.data[3 * i] == want >> 8 && im.data[3 * i + 2] == want >> 8;
	}
	// The reference clips at 255 here, which turns nearly every picture white.
	ok(good, "16-bit grey keeps its upper byte");
	vla_image_release(&im);
}

static void all_golden(void)
{
	static const char *const plain[] = {
		"base-420.jpg", "base-422.jpg",     "base-444.jpg", "big-palette.png", "bilevel.png",
		"cmyk.jpg",     "exif-flip.jpg",    "exif-rot.jpg", "gray.jpg",        "gray8.png",
		"la8.png",      "palette-trns.png", "palette.png",  "palette4.png",    "prog-420.jpg",
		"prog-444.jpg", "restart-420.jpg",  "rgb16.png",    "rgb8-adam7.png",  "rgb8.png",
		"rgba8.png",
	};
	golden g;
	if (!golden_open(&g, "golden/resize-a", "expected.safetensors"))
		return;
	vla_image_opts stored = VLA_IMAGE_OPTS_INIT, alpha = VLA_IMAGE_OPTS_INIT;
	stored.keep_exif = true;
	alpha.keep_alpha = true;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		decoded(&g, plain[i], "rgb", &stored);
	decoded(&g, "exif-flip.jpg", "rgb_upright", NULL);
	decoded(&g, "exif-rot.jpg", "rgb_upright", NULL);
	decoded(&g, "la8.png", "rgba", &alpha);
	decoded(&g, "palette-trns.png", "rgba", &alpha);
	decoded(&g, "rgba8.png", "rgba", &alpha);
	decoded(&g, "rgb8.png", "rgb", &alpha);
	decoded_grey16(&g);
	golden_close(&g);
}

/* A picture with edges and a gradient; w x h x c. */
static vla_image drawn(uint32_t w, uint32_t h, uint32_t c)
{
	vla_image im = VLA_IMAGE_INIT;
	if (vla_image_reserve(&im, w, h, c, NULL) != VLA_OK)
		abort();
	for (uint32_t y = 0; y < h; y++)
		for (uint32_t x = 0; x < w; x++)
			for (uint32_t k = 0; k < c; k++)
				im.data[(y * w + x) * c + k] =
					(uint8_t)((x * (5 + k) + y * 7 + (x / 4 + y / 4) % 2 * 60) % 256);
	return im;
}

static bool equal(const vla_image *a, const vla_image *b)
{
	return a->width == b->width && a->height == b->height && a->channels == b->channels &&
	       memcmp(a->data, b->data, vla_image_bytes(a)) == 0;
}

static vla_buf encoded(const vla_image *im, const char *name)
{
	vla_buf b = { 0 };
	vla_err err = VLA_ERR_INIT;
	if (vla_image_encode(im, name, &b, &err) != VLA_OK)
		note("encode: %s", err.msg);
	return b;
}

static void round_trips(void)
{
	char dir[] = "/tmp/vla-test-XXXXXX", path[64];
	vla_image_opts alpha = VLA_IMAGE_OPTS_INIT;
	alpha.keep_alpha = true;
	vla_image rgb = drawn(23, 17, 3), rgba = drawn(9, 11, 4), grey = drawn(8, 9, 1), back = VLA_IMAGE_INIT;
	ok(mkdtemp(dir) != NULL, "a folder");
	snprintf(path, sizeof path, "%s/a.png", dir);
	ok(vla_image_save(path, &rgb, NULL) == VLA_OK && vla_image_load(path, NULL, &back, NULL) == VLA_OK &&
		   equal(&rgb, &back),
	   "PNG keeps every pixel");
	ok(vla_image_save(path, &rgba, NULL) == VLA_OK && vla_image_load(path, &alpha, &back, NULL) == VLA_OK &&
		   equal(&rgba, &back),
	   "and alpha, over an older file");
	ok(vla_image_save(path, &grey, NULL) == VLA_OK && vla_image_load(path, NULL, &back, NULL) == VLA_OK &&
		   back.channels == 3 && back.data[30] == grey.data[10],
	   "grey comes back as RGB");
	unlink(path);
	snprintf(path, sizeof path, "%s/a.ppm", dir);
	ok(vla_image_save(path, &rgb, NULL) == VLA_OK && vla_image_load(path, NULL, &back, NULL) == VLA_OK &&
		   equal(&rgb, &back),
	   "PPM keeps every pixel");
	unlink(path);
	snprintf(path, sizeof path, "%s/a.JPG", dir);
	ok(vla_image_save(path, &rgba, NULL) == VLA_OK && vla_image_load(path, NULL, &back, NULL) == VLA_OK &&
		   back.width == 9 && back.height == 11 && back.channels == 3,
	   "JPEG");
	unlink(path);
	vla_err err = VLA_ERR_INIT;
	snprintf(path, sizeof path, "%s/a.gif", dir);
	ok(vla_image_save(path, &rgb, &err) == VLA_EINVAL && access(path, F_OK) != 0, "no GIF: %s", err.msg);
	snprintf(path, sizeof path, "%s/none/a.png", dir);
	ok(vla_image_save(path, &rgb, &err) == VLA_EIO, "no folder: %s", err.msg);
	ok(vla_image_load(path, NULL, &back, &err) == VLA_EIO, "no file: %s", err.msg);
	ok(vla_image_load(dir, NULL, &back, &err) == VLA_EIO, "a folder: %s", err.msg);
	ok(rmdir(dir) == 0, "nothing is left behind");
	vla_image_release(&rgb);
	vla_image_release(&rgba);
	vla_image_release(&grey);
	vla_image_release(&back);
}

/* Every prefix is refused, or with allow_truncated decodes to the full size. */
static void prefixes(const char *name, const vla_buf *b)
{
	vla_image_opts lenient = VLA_IMAGE_OPTS_INIT;
	lenient.allow_truncated = true;
	vla_image whole = VLA_IMAGE_INIT, im = VLA_IMAGE_INIT;
	bool refused = true, kept = true;
	size_t cuts = 0;
	ok(vla_image_decode(b->data, b->n, NULL, &whole, NULL) == VLA_OK, "%s decodes", name);
	for (size_t n = 0; n < b->n; n++) {
		// An allocation of exactly n bytes: reading past the end is seen by the sanitizer.
		uint8_t *p = malloc(n ? n : 1);
		memcpy(p, b->data, n);
		vla_err err = VLA_ERR_INIT;
		vla_status st = vla_image_decode(p, n, NULL, &im, &err);
		if (st != VLA_ETRUNC && !(n == 0 && st == VLA_EFORMAT)) {
			note("%s cut after %zu: %s %s", name, n, vla_status_name(st), err.msg);
			refused = false;
		}
		if (vla_image_decode(p, n, &lenient, &im, NULL) == VLA_OK) {
			cuts++;
			kept = kept && im.width == whole.width && im.height == whole.height;
		}
		free(p);
	}
	ok(refused, "every prefix of %s ends too early", name);
	ok(kept && cuts > 0, "%s: %zu of %zu prefixes show something", name, cuts, b->n);
	vla_image_release(&whole);
	vla_image_release(&im);
}

/* Single flipped bits, every step-th: no crash, and some are noticed. */
static void flips(const char *name, const vla_buf *b, size_t step)
{
	vla_image im = VLA_IMAGE_INIT;
	size_t refused = 0;
	vla_image_opts small = VLA_IMAGE_OPTS_INIT;
	small.max_pixels = 1 << 16;
	small.keep_alpha = true;
	uint8_t *p = malloc(b->n);
	memcpy(p, b->data, b->n);
	for (size_t i = 0; i < 8 * b->n; i += step) {
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		refused += vla_image_decode(p, b->n, &small, &im, NULL) != VLA_OK;
		p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	ok(refused > 0, "%s: %zu of %zu flipped bits are refused", name, refused, 8 * b->n / step);
	free(p);
	vla_image_release(&im);
}

static void damage(void)
{
	static const char *const names[] = { "a.png", "a.jpg", "a.ppm" };
	for (int c = 1; c <= 4; c += c == 1 ? 2 : 1)
		for (int i = 0; i < 3; i++) {
			vla_image im = drawn(13, 11, (uint32_t)c);
			vla_buf b = encoded(&im, names[i]);
			char label[32];
			snprintf(label, sizeof label, "%s of %d channels", names[i], c);
			prefixes(label, &b);
			flips(label, &b, 3);
			vla_buf_release(&b);
			vla_image_release(&im);
		}
}

static void golden_damage(void)
{
	static const char *const files[] = { "prog-420.jpg", "rgb8-adam7.png", "cmyk.jpg", "restart-420.jpg",
					     "palette-trns.png" };
	for (size_t i = 0; i < 5; i++) {
		char name[80];
		snprintf(name, sizeof name, "golden/resize-a/images/%s", files[i]);
		const char *path = shared(name);
		FILE *f = path ? fopen(path, "rb") : NULL;
		if (!f) {
			skip("%s is not there", name);
			continue;
		}
		vla_buf b = { 0 };
		if (vla_buf_reserve(&b, 8192, NULL) == VLA_OK)
			b.n = fread(b.data, 1, 8192, f);
		fclose(f);
		prefixes(files[i], &b);
		flips(files[i], &b, 29);
		vla_buf_release(&b);
	}
}

/* The upper rows of a cut picture are those of the whole one, the lower ones grey. */
static void cut_is_grey(const char *name)
{
	vla_image im = drawn(64, 64, 3), whole = VLA_IMAGE_INIT, part = VLA_IMAGE_INIT;
	// Not too regular: a compressor must not have everything in its first bytes.
	for (uint32_t i = 0, x = 1; i < 64 * 64 * 3; i++, x = x * 1664525u + 1013904223u)
		im.data[i] ^= (uint8_t)(x >> 28);
	vla_buf b = encoded(&im, name);
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	o.allow_truncated = true;
	bool good = vla_image_decode(b.data, b.n, NULL, &whole, NULL) == VLA_OK &&
		    vla_image_decode(b.data, b.n * 2 / 3, &o, &part, NULL) == VLA_OK;
	ok(good && memcmp(whole.data, part.data, 64 * 3 * 8) == 0, "%s: the upper rows are there", name);
	for (size_t i = 0; good && i < 64 * 3; i++)
		good = part.data[63 * 64 * 3 + i] == 128;
	ok(good, "%s: the last row is grey", name);
	vla_buf_release(&b);
	vla_image_release(&im);
	vla_image_release(&whole);
	vla_image_release(&part);
}

static void refuses(const char *what, const void *p, size_t n, const vla_image_opts *o, vla_status want)
{
	vla_err err = VLA_ERR_INIT;
	vla_image im = VLA_IMAGE_INIT;
	vla_status st = vla_image_decode(p, n, o, &im, &err);
	ok(st == want && err.code == want && im.width == 0, "%s: %s", what, err.msg);
	vla_image_release(&im);
}

static void wrong_types(void)
{
	vla_image im = drawn(40, 30, 3);
	vla_buf png = encoded(&im, ".png"), jpg = encoded(&im, ".jpg");
	vla_image_opts side = VLA_IMAGE_OPTS_INIT, area = VLA_IMAGE_OPTS_INIT;
	side.max_side = 39;
	area.max_pixels = 1199;
	refuses("nothing", "", 0, NULL, VLA_EFORMAT);
	refuses("text", "hello, world", 12, NULL, VLA_EFORMAT);
	refuses("GIF", "GIF89a\1\0\1\0", 10, NULL, VLA_EFORMAT);
	refuses("plain PPM", "P3\n1 1\n255\n0 0 0\n", 17, NULL, VLA_EFORMAT);
	refuses("PNG by side", png.data, png.n, &side, VLA_EUNSUPPORTED);
	refuses("PNG by pixels", png.data, png.n, &area, VLA_EUNSUPPORTED);
	refuses("JPEG by side", jpg.data, jpg.n, &side, VLA_EUNSUPPORTED);
	refuses("JPEG by pixels", jpg.data, jpg.n, &area, VLA_EUNSUPPORTED);
	refuses("PPM by side", "P6 40 30 255\n", 13, &side, VLA_EUNSUPPORTED);
	refuses("PPM by size", "P6 4000000000 4000000000 255\n", 29, NULL, VLA_EFORMAT);
	refuses("PPM of 0", "P6 0 3 255\n", 11, NULL, VLA_ECORRUPT);
	refuses("PPM with maxval 0", "P6 1 1 0\nabc", 12, NULL, VLA_EFORMAT);
	refuses("PPM with maxval 70000", "P6 1 1 70000\nabc", 16, NULL, VLA_EFORMAT);
	refuses("PPM with letters", "P6 1 x 255\nabc", 14, NULL, VLA_EFORMAT);
	vla_buf_release(&png);
	vla_buf_release(&jpg);
	vla_image_release(&im);
}

static bool decodes_to(const char *p, size_t n, const uint8_t *want, size_t bytes)
{
	vla_image im = VLA_IMAGE_INIT;
	bool good = vla_image_decode(p, n, NULL, &im, NULL) == VLA_OK && vla_image_bytes(&im) == bytes &&
		    memcmp(im.data, want, bytes) == 0;
	vla_image_release(&im);
	return good;
}

static void pnm(void)
{
	static const uint8_t abc[] = { 'a', 'b', 'c' }, aaa[] = { 'a', 'a', 'a', 'b', 'b', 'b' };
	static const uint8_t scaled[] = { 0, 128, 255 }, one[] = { 255, 255, 255 };
	ok(decodes_to("P6\n1 1\n255\nabc", 14, abc, 3), "PPM");
	ok(decodes_to("P6 # a 1 2\n#\n1#x\n1 255 abctrailing", 34, abc, 3), "comments, and garbage after the end");
	ok(decodes_to("P5 2 1 255\nab", 13, aaa, 6), "PGM");
	ok(decodes_to("P6 1 1 2\n\0\1\2", 12, scaled, 3), "maximum value 2 is scaled with rounding");
	ok(decodes_to("P6 1 1 65535\n\0\0\x80\x80\xff\xff", 19, scaled, 3), "16 bit");
	ok(decodes_to("P5 1 1 7\n\xff", 10, one, 3), "samples over the maximum are clipped");
}

static void chunk(vla_buf *b, const char *type, const uint8_t *p, size_t n)
{
	uint8_t head[8] = { 0, 0, (uint8_t)(n >> 8), (uint8_t)n }, tail[4];
	memcpy(head + 4, type, 4);
	uLong crc = crc32(crc32(0, head + 4, 4), p, (uInt)n);
	for (int i = 0; i < 4; i++)
		tail[i] = (uint8_t)(crc >> (24 - 8 * i));
	if (vla_buf_add(b, head, 8, NULL) != VLA_OK || vla_buf_add(b, p, n, NULL) != VLA_OK ||
	    vla_buf_add(b, tail, 4, NULL) != VLA_OK)
		abort();
}

/* A grey PNG of 6 x 9 whose pixel (x, y) is 20 x + y, of the samples that are given. */
static vla_buf by_hand(bool interlaced, const uint8_t *samples, size_t n)
{
	uint8_t head[13] = { 0, 0, 0, 6, 0, 0, 0, 9, 8, 0, 0, 0, interlaced }, z[256];
	uLongf zn = sizeof z;
	vla_buf b = { 0 };
	if (compress(z, &zn, samples, n) != Z_OK || vla_buf_add(&b, "\x89PNG\r\n\x1a\n", 8, NULL) != VLA_OK)
		abort();
	chunk(&b, "IHDR", head, 13);
	chunk(&b, "IDAT", z, zn);
	chunk(&b, "IEND", (const uint8_t *)"", 0);
	return b;
}

/* Files that end properly but hold too few rows, and interlaced ones, whose passes are written out here. */
static void hand_made_png(void)
{
	static const uint8_t pass[7][4] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 }, { 0, 4, 4, 8 }, { 2, 0, 4, 4 },
					    { 0, 2, 2, 4 }, { 1, 0, 2, 2 }, { 0, 1, 1, 2 } };
	uint8_t s[200];
	size_t n = 0;
	for (int i = 0; i < 7; i++)
		for (int y = pass[i][1]; y < 9; y += pass[i][3]) {
			s[n++] = 0;
			for (int x = pass[i][0]; x < 6; x += pass[i][2])
				s[n++] = (uint8_t)(20 * x + y);
		}
	vla_image im = VLA_IMAGE_INIT;
	vla_buf b = by_hand(true, s, n);
	bool good = vla_image_decode(b.data, b.n, NULL, &im, NULL) == VLA_OK && im.width == 6 && im.height == 9;
	for (uint32_t i = 0; good && i < 54; i++)
		good = im.data[3 * i] == 20 * (i % 6) + i / 6;
	ok(good, "an interlaced PNG");
	prefixes("an interlaced PNG", &b);
	vla_buf_release(&b);
	for (n = 0; n < 9 * 7; n++)
		s[n] = n % 7 ? (uint8_t)(20 * (n % 7 - 1) + n / 7) : 0;
	b = by_hand(false, s, n);
	ok(vla_image_decode(b.data, b.n, NULL, &im, NULL) == VLA_OK && im.data[3 * 53] == 108, "one that is not");
	vla_buf_release(&b);
	b = by_hand(false, s, 5 * 7);
	vla_status st = vla_image_decode(b.data, b.n, NULL, &im, NULL);
	ok(st == VLA_ETRUNC, "5 of 9 rows: %s", vla_status_name(st));
	vla_buf_release(&b);
	vla_image_release(&im);
}

/* An EXIF block of one entry. */
static void exif(void)
{
	uint8_t little[] = { 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0 };
	uint8_t big[] = { 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0 };
	ok(vla_exif_orientation(little, sizeof little) == 6, "little-endian orientation");
	ok(vla_exif_orientation(big, sizeof big) == 8, "big-endian orientation");
	bool good = true;
	for (size_t n = 0; n < sizeof big; n++)
		good = good && vla_exif_orientation(big, n) == (n < 22 ? 1 : 8);
	ok(good, "a cut block has none");
	big[19] = 9;
	ok(vla_exif_orientation(big, sizeof big) == 1, "9 is none");
	// Where the stored pixels of [a b c; d e f] are seen.
	static const char *const seen[] = { "abcdef", "cbafed", "fedcba", "defabc",
					    "adbecf", "daebfc", "fcebda", "cfbead" };
	for (int o = 1; o <= 8; o++) {
		vla_image im = VLA_IMAGE_INIT;
		good = vla_image_reserve(&im, 3, 2, 1, NULL) == VLA_OK;
		memcpy(im.data, "abcdef", 6);
		good = good && vla_image_upright(&im, o, NULL) == VLA_OK && memcmp(im.data, seen[o - 1], 6) == 0 &&
		       im.width == (o < 5 ? 3 : 2);
		ok(good, "orientation %d: %.6s", o, (char *)im.data);
		vla_image_release(&im);
	}
}

static void streams(void)
{
	vla_image a = drawn(13, 11, 3), b = drawn(5, 7, 3), im = VLA_IMAGE_INIT;
	vla_buf png = encoded(&a, ".png"), ppm = encoded(&b, ".ppm"), jpg = encoded(&a, ".jpg");
	FILE *f = tmpfile();
	for (int i = 0; i < 2; i++) {
		fwrite(ppm.data, 1, ppm.n, f);
		fwrite(png.data, 1, png.n, f);
		fwrite(jpg.data, 1, jpg.n, f);
		fputs("P5 2 1 255\nab\n", f);
	}
	rewind(f);
	for (int i = 0; i < 2; i++) {
		ok(vla_image_next(f, NULL, &im, NULL) == VLA_OK && equal(&im, &b), "PPM in a stream");
		ok(vla_image_next(f, NULL, &im, NULL) == VLA_OK && equal(&im, &a), "PNG in a stream");
		ok(vla_image_next(f, NULL, &im, NULL) == VLA_OK && im.width == 13, "JPEG in a stream");
		ok(vla_image_next(f, NULL, &im, NULL) == VLA_OK && im.width == 2 && im.data[3] == 'b',
		   "PGM in a stream");
	}
	ok(vla_image_next(f, NULL, &im, NULL) == VLA_EOF, "the end of the stream");
	fclose(f);
	const vla_buf *all[] = { &ppm, &png, &jpg };
	for (int i = 0; i < 3; i++) {
		bool good = true;
		for (size_t n = 1; n < all[i]->n; n++) {
			f = tmpfile();
			fwrite(all[i]->data, 1, n, f);
			rewind(f);
			good = good && vla_image_next(f, NULL, &im, NULL) == VLA_ETRUNC;
			fclose(f);
		}
		ok(good, "every prefix in a stream ends too early");
	}
	f = tmpfile();
	fputs("hello", f);
	rewind(f);
	ok(vla_image_next(f, NULL, &im, NULL) == VLA_EFORMAT, "text in a stream");
	fclose(f);
	vla_buf_release(&png);
	vla_buf_release(&ppm);
	vla_buf_release(&jpg);
	vla_image_release(&a);
	vla_image_release(&b);
	vla_image_release(&im);
}

static void scaled(void)
{
	vla_image a = drawn(200, 120, 3), im = VLA_IMAGE_INIT;
	vla_buf jpg = encoded(&a, ".jpg");
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	static const uint32_t min_side[] = { 0, 120, 61, 60, 31, 30, 15, 14 },
			      want[] = { 120, 120, 120, 60, 60, 30, 15, 15 };
	for (size_t i = 0; i < 8; i++) {
		o.min_side = min_side[i];
		ok(vla_image_decode(jpg.data, jpg.n, &o, &im, NULL) == VLA_OK && im.height == want[i],
		   "120 rows as %lu or more: %lu", (unsigned long)min_side[i], (unsigned long)im.height);
	}
	vla_buf_release(&jpg);
	vla_image_release(&a);
	vla_image_release(&im);
}

int main(void)
{
	all_golden();
	round_trips();
	damage();
	golden_damage();
	cut_is_grey(".png");
	cut_is_grey(".jpg");
	cut_is_grey(".ppm");
	wrong_types();
	pnm();
	hand_made_png();
	exif();
	streams();
	scaled();
	return done();
}
