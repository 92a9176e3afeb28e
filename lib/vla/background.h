/* Confidence of text queries: how a hit compares with what texts about anything find in the same collection.
 *
 *	float *v = malloc(VLA_BACKGROUND_TEXTS * dim * sizeof *v);
 *	vla_background *b;
 *	if (vla_background_embed(model, VLA_BACKGROUND_TEXTS, v, &err) == VLA_OK &&
 *	    vla_background_new(x, v, VLA_BACKGROUND_TEXTS, &b, &err) == VLA_OK) {
 *		vla_index_search(x, query, 1, 10, hits, n, &err);
 *		vla_background_calibrate(b, query, 1, 10, hits, n, &err);    // fills hits[].p
 *		vla_background_free(b);
 *	}
 *
 * Two nulls, and p is the larger of both p-values. The best score that a text finds, over the background texts; and
 * that best score less what the bulk of the text's own scores lets expect of it (mean, spread and three quantiles over
 * a sample of rows, regressed on the background texts). The first refuses texts about something that the collection
 * does not have; the second a text that all of the collection fits half-way, whose best row does not stand out.
 */
#ifndef VLA_BACKGROUND_H
#define VLA_BACKGROUND_H

#include <vla/index.h>
#include <vla/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_background vla_background;

/* As many as p-values to a thousandth need. */
enum { VLA_BACKGROUND_TEXTS = 1000 };

/* Background text number i, made of a word list: "a striped kettle on a table". Returns its length; it is cut to cap -
 * 1 bytes. */
VLA_API size_t vla_background_text(uint64_t i, char *out, size_t cap);
/* The first n of them as vectors, out [n, dim of the model]. As vla_model_embed_texts. */
VLA_API vla_status vla_background_embed(vla_model *m, size_t n, float *out, vla_err *err) VLA_MUST_USE;

/* texts [n, dim]: vectors of any texts, n >= 100. x must outlive the result. Searches x for each of them.
 * VLA_EINVAL with fewer texts, VLA_EUNSUPPORTED with fewer than 100 rows, VLA_ENOMEM. Free with vla_background_free. */
VLA_API vla_status vla_background_new(vla_index *x, const float *texts, size_t n, vla_background **out,
				      vla_err *err) VLA_MUST_USE;
VLA_API void vla_background_free(vla_background *b); /* NULL legal */
/* Fills hits[].p, hits [nq, k], found [nq]: the chance that a text without a match finds a row that scores as high. */
VLA_API vla_status vla_background_calibrate(vla_background *b, const float *queries, size_t nq, size_t k, vla_hit *hits,
					    const size_t *found, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
