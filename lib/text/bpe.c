/* Byte-pair encoding (Sennrich, Haddow and Birch 2016) over bytes (Radford et al. 2019). A word starts as its bytes
 * (with an end-of-word mark on the last one where the vocabulary has it) and the pair with the lowest rank, leftmost
 * first, is joined until no ranked pair is left. Words that are tokens as they stand are found by one look-up; long
 * words use a heap, so that time stays near linear. */
#include "text/bpe.h"

#include "text/unicode.h"

enum { SHORT_WORD = 48 };

/* ---- the byte alphabet ---- */

static bool stands_for_itself(unsigned b)
{
	return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

uint32_t vla_byte_char(unsigned byte)
{
	if (stands_for_itself(byte))
		return byte;
	if (byte <= 0x20)
		return 0x100 + byte;
	return byte == 0xad ? 0x143 : 0x100 + 0x21 + (byte - 0x7f);
}

int vla_byte_of_char(uint32_t c)
{
	if (c < 0x100)
		return stands_for_itself(c) ? (int)c : -1;
	if (c <= 0x120)
		return (int)(c - 0x100);
	if (c <= 0x142)
		return (int)(c - 0x121 + 0x7f);
	return c == 0x143 ? 0xad : -1;
}

/* ---- ids ---- */

vla_status vla_ids_add(vla_ids *ids, uint32_t id, vla_err *err)
{
	if (ids->n == ids->cap) {
		size_t cap = ids->cap ? ids->cap * 2 : 64;
		uint32_t *t = vla_realloc(ids->id, cap, sizeof *t);
		if (!t)
			return vla_nomem(err);
		ids->id = t;
		ids->cap = cap;
	}
	ids->id[ids->n++] = id;
	return VLA_OK;
}

/* ---- vocabulary ---- */

static size_t power_of_two(size_t n)
{
	size_t p = 16;
	while (p < n)
		p *= 2;
	return p;
}

vla_status vla_bpe_add_token(vla_bpe *m, const char *spelling, size_t id, vla_err *err)
{
	if (id >= VLA_MAX_VOCAB)
		return vla_fail(err, VLA_ECORRUPT, "token id %zu is out of range", id);
	if (id >= m->n) {
		size_t cap = power_of_two(id + 1);
		if (m->n == 0 || power_of_two(m->n) < cap) {
			char **t = vla_realloc(m->token, cap, sizeof *t);
			if (!t)
				return vla_nomem(err);
			m->token = t;
		}
		memset(m->token + m->n, 0, (id + 1 - m->n) * sizeof *m->token);
		m->n = id + 1;
	}
	if (m->token[id])
		return strcmp(m->token[id], spelling) == 0
			       ? VLA_OK
			       : vla_fail(err, VLA_ECORRUPT, "token id %zu is given twice", id);
	m->token[id] = vla_strdup(spelling);
	return m->token[id] ? VLA_OK : vla_nomem(err);
}

uint32_t vla_bpe_find(const vla_bpe *m, const char *spelling, size_t n)
{
	if (!m->by_name_n)
		return VLA_NO_TOKEN;
	for (size_t i = vla_hash64(spelling, n, 0);; i++) {
		uint32_t id = m->by_name[i & (m->by_name_n - 1)];
		if (id == VLA_NO_TOKEN)
			return id;
		if (strncmp(m->token[id], spelling, n) == 0 && m->token[id][n] == 0)
			return id;
	}
}

/* The bytes that a spelling stands for; characters outside the byte alphabet stand for their own UTF-8. */
static vla_status spell_out(vla_bpe *m, const char *s, vla_err *err)
{
	size_t n = strlen(s), k = m->suffix ? strlen(m->suffix) : 0;
	if (k && n > k && strcmp(s + n - k, m->suffix) == 0)
		n -= k;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		i += vla_utf8_get(s + i, n - i, &c);
		int b = vla_byte_of_char(c);
		char t = (char)b;
		if (b < 0)
			VLA_TRY(vla_utf8_add(&m->raw, c, err));
		else
			VLA_TRY(vla_buf_add(&m->raw, &t, 1, err));
	}
	return VLA_OK;
}

