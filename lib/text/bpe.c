/* The vocabulary of byte-pair encoding (Sennrich, Haddow and Birch 2016) over bytes (Radford et al. 2019) or over
 * characters (Kudo and Richardson 2018): alphabet, merges or scores, and the tokens that are whole words. */
#include "text/bpe.h"

#include "text/unicode.h"

enum { LONGEST_WORD_TOKEN = 48 };

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

/* ---- words and their bytes ---- */

static size_t power_of_two(size_t n)
{
	size_t p = 16;
	while (p < n)
		p *= 2;
	return p;
}

/* The bytes that a spelling stands for; characters outside the byte alphabet stand for their own UTF-8. */
static vla_status spell_out(vla_bpe *m, const char *s, vla_err *err)
{
	size_t n = strlen(s), k = m->suffix ? strlen(m->suffix) : 0;
	if (k && n > k && strcmp(s + n - k, m->suffix) == 0)
		n -= k;
	if (m->characters)
		return vla_buf_add(&m->raw, s, n, err);
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

static void index_bytes(vla_bpe *m)
{
	for (unsigned b = 0; b < 256; b++) {
		char t[32];
		size_t n = vla_utf8_put(vla_byte_char(b), t);
		m->byte_id[b] = m->byte_end_id[b] = vla_vocab_find(m->v, t, n);
		if (m->suffix && strlen(m->suffix) < sizeof t - n) {
			memcpy(t + n, m->suffix, strlen(m->suffix));
			m->byte_end_id[b] = vla_vocab_find(m->v, t, n + strlen(m->suffix));
		}
	}
}

vla_status vla_bpe_index(vla_bpe *m, const vla_vocab *v, vla_err *err)
{
	m->v = v;
	m->raw_off = vla_alloc(v->n + 1, sizeof *m->raw_off);
	if (!m->raw_off)
		return vla_nomem(err);
	for (size_t id = 0; id < v->n; id++) {
		m->raw_off[id] = m->raw.n;
		if (vla_vocab_token(v, id))
			VLA_TRY(spell_out(m, vla_vocab_token(v, id), err));
	}
	m->raw_off[v->n] = m->raw.n;
	index_bytes(m);
	vla_vocab_bytes(v, m->fallback_id);
	return VLA_OK;
}

/* ---- merges ---- */

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
	uint32_t a = vla_vocab_find(m->v, left, left_n), b = vla_vocab_find(m->v, right, right_n);
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
	uint32_t id = vla_vocab_find(m->v, whole.data, whole.n);
	if (id == VLA_NO_TOKEN)
		st = unknown_part(whole.data, whole.n, rank, err);
	vla_buf_release(&whole);
	VLA_TRY(st);

	uint64_t key = (uint64_t)a << 32 | b;
	size_t i = vla_merge_slot(key);
	while (m->merge[i & (m->merge_n - 1)].key != UINT64_MAX && m->merge[i & (m->merge_n - 1)].key != key)
		i++;
	vla_merge *e = &m->merge[i & (m->merge_n - 1)];
	if (e->key == UINT64_MAX && 2 * ++m->merges > m->merge_n)
		return vla_fail(err, VLA_EINVAL, "more merges than were announced");
	*e = (vla_merge){ key, (uint32_t)rank, id };
	return VLA_OK;
}

/* ---- scores ---- */

typedef struct scored {
	float score;
	uint32_t id;
} scored;

static int best_first(const void *a, const void *b)
{
	const scored *x = a, *y = b;
	return (x->score < y->score) - (x->score > y->score);
}

