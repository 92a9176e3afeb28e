/* The statistics that corpus linguistics asks of a text, for any stream of tokens (Chan et al. 2024 ask them of visual
 * tokens). Intervals come from resampled sentences: lines of a text, pictures of a stream. */
#include "probe/corpus.h"

#include <math.h>
#include <zlib.h>

enum stat {
	TYPES,
	ENTROPY,
	MILLER,
	NORMALISED,
	REDUNDANCY,
	CODE_LENGTH,
	SAVING,
	ZIPF,
	YULE,
	INNOVATION,
	BENFORD,
	HEAPS,
	EARLY,
	STATS
};

static const struct {
	const char *family, *name;
} stats[STATS] = {
	[TYPES] = { "heaps", "types" },
	[ENTROPY] = { "entropy", "entropy (bits)" },
	[MILLER] = { "entropy", "entropy, Miller-Madow" },
	[NORMALISED] = { "entropy", "normalised entropy" },
	[REDUNDANCY] = { "entropy", "redundancy" },
	[CODE_LENGTH] = { "huffman", "Huffman length (bits)" },
	[SAVING] = { "huffman", "Huffman saving" },
	[ZIPF] = { "zipf", "Zipf exponent" },
	[YULE] = { "yule", "Yule rho" },
	[INNOVATION] = { "yule", "innovation" },
	[BENFORD] = { "benford", "Benford deviation" },
	[HEAPS] = { "heaps", "Heaps exponent" },
	[EARLY] = { "heaps", "types after 5 % of the tokens" },
};

struct task {
	vla_probe *p;
	const vla_tokens *c;
	const char *families, *group;
	bool *seen; // [types]
	enum stat stat;
	vla_err *err;
};

static bool listed(const char *list, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
		if (strncmp(at, name, n) == 0 && (at[n] == 0 || at[n] == ','))
			return true;
	return false;
}

static bool wanted(const struct task *t, const char *family)
{
	return listed(t->families, family) || listed(t->families, "all");
}

// Least squares of log V(t) on log t at 40 places, and the types after a twentieth of the tokens.
static void growth(const struct task *t, const size_t *pick, size_t n, double tokens, double *beta, double *early)
{
	enum { PLACES = 40 };
	double x[PLACES], y[PLACES], at = 0, types = 0, mx = 0, my = 0, xx = 0, xy = 0;
	size_t k = 0;
	memset(t->seen, 0, t->c->types * sizeof *t->seen);
	*early = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = t->c->first[pick[i]]; j < t->c->first[pick[i] + 1]; j++) {
			types += !t->seen[t->c->token[j]];
			t->seen[t->c->token[j]] = true;
			at++;
			if (at <= ceil(0.05 * tokens))
				*early = types;
			if (k < PLACES && at >= pow(tokens, (double)(k + 1) / PLACES)) {
				x[k] = log(at);
				y[k++] = log(types);
			}
		}
	for (size_t i = 0; i < k; i++) {
		mx += x[i] / (double)k;
		my += y[i] / (double)k;
	}
	for (size_t i = 0; i < k; i++) {
		xx += (x[i] - mx) * (x[i] - mx);
		xy += (x[i] - mx) * (y[i] - my);
	}
	*beta = xy / xx;
}

