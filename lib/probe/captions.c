/* Captions against references: BLEU (Papineni et al. 2002, corpus level, closest reference length), ROUGE-L (Lin 2004,
 * as COCO's evaluation takes it), a METEOR of exact and stemmed matches (Banerjee and Lavie 2005, without synonyms),
 * CIDEr-D (Vedantam et al. 2015). Words are lower-cased, punctuation does not count. And CLIPScore (Hessel et al.
 * 2021), which needs a model and no reference. */
#include "probe/ngram.h"
#include "probe/probe.h"

#include "train/intern.h"

#include <math.h>

enum { N = 4, LONGEST = 256 };

struct gram {
	uint64_t key;
	double n;
};

struct sentence {
	uint64_t word[LONGEST], stem[LONGEST];
	size_t n;
	struct gram *gram[N]; // sorted by key, distinct
	size_t grams[N];
};

struct picture {
	struct sentence *ref, guess;
	size_t refs;
	bool guessed;
};

struct captions {
	vla_probe *p;
	vla_intern image;
	struct picture *pic;
	size_t cap;
	vla_buf seen; // uint64_t: distinct n-grams of each picture's references, all together, sorted
	size_t pictures;
};

static int by_key(const void *a, const void *b)
{
	uint64_t x = ((const struct gram *)a)->key, y = ((const struct gram *)b)->key;
	return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static size_t merge(struct gram *g, size_t n)
{
	size_t k = 0;
	qsort(g, n, sizeof *g, by_key);
	for (size_t i = 0; i < n; i++)
		if (k && g[k - 1].key == g[i].key)
			g[k - 1].n += g[i].n;
		else
			g[k++] = g[i];
	return k;
}

static void sentence_release(struct sentence *s)
{
	for (int k = 0; k < N; k++)
		free(s->gram[k]);
}

// Common endings off, so that "dogs" meets "dog" and "running" meets "runs".
static size_t stem_length(const char *w)
{
	static const char *const ending[] = { "ings", "ing", "ies", "ied", "es", "ed", "s", "y" };
	size_t n = strlen(w);
	for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
		size_t k = strlen(ending[i]);
		if (n >= k + 3 && strcmp(w + n - k, ending[i]) == 0) {
			n -= k;
			break;
		}
	}
	return n > 3 && w[n - 1] == w[n - 2] ? n - 1 : n;
}

static vla_status parse(const char *text, struct sentence *s, vla_err *err)
{
	char w[64];
	*s = (struct sentence){ .n = 0 };
	while (s->n < LONGEST && vla_word_lower(&text, w, sizeof w)) {
		s->stem[s->n] = vla_hash64(w, stem_length(w), 1);
		s->word[s->n++] = vla_hash64(w, strlen(w), 0);
	}
	for (size_t k = 0; k < N; k++) {
		size_t n = s->n > k ? s->n - k : 0;
		s->gram[k] = vla_alloc(n, sizeof *s->gram[k]);
		if (!s->gram[k])
			return vla_nomem(err);
		for (size_t i = 0; i < n; i++)
			s->gram[k][i] = (struct gram){ vla_hash64(&s->word[i], (k + 1) * sizeof s->word[0], k), 1 };
		s->grams[k] = merge(s->gram[k], n);
	}
	return VLA_OK;
}

static double count_of(const struct sentence *s, size_t k, uint64_t key)
{
	struct gram want = { key, 0 }, *g = bsearch(&want, s->gram[k], s->grams[k], sizeof want, by_key);
	return s->grams[k] && g ? g->n : 0;
}

