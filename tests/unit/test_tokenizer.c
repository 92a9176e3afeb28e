/* Tokenizers: training, encoding, decoding, files of others, bad files. */
#include "fault.h"
#include "tap.h"

#include "base/base.h"
#include "text/bpe_train.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <jansson.h>
#include <unistd.h>
#include <zlib.h>

static const char *const corpus[] = {
	"A dog runs on the beach.",
	"Two dogs run on the beach",
	"a dog and a cat",
	"The CAT sleeps; it's warm",
	"a dog on the sofa",
	"\xe4\xb8\x80\xe5\x8f\xaa\xe7\x8b\x97\xe5\x9c\xa8\xe6\xb2\x99\xe6\xbb\xa9\xe4\xb8\x8a",
	"\xe6\xb2\x99\xe6\xbb\xa9\xe4\xb8\x8a\xe7\x9a\x84\xe7\x8b\x97",
	"\xe6\xb2\x99\xe6\xbb\xa9",
	"caf\xc3\xa9 caf\xc3\xa9",
};
enum { N_CORPUS = sizeof corpus / sizeof *corpus };

/* A tokenizer trained on the corpus, by way of its file's content; *json may be NULL. */
static vla_tokenizer *trained(size_t vocab, size_t cjk_max, bool backwards, vla_buf *json)
{
	vla_bpe_train_opts o = { vocab, true, 0, cjk_max };
	vla_err err = VLA_ERR_INIT;
	vla_bpe_trainer *tr = NULL;
	vla_tokenizer *t = NULL;
	vla_buf b = { NULL, 0, 0 };
	vla_status st = vla_bpe_trainer_new(&o, &tr, &err);
	for (size_t i = 0; i < N_CORPUS && st == VLA_OK; i++)
		st = vla_bpe_trainer_add(tr, corpus[backwards ? N_CORPUS - 1 - i : i], &err);
	if (st == VLA_OK)
		st = vla_bpe_trainer_learn(tr, &err);
	if (st == VLA_OK)
		st = vla_bpe_trainer_write(tr, &b, &err);
	if (st == VLA_OK)
		st = vla_tokenizer_parse_json(b.data, b.n, &t, &err);
	if (st != VLA_OK)
		note("%s", err.msg);
	vla_bpe_trainer_free(tr);
	if (json)
		*json = b;
	else
		vla_buf_release(&b);
	return t;
}

static bool encodes(const vla_tokenizer *t, const char *text, size_t max_len, vla_ids *ids)
{
	vla_err err = VLA_ERR_INIT;
	vla_status st = vla_tokenizer_encode(t, text, max_len, ids, &err);
	if (st != VLA_OK)
		note("%s", err.msg);
	return st == VLA_OK;
}

/* Whether the text encoded and decoded is `want`. */
static bool round_trip(const vla_tokenizer *t, const char *text, const char *want)
{
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	char *back = NULL;
	bool same = encodes(t, text, 0, &ids) && vla_tokenizer_decode(t, ids.id, ids.n, true, &back, &err) == VLA_OK &&
		    strcmp(back, want) == 0;
	if (!same)
		note("'%s' came back as '%s'", text, back ? back : "(nothing)");
	free(back);
	vla_ids_release(&ids);
	return same;
}

