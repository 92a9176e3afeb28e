/* A probabilistic context-free grammar by inside-outside expectation maximisation (Lari and Young 1990), in the form
 * S -> A, A -> B C, T -> w, where A is one of nt non-terminals, T one of pt pre-terminals, and B and C either. What
 * order tells beyond single tokens, it finds as a lower perplexity. */
#include "probe/corpus.h"

#include <math.h>

struct grammar {
	size_t nt, pt, n, words;           // n = nt + pt: symbols, non-terminals first
	double *start;                     // [nt]
	double *rule;                      // [nt, n, n]
	double *word;                      // [pt, words]
	double *start_n, *rule_n, *word_n; // expected counts
	double *in, *out;                  // [longest, longest + 1, n]: inside and outside of the span [i, j)
	size_t longest;
	double loglik;
};

static double *cell(const struct grammar *g, double *chart, size_t i, size_t j)
{
	return chart + (i * (g->longest + 1) + j) * g->n;
}

static void normalise(size_t n, double *x)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += x[i];
	for (size_t i = 0; i < n; i++)
		x[i] = sum > 0 ? x[i] / sum : 1.0 / (double)n;
}

static void normalise_all(struct grammar *g)
{
	normalise(g->nt, g->start);
	for (size_t a = 0; a < g->nt; a++)
		normalise(g->n * g->n, g->rule + a * g->n * g->n);
	for (size_t t = 0; t < g->pt; t++)
		normalise(g->words, g->word + t * g->words);
}

// Each preterminal's row starts from the unigram with noise: EM moves from there to what separates the tokens.
static vla_status grammar_new(struct grammar *g, uint64_t seed, const double *unigram, vla_err *err)
{
	vla_rng rng;
	size_t rules = g->nt * g->n * g->n, words = g->pt * g->words, chart = g->longest * (g->longest + 1) * g->n;
	g->start = vla_alloc(2 * g->nt, sizeof *g->start);
	g->rule = vla_alloc(2 * rules, sizeof *g->rule);
	g->word = vla_alloc(2 * words, sizeof *g->word);
	g->in = vla_alloc(chart, sizeof *g->in);
	g->out = vla_alloc(chart, sizeof *g->out);
	if (!g->start || !g->rule || !g->word || !g->in || !g->out)
		return vla_nomem(err);
	g->start_n = g->start + g->nt;
	g->rule_n = g->rule + rules;
	g->word_n = g->word + words;
	vla_rng_seed(&rng, seed, 11);
	for (size_t i = 0; i < g->nt; i++)
		g->start[i] = 0.5 + vla_rng_double(&rng);
	for (size_t i = 0; i < rules; i++)
		g->rule[i] = 0.1 - log(1 - vla_rng_double(&rng));
	for (size_t i = 0; i < words; i++)
		g->word[i] = unigram[i % g->words] * (0.05 - log(1 - vla_rng_double(&rng)));
	normalise_all(g);
	return VLA_OK;
}

static void grammar_release(struct grammar *g)
{
	free(g->start);
	free(g->rule);
	free(g->word);
	free(g->in);
	free(g->out);
}

// Symbols that a span of that length can be: pre-terminals for one token, non-terminals for more.
static void symbols(const struct grammar *g, size_t length, size_t *from, size_t *to)
{
	*from = length == 1 ? g->nt : 0;
	*to = length == 1 ? g->n : g->nt;
}

static double inside(struct grammar *g, const uint32_t *w, size_t n)
{
	for (size_t len = 1; len <= n; len++)
		for (size_t i = 0; i + len <= n; i++) {
			double *x = cell(g, g->in, i, i + len);
			memset(x, 0, g->n * sizeof *x);
			for (size_t t = 0; len == 1 && t < g->pt; t++)
				x[g->nt + t] = g->word[t * g->words + w[i]];
			for (size_t k = 1; k < len; k++) {
				const double *l = cell(g, g->in, i, i + k), *r = cell(g, g->in, i + k, i + len);
				size_t b0, b1, c0, c1;
				symbols(g, k, &b0, &b1);
				symbols(g, len - k, &c0, &c1);
				for (size_t a = 0; a < g->nt; a++)
					for (size_t b = b0; b < b1; b++) {
						const double *rule = g->rule + (a * g->n + b) * g->n;
						double sum = 0;
						for (size_t c = c0; c < c1; c++)
							sum += rule[c] * r[c];
						x[a] += l[b] * sum;
					}
			}
		}
	double p = 0;
	for (size_t a = 0; a < g->nt; a++)
		p += g->start[a] * cell(g, g->in, 0, n)[a];
	return p;
}

// One span's share of the expected counts, handed down to its parts.
static void spread(struct grammar *g, size_t i, size_t j, double p)
{
	const double *x = cell(g, g->out, i, j);
	for (size_t k = i + 1; k < j; k++) {
		const double *l = cell(g, g->in, i, k), *r = cell(g, g->in, k, j);
		double *lo = cell(g, g->out, i, k), *ro = cell(g, g->out, k, j);
		size_t b0, b1, c0, c1;
		symbols(g, k - i, &b0, &b1);
		symbols(g, j - k, &c0, &c1);
		for (size_t a = 0; a < g->nt; a++) {
			if (x[a] <= 0)
				continue;
			for (size_t b = b0; b < b1; b++) {
				const double *rule = g->rule + (a * g->n + b) * g->n;
				double *count = g->rule_n + (a * g->n + b) * g->n;
				for (size_t c = c0; c < c1; c++) {
					double o = x[a] * rule[c];
					lo[b] += o * r[c];
					ro[c] += o * l[b];
					count[c] += o * l[b] * r[c] / p;
				}
			}
		}
	}
}

