/* JPEG by libjpeg-turbo (ITU-T T.81; Adobe technical note 5116 for CMYK and YCCK; EXIF in APP1): baseline, progressive
 * and arithmetic, to RGB by the accurate integer DCT with smooth chroma upsampling, which is what the common readers
 * do. Damaged entropy-coded data that libjpeg can step over is no error, as everywhere; a file that ends too early is.
 * libjpeg's errors come back by longjmp; everything that outlives a jump is in a struct of the calling function. */
#include "io/image.h"

#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>

/* A progressive file whose scans never end takes time without bound. */
#define MAX_SCANS 500

typedef struct jpeg_job {
	struct jpeg_error_mgr jerr; /* first: libjpeg hands it back */
	struct jpeg_progress_mgr progress;
	struct jpeg_decompress_struct in;
	struct jpeg_compress_struct outc;
	jmp_buf jmp;
	vla_status code; /* of the failure; VLA_OK until there is one */
	char msg[JMSG_LENGTH_MAX + 40];
	/* reading */
	const uint8_t *p;
	size_t n;
	const vla_image_opts *o;
	vla_image *out;
	uint8_t *cmyk;  /* one row of four-channel samples */
	bool truncated; /* the data ran out */
	bool started;   /* out has its size: what is decoded may be kept */
	int orientation;
	/* writing */
	const vla_image *im;
	uint8_t *rgb; /* one row without alpha */
	int quality;
	vla_buf *buf;
	struct jpeg_destination_mgr dest;
	uint8_t block[4096];
} jpeg_job;

static void give_up(jpeg_job *job, vla_status code, const char *msg)
{
	job->code = code;
	snprintf(job->msg, sizeof job->msg, "%s", msg);
	longjmp(job->jmp, 1);
}

static void on_error(j_common_ptr c)
{
	jpeg_job *job = (jpeg_job *)c->err;
	char text[JMSG_LENGTH_MAX];
	c->err->format_message(c, text);
	job->code = VLA_ECORRUPT;
	switch (c->err->msg_code) {
	case JERR_OUT_OF_MEMORY: give_up(job, VLA_ENOMEM, "out of memory"); break;
	case JERR_SOF_UNSUPPORTED:
	case JERR_BAD_PRECISION:
	case JERR_CONVERSION_NOTIMPL:
	case JERR_CCIR601_NOTIMPL:
	case JERR_FRACT_SAMPLE_NOTIMPL: job->code = VLA_EUNSUPPORTED; break;
	}
	if (job->truncated) // what failed is a made-up end
		job->code = VLA_ETRUNC;
	if (job->code == VLA_ETRUNC)
		snprintf(job->msg, sizeof job->msg, "the JPEG ends too early, after %zu bytes", job->n);
	else
		snprintf(job->msg, sizeof job->msg, "%s JPEG: %s",
			 job->code == VLA_ECORRUPT ? "damaged" : "unsupported", text);
	longjmp(job->jmp, 1);
}

static void on_message(j_common_ptr c, int level)
{
	if (level < 0)
		c->err->num_warnings++;
}

static void on_output(j_common_ptr c)
{
	(void)c;
}

static void on_progress(j_common_ptr c)
{
	if (c->is_decompressor && ((j_decompress_ptr)c)->input_scan_number > MAX_SCANS)
		give_up((jpeg_job *)c->err, VLA_EUNSUPPORTED, "a JPEG with over 500 scans");
}

static void set_errors(jpeg_job *job)
{
	jpeg_std_error(&job->jerr);
	job->jerr.error_exit = on_error;
	job->jerr.emit_message = on_message;
	job->jerr.output_message = on_output;
	job->progress.progress_monitor = on_progress;
}

static void source_none(j_decompress_ptr in)
{
	(void)in;
}