static void test_training(void)
{
	vla_buf a = { NULL, 0, 0 }, b = { NULL, 0, 0 };
	vla_ids ids = VLA_IDS_INIT, other = VLA_IDS_INIT;
	vla_tokenizer *t = trained(290, 0, false, &a), *u = trained(290, 0, true, &b);
	ok(t && vla_tokenizer_vocab(t) == 290, "a vocabulary of the wanted size");
	ok(u && a.n == b.n && memcmp(a.data, b.data, a.n) == 0, "the order of the texts does not matter");
	ok(vla_tokenizer_id(t, "<|pad|>") == 0 && vla_tokenizer_id(t, "<|startoftext|>") == 1 &&
		   vla_tokenizer_id(t, "<|endoftext|>") == 2 && vla_tokenizer_id(t, "none") == UINT32_MAX,
	   "special tokens have the first ids");
	ok(encodes(t, "dog", 0, &ids) && encodes(t, "DOG", 0, &other) && ids.n == 3 && other.n == 3 &&
		   ids.id[1] == other.id[1],
	   "a frequent word is one piece, in either case");
	ok(encodes(t, "a dog", 0, &other) && other.n == 4 && other.id[2] == ids.id[1],
	   "the same piece at the beginning and inside");
	ok(encodes(t, "\xe6\xb2\x99\xe6\xbb\xa9", 0, &ids) && ids.n == 3, "a frequent Chinese word is one piece");
	vla_tokenizer_free(u);
	u = trained(300, 1, false, NULL);
	ok(u && encodes(u, "\xe6\xb2\x99\xe6\xbb\xa9", 0, &ids) && ids.n == 4, "cjk_max 1 keeps ideographs apart");
	vla_tokenizer_free(u);
	vla_tokenizer_free(t);
	vla_buf_release(&a);
	vla_buf_release(&b);
	vla_ids_release(&ids);
	vla_ids_release(&other);
}

static void test_round_trips(void)
{
	vla_tokenizer *t = trained(320, 0, false, NULL);
	vla_ids ids = VLA_IDS_INIT;
	ok(round_trip(t, "", ""), "the empty text");
	ok(encodes(t, " \t\n", 0, &ids) && ids.n == 2, "white space alone is start and end");
	ok(round_trip(t, "  Two  DOGS,\trun!  ", "two dogs, run!"), "white space and case");
	ok(round_trip(t, "\xe4\xb8\x80\xe5\x8f\xaa\xe7\x86\x8a\xe7\x8c\xab",
		      "\xe4\xb8\x80\xe5\x8f\xaa\xe7\x86\x8a\xe7\x8c\xab"),
	   "Chinese, known and unknown characters");
	ok(round_trip(t, "\xf0\x9f\x90\xb6\xe2\x9d\xa4\xef\xb8\x8f x", "\xf0\x9f\x90\xb6\xe2\x9d\xa4\xef\xb8\x8f x"),
	   "emoji");
	ok(round_trip(t, "cafe\xcc\x81", "caf\xc3\xa9"), "a combining mark is composed");
	ok(round_trip(t, "a\xff z\xe4\xb8 b", "a\xef\xbf\xbd z\xef\xbf\xbd b"), "ill-formed UTF-8 becomes U+FFFD");
	bool all = true;
	for (unsigned b = 1; b < 256; b++) {
		char s[2] = { (char)b, 0 };
		all = encodes(t, s, 0, &ids) && ids.n >= 2 && all;
	}
	ok(all, "every single byte can be encoded");
	ok(encodes(t, "a dog and a cat on the beach", 5, &ids) && ids.n == 5 && ids.id[0] == 1 && ids.id[4] == 2,
	   "truncation keeps the end token");
	ok(encodes(t, "a dog", 1, &ids) && ids.n == 1 && ids.id[0] == 2, "even alone");
	ok(encodes(t, "a<|endoftext|>b", 0, &ids) && ids.n == 5 && ids.id[2] == 2, "a special token inside the text");
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
}

