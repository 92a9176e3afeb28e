/* The embedding pipeline: a ring of batches. The calling thread fills a batch with what is to be read, loader threads
 * turn its entries into pixels, and the calling thread sends the oldest batch through the model as soon as it is
 * complete, while the loaders work on the ones behind it. */
#define _GNU_SOURCE // sched_getaffinity
#include <vla/embed.h>

#include "model/tiles.h"

#include "base/base.h"

#include <pthread.h>
#include <sched.h>

enum { RING = 3, MAX_LOADERS = 64 };

struct entry {
	vla_picture picture;
	vla_size size; // after preprocessing
	vla_tiles tiles;
	vla_err why;
	bool bad;
};

struct batch {
	struct entry *entry; // [opts.batch]
	float *pixels;       // [opts.batch, pixels]
	size_t n;            // entries given to the loaders
	size_t ready;        // of those, the ones that are loaded or bad
};

struct pipeline {
	vla_model *m;
	const vla_embed_opts *o;
	size_t size, each; // entries of a batch; floats of a picture
	struct batch ring[RING];
	pthread_mutex_t lock;
	pthread_cond_t work, loaded;
	uint64_t given, taken; // entries in all: batch number * size + position
	bool stop;
	pthread_t thread[MAX_LOADERS];
	size_t threads;
	uint32_t rows, grid_h, grid_w, width;
	float *out;      // [size, rows, width]
	float *tile_out; // the same for parts, or NULL
	vla_size *sizes; // [size] of the pictures that are good
};

void vla_picture_release(vla_picture *p)
{
	if (!p)
		return;
	free(p->id);
	free(p->path);
	free(p->bytes);
	free(p->caption);
	free(p->label);
	vla_image_release(&p->image);
	*p = (vla_picture)VLA_PICTURE_INIT;
}

static vla_status load(struct pipeline *p, struct entry *e, vla_image *im, float *pixels)
{
	vla_picture *pic = &e->picture;
	vla_err *err = &e->why;
	vla_status s = VLA_OK;
	const vla_image *from = im;
	vla_image_opts o = p->o->image;
	o.keep_alpha = true; // preprocessing drops it, some families after the resize only
	if (pic->image.data)
		from = &pic->image;
	else if (pic->bytes || !pic->path)
		s = vla_image_decode(pic->bytes ? pic->bytes : "", pic->nbytes, &o, im, err);
	else
		s = vla_image_load(pic->path, &o, im, err);
	if (s == VLA_OK)
		s = vla_model_target(p->m, from->width, from->height, &e->size, err);
	if (s == VLA_OK)
		s = vla_model_preprocess(p->m, from, pixels, err);
	if (s == VLA_OK && p->o->tiles)
		s = vla_tiles_make(p->m, from, p->o->tiles, &e->tiles, err);
	vla_image_release(&pic->image);
	free(pic->bytes);
	pic->bytes = NULL;
	return s;
}

static void *run_loader(void *arg)
{
	struct pipeline *p = arg;
	vla_image im = VLA_IMAGE_INIT;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->taken == p->given)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->stop)
			break;
		uint64_t job = p->taken++;
		struct batch *b = &p->ring[job / p->size % RING];
		size_t at = (size_t)(job % p->size);
		pthread_mutex_unlock(&p->lock);
		struct entry *e = &b->entry[at];
		e->bad = load(p, e, &im, b->pixels + at * p->each) != VLA_OK;
		pthread_mutex_lock(&p->lock);
		b->ready++;
		pthread_cond_signal(&p->loaded);
	}
	pthread_mutex_unlock(&p->lock);
	vla_image_release(&im);
	return NULL;
}

// Gives the loaders the next batch; fewer entries than its size only at the end of the input.
static vla_status fill(struct pipeline *p, struct batch *b, bool *end, vla_err *err)
{
	b->n = b->ready = 0;
	while (b->n < p->size) {
		struct entry *e = &b->entry[b->n];
		*e = (struct entry){ VLA_PICTURE_INIT, { 0, 0 }, { NULL, NULL, 0 }, VLA_ERR_INIT, false };
		vla_status s = p->o->next(p->o->ctx, &e->picture, err);
		if (s != VLA_OK) {
			vla_picture_release(&e->picture);
			*end = true;
			return s == VLA_EOF ? VLA_OK : s;
		}
		pthread_mutex_lock(&p->lock);
		b->n++;
		p->given++;
		pthread_cond_signal(&p->work);
		pthread_mutex_unlock(&p->lock);
	}
	return VLA_OK;
}

