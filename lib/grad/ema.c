/* Exponential moving average of the trainable block. */
#include "grad/optim.h"

#define GRAIN ((size_t)1 << 15)

vla_status vla_ema_init(vla_ema *e, double decay, const vla_params *ps, vla_err *err)
{
	memset(e, 0, sizeof *e);
	if (!(decay >= 0 && decay < 1))
		return vla_fail(err, VLA_EINVAL, "moving average: decay %g is not in [0, 1)", decay);
	e->avg = vla_alloc(ps->total, sizeof *e->avg);
	if (!e->avg)
		return vla_nomem(err);
	if (ps->total)
		memcpy(e->avg, ps->values, ps->total * sizeof *e->avg);
	e->total = ps->total;
	e->decay = decay;
	return VLA_OK;
}

void vla_ema_release(vla_ema *e)
{
	if (!e)
		return;
	free(e->avg);
	memset(e, 0, sizeof *e);
}

struct update {
	float *avg;
	const float *value;
	float part;
};

static void update_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct update *u = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		u->avg[i] += u->part * (u->value[i] - u->avg[i]);
}

void vla_ema_update(vla_ema *e, const vla_params *ps, vla_pool *pool)
{
	if (e->total != ps->total)
		return;
	double t = (double)++e->step, decay = (1 + t) / (10 + t);
	struct update u = { e->avg, ps->values, (float)(1 - (decay < e->decay ? decay : e->decay)) };
	vla_parallel(pool, e->total, GRAIN, update_range, &u);
}

void vla_ema_swap(vla_ema *e, vla_params *ps)
{
	if (e->total != ps->total)
		return;
	for (size_t i = 0; i < e->total; i++) {
		float x = e->avg[i];
		e->avg[i] = ps->values[i];
		ps->values[i] = x;
	}
	vla_params_unpack(ps);
}
