/* Shared by the convolution operators. */
#ifndef VLA_GRAD_CONV_H
#define VLA_GRAD_CONV_H

#include "grad/op.h"

/* Shape function: x [n, h, w, c] with weights [out, kh, kw, c] or, depthwise, [kh, kw, c], and a bias [out] or none,
 * under nd's vla_conv_attr. */
vla_status vla_conv_check(const vla_node *nd, bool depthwise, vla_tensor *out, vla_err *err) VLA_MUST_USE;
/* What the kernels want to know of such a node. */
vla_conv_shape vla_conv_shape_of(const vla_node *nd, bool depthwise);

#endif