static void test_unicode(void)
{
	vla_buf b = { NULL, 0, 0 };
	vla_err err = VLA_ERR_INIT;
	/* Reordering, singleton, Hangul, composition exclusion. */
	const char *in = "q\xcc\x87\xcc\xa3 \xe2\x84\xab \xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab \xe0\xa5\x98";
	const char *want = "q\xcc\xa3\xcc\x87 \xc3\x85 \xed\x95\x9c \xe0\xa4\x95\xe0\xa4\xbc";
	ok(vla_nfc(in, strlen(in), &b, &err) == VLA_OK && b.n == strlen(want) && memcmp(b.data, want, b.n) == 0, "NFC");
	b.n = 0;
	in = "\xc3\x89\xce\xa3 \xc4\xb0 \xd0\x96\xe1\xbe\x88 \xf0\x90\x90\x80";
	want = "\xc3\xa9\xcf\x83 i\xcc\x87 \xd0\xb6\xe1\xbe\x80 \xf0\x90\x90\xa8";
	ok(vla_lower(in, strlen(in), false, &b, &err) == VLA_OK && b.n == strlen(want) &&
		   memcmp(b.data, want, b.n) == 0,
	   "lower case");
	b.n = 0;
	ok(vla_lower("\xce\x91\xce\xa3 \xce\xa3", 7, true, &b, &err) == VLA_OK && b.n == 7 &&
		   memcmp(b.data, "\xce\xb1\xcf\x82 \xcf\x83", 7) == 0,
	   "final sigma");
	ok(vla_gc_of('a') == VLA_GC_LL && vla_gc_of(0x4e00) == VLA_GC_LO && vla_gc_of(0x0661) == VLA_GC_ND &&
		   vla_gc_of(0x1f436) == VLA_GC_SO && vla_gc_of(0x10ffff) == VLA_GC_CN,
	   "categories");
	vla_buf_release(&b);
}

static const vla_merge *ranked(const vla_bpe *m, uint32_t left, uint32_t right)
{
	for (size_t i = 0; i < m->merge_n; i++)
		if (m->merge[i].key == ((uint64_t)left << 32 | right))
			return &m->merge[i];
	return NULL;
}

/* The rule in its plainest form: while a ranked pair is left, join the leftmost one of the lowest rank. */
static size_t plain_encode(const vla_bpe *m, const char *s, size_t n, uint32_t *id)
{
	for (size_t i = 0; i < n; i++)
		id[i] = m->byte_id[(unsigned char)s[i]];
	for (;;) {
		const vla_merge *best = NULL;
		size_t at = 0;
		for (size_t i = 0; i + 1 < n; i++) {
			const vla_merge *e = ranked(m, id[i], id[i + 1]);
			if (e && (!best || e->rank < best->rank)) {
				best = e;
				at = i;
			}
		}
		if (!best)
			return n;
		id[at] = best->id;
		memmove(id + at + 1, id + at + 2, (--n - at - 1) * sizeof *id);
	}
}

static void test_long_words(void)
{
	vla_tokenizer *t = trained(290, 0, false, NULL);
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	vla_rng r;
	bool same = true;
	vla_rng_seed(&r, 1, 0);
	for (int k = 0; k < 60; k++) {
		char s[100];
		uint32_t want[100];
		size_t n = 1 + vla_rng_below(&r, sizeof s);
		for (size_t i = 0; i < n; i++)
			s[i] = "aeodghnst "[vla_rng_below(&r, 10)];
		ids.n = 0;
		same = vla_bpe_encode(&t->bpe, s, n, &ids, &err) == VLA_OK && same;
		same = plain_encode(&t->bpe, s, n, want) == ids.n && memcmp(want, ids.id, ids.n * sizeof *want) == 0 &&
		       same;
	}
	ok(same, "short and long words are joined as the plain rule joins them");
	size_t n = 1 << 20;
	char *s = vla_alloc(n + 1, 1);
	for (size_t i = 0; i < n; i++)
		s[i] = "dogs"[i & 3];
	s[n] = 0;
	ok(encodes(t, s, 0, &ids) && ids.n > 2, "a word of a megabyte");
	memset(s, ' ', n);
	ok(encodes(t, s, 0, &ids) && ids.n == 2, "a megabyte of white space");
	free(s);
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
}

