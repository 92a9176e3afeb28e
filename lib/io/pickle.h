/* The pickles of torch.save and TorchScript as lists of tensors. Nothing is run: an opcode or a global that is not one
 * of those that rebuild tensors ends the reading, by name. */
#ifndef VLA_IO_PICKLE_H
#define VLA_IO_PICKLE_H

#include "base/base.h"

#include <vla/checkpoint.h>

#define VLA_PICKLE_MAX ((size_t)16 << 20) /* bytes of one pickle; real ones have about 100 a tensor */

/* A tensor as the pickle describes it: a strided view of a storage, which lies in the archive under its key. Products
 * and ends are not checked here. */
typedef struct vla_pickle_tensor {
	const char *name, *key;
	vla_dtype dtype;
	uint64_t storage; /* elements that the storage is said to have */
	uint64_t offset;  /* elements */
	unsigned ndim;
	uint64_t dim[VLA_MAX_DIMS], stride[VLA_MAX_DIMS];
} vla_pickle_tensor;

/* p [n] is a whole pickle. Names are the keys and attributes on the way to a tensor, joined by dots; what lies under
 * the key "state_dict" stands for the whole where there is one. Values that are no tensors are left out. *out [*count]
 * and its strings lie in the arena, in no order. VLA_OK, VLA_EFORMAT, VLA_ETRUNC, VLA_EUNSUPPORTED, VLA_ENOMEM. */
vla_status vla_pickle_tensors(const void *p, size_t n, vla_arena *arena, vla_pickle_tensor **out, size_t *count,
			      vla_err *err) VLA_MUST_USE;

#endif
