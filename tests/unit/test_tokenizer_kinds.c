/* WordPiece, unigram, SentencePiece and the vocabularies of others, against their ids; cleaning; bad model files. */
#include "fault.h"
#include "tap.h"

#include "base/base.h"
#include "text/spm.h"
#include "text/tokenizer.h"

#include <jansson.h>

static bool same_ids(const vla_ids *got, const json_t *want)
{
	bool same = got->n == json_array_size(want);
	for (size_t i = 0; same && i < got->n; i++)
		same = (json_int_t)got->id[i] == json_integer_value(json_array_get(want, i));
	return same;
}

/* One test line for all cases of an engine of golden/tokenizers-a. */
static void check_engine(const vla_tokenizer *t, const json_t *root, const char *name, bool framed)
{
	const json_t *list = json_object_get(root, "engines"), *cases = NULL;
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	size_t wrong = 0;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(list, i), "name")), name) == 0)
			cases = json_object_get(json_array_get(list, i), "cases");
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i);
		const char *text = json_string_value(json_object_get(c, "text"));
		ids.n = 0;
		vla_status st = framed ? vla_tokenizer_encode(t, text, 0, &ids, &err)
				       : vla_tokenizer_append(t, text, &ids, &err);
		if (st == VLA_OK && same_ids(&ids, json_object_get(c, "ids")))
			continue;
		wrong++;
		note("differs (%zu ids): %.70s", ids.n, text);
	}
	ok(json_array_size(cases) > 0 && wrong == 0, "%s: %zu texts, %zu differ", name, json_array_size(cases), wrong);
	vla_ids_release(&ids);
}

static json_t *load_expected(void)
{
	const char *p = shared("golden/tokenizers-a/expected.json");
	return p ? json_load_file(p, 0, NULL) : NULL;
}

static bool load(const char *name, vla_buf *b)
{
	vla_err err = VLA_ERR_INIT;
	const char *p = shared(name);
	FILE *f = p ? fopen(p, "rb") : NULL;
	bool fine = f != NULL;
	for (size_t got = 1; fine && got; b->n += got) {
		fine = vla_buf_reserve(b, 1 << 16, &err) == VLA_OK;
		got = fine ? fread(b->data + b->n, 1, (1 << 16) - 1, f) : 0;
	}
	if (f)
		fclose(f);
	if (fine)
		b->data[b->n] = 0;
	return fine;
}

/* ---- WordPiece ---- */

static void test_bert(void)
{
	static const struct {
		const char *file, *engine, *config;
	} cases[] = {
		{ "data/tokenizers/bert-base-uncased-vocab.txt", "bert-base-uncased", NULL },
		{ "data/tokenizers/bert-base-chinese-vocab.txt", "bert-base-chinese", NULL },
		{ "data/tokenizers/bert-base-uncased-vocab.txt", "bert-base-uncased-cased-setting",
		  "{\"do_lower_case\":false}" },
	};
	json_t *root = load_expected();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vla_buf b = { NULL, 0, 0 };
		vla_tokenizer *t = NULL;
		vla_err err = VLA_ERR_INIT;
		const char *c = cases[i].config;
		if (!root || !load(cases[i].file, &b))
			skip("%s or its ids are not here", cases[i].file);
		else if (ok(vla_tokenizer_parse_vocab(b.data, b.n, c, c ? strlen(c) : 0, &t, &err) == VLA_OK, "%s: %s",
			    cases[i].file, err.msg))
			check_engine(t, root, cases[i].engine, true);
		vla_tokenizer_free(t);
		vla_buf_release(&b);
	}
	json_decref(root);
}

