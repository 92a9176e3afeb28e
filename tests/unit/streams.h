/* Small generated streams for tests. */
#ifndef VLA_TESTS_STREAMS_H
#define VLA_TESTS_STREAMS_H

#include <vla/stream.h>

/* A record with every field that the kind can hold, and numbers that follow from (i, kind). */
typedef struct sample {
	vla_rec rec;
	char id[64], caption[64], label[64];
	float data[64], box[4];
	uint32_t index[64];
	double time[2];
} sample;

void sample_make(sample *s, vla_kind kind, uint32_t dim, unsigned i);
/* Writes n samples to path; h->kind and h->dim decide. */
vla_status sample_write(const char *path, const vla_header *h, unsigned n, vla_err *err);
/* Whether got equals sample i within tol (relative to the largest number of a row). */
bool sample_equal(const vla_rec *got, vla_kind kind, uint32_t dim, unsigned i, float tol);

#endif
