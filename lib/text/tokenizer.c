/* Encoding and decoding with a tokenizer that has been read: added tokens are cut out of the text (first those that
 * match the raw text, then those that match the normalised text), what lies between is normalised, cut and encoded,
 * and the ids that the model wants around a text are put there. */
#include "text/tokenizer.h"

#include "text/clean.h"
#include "text/unicode.h"

void vla_ids_release(vla_ids *ids)
{
	if (!ids)
		return;
	free(ids->id);
	*ids = (vla_ids)VLA_IDS_INIT;
}

vla_tokenizer *vla_tokenizer_blank(void)
{
	vla_tokenizer *t = vla_zalloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->bpe.unk = VLA_NO_TOKEN;
	memset(t->added_by_byte, 0xff, sizeof t->added_by_byte);
	return t;
}

void vla_tokenizer_free(vla_tokenizer *t)
{
	if (!t)
		return;
	vla_pipeline_release(&t->pipe);
	vla_bpe_release(&t->bpe);
	vla_unigram_release(&t->unigram);
	vla_wordpiece_release(&t->wordpiece);
	vla_trie_release(&t->fixed);
	vla_vocab_release(&t->vocab);
	vla_decoder_release(&t->decoder);
	for (size_t i = 0; i < t->n_added; i++)
		free(t->added[i].content);
	free(t->added);
	free(t);
}

vla_status vla_tokenizer_add_added(vla_tokenizer *t, const vla_added *a, vla_err *err)
{
	if (t->n_added >= VLA_MAX_VOCAB / 4)
		return vla_fail(err, VLA_ECORRUPT, "too many added tokens");
	if (t->n_added == t->cap_added) {
		size_t cap = t->cap_added ? t->cap_added * 2 : 16;
		vla_added *p = vla_realloc(t->added, cap, sizeof *p);
		if (!p)
			return vla_nomem(err);
		t->added = p;
		t->cap_added = cap;
	}
	vla_added copy = *a;
	copy.content = vla_strdup(a->content);
	if (!copy.content)
		return vla_nomem(err);
	copy.n = strlen(copy.content);
	copy.next = VLA_NO_TOKEN;
	t->added[t->n_added++] = copy;
	return VLA_OK;
}

vla_status vla_tokenizer_frame(vla_tokenizer *t, bool after, uint32_t id, vla_err *err)
{
	size_t *n = after ? &t->n_after : &t->n_before;
	if (*n == VLA_MAX_FRAME)
		return vla_fail(err, VLA_EUNSUPPORTED, "more than %d tokens around a text", VLA_MAX_FRAME);
	(after ? t->after : t->before)[(*n)++] = id;
	return VLA_OK;
}