static void wait_for(struct pipeline *p, struct batch *b)
{
	pthread_mutex_lock(&p->lock);
	while (b->ready < b->n)
		pthread_cond_wait(&p->loaded, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

// The record of a picture, or of a part of it, whose vectors are at v.
static vla_rec record(const struct pipeline *p, const struct entry *e, vla_size size, float *v)
{
	vla_picture pic = e->picture;
	vla_rec r = VLA_REC_INIT;
	r.id = pic.id ? pic.id : pic.path;
	r.rows = p->rows;
	if (p->grid_h) {
		vla_model_grid(p->m, size, &r.grid_h, &r.grid_w);
		r.rows = (size_t)r.grid_h * r.grid_w;
	}
	r.data = v;
	r.caption = pic.caption;
	r.label = pic.label;
	r.time = pic.timed ? (double *)(uintptr_t)e->picture.time : NULL;
	return r;
}

static vla_status put_tile(struct pipeline *p, const struct entry *e, const vla_tile *t, float *v, vla_err *err)
{
	vla_rec r = record(p, e, t->target, v);
	float box[4] = { (float)t->x, (float)t->y, (float)t->size.width, (float)t->size.height };
	r.id = vla_format("%s#xywh=%u,%u,%u,%u", r.id, t->x, t->y, t->size.width, t->size.height);
	if (!r.id)
		return vla_nomem(err);
	r.box = box;
	vla_status s = p->o->put(p->o->ctx, &r, err);
	free(r.id);
	return s;
}

// The parts of a picture, in batches.
static vla_status put_tiles(struct pipeline *p, const struct entry *e, vla_err *err)
{
	const vla_tiles *t = &e->tiles;
	for (size_t i = 0, k; i < t->n; i += k) {
		k = t->n - i < p->size ? t->n - i : p->size;
		for (size_t j = 0; j < k; j++)
			p->sizes[j] = t->tile[i + j].target;
		VLA_TRY(vla_model_embed_sized(p->m, t->pixels + i * p->each, p->sizes, k, p->o->what, p->tile_out,
					      err));
		for (size_t j = 0; j < k; j++)
			VLA_TRY(put_tile(p, e, &t->tile[i + j], p->tile_out + j * p->rows * p->width, err));
	}
	return VLA_OK;
}

static vla_status put(struct pipeline *p, const struct entry *e, float *v, vla_err *err)
{
	vla_rec r = record(p, e, e->size, v);
	if (e->bad)
		return p->o->bad(p->o->ctx, r.id, &e->why, err);
	VLA_TRY(p->o->put(p->o->ctx, &r, err));
	return put_tiles(p, e, err);
}

static vla_status compute(struct pipeline *p, struct batch *b, vla_err *err)
{
	size_t good = 0, stride = (size_t)p->rows * p->width;
	for (size_t i = 0; i < b->n; i++) {
		if (b->entry[i].bad)
			continue;
		if (good < i)
			memcpy(b->pixels + good * p->each, b->pixels + i * p->each, p->each * sizeof(float));
		p->sizes[good++] = b->entry[i].size;
	}
	if (good)
		VLA_TRY(vla_model_embed_sized(p->m, b->pixels, p->sizes, good, p->o->what, p->out, err));
	float *v = p->out;
	for (size_t i = 0; i < b->n; i++) {
		VLA_TRY(put(p, &b->entry[i], v, err));
		v += b->entry[i].bad ? 0 : stride;
	}
	return VLA_OK;
}

static void empty(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		vla_picture_release(&b->entry[i].picture);
		vla_tiles_release(&b->entry[i].tiles);
	}
	b->n = b->ready = 0;
}

static vla_status run(struct pipeline *p, vla_err *err)
{
	uint64_t filled = 0, done = 0;
	bool end = false;
	vla_status s = VLA_OK;
	while (s == VLA_OK) {
		while (s == VLA_OK && !end && filled - done < RING)
			s = fill(p, &p->ring[filled++ % RING], &end, err);
		if (s != VLA_OK || done == filled)
			break;
		struct batch *b = &p->ring[done++ % RING];
		wait_for(p, b);
		s = compute(p, b, err);
		empty(b);
	}
	return s;
}

static size_t processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return n < 1 ? 1 : (size_t)n;
}