static boolean source_fill(j_decompress_ptr in)
{
	static const JOCTET end[2] = { 0xff, JPEG_EOI };
	jpeg_job *job = (jpeg_job *)in->err;
	job->truncated = true;
	// In a sequential file the rows that are complete are all there is; a progressive one is complete but coarse.
	if (!job->o->allow_truncated || (job->started && !jpeg_has_multiple_scans(in)))
		ERREXIT(in, JERR_INPUT_EOF);
	in->src->next_input_byte = end;
	in->src->bytes_in_buffer = 2;
	return TRUE;
}

static void source_skip(j_decompress_ptr in, long n)
{
	struct jpeg_source_mgr *s = in->src;
	if (n <= 0)
		return;
	if ((size_t)n > s->bytes_in_buffer) {
		source_fill(in);
		return;
	}
	s->next_input_byte += n;
	s->bytes_in_buffer -= (size_t)n;
}

static void find_orientation(jpeg_job *job)
{
	job->orientation = 1;
	for (jpeg_saved_marker_ptr m = job->in.marker_list; m; m = m->next)
		if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0) {
			job->orientation = vla_exif_orientation(m->data + 6, m->data_length - 6);
			return;
		}
}

/* Decoding at 1/2, 1/4 or 1/8 as long as the short side stays at least min_side. */
static void choose_scale(struct jpeg_decompress_struct *in, uint32_t min_side)
{
	uint32_t side = in->image_width < in->image_height ? in->image_width : in->image_height;
	in->scale_num = 8;
	in->scale_denom = 8;
	if (min_side == 0)
		return;
	while (in->scale_num > 1 && (side * (in->scale_num / 2) + 7) / 8 >= min_side)
		in->scale_num /= 2;
}

/* Adobe's inverted CMYK without colour management: ink over black. */
static void cmyk_to_rgb(const uint8_t *s, uint8_t *d, size_t w)
{
	for (size_t x = 0; x < w; x++, s += 4, d += 3)
		for (size_t c = 0; c < 3; c++) {
			unsigned t = (255u - s[c]) * s[3] + 128;
			d[c] = (uint8_t)(s[3] - ((t + (t >> 8)) >> 8));
		}
}

static void read_pixels(jpeg_job *job)
{
	struct jpeg_decompress_struct *in = &job->in;
	vla_err err = VLA_ERR_INIT;
	bool four = in->jpeg_color_space == JCS_CMYK || in->jpeg_color_space == JCS_YCCK;
	in->out_color_space = four ? JCS_CMYK : JCS_RGB;
	choose_scale(in, job->o->min_side);
	if (vla_image_check_size(in->image_width, in->image_height, job->o, &err) != VLA_OK)
		give_up(job, err.code, err.msg);
	jpeg_calc_output_dimensions(in);
	uint32_t w = in->output_width, h = in->output_height;
	if (vla_image_reserve(job->out, w, h, 3, &err) != VLA_OK)
		give_up(job, err.code, err.msg);
	if (four && !(job->cmyk = vla_alloc(w, 4)))
		give_up(job, VLA_ENOMEM, "out of memory");
	if (job->o->allow_truncated)
		memset(job->out->data, 128, vla_image_bytes(job->out));
	job->started = true;
	jpeg_start_decompress(in);
	while (in->output_scanline < h) {
		uint8_t *d = job->out->data + (size_t)in->output_scanline * w * 3;
		JSAMPROW row = four ? job->cmyk : d;
		if (jpeg_read_scanlines(in, &row, 1) == 1 && four)
			cmyk_to_rgb(job->cmyk, d, w);
	}
	jpeg_finish_decompress(in);
}

static void read_all(jpeg_job *job)
{
	static const struct jpeg_source_mgr source = {
		.init_source = source_none,
		.fill_input_buffer = source_fill,
		.skip_input_data = source_skip,
		.resync_to_restart = jpeg_resync_to_restart,
		.term_source = source_none,
	};
	struct jpeg_source_mgr src = source;
	src.next_input_byte = job->p;
	src.bytes_in_buffer = job->n;
	if (setjmp(job->jmp))
		return;
	jpeg_create_decompress(&job->in);
	job->in.progress = &job->progress;
	job->in.src = &src;
	jpeg_save_markers(&job->in, JPEG_APP0 + 1, 0xffff);
	jpeg_read_header(&job->in, TRUE);
	find_orientation(job);
	read_pixels(job);
}

