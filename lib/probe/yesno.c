/* Statements and questions with a true answer: what an answerer said (POPE, Li et al. 2023), or how well a scorer's
 * number separates true from false (NLVR, Suhr et al. 2017). A threshold is chosen on one half of the pictures and used
 * on the other, both ways. */
#include "probe/choice.h"

#include "io/json.h"

#include <math.h>

struct judge {
	vla_probe *p;
	vla_scorer scorer;
	vla_choice item[256];
	bool truth[256];
	size_t n;
	char *group[64]; // names of groups
	size_t groups;
	vla_buf score, answer, truths, of, half; // double, bool, bool, uint32_t, bool: one per case
	bool predicted;
};

static int yes_or_no(const char *s)
{
	static const char *const yes[] = { "yes", "true", "1", "t", "y" }, *const no[] = { "no", "false", "0", "f",
											   "n" };
	char w[16];
	const char *at = s;
	if (!vla_word_lower(&at, w, sizeof w))
		return -1;
	for (size_t i = 0; i < 5; i++)
		if (strcmp(w, yes[i]) == 0)
			return 1;
		else if (strcmp(w, no[i]) == 0)
			return 0;
	return -1;
}

static vla_status group_of(struct judge *j, const char *name, uint32_t *out, vla_err *err)
{
	for (size_t i = 0; i < j->groups; i++)
		if (strcmp(j->group[i], name) == 0) {
			*out = (uint32_t)i;
			return VLA_OK;
		}
	if (j->groups == sizeof j->group / sizeof j->group[0])
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %zu groups", j->groups);
	if (!(j->group[j->groups] = vla_strdup(name)))
		return vla_nomem(err);
	*out = (uint32_t)j->groups++;
	return VLA_OK;
}

static vla_status add_case(struct judge *j, const char *group, const char *image, bool truth, bool answer, double score,
			   vla_err *err)
{
	uint32_t of;
	bool half = vla_hash64(image, strlen(image), j->p->o->seed) & 1;
	VLA_TRY(group_of(j, group, &of, err));
	VLA_TRY(vla_buf_add(&j->score, &score, sizeof score, err));
	VLA_TRY(vla_buf_add(&j->answer, &answer, sizeof answer, err));
	VLA_TRY(vla_buf_add(&j->truths, &truth, sizeof truth, err));
	VLA_TRY(vla_buf_add(&j->half, &half, sizeof half, err));
	return vla_buf_add(&j->of, &of, sizeof of, err);
}

static vla_status flush(struct judge *j, vla_err *err)
{
	vla_status s = j->n ? j->scorer.score(&j->scorer, j->item, j->n, err) : VLA_OK;
	for (size_t i = 0; i < j->n; i++) {
		vla_choice *c = &j->item[i];
		if (s == VLA_OK && !c->lost)
			s = add_case(j, c->group, c->image, j->truth[i], false, c->score[0], err);
		vla_choice_release(c);
	}
	j->n = 0;
	return s;
}

// "Is there a snowboard in the image?" as a statement; other questions and statements as they are.
static char *statement_of(const vla_probe *p, const char *text)
{
	static const char *const head[] = { "Is there a ", "Is there an ", "Are there any ", "Are there " };
	const char *form = vla_get(p, "statement");
	for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
		size_t n = strlen(head[i]);
		if (strncmp(text, head[i], n) != 0)
			continue;
		const char *end = strstr(text + n, " in the ");
		if (!end)
			end = text + strcspn(text, "?");
		const char *slot = strstr(form, "{}");
		return slot ? vla_format("%.*s%.*s%s", (int)(slot - form), form, (int)(end - text - (ptrdiff_t)n),
					 text + n, slot + 2)
			    : vla_strdup(form);
	}
	return vla_strdup(text);
}

static vla_status wait_for(struct judge *j, const vla_rows *r, const char *image, const char *group, char *statement,
			   bool truth, vla_err *err)
{
	vla_choice *c = &j->item[j->n];
	*c = (vla_choice){ .image = vla_rows_path(r, image), .group = vla_strdup(group), .n = 1 };
	j->truth[j->n++] = truth;
	c->option = vla_zalloc(1, sizeof *c->option);
	c->score = vla_zalloc(1, sizeof *c->score);
	c->id = vla_format("%zu", vla_rows_line(r));
	if (c->option)
		c->option[0] = statement;
	else
		free(statement);
	if (!c->option || !c->option[0] || !c->image || !c->group || !c->score || !c->id) {
		c->n = c->option != NULL;
		return vla_nomem(err);
	}
	return j->n == 256 ? flush(j, err) : VLA_OK;
}

