/* Objects that are in a picture against those a model sees in it: from a dual encoder's ranking of all categories, or
 * from what captions mention (CHAIR, Rohrbach et al. 2018, and coverage). */
#include "probe/ngram.h"
#include "probe/probe.h"

#include "train/intern.h"

#include <math.h>

struct objects {
	vla_probe *p;
	vla_intern path, name, word; // pictures, categories, spellings
	vla_buf spelled;             // uint32_t [word.n]: the category of a spelling
	vla_buf pairs;               // uint32_t [2]: picture, category
	bool *in;                    // [pictures, categories]
	double *num, *den, *extra;   // [pictures]
};

static vla_status read_table(struct objects *o, const char *path, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(o->p, path, NULL, &r, err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "object", err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		const char *image = vla_rows_get(&r, "image"), *object = vla_rows_get(&r, "object");
		uint32_t pair[2];
		if (!image || !object) {
			vla_rows_warn(&r, "no %s", image ? "object" : "picture");
			continue;
		}
		char *file = vla_rows_path(&r, image);
		s = file ? vla_intern_add(&o->path, file, &pair[0], err) : vla_nomem(err);
		free(file);
		if (s == VLA_OK)
			s = vla_intern_add(&o->name, object, &pair[1], err);
		if (s == VLA_OK)
			s = vla_buf_add(&o->pairs, pair, sizeof pair, err);
	}
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status mark(struct objects *o, vla_err *err)
{
	size_t n = o->path.n, c = o->name.n;
	if (n == 0 || c < 2)
		return vla_fail(err, VLA_EINVAL, "%zu pictures with objects of %zu kinds are too few", n, c);
	o->in = vla_zalloc(n, c * sizeof *o->in);
	o->num = vla_zalloc(n, sizeof *o->num);
	o->den = vla_zalloc(n, sizeof *o->den);
	o->extra = vla_zalloc(n, sizeof *o->extra);
	if (!o->in || !o->num || !o->den || !o->extra)
		return vla_nomem(err);
	const uint32_t *pair = (const uint32_t *)(const void *)o->pairs.data;
	for (size_t i = 0; i < o->pairs.n / (2 * sizeof *pair); i++)
		o->in[pair[2 * i] * c + pair[2 * i + 1]] = true;
	return VLA_OK;
}

/* --- a dual encoder's ranking --- */

static vla_status embed_names(struct objects *o, float **v, size_t *dim, vla_err *err)
{
	const char *form = vla_get(o->p, "statement"), *slot = strstr(form, "{}");
	char **text = vla_zalloc(o->name.n, sizeof *text);
	vla_status s = text ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < o->name.n && s == VLA_OK; i++) {
		text[i] = slot ? vla_format("%.*s%s%s", (int)(slot - form), form, o->name.text[i], slot + 2)
			       : vla_strdup(o->name.text[i]);
		s = text[i] ? VLA_OK : vla_nomem(err);
	}
	if (s == VLA_OK)
		s = vla_embed_strings(o->p, text, o->name.n, v, dim, err);
	vla_texts_free(text, text ? o->name.n : 0);
	return s;
}

// Average precision of one picture's ranking, and the share of its m objects among the first m.
static double rank_one(const struct objects *o, size_t i, const double *score, double *first, double *m)
{
	size_t c = o->name.n;
	double sum = 0, hits = 0;
	*m = *first = 0;
	for (size_t k = 0; k < c; k++)
		*m += o->in[i * c + k];
	for (size_t k = 0; k < c; k++) {
		double rank = 1, right = 1;
		if (!o->in[i * c + k])
			continue;
		for (size_t j = 0; j < c; j++) {
			bool ahead = j != k && score[j] >= score[k];
			rank += ahead;
			right += ahead && o->in[i * c + j];
		}
		sum += right / rank;
		hits += rank <= *m;
	}
	*first = hits;
	return sum / *m;
}

