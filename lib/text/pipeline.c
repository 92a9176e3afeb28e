/* Normalisers and pre-tokenizers of tokenizer.json (the behaviour of Hugging Face tokenizers 0.2x). */
#include "text/pipeline.h"

#include "text/clean.h"
#include "text/html.h"
#include "text/unicode.h"

static void norm_release(vla_norm *s)
{
	vla_pattern_free(s->pattern);
	vla_charsmap_release(&s->map);
	free(s->content);
}

vla_status vla_pipeline_add_norm(vla_pipeline *p, vla_norm *step, vla_err *err)
{
	if (p->n_norms == VLA_MAX_STEPS) {
		norm_release(step);
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %d normalizers", VLA_MAX_STEPS);
	}
	p->norm[p->n_norms++] = *step;
	return VLA_OK;
}

vla_status vla_pipeline_add_cut(vla_pipeline *p, vla_cut *step, vla_err *err)
{
	if (p->n_cuts == VLA_MAX_STEPS) {
		vla_pattern_free(step->pattern);
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %d pre-tokenizers", VLA_MAX_STEPS);
	}
	p->cut[p->n_cuts++] = *step;
	return VLA_OK;
}

void vla_pipeline_release(vla_pipeline *p)
{
	for (size_t i = 0; i < p->n_norms; i++)
		norm_release(&p->norm[i]);
	for (size_t i = 0; i < p->n_cuts; i++)
		vla_pattern_free(p->cut[i].pattern);
	p->n_norms = p->n_cuts = 0;
}

void vla_work_release(vla_work *w)
{
	vla_buf_release(&w->text);
	vla_buf_release(&w->spare);
	free(w->span);
	free(w->spare_span);
	memset(w, 0, sizeof *w);
}

static vla_status too_long(vla_err *err)
{
	return vla_fail(err, VLA_EUNSUPPORTED, "the tokenizer's pattern needs too many steps on this text");
}

/* ---- normalisers ---- */

static vla_status replace(const vla_norm *s, const char *t, size_t n, vla_buf *out, vla_err *err)
{
	size_t at = 0, b, e;
	vla_match r;
	while ((r = vla_pattern_find(s->pattern, t, n, at, &b, &e)) == VLA_MATCH_FOUND) {
		VLA_TRY(vla_buf_add(out, t + at, b - at, err));
		VLA_TRY(vla_buf_add(out, s->content, strlen(s->content), err));
		at = e;
	}
	if (r == VLA_MATCH_TOO_LONG)
		return too_long(err);
	return vla_buf_add(out, t + at, n - at, err);
}

static size_t space_at(const char *t, size_t n)
{
	uint32_t c;
	size_t k = n ? vla_utf8_get(t, n, &c) : 0;
	return k && vla_is_space(c) ? k : 0;
}

static vla_status strip(const vla_norm *s, const char *t, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t k; s->left && (k = space_at(t, n)) > 0;) {
		t += k;
		n -= k;
	}
	while (s->right && n) {
		size_t k = 1;
		while (k < n && ((unsigned char)t[n - k] & 0xc0) == 0x80)
			k++;
		if (!space_at(t + n - k, k))
			break;
		n -= k;
	}
	return vla_buf_add(out, t, n, err);
}

/* A vla_kept_fn over a trie. */
static size_t kept(const void *ctx, const char *s, size_t n)
{
	size_t len = 0;
	return vla_trie_longest(ctx, s, n, &len) == VLA_NO_TOKEN ? 0 : len;
}

static vla_status spm(const vla_norm *s, bool inside, const char *t, size_t n, vla_buf *out, vla_err *err)
{
	vla_spm_rules r = s->rules;
	r.prefix_space = r.prefix_space && !(s->left && inside);
	return vla_charsmap_spm(&s->map, &r, s->kept ? kept : NULL, s->kept, t, n, out, err);
}