static vla_status add_caption(struct captions *c, vla_rows *r, bool gold, vla_err *err)
{
	const char *image = vla_rows_get(r, "image"), *cell = vla_rows_get(r, gold ? "reference" : "caption");
	if (!image)
		image = vla_rows_get(r, "id");
	if (!image || !cell) {
		vla_rows_warn(r, image ? "no caption" : "no picture");
		return VLA_OK;
	}
	const char *slash = strrchr(image, '/');
	uint32_t at;
	char **text;
	size_t n;
	if (!gold && vla_intern_find(&c->image, slash ? slash + 1 : image) == UINT32_MAX) {
		vla_rows_warn(r, "'%.80s' has no reference", image);
		return VLA_OK;
	}
	VLA_TRY(vla_intern_add(&c->image, slash ? slash + 1 : image, &at, err));
	if (at >= c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct picture *more = vla_realloc(c->pic, cap, sizeof *more);
		if (!more)
			return vla_nomem(err);
		memset(more + c->cap, 0, (cap - c->cap) * sizeof *more);
		c->pic = more;
		c->cap = cap;
	}
	struct picture *p = &c->pic[at];
	VLA_TRY(vla_texts_of(cell, &text, &n, err));
	vla_status s = VLA_OK;
	if (!gold && n) {
		if (p->guessed)
			vla_rows_warn(r, "a second caption of '%.80s'", image);
		else
			s = parse(text[0], &p->guess, err);
		p->guessed = true;
	}
	for (size_t i = 0; i < n && gold && s == VLA_OK; i++) {
		struct sentence *more = vla_realloc(p->ref, p->refs + 1, sizeof *more);
		if (more)
			p->ref = more;
		s = more ? parse(text[i], &more[p->refs++], err) : vla_nomem(err);
	}
	vla_texts_free(text, n);
	return s;
}