static void expect(const vla_tokenizer *t, const char *text, size_t n, const uint32_t *want, const char *name)
{
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	bool same = vla_tokenizer_encode(t, text, 0, &ids, &err) == VLA_OK && ids.n == n &&
		    (n == 0 || memcmp(ids.id, want, n * sizeof *want) == 0);
	ok(same, "%s %s", name, err.msg);
	for (size_t i = 0; !same && i < ids.n; i++)
		note("id %zu: %u", i, (unsigned)ids.id[i]);
	vla_ids_release(&ids);
}

static void decodes(const vla_tokenizer *t, const char *text, const char *want)
{
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	char *s = NULL;
	ok(vla_tokenizer_encode(t, text, 0, &ids, &err) == VLA_OK &&
		   vla_tokenizer_decode(t, ids.id, ids.n, true, &s, &err) == VLA_OK && strcmp(s, want) == 0,
	   "'%s' comes back as '%s'", text, s ? s : err.msg);
	free(s);
	vla_ids_release(&ids);
}

static void test_small_bert(void)
{
	const char *vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nbo\n##at\n##s\n,\n!\n\xe7\x8c\xab\ncafe\n";
	vla_tokenizer *t = NULL;
	vla_err err = VLA_ERR_INIT;
	if (!ok(vla_tokenizer_parse_vocab(vocab, strlen(vocab), NULL, 0, &t, &err) == VLA_OK, "vocab.txt %s", err.msg))
		return;
	expect(t, "Red BOATS", 6, (uint32_t[]){ 2, 5, 6, 7, 8, 3 }, "pieces inside a word");
	expect(t, "red,\xe7\x8c\xab!\xe7\x8c\xab", 7, (uint32_t[]){ 2, 5, 9, 11, 10, 11, 3 },
	       "punctuation, ideographs");
	expect(t, "Caf\xc3\xa9 caf\x65\xcc\x81 cafs", 5, (uint32_t[]){ 2, 12, 12, 1, 3 }, "accents, an unknown word");
	expect(t, "red [MASK]\x01 red", 5, (uint32_t[]){ 2, 5, 4, 5, 3 }, "special tokens, control characters");
	expect(t, "", 2, (uint32_t[]){ 2, 3 }, "the empty text");
	decodes(t, "red boats, red!", "red boats, red!");
	ok(strcmp(vla_tokenizer_kind(t), "WordPiece") == 0, "its kind");
	ok(vla_tokenizer_check_vocab(t, 13, &err) == VLA_OK && vla_tokenizer_check_vocab(t, 12, &err) == VLA_ECORRUPT,
	   "a vocabulary that does not fit: %s", err.msg);
	vla_tokenizer_free(t);
	t = NULL;
	ok(vla_tokenizer_parse_vocab("", 0, NULL, 0, &t, &err) == VLA_EFORMAT, "an empty file: %s", err.msg);
	ok(vla_tokenizer_parse_vocab("[UNK]\na\n", 8, NULL, 0, &t, &err) == VLA_ECORRUPT, "no [CLS]: %s", err.msg);
	ok(vla_tokenizer_parse_vocab("[UNK]\na\n", 8, "[", 1, &t, &err) < 0, "a damaged configuration: %s", err.msg);
}

/* ---- tokenizer.json ---- */

static vla_tokenizer *parse(const char *json)
{
	vla_tokenizer *t = NULL;
	vla_err err = VLA_ERR_INIT;
	ok(vla_tokenizer_parse_json(json, strlen(json), &t, &err) == VLA_OK, "parsed %s", err.msg);
	return t;
}

static void test_unigram(void)
{
	vla_tokenizer *t = parse(
		"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Lowercase\"}]},"
		"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"always\"},"
		"\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"always\"},"
		"\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"\xe2\x96\x81\",-3],[\"a\",-2],"
		"[\"b\",-2],[\"ab\",-3],[\"\xe2\x96\x81"
		"ab\",-4.5],[\"aba\",-9]]}}");
	if (!t)
		return;
	expect(t, "ab", 1, (uint32_t[]){ 5 }, "the best sum of scores");
	expect(t, "aba \xef\xbd\x81", 4, (uint32_t[]){ 5, 2, 1, 2 }, "not the longest piece; compatibility forms");
	expect(t, "xya", 3, (uint32_t[]){ 1, 0, 2 }, "unknown characters together");
	decodes(t, "AB ab", "ab ab");
	vla_tokenizer_free(t);
}

