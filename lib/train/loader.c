/* Loader threads: each takes the next step's plan under the lock and fills its slot of a ring outside of it; the
 * trainer takes the slots in order. Everything random in an example follows from seed, stage and the example's serial
 * number. */
#include "train/loader.h"

#include "train/plan.h"
#include "train/teacher.h"

#include <pthread.h>
#include <time.h>

#define MAX_RETRY 16

struct slot {
	vla_batch b;
	vla_err err;
	vla_status status;
	bool ready;
};

// What one thread reuses from batch to batch.
struct scratch {
	vla_image picture, crop;
	vla_ids ids;
	vla_buf text;
};

struct vla_loader {
	vla_loader_opts o;
	vla_pictures *pics;
	vla_plan plan;
	struct slot *slot; // [depth]
	unsigned depth, started;
	uint64_t planned, taken; // steps
	bool holding;            // the trainer still uses the batch before `taken`
	bool stop;
	pthread_mutex_t lock;
	pthread_cond_t room, ready;
	pthread_t *thread;
	struct scratch inline_scratch;
	size_t dim;          // of the vectors
	uint32_t special[2]; // tokens that encode adds before and after
	char warning[256];
	bool warned;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void scratch_release(struct scratch *s)
{
	vla_image_release(&s->picture);
	vla_image_release(&s->crop);
	vla_ids_release(&s->ids);
	vla_buf_release(&s->text);
}

static void warn_later(vla_loader *l, const char *what, const vla_err *err)
{
	pthread_mutex_lock(&l->lock);
	if (!l->warned)
		snprintf(l->warning, sizeof l->warning, "'%s': %s; another example is taken", what, err->msg);
	l->warned = true;
	pthread_mutex_unlock(&l->lock);
}

// The example's place in the batch's arrays.
static void place_item(const vla_loader *l, vla_batch *b, vla_item *it)
{
	const vla_data *d = &l->o.corpus->data[it->data];
	const vla_example *e = &d->ex[it->example];
	it->picture_row = it->vector_row = it->text_row = VLA_NONE;
	it->label = e->label;
	it->source = vla_hash64(e->id, strlen(e->id), 0);
	bool targets = false;
	for (size_t i = 0; i < l->o.n_teachers; i++)
		targets = targets || l->o.need_target[i];
	if (e->picture != VLA_NONE && (l->o.pixels || targets))
		it->picture_row = (uint32_t)b->pictures++;
	else if (e->vectors && d->dim)
		it->vector_row = (uint32_t)b->vectors++;
	if (l->o.texts && (e->texts || e->names))
		it->text_row = (uint32_t)b->texts.n++;
}

static void plan_batch(vla_loader *l, vla_batch *b)
{
	b->n = l->o.batch;
	b->pictures = b->vectors = b->texts.n = 0;
	for (size_t i = 0; i < b->n; i++) {
		vla_item *it = &b->item[i];
		vla_plan_next(&l->plan, &it->data, &it->example);
		place_item(l, b, it);
	}
}

static vla_status fill_targets(const vla_loader *l, vla_batch *b, const vla_item *it, bool *usable)
{
	const vla_data *d = &l->o.corpus->data[it->data];
	for (size_t t = 0; t < l->o.n_teachers; t++) {
		const vla_teacher *te = l->o.teacher[t];
		if (!l->o.need_target[t] || !te->part[it->data].used)
			continue;
		float *row = b->target[t] + (size_t)it->picture_row * te->width;
		if (!vla_teacher_row(te, d, it->data, d->ex[it->example].picture, it->crop, row))
			*usable = false;
	}
	return VLA_OK;
}

static vla_status fill_pixels(vla_loader *l, struct scratch *sc, vla_batch *b, const vla_item *it, vla_rng *rng,
			      vla_err *err)
{
	const vla_data *d = &l->o.corpus->data[it->data];
	const vla_example *e = &d->ex[it->example];
	const vla_image *im;
	VLA_TRY(vla_pictures_get(l->pics, d, e->picture, l->o.min_side, &sc->picture, &im, err));
	vla_crop crop = d->crops ? vla_crop_number(e->id, it->crop, im->width, im->height, &d->augment)
				 : vla_crop_draw(rng, im->width, im->height, &d->augment);
	VLA_TRY(vla_crop_apply(im, &crop, l->o.size, &sc->crop, err));
	VLA_TRY(vla_augment_colours(rng, &sc->crop, &d->augment, err));
	size_t n = (size_t)l->o.size * l->o.size * 3;
	vla_model_normalise(l->o.model, &sc->crop, b->pixels + it->picture_row * n);
	return VLA_OK;
}

// An unreadable picture gives its place to another example of its data set.
static vla_status fill_picture(vla_loader *l, struct scratch *sc, vla_batch *b, vla_item *it, vla_rng *rng,
			       vla_err *err)
{
	const vla_data *d = &l->o.corpus->data[it->data];
	for (int attempt = 0; attempt < MAX_RETRY; attempt++) {
		bool usable = d->ex[it->example].picture != VLA_NONE;
		vla_err e = VLA_ERR_INIT;
		vla_status s = VLA_OK;
		it->crop = d->crops ? (uint32_t)vla_rng_below(rng, d->crops) : 0;
		if (usable)
			s = fill_targets(l, b, it, &usable);
		if (s == VLA_OK && usable && l->o.pixels)
			s = fill_pixels(l, sc, b, it, rng, &e);
		if (s == VLA_OK && usable)
			return VLA_OK;
		if (s == VLA_ENOMEM)
			return vla_nomem(err);
		if (s != VLA_OK)
			warn_later(l, d->ex[it->example].id, &e);
		const vla_example *old = &d->ex[it->example];
		bool text = old->texts || old->names;
		for (int i = 0; i < 1000; i++) {
			it->example = (uint32_t)vla_rng_below(rng, d->n);
			const vla_example *ex = &d->ex[it->example];
			if (ex->picture != VLA_NONE && (ex->texts || ex->names) == text)
				break;
		}
		it->label = d->ex[it->example].label;
		it->source = vla_hash64(d->ex[it->example].id, strlen(d->ex[it->example].id), 0);
	}
	return vla_fail(err, VLA_EIO, "data %s: %d pictures in a row cannot be used", d->name, MAX_RETRY);
}

static void drop_tokens(const vla_loader *l, vla_ids *ids, double p, vla_rng *rng)
{
	size_t first = l->special[0], last = ids->n - l->special[1], n = first;
	if (p <= 0 || last <= first)
		return;
	size_t spare = first + (size_t)vla_rng_below(rng, last - first); // one token always stays
	for (size_t i = first; i < last; i++) {
		bool drop = vla_rng_double(rng) < p;
		if (!drop || i == spare)
			ids->id[n++] = ids->id[i];
	}
	for (size_t i = last; i < ids->n; i++)
		ids->id[n++] = ids->id[i];
	ids->n = n;
}

static vla_status fill_text(vla_loader *l, struct scratch *sc, vla_batch *b, vla_item *it, vla_rng *rng, vla_err *err)
{
	const vla_data *d = &l->o.corpus->data[it->data];
	const vla_example *e = &d->ex[it->example];
	bool found;
	sc->text.n = 0;
	VLA_TRY(vla_data_text(d, e, rng, &sc->text, &found, err));
	if (!found)
		VLA_TRY(vla_buf_add(&sc->text, "", 1, err));
	it->text_hash = vla_hash64(sc->text.data, sc->text.n, 0);
	VLA_TRY(vla_tokenizer_encode(l->o.tokenizer, sc->text.data, l->o.max_len, &sc->ids, err));
	drop_tokens(l, &sc->ids, d->word_dropout, rng);
	size_t at = b->offset[it->text_row], n = sc->ids.n;
	if (at + n > b->ids_cap) {
		size_t cap = (at + n) * 2 + 1024;
		uint32_t *p = vla_realloc(b->ids, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		b->ids = p;
		b->ids_cap = cap;
	}
	if (n)
		memcpy(b->ids + at, sc->ids.id, n * sizeof *b->ids);
	b->offset[it->text_row + 1] = at + n;
	return VLA_OK;
}

static vla_status fill_batch(vla_loader *l, struct scratch *sc, vla_batch *b, vla_err *err)
{
	b->offset[0] = 0;
	for (size_t i = 0; i < b->n; i++) {
		vla_item *it = &b->item[i];
		vla_rng rng;
		vla_rng_seed(&rng, l->o.seed + 0x51ed27 * (l->o.stage + 1), b->step * b->n + i);
		it->crop = 0;
		it->text_hash = 0;
		if (it->picture_row != VLA_NONE)
			VLA_TRY(fill_picture(l, sc, b, it, &rng, err));
		if (it->vector_row != VLA_NONE) {
			const vla_data *d = &l->o.corpus->data[it->data];
			const vla_example *e = &d->ex[it->example];
			uint32_t k = (uint32_t)vla_rng_below(&rng, e->vectors);
			vla_data_vector(d, d->vector_row[e->first_vector + k],
					b->vector + (size_t)it->vector_row * l->dim);
		}
		if (it->text_row != VLA_NONE)
			VLA_TRY(fill_text(l, sc, b, it, &rng, err));
	}
	b->texts.ids = b->ids;
	b->texts.offset = b->offset;
	return VLA_OK;
}

static void *work(void *arg)
{
	vla_loader *l = arg;
	struct scratch sc = { VLA_IMAGE_INIT, VLA_IMAGE_INIT, VLA_IDS_INIT, { NULL, 0, 0 } };
	pthread_mutex_lock(&l->lock);
	while (!l->stop && l->planned < l->o.end_step) {
		// One slot may still be read by the trainer.
		if (l->planned - l->taken + l->holding >= l->depth) {
			pthread_cond_wait(&l->room, &l->lock);
			continue;
		}
		struct slot *s = &l->slot[l->planned % l->depth];
		s->b.step = l->planned++;
		plan_batch(l, &s->b);
		pthread_mutex_unlock(&l->lock);
		s->status = fill_batch(l, &sc, &s->b, &s->err);
		pthread_mutex_lock(&l->lock);
		s->ready = true;
		pthread_cond_broadcast(&l->ready);
	}
	pthread_mutex_unlock(&l->lock);
	scratch_release(&sc);
	return NULL;
}

static vla_status batch_init(const vla_loader *l, vla_batch *b, vla_err *err)
{
	const vla_loader_opts *o = &l->o;
	b->item = vla_zalloc(o->batch, sizeof *b->item);
	b->offset = vla_zalloc(o->batch + 1, sizeof *b->offset);
	b->target = vla_zalloc(o->n_teachers, sizeof *b->target);
	if (!b->item || !b->offset || !b->target)
		return vla_nomem(err);
	if (o->pixels) {
		b->pixels = vla_alloc(o->batch, (size_t)o->size * o->size * 3 * sizeof *b->pixels);
		if (!b->pixels)
			return vla_nomem(err);
	}
	if (l->dim) {
		b->vector = vla_alloc(o->batch, l->dim * sizeof *b->vector);
		if (!b->vector)
			return vla_nomem(err);
	}
	for (size_t t = 0; t < o->n_teachers; t++)
		if (o->need_target[t]) {
			b->target[t] = vla_zalloc(o->batch, o->teacher[t]->width * sizeof **b->target);
			if (!b->target[t])
				return vla_nomem(err);
		}
	return VLA_OK;
}

static void batch_release(const vla_loader *l, vla_batch *b)
{
	for (size_t t = 0; b->target && t < l->o.n_teachers; t++)
		free(b->target[t]);
	free(b->target);
	free(b->item);
	free(b->pixels);
	free(b->vector);
	free(b->ids);
	free(b->offset);
}

static vla_status find_special(vla_loader *l, vla_err *err)
{
	vla_ids none = VLA_IDS_INIT, one = VLA_IDS_INIT;
	vla_status s = vla_tokenizer_encode(l->o.tokenizer, "", 0, &none, err);
	if (s == VLA_OK)
		s = vla_tokenizer_encode(l->o.tokenizer, "a", 0, &one, err);
	if (s == VLA_OK && none.n) {
		l->special[0] = one.n && one.id[0] == none.id[0];
		l->special[1] = (uint32_t)none.n - l->special[0];
	}
	vla_ids_release(&none);
	vla_ids_release(&one);
	return s;
}

static vla_status find_dim(vla_loader *l, vla_err *err)
{
	for (size_t i = 0; i < l->o.n_data; i++) {
		const vla_data *d = &l->o.corpus->data[l->o.data[i]];
		if (!d->dim)
			continue;
		if (l->dim && l->dim != d->dim)
			return vla_fail(err, VLA_EINVAL, "vectors of %zu and of %zu numbers in one stage", l->dim,
					d->dim);
		l->dim = d->dim;
	}
	return VLA_OK;
}

static vla_status start(vla_loader *l, vla_err *err)
{
	const vla_loader_opts *o = &l->o;
	VLA_TRY(vla_plan_init(&l->plan, o->corpus, o->data, o->n_data, o->seed + o->stage, err));
	vla_plan_skip(&l->plan, o->first_step * o->batch);
	VLA_TRY(find_dim(l, err));
	if (o->texts)
		VLA_TRY(find_special(l, err));
	l->depth = o->threads ? o->depth + 1 : 1;
	l->slot = vla_zalloc(l->depth, sizeof *l->slot);
	l->thread = vla_alloc(o->threads, sizeof *l->thread);
	if (!l->slot || !l->thread)
		return vla_nomem(err);
	for (unsigned i = 0; i < l->depth; i++)
		VLA_TRY(batch_init(l, &l->slot[i].b, err));
	for (; l->started < o->threads; l->started++)
		if (pthread_create(&l->thread[l->started], NULL, work, l))
			return vla_fail(err, VLA_EIO, "cannot start a loader thread");
	return VLA_OK;
}

vla_status vla_loader_open(const vla_loader_opts *o, vla_pictures *pics, vla_loader **out, vla_err *err)
{
	vla_loader *l = vla_zalloc(1, sizeof *l);
	if (!l)
		return vla_nomem(err);
	l->o = *o;
	l->pics = pics;
	l->planned = l->taken = o->first_step;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->room, NULL);
	pthread_cond_init(&l->ready, NULL);
	vla_status s = start(l, err);
	if (s != VLA_OK) {
		vla_loader_close(l);
		return s;
	}
	*out = l;
	return VLA_OK;
}

void vla_loader_close(vla_loader *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->room);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->started; i++)
		pthread_join(l->thread[i], NULL);
	for (unsigned i = 0; l->slot && i < l->depth; i++)
		batch_release(l, &l->slot[i].b);
	free(l->slot);
	free(l->thread);
	scratch_release(&l->inline_scratch);
	vla_plan_release(&l->plan);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->room);
	pthread_cond_destroy(&l->ready);
	free(l);
}

