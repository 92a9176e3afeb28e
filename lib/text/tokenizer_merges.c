/* Readers of the tokenizer files from before tokenizer.json: vocab.json with merges.txt (GPT-2, CLIP), and the merges
 * file of OpenAI's CLIP, whose vocabulary is 256 bytes, 256 bytes that end a word, one token a merge, two specials. */
#include "text/tokenizer.h"

#include "io/json.h"
#include "text/unicode.h"

enum { CLIP_MERGES = 49152 - 256 - 2, MAX_PIECE = 1024 };

static const char start_token[] = "<|startoftext|>", end_token[] = "<|endoftext|>", word_end[] = "</w>";
static const char clip_pattern[] = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|"
				   "[^\\s\\p{L}\\p{N}]+";
static const char clip_pattern_any_case[] =
	"<\\|startoftext\\|>|<\\|endoftext\\|>|(?i:'s|'t|'re|'ve|'m|'ll|'d)|[\\p{L}]+|"
	"[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/* The next merge at *p, or false at the end; the first line is a comment when it has a '#' as "#version" does. */
static bool next_merge(const char **p, const char **left, size_t *left_n, const char **right, size_t *right_n)
{
	while (**p) {
		const char *line = *p, *end = strchr(line, '\n');
		size_t n = end ? (size_t)(end - line) : strlen(line);
		const char *space = memchr(line, ' ', n);
		*p = line + n + (end != NULL);
		n -= n && line[n - 1] == '\r';
		if (!space || space == line || (size_t)(space - line) + 1 >= n)
			continue;
		*left = line;
		*left_n = (size_t)(space - line);
		*right = space + 1;
		*right_n = n - *left_n - 1;
		return true;
	}
	return false;
}

static const char *skip_version(const char *merges)
{
	const char *end = strchr(merges, '\n');
	size_t n = end ? (size_t)(end - merges) : strlen(merges);
	for (size_t i = 0; i + 8 <= n && end; i++)
		if (memcmp(merges + i, "#version", 8) == 0)
			return end + 1;
	return merges;
}

static vla_status add_merges(vla_bpe *m, const char *merges, size_t most, vla_err *err)
{
	const char *left, *right;
	size_t left_n, right_n, n = 0;
	for (const char *p = merges; n < most && next_merge(&p, &left, &left_n, &right, &right_n);)
		n++;
	VLA_TRY(vla_bpe_reserve_merges(m, n, err));
	const char *p = merges;
	for (size_t i = 0; i < n && next_merge(&p, &left, &left_n, &right, &right_n); i++)
		VLA_TRY(vla_bpe_add_merge(m, left, left_n, right, right_n, i, err));
	return VLA_OK;
}

/* The two special tokens of CLIP and their place around a text. */
static vla_status add_specials(vla_tokenizer *t, bool by_pattern, vla_err *err)
{
	for (int end = 0; end < 2; end++) {
		vla_added a;
		memset(&a, 0, sizeof a);
		a.content = (char *)(end ? end_token : start_token);
		a.id = vla_tokenizer_id(t, a.content);
		if (a.id == VLA_NO_TOKEN)
			return vla_fail(err, VLA_ECORRUPT, "the vocabulary lacks %s", a.content);
		a.special = true;
		a.normalized = !end && !by_pattern;
		a.by_pattern = by_pattern;
		VLA_TRY(vla_tokenizer_add_added(t, &a, err));
		VLA_TRY(vla_tokenizer_frame(t, end, a.id, err));
	}
	return VLA_OK;
}

/* ---- OpenAI's CLIP ---- */

/* The 256 bytes in the order of the vocabulary: those that stand for themselves first. */
static vla_status add_clip_bytes(vla_vocab *v, vla_err *err)
{
	size_t id = 0;
	for (int end = 0; end < 2; end++)
		for (int pass = 0; pass < 2; pass++)
			for (unsigned b = 0; b < 256; b++) {
				char s[16];
				if ((vla_byte_char(b) != b) != (pass == 1))
					continue;
				size_t n = vla_utf8_put(vla_byte_char(b), s);
				memcpy(s + n, end ? word_end : "", end ? sizeof word_end : 1);
				VLA_TRY(vla_vocab_add(v, s, strlen(s), id++, err));
			}
	return VLA_OK;
}

static vla_status add_clip_tokens(vla_vocab *v, const char *merges, vla_err *err)
{
	const char *left, *right;
	size_t left_n, right_n, id = 512;
	VLA_TRY(add_clip_bytes(v, err));
	for (const char *p = merges; id < 512 + CLIP_MERGES && next_merge(&p, &left, &left_n, &right, &right_n); id++) {
		char s[MAX_PIECE];
		if (left_n + right_n >= sizeof s)
			return vla_fail(err, VLA_ECORRUPT, "merge %zu is too long", id - 512);
		memcpy(s, left, left_n);
		memcpy(s + left_n, right, right_n);
		VLA_TRY(vla_vocab_add(v, s, left_n + right_n, id, err));
	}
	if (id == 512)
		return vla_fail(err, VLA_EFORMAT, "no merges");
	VLA_TRY(vla_vocab_add(v, start_token, strlen(start_token), id, err));
	VLA_TRY(vla_vocab_add(v, end_token, strlen(end_token), id + 1, err));
	return vla_vocab_index(v, err);
}

