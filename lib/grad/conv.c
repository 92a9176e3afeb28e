/* Shapes of convolutions: checks, the size of the result, and the form that the kernels take. */
#include "grad/conv.h"

vla_status vla_conv_check(const vla_node *nd, bool depthwise, vla_tensor *out, vla_err *err)
{
	const vla_tensor *x = nd->in[0], *w = nd->in[1], *b = nd->n_in > 2 ? nd->in[2] : NULL;
	const vla_conv_attr *a = nd->attr;
	unsigned wd = depthwise ? 3 : 4;
	if (x->ndim != 4 || w->ndim != wd || x->dim[3] != w->dim[wd - 1])
		return vla_op_refuse(nd, err, "needs [n, h, w, c] and %s",
				     depthwise ? "[kh, kw, c]" : "[out, kh, kw, c]");
	size_t channels = depthwise ? w->dim[2] : w->dim[0], kh = w->dim[wd - 3], kw = w->dim[wd - 2];
	if (b && (b->ndim != 1 || b->dim[0] != channels))
		return vla_op_refuse(nd, err, "the bias must be [%zu]", channels);
	if (a->stride == 0)
		return vla_op_refuse(nd, err, "the stride is 0");
	size_t height = x->dim[1] + a->pad_top + a->pad_bottom, width = x->dim[2] + a->pad_left + a->pad_right;
	if (kh == 0 || kw == 0 || height < kh || width < kw)
		return vla_op_refuse(nd, err, "a kernel of %zu x %zu on a padded picture of %zu x %zu", kh, kw, height,
				     width);
	*out = (vla_tensor){ .ndim = 4 };
	out->dim[0] = x->dim[0];
	out->dim[1] = (height - kh) / a->stride + 1;
	out->dim[2] = (width - kw) / a->stride + 1;
	out->dim[3] = channels;
	return VLA_OK;
}

vla_conv_shape vla_conv_shape_of(const vla_node *nd, bool depthwise)
{
	const vla_tensor *x = nd->in[0], *out = nd->out;
	const size_t *kernel = nd->in[1]->dim + (depthwise ? 0 : 1);
	const vla_conv_attr *a = nd->attr;
	return (vla_conv_shape){ .n = x->dim[0],
				 .h = x->dim[1],
				 .w = x->dim[2],
				 .c = x->dim[3],
				 .oh = out->dim[1],
				 .ow = out->dim[2],
				 .oc = out->dim[3],
				 .kh = kernel[0],
				 .kw = kernel[1],
				 .stride = a->stride,
				 .pad_top = a->pad_top,
				 .pad_left = a->pad_left };
}
