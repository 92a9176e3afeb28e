/* PNG by libpng (PNG specification, third edition): all colour types and depths, interlaced or not, to 8-bit RGB or
 * RGBA. 16-bit samples keep their upper byte; no gamma or colour management is applied. libpng's errors come back by
 * longjmp to the one setjmp of each direction; everything that outlives a jump is in a struct of the calling function.
 */
#include "io/image.h"

#include <png.h>
#include <setjmp.h>

/* A decoded text or profile chunk may not take more. */
#define CHUNK_BYTES (64 << 20)

typedef struct png_job {
	png_structp png;
	png_infop info;
	jmp_buf jmp;
	vla_status code; /* of the failure; VLA_OK until there is one */
	char msg[120];
	/* reading */
	const uint8_t *p;
	size_t n;
	const vla_image_opts *o;
	vla_image *out;
	bool started;  /* out has its size: what is decoded may be kept */
	int last_pass; /* the row that ends the picture */
	png_uint_32 last_y;
	bool rows, complete; /* that row, and the end mark, have been seen */
	/* writing */
	const vla_image *in;
	vla_buf *buf;
} png_job;

static void on_error(png_structp png, png_const_charp text)
{
	png_job *job = png_get_error_ptr(png);
	if (job->code == VLA_OK) {
		job->code = VLA_ECORRUPT;
		snprintf(job->msg, sizeof job->msg, "damaged PNG: %s", text);
	}
	longjmp(job->jmp, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t n)
{
	png_job *job = png_get_mem_ptr(png);
	void *p = malloc(n);
	if (!p && job->code == VLA_OK) {
		job->code = VLA_ENOMEM;
		snprintf(job->msg, sizeof job->msg, "out of memory");
	}
	return p;
}

static void on_free(png_structp png, png_voidp p)
{
	(void)png;
	free(p);
}

/* The transformations that lead from any PNG to 8-bit RGB or RGBA. */
static uint32_t set_transforms(png_job *job)
{
	png_structp png = job->png;
	int type = png_get_color_type(png, job->info), depth = png_get_bit_depth(png, job->info);
	bool trns = png_get_valid(png, job->info, PNG_INFO_tRNS) != 0;
	bool alpha = job->o->keep_alpha && (trns || (type & PNG_COLOR_MASK_ALPHA));
	if (depth == 16)
		png_set_strip_16(png);
	if (type == PNG_COLOR_TYPE_PALETTE)
		png_set_palette_to_rgb(png);
	if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
		png_set_expand_gray_1_2_4_to_8(png);
	if (trns && alpha)
		png_set_tRNS_to_alpha(png);
	if (!(type & PNG_COLOR_MASK_COLOR))
		png_set_gray_to_rgb(png);
	if (!alpha)
		png_set_strip_alpha(png);
	return alpha ? 4 : 3;
}

/* The pass that is the last to have pixels, and its last row. */
static void find_last(png_job *job, png_uint_32 w, png_uint_32 h)
{
	job->last_pass = 0;
	job->last_y = h - 1;
	if (png_get_interlace_type(job->png, job->info) == PNG_INTERLACE_NONE)
		return;
	for (int p = 6; p >= 0; p--)
		if (PNG_PASS_ROWS(h, p) && PNG_PASS_COLS(w, p)) {
			job->last_pass = p;
			job->last_y = PNG_ROW_FROM_PASS_ROW(PNG_PASS_ROWS(h, p) - 1, p);
			return;
		}
}

static void on_info(png_structp png, png_infop info)
{
	png_job *job = png_get_progressive_ptr(png);
	png_uint_32 w = png_get_image_width(png, info), h = png_get_image_height(png, info);
	vla_err err = VLA_ERR_INIT;
	job->code = vla_image_check_size(w, h, job->o, &err);
	uint32_t channels = set_transforms(job);
	png_set_interlace_handling(png);
	png_read_update_info(png, info);
	if (job->code == VLA_OK)
		job->code = vla_image_reserve(job->out, w, h, channels, &err);
	if (job->code != VLA_OK) {
		snprintf(job->msg, sizeof job->msg, "%.100s", err.msg);
		longjmp(job->jmp, 1);
	}
	if (png_get_rowbytes(png, info) != (size_t)w * channels)
		png_error(png, "unexpected row size");
	find_last(job, w, h);
	if (job->o->allow_truncated)
		memset(job->out->data, 128, vla_image_bytes(job->out));
	job->started = true;
}

static void on_row(png_structp png, png_bytep row, png_uint_32 y, int pass)
{
	png_job *job = png_get_progressive_ptr(png);
	if (!row || y >= job->out->height)
		return;
	job->rows = job->rows || (pass == job->last_pass && y >= job->last_y);
	png_progressive_combine_row(png, job->out->data + (size_t)y * job->out->width * job->out->channels, row);
}

static void on_end(png_structp png, png_infop info)
{
	png_job *job = png_get_progressive_ptr(png);
	(void)info;
	job->complete = true;
}

/* The pushing interface gives every row that the data at hand can give, which the pulling one does not at a cut. */
static void read_all(png_job *job)
{
	if (setjmp(job->jmp))
		return;
	png_set_progressive_read_fn(job->png, job, on_info, on_row, on_end);
	// The size is checked against the caller's limits, with a message of ours.
	png_set_user_limits(job->png, 0x7fffffff, 0x7fffffff);
	png_set_chunk_malloc_max(job->png, CHUNK_BYTES);
	png_process_data(job->png, job->info, (png_bytep)job->p, job->n);
	if (!job->complete || !job->rows) {
		job->code = VLA_ETRUNC;
		snprintf(job->msg, sizeof job->msg, "the PNG ends too early, after %zu bytes", job->n);
	}
}

/* A pair of structures for reading or writing; job->info stays NULL when memory is short. */
static void create(png_job *job, bool read)
{
	if (setjmp(job->jmp))
		return;
	job->png = read ? png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, on_alloc,
						   on_free)
			: png_create_write_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, on_alloc,
						    on_free);
	if (job->png)
		job->info = png_create_info_struct(job->png);
}