static int longest_first(const void *a, const void *b)
{
	const vla_added *x = a, *y = b;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static vla_status normalise_added(vla_tokenizer *t, vla_err *err)
{
	vla_work w;
	vla_status st = VLA_OK;
	memset(&w, 0, sizeof w);
	for (size_t i = 0; i < t->n_added && st == VLA_OK; i++) {
		vla_added *a = &t->added[i];
		if (!a->normalized)
			continue;
		st = vla_pipeline_normalise(&t->pipe, a->content, a->n, &w, err);
		char *s = st == VLA_OK ? vla_strndup(w.text.data ? w.text.data : "", w.text.n) : NULL;
		if (st == VLA_OK && !s)
			st = vla_nomem(err);
		if (st != VLA_OK)
			break;
		free(a->content);
		a->content = s;
		a->n = strlen(s);
	}
	vla_work_release(&w);
	return st;
}

vla_status vla_tokenizer_ready(vla_tokenizer *t, vla_err *err)
{
	VLA_TRY(normalise_added(t, err));
	if (t->n_added)
		qsort(t->added, t->n_added, sizeof *t->added, longest_first);
	for (size_t i = t->n_added; i-- > 0;) {
		vla_added *a = &t->added[i];
		if (!a->n || a->by_pattern)
			continue;
		uint32_t *head = &t->added_by_byte[a->normalized][(unsigned char)a->content[0]];
		a->next = *head;
		*head = (uint32_t)i;
		t->any_added[a->normalized] = true;
	}
	if (t->model != VLA_WORDS_BPE)
		return VLA_OK;
	VLA_TRY(vla_bpe_finish(&t->bpe, err));
	for (size_t i = 0; i < t->n_added; i++)
		if (t->added[i].by_pattern)
			vla_bpe_make_word(&t->bpe, t->added[i].id);
	return VLA_OK;
}

/* ---- decoders ---- */

static vla_status add_strip(vla_tokenizer *t, size_t start, size_t stop, vla_err *err)
{
	vla_decode_step s = { .kind = VLA_DECODE_STRIP, .content = vla_strdup(" "), .start = start, .stop = stop };
	return s.content ? vla_decoder_add(&t->decoder, &s, err) : vla_nomem(err);
}

static vla_status add_replace(vla_tokenizer *t, const char *what, const char *with, vla_err *err)
{
	vla_decode_step s = { .kind = VLA_DECODE_REPLACE };
	VLA_TRY(vla_pattern_literal(what, &s.pattern, err));
	s.content = vla_strdup(with);
	if (!s.content) {
		vla_pattern_free(s.pattern);
		return vla_nomem(err);
	}
	return vla_decoder_add(&t->decoder, &s, err);
}

vla_status vla_tokenizer_decode_bytes(vla_tokenizer *t, vla_err *err)
{
	VLA_TRY(vla_decoder_add_simple(&t->decoder, VLA_DECODE_BYTE_LEVEL, NULL, err));
	if (!t->bpe.suffix)
		return VLA_OK;
	VLA_TRY(add_replace(t, t->bpe.suffix, " ", err));
	return add_strip(t, 0, 1, err);
}

vla_status vla_tokenizer_decode_spm(vla_tokenizer *t, bool strip, vla_err *err)
{
	VLA_TRY(add_replace(t, VLA_SPACE_MARK, " ", err));
	VLA_TRY(vla_decoder_add_simple(&t->decoder, VLA_DECODE_BYTES, NULL, err));
	VLA_TRY(vla_decoder_add_simple(&t->decoder, VLA_DECODE_FUSE, NULL, err));
	return strip ? add_strip(t, 1, 0, err) : VLA_OK;
}

vla_status vla_tokenizer_decode_wordpiece(vla_tokenizer *t, const char *prefix, bool tidy, vla_err *err)
{
	vla_decode_step s = { .kind = VLA_DECODE_WORDPIECE, .content = vla_strdup(prefix), .tidy = tidy };
	return s.content ? vla_decoder_add(&t->decoder, &s, err) : vla_nomem(err);
}

/* ---- encoding ---- */

static bool word_char(const char *s, size_t n)
{
	const uint32_t mask = vla_gc_mask("L", 1) | vla_gc_mask("M", 1) | vla_gc_mask("N", 1) | vla_gc_mask("Pc", 2);
	uint32_t c;
	vla_utf8_get(s, n, &c);
	return (mask >> vla_gc_of(c) & 1) != 0;
}

static size_t char_before(const char *s, size_t i)
{
	do {
		i--;
	} while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80);
	return i;
}

static bool inside_word(const char *s, size_t n, size_t b, size_t e)
{
	return (b > 0 && word_char(s + char_before(s, b), n - char_before(s, b))) || (e < n && word_char(s + e, n - e));
}

/* The longest added token at s[i], or VLA_NO_TOKEN. */
static uint32_t added_at(const vla_tokenizer *t, bool normalized, const char *s, size_t n, size_t i)
{
	uint32_t k = t->added_by_byte[normalized][(unsigned char)s[i]];
	while (k != VLA_NO_TOKEN && (t->added[k].n > n - i || memcmp(s + i, t->added[k].content, t->added[k].n) != 0))
		k = t->added[k].next;
	return k;
}

/* The first added token in s at or after from: its index, or VLA_NO_TOKEN. [*b, *e) includes stripped space. */
static uint32_t find_added(const vla_tokenizer *t, bool normalized, const char *s, size_t n, size_t from, size_t *b,
			   size_t *e)
{
	for (size_t i = from, k_n; i < n && t->any_added[normalized]; i += k_n) {
		uint32_t c, k = added_at(t, normalized, s, n, i);
		k_n = 1;
		if (k == VLA_NO_TOKEN)
			continue;
		const vla_added *a = &t->added[k];
		k_n = a->n; /* a match inside a word is passed over as a whole */
		if (a->single_word && inside_word(s, n, i, i + a->n))
			continue;
		*b = i;
		*e = i + a->n;
		for (size_t p; a->lstrip && *b > from; *b = p) {
			p = char_before(s, *b);
			vla_utf8_get(s + p, n - p, &c);
			if (!vla_is_space(c))
				break;
		}
		for (size_t p; a->rstrip && *e < n; *e += p) {
			p = vla_utf8_get(s + *e, n - *e, &c);
			if (!vla_is_space(c))
				break;
		}
		return k;
	}
	return VLA_NO_TOKEN;
}

