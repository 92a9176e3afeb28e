/* One pass: tensors in the arena, running an operator, and in inference dropping what is no longer needed. */
#include "grad/op.h"

void vla_step_init(vla_step *g, vla_arena *arena, vla_pool *pool)
{
	memset(g, 0, sizeof *g);
	g->arena = arena;
	g->pool = pool;
	vla_rng_seed(&g->rng, 0, 0);
}

vla_status vla_step_status(const vla_step *g, vla_err *err)
{
	if (g->err.code != VLA_OK && err)
		*err = g->err;
	return g->err.code;
}

void vla_step_reset(vla_step *g)
{
	vla_arena_reset(g->arena);
	if (g->tape)
		g->tape->n = 0;
	memset(&g->err, 0, sizeof g->err);
}

void vla_tape_release(vla_tape *t)
{
	if (!t)
		return;
	free(t->node);
	*t = (vla_tape){ NULL, 0, 0 };
}

// The first failure stays.
static void stick(vla_step *g, vla_status s, const vla_err *err)
{
	if (g->err.code == VLA_OK) {
		g->err = *err;
		g->err.code = s;
	}
}

static void *stick_nomem(vla_step *g)
{
	vla_err err = VLA_ERR_INIT;
	stick(g, vla_nomem(&err), &err);
	return NULL;
}

// Sets n from the dimensions; false when the bytes overflow.
static bool count_elements(vla_tensor *t)
{
	t->n = 1;
	for (unsigned i = 0; i < t->ndim; i++)
		if (__builtin_mul_overflow(t->n, t->dim[i], &t->n))
			return false;
	return t->n <= SIZE_MAX / 2 / sizeof(float);
}

vla_tensor *vla_tensor_view(vla_step *g, unsigned ndim, const size_t *dim, float *data)
{
	if (g->err.code != VLA_OK)
		return NULL;
	vla_tensor *t = ndim <= VLA_TENSOR_DIMS ? vla_arena_zalloc(g->arena, 1, sizeof *t) : NULL;
	if (!t)
		return stick_nomem(g);
	t->ndim = ndim;
	memcpy(t->dim, dim, ndim * sizeof *dim);
	t->data = data;
	t->fixed = true;
	return count_elements(t) ? t : stick_nomem(g);
}

vla_tensor *vla_tensor_new(vla_step *g, unsigned ndim, const size_t *dim)
{
	vla_tensor *t = vla_tensor_view(g, ndim, dim, NULL);
	if (!t)
		return NULL;
	t->fixed = false;
	t->data = vla_arena_alloc(g->arena, t->n, sizeof *t->data);
	return t->data ? t : stick_nomem(g);
}

vla_tensor *vla_use(vla_step *g, vla_param *p)
{
	if (g->err.code != VLA_OK)
		return NULL;
	bool later = !g->tape && !p->value && p->raw && p->raw_dtype != VLA_F32 && p->ndim >= 2;
	vla_err err = VLA_ERR_INIT;
	vla_status s = later ? VLA_OK : vla_param_load(p, &err);
	if (s != VLA_OK) {
		stick(g, s, &err);
		return NULL;
	}
	vla_tensor *t = vla_tensor_view(g, p->ndim, p->dim, p->value);
	if (!t)
		return NULL;
	t->param = p;
	t->wants_grad = g->tape && p->trainable && !p->buffer && p->grad;
	t->grad = t->wants_grad ? p->grad : NULL;
	return t;
}

vla_tensor *vla_last_use(vla_tensor *x)
{
	if (x)
		x->last_use = true;
	return x;
}

void *vla_save(vla_step *g, size_t n, size_t size)
{
	return vla_arena_alloc(g->arena, n, size);
}

// Where the result's values lie: in the first input's place when that may be, else in fresh memory.
static vla_status place_output(vla_step *g, const vla_node *nd, vla_err *err)
{
	vla_tensor *out = nd->out, *x = nd->n_in ? nd->in[0] : NULL;
	bool reuse = !g->tape && nd->op->inplace && x && x->last_use && !x->fixed && x->n == out->n;
	if (nd->op->view && x->n != out->n)
		return vla_op_refuse(nd, err, "the result would have %zu elements", out->n);
	if (nd->op->view || reuse) {
		out->data = x->data;
		out->fixed = x->fixed;
		return VLA_OK;
	}
	out->data = vla_arena_alloc(g->arena, out->n, sizeof *out->data);
	return out->data ? VLA_OK : vla_nomem(err);
}

