/* Encoding and decoding with a tokenizer that has been read: added tokens are cut out of the text (first those that
 * match the raw text, then those that match the normalised text), what lies between is normalised, cut and encoded,
 * and the ids that the model wants around a text are put there. */
#include "text/tokenizer.h"

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
	}
	VLA_TRY(vla_bpe_finish(&t->bpe, err));
	for (size_t i = 0; i < t->n_added; i++)
		if (t->added[i].by_pattern)
			vla_bpe_make_word(&t->bpe, t->added[i].id);
	return VLA_OK;
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

/* The first added token in s at or after from: its index, or VLA_NO_TOKEN. [*b, *e) includes stripped space. */
static uint32_t find_added(const vla_tokenizer *t, bool normalized, const char *s, size_t n, size_t from, size_t *b,
			   size_t *e)
{
	const uint32_t *heads = t->added_by_byte[normalized];
	for (size_t i = from; i < n; i++) {
		for (uint32_t k = heads[(unsigned char)s[i]]; k != VLA_NO_TOKEN; k = t->added[k].next) {
			const vla_added *a = &t->added[k];
			uint32_t c;
			if (a->n > n - i || memcmp(s + i, a->content, a->n) != 0)
				continue;
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
	}
	return VLA_NO_TOKEN;
}

/* Cuts and encodes w->text[off .. off + n), which is normalised. */
static vla_status encode_normalised(const vla_tokenizer *t, const char *s, size_t n, vla_work *w, vla_ids *ids,
				    vla_err *err)
{
	w->text.n = 0;
	VLA_TRY(vla_buf_add(&w->text, s, n, err));
	VLA_TRY(vla_pipeline_cut(&t->pipe, w, err));
	for (size_t i = 0; i < w->n_spans; i++)
		VLA_TRY(vla_bpe_encode(&t->bpe, w->text.data + w->span[i].off, w->span[i].n, ids, err));
	return VLA_OK;
}

static bool has_added(const vla_tokenizer *t, bool normalized)
{
	for (size_t i = 0; i < t->n_added; i++)
		if (t->added[i].normalized == normalized && t->added[i].n)
			return true;
	return false;
}

static vla_status encode_segment(const vla_tokenizer *t, const char *s, size_t n, vla_work *w, vla_ids *ids,
				 vla_err *err)
{
	if (n == 0)
		return VLA_OK;
	VLA_TRY(vla_pipeline_normalise(&t->pipe, s, n, w, err));
	if (!has_added(t, true)) {
		VLA_TRY(vla_pipeline_cut(&t->pipe, w, err));
		for (size_t i = 0; i < w->n_spans; i++)
			VLA_TRY(vla_bpe_encode(&t->bpe, w->text.data + w->span[i].off, w->span[i].n, ids, err));
		return VLA_OK;
	}
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
	while ((k = find_added(t, false, s, n, at, &b, &e)) != VLA_NO_TOKEN) {
		VLA_TRY(encode_segment(t, s + at, b - at, w, ids, err));
		VLA_TRY(vla_ids_add(ids, t->added[k].id, err));
		at = e;
	}
	return encode_segment(t, s + at, n - at, w, ids, err);
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
	vla_work w;
	vla_buf whole = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	size_t n = strlen(text);
	memset(&w, 0, sizeof w);
	ids->n = 0;
	if (!vla_utf8_valid(text, n)) {
		st = vla_utf8_repair(text, n, &whole, err);
		text = whole.data;
		n = whole.n;
	}
	for (size_t i = 0; i < t->n_before && st == VLA_OK; i++)
		st = vla_ids_add(ids, t->before[i], err);
	if (st == VLA_OK)
		st = encode_body(t, text, n, &w, ids, err);
	if (st == VLA_OK)
		st = add_frame(t, max_len, ids, err);
	vla_work_release(&w);
	vla_buf_release(&whole);
	return st;
}

/* ---- decoding ---- */

static const vla_added *added_with_id(const vla_tokenizer *t, uint32_t id)
{
	for (size_t i = 0; i < t->n_added; i++)
		if (t->added[i].id == id)
			return &t->added[i];
	return NULL;
}

static vla_status decode_one(const vla_tokenizer *t, uint32_t id, bool skip_special, vla_buf *b, vla_err *err)
{
	const vla_bpe *m = &t->bpe;
	if (id >= m->n || !m->token[id])
		return vla_fail(err, VLA_EINVAL, "there is no token %u", (unsigned)id);
	const vla_added *a = added_with_id(t, id);
	if (a)
		return a->special && skip_special ? VLA_OK : vla_buf_add(b, m->token[id], strlen(m->token[id]), err);
	VLA_TRY(vla_buf_add(b, m->raw.data + m->raw_off[id], m->raw_off[id + 1] - m->raw_off[id], err));
	size_t n = strlen(m->token[id]), k = m->suffix ? strlen(m->suffix) : 0;
	if (k && n >= k && strcmp(m->token[id] + n - k, m->suffix) == 0)
		return vla_buf_add(b, " ", 1, err);
	return VLA_OK;
}

vla_status vla_tokenizer_decode(const vla_tokenizer *t, const uint32_t *ids, size_t n, bool skip_special, char **text,
				vla_err *err)
{
	vla_buf raw = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	for (size_t i = 0; i < n && st == VLA_OK; i++)
		st = decode_one(t, ids[i], skip_special, &raw, err);
	size_t from = t->strip_first_space && raw.n && raw.data[0] == ' ';
	if (t->bpe.suffix && raw.n && raw.data[raw.n - 1] == ' ')
		raw.n--;
	if (st == VLA_OK && raw.n > from)
		st = vla_utf8_repair(raw.data + from, raw.n - from, &out, err);
	if (st == VLA_OK)
		st = vla_buf_add(&out, "", 1, err);
	vla_buf_release(&raw);
	if (st != VLA_OK) {
		vla_buf_release(&out);
		return st;
	}
	*text = out.data;
	return VLA_OK;
}

/* ---- queries ---- */

size_t vla_tokenizer_vocab(const vla_tokenizer *t)
{
	return t->bpe.n;
}

const char *vla_tokenizer_token(const vla_tokenizer *t, uint32_t id)
{
	return id < t->bpe.n ? t->bpe.token[id] : NULL;
}

uint32_t vla_tokenizer_id(const vla_tokenizer *t, const char *token)
{
	return vla_bpe_find(&t->bpe, token, strlen(token));
}
