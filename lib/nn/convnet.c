/* Convolutional tower in the manner of MobileNetV2 (Sandler et al. 2018): a stem, inverted residuals, a last 1x1
 * convolution that widens. It takes pictures of any size, as nothing in it depends on the map's. */
#include "nn/towers.h"

const char *vla_part_name(char *buf, const char *tower, const char *part)
{
	snprintf(buf, VLA_PART_NAME, "%s.%s", tower, part);
	return buf;
}

void vla_convnet_init(vla_convnet *t, vla_maker *mk, const char *name, const vla_convnet_opts *o)
{
	char part[VLA_PART_NAME];
	*t = (vla_convnet){ .reduction = o->stem_stride };
	if (mk->err.code != VLA_OK)
		return;
	if (!(t->block = vla_zalloc(o->blocks, sizeof *t->block))) {
		vla_nomem(&mk->err);
		return;
	}
	t->blocks = o->blocks;
	vla_nn_conv_opts base = { .in = 3,
				  .out = o->stem_channels,
				  .kernel = o->stem_kernel,
				  .stride = o->stem_stride,
				  .padding = o->padding,
				  .act = o->act,
				  .eps = o->eps,
				  .momentum = o->momentum };
	vla_nn_conv_init(&t->stem, mk, vla_part_name(part, name, "stem"), &base);
	for (unsigned i = 0; i < o->blocks; i++) {
		snprintf(part, sizeof part, "%s.blocks.%u", name, i);
		vla_nn_residual_init(&t->block[i], mk, part, &o->block[i], &base);
		t->reduction *= o->block[i].stride;
	}
	base.in = o->blocks ? o->block[o->blocks - 1].out : o->stem_channels;
	base.out = o->hidden;
	base.kernel = base.stride = 1;
	vla_nn_conv_init(&t->final, mk, vla_part_name(part, name, "final"), &base);
}

void vla_convnet_release(vla_convnet *t)
{
	vla_nn_conv_release(&t->stem);
	for (unsigned i = 0; i < t->blocks; i++)
		vla_nn_residual_release(&t->block[i]);
	vla_nn_conv_release(&t->final);
	free(t->block);
	*t = (vla_convnet){ 0 };
}

vla_tensor *vla_convnet_forward(vla_step *g, vla_convnet *t, vla_tensor *pixels, const vla_watch *watch)
{
	vla_arena_mark mark = vla_scope_begin(g);
	vla_tensor *x = vla_nn_conv_forward(g, &t->stem, pixels);
	x = vla_scope_end(g, mark, x);
	vla_watch_call(watch, "stem", -1, x);
	for (unsigned i = 0; i < t->blocks && x; i++) {
		// The whole tower stays in one scope: each block's result takes the place of the one before.
		x = vla_scope_end(g, mark, vla_nn_residual_forward(g, &t->block[i], x));
		vla_watch_call(watch, "blocks", (int)i, x);
	}
	x = vla_scope_end(g, mark, vla_nn_conv_forward(g, &t->final, x));
	vla_watch_call(watch, "final", -1, x);
	return x;
}

uint32_t vla_convnet_grid(const vla_convnet *t, uint32_t size)
{
	uint32_t s = t->stem.o.stride;
	size = (size + s - 1) / s;
	for (unsigned i = 0; i < t->blocks; i++) {
		s = t->block[i].depthwise.o.stride;
		size = (size + s - 1) / s;
	}
	return size;
}
