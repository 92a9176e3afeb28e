/* Which of several texts a scorer prefers for a picture: items are scored in batches, so that memory does not grow with
 * their number, and counted by group. */
#include "probe/choice.h"

#include "io/file.h"
#include "io/json.h"
#include "train/intern.h"

#include <math.h>
#include <vla/convert.h>

enum { BATCH = 256, RANKS = 3 };

struct vla_tally_group {
	char *name;
	double n, gold;
	bool fine;
	double top[RANKS][VLA_MAX_OPTIONS]; // how often an option was among the best 1, 2, 3
	double right[RANKS];                // how often a right one was
	size_t options;
};

void vla_choice_release(vla_choice *c)
{
	free(c->id);
	free(c->image);
	free(c->group);
	free(c->detail);
	vla_texts_free(c->option, c->n);
	free(c->score);
	*c = (vla_choice){ 0 };
}

/* --- scorers --- */

// Distinct pictures of a batch; at [n] gives each item's.
static vla_status distinct(const vla_choice *item, size_t n, size_t *at, char **path, double *box, size_t *found,
			   vla_err *err)
{
	vla_intern known = { 0 };
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		const double *b = item[i].box;
		uint32_t id;
		char *key = vla_format("%s#%.17g,%.17g,%.17g,%.17g", item[i].image, b[0], b[1], b[2], b[3]);
		s = key ? vla_intern_add(&known, key, &id, err) : vla_nomem(err);
		free(key);
		if (s != VLA_OK)
			break;
		at[i] = id;
		path[id] = item[i].image;
		memcpy(box + 4 * id, b, 4 * sizeof *b);
	}
	*found = known.n;
	vla_intern_release(&known);
	return s;
}

static void cosines(vla_choice *item, size_t n, const size_t *at, const bool *readable, const float *iv,
		    const float *tv, size_t dim)
{
	for (size_t i = 0, t = 0; i < n; i++) {
		item[i].lost = !readable[at[i]];
		for (size_t k = 0; k < item[i].n; k++, t++) {
			double sum = 0;
			for (size_t d = 0; d < dim; d++)
				sum += (double)iv[at[i] * dim + d] * tv[t * dim + d];
			item[i].score[k] = sum;
		}
	}
}

static vla_status score_dual(const vla_scorer *sc, vla_choice *item, size_t n, vla_err *err)
{
	size_t at[BATCH], images = 0, texts = 0, dim, tdim;
	char *path[BATCH], **text = NULL;
	double box[4 * BATCH];
	bool readable[BATCH], boxed = false;
	float *iv = NULL, *tv = NULL;
	vla_status s = distinct(item, n, at, path, box, &images, err);
	for (size_t i = 0; i < n; i++) {
		texts += item[i].n;
		boxed = boxed || item[i].box[2] > 0;
	}
	if (s == VLA_OK)
		s = (text = vla_alloc(texts, sizeof *text)) ? VLA_OK : vla_nomem(err);
	for (size_t i = 0, t = 0; i < n && s == VLA_OK; i++)
		for (size_t k = 0; k < item[i].n; k++)
			text[t++] = item[i].option[k];
	if (s == VLA_OK)
		s = vla_embed_files(sc->p, path, boxed ? box : NULL, images, &iv, &dim, readable, err);
	if (s == VLA_OK)
		s = vla_embed_strings(sc->p, text, texts, &tv, &tdim, err);
	if (s == VLA_OK && dim != tdim)
		s = vla_fail(err, VLA_EINVAL, "pictures have vectors of %zu numbers, texts of %zu", dim, tdim);
	if (s == VLA_OK)
		cosines(item, n, at, readable, iv, tv, dim);
	free(iv);
	free(tv);
	free(text);
	return s;
}

static vla_status score_blind(const vla_scorer *sc, vla_choice *item, size_t n, vla_err *err)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < item[i].n; k++)
			VLA_TRY(vla_ngram_score(sc->blind, item[i].option[k], &item[i].score[k], err));
	return VLA_OK;
}

static vla_status learn_line(void *m, const char *line, vla_err *err)
{
	return vla_ngram_add(m, line, err);
}