static void test_files(void)
{
	char dir[] = "/tmp/vla-tokenizer-XXXXXX";
	vla_err err = VLA_ERR_INIT;
	vla_bpe_train_opts o = { 300, true, 0, 0 };
	vla_tokenizer *t = NULL;
	if (!ok(mkdtemp(dir) != NULL, "a folder for files"))
		return;
	ok(vla_bpe_train(corpus, N_CORPUS, &o, dir, &err) == VLA_OK && vla_tokenizer_open(dir, &t, &err) == VLA_OK,
	   "trained, written, opened: %s", err.msg);
	vla_tokenizer_free(t);
	o.vocab_size = 100;
	ok(vla_bpe_train(corpus, N_CORPUS, &o, dir, &err) == VLA_EINVAL, "a vocabulary below the bytes is refused");
	char path[64];
	snprintf(path, sizeof path, "%s/tokenizer.json", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
	unlink(path);
	t = NULL;
	ok(vla_tokenizer_open(dir, &t, &err) == VLA_EIO && strstr(err.msg, "tokenizer.json"), "an empty folder: %s",
	   err.msg);
	rmdir(dir);
}

/* ---- bad files ---- */

static vla_status parses(const char *json, size_t n)
{
	vla_tokenizer *t = NULL;
	vla_err err = VLA_ERR_INIT;
	vla_status st = vla_tokenizer_parse_json(json, n, &t, &err);
	if (st == VLA_OK) {
		vla_ids ids = VLA_IDS_INIT;
		char *back = NULL;
		/* Whatever was read must be usable. */
		if (vla_tokenizer_encode(t, "ab a\xc3\xa9 <x>", 0, &ids, &err) == VLA_OK &&
		    vla_tokenizer_decode(t, ids.id, ids.n, false, &back, &err) == VLA_OK)
			free(back);
		vla_ids_release(&ids);
	}
	vla_tokenizer_free(t);
	return st;
}

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define BYTES "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}"
#define SPLIT(p) \
	"{\"model\":{" VOCAB ",\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" \
	"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" p "\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\"}]}}"

static void test_bad_files(void)
{
	static const struct {
		const char *name, *json;
		vla_status want;
	} cases[] = {
		{ "a small file", "{\"model\":{" VOCAB ",\"merges\":[\"a b\"]}," BYTES "}", VLA_OK },
		{ "merges as pairs", "{\"model\":{" VOCAB ",\"merges\":[[\"a\",\"b\"]]}," BYTES "}", VLA_OK },
		{ "nothing", "", VLA_ETRUNC },
		{ "a list", "[]", VLA_EFORMAT },
		{ "no model", "{}", VLA_EFORMAT },
		{ "the model a string", "{\"model\":\"BPE\"}", VLA_EFORMAT },
		{ "another model", "{\"model\":{\"type\":\"WordLevel\"}," BYTES "}", VLA_EUNSUPPORTED },
		{ "no vocabulary", "{\"model\":{\"type\":\"BPE\",\"merges\":[]}," BYTES "}", VLA_EFORMAT },
		{ "no merges", "{\"model\":{\"type\":\"BPE\"," VOCAB "}," BYTES "}", VLA_EFORMAT },
		{ "a list for vocabulary", "{\"model\":{\"vocab\":[1],\"merges\":[]}," BYTES "}", VLA_EFORMAT },
		{ "an id of text", "{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}," BYTES "}", VLA_ECORRUPT },
		{ "a negative id", "{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}," BYTES "}", VLA_ECORRUPT },
		{ "a huge id", "{\"model\":{\"vocab\":{\"a\":4294967296},\"merges\":[]}," BYTES "}", VLA_ECORRUPT },
		{ "an id given twice", "{\"model\":{\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}," BYTES "}",
		  VLA_ECORRUPT },
		{ "a merge of an unknown token", "{\"model\":{" VOCAB ",\"merges\":[\"a c\"]}," BYTES "}",
		  VLA_ECORRUPT },
		{ "a merge into an unknown token", "{\"model\":{" VOCAB ",\"merges\":[\"b a\"]}," BYTES "}",
		  VLA_ECORRUPT },
		{ "a merge of one part", "{\"model\":{" VOCAB ",\"merges\":[\"a\"]}," BYTES "}", VLA_EFORMAT },
		{ "a merge of numbers", "{\"model\":{" VOCAB ",\"merges\":[[1,2]]}," BYTES "}", VLA_EFORMAT },
		{ "an added token without id",
		  "{\"added_tokens\":[{\"content\":\"x\"}],\"model\":{" VOCAB ",\"merges\":[]}," BYTES "}",
		  VLA_EFORMAT },
		{ "an added token with a huge id",
		  "{\"added_tokens\":[{\"content\":\"x\",\"id\":99999999}],\"model\":{" VOCAB ",\"merges\":[]}," BYTES
		  "}",
		  VLA_ECORRUPT },
		{ "not byte-level", "{\"model\":{" VOCAB ",\"merges\":[]}}", VLA_OK },
		{ "an unknown normalizer",
		  "{\"normalizer\":{\"type\":\"Nmt\"},\"model\":{" VOCAB ",\"merges\":[]}," BYTES "}",
		  VLA_EUNSUPPORTED },
		{ "a template with an unknown token",
		  "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"z\"}}]},"
		  "\"model\":{" VOCAB ",\"merges\":[]}," BYTES "}",
		  VLA_ECORRUPT },
		{ "a pattern", SPLIT("[a-c]{1,2}|(?:x|y)?z(?!\\\\S)"), VLA_OK },
		{ "an open class", SPLIT("[a"), VLA_EFORMAT },
		{ "an open group", SPLIT("(a"), VLA_EFORMAT },
		{ "a quantifier first", SPLIT("*a"), VLA_EFORMAT },
		{ "a repeated group", SPLIT("(a|b)+"), VLA_EUNSUPPORTED },
		{ "lookbehind", SPLIT("(?<=a)b"), VLA_EUNSUPPORTED },
		{ "a pattern that expands without end", SPLIT("(a|b|c|d)(a|b|c|d)(a|b|c|d)(a|b|c|d)(a|b|c|d)"),
		  VLA_EUNSUPPORTED },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vla_status got = parses(cases[i].json, strlen(cases[i].json));
		ok(got == cases[i].want, "%s: %s", cases[i].name, vla_status_name(got));
	}
}

/* Every beginning of a file is refused, no changed bit does harm. */
static void test_cut_and_flipped(void)
{
	vla_buf b = { NULL, 0, 0 };
	size_t accepted = 0, refused = 0;
	vla_tokenizer_free(trained(262, 0, false, &b));
	for (size_t n = 0; n + 4 < b.n; n += n < 4000 ? 61 : 331)
		accepted += parses(b.data, n) == VLA_OK;
	ok(accepted == 0, "every beginning of a file is refused");
	for (size_t i = 0; i < b.n; i += 23) {
		char *copy = vla_alloc(b.n, 1);
		memcpy(copy, b.data, b.n);
		copy[i] ^= (char)(1 << i % 7);
		refused += parses(copy, b.n) != VLA_OK;
		free(copy);
	}
	ok(refused > 0, "%zu files with a changed bit refused, no harm done", refused);
	vla_buf_release(&b);
}

/* A pattern that backtracks without end is an error, not a standstill. */
static void test_slow_pattern(void)
{
	const char *json = SPLIT("a*a*a*a*a*c");
	vla_tokenizer *t = NULL;
	vla_err err = VLA_ERR_INIT;
	vla_ids ids = VLA_IDS_INIT;
	char s[20001];
	memset(s, 'a', sizeof s - 1);
	s[sizeof s - 1] = 0;
	ok(vla_tokenizer_parse_json(json, strlen(json), &t, &err) == VLA_OK &&
		   vla_tokenizer_encode(t, s, 0, &ids, &err) == VLA_EUNSUPPORTED,
	   "a pattern without end: %s", err.msg);
	vla_tokenizer_free(t);
	vla_ids_release(&ids);
}

/* ---- memory ---- */

/* All that a tokenizer does, once; NULL-safe clean-up. */
static vla_status whole_life(void)
{
	vla_bpe_train_opts o = { 270, true, 0, 0 };
	vla_bpe_trainer *tr = NULL;
	vla_tokenizer *t = NULL, *clip = NULL;
	vla_buf b = { NULL, 0, 0 };
	vla_ids ids = VLA_IDS_INIT;
	char *back = NULL;
	vla_status st = vla_bpe_trainer_new(&o, &tr, NULL);
	for (size_t i = 0; i < N_CORPUS && st == VLA_OK; i++)
		st = vla_bpe_trainer_add(tr, corpus[i], NULL);
	if (st == VLA_OK)
		st = vla_bpe_trainer_learn(tr, NULL);
	if (st == VLA_OK)
		st = vla_bpe_trainer_write(tr, &b, NULL);
	if (st == VLA_OK)
		st = vla_tokenizer_parse_json(b.data, b.n, &t, NULL);
	if (st == VLA_OK)
		st = vla_tokenizer_encode(t,
					  "e\xcc\x81 a dog\xff <|endoftext|> "
					  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
					  0, &ids, NULL);
	if (st == VLA_OK)
		st = vla_tokenizer_decode(t, ids.id, ids.n, true, &back, NULL);
	if (st == VLA_OK)
		st = vla_tokenizer_parse_clip("#version\nt h\nth e</w>\n", &clip, NULL);
	if (st == VLA_OK)
		st = vla_tokenizer_encode(clip, "the &amp;\xef\xac\x81 caf\xc3\x83\xc2\xa9", 0, &ids, NULL);
	free(back);
	vla_ids_release(&ids);
	vla_buf_release(&b);
	vla_tokenizer_free(t);
	vla_tokenizer_free(clip);
	vla_bpe_trainer_free(tr);
	return st;
}

static void test_allocation_failures(void)
{
	long live = fault_live(), n = 1;
	bool clean = true, refused = true;
	vla_status st = VLA_ENOMEM;
	if (!FAULTS) {
		skip("the sanitizer has its own malloc");
		return;
	}
	/* Most allocations are alike (one for each token): all of the first, then a sample. */
	for (; n < 100000 && st != VLA_OK; n += n < 300 ? 1 : 13) {
		fault_at(n);
		st = whole_life();
		fault_at(0);
		clean = clean && fault_live() == live;
		refused = refused && (st == VLA_OK || st == VLA_ENOMEM);
	}
	ok(st == VLA_OK && clean, "no allocation failure up to the %ldth leaks", n);
	ok(refused, "each one is reported as such");
}

/* ---- files and ids of others ---- */

static json_t *load_json(const char *path)
{
	const char *p = shared(path);
	return p ? json_load_file(p, 0, NULL) : NULL;
}

static bool same_ids(const vla_ids *got, const json_t *want)
{
	bool same = got->n == json_array_size(want);
	for (size_t i = 0; same && i < got->n; i++)
		same = (json_int_t)got->id[i] == json_integer_value(json_array_get(want, i));
	return same;
}

/* Number of cases {text, ids} that differ; a note for each. */
static size_t count_differing(const vla_tokenizer *t, const json_t *cases, const char *ids_key, size_t max_len)
{
	vla_ids ids = VLA_IDS_INIT;
	size_t wrong = 0;
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i);
		const char *text = json_string_value(json_object_get(c, "text"));
		if (encodes(t, text, max_len, &ids) && same_ids(&ids, json_object_get(c, ids_key)))
			continue;
		wrong++;
		note("differs (%zu ids): %.70s", ids.n, text);
	}
	vla_ids_release(&ids);
	return wrong;
}

