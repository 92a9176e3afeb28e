/* Fusion: one ranking of several, as of a dense and a sparse search for the same queries.
 *
 *	vla_fuser *f;
 *	vla_fuser_new(VLA_FUSE_RANKS, 2, NULL, &f, &err);
 *	if (vla_fuser_read(f, 0, "dense.tsv", &err) == VLA_OK && vla_fuser_read(f, 1, "sparse.tsv", &err) == VLA_OK)
 *		status = vla_fuser_finish(f, 10, print, NULL, &err);
 *	vla_fuser_free(f);
 */
#ifndef VLA_FUSE_H
#define VLA_FUSE_H

#include <vla/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vla_fuse_how {
	VLA_FUSE_RANKS, /* sum of weight / (60 + rank): reciprocal rank fusion; scales of scores do not matter */
	VLA_FUSE_SCORES /* sum of weight * score, where a list lacks an id its last score for the query counts */
} vla_fuse_how;

typedef struct vla_fuser vla_fuser;

/* For 1 to 64 lists; weights [lists], not negative, or NULL for 1 each. */
VLA_API vla_status vla_fuser_new(vla_fuse_how how, size_t lists, const double *weights, vla_fuser **out,
				 vla_err *err) VLA_MUST_USE;
VLA_API void vla_fuser_free(vla_fuser *f); /* NULL legal */
/* Reads results as vla-search prints them, "-" for standard input: query, rank, score, id, with tabs between; further
 * columns are passed over. VLA_EFORMAT names the line. */
VLA_API vla_status vla_fuser_read(vla_fuser *f, size_t list, const char *path, vla_err *err) VLA_MUST_USE;

/* Takes one result; strings are valid during the call. */
typedef vla_status vla_fused_fn(void *ctx, const char *query, size_t rank, double score, const char *id, vla_err *err);
/* The best k of each query, best first, equal scores in the order in which their ids were read; queries likewise. */
VLA_API vla_status vla_fuser_finish(vla_fuser *f, size_t k, vla_fused_fn *fn, void *ctx, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