static double value_of(void *ctx, const size_t *pick, size_t n)
{
	struct task *t = ctx;
	vla_counts c;
	double v = NAN, chi2, kl, other;
	if (vla_counts_of(t->c, pick, n, &c, t->err) != VLA_OK)
		return NAN;
	double types = (double)c.types, h = vla_entropy(&c), full = ceil(log2(types));
	switch (t->stat) {
	case TYPES: v = types; break;
	case ENTROPY: v = h; break;
	case MILLER: v = h + (types - 1) / (2 * c.tokens * log(2)); break;
	case NORMALISED: v = h / log2(types); break;
	case REDUNDANCY: v = 1 - h / log2(types); break;
	case CODE_LENGTH: v = vla_huffman_length(&c); break;
	case SAVING: v = full > 0 ? 1 - vla_huffman_length(&c) / full : 0; break;
	case ZIPF: v = vla_zipf_fit(&c, 0); break;
	case YULE: v = vla_yule_fit(&c); break;
	case INNOVATION: v = 1 - 1 / vla_yule_fit(&c); break;
	case BENFORD: vla_benford(&c, &chi2, &v, &kl); break;
	case HEAPS: growth(t, pick, n, c.tokens, &v, &other); break;
	case EARLY: growth(t, pick, n, c.tokens, &other, &v); break;
	case STATS: break;
	}
	vla_counts_release(&c);
	return v;
}

/* --- what is fitted once, without an interval --- */

static vla_status fit_once(struct task *t, vla_err *err)
{
	vla_counts c;
	vla_probe *p = t->p;
	VLA_TRY(vla_counts_of(t->c, NULL, 0, &c, err));
	double n = c.tokens, chi2, deviation, kl, b, a, power, mu, sigma, ks = 0, run = 0, fit = 0, z = 0;
	vla_status s = VLA_OK;
	if (wanted(t, "zipf")) {
		a = vla_mandelbrot_fit(&c, &b);
		for (size_t r = 0; r < c.types; r++)
			z += pow((double)(r + 1) + b, -a);
		for (size_t r = 0; r < c.types; r++) {
			run += c.count[r] / n;
			fit += pow((double)(r + 1) + b, -a) / z;
			ks = fmax(ks, fabs(run - fit));
		}
		s = vla_emit_value(p, t->group, "Mandelbrot exponent", a, n, err);
		if (s == VLA_OK)
			s = vla_emit_value(p, t->group, "Mandelbrot shift", b, n, err);
		if (s == VLA_OK)
			s = vla_emit_value(p, t->group, "Mandelbrot KS distance", ks, n, err);
		// Above 0: the log-normal describes the counts better than the power law.
		double gain = 2 * (vla_lognormal_likelihood(&c, &mu, &sigma) - 2) -
			      2 * (vla_power_likelihood(&c, &power) - 1);
		if (s == VLA_OK)
			s = vla_emit_value(p, t->group, "AIC of log-normal over power law", gain, (double)c.types, err);
	}
	if (s == VLA_OK && wanted(t, "benford")) {
		vla_benford(&c, &chi2, &deviation, &kl);
		s = vla_emit_value(p, t->group, "Benford chi2 (8 df)", chi2, (double)c.types, err);
		if (s == VLA_OK)
			s = vla_emit_value(p, t->group, "Benford divergence (bits)", kl, (double)c.types, err);
	}
	vla_counts_release(&c);
	return s;
}

// Sentences until a share of all types was seen, and new types a sentence.
static vla_status saturation(struct task *t, vla_err *err)
{
	const vla_tokens *c = t->c;
	double seen = 0, at[2] = { 0, 0 }, share[2] = { 0.9, 0.99 };
	memset(t->seen, 0, c->types * sizeof *t->seen);
	for (size_t i = 0; i < c->sentences; i++) {
		for (size_t j = c->first[i]; j < c->first[i + 1]; j++) {
			seen += !t->seen[c->token[j]];
			t->seen[c->token[j]] = true;
		}
		for (int k = 0; k < 2; k++)
			if (at[k] == 0 && seen >= share[k] * (double)c->types)
				at[k] = (double)i + 1;
	}
	double n = (double)c->sentences;
	VLA_TRY(vla_emit_value(t->p, t->group, "sentences until 90 % of the types", at[0], n, err));
	VLA_TRY(vla_emit_value(t->p, t->group, "sentences until 99 % of the types", at[1], n, err));
	return vla_emit_value(t->p, t->group, "new types a sentence", seen / n, n, err);
}