// A scene's statements with "no" and "not", vla-manifest(5).
static vla_status add_negations(struct judge *j, const vla_rows *r, const char *cell, vla_err *err)
{
	const char *image = vla_rows_get(r, "image"), *suffix = vla_get(j->p, "suffix");
	char key[64];
	json_t *list, *one;
	size_t i;
	snprintf(key, sizeof key, "text%s", suffix);
	VLA_TRY(vla_json_parse(cell, strlen(cell), 0, &list, err));
	vla_status s = VLA_OK;
	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(json_object_get(one, key));
		if (s == VLA_OK && image && text)
			s = wait_for(j, r, image, "negations", vla_strdup(text),
				     json_is_true(json_object_get(one, "truth")), err);
	}
	json_decref(list);
	return s;
}

static vla_status add_row(struct judge *j, vla_rows *r, vla_err *err)
{
	const char *negations = vla_table_get(r->t, "negations");
	if (negations && negations[0] == '[')
		return add_negations(j, r, negations, err);
	const char *image = vla_rows_get(r, "image"), *text = vla_rows_get(r, "question"),
		   *answer = vla_rows_get(r, "answer"), *said = vla_rows_get(r, "prediction"),
		   *group = vla_rows_get(r, "group");
	if (!text)
		text = vla_rows_get(r, "caption");
	int truth = answer ? yes_or_no(answer) : -1;
	if (truth < 0 || (!said && (!text || !image))) {
		vla_rows_warn(r, truth < 0 ? "the answer is neither yes nor no" : "no picture or no statement");
		return VLA_OK;
	}
	if (said) {
		int yes = yes_or_no(said);
		j->predicted = true;
		if (yes < 0) // an answer that says neither is no yes, as the published metric counts it
			yes = 0;
		return add_case(j, group ? group : "all", image ? image : "", truth, yes, yes, err);
	}
	return wait_for(j, r, image, group ? group : "all", statement_of(j->p, text), truth, err);
}

struct pair {
	double score;
	bool truth;
};

static int by_score(const void *a, const void *b)
{
	double x = ((const struct pair *)a)->score, y = ((const struct pair *)b)->score;
	return (x > y) - (x < y);
}

// The threshold at or above which "true" is right most often.
static double threshold(struct pair *c, size_t n)
{
	double best = -INFINITY, right = 0, most;
	qsort(c, n, sizeof *c, by_score);
	for (size_t i = 0; i < n; i++)
		right += c[i].truth;
	most = right;
	for (size_t i = 0; i < n; i++) {
		right += c[i].truth ? -1 : 1;
		if (right > most && (i + 1 == n || c[i + 1].score > c[i].score)) {
			most = right;
			best = i + 1 < n ? 0.5 * (c[i].score + c[i + 1].score) : INFINITY;
		}
	}
	return best;
}

static vla_status cross_thresholds(struct judge *j, size_t n, vla_err *err)
{
	struct pair *c = vla_alloc(n, sizeof *c);
	const double *score = (const double *)(const void *)j->score.data;
	const bool *truth = (const bool *)j->truths.data, *half = (const bool *)j->half.data;
	bool *answer = (bool *)j->answer.data;
	if (!c)
		return vla_nomem(err);
	for (int h = 0; h < 2; h++) {
		size_t k = 0;
		for (size_t i = 0; i < n; i++)
			if (half[i] == h)
				c[k++] = (struct pair){ score[i], truth[i] };
		double t = threshold(c, k);
		for (size_t i = 0; i < n; i++)
			if (half[i] != h)
				answer[i] = score[i] >= t;
	}
	free(c);
	return VLA_OK;
}

