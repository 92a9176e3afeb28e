/* The reader of BERT's vocab.txt: one token a line, its id the line's number from 0. */
#include "text/tokenizer_config.h"

static vla_status read_lines(const char *s, size_t n, vla_vocab *v, vla_err *err)
{
	size_t id = 0;
	for (const char *p = s, *end = s + n; p < end; id++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);
		size_t k = len - (len && p[len - 1] == '\r');
		if (memchr(p, 0, k))
			return vla_fail(err, VLA_EFORMAT, "vocab.txt: line %zu holds a 0", id + 1);
		if (k)
			VLA_TRY(vla_vocab_add(v, p, k, id, err));
		p += len + 1;
	}
	return id ? VLA_OK : vla_fail(err, VLA_EFORMAT, "vocab.txt is empty");
}

/* Special tokens that the vocabulary has are taken out of texts as they stand. */
static vla_status add_special(vla_tokenizer *t, const char *s, vla_err *err)
{
	vla_added a;
	memset(&a, 0, sizeof a);
	a.content = (char *)s;
	a.id = vla_tokenizer_id(t, s);
	a.special = true;
	return a.id == VLA_NO_TOKEN ? VLA_OK : vla_tokenizer_add_added(t, &a, err);
}

static vla_status frame(vla_tokenizer *t, const char *s, bool after, vla_err *err)
{
	uint32_t id = vla_tokenizer_id(t, s);
	if (id == VLA_NO_TOKEN)
		return vla_fail(err, VLA_ECORRUPT, "vocab.txt lacks '%.40s'", s);
	return vla_tokenizer_frame(t, after, id, err);
}

static vla_status build(vla_tokenizer *t, const char *vocab, size_t n, const json_t *c, vla_err *err)
{
	static const char *const special[][2] = { { "unk_token", "[UNK]" },
						  { "sep_token", "[SEP]" },
						  { "pad_token", "[PAD]" },
						  { "cls_token", "[CLS]" },
						  { "mask_token", "[MASK]" } };
	size_t added;
	bool lower = vla_tc_flag(c, "do_lower_case", true);
	t->model = VLA_WORDS_WORDPIECE;
	VLA_TRY(read_lines(vocab, n, &t->vocab, err));
	VLA_TRY(vla_tc_add_vocab(c, &t->vocab, err));
	VLA_TRY(vla_vocab_index(&t->vocab, err));
	VLA_TRY(vla_pipeline_add_bert(&t->pipe, true, vla_tc_flag(c, "tokenize_chinese_chars", true),
				      vla_tc_flag(c, "strip_accents", lower), lower, err));
	VLA_TRY(vla_pipeline_add_bert_cut(&t->pipe, err));
	VLA_TRY(vla_wordpiece_init(&t->wordpiece, &t->vocab, "##",
				   vla_tokenizer_id(t, vla_tc_token(c, "unk_token", "[UNK]")), 100, err));
	VLA_TRY(vla_tc_add_tokens(c, t, &added, err));
	for (size_t i = 0; i < sizeof special / sizeof *special && !added; i++)
		VLA_TRY(add_special(t, vla_tc_token(c, special[i][0], special[i][1]), err));
	VLA_TRY(frame(t, vla_tc_token(c, "cls_token", "[CLS]"), false, err));
	VLA_TRY(frame(t, vla_tc_token(c, "sep_token", "[SEP]"), true, err));
	VLA_TRY(vla_tokenizer_decode_wordpiece(t, "##", true, err));
	return vla_tokenizer_ready(t, err);
}

vla_status vla_tokenizer_parse_vocab(const char *vocab, size_t n, const char *config, size_t config_n,
				     vla_tokenizer **out, vla_err *err)
{
	json_t *c;
	VLA_TRY(vla_tc_parse(config, config_n, &c, err));
	vla_tokenizer *t = vla_tokenizer_blank();
	vla_status st = t ? build(t, vocab, n, c, err) : vla_nomem(err);
	json_decref(c);
	if (st != VLA_OK)
		vla_tokenizer_free(t);
	else
		*out = t;
	return st;
}