static vla_status read_captions(struct captions *c, const char *path, bool gold, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(c->p, path, NULL, &r, err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
		s = add_caption(c, &r, gold, err);
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

/* --- BLEU --- */

struct bleu {
	double hit[N], all[N], length, closest;
};

static struct bleu bleu_of(const struct picture *p)
{
	struct bleu b = { .length = (double)p->guess.n };
	double least = INFINITY;
	for (size_t k = 0; k < N; k++)
		for (size_t i = 0; i < p->guess.grams[k]; i++) {
			double most = 0;
			for (size_t r = 0; r < p->refs; r++)
				most = fmax(most, count_of(&p->ref[r], k, p->guess.gram[k][i].key));
			b.hit[k] += fmin(most, p->guess.gram[k][i].n);
			b.all[k] += p->guess.gram[k][i].n;
		}
	for (size_t r = 0; r < p->refs; r++) {
		double n = (double)p->ref[r].n, d = fabs(n - b.length);
		if (d < least || (d == least && n < b.closest)) {
			least = d;
			b.closest = n;
		}
	}
	return b;
}

struct corpus {
	const struct bleu *b;
	int order;
};

static double bleu_score(void *ctx, const size_t *pick, size_t n)
{
	const struct corpus *c = ctx;
	double hit[N] = { 0 }, all[N] = { 0 }, length = 0, closest = 0, sum = 0;
	for (size_t i = 0; i < n; i++) {
		const struct bleu *b = &c->b[pick[i]];
		for (int k = 0; k < c->order; k++) {
			hit[k] += b->hit[k];
			all[k] += b->all[k];
		}
		length += b->length;
		closest += b->closest;
	}
	for (int k = 0; k < c->order; k++)
		sum += log(hit[k] / all[k]) / c->order;
	return exp(sum + (length < closest ? 1 - closest / length : 0));
}

/* --- ROUGE-L, METEOR --- */

static double longest_common(const struct sentence *a, const struct sentence *b)
{
	size_t row[LONGEST + 1] = { 0 };
	for (size_t i = 0; i < a->n; i++) {
		size_t diagonal = 0;
		for (size_t j = 0; j < b->n; j++) {
			size_t above = row[j + 1];
			row[j + 1] = a->word[i] == b->word[j] ? diagonal + 1 : row[j] > above ? row[j] : above;
			diagonal = above;
		}
	}
	return (double)row[b->n];
}

static double rouge_of(const struct picture *p)
{
	double precision = 0, recall = 0, beta2 = 1.2 * 1.2;
	for (size_t r = 0; r < p->refs; r++) {
		double l = longest_common(&p->ref[r], &p->guess);
		precision = fmax(precision, p->guess.n ? l / (double)p->guess.n : 0);
		recall = fmax(recall, p->ref[r].n ? l / (double)p->ref[r].n : 0);
	}
	return precision > 0 && recall > 0 ? (1 + beta2) * precision * recall / (recall + beta2 * precision) : 0;
}

// Aligns words by themselves, then by their stems; a word prefers the place behind its neighbour's.
static double meteor_pair(const struct sentence *guess, const struct sentence *ref)
{
	size_t to[LONGEST];
	bool taken[LONGEST] = { false };
	double matches = 0, chunks = 0;
	for (size_t i = 0; i < guess->n; i++)
		to[i] = SIZE_MAX;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < guess->n; i++) {
			const uint64_t *a = pass ? guess->stem : guess->word, *b = pass ? ref->stem : ref->word;
			size_t next = i && to[i - 1] != SIZE_MAX ? to[i - 1] + 1 : 0;
			for (size_t j = 0; j < ref->n && to[i] == SIZE_MAX; j++) {
				size_t at = (next + j) % ref->n;
				if (!taken[at] && a[i] == b[at]) {
					to[i] = at;
					taken[at] = true;
				}
			}
		}
	for (size_t i = 0; i < guess->n; i++) {
		if (to[i] == SIZE_MAX)
			continue;
		matches++;
		chunks += !(i && to[i - 1] != SIZE_MAX && to[i] == to[i - 1] + 1);
	}
	if (matches == 0)
		return 0;
	double precision = matches / (double)guess->n, recall = matches / (double)ref->n;
	double f = 10 * precision * recall / (recall + 9 * precision);
	return f * (1 - 0.5 * pow(chunks / matches, 3));
}

static double meteor_of(const struct picture *p)
{
	double best = 0;
	for (size_t r = 0; r < p->refs; r++)
		best = fmax(best, meteor_pair(&p->guess, &p->ref[r]));
	return best;
}

/* --- CIDEr-D --- */

// Every n-gram once for each picture whose references have it.
static vla_status count_documents(struct captions *c, vla_err *err)
{
	for (size_t i = 0; i < c->image.n; i++) {
		size_t begin = c->seen.n / sizeof(uint64_t), n = 0;
		for (size_t r = 0; r < c->pic[i].refs; r++)
			for (size_t k = 0; k < N; k++)
				for (size_t g = 0; g < c->pic[i].ref[r].grams[k]; g++)
					VLA_TRY(vla_buf_add(&c->seen, &c->pic[i].ref[r].gram[k][g].key,
							    sizeof(uint64_t), err));
		uint64_t *key = (uint64_t *)(void *)c->seen.data + begin;
		size_t all = c->seen.n / sizeof(uint64_t) - begin;
		if (all)
			qsort(key, all, sizeof *key, by_number);
		for (size_t g = 0; g < all; g++)
			if (!n || key[n - 1] != key[g])
				key[n++] = key[g];
		c->seen.n = (begin + n) * sizeof(uint64_t);
	}
	if (c->seen.n)
		qsort(c->seen.data, c->seen.n / sizeof(uint64_t), sizeof(uint64_t), by_number);
	return VLA_OK;
}

static size_t below(const struct captions *c, uint64_t key, bool equal)
{
	const uint64_t *k = (const uint64_t *)(const void *)c->seen.data;
	size_t low = 0, high = c->seen.n / sizeof *k;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (k[mid] < key || (equal && k[mid] == key))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static double weight(const struct captions *c, uint64_t key)
{
	double df = (double)(below(c, key, true) - below(c, key, false));
	return log((double)c->image.n) - log(fmax(1, df));
}

static double cider_pair(const struct captions *c, const struct sentence *guess, const struct sentence *ref)
{
	double sum = 0, delta = (double)guess->n - (double)ref->n;
	for (size_t k = 0; k < N; k++) {
		double gg = 0, rr = 0, gr = 0;
		for (size_t i = 0; i < guess->grams[k]; i++) {
			double w = weight(c, guess->gram[k][i].key), a = guess->gram[k][i].n * w;
			double b = count_of(ref, k, guess->gram[k][i].key) * w;
			gg += a * a;
			gr += fmin(a, b) * b;
		}
		for (size_t i = 0; i < ref->grams[k]; i++) {
			double b = ref->gram[k][i].n * weight(c, ref->gram[k][i].key);
			rr += b * b;
		}
		if (gg > 0 && rr > 0)
			sum += gr / sqrt(gg * rr);
	}
	return 10 * sum / N * exp(-delta * delta / (2 * 6 * 6));
}

static double cider_of(const struct captions *c, const struct picture *p)
{
	double sum = 0;
	for (size_t r = 0; r < p->refs; r++)
		sum += cider_pair(c, &p->guess, &p->ref[r]) / (double)p->refs;
	return sum;
}

/* --- the task --- */

static vla_status emit_all(struct captions *c, vla_err *err)
{
	static const char *const name[3] = { "ROUGE-L", "METEOR", "CIDEr" };
	size_t n = 0;
	struct bleu *b = vla_alloc(c->image.n, sizeof *b);
	double *score = vla_alloc(c->image.n, 3 * sizeof *score);
	vla_estimate e;
	vla_status s = b && score ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < c->image.n && s == VLA_OK; i++) {
		const struct picture *p = &c->pic[i];
		if (!p->guessed || !p->refs)
			continue;
		b[n] = bleu_of(p);
		score[n] = rouge_of(p);
		score[c->image.n + n] = meteor_of(p);
		score[2 * c->image.n + n] = cider_of(c, p);
		vla_item(c->p, c->image.text[i], "CIDEr", score[2 * c->image.n + n]);
		n++;
	}
	if (s == VLA_OK && n == 0)
		s = vla_fail(err, VLA_EINVAL, "no picture has a caption and a reference");
	for (int k = 1; k <= N && s == VLA_OK; k++) {
		char measure[16];
		struct corpus corpus = { b, k };
		s = vla_bootstrap(n, c->p->draws, c->p->o->seed, bleu_score, &corpus, &e, err);
		snprintf(measure, sizeof measure, "BLEU-%d", k);
		if (s == VLA_OK)
			s = vla_emit(c->p, "all", measure, e, (double)n, err);
	}
	for (size_t k = 0; k < 3 && s == VLA_OK; k++) {
		s = vla_bootstrap_ratio(n, score + k * c->image.n, NULL, c->p->draws, c->p->o->seed, &e, err);
		if (s == VLA_OK)
			s = vla_emit(c->p, "all", name[k], e, (double)n, err);
	}
	if (s == VLA_OK && n < c->image.n)
		s = vla_emit_value(c->p, "all", "pictures without a caption", (double)(c->image.n - n),
				   (double)c->image.n, err);
	free(b);
	free(score);
	return s;
}

static vla_status run_captions(vla_probe *p, vla_err *err)
{
	struct captions c = { .p = p };
	vla_status s = p->o->inputs == 2 ? read_captions(&c, p->o->input[0], true, err)
					 : vla_fail(err, VLA_EINVAL,
						    "task captions takes two tables: references and what was said");
	if (s == VLA_OK)
		s = read_captions(&c, p->o->input[1], false, err);
	if (s == VLA_OK)
		s = count_documents(&c, err);
	if (s == VLA_OK)
		s = emit_all(&c, err);
	for (size_t i = 0; i < c.image.n && i < c.cap; i++) {
		for (size_t r = 0; r < c.pic[i].refs; r++)
			sentence_release(&c.pic[i].ref[r]);
		sentence_release(&c.pic[i].guess);
		free(c.pic[i].ref);
	}
	free(c.pic);
	vla_buf_release(&c.seen);
	vla_intern_release(&c.image);
	return s;
}

const vla_probe_kind vla_probe_captions = { "captions", "captions against references: BLEU, ROUGE-L, METEOR, CIDEr",
					    run_captions, NULL };

static vla_status run_clipscore(vla_probe *p, vla_err *err)
{
	vla_pairs d;
	vla_estimate e;
	vla_status s = vla_pairs_open(p, &d, err);
	double *num = vla_zalloc(d.images, sizeof *num), *den = vla_zalloc(d.images, sizeof *den);
	if (s == VLA_OK && (!num || !den))
		s = vla_nomem(err);
	for (size_t i = 0; i < d.texts && s == VLA_OK; i++) {
		double sum = 0;
		for (size_t k = 0; k < d.dim; k++)
			sum += (double)d.tv[i * d.dim + k] * d.iv[d.of[i] * d.dim + k];
		sum = 2.5 * fmax(sum, 0);
		num[d.of[i]] += sum;
		den[d.of[i]]++;
		vla_item(p, d.image[d.of[i]], "CLIPScore", sum);
	}
	if (s == VLA_OK)
		s = vla_bootstrap_ratio(d.images, num, den, p->draws, p->o->seed, &e, err);
	if (s == VLA_OK)
		s = vla_emit(p, "all", "CLIPScore", e, (double)d.texts, err);
	free(num);
	free(den);
	vla_pairs_close(&d);
	return s;
}

const vla_probe_kind vla_probe_clipscore = { "clipscore", "how well captions fit their pictures, by the model",
					     run_clipscore, NULL };
