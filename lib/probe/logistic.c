/* Multinomial logistic regression with an L2 penalty on the coefficients, minimised by L-BFGS (Nocedal 1980) with a
 * backtracking line search; the problem is convex, so the start does not matter. */
#include "probe/fit.h"
#include "probe/stats.h"

#include "kern/linalg.h"

#include <math.h>

enum { MEMORY = 10, ITERATIONS = 500 };

struct problem {
	size_t n, p, c, dim; // dim = (p + 1) c: the last row is the bias
	const double *x;     // [n, p]
	const size_t *label;
	double penalty;
	double *prob; // [n, c]
};

// Loss at w [p + 1, c] and its gradient.
static double evaluate(struct problem *b, const double *w, double *grad)
{
	size_t n = b->n, p = b->p, c = b->c;
	double loss = 0;
	for (size_t i = 0; i < n; i++)
		memcpy(b->prob + i * c, w + p * c, c * sizeof *w);
	vla_dgemm(false, false, n, c, p, 1, b->x, w, 1, b->prob);
	for (size_t i = 0; i < n; i++) {
		double *q = b->prob + i * c, top = q[0], sum = 0, own = q[b->label[i]];
		for (size_t k = 1; k < c; k++)
			top = fmax(top, q[k]);
		for (size_t k = 0; k < c; k++)
			sum += q[k] = exp(q[k] - top);
		loss += log(sum) + top - own;
		for (size_t k = 0; k < c; k++)
			q[k] /= sum;
		q[b->label[i]] -= 1;
	}
	vla_dgemm(true, false, p, c, n, 1, b->x, b->prob, 0, grad);
	memset(grad + p * c, 0, c * sizeof *grad);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c; k++)
			grad[p * c + k] += b->prob[i * c + k];
	for (size_t i = 0; i < p * c; i++) {
		loss += 0.5 * b->penalty * w[i] * w[i];
		grad[i] += b->penalty * w[i];
	}
	return loss;
}

static double dot(size_t n, const double *a, const double *b)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

struct lbfgs {
	double *w, *grad, *next, *next_grad, *dir; // [dim] each
	double *s, *y;                             // [MEMORY, dim]
	double rho[MEMORY];
	size_t kept, at;
};

// dir = -H grad by the two-loop recursion.
static void direction(struct lbfgs *l, size_t dim)
{
	double alpha[MEMORY];
	for (size_t i = 0; i < dim; i++)
		l->dir[i] = -l->grad[i];
	for (size_t k = 0; k < l->kept; k++) {
		size_t j = (l->at + MEMORY - 1 - k) % MEMORY;
		alpha[j] = l->rho[j] * dot(dim, l->s + j * dim, l->dir);
		for (size_t i = 0; i < dim; i++)
			l->dir[i] -= alpha[j] * l->y[j * dim + i];
	}
	if (l->kept) {
		size_t j = (l->at + MEMORY - 1) % MEMORY;
		double scale = 1 / (l->rho[j] * dot(dim, l->y + j * dim, l->y + j * dim));
		for (size_t i = 0; i < dim; i++)
			l->dir[i] *= scale;
	}
	for (size_t k = l->kept; k-- > 0;) {
		size_t j = (l->at + MEMORY - 1 - k) % MEMORY;
		double beta = l->rho[j] * dot(dim, l->y + j * dim, l->dir);
		for (size_t i = 0; i < dim; i++)
			l->dir[i] += (alpha[j] - beta) * l->s[j * dim + i];
	}
}

static void remember(struct lbfgs *l, size_t dim)
{
	double *s = l->s + l->at * dim, *y = l->y + l->at * dim;
	for (size_t i = 0; i < dim; i++) {
		s[i] = l->next[i] - l->w[i];
		y[i] = l->next_grad[i] - l->grad[i];
	}
	double sy = dot(dim, s, y);
	if (sy > 1e-300) {
		l->rho[l->at] = 1 / sy;
		l->at = (l->at + 1) % MEMORY;
		l->kept += l->kept < MEMORY;
	}
}

static void minimise(struct problem *b, struct lbfgs *l)
{
	size_t dim = b->dim;
	double loss = evaluate(b, l->w, l->grad), start = sqrt(dot(dim, l->grad, l->grad));
	for (int it = 0; it < ITERATIONS; it++) {
		double norm = sqrt(dot(dim, l->grad, l->grad));
		if (norm <= 1e-7 * fmax(1, start))
			return;
		direction(l, dim);
		double slope = dot(dim, l->grad, l->dir), step = l->kept ? 1 : fmin(1, 1 / norm), next = INFINITY;
		for (int back = 0; back < 40; back++, step *= 0.5) {
			for (size_t i = 0; i < dim; i++)
				l->next[i] = l->w[i] + step * l->dir[i];
			next = evaluate(b, l->next, l->next_grad);
			if (next <= loss + 1e-4 * step * slope)
				break;
		}
		if (!(next < loss))
			return;
		remember(l, dim);
		memcpy(l->w, l->next, dim * sizeof *l->w);
		memcpy(l->grad, l->next_grad, dim * sizeof *l->grad);
		loss = next;
	}
}

