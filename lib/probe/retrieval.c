/* Retrieval: ranks of the right picture for each text and of the best right text for each picture. A score that equals
 * the right one counts as better, so that a model whose vectors are all alike gets nothing. */
#include "probe/probe.h"

#include "kern/kern.h"

#include <math.h>

enum { CHUNK = 256 };

static const size_t cut[] = { 1, 5, 10 };
enum { CUTS = sizeof cut / sizeof cut[0] };

// Ranks of one direction; cluster[i] says to which picture query i belongs.
struct ranks {
	const size_t *cluster;
	double *rank;
	size_t n, clusters;
	size_t *first; // [clusters + 1] positions in `member`
	size_t *member;
};

// rank [texts]: of the text's own picture among all.
static void rank_pictures(const vla_pairs *d, vla_pool *pool, float *score, double *rank)
{
	for (size_t i = 0; i < d->texts; i += CHUNK) {
		size_t n = d->texts - i < CHUNK ? d->texts - i : CHUNK;
		vla_gemm(pool, false, true, n, d->images, d->dim, 1, d->tv + i * d->dim, d->dim, d->iv, d->dim, 0,
			 score, d->images);
		for (size_t j = 0; j < n; j++) {
			const float *row = score + j * d->images, own = row[d->of[i + j]];
			size_t better = 0;
			for (size_t k = 0; k < d->images; k++)
				better += row[k] >= own && k != d->of[i + j];
			rank[i + j] = 1 + (double)better;
		}
	}
}

// rank [images]: of the best own text among all texts that are not the picture's own; pictures without one: NaN.
static void rank_texts(const vla_pairs *d, vla_pool *pool, float *score, double *rank)
{
	for (size_t i = 0; i < d->images; i += CHUNK) {
		size_t n = d->images - i < CHUNK ? d->images - i : CHUNK;
		vla_gemm(pool, false, true, n, d->texts, d->dim, 1, d->iv + i * d->dim, d->dim, d->tv, d->dim, 0, score,
			 d->texts);
		for (size_t j = 0; j < n; j++) {
			const float *row = score + j * d->texts;
			float own = -INFINITY;
			size_t better = 0;
			for (size_t k = 0; k < d->texts; k++)
				if (d->of[k] == i + j)
					own = fmaxf(own, row[k]);
			for (size_t k = 0; k < d->texts; k++)
				better += row[k] >= own && d->of[k] != i + j;
			rank[i + j] = own == -INFINITY ? NAN : 1 + (double)better;
		}
	}
}

struct median {
	const struct ranks *r;
	double *scratch;
};

static double median_of(void *ctx, const size_t *pick, size_t n)
{
	struct median *m = ctx;
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = m->r->first[pick[i]]; j < m->r->first[pick[i] + 1]; j++)
			if (k < 8 * m->r->n)
				m->scratch[k++] = m->r->rank[m->r->member[j]];
	return vla_quantile(k, m->scratch, 0.5);
}

static vla_status group_queries(struct ranks *r, vla_err *err)
{
	r->first = vla_zalloc(r->clusters + 2, sizeof *r->first);
	r->member = vla_alloc(r->n, sizeof *r->member);
	if (!r->first || !r->member)
		return vla_nomem(err);
	for (size_t i = 0; i < r->n; i++)
		r->first[r->cluster[i] + 2]++;
	for (size_t i = 2; i <= r->clusters + 1; i++)
		r->first[i] += r->first[i - 1];
	for (size_t i = 0; i < r->n; i++)
		r->member[r->first[r->cluster[i] + 1]++] = i;
	return VLA_OK;
}

static vla_status emit_recall(vla_probe *p, const struct ranks *r, const char *group, size_t k, double *num,
			      double *den, vla_err *err)
{
	char measure[32];
	vla_estimate e;
	memset(num, 0, r->clusters * sizeof *num);
	memset(den, 0, r->clusters * sizeof *den);
	for (size_t i = 0; i < r->n; i++) {
		num[r->cluster[i]] += r->rank[i] <= (double)k;
		den[r->cluster[i]]++;
	}
	VLA_TRY(vla_bootstrap_ratio(r->clusters, num, den, p->draws, p->o->seed, &e, err));
	snprintf(measure, sizeof measure, "R@%zu", k);
	return vla_emit(p, group, measure, e, (double)r->n, err);
}

static vla_status emit_ranks(vla_probe *p, struct ranks *r, const char *group, vla_err *err)
{
	double *num = vla_alloc(r->clusters, sizeof *num), *den = vla_alloc(r->clusters, sizeof *den);
	double *scratch = vla_alloc(r->n, 8 * sizeof *scratch);
	vla_estimate e;
	vla_status s = num && den && scratch ? group_queries(r, err) : vla_nomem(err);
	for (size_t c = 0; c < CUTS && s == VLA_OK; c++)
		s = emit_recall(p, r, group, cut[c], num, den, err);
	struct median m = { r, scratch };
	if (s == VLA_OK)
		s = vla_bootstrap(r->clusters, p->draws, p->o->seed, median_of, &m, &e, err);
	if (s == VLA_OK)
		s = vla_emit(p, group, "median rank", e, (double)r->n, err);
	if (s == VLA_OK)
		s = vla_emit_value(p, group, "mean rank", vla_average(r->n, r->rank), (double)r->n, err);
	free(num);
	free(den);
	free(scratch);
	free(r->first);
	free(r->member);
	return s;
}

vla_status vla_retrieval_measure(vla_probe *p, const vla_pairs *d, vla_err *err)
{
	size_t side = d->images > d->texts ? d->images : d->texts, n = 0;
	float *score = vla_alloc(side, CHUNK * sizeof *score);
	double *text = vla_alloc(d->texts, sizeof *text), *image = vla_alloc(d->images, sizeof *image);
	size_t *own = vla_alloc(d->images, sizeof *own);
	vla_status s = score && text && image && own ? VLA_OK : vla_nomem(err);
	if (s == VLA_OK) {
		rank_pictures(d, p->o->pool, score, text);
		rank_texts(d, p->o->pool, score, image);
		struct ranks r = { .cluster = d->of, .rank = text, .n = d->texts, .clusters = d->images };
		for (size_t i = 0; i < d->texts; i++)
			vla_item(p, d->image[d->of[i]], "text to image", text[i]);
		s = emit_ranks(p, &r, "text to image", err);
	}
	for (size_t i = 0; i < d->images && s == VLA_OK; i++)
		if (!isnan(image[i])) {
			vla_item(p, d->image[i], "image to text", image[i]);
			image[n] = image[i];
			own[n] = n;
			n++;
		}
	if (s == VLA_OK) {
		struct ranks r = { .cluster = own, .rank = image, .n = n, .clusters = n };
		s = emit_ranks(p, &r, "image to text", err);
	}
	free(score);
	free(text);
	free(image);
	free(own);
	return s;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	vla_pairs d;
	vla_status s = vla_pairs_open(p, &d, err);
	if (s == VLA_OK)
		s = vla_retrieval_measure(p, &d, err);
	vla_pairs_close(&d);
	return s;
}

const vla_probe_kind vla_probe_retrieval = { "retrieval",
					     "R@1, R@5, R@10 and ranks of pictures for texts and texts for pictures",
					     run, NULL };
