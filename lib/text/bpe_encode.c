/* Byte-pair encoding of one word: it starts as its bytes or characters (with an end-of-word mark on the last one where
 * the vocabulary has it) and the pair with the lowest rank, leftmost first, is joined until no ranked pair is left.
 * Long words use a heap, so that time stays near linear. Unknown characters follow Hugging Face tokenizers with
 * merges, SentencePiece with scores. */
#include "text/bpe.h"

#include "text/unicode.h"

enum { SHORT_WORD = 48, MAX_MARKED = 64 };

static inline const vla_merge *find_merge(const vla_bpe *m, uint32_t left, uint32_t right)
{
	uint64_t key = (uint64_t)left << 32 | right;
	for (size_t i = vla_merge_slot(key);; i++) {
		const vla_merge *e = &m->merge[i & (m->merge_n - 1)];
		if (e->key == key)
			return e;
		if (e->key == UINT64_MAX)
			return NULL;
	}
}

/* ---- the first symbols ---- */

static size_t first_bytes(const vla_bpe *m, const char *word, size_t n, uint32_t *id)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)word[i];
		uint32_t t = i + 1 == n ? m->byte_end_id[b] : m->byte_id[b];
		id[k] = t == VLA_NO_TOKEN ? m->unk : t;
		k += id[k] != VLA_NO_TOKEN;
	}
	return k;
}

/* The token of one character; last: with the end-of-word mark. */
static uint32_t char_id(const vla_bpe *m, const char *s, size_t k, bool last)
{
	char t[MAX_MARKED];
	size_t suffix = last && m->suffix ? strlen(m->suffix) : 0;
	if (!suffix)
		return vla_vocab_find(m->v, s, k);
	if (k + suffix > sizeof t)
		return VLA_NO_TOKEN;
	memcpy(t, s, k);
	memcpy(t + k, m->suffix, suffix);
	return vla_vocab_find(m->v, t, k + suffix);
}

/* Puts the tokens of the k bytes at s into id, if there are such tokens. */
static bool fall_back(const vla_bpe *m, const char *s, size_t k, uint32_t *id)
{
	if (!m->fallback)
		return false;
	for (size_t i = 0; i < k; i++)
		if ((id[i] = m->fallback_id[(unsigned char)s[i]]) == VLA_NO_TOKEN)
			return false;
	return true;
}

/* An unknown token waits until a known one comes: bytes that take the place of a character go before it. */
static size_t first_chars(const vla_bpe *m, const char *word, size_t n, uint32_t *id)
{
	size_t k = 0;
	bool waiting = false;
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c;
		len = vla_utf8_get(word + i, n - i, &c);
		uint32_t t = char_id(m, word + i, len, i + len == n);
		if (t != VLA_NO_TOKEN) {
			if (waiting)
				id[k++] = m->unk;
			waiting = false;
			id[k++] = t;
		} else if (fall_back(m, word + i, len, id + k)) {
			k += len;
		} else if (m->unk != VLA_NO_TOKEN) {
			if (waiting && !m->fuse_unk)
				id[k++] = m->unk;
			waiting = true;
		}
	}
	if (waiting)
		id[k++] = m->unk;
	return k;
}

/* ---- short words ---- */

static vla_status encode_short(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	uint32_t id[SHORT_WORD], rank[SHORT_WORD], to[SHORT_WORD];
	size_t k = m->characters ? first_chars(m, word, n, id) : first_bytes(m, word, n, id);
	for (size_t i = 0; i + 1 < k; i++) {
		const vla_merge *e = find_merge(m, id[i], id[i + 1]);
		rank[i] = e ? e->rank : UINT32_MAX;
		to[i] = e ? e->id : 0;
	}
	while (k > 1) {
		size_t best = 0;
		for (size_t i = 1; i + 1 < k; i++)
			if (rank[i] < rank[best])
				best = i;
		if (rank[best] == UINT32_MAX)
			break;
		id[best] = to[best];
		k--;
		memmove(id + best + 1, id + best + 2, (k - best - 1) * sizeof *id);
		memmove(rank + best, rank + best + 1, (k - best) * sizeof *rank);
		memmove(to + best, to + best + 1, (k - best) * sizeof *to);
		for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < k; i++) {
			const vla_merge *e = find_merge(m, id[i], id[i + 1]);
			rank[i] = e ? e->rank : UINT32_MAX;
			to[i] = e ? e->id : 0;
		}
	}
	for (size_t i = 0; i < k; i++)
		VLA_TRY(vla_ids_add(ids, id[i], err));
	return VLA_OK;
}

/* ---- long words, and words with scores ---- */

/* Two neighbours that may be joined; stale when they have grown since (sizes of neighbours only grow). */
typedef struct cand {
	uint32_t rank, pos, size, id;
} cand;

/* Symbols in a doubly linked list, candidates in a binary heap by (rank, position). The arrays have one place for each
 * byte of the word, the heap three. */
typedef struct longword {
	uint32_t *id, *prev, *next; /* next and prev UINT32_MAX at the ends */
	uint32_t *off, *len;        /* in bytes of the word; with merges: len in first symbols */
	cand *heap;
	size_t heap_n;
	const char *word;
} longword;

static bool cand_less(const cand *a, const cand *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->pos < b->pos;
}

