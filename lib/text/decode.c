/* The decoders of Hugging Face tokenizers 0.2x: each step maps a list of pieces to a list of pieces. */
#include "text/decode.h"

#include "text/bpe.h"
#include "text/unicode.h"

vla_status vla_decoder_add(vla_decoder *d, vla_decode_step *step, vla_err *err)
{
	if (d->n == VLA_MAX_STEPS) {
		vla_pattern_free(step->pattern);
		free(step->content);
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %d decoders", VLA_MAX_STEPS);
	}
	d->step[d->n++] = *step;
	return VLA_OK;
}

vla_status vla_decoder_add_simple(vla_decoder *d, vla_decode_kind kind, const char *content, vla_err *err)
{
	vla_decode_step s = { .kind = kind };
	if (content && !(s.content = vla_strdup(content)))
		return vla_nomem(err);
	return vla_decoder_add(d, &s, err);
}

void vla_decoder_release(vla_decoder *d)
{
	for (size_t i = 0; i < d->n; i++) {
		vla_pattern_free(d->step[i].pattern);
		free(d->step[i].content);
	}
	d->n = 0;
}

/* ---- lists of pieces ---- */

static vla_status put_span(vla_span **list, size_t *n, size_t *cap, vla_span s, vla_err *err)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 64;
		vla_span *t = vla_realloc(*list, more, sizeof *t);
		if (!t)
			return vla_nomem(err);
		*list = t;
		*cap = more;
	}
	(*list)[(*n)++] = s;
	return VLA_OK;
}

vla_status vla_decoder_put(vla_work *w, const char *token, vla_err *err)
{
	vla_span s = { w->text.n, strlen(token) };
	VLA_TRY(vla_buf_add(&w->text, token, s.n, err));
	return put_span(&w->span, &w->n_spans, &w->cap_spans, s, err);
}

/* The list that a step writes: text in w->spare, pieces in w->spare_span. */
typedef struct list {
	vla_work *w;
	size_t n, begin; /* begin: of the open piece */
	vla_err *err;
} list;

static vla_status add(list *l, const char *s, size_t n)
{
	return vla_buf_add(&l->w->spare, s, n, l->err);
}

static vla_status close_piece(list *l)
{
	vla_span s = { l->begin, l->w->spare.n - l->begin };
	l->begin = l->w->spare.n;
	return put_span(&l->w->spare_span, &l->n, &l->w->cap_spare, s, l->err);
}

static void swap_lists(vla_work *w, size_t n)
{
	vla_buf text = w->text;
	vla_span *span = w->span;
	size_t cap = w->cap_spans;
	w->text = w->spare;
	w->spare = text;
	w->span = w->spare_span;
	w->spare_span = span;
	w->cap_spans = w->cap_spare;
	w->cap_spare = cap;
	w->n_spans = n;
}

/* ---- steps on one piece ---- */

static vla_status byte_level(list *l, const char *s, size_t n)
{
	uint32_t c;
	bool known = true;
	for (size_t i = 0; i < n && known;) {
		i += vla_utf8_get(s + i, n - i, &c);
		known = vla_byte_of_char(c) >= 0;
	}
	if (!known)
		return add(l, s, n);
	for (size_t i = 0; i < n;) {
		i += vla_utf8_get(s + i, n - i, &c);
		char b = (char)vla_byte_of_char(c);
		VLA_TRY(add(l, &b, 1));
	}
	return VLA_OK;
}

static vla_status strip(list *l, const vla_decode_step *d, const char *s, size_t n)
{
	size_t k = strlen(d->content);
	for (size_t i = 0; i < d->start && n >= k && memcmp(s, d->content, k) == 0; i++) {
		s += k;
		n -= k;
	}
	for (size_t i = 0; i < d->stop && n >= k && memcmp(s + n - k, d->content, k) == 0; i++)
		n -= k;
	return add(l, s, n);
}

static vla_status replace(list *l, const vla_decode_step *d, const char *s, size_t n)
{
	size_t at = 0, b, e;
	vla_match r;
	while ((r = vla_pattern_find(d->pattern, s, n, at, &b, &e)) == VLA_MATCH_FOUND) {
		VLA_TRY(add(l, s + at, b - at));
		VLA_TRY(add(l, d->content, strlen(d->content)));
		at = e;
	}
	if (r == VLA_MATCH_TOO_LONG)
		return vla_fail(l->err, VLA_EUNSUPPORTED, "the decoder's pattern needs too many steps on this text");
	return add(l, s + at, n - at);
}

/* Every `what` in s becomes `with`. */
static vla_status replace_text(list *l, const char *s, size_t n, const char *what, const char *with)
{
	size_t k = strlen(what), at = 0;
	for (size_t i = 0; k && i + k <= n;) {
		if (memcmp(s + i, what, k) != 0) {
			i++;
			continue;
		}
		VLA_TRY(add(l, s + at, i - at));
		VLA_TRY(add(l, with, strlen(with)));
		at = i += k;
	}
	return add(l, s + at, n - at);
}

