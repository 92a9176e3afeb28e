/* Banded ridge regression (Nunez-Elizalde et al. 2019): each band of features has a penalty of its own, found by a
 * search over weights of bands times a common penalty. A candidate costs one eigenvalue decomposition of the smaller
 * Gram matrix; its penalties share it. Held-out rows are contiguous chunks, since neighbouring times resemble each
 * other. */
#include "probe/encoding.h"

#include "kern/linalg.h"

#include <math.h>

void vla_series_release(vla_series *s)
{
	free(s->x);
	*s = (vla_series){ 0 };
}

void vla_series_standardise(vla_series *s, size_t from, size_t to)
{
	double n = (double)(to - from);
	for (size_t j = 0; j < s->p; j++) {
		double mean = 0, var = 0;
		for (size_t i = from; i < to; i++)
			mean += s->x[i * s->p + j] / n;
		for (size_t i = from; i < to; i++)
			var += (s->x[i * s->p + j] - mean) * (s->x[i * s->p + j] - mean) / n;
		double scale = var > 1e-24 * fmax(1, mean * mean) ? 1 / sqrt(var) : 0;
		for (size_t i = from; i < to; i++)
			s->x[i * s->p + j] = (s->x[i * s->p + j] - mean) * scale;
	}
}

vla_status vla_series_delay(const vla_series *x, const double *delay, size_t delays, size_t split, vla_series *out,
			    vla_err *err)
{
	*out = (vla_series){ NULL, x->n, x->p * delays };
	out->x = vla_zalloc(x->n, out->p * sizeof *out->x);
	if (!out->x)
		return vla_nomem(err);
	for (size_t i = 0; i < x->n; i++)
		for (size_t d = 0; d < delays; d++) {
			size_t start = i < split ? 0 : split, back = (size_t)delay[d];
			if (i >= start + back)
				memcpy(out->x + i * out->p + d * x->p, x->x + (i - back) * x->p, x->p * sizeof *x->x);
		}
	return VLA_OK;
}

struct fit {
	const vla_series *x, *y;
	size_t bands, split, p, k; // p: columns of all bands; k: side of the Gram matrix
	const vla_banded *o;
	double *weight;                                // [candidates, bands]
	double *train, *target, *ask;                  // rows to learn from [n, p], [n, q]; rows to predict [m, p]
	double *gram, *w, *z, *basis, *scaled, *guess; // [k, k] [k] [k, q] [m, k] [k, q] [m, q]
	double *cross;                                 // [m, n]: ask times train, in the dual
	size_t *choice;                                // [q] candidate * penalties + penalty
};

static void fit_release(struct fit *f)
{
	double *all[] = { f->weight, f->train, f->target, f->ask,   f->gram, f->w,
			  f->z,      f->basis, f->scaled, f->guess, f->cross };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		free(all[i]);
	free(f->choice);
}

// Random points on the simplex are normalised exponentials.
static vla_status draw_weights(struct fit *f, vla_err *err)
{
	vla_rng rng;
	size_t n = f->o->candidates, b = f->bands;
	f->weight = vla_alloc(n, b * sizeof *f->weight);
	if (!f->weight)
		return vla_nomem(err);
	vla_rng_seed(&rng, f->o->seed, 21);
	for (size_t c = 0; c < n; c++) {
		double sum = 0, *w = f->weight + c * b;
		for (size_t k = 0; k < b; k++) {
			w[k] = c == 0 ? 1 : c <= b ? (k == c - 1 ? 1 : 0.01) : -log(1 - vla_rng_double(&rng));
			sum += w[k];
		}
		for (size_t k = 0; k < b; k++)
			w[k] *= (double)b / sum;
	}
	return VLA_OK;
}

static bool held_out(const struct fit *f, size_t row)
{
	size_t chunk = row * f->o->chunks / f->split;
	return chunk % 5 == 4 || (f->o->chunks < 5 && chunk == f->o->chunks - 1);
}

static void put_row(const struct fit *f, size_t row, const double *weight, double *out)
{
	for (size_t b = 0; b < f->bands; b++) {
		double s = sqrt(weight[b]);
		for (size_t j = 0; j < f->x[b].p; j++)
			*out++ = s * f->x[b].x[row * f->x[b].p + j];
	}
}

// Rows to learn from and rows to predict: chosen by chunks, or the training rows and the test rows.
static void take_rows(struct fit *f, const double *weight, bool choosing, size_t *n, size_t *m)
{
	size_t q = f->y->p;
	*n = *m = 0;
	for (size_t i = 0; i < f->y->n; i++) {
		bool test = choosing ? i < f->split && held_out(f, i) : i >= f->split;
		if (test) {
			put_row(f, i, weight, f->ask + (*m)++ * f->p);
		} else if (i < f->split) {
			memcpy(f->target + *n * q, f->y->x + i * q, q * sizeof *f->target);
			put_row(f, i, weight, f->train + (*n)++ * f->p);
		}
	}
}

