/* Decomposition and composition (Unicode Standard Annex 15: NFD, NFC, NFKD, NFKC). Text made of characters that
 * never change and never combine, which nearly all text is, is recognised and copied. */
#include "text/unicode.h"

enum { S_BASE = 0xac00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11a7, L_N = 19, V_N = 21, T_N = 28 };

static unsigned ccc_of(uint32_t c)
{
	if (c < 0x300)
		return 0;
	size_t lo = 0, hi = vla_u_ccc_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const vla_u_ccc_run *r = &vla_u_ccc[mid];
		if (c < r->start)
			hi = mid;
		else if (c >= r->start + r->n)
			lo = mid + 1;
		else
			return r->ccc;
	}
	return 0;
}

static const vla_u_pair *decomposition_of(uint32_t c)
{
	size_t lo = 0, hi = vla_u_decomp_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (vla_u_decomp[mid].c == c)
			return &vla_u_decomp[mid];
		if (vla_u_decomp[mid].c < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* The composition of a and b, or 0. */
static uint32_t composition_of(uint32_t a, uint32_t b)
{
	if (a >= L_BASE && a < L_BASE + L_N && b >= V_BASE && b < V_BASE + V_N)
		return S_BASE + ((a - L_BASE) * V_N + (b - V_BASE)) * T_N;
	if (a >= S_BASE && a < S_BASE + L_N * V_N * T_N && (a - S_BASE) % T_N == 0 && b > T_BASE && b < T_BASE + T_N)
		return a + (b - T_BASE);
	size_t lo = 0, hi = vla_u_comp_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const vla_u_pair *p = &vla_u_decomp[vla_u_comp[mid]];
		if (p->a == a && p->b == b)
			return p->c;
		if (p->a < a || (p->a == a && p->b < b))
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

/* A character sequence being put in order: class << 56 | position in the run << 21 | code point. */
typedef struct seq {
	uint64_t *v;
	size_t n, cap;
} seq;

static vla_status seq_add(seq *q, uint32_t c, vla_err *err)
{
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 64;
		uint64_t *v = vla_realloc(q->v, cap, sizeof *v);
		if (!v)
			return vla_nomem(err);
		q->v = v;
		q->cap = cap;
	}
	q->v[q->n] = (uint64_t)ccc_of(c) << 56 | (uint64_t)(q->n & 0x7ffffffff) << 21 | c;
	q->n++;
	return VLA_OK;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The full compatibility decomposition of c, where it is not the canonical one; *done tells. */
static vla_status decompose_compat(uint32_t c, seq *q, bool *done, vla_err *err)
{
	size_t lo = 0, hi = vla_u_compat_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const vla_u_compat_run *r = &vla_u_compat[mid];
		if (c < r->start) {
			hi = mid;
		} else if (c >= r->start + r->n) {
			lo = mid + 1;
		} else {
			*done = true;
			return seq_add(q, r->to + (c - r->start), err);
		}
	}
	lo = 0;
	hi = vla_u_compat_many_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const vla_u_compat_long *r = &vla_u_compat_many[mid];
		if (r->c == c) {
			*done = true;
			for (size_t i = 0; i < r->n; i++)
				VLA_TRY(seq_add(q, vla_u_compat_pool[r->off + i], err));
			return VLA_OK;
		}
		if (r->c < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return VLA_OK;
}

static vla_status decompose(uint32_t c, bool compat, seq *q, vla_err *err)
{
	bool done = false;
	if (compat && c >= 0x80)
		VLA_TRY(decompose_compat(c, q, &done, err));
	if (done)
		return VLA_OK;
	uint32_t tail[8];
	size_t nt = 0;
	if (c >= S_BASE && c < S_BASE + L_N * V_N * T_N) {
		uint32_t i = c - S_BASE;
		VLA_TRY(seq_add(q, L_BASE + i / (V_N * T_N), err));
		VLA_TRY(seq_add(q, V_BASE + i % (V_N * T_N) / T_N, err));
		return i % T_N ? seq_add(q, T_BASE + i % T_N, err) : VLA_OK;
	}
	/* Only first parts decompose further. */
	for (const vla_u_pair *p; nt < 8 && (p = decomposition_of(c)) != NULL; c = p->a)
		if (p->b)
			tail[nt++] = p->b;
	VLA_TRY(seq_add(q, c, err));
	while (nt)
		VLA_TRY(seq_add(q, tail[--nt], err));
	return VLA_OK;
}

static uint32_t code(uint64_t v)
{
	return (uint32_t)(v & 0x1fffff);
}

/* Stable order by class within each run of non-starters. */
static void put_in_order(seq *q)
{
	for (size_t i = 0; i < q->n;) {
		size_t j = i;
		while (j < q->n && q->v[j] >> 56)
			j++;
		if (j - i > 1)
			qsort(q->v + i, j - i, sizeof *q->v, compare);
		i = j + 1;
	}
}

static size_t compose_all(seq *q)
{
	size_t w = 0, starter = SIZE_MAX;
	unsigned last = 0;
	for (size_t i = 0; i < q->n; i++) {
		uint32_t c = code(q->v[i]);
		unsigned k = (unsigned)(q->v[i] >> 56);
		bool adjacent = starter != SIZE_MAX && starter + 1 == w;
		if (starter != SIZE_MAX && (adjacent || (last < k && last != 0))) {
			uint32_t m = composition_of(code(q->v[starter]), c);
			if (m) {
				q->v[starter] = m;
				continue;
			}
		}
		if (k == 0)
			starter = w;
		last = k;
		q->v[w++] = q->v[i];
	}
	return w;
}

/* Below U+0300, the main ideographs and kana without marks: composition has nothing to do. */
static bool inert(uint32_t c, vla_form form)
{
	if (form != VLA_NFC)
		return c >= 0x3400 && c <= 0x9fff;
	return c < 0x300 || (c >= 0x3400 && c <= 0x9fff) || (c >= 0x2010 && c <= 0x2027) ||
	       (c >= 0x3000 && c <= 0x3029);
}

static bool all_inert(const char *s, size_t n, vla_form form)
{
	for (size_t i = 0; i < n;) {
		uint32_t c = (unsigned char)s[i];
		if (c < 0x80) {
			i++;
			continue;
		}
		i += vla_utf8_get(s + i, n - i, &c);
		if (!inert(c, form))
			return false;
	}
	return true;
}

vla_status vla_normal_form(const char *s, size_t n, vla_form form, vla_buf *out, vla_err *err)
{
	seq q = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	const bool compat = form == VLA_NFKC || form == VLA_NFKD, compose = form == VLA_NFC || form == VLA_NFKC;
	if (all_inert(s, n, form))
		return vla_buf_add(out, s, n, err);
	for (size_t i = 0; i < n && st == VLA_OK;) {
		uint32_t c;
		i += vla_utf8_get(s + i, n - i, &c);
		st = decompose(c, compat, &q, err);
	}
	if (st == VLA_OK) {
		put_in_order(&q);
		if (compose)
			q.n = compose_all(&q);
		st = vla_buf_reserve(out, q.n, err);
	}
	for (size_t i = 0; i < q.n && st == VLA_OK; i++)
		st = vla_utf8_add(out, code(q.v[i]), err);
	free(q.v);
	return st;
}

vla_status vla_nfc(const char *s, size_t n, vla_buf *out, vla_err *err)
{
	return vla_normal_form(s, n, VLA_NFC, out, err);
}
