/* Strings to small numbers, in order of first appearance. */
#ifndef VLA_TRAIN_INTERN_H
#define VLA_TRAIN_INTERN_H

#include "base/base.h"

typedef struct vla_intern {
	char **text; /* [n] */
	size_t n, cap;
	uint32_t *slot; /* [slots] number + 1, 0 = free */
	size_t slots;
} vla_intern;

/* The number of s, given a new one when it is not there yet. */
vla_status vla_intern_add(vla_intern *t, const char *s, uint32_t *out, vla_err *err) VLA_MUST_USE;
/* UINT32_MAX when absent. */
uint32_t vla_intern_find(const vla_intern *t, const char *s);
void vla_intern_release(vla_intern *t);

#endif
