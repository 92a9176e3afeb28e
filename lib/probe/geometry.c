/* The shape of a shared space: the gap between pictures and texts (Liang et al. 2022), hubs (Radovanovic et al. 2010),
 * alignment and uniformity (Wang and Isola 2020). */
#include "probe/fit.h"
#include "probe/probe.h"

#include "kern/kern.h"

#include <math.h>

static double dot(size_t n, const float *a, const float *b)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static double distance2(size_t n, const float *a, const float *b)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
	return sum;
}

static vla_status run_on_pairs(vla_probe *p, vla_status (*fn)(vla_probe *, const vla_pairs *, vla_err *), vla_err *err)
{
	vla_pairs d;
	vla_status s = vla_pairs_open(p, &d, err);
	if (s == VLA_OK)
		s = fn(p, &d, err);
	vla_pairs_close(&d);
	return s;
}

/* --- gap --- */

struct gap {
	const vla_pairs *d;
	double *image, *text; // [dim] sums
	size_t *first;        // [images + 1]
	size_t *member;
};

// Sums over the picked pictures and their texts.
static void centres(struct gap *g, const size_t *pick, size_t n, double *ni, double *nt)
{
	const vla_pairs *d = g->d;
	memset(g->image, 0, d->dim * sizeof *g->image);
	memset(g->text, 0, d->dim * sizeof *g->text);
	*ni = *nt = 0;
	for (size_t i = 0; i < n; i++) {
		const float *v = d->iv + pick[i] * d->dim;
		for (size_t k = 0; k < d->dim; k++)
			g->image[k] += v[k];
		++*ni;
		for (size_t j = g->first[pick[i]]; j < g->first[pick[i] + 1]; j++, ++*nt) {
			const float *t = d->tv + g->member[j] * d->dim;
			for (size_t k = 0; k < d->dim; k++)
				g->text[k] += t[k];
		}
	}
}

static double gap_norm(void *ctx, const size_t *pick, size_t n)
{
	struct gap *g = ctx;
	double ni, nt, sum = 0;
	centres(g, pick, n, &ni, &nt);
	for (size_t k = 0; k < g->d->dim; k++) {
		double x = g->image[k] / ni - g->text[k] / nt;
		sum += x * x;
	}
	return sqrt(sum);
}

static double gap_cosine(void *ctx, const size_t *pick, size_t n)
{
	struct gap *g = ctx;
	double ni, nt, xx = 0, yy = 0, xy = 0;
	centres(g, pick, n, &ni, &nt);
	for (size_t k = 0; k < g->d->dim; k++) {
		xx += g->image[k] * g->image[k];
		yy += g->text[k] * g->text[k];
		xy += g->image[k] * g->text[k];
	}
	return xy / sqrt(xx * yy);
}

// How well a linear classifier tells pictures from texts it has not seen.
static vla_status separability(vla_probe *p, const vla_pairs *d, vla_err *err)
{
	enum { FOLDS = 5, MOST = 2000 };
	size_t ni = d->images < MOST ? d->images : MOST, nt = d->texts < MOST ? d->texts : MOST, n = ni + nt, hits = 0;
	double *x = vla_alloc(n, d->dim * sizeof *x), logit[2], penalty = 1;
	size_t *label = vla_alloc(n, sizeof *label), *order = vla_alloc(n, sizeof *order);
	unsigned *fold = vla_alloc(n, sizeof *fold);
	vla_status s = x && label && order && fold ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		const float *v = i < ni ? d->iv + i * d->dim : d->tv + (i - ni) * d->dim;
		for (size_t k = 0; k < d->dim; k++)
			x[i * d->dim + k] = v[k];
		label[i] = i >= ni;
		order[i] = i < ni ? i : d->of[i - ni];
	}
	if (s == VLA_OK)
		s = vla_folds(n, FOLDS, NULL, order, p->o->seed, fold, err);
	double *tx = vla_alloc(n, d->dim * sizeof *tx);
	if (s == VLA_OK && !tx)
		s = vla_nomem(err);
	for (unsigned f = 0; f < FOLDS && s == VLA_OK; f++) {
		size_t k = 0;
		vla_linear m;
		for (size_t i = 0; i < n; i++)
			if (fold[i] != f) {
				memcpy(tx + k * d->dim, x + i * d->dim, d->dim * sizeof *x);
				order[k++] = label[i];
			}
		s = vla_logistic_fit(k, d->dim, 2, tx, order, 1, &penalty, NULL, 0, &m, err);
		for (size_t i = 0; i < n && s == VLA_OK; i++)
			if (fold[i] == f) {
				vla_linear_predict(&m, 1, x + i * d->dim, logit);
				hits += (logit[1] > logit[0]) == (label[i] == 1);
			}
		vla_linear_release(&m);
	}
	free(x);
	free(tx);
	free(label);
	free(order);
	free(fold);
	return s == VLA_OK
		       ? vla_emit(p, "all", "linear separability", vla_wilson((double)hits, (double)n), (double)n, err)
		       : s;
}