static vla_status fail_create(png_job *job, bool read, vla_err *err)
{
	if (job->png && read)
		png_destroy_read_struct(&job->png, NULL, NULL);
	else if (job->png)
		png_destroy_write_struct(&job->png, NULL);
	return job->code == VLA_OK || job->code == VLA_ENOMEM ? vla_nomem(err)
							      : vla_fail(err, job->code, "%s", job->msg);
}

vla_status vla_png_decode(const uint8_t *p, size_t n, const vla_image_opts *o, vla_image *out, int *orientation,
			  vla_err *err)
{
	png_job job = { .p = p, .n = n, .o = o, .out = out };
	create(&job, true);
	if (!job.info)
		return fail_create(&job, true, err);
	read_all(&job);
	*orientation = 1;
#ifdef PNG_eXIf_SUPPORTED
	png_uint_32 exif_n = 0;
	png_bytep exif = NULL;
	if (png_get_eXIf_1(job.png, job.info, &exif_n, &exif))
		*orientation = vla_exif_orientation(exif, exif_n);
#endif
	png_destroy_read_struct(&job.png, &job.info, NULL);
	if (job.code == VLA_OK || (job.code == VLA_ETRUNC && o->allow_truncated && job.started))
		return VLA_OK;
	return vla_fail(err, job.code, "%s", job.msg);
}

static void on_write(png_structp png, png_bytep from, size_t n)
{
	png_job *job = png_get_io_ptr(png);
	if (vla_buf_add(job->buf, from, n, NULL) != VLA_OK) {
		job->code = VLA_ENOMEM;
		snprintf(job->msg, sizeof job->msg, "out of memory");
		png_error(png, "memory");
	}
}

static void on_flush(png_structp png)
{
	(void)png;
}

static void write_all(png_job *job)
{
	static const int types[] = { 0, PNG_COLOR_TYPE_GRAY, 0, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA };
	const vla_image *im = job->in;
	if (setjmp(job->jmp))
		return;
	png_set_write_fn(job->png, job, on_write, on_flush);
	png_set_IHDR(job->png, job->info, im->width, im->height, 8, types[im->channels], PNG_INTERLACE_NONE,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(job->png, job->info);
	for (uint32_t y = 0; y < im->height; y++)
		png_write_row(job->png, im->data + (size_t)y * im->width * im->channels);
	png_write_end(job->png, NULL);
}

vla_status vla_png_encode(const vla_image *im, vla_buf *b, vla_err *err)
{
	png_job job = { .in = im, .buf = b };
	create(&job, false);
	if (!job.info)
		return fail_create(&job, false, err);
	write_all(&job);
	png_destroy_write_struct(&job.png, &job.info);
	return job.code == VLA_OK ? VLA_OK : vla_fail(err, job.code, "%s", job.msg);
}
