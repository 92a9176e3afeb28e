/* Building index files and changing them. A change is one state of the file, vlx(5): new chunks, a new HEAD, and the
 * bitmap of deleted rows, which covers all rows. */
#include "index/parts.h"
#include "index/tune.h"

#include <vla/inverted.h>

#include <math.h>

enum { FLAT, IVF, HNSW, TYPES };
static const char *const names[] = { "flat", "ivf", "hnsw" };

// Of a graph: links a row, and rows in view when they are chosen.
enum { DEGREE = 16, EFFORT = 200 };

// From this number of parts on an addition writes the file anew first.
enum { PARTS_KEPT = 200 };

static vla_status parse_type(const char *name, int *out, vla_err *err)
{
	for (int i = 0; i < TYPES; i++)
		if (strcmp(name, names[i]) == 0) {
			*out = i;
			return VLA_OK;
		}
	return vla_fail(err, VLA_EINVAL, "no index of type '%s': flat, ivf and hnsw are the types for dense vectors",
			name);
}

static vla_status make_plan(const vla_intake *in, int type, const vla_index_opts *o, vla_layout *plan, vla_err *err)
{
	if (type == FLAT && o->no_codes)
		return VLA_OK;
	if (type != IVF) {
		VLA_TRY(vla_layout_flat(in, plan, err));
		plan->degree = type == HNSW ? (o->degree ? o->degree : DEGREE) : 0;
		plan->effort = o->effort ? o->effort : EFFORT;
		plan->seed = o->seed;
	} else {
		VLA_TRY(vla_layout_train(in, o->cells, o->seed, o->pool, plan, err));
		VLA_TRY(vla_layout_sort(in, o->pool, plan, err));
	}
	return vla_layout_rotate(in, o->pool, plan, err);
}

static vla_status put_centroids(vla_chunk_writer *w, const vla_layout *p, size_t dim, vla_err *err)
{
	if (!p->centroids)
		return VLA_OK;
	VLA_TRY(vla_chunk_begin(w, VLA_CHUNK_WHOLE, "CENT", err));
	VLA_TRY(vla_chunk_add(w, p->centroids, p->cells * dim * sizeof *p->centroids, err));
	if (!p->rotation)
		return VLA_OK;
	double about[2] = { (double)p->head, p->error };
	VLA_TRY(vla_chunk_begin(w, VLA_CHUNK_WHOLE, "ROTA", err));
	VLA_TRY(vla_chunk_add(w, about, sizeof about, err));
	return vla_chunk_add(w, p->rotation, dim * dim * sizeof *p->rotation, err);
}

// A whole new file.
static vla_status write_file(const vla_intake *in, const vla_layout *plan, const vla_head *head, const char *path,
			     vla_pool *pool, vla_err *err)
{
	vla_chunk_writer *w = NULL;
	vla_status s = vla_chunk_writer_open(path, &w, err);
	if (s == VLA_OK)
		s = vla_part_write(w, 0, in, plan, pool, err);
	if (s == VLA_OK)
		s = put_centroids(w, plan, in->header.dim, err);
	if (s == VLA_OK)
		s = vla_head_write(w, head, err);
	if (s == VLA_OK)
		s = vla_chunk_writer_finish(w, err);
	vla_chunk_writer_close(w);
	return s;
}

// What HEAD says of the type beside what it says of every index.
struct settings {
	char name[5][8], text[5][16];
	char *key[5], *value[5];
	size_t n;
};

static void set(struct settings *s, const char *key, const char *format, double value)
{
	snprintf(s->name[s->n], sizeof s->name[0], "%s", key);
	snprintf(s->text[s->n], sizeof s->text[0], format, value);
	s->key[s->n] = s->name[s->n];
	s->value[s->n] = s->text[s->n];
	s->n++;
}

