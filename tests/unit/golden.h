/* Results stored beside a model by the code it comes from, and comparisons with them.
 *
 *	golden g;
 *	if (!golden_open(&g, "golden/clip-a", "expected.safetensors")) // said SKIP
 *		return;
 *	golden_compare(&g, pooled, "vision.pooled", 4 * 40);
 *	golden_close(&g);
 *
 * The rule of the comparisons is that of the stored results: the largest difference over the largest expected value.
 */
#ifndef VLA_TESTS_GOLDEN_H
#define VLA_TESTS_GOLDEN_H

#include <vla/checkpoint.h>
#include <vla/model.h>

#include <jansson.h>

typedef struct golden {
	const char *dir;      /* under ../shared, as given to golden_open */
	vla_checkpoint *want; /* its tensors */
	json_t *info;         /* expected.json, or NULL */
	double tolerance;     /* golden_open sets 1e-4 */
	bool absolute;        /* the tolerance is of the difference itself; false at first */
} golden;

/* False after one SKIP line when the folder or the file is not there. dir must outlive g. */
bool golden_open(golden *g, const char *dir, const char *file);
void golden_close(golden *g);
/* Path of a file in the folder, or NULL; the buffer of shared(). */
const char *golden_path(const golden *g, const char *file);
/* A tensor of g->want, or NULL after a failing line. */
const vla_ct *golden_get(const golden *g, const char *name);

/* One test line: got[n] against the whole tensor `name`, of n elements. */
bool golden_compare(const golden *g, const float *got, const char *name, size_t n);
/* Against its n elements from `begin` on; the largest expected value is still that of the whole tensor. */
bool golden_compare_from(const golden *g, const float *got, const char *name, size_t begin, size_t n);

/* One test line: the picture against u8 [h, w, channels] or [h, w], to the last bit. */
bool golden_image(const golden *g, const vla_image *im, const char *name);

/* The number of pictures (of texts) in expected.json. */
size_t golden_pictures(const golden *g);
size_t golden_texts(const golden *g);
const char *golden_text(const golden *g, size_t i);

/* The stored pixels `name` [n, 3, h, w] as [n, h, w, 3] into out[cap]; false after a failing line. */
bool golden_pixels(const golden *g, const char *name, float *out, size_t cap);
/* Decodes and preprocesses the pictures and compares each with the stored pixels `name`: PNG to 2e-5 absolute, JPEG to
 * one level of a decoder, which is 1 / 255 / std (the smallest of the three). A line a picture. */
void golden_preprocess(const golden *g, const vla_model *m, const char *name, double std);

/* The stored ids (i64, [texts, length]), those of text i at ids[offset[i]] .. ids[offset[i + 1]] - 1; without their
 * padding where `mask` names a tensor of the same shape, all of them where it is NULL. ids[cap], offset[texts + 1];
 * false after a failing line. */
bool golden_ids(const golden *g, const char *name, const char *mask, uint32_t *ids, size_t cap, size_t *offset);

#endif
