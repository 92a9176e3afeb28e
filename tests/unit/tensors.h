/* The named arrays of a small safetensors file, for comparisons with stored results. */
#ifndef VLA_TESTS_TENSORS_H
#define VLA_TESTS_TENSORS_H

#include <stddef.h>
#include <stdint.h>

typedef struct tensors {
	uint8_t *bytes;
	size_t n;
} tensors;

/* bytes NULL when the file cannot be read. */
tensors tensors_load(const char *path);
void tensors_free(tensors *t);
/* The data of the array, its sizes in shape[4] (1 where it has fewer), or NULL. */
const void *tensors_find(const tensors *t, const char *name, size_t shape[4]);

#endif
