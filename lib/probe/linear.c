/* What frozen vectors hold: linear classifiers (ridge, logistic) and nearest neighbours, over folds or on a test set.
 * The penalty is chosen inside the training rows alone. */
#include "probe/fit.h"
#include "probe/probe.h"

#include <math.h>

struct task {
	vla_probe *p;
	vla_labelled d;
	double *x;      // [n, dim]
	size_t *guess;  // [n]
	unsigned *fold; // [n]
	unsigned folds;
	double *penalty;
	size_t penalties;
	bool ridge;
	size_t k;
};

struct set {
	double *x, *y; // [n, dim]; [n, classes] for ridge
	size_t *label, n;
	unsigned *fold;
};

static void set_release(struct set *t)
{
	free(t->x);
	free(t->y);
	free(t->label);
	free(t->fold);
}

// Rows that are not in fold f (all training rows when f is past the folds).
static vla_status take(const struct task *t, unsigned f, struct set *out, vla_err *err)
{
	const vla_labelled *d = &t->d;
	size_t limit = f < t->folds ? d->n : d->train;
	*out = (struct set){ .x = vla_alloc(limit, d->dim * sizeof *out->x),
			     .y = vla_zalloc(limit, d->classes * sizeof *out->y),
			     .label = vla_alloc(limit, sizeof *out->label),
			     .fold = vla_alloc(limit, sizeof *out->fold) };
	if (!out->x || !out->y || !out->label || !out->fold)
		return vla_nomem(err);
	for (size_t i = 0; i < limit; i++) {
		if (f < t->folds && t->fold[i] == f)
			continue;
		memcpy(out->x + out->n * d->dim, t->x + i * d->dim, d->dim * sizeof *out->x);
		out->y[out->n * d->classes + d->label[i]] = 1;
		out->label[out->n++] = d->label[i];
	}
	return vla_folds(out->n, 3, out->label, NULL, t->p->o->seed, out->fold, err);
}

static vla_status predict(const struct task *t, const vla_linear *m, size_t i, double *logit)
{
	size_t best = 0;
	vla_linear_predict(m, 1, t->x + i * t->d.dim, logit);
	for (size_t k = 1; k < m->q; k++)
		if (logit[k] > logit[best])
			best = k;
	t->guess[i] = best;
	return VLA_OK;
}

static vla_status fit_linear(struct task *t, unsigned f, vla_err *err)
{
	struct set s;
	vla_linear m = { 0 };
	double *logit = vla_alloc(t->d.classes, sizeof *logit);
	vla_status st = take(t, f, &s, err);
	if (st == VLA_OK && !logit)
		st = vla_nomem(err);
	if (st == VLA_OK)
		st = t->ridge ? vla_ridge_fit(s.n, t->d.dim, t->d.classes, s.x, s.y, t->penalties, t->penalty, s.fold,
					      3, &m, err)
			      : vla_logistic_fit(s.n, t->d.dim, t->d.classes, s.x, s.label, t->penalties, t->penalty,
						 s.fold, 3, &m, err);
	for (size_t i = 0; i < t->d.n && st == VLA_OK; i++)
		if (f < t->folds ? t->fold[i] == f : i >= t->d.train)
			st = predict(t, &m, i, logit);
	vla_linear_release(&m);
	set_release(&s);
	free(logit);
	return st;
}

static vla_status fit_knn(struct task *t, unsigned f, vla_err *err)
{
	struct set s;
	vla_status st = take(t, f, &s, err);
	for (size_t i = 0; i < t->d.n && st == VLA_OK; i++)
		if (f < t->folds ? t->fold[i] == f : i >= t->d.train)
			st = vla_knn(s.n, 1, t->d.dim, t->d.classes, s.x, s.label, t->x + i * t->d.dim, t->k, false,
				     &t->guess[i], err);
	set_release(&s);
	return st;
}

