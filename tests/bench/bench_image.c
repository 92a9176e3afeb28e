/* Decoding and resampling of pictures: TSV rows of a name, a figure, its unit, and the ratio to the same work by
 * libjpeg alone (decoding) or to plain scalar loops (resampling), all in one run. */
#include "io/image.h"

#include <jpeglib.h>
#include <math.h>
#include <time.h>

#define WIDTH 500
#define HEIGHT 375
#define SECONDS 0.7

/* Processor time: all of this runs in one thread, and other processes must not count. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A picture as busy as a photograph: waves and noise. */
static void draw(vla_image *im)
{
	vla_rng rng;
	vla_rng_seed(&rng, 1, 1);
	if (vla_image_reserve(im, WIDTH, HEIGHT, 3, NULL) != VLA_OK)
		exit(2);
	for (uint32_t y = 0; y < HEIGHT; y++)
		for (uint32_t x = 0; x < WIDTH; x++)
			for (uint32_t k = 0; k < 3; k++) {
				double v =
					128 + 60 * sin(0.03 * x + k) * cos(0.05 * y) + 30 * sin(0.9 * x * y / HEIGHT);
				im->data[(y * WIDTH + x) * 3 + k] =
					(uint8_t)fmin(255, fmax(0, v + 6 * vla_rng_normal(&rng)));
			}
}

typedef struct work {
	vla_buf jpg, png;
	vla_image im, out;
	uint32_t w, h, min_side;
	vla_filter f;
	uint8_t *scratch;
} work;

static void decode_jpeg(work *k)
{
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	o.min_side = k->min_side;
	if (vla_image_decode(k->jpg.data, k->jpg.n, &o, &k->out, NULL) != VLA_OK)
		exit(2);
}

static void decode_png(work *k)
{
	if (vla_image_decode(k->png.data, k->png.n, NULL, &k->out, NULL) != VLA_OK)
		exit(2);
}

static void decode_alone(work *k)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr e;
	c.err = jpeg_std_error(&e);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, (unsigned char *)k->jpg.data, k->jpg.n);
	jpeg_read_header(&c, TRUE);
	jpeg_start_decompress(&c);
	while (c.output_scanline < c.output_height) {
		JSAMPROW row = k->scratch + (size_t)c.output_scanline * c.output_width * 3;
		jpeg_read_scanlines(&c, &row, 1);
	}
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
}

static void resize(work *k)
{
	if (vla_image_resize(&k->im, k->w, k->h, k->f, &k->out, NULL) != VLA_OK)
		exit(2);
}

/* The arithmetic of a bicubic reduction, written plainly: 7 taps a sample, the horizontal pass, then the vertical. */
static void resize_plain(work *k)
{
	static const int32_t w[7] = { -40000, 150000, 1100000, 1774304, 1100000, 150000, -40000 };
	uint8_t *mid = k->scratch, *out = k->scratch + (size_t)WIDTH * HEIGHT * 3;
	for (size_t y = 0; y < HEIGHT; y++)
		for (size_t x = 0; x < k->w; x++)
			for (size_t c = 0; c < 3; c++) {
				size_t x0 = x * (WIDTH - 7) / k->w;
				int32_t acc = 1 << 21;
				for (size_t t = 0; t < 7; t++)
					acc += w[t] * k->im.data[(y * WIDTH + x0 + t) * 3 + c];
				acc >>= 22;
				mid[(y * k->w + x) * 3 + c] = (uint8_t)(acc < 0 ? 0 : acc > 255 ? 255 : acc);
			}
	for (size_t y = 0; y < k->h; y++)
		for (size_t x = 0; x < (size_t)k->w * 3; x++) {
			size_t y0 = y * (HEIGHT - 7) / k->h;
			int32_t acc = 1 << 21;
			for (size_t t = 0; t < 7; t++)
				acc += w[t] * mid[(y0 + t) * k->w * 3 + x];
			acc >>= 22;
			out[y * k->w * 3 + x] = (uint8_t)(acc < 0 ? 0 : acc > 255 ? 255 : acc);
		}
}

/* Runs of f in a second: the best of several parts. */
static double rate(void (*f)(work *), work *k)
{
	double best = 0;
	f(k);
	for (int part = 0; part < 5; part++) {
		size_t n = 0;
		double t = now(), end = t + SECONDS / 5;
		do {
			f(k);
			n++;
		} while (now() < end);
		best = fmax(best, (double)n / (now() - t));
	}
	return best;
}

static void row(const char *name, double value, const char *unit, double ratio)
{
	printf("image\t%s\t%.4g\t%s\t%.3g\n", name, value, unit, ratio);
}

int main(void)
{
	work k = { .w = 341, .h = 256 };
	draw(&k.im);
	k.scratch = malloc((size_t)WIDTH * HEIGHT * 3 * 2);
	if (!k.scratch || vla_jpeg_encode(&k.im, 90, &k.jpg, NULL) != VLA_OK ||
	    vla_png_encode(&k.im, &k.png, NULL) != VLA_OK)
		return 2;
	double mb = WIDTH * HEIGHT * 3 / 1e6, alone = rate(decode_alone, &k), r = rate(decode_jpeg, &k);
	row("jpeg_decode_500x375", r, "images/s", r / alone);
	row("jpeg_decode_500x375", r * mb, "MB/s", r / alone);
	k.min_side = 180;
	r = rate(decode_jpeg, &k);
	row("jpeg_decode_min_side_180", r, "images/s", r / alone);
	r = rate(decode_png, &k);
	row("png_decode_500x375", r, "images/s", r / alone);
	double plain = rate(resize_plain, &k);
	static const char *const names[] = { "resize_341x256_nearest", "resize_341x256_lanczos",
					     "resize_341x256_bilinear", "resize_341x256_bicubic" };
	for (int f = 0; f < 4; f++) {
		k.f = (vla_filter)f;
		r = rate(resize, &k);
		row(names[f], r, "images/s", r / plain);
	}
	vla_buf_release(&k.jpg);
	vla_buf_release(&k.png);
	vla_image_release(&k.im);
	vla_image_release(&k.out);
	free(k.scratch);
	return 0;
}