static void test_byte_fallback(void)
{
	vla_buf b = { NULL, 0, 0 };
	vla_err err = VLA_ERR_INIT;
	vla_status st = vla_buf_addf(&b, &err,
				     "{\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true}],"
				     "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
				     "\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
				     "\"content\":\"_\"}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
				     "{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" \"},"
				     "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\","
				     "\"content\":\" \",\"start\":1,\"stop\":0}]},\"model\":{\"type\":\"BPE\","
				     "\"unk_token\":\"<unk>\",\"byte_fallback\":true,\"fuse_unk\":true,"
				     "\"merges\":[\"_ d\",\"o g\"],\"vocab\":{\"<unk>\":0,\"<s>\":1,\"_\":2,\"d\":3,"
				     "\"o\":4,\"g\":5,\"_d\":6,\"og\":7");
	for (unsigned i = 0; i < 256 && st == VLA_OK; i++)
		st = vla_buf_addf(&b, &err, ",\"<0x%02X>\":%u", i, 8 + i);
	if (st == VLA_OK)
		st = vla_buf_addf(&b, &err, "}}}");
	vla_tokenizer *t = st == VLA_OK ? parse(b.data) : NULL;
	vla_buf_release(&b);
	if (!t)
		return;
	expect(t, "dog dog", 4, (uint32_t[]){ 6, 7, 6, 7 }, "merges of characters");
	expect(t, "\xc3\xa9<s>d", 5, (uint32_t[]){ 2, 8 + 0xc3, 8 + 0xa9, 1, 6 }, "bytes of an unknown character");
	decodes(t, "dog \xe7\x8c\xab<s>", "dog \xe7\x8c\xab");
	ok(strcmp(vla_tokenizer_kind(t), "BPE with byte fallback") == 0, "its kind");
	vla_ids ids = VLA_IDS_INIT;
	ok(vla_tokenizer_append(t, "<s>", &ids, &err) == VLA_OK && vla_tokenizer_append(t, "d", &ids, &err) == VLA_OK &&
		   ids.n == 2 && ids.id[1] == 6,
	   "ids are appended");
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
}

static void test_refused(void)
{
#define MODEL "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"vocab\":{\"u\":0}}"
	static const struct {
		const char *json, *word;
	} cases[] = {
		{ "{\"model\":{\"type\":\"WordLevel\"}}", "WordLevel" },
		{ "{\"normalizer\":{\"type\":\"Nmt\"}," MODEL "}", "Nmt" },
		{ "{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}," MODEL "}", "UnicodeScripts" },
		{ "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}," MODEL "}", "last" },
		{ "{\"decoder\":{\"type\":\"CTC\"}," MODEL "}", "CTC" },
		{ "{\"post_processor\":{\"type\":\"Other\"}," MODEL "}", "Other" },
		{ "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," MODEL "}", "WordPiece" },
		{ "{\"model\":{\"type\":\"BPE\",\"continuing_subword_prefix\":\"##\"}}", "continuing_subword_prefix" },
		{ "{\"model\":{\"type\":\"BPE\",\"dropout\":0.1}}", "dropout" },
		{ "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"z\",\"vocab\":{\"u\":0}}}", "'z'" },
		{ "{\"model\":{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",0]]}}", "unk_id" },
		{ "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "piece 0" },
		{ "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}," MODEL "}", "map" },
		{ "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"}," MODEL "}", "base64" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vla_tokenizer *t = NULL;
		vla_err err = VLA_ERR_INIT;
		vla_status st = vla_tokenizer_parse_json(cases[i].json, strlen(cases[i].json), &t, &err);
		ok(st < 0 && strstr(err.msg, cases[i].word), "refused by name: %s", err.msg);
		vla_tokenizer_free(t);
	}
}

