/* Vision transformer (Dosovitskiy et al. 2021): patches by a strided convolution, optional class token and registers
 * (Darcet et al. 2024), learnt positions, optional norm before the layers (CLIP), the layers, a last norm, pooling.
 * Positions are resampled for pictures of another size. */
#include "nn/towers.h"

#include <math.h>

static void init_tokens(vla_vit *t, vla_maker *mk, const char *name)
{
	const vla_vit_opts *o = &t->o;
	char part[VLA_PART_NAME];
	size_t w = o->block.width, p = o->patch, tokens = (size_t)t->grid * t->grid + o->class_token;
	float std = (float)(1 / sqrt((double)w));
	vla_part_name(part, name, "patch");
	t->patch = vla_make(mk, VLA_FILL_NORMAL, (float)(1 / sqrt(3.0 * (double)(p * p))), part, "weight", 4,
			    (size_t[]){ w, p, p, 3 });
	if (o->patch_bias)
		t->patch_bias = vla_make(mk, VLA_FILL_ZERO, 0, part, "bias", 1, &w);
	if (o->class_token)
		t->class_token = vla_make(mk, VLA_FILL_NORMAL, std, name, "class_token", 1, &w);
	if (o->registers)
		t->registers = vla_make(mk, VLA_FILL_NORMAL, std, name, "registers", 2, (size_t[]){ o->registers, w });
	t->position = vla_make(mk, VLA_FILL_NORMAL, std, name, "position", 2, (size_t[]){ tokens, w });
	if (t->position)
		t->position->no_decay = true;
	if (t->registers)
		t->registers->no_decay = true;
}

void vla_vit_init(vla_vit *t, vla_maker *mk, const char *name, const vla_vit_opts *o)
{
	char part[VLA_PART_NAME];
	size_t w = o->block.width;
	*t = (vla_vit){ .o = *o, .grid = o->image_size / o->patch };
	init_tokens(t, mk, name);
	if (o->pre_norm)
		vla_nn_norm_init(&t->pre_norm, mk, vla_part_name(part, name, "pre_norm"), w, o->block.eps);
	vla_nn_transformer_init(&t->layers, mk, vla_part_name(part, name, "layers"), &o->block);
	vla_nn_norm_init(&t->post_norm, mk, vla_part_name(part, name, "post_norm"), w, o->block.eps);
	if (o->pool == VLA_POOL_ATTENTION)
		vla_nn_pooler_init(&t->head, mk, vla_part_name(part, name, "head"), &o->block);
	if (o->dense_head)
		vla_nn_pooler_init(&t->dense_head, mk, vla_part_name(part, name, "dense_head"), &o->block);
}

void vla_vit_release(vla_vit *t)
{
	vla_nn_transformer_release(&t->layers);
}

// Positions of gh x gw patches, [class_token + gh gw, width].
static vla_tensor *positions(vla_step *g, const vla_vit *t, size_t gh, size_t gw)
{
	vla_tensor *all = vla_use(g, t->position);
	size_t side = t->grid, w = t->o.block.width;
	if (gh == side && gw == side)
		return all;
	vla_tensor *x = t->o.class_token ? vla_slice(g, all, 0, 1, side * side) : all;
	x = vla_reshape(g, x, 3, (size_t[]){ side, side, w });
	x = vla_resize_grid(g, x, gh, gw, t->o.position_filter);
	x = vla_reshape(g, x, 2, (size_t[]){ gh * gw, w });
	if (!t->o.class_token)
		return x;
	vla_tensor *parts[2] = { vla_slice(g, all, 0, 0, 1), x };
	return vla_concat(g, parts, 2, 0);
}

// A table [k, width] as the k tokens of n pictures.
static vla_tensor *repeated(vla_step *g, vla_param *p, size_t k, size_t n)
{
	size_t w = p->dim[p->ndim - 1];
	return vla_nn_repeat(g, vla_reshape(g, vla_use(g, p), 3, (size_t[]){ 1, k, w }), n);
}

// [n, h, w, 3] -> [n, tokens, width] with positions added.
static vla_tensor *embed(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch)
{
	size_t n = pixels->dim[0], w = t->o.block.width, tokens = t->o.class_token;
	vla_conv_attr a = { .stride = t->o.patch };
	vla_tensor *x =
		vla_conv2d(g, pixels, vla_use(g, t->patch), t->patch_bias ? vla_use(g, t->patch_bias) : NULL, a);
	if (!x)
		return NULL;
	size_t gh = x->dim[1], gw = x->dim[2];
	x = vla_reshape(g, x, 3, (size_t[]){ n, gh * gw, w });
	vla_watch_call(watch, "patches", -1, x);
	if (t->class_token) {
		vla_tensor *parts[2] = { repeated(g, t->class_token, 1, n), x };
		x = vla_concat(g, parts, 2, 1);
	}
	x = vla_add(g, vla_last_use(x), positions(g, t, gh, gw));
	if (t->registers) {
		vla_tensor *parts[3] = { vla_slice(g, x, 1, 0, tokens), repeated(g, t->registers, t->o.registers, n),
					 vla_slice(g, x, 1, tokens, gh * gw) };
		x = vla_concat(g, parts, 3, 1);
	}
	return x;
}

