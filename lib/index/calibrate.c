/* Scores as p-values. The null distribution of a query is its own scores against a fixed sample of rows: beyond their
 * 80 % quantile u the log of the share of rows that score above u + t is taken as a parabola, log above - a t - c t^2 /
 * 2, that is a hazard which grows linearly: 0 growth is the exponential tail, and the tail of a normal distribution
 * comes close to one of constant growth. a and c are the censored maximum-likelihood estimates from the scores up to
 * the 97 % quantile; what lies above may be true matches, and counts only as "at least that high". c is lowered by its
 * standard error, so that short samples err on the side of refusing.
 */
#include "index/sample.h"

#include <math.h>

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return x < y ? -1 : x > y;
}

// Null distribution of one query beyond the quantile u: a share `above` of the rows, with hazard a + c t at u + t.
struct tail {
	double u, a, c, above;
};

// What the likelihood of a tail is made of: the excesses seen, [n], and `censored` more of at least `cap`.
struct excess {
	const float *score;
	size_t n, censored;
	double u, cap;
};

struct slope {
	double a, c;       // gradient
	double aa, ac, cc; // minus the second derivatives
};

static struct slope slope_at(const struct excess *e, double a, double c)
{
	double m = (double)e->censored;
	struct slope g = { -m * e->cap, -m * e->cap * e->cap / 2, 0, 0, 0 };
	for (size_t i = 0; i < e->n; i++) {
		double t = e->score[i] - e->u, h = 1 / (a + c * t);
		g.a += h - t;
		g.c += h * t - t * t / 2;
		g.aa += h * h;
		g.ac += h * h * t;
		g.cc += h * h * t * t;
	}
	return g;
}

// The best a for a given c: the gradient falls with a, so halving steps are enough to stay above zero.
static double best_a(const struct excess *e, double a, double c)
{
	for (int i = 0; i < 50; i++) {
		struct slope g = slope_at(e, a, c);
		double next = a + g.a / g.aa;
		next = next > a / 2 ? next : a / 2;
		if (fabs(next - a) <= 1e-9 * a)
			break;
		a = next;
	}
	return a;
}

static struct tail fit_tail(float *score, size_t n)
{
	qsort(score, n, sizeof *score, by_value);
	size_t lo = (size_t)(0.80 * (double)(n - 1)), hi = (size_t)(0.97 * (double)(n - 1));
	double u = score[lo], cap = score[hi] - u, above = (double)(n - lo) / (double)n;
	if (cap <= 1e-9) // hardly any spread: whatever scores more stands out
		return (struct tail){ u, 1e9, 0, above };
	struct excess e = { score + lo + 1, hi - lo, n - 1 - hi, u, cap };
	double a = best_a(&e, 1 / cap, 0), c = 0;
	for (int i = 0; i < 50; i++) { // Newton steps that halve until hazards stay positive and c is not negative
		struct slope g = slope_at(&e, a, c);
		double det = g.aa * g.cc - g.ac * g.ac, step = 1;
		if (!(det > 1e-12 * g.aa * g.cc))
			break;
		double da = (g.cc * g.a - g.ac * g.c) / det, dc = (g.aa * g.c - g.ac * g.a) / det;
		while (step > 1e-6 && (a + step * da <= 0 || c + step * dc < 0))
			step /= 2;
		if (step <= 1e-6 || fabs(step * da) + fabs(step * dc * cap) <= 1e-9 * a)
			break;
		a += step * da;
		c += step * dc;
	}
	struct slope g = slope_at(&e, a, c);
	double det = g.aa * g.cc - g.ac * g.ac;
	c = det > 0 ? c - sqrt(g.aa / det) : 0;
	c = c > 0 ? c : 0;
	return (struct tail){ u, best_a(&e, a, c), c, above };
}

// The chance that at least one of `rows` unrelated rows scores as high.
static float chance(const struct tail *t, double score, double rows)
{
	double x = score - t->u;
	double e = x > 0 ? t->above * exp(-(t->a + t->c * x / 2) * x) : 1;
	return (float)-expm1(-e * rows);
}

vla_status vla_index_calibrate(vla_index *x, const float *queries, size_t nq, size_t k, vla_hit *hits,
			       const size_t *found, vla_err *err)
{
	VLA_TRY(vla_index_check_queries(x, queries, nq, err));
	size_t dim = x->store.header.dim, n;
	uint64_t rows = x->store.live;
	VLA_TRY(vla_sample_size(x, &n, err));
	float *score = vla_alloc(n, VLA_QUERY_BLOCK * sizeof *score);
	vla_status st = score ? VLA_OK : vla_nomem(err);
	for (size_t q = 0; q < nq && st == VLA_OK; q += VLA_QUERY_BLOCK) {
		size_t m = nq - q < VLA_QUERY_BLOCK ? nq - q : VLA_QUERY_BLOCK;
		st = vla_sample_scores(x, n, queries + q * dim, m, score, err);
		for (size_t j = 0; j < m && st == VLA_OK; j++) {
			struct tail t = fit_tail(score + j * n, n);
			for (size_t i = 0; i < found[q + j]; i++) {
				vla_hit *h = &hits[(q + j) * k + i];
				h->p = chance(&t, h->score, (double)rows);
			}
		}
	}
	free(score);
	return st;
}