static vla_status encode_word(const vla_tokenizer *t, const char *s, size_t n, vla_ids *ids, vla_err *err)
{
	switch (t->model) {
	case VLA_WORDS_UNIGRAM: return vla_unigram_encode(&t->unigram, s, n, ids, err);
	case VLA_WORDS_WORDPIECE: return vla_wordpiece_encode(&t->wordpiece, s, n, ids, err);
	case VLA_WORDS_BPE: break;
	}
	return vla_bpe_encode(&t->bpe, s, n, ids, err);
}

/* Cuts and encodes w->text, which is normalised. */
static vla_status encode_cut(const vla_tokenizer *t, vla_work *w, vla_ids *ids, vla_err *err)
{
	VLA_TRY(vla_pipeline_cut(&t->pipe, w, err));
	for (size_t i = 0; i < w->n_spans; i++)
		VLA_TRY(encode_word(t, w->text.data + w->span[i].off, w->span[i].n, ids, err));
	return VLA_OK;
}

/* Encodes a part of a text that has added tokens in it. */
static vla_status encode_normalised(const vla_tokenizer *t, const char *s, size_t n, vla_work *w, vla_ids *ids,
				    vla_err *err)
{
	w->text.n = 0;
	VLA_TRY(vla_buf_add(&w->text, s, n, err));
	return encode_cut(t, w, ids, err);
}

static vla_status encode_segment(const vla_tokenizer *t, const char *s, size_t n, vla_work *w, vla_ids *ids,
				 vla_err *err)
{
	if (n == 0)
		return VLA_OK;
	VLA_TRY(vla_pipeline_normalise(&t->pipe, s, n, w, err));
	if (!t->any_added[true])
		return encode_cut(t, w, ids, err);
	vla_buf text = w->text; /* kept aside while its parts are encoded */
	w->text = (vla_buf){ NULL, 0, 0 };
	vla_status st = VLA_OK;
	size_t at = 0, b, e;
	uint32_t k;
	while (st == VLA_OK && (k = find_added(t, true, text.data, text.n, at, &b, &e)) != VLA_NO_TOKEN) {
		st = encode_normalised(t, text.data + at, b - at, w, ids, err);
		if (st == VLA_OK)
			st = vla_ids_add(ids, t->added[k].id, err);
		at = e;
		w->inside = true;
	}
	if (st == VLA_OK && text.n > at)
		st = encode_normalised(t, text.data + at, text.n - at, w, ids, err);
	vla_buf_release(&text);
	return st;
}

static vla_status encode_body(const vla_tokenizer *t, const char *s, size_t n, vla_work *w, vla_ids *ids, vla_err *err)
{
	size_t at = 0, b, e;
	uint32_t k;
	w->inside = false;
	while ((k = find_added(t, false, s, n, at, &b, &e)) != VLA_NO_TOKEN) {
		VLA_TRY(encode_segment(t, s + at, b - at, w, ids, err));
		VLA_TRY(vla_ids_add(ids, t->added[k].id, err));
		at = e;
		w->inside = true;
	}
	return encode_segment(t, s + at, n - at, w, ids, err);
}

/* The text made well-formed and cleaned, in two buffers; *s is the result. */
static vla_status clean_text(const vla_tokenizer *t, const char **s, size_t *n, vla_buf b[2], vla_err *err)
{
	if (!vla_utf8_valid(*s, *n)) {
		VLA_TRY(vla_utf8_repair(*s, *n, &b[0], err));
		*s = b[0].data;
		*n = b[0].n;
	}
	if (t->clean == VLA_CLEAN_NONE)
		return VLA_OK;
	VLA_TRY(vla_lower(*s, *n, true, &b[1], err));
	if (t->clean == VLA_CLEAN_SIGLIP) {
		b[0].n = 0;
		VLA_TRY(vla_clean_punctuation(b[1].data, b[1].n, true, &b[0], err));
	}
	const vla_buf *last = &b[t->clean != VLA_CLEAN_SIGLIP];
	*s = last->data ? last->data : "";
	*n = last->n;
	return VLA_OK;
}