vla_status vla_scorer_open(vla_probe *p, vla_scorer *s, vla_err *err)
{
	const char *blind = vla_get(p, "blind");
	*s = (vla_scorer){ score_dual, p, NULL };
	if (!*blind)
		return VLA_OK;
	s->score = score_blind;
	VLA_TRY(vla_ngram_new(&s->blind, err));
	return vla_infile_lines(blind, learn_line, s->blind, err);
}

void vla_scorer_close(vla_scorer *s)
{
	vla_ngram_close(s->blind);
	s->blind = NULL;
}

/* --- tally --- */

vla_status vla_tally_open(vla_probe *p, vla_tally *t, vla_err *err)
{
	memset(t, 0, sizeof *t);
	t->p = p;
	return vla_scorer_open(p, &t->scorer, err);
}

void vla_tally_close(vla_tally *t)
{
	for (size_t i = 0; i < t->n; i++)
		vla_choice_release(&t->item[i]);
	for (size_t i = 0; i < t->groups; i++)
		free(t->group[i].name);
	free(t->group);
	vla_scorer_close(&t->scorer);
	t->n = t->groups = 0;
	t->group = NULL;
}

static vla_status find_group(vla_tally *t, const char *name, vla_tally_group **out, vla_err *err)
{
	for (size_t i = 0; i < t->groups; i++)
		if (strcmp(t->group[i].name, name) == 0) {
			*out = &t->group[i];
			return VLA_OK;
		}
	vla_tally_group *more = vla_realloc(t->group, t->groups + 1, sizeof *more);
	if (!more)
		return vla_nomem(err);
	t->group = more;
	more[t->groups] = (vla_tally_group){ .name = vla_strdup(name) };
	if (!more[t->groups].name)
		return vla_nomem(err);
	*out = &more[t->groups++];
	return VLA_OK;
}

// share [n]: how much of a place among the best k option i takes.
static void places(const vla_choice *c, size_t k, enum vla_ties ties, double *share)
{
	double slack = ties == VLA_TIES_SHARED ? 2e-6 : 0; // cosines of f32 vectors that say the same
	for (size_t i = 0; i < c->n; i++) {
		double better = 0, equal = 0, before = 0;
		for (size_t j = 0; j < c->n; j++) {
			double d = c->score[j] - c->score[i];
			better += d > slack;
			equal += d <= slack && d >= -slack;
			before += d == 0 && (ties == VLA_TIES_FIRST ? j < i : j > i);
		}
		if (ties == VLA_TIES_SHARED)
			share[i] = fmax(0, fmin(1, ((double)k - better) / equal));
		else
			share[i] = better + before < (double)k;
	}
}

// What the item adds to that group; *right: how much of the first place the gold options take.
static vla_status count_in(vla_tally *t, const vla_choice *c, const char *group, bool fine, double *right, vla_err *err)
{
	vla_tally_group *g = NULL;
	double share[VLA_MAX_OPTIONS];
	VLA_TRY(find_group(t, group, &g, err));
	g->n++;
	g->fine = fine;
	g->options = c->n > g->options ? c->n : g->options;
	for (size_t k = 0; k < RANKS; k++) {
		double hit = 0;
		places(c, k + 1, t->ties, share);
		for (size_t i = 0; i < c->n; i++) {
			g->top[k][i] += share[i];
			if (c->gold >> i & 1)
				hit += share[i];
		}
		g->right[k] += fmin(1, hit);
		*right = k == 0 ? fmin(1, hit) : *right;
	}
	g->gold += c->gold != 0;
	return VLA_OK;
}

static vla_status count_item(vla_tally *t, const vla_choice *c, vla_err *err)
{
	double right;
	VLA_TRY(count_in(t, c, c->group, false, &right, err));
	vla_item(t->p, c->id, c->group, right);
	if (!c->detail)
		return VLA_OK;
	char *fine = vla_format("%s: %s", c->group, c->detail);
	vla_status s = fine ? count_in(t, c, fine, true, &right, err) : vla_nomem(err);
	free(fine);
	return s;
}

