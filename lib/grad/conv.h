/* Shared by the convolution operators. */
#ifndef VLA_GRAD_CONV_H
#define VLA_GRAD_CONV_H

#include "grad/op.h"

/* Sets out's n, h and w from x [n, h, w, c], the kernel's size and nd's vla_conv_attr. */
static inline vla_status vla_conv_extent(const vla_node *nd, const vla_tensor *x, size_t kh, size_t kw, vla_tensor *out,
					 vla_err *err)
{
	const vla_conv_attr *a = nd->attr;
	size_t h = x->dim[1] + a->pad_top + a->pad_bottom, w = x->dim[2] + a->pad_left + a->pad_right;
	if (a->stride == 0 || kh == 0 || kw == 0 || h < kh || w < kw)
		return vla_op_refuse(nd, err, "a padded picture of %zu x %zu is smaller than the kernel", h, w);
	out->ndim = 4;
	out->dim[0] = x->dim[0];
	out->dim[1] = (h - kh) / a->stride + 1;
	out->dim[2] = (w - kw) / a->stride + 1;
	return VLA_OK;
}

#endif