/* What tidying replaces, in this order. */
static const char *const tidy[][2] = { { " .", "." },   { " ?", "?" },     { " !", "!" },    { " ,", "," },
				       { " ' ", "'" },  { " n't", "n't" }, { " 'm", "'m" },  { " do not", " don't" },
				       { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" } };

static vla_status wordpiece(list *l, const vla_decode_step *d, const char *s, size_t n, bool first)
{
	size_t k = strlen(d->content), begin = l->w->spare.n;
	if (first)
		VLA_TRY(add(l, s, n));
	else if (n >= k && memcmp(s, d->content, k) == 0)
		VLA_TRY(add(l, s + k, n - k));
	else {
		VLA_TRY(add(l, " ", 1));
		VLA_TRY(add(l, s, n));
	}
	if (!d->tidy || !memchr(l->w->spare.data + begin, ' ', l->w->spare.n - begin))
		return VLA_OK;
	vla_status st = VLA_OK;
	for (size_t i = 0; i < sizeof tidy / sizeof *tidy && st == VLA_OK; i++) {
		size_t len = l->w->spare.n - begin;
		char *copy = vla_strndup(l->w->spare.data + begin, len);
		if (!copy)
			return vla_nomem(l->err);
		l->w->spare.n = begin;
		st = replace_text(l, copy, strlen(copy), tidy[i][0], tidy[i][1]);
		free(copy);
	}
	return st;
}

static vla_status one_piece(list *l, const vla_decode_step *d, const char *s, size_t n, bool first, bool last)
{
	switch (d->kind) {
	case VLA_DECODE_BYTE_LEVEL: return byte_level(l, s, n);
	case VLA_DECODE_STRIP: return strip(l, d, s, n);
	case VLA_DECODE_REPLACE: return replace(l, d, s, n);
	case VLA_DECODE_METASPACE: return replace_text(l, s, n, d->content, first && d->first ? "" : " ");
	case VLA_DECODE_WORDPIECE: return wordpiece(l, d, s, n, first);
	case VLA_DECODE_SUFFIX: return replace_text(l, s, n, d->content, last ? "" : " ");
	case VLA_DECODE_FUSE:
	case VLA_DECODE_BYTES: break;
	}
	return add(l, s, n);
}

/* ---- steps on all ---- */

/* The byte that a token <0x00> to <0xFF> stands for, or -1. */
static int byte_token(const char *s, size_t n)
{
	int v = 0;
	if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
		return -1;
	for (int i = 3; i < 5; i++) {
		int h = s[i] >= '0' && s[i] <= '9'                 ? s[i] - '0'
			: (s[i] | 32) >= 'a' && (s[i] | 32) <= 'f' ? (s[i] | 32) - 'a' + 10
								   : -1;
		if (h < 0)
			return -1;
		v = v << 4 | h;
	}
	return v;
}

/* A run of bytes that is no UTF-8 becomes U+FFFD for each byte. */
static vla_status close_bytes(list *l)
{
	size_t n = l->w->spare.n - l->begin;
	if (n == 0)
		return VLA_OK;
	if (vla_utf8_valid(l->w->spare.data + l->begin, n))
		return close_piece(l);
	l->w->spare.n = l->begin;
	for (size_t i = 0; i < n; i++) {
		VLA_TRY(add(l, "\xef\xbf\xbd", 3));
		VLA_TRY(close_piece(l));
	}
	return VLA_OK;
}

static vla_status join_bytes(list *l)
{
	const vla_work *w = l->w;
	for (size_t i = 0; i < w->n_spans; i++) {
		const char *s = w->text.data + w->span[i].off;
		int b = byte_token(s, w->span[i].n);
		char c = (char)b;
		if (b >= 0) {
			VLA_TRY(add(l, &c, 1));
			continue;
		}
		VLA_TRY(close_bytes(l));
		VLA_TRY(add(l, s, w->span[i].n));
		VLA_TRY(close_piece(l));
	}
	return close_bytes(l);
}

static vla_status run_step(const vla_decode_step *d, vla_work *w, vla_err *err)
{
	list l = { w, 0, 0, err };
	bool fuse = d->kind == VLA_DECODE_FUSE || d->kind == VLA_DECODE_BYTE_LEVEL;
	w->spare.n = 0;
	if (d->kind == VLA_DECODE_BYTES) {
		VLA_TRY(join_bytes(&l));
		swap_lists(w, l.n);
		return VLA_OK;
	}
	for (size_t i = 0; i < w->n_spans; i++) {
		vla_span s = w->span[i];
		VLA_TRY(one_piece(&l, d, w->text.data + s.off, s.n, i == 0, i + 1 == w->n_spans));
		if (!fuse)
			VLA_TRY(close_piece(&l));
	}
	if (fuse) {
		/* Bytes that are no UTF-8 may be left over. */
		vla_buf text = { NULL, 0, 0 };
		vla_status st = vla_utf8_repair(w->spare.data ? w->spare.data : "", w->spare.n, &text, err);
		vla_buf_release(&w->spare);
		w->spare = text;
		VLA_TRY(st);
		VLA_TRY(close_piece(&l));
	}
	swap_lists(w, l.n);
	return VLA_OK;
}

vla_status vla_decoder_run(const vla_decoder *d, vla_work *w, vla_buf *out, vla_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		VLA_TRY(run_step(&d->step[i], w, err));
	for (size_t i = 0; i < w->n_spans; i++) {
		if (i && !d->n)
			VLA_TRY(vla_buf_add(out, " ", 1, err));
		VLA_TRY(vla_buf_add(out, w->text.data + w->span[i].off, w->span[i].n, err));
	}
	return vla_buf_add(out, "", 1, err);
}
