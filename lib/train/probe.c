/* What a stage reaches: a few forward passes without updates tell which parameters its objectives depend on. Others are
 * left alone (weight decay would shrink them), and a tower with nothing to train runs without a tape. */
#include "train/losses.h"
#include "train/stage.h"

#define MAX_BATCHES 8

struct probe {
	vla_trainer *t;
	vla_stage *s;
	vla_arena *arena;
	vla_tape tape;
	vla_step g;
	bool *used, *tower; /* [params] of the model */
	bool *used_heads;   /* [heads] */
	bool *seen;         /* [objectives of the stage] */
	vla_err *err;
};

static size_t index_of(const vla_params *ps, const vla_param *p)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->p[i] == p)
			return i;
	return SIZE_MAX;
}

static void mark(const struct probe *pr, size_t tower_nodes)
{
	const vla_params *ps = vla_model_params(pr->t->model), *heads = &pr->t->heads;
	for (size_t n = 0; n < pr->tape.n; n++)
		for (size_t i = 0; i < pr->tape.node[n]->n_in; i++) {
			const vla_param *p = pr->tape.node[n]->in[i]->param;
			size_t at = p ? index_of(ps, p) : SIZE_MAX;
			if (at != SIZE_MAX) {
				pr->used[at] = true;
				if (n < tower_nodes)
					pr->tower[at] = true;
			} else if (p && (at = index_of(heads, p)) != SIZE_MAX) {
				pr->used_heads[at] = true;
			}
		}
}

static vla_status one_batch(struct probe *pr, const vla_batch *b, bool *all)
{
	vla_pass pass;
	vla_step_reset(&pr->g);
	vla_stage_pass(pr->t, pr->s, &pr->g, b, &pass);
	// The tower first, so that its nodes begin the tape.
	if (pr->s->pixels && b->pictures)
		vla_pass_pooled(&pass);
	size_t tower = pr->tape.n;
	*all = true;
	for (size_t i = 0; i < pr->s->objectives; i++) {
		const vla_objective *o = pr->s->objective[i];
		if (o->kind->loss(o, &pass))
			pr->seen[i] = true;
		vla_status s = vla_step_status(&pr->g, pr->err);
		if (s != VLA_OK)
			return vla_prefix(pr->err, s, "stage %s, objective %s", pr->s->sec->name, o->name);
		*all = *all && pr->seen[i];
	}
	mark(pr, tower);
	double flops = 3 * vla_tape_flops(&pr->tape); // the backward pass costs about two forward passes
	if (flops > pr->s->flops)
		pr->s->flops = flops;
	return VLA_OK;
}

static vla_status run(struct probe *pr, vla_loader *l)
{
	bool all = false;
	for (uint64_t i = 0; i < MAX_BATCHES && i < pr->s->steps && !all; i++) {
		const vla_batch *b;
		double waited;
		VLA_TRY(vla_loader_next(l, &b, &waited, pr->err));
		VLA_TRY(one_batch(pr, b, &all));
	}
	for (size_t i = 0; i < pr->s->objectives; i++)
		if (!pr->seen[i])
			return vla_fail(pr->err, VLA_EINVAL,
					"stage %s: objective %s finds nothing in the data of the stage",
					pr->s->sec->name, pr->s->objective[i]->name);
	return VLA_OK;
}

static void conclude(struct probe *pr)
{
	vla_params *ps = vla_model_params(pr->t->model);
	vla_stage *s = pr->s;
	s->trainable = 0;
	s->frozen_tower = s->pixels;
	for (size_t i = 0; i < ps->n; i++) {
		vla_param *p = ps->p[i];
		p->trainable = p->trainable && pr->used[i];
		if (p->trainable)
			s->trainable += p->n;
		if (p->trainable && pr->tower[i])
			s->frozen_tower = false;
	}
	for (size_t i = 0; i < pr->t->heads.n; i++) {
		vla_param *p = pr->t->heads.p[i];
		p->trainable = pr->used_heads[i];
		if (p->trainable)
			s->trainable += p->n;
	}
	s->fixed_norm = s->freeze_norm || s->frozen_tower;
}

vla_status vla_stage_probe(vla_trainer *t, vla_stage *s, vla_err *err)
{
	struct probe pr = { .t = t, .s = s, .err = err };
	vla_params *ps = vla_model_params(t->model);
	vla_loader *l = NULL;
	VLA_TRY(vla_params_own(ps, err));
	VLA_TRY(vla_params_own(&t->heads, err));
	vla_stage small = *s;
	pr.used = vla_zalloc(ps->n, sizeof *pr.used);
	pr.tower = vla_zalloc(ps->n, sizeof *pr.tower);
	pr.used_heads = vla_zalloc(t->heads.n, sizeof *pr.used_heads);
	pr.seen = vla_zalloc(s->objectives, sizeof *pr.seen);
	pr.arena = vla_arena_new(0);
	vla_status st = pr.used && pr.tower && pr.used_heads && pr.seen && pr.arena ? VLA_OK : vla_nomem(err);
	if (st == VLA_OK)
		st = vla_stage_loader(t, &small, 0, 0, &l, err);
	if (st == VLA_OK) {
		vla_step_init(&pr.g, pr.arena, t->o->pool);
		pr.g.tape = &pr.tape;
		st = run(&pr, l);
	}
	if (st == VLA_OK)
		conclude(&pr);
	vla_loader_close(l);
	vla_tape_release(&pr.tape);
	vla_arena_free(pr.arena);
	free(pr.used);
	free(pr.tower);
	free(pr.used_heads);
	free(pr.seen);
	return st;
}
