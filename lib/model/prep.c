/* Preprocessing as the processors of Hugging Face transformers do it: the long side is floor(size * long / short); the
 * centre crop floors its offset and pads with black what lies outside; numbers are (x * factor - mean) / std. */
#include "model/prep.h"

#include "model/config.h"

#include <math.h>

const float vla_mean_clip[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
const float vla_std_clip[3] = { 0.26862954f, 0.26130258f, 0.27577711f };
const float vla_mean_half[3] = { 0.5f, 0.5f, 0.5f };
const float vla_std_half[3] = { 0.5f, 0.5f, 0.5f };

#define MAX_SIDE 16384
#define LARGEST_GRID 65536  // patches of a picture
#define LARGEST_BUDGET 1024 // patches, when the budget follows from the picture
static const char where[] = "preprocessor_config.json";

void vla_prep_init(vla_prep *p, uint32_t size, vla_filter filter, const float mean[3], const float std[3])
{
	*p = (vla_prep){ .mode = VLA_RESIZE_SHORTEST,
			 .width = size,
			 .height = size,
			 .filter = filter,
			 .crop = true,
			 .crop_width = size,
			 .crop_height = size,
			 .rescale = true,
			 .normalise = true,
			 .factor = 1.0 / 255.0 };
	memcpy(p->mean, mean, sizeof p->mean);
	memcpy(p->std, std, sizeof p->std);
}

static vla_status read_side(const json_t *v, const char *name, uint32_t *out, vla_err *err)
{
	if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > MAX_SIDE)
		return vla_fail(err, VLA_EFORMAT, "%s: '%s' is not a whole number of 1 to %d", where, name, MAX_SIDE);
	*out = (uint32_t)json_integer_value(v);
	return VLA_OK;
}

static vla_status read_size(vla_prep *p, const json_t *v, bool square_int, vla_err *err)
{
	if (json_is_integer(v)) {
		p->mode = square_int ? VLA_RESIZE_SQUASH : VLA_RESIZE_SHORTEST;
		VLA_TRY(read_side(v, "size", &p->width, err));
		p->height = p->width;
	} else if (json_object_get(v, "shortest_edge")) {
		p->mode = VLA_RESIZE_SHORTEST;
		VLA_TRY(read_side(json_object_get(v, "shortest_edge"), "shortest_edge", &p->width, err));
		p->height = p->width;
	} else if (json_object_get(v, "height")) {
		p->mode = VLA_RESIZE_SQUASH;
		VLA_TRY(read_side(json_object_get(v, "height"), "height", &p->height, err));
		VLA_TRY(read_side(json_object_get(v, "width"), "width", &p->width, err));
	} else {
		return vla_fail(err, VLA_EUNSUPPORTED,
				"%s: 'size' is neither a number, shortest_edge nor height and width", where);
	}
	return VLA_OK;
}

static vla_status read_crop(vla_prep *p, const json_t *v, vla_err *err)
{
	if (json_is_integer(v)) {
		VLA_TRY(read_side(v, "crop_size", &p->crop_width, err));
		p->crop_height = p->crop_width;
		return VLA_OK;
	}
	VLA_TRY(read_side(json_object_get(v, "height"), "crop_size", &p->crop_height, err));
	return read_side(json_object_get(v, "width"), "crop_size", &p->crop_width, err);
}

static vla_status read_triple(const json_t *obj, const char *name, float *out, vla_err *err)
{
	const json_t *v = json_object_get(obj, name);
	if (!v)
		return VLA_OK;
	for (size_t i = 0; i < 3; i++) {
		const json_t *x = json_array_get(v, i);
		double d = json_number_value(x);
		bool std = strcmp(name, "image_std") == 0;
		if (json_array_size(v) != 3 || !json_is_number(x) || !isfinite(d) || (std && d == 0))
			return vla_fail(err, VLA_EFORMAT, "%s: '%s' is not a list of three numbers", where, name);
		out[i] = (float)d;
	}
	return VLA_OK;
}