// Of group g, or of all when g is past them.
static vla_status emit_group(struct judge *j, size_t g, size_t n, vla_err *err)
{
	const double *score = (const double *)(const void *)j->score.data;
	const bool *truth = (const bool *)j->truths.data, *answer = (const bool *)j->answer.data;
	const uint32_t *of = (const uint32_t *)(const void *)j->of.data;
	const char *name = g < j->groups ? j->group[g] : "all";
	double tp = 0, fp = 0, fn = 0, tn = 0, auc;
	double *x = vla_alloc(n, sizeof *x);
	bool *y = vla_alloc(n, sizeof *y);
	size_t k = 0;
	if (!x || !y) {
		free(x);
		free(y);
		return vla_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		if (g < j->groups && of[i] != g)
			continue;
		*(truth[i] ? answer[i] ? &tp : &fn : answer[i] ? &fp : &tn) += 1;
		x[k] = score[i];
		y[k++] = truth[i];
	}
	double all = (double)k, precision = tp / (tp + fp), recall = tp / (tp + fn);
	vla_probe *p = j->p;
	vla_status s = vla_emit(p, name, "accuracy", vla_wilson(tp + tn, all), all, err);
	if (s == VLA_OK)
		s = vla_emit(p, name, "precision", vla_wilson(tp, tp + fp), tp + fp, err);
	if (s == VLA_OK)
		s = vla_emit(p, name, "recall", vla_wilson(tp, tp + fn), tp + fn, err);
	if (s == VLA_OK)
		s = vla_emit_value(p, name, "F1", 2 * precision * recall / (precision + recall), all, err);
	if (s == VLA_OK)
		s = vla_emit(p, name, "yes", vla_wilson(tp + fp, all), all, err);
	if (s == VLA_OK)
		s = vla_emit(p, name, "true", vla_wilson(tp + fn, all), all, err);
	if (s == VLA_OK && !j->predicted) {
		s = vla_auc(k, x, y, &auc, err);
		double np = tp + fn, nn = fp + tn, a = auc; // Hanley and McNeil's standard error
		double q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
		double se = sqrt((a * (1 - a) + (np - 1) * (q1 - a * a) + (nn - 1) * (q2 - a * a)) / (np * nn));
		if (s == VLA_OK)
			s = vla_emit(p, name, "AUC", (vla_estimate){ a, a - VLA_Z95 * se, a + VLA_Z95 * se }, all, err);
	}
	free(x);
	free(y);
	return s;
}

static vla_status read_all(struct judge *j, vla_err *err)
{
	vla_status s = VLA_OK;
	for (size_t i = 0; i < j->p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(j->p, j->p->o->input[i], NULL, &r, err);
		if (s == VLA_OK)
			s = vla_rows_need(&r, "answer", err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
			s = add_row(j, &r, err);
		s = s == VLA_EOF ? VLA_OK : s;
		vla_rows_close(&r);
	}
	return s == VLA_OK ? flush(j, err) : s;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct judge *j = vla_zalloc(1, sizeof *j);
	if (!j)
		return vla_nomem(err);
	j->p = p;
	vla_status s = vla_scorer_open(p, &j->scorer, err);
	if (s == VLA_OK)
		s = read_all(j, err);
	size_t n = j->score.n / sizeof(double);
	if (s == VLA_OK && n < 2)
		s = vla_fail(err, VLA_EINVAL, "no statement could be measured");
	if (s == VLA_OK && !j->predicted)
		s = cross_thresholds(j, n, err);
	for (size_t g = 0; g <= j->groups && s == VLA_OK; g++)
		if (g < j->groups ? j->groups > 1 : true)
			s = emit_group(j, g, n, err);
	for (size_t i = 0; i < j->n; i++)
		vla_choice_release(&j->item[i]);
	for (size_t g = 0; g < j->groups; g++)
		free(j->group[g]);
	vla_buf_release(&j->score);
	vla_buf_release(&j->answer);
	vla_buf_release(&j->truths);
	vla_buf_release(&j->of);
	vla_buf_release(&j->half);
	vla_scorer_close(&j->scorer);
	free(j);
	return s;
}

static const vla_probe_key keys[] = {
	{ "statement", "a photo of a {}", "what a question whether there is a {} becomes for a scorer" },
	{ "blind", "", "text file: score by a language model of its words" },
	{ "suffix", "", "of the texts' fields in a manifest: _zh" },
	{ NULL, NULL, NULL },
};
const vla_probe_kind vla_probe_yesno = { "yesno", "statements and questions with a true answer", run, keys };
