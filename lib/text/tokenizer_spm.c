/* Tokenizers from SentencePiece models. What the model file does not say (which special tokens go around a text, and
 * cleaning before it) depends on the class that tokenizer_config.json names. */
#include "text/spm.h"
#include "text/tokenizer_config.h"

typedef struct spm_class {
	const char *name;
	bool begin, end; /* special tokens around a text, where the configuration does not say */
	bool siglip;     /* lower case and no punctuation; a prefix space only at the beginning */
	bool strip;      /* special tokens take the white space around them */
	bool shifted;    /* ids as fairseq has them: <s> <pad> </s> <unk>, then the pieces from 3 on */
} spm_class;

static const spm_class classes[] = {
	{ "SiglipTokenizer", false, true, true, true, false },
	{ "T5Tokenizer", false, true, false, false, false },
	{ "T5TokenizerFast", false, true, false, false, false },
	{ "LlamaTokenizer", true, false, false, false, false },
	{ "LlamaTokenizerFast", true, false, false, false, false },
	{ "GemmaTokenizer", true, false, false, false, false },
	{ "GemmaTokenizerFast", true, false, false, false, false },
	{ "XLMRobertaTokenizer", true, true, false, false, true },
	{ "XLMRobertaTokenizerFast", true, true, false, false, true },
};

static const spm_class no_class = { "", false, false, false, false, false };

static vla_status find_class(const json_t *config, const spm_class **k, vla_err *err)
{
	const char *name = vla_tc_token(config, "tokenizer_class", "");
	*k = &no_class;
	if (!*name)
		return VLA_OK;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strcmp(classes[i].name, name) == 0) {
			*k = &classes[i];
			return VLA_OK;
		}
	return vla_fail(err, VLA_EUNSUPPORTED, "a SentencePiece model with tokenizer_class '%.60s' is not supported",
			name);
}

/* The id of piece i. */
static size_t id_of(const spm_class *k, size_t i)
{
	static const size_t first[] = { 3, 0, 2 };
	if (!k->shifted)
		return i;
	return i < 3 ? first[i] : i + 1;
}

static vla_status add_pieces(const vla_spm *m, const spm_class *k, const json_t *config, vla_vocab *v, vla_err *err)
{
	for (size_t i = 0; i < m->n; i++)
		VLA_TRY(vla_vocab_add(v, m->piece[i].s, m->piece[i].n, id_of(k, i), err));
	if (k->shifted) {
		VLA_TRY(vla_vocab_add(v, "<pad>", 5, 1, err));
		VLA_TRY(vla_vocab_add(v, "<mask>", 6, m->n + 1, err));
	}
	VLA_TRY(vla_tc_add_vocab(config, v, err));
	return vla_vocab_index(v, err);
}

static vla_status add_fixed(const vla_spm *m, const spm_class *k, vla_tokenizer *t, vla_err *err)
{
	size_t n = 0;
	uint32_t *ids = vla_alloc(m->n, sizeof *ids);
	if (!ids)
		return vla_nomem(err);
	for (size_t i = 0; i < m->n; i++)
		if (m->piece[i].type == VLA_SPM_USER)
			ids[n++] = (uint32_t)id_of(k, i);
	vla_status st = n ? vla_trie_build(&t->fixed, &t->vocab, ids, n, err) : VLA_OK;
	free(ids);
	return st;
}

/* The unknown piece, or VLA_NO_TOKEN. */
static uint32_t unknown_of(const vla_spm *m, const spm_class *k)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->piece[i].type == VLA_SPM_UNKNOWN)
			return (uint32_t)id_of(k, i);
	return VLA_NO_TOKEN;
}

static vla_status build_bpe(const vla_spm *m, const spm_class *k, vla_tokenizer *t, vla_err *err)
{
	float *score = vla_zalloc(t->vocab.n, sizeof *score);
	bool *joined = vla_zalloc(t->vocab.n, sizeof *joined);
	vla_status st = score && joined ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < m->n && st == VLA_OK; i++) {
		score[id_of(k, i)] = m->piece[i].score;
		joined[id_of(k, i)] = m->piece[i].type == VLA_SPM_NORMAL;
		if (m->piece[i].type == VLA_SPM_UNUSED)
			st = vla_fail(err, VLA_EUNSUPPORTED,
				      "a SentencePiece BPE model with unused pieces is not supported");
	}
	t->bpe.characters = true;
	t->bpe.fallback = m->byte_fallback;
	t->bpe.fixed = t->fixed.n ? &t->fixed : NULL;
	t->bpe.unk = unknown_of(m, k);
	if (st == VLA_OK)
		st = vla_bpe_index(&t->bpe, &t->vocab, err);
	if (st == VLA_OK)
		st = vla_bpe_set_scores(&t->bpe, score, joined, err);
	free(score);
	free(joined);
	return st;
}