static vla_status rank_objects(struct objects *o, vla_err *err)
{
	size_t n = o->path.n, c = o->name.n, dim = 0, tdim = 0, kept = 0;
	float *iv = NULL, *tv = NULL;
	bool *readable = vla_alloc(n, sizeof *readable);
	double *score = vla_alloc(c, sizeof *score), *ap = vla_alloc(n, sizeof *ap), objects = 0;
	vla_estimate e;
	vla_status s = readable && score && ap ? vla_embed_files(o->p, o->path.text, NULL, n, &iv, &dim, readable, err)
					       : vla_nomem(err);
	if (s == VLA_OK)
		s = embed_names(o, &tv, &tdim, err);
	if (s == VLA_OK && dim != tdim)
		s = vla_fail(err, VLA_EINVAL, "pictures have vectors of %zu numbers, names of %zu", dim, tdim);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		if (!readable[i])
			continue;
		for (size_t k = 0; k < c; k++) {
			score[k] = 0;
			for (size_t d = 0; d < dim; d++)
				score[k] += (double)iv[i * dim + d] * tv[k * dim + d];
		}
		ap[kept] = rank_one(o, i, score, &o->num[kept], &o->den[kept]);
		vla_item(o->p, o->path.text[i], "average precision", ap[kept]);
		objects += o->den[kept++];
	}
	if (s == VLA_OK && kept == 0)
		s = vla_fail(err, VLA_EINVAL, "no picture could be read");
	if (s == VLA_OK)
		s = vla_bootstrap_ratio(kept, ap, NULL, o->p->draws, o->p->o->seed, &e, err);
	if (s == VLA_OK)
		s = vla_emit(o->p, "all", "mean average precision", e, (double)kept, err);
	if (s == VLA_OK)
		s = vla_bootstrap_ratio(kept, o->num, o->den, o->p->draws, o->p->o->seed, &e, err);
	if (s == VLA_OK)
		s = vla_emit(o->p, "all", "coverage", e, objects, err);
	// As many are named as there are: what is not covered is made up.
	if (s == VLA_OK)
		s = vla_emit(o->p, "all", "hallucinated", (vla_estimate){ 1 - e.value, 1 - e.high, 1 - e.low }, objects,
			     err);
	free(iv);
	free(tv);
	free(readable);
	free(score);
	free(ap);
	return s;
}

/* --- captions --- */

static vla_status add_spelling(struct objects *o, const char *word, uint32_t category, vla_err *err)
{
	uint32_t id;
	size_t before = o->word.n;
	VLA_TRY(vla_intern_add(&o->word, word, &id, err));
	return o->word.n > before ? vla_buf_add(&o->spelled, &category, sizeof category, err) : VLA_OK;
}

// A name, in lower case, and its plural.
static vla_status spell(struct objects *o, const char *name, uint32_t category, vla_err *err)
{
	char lower[128], w[64];
	size_t n = 0;
	while (vla_word_lower(&name, w, sizeof w) && n + strlen(w) + 4 < sizeof lower)
		n += (size_t)snprintf(lower + n, sizeof lower - n, "%s%s", n ? " " : "", w);
	if (n == 0)
		return VLA_OK;
	VLA_TRY(add_spelling(o, lower, category, err));
	bool es = n > 1 && (lower[n - 1] == 's' || lower[n - 1] == 'x' || memcmp(lower + n - 2, "ch", 2) == 0 ||
			    memcmp(lower + n - 2, "sh", 2) == 0);
	memcpy(lower + n, es ? "es" : "s", es ? 3 : 2);
	return add_spelling(o, lower, category, err);
}

// "person: man, woman, boy": a category and other words for it.
static vla_status read_synonyms(struct objects *o, const char *path, vla_err *err)
{
	vla_table *t;
	VLA_TRY(vla_table_open(path, VLA_TABLE_AUTO, &t, err));
	vla_status s;
	while ((s = vla_table_next(t, err)) == VLA_OK || s == VLA_EFORMAT) {
		const char *name = s == VLA_OK ? vla_table_get(t, "name") : NULL, *words = vla_table_get(t, "synonyms");
		uint32_t category = name ? vla_intern_find(&o->name, name) : UINT32_MAX;
		vla_status add = VLA_OK;
		for (const char *at = words; at && *at && category != UINT32_MAX && add == VLA_OK;) {
			size_t n = strcspn(at, ",|");
			char *one = vla_strndup(at, n);
			add = one ? spell(o, one, category, err) : vla_nomem(err);
			free(one);
			at += n + (at[n] != 0);
		}
		if (add != VLA_OK) {
			s = add;
			break;
		}
	}
	vla_table_close(t);
	return s == VLA_EOF ? VLA_OK : s;
}

// Counts a caption's mentions: the longest spelling of up to three words at each place.
static void mentions(const struct objects *o, const char *caption, bool *named)
{
	char w[3][64];
	memset(named, 0, o->name.n * sizeof *named);
	for (const char *at = caption; *at;) {
		const char *after[3], *p = at;
		size_t n = 0, used = 0;
		for (; n < 3 && vla_word_lower(&p, w[n], sizeof w[n]); n++)
			after[n] = p;
		if (n == 0)
			break;
		for (size_t k = n; k > 0 && !used; k--) {
			char text[200];
			snprintf(text, sizeof text, "%s%s%s%s%s", w[0], k > 1 ? " " : "", k > 1 ? w[1] : "",
				 k > 2 ? " " : "", k > 2 ? w[2] : "");
			uint32_t id = vla_intern_find(&o->word, text);
			if (id != UINT32_MAX) {
				named[((const uint32_t *)(const void *)o->spelled.data)[id]] = true;
				used = k;
			}
		}
		at = after[used ? used - 1 : 0];
	}
}