// The node as it stays on the tape: inputs and settings copied into the arena.
static vla_node *keep_node(vla_step *g, const vla_node *nd)
{
	vla_tape *t = g->tape;
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		vla_node **node = vla_realloc(t->node, cap, sizeof *node);
		if (!node)
			return NULL;
		t->node = node;
		t->cap = cap;
	}
	vla_node *k = vla_arena_alloc(g->arena, 1, sizeof *k);
	vla_tensor **in = vla_arena_alloc(g->arena, nd->n_in, sizeof *in);
	void *attr = vla_arena_alloc(g->arena, nd->attr_size, 1);
	if (!k || !in || !attr)
		return NULL;
	*k = *nd;
	if (nd->n_in)
		memcpy(in, nd->in, nd->n_in * sizeof *in);
	if (nd->attr_size)
		memcpy(attr, nd->attr, nd->attr_size);
	k->in = in;
	k->attr = attr;
	return k;
}

static vla_status check_inputs(const vla_node *nd, vla_err *err)
{
	if (nd->op->inputs >= 0 && nd->n_in != (size_t)nd->op->inputs)
		return vla_fail(err, VLA_EINVAL, "%s: %zu inputs, not %d", nd->op->name, nd->n_in, nd->op->inputs);
	for (size_t i = 0; i < nd->n_in; i++) {
		vla_tensor *x = nd->in[i];
		if (!x)
			return vla_fail(err, VLA_EINVAL, "%s: input %zu is missing", nd->op->name, i);
		if (!x->data && x->param && !nd->op->packs) {
			VLA_TRY(vla_param_load(x->param, err));
			x->data = x->param->value;
		}
	}
	return VLA_OK;
}

static vla_status apply(vla_step *g, vla_node *nd, vla_err *err)
{
	VLA_TRY(check_inputs(nd, err));
	vla_tensor *out = nd->out = vla_arena_zalloc(g->arena, 1, sizeof *out);
	if (!out)
		return vla_nomem(err);
	VLA_TRY(nd->op->shape(nd, out, err));
	if (!count_elements(out))
		return vla_op_refuse(nd, err, "the result is too large");
	for (size_t i = 0; g->tape && i < nd->n_in; i++)
		out->wants_grad |= nd->in[i]->wants_grad;
	VLA_TRY(place_output(g, nd, err));
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	vla_node *run = nd;
	if (out->wants_grad && !(run = keep_node(g, nd)))
		return vla_nomem(err);
	if (!nd->op->view)
		VLA_TRY(nd->op->forward(g, run, err));
	if (out->wants_grad)
		g->tape->node[g->tape->n++] = run;
	else
		vla_arena_rewind(g->arena, mark);
	return VLA_OK;
}

vla_tensor *vla_apply(vla_step *g, const vla_op *op, vla_tensor *const *in, size_t n_in, const void *attr,
		      size_t attr_size)
{
	if (g->err.code != VLA_OK)
		return NULL;
	vla_node nd = {
		.op = op, .in = (vla_tensor **)(uintptr_t)in, .n_in = n_in, .attr = attr, .attr_size = attr_size
	};
	vla_err err = VLA_ERR_INIT;
	vla_status s = apply(g, &nd, &err);
	if (s == VLA_OK)
		return nd.out;
	stick(g, s, &err);
	return NULL;
}

vla_arena_mark vla_scope_begin(vla_step *g)
{
	return vla_arena_get_mark(g->arena);
}

vla_tensor *vla_scope_end(vla_step *g, vla_arena_mark mark, vla_tensor *x)
{
	if (g->tape)
		return x;
	if (!x) {
		vla_arena_rewind(g->arena, mark);
		return NULL;
	}
	bool moves = vla_arena_after(g->arena, mark, x->data);
	bool lost = vla_arena_after(g->arena, mark, x);
	vla_tensor keep = *x;
	vla_arena_rewind(g->arena, mark);
	if (moves) {
		// The place is at or below the old one in the same block, or in another block.
		float *data = vla_arena_alloc(g->arena, keep.n, sizeof *data);
		if (!data)
			return stick_nomem(g);
		memmove(data, keep.data, keep.n * sizeof *data);
		keep.data = data;
		keep.fixed = false;
	}
	if (lost && !(x = vla_arena_alloc(g->arena, 1, sizeof *x)))
		return stick_nomem(g);
	*x = keep;
	return x;
}
