/* Search: rank the vectors of a stream or an index for query vectors.
 *
 *	vla_index *x;
 *	vla_index_open("photos.vlx", pool, &x, &err);      // or a dense .vle stream
 *	vla_hit hits[10];
 *	size_t n[1];
 *	vla_index_search(x, query, 1, 10, hits, n, &err);
 *	puts(vla_index_id(x, hits[0].row));
 *	vla_index_close(x);
 */
#ifndef VLA_INDEX_H
#define VLA_INDEX_H

#include <vla/pool.h>
#include <vla/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_index vla_index;

typedef struct vla_hit {
	uint64_t row;
	float score; /* inner product; the cosine for unit vectors */
	float p;     /* p-value under the query's null distribution; NaN when not calibrated */
} vla_hit;

/* An index file or a dense stream (a file is mapped, "-" is read). pool may be NULL and must outlive x. */
VLA_API vla_status vla_index_open(const char *path, vla_pool *pool, vla_index **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_index_close(vla_index *x);
VLA_API const vla_header *vla_index_header(const vla_index *x);
/* Whether x is an index file; false for a stream. */
VLA_API bool vla_index_is_file(const vla_index *x);
VLA_API uint64_t vla_index_rows(const vla_index *x);
VLA_API const char *vla_index_id(const vla_index *x, uint64_t row);
VLA_API const char *vla_index_caption(const vla_index *x, uint64_t row);     /* NULL when absent */
VLA_API const char *vla_index_label(const vla_index *x, uint64_t row);       /* NULL when absent */
VLA_API void vla_index_vector(const vla_index *x, uint64_t row, float *out); /* [dim] */

/* queries [nq, dim]; hits [nq, k]; found [nq]. Best first; equal scores in row order. Exact for flat. */
VLA_API vla_status vla_index_search(vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits,
				    size_t *found, vla_err *err) VLA_MUST_USE;

/* Fills hits[].p: the chance that any row of a collection without a match scores as high. The null distribution of each
 * query is its own scores against a fixed sample of rows, whose upper tail is fitted between the 80 % and 97 %
 * quantiles; a few true matches do not move it, a collection that matches the query as a whole is not recognised.
 * VLA_EUNSUPPORTED with fewer than 100 rows. */
VLA_API vla_status vla_index_calibrate(vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits,
				       const size_t *found, vla_err *err) VLA_MUST_USE;

/* Pairs of rows with a score of at least threshold, first < second, to the callback in row order. */
typedef vla_status vla_pair_fn(void *ctx, uint64_t first, uint64_t second, float score, vla_err *err);
VLA_API vla_status vla_index_duplicates(vla_index *x, float threshold, vla_pair_fn *fn, void *ctx,
					vla_err *err) VLA_MUST_USE;

/* Builds a flat index file from dense streams of one model; whole or not at all. dtype: a vla_dtype up to VLA_I8, or -1
 * for that of the first stream. argv is recorded. */
VLA_API vla_status vla_index_build_flat(const char *const *streams, size_t n, int dtype, const char *path, int argc,
					char *const *argv, vla_err *err) VLA_MUST_USE;
/* Checks every checksum and count. */
VLA_API vla_status vla_index_check(const char *path, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