static void tell_warning(vla_loader *l)
{
	char text[sizeof l->warning];
	pthread_mutex_lock(&l->lock);
	bool tell = l->warned;
	memcpy(text, l->warning, sizeof text);
	l->warned = false;
	pthread_mutex_unlock(&l->lock);
	if (tell && l->o.warn)
		l->o.warn(l->o.warn_ctx, text);
}

vla_status vla_loader_next(vla_loader *l, const vla_batch **out, double *waited, vla_err *err)
{
	double t0 = now();
	struct slot *s;
	if (!l->o.threads) {
		s = &l->slot[0];
		s->b.step = l->planned++;
		plan_batch(l, &s->b);
		s->status = fill_batch(l, &l->inline_scratch, &s->b, &s->err);
		l->taken++;
	} else {
		pthread_mutex_lock(&l->lock);
		l->holding = false;
		pthread_cond_broadcast(&l->room);
		s = &l->slot[l->taken % l->depth];
		while (!s->ready)
			pthread_cond_wait(&l->ready, &l->lock);
		s->ready = false;
		l->taken++;
		l->holding = true;
		pthread_mutex_unlock(&l->lock);
	}
	*waited = now() - t0;
	tell_warning(l);
	*out = &s->b;
	if (s->status != VLA_OK) {
		if (err)
			*err = s->err;
		return s->status;
	}
	return VLA_OK;
}
