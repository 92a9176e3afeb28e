/* Packed weights of linear and convolution layers. */
#ifndef VLA_GRAD_PACKED_H
#define VLA_GRAD_PACKED_H

#include "grad/grad.h"

/* The packed form of weight w as [N, K] for a step without a tape, made at the first call; *out NULL with a tape or
 * when w is no parameter (w->data is then set). */
vla_status vla_weight_packed(vla_step *g, vla_tensor *w, size_t N, size_t K, const vla_packed **out,
			     vla_err *err) VLA_MUST_USE;

#endif
