/* The linear baseline of retrieval: ridge regression from the words of a caption to the vector of its picture, learned
 * on some rows and measured on others. What a model should beat before anything is said of it. */
#include "probe/fit.h"
#include "probe/ngram.h"
#include "probe/probe.h"

#include "kern/linalg.h"
#include "train/intern.h"

#include <math.h>

struct words {
	vla_probe *p;
	vla_pairs train, test;
	vla_intern vocabulary;
	uint32_t *times;  // [vocabulary.n] captions with the word
	uint32_t *column; // [vocabulary.n], UINT32_MAX: too rare
	size_t kept, dims, least;
	double *mean, *axis; // [dim]; [dims, dim]
};

// Reads the rows of a condition; texts have no vectors yet.
static vla_status read_rows(vla_probe *p, const char *where, vla_pairs *d, vla_err *err)
{
	if (!*where)
		return vla_fail(err, VLA_EINVAL, "task words needs the conditions train and test");
	return vla_pairs_pictures(p, where, d, err);
}

static vla_status count_words(struct words *w, vla_err *err)
{
	size_t cap = 0;
	for (size_t i = 0; i < w->train.texts; i++) {
		const char *at = w->train.text[i];
		char one[64];
		while (vla_word_lower(&at, one, sizeof one)) {
			uint32_t id;
			VLA_TRY(vla_intern_add(&w->vocabulary, one, &id, err));
			if (id >= cap) {
				size_t more = cap ? 2 * cap : 1024;
				uint32_t *p = vla_realloc(w->times, more, sizeof *p);
				if (!p)
					return vla_nomem(err);
				memset(p + cap, 0, (more - cap) * sizeof *p);
				w->times = p;
				cap = more;
			}
			w->times[id]++;
		}
	}
	w->column = vla_alloc(w->vocabulary.n, sizeof *w->column);
	if (!w->column)
		return vla_nomem(err);
	for (size_t i = 0; i < w->vocabulary.n; i++)
		w->column[i] = w->times[i] >= w->least ? (uint32_t)w->kept++ : UINT32_MAX;
	return w->kept ? VLA_OK : vla_fail(err, VLA_EINVAL, "no word is frequent enough");
}

// The direction of a caption's words: x [kept], unit length.
static void bag(const struct words *w, const char *text, double *x)
{
	char one[64];
	double norm = 0;
	memset(x, 0, w->kept * sizeof *x);
	while (vla_word_lower(&text, one, sizeof one)) {
		uint32_t id = vla_intern_find(&w->vocabulary, one);
		if (id != UINT32_MAX && w->column[id] != UINT32_MAX)
			x[w->column[id]] = 1;
	}
	for (size_t i = 0; i < w->kept; i++)
		norm += x[i];
	for (size_t i = 0; i < w->kept && norm > 0; i++)
		x[i] /= sqrt(norm);
}

// The main axes of the training pictures.
static vla_status find_axes(struct words *w, vla_err *err)
{
	const vla_pairs *d = &w->train;
	size_t n = d->images, dim = d->dim, k = n < dim ? n : dim;
	double *x = vla_alloc(n, dim * sizeof *x), *u = vla_alloc(n, k * sizeof *u), *s = vla_alloc(k, sizeof *s);
	w->mean = vla_zalloc(dim, sizeof *w->mean);
	w->axis = vla_alloc(k, dim * sizeof *w->axis);
	vla_status st = x && u && s && w->mean && w->axis ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n * dim && st == VLA_OK; i++)
		w->mean[i % dim] += d->iv[i] / (double)n;
	for (size_t i = 0; i < n * dim && st == VLA_OK; i++)
		x[i] = d->iv[i] - w->mean[i % dim];
	if (st == VLA_OK)
		st = vla_svd(n, dim, x, u, s, w->axis, err);
	w->dims = w->dims == 0 || w->dims > k ? k : w->dims;
	free(x);
	free(u);
	free(s);
	return st;
}

// y [images, dims]: centred pictures along the axes, unit length.
static vla_status project(const struct words *w, const vla_pairs *d, double *y, vla_err *err)
{
	double *x = vla_alloc(d->images, d->dim * sizeof *x);
	if (!x)
		return vla_nomem(err);
	for (size_t i = 0; i < d->images * d->dim; i++)
		x[i] = d->iv[i] - w->mean[i % d->dim];
	vla_dgemm(false, true, d->images, w->dims, d->dim, 1, x, w->axis, 0, y);
	free(x);
	for (size_t i = 0; i < d->images; i++) {
		double norm = 0, *row = y + i * w->dims;
		for (size_t k = 0; k < w->dims; k++)
			norm += row[k] * row[k];
		for (size_t k = 0; k < w->dims && norm > 0; k++)
			row[k] /= sqrt(norm);
	}
	return VLA_OK;
}

