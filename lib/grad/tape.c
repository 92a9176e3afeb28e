/* The backward pass: reverse-mode differentiation over the recorded nodes. A gradient between two operators lives
 * from the first consumer reached to its producer's backward function; its memory then serves a later one. */
#include "grad/op.h"

// Gradient memory that is free again.
struct spare {
	float *data;
	size_t n;
};

struct pool {
	vla_arena *arena;
	struct spare *spare; // [cap]
	size_t n, cap;
};

// Layers of one shape follow each other, so an equal size is found nearly always.
static float *take(struct pool *p, size_t n, bool clear)
{
	for (size_t i = p->n; i-- > 0;)
		if (p->spare[i].n == n) {
			float *data = p->spare[i].data;
			p->spare[i] = p->spare[--p->n];
			if (clear)
				memset(data, 0, n * sizeof *data);
			return data;
		}
	return clear ? vla_arena_zalloc(p->arena, n, sizeof(float)) : vla_arena_alloc(p->arena, n, sizeof(float));
}

static void give(struct pool *p, float *data, size_t n)
{
	if (p->n < p->cap)
		p->spare[p->n++] = (struct spare){ data, n };
}

// The gradient of a view passes through: the input takes over the memory when it has none yet.
static void pass_view(vla_step *g, const vla_node *nd, struct pool *p)
{
	vla_tensor *x = nd->in[0], *out = nd->out;
	if (!x->grad) {
		x->grad = out->grad;
	} else {
		vla_add_scaled(g, x->grad, out->grad, 1, x->n);
		give(p, out->grad, out->n);
	}
	out->grad = NULL;
}

static vla_status node_backward(vla_step *g, vla_node *nd, struct pool *p, vla_err *err)
{
	if (!nd->out->grad)
		return VLA_OK; // the loss does not depend on it
	if (nd->op->view && !nd->op->backward) {
		pass_view(g, nd, p);
		return VLA_OK;
	}
	if (!nd->op->backward)
		return vla_fail(err, VLA_EINVAL, "%s: has no gradient", nd->op->name);
	for (size_t i = 0; i < nd->n_in; i++) {
		vla_tensor *x = nd->in[i];
		if (!x->wants_grad || x->grad)
			continue;
		x->grad_new = i == 0 && nd->op->sets_grad;
		if (x->grad_new && nd->op->grad_in_place && x->n == nd->out->n)
			x->grad = nd->out->grad;
		else if (!(x->grad = take(p, x->n, !x->grad_new)))
			return vla_nomem(err);
	}
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	VLA_TRY(nd->op->backward(g, nd, err));
	vla_arena_rewind(g->arena, mark);
	if (!nd->n_in || nd->in[0]->grad != nd->out->grad)
		give(p, nd->out->grad, nd->out->n);
	nd->out->grad = NULL;
	return VLA_OK;
}

vla_status vla_backward(vla_step *g, vla_tensor *loss, vla_err *err)
{
	VLA_TRY(vla_step_status(g, err));
	if (!g->tape || !loss || loss->n != 1)
		return vla_fail(err, VLA_EINVAL, "backward: needs a tape and a loss of one element");
	if (!loss->wants_grad)
		return vla_fail(err, VLA_EINVAL, "backward: the loss depends on nothing that is trained");
	struct pool p = { .arena = g->arena, .cap = g->tape->n };
	p.spare = vla_arena_alloc(g->arena, p.cap, sizeof *p.spare);
	if (!p.spare || (!loss->grad && !(loss->grad = take(&p, 1, true))))
		return vla_nomem(err);
	loss->grad[0] = 1;
	for (size_t i = g->tape->n; i-- > 0;)
		VLA_TRY(node_backward(g, g->tape->node[i], &p, err));
	return VLA_OK;
}