static vla_status norm_run(const vla_norm *s, bool inside, const char *t, size_t n, vla_buf *out, vla_err *err)
{
	switch (s->kind) {
	case VLA_NORM_NFC: return vla_normal_form(t, n, VLA_NFC, out, err);
	case VLA_NORM_NFD: return vla_normal_form(t, n, VLA_NFD, out, err);
	case VLA_NORM_NFKC: return vla_normal_form(t, n, VLA_NFKC, out, err);
	case VLA_NORM_NFKD: return vla_normal_form(t, n, VLA_NFKD, out, err);
	case VLA_NORM_LOWER: return vla_lower(t, n, false, out, err);
	case VLA_NORM_LOWER_WORDS: return vla_lower(t, n, true, out, err);
	case VLA_NORM_REPLACE: return replace(s, t, n, out, err);
	case VLA_NORM_PREPEND:
		if (n)
			VLA_TRY(vla_buf_add(out, s->content, strlen(s->content), err));
		return vla_buf_add(out, t, n, err);
	case VLA_NORM_STRIP: return strip(s, t, n, out, err);
	case VLA_NORM_HTML: return vla_html_unescape(t, n, out, err);
	case VLA_NORM_REPAIR: return vla_text_repair(t, n, out, err);
	case VLA_NORM_CONTROLS: return vla_clean_controls(t, n, out, err);
	case VLA_NORM_IDEOGRAPHS: return vla_clean_ideographs(t, n, out, err);
	case VLA_NORM_ACCENTS: return vla_clean_accents(t, n, out, err);
	case VLA_NORM_CATEGORIES: return vla_clean_categories(t, n, s->gc, out, err);
	case VLA_NORM_PUNCTUATION: return vla_clean_punctuation(t, n, s->left, out, err);
	case VLA_NORM_CLUSTERS: return vla_charsmap_clusters(&s->map, t, n, out, err);
	case VLA_NORM_SPM: return spm(s, inside, t, n, out, err);
	}
	return VLA_OK;
}

static void swap_text(vla_work *w)
{
	vla_buf t = w->text;
	w->text = w->spare;
	w->spare = t;
}

vla_status vla_pipeline_normalise(const vla_pipeline *p, const char *s, size_t n, vla_work *w, vla_err *err)
{
	w->text.n = 0;
	if (p->n_norms == 0)
		return vla_buf_add(&w->text, s, n, err);
	VLA_TRY(norm_run(&p->norm[0], w->inside, s, n, &w->text, err));
	for (size_t i = 1; i < p->n_norms; i++) {
		w->spare.n = 0;
		VLA_TRY(norm_run(&p->norm[i], w->inside, w->text.data, w->text.n, &w->spare, err));
		swap_text(w);
	}
	return VLA_OK;
}

/* ---- cuts ---- */

static vla_status add_span(vla_work *w, size_t *n, size_t off, size_t len, vla_err *err)
{
	if (len == 0)
		return VLA_OK;
	if (*n == w->cap_spare) {
		size_t cap = w->cap_spare ? w->cap_spare * 2 : 64;
		vla_span *t = vla_realloc(w->spare_span, cap, sizeof *t);
		if (!t)
			return vla_nomem(err);
		w->spare_span = t;
		w->cap_spare = cap;
	}
	w->spare_span[(*n)++] = (vla_span){ off, len };
	return VLA_OK;
}

/* A cut in progress over one piece: the open span waits for what follows it. */
typedef struct cutter {
	vla_work *w;
	const vla_cut *cut;
	size_t *n;
	size_t begin, end; /* the open span */
	bool open, last_delim;
} cutter;

static vla_status flush(cutter *c, vla_err *err)
{
	bool open = c->open;
	c->open = false;
	return open ? add_span(c->w, c->n, c->begin, c->end - c->begin, err) : VLA_OK;
}