static vla_status index_names(vla_bpe *m, vla_err *err)
{
	m->by_name_n = power_of_two(m->n * 2 + 1);
	m->by_name = vla_alloc(m->by_name_n, sizeof *m->by_name);
	if (!m->by_name)
		return vla_nomem(err);
	memset(m->by_name, 0xff, m->by_name_n * sizeof *m->by_name);
	for (size_t id = 0; id < m->n; id++) {
		if (!m->token[id])
			continue;
		size_t len = strlen(m->token[id]), i = vla_hash64(m->token[id], len, 0);
		if (vla_bpe_find(m, m->token[id], len) != VLA_NO_TOKEN)
			continue;
		while (m->by_name[i & (m->by_name_n - 1)] != VLA_NO_TOKEN)
			i++;
		m->by_name[i & (m->by_name_n - 1)] = (uint32_t)id;
	}
	return VLA_OK;
}

static void index_bytes(vla_bpe *m)
{
	for (unsigned b = 0; b < 256; b++) {
		char t[32];
		size_t n = vla_utf8_put(vla_byte_char(b), t);
		m->byte_id[b] = m->byte_end_id[b] = vla_bpe_find(m, t, n);
		if (m->suffix && strlen(m->suffix) < sizeof t - n) {
			memcpy(t + n, m->suffix, strlen(m->suffix));
			m->byte_end_id[b] = vla_bpe_find(m, t, n + strlen(m->suffix));
		}
	}
}

vla_status vla_bpe_index(vla_bpe *m, vla_err *err)
{
	VLA_TRY(index_names(m, err));
	m->raw_off = vla_alloc(m->n + 1, sizeof *m->raw_off);
	if (!m->raw_off)
		return vla_nomem(err);
	for (size_t id = 0; id < m->n; id++) {
		m->raw_off[id] = m->raw.n;
		if (m->token[id])
			VLA_TRY(spell_out(m, m->token[id], err));
	}
	m->raw_off[m->n] = m->raw.n;
	index_bytes(m);
	return VLA_OK;
}

/* ---- merges ---- */

static inline size_t mix(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return (size_t)(key ^ key >> 29);
}

static inline const vla_merge *find_merge(const vla_bpe *m, uint32_t left, uint32_t right)
{
	uint64_t key = (uint64_t)left << 32 | right;
	for (size_t i = mix(key);; i++) {
		const vla_merge *e = &m->merge[i & (m->merge_n - 1)];
		if (e->key == key)
			return e;
		if (e->key == UINT64_MAX)
			return NULL;
	}
}

vla_status vla_bpe_reserve_merges(vla_bpe *m, size_t n, vla_err *err)
{
	if (n > VLA_MAX_VOCAB)
		return vla_fail(err, VLA_ECORRUPT, "too many merges: %zu", n);
	m->merge_n = power_of_two(n * 2 + 1);
	m->merge = vla_alloc(m->merge_n, sizeof *m->merge);
	if (!m->merge)
		return vla_nomem(err);
	memset(m->merge, 0xff, m->merge_n * sizeof *m->merge);
	return VLA_OK;
}

static vla_status unknown_part(const char *s, size_t n, size_t rank, vla_err *err)
{
	return vla_fail(err, VLA_ECORRUPT, "merge %zu needs '%.*s', which is not in the vocabulary", rank,
			(int)(n < 60 ? n : 60), s);
}