static const json_t *engine(const json_t *root, const char *name)
{
	const json_t *list = json_object_get(root, "engines");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		if (strcmp(json_string_value(json_object_get(e, "name")), name) == 0)
			return json_object_get(e, "cases");
	}
	return NULL;
}

/* vocab.json and merges.txt with the tokens of t, whose merges are tokens 512 on. */
static vla_tokenizer *as_pair(const vla_tokenizer *t, const char *gz)
{
	json_t *o = json_object();
	vla_tokenizer *out = NULL;
	vla_err err = VLA_ERR_INIT;
	for (uint32_t i = 0; i < vla_tokenizer_vocab(t); i++)
		json_object_set_new(o, vla_tokenizer_token(t, i), json_integer(i));
	char *vocab = json_dumps(o, JSON_COMPACT), *merges = vla_zalloc(1, 1 << 23);
	gzFile f = gzopen(gz, "rb");
	int n = gzread(f, merges, (1 << 23) - 1);
	gzclose(f);
	/* 48,894 merges and the comment before them. */
	char *end = merges;
	for (int line = 0; n > 0 && line < 48895; line++)
		end = strchr(end, '\n') + 1;
	*end = 0;
	if (vla_tokenizer_parse_merges(vocab, strlen(vocab), merges, &out, &err) != VLA_OK)
		note("%s", err.msg);
	json_decref(o);
	free(vocab);
	free(merges);
	return out;
}

