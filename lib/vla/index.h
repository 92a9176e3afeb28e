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

/* Rows without those deleted; vla_index_rows counts them all, and rows keep their numbers. */
VLA_API uint64_t vla_index_live(const vla_index *x);
VLA_API bool vla_index_deleted(const vla_index *x, uint64_t row);
/* "flat", "ivf", ...; "stream" when x is no index file. */
VLA_API const char *vla_index_type(const vla_index *x);

/* The i-th setting of an index file ("probes" and the like); false past the last. */
VLA_API bool vla_index_param(const vla_index *x, size_t i, const char **key, const char **value);

/* How to search; the zeros of VLA_SEARCH_OPTS_INIT stand for what the index was built or tuned for. */
typedef struct vla_search_opts {
	size_t k;              /* results a query */
	const uint64_t *allow; /* a bit a row, 64 a word: those whose bit is 0 are passed over; NULL: none is */
	bool exact;            /* look at every row, whatever the type of the index */
	uint32_t probes;       /* ivf: cells that are looked into */
	uint32_t breadth;      /* hnsw: rows kept in view while the graph is walked */
} vla_search_opts;

#define VLA_SEARCH_OPTS_INIT \
	{ \
		10, NULL, false, 0, 0 \
	}

/* queries [nq, dim]; hits [nq, k]; found [nq]. Best first; equal scores in row order. Deleted rows are never found. A
 * thousand queries at once are faster than one after the other. */
VLA_API vla_status vla_index_search_with(vla_index *x, const vla_search_opts *o, const float *queries, size_t nq,
					 vla_hit *hits, size_t *found, vla_err *err) VLA_MUST_USE;

/* The same with the options that the index was built for. Exact for flat. */
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

/* What an index is built as; begin with VLA_INDEX_OPTS_INIT. */
typedef struct vla_index_opts {
	const char *type;    /* "flat", "ivf" or "hnsw"; "inverted" for sparse streams */
	int dtype;           /* how vectors are stored, a vla_dtype up to VLA_I8; -1: as in the first stream */
	bool no_codes;       /* flat: without the eight-bit codes of the first pass */
	uint32_t cells;      /* ivf: 0 for about twice the root of the rows */
	uint32_t probes;     /* ivf: cells that a search looks into; 0: found out by tuning */
	uint32_t degree;     /* hnsw: links a row; 0 for 16 */
	uint32_t effort;     /* hnsw: rows in view when links are chosen; 0 for 200 */
	uint32_t breadth;    /* hnsw: rows in view of a search; 0: found out by tuning */
	double recall;       /* the recall@10 that tuning aims at */
	const char *queries; /* a stream of sample queries for tuning; NULL: rows of the index */
	uint64_t seed;
	vla_pool *pool; /* may be NULL */
	int argc;       /* recorded when not 0 */
	char *const *argv;
} vla_index_opts;

#define VLA_INDEX_OPTS_INIT \
	{ \
		"flat", -1, false, 0, 0, 0, 0, 0, 0.95, NULL, 0, NULL, 0, NULL \
	}

/* What was chosen and measured. */
typedef struct vla_index_report {
	uint64_t rows, changed; /* live rows afterwards; rows added or deleted */
	uint32_t cells, probes, breadth;
	double recall;     /* recall@10 measured on held-out queries; NaN when nothing was tuned */
	uint32_t measured; /* on this many queries */
} vla_index_report;

/* Builds an index file from dense streams of one model ("-": standard input), whole or not at all. VLA_EINVAL also when
 * an id comes twice. report may be NULL here and below. */
VLA_API vla_status vla_index_build(const char *const *streams, size_t n, const char *path, const vla_index_opts *o,
				   vla_index_report *report, vla_err *err) VLA_MUST_USE;
/* One index of several, without their deleted rows. */
VLA_API vla_status vla_index_merge(const char *const *indexes, size_t n, const char *path, const vla_index_opts *o,
				   vla_index_report *report, vla_err *err) VLA_MUST_USE;

/* These three change a file so that it holds its old state or the new one at any moment, whatever happens; readers that
 * have it open go on with the old one, a second writer waits. Of o only pool, argc and argv count. */
/* Adds the records of streams as one more part. An id that the index has is refused, or with replace its row deleted.
 */
VLA_API vla_status vla_index_add(const char *path, const char *const *streams, size_t n, bool replace,
				 const vla_index_opts *o, vla_index_report *report, vla_err *err) VLA_MUST_USE;
/* Ids that the index does not have go to missing (may be NULL) and are passed over. */
typedef void vla_missing_fn(void *ctx, const char *id);
VLA_API vla_status vla_index_delete(const char *path, const char *const *ids, size_t n, vla_missing_fn *missing,
				    void *ctx, const vla_index_opts *o, vla_index_report *report,
				    vla_err *err) VLA_MUST_USE;
/* Writes the file anew, as one part and without deleted rows. */
VLA_API vla_status vla_index_compact(const char *path, const vla_index_opts *o, vla_index_report *report,
				     vla_err *err) VLA_MUST_USE;

/* Checks every checksum and count. */
VLA_API vla_status vla_index_check(const char *path, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
