/* A store of decoded pictures: small ones are decoded once and kept up to a limit of memory, since decoding costs as
 * much as resampling them. Kept pictures are never dropped, so that readers need no lock once they have one. */
#include "train/loader.h"

#include <stdatomic.h>

struct vla_pictures {
	_Atomic(vla_image *) *slot; // [n]
	size_t n;
	atomic_uint_fast64_t left; // bytes
};

vla_pictures *vla_pictures_new(const vla_corpus *c, uint64_t bytes)
{
	vla_pictures *p = vla_zalloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->n = c->pictures;
	p->slot = vla_zalloc(p->n, sizeof *p->slot);
	atomic_init(&p->left, bytes);
	if (!p->slot) {
		free(p);
		return NULL;
	}
	return p;
}

void vla_pictures_free(vla_pictures *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		vla_image *im = atomic_load(&p->slot[i]);
		if (im)
			vla_image_release(im);
		free(im);
	}
	free(p->slot);
	free(p);
}

// Moves *own into the store when there is room; own then holds nothing.
static const vla_image *keep(vla_pictures *p, size_t at, vla_image *own)
{
	uint64_t bytes = own->cap + sizeof *own, left = atomic_load(&p->left);
	do {
		if (bytes > left)
			return own;
	} while (!atomic_compare_exchange_weak(&p->left, &left, left - bytes));
	vla_image *im = vla_alloc(1, sizeof *im), *none = NULL;
	if (!im) {
		atomic_fetch_add(&p->left, bytes);
		return own;
	}
	*im = *own;
	if (!atomic_compare_exchange_strong(&p->slot[at], &none, im)) {
		free(im);
		atomic_fetch_add(&p->left, bytes);
		return own;
	}
	*own = (vla_image)VLA_IMAGE_INIT;
	return im;
}

vla_status vla_pictures_get(vla_pictures *p, const vla_data *d, uint32_t i, uint32_t min_side, vla_image *own,
			    const vla_image **out, vla_err *err)
{
	size_t at = d->first_picture + i;
	*out = at < p->n ? atomic_load(&p->slot[at]) : NULL;
	if (*out)
		return VLA_OK;
	vla_status s = vla_picture_load(&d->picture[i], min_side, own, err);
	if (s != VLA_OK)
		return s;
	*out = at < p->n ? keep(p, at, own) : own;
	return VLA_OK;
}