static void describe(struct settings *s, int type, const vla_index_opts *o, const vla_index_report *r)
{
	s->n = 0;
	if (type == FLAT)
		return;
	set(s, type == IVF ? "probes" : "breadth", "%.0f", type == IVF ? r->probes : r->breadth);
	if (r->measured) {
		set(s, "recall", "%.4f", r->recall);
		set(s, "queries", "%.0f", r->measured);
	}
	if (type == HNSW) {
		set(s, "degree", "%.0f", o->degree ? o->degree : DEGREE);
		set(s, "effort", "%.0f", o->effort ? o->effort : EFFORT);
	}
}

// Measures, and writes what was found into HEAD as a further state.
static vla_status tune(const char *path, int type, const vla_index_opts *o, vla_index_report *report, vla_err *err)
{
	vla_index *x = NULL;
	vla_chunk_writer *w = NULL;
	vla_status s = vla_index_open(path, o->pool, &x, err);
	if (s == VLA_OK && x->store.live)
		s = (type == IVF ? vla_tune_probes : vla_tune_breadth)(x, o, report, err);
	if (s == VLA_OK && report->measured) {
		const vla_store *st = &x->store;
		struct settings more;
		describe(&more, type, o, report);
		vla_head h = {
			st->type, st->header, st->header.dtype, st->rows, more.key, more.value, more.n, 0, NULL
		};
		s = vla_chunk_writer_append(path, &w, err);
		if (s == VLA_OK) {
			vla_chunk_drop(w, VLA_CHUNK_WHOLE, "HEAD");
			s = vla_head_write(w, &h, err);
		}
		if (s == VLA_OK)
			s = vla_chunk_writer_finish(w, err);
	}
	vla_chunk_writer_close(w);
	vla_index_close(x);
	return s;
}

static vla_status build(vla_intake *in, int type, const char *path, const vla_index_opts *o, vla_index_report *report,
			vla_err *err)
{
	vla_layout plan = { .cells = 0 };
	vla_index_report mine;
	VLA_TRY(vla_intake_finish(in, err));
	vla_status s = make_plan(in, type, o, &plan, err);
	bool given = type == IVF ? o->probes : o->breadth;
	struct settings more;
	report = report ? report : &mine;
	*report = (vla_index_report){ .rows = in->rows, .changed = in->rows, .cells = (uint32_t)plan.cells };
	report->probes = o->probes ? o->probes : (uint32_t)(1 + plan.cells / 16);
	report->breadth = o->breadth ? o->breadth : 64;
	report->recall = NAN;
	describe(&more, type, o, report);
	vla_head head = {
		names[type], in->header, in->dtype, in->rows, more.key, more.value, more.n, o->argc, o->argv
	};
	if (s == VLA_OK)
		s = write_file(in, &plan, &head, path, o->pool, err);
	vla_layout_release(&plan);
	if (s == VLA_OK && type != FLAT && !given)
		s = tune(path, type, o, report, err);
	return s;
}

static vla_status check_opts(const vla_index_opts *o, size_t n, int *type, vla_err *err)
{
	vla_reader *r = NULL;
	if (!n || o->dtype > (int)VLA_I8)
		return vla_fail(err, VLA_EINVAL, n ? "an index stores f32, f16, bf16 or i8" : "nothing to index");
	VLA_TRY(parse_type(o->type, type, err));
	// Rather now than after the index was built.
	vla_status s = o->queries ? vla_reader_open(o->queries, &r, err) : VLA_OK;
	vla_reader_close(r);
	return s == VLA_OK ? s : vla_prefix(err, s, "queries '%s'", o->queries);
}

