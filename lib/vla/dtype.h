/* Element types of vectors, tensors and files. */
#ifndef VLA_DTYPE_H
#define VLA_DTYPE_H

#include <vla/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are part of the file formats: only append. */
typedef enum vla_dtype {
	VLA_F32 = 0,
	VLA_F16 = 1,
	VLA_BF16 = 2,
	VLA_I8 = 3, /* with a scale beside it; each format says where */
	VLA_F64 = 4,
	VLA_U8 = 5,
	VLA_I16 = 6,
	VLA_U16 = 7,
	VLA_I32 = 8,
	VLA_U32 = 9,
	VLA_I64 = 10,
	VLA_U64 = 11,
	VLA_BOOL = 12,
	VLA_F8_E4M3 = 13,
	VLA_F8_E5M2 = 14
} vla_dtype;

/* Bytes of one element; 0 for an unknown value. */
VLA_API size_t vla_dtype_size(vla_dtype t);

/* "f32", "f16", ...; "?" for an unknown value. Static. */
VLA_API const char *vla_dtype_name(vla_dtype t);

/* Accepts what vla_dtype_name gives. VLA_OK or VLA_EINVAL. */
VLA_API vla_status vla_dtype_parse(const char *name, vla_dtype *out, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