vla_status vla_tokenizer_append(const vla_tokenizer *t, const char *text, vla_ids *ids, vla_err *err)
{
	vla_work w;
	vla_buf b[2] = { { NULL, 0, 0 }, { NULL, 0, 0 } };
	size_t n = strlen(text);
	memset(&w, 0, sizeof w);
	vla_status st = clean_text(t, &text, &n, b, err);
	if (st == VLA_OK)
		st = encode_body(t, text, n, &w, ids, err);
	vla_work_release(&w);
	vla_buf_release(&b[0]);
	vla_buf_release(&b[1]);
	return st;
}

static vla_status add_frame(const vla_tokenizer *t, size_t max_len, vla_ids *ids, vla_err *err)
{
	if (max_len) {
		size_t room = max_len > t->n_after ? max_len - t->n_after : 0;
		ids->n = ids->n < room ? ids->n : room;
	}
	for (size_t i = 0; i < t->n_after && (!max_len || ids->n < max_len); i++)
		VLA_TRY(vla_ids_add(ids, t->after[i], err));
	return VLA_OK;
}

vla_status vla_tokenizer_encode(const vla_tokenizer *t, const char *text, size_t max_len, vla_ids *ids, vla_err *err)
{
	ids->n = 0;
	for (size_t i = 0; i < t->n_before; i++)
		VLA_TRY(vla_ids_add(ids, t->before[i], err));
	VLA_TRY(vla_tokenizer_append(t, text, ids, err));
	return add_frame(t, max_len, ids, err);
}

void vla_tokenizer_set_clean(vla_tokenizer *t, vla_text_clean clean)
{
	t->clean = clean;
}

/* ---- decoding ---- */

static bool is_special(const vla_tokenizer *t, uint32_t id)
{
	for (size_t i = 0; i < t->n_added; i++)
		if (t->added[i].id == id)
			return t->added[i].special;
	return false;
}

vla_status vla_tokenizer_decode(const vla_tokenizer *t, const uint32_t *ids, size_t n, bool skip_special, char **text,
				vla_err *err)
{
	vla_work w;
	vla_buf out = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	memset(&w, 0, sizeof w);
	for (size_t i = 0; i < n && st == VLA_OK; i++) {
		const char *token = vla_vocab_token(&t->vocab, ids[i]);
		if (!token)
			st = vla_fail(err, VLA_EINVAL, "there is no token %u", (unsigned)ids[i]);
		else if (!skip_special || !is_special(t, ids[i]))
			st = vla_decoder_put(&w, token, err);
	}
	if (st == VLA_OK)
		st = vla_decoder_run(&t->decoder, &w, &out, err);
	vla_work_release(&w);
	if (st != VLA_OK) {
		vla_buf_release(&out);
		return st;
	}
	*text = out.data;
	return VLA_OK;
}

/* ---- queries ---- */

const char *vla_tokenizer_kind(const vla_tokenizer *t)
{
	switch (t->model) {
	case VLA_WORDS_UNIGRAM: return t->unigram.fallback ? "unigram with byte fallback" : "unigram";
	case VLA_WORDS_WORDPIECE: return "WordPiece";
	case VLA_WORDS_BPE: break;
	}
	if (!t->bpe.characters)
		return t->bpe.suffix ? "byte-level BPE with end-of-word marks" : "byte-level BPE";
	return t->bpe.fallback ? "BPE with byte fallback" : "BPE";
}

vla_status vla_tokenizer_check_vocab(const vla_tokenizer *t, size_t n, vla_err *err)
{
	if (t->vocab.n <= n)
		return VLA_OK;
	return vla_fail(err, VLA_ECORRUPT,
			"the tokenizer has ids up to %zu ('%.40s'), the model's vocabulary has %zu tokens",
			t->vocab.n - 1, vla_vocab_token(&t->vocab, t->vocab.n - 1), n);
}

size_t vla_tokenizer_vocab(const vla_tokenizer *t)
{
	return t->vocab.n;
}

const char *vla_tokenizer_token(const vla_tokenizer *t, uint32_t id)
{
	return vla_vocab_token(&t->vocab, id);
}

uint32_t vla_tokenizer_id(const vla_tokenizer *t, const char *token)
{
	return vla_vocab_find(&t->vocab, token, strlen(token));
}
