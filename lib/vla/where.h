/* Filters: which rows of an index a search may find.
 *
 *	vla_where *f;
 *	uint64_t *allow = calloc(vla_index_rows(x) / 64 + 1, sizeof *allow);
 *	vla_search_opts o = VLA_SEARCH_OPTS_INIT;
 *	vla_where_new(&f, &err);
 *	if (vla_where_add(f, "label=dog", &err) == VLA_OK && vla_where_add(f, "id=2024-*", &err) == VLA_OK &&
 *	    vla_where_rows(f, x, allow, &n, &err) == VLA_OK) {
 *		o.allow = allow;
 *		vla_index_search_with(x, &o, query, 1, hits, found, &err);
 *	}
 *	vla_where_free(f);
 *
 * A condition is FIELD OPERATOR VALUE. Fields: id, caption, label, time. Operators: = and !=, where *, ? and [...] in
 * the value stand for any text, any character and one of a set; <, <=, >, >=, which compare numbers when both sides are
 * numbers, else bytes. An absent caption or label is unequal to everything, and neither less nor more. The time of a
 * row is that of its id, "a.mp4#t=10,20", in seconds; a span is < T when it begins before T, > T when it ends after, =
 * T when it holds T; values may be written 1:05:00. Conditions are met all together.
 */
#ifndef VLA_WHERE_H
#define VLA_WHERE_H

#include <vla/index.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_where vla_where;

VLA_API vla_status vla_where_new(vla_where **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_where_free(vla_where *f); /* NULL legal */
/* One more condition. VLA_EINVAL when it names no field or has no operator, or when a time is none. */
VLA_API vla_status vla_where_add(vla_where *f, const char *condition, vla_err *err) VLA_MUST_USE;
/* allow [rows / 64 + 1]: the bit of each row that meets all conditions, and is not deleted, is set and all others are
 * cleared; *count of them. VLA_EINVAL when no row at all has a field that is asked for. */
VLA_API vla_status vla_where_rows(const vla_where *f, vla_index *x, uint64_t *allow, uint64_t *count,
				  vla_err *err) VLA_MUST_USE;

/* All rows that score at least floor, best first: *hits is malloc'd, [*n]. Of o, k does not count. For types of index
 * that are approximate the rows found are those that a search for as many finds. */
VLA_API vla_status vla_index_search_range(vla_index *x, const vla_search_opts *o, const float *query, float floor,
					  vla_hit **hits, size_t *n, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
