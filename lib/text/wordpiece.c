/* WordPiece (Schuster and Nakajima 2012, as BERT uses it): greedy, longest token first. */
#include "text/wordpiece.h"

#include "text/bpe.h"
#include "text/unicode.h"

enum { MAX_PIECE = 1024 };

vla_status vla_wordpiece_init(vla_wordpiece *m, const vla_vocab *v, const char *prefix, uint32_t unk, size_t max_chars,
			      vla_err *err)
{
	*m = (vla_wordpiece){ v, vla_strdup(prefix), unk, max_chars, 0 };
	if (!m->prefix)
		return vla_nomem(err);
	if (unk == VLA_NO_TOKEN)
		return vla_fail(err, VLA_ECORRUPT, "the unknown token is not in the vocabulary");
	for (size_t id = 0; id < v->n; id++) {
		const char *s = vla_vocab_token(v, id);
		size_t n = s ? strlen(s) : 0;
		m->longest = n > m->longest ? n : m->longest;
	}
	if (m->longest > MAX_PIECE)
		m->longest = MAX_PIECE;
	return VLA_OK;
}

void vla_wordpiece_release(vla_wordpiece *m)
{
	free(m->prefix);
	memset(m, 0, sizeof *m);
}

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The longest token that s[n] begins with; *len is its length in s. */
static uint32_t longest_token(const vla_wordpiece *m, const char *s, size_t n, bool first, size_t *len)
{
	char t[MAX_PIECE];
	const size_t k = first ? 0 : strlen(m->prefix), whole = n;
	if (k > m->longest)
		return VLA_NO_TOKEN;
	if (n > m->longest - k)
		n = m->longest - k;
	if (!first) {
		memcpy(t, m->prefix, k);
		memcpy(t + k, s, n);
	}
	for (const char *word = first ? s : t; n; n--) {
		if (n < whole && is_inside(s[n]))
			continue;
		uint32_t id = vla_vocab_find(m->v, word, k + n);
		if (id != VLA_NO_TOKEN) {
			*len = n;
			return id;
		}
	}
	return VLA_NO_TOKEN;
}

vla_status vla_wordpiece_encode(const vla_wordpiece *m, const char *word, size_t n, vla_ids *ids, vla_err *err)
{
	size_t start = ids->n, chars = 0;
	for (size_t i = 0; i < n; i++)
		chars += !is_inside(word[i]);
	for (size_t at = 0, len; at < n; at += len) {
		uint32_t id = chars > m->max_chars ? VLA_NO_TOKEN : longest_token(m, word + at, n - at, at == 0, &len);
		if (id == VLA_NO_TOKEN) {
			ids->n = start;
			return vla_ids_add(ids, m->unk, err);
		}
		VLA_TRY(vla_ids_add(ids, id, err));
	}
	return VLA_OK;
}
