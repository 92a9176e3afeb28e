/* The order of examples. The data set of example number e is given by the fractional part of e times the golden ratio,
 * a sequence that keeps every share to within one example nearly everywhere, and needs no state but e. */
#include "train/plan.h"

#define GOLDEN 0x9e3779b97f4a7c15u // 2^64 / golden ratio

vla_status vla_plan_init(vla_plan *p, const vla_corpus *c, const size_t *data, size_t n, uint64_t seed, vla_err *err)
{
	*p = (vla_plan){ vla_zalloc(n, sizeof *p->set), n, 0, seed };
	if (!p->set)
		return vla_nomem(err);
	double sum = 0, upto = 0;
	for (size_t i = 0; i < n; i++)
		sum += c->data[data[i]].share;
	for (size_t i = 0; i < n; i++) {
		vla_plan_data *s = &p->set[i];
		s->d = &c->data[data[i]];
		s->index = data[i];
		upto += s->d->share / sum;
		s->upto = i + 1 == n ? 2 : upto;
		s->epoch = UINT64_MAX;
		s->order = vla_alloc(s->d->n, sizeof *s->order);
		if (!s->order)
			return vla_nomem(err);
	}
	return VLA_OK;
}

void vla_plan_release(vla_plan *p)
{
	for (size_t i = 0; p->set && i < p->n; i++)
		free(p->set[i].order);
	free(p->set);
	*p = (vla_plan){ NULL, 0, 0, 0 };
}

static vla_plan_data *next_set(vla_plan *p)
{
	double u = (double)((p->serial++ * GOLDEN) >> 11) / 9007199254740992.0;
	vla_plan_data *s = p->set;
	while (u >= s->upto)
		s++;
	return s;
}

void vla_plan_skip(vla_plan *p, uint64_t n)
{
	while (n--)
		next_set(p)->taken++;
}

static void shuffle(vla_plan_data *s, uint64_t epoch, uint64_t seed)
{
	vla_rng rng;
	uint64_t name = vla_hash64(s->d->name, strlen(s->d->name), seed);
	vla_rng_seed(&rng, name, epoch);
	for (size_t i = 0; i < s->d->n; i++)
		s->order[i] = (uint32_t)i;
	for (size_t i = s->d->n; i > 1; i--) {
		size_t k = (size_t)vla_rng_below(&rng, i);
		uint32_t t = s->order[i - 1];
		s->order[i - 1] = s->order[k];
		s->order[k] = t;
	}
	s->epoch = epoch;
}

void vla_plan_next(vla_plan *p, uint32_t *data, uint32_t *example)
{
	vla_plan_data *s = next_set(p);
	uint64_t epoch = s->taken / s->d->n;
	if (epoch != s->epoch)
		shuffle(s, epoch, p->seed);
	*data = (uint32_t)s->index;
	*example = s->order[s->taken++ % s->d->n];
}