vla_status vla_jpeg_decode(const uint8_t *p, size_t n, const vla_image_opts *o, vla_image *out, int *orientation,
			   vla_err *err)
{
	jpeg_job *job = calloc(1, sizeof *job);
	if (!job)
		return vla_nomem(err);
	job->p = p;
	job->n = n;
	job->o = o;
	job->out = out;
	job->orientation = 1;
	set_errors(job);
	job->in.err = &job->jerr;
	read_all(job);
	jpeg_destroy_decompress(&job->in);
	free(job->cmyk);
	*orientation = job->orientation;
	vla_status st = job->code;
	if (st == VLA_ETRUNC && o->allow_truncated && job->started)
		st = VLA_OK;
	if (st != VLA_OK)
		vla_fail(err, st, "%s", job->msg);
	free(job);
	return st;
}

static void dest_start(j_compress_ptr c)
{
	jpeg_job *job = (jpeg_job *)c->err;
	job->dest.next_output_byte = job->block;
	job->dest.free_in_buffer = sizeof job->block;
}

static void dest_flush(jpeg_job *job, size_t n)
{
	if (vla_buf_add(job->buf, job->block, n, NULL) != VLA_OK)
		give_up(job, VLA_ENOMEM, "out of memory");
}

static boolean dest_full(j_compress_ptr c)
{
	jpeg_job *job = (jpeg_job *)c->err;
	dest_flush(job, sizeof job->block);
	dest_start(c);
	return TRUE;
}

static void dest_end(j_compress_ptr c)
{
	jpeg_job *job = (jpeg_job *)c->err;
	dest_flush(job, sizeof job->block - job->dest.free_in_buffer);
}

static void write_all(jpeg_job *job)
{
	struct jpeg_compress_struct *c = &job->outc;
	const vla_image *im = job->im;
	if (setjmp(job->jmp))
		return;
	jpeg_create_compress(c);
	c->dest = &job->dest;
	c->image_width = im->width;
	c->image_height = im->height;
	c->input_components = im->channels == 1 ? 1 : 3;
	c->in_color_space = im->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, job->quality, TRUE);
	jpeg_start_compress(c, TRUE);
	while (c->next_scanline < im->height) {
		uint8_t *s = im->data + (size_t)c->next_scanline * im->width * im->channels;
		JSAMPROW row = job->rgb ? job->rgb : s;
		for (size_t x = 0; job->rgb && x < im->width; x++)
			memcpy(job->rgb + 3 * x, s + 4 * x, 3);
		jpeg_write_scanlines(c, &row, 1);
	}
	jpeg_finish_compress(c);
}

vla_status vla_jpeg_encode(const vla_image *im, int quality, vla_buf *b, vla_err *err)
{
	if (im->width > JPEG_MAX_DIMENSION || im->height > JPEG_MAX_DIMENSION)
		return vla_fail(err, VLA_EUNSUPPORTED, "a JPEG has at most %ld pixels on a side", JPEG_MAX_DIMENSION);
	jpeg_job *job = calloc(1, sizeof *job);
	if (!job)
		return vla_nomem(err);
	job->im = im;
	job->quality = quality;
	job->buf = b;
	job->dest = (struct jpeg_destination_mgr){ NULL, 0, dest_start, dest_full, dest_end };
	set_errors(job);
	job->outc.err = &job->jerr;
	if (im->channels == 4 && !(job->rgb = vla_alloc(im->width, 3))) {
		free(job);
		return vla_nomem(err);
	}
	write_all(job);
	jpeg_destroy_compress(&job->outc);
	vla_status st = job->code;
	if (st != VLA_OK)
		vla_fail(err, st, "%s", job->msg);
	free(job->rgb);
	free(job);
	return st;
}
