/* Ridge regression through the eigenvalues of the smaller Gram matrix, so that all penalties cost one decomposition;
 * multinomial logistic regression by L-BFGS (Nocedal 1980); nearest neighbours by exact products. */
#include "probe/fit.h"
#include "probe/stats.h"

#include "kern/linalg.h"

#include <math.h>

void vla_linear_release(vla_linear *m)
{
	free(m->coef);
	free(m->bias);
	*m = (vla_linear){ 0 };
}

void vla_linear_predict(const vla_linear *m, size_t n, const double *x, double *out)
{
	for (size_t i = 0; i < n; i++)
		memcpy(out + i * m->q, m->bias, m->q * sizeof *out);
	vla_dgemm(false, false, n, m->q, m->p, 1, x, m->coef, 1, out);
}

static vla_status linear_new(size_t p, size_t q, vla_linear *out, vla_err *err)
{
	*out = (vla_linear){ p, q, NULL, NULL, 0 };
	if (q && p > SIZE_MAX / sizeof(double) / q)
		return vla_nomem(err);
	out->coef = vla_zalloc(p * q, sizeof *out->coef);
	out->bias = vla_zalloc(q, sizeof *out->bias);
	return out->coef && out->bias ? VLA_OK : vla_nomem(err);
}

struct member {
	size_t key, order, row;
};

static int by_member(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

vla_status vla_folds(size_t n, unsigned folds, const size_t *label, const size_t *group, uint64_t seed, unsigned *fold,
		     vla_err *err)
{
	size_t *order = vla_alloc(n, sizeof *order);
	struct member *m = vla_alloc(n, sizeof *m);
	if (!order || !m || folds == 0) {
		free(order);
		free(m);
		return folds ? vla_nomem(err) : vla_fail(err, VLA_EINVAL, "there must be a fold at least");
	}
	vla_rng rng;
	vla_rng_seed(&rng, seed, 0x666f6c64);
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	vla_shuffle(n, order, &rng);
	if (group) {
		for (size_t i = 0; i < n; i++)
			fold[i] = (unsigned)(vla_hash64(&group[i], sizeof group[i], seed) % folds);
	} else {
		for (size_t i = 0; i < n; i++)
			m[i] = (struct member){ label ? label[order[i]] : 0, i, order[i] };
		qsort(m, n, sizeof *m, by_member);
		for (size_t i = 0; i < n; i++)
			fold[m[i].row] = (unsigned)(i % folds);
	}
	free(order);
	free(m);
	return VLA_OK;
}

/* --- ridge --- */

// A training set after centring, with the decomposition that all penalties share.
struct ridge {
	size_t n, p, q, k; // k = min(n, p): the side of the Gram matrix
	double *x, *y;     // centred [n, p], [n, q]
	double *mx, *my;   // means
	double *gram, *w;  // eigenvectors in rows [k, k], eigenvalues [k]
	double *z;         // [k, q]: eigenvectors times x^T y, or times y in the dual
	double *t;         // [k, q]
};

static void ridge_release(struct ridge *r)
{
	free(r->x);
	free(r->y);
	free(r->mx);
	free(r->my);
	free(r->gram);
	free(r->w);
	free(r->z);
	free(r->t);
}

static void take_rows(struct ridge *r, size_t n, const double *x, const double *y, const unsigned *fold, unsigned out)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (fold && fold[i] == out)
			continue;
		memcpy(r->x + k * r->p, x + i * r->p, r->p * sizeof *x);
		memcpy(r->y + k * r->q, y + i * r->q, r->q * sizeof *y);
		k++;
	}
	r->n = k;
}

static void centre(size_t n, size_t p, double *x, double *mean)
{
	memset(mean, 0, p * sizeof *mean);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < p; j++)
			mean[j] += x[i * p + j];
	for (size_t j = 0; j < p; j++)
		mean[j] /= (double)(n ? n : 1);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < p; j++)
			x[i * p + j] -= mean[j];
}

