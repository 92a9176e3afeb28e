/* Vision transformer (Dosovitskiy et al. 2021): patches by a strided convolution, optional class token, learnt
 * positions, optional norm before the layers (CLIP), pre-norm layers, a last norm. */
#include "nn/towers.h"

#include <math.h>

void vla_vit_init(vla_vit *t, vla_maker *mk, const char *name, const vla_vit_opts *o)
{
	char part[VLA_PART_NAME];
	size_t w = o->block.width, p = o->patch;
	float std = (float)(1 / sqrt((double)w));
	*t = (vla_vit){ .o = *o, .grid = o->image_size / o->patch };
	size_t tokens = (size_t)t->grid * t->grid + o->class_token;
	vla_part_name(part, name, "patch");
	t->patch = vla_make(mk, VLA_FILL_NORMAL, (float)(1 / sqrt(3.0 * (double)(p * p))), part, "weight", 4,
			    (size_t[]){ w, p, p, 3 });
	if (o->patch_bias)
		t->patch_bias = vla_make(mk, VLA_FILL_ZERO, 0, part, "bias", 1, &w);
	if (o->class_token)
		t->class_token = vla_make(mk, VLA_FILL_NORMAL, std, name, "class_token", 1, &w);
	t->position = vla_make(mk, VLA_FILL_NORMAL, std, name, "position", 2, (size_t[]){ tokens, w });
	if (t->position)
		t->position->no_decay = true;
	if (o->pre_norm)
		vla_nn_norm_init(&t->pre_norm, mk, vla_part_name(part, name, "pre_norm"), w, o->block.eps);
	vla_nn_transformer_init(&t->layers, mk, vla_part_name(part, name, "layers"), &o->block);
	vla_nn_norm_init(&t->post_norm, mk, vla_part_name(part, name, "post_norm"), w, o->block.eps);
}

void vla_vit_release(vla_vit *t)
{
	vla_nn_transformer_release(&t->layers);
}

// [n, s, s, 3] -> [n, tokens, width] with positions added.
static vla_tensor *embed(vla_step *g, vla_vit *t, vla_tensor *pixels)
{
	size_t n = pixels->dim[0], w = t->o.block.width, patches = (size_t)t->grid * t->grid;
	vla_conv_attr a = { .stride = t->o.patch };
	vla_tensor *x =
		vla_conv2d(g, pixels, vla_use(g, t->patch), t->patch_bias ? vla_use(g, t->patch_bias) : NULL, a);
	x = vla_reshape(g, x, 3, (size_t[]){ n, patches, w });
	if (t->class_token) {
		// The token repeated for every picture: zeros [n, 1, w] plus its vector.
		vla_tensor *zero = vla_tensor_new(g, 3, (size_t[]){ n, 1, w });
		if (!zero)
			return NULL;
		memset(zero->data, 0, zero->n * sizeof *zero->data);
		vla_tensor *parts[2] = { vla_add(g, zero, vla_use(g, t->class_token)), x };
		x = vla_concat(g, parts, 2, 1);
	}
	return vla_add(g, vla_last_use(x), vla_use(g, t->position));
}

vla_tensor *vla_vit_forward(vla_step *g, vla_vit *t, vla_tensor *pixels, const vla_watch *watch)
{
	uint32_t s = t->o.image_size;
	if (!pixels)
		return NULL;
	if (pixels->ndim != 4 || pixels->dim[1] != s || pixels->dim[2] != s || pixels->dim[3] != 3)
		return vla_nn_fail(g, VLA_EINVAL, "this image tower takes pictures of %ux%u, not %zux%zu", s, s,
				   pixels->dim[2], pixels->dim[1]);
	vla_arena_mark mark = vla_scope_begin(g);
	vla_tensor *x = embed(g, t, pixels);
	vla_watch_call(watch, "embeddings", -1, x);
	if (t->o.pre_norm) {
		x = vla_nn_norm_forward(g, &t->pre_norm, x);
		vla_watch_call(watch, "pre_norm", -1, x);
	}
	x = vla_scope_end(g, mark, x);
	return vla_nn_transformer_forward(g, &t->layers, x, false, NULL, watch);
}

vla_tensor *vla_vit_pool(vla_step *g, const vla_vit *t, vla_tensor *tokens)
{
	if (!tokens)
		return NULL;
	if (t->o.pool == VLA_POOL_FIRST) {
		// Only the pooled row goes through the norm.
		vla_tensor *x = vla_slice(g, tokens, 1, 0, 1);
		x = vla_reshape(g, x, 2, (size_t[]){ tokens->dim[0], tokens->dim[2] });
		return vla_nn_norm_forward(g, &t->post_norm, x);
	}
	return vla_mean_pool(g, vla_nn_norm_forward(g, &t->post_norm, tokens));
}

vla_tensor *vla_vit_patches(vla_step *g, const vla_vit *t, vla_tensor *tokens)
{
	if (!tokens)
		return NULL;
	size_t n = tokens->dim[0], patches = (size_t)t->grid * t->grid;
	vla_tensor *x = tokens;
	if (t->o.class_token)
		x = vla_slice(g, x, 1, 1, patches);
	x = vla_nn_norm_forward(g, &t->post_norm, x);
	return vla_reshape(g, x, 4, (size_t[]){ n, t->grid, t->grid, t->o.block.width });
}
