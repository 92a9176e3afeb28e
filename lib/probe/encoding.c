/* The protocol of encoding models: delays, banded ridge, correlation on unseen time, a noise ceiling from other
 * subjects, block permutation with control of false discoveries, variance partitioning. */
#include "probe/encoding.h"

#include <vla/convert.h>

#include <math.h>

enum { MAX_BANDS = 16, MAX_OTHERS = 8 };

struct task {
	vla_probe *p;
	vla_series band[MAX_BANDS], y, other[MAX_OTHERS];
	char *name[MAX_BANDS];
	char **roi; // [y.p] or NULL
	size_t bands, others, rois, split;
	double *delay, *penalty;
	size_t delays;
	vla_banded o;
	double *ceiling; // [y.p] or NULL
};

static vla_status read_series(const char *path, vla_series *out, vla_err *err)
{
	vla_source *in;
	vla_rec rec = VLA_REC_INIT;
	vla_buf b = { NULL, 0, 0 };
	vla_form form = VLA_FORM_NPY;
	vla_form_of(path, &form);
	vla_status s = vla_source_open(path, form, NULL, &in, err);
	if (s != VLA_OK)
		return s;
	out->p = vla_source_header(in)->dim;
	while ((s = vla_source_next(in, &rec, err)) == VLA_OK)
		for (size_t i = 0; i < out->p && s == VLA_OK; i++) {
			double x = rec.data[i];
			s = vla_buf_add(&b, &x, sizeof x, err);
		}
	out->x = (double *)(void *)b.data;
	out->n = out->p ? b.n / sizeof(double) / out->p : 0;
	vla_rec_release(&rec);
	vla_source_close(in);
	return s == VLA_EOF ? VLA_OK : s;
}

// Files with commas between.
static vla_status read_list(const char *list, vla_series *out, char **name, size_t most, size_t *n, vla_err *err)
{
	vla_status s = VLA_OK;
	for (const char *at = list; *at && s == VLA_OK;) {
		size_t len = strcspn(at, ",");
		if (*n == most)
			return vla_fail(err, VLA_EINVAL, "more than %zu files", most);
		char *path = vla_strndup(at, len);
		s = path ? read_series(path, &out[*n], err) : vla_nomem(err);
		if (name)
			name[*n] = path;
		else
			free(path);
		++*n;
		at += len + (at[len] == ',');
	}
	return s;
}

static vla_status read_rois(struct task *t, const char *path, vla_err *err)
{
	vla_table *table;
	VLA_TRY(vla_table_open(path, VLA_TABLE_AUTO, &table, err));
	vla_status s = VLA_OK;
	t->roi = vla_zalloc(t->y.p, sizeof *t->roi);
	if (!t->roi)
		s = vla_nomem(err);
	while (s == VLA_OK && (s = vla_table_next(table, err)) == VLA_OK && t->rois < t->y.p) {
		const char *name = vla_table_get(table, "roi");
		t->roi[t->rois] = vla_strdup(name ? name : "");
		if (!t->roi[t->rois++])
			s = vla_nomem(err);
	}
	vla_table_close(table);
	if (s == VLA_EOF)
		s = VLA_OK;
	if (s == VLA_OK && t->rois != t->y.p)
		s = vla_fail(err, VLA_EINVAL, "'%s' names %zu columns of %zu", path, t->rois, t->y.p);
	return s;
}