vla_status vla_tally_flush(vla_tally *t, vla_err *err)
{
	size_t n = 0, lost = 0;
	vla_status s = VLA_OK;
	// Items that brought scores go behind those that need them.
	for (size_t i = 0; i < t->n; i++)
		if (!t->item[i].score) {
			vla_choice c = t->item[i];
			t->item[i] = t->item[n];
			t->item[n++] = c;
		}
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		t->item[i].score = vla_zalloc(t->item[i].n, sizeof(double));
		s = t->item[i].score ? VLA_OK : vla_nomem(err);
	}
	if (s == VLA_OK && n)
		s = t->scorer.score(&t->scorer, t->item, n, err);
	for (size_t i = 0; i < t->n; i++) {
		if (s == VLA_OK && !t->item[i].lost)
			s = count_item(t, &t->item[i], err);
		lost += t->item[i].lost;
		vla_choice_release(&t->item[i]);
	}
	t->n = 0;
	return s;
}

static void write_item(FILE *f, const vla_choice *c)
{
	fputs("{\"id\": ", f);
	vla_write_json(f, c->id);
	fputs(", \"group\": ", f);
	vla_write_json(f, c->group);
	fputs(", \"image\": ", f);
	vla_write_json(f, c->image);
	if (c->box[2] > 0)
		fprintf(f, ", \"box\": [%.9g, %.9g, %.9g, %.9g]", c->box[0], c->box[1], c->box[2], c->box[3]);
	fputs(", \"options\": [", f);
	for (size_t i = 0; i < c->n; i++) {
		fputs(i ? ", " : "", f);
		vla_write_json(f, c->option[i]);
	}
	fputs("], \"gold\": [", f);
	for (size_t i = 0, k = 0; i < c->n; i++)
		if (c->gold >> i & 1)
			fprintf(f, "%s%zu", k++ ? ", " : "", i);
	fputs("]}\n", f);
}

vla_status vla_tally_put(vla_tally *t, vla_choice *c, vla_err *err)
{
	if (t->emit) {
		write_item(t->emit, c);
		vla_choice_release(c);
		return VLA_OK;
	}
	t->item[t->n++] = *c;
	*c = (vla_choice){ 0 };
	return t->n == BATCH ? vla_tally_flush(t, err) : VLA_OK;
}

// One row for each option that has a name, for the best k.
static vla_status emit_options(vla_tally *t, const vla_tally_group *g, const char *names, vla_err *err)
{
	size_t i = 0;
	for (const char *at = names; *at && i < g->options; i++) {
		size_t n = strcspn(at, ",");
		char measure[80];
		for (size_t k = 0; k < RANKS && k + 1 < g->options; k++) {
			snprintf(measure, sizeof measure, "%.*s top-%zu", (int)(n < 60 ? n : 60), at, k + 1);
			VLA_TRY(vla_emit(t->p, g->name, measure, vla_wilson(g->top[k][i], g->n), g->n, err));
		}
		at += n + (at[n] == ',');
	}
	return VLA_OK;
}

static vla_status emit_group(vla_tally *t, const vla_tally_group *g, const char *options, bool ranks, vla_err *err)
{
	if (options)
		VLA_TRY(emit_options(t, g, options, err));
	for (size_t k = 0; g->gold > 0 && k < (ranks && g->options > 2 ? RANKS : 1); k++) {
		char measure[32];
		snprintf(measure, sizeof measure, k ? "accuracy top-%zu" : "accuracy", k + 1);
		if (k + 1 < g->options)
			VLA_TRY(vla_emit(t->p, g->name, measure, vla_wilson(g->right[k], g->n), g->n, err));
	}
	return VLA_OK;
}

vla_status vla_tally_emit(vla_tally *t, const char *(*names)(const char *group), vla_err *err)
{
	enum { FEWEST = 25 };
	double right = 0, n = 0;
	for (size_t i = 0; i < t->groups; i++) {
		const vla_tally_group *g = &t->group[i];
		if (g->fine && g->n < FEWEST)
			continue;
		VLA_TRY(emit_group(t, g, names ? names(g->name) : NULL, names != NULL, err));
		if (g->gold > 0 && !g->fine) {
			right += g->right[0];
			n += g->n;
		}
	}
	if (t->groups > 1 && n > 0 && !names)
		VLA_TRY(vla_emit(t->p, "all", "accuracy", vla_wilson(right, n), n, err));
	return VLA_OK;
}