// After it, predictions are basis diag(1 / (w + penalty)) z.
static vla_status decompose(struct fit *f, const double *weight, bool choosing, size_t *m, vla_err *err)
{
	size_t n, q = f->y->p, p = f->p;
	take_rows(f, weight, choosing, &n, m);
	bool dual = n < p;
	f->k = dual ? n : p;
	if (dual)
		vla_dgemm(false, true, n, n, p, 1, f->train, f->train, 0, f->gram);
	else
		vla_dgemm(true, false, p, p, n, 1, f->train, f->train, 0, f->gram);
	VLA_TRY(vla_sym_eigen(f->k, f->gram, f->w, err));
	if (dual) {
		vla_dgemm(false, false, f->k, q, f->k, 1, f->gram, f->target, 0, f->z);
		vla_dgemm(false, true, *m, n, p, 1, f->ask, f->train, 0, f->cross);
		vla_dgemm(false, true, *m, f->k, f->k, 1, f->cross, f->gram, 0, f->basis);
	} else {
		vla_dgemm(true, false, p, q, n, 1, f->train, f->target, 0, f->scaled);
		vla_dgemm(false, false, f->k, q, p, 1, f->gram, f->scaled, 0, f->z);
		vla_dgemm(false, true, *m, f->k, p, 1, f->ask, f->gram, 0, f->basis);
	}
	return VLA_OK;
}

static void predict(struct fit *f, double penalty, size_t m, double *out)
{
	size_t q = f->y->p;
	for (size_t i = 0; i < f->k; i++)
		for (size_t j = 0; j < q; j++)
			f->scaled[i * q + j] = f->z[i * q + j] / (fmax(f->w[i], 0) + penalty);
	vla_dgemm(false, false, m, q, f->k, 1, f->basis, f->scaled, 0, out);
}

static vla_status choose(struct fit *f, vla_err *err)
{
	size_t q = f->y->p, m;
	double *least = vla_alloc(q, sizeof *least);
	if (!least)
		return vla_nomem(err);
	for (size_t j = 0; j < q; j++)
		least[j] = INFINITY;
	vla_status s = VLA_OK;
	for (size_t c = 0; c < f->o->candidates && s == VLA_OK; c++) {
		s = decompose(f, f->weight + c * f->bands, true, &m, err);
		for (size_t l = 0; l < f->o->penalties && s == VLA_OK; l++) {
			predict(f, f->o->penalty[l], m, f->guess);
			for (size_t j = 0; j < q; j++) {
				double loss = 0;
				for (size_t i = 0, row = 0; i < f->split; i++)
					if (held_out(f, i)) {
						double e = f->guess[row++ * q + j] - f->y->x[i * q + j];
						loss += e * e;
					}
				if (loss < least[j]) {
					least[j] = loss;
					f->choice[j] = c * f->o->penalties + l;
				}
			}
		}
	}
	free(least);
	return s;
}

static bool chosen(const struct fit *f, size_t choice)
{
	for (size_t j = 0; j < f->y->p; j++)
		if (f->choice[j] == choice)
			return true;
	return false;
}

static vla_status answer(struct fit *f, double *out, vla_err *err)
{
	size_t q = f->y->p, m = 0;
	for (size_t c = 0; c < f->o->candidates; c++) {
		bool ready = false;
		for (size_t l = 0; l < f->o->penalties; l++) {
			size_t choice = c * f->o->penalties + l;
			if (!chosen(f, choice))
				continue;
			if (!ready)
				VLA_TRY(decompose(f, f->weight + c * f->bands, false, &m, err));
			ready = true;
			predict(f, f->o->penalty[l], m, f->guess);
			for (size_t j = 0; j < q; j++)
				for (size_t i = 0; i < m && f->choice[j] == choice; i++)
					out[i * q + j] = f->guess[i * q + j];
		}
	}
	return VLA_OK;
}

