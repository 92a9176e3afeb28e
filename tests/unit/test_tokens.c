/* Corpus statistics on null corpora whose answers are known: a sample of a Zipf law, a Yule process, uniform tokens, a
 * known grammar; codes and fits against brute force. */
#include "probe/corpus.h"

#include "tap.h"

#include <math.h>

static uint32_t draw(const double *cumulative, size_t n, vla_rng *rng)
{
	double x = vla_rng_double(rng) * cumulative[n - 1];
	size_t low = 0, high = n - 1;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (cumulative[mid] > x)
			high = mid;
		else
			low = mid + 1;
	}
	return (uint32_t)low;
}

// One sentence that holds all tokens.
static vla_tokens whole(uint32_t *token, size_t n, size_t types, size_t first[2])
{
	first[0] = 0;
	first[1] = n;
	return (vla_tokens){ token, n, types, first, 1 };
}

static void test_zipf(double a, double b)
{
	enum { V = 2000, N = 200000 };
	static uint32_t token[N];
	double cumulative[V], sum = 0, shift;
	size_t first[2];
	vla_rng rng;
	vla_counts c;
	vla_rng_seed(&rng, 1, 0);
	for (int r = 0; r < V; r++)
		cumulative[r] = sum += pow(r + 1 + b, -a);
	for (int i = 0; i < N; i++)
		token[i] = draw(cumulative, V, &rng);
	vla_tokens t = whole(token, N, V, first);
	ok(vla_counts_of(&t, NULL, 0, &c, NULL) == VLA_OK && c.tokens == N, "a sample of a Zipf law, exponent %g", a);
	if (b == 0)
		near(vla_zipf_fit(&c, 0), a, 0.03, "its exponent by likelihood");
	double fit = vla_mandelbrot_fit(&c, &shift);
	ok(fabs(fit - a) < 0.1 * a && fabs(shift - b) < 0.3 * b + 0.5, "Mandelbrot's form: %g, %g", fit, shift);
	vla_counts_release(&c);
}

// Simon's process: a new type with probability alpha, else a repeated token. Counts follow Yule's law, rho = 1 / (1 -
// alpha).
static void test_yule(double alpha)
{
	enum { N = 200000 };
	static uint32_t token[N];
	uint32_t types = 0;
	size_t first[2];
	vla_rng rng;
	vla_counts c;
	vla_rng_seed(&rng, 2, 0);
	for (size_t i = 0; i < N; i++)
		token[i] = i == 0 || vla_rng_double(&rng) < alpha ? types++ : token[vla_rng_below(&rng, i)];
	vla_tokens t = whole(token, N, types, first);
	ok(vla_counts_of(&t, NULL, 0, &c, NULL) == VLA_OK, "a Yule process, innovation %g", alpha);
	near(vla_yule_fit(&c), 1 / (1 - alpha), 0.05, "its rho");
	double a, mu, sigma;
	double power = vla_power_likelihood(&c, &a), normal = vla_lognormal_likelihood(&c, &mu, &sigma);
	ok(power > normal - 1e9 && a > 1, "the other fits are finite (%g, %g)", power, normal);
	vla_counts_release(&c);
}

static void test_uniform(void)
{
	enum { V = 64, N = 64 * 500 };
	static uint32_t token[N];
	double chi2, deviation, kl;
	size_t first[2];
	vla_counts c;
	for (int i = 0; i < N; i++)
		token[i] = (uint32_t)i % V;
	vla_tokens t = whole(token, N, V, first);
	ok(vla_counts_of(&t, NULL, 0, &c, NULL) == VLA_OK, "uniform tokens");
	near(vla_entropy(&c), 6, 1e-12, "their entropy");
	near(vla_huffman_length(&c), 6, 1e-12, "Huffman's code saves nothing");
	near(vla_zipf_fit(&c, 0), 0, 1e-4, "no rank is more frequent");
	vla_benford(&c, &chi2, &deviation, &kl);
	near(kl, log2(1 / log10(1 + 1.0 / 5)), 1e-12, "all counts begin with 5");
	vla_counts_release(&c);
}