static vla_status measure_gap(vla_probe *p, const vla_pairs *d, vla_err *err)
{
	struct gap g = { .d = d };
	vla_estimate e;
	g.image = vla_alloc(d->dim, sizeof *g.image);
	g.text = vla_alloc(d->dim, sizeof *g.text);
	g.first = vla_zalloc(d->images + 2, sizeof *g.first);
	g.member = vla_alloc(d->texts, sizeof *g.member);
	double *cosine = vla_zalloc(d->images, sizeof *cosine), *count = vla_zalloc(d->images, sizeof *count);
	vla_status s = g.image && g.text && g.first && g.member && cosine && count ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < d->texts && s == VLA_OK; i++) {
		g.first[d->of[i] + 2]++;
		cosine[d->of[i]] += dot(d->dim, d->tv + i * d->dim, d->iv + d->of[i] * d->dim);
		count[d->of[i]]++;
	}
	for (size_t i = 2; i <= d->images + 1 && s == VLA_OK; i++)
		g.first[i] += g.first[i - 1];
	for (size_t i = 0; i < d->texts && s == VLA_OK; i++)
		g.member[g.first[d->of[i] + 1]++] = i;
	unsigned draws = p->draws < 200 ? p->draws : 200; // each draw passes over all vectors
	if (s == VLA_OK)
		s = vla_bootstrap(d->images, draws, p->o->seed, gap_norm, &g, &e, err);
	if (s == VLA_OK)
		s = vla_emit(p, "all", "distance of centres", e, (double)d->images, err);
	if (s == VLA_OK)
		s = vla_bootstrap(d->images, draws, p->o->seed, gap_cosine, &g, &e, err);
	if (s == VLA_OK)
		s = vla_emit(p, "all", "cosine of centres", e, (double)d->images, err);
	if (s == VLA_OK)
		s = vla_bootstrap_ratio(d->images, cosine, count, p->draws, p->o->seed, &e, err);
	if (s == VLA_OK)
		s = vla_emit(p, "all", "cosine of pairs", e, (double)d->texts, err);
	if (s == VLA_OK) {
		size_t *all = vla_alloc(d->images, sizeof *all);
		double ni, nt, sum = 0;
		for (size_t i = 0; all && i < d->images; i++)
			all[i] = i;
		if (all)
			centres(&g, all, d->images, &ni, &nt);
		for (size_t k = 0; all && k < d->dim; k++)
			sum += g.image[k] / ni * (g.text[k] / nt);
		s = all ? vla_emit_value(p, "all", "cosine of any two", sum, (double)d->texts, err) : vla_nomem(err);
		free(all);
	}
	free(g.image);
	free(g.text);
	free(g.first);
	free(g.member);
	free(cosine);
	free(count);
	return s == VLA_OK ? separability(p, d, err) : s;
}

static vla_status run_gap(vla_probe *p, vla_err *err)
{
	return run_on_pairs(p, measure_gap, err);
}

const vla_probe_kind vla_probe_gap = { "gap", "how far the pictures of a space lie from its texts", run_gap, NULL };

/* --- hubness --- */

static double skewness(void *ctx, const size_t *pick, size_t n)
{
	const double *x = ctx;
	double mean = 0, m2 = 0, m3 = 0;
	for (size_t i = 0; i < n; i++)
		mean += x[pick[i]] / (double)n;
	for (size_t i = 0; i < n; i++) {
		double c = x[pick[i]] - mean;
		m2 += c * c / (double)n;
		m3 += c * c * c / (double)n;
	}
	return m3 / pow(m2, 1.5);
}

// times [nb]: in how many of the k nearest lists of the na queries each row of b is.
static vla_status occurrences(vla_probe *p, size_t na, const float *a, size_t nb, const float *b, size_t dim, size_t k,
			      double *times, vla_err *err)
{
	enum { CHUNK = 256 };
	float *score = vla_alloc(nb, CHUNK * sizeof *score);
	size_t *top = vla_alloc(k, sizeof *top);
	vla_status s = score && top ? VLA_OK : vla_nomem(err);
	memset(times, 0, nb * sizeof *times);
	for (size_t i = 0; i < na && s == VLA_OK; i += CHUNK) {
		size_t n = na - i < CHUNK ? na - i : CHUNK;
		vla_gemm(p->o->pool, false, true, n, nb, dim, 1, a + i * dim, dim, b, dim, 0, score, nb);
		for (size_t j = 0; j < n; j++) {
			const float *row = score + j * nb;
			size_t have = 0;
			for (size_t c = 0; c < nb; c++) {
				if (have == k && row[c] <= row[top[k - 1]])
					continue;
				size_t at = have < k ? have++ : k - 1;
				for (; at > 0 && row[top[at - 1]] < row[c]; at--)
					top[at] = top[at - 1];
				top[at] = c;
			}
			for (size_t c = 0; c < have; c++)
				times[top[c]]++;
		}
	}
	free(score);
	free(top);
	return s;
}