vla_status vla_banded_predict(const vla_series *x, size_t bands, const vla_series *y, size_t split, const vla_banded *o,
			      double *out, vla_err *err)
{
	struct fit f = { .x = x, .y = y, .bands = bands, .split = split, .o = o };
	size_t n = y->n, q = y->p;
	for (size_t b = 0; b < bands; b++) {
		f.p += x[b].p;
		if (x[b].n != n)
			return vla_fail(err, VLA_EINVAL, "a band has %zu rows, the responses %zu", x[b].n, n);
	}
	if (split < 10 || n - split < 3 || f.p == 0)
		return vla_fail(err, VLA_EINVAL, "%zu training and %zu test rows of %zu features are too few", split,
				n - split, f.p);
	size_t k = split < f.p ? split : f.p, cols = k > f.p ? k : f.p;
	f.train = vla_alloc(n, f.p * sizeof *f.train);
	f.ask = vla_alloc(n, f.p * sizeof *f.ask);
	f.target = vla_alloc(n, q * sizeof *f.target);
	f.gram = vla_alloc(cols < split ? cols : split, (cols < split ? cols : split) * sizeof *f.gram);
	f.w = vla_alloc(cols, sizeof *f.w);
	f.z = vla_alloc(cols, q * sizeof *f.z);
	f.scaled = vla_alloc(cols, q * sizeof *f.scaled);
	f.basis = vla_alloc(n, cols * sizeof *f.basis);
	f.cross = vla_alloc(n, split * sizeof *f.cross);
	f.guess = vla_alloc(n, q * sizeof *f.guess);
	f.choice = vla_zalloc(q, sizeof *f.choice);
	vla_status s = f.train && f.ask && f.target && f.gram && f.w && f.z && f.scaled && f.basis && f.cross &&
				       f.guess && f.choice
			       ? draw_weights(&f, err)
			       : vla_nomem(err);
	if (s == VLA_OK && (o->candidates > 1 || o->penalties > 1))
		s = choose(&f, err);
	if (s == VLA_OK)
		s = answer(&f, out, err);
	fit_release(&f);
	return s;
}

void vla_column_correlation(const vla_series *y, size_t split, const double *out, double *r)
{
	size_t q = y->p, n = y->n - split;
	for (size_t j = 0; j < q; j++) {
		double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
		for (size_t i = 0; i < n; i++) {
			ma += y->x[(split + i) * q + j] / (double)n;
			mb += out[i * q + j] / (double)n;
		}
		for (size_t i = 0; i < n; i++) {
			double a = y->x[(split + i) * q + j] - ma, b = out[i * q + j] - mb;
			aa += a * a;
			bb += b * b;
			ab += a * b;
		}
		r[j] = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
	}
}

vla_status vla_block_permutation(const vla_series *y, size_t split, const double *out, size_t block, unsigned draws,
				 uint64_t seed, double *p, vla_err *err)
{
	size_t q = y->p, n = y->n - split, blocks = (n + block - 1) / block, *order = vla_alloc(blocks, sizeof *order);
	double *moved = vla_alloc(n, q * sizeof *moved), *real = vla_alloc(q, sizeof *real),
	       *r = vla_alloc(q, sizeof *r);
	vla_status s = order && moved && real && r ? VLA_OK : vla_nomem(err);
	for (size_t j = 0; j < q && s == VLA_OK; j++)
		p[j] = 1;
	if (s == VLA_OK)
		vla_column_correlation(y, split, out, real);
	for (unsigned d = 0; d < draws && s == VLA_OK; d++) {
		vla_rng rng;
		size_t row = 0;
		vla_rng_seed(&rng, seed, d);
		for (size_t b = 0; b < blocks; b++)
			order[b] = b;
		vla_shuffle(blocks, order, &rng);
		for (size_t b = 0; b < blocks; b++)
			for (size_t i = order[b] * block; i < n && i < (order[b] + 1) * block; i++)
				memcpy(moved + row++ * q, out + i * q, q * sizeof *moved);
		vla_column_correlation(y, split, moved, r);
		for (size_t j = 0; j < q; j++)
			p[j] += r[j] >= real[j];
	}
	for (size_t j = 0; j < q && s == VLA_OK; j++)
		p[j] /= (double)draws + 1;
	free(order);
	free(moved);
	free(real);
	free(r);
	return s;
}

// For each tau the best v0 is a ratio of sums.
static double limit_of(size_t n, const double *x, const double *v, const size_t *pick)
{
	double best = INFINITY, limit = 0;
	for (int t = 0; t < 60; t++) {
		double tau = 0.05 * pow(400, t / 59.0), fv = 0, ff = 0, loss = 0;
		for (size_t i = 0; i < n; i++) {
			double f = 1 - exp(-x[pick[i]] / tau);
			fv += f * v[pick[i]];
			ff += f * f;
		}
		double v0 = fmin(1, fv / ff);
		for (size_t i = 0; i < n; i++) {
			double e = v[pick[i]] - v0 * (1 - exp(-x[pick[i]] / tau));
			loss += e * e;
		}
		if (loss < best) {
			best = loss;
			limit = v0;
		}
	}
	return limit;
}

double vla_saturation_fit(size_t n, const double *x, const double *v, unsigned draws, uint64_t seed)
{
	enum { POINTS = 64, DRAWS = 100 };
	size_t pick[POINTS];
	double limit[DRAWS];
	n = n > POINTS ? POINTS : n;
	draws = draws > DRAWS ? DRAWS : draws;
	for (unsigned d = 0; d < draws; d++) {
		vla_rng rng;
		vla_rng_seed(&rng, seed, d);
		for (size_t i = 0; i < n; i++)
			pick[i] = (size_t)vla_rng_below(&rng, n);
		limit[d] = limit_of(n, x, v, pick);
	}
	return vla_quantile(draws, limit, 0.5);
}