static vla_status build_clip(vla_tokenizer *t, const char *merges, vla_err *err)
{
	vla_pipeline *p = &t->pipe;
	merges = skip_version(merges);
	if (!(t->bpe.suffix = vla_strdup(word_end)))
		return vla_nomem(err);
	VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_REPAIR, NULL, err));
	VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_HTML, NULL, err));
	VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_HTML, NULL, err));
	VLA_TRY(vla_pipeline_add_replace(p, "\\s+", true, " ", err));
	VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_STRIP, NULL, err));
	VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_LOWER_WORDS, NULL, err));
	VLA_TRY(vla_pipeline_add_split(p, clip_pattern_any_case, VLA_SPLIT_REMOVED, true, err));
	VLA_TRY(add_clip_tokens(&t->vocab, merges, err));
	VLA_TRY(vla_bpe_index(&t->bpe, &t->vocab, err));
	VLA_TRY(add_merges(&t->bpe, merges, CLIP_MERGES, err));
	VLA_TRY(add_specials(t, true, err));
	VLA_TRY(vla_tokenizer_decode_bytes(t, err));
	return vla_tokenizer_ready(t, err);
}

static vla_status finish(vla_tokenizer *t, vla_status st, vla_tokenizer **out)
{
	if (st != VLA_OK)
		vla_tokenizer_free(t);
	else
		*out = t;
	return st;
}

vla_status vla_tokenizer_parse_clip(const char *merges, vla_tokenizer **out, vla_err *err)
{
	vla_tokenizer *t = vla_tokenizer_blank();
	return t ? finish(t, build_clip(t, merges, err), out) : vla_nomem(err);
}

/* ---- vocab.json and merges.txt ---- */

static vla_status add_vocab(vla_vocab *m, const char *vocab, size_t n, vla_err *err)
{
	json_t *root, *v;
	const char *key;
	vla_status st = vla_json_parse(vocab, n, 0, &root, err);
	if (st != VLA_OK)
		return vla_prefix(err, st, "vocab.json");
	if (!json_is_object(root))
		st = vla_fail(err, VLA_EFORMAT, "vocab.json: not an object");
	json_object_foreach(root, key, v)
	{
		json_int_t id = json_integer_value(v);
		if (!json_is_integer(v) || id < 0 || (uint64_t)id >= VLA_MAX_VOCAB)
			st = vla_fail(err, VLA_ECORRUPT, "vocab.json: bad id for token '%.60s'", key);
		else
			st = vla_vocab_add(m, key, strlen(key), (size_t)id, err);
		if (st != VLA_OK)
			break;
	}
	json_decref(root);
	return st == VLA_OK ? vla_vocab_index(m, err) : st;
}

static vla_status build_merges(vla_tokenizer *t, const char *vocab, size_t vocab_n, const char *merges, vla_err *err)
{
	vla_pipeline *p = &t->pipe;
	merges = skip_version(merges);
	bool clip = strstr(merges, word_end) != NULL;
	if (clip && !(t->bpe.suffix = vla_strdup(word_end)))
		return vla_nomem(err);
	if (clip) {
		VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_NFC, NULL, err));
		VLA_TRY(vla_pipeline_add_replace(p, "\\s+", true, " ", err));
		VLA_TRY(vla_pipeline_add_simple(p, VLA_NORM_LOWER, NULL, err));
		VLA_TRY(vla_pipeline_add_split(p, clip_pattern, VLA_SPLIT_REMOVED, true, err));
	}
	VLA_TRY(vla_pipeline_add_byte_level(p, false, true, err));
	VLA_TRY(add_vocab(&t->vocab, vocab, vocab_n, err));
	VLA_TRY(vla_bpe_index(&t->bpe, &t->vocab, err));
	VLA_TRY(add_merges(&t->bpe, merges, VLA_MAX_VOCAB, err));
	if (clip) {
		VLA_TRY(add_specials(t, false, err));
		t->bpe.unk = vla_tokenizer_id(t, end_token);
	}
	VLA_TRY(vla_tokenizer_decode_bytes(t, err));
	return vla_tokenizer_ready(t, err);
}

vla_status vla_tokenizer_parse_merges(const char *vocab, size_t vocab_n, const char *merges, vla_tokenizer **out,
				      vla_err *err)
{
	vla_tokenizer *t = vla_tokenizer_blank();
	return t ? finish(t, build_merges(t, vocab, vocab_n, merges, err), out) : vla_nomem(err);
}
