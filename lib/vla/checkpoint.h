/* Checkpoints: named tensors in safetensors files or files of torch.save (zip form, TorchScript archives included; read
 * without running anything), one or several shards, read through mmap.
 *
 *	vla_checkpoint *c;
 *	vla_checkpoint_open("model-dir", &c, &err);
 *	const vla_ct *t = vla_checkpoint_get(c, "classifier.weight");
 *	vla_checkpoint_close(c);
 */
#ifndef VLA_CHECKPOINT_H
#define VLA_CHECKPOINT_H

#include <vla/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VLA_MAX_DIMS 6

typedef struct vla_checkpoint vla_checkpoint;

/* One stored tensor. data points into the mapping (little-endian, maybe unaligned) and is valid until
 * the checkpoint is closed. */
typedef struct vla_ct {
	const char *name;
	vla_dtype dtype;
	unsigned ndim;
	size_t dim[VLA_MAX_DIMS];
	size_t n;     /* elements */
	size_t bytes; /* n * element size */
	const void *data;
} vla_ct;

/* path: a file of tensors, an index .json, or a directory holding model.safetensors, model.safetensors.index.json,
 * open_clip_model.safetensors, pytorch_model.bin, pytorch_model.bin.index.json, open_clip_pytorch_model.bin (the first
 * of them) or one file of tensors only. VLA_OK, VLA_EIO, VLA_EFORMAT, VLA_ETRUNC, VLA_ECORRUPT, VLA_EUNSUPPORTED,
 * VLA_ENOMEM. */
VLA_API vla_status vla_checkpoint_open(const char *path, vla_checkpoint **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_checkpoint_close(vla_checkpoint *c);

VLA_API size_t vla_checkpoint_count(const vla_checkpoint *c);
/* Sorted by name; NULL when i is out of range. */
VLA_API const vla_ct *vla_checkpoint_at(const vla_checkpoint *c, size_t i);
VLA_API const vla_ct *vla_checkpoint_get(const vla_checkpoint *c, const char *name);
/* Value of a __metadata__ key, or NULL. */
VLA_API const char *vla_checkpoint_meta(const vla_checkpoint *c, const char *key);

/* Converts all elements to f32: out is [t->n]. VLA_OK or VLA_EUNSUPPORTED. */
VLA_API vla_status vla_ct_to_f32(const vla_ct *t, float *out, vla_err *err) VLA_MUST_USE;

/* Writes n tensors to one safetensors file, whole or not at all. src[i].data must hold bytes in
 * src[i].dtype. meta: pairs key, value, ..., NULL; may be NULL. */
VLA_API vla_status vla_checkpoint_write(const char *path, const vla_ct *src, size_t n, const char *const *meta,
					vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
