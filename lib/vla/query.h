/* Queries made of texts and pictures, alone or as weighted sums.
 *
 *	vla_queries *q;
 *	vla_queries_new(&q, &err);
 *	vla_queries_add_text(q, "a dog", &err);      // a query of its own
 *	vla_queries_add_term(q, "+beach", &err);     // these two make one query
 *	vla_queries_add_term(q, "-0.5:people", &err);
 *	if (vla_queries_embed(q, model, &err) == VLA_OK)
 *		vla_index_search(x, vla_queries_vectors(q), vla_queries_count(q), 10, hits, found, &err);
 *	vla_queries_free(q);
 *
 * A query is the sum of its terms' unit vectors times their weights, brought to unit length.
 */
#ifndef VLA_QUERY_H
#define VLA_QUERY_H

#include <vla/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_queries vla_queries;

VLA_API vla_status vla_queries_new(vla_queries **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_queries_free(vla_queries *q); /* NULL legal */
/* Back to no query. */
VLA_API void vla_queries_clear(vla_queries *q);

/* A query of its own; strings are copied. VLA_OK or VLA_ENOMEM. */
VLA_API vla_status vla_queries_add_text(vla_queries *q, const char *text, vla_err *err) VLA_MUST_USE;
VLA_API vla_status vla_queries_add_image(vla_queries *q, const char *path, vla_err *err) VLA_MUST_USE;

/* A term of the one combined query: "+TEXT", "-TEXT", or with a positive weight "+0.5:TEXT". VLA_EINVAL when the
 * operand does not begin with a sign or holds no text. */
VLA_API vla_status vla_queries_add_term(vla_queries *q, const char *operand, vla_err *err) VLA_MUST_USE;
/* A picture as a term of the combined query. */
VLA_API vla_status vla_queries_add_image_term(vla_queries *q, const char *path, float weight,
					      vla_err *err) VLA_MUST_USE;

/* Computes all vectors. VLA_EINVAL when the terms of the combined query cancel out; else as reading pictures and
 * embedding give. */
VLA_API vla_status vla_queries_embed(vla_queries *q, vla_model *m, vla_err *err) VLA_MUST_USE;

VLA_API size_t vla_queries_count(const vla_queries *q);
/* The text, the path, or the terms of the combined query with spaces between; NULL when out of range. */
VLA_API const char *vla_queries_name(const vla_queries *q, size_t i);
/* Whether a picture is the query or one of its terms. */
VLA_API bool vla_queries_has_image(const vla_queries *q, size_t i);
/* [count, dim of the model]; valid after vla_queries_embed until the next change. */
VLA_API const float *vla_queries_vectors(const vla_queries *q);

#ifdef __cplusplus
}
#endif
#endif