static vla_status read_patches(vla_prep *p, const json_t *obj, vla_err *err)
{
	const json_t *v = json_object_get(obj, "max_num_patches"), *by = json_object_get(obj, "dynamic_max_patches");
	if (v)
		VLA_TRY(read_side(v, "max_num_patches", &p->max_patches, err));
	// Where the flag is absent, a number that is given counts.
	p->by_picture = json_is_boolean(by) ? json_is_true(by) : p->by_picture && !v;
	if (p->by_picture)
		p->max_patches = LARGEST_BUDGET;
	if ((v = json_object_get(obj, "patch_size"))) {
		uint32_t patch;
		VLA_TRY(read_side(v, "patch_size", &patch, err));
		if (patch != p->patch)
			return vla_fail(err, VLA_EFORMAT, "%s: 'patch_size' is %u, in config.json %u", where, patch,
					p->patch);
	}
	return VLA_OK;
}

static bool flag(const json_t *obj, const char *name, bool dflt)
{
	const json_t *v = json_object_get(obj, name);
	return json_is_boolean(v) ? json_is_true(v) : dflt;
}

vla_status vla_prep_read(vla_prep *p, const json_t *obj, bool square_int, vla_err *err)
{
	if (!obj)
		return VLA_OK;
	const json_t *v = json_object_get(obj, "size");
	if (p->mode == VLA_RESIZE_PATCHES)
		VLA_TRY(read_patches(p, obj, err));
	else if (v && !json_is_null(v))
		VLA_TRY(read_size(p, v, square_int, err));
	if (!flag(obj, "do_resize", true))
		p->mode = VLA_RESIZE_NONE;
	if ((v = json_object_get(obj, "crop_size")) && !json_is_null(v))
		VLA_TRY(read_crop(p, v, err));
	p->crop = flag(obj, "do_center_crop", p->crop);
	if ((v = json_object_get(obj, "resample"))) {
		if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 3)
			return vla_fail(err, VLA_EUNSUPPORTED, "%s: 'resample' is not 0 to 3", where);
		p->filter = (vla_filter)json_integer_value(v);
	}
	p->rescale = flag(obj, "do_rescale", p->rescale);
	p->normalise = flag(obj, "do_normalize", p->normalise);
	if ((v = json_object_get(obj, "rescale_factor"))) {
		if (!json_is_number(v) || !isfinite(json_number_value(v)))
			return vla_fail(err, VLA_EFORMAT, "%s: 'rescale_factor' is not a number", where);
		p->factor = json_number_value(v);
	}
	VLA_TRY(read_triple(obj, "image_mean", p->mean, err));
	return read_triple(obj, "image_std", p->std, err);
}

uint32_t vla_prep_side(const vla_prep *p)
{
	if (p->mode == VLA_RESIZE_PATCHES) {
		uint32_t side = (uint32_t)sqrt((double)p->max_patches);
		return (side ? side : 1) * p->patch;
	}
	return p->crop ? p->crop_width : p->width;
}

size_t vla_prep_pixels(const vla_prep *p)
{
	size_t side = vla_prep_side(p);
	return p->mode == VLA_RESIZE_PATCHES ? (size_t)p->max_patches * p->patch * p->patch : side * side;
}

void vla_prep_scale(vla_prep *p, uint32_t size)
{
	double s = (double)size / vla_prep_side(p);
	if (p->mode == VLA_RESIZE_PATCHES) {
		uint64_t side = size / p->patch ? size / p->patch : 1;
		p->max_patches = side * side > LARGEST_GRID ? LARGEST_GRID : (uint32_t)(side * side);
		p->by_picture = false;
		return;
	}
	p->width = (uint32_t)lround(p->width * s);
	p->height = (uint32_t)lround(p->height * s);
	p->crop_width = p->crop_height = size;
}

vla_status vla_prep_finish(vla_prep *p, uint32_t size, vla_err *err)
{
	uint32_t want = size ? size : vla_prep_side(p);
	bool fits = p->crop ? p->crop_width == want && p->crop_height == want
			    : p->mode == VLA_RESIZE_SQUASH && p->width == want && p->height == want;
	if (!fits && p->mode != VLA_RESIZE_PATCHES)
		return vla_fail(err, VLA_EFORMAT, "%s: the result is not the %ux%u pictures that config.json asks for",
				where, want, want);
	for (int c = 0; c < 3; c++)
		for (int i = 0; i < 256; i++) {
			float x = p->rescale ? (float)(i * p->factor) : (float)i;
			p->table[c][i] = p->normalise ? (x - p->mean[c]) / p->std[c] : x;
		}
	return VLA_OK;
}