static void heap_push(longword *w, cand c)
{
	size_t i = w->heap_n++;
	while (i && cand_less(&c, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = c;
}

static cand heap_pop(longword *w)
{
	cand top = w->heap[0], last = w->heap[--w->heap_n];
	size_t i = 0;
	for (size_t k; (k = 2 * i + 1) < w->heap_n; i = k) {
		if (k + 1 < w->heap_n && cand_less(&w->heap[k + 1], &w->heap[k]))
			k++;
		if (!cand_less(&w->heap[k], &last))
			break;
		w->heap[i] = w->heap[k];
	}
	w->heap[i] = last;
	return top;
}

/* A token that is taken as it is. */
static bool is_fixed(const vla_bpe *m, uint32_t id)
{
	return id != VLA_NO_TOKEN && m->rank[id] == VLA_NO_TOKEN;
}

static void consider(const vla_bpe *m, longword *w, uint32_t pos)
{
	if (pos == UINT32_MAX || w->next[pos] == UINT32_MAX)
		return;
	uint32_t right = w->next[pos], size = w->len[pos] + w->len[right];
	if (!m->rank) {
		const vla_merge *e = find_merge(m, w->id[pos], w->id[right]);
		if (e)
			heap_push(w, (cand){ e->rank, pos, size, e->id });
	} else if (!is_fixed(m, w->id[pos]) && !is_fixed(m, w->id[right])) {
		uint32_t id = vla_vocab_find(m->v, w->word + w->off[pos], size);
		if (id != VLA_NO_TOKEN && m->rank[id] != VLA_NO_TOKEN)
			heap_push(w, (cand){ m->rank[id], pos, size, id });
	}
}

static void merge_all(const vla_bpe *m, longword *w)
{
	while (w->heap_n) {
		cand c = heap_pop(w);
		uint32_t next = w->next[c.pos];
		if (w->len[c.pos] == 0 || next == UINT32_MAX || w->len[c.pos] + w->len[next] != c.size)
			continue;
		w->id[c.pos] = c.id;
		w->len[c.pos] = c.size;
		w->len[next] = 0;
		w->next[c.pos] = w->next[next];
		if (w->next[next] != UINT32_MAX)
			w->prev[w->next[next]] = c.pos;
		consider(m, w, w->prev[c.pos]);
		consider(m, w, c.pos);
	}
}

/* With scores: fixed tokens as they are, then characters, known or not. */
static size_t first_pieces(const vla_bpe *m, const char *word, size_t n, longword *w)
{
	size_t k = 0;
	for (size_t i = 0, len; i < n; i += len, k++) {
		uint32_t c;
		w->id[k] = m->fixed ? vla_trie_longest(m->fixed, word + i, n - i, &len) : VLA_NO_TOKEN;
		if (w->id[k] == VLA_NO_TOKEN) {
			len = vla_utf8_get(word + i, n - i, &c);
			w->id[k] = vla_vocab_find(m->v, word + i, len);
			if (is_fixed(m, w->id[k]))
				w->id[k] = VLA_NO_TOKEN;
		}
		w->off[k] = (uint32_t)i;
		w->len[k] = (uint32_t)len;
	}
	return k;
}

/* The symbols that are left; unknown ones become bytes, or one unknown token for each run. */
static vla_status put_pieces(const vla_bpe *m, const longword *w, vla_ids *ids, vla_err *err)
{
	bool waiting = false;
	for (uint32_t i = 0; i != UINT32_MAX; i = w->next[i]) {
		if (w->id[i] != VLA_NO_TOKEN) {
			waiting = false;
			VLA_TRY(vla_ids_add(ids, w->id[i], err));
			continue;
		}
		for (uint32_t b = 0; m->fallback && b < w->len[i]; b++)
			VLA_TRY(vla_ids_add(ids, m->fallback_id[(unsigned char)w->word[w->off[i] + b]], err));
		if (!m->fallback && !waiting && m->unk != VLA_NO_TOKEN)
			VLA_TRY(vla_ids_add(ids, m->unk, err));
		waiting = true;
	}
	return VLA_OK;
}

static vla_status run(const vla_bpe *m, longword *w, size_t n, vla_ids *ids, vla_err *err)
{
	const char *word = w->word;
	size_t k = m->rank         ? first_pieces(m, word, n, w)
		   : m->characters ? first_chars(m, word, n, w->id)
				   : first_bytes(m, word, n, w->id);
	for (size_t i = 0; i < k; i++) {
		w->prev[i] = i ? (uint32_t)i - 1 : UINT32_MAX;
		w->next[i] = i + 1 < k ? (uint32_t)i + 1 : UINT32_MAX;
		if (!m->rank)
			w->len[i] = 1;
	}
	for (size_t i = 0; i + 1 < k; i++)
		consider(m, w, (uint32_t)i);
	merge_all(m, w);
	if (k && m->rank)
		return put_pieces(m, w, ids, err);
	for (uint32_t i = 0; k && i != UINT32_MAX; i = w->next[i])
		VLA_TRY(vla_ids_add(ids, w->id[i], err));
	return VLA_OK;
}

static vla_status encode_long(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	uint32_t few[5 * SHORT_WORD], *a = few;
	cand few_heap[3 * SHORT_WORD], *heap = few_heap;
	if (n >= UINT32_MAX / 16)
		return vla_fail(err, VLA_EINVAL, "a word of %zu bytes is too long", n);
	if (n > SHORT_WORD) {
		a = vla_alloc(5 * n, sizeof *a);
		heap = vla_alloc(3 * n, sizeof *heap); /* n - 1 at first and at most two for each of n - 1 joins */
	}
	longword w = { a, a + n, a + 2 * n, a + 3 * n, a + 4 * n, heap, 0, word };
	vla_status st = a && heap ? run(m, &w, n, ids, err) : vla_nomem(err);
	if (n > SHORT_WORD) {
		free(a);
		free(heap);
	}
	return st;
}

vla_status vla_bpe_merge_word(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	return n <= SHORT_WORD && !m->rank ? encode_short(m, word, n, ids, err) : encode_long(m, word, n, ids, err);
}
