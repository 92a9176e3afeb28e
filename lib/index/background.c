/* p-values of texts from background texts. For each text the best score in the collection is predicted from five
 * covariates of its bulk of scores, by least squares over the background texts; what is left over for the background is
 * the null distribution of what is left over for a query (split-conformal in spirit, without a split, since six numbers
 * are fitted to a hundred texts or more). Background texts that do have a match make the null wider, never narrower.
 */
#include <vla/background.h>

#include "index/sample.h"
#include "index/topk.h"
#include "text/phrases.h"

#include <math.h>

enum { LEAST = 100, COVARIATES = 5, COLUMNS = COVARIATES + 1 };

struct vla_background {
	vla_index *x;
	size_t n, sample;
	float *best, *rest;                           // [n], rising: best scores, and what is left of them
	double mean[COVARIATES], inverse[COVARIATES]; // of the covariates over the background, inverse spread
	double weight[COLUMNS];                       // of the constant and of the standardised covariates
};

size_t vla_background_text(uint64_t i, char *out, size_t cap)
{
	return vla_phrase(i, out, cap);
}

vla_status vla_background_embed(vla_model *m, size_t n, float *out, vla_err *err)
{
	enum { BYTES = 128 };
	char *text = vla_alloc(n, BYTES);
	const char **p = vla_alloc(n, sizeof *p);
	vla_status s = text && p ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		vla_phrase(i, text + i * BYTES, BYTES);
		p[i] = text + i * BYTES;
	}
	if (s == VLA_OK)
		s = vla_model_embed_texts(m, p, n, out, err);
	free(text);
	free(p);
	return s;
}

// Mean, spread, and the scores above which 20, 5 and 2 % of the sample lie. v is reordered.
static void covariates(float *v, size_t n, double *out)
{
	double sum = 0, square = 0;
	for (size_t i = 0; i < n; i++) {
		if (v[i] != v[i]) // damaged vectors
			v[i] = 0;
		sum += v[i];
		square += (double)v[i] * v[i];
	}
	double mean = sum / (double)n, var = square / (double)n - mean * mean;
	out[0] = mean;
	out[1] = sqrt(var > 0 ? var : 0);
	static const double share[] = { 0.20, 0.05, 0.02 };
	for (size_t i = 0; i < 3; i++)
		out[2 + i] = vla_kth_largest(v, n, (size_t)(share[i] * (double)n) + 1);
}

struct each {
	float *score; // [nq, n]
	size_t n;
	double *out; // [nq, COVARIATES]
};

static void covariates_of(void *ctx, size_t begin, size_t end, unsigned worker)
{
	struct each *e = ctx;
	(void)worker;
	for (size_t i = begin; i < end; i++)
		covariates(e->score + i * e->n, e->n, e->out + i * COVARIATES);
}

// queries [nq, dim] to out [nq, COVARIATES].
static vla_status all_covariates(const vla_index *x, size_t n, const float *queries, size_t nq, double *out,
				 vla_err *err)
{
	float *score = vla_alloc(n, VLA_QUERY_BLOCK * sizeof *score);
	vla_status s = score ? VLA_OK : vla_nomem(err);
	for (size_t q = 0; q < nq && s == VLA_OK; q += VLA_QUERY_BLOCK) {
		size_t m = nq - q < VLA_QUERY_BLOCK ? nq - q : VLA_QUERY_BLOCK;
		s = vla_sample_scores(x, n, queries + q * x->store.header.dim, m, score, err);
		struct each e = { score, n, out + q * COVARIATES };
		if (s == VLA_OK)
			vla_parallel(x->pool, m, 1, covariates_of, &e);
	}
	free(score);
	return s;
}

static double predict(const vla_background *b, const double *c)
{
	double y = b->weight[0];
	for (size_t i = 0; i < COVARIATES; i++)
		y += b->weight[i + 1] * (c[i] - b->mean[i]) * b->inverse[i];
	return y;
}

// Solves a w = y, a symmetric and positive definite: elimination without pivoting.
static void solve(double a[COLUMNS][COLUMNS], double *y)
{
	for (size_t i = 0; i < COLUMNS; i++)
		for (size_t j = i + 1; j < COLUMNS; j++) {
			double f = a[j][i] / a[i][i];
			for (size_t c = i; c < COLUMNS; c++)
				a[j][c] -= f * a[i][c];
			y[j] -= f * y[i];
		}
	for (size_t i = COLUMNS; i-- > 0;) {
		for (size_t c = i + 1; c < COLUMNS; c++)
			y[i] -= a[i][c] * y[c];
		y[i] /= a[i][i];
	}
}