vla_status vla_bpe_add_merge(vla_bpe *m, const char *left, size_t left_n, const char *right, size_t right_n,
			     size_t rank, vla_err *err)
{
	uint32_t a = vla_bpe_find(m, left, left_n), b = vla_bpe_find(m, right, right_n);
	if (a == VLA_NO_TOKEN)
		return unknown_part(left, left_n, rank, err);
	if (b == VLA_NO_TOKEN)
		return unknown_part(right, right_n, rank, err);
	vla_buf whole = { NULL, 0, 0 };
	vla_status st = vla_buf_add(&whole, left, left_n, err);
	if (st == VLA_OK)
		st = vla_buf_add(&whole, right, right_n, err);
	if (st != VLA_OK) {
		vla_buf_release(&whole);
		return st;
	}
	uint32_t id = vla_bpe_find(m, whole.data, whole.n);
	if (id == VLA_NO_TOKEN)
		st = unknown_part(whole.data, whole.n, rank, err);
	vla_buf_release(&whole);
	VLA_TRY(st);

	uint64_t key = (uint64_t)a << 32 | b;
	size_t i = mix(key);
	while (m->merge[i & (m->merge_n - 1)].key != UINT64_MAX && m->merge[i & (m->merge_n - 1)].key != key)
		i++;
	vla_merge *e = &m->merge[i & (m->merge_n - 1)];
	if (e->key == UINT64_MAX && 2 * ++m->merges > m->merge_n)
		return vla_fail(err, VLA_EINVAL, "more merges than were announced");
	*e = (vla_merge){ key, (uint32_t)rank, id };
	return VLA_OK;
}

/* ---- encoding ---- */

static uint32_t first_id(const vla_bpe *m, const char *word, size_t n, size_t i)
{
	unsigned char b = (unsigned char)word[i];
	uint32_t id = i + 1 == n ? m->byte_end_id[b] : m->byte_id[b];
	return id == VLA_NO_TOKEN ? m->unk : id;
}

