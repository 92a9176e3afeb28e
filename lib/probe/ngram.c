/* Bigram language model with Witten-Bell interpolation (1991): the weight of the lower order in a context is its number
 * of distinct continuations over that plus its tokens. Unknown words share the weight of the empty context. */
#include "probe/ngram.h"

#include "train/intern.h"

#include <math.h>

struct pair {
	uint64_t key; // first word << 32 | second, + 1; 0: free
	uint32_t n;
};

struct vla_ngram {
	vla_intern word;
	struct context {
		uint32_t as_word, tokens, kinds; // seen as a word; followed by tokens, of so many kinds
	} * c;
	size_t cap;
	struct pair *pair; // [slots], open addressing
	size_t pairs, slots;
	double tokens;
	vla_err *err;
};

static bool inner(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

size_t vla_word(const char **s, const char **begin)
{
	const char *p = *s;
	while (*p && !inner((unsigned char)*p))
		p++;
	*begin = p;
	while (inner((unsigned char)*p) || ((*p == '\'' || *p == '-') && inner((unsigned char)p[1])))
		p++;
	*s = p;
	return (size_t)(p - *begin);
}

bool vla_word_lower(const char **s, char *out, size_t cap)
{
	const char *begin;
	size_t n = vla_word(s, &begin);
	if (n >= cap)
		n = cap - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(begin[i] >= 'A' && begin[i] <= 'Z' ? begin[i] + 32 : begin[i]);
	out[n] = 0;
	return n > 0;
}

vla_status vla_ngram_new(vla_ngram **out, vla_err *err)
{
	vla_ngram *m = vla_zalloc(1, sizeof *m);
	uint32_t id;
	if (!m)
		return vla_nomem(err);
	m->slots = 1 << 12;
	m->pair = vla_zalloc(m->slots, sizeof *m->pair);
	m->cap = 1024;
	m->c = vla_zalloc(m->cap, sizeof *m->c);
	// Number 0 is the boundary of a sentence: a string that no word can be.
	vla_status s = m->pair && m->c ? vla_intern_add(&m->word, " ", &id, err) : vla_nomem(err);
	if (s != VLA_OK) {
		vla_ngram_close(m);
		return s;
	}
	*out = m;
	return VLA_OK;
}

void vla_ngram_close(vla_ngram *m)
{
	if (!m)
		return;
	vla_intern_release(&m->word);
	free(m->c);
	free(m->pair);
	free(m);
}

static struct pair *find(const vla_ngram *m, uint32_t a, uint32_t b)
{
	uint64_t key = ((uint64_t)a << 32 | b) + 1;
	size_t at = (size_t)vla_hash64(&key, sizeof key, 0) & (m->slots - 1);
	while (m->pair[at].key && m->pair[at].key != key)
		at = (at + 1) & (m->slots - 1);
	return &m->pair[at];
}

static vla_status grow(vla_ngram *m, vla_err *err)
{
	struct pair *old = m->pair;
	size_t n = m->slots;
	struct pair *more = vla_zalloc(2 * n, sizeof *more);
	if (!more)
		return vla_nomem(err);
	m->pair = more;
	m->slots = 2 * n;
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*find(m, (uint32_t)((old[i].key - 1) >> 32), (uint32_t)(old[i].key - 1)) = old[i];
	free(old);
	return VLA_OK;
}

static vla_status count(vla_ngram *m, uint32_t a, uint32_t b, vla_err *err)
{
	if (2 * m->pairs >= m->slots)
		VLA_TRY(grow(m, err));
	struct pair *p = find(m, a, b);
	if (!p->key) {
		p->key = ((uint64_t)a << 32 | b) + 1;
		m->pairs++;
		m->c[a].kinds++;
	}
	p->n++;
	m->c[a].tokens++;
	m->c[b].as_word++;
	m->tokens++;
	return VLA_OK;
}

vla_status vla_ngram_add(vla_ngram *m, const char *sentence, vla_err *err)
{
	char w[64];
	uint32_t last = 0, id;
	while (vla_word_lower(&sentence, w, sizeof w)) {
		VLA_TRY(vla_intern_add(&m->word, w, &id, err));
		if (id >= m->cap) {
			struct context *more = vla_realloc(m->c, 2 * m->cap, sizeof *more);
			if (!more)
				return vla_nomem(err);
			memset(more + m->cap, 0, m->cap * sizeof *more);
			m->c = more;
			m->cap *= 2;
		}
		VLA_TRY(count(m, last, id, err));
		last = id;
	}
	return last ? count(m, last, 0, err) : VLA_OK;
}

static double unigram(const vla_ngram *m, uint32_t w)
{
	double kinds = (double)m->word.n, n = w == UINT32_MAX ? 0 : m->c[w].as_word;
	// One part in kinds + tokens is for all unknown words together.
	return (n + (n > 0 ? 0 : 1) * kinds / (kinds + 1)) / (m->tokens + kinds + 1);
}

static double probability(const vla_ngram *m, uint32_t a, uint32_t b)
{
	double low = unigram(m, b);
	if (a == UINT32_MAX || m->c[a].tokens == 0)
		return low;
	double kinds = m->c[a].kinds, tokens = m->c[a].tokens, n = 0;
	if (b != UINT32_MAX) {
		const struct pair *p = find(m, a, b);
		n = p->key ? p->n : 0;
	}
	return (n + kinds * low) / (tokens + kinds);
}

vla_status vla_ngram_score(vla_ngram *m, const char *sentence, double *out, vla_err *err)
{
	char w[64];
	uint32_t last = 0;
	double sum = 0, n = 1;
	(void)err;
	while (vla_word_lower(&sentence, w, sizeof w)) {
		uint32_t id = vla_intern_find(&m->word, w);
		sum += log(probability(m, last, id));
		last = id;
		n++;
	}
	*out = (sum + log(probability(m, last, 0))) / n;
	return VLA_OK;
}
