/* Zero-shot classification, and whether its probabilities mean what they say: expected calibration error over bins of
 * equal width (Guo et al. 2017), Brier's score, the temperature that fits. */
#include "probe/classes.h"

#include <math.h>

static size_t best_class(const float *score, size_t n)
{
	size_t best = 0;
	for (size_t k = 1; k < n; k++)
		if (score[k] > score[best])
			best = k;
	return best;
}

static size_t rank_of(const float *score, size_t n, size_t own)
{
	size_t rank = 0;
	for (size_t k = 0; k < n; k++)
		rank += k != own && score[k] >= score[own];
	return rank;
}

static vla_status emit_classes(vla_probe *p, const vla_scored *z, vla_err *err)
{
	double sum = 0, seen = 0;
	double *hits = vla_zalloc(z->d.classes, sizeof *hits), *n = vla_zalloc(z->d.classes, sizeof *n);
	vla_status s = hits && n ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < z->d.n && s == VLA_OK; i++) {
		hits[z->d.label[i]] += rank_of(z->score + i * z->d.classes, z->d.classes, z->d.label[i]) == 0;
		n[z->d.label[i]]++;
	}
	for (size_t c = 0; c < z->d.classes && s == VLA_OK; c++)
		if (n[c] > 0) {
			sum += hits[c] / n[c];
			seen++;
		}
	if (s == VLA_OK)
		s = vla_emit_value(p, "all", "mean over classes", sum / seen, (double)z->d.n, err);
	for (size_t c = 0; c < z->d.classes && s == VLA_OK; c++)
		if (n[c] > 0)
			s = vla_emit(p, z->d.name[c], "top-1", vla_wilson(hits[c], n[c]), n[c], err);
	free(hits);
	free(n);
	return s;
}

static vla_status run_zeroshot(vla_probe *p, vla_err *err)
{
	vla_scored z;
	double top[2] = { 0, 0 };
	vla_status s = vla_scored_open(p, &z, err);
	for (size_t i = 0; i < z.d.n && s == VLA_OK; i++) {
		size_t rank = rank_of(z.score + i * z.d.classes, z.d.classes, z.d.label[i]);
		top[0] += rank < 1;
		top[1] += rank < 5;
		vla_item(p, z.d.path[i], z.d.name[z.d.label[i]], rank == 0);
	}
	double n = (double)z.d.n;
	if (s == VLA_OK)
		s = vla_emit(p, "all", "top-1", vla_wilson(top[0], n), n, err);
	if (s == VLA_OK && z.d.classes > 5)
		s = vla_emit(p, "all", "top-5", vla_wilson(top[1], n), n, err);
	if (s == VLA_OK)
		s = emit_classes(p, &z, err);
	vla_scored_close(&z);
	return s;
}

static const vla_probe_key zeroshot_keys[] = { VLA_CLASS_KEYS, { NULL, NULL, NULL } };
const vla_probe_kind vla_probe_zeroshot = { "zeroshot", "accuracy of classes known by their names alone", run_zeroshot,
					    zeroshot_keys };

/* --- calibration --- */

enum { BINS = 15 };

struct judged {
	size_t n;
	double *p;   // probability of the answer given
	double *hit; // 0 or 1
};

static double calibration_error(void *ctx, const size_t *pick, size_t n)
{
	const struct judged *j = ctx;
	double p[BINS] = { 0 }, hit[BINS] = { 0 }, sum = 0;
	for (size_t i = 0; i < n; i++) {
		double x = j->p[pick[i]];
		size_t b = (size_t)fmin(BINS - 1, floor(x * BINS));
		p[b] += x;
		hit[b] += j->hit[pick[i]];
	}
	for (int b = 0; b < BINS; b++)
		sum += fabs(p[b] - hit[b]);
	return sum / (double)n;
}

static vla_status emit_judged(vla_probe *p, const char *group, const struct judged *j, vla_err *err)
{
	double brier = 0, mean = vla_average(j->n, j->p), acc = vla_average(j->n, j->hit), n = (double)j->n;
	vla_estimate e;
	for (size_t i = 0; i < j->n; i++)
		brier += (j->p[i] - j->hit[i]) * (j->p[i] - j->hit[i]) / n;
	VLA_TRY(vla_bootstrap(j->n, p->draws, p->o->seed, calibration_error, (void *)(uintptr_t)j, &e, err));
	VLA_TRY(vla_emit(p, group, "ECE", e, n, err));
	VLA_TRY(vla_emit_value(p, group, "Brier", brier, n, err));
	VLA_TRY(vla_emit_value(p, group, "confidence", mean, n, err));
	VLA_TRY(vla_emit(p, group, "accuracy", vla_wilson(acc * n, n), n, err));
	for (int b = 0; b < BINS; b++) {
		double hit = 0, k = 0;
		char name[64];
		for (size_t i = 0; i < j->n; i++)
			if ((int)fmin(BINS - 1, floor(j->p[i] * BINS)) == b) {
				hit += j->hit[i];
				k++;
			}
		snprintf(name, sizeof name, "accuracy at %.3f", (b + 0.5) / BINS);
		if (k > 0)
			VLA_TRY(vla_emit(p, group, name, vla_wilson(hit, k), k, err));
	}
	return VLA_OK;
}

