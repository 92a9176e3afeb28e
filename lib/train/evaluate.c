/* Small measurements while a run is under way. */
#include "train/trainer.h"

bool vla_evaluate_due(const vla_trainer *t, uint64_t step, bool last)
{
	for (size_t i = 0; vla_recipe_section(t->r, "eval", i); i++) {
		uint64_t every = (uint64_t)vla_recipe_int(t->r, "eval", vla_recipe_section(t->r, "eval", i), "interval");
		if (last || step % every == 0)
			return true;
	}
	return false;
}

vla_status vla_evaluate(vla_trainer *t, const char *stage, uint64_t step, vla_err *err)
{
	(void)t;
	(void)stage;
	(void)step;
	(void)err;
	return VLA_OK;
}