// c [n, COVARIATES], best [n]. A ridge of a millionth keeps covariates apart that hardly differ.
static void fit(vla_background *b, const double *c)
{
	double a[COLUMNS][COLUMNS] = { { 0 } }, n = (double)b->n;
	memset(b->weight, 0, sizeof b->weight);
	for (size_t k = 0; k < COVARIATES; k++) {
		double sum = 0, square = 0;
		for (size_t i = 0; i < b->n; i++)
			sum += c[i * COVARIATES + k];
		b->mean[k] = sum / n;
		for (size_t i = 0; i < b->n; i++) {
			double d = c[i * COVARIATES + k] - b->mean[k];
			square += d * d;
		}
		b->inverse[k] = square > 1e-18 * n ? 1 / sqrt(square / n) : 0;
	}
	for (size_t i = 0; i < b->n; i++) {
		double row[COLUMNS] = { 1 };
		for (size_t k = 0; k < COVARIATES; k++)
			row[k + 1] = (c[i * COVARIATES + k] - b->mean[k]) * b->inverse[k];
		for (size_t j = 0; j < COLUMNS; j++) {
			b->weight[j] += row[j] * b->best[i];
			for (size_t k = 0; k < COLUMNS; k++)
				a[j][k] += row[j] * row[k];
		}
	}
	for (size_t j = 0; j < COLUMNS; j++)
		a[j][j] += 1e-6 * n;
	solve(a, b->weight);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return x < y ? -1 : x > y;
}

static vla_status measure(vla_background *b, const float *texts, vla_err *err)
{
	size_t found[VLA_QUERY_BLOCK], dim = b->x->store.header.dim;
	vla_hit hit[VLA_QUERY_BLOCK];
	double *c = vla_alloc(b->n, COVARIATES * sizeof *c);
	vla_status s = c ? all_covariates(b->x, b->sample, texts, b->n, c, err) : vla_nomem(err);
	for (size_t q = 0; q < b->n && s == VLA_OK; q += VLA_QUERY_BLOCK) {
		size_t m = b->n - q < VLA_QUERY_BLOCK ? b->n - q : VLA_QUERY_BLOCK;
		s = vla_index_search(b->x, texts + q * dim, m, 1, hit, found, err);
		for (size_t i = 0; i < m && s == VLA_OK; i++)
			b->best[q + i] = found[i] ? hit[i].score : 0;
	}
	if (s == VLA_OK) {
		fit(b, c);
		for (size_t i = 0; i < b->n; i++)
			b->rest[i] = (float)(b->best[i] - predict(b, c + i * COVARIATES));
		qsort(b->best, b->n, sizeof *b->best, by_value);
		qsort(b->rest, b->n, sizeof *b->rest, by_value);
	}
	free(c);
	return s;
}

vla_status vla_background_new(vla_index *x, const float *texts, size_t n, vla_background **out, vla_err *err)
{
	size_t sample;
	VLA_TRY(vla_index_check_queries(x, texts, n, err));
	VLA_TRY(vla_sample_size(x, &sample, err));
	if (n < LEAST)
		return vla_fail(err, VLA_EINVAL, "%zu background texts are too few, %d are needed", n, LEAST);
	vla_background *b = calloc(1, sizeof *b);
	if (!b)
		return vla_nomem(err);
	b->x = x;
	b->n = n;
	b->sample = sample;
	b->best = vla_alloc(n, sizeof *b->best);
	b->rest = vla_alloc(n, sizeof *b->rest);
	vla_status s = b->best && b->rest ? measure(b, texts, err) : vla_nomem(err);
	if (s != VLA_OK) {
		vla_background_free(b);
		return s;
	}
	*out = b;
	return VLA_OK;
}

void vla_background_free(vla_background *b)
{
	if (b) {
		free(b->best);
		free(b->rest);
	}
	free(b);
}

// The share of v, rising, that is at least x, the query itself counted in.
static double share_above(const float *v, size_t n, double x)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (double)(n - lo + 1) / (double)(n + 1);
}

vla_status vla_background_calibrate(vla_background *b, const float *queries, size_t nq, size_t k, vla_hit *hits,
				    const size_t *found, vla_err *err)
{
	VLA_TRY(vla_index_check_queries(b->x, queries, nq, err));
	double *c = vla_alloc(nq, COVARIATES * sizeof *c);
	vla_status s = c ? all_covariates(b->x, b->sample, queries, nq, c, err) : vla_nomem(err);
	for (size_t q = 0; q < nq && s == VLA_OK; q++) {
		double expected = predict(b, c + q * COVARIATES);
		for (size_t i = 0; i < found[q]; i++) {
			vla_hit *h = &hits[q * k + i];
			double p = share_above(b->best, b->n, h->score);
			double r = share_above(b->rest, b->n, (float)(h->score - expected));
			h->p = (float)(p > r ? p : r);
		}
	}
	free(c);
	return s;
}