static vla_status start(struct pipeline *p, vla_err *err)
{
	size_t want = p->o->loaders ? p->o->loaders : processors();
	for (size_t i = 0; i < RING; i++) {
		p->ring[i].entry = vla_zalloc(p->size, sizeof *p->ring[i].entry);
		p->ring[i].pixels = vla_alloc(p->size, p->each * sizeof(float));
		if (!p->ring[i].entry || !p->ring[i].pixels)
			return vla_nomem(err);
	}
	p->out = vla_alloc(p->size, (size_t)p->rows * p->width * sizeof(float));
	p->sizes = vla_alloc(p->size, sizeof *p->sizes);
	if (p->o->tiles)
		p->tile_out = vla_alloc(p->size, (size_t)p->rows * p->width * sizeof(float));
	if (!p->out || !p->sizes || (p->o->tiles && !p->tile_out))
		return vla_nomem(err);
	while (p->threads < want && p->threads < MAX_LOADERS) {
		int e = pthread_create(&p->thread[p->threads], NULL, run_loader, p);
		if (e && p->threads == 0)
			return vla_fail(err, VLA_EIO, "cannot start a thread: %s", strerror(e));
		if (e)
			break;
		p->threads++;
	}
	return VLA_OK;
}

static void finish(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	for (size_t i = 0; i < RING; i++) {
		if (p->ring[i].entry)
			empty(&p->ring[i]);
		free(p->ring[i].entry);
		free(p->ring[i].pixels);
	}
	free(p->out);
	free(p->sizes);
	free(p->tile_out);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->loaded);
	pthread_mutex_destroy(&p->lock);
}

vla_status vla_embed_pictures(vla_model *m, const vla_embed_opts *opts, vla_err *err)
{
	if (opts->tiles > VLA_MAX_TILES)
		return vla_fail(err, VLA_EINVAL, "%u tiles along a side, more than %d", opts->tiles, VLA_MAX_TILES);
	struct pipeline *p = vla_zalloc(1, sizeof *p);
	if (!p)
		return vla_nomem(err);
	p->m = m;
	p->o = opts;
	vla_status s = vla_model_output_shape(m, opts->what, &p->rows, &p->grid_h, &p->grid_w, &p->width, err);
	if (s == VLA_OK) {
		p->size = opts->batch ? opts->batch : 32;
		p->each = vla_model_pixels(m);
		pthread_mutex_init(&p->lock, NULL);
		pthread_cond_init(&p->work, NULL);
		pthread_cond_init(&p->loaded, NULL);
		s = start(p, err);
		if (s == VLA_OK)
			s = run(p, err);
		finish(p);
	}
	free(p);
	return s;
}

vla_status vla_embed_header(const vla_model *m, vla_output what, vla_header *h, vla_err *err)
{
	static const char *const space[] = { "", "/pooled", "/tokens", "/logits", "" };
	const vla_model_info *info = vla_model_get_info(m);
	uint32_t rows = 1, gh, gw, width = info->dim;
	if (what != VLA_OUT_EMBED)
		VLA_TRY(vla_model_output_shape(m, what, &rows, &gh, &gw, &width, err));
	*h = (vla_header)VLA_HEADER_INIT;
	h->kind = what == VLA_OUT_TOKENS || what == VLA_OUT_DENSE ? VLA_TOKENS : VLA_DENSE;
	h->dtype = VLA_F16;
	h->dim = width;
	h->l2 = what == VLA_OUT_EMBED || what == VLA_OUT_DENSE;
	snprintf(h->model, sizeof h->model, "%s%s", info->fingerprint, space[what]);
	snprintf(h->compute, sizeof h->compute, "%s", info->compute);
	return VLA_OK;
}