static vla_status prepare(struct task *t, vla_err *err)
{
	vla_probe *p = t->p;
	const char *responses = vla_get(p, "responses"), *rois = vla_get(p, "rois");
	if (!*responses || p->o->inputs == 0)
		return vla_fail(err, VLA_EINVAL, "task encoding needs files of features and the setting responses");
	VLA_TRY(read_series(responses, &t->y, err));
	for (size_t i = 0; i < p->o->inputs; i++)
		VLA_TRY(read_list(p->o->input[i], t->band, t->name, MAX_BANDS, &t->bands, err));
	VLA_TRY(read_list(vla_get(p, "others"), t->other, NULL, MAX_OTHERS, &t->others, err));
	VLA_TRY(vla_get_count(p, "train", 10, SIZE_MAX >> 12, &t->split, err));
	VLA_TRY(vla_get_count(p, "candidates", 1, 10000, &t->o.candidates, err));
	VLA_TRY(vla_get_count(p, "chunks", 2, 10000, &t->o.chunks, err));
	VLA_TRY(vla_get_list(p, "delays", &t->delay, &t->delays, err));
	VLA_TRY(vla_get_list(p, "penalties", &t->penalty, &t->o.penalties, err));
	t->o.penalty = t->penalty;
	t->o.seed = p->o->seed;
	for (size_t i = 0; i < t->delays; i++)
		if (t->delay[i] < 0 || t->delay[i] != floor(t->delay[i]))
			return vla_fail(err, VLA_EINVAL, "a delay is a whole number of rows");
	if (t->split + 3 > t->y.n)
		return vla_fail(err, VLA_EINVAL, "%zu training rows of %zu leave none to test", t->split, t->y.n);
	vla_series *all[] = { &t->y, t->band, t->other };
	size_t many[] = { 1, t->bands, t->others };
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < many[k]; i++) {
			if (all[k][i].n != t->y.n)
				return vla_fail(err, VLA_EINVAL, "a file has %zu rows, the responses %zu", all[k][i].n,
						t->y.n);
			vla_series_standardise(&all[k][i], 0, t->split);
			vla_series_standardise(&all[k][i], t->split, t->y.n);
		}
	for (size_t i = 0; i < t->bands; i++) {
		vla_series delayed;
		VLA_TRY(vla_series_delay(&t->band[i], t->delay, t->delays, t->split, &delayed, err));
		vla_series_release(&t->band[i]);
		t->band[i] = delayed;
	}
	return *rois ? read_rois(t, rois, err) : VLA_OK;
}

static vla_status correlate(struct task *t, const vla_series *x, size_t bands, double *guess, double *r, vla_err *err)
{
	vla_banded o = t->o;
	if (bands == 1)
		o.candidates = 1;
	VLA_TRY(vla_banded_predict(x, bands, &t->y, t->split, &o, guess, err));
	vla_column_correlation(&t->y, t->split, guess, r);
	return VLA_OK;
}

/* --- noise ceiling --- */

// For each column the limit of its prediction from more and more of the other subjects.
static vla_status find_ceiling(struct task *t, double *guess, vla_err *err)
{
	size_t q = t->y.p, sets = ((size_t)1 << t->others) - 1;
	double *r = vla_alloc(sets, q * sizeof *r), *size = vla_alloc(sets, sizeof *size),
	       *v = vla_alloc(sets, sizeof *v);
	t->ceiling = vla_alloc(q, sizeof *t->ceiling);
	vla_status s = r && size && v && t->ceiling ? VLA_OK : vla_nomem(err);
	for (size_t m = 0; m < sets && s == VLA_OK; m++) {
		vla_series taken[MAX_OTHERS];
		size_t n = 0;
		for (size_t k = 0; k < t->others; k++)
			if ((m + 1) >> k & 1)
				taken[n++] = t->other[k];
		vla_banded o = t->o;
		o.candidates = 1;
		size[m] = (double)n;
		s = vla_banded_predict(taken, n, &t->y, t->split, &o, guess, err);
		if (s == VLA_OK)
			vla_column_correlation(&t->y, t->split, guess, r + m * q);
	}
	for (size_t j = 0; j < q && s == VLA_OK; j++) {
		for (size_t m = 0; m < sets; m++)
			v[m] = r[m * q + j];
		t->ceiling[j] = vla_saturation_fit(sets, size, v, 100, t->p->o->seed);
	}
	free(r);
	free(size);
	free(v);
	return s;
}

/* --- rows --- */