vla_status vla_index_build(const char *const *streams, size_t n, const char *path, const vla_index_opts *o,
			   vla_index_report *report, vla_err *err)
{
	int type = FLAT;
	if (strcmp(o->type, "inverted") == 0)
		return vla_inverted_build(streams, n, path, o, report, err);
	VLA_TRY(check_opts(o, n, &type, err));
	vla_intake in;
	vla_status s = vla_intake_init(&in, path, NULL, o->dtype, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = vla_intake_stream(&in, streams[i], err);
	if (s == VLA_OK)
		s = build(&in, type, path, o, report, err);
	vla_intake_release(&in);
	return s;
}

static vla_status take_index(vla_intake *in, const char *path, vla_err *err)
{
	vla_store st;
	vla_status s = vla_store_open(path, &st, err);
	if (s != VLA_OK)
		return vla_prefix(err, s, "'%s'", path);
	s = vla_intake_store(in, &st, path, err);
	vla_store_release(&st);
	return s;
}

vla_status vla_index_merge(const char *const *indexes, size_t n, const char *path, const vla_index_opts *o,
			   vla_index_report *report, vla_err *err)
{
	int type = FLAT;
	VLA_TRY(check_opts(o, n, &type, err));
	vla_intake in;
	vla_status s = vla_intake_init(&in, path, NULL, o->dtype, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = take_index(&in, indexes[i], err);
	if (s == VLA_OK)
		s = build(&in, type, path, o, report, err);
	vla_intake_release(&in);
	return s;
}

/* --- changes --- */

// A file that is being changed: locked, and as it is now.
struct change {
	const char *path;
	vla_chunk_writer *w;
	vla_store store;
	uint64_t *dead; // [words of `rows`] as it will be
	uint64_t rows, deleted, added;
};

static vla_status open_change(struct change *c, const char *path, vla_err *err)
{
	*c = (struct change){ .path = path, .store.header = VLA_HEADER_INIT };
	VLA_TRY(vla_chunk_writer_append(path, &c->w, err)); // before the file is read: nobody changes it now
	vla_status s = vla_store_open(path, &c->store, err);
	if (s != VLA_OK)
		return vla_prefix(err, s, "'%s'", path);
	if (c->store.header.kind != VLA_DENSE)
		return vla_fail(err, VLA_EUNSUPPORTED, "'%s' is of type %s, which is built anew instead of changed",
				path, c->store.type);
	c->rows = c->store.rows;
	return VLA_OK;
}

static void close_change(struct change *c)
{
	vla_chunk_writer_close(c->w);
	vla_store_release(&c->store);
	free(c->dead);
}

// The bitmap of deleted rows for `rows` rows, of which the first are as they were.
static vla_status copy_dead(struct change *c, uint64_t rows, vla_err *err)
{
	size_t words = (size_t)((rows + 63) / 64), old = (size_t)((c->store.rows + 63) / 64);
	c->dead = vla_zalloc(words, sizeof *c->dead);
	if (!c->dead)
		return vla_nomem(err);
	if (c->store.dead)
		memcpy(c->dead, c->store.dead, old * sizeof *c->dead);
	c->rows = rows;
	return VLA_OK;
}

static void mark(struct change *c, uint64_t row)
{
	c->deleted += !(c->dead[row / 64] >> row % 64 & 1);
	c->dead[row / 64] |= (uint64_t)1 << row % 64;
}

// HEAD, the bitmap, and the new state.
static vla_status commit(struct change *c, const vla_header *header, const vla_index_opts *o, vla_index_report *report,
			 vla_err *err)
{
	const vla_store *st = &c->store;
	vla_head h = {
		st->type, *header, st->header.dtype, c->rows, st->key, st->value, st->nparams, o->argc, o->argv
	};
	vla_chunk_drop(c->w, VLA_CHUNK_WHOLE, "HEAD");
	vla_chunk_drop(c->w, VLA_CHUNK_WHOLE, "DEAD");
	VLA_TRY(vla_head_write(c->w, &h, err));
	if (st->dead || c->deleted) {
		VLA_TRY(vla_chunk_begin(c->w, VLA_CHUNK_WHOLE, "DEAD", err));
		VLA_TRY(vla_chunk_add(c->w, c->dead, (size_t)((c->rows + 63) / 64) * sizeof *c->dead, err));
	}
	VLA_TRY(vla_chunk_writer_finish(c->w, err));
	if (report)
		*report = (vla_index_report){ st->live + c->added - c->deleted,
					      c->added ? c->added : c->deleted,
					      (uint32_t)st->cells,
					      0,
					      0,
					      NAN,
					      0 };
	return VLA_OK;
}

// Ids that come in and are there already: refused, or their old rows are deleted.
static vla_status meet_old_ids(struct change *c, const vla_intake *in, bool replace, vla_err *err)
{
	vla_id_set *ids;
	vla_status s = VLA_OK;
	VLA_TRY(vla_id_set_new((size_t)in->rows, &ids, err));
	for (uint64_t i = 0, n; i < in->rows; i++) {
		n = i;
		(void)vla_id_set_add(ids, vla_column_at(&in->id, i), &n);
	}
	for (uint64_t i = 0, n; i < c->store.rows && s == VLA_OK; i++) {
		if (vla_store_dead(&c->store, i) || !vla_id_set_find(ids, vla_store_id(&c->store, i), &n))
			continue;
		if (replace)
			mark(c, i);
		else
			s = vla_fail(err, VLA_EINVAL, "id '%s' is in the index already", vla_store_id(&c->store, i));
	}
	vla_id_set_free(ids);
	return s;
}

// The plan of an existing index for rows that join it.
static vla_status join_plan(const vla_store *st, const vla_intake *in, vla_pool *pool, vla_layout *plan, vla_err *err)
{
	size_t dim = st->header.dim;
	*plan = (vla_layout){
		.cells = st->cells, .codes = st->cells > 0, .head = st->head, .error = st->rotation_error
	};
	if (!st->cells)
		return VLA_OK;
	if (strcmp(st->type, "hnsw") == 0) {
		const char *degree = vla_store_param(st, "degree"), *effort = vla_store_param(st, "effort");
		plan->degree = degree ? (uint32_t)strtoul(degree, NULL, 10) : DEGREE;
		plan->effort = effort ? (uint32_t)strtoul(effort, NULL, 10) : EFFORT;
	}
	plan->centroids = vla_alloc(st->cells, dim * sizeof *plan->centroids);
	plan->rotation = st->rotation ? vla_alloc(dim, dim * sizeof *plan->rotation) : NULL;
	if (!plan->centroids || (st->rotation && !plan->rotation))
		return vla_nomem(err);
	memcpy(plan->centroids, st->centroids, st->cells * dim * sizeof *plan->centroids);
	if (st->rotation)
		memcpy(plan->rotation, st->rotation, dim * dim * sizeof *plan->rotation);
	return strcmp(st->type, "ivf") == 0 ? vla_layout_sort(in, pool, plan, err) : VLA_OK;
}

static vla_status add(struct change *c, vla_intake *in, bool replace, const vla_index_opts *o, vla_index_report *report,
		      vla_err *err)
{
	vla_layout plan = { .cells = 0 };
	VLA_TRY(vla_intake_finish(in, err));
	if (!in->rows) {
		if (report)
			*report = (vla_index_report){ c->store.live, 0, 0, 0, 0, NAN, 0 };
		return VLA_OK;
	}
	VLA_TRY(copy_dead(c, c->store.rows + in->rows, err));
	VLA_TRY(meet_old_ids(c, in, replace, err));
	c->added = in->rows;
	vla_status s = join_plan(&c->store, in, o->pool, &plan, err);
	if (s == VLA_OK)
		s = vla_part_write(c->w, (unsigned)c->store.nparts, in, &plan, o->pool, err);
	if (s == VLA_OK)
		s = commit(c, &in->header, o, report, err);
	vla_layout_release(&plan);
	return s;
}

vla_status vla_index_add(const char *path, const char *const *streams, size_t n, bool replace, const vla_index_opts *o,
			 vla_index_report *report, vla_err *err)
{
	struct change c;
	vla_intake in = { .header = VLA_HEADER_INIT };
	vla_status s = open_change(&c, path, err);
	if (s == VLA_OK && c.store.nparts >= PARTS_KEPT) {
		close_change(&c);
		VLA_TRY(vla_index_compact(path, o, NULL, err));
		s = open_change(&c, path, err);
	}
	if (s == VLA_OK)
		s = vla_intake_init(&in, path, &c.store.header, -1, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = vla_intake_stream(&in, streams[i], err);
	if (s == VLA_OK)
		s = add(&c, &in, replace, o, report, err);
	vla_intake_release(&in);
	close_change(&c);
	return s;
}

static vla_status delete_ids(struct change *c, const char *const *ids, size_t n, vla_missing_fn *missing, void *ctx,
			     vla_err *err)
{
	vla_id_set *set;
	bool *seen = vla_zalloc(n, sizeof *seen);
	vla_status s = seen ? vla_id_set_new(n, &set, err) : vla_nomem(err);
	if (s != VLA_OK) {
		free(seen);
		return s;
	}
	for (uint64_t i = 0, k; i < n; i++) {
		k = i;
		if (!vla_id_set_add(set, ids[i], &k))
			seen[i] = true; // named twice
	}
	for (uint64_t row = 0, k; row < c->store.rows; row++)
		if (!vla_store_dead(&c->store, row) && vla_id_set_find(set, vla_store_id(&c->store, row), &k)) {
			seen[k] = true;
			mark(c, row);
		}
	for (size_t i = 0; i < n && missing; i++)
		if (!seen[i])
			missing(ctx, ids[i]);
	vla_id_set_free(set);
	free(seen);
	return VLA_OK;
}

vla_status vla_index_delete(const char *path, const char *const *ids, size_t n, vla_missing_fn *missing, void *ctx,
			    const vla_index_opts *o, vla_index_report *report, vla_err *err)
{
	struct change c;
	vla_status s = open_change(&c, path, err);
	if (s == VLA_OK)
		s = copy_dead(&c, c.store.rows, err);
	if (s == VLA_OK)
		s = delete_ids(&c, ids, n, missing, ctx, err);
	if (s == VLA_OK && c.deleted)
		s = commit(&c, &c.store.header, o, report, err);
	else if (s == VLA_OK && report)
		*report = (vla_index_report){ c.store.live, 0, 0, 0, 0, NAN, 0 };
	close_change(&c);
	return s;
}

vla_status vla_index_compact(const char *path, const vla_index_opts *o, vla_index_report *report, vla_err *err)
{
	struct change c;
	vla_intake in = { .header = VLA_HEADER_INIT };
	vla_layout plan = { .cells = 0 };
	vla_status s = open_change(&c, path, err); // other writers wait while the file is written anew
	if (s == VLA_OK)
		s = vla_intake_init(&in, path, NULL, -1, err);
	if (s == VLA_OK)
		s = vla_intake_store(&in, &c.store, path, err);
	if (s == VLA_OK)
		s = vla_intake_finish(&in, err);
	if (s == VLA_OK)
		s = join_plan(&c.store, &in, o->pool, &plan, err);
	if (s == VLA_OK) {
		const vla_store *st = &c.store;
		vla_head h = { st->type,  st->header,  in.dtype, in.rows, st->key,
			       st->value, st->nparams, o->argc,  o->argv };
		s = write_file(&in, &plan, &h, path, o->pool, err);
	}
	if (s == VLA_OK && report)
		*report = (vla_index_report){ in.rows, c.store.rows - in.rows, (uint32_t)c.store.cells, 0, 0, NAN, 0 };
	vla_layout_release(&plan);
	vla_intake_release(&in);
	close_change(&c);
	return s;
}

vla_status vla_index_check(const char *path, vla_err *err)
{
	vla_store s;
	VLA_TRY(vla_store_open(path, &s, err));
	vla_status st = s.chunks ? vla_chunks_check(s.chunks, err) : vla_fail(err, VLA_EFORMAT, "not an index file");
	vla_store_release(&s);
	return st;
}