// Negative log-likelihood of softmax(score / t) over the rows of one parity, or of all (parity 2).
static double likelihood(const vla_scored *z, double t, unsigned parity)
{
	double sum = 0;
	for (size_t i = 0; i < z->d.n; i++) {
		if (parity < 2 && i % 2 != parity)
			continue;
		const float *s = z->score + i * z->d.classes;
		double top = s[best_class(s, z->d.classes)], e = 0;
		for (size_t k = 0; k < z->d.classes; k++)
			e += exp((s[k] - top) / t);
		sum += log(e) - (s[z->d.label[i]] - top) / t;
	}
	return sum;
}

// Golden section over the logarithm; the likelihood is unimodal in it.
static double fit_temperature(const vla_scored *z, unsigned parity)
{
	double a = log(1e-4), b = log(10), g = 0.61803398874989484820;
	for (int i = 0; i < 60; i++) {
		double c = b - g * (b - a), d = a + g * (b - a);
		if (likelihood(z, exp(c), parity) < likelihood(z, exp(d), parity))
			b = d;
		else
			a = c;
	}
	return exp(0.5 * (a + b));
}

// Softmax at temperature t [2], by the parity of the row.
static void judge(const vla_scored *z, const double t[2], struct judged *j)
{
	j->n = z->d.n;
	for (size_t i = 0; i < j->n; i++) {
		const float *s = z->score + i * z->d.classes;
		size_t best = best_class(s, z->d.classes);
		double e = 0;
		for (size_t k = 0; k < z->d.classes; k++)
			e += exp(((double)s[k] - s[best]) / t[i % 2]);
		j->p[i] = 1 / e;
		j->hit[i] = best == z->d.label[i];
	}
}

static vla_status calibrate_scores(vla_probe *p, const vla_scored *z, struct judged *j, vla_err *err)
{
	double own[2] = { 1 / z->scale, 1 / z->scale };
	judge(z, own, j);
	VLA_TRY(emit_judged(p, "softmax", j, err));
	for (size_t i = 0; i < j->n; i++) {
		const float *s = z->score + i * z->d.classes;
		j->p[i] = 1 / (1 + exp(-((double)z->scale * s[best_class(s, z->d.classes)] + z->bias)));
	}
	VLA_TRY(emit_judged(p, "sigmoid", j, err));
	VLA_TRY(vla_emit_value(p, "fitted", "temperature", fit_temperature(z, 2), (double)j->n, err));
	double crossed[2] = { fit_temperature(z, 1), fit_temperature(z, 0) };
	judge(z, crossed, j);
	return emit_judged(p, "fitted", j, err);
}

static bool is_yes(const char *s)
{
	return strcmp(s, "1") == 0 || strcmp(s, "yes") == 0 || strcmp(s, "true") == 0 || strcmp(s, "Yes") == 0;
}

// A table of probabilities and whether they came true.
static vla_status calibrate_table(vla_probe *p, vla_err *err)
{
	vla_buf prob = { NULL, 0, 0 }, hit = { NULL, 0, 0 };
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(p, p->o->input[0], NULL, &r, err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "score", err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "label", err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		double x;
		const char *label = vla_rows_get(&r, "label");
		if (!vla_number(vla_rows_get(&r, "score"), &x) || x < 0 || x > 1 || !label) {
			vla_rows_warn(&r, "the score is no probability, or there is no label");
			continue;
		}
		double y = is_yes(label);
		s = vla_buf_add(&prob, &x, sizeof x, err);
		if (s == VLA_OK)
			s = vla_buf_add(&hit, &y, sizeof y, err);
	}
	s = s == VLA_EOF ? VLA_OK : s;
	struct judged j = { prob.n / sizeof(double), (double *)(void *)prob.data, (double *)(void *)hit.data };
	if (s == VLA_OK && j.n == 0)
		s = vla_fail(err, VLA_EINVAL, "'%s' has no probability", p->o->input[0]);
	if (s == VLA_OK)
		s = emit_judged(p, "scores", &j, err);
	vla_rows_close(&r);
	vla_buf_release(&prob);
	vla_buf_release(&hit);
	return s;
}

static vla_status run_calibration(vla_probe *p, vla_err *err)
{
	vla_scored z;
	if (strcmp(vla_get(p, "from"), "scores") == 0)
		return p->o->inputs ? calibrate_table(p, err)
				    : vla_fail(err, VLA_EINVAL, "no table of scores is given");
	vla_status s = vla_scored_open(p, &z, err);
	struct judged j = { 0, vla_alloc(z.d.n, sizeof(double)), vla_alloc(z.d.n, sizeof(double)) };
	if (s == VLA_OK && (!j.p || !j.hit))
		s = vla_nomem(err);
	if (s == VLA_OK)
		s = calibrate_scores(p, &z, &j, err);
	free(j.p);
	free(j.hit);
	vla_scored_close(&z);
	return s;
}

static const vla_probe_key calibration_keys[] = {
	VLA_CLASS_KEYS,
	{ "from", "model", "model, or scores: a table of probabilities (score) and outcomes (label)" },
	{ NULL, NULL, NULL }
};
const vla_probe_kind vla_probe_calibration = { "calibration", "whether probabilities mean what they say",
					       run_calibration, calibration_keys };