static vla_status emit_mean(struct task *t, const char *group, const char *roi, const char *measure, const double *x,
			    vla_err *err)
{
	double *kept = vla_alloc(t->y.p, sizeof *kept);
	vla_estimate e;
	size_t n = 0;
	if (!kept)
		return vla_nomem(err);
	for (size_t j = 0; j < t->y.p; j++)
		if (!isnan(x[j]) && (!roi || strcmp(t->roi[j], roi) == 0))
			kept[n++] = x[j];
	vla_status s = vla_bootstrap_ratio(n, kept, NULL, t->p->draws, t->p->o->seed, &e, err);
	free(kept);
	return s == VLA_OK ? vla_emit(t->p, group, measure, e, (double)n, err) : s;
}

// For all columns, and for each region.
static vla_status emit_regions(struct task *t, const char *what, const double *x, vla_err *err)
{
	VLA_TRY(emit_mean(t, "all", NULL, what, x, err));
	for (size_t j = 0; t->roi && j < t->y.p; j++) {
		bool first = true;
		for (size_t k = 0; k < j && first; k++)
			first = strcmp(t->roi[k], t->roi[j]) != 0;
		if (first)
			VLA_TRY(emit_mean(t, t->roi[j], t->roi[j], what, x, err));
	}
	return VLA_OK;
}