static vla_status emit_captions(struct objects *o, size_t captions, double liars, const double *covered,
				const double *objects, vla_err *err)
{
	vla_estimate e;
	double total = 0;
	size_t n = o->path.n;
	for (size_t i = 0; i < n; i++)
		total += o->den[i];
	VLA_TRY(vla_emit(o->p, "all", "captions with made-up objects", vla_wilson(liars, (double)captions),
			 (double)captions, err));
	VLA_TRY(vla_bootstrap_ratio(n, o->num, o->den, o->p->draws, o->p->o->seed, &e, err));
	VLA_TRY(vla_emit(o->p, "all", "made-up mentions", e, total, err));
	VLA_TRY(vla_bootstrap_ratio(n, covered, objects, o->p->draws, o->p->o->seed, &e, err));
	return vla_emit(o->p, "all", "coverage", e, (double)captions, err);
}

static vla_status read_captions(struct objects *o, const char *path, vla_err *err)
{
	vla_rows r = { 0 };
	size_t captions = 0, others = 0, c = o->name.n;
	double liars = 0, *covered = vla_zalloc(o->path.n, sizeof *covered);
	bool *named = vla_alloc(c, sizeof *named);
	vla_status s = covered && named ? vla_rows_open(o->p, path, NULL, &r, err) : vla_nomem(err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		const char *image = vla_rows_get(&r, "image"), *text = vla_rows_get(&r, "caption");
		if (!image)
			image = vla_rows_get(&r, "id");
		char *file = image ? vla_rows_path(&r, image) : NULL;
		uint32_t at = file ? vla_intern_find(&o->path, file) : UINT32_MAX;
		if (file && at == UINT32_MAX)
			at = vla_intern_find(&o->path, image);
		free(file);
		if (at == UINT32_MAX || !text) {
			if (!text)
				vla_rows_warn(&r, "no caption");
			others += text != NULL;
			continue;
		}
		double wrong = 0;
		mentions(o, text, named);
		for (size_t k = 0; k < c; k++) {
			o->den[at] += named[k];
			wrong += named[k] && !o->in[at * c + k];
			covered[at] += named[k] && o->in[at * c + k];
			o->extra[at] += o->in[at * c + k];
		}
		o->num[at] += wrong;
		liars += wrong > 0;
		captions++;
	}
	vla_rows_close(&r);
	s = s == VLA_EOF ? VLA_OK : s;
	if (s == VLA_OK && captions == 0)
		s = vla_fail(err, VLA_EINVAL, "'%s' has no caption of these pictures", path);
	if (s == VLA_OK)
		s = emit_captions(o, captions, liars, covered, o->extra, err);
	if (s == VLA_OK && others)
		s = vla_emit_value(o->p, "all", "captions of other pictures", (double)others, (double)others, err);
	free(covered);
	free(named);
	return s;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct objects o = { .p = p };
	const char *captions = vla_get(p, "captions"), *synonyms = vla_get(p, "synonyms");
	vla_status s = p->o->inputs ? VLA_OK : vla_fail(err, VLA_EINVAL, "task objects needs a table of objects");
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++)
		s = read_table(&o, p->o->input[i], err);
	if (s == VLA_OK)
		s = mark(&o, err);
	if (s == VLA_OK && *captions) {
		for (uint32_t i = 0; i < o.name.n && s == VLA_OK; i++)
			s = spell(&o, o.name.text[i], i, err);
		if (s == VLA_OK && *synonyms)
			s = read_synonyms(&o, synonyms, err);
		if (s == VLA_OK)
			s = read_captions(&o, captions, err);
	} else if (s == VLA_OK) {
		s = rank_objects(&o, err);
	}
	vla_intern_release(&o.path);
	vla_intern_release(&o.name);
	vla_intern_release(&o.word);
	vla_buf_release(&o.spelled);
	vla_buf_release(&o.pairs);
	free(o.in);
	free(o.num);
	free(o.den);
	free(o.extra);
	return s;
}

static const vla_probe_key keys[] = {
	{ "captions", "", "table of captions of the pictures; without it the model ranks the names" },
	{ "synonyms", "", "table of names and other words for them (synonyms, with commas between)" },
	{ "statement", "a photo of a {}", "the text that a name becomes for a model" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_objects = { "objects", "objects in pictures against those seen or mentioned", run,
					   keys };
