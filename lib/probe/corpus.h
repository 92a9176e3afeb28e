/* Streams of tokens as a linguist counts them: sentences (of a text, of a picture's codes) over a vocabulary;
 * statistics of their counts; a grammar. */
#ifndef VLA_PROBE_CORPUS_H
#define VLA_PROBE_CORPUS_H

#include "probe/probe.h"

typedef struct vla_tokens {
	uint32_t *token; // [tokens] numbers below types
	size_t tokens, types;
	size_t *first; // [sentences + 1]
	size_t sentences;
} vla_tokens;

/* Reads a text with a sentence a line, or the captions of a table (.tsv, .jsonl). unit: "word" (lower case), "token"
 * (separated by blanks) or "character". order > 1: n-grams within sentences. top > 0: rarer types become one. limit >
 * 0: at most so many tokens. */
vla_status vla_tokens_open(vla_probe *p, const char *path, const char *unit, size_t order, size_t top, size_t limit,
			   vla_tokens *c, vla_err *err) VLA_MUST_USE;
void vla_tokens_close(vla_tokens *c);

/* Counts of types: count [types] in no order; hist: (k, types with count k) pairs, k ascending. */
typedef struct vla_counts {
	double *count; // [types] descending, without zeros
	size_t types;
	double tokens;
} vla_counts;

/* Of the picked sentences (pick NULL: all). Free with vla_counts_release. */
vla_status vla_counts_of(const vla_tokens *c, const size_t *pick, size_t n, vla_counts *out, vla_err *err) VLA_MUST_USE;
void vla_counts_release(vla_counts *c);

double vla_entropy(const vla_counts *c);                             // bits
double vla_huffman_length(const vla_counts *c);                      // bits a token; 0 for one type
double vla_zipf_fit(const vla_counts *c, double b);                  // the exponent of (rank + b)^-a by likelihood
double vla_zipf_likelihood(const vla_counts *c, double a, double b); // natural logarithm
double vla_mandelbrot_fit(const vla_counts *c, double *b);           // the exponent; *b the shift
double vla_yule_fit(const vla_counts *c);                            // rho by likelihood
double vla_power_likelihood(const vla_counts *c, double *a);         // zeta distribution of counts
double vla_lognormal_likelihood(const vla_counts *c, double *mu, double *sigma);
void vla_benford(const vla_counts *c, double *chi2, double *deviation, double *divergence);

/* Perplexity of a probabilistic context-free grammar with nt non-terminals and pt pre-terminals, fitted by
 * inside-outside expectation maximisation to the sentences of 2 to `longest` tokens, `most` of them at most. *unigram:
 * the perplexity of single tokens on the same ones. */
typedef struct vla_pcfg_result {
	double perplexity, unigram, height, balance; // height over log2 n; share of left-branching among binary nodes
	size_t sentences, tokens;
} vla_pcfg_result;
vla_status vla_pcfg_fit(const vla_tokens *c, size_t nt, size_t pt, size_t longest, size_t most, unsigned iterations,
			uint64_t seed, vla_pcfg_result *out, vla_err *err) VLA_MUST_USE;

#endif
