/* One test of allocation failures: the first allocation of a run fails, then the second, ... until the run gets
 * through. Each failure is to be a status of its own and to leave no block behind. */
#ifndef VLA_TESTS_FAULT_EACH_H
#define VLA_TESTS_FAULT_EACH_H

#include "fault.h"
#include "tap.h"

#include <vla/status.h>

#include <stdio.h>

typedef vla_status fault_run_fn(void *ctx, vla_err *err);

// output (may be NULL) is removed before each run; ready: whether what the run needs is there; a run that makes fewer
// than `least` allocations was not the one meant.
static inline void fault_each(fault_run_fn *run, void *ctx, const char *output, bool ready, long least)
{
	vla_err err = VLA_ERR_INIT;
	vla_status s = VLA_ENOMEM;
	long n = 0;
	while (FAULTS && ready && s != VLA_OK && n < 1000) {
		if (output)
			remove(output);
		long live = fault_live();
		fault_at(++n);
		s = run(ctx, &err);
		fault_at(0);
		ready = fault_live() == live && (s == VLA_OK || s == VLA_ENOMEM || s == VLA_EIO);
		if (!ready)
			note("%ld: %s, %ld blocks kept", n, vla_status_name(s), fault_live() - live);
	}
	if (FAULTS)
		ok(ready && s == VLA_OK && n > least, "each of %ld allocations may fail", n);
	else
		skip("allocation failures need the plain build");
}

#endif
