/* Masks as run lengths in the compressed form of the COCO data set: columns from left to right, each from top to
 * bottom, runs of zeros and ones in turn beginning with zeros, written as printable characters. */
#ifndef VLA_IO_RLE_H
#define VLA_IO_RLE_H

#include "base/base.h"

/* The mask of the pixels with label[y * w + x] == value, appended to b without a NUL. */
vla_status vla_rle_encode(const uint8_t *label, uint32_t w, uint32_t h, uint8_t value, vla_buf *b,
			  vla_err *err) VLA_MUST_USE;
/* Sets out[y * w + x] to 0 or 1. VLA_OK, VLA_EFORMAT when the runs do not fill w x h. */
vla_status vla_rle_decode(const char *counts, size_t n, uint32_t w, uint32_t h, uint8_t *out,
			  vla_err *err) VLA_MUST_USE;

#endif
