/* Packs a weight once for all steps without a tape. */
#include "grad/packed.h"

vla_status vla_weight_packed(vla_step *g, vla_tensor *w, size_t N, size_t K, const vla_packed **out, vla_err *err)
{
	vla_param *p = w->param;
	*out = NULL;
	if (!p || g->tape) {
		if (!w->data && p) {
			VLA_TRY(vla_param_load(p, err));
			w->data = p->value;
		}
		return VLA_OK;
	}
	if (!p->packed) {
		const void *from = p->value ? p->value : p->raw;
		vla_dtype dtype = p->value ? VLA_F32 : p->raw_dtype;
		if (!from || (dtype != VLA_F32 && dtype != VLA_F16 && dtype != VLA_BF16)) {
			VLA_TRY(vla_param_load(p, err));
			from = p->value;
			dtype = VLA_F32;
		}
		VLA_TRY(vla_packed_new(g->compute, N, K, from, dtype, &p->packed, err));
	}
	*out = p->packed;
	return VLA_OK;
}