// Through the first `layers` layers.
static vla_tensor *forward(vla_step *g, vla_vit *t, vla_tensor *pixels, unsigned layers, const vla_watch *watch)
{
	uint32_t p = t->o.patch;
	if (!pixels)
		return NULL;
	if (pixels->ndim != 4 || pixels->dim[1] < p || pixels->dim[2] < p || pixels->dim[3] != 3)
		return vla_nn_fail(g, VLA_EINVAL, "this image tower takes pictures of at least %ux%u, not %zux%zu", p,
				   p, pixels->dim[2], pixels->dim[1]);
	vla_arena_mark mark = vla_scope_begin(g);
	vla_tensor *x = embed(g, t, pixels, watch);
	vla_watch_call(watch, "embeddings", -1, x);
	if (t->o.pre_norm) {
		x = vla_nn_norm_forward(g, &t->pre_norm, x);
		vla_watch_call(watch, "pre_norm", -1, x);
	}
	x = vla_scope_end(g, mark, x);
	return vla_nn_transformer_begin(g, &t->layers, layers, x, false, NULL, watch);
}

vla_tensor *vla_vit_forward(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch)
{
	return forward(g, t, pixels, t->layers.layers, watch);
}

// Row 0 of each picture, normed.
static vla_tensor *first_token(vla_step *g, const vla_vit *t, vla_tensor *tokens)
{
	vla_tensor *x = vla_slice(g, tokens, 1, 0, 1);
	x = x ? vla_reshape(g, x, 2, (size_t[]){ tokens->dim[0], tokens->dim[2] }) : NULL;
	return vla_nn_norm_forward(g, &t->post_norm, x);
}

vla_tensor *vla_vit_pool(vla_step *g, const vla_vit *t, vla_tensor *tokens, const vla_watch *watch)
{
	if (!tokens)
		return NULL;
	if (t->o.pool == VLA_POOL_FIRST)
		return first_token(g, t, tokens);
	vla_tensor *x = vla_nn_norm_forward(g, &t->post_norm, tokens);
	vla_watch_call(watch, "post_norm", -1, x);
	return t->o.pool == VLA_POOL_ATTENTION ? vla_nn_pooler_forward(g, &t->head, x, watch) : vla_mean_pool(g, x);
}

vla_tensor *vla_vit_patches(vla_step *g, const vla_vit *t, vla_tensor *tokens, size_t gh, size_t gw)
{
	size_t extra = t->o.class_token + t->o.registers;
	if (!tokens)
		return NULL;
	vla_tensor *x = extra ? vla_slice(g, tokens, 1, extra, gh * gw) : tokens;
	x = vla_nn_norm_forward(g, &t->post_norm, x);
	return vla_reshape(g, x, 4, (size_t[]){ tokens->dim[0], gh, gw, t->o.block.width });
}

vla_tensor *vla_vit_embed(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch)
{
	unsigned layers = t->layers.layers;
	// A watcher is shown whole layers.
	if (t->o.pool != VLA_POOL_FIRST || watch || layers == 0)
		return vla_vit_pool(g, t, vla_vit_forward(g, t, pixels, watch), watch);
	vla_tensor *x = forward(g, t, pixels, layers - 1, NULL);
	uint32_t *row = x ? vla_nn_scratch(g, x->dim[0], sizeof *row) : NULL;
	if (!row)
		return NULL;
	memset(row, 0, x->dim[0] * sizeof *row);
	return first_token(g, t, vla_nn_block_forward_row(g, &t->layers.block[layers - 1], x, row, false, NULL));
}

vla_tensor *vla_vit_dense(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch)
{
	unsigned layers = t->layers.layers;
	size_t gh = pixels ? pixels->dim[1] / t->o.patch : 0, gw = pixels ? pixels->dim[2] / t->o.patch : 0;
	if (!t->o.dense_head) {
		vla_tensor *x = forward(g, t, pixels, layers ? layers - 1 : 0, watch);
		if (layers)
			x = vla_nn_block_forward_values(g, &t->layers.block[layers - 1], x);
		return vla_vit_patches(g, t, x, gh, gw);
	}
	vla_tensor *x = vla_vit_patches(g, t, vla_vit_forward(g, t, pixels, watch), gh, gw);
	if (!x)
		return NULL;
	size_t n = x->dim[0], w = x->dim[3];
	x = vla_nn_pooler_dense(g, &t->dense_head, vla_reshape(g, x, 3, (size_t[]){ n, gh * gw, w }));
	return vla_reshape(g, x, 4, (size_t[]){ n, gh, gw, w });
}