static void test_clip(void)
{
	json_t *root = load_json("golden/tokenizers-a/expected.json");
	const char *p = shared("data/tokenizers/clip_bpe_simple_vocab_16e6.txt.gz");
	char *path = p ? vla_strdup(p) : NULL;
	vla_tokenizer *t = NULL, *u = NULL;
	vla_err err = VLA_ERR_INIT;
	if (!root || !path) {
		skip("no CLIP vocabulary or expected ids");
	} else if (ok(vla_tokenizer_open(path, &t, &err) == VLA_OK && vla_tokenizer_vocab(t) == 49408,
		      "OpenAI's merges: %s", err.msg)) {
		size_t wrong = count_differing(t, engine(root, "clip-openai"), "ids", 0);
		ok(wrong == 0, "clip-openai: %zu of 43 differ", wrong);
		wrong = count_differing(t, engine(root, "clip-openai"), "ids_77", 77);
		ok(wrong == 0, "cut to 77: %zu of 43 differ", wrong);
		u = as_pair(t, path);
		wrong = u ? count_differing(u, engine(root, "clip-hf"), "ids", 0) : 43;
		ok(wrong == 0, "clip-hf: %zu of 43 differ", wrong);
	}
	free(path);
	json_decref(root);
	vla_tokenizer_free(t);
	vla_tokenizer_free(u);
}

