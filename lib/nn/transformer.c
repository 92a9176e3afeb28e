/* Pre-norm transformer (Vaswani et al. 2017; norm before each part as in Radford et al. 2019): x += attention(norm(x));
 * x += mlp(norm(x)). Initial values follow CLIP: the projections back into the residual stream shrink with depth. */
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

vla_tensor *vla_nn_attention_forward(vla_step *g, const vla_nn_attention *a, vla_tensor *x, bool causal,
				     const uint32_t *lens)
{
	vla_tensor *q = vla_nn_linear_forward(g, &a->q, x);
	vla_tensor *k = vla_nn_linear_forward(g, &a->k, x);
	vla_tensor *v = vla_nn_linear_forward(g, &a->v, x);
	return vla_nn_linear_forward(g, &a->out, vla_attention(g, q, k, v, a->heads, causal, lens));
}

void vla_nn_mlp_init(vla_nn_mlp *m, vla_maker *mk, const char *name, const vla_nn_block_opts *o)
{
	init_part(&m->fc1, mk, name, "fc1", o->width, o->hidden, (float)(1 / sqrt(2.0 * (double)o->width)));
	init_part(&m->fc2, mk, name, "fc2", o->hidden, o->width, std_residual(o));
	m->act = o->act;
}

vla_tensor *vla_nn_mlp_forward(vla_step *g, const vla_nn_mlp *m, vla_tensor *x)
{
	x = vla_nn_linear_forward(g, &m->fc1, x);
	x = vla_activation(g, vla_last_use(x), m->act);
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
}

vla_tensor *vla_nn_block_forward(vla_step *g, const vla_nn_block *b, vla_tensor *x, bool causal, const uint32_t *lens)
{
	vla_tensor *y = vla_nn_norm_forward(g, &b->norm1, x);
	y = vla_nn_attention_forward(g, &b->attn, y, causal, lens);
	x = vla_add(g, vla_last_use(y), x);
	y = vla_nn_norm_forward(g, &b->norm2, x);
	y = vla_nn_mlp_forward(g, &b->mlp, y);
	return vla_add(g, vla_last_use(y), x);
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
	for (unsigned i = 0; i < t->layers && x; i++) {
		vla_arena_mark mark = vla_scope_begin(g);
		x = vla_nn_block_forward(g, &t->block[i], x, causal, lens);
		x = vla_scope_end(g, mark, x);
		vla_watch_call(watch, "layers", (int)i, x);
	}
	return x;
}
