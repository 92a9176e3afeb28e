/* Unigram language model segmentation (Kudo 2018): the Viterbi path over all tokens that the text contains, one node
 * for each byte position. Ties go to the path that was found first, as in SentencePiece and Hugging Face tokenizers.
 * Neighbouring unknown characters become one unknown token. */
#include "text/unigram.h"

#include "text/bpe.h"
#include "text/unicode.h"

enum { FEW = 256 };

vla_status vla_unigram_init(vla_unigram *m, const vla_vocab *v, double *score, const bool *use, uint32_t unk,
			    double unk_score, vla_err *err)
{
	memset(m, 0, sizeof *m);
	m->v = v;
	m->score = score;
	m->unk = unk;
	m->unk_score = unk_score;
	vla_vocab_bytes(v, m->fallback_id);
	uint32_t *ids = vla_alloc(v->n, sizeof *ids);
	size_t n = 0;
	if (!ids)
		return vla_nomem(err);
	for (size_t id = 0; id < v->n; id++)
		if (vla_vocab_token(v, id) && (!use || use[id]))
			ids[n++] = (uint32_t)id;
	vla_status st = vla_trie_build(&m->trie, v, ids, n, err);
	free(ids);
	return st;
}

void vla_unigram_release(vla_unigram *m)
{
	free(m->score);
	vla_trie_release(&m->trie);
	memset(m, 0, sizeof *m);
}

/* The best path that ends at a byte. from SIZE_MAX: none yet. */
typedef struct node {
	double score;
	size_t from;
	uint32_t id;
} node;

static void offer(const vla_unigram *m, node *to, size_t from, double score, uint32_t id)
{
	if (to->from != SIZE_MAX && !(score > to->score))
		return;
	*to = (node){ m->single ? (double)(float)score : score, from, id };
}

static void forward(const vla_unigram *m, const char *s, size_t n, node *path)
{
	for (size_t i = 0; i <= n; i++)
		path[i].from = SIZE_MAX;
	path[0].score = 0;
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c, at = 0;
		bool single = false;
		len = vla_utf8_get(s + i, n - i, &c);
		for (size_t k = i; k < n && (at = vla_trie_step(&m->trie, at, (uint8_t)s[k])) != 0; k++) {
			uint32_t id = m->trie.id[at];
			if (id == VLA_NO_TOKEN)
				continue;
			/* The unknown token's own spelling is unknown text. */
			offer(m, &path[k + 1], i, path[i].score + m->score[id], id == m->unk ? VLA_NO_TOKEN : id);
			single = single || k + 1 == i + len;
		}
		if (!single)
			offer(m, &path[i + len], i, path[i].score + m->unk_score, VLA_NO_TOKEN);
	}
}

static vla_status put_unknown(const vla_unigram *m, const char *s, size_t n, vla_ids *ids, vla_err *err)
{
	uint32_t id = m->by_text ? vla_vocab_find(m->v, s, n) : VLA_NO_TOKEN;
	if (id != VLA_NO_TOKEN)
		return vla_ids_add(ids, id, err);
	bool bytes = m->fallback;
	for (size_t i = 0; i < n && bytes; i++)
		bytes = m->fallback_id[(unsigned char)s[i]] != VLA_NO_TOKEN;
	if (!bytes && m->unk == VLA_NO_TOKEN)
		return vla_fail(err, VLA_EINVAL, "the vocabulary has no unknown token for '%.*s'",
				(int)(n < 40 ? n : 40), s);
	if (!bytes)
		return vla_ids_add(ids, m->unk, err);
	for (size_t i = 0; i < n; i++)
		VLA_TRY(vla_ids_add(ids, m->fallback_id[(unsigned char)s[i]], err));
	return VLA_OK;
}

static void turn_round(vla_ids *ids, size_t from)
{
	for (size_t i = from, j = ids->n; i + 1 < j; i++) {
		uint32_t t = ids->id[i];
		ids->id[i] = ids->id[--j];
		ids->id[j] = t;
	}
}

/* Walks back from the end; a run of unknown characters is put out as a whole. */
static vla_status backward(const vla_unigram *m, const char *s, size_t n, const node *path, vla_ids *ids, vla_err *err)
{
	size_t start = ids->n, end = n;
	for (size_t i = n; i > 0;) {
		const node *p = &path[i];
		i = p->from;
		if (p->id != VLA_NO_TOKEN) {
			VLA_TRY(vla_ids_add(ids, p->id, err));
			end = i;
		} else if (i == 0 || path[i].id != VLA_NO_TOKEN) {
			size_t run = ids->n;
			VLA_TRY(put_unknown(m, s + i, end - i, ids, err));
			turn_round(ids, run);
			end = i;
		}
	}
	turn_round(ids, start);
	return VLA_OK;
}

vla_status vla_unigram_encode(const vla_unigram *m, const char *s, size_t n, vla_ids *ids, vla_err *err)
{
	node few[FEW + 1], *path = few;
	if (n > FEW && !(path = vla_alloc(n + 1, sizeof *path)))
		return vla_nomem(err);
	forward(m, s, n, path);
	vla_status st = backward(m, s, n, path, ids, err);
	if (path != few)
		free(path);
	return st;
}