/* A model directory with texts and token_ids, which are cut to max_len (0: whole). */
static void test_golden(const char *dir, size_t max_len)
{
	char name[100];
	snprintf(name, sizeof name, "golden/%s/expected.json", dir);
	json_t *root = load_json(name);
	snprintf(name, sizeof name, "golden/%s", dir);
	const char *p = shared(name);
	vla_tokenizer *t = NULL;
	vla_ids ids = VLA_IDS_INIT;
	vla_err err = VLA_ERR_INIT;
	size_t wrong = 0;
	if (!root || !p) {
		skip("%s is not here", dir);
	} else if (ok(vla_tokenizer_open(p, &t, &err) == VLA_OK, "%s: opened %s", dir, err.msg)) {
		const json_t *texts = json_object_get(root, "texts"), *want = json_object_get(root, "token_ids");
		for (size_t i = 0; i < json_array_size(texts); i++) {
			const char *text = json_string_value(json_array_get(texts, i));
			if (!encodes(t, text, max_len, &ids) || !same_ids(&ids, json_array_get(want, i))) {
				wrong++;
				note("differs (%zu ids): %.70s", ids.n, text);
			}
		}
		ok(json_array_size(texts) > 0 && wrong == 0, "%s: %zu texts, %zu differ", dir, json_array_size(texts),
		   wrong);
	}
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
	json_decref(root);
}

int main(void)
{
	test_unicode();
	test_training();
	test_round_trips();
	test_long_words();
	test_files();
	test_bad_files();
	test_cut_and_flipped();
	test_slow_pattern();
	test_allocation_failures();
	test_clip();
	test_golden("clip-a", 77);
	test_golden("clipseg-a", 77);
	test_golden("owlvit-a", 16);
	test_golden("owlv2-a", 16);
	test_golden("openai-clip-a", 77);
	test_golden("open-clip-a", 77);
	test_golden("blip-a", 64);
	test_golden("chinese-clip-a", 52);
	test_golden("llava-a", 0);
	test_golden("qwen2-vl-a", 0);
	test_golden("siglip-a", 64);
	test_golden("siglip2-a", 64);
	test_golden("smolvlm-a", 0);
	return done();
}