// Entropy of a token when the k - 1 before it are known, k = 2, 3: differences of block entropies.
static vla_status conditional(struct task *t, const char *path, vla_err *err)
{
	double last = 0;
	size_t top, limit;
	VLA_TRY(vla_get_count(t->p, "top", 0, 1000000, &top, err));
	VLA_TRY(vla_get_count(t->p, "limit", 0, SIZE_MAX >> 12, &limit, err));
	for (size_t k = 1; k <= 3; k++) {
		vla_tokens c;
		vla_counts n;
		char name[64];
		VLA_TRY(vla_tokens_open(t->p, path, vla_get(t->p, "unit"), k, 0, limit, &c, err));
		vla_status s = vla_counts_of(&c, NULL, 0, &n, err);
		double h = s == VLA_OK ? vla_entropy(&n) : 0, tokens = n.tokens;
		vla_counts_release(&n);
		vla_tokens_close(&c);
		VLA_TRY(s);
		snprintf(name, sizeof name, "entropy after %zu (bits)", k - 1);
		if (k > 1)
			VLA_TRY(vla_emit_value(t->p, t->group, name, h - last, tokens, err));
		last = h;
	}
	return VLA_OK;
}

static vla_status deflated(const uint32_t *token, size_t n, double *out, vla_err *err)
{
	uLong bound = compressBound((uLong)(n * 2));
	uint8_t *in = vla_alloc(n, 2), *packed = vla_alloc(bound, 1);
	vla_status s = in && packed ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		in[2 * i] = (uint8_t)token[i];
		in[2 * i + 1] = (uint8_t)(token[i] >> 8);
	}
	if (s == VLA_OK && compress2(packed, &bound, in, (uLong)(n * 2), 9) != Z_OK)
		s = vla_nomem(err);
	*out = (double)bound;
	free(in);
	free(packed);
	return s;
}

// What order within a sentence saves: compressed length of the stream against one with shuffled sentences.
static vla_status order_gain(struct task *t, vla_err *err)
{
	const vla_tokens *c = t->c;
	uint32_t *shuffled = vla_alloc(c->tokens, sizeof *shuffled);
	vla_rng rng;
	double real, other;
	if (!shuffled)
		return vla_nomem(err);
	memcpy(shuffled, c->token, c->tokens * sizeof *shuffled);
	vla_rng_seed(&rng, t->p->o->seed, 3);
	for (size_t s = 0; s < c->sentences; s++)
		for (size_t i = c->first[s + 1]; i > c->first[s] + 1; i--) {
			size_t j = c->first[s] + (size_t)vla_rng_below(&rng, i - c->first[s]);
			uint32_t x = shuffled[i - 1];
			shuffled[i - 1] = shuffled[j];
			shuffled[j] = x;
		}
	vla_status s = deflated(c->token, c->tokens, &real, err);
	if (s == VLA_OK)
		s = deflated(shuffled, c->tokens, &other, err);
	free(shuffled);
	VLA_TRY(s);
	VLA_TRY(vla_emit_value(t->p, t->group, "zlib bits a token", 8 * real / (double)c->tokens, (double)c->tokens,
			       err));
	return vla_emit_value(t->p, t->group, "order gain", 1 - real / other, (double)c->tokens, err);
}