static void expect(struct grammar *g, const uint32_t *w, size_t n)
{
	double p = inside(g, w, n);
	if (!(p > 0))
		return;
	g->loglik += log(p);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j <= n; j++)
			memset(cell(g, g->out, i, j), 0, g->n * sizeof *g->out);
	for (size_t a = 0; a < g->nt; a++) {
		cell(g, g->out, 0, n)[a] = g->start[a];
		g->start_n[a] += g->start[a] * cell(g, g->in, 0, n)[a] / p;
	}
	for (size_t len = n; len > 1; len--)
		for (size_t i = 0; i + len <= n; i++)
			spread(g, i, i + len, p);
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < g->pt; t++)
			g->word_n[t * g->words + w[i]] +=
				cell(g, g->out, i, i + 1)[g->nt + t] * cell(g, g->in, i, i + 1)[g->nt + t] / p;
}

static void maximise_counts(struct grammar *g)
{
	memcpy(g->start, g->start_n, g->nt * sizeof *g->start);
	memcpy(g->rule, g->rule_n, g->nt * g->n * g->n * sizeof *g->rule);
	memcpy(g->word, g->word_n, g->pt * g->words * sizeof *g->word);
	normalise_all(g);
}

static void clear_counts(struct grammar *g)
{
	g->loglik = 0;
	memset(g->start_n, 0, g->nt * sizeof *g->start_n);
	memset(g->rule_n, 0, g->nt * g->n * g->n * sizeof *g->rule_n);
	memset(g->word_n, 0, g->pt * g->words * sizeof *g->word_n);
}

// The likeliest tree, greedily from the top: its height, and whether the left part of a node is the longer one.
static size_t tree_height(struct grammar *g, size_t i, size_t j, double *left, double *nodes)
{
	size_t best = i + 1;
	double most = -1;
	if (j - i == 1)
		return 0;
	for (size_t k = i + 1; k < j; k++) {
		const double *l = cell(g, g->in, i, k), *r = cell(g, g->in, k, j), *o = cell(g, g->out, i, j);
		double sum = 0;
		for (size_t a = 0; a < g->nt; a++)
			for (size_t b = 0; b < g->n; b++)
				for (size_t c = 0; c < g->n; c++)
					sum += o[a] * g->rule[(a * g->n + b) * g->n + c] * l[b] * r[c];
		if (sum > most) {
			most = sum;
			best = k;
		}
	}
	*left += best - i > j - best ? 1 : best - i == j - best ? 0.5 : 0;
	++*nodes;
	size_t a = tree_height(g, i, best, left, nodes), b = tree_height(g, best, j, left, nodes);
	return 1 + (a > b ? a : b);
}

static bool takes(const vla_tokens *c, size_t s, size_t longest)
{
	size_t n = c->first[s + 1] - c->first[s];
	return n >= 2 && n <= longest;
}

vla_status vla_pcfg_fit(const vla_tokens *c, size_t nt, size_t pt, size_t longest, size_t most, unsigned iterations,
			uint64_t seed, vla_pcfg_result *out, vla_err *err)
{
	struct grammar g = { .nt = nt, .pt = pt, .n = nt + pt, .words = c->types, .longest = longest };
	double *unigram = vla_zalloc(c->types, sizeof *unigram), h = 0, left = 0, nodes = 0, height = 0;
	size_t *take = vla_alloc(c->sentences, sizeof *take), n = 0;
	*out = (vla_pcfg_result){ 0 };
	vla_status s = unigram && take ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < c->sentences && n < most && s == VLA_OK; i++)
		if (takes(c, i, longest)) {
			take[n++] = i;
			for (size_t t = c->first[i]; t < c->first[i + 1]; t++, out->tokens++)
				unigram[c->token[t]]++;
		}
	if (s == VLA_OK && n == 0)
		s = vla_fail(err, VLA_EINVAL, "no sentence has 2 to %zu tokens", longest);
	for (size_t i = 0; i < c->types && s == VLA_OK; i++)
		h -= unigram[i] > 0 ? unigram[i] * log(unigram[i] / (double)out->tokens) : 0;
	if (s == VLA_OK)
		s = grammar_new(&g, seed, unigram, err);
	for (unsigned it = 0; it < iterations && s == VLA_OK; it++) {
		clear_counts(&g);
		for (size_t i = 0; i < n; i++)
			expect(&g, c->token + c->first[take[i]], c->first[take[i] + 1] - c->first[take[i]]);
		if (it + 1 < iterations)
			maximise_counts(&g);
	}
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		size_t len = c->first[take[i] + 1] - c->first[take[i]];
		expect(&g, c->token + c->first[take[i]], len);
		height += (double)tree_height(&g, 0, len, &left, &nodes) / log2((double)len) / (double)n;
	}
	if (s == VLA_OK) {
		g.loglik /= 2; // the last round and the walk over the trees saw each sentence
		out->perplexity = exp(-g.loglik / (double)out->tokens);
		out->unigram = exp(h / (double)out->tokens);
		out->height = height;
		out->balance = left / nodes;
		out->sentences = n;
	}
	grammar_release(&g);
	free(unigram);
	free(take);
	return s;
}
