/* How much a search must look at. */
#ifndef VLA_INDEX_TUNE_H
#define VLA_INDEX_TUNE_H

#include "index/flat.h"

/* The least number of cells that gives o->recall of the true ten best on half of a sample of queries, and more when the
 * other half says so; report gets it, the recall on that other half, and how many queries that were. Queries are those
 * of o->queries or rows of the index. */
vla_status vla_tune_probes(vla_index *x, const vla_index_opts *o, vla_index_report *report, vla_err *err) VLA_MUST_USE;

/* The same for the rows that a walk through graphs keeps in view. */
vla_status vla_tune_breadth(vla_index *x, const vla_index_opts *o, vla_index_report *report, vla_err *err) VLA_MUST_USE;

#endif