static vla_status learn(struct words *w, vla_linear *m, vla_err *err)
{
	const vla_pairs *d = &w->train;
	size_t n = d->texts, penalties = 0;
	double *x = vla_alloc(n, w->kept * sizeof *x), *y = vla_alloc(n, w->dims * sizeof *y), *penalty = NULL;
	double *pictures = vla_alloc(d->images, w->dims * sizeof *pictures);
	unsigned *fold = vla_alloc(n, sizeof *fold);
	vla_status s = x && y && pictures && fold ? project(w, d, pictures, err) : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		bag(w, d->text[i], x + i * w->kept);
		memcpy(y + i * w->dims, pictures + d->of[i] * w->dims, w->dims * sizeof *y);
	}
	if (s == VLA_OK)
		s = vla_folds(n, 3, NULL, d->of, w->p->o->seed, fold, err);
	if (s == VLA_OK)
		s = vla_get_list(w->p, "penalties", &penalty, &penalties, err);
	if (s == VLA_OK)
		s = vla_ridge_fit(n, w->kept, w->dims, x, y, penalties, penalty, fold, 3, m, err);
	free(x);
	free(y);
	free(penalty);
	free(pictures);
	free(fold);
	return s;
}

// Puts the predicted and the true vectors in the place of the test rows'.
static vla_status predict(struct words *w, const vla_linear *m, vla_err *err)
{
	vla_pairs *d = &w->test;
	double *x = vla_alloc(w->kept, sizeof *x), *guess = vla_alloc(w->dims, sizeof *guess);
	double *pictures = vla_alloc(d->images, w->dims * sizeof *pictures);
	float *iv = vla_alloc(d->images, w->dims * sizeof *iv), *tv = vla_alloc(d->texts, w->dims * sizeof *tv);
	vla_status s = x && guess && pictures && iv && tv ? project(w, d, pictures, err) : vla_nomem(err);
	for (size_t i = 0; i < d->images * w->dims && s == VLA_OK; i++)
		iv[i] = (float)pictures[i];
	for (size_t i = 0; i < d->texts && s == VLA_OK; i++) {
		bag(w, d->text[i], x);
		vla_linear_predict(m, 1, x, guess);
		double norm = 0;
		for (size_t k = 0; k < w->dims; k++)
			norm += guess[k] * guess[k];
		for (size_t k = 0; k < w->dims; k++)
			tv[i * w->dims + k] = (float)(norm > 0 ? guess[k] / sqrt(norm) : 0);
	}
	if (s == VLA_OK) {
		free(d->iv);
		free(d->tv);
		d->iv = iv;
		d->tv = tv;
		d->dim = w->dims;
	} else {
		free(iv);
		free(tv);
	}
	free(x);
	free(guess);
	free(pictures);
	return s;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct words w = { .p = p };
	vla_linear m = { 0 };
	vla_status s = vla_get_count(p, "dims", 0, 100000, &w.dims, err);
	if (s == VLA_OK)
		s = vla_get_count(p, "least", 1, 1000000, &w.least, err);
	if (s == VLA_OK)
		s = read_rows(p, vla_get(p, "train"), &w.train, err);
	if (s == VLA_OK)
		s = read_rows(p, vla_get(p, "test"), &w.test, err);
	if (s == VLA_OK)
		s = count_words(&w, err);
	if (s == VLA_OK)
		s = find_axes(&w, err);
	if (s == VLA_OK)
		s = learn(&w, &m, err);
	if (s == VLA_OK)
		s = predict(&w, &m, err);
	if (s == VLA_OK)
		s = vla_emit_value(p, "fit", "penalty", m.penalty, (double)w.train.texts, err);
	if (s == VLA_OK)
		s = vla_emit_value(p, "fit", "words", (double)w.kept, (double)w.train.texts, err);
	if (s == VLA_OK)
		s = vla_retrieval_measure(p, &w.test, err);
	vla_linear_release(&m);
	vla_pairs_close(&w.train);
	vla_pairs_close(&w.test);
	vla_intern_release(&w.vocabulary);
	free(w.times);
	free(w.column);
	free(w.mean);
	free(w.axis);
	return s;
}

static const vla_probe_key keys[] = {
	{ "train", "", "condition of the rows to learn from" },
	{ "test", "", "condition of the rows to measure" },
	{ "penalties", "1,3,10,30", "penalties to choose from" },
	{ "dims", "128", "main axes of the pictures that are kept; 0: all" },
	{ "least", "3", "words in fewer captions are left out" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_words = { "words", "the linear baseline: retrieval by ridge from words to pictures", run,
					 keys };
