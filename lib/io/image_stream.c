/* Pictures that follow each other in one stream, as `ffmpeg -f image2pipe` writes them: PNM ends by its size, PNG at
 * its IEND chunk, JPEG at its EOI marker (ITU-T T.81 annex B). White space between pictures is skipped. */
#include "io/image.h"

#include <errno.h>

static vla_status ended(FILE *f, vla_err *err)
{
	if (ferror(f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	return vla_fail(err, VLA_ETRUNC, "the stream ends inside a picture");
}

/* Appends n bytes of f; memory grows with what is really there. */
static vla_status take(FILE *f, size_t n, vla_buf *b, vla_err *err)
{
	if (n > VLA_IMAGE_MAX_FILE - b->n)
		return vla_fail(err, VLA_EUNSUPPORTED, "a picture file of over 1 GiB in a stream");
	while (n) {
		size_t part = n < 65536 ? n : 65536;
		VLA_TRY(vla_buf_reserve(b, part, err));
		size_t got = fread(b->data + b->n, 1, part, f);
		b->n += got;
		n -= got;
		if (got < part)
			return ended(f, err);
	}
	return VLA_OK;
}

static vla_status take_byte(FILE *f, vla_buf *b, uint8_t *out, vla_err *err)
{
	VLA_TRY(take(f, 1, b, err));
	*out = (uint8_t)b->data[b->n - 1];
	return VLA_OK;
}

/* b holds the first bytes of the signature. */
static vla_status take_png(FILE *f, vla_buf *b, vla_err *err)
{
	VLA_TRY(take(f, 8 - b->n, b, err));
	if (memcmp(b->data, "\x89PNG\r\n\x1a\n", 8) != 0)
		return vla_image_refuse((uint8_t *)b->data, b->n, err);
	for (;;) {
		VLA_TRY(take(f, 8, b, err));
		const uint8_t *h = (uint8_t *)b->data + b->n - 8;
		uint32_t n = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
		bool last = memcmp(h + 4, "IEND", 4) == 0;
		VLA_TRY(take(f, (size_t)n + 4, b, err));
		if (last)
			return VLA_OK;
	}
}

/* Up to and with the code of the next marker; inside entropy-coded data the restart markers are data. */
static vla_status take_marker(FILE *f, vla_buf *b, bool entropy, uint8_t *code, vla_err *err)
{
	uint8_t c;
	for (;;) {
		do
			VLA_TRY(take_byte(f, b, &c, err));
		while (c != 0xff);
		do
			VLA_TRY(take_byte(f, b, &c, err));
		while (c == 0xff);
		if (c != 0 && !(entropy && c >= 0xd0 && c <= 0xd7)) {
			*code = c;
			return VLA_OK;
		}
	}
}

static vla_status take_jpeg(FILE *f, vla_buf *b, vla_err *err)
{
	bool entropy = false;
	for (;;) {
		uint8_t code, len[2];
		VLA_TRY(take_marker(f, b, entropy, &code, err));
		if (code == 0xd9)
			return VLA_OK;
		if (code == 0x01 || (code >= 0xd0 && code <= 0xd7))
			continue;
		if (code == 0xd8)
			return vla_fail(err, VLA_ECORRUPT, "a JPEG begins inside another");
		VLA_TRY(take_byte(f, b, &len[0], err));
		VLA_TRY(take_byte(f, b, &len[1], err));
		size_t n = (size_t)len[0] << 8 | len[1];
		if (n < 2)
			return vla_fail(err, VLA_ECORRUPT, "damaged JPEG: a segment of %zu bytes", n);
		VLA_TRY(take(f, n - 2, b, err));
		entropy = code == 0xda;
	}
}

static vla_status next_file(FILE *f, int c0, int c1, const vla_image_opts *o, vla_image *out, vla_err *err)
{
	uint8_t head[2] = { (uint8_t)c0, (uint8_t)c1 };
	vla_buf b = { 0 };
	vla_status st = vla_buf_add(&b, head, 2, err);
	if (st == VLA_OK)
		st = c0 == 0xff ? take_jpeg(f, &b, err) : take_png(f, &b, err);
	// What there is of a cut picture goes to the decoder, which knows what can be kept.
	if (st == VLA_OK || (st == VLA_ETRUNC && o->allow_truncated))
		st = vla_image_decode(b.data, b.n, o, out, err);
	vla_buf_release(&b);
	return st;
}

vla_status vla_image_next(FILE *f, const vla_image_opts *opts, vla_image *out, vla_err *err)
{
	vla_image_opts o = vla_image_opts_resolve(opts);
	vla_status st;
	int c0, c1;
	out->width = out->height = 0;
	do
		c0 = getc(f);
	while (c0 == '\n' || c0 == '\r' || c0 == ' ' || c0 == '\t');
	if (c0 == EOF)
		return ferror(f) ? vla_fail(err, VLA_EIO, "%s", strerror(errno)) : VLA_EOF;
	c1 = getc(f);
	uint8_t head[2] = { (uint8_t)c0, (uint8_t)c1 };
	if (c1 == EOF)
		return ferror(f) ? ended(f, err) : vla_image_refuse(head, 1, err);
	if (c0 == 'P' && (c1 == '5' || c1 == '6'))
		st = vla_pnm_read(f, (char)c1, &o, out, err);
	else if ((c0 == 0x89 && c1 == 'P') || (c0 == 0xff && c1 == 0xd8))
		st = next_file(f, c0, c1, &o, out, err);
	else
		st = vla_image_refuse(head, 2, err);
	if (st != VLA_OK)
		out->width = out->height = 0;
	return st;
}