/* The next part [b, e) of the piece: a delimiter or what lies between. */
static vla_status take_part(cutter *c, size_t b, size_t e, bool delim, vla_err *err)
{
	bool join = false;
	if (b == e)
		return VLA_OK;
	switch (c->cut->behavior) {
	case VLA_SPLIT_REMOVED:
		if (delim)
			return VLA_OK;
		break;
	case VLA_SPLIT_ISOLATED: break;
	case VLA_SPLIT_MERGED_WITH_PREVIOUS: join = delim && c->open && !c->last_delim; break;
	case VLA_SPLIT_MERGED_WITH_NEXT: join = !delim && c->open && c->last_delim; break;
	case VLA_SPLIT_CONTIGUOUS: join = c->open && c->last_delim == delim; break;
	}
	c->last_delim = delim;
	if (join) {
		c->end = e;
		return VLA_OK;
	}
	VLA_TRY(flush(c, err));
	c->open = true;
	c->begin = b;
	c->end = e;
	return VLA_OK;
}

static vla_status cut_piece(const vla_cut *cut, vla_work *w, vla_span piece, size_t *n, vla_err *err)
{
	cutter c = { w, cut, n, 0, 0, false, false };
	const char *t = w->text.data + piece.off;
	size_t at = 0, b, e;
	vla_match r;
	while ((r = vla_pattern_find(cut->pattern, t, piece.n, at, &b, &e)) == VLA_MATCH_FOUND) {
		VLA_TRY(take_part(&c, piece.off + at, piece.off + b, cut->invert, err));
		VLA_TRY(take_part(&c, piece.off + b, piece.off + e, !cut->invert, err));
		at = e;
	}
	if (r == VLA_MATCH_TOO_LONG)
		return too_long(err);
	VLA_TRY(take_part(&c, piece.off + at, piece.off + piece.n, cut->invert, err));
	return flush(&c, err);
}

static vla_status add_marked(const vla_cut *cut, const char *t, size_t n, vla_buf *out, vla_err *err)
{
	size_t k = strlen(cut->mark);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i; j < n && t[j] != ' ';)
			j++;
		VLA_TRY(vla_buf_add(out, t + i, j - i, err));
		if (j < n) {
			VLA_TRY(vla_buf_add(out, cut->mark, k, err));
			j++;
		}
	}
	return VLA_OK;
}

/* Puts the mark for spaces, and before pieces. */
static vla_status put_marks(const vla_cut *cut, vla_work *w, vla_err *err)
{
	size_t k = strlen(cut->mark);
	w->spare.n = 0;
	for (size_t i = 0; i < w->n_spans; i++) {
		const char *t = w->text.data + w->span[i].off;
		size_t n = w->span[i].n, off = w->spare.n;
		bool first = w->span[i].off == 0 && !w->inside;
		bool marked = t[0] == ' ' || (n >= k && memcmp(t, cut->mark, k) == 0);
		if (!marked && (cut->prefix == VLA_PREFIX_ALWAYS || (cut->prefix == VLA_PREFIX_FIRST && first)))
			VLA_TRY(vla_buf_add(&w->spare, cut->mark, k, err));
		VLA_TRY(add_marked(cut, t, n, &w->spare, err));
		w->span[i] = (vla_span){ off, w->spare.n - off };
	}
	swap_text(w);
	return VLA_OK;
}

static void swap_spans(vla_work *w, size_t n)
{
	vla_span *s = w->span;
	size_t cap = w->cap_spans;
	w->span = w->spare_span;
	w->cap_spans = w->cap_spare;
	w->spare_span = s;
	w->cap_spare = cap;
	w->n_spans = n;
}

vla_status vla_pipeline_cut(const vla_pipeline *p, vla_work *w, vla_err *err)
{
	size_t n = 0;
	VLA_TRY(add_span(w, &n, 0, w->text.n, err));
	swap_spans(w, n);
	for (size_t i = 0; i < p->n_cuts; i++) {
		if (*p->cut[i].mark)
			VLA_TRY(put_marks(&p->cut[i], w, err));
		if (!p->cut[i].pattern)
			continue;
		n = 0;
		for (size_t k = 0; k < w->n_spans; k++)
			VLA_TRY(cut_piece(&p->cut[i], w, w->span[k], &n, err));
		swap_spans(w, n);
	}
	return VLA_OK;
}