static vla_status emit_hubs(vla_probe *p, const char *group, const double *times, size_t n, char *const *id, size_t k,
			    vla_err *err)
{
	vla_estimate e;
	double never = 0, most = 0;
	for (size_t i = 0; i < n; i++) {
		never += times[i] == 0;
		most = fmax(most, times[i]);
		vla_item(p, id[i], group, times[i]);
	}
	VLA_TRY(vla_bootstrap(n, p->draws, p->o->seed, skewness, (void *)(uintptr_t)times, &e, err));
	VLA_TRY(vla_emit(p, group, "skewness", e, (double)n, err));
	VLA_TRY(vla_emit(p, group, "never found", vla_wilson(never, (double)n), (double)n, err));
	(void)k;
	return vla_emit_value(p, group, "most often", most, (double)n, err);
}

static vla_status measure_hubness(vla_probe *p, const vla_pairs *d, vla_err *err)
{
	size_t k, most = d->images < d->texts ? d->images : d->texts;
	VLA_TRY(vla_get_count(p, "k", 1, 1000, &k, err));
	if (k > most)
		k = most;
	double *times = vla_alloc(d->images > d->texts ? d->images : d->texts, sizeof *times);
	vla_status s =
		times ? occurrences(p, d->texts, d->tv, d->images, d->iv, d->dim, k, times, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = emit_hubs(p, "pictures", times, d->images, d->image, k, err);
	if (s == VLA_OK)
		s = occurrences(p, d->images, d->iv, d->texts, d->tv, d->dim, k, times, err);
	if (s == VLA_OK)
		s = emit_hubs(p, "texts", times, d->texts, d->text, k, err);
	free(times);
	return s;
}

static vla_status run_hubness(vla_probe *p, vla_err *err)
{
	return run_on_pairs(p, measure_hubness, err);
}

static const vla_probe_key hubness_keys[] = { { "k", "10", "length of the lists of neighbours" },
					      { NULL, NULL, NULL } };
const vla_probe_kind vla_probe_hubness = { "hubness", "how uneven the rows are found as neighbours", run_hubness,
					   hubness_keys };

/* --- alignment and uniformity --- */

// log of the mean of exp(-2 |a - b|^2) over the pairs of a sample.
static vla_status uniformity(vla_probe *p, const char *group, size_t n, const float *v, size_t dim, vla_err *err)
{
	enum { MOST = 2000 };
	vla_rng rng;
	size_t *pick = vla_alloc(n, sizeof *pick), m = n < MOST ? n : MOST;
	if (!pick)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++)
		pick[i] = i;
	vla_rng_seed(&rng, p->o->seed, 7);
	if (n > MOST)
		vla_shuffle(n, pick, &rng);
	double *sum = vla_zalloc(m, sizeof *sum);
	vla_estimate e;
	vla_status s = sum ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < m && s == VLA_OK; i++)
		for (size_t j = 0; j < i; j++) {
			double x = exp(-2 * distance2(dim, v + pick[i] * dim, v + pick[j] * dim));
			sum[i] += x / (double)(m - 1);
			sum[j] += x / (double)(m - 1);
		}
	if (s == VLA_OK)
		s = vla_bootstrap_ratio(m, sum, NULL, p->draws, p->o->seed, &e, err);
	free(pick);
	free(sum);
	VLA_TRY(s);
	e = (vla_estimate){ log(e.value), log(e.low), log(e.high) };
	return vla_emit(p, group, "uniformity", e, (double)m, err);
}

static vla_status measure_uniformity(vla_probe *p, const vla_pairs *d, vla_err *err)
{
	double *num = vla_zalloc(d->images, sizeof *num), *den = vla_zalloc(d->images, sizeof *den);
	vla_estimate e;
	vla_status s = num && den ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < d->texts && s == VLA_OK; i++) {
		num[d->of[i]] += distance2(d->dim, d->tv + i * d->dim, d->iv + d->of[i] * d->dim);
		den[d->of[i]]++;
	}
	if (s == VLA_OK)
		s = vla_bootstrap_ratio(d->images, num, den, p->draws, p->o->seed, &e, err);
	if (s == VLA_OK)
		s = vla_emit(p, "pairs", "alignment", e, (double)d->texts, err);
	free(num);
	free(den);
	VLA_TRY(s);
	VLA_TRY(uniformity(p, "pictures", d->images, d->iv, d->dim, err));
	return uniformity(p, "texts", d->texts, d->tv, d->dim, err);
}

static vla_status run_uniformity(vla_probe *p, vla_err *err)
{
	return run_on_pairs(p, measure_uniformity, err);
}

const vla_probe_kind vla_probe_uniformity = { "uniformity", "alignment of pairs, uniformity of each side",
					      run_uniformity, NULL };