// fold NULL: all rows; else those of other folds than `out`.
static vla_status ridge_open(struct ridge *r, size_t n, size_t p, size_t q, const double *x, const double *y,
			     const unsigned *fold, unsigned out, vla_err *err)
{
	size_t k = n < p ? n : p;
	*r = (struct ridge){ .p = p, .q = q };
	if ((p && n > SIZE_MAX / 8 / p) || (q && n > SIZE_MAX / 8 / q) || (k && k > SIZE_MAX / 8 / k))
		return vla_nomem(err);
	r->x = vla_alloc(n * p, sizeof *r->x);
	r->y = vla_alloc(n * q, sizeof *r->y);
	r->mx = vla_alloc(p, sizeof *r->mx);
	r->my = vla_alloc(q, sizeof *r->my);
	r->gram = vla_alloc(k * k, sizeof *r->gram);
	r->w = vla_alloc(k, sizeof *r->w);
	r->z = vla_alloc(k * q, sizeof *r->z);
	r->t = vla_alloc((n > p ? n : p) * q, sizeof *r->t);
	if (!r->x || !r->y || !r->mx || !r->my || !r->gram || !r->w || !r->z || !r->t)
		return vla_nomem(err);
	take_rows(r, n, x, y, fold, out);
	centre(r->n, p, r->x, r->mx);
	centre(r->n, q, r->y, r->my);
	bool dual = r->n < p;
	r->k = dual ? r->n : p;
	if (dual)
		vla_dgemm(false, true, r->k, r->k, p, 1, r->x, r->x, 0, r->gram);
	else
		vla_dgemm(true, false, r->k, r->k, r->n, 1, r->x, r->x, 0, r->gram);
	VLA_TRY(vla_sym_eigen(r->k, r->gram, r->w, err));
	if (dual) {
		vla_dgemm(false, false, r->k, q, r->k, 1, r->gram, r->y, 0, r->z);
	} else {
		vla_dgemm(true, false, p, q, r->n, 1, r->x, r->y, 0, r->t);
		vla_dgemm(false, false, r->k, q, r->k, 1, r->gram, r->t, 0, r->z);
	}
	return VLA_OK;
}

static void ridge_solve(const struct ridge *r, double penalty, vla_linear *m)
{
	double *scaled = r->t;
	double floor = (r->k ? fabs(r->w[r->k - 1]) : 0) * 1e-13; // below it an eigenvalue is rounding
	for (size_t i = 0; i < r->k; i++) {
		double d = r->w[i] + penalty;
		for (size_t j = 0; j < r->q; j++)
			scaled[i * r->q + j] = d > floor ? r->z[i * r->q + j] / d : 0;
	}
	if (r->n < r->p) {           // coef = x^T V^T (...)
		double *a = m->coef; // [k, q] fits since k < p
		vla_dgemm(true, false, r->k, r->q, r->k, 1, r->gram, scaled, 0, a);
		memcpy(scaled, a, r->k * r->q * sizeof *a);
		vla_dgemm(true, false, r->p, r->q, r->k, 1, r->x, scaled, 0, m->coef);
	} else {
		vla_dgemm(true, false, r->p, r->q, r->k, 1, r->gram, scaled, 0, m->coef);
	}
	for (size_t j = 0; j < r->q; j++)
		m->bias[j] = r->my[j];
	vla_dgemm(false, false, 1, r->q, r->p, -1, r->mx, m->coef, 1, m->bias);
	m->penalty = penalty;
}