static vla_status fit_one(size_t n, size_t p, size_t c, const double *x, const size_t *label, double penalty,
			  vla_linear *out, vla_err *err)
{
	struct problem b = { n, p, c, (p + 1) * c, x, label, penalty, NULL };
	struct lbfgs l = { 0 };
	size_t dim = b.dim;
	*out = (vla_linear){ p, c, NULL, NULL, penalty };
	if (c && (p + 1 > SIZE_MAX / c / 8 / (5 + 2 * MEMORY) || n > SIZE_MAX / c / 8))
		return vla_nomem(err);
	double *all = vla_zalloc(dim * (5 + 2 * MEMORY), sizeof *all);
	b.prob = vla_alloc(n * c, sizeof *b.prob);
	out->coef = vla_alloc(p * c, sizeof *out->coef);
	out->bias = vla_alloc(c, sizeof *out->bias);
	vla_status s = all && b.prob && out->coef && out->bias ? VLA_OK : vla_nomem(err);
	if (s == VLA_OK) {
		l.w = all;
		l.grad = all + dim;
		l.next = all + 2 * dim;
		l.next_grad = all + 3 * dim;
		l.dir = all + 4 * dim;
		l.s = all + 5 * dim;
		l.y = l.s + MEMORY * dim;
		minimise(&b, &l);
		memcpy(out->coef, l.w, p * c * sizeof *l.w);
		memcpy(out->bias, l.w + p * c, c * sizeof *l.w);
	}
	free(all);
	free(b.prob);
	if (s != VLA_OK)
		vla_linear_release(out);
	return s;
}

static size_t hits_of(const vla_linear *m, size_t n, const double *x, const size_t *label, double *logit)
{
	size_t hits = 0;
	for (size_t i = 0; i < n; i++) {
		size_t best = 0;
		vla_linear_predict(m, 1, x + i * m->p, logit);
		for (size_t k = 1; k < m->q; k++)
			if (logit[k] > logit[best])
				best = k;
		hits += best == label[i];
	}
	return hits;
}

struct split {
	double *x; // the training rows, then the held-out ones
	size_t *label;
	size_t train;
};

static void split_rows(struct split *sp, size_t n, size_t p, const double *x, const size_t *label, const unsigned *fold,
		       unsigned out)
{
	size_t a = 0, b = n;
	for (size_t i = 0; i < n; i++) {
		size_t at = fold[i] == out ? --b : a++;
		memcpy(sp->x + at * p, x + i * p, p * sizeof *x);
		sp->label[at] = label[i];
	}
	sp->train = a;
}

vla_status vla_logistic_fit(size_t n, size_t p, size_t classes, const double *x, const size_t *label, size_t penalties,
			    const double *penalty, const unsigned *fold, unsigned folds, vla_linear *out, vla_err *err)
{
	size_t best = 0;
	*out = (vla_linear){ 0 };
	if (penalties > 1 && fold) {
		struct split sp = { .x = p && n > SIZE_MAX / 8 / p ? NULL : vla_alloc(n * p, sizeof *sp.x),
				    .label = vla_alloc(n, sizeof *sp.label) };
		size_t *hits = vla_zalloc(penalties, sizeof *hits);
		double *logit = vla_alloc(classes, sizeof *logit);
		vla_status s = sp.x && sp.label && hits && logit ? VLA_OK : vla_nomem(err);
		for (unsigned f = 0; f < folds && s == VLA_OK; f++) {
			split_rows(&sp, n, p, x, label, fold, f);
			for (size_t l = 0; l < penalties && s == VLA_OK; l++) {
				vla_linear m;
				s = fit_one(sp.train, p, classes, sp.x, sp.label, penalty[l], &m, err);
				if (s == VLA_OK)
					hits[l] += hits_of(&m, n - sp.train, sp.x + sp.train * p, sp.label + sp.train,
							   logit);
				vla_linear_release(&m);
			}
		}
		for (size_t l = 1; l < penalties && s == VLA_OK; l++)
			if (hits[l] > hits[best])
				best = l;
		free(sp.x);
		free(sp.label);
		free(hits);
		free(logit);
		VLA_TRY(s);
	}
	return fit_one(n, p, classes, x, label, penalty[best], out, err);
}
