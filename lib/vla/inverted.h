/* Inverted lists: exact search over sparse vectors of any vocabulary (words, codewords, visual words).
 *
 *	vla_inverted *v;
 *	vla_sparse q = { index, weight, n };                     // index strictly increasing
 *	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
 *	vla_hit hits[10];
 *	size_t found;
 *	vla_inverted_open("words.vlx", pool, &v, &err);          // or a sparse .vle stream
 *	if (vla_inverted_search(v, &o, &q, 1, hits, &found, &err) == VLA_OK && found)
 *		puts(vla_index_id(vla_inverted_index(v), hits[0].row));
 *	vla_inverted_close(v);
 *
 * The score is the inner product, summed in f32 in the order of the vocabulary. Rows that share no word with a query
 *are not found, however many results are asked for.
 */
#ifndef VLA_INVERTED_H
#define VLA_INVERTED_H

#include <vla/index.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_inverted vla_inverted;

typedef struct vla_sparse {
	const uint32_t *index; /* [n], strictly increasing, below dim */
	const float *weight;   /* [n], finite */
	size_t n;
} vla_sparse;

/* Builds an index file of type "inverted" from sparse streams of one model ("-": standard input), whole or not at all.
 * Of o argc and argv count. VLA_EINVAL also when an id comes twice or a stream is not sparse. report may be NULL. */
VLA_API vla_status vla_inverted_build(const char *const *streams, size_t n, const char *path, const vla_index_opts *o,
				      vla_index_report *report, vla_err *err) VLA_MUST_USE;

/* An index file of type "inverted", or a sparse stream, whose lists are made in memory. pool may be NULL and must
 * outlive v. VLA_EUNSUPPORTED when it holds records of another kind. */
VLA_API vla_status vla_inverted_open(const char *path, vla_pool *pool, vla_inverted **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_inverted_close(vla_inverted *v); /* NULL legal */
/* Header, ids, captions, labels and filters; owned by v. It cannot be searched for dense vectors. */
VLA_API vla_index *vla_inverted_index(vla_inverted *v);

/* hits [nq, o->k]; found [nq]. Best first; equal scores in row order. Of o k and allow count. VLA_EINVAL when a query
 * is not as it should be, VLA_ECORRUPT when a list that it touches is damaged. */
VLA_API vla_status vla_inverted_search(vla_inverted *v, const vla_search_opts *o, const vla_sparse *queries, size_t nq,
				       vla_hit *hits, size_t *found, vla_err *err) VLA_MUST_USE;

/* A word that a row shares with a query, and what it adds to the score. */
typedef struct vla_match {
	uint32_t index;
	float score;
} vla_match;

/* All of them, the largest first: out [q->n], *n. */
VLA_API vla_status vla_inverted_explain(vla_inverted *v, const vla_sparse *q, uint64_t row, vla_match *out, size_t *n,
					vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
