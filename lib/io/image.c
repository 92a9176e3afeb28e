/* Pictures as such: kinds, limits, buffers, EXIF orientation (CIPA DC-008, tag 0x0112), and the calls that pick a
 * format. The formats are in png.c, jpeg.c and pnm.c, streams of pictures in image_stream.c, cropping in image_edit.c.
 */
#include "io/image.h"

#include <errno.h>

#define DEFAULT_MAX_SIDE 65500
#define DEFAULT_MAX_PIXELS 178956970

void vla_image_release(vla_image *im)
{
	if (!im)
		return;
	free(im->data);
	*im = (vla_image)VLA_IMAGE_INIT;
}

vla_image_kind vla_image_sniff(const uint8_t *p, size_t n, const char **name)
{
	static const struct {
		const char *name, *magic;
		size_t at, n;
	} others[] = {
		{ "GIF", "GIF8", 0, 4 },
		{ "WebP", "WEBP", 8, 4 },
		{ "BMP", "BM", 0, 2 },
		{ "TIFF", "II*\0", 0, 4 },
		{ "TIFF", "MM\0*", 0, 4 },
		{ "AVIF", "ftypavif", 4, 8 },
		{ "HEIC", "ftypheic", 4, 8 },
		{ "HEIF", "ftypmif1", 4, 8 },
		{ "JPEG XL", "\xff\x0a", 0, 2 },
		{ "JPEG 2000", "jP  ", 4, 4 },
		{ "PDF", "%PDF", 0, 4 },
		{ "gzip", "\x1f\x8b", 0, 2 },
		{ "plain-text PNM", "P1", 0, 2 },
		{ "plain-text PNM", "P2", 0, 2 },
		{ "plain-text PNM", "P3", 0, 2 },
		{ "bitmap (PBM)", "P4", 0, 2 },
		{ "PAM", "P7", 0, 2 },
		{ "SVG or XML", "<?xml", 0, 5 },
		{ "SVG", "<svg", 0, 4 },
	};
	*name = NULL;
	if (n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
		return VLA_IMAGE_PNG;
	if (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0)
		return VLA_IMAGE_JPEG;
	if (n >= 3 && p[0] == 'P' && (p[1] == '5' || p[1] == '6') && strchr(" \t\r\n\v\f#", p[2]) && p[2])
		return VLA_IMAGE_PNM;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (n >= others[i].at + others[i].n && memcmp(p + others[i].at, others[i].magic, others[i].n) == 0) {
			*name = others[i].name;
			return VLA_IMAGE_OTHER;
		}
	return VLA_IMAGE_UNKNOWN;
}

vla_status vla_image_refuse(const uint8_t *p, size_t n, vla_err *err)
{
	static const char wanted[] = "not a PNG, JPEG, PPM or PGM picture";
	const char *name;
	if (n == 0)
		return vla_fail(err, VLA_EFORMAT, "empty, %s", wanted);
	if (vla_image_sniff(p, n, &name) == VLA_IMAGE_OTHER)
		return vla_fail(err, VLA_EFORMAT, "%s (it looks like %s)", wanted, name);
	// A cut signature is a cut file.
	static const char *const magics[] = { "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "P5 ", "P6 " };
	for (size_t i = 0; i < 4; i++)
		if (n < strlen(magics[i]) && memcmp(p, magics[i], n) == 0)
			return vla_fail(err, VLA_ETRUNC, "ends after %zu bytes", n);
	return vla_fail(err, VLA_EFORMAT, "%s", wanted);
}

vla_image_opts vla_image_opts_resolve(const vla_image_opts *opts)
{
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	if (opts)
		o = *opts;
	if (o.max_side == 0)
		o.max_side = DEFAULT_MAX_SIDE;
	if (o.max_pixels == 0)
		o.max_pixels = DEFAULT_MAX_PIXELS;
	return o;
}

vla_status vla_image_check_size(uint64_t w, uint64_t h, const vla_image_opts *o, vla_err *err)
{
	if (w == 0 || h == 0)
		return vla_fail(err, VLA_ECORRUPT, "the picture has no pixels");
	if (w > o->max_side || h > o->max_side)
		return vla_fail(err, VLA_EUNSUPPORTED, "%llu x %llu pixels, the limit is %lu on a side",
				(unsigned long long)w, (unsigned long long)h, (unsigned long)o->max_side);
	if (w * h > o->max_pixels)
		return vla_fail(err, VLA_EUNSUPPORTED, "%llu x %llu pixels, the limit is %llu in all",
				(unsigned long long)w, (unsigned long long)h, (unsigned long long)o->max_pixels);
	return VLA_OK;
}

size_t vla_image_bytes(const vla_image *im)
{
	return (size_t)im->width * im->height * im->channels;
}

vla_status vla_image_reserve(vla_image *im, uint32_t w, uint32_t h, uint32_t channels, vla_err *err)
{
	if (w && h > SIZE_MAX / 4 / w)
		return vla_nomem(err);
	size_t need = (size_t)w * h * channels;
	if (need > im->cap || !im->data) {
		uint8_t *data = vla_alloc(need, 1);
		if (!data)
			return vla_nomem(err);
		free(im->data);
		im->data = data;
		im->cap = need;
	}
	im->width = w;
	im->height = h;
	im->channels = channels;
	return VLA_OK;
}

static uint32_t get(const uint8_t *p, size_t n, bool big)
{
	uint32_t v = 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint32_t)p[i] << 8 * (big ? n - 1 - i : i);
	return v;
}

int vla_exif_orientation(const uint8_t *p, size_t n)
{
	if (n < 8 || !(memcmp(p, "II*\0", 4) == 0 || memcmp(p, "MM\0*", 4) == 0))
		return 1;
	bool big = p[0] == 'M';
	size_t at = get(p + 4, 4, big);
	if (at > n || n - at < 2)
		return 1;
	size_t entries = get(p + at, 2, big);
	at += 2;
	for (size_t i = 0; i < entries && n - at >= 12; i++, at += 12)
		if (get(p + at, 2, big) == 0x0112 && get(p + at + 2, 2, big) == 3) {
			uint32_t v = get(p + at + 8, 2, big);
			return v >= 1 && v <= 8 ? (int)v : 1;
		}
	return 1;
}

vla_status vla_image_upright(vla_image *im, int orientation, vla_err *err)
{
	if (orientation < 2 || orientation > 8)
		return VLA_OK;
	bool swap = orientation >= 5;
	size_t w = im->width, h = im->height, c = im->channels;
	uint8_t *data = vla_alloc(vla_image_bytes(im), 1);
	if (!data)
		return vla_nomem(err);
	// Stored pixel (x, y) is seen at (u, v): columns from the right for 2 3 7 8, rows from the bottom for 3 4 7 8.
	bool right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
	bool bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
	size_t ow = swap ? h : w, oh = swap ? w : h;
	for (size_t y = 0; y < h; y++)
		for (size_t x = 0; x < w; x++) {
			size_t u = swap ? y : x, v = swap ? x : y;
			u = right ? ow - 1 - u : u;
			v = bottom ? oh - 1 - v : v;
			const uint8_t *s = im->data + (y * w + x) * c;
			uint8_t *d = data + (v * ow + u) * c;
			for (size_t i = 0; i < c; i++)
				d[i] = s[i];
		}
	free(im->data);
	im->data = data;
	im->cap = vla_image_bytes(im);
	im->width = (uint32_t)ow;
	im->height = (uint32_t)oh;
	return VLA_OK;
}

vla_status vla_image_decode(const void *bytes, size_t n, const vla_image_opts *opts, vla_image *out, vla_err *err)
{
	vla_image_opts o = vla_image_opts_resolve(opts);
	const char *name;
	int orientation = 1;
	vla_status st;
	switch (vla_image_sniff(bytes, n, &name)) {
	case VLA_IMAGE_PNG: st = vla_png_decode(bytes, n, &o, out, &orientation, err); break;
	case VLA_IMAGE_JPEG: st = vla_jpeg_decode(bytes, n, &o, out, &orientation, err); break;
	case VLA_IMAGE_PNM: st = vla_pnm_decode(bytes, n, &o, out, err); break;
	default: st = vla_image_refuse(bytes, n, err); break;
	}
	if (st == VLA_OK && !o.keep_exif)
		st = vla_image_upright(out, orientation, err);
	if (st != VLA_OK)
		out->width = out->height = 0;
	return st;
}

static vla_status load_rest(FILE *f, vla_buf *b, vla_err *err)
{
	do {
		VLA_TRY(vla_buf_reserve(b, b->n < 1 << 16 ? 1 << 16 : b->n, err));
		b->n += fread(b->data + b->n, 1, b->cap - b->n, f);
		if (b->n > VLA_IMAGE_MAX_FILE)
			return vla_fail(err, VLA_EUNSUPPORTED, "a picture file of over 1 GiB");
	} while (b->n == b->cap);
	if (ferror(f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	return VLA_OK;
}

vla_status vla_image_load(const char *path, const vla_image_opts *opts, vla_image *out, vla_err *err)
{
	vla_buf b = { 0 };
	uint8_t head[16];
	const char *name;
	out->width = out->height = 0;
	FILE *f = fopen(path, "rb");
	if (!f)
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	setvbuf(f, NULL, _IONBF, 0);
	// The kind first: a huge file of another type is not read.
	size_t n = fread(head, 1, sizeof head, f);
	vla_status st = ferror(f) ? vla_fail(err, VLA_EIO, "%s", strerror(errno)) : vla_buf_add(&b, head, n, err);
	vla_image_kind kind = vla_image_sniff(head, n, &name);
	if (st == VLA_OK && kind != VLA_IMAGE_UNKNOWN && kind != VLA_IMAGE_OTHER)
		st = load_rest(f, &b, err);
	if (st == VLA_OK)
		st = vla_image_decode(b.data, b.n, opts, out, err);
	fclose(f);
	vla_buf_release(&b);
	return st;
}
