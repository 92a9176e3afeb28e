/* The precompiled normaliser of SentencePiece models: 4 bytes with the size of the trie, the trie (the double array of
 * darts-clone: 32-bit units with offset, label and leaf flag), the replacements. Both ways of applying it are here:
 * SentencePiece's own, longest rule first, and that of tokenizer.json, which goes by grapheme clusters. */
#include "text/charsmap.h"

#include "text/bpe.h"
#include "text/unicode.h"

enum { MAX_CLUSTER = 6 };

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

vla_status vla_charsmap_read(vla_charsmap *m, const void *blob, size_t n, vla_err *err)
{
	const unsigned char *p = blob;
	memset(m, 0, sizeof *m);
	if (n == 0)
		return VLA_OK;
	size_t trie = n < 4 ? n : get_u32(p);
	if (trie < 4 || trie % 4 || trie > n - 4)
		return vla_fail(err, VLA_ECORRUPT, "the character map has a trie of %zu bytes in %zu", trie, n);
	if (n > 4 + trie && p[n - 1] != 0)
		return vla_fail(err, VLA_ECORRUPT, "the character map does not end in 0");
	m->n_units = trie / 4;
	m->n_text = n - 4 - trie;
	m->unit = vla_alloc(trie + m->n_text, 1);
	if (!m->unit)
		return vla_nomem(err);
	for (size_t i = 0; i < m->n_units; i++)
		m->unit[i] = get_u32(p + 4 + 4 * i);
	char *text = (char *)(m->unit + m->n_units);
	memcpy(text, p + 4 + trie, m->n_text);
	m->text = text;
	return VLA_OK;
}

void vla_charsmap_release(vla_charsmap *m)
{
	free(m->unit);
	memset(m, 0, sizeof *m);
}

static size_t offset_of(uint32_t unit)
{
	return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

const char *vla_charsmap_find(const vla_charsmap *m, const char *s, size_t n, bool longest, size_t *len)
{
	const char *found = NULL;
	if (!m->n_units)
		return NULL;
	size_t at = offset_of(m->unit[0]);
	for (size_t i = 0; i < n && s[i]; i++) {
		unsigned char c = (unsigned char)s[i];
		at ^= c;
		if (at >= m->n_units || (m->unit[at] & 0x800000ffu) != c)
			break;
		uint32_t unit = m->unit[at];
		at ^= offset_of(unit);
		if (!(unit >> 8 & 1))
			continue;
		size_t value = at < m->n_units ? m->unit[at] & 0x7fffffffu : SIZE_MAX;
		if (value >= m->n_text)
			break;
		found = m->text + value;
		*len = i + 1;
		if (!longest)
			break;
	}
	return found;
}

/* ---- grapheme clusters ---- */

/* Characters of category Mc that do not go with the one before them. */
static bool stands_alone(uint32_t c)
{
	static const uint16_t myanmar[][2] = { { 0x102b, 0x102c }, { 0x1038, 0x1038 }, { 0x1062, 0x1064 },
					       { 0x1067, 0x106d }, { 0x1083, 0x1083 }, { 0x1087, 0x108c },
					       { 0x108f, 0x108f }, { 0x109a, 0x109c }, { 0x1a61, 0x1a61 },
					       { 0x1a63, 0x1a64 }, { 0xaa7b, 0xaa7b }, { 0xaa7d, 0xaa7d } };
	for (size_t i = 0; i < sizeof myanmar / sizeof *myanmar; i++)
		if (c >= myanmar[i][0] && c <= myanmar[i][1])
			return true;
	return c == 0x11720 || c == 0x11721;
}

/* Goes with the character before it (Extend, SpacingMark, ZWJ of Unicode Standard Annex 29). */
static bool joins_previous(uint32_t c)
{
	if (c < 0x300)
		return false;
	vla_gc g = vla_gc_of(c);
	if (g == VLA_GC_MN || g == VLA_GC_ME)
		return true;
	if (g == VLA_GC_MC)
		return !stands_alone(c);
	return c == 0x200c || c == 0x200d || c == 0xe33 || c == 0xeb3 || c == 0xff9e || c == 0xff9f ||
	       (c >= 0x1f3fb && c <= 0x1f3ff) || (c >= 0xe0020 && c <= 0xe007f);
}

/* Goes with the character after it. */
static bool joins_next(uint32_t c)
{
	return (c >= 0x600 && c <= 0x605) || c == 0x6dd || c == 0x70f || c == 0x890 || c == 0x891 || c == 0x8e2;
}

static bool is_control(uint32_t c)
{
	vla_gc g = vla_gc_of(c);
	return g == VLA_GC_CC || g == VLA_GC_ZL || g == VLA_GC_ZP ||
	       (g == VLA_GC_CF && c != 0x200c && c != 0x200d && !joins_next(c) && !(c >= 0xe0020 && c <= 0xe007f));
}

/* The length of the cluster at s[n], or MAX_CLUSTER when it is not shorter. Clusters that only longer ones can have
 * (emoji sequences, flags, Hangul parts) are not told apart. */
static size_t cluster(const char *s, size_t n)
{
	uint32_t c, next;
	size_t k = vla_utf8_get(s, n, &c);
	if (c == '\r')
		return k < n && s[k] == '\n' ? 2 : k;
	if (is_control(c))
		return k;
	while (k < n && k < MAX_CLUSTER) {
		size_t len = vla_utf8_get(s + k, n - k, &next);
		if (!joins_previous(next) && !(joins_next(c) && !is_control(next)))
			break;
		k += len;
		c = next;
	}
	return k;
}

static vla_status put_changed(const vla_charsmap *m, const char *s, size_t n, vla_buf *out, vla_err *err)
{
	size_t len;
	const char *t = vla_charsmap_find(m, s, n, false, &len);
	return t ? vla_buf_add(out, t, strlen(t), err) : vla_buf_add(out, s, n, err);
}

vla_status vla_charsmap_clusters(const vla_charsmap *m, const char *s, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0, len; i < n; i += len) {
		size_t unused;
		len = cluster(s + i, n - i);
		if (len < MAX_CLUSTER && vla_charsmap_find(m, s + i, len, false, &unused)) {
			VLA_TRY(put_changed(m, s + i, len, out, err));
			continue;
		}
		/* One character at a time; what is left of a long cluster has no base and is no cluster of its own. */
		uint32_t c;
		size_t end = i + len;
		while (len >= MAX_CLUSTER && end < n && vla_utf8_get(s + end, n - end, &c) && joins_previous(c))
			end += vla_utf8_get(s + end, n - end, &c);
		len = end - i;
		for (size_t k = i, one; k < end; k += one) {
			one = vla_utf8_get(s + k, n - k, &c);
			VLA_TRY(put_changed(m, s + k, one, out, err));
		}
	}
	return VLA_OK;
}