static vla_status emit_accuracy(struct task *t, vla_err *err)
{
	const vla_labelled *d = &t->d;
	size_t from = t->folds ? 0 : d->train;
	double *hits = vla_zalloc(d->classes, sizeof *hits), *n = vla_zalloc(d->classes, sizeof *n);
	double all = 0, sum = 0, seen = 0, most = 0;
	vla_status s = hits && n ? VLA_OK : vla_nomem(err);
	for (size_t i = from; i < d->n && s == VLA_OK; i++) {
		bool hit = t->guess[i] == d->label[i];
		hits[d->label[i]] += hit;
		n[d->label[i]]++;
		all += hit;
		vla_item(t->p, d->path[i], d->name[d->label[i]], hit);
	}
	double cases = (double)(d->n - from);
	for (size_t c = 0; c < d->classes && s == VLA_OK; c++)
		if (n[c] > 0) {
			sum += hits[c] / n[c];
			most = fmax(most, n[c] / cases);
			seen++;
		}
	if (s == VLA_OK)
		s = vla_emit(t->p, "all", "accuracy", vla_wilson(all, cases), cases, err);
	if (s == VLA_OK)
		s = vla_emit_value(t->p, "all", "mean over classes", sum / seen, cases, err);
	if (s == VLA_OK)
		s = vla_emit_value(t->p, "all", "largest class", most, cases, err);
	for (size_t c = 0; c < d->classes && s == VLA_OK; c++)
		if (n[c] > 0)
			s = vla_emit(t->p, d->name[c], "accuracy", vla_wilson(hits[c], n[c]), n[c], err);
	free(hits);
	free(n);
	return s;
}

// Folds over all rows, or none when there is a test set.
static vla_status prepare(struct task *t, vla_err *err)
{
	VLA_TRY(vla_labelled_open(t->p, &t->d, err));
	size_t n = t->d.n, dim = t->d.dim, folds;
	t->x = vla_alloc(n, dim * sizeof *t->x);
	t->guess = vla_zalloc(n, sizeof *t->guess);
	t->fold = vla_alloc(n, sizeof *t->fold);
	if (!t->x || !t->guess || !t->fold)
		return vla_nomem(err);
	for (size_t i = 0; i < n * dim; i++)
		t->x[i] = t->d.v[i];
	VLA_TRY(vla_get_count(t->p, "folds", 2, 1000, &folds, err));
	t->folds = t->d.train < n ? 0 : (unsigned)folds;
	return t->folds ? vla_folds(n, t->folds, t->d.label, NULL, t->p->o->seed, t->fold, err) : VLA_OK;
}

static vla_status run_task(struct task *t, vla_status (*fit)(struct task *, unsigned, vla_err *), vla_err *err)
{
	vla_status s = prepare(t, err);
	if (s == VLA_OK && t->folds == 0)
		s = fit(t, 0, err);
	for (unsigned f = 0; f < t->folds && s == VLA_OK; f++)
		s = fit(t, f, err);
	if (s == VLA_OK)
		s = emit_accuracy(t, err);
	vla_labelled_close(&t->d);
	free(t->x);
	free(t->guess);
	free(t->fold);
	free(t->penalty);
	return s;
}

static vla_status run_linear(vla_probe *p, vla_err *err)
{
	struct task t = { .p = p };
	const char *kind = vla_get(p, "fit");
	t.ridge = strcmp(kind, "ridge") == 0;
	if (!t.ridge && strcmp(kind, "logistic") != 0)
		return vla_fail(err, VLA_EINVAL, "setting fit is ridge or logistic, not '%.60s'", kind);
	VLA_TRY(vla_get_list(p, "penalties", &t.penalty, &t.penalties, err));
	for (size_t i = 0; i < t.penalties; i++)
		if (!(t.penalty[i] > 0)) {
			free(t.penalty);
			return vla_fail(err, VLA_EINVAL, "a penalty is above 0");
		}
	return run_task(&t, fit_linear, err);
}

static vla_status run_knn(vla_probe *p, vla_err *err)
{
	struct task t = { .p = p };
	VLA_TRY(vla_get_count(p, "k", 1, 100000, &t.k, err));
	return run_task(&t, fit_knn, err);
}

static const vla_probe_key linear_keys[] = {
	{ "fit", "logistic", "logistic or ridge" },
	{ "penalties", "0.001,0.01,0.1,1,10", "penalties to choose from" },
	{ "folds", "5", "folds of the cross-validation" },
	{ "train", "", "condition of the rows to learn from, instead of folds" },
	{ "test", "", "condition of the rows to measure" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_linear = { "linear", "accuracy of a linear classifier on frozen vectors", run_linear,
					  linear_keys };

static const vla_probe_key knn_keys[] = {
	{ "k", "5", "neighbours" },
	{ "folds", "5", "folds of the cross-validation" },
	{ "train", "", "condition of the rows to learn from, instead of folds" },
	{ "test", "", "condition of the rows to measure" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_knn = { "knn", "accuracy of nearest neighbours in frozen vectors", run_knn, knn_keys };