static vla_status grammar(struct task *t, vla_err *err)
{
	size_t nt, pt, longest, most, rounds;
	vla_pcfg_result r;
	VLA_TRY(vla_get_count(t->p, "nt", 1, 64, &nt, err));
	VLA_TRY(vla_get_count(t->p, "pt", 1, 128, &pt, err));
	VLA_TRY(vla_get_count(t->p, "longest", 2, 64, &longest, err));
	VLA_TRY(vla_get_count(t->p, "most", 1, 100000, &most, err));
	VLA_TRY(vla_get_count(t->p, "rounds", 1, 1000, &rounds, err));
	VLA_TRY(vla_pcfg_fit(t->c, nt, pt, longest, most, (unsigned)rounds, t->p->o->seed, &r, err));
	double n = (double)r.tokens;
	VLA_TRY(vla_emit_value(t->p, t->group, "grammar perplexity", r.perplexity, n, err));
	VLA_TRY(vla_emit_value(t->p, t->group, "unigram perplexity", r.unigram, n, err));
	VLA_TRY(vla_emit_value(t->p, t->group, "grammar gain", 1 - log(r.perplexity) / log(r.unigram), n, err));
	VLA_TRY(vla_emit_value(t->p, t->group, "tree height over log2 n", r.height, (double)r.sentences, err));
	return vla_emit_value(t->p, t->group, "left branching", r.balance, (double)r.sentences, err);
}

static vla_status measure(struct task *t, const char *path, vla_err *err)
{
	unsigned draws = t->p->draws < 100 ? t->p->draws : 100; // each draw counts the whole corpus again
	t->err = err;
	for (int k = 0; k < STATS; k++) {
		vla_estimate e;
		if (!wanted(t, stats[k].family))
			continue;
		t->stat = (enum stat)k;
		VLA_TRY(vla_bootstrap(t->c->sentences, draws, t->p->o->seed, value_of, t, &e, err));
		// Resamples repeat sentences and so lose types: their spread counts, not their place.
		double shift = e.value - 0.5 * (e.low + e.high);
		e.low += shift;
		e.high += shift;
		VLA_TRY(vla_emit(t->p, t->group, stats[k].name, e, (double)t->c->tokens, err));
	}
	VLA_TRY(fit_once(t, err));
	if (wanted(t, "heaps"))
		VLA_TRY(saturation(t, err));
	if (wanted(t, "entropy") && strcmp(path, "-") != 0)
		VLA_TRY(conditional(t, path, err));
	if (wanted(t, "zlib"))
		VLA_TRY(order_gain(t, err));
	return listed(t->families, "pcfg") ? grammar(t, err) : VLA_OK;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	size_t order, top, limit;
	VLA_TRY(vla_get_count(p, "order", 1, 4, &order, err));
	VLA_TRY(vla_get_count(p, "top", 0, 1000000, &top, err));
	VLA_TRY(vla_get_count(p, "limit", 0, SIZE_MAX >> 12, &limit, err));
	if (p->o->inputs == 0)
		return vla_fail(err, VLA_EINVAL, "task tokens needs a text or a table");
	for (size_t i = 0; i < p->o->inputs; i++) {
		vla_tokens c;
		struct task t = { .p = p, .c = &c, .families = vla_get(p, "stats"), .group = p->o->input[i] };
		VLA_TRY(vla_tokens_open(p, p->o->input[i], vla_get(p, "unit"), order, top, limit, &c, err));
		t.seen = vla_alloc(c.types, sizeof *t.seen);
		vla_status s = t.seen ? measure(&t, p->o->input[i], err) : vla_nomem(err);
		free(t.seen);
		vla_tokens_close(&c);
		VLA_TRY(s);
	}
	return VLA_OK;
}

static const vla_probe_key keys[] = {
	{ "stats", "all", "of zipf, heaps, yule, benford, entropy, huffman, zlib, with commas; pcfg is extra" },
	{ "unit", "word", "word, token (separated by blanks) or character" },
	{ "order", "1", "count n-grams of that length" },
	{ "top", "0", "keep that many types, the others become one; 0: all" },
	{ "limit", "0", "take so many tokens; 0: all" },
	{ "nt", "5", "pcfg: non-terminals" },
	{ "pt", "10", "pcfg: pre-terminals" },
	{ "longest", "12", "pcfg: tokens of a sentence" },
	{ "most", "200", "pcfg: sentences" },
	{ "rounds", "20", "pcfg: rounds of expectation maximisation" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_tokens = { "tokens", "corpus statistics of a text or a stream of tokens", run, keys };