// Adds to loss [penalties] the squared errors of the rows of fold `out`.
static vla_status ridge_fold(size_t n, size_t p, size_t q, const double *x, const double *y, size_t penalties,
			     const double *penalty, const unsigned *fold, unsigned out, double *loss, vla_err *err)
{
	struct ridge r;
	vla_linear m = { 0 };
	double *guess = vla_alloc(q, sizeof *guess);
	vla_status s = guess ? linear_new(p, q, &m, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = ridge_open(&r, n, p, q, x, y, fold, out, err);
	else
		r = (struct ridge){ 0 };
	for (size_t l = 0; l < penalties && s == VLA_OK; l++) {
		ridge_solve(&r, penalty[l], &m);
		for (size_t i = 0; i < n; i++) {
			if (fold[i] != out)
				continue;
			vla_linear_predict(&m, 1, x + i * p, guess);
			for (size_t j = 0; j < q; j++)
				loss[l] += (guess[j] - y[i * q + j]) * (guess[j] - y[i * q + j]);
		}
	}
	ridge_release(&r);
	vla_linear_release(&m);
	free(guess);
	return s;
}

vla_status vla_ridge_fit(size_t n, size_t p, size_t q, const double *x, const double *y, size_t penalties,
			 const double *penalty, const unsigned *fold, unsigned folds, vla_linear *out, vla_err *err)
{
	size_t best = 0;
	struct ridge r = { 0 };
	*out = (vla_linear){ 0 };
	if (penalties > 1 && fold) {
		double *loss = vla_zalloc(penalties, sizeof *loss);
		vla_status s = loss ? VLA_OK : vla_nomem(err);
		for (unsigned f = 0; f < folds && s == VLA_OK; f++)
			s = ridge_fold(n, p, q, x, y, penalties, penalty, fold, f, loss, err);
		for (size_t l = 1; l < penalties && s == VLA_OK; l++)
			if (loss[l] < loss[best])
				best = l;
		free(loss);
		VLA_TRY(s);
	}
	vla_status s = linear_new(p, q, out, err);
	if (s == VLA_OK)
		s = ridge_open(&r, n, p, q, x, y, NULL, 0, err);
	if (s == VLA_OK)
		ridge_solve(&r, penalty[best], out);
	ridge_release(&r);
	if (s != VLA_OK)
		vla_linear_release(out);
	return s;
}

/* --- nearest neighbours --- */

struct near {
	double score;
	size_t row;
};

static size_t vote(const struct near *top, size_t k, const size_t *label, size_t classes, size_t *votes)
{
	size_t best = label[top[0].row];
	memset(votes, 0, classes * sizeof *votes);
	for (size_t i = 0; i < k; i++)
		votes[label[top[i].row]]++;
	for (size_t i = 0; i < k; i++) // in the order of nearness: the first of equal votes wins
		if (votes[label[top[i].row]] > votes[best])
			best = label[top[i].row];
	return best;
}

// The k largest of score [n] but skip, best first; equal scores in row order. Returns how many there are.
static size_t largest(size_t n, const double *score, size_t skip, size_t k, struct near *top)
{
	size_t have = 0;
	for (size_t i = 0; i < n; i++) {
		if (i == skip || (have == k && score[i] <= top[k - 1].score))
			continue;
		size_t at = have < k ? have++ : k - 1;
		for (; at > 0 && top[at - 1].score < score[i]; at--)
			top[at] = top[at - 1];
		top[at] = (struct near){ score[i], i };
	}
	return have;
}

vla_status vla_knn(size_t n, size_t m, size_t p, size_t classes, const double *x, const size_t *label, const double *y,
		   size_t k, bool skip_self, size_t *out, vla_err *err)
{
	enum { CHUNK = 64 };
	if (k == 0 || n < 1 + (size_t)skip_self)
		return vla_fail(err, VLA_EINVAL, "nearest neighbours need k and rows to be at least 1");
	double *score = n > SIZE_MAX / CHUNK / sizeof *score ? NULL : vla_alloc(n, CHUNK * sizeof *score);
	struct near *top = vla_alloc(k, sizeof *top);
	size_t *votes = vla_alloc(classes, sizeof *votes);
	vla_status s = score && top && votes ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < m && s == VLA_OK; i += CHUNK) {
		size_t rows = m - i < CHUNK ? m - i : CHUNK;
		vla_dgemm(false, true, rows, n, p, 1, y + i * p, x, 0, score);
		for (size_t j = 0; j < rows; j++) {
			size_t have = largest(n, score + j * n, skip_self ? i + j : SIZE_MAX, k, top);
			out[i + j] = vote(top, have, label, classes, votes);
		}
	}
	free(score);
	free(top);
	free(votes);
	return s;
}