json_t *vla_prep_write(const vla_prep *p)
{
	if (p->mode == VLA_RESIZE_PATCHES)
		return json_pack("{s:b, s:i, s:I, s:I, s:b, s:b, s:f, s:b, s:[f,f,f], s:[f,f,f]}", "do_resize", true,
				 "resample", (int)p->filter, "patch_size", (json_int_t)p->patch, "max_num_patches",
				 (json_int_t)p->max_patches, "dynamic_max_patches", p->by_picture, "do_rescale",
				 p->rescale, "rescale_factor", p->factor, "do_normalize", p->normalise, "image_mean",
				 p->mean[0], p->mean[1], p->mean[2], "image_std", p->std[0], p->std[1], p->std[2]);
	json_t *size = p->mode == VLA_RESIZE_SHORTEST ? json_pack("{s:I}", "shortest_edge", (json_int_t)p->width)
						      : json_pack("{s:I, s:I}", "height", (json_int_t)p->height,
								  "width", (json_int_t)p->width);
	return json_pack("{s:b, s:o, s:i, s:b, s:{s:I, s:I}, s:b, s:f, s:b, s:[f,f,f], s:[f,f,f]}", "do_resize",
			 p->mode != VLA_RESIZE_NONE, "size", size, "resample", (int)p->filter, "do_center_crop",
			 p->crop, "crop_size", "height", (json_int_t)p->crop_height, "width", (json_int_t)p->crop_width,
			 "do_rescale", p->rescale, "rescale_factor", p->factor, "do_normalize", p->normalise,
			 "image_mean", p->mean[0], p->mean[1], p->mean[2], "image_std", p->std[0], p->std[1],
			 p->std[2]);
}

static uint32_t in_proportion(uint32_t size, uint32_t longer, uint32_t shorter)
{
	uint64_t x = (uint64_t)size * longer / shorter;
	return x > UINT32_MAX ? UINT32_MAX : (uint32_t)x;
}

// Patches for a picture's own pixels, in the steps of FG-CLIP 2.
static uint32_t own_budget(const vla_prep *p, uint32_t width, uint32_t height)
{
	static const uint32_t steps[] = { 128, 256, 576, 784 };
	uint64_t n = (uint64_t)(width / p->patch) * (height / p->patch);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (n <= (i == 0 ? 128 : steps[i]))
			return steps[i];
	return LARGEST_BUDGET;
}

static double whole_patches(double scale, uint32_t size, uint32_t patch)
{
	double n = ceil(size * scale / patch);
	return n < 1 ? 1 : n;
}

// The largest scale, found by halving, at which the picture covers no more patches than it may.
static void fill_patches(const vla_prep *p, uint32_t width, uint32_t height, uint32_t *w, uint32_t *h)
{
	const double eps = 1e-5;
	double low = eps / 10, high = 100;
	uint32_t most = p->by_picture ? own_budget(p, width, height) : p->max_patches;
	while (high - low >= eps) {
		double scale = (low + high) / 2;
		if (whole_patches(scale, height, p->patch) * whole_patches(scale, width, p->patch) <= most)
			low = scale;
		else
			high = scale;
	}
	*w = (uint32_t)whole_patches(low, width, p->patch) * p->patch;
	*h = (uint32_t)whole_patches(low, height, p->patch) * p->patch;
}

// Size after the resize, before the crop.
static void resized(const vla_prep *p, uint32_t width, uint32_t height, uint32_t *w, uint32_t *h)
{
	*w = p->width;
	*h = p->height;
	if (p->mode == VLA_RESIZE_PATCHES) {
		fill_patches(p, width, height, w, h);
	} else if (p->mode == VLA_RESIZE_NONE) {
		*w = width;
		*h = height;
	} else if (p->mode == VLA_RESIZE_SHORTEST) {
		if (width < height)
			*h = in_proportion(*w, height, width);
		else
			*w = in_proportion(*h, width, height);
	}
}

