/* Transformer (Vaswani et al. 2017). Norm before each part as in Radford et al. 2019: x += attention(norm(x)); x +=
 * mlp(norm(x)); or after each sum as in Devlin et al. 2019: x = norm(x + attention(x)); x = norm(x + mlp(x)). Initial
 * values follow CLIP: the projections back into the residual stream shrink with depth. */
#include "nn/nn.h"

#include <math.h>

static float std_residual(const vla_nn_block_opts *o)
{
	return (float)(1 / sqrt((double)o->width) / sqrt(2.0 * (o->layers ? o->layers : 1)));
}

static void init_part(vla_nn_linear *l, vla_maker *mk, const char *name, const char *part, size_t in, size_t out,
		      float std)
{
	char full[160];
	snprintf(full, sizeof full, "%s.%s", name, part);
	vla_nn_linear_init(l, mk, full, in, out, true, std);
}

void vla_nn_attention_init(vla_nn_attention *a, vla_maker *mk, const char *name, const vla_nn_block_opts *o)
{
	float std = (float)(1 / sqrt((double)o->width));
	init_part(&a->q, mk, name, "q", o->width, o->width, std);
	init_part(&a->k, mk, name, "k", o->width, o->width, std);
	init_part(&a->v, mk, name, "v", o->width, o->width, std);
	init_part(&a->out, mk, name, "out", o->width, o->width, std_residual(o));
	a->heads = o->heads;
}

vla_tensor *vla_nn_attention_from(vla_step *g, const vla_nn_attention *a, vla_tensor *x, vla_tensor *from, bool causal,
				  const uint32_t *lens)
{
	vla_tensor *q = vla_nn_linear_forward(g, &a->q, x);
	vla_tensor *k = vla_nn_linear_forward(g, &a->k, from);
	vla_tensor *v = vla_nn_linear_forward(g, &a->v, from);
	return vla_nn_linear_forward(g, &a->out, vla_attention(g, q, k, v, a->heads, causal, lens));
}

vla_tensor *vla_nn_attention_forward(vla_step *g, const vla_nn_attention *a, vla_tensor *x, bool causal,
				     const uint32_t *lens)
{
	return vla_nn_attention_from(g, a, x, x, causal, lens);
}

void vla_nn_mlp_init(vla_nn_mlp *m, vla_maker *mk, const char *name, const vla_nn_block_opts *o)
{
	init_part(&m->fc1, mk, name, "fc1", o->width, o->gated ? 2 * o->hidden : o->hidden,
		  (float)(1 / sqrt(2.0 * (double)o->width)));
	init_part(&m->fc2, mk, name, "fc2", o->hidden, o->width, std_residual(o));
	m->act = o->act;
	m->gated = o->gated;
}

vla_tensor *vla_nn_mlp_forward(vla_step *g, const vla_nn_mlp *m, vla_tensor *x)
{
	if (!m->gated) {
		vla_tensor *b = m->fc1.b ? vla_use(g, m->fc1.b) : NULL;
		return vla_nn_linear_forward(g, &m->fc2, vla_linear_act(g, x, vla_use(g, m->fc1.w), b, m->act));
	}
	x = vla_nn_linear_forward(g, &m->fc1, x);
	if (x) {
		size_t half = x->dim[x->ndim - 1] / 2;
		vla_tensor *gate = vla_slice(g, x, x->ndim - 1, 0, half);
		gate = vla_activation(g, vla_last_use(gate), m->act);
		x = vla_mul(g, vla_last_use(gate), vla_slice(g, x, x->ndim - 1, half, half));
	}
	return vla_nn_linear_forward(g, &m->fc2, x);
}

void vla_nn_block_init(vla_nn_block *b, vla_maker *mk, const char *name, const vla_nn_block_opts *o)
{
	char full[128];
	snprintf(full, sizeof full, "%s.norm1", name);
	vla_nn_norm_init(&b->norm1, mk, full, o->width, o->eps);
	snprintf(full, sizeof full, "%s.attn", name);
	vla_nn_attention_init(&b->attn, mk, full, o);
	snprintf(full, sizeof full, "%s.norm2", name);
	vla_nn_norm_init(&b->norm2, mk, full, o->width, o->eps);
	snprintf(full, sizeof full, "%s.mlp", name);
	vla_nn_mlp_init(&b->mlp, mk, full, o);
	b->scale1 = b->scale2 = NULL;
	if (o->layer_scale) {
		b->scale1 = vla_make(mk, VLA_FILL_ONE, 0, name, "scale1", 1, &o->width);
		b->scale2 = vla_make(mk, VLA_FILL_ONE, 0, name, "scale2", 1, &o->width);
	}
	b->post_norm = o->post_norm;
}