/* ---- cleaning ---- */

static void test_cleaning(void)
{
	vla_tokenizer *t =
		parse("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\" \":2,\"A\":3,\"_\":4,\"!\":5},"
		      "\"merges\":[]}}");
	if (!t)
		return;
	expect(t, "A_b! a", 6, (uint32_t[]){ 3, 4, 1, 5, 2, 0 }, "as it stands");
	vla_tokenizer_set_clean(t, VLA_CLEAN_LOWER);
	expect(t, "A_b! a", 6, (uint32_t[]){ 0, 4, 1, 5, 2, 0 }, "lower case");
	vla_tokenizer_set_clean(t, VLA_CLEAN_SIGLIP);
	expect(t, " A_b! \t a\n", 5, (uint32_t[]){ 0, 2, 1, 2, 0 }, "no punctuation, single spaces");
	expect(t, "!", 0, NULL, "nothing is left");
	vla_tokenizer_free(t);
}

static void test_siglip2(void)
{
	const char *p = shared("golden/siglip2-a/expected.json"), *dir;
	json_t *root = p ? json_load_file(p, 0, NULL) : NULL;
	vla_tokenizer *t = NULL;
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	size_t wrong = 0;
	if (!root || !(dir = shared("golden/siglip2-a")) || vla_tokenizer_open(dir, &t, &err) != VLA_OK) {
		skip("siglip2-a is not here %s", err.msg);
	} else {
		const json_t *texts = json_object_get(root, "texts");
		vla_tokenizer_set_clean(t, VLA_CLEAN_LOWER);
		for (size_t i = 0; i < json_array_size(texts); i++)
			wrong += vla_tokenizer_encode(t, json_string_value(json_array_get(texts, i)), 64, &ids, &err) <
					 0 ||
				 !same_ids(&ids, json_array_get(json_object_get(root, "token_ids_lowercased"), i));
		ok(wrong == 0, "siglip2-a in lower case: %zu of %zu differ", wrong, json_array_size(texts));
	}
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
	json_decref(root);
}

/* ---- SentencePiece ---- */

static void put_message(vla_buf *b, unsigned field, const char *data, size_t n)
{
	const char head[] = { (char)(field << 3 | 2), (char)n };
	if (vla_buf_add(b, head, 2, NULL) != VLA_OK || vla_buf_add(b, data, n, NULL) != VLA_OK)
		exit(2);
}

static void put_piece(vla_buf *b, const char *s, float score, unsigned type)
{
	char m[64];
	size_t n = strlen(s);
	m[0] = 1 << 3 | 2;
	m[1] = (char)n;
	memcpy(m + 2, s, n);
	m[n + 2] = 2 << 3 | 5;
	memcpy(m + n + 3, &score, 4);
	m[n + 7] = 3 << 3;
	m[n + 8] = (char)type;
	put_message(b, 1, m, n + 9);
}

/* A model of a few pieces; bpe or unigram. */
static void make_model(vla_buf *b, bool bpe)
{
	const char trainer[] = { 3 << 3, bpe ? 2 : 1 };
	put_piece(b, "<unk>", 0, VLA_SPM_UNKNOWN);
	put_piece(b, "<s>", 0, VLA_SPM_CONTROL);
	put_piece(b, "</s>", 0, VLA_SPM_CONTROL);
	put_piece(b, "\xe2\x96\x81", -2, VLA_SPM_NORMAL);
	put_piece(b, "a", -2.5f, VLA_SPM_NORMAL);
	put_piece(b, "b", -3, VLA_SPM_NORMAL);
	put_piece(b,
		  "\xe2\x96\x81"
		  "a",
		  -1, VLA_SPM_NORMAL);
	put_piece(b, "ab", -1.5f, VLA_SPM_NORMAL);
	put_piece(b, "<i>b", -9, VLA_SPM_USER);
	put_message(b, 2, trainer, sizeof trainer);
}