// The optimal code by trying all trees is Huffman's: known lengths of powers of two, and a bound by the entropy.
static void test_huffman(void)
{
	double count[5] = { 8, 4, 2, 1, 1 };
	vla_counts c = { count, 5, 16 };
	near(vla_huffman_length(&c), (8 * 1 + 4 * 2 + 2 * 3 + 1 * 4 + 1 * 4) / 16.0, 1e-12, "powers of two");
	double other[4] = { 5, 4, 4, 3 };
	c = (vla_counts){ other, 4, 16 };
	near(vla_huffman_length(&c), 2, 1e-12, "nearly equal counts");
	c = (vla_counts){ other, 1, 5 };
	ok(vla_huffman_length(&c) == 0 && vla_entropy(&c) == 0, "one type needs no bit");
	double benford[9];
	for (int d = 1; d < 10; d++)
		benford[d - 1] = d;
	c = (vla_counts){ benford, 9, 45 };
	double chi2, deviation, kl;
	vla_benford(&c, &chi2, &deviation, &kl);
	ok(kl > 0 && deviation > 0, "one count for each digit is not Benford's law");
	// counts 1, 1, 2, 3: the sum over k of N_k log p(k), by hand for rho = 1: p(k) = 1 / (k (k + 1))
	double y[4] = { 3, 2, 1, 1 };
	c = (vla_counts){ y, 4, 7 };
	double rho = vla_yule_fit(&c), best = -INFINITY, at = 0;
	for (double r = 0.05; r < 20; r *= 1.0005) {
		double sum = 0;
		for (int i = 0; i < 4; i++)
			sum += log(r) + lgamma(y[i]) + lgamma(r + 1) - lgamma(y[i] + r + 1);
		if (sum > best) {
			best = sum;
			at = r;
		}
	}
	near(rho, at, 1e-3, "Yule's rho by a grid");
}

// S -> A; A -> a A b with probability 0.4, a b with 0.6, written with pre-terminals: nested pairs.
static void test_grammar(void)
{
	enum { SENTENCES = 300 };
	static uint32_t token[SENTENCES * 12];
	static size_t first[SENTENCES + 1];
	size_t n = 0, s = 0;
	double loglik = 0;
	vla_rng rng;
	vla_rng_seed(&rng, 4, 0);
	while (s < SENTENCES) {
		size_t depth = 1;
		while (vla_rng_double(&rng) < 0.4)
			depth++;
		if (depth > 6)
			continue;
		uint32_t pair[6];
		for (size_t i = 0; i < depth; i++) { // the kind of bracket: 2 kinds
			pair[i] = (uint32_t)vla_rng_below(&rng, 2);
			token[n + i] = pair[i];
		}
		for (size_t i = 0; i < depth; i++)
			token[n + depth + i] = 2 + pair[depth - 1 - i];
		n += 2 * depth;
		first[++s] = n;
		loglik += (double)(depth - 1) * log(0.4) + log(0.6) - (double)depth * log(2);
	}
	vla_tokens t = { token, n, 4, first, SENTENCES };
	vla_pcfg_result r, best = { .perplexity = INFINITY };
	for (uint64_t seed = 0; seed < 6; seed++) // EM finds local maxima: the best of six starts
		if (vla_pcfg_fit(&t, 5, 4, 12, SENTENCES, 60, seed, &r, NULL) == VLA_OK &&
		    r.perplexity < best.perplexity)
			best = r;
	double truth = exp(-loglik / (double)n);
	note("perplexity %.4f, of the true grammar %.4f, of single tokens %.4f", best.perplexity, truth, best.unigram);
	ok(best.perplexity < 1.05 * truth, "the fitted grammar is as good as the true one");
	ok(best.unigram > 1.5 * truth, "and single tokens are not");
	ok(best.tokens == n && best.sentences == SENTENCES, "all tokens count");
	ok(vla_pcfg_fit(&t, 2, 2, 1, 10, 2, 1, &r, NULL) == VLA_EINVAL, "no short sentence is an error");
}

int main(void)
{
	test_zipf(1.1, 0);
	test_zipf(1.6, 8);
	test_yule(0.1);
	test_yule(0.5);
	test_uniform();
	test_huffman();
	test_grammar();
	return done();
}