static vla_status build_unigram(const vla_spm *m, const spm_class *k, vla_tokenizer *t, vla_err *err)
{
	double *score = vla_zalloc(t->vocab.n, sizeof *score);
	bool *use = vla_zalloc(t->vocab.n, sizeof *use);
	float least = 0, most = 0;
	bool any = false;
	if (!score || !use) {
		free(score);
		free(use);
		return vla_nomem(err);
	}
	for (size_t i = 0; i < m->n; i++) {
		if (m->piece[i].type != VLA_SPM_NORMAL)
			continue;
		least = !any || m->piece[i].score < least ? m->piece[i].score : least;
		most = !any || m->piece[i].score > most ? m->piece[i].score : most;
		any = true;
	}
	for (size_t i = 0; i < m->n; i++) {
		bool user = m->piece[i].type == VLA_SPM_USER;
		use[id_of(k, i)] = user || m->piece[i].type == VLA_SPM_NORMAL;
		/* A user-defined piece is worth more than any way to cut it. */
		score[id_of(k, i)] = user ? (double)((float)m->piece[i].n * most) - 0.1 : (double)m->piece[i].score;
	}
	t->model = VLA_WORDS_UNIGRAM;
	vla_status st = vla_unigram_init(&t->unigram, &t->vocab, score, use, unknown_of(m, k),
					 (double)(least - (float)VLA_UNKNOWN_PENALTY), err);
	t->unigram.single = true;
	t->unigram.fallback = m->byte_fallback;
	free(use);
	return st;
}

static vla_status add_norms(const vla_spm *m, const spm_class *k, vla_tokenizer *t, vla_err *err)
{
	vla_norm s = { .kind = VLA_NORM_SPM, .rules = m->rules, .left = k->siglip };
	if (k->siglip) {
		vla_norm clean = { .kind = VLA_NORM_PUNCTUATION };
		VLA_TRY(vla_pipeline_add_simple(&t->pipe, VLA_NORM_LOWER, NULL, err));
		VLA_TRY(vla_pipeline_add_replace(&t->pipe, VLA_SPACE_MARK, false, " ", err));
		VLA_TRY(vla_pipeline_add_norm(&t->pipe, &clean, err));
	}
	s.kept = t->fixed.n ? &t->fixed : NULL;
	VLA_TRY(vla_charsmap_read(&s.map, m->charsmap, m->charsmap_n, err));
	return vla_pipeline_add_norm(&t->pipe, &s, err);
}

/* Without a list in the configuration the control pieces and the unknown one are the special tokens. */
static vla_status add_specials(const vla_spm *m, const spm_class *k, vla_tokenizer *t, vla_err *err)
{
	for (size_t i = 0; i < m->n; i++) {
		vla_added a;
		memset(&a, 0, sizeof a);
		if (m->piece[i].type != VLA_SPM_CONTROL && m->piece[i].type != VLA_SPM_UNKNOWN)
			continue;
		a.id = (uint32_t)id_of(k, i);
		a.content = (char *)(uintptr_t)vla_vocab_token(&t->vocab, a.id);
		a.special = true;
		a.lstrip = a.rstrip = k->strip;
		VLA_TRY(vla_tokenizer_add_added(t, &a, err));
	}
	return VLA_OK;
}

static vla_status frame(vla_tokenizer *t, const json_t *config, const char *key, const char *missing, bool after,
			vla_err *err)
{
	const char *s = vla_tc_token(config, key, missing);
	uint32_t id = vla_tokenizer_id(t, s);
	if (id == VLA_NO_TOKEN)
		return vla_fail(err, VLA_ECORRUPT, "the %s '%.40s' is not in the SentencePiece model", key, s);
	return vla_tokenizer_frame(t, after, id, err);
}

vla_status vla_spm_build(const vla_spm *m, const json_t *config, vla_tokenizer *t, vla_err *err)
{
	const spm_class *k;
	size_t added;
	VLA_TRY(find_class(config, &k, err));
	VLA_TRY(add_pieces(m, k, config, &t->vocab, err));
	VLA_TRY(add_fixed(m, k, t, err));
	VLA_TRY(m->bpe ? build_bpe(m, k, t, err) : build_unigram(m, k, t, err));
	VLA_TRY(add_norms(m, k, t, err));
	VLA_TRY(vla_tc_add_tokens(config, t, &added, err));
	if (!added)
		VLA_TRY(add_specials(m, k, t, err));
	if (vla_tc_flag(config, "add_bos_token", k->begin))
		VLA_TRY(frame(t, config, "bos_token", "<s>", false, err));
	if (vla_tc_flag(config, "add_eos_token", k->end))
		VLA_TRY(frame(t, config, "eos_token", "</s>", true, err));
	VLA_TRY(vla_tokenizer_decode_spm(t, m->rules.prefix_space, err));
	return vla_tokenizer_ready(t, err);
}

vla_status vla_tokenizer_parse_spm(const void *model, size_t n, const char *config, size_t config_n,
				   vla_tokenizer **out, vla_err *err)
{
	vla_spm m;
	json_t *c = NULL;
	vla_tokenizer *t = NULL;
	vla_status st = vla_spm_read(&m, model, n, err);
	if (st == VLA_OK)
		st = vla_tc_parse(config, config_n, &c, err);
	if (st == VLA_OK && !(t = vla_tokenizer_blank()))
		st = vla_nomem(err);
	if (st == VLA_OK)
		st = vla_spm_build(&m, c, t, err);
	vla_spm_release(&m);
	json_decref(c);
	if (st != VLA_OK)
		vla_tokenizer_free(t);
	else
		*out = t;
	return st;
}