// x + scale * y, then the norm of a post-norm block.
static vla_tensor *add_part(vla_step *g, const vla_nn_block *b, const vla_nn_norm *norm, const vla_param *scale,
			    vla_tensor *x, vla_tensor *y)
{
	if (scale)
		y = vla_mul(g, vla_last_use(y), vla_use(g, (vla_param *)(uintptr_t)scale));
	x = vla_add(g, vla_last_use(y), x);
	return b->post_norm ? vla_nn_norm_forward(g, norm, x) : x;
}

static vla_tensor *mlp_part(vla_step *g, const vla_nn_block *b, vla_tensor *x)
{
	vla_tensor *y = b->post_norm ? x : vla_nn_norm_forward(g, &b->norm2, x);
	return add_part(g, b, &b->norm2, b->scale2, x, vla_nn_mlp_forward(g, &b->mlp, y));
}

vla_tensor *vla_nn_block_forward(vla_step *g, const vla_nn_block *b, vla_tensor *x, bool causal, const uint32_t *lens)
{
	vla_tensor *y = b->post_norm ? x : vla_nn_norm_forward(g, &b->norm1, x);
	y = vla_nn_attention_forward(g, &b->attn, y, causal, lens);
	return mlp_part(g, b, add_part(g, b, &b->norm1, b->scale1, x, y));
}

// Row at[i] of sequence i, [n, t, w] -> [n, 1, w].
static vla_tensor *take_rows(vla_step *g, vla_tensor *x, const uint32_t *at)
{
	if (!x)
		return NULL;
	size_t n = x->dim[0], t = x->dim[1], w = x->dim[2];
	x = vla_reshape(g, x, 2, (size_t[]){ n * t, w });
	return vla_reshape(g, vla_gather_rows(g, x, at, n), 3, (size_t[]){ n, 1, w });
}

vla_tensor *vla_nn_block_forward_row(vla_step *g, const vla_nn_block *b, vla_tensor *x, const uint32_t *row,
				     bool causal, const uint32_t *lens)
{
	size_t n = x ? x->dim[0] : 0;
	uint32_t *at = vla_nn_scratch(g, n, sizeof *at), *see = vla_nn_scratch(g, n, sizeof *see);
	if (!at || !see || !x)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		at[i] = (uint32_t)(i * x->dim[1] + row[i]);
		see[i] = causal ? row[i] + 1 : lens ? lens[i] : (uint32_t)x->dim[1];
	}
	vla_tensor *y = b->post_norm ? x : vla_nn_norm_forward(g, &b->norm1, x);
	y = vla_nn_attention_from(g, &b->attn, take_rows(g, y, at), y, false, see);
	return mlp_part(g, b, add_part(g, b, &b->norm1, b->scale1, take_rows(g, x, at), y));
}

vla_tensor *vla_nn_block_forward_values(vla_step *g, const vla_nn_block *b, vla_tensor *x)
{
	vla_tensor *y = vla_nn_linear_forward(g, &b->attn.v, vla_nn_norm_forward(g, &b->norm1, x));
	y = vla_nn_linear_forward(g, &b->attn.out, y);
	return mlp_part(g, b, add_part(g, b, &b->norm1, b->scale1, x, y));
}

void vla_nn_transformer_init(vla_nn_transformer *t, vla_maker *mk, const char *name, const vla_nn_block_opts *o)
{
	*t = (vla_nn_transformer){ NULL, 0 };
	if (mk->err.code != VLA_OK)
		return;
	if (!(t->block = vla_zalloc(o->layers, sizeof *t->block))) {
		vla_nomem(&mk->err);
		return;
	}
	t->layers = o->layers;
	for (unsigned i = 0; i < o->layers; i++) {
		char full[96];
		snprintf(full, sizeof full, "%s.%u", name, i);
		vla_nn_block_init(&t->block[i], mk, full, o);
	}
}

void vla_nn_transformer_release(vla_nn_transformer *t)
{
	free(t->block);
	*t = (vla_nn_transformer){ NULL, 0 };
}

vla_tensor *vla_nn_transformer_forward(vla_step *g, const vla_nn_transformer *t, vla_tensor *x, bool causal,
				       const uint32_t *lens, const vla_watch *watch)
{
	return vla_nn_transformer_begin(g, t, t->layers, x, causal, lens, watch);
}

vla_tensor *vla_nn_transformer_begin(vla_step *g, const vla_nn_transformer *t, unsigned layers, vla_tensor *x,
				     bool causal, const uint32_t *lens, const vla_watch *watch)
{
	for (unsigned i = 0; i < layers && x; i++) {
		vla_arena_mark mark = vla_scope_begin(g);
		x = vla_nn_block_forward(g, &t->block[i], x, causal, lens);
		x = vla_scope_end(g, mark, x);
		vla_watch_call(watch, "layers", (int)i, x);
	}
	return x;
}