static vla_status emit_tests(struct task *t, const double *guess, const double *r, vla_err *err)
{
	size_t q = t->y.p, block;
	double *p = vla_alloc(q, sizeof *p), *fdr = vla_alloc(q, sizeof *fdr), raw = 0, kept = 0;
	vla_status s = p && fdr ? vla_get_count(t->p, "block", 1, 100000, &block, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = vla_block_permutation(&t->y, t->split, guess, block, t->p->draws, t->p->o->seed, p, err);
	if (s == VLA_OK)
		s = vla_fdr(q, p, fdr, err);
	for (size_t j = 0; j < q && s == VLA_OK; j++) {
		char id[32];
		raw += p[j] <= 0.05;
		kept += fdr[j] <= 0.05;
		snprintf(id, sizeof id, "%zu", j);
		vla_item(t->p, id, t->roi ? t->roi[j] : "all", r[j]);
	}
	free(p);
	free(fdr);
	if (s == VLA_OK)
		s = vla_emit(t->p, "all", "share with p <= 0.05", vla_wilson(raw, (double)q), (double)q, err);
	return s == VLA_OK ? vla_emit(t->p, "all", "share with q <= 0.05", vla_wilson(kept, (double)q), (double)q, err)
			   : s;
}

static vla_status emit_normalised(struct task *t, const double *r, double *x, vla_err *err)
{
	for (size_t j = 0; j < t->y.p; j++)
		x[j] = t->ceiling[j] >= 0.05 ? r[j] / t->ceiling[j] : NAN;
	VLA_TRY(emit_regions(t, "ceiling", t->ceiling, err));
	return emit_regions(t, "normalised r", x, err);
}

static double explained(const struct task *t, const double *guess)
{
	double rest = 0, all = 0;
	for (size_t i = 0; i < (t->y.n - t->split) * t->y.p; i++) {
		double y = t->y.x[t->split * t->y.p + i], e = y - guess[i];
		rest += e * e;
		all += y * y;
	}
	return 1 - rest / all;
}

// Each band alone: which predicts a column best, and what pairs share.
static vla_status emit_bands(struct task *t, double *guess, double *r, vla_err *err)
{
	size_t q = t->y.p, *best = vla_zalloc(q, sizeof *best);
	double *most = vla_alloc(q, sizeof *most), r2[MAX_BANDS];
	vla_status s = best && most ? VLA_OK : vla_nomem(err);
	for (size_t b = 0; b < t->bands && s == VLA_OK; b++) {
		char what[160];
		s = correlate(t, &t->band[b], 1, guess, r, err);
		r2[b] = s == VLA_OK ? explained(t, guess) : 0;
		snprintf(what, sizeof what, "r of %.120s alone", t->name[b]);
		if (s == VLA_OK)
			s = emit_regions(t, what, r, err);
		for (size_t j = 0; j < q && s == VLA_OK; j++)
			if (b == 0 || r[j] > most[j]) {
				most[j] = r[j];
				best[j] = b;
			}
	}
	for (size_t b = 0; b < t->bands && s == VLA_OK; b++) {
		char what[160];
		for (size_t j = 0; j < q; j++)
			r[j] = best[j] == b;
		snprintf(what, sizeof what, "share best predicted by %.120s", t->name[b]);
		s = emit_regions(t, what, r, err);
	}
	for (size_t a = 0; a < t->bands && s == VLA_OK; a++)
		for (size_t b = a + 1; b < t->bands && s == VLA_OK; b++) {
			vla_series two[2] = { t->band[a], t->band[b] };
			char group[200];
			s = correlate(t, two, 2, guess, r, err);
			double both = s == VLA_OK ? explained(t, guess) : 0;
			snprintf(group, sizeof group, "%.90s, %.90s", t->name[a], t->name[b]);
			if (s == VLA_OK)
				s = vla_emit_value(t->p, group, "shared R2", r2[a] + r2[b] - both, (double)q, err);
			if (s == VLA_OK)
				s = vla_emit_value(t->p, group, "unique R2 of the first", both - r2[b], (double)q, err);
			if (s == VLA_OK)
				s = vla_emit_value(t->p, group, "unique R2 of the second", both - r2[a], (double)q,
						   err);
		}
	free(best);
	free(most);
	return s;
}

static vla_status measure(struct task *t, vla_err *err)
{
	size_t q = t->y.p;
	double *guess = vla_alloc(t->y.n - t->split, q * sizeof *guess), *r = vla_alloc(q, sizeof *r);
	double *x = vla_alloc(q, sizeof *x);
	vla_status s = guess && r && x ? VLA_OK : vla_nomem(err);
	if (s == VLA_OK && t->others)
		s = find_ceiling(t, guess, err);
	if (s == VLA_OK)
		s = correlate(t, t->band, t->bands, guess, r, err);
	if (s == VLA_OK)
		s = emit_regions(t, "r", r, err);
	if (s == VLA_OK)
		s = vla_emit_value(t->p, "all", "R2", explained(t, guess), (double)q, err);
	if (s == VLA_OK)
		s = emit_tests(t, guess, r, err);
	if (s == VLA_OK && t->ceiling)
		s = emit_normalised(t, r, x, err);
	if (s == VLA_OK && t->bands > 1)
		s = emit_bands(t, guess, r, err);
	free(guess);
	free(r);
	free(x);
	return s;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct task *t = vla_zalloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	t->p = p;
	vla_status s = prepare(t, err);
	if (s == VLA_OK)
		s = measure(t, err);
	for (size_t i = 0; i < MAX_BANDS; i++) {
		vla_series_release(&t->band[i]);
		free(t->name[i]);
	}
	for (size_t i = 0; i < MAX_OTHERS; i++)
		vla_series_release(&t->other[i]);
	vla_series_release(&t->y);
	vla_texts_free(t->roi, t->rois);
	free(t->delay);
	free(t->penalty);
	free(t->ceiling);
	free(t);
	return s;
}

static const vla_probe_key keys[] = {
	{ "responses", "", "array of responses, [time, columns]" },
	{ "train", "0", "rows to learn from, the first ones; the rest is predicted" },
	{ "delays", "1:5", "rows by which features come before responses" },
	{ "penalties", "0.1,1,10,100,1000", "penalties to choose from, for each column" },
	{ "candidates", "20", "weights of bands that are tried" },
	{ "chunks", "20", "contiguous pieces of the training rows, every fifth held out to choose by" },
	{ "others", "", "responses of other subjects, with commas: the noise ceiling" },
	{ "rois", "", "table with the column roi, a row for each column of the responses" },
	{ "block", "10", "rows of a block of the permutation test" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_encoding = { "encoding", "responses over time predicted from features by banded ridge",
					    run, keys };
