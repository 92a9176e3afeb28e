/* Files of torch.save and of TorchScript (zip archives with a pickle and raw storages) as tensor records. */
#ifndef VLA_IO_TORCH_H
#define VLA_IO_TORCH_H

#include "base/base.h"

#include <vla/checkpoint.h>

/* Whether the first bytes are those of a file that torch wrote, of the zip or an older form. */
bool vla_torch_is(const void *bytes, size_t n);
/* bytes [n]: a whole file. *t [*count] is sorted by name and lies in *owner (caller: vla_arena_free) as do names and
 * those tensors that the file does not hold row by row; the data of the others points into bytes. VLA_OK, VLA_EFORMAT,
 * VLA_ETRUNC, VLA_ECORRUPT, VLA_EUNSUPPORTED, VLA_ENOMEM. */
vla_status vla_torch_parse(const void *bytes, size_t n, vla_arena **owner, vla_ct **t, size_t *count,
			   vla_err *err) VLA_MUST_USE;

#endif