static vla_status resize(const vla_prep *p, const vla_image *im, vla_image *out, vla_err *err)
{
	uint32_t w, h;
	resized(p, im->width, im->height, &w, &h);
	if (w > 65500 || h > 65500)
		return vla_fail(err, VLA_EUNSUPPORTED, "a picture of %ux%u is too narrow for this model", im->width,
				im->height);
	return vla_image_resize(im, w, h, p->filter, out, err);
}

static int32_t crop_offset(const vla_prep *p, uint32_t size, uint32_t crop)
{
	int64_t d = (int64_t)size - crop;
	if (p->crop_even && d > 0)
		return (int32_t)(d / 2 + (d % 4 == 3));
	return (int32_t)(d >= 0 ? d / 2 : -((-d + 1) / 2));
}

vla_status vla_prep_size(const vla_prep *p, uint32_t width, uint32_t height, uint32_t *out_width, uint32_t *out_height,
			 vla_err *err)
{
	if (width == 0 || height == 0)
		return vla_fail(err, VLA_EINVAL, "a picture of %ux%u", width, height);
	resized(p, width, height, out_width, out_height);
	if (p->crop) {
		*out_width = p->crop_width;
		*out_height = p->crop_height;
	}
	if ((uint64_t)*out_width * *out_height > vla_prep_pixels(p))
		return vla_fail(err, VLA_EUNSUPPORTED, "a picture of %ux%u does not become one of this model's size",
				width, height);
	return VLA_OK;
}

void vla_prep_box(const vla_prep *p, uint32_t width, uint32_t height, const float box[4], double out[4])
{
	uint32_t w, h;
	resized(p, width, height, &w, &h);
	double x = p->crop ? crop_offset(p, w, p->crop_width) : 0, y = p->crop ? crop_offset(p, h, p->crop_height) : 0;
	out[0] = (double)box[0] / width * w - x;
	out[1] = (double)box[1] / height * h - y;
	out[2] = ((double)box[0] + box[2]) / width * w - x;
	out[3] = ((double)box[1] + box[3]) / height * h - y;
}

static vla_status drop_alpha(const vla_image *im, vla_image *out, vla_err *err)
{
	size_t n = (size_t)im->width * im->height;
	*out = (vla_image){ .width = im->width, .height = im->height, .channels = 3, .data = malloc(n * 3) };
	if (!out->data)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		memcpy(out->data + i * 3, im->data + i * 4, 3);
	return VLA_OK;
}

vla_status vla_prep_run(const vla_prep *p, const vla_image *im, float *out, vla_err *err)
{
	vla_image rgb = VLA_IMAGE_INIT, a = VLA_IMAGE_INIT, b = VLA_IMAGE_INIT;
	vla_status st = VLA_OK;
	if ((im->channels != 3 && im->channels != 4) || !im->width || !im->height)
		return vla_fail(err, VLA_EINVAL, "a picture of %u channels, not 3", im->channels);
	if (im->channels == 4 && !p->weigh_alpha) {
		VLA_TRY(drop_alpha(im, &rgb, err));
		im = &rgb;
	}
	if (p->mode != VLA_RESIZE_NONE) {
		st = resize(p, im, &a, err);
		im = &a;
	}
	if (st == VLA_OK && p->crop && (im->width != p->crop_width || im->height != p->crop_height)) {
		st = vla_image_crop(im, crop_offset(p, im->width, p->crop_width),
				    crop_offset(p, im->height, p->crop_height), p->crop_width, p->crop_height, &b, err);
		im = &b;
	}
	if (st == VLA_OK)
		vla_prep_normalise(p, im, out);
	vla_image_release(&rgb);
	vla_image_release(&a);
	vla_image_release(&b);
	return st;
}

void vla_prep_normalise(const vla_prep *p, const vla_image *im, float *out)
{
	size_t n = (size_t)im->width * im->height;
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < 3; c++)
			out[i * 3 + c] = p->table[c][im->data[i * im->channels + c]];
}