static void test_spm(void)
{
	for (int bpe = 0; bpe < 2; bpe++) {
		vla_buf b = { NULL, 0, 0 };
		vla_tokenizer *t = NULL;
		vla_err err = VLA_ERR_INIT;
		const char *config = "{\"tokenizer_class\":\"LlamaTokenizer\"}";
		make_model(&b, bpe);
		ok(vla_tokenizer_parse_spm(b.data, b.n, config, strlen(config), &t, &err) == VLA_OK, "%s model: %s",
		   bpe ? "BPE" : "unigram", err.msg);
		if (t) {
			expect(t, " ab  a ", bpe ? 4 : 4, bpe ? (uint32_t[]){ 1, 6, 5, 6 } : (uint32_t[]){ 1, 3, 7, 6 },
			       "pieces and spaces");
			expect(t, "xya<i>ba", 6, (uint32_t[]){ 1, 3, 0, 4, 8, 4 }, "unknown and user-defined pieces");
			decodes(t, "ab a", "ab a");
		}
		vla_tokenizer_free(t);
		t = NULL;
		size_t accepted = 0;
		for (size_t n = 0; n < b.n; n++) {
			char *copy = vla_alloc(n, 1);
			memcpy(copy, b.data, n);
			accepted += vla_tokenizer_parse_spm(copy, n, NULL, 0, &t, &err) == VLA_OK;
			vla_tokenizer_free(t);
			t = NULL;
			free(copy);
		}
		ok(accepted <= 10, "beginnings of a file are refused, but for those that end between pieces");
		config = "{\"tokenizer_class\":\"NllbTokenizer\"}";
		ok(vla_tokenizer_parse_spm(b.data, b.n, config, strlen(config), &t, &err) == VLA_EUNSUPPORTED,
		   "an unknown class: %s", err.msg);
		vla_buf_release(&b);
	}
	vla_tokenizer *t = NULL;
	vla_err err = VLA_ERR_INIT;
	ok(vla_tokenizer_parse_spm("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, NULL, 0, &t, &err) == VLA_ETRUNC,
	   "a piece of 2^63 bytes: %s", err.msg);
	ok(vla_tokenizer_parse_spm("", 0, NULL, 0, &t, &err) == VLA_EFORMAT, "nothing: %s", err.msg);
}

/* ---- the vocabularies of GGUF files ---- */

typedef struct gguf {
	const char *p, *end;
	const char **token; /* [n] not ended by 0; lengths in size */
	size_t *size, n;
	const char *scores, *types; /* [n] f32, i32 */
	const char **merge;
	size_t *merge_size, n_merges;
} gguf;

static uint64_t take(gguf *g, size_t n)
{
	uint64_t v = 0;
	if ((size_t)(g->end - g->p) < n) {
		g->p = g->end;
		return 0;
	}
	memcpy(&v, g->p, n);
	g->p += n;
	return v;
}

static const char *take_string(gguf *g, size_t *n)
{
	*n = (size_t)take(g, 8);
	const char *s = g->p;
	if (*n > (size_t)(g->end - g->p))
		*n = (size_t)(g->end - g->p);
	g->p += *n;
	return s;
}

static void take_strings(gguf *g, const char ***list, size_t **size, size_t n)
{
	*list = vla_zalloc(n, sizeof **list);
	*size = vla_zalloc(n, sizeof **size);
	for (size_t i = 0; i < n && *list && *size; i++)
		(*list)[i] = take_string(g, &(*size)[i]);
}

static bool named(const char *s, size_t n, const char *want)
{
	return n == strlen(want) && memcmp(s, want, n) == 0;
}

static void take_value(gguf *g, const char *key, size_t key_n)
{
	static const size_t width[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
	size_t type = (size_t)take(g, 4), n;
	if (type == 8) {
		take_string(g, &n);
	} else if (type < 13 && type != 9) {
		take(g, width[type]);
	} else if (type == 9) {
		type = (size_t)take(g, 4);
		n = (size_t)take(g, 8);
		const char *data = g->p;
		if (named(key, key_n, "tokenizer.ggml.tokens")) {
			g->n = n;
			take_strings(g, &g->token, &g->size, n);
		} else if (named(key, key_n, "tokenizer.ggml.merges")) {
			g->n_merges = n;
			take_strings(g, &g->merge, &g->merge_size, n);
		} else {
			for (size_t i = 0, k; i < n && type == 8; i++)
				take_string(g, &k);
			if (type < 13 && type != 8)
				g->p += n * width[type];
		}
		if (named(key, key_n, "tokenizer.ggml.scores"))
			g->scores = data;
		if (named(key, key_n, "tokenizer.ggml.token_type"))
			g->types = data;
	}
}

static void read_gguf(gguf *g, const vla_buf *b)
{
	*g = (gguf){ .p = b->data, .end = b->data + b->n };
	take(g, 8);
	take(g, 8);
	for (uint64_t n = take(g, 8); n && g->p < g->end; n--) {
		size_t k;
		const char *key = take_string(g, &k);
		take_value(g, key, k);
	}
}

static vla_status from_merges(const gguf *g, vla_tokenizer **t, vla_err *err)
{
	json_t *o = json_object();
	vla_buf merges = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	for (size_t i = 0; i < g->n; i++) {
		char *s = vla_strndup(g->token[i], g->size[i]);
		json_object_set_new(o, s, json_integer((json_int_t)i));
		free(s);
	}
	for (size_t i = 0; i < g->n_merges && st == VLA_OK; i++)
		st = vla_buf_addf(&merges, err, "%.*s\n", (int)g->merge_size[i], g->merge[i]);
	char *vocab = json_dumps(o, JSON_COMPACT);
	if (st == VLA_OK)
		st = vla_tokenizer_parse_merges(vocab, strlen(vocab), merges.data, t, err);
	free(vocab);
	json_decref(o);
	vla_buf_release(&merges);
	return st;
}

/* Words begin with U+2581 there, the rest of words with nothing. */
static vla_status from_wordpiece(const gguf *g, vla_tokenizer **t, vla_err *err)
{
	vla_buf vocab = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	for (size_t i = 0; i < g->n && st == VLA_OK; i++) {
		bool begins = g->size[i] > 3 && memcmp(g->token[i], VLA_SPACE_MARK, 3) == 0;
		int32_t type;
		memcpy(&type, g->types + 4 * i, 4);
		st = vla_buf_addf(&vocab, err, "%s%.*s\n", begins || type != VLA_SPM_NORMAL ? "" : "##",
				  (int)(g->size[i] - 3 * begins), g->token[i] + 3 * begins);
	}
	if (st == VLA_OK)
		st = vla_tokenizer_parse_vocab(vocab.data, vocab.n, NULL, 0, t, err);
	vla_buf_release(&vocab);
	return st;
}

static vla_status from_scores(const gguf *g, vla_tokenizer **t, vla_err *err)
{
	vla_spm m = { .bpe = true, .byte_fallback = true, .rules = { true, false, true } };
	vla_status st = VLA_OK;
	m.piece = vla_zalloc(g->n, sizeof *m.piece);
	*t = vla_tokenizer_blank();
	for (size_t i = 0; i < g->n; i++) {
		int32_t type;
		memcpy(&type, g->types + 4 * i, 4);
		m.piece[i] = (vla_spm_piece){ g->token[i], g->size[i], 0, (vla_spm_type)type };
		memcpy(&m.piece[i].score, g->scores + 4 * i, 4);
	}
	m.n = g->n;
	st = vla_spm_build(&m, NULL, *t, err);
	vla_spm_release(&m);
	return st;
}

static void test_gguf(void)
{
	static const struct {
		const char *file, *engine;
		vla_status (*build)(const gguf *g, vla_tokenizer **t, vla_err *err);
	} cases[] = {
		{ "data/tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf", "llama.cpp gpt-2", from_merges },
		{ "data/tokenizers/ggml-vocab/ggml-vocab-bert-bge.gguf", "llama.cpp bert-bge", from_wordpiece },
		{ "data/tokenizers/ggml-vocab/ggml-vocab-phi-3.gguf", "llama.cpp phi-3", from_scores },
	};
	json_t *root = load_expected();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vla_buf b = { NULL, 0, 0 };
		vla_tokenizer *t = NULL;
		vla_err err = VLA_ERR_INIT;
		gguf g;
		if (!root || !load(cases[i].file, &b)) {
			skip("%s or its ids are not here", cases[i].file);
			continue;
		}
		read_gguf(&g, &b);
		if (ok(g.n > 0 && cases[i].build(&g, &t, &err) == VLA_OK, "%s: %s", cases[i].file, err.msg))
			check_engine(t, root, cases[i].engine, false);
		vla_tokenizer_free(t);
		free(g.token);
		free(g.size);
		free(g.merge);
		free(g.merge_size);
		vla_buf_release(&b);
	}
	json_decref(root);
}

/* ---- memory ---- */

static vla_status whole_life(const vla_buf *models)
{
	const char *vocab = "[UNK]\n[CLS]\n[SEP]\na\n##b\n";
	const char *config = "{\"tokenizer_class\":\"SiglipTokenizer\",\"added_tokens_decoder\":{\"2\":{"
			     "\"content\":\"</s>\",\"special\":true}}}";
	vla_ids ids = VLA_IDS_INIT;
	vla_status st = VLA_OK;
	for (int i = 0; i < 3 && st == VLA_OK; i++) {
		vla_tokenizer *t = NULL;
		char *back = NULL;
		st = i == 2 ? vla_tokenizer_parse_vocab(vocab, strlen(vocab), NULL, 0, &t, NULL)
			    : vla_tokenizer_parse_spm(models[i].data, models[i].n, config, strlen(config), &t, NULL);
		if (st == VLA_OK)
			st = vla_tokenizer_encode(t, "ab \xc3\xa9 a</s>b \xe7\x8c\xab", 0, &ids, NULL);
		if (st == VLA_OK)
			st = vla_tokenizer_decode(t, ids.id, ids.n, true, &back, NULL);
		free(back);
		vla_tokenizer_free(t);
	}
	vla_ids_release(&ids);
	return st;
}

static void test_allocation_failures(void)
{
	vla_buf models[2] = { { NULL, 0, 0 }, { NULL, 0, 0 } };
	long n = 0, live;
	bool clean = true, reported = true;
	vla_status st = VLA_ENOMEM;
	if (!FAULTS) {
		skip("the sanitizer has its own malloc");
		return;
	}
	make_model(&models[0], false);
	make_model(&models[1], true);
	live = fault_live();
	while (st != VLA_OK && n < 5000) {
		fault_at(++n);
		st = whole_life(models);
		fault_at(0);
		clean = clean && fault_live() == live;
		reported = reported && (st == VLA_OK || st == VLA_ENOMEM);
	}
	ok(st == VLA_OK && clean, "no allocation failure up to the %ldth leaks", n);
	ok(reported, "each one is reported as such");
	vla_buf_release(&models[0]);
	vla_buf_release(&models[1]);
}

int main(void)
{
	test_bert();
	test_small_bert();
	test_unigram();
	test_byte_fallback();
	test_refused();
	test_cleaning();
	test_siglip2();
	test_spm();
	test_gguf();
	test_allocation_failures();
	return done();
}