static vla_status encode_short(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	uint32_t id[SHORT_WORD], rank[SHORT_WORD], to[SHORT_WORD];
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if ((id[k] = first_id(m, word, n, i)) != VLA_NO_TOKEN)
			k++;
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

/* A long word: symbols in a doubly linked list, candidate merges in a binary heap by (rank, position). */
typedef struct cand {
	uint32_t rank, pos;
	uint32_t left, right; /* ids when it was made: a stale candidate does not match them any more */
} cand;

typedef struct longword {
	uint32_t *id, *prev, *next; /* [n]; next and prev UINT32_MAX at the ends */
	cand *heap;
	size_t heap_n;
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

static void consider(const vla_bpe *m, longword *w, uint32_t pos)
{
	if (pos == UINT32_MAX || w->next[pos] == UINT32_MAX)
		return;
	uint32_t left = w->id[pos], right = w->id[w->next[pos]];
	const vla_merge *e = find_merge(m, left, right);
	if (e)
		heap_push(w, (cand){ e->rank, pos, left, right });
}

static void merge_all(const vla_bpe *m, longword *w)
{
	while (w->heap_n) {
		cand c = heap_pop(w);
		uint32_t next = w->next[c.pos];
		if (w->id[c.pos] != c.left || next == UINT32_MAX || w->id[next] != c.right)
			continue;
		w->id[c.pos] = find_merge(m, c.left, c.right)->id;
		w->id[next] = VLA_NO_TOKEN;
		w->next[c.pos] = w->next[next];
		if (w->next[next] != UINT32_MAX)
			w->prev[w->next[next]] = c.pos;
		w->next[next] = UINT32_MAX;
		consider(m, w, w->prev[c.pos]);
		consider(m, w, c.pos);
	}
}

static vla_status encode_long(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	longword w = { NULL, NULL, NULL, NULL, 0 };
	vla_status st = VLA_OK;
	uint32_t k = 0;
	if (n >= UINT32_MAX / 4)
		return vla_fail(err, VLA_EINVAL, "a word of %zu bytes is too long", n);
	w.id = vla_alloc(n, sizeof *w.id);
	w.prev = vla_alloc(n, sizeof *w.prev);
	w.next = vla_alloc(n, sizeof *w.next);
	w.heap = vla_alloc(3 * n, sizeof *w.heap); /* n - 1 at first and at most two for each of n - 1 merges */
	if (!w.id || !w.prev || !w.next || !w.heap) {
		st = vla_nomem(err);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		if ((w.id[k] = first_id(m, word, n, i)) != VLA_NO_TOKEN)
			k++;
	for (uint32_t i = 0; i < k; i++) {
		w.prev[i] = i ? i - 1 : UINT32_MAX;
		w.next[i] = i + 1 < k ? i + 1 : UINT32_MAX;
	}
	for (uint32_t i = 0; i + 1 < k; i++)
		consider(m, &w, i);
	merge_all(m, &w);
	for (uint32_t i = 0; k && i != UINT32_MAX && st == VLA_OK; i = w.next[i])
		st = vla_ids_add(ids, w.id[i], err);
out:
	free(w.id);
	free(w.prev);
	free(w.next);
	free(w.heap);
	return st;
}

static uint32_t find_word(const vla_bpe *m, const char *word, size_t n)
{
	if (!m->by_word_n)
		return VLA_NO_TOKEN;
	for (size_t i = vla_hash64(word, n, 0);; i++) {
		uint32_t id = m->by_word[i & (m->by_word_n - 1)];
		if (id == VLA_NO_TOKEN)
			return id;
		if (m->raw_off[id + 1] - m->raw_off[id] == n && memcmp(m->raw.data + m->raw_off[id], word, n) == 0)
			return id;
	}
}

static vla_status merge_word(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	return n <= SHORT_WORD ? encode_short(m, word, n, ids, err) : encode_long(m, word, n, ids, err);
}

vla_status vla_bpe_encode(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	uint32_t id = find_word(m, word, n);
	if (id != VLA_NO_TOKEN)
		return vla_ids_add(ids, id, err);
	return merge_word(m, word, n, ids, err);
}

void vla_bpe_make_word(vla_bpe *m, uint32_t id)
{
	const char *word = m->raw.data + m->raw_off[id];
	size_t n = m->raw_off[id + 1] - m->raw_off[id], i = vla_hash64(word, n, 0);
	if (find_word(m, word, n) != VLA_NO_TOKEN)
		return;
	while (m->by_word[i & (m->by_word_n - 1)] != VLA_NO_TOKEN)
		i++;
	m->by_word[i & (m->by_word_n - 1)] = id;
}

/* Fills by_word with the tokens that their own bytes lead to. */
vla_status vla_bpe_finish(vla_bpe *m, vla_err *err)
{
	vla_ids ids = VLA_IDS_INIT;
	vla_status st = VLA_OK;
	size_t size = power_of_two(m->n * 2 + 1);
	uint32_t *table;
	if (!m->merge)
		VLA_TRY(vla_bpe_reserve_merges(m, 0, err));
	table = vla_alloc(size, sizeof *table);
	if (!table)
		return vla_nomem(err);
	memset(table, 0xff, size * sizeof *table);
	m->by_word = table;
	m->by_word_n = size;
	for (size_t id = 0; id < m->n && st == VLA_OK; id++) {
		const char *word = m->raw.data + m->raw_off[id];
		size_t n = m->raw_off[id + 1] - m->raw_off[id];
		if (!m->token[id] || n == 0 || n > SHORT_WORD)
			continue;
		ids.n = 0;
		st = merge_word(m, word, n, &ids, err);
		if (st == VLA_OK && ids.n == 1 && ids.id[0] == id)
			vla_bpe_make_word(m, (uint32_t)id);
	}
	free(ids.id);
	return st;
}

void vla_bpe_release(vla_bpe *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->token[i]);
	free(m->token);
	vla_buf_release(&m->raw);
	free(m->raw_off);
	free(m->by_name);
	free(m->by_word);
	free(m->merge);
	free(m->suffix);
	memset(m, 0, sizeof *m);
}
