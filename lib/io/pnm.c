/* Binary PGM and PPM (the pgm and ppm pages of Netpbm), 8 or 16 bit, comments in the header; samples are scaled to
 * 0..255 with rounding. Files may follow each other without a gap. Plain (text) forms are refused. */
#include "io/image.h"

#include <errno.h>

/* A header longer than this, comments included, is no header. */
#define HEADER_BYTES 65536

/* The three numbers after the magic, fed byte by byte. */
typedef struct header {
	uint32_t v[3]; /* width, height, maxval */
	unsigned count;
	size_t bytes;
	bool digits, comment;
} header;

typedef enum step { MORE, READY, BAD } step;

static step feed(header *h, int c)
{
	if (++h->bytes > HEADER_BYTES)
		return BAD;
	if (h->comment) {
		h->comment = c != '\n' && c != '\r';
		return MORE;
	}
	if (c >= '0' && c <= '9') {
		uint32_t *v = &h->v[h->count];
		if (*v > 99999999)
			return BAD;
		*v = *v * 10 + (uint32_t)(c - '0');
		h->digits = true;
		return MORE;
	}
	bool space = c == ' ' || (c >= '\t' && c <= '\r');
	if (!space && c != '#')
		return BAD;
	if (h->digits) {
		h->digits = false;
		// One white space byte ends the header; pixels follow at once.
		if (++h->count == 3)
			return space ? READY : BAD;
	}
	h->comment = c == '#';
	return MORE;
}

static vla_status bad_header(vla_err *err)
{
	return vla_fail(err, VLA_EFORMAT, "a PNM header is three numbers, these are not");
}

typedef struct pnm {
	size_t channels, sample; /* in the file */
	size_t row;              /* bytes in the file */
	uint32_t w, h, maxval;
} pnm;

static vla_status check_header(const header *hd, char digit, const vla_image_opts *o, pnm *m, vla_err *err)
{
	if (hd->v[2] < 1 || hd->v[2] > 65535)
		return vla_fail(err, VLA_EFORMAT, "a PNM with maximum value %lu, 1 to 65535 can be",
				(unsigned long)hd->v[2]);
	VLA_TRY(vla_image_check_size(hd->v[0], hd->v[1], o, err));
	m->w = hd->v[0];
	m->h = hd->v[1];
	m->maxval = hd->v[2];
	m->channels = digit == '6' ? 3 : 1;
	m->sample = m->maxval > 255 ? 2 : 1;
	m->row = m->channels * m->sample * m->w;
	return VLA_OK;
}

/* One row of the file to RGB; s and d may not overlap unless the samples are the output already. */
static void convert_row(const pnm *m, const uint8_t *s, uint8_t *d)
{
	if (m->channels == 3 && m->maxval == 255) {
		if (s != d)
			memcpy(d, s, m->row);
		return;
	}
	size_t n = m->w * m->channels, copies = m->channels == 1 ? 3 : 1;
	for (size_t i = 0; i < n; i++) {
		uint32_t v = m->sample == 2 ? (uint32_t)s[2 * i] << 8 | s[2 * i + 1] : s[i];
		v = v > m->maxval ? m->maxval : v;
		uint8_t b = (uint8_t)((v * 255 + m->maxval / 2) / m->maxval);
		for (size_t k = 0; k < copies; k++)
			*d++ = b;
	}
}

static vla_status cut(vla_err *err)
{
	return vla_fail(err, VLA_ETRUNC, "the PNM ends too early");
}

static void grey_from(vla_image *im, size_t row)
{
	size_t n = (size_t)im->width * im->channels;
	memset(im->data + row * n, 128, (im->height - row) * n);
}

vla_status vla_pnm_decode(const uint8_t *p, size_t n, const vla_image_opts *o, vla_image *out, vla_err *err)
{
	header hd = { 0 };
	pnm m;
	size_t at = 2;
	step s = MORE;
	while (s == MORE && at < n)
		s = feed(&hd, p[at++]);
	if (s == BAD)
		return bad_header(err);
	if (s == MORE)
		return cut(err);
	VLA_TRY(check_header(&hd, (char)p[1], o, &m, err));
	size_t rows = (n - at) / m.row;
	if (rows < m.h && !o->allow_truncated)
		return cut(err);
	VLA_TRY(vla_image_reserve(out, m.w, m.h, 3, err));
	if (rows < m.h)
		grey_from(out, rows);
	else
		rows = m.h;
	for (size_t y = 0; y < rows; y++)
		convert_row(&m, p + at + y * m.row, out->data + y * m.w * 3);
	return VLA_OK;
}

vla_status vla_pnm_read(FILE *f, char digit, const vla_image_opts *o, vla_image *out, vla_err *err)
{
	header hd = { 0 };
	pnm m;
	step s = MORE;
	int c;
	while (s == MORE && (c = getc(f)) != EOF)
		s = feed(&hd, c);
	if (s == MORE && ferror(f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (s != READY)
		return s == BAD ? bad_header(err) : cut(err);
	VLA_TRY(check_header(&hd, digit, o, &m, err));
	VLA_TRY(vla_image_reserve(out, m.w, m.h, 3, err));
	bool direct = m.channels == 3 && m.maxval == 255;
	uint8_t *row = direct ? NULL : vla_alloc(m.row, 1);
	if (!direct && !row)
		return vla_nomem(err);
	size_t y = 0;
	for (; y < m.h; y++) {
		uint8_t *d = out->data + y * m.w * 3, *from = direct ? d : row;
		if (fread(from, 1, m.row, f) != m.row)
			break;
		convert_row(&m, from, d);
	}
	free(row);
	if (y == m.h)
		return VLA_OK;
	if (ferror(f))
		return vla_fail(err, VLA_EIO, "%s", strerror(errno));
	if (!o->allow_truncated)
		return cut(err);
	grey_from(out, y);
	return VLA_OK;
}

vla_status vla_ppm_encode(const vla_image *im, vla_buf *b, vla_err *err)
{
	size_t n = (size_t)im->width * im->height;
	VLA_TRY(vla_buf_addf(b, err, "P6\n%lu %lu\n255\n", (unsigned long)im->width, (unsigned long)im->height));
	if (im->channels == 3)
		return vla_buf_add(b, im->data, 3 * n, err);
	VLA_TRY(vla_buf_reserve(b, 3 * n, err));
	uint8_t *d = (uint8_t *)b->data + b->n;
	for (size_t i = 0; i < n; i++, d += 3) {
		const uint8_t *s = im->data + i * im->channels;
		for (size_t k = 0; k < 3; k++)
			d[k] = s[im->channels == 1 ? 0 : k];
	}
	b->n += 3 * n;
	return VLA_OK;
}