vla_status vla_bpe_set_scores(vla_bpe *m, const float *score, const bool *joined, vla_err *err)
{
	size_t n = 0;
	scored *order = vla_alloc(m->v->n, sizeof *order);
	m->rank = vla_alloc(m->v->n, sizeof *m->rank);
	if (!order || !m->rank) {
		free(order);
		return vla_nomem(err);
	}
	for (size_t id = 0; id < m->v->n; id++) {
		m->rank[id] = VLA_NO_TOKEN;
		if (joined[id] && vla_vocab_token(m->v, id))
			order[n++] = (scored){ score[id], (uint32_t)id };
	}
	if (n)
		qsort(order, n, sizeof *order, best_first);
	uint32_t rank = 0;
	for (size_t i = 0; i < n; i++) {
		rank += i && order[i].score < order[i - 1].score;
		m->rank[order[i].id] = rank;
	}
	free(order);
	return VLA_OK;
}

/* ---- whole words ---- */

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

/* Whether the space mark U+2581 comes after another character in s. */
static bool space_inside(const char *s)
{
	const char *first = s;
	while (strncmp(first, VLA_SPACE_MARK, 3) == 0)
		first += 3;
	return strstr(first, VLA_SPACE_MARK) != NULL;
}

static bool cuts_at_space(const vla_bpe *m)
{
	if (!m->characters || m->suffix || m->all_words || vla_vocab_find(m->v, VLA_SPACE_MARK, 3) == VLA_NO_TOKEN)
		return false;
	for (size_t i = 0; i < m->merge_n && !m->rank; i++)
		if (m->merge[i].key != UINT64_MAX && space_inside(vla_vocab_token(m->v, m->merge[i].id)))
			return false;
	for (size_t id = 0; id < m->v->n; id++)
		if (m->rank && vla_vocab_token(m->v, id) && space_inside(vla_vocab_token(m->v, id)))
			return false;
	return true;
}

/* Fills by_word with the tokens that their own bytes lead to. */
vla_status vla_bpe_finish(vla_bpe *m, vla_err *err)
{
	vla_ids ids = VLA_IDS_INIT;
	vla_status st = VLA_OK;
	size_t size = power_of_two(m->v->n * 2 + 1);
	if (!m->merge)
		VLA_TRY(vla_bpe_reserve_merges(m, 0, err));
	m->cut_at_space = cuts_at_space(m);
	m->by_word = vla_alloc(size, sizeof *m->by_word);
	if (!m->by_word)
		return vla_nomem(err);
	memset(m->by_word, 0xff, size * sizeof *m->by_word);
	m->by_word_n = size;
	for (size_t id = 0; id < m->v->n && st == VLA_OK; id++) {
		const char *word = m->raw.data + m->raw_off[id];
		size_t n = m->raw_off[id + 1] - m->raw_off[id];
		if (!vla_vocab_token(m->v, id) || n == 0 || (n > LONGEST_WORD_TOKEN && !m->all_words))
			continue;
		ids.n = 0;
		if (!m->all_words)
			st = vla_bpe_merge_word(m, word, n, &ids, err);
		if (m->all_words || (st == VLA_OK && ids.n == 1 && ids.id[0] == id))
			vla_bpe_make_word(m, (uint32_t)id);
	}
	free(ids.id);
	return st;
}

static vla_status encode_one(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	uint32_t id = find_word(m, word, n);
	if (id != VLA_NO_TOKEN)
		return vla_ids_add(ids, id, err);
	return vla_bpe_merge_word(m, word, n, ids, err);
}

vla_status vla_bpe_encode(const vla_bpe *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	size_t at = 0;
	bool inside = false; /* a character other than the mark has been seen */
	for (size_t i = 0; m->cut_at_space && i < n;) {
		bool mark = n - i >= 3 && memcmp(word + i, VLA_SPACE_MARK, 3) == 0;
		if (mark && inside) {
			VLA_TRY(encode_one(m, word + at, i - at, ids, err));
			at = i;
		}
		inside = !mark;
		i += mark ? 3 : 1;
	}
	return n > at ? encode_one(m, word + at, n - at, ids, err) : VLA_OK;
}

void vla_bpe_release(vla_bpe *m)
{
	vla_buf_release(&m->raw);
	free(m->raw_off);
	free(m->by_word);
	free(m->merge);
	free(m->rank);
	free(m->suffix);
	memset(m, 0, sizeof *m);
}