/* ---- SentencePiece ---- */

typedef struct spm {
	const vla_charsmap *m;
	vla_kept_fn *kept;
	const void *ctx;
} spm;

/* What the beginning of s[n] becomes: *text [*text_n]; returns its length. */
static size_t next_piece(const spm *p, const char *s, size_t n, const char **text, size_t *text_n)
{
	uint32_t c;
	size_t len = p->kept ? p->kept(p->ctx, s, n) : 0;
	*text = s;
	*text_n = len;
	if (len)
		return len;
	const char *t = vla_charsmap_find(p->m, s, n, true, &len);
	if (t) {
		*text = t;
		*text_n = strlen(t);
		return len;
	}
	return *text_n = vla_utf8_get(s, n, &c);
}

static vla_status put_piece(const vla_spm_rules *r, const char *t, size_t n, vla_buf *out, vla_err *err)
{
	for (size_t i = 0; i < n; i++)
		VLA_TRY(t[i] == ' ' && r->mark_spaces ? vla_buf_add(out, VLA_SPACE_MARK, 3, err)
						      : vla_buf_add(out, t + i, 1, err));
	return VLA_OK;
}

vla_status vla_charsmap_spm(const vla_charsmap *m, const vla_spm_rules *r, vla_kept_fn *kept, const void *ctx,
			    const char *s, size_t n, vla_buf *out, vla_err *err)
{
	const spm p = { m, kept, ctx };
	const char *t, *mark = r->mark_spaces ? VLA_SPACE_MARK : " ";
	size_t at = 0, tn, k = strlen(mark), start = out->n;
	bool space = r->remove_spaces; /* a space is left out at the beginning and after a space */
	while (r->remove_spaces && at < n) {
		size_t len = next_piece(&p, s + at, n - at, &t, &tn);
		if (tn != 1 || *t != ' ')
			break;
		at += len;
	}
	if (at == n)
		return VLA_OK;
	if (r->prefix_space)
		VLA_TRY(vla_buf_add(out, mark, k, err));
	while (at < n) {
		at += next_piece(&p, s + at, n - at, &t, &tn);
		for (; space && tn && *t == ' '; t++)
			tn--;
		if (tn) {
			VLA_TRY(put_piece(r, t, tn, out, err));
			space = t[tn - 1] == ' ';
		}
		if (!r->remove_spaces)
			space = false;
	}
	while (r->remove_spaces && out->n - start >= k && memcmp(out->data + out->n - k, mark, k) == 0)
		out->n -= k;
	return VLA_OK;
}
