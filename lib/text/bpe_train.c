/* Learns a byte-level BPE vocabulary (Sennrich, Haddow and Birch 2016): words are counted once, then the most frequent
 * pair of adjacent symbols is joined until the vocabulary is full. Pair counts live in a hash table with, for each
 * pair, the words that held it; a heap with outdated counts, checked when they come up, gives the best pair. So a merge
 * costs the words that it changes, not the corpus.
 *
 * A piece is either whole characters or a part of one character, and holds at most cjk_max ideographs: runs of
 * ideographs are words of their own, in which frequent characters and short words become pieces. */
#include "text/bpe_train.h"

#include "text/tokenizer.h"
#include "text/unicode.h"

enum { N_SPECIAL = 3, MAX_PIECE = 64 };

static const char *const special_token[N_SPECIAL] = { "<|pad|>", "<|startoftext|>", "<|endoftext|>" };

typedef struct word {
	size_t off; /* in symbols */
	uint32_t n;
	uint64_t count;
} word;

typedef struct pair {
	uint64_t key; /* left << 32 | right */
	uint64_t count;
	uint32_t *word; /* [n] words that hold or held it */
	uint32_t n, cap;
	bool banned;
} pair;

typedef struct entry {
	uint64_t count, key;
	uint32_t pair;
} entry;

struct vla_bpe_trainer {
	vla_bpe_train_opts opts;
	vla_tokenizer *base; /* normalisation and cuts, with the 256 bytes for a vocabulary */
	vla_work work;
	vla_buf bytes;    /* of all different words */
	size_t *word_off; /* [n_words + 1] in bytes */
	word *words;
	size_t n_words, cap_words;
	uint32_t *table; /* words by bytes; UINT32_MAX is empty */
	size_t table_n;

	uint32_t *symbol; /* of all words */
	pair *pairs;
	size_t n_pairs, cap_pairs;
	uint32_t *pair_table;
	size_t pair_table_n;
	entry *heap;
	size_t heap_n, heap_cap;
	uint32_t (*merge)[2];
	size_t n_merges;
	vla_buf piece;     /* bytes of all symbols */
	size_t *piece_off; /* [N_SPECIAL + 256 + n_merges + 1] */
};

/* ---- the file ---- */

static vla_status add_text(vla_buf *b, const char *s, vla_err *err)
{
	return vla_buf_add(b, s, strlen(s), err);
}

/* The bytes of a piece in the byte alphabet, ready for a JSON string. */
static vla_status add_spelling(vla_buf *b, const char *raw, size_t n, vla_err *err)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t c = vla_byte_char((unsigned char)raw[i]);
		if (c == '"' || c == '\\')
			VLA_TRY(vla_buf_add(b, "\\", 1, err));
		VLA_TRY(vla_utf8_add(b, c, err));
	}
	return VLA_OK;
}

static vla_status add_piece(const vla_bpe_trainer *t, size_t id, vla_buf *b, vla_err *err)
{
	if (id < N_SPECIAL)
		return add_text(b, special_token[id], err);
	return add_spelling(b, t->piece.data + t->piece_off[id], t->piece_off[id + 1] - t->piece_off[id], err);
}

/* Runs of ideographs are cut out first; then contractions, words, single digits and the rest, each with the space
 * before it. Other white space, and a space before an ideograph, is dropped. */
#define IDEOGRAPHS \
	"[\xe4\xb8\x80-\xe9\xbf\xbf\xe3\x90\x80-\xe4\xb6\xbf\xef\xa4\x80-\xef\xab\xbf" \
	"\xf0\xa0\x80\x80-\xf0\xb2\x8e\xaf]+"
#define WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}[\\\\p{L}\\\\p{M}]*| ?\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"

static vla_status write_head(const vla_bpe_trainer *t, vla_buf *b, vla_err *err)
{
	VLA_TRY(add_text(b, "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [",
			 err));
	for (size_t i = 0; i < N_SPECIAL; i++)
		VLA_TRY(vla_buf_addf(
			b, err,
			"%s\n{\"id\": %zu, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, "
			"\"rstrip\": false, \"normalized\": false, \"special\": true}",
			i ? "," : "", i, special_token[i]));
	VLA_TRY(add_text(b, "],\n\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [", err));
	if (t->opts.lower)
		VLA_TRY(add_text(b, "{\"type\": \"NFC\"}, {\"type\": \"Lowercase\"}, ", err));
	VLA_TRY(add_text(b,
			 "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s+\"}, \"content\": \" \"}, "
			 "{\"type\": \"Prepend\", \"prepend\": \" \"}]},\n"
			 "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n"
			 "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" IDEOGRAPHS "\"}, "
			 "\"behavior\": \"Isolated\", \"invert\": false},\n"
			 "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" WORDS "\"}, "
			 "\"behavior\": \"Removed\", \"invert\": true},\n"
			 "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
			 "\"use_regex\": false}]},\n",
			 err));
	VLA_TRY(vla_buf_addf(b, err,
			     "\"post_processor\": {\"type\": \"TemplateProcessing\",\n\"single\": "
			     "[{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", "
			     "\"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}],\n",
			     special_token[1], special_token[2]));
	VLA_TRY(vla_buf_addf(b, err,
			     "\"pair\": [{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}, {\"Sequence\": {\"id\": "
			     "\"A\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}, "
			     "{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 1}}],\n\"special_tokens\": {",
			     special_token[1], special_token[2]));
	for (size_t i = 1; i < N_SPECIAL; i++)
		VLA_TRY(vla_buf_addf(b, err, "%s\"%s\": {\"id\": \"%s\", \"ids\": [%zu], \"tokens\": [\"%s\"]}",
				     i > 1 ? ", " : "", special_token[i], special_token[i], i, special_token[i]));
	return add_text(
		b,
		"}},\n\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"ByteLevel\", "
		"\"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}, {\"type\": \"Strip\", "
		"\"content\": \" \", \"start\": 1, \"stop\": 0}]},\n",
		err);
}

vla_status vla_bpe_trainer_write(const vla_bpe_trainer *t, vla_buf *b, vla_err *err)
{
	VLA_TRY(write_head(t, b, err));
	VLA_TRY(add_text(b,
			 "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
			 "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
			 "\"byte_fallback\": false,\n\"vocab\": {",
			 err));
	for (size_t i = 0; i < N_SPECIAL + 256 + t->n_merges; i++) {
		VLA_TRY(add_text(b, i ? ",\n\"" : "\n\"", err));
		VLA_TRY(add_piece(t, i, b, err));
		VLA_TRY(vla_buf_addf(b, err, "\": %zu", i));
	}
	VLA_TRY(add_text(b, "},\n\"merges\": [", err));
	for (size_t i = 0; i < t->n_merges; i++) {
		VLA_TRY(add_text(b, i ? ",\n\"" : "\n\"", err));
		VLA_TRY(add_piece(t, t->merge[i][0], b, err));
		VLA_TRY(add_text(b, " ", err));
		VLA_TRY(add_piece(t, t->merge[i][1], b, err));
		VLA_TRY(add_text(b, "\"", err));
	}
	return add_text(b, "]}\n}\n", err);
}

/* ---- life cycle ---- */

static vla_status add_bytes(vla_bpe_trainer *t, vla_err *err)
{
	for (size_t i = 0; i < N_SPECIAL; i++)
		t->piece_off[i] = 0;
	for (unsigned b = 0; b < 256; b++) {
		char c = (char)b;
		t->piece_off[N_SPECIAL + b] = b;
		VLA_TRY(vla_buf_add(&t->piece, &c, 1, err));
	}
	t->piece_off[N_SPECIAL + 256] = 256;
	return VLA_OK;
}

static vla_status init(vla_bpe_trainer *t, vla_err *err)
{
	size_t most = t->opts.vocab_size - N_SPECIAL - 256;
	vla_buf b = { NULL, 0, 0 };
	t->piece_off = vla_alloc(t->opts.vocab_size + 1, sizeof *t->piece_off);
	t->merge = vla_alloc(most, sizeof *t->merge);
	if (!t->piece_off || !t->merge)
		return vla_nomem(err);
	VLA_TRY(add_bytes(t, err));
	vla_status st = vla_bpe_trainer_write(t, &b, err);
	if (st == VLA_OK)
		st = vla_tokenizer_parse_json(b.data, b.n, &t->base, err);
	vla_buf_release(&b);
	return st;
}

vla_status vla_bpe_trainer_new(const vla_bpe_train_opts *opts, vla_bpe_trainer **out, vla_err *err)
{
	if (opts->vocab_size < N_SPECIAL + 256 || opts->vocab_size > VLA_MAX_VOCAB)
		return vla_fail(err, VLA_EINVAL, "vocabulary size %zu is not between %d and %zu", opts->vocab_size,
				N_SPECIAL + 256, VLA_MAX_VOCAB);
	vla_bpe_trainer *t = vla_zalloc(1, sizeof *t);
	if (!t)
		return vla_nomem(err);
	t->opts = *opts;
	if (!t->opts.min_count)
		t->opts.min_count = 2;
	if (!t->opts.cjk_max)
		t->opts.cjk_max = 4;
	vla_status st = init(t, err);
	if (st != VLA_OK) {
		vla_bpe_trainer_free(t);
		return st;
	}
	*out = t;
	return VLA_OK;
}

void vla_bpe_trainer_free(vla_bpe_trainer *t)
{
	if (!t)
		return;
	vla_tokenizer_free(t->base);
	vla_work_release(&t->work);
	vla_buf_release(&t->bytes);
	free(t->word_off);
	free(t->words);
	free(t->table);
	free(t->symbol);
	for (size_t i = 0; i < t->n_pairs; i++)
		free(t->pairs[i].word);
	free(t->pairs);
	free(t->pair_table);
	free(t->heap);
	free(t->merge);
	vla_buf_release(&t->piece);
	free(t->piece_off);
	free(t);
}

/* ---- counting words ---- */

static vla_status grow_words(vla_bpe_trainer *t, vla_err *err)
{
	size_t cap = t->cap_words ? t->cap_words * 2 : 4096;
	word *w = vla_realloc(t->words, cap, sizeof *w);
	if (!w)
		return vla_nomem(err);
	t->words = w;
	size_t *off = vla_realloc(t->word_off, cap + 1, sizeof *off);
	if (!off)
		return vla_nomem(err);
	t->word_off = off;
	uint32_t *table = vla_alloc(cap * 2, sizeof *table);
	if (!table)
		return vla_nomem(err);
	free(t->table);
	memset(table, 0xff, cap * 2 * sizeof *table);
	for (size_t k = 0; k < t->n_words; k++) {
		size_t i = vla_hash64(t->bytes.data + off[k], off[k + 1] - off[k], 0);
		while (table[i & (cap * 2 - 1)] != UINT32_MAX)
			i++;
		table[i & (cap * 2 - 1)] = (uint32_t)k;
	}
	t->table = table;
	t->table_n = cap * 2;
	t->cap_words = cap;
	return VLA_OK;
}

static vla_status count_word(vla_bpe_trainer *t, const char *s, size_t n, vla_err *err)
{
	if (t->n_words == t->cap_words)
		VLA_TRY(grow_words(t, err));
	size_t i = vla_hash64(s, n, 0);
	for (; t->table[i & (t->table_n - 1)] != UINT32_MAX; i++) {
		size_t k = t->table[i & (t->table_n - 1)], off = t->word_off[k];
		if (t->word_off[k + 1] - off == n && memcmp(t->bytes.data + off, s, n) == 0) {
			t->words[k].count++;
			return VLA_OK;
		}
	}
	if (t->n_words >= UINT32_MAX - 1)
		return vla_fail(err, VLA_EUNSUPPORTED, "too many different words");
	VLA_TRY(vla_buf_add(&t->bytes, s, n, err));
	t->table[i & (t->table_n - 1)] = (uint32_t)t->n_words;
	t->words[t->n_words].count = 1;
	t->word_off[t->n_words] = t->bytes.n - n;
	t->word_off[++t->n_words] = t->bytes.n;
	return VLA_OK;
}

vla_status vla_bpe_trainer_add(vla_bpe_trainer *t, const char *text, vla_err *err)
{
	size_t n = strlen(text);
	vla_buf whole = { NULL, 0, 0 };
	vla_status st = VLA_OK;
	if (!vla_utf8_valid(text, n)) {
		st = vla_utf8_repair(text, n, &whole, err);
		text = whole.data;
		n = whole.n;
	}
	if (st == VLA_OK)
		st = vla_pipeline_normalise(&t->base->pipe, text, n, &t->work, err);
	vla_buf_release(&whole);
	VLA_TRY(st);
	VLA_TRY(vla_pipeline_cut(&t->base->pipe, &t->work, err));
	for (size_t i = 0; i < t->work.n_spans; i++)
		VLA_TRY(count_word(t, t->work.text.data + t->work.span[i].off, t->work.span[i].n, err));
	return VLA_OK;
}

/* ---- pairs ---- */

static size_t mix(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return (size_t)(key ^ key >> 29);
}

static vla_status grow_pairs(vla_bpe_trainer *t, vla_err *err)
{
	size_t cap = t->cap_pairs ? t->cap_pairs * 2 : 4096;
	pair *p = vla_realloc(t->pairs, cap, sizeof *p);
	if (!p)
		return vla_nomem(err);
	t->pairs = p;
	uint32_t *table = vla_alloc(cap * 2, sizeof *table);
	if (!table)
		return vla_nomem(err);
	free(t->pair_table);
	memset(table, 0xff, cap * 2 * sizeof *table);
	for (size_t k = 0; k < t->n_pairs; k++) {
		size_t i = mix(p[k].key);
		while (table[i & (cap * 2 - 1)] != UINT32_MAX)
			i++;
		table[i & (cap * 2 - 1)] = (uint32_t)k;
	}
	t->pair_table = table;
	t->pair_table_n = cap * 2;
	t->cap_pairs = cap;
	return VLA_OK;
}

/* The index of a pair, which is made when it is new. */
static vla_status find_pair(vla_bpe_trainer *t, uint32_t left, uint32_t right, uint32_t *index, vla_err *err)
{
	uint64_t key = (uint64_t)left << 32 | right;
	if (t->n_pairs == t->cap_pairs)
		VLA_TRY(grow_pairs(t, err));
	size_t i = mix(key);
	for (; t->pair_table[i & (t->pair_table_n - 1)] != UINT32_MAX; i++) {
		*index = t->pair_table[i & (t->pair_table_n - 1)];
		if (t->pairs[*index].key == key)
			return VLA_OK;
	}
	if (t->n_pairs >= UINT32_MAX - 1)
		return vla_fail(err, VLA_EUNSUPPORTED, "too many different pairs");
	*index = (uint32_t)t->n_pairs;
	t->pair_table[i & (t->pair_table_n - 1)] = *index;
	t->pairs[t->n_pairs++] = (pair){ key, 0, NULL, 0, 0, false };
	return VLA_OK;
}

static vla_status remember_word(pair *p, uint32_t w, vla_err *err)
{
	if (p->n && p->word[p->n - 1] == w)
		return VLA_OK;
	if (p->n == p->cap) {
		uint32_t cap = p->cap ? p->cap * 2 : 4;
		uint32_t *l = vla_realloc(p->word, cap, sizeof *l);
		if (!l)
			return vla_nomem(err);
		p->word = l;
		p->cap = cap;
	}
	p->word[p->n++] = w;
	return VLA_OK;
}

/* ---- the heap: larger counts first, then the pair that sorts first ---- */

static bool before(const entry *a, const entry *b)
{
	return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static vla_status push(vla_bpe_trainer *t, uint32_t index, vla_err *err)
{
	const pair *p = &t->pairs[index];
	entry e = { p->count, p->key, index };
	if (e.count < t->opts.min_count || p->banned)
		return VLA_OK;
	if (t->heap_n == t->heap_cap) {
		size_t cap = t->heap_cap ? t->heap_cap * 2 : 4096;
		entry *h = vla_realloc(t->heap, cap, sizeof *h);
		if (!h)
			return vla_nomem(err);
		t->heap = h;
		t->heap_cap = cap;
	}
	size_t i = t->heap_n++;
	for (; i && before(&e, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
		t->heap[i] = t->heap[(i - 1) / 2];
	t->heap[i] = e;
	return VLA_OK;
}

static entry pop(vla_bpe_trainer *t)
{
	entry top = t->heap[0], last = t->heap[--t->heap_n];
	size_t i = 0;
	for (size_t k; (k = 2 * i + 1) < t->heap_n; i = k) {
		if (k + 1 < t->heap_n && before(&t->heap[k + 1], &t->heap[k]))
			k++;
		if (!before(&t->heap[k], &last))
			break;
		t->heap[i] = t->heap[k];
	}
	t->heap[i] = last;
	return top;
}

/* ---- learning ---- */

/* Whether bytes may be a piece: whole characters with few enough ideographs, or a part of one character. */
static bool may_be_piece(const vla_bpe_trainer *t, const char *s, size_t n)
{
	size_t ideographs = 0;
	if (vla_utf8_valid(s, n)) {
		for (size_t i = 0; i < n;) {
			uint32_t c;
			i += vla_utf8_get(s + i, n - i, &c);
			ideographs += vla_is_ideograph(c);
		}
		return ideographs <= t->opts.cjk_max;
	}
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return false;
	unsigned char b = (unsigned char)s[0];
	size_t whole = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : b >= 0x80 ? 4 : 1;
	return n < whole;
}

static vla_status add_symbol(vla_bpe_trainer *t, uint32_t left, uint32_t right, bool *done, vla_err *err)
{
	char s[2 * MAX_PIECE];
	size_t n = 0;
	const uint32_t part[2] = { left, right };
	*done = false;
	for (int k = 0; k < 2; k++) {
		size_t off = t->piece_off[part[k]], len = t->piece_off[part[k] + 1] - off;
		memcpy(s + n, t->piece.data + off, len);
		n += len;
	}
	if (n > MAX_PIECE || !may_be_piece(t, s, n))
		return VLA_OK;
	VLA_TRY(vla_buf_add(&t->piece, s, n, err));
	t->merge[t->n_merges][0] = left;
	t->merge[t->n_merges][1] = right;
	t->n_merges++;
	t->piece_off[N_SPECIAL + 256 + t->n_merges] = t->piece.n;
	*done = true;
	return VLA_OK;
}

static vla_status count_pairs(vla_bpe_trainer *t, uint32_t w, uint32_t fresh, bool add, vla_err *err)
{
	const word *d = &t->words[w];
	const uint32_t *s = t->symbol + d->off;
	for (uint32_t i = 0; i + 1 < d->n; i++) {
		uint32_t index = 0;
		VLA_TRY(find_pair(t, s[i], s[i + 1], &index, err));
		pair *p = &t->pairs[index];
		if (!add) {
			p->count -= d->count;
			continue;
		}
		p->count += d->count;
		if (fresh == UINT32_MAX || s[i] == fresh || s[i + 1] == fresh)
			VLA_TRY(remember_word(p, w, err));
	}
	return VLA_OK;
}

/* Joins left and right to fresh in the words of a pair. New pairs all hold fresh. */
static vla_status apply_merge(vla_bpe_trainer *t, uint32_t index, uint32_t fresh, vla_err *err)
{
	uint32_t left = (uint32_t)(t->pairs[index].key >> 32), right = (uint32_t)t->pairs[index].key;
	uint32_t *list = t->pairs[index].word, n = t->pairs[index].n;
	size_t first_new = t->n_pairs;
	vla_status st = VLA_OK;
	t->pairs[index].word = NULL;
	t->pairs[index].n = t->pairs[index].cap = 0;
	for (uint32_t k = 0; k < n && st == VLA_OK; k++) {
		word *d = &t->words[list[k]];
		uint32_t *s = t->symbol + d->off, m = 0;
		bool found = false;
		for (uint32_t i = 0; i + 1 < d->n && !found; i++)
			found = s[i] == left && s[i + 1] == right;
		if (!found)
			continue;
		st = count_pairs(t, list[k], UINT32_MAX, false, err);
		for (uint32_t i = 0; i < d->n && st == VLA_OK; i++) {
			bool join = i + 1 < d->n && s[i] == left && s[i + 1] == right;
			s[m++] = join ? fresh : s[i];
			i += join;
		}
		if (st != VLA_OK)
			break;
		d->n = m;
		st = count_pairs(t, list[k], fresh, true, err);
	}
	free(list);
	for (size_t i = first_new; i < t->n_pairs && st == VLA_OK; i++)
		st = push(t, (uint32_t)i, err);
	return st;
}

static vla_status first_pairs(vla_bpe_trainer *t, vla_err *err)
{
	t->symbol = vla_alloc(t->bytes.n, sizeof *t->symbol);
	if (!t->symbol)
		return vla_nomem(err);
	for (size_t i = 0; i < t->bytes.n; i++)
		t->symbol[i] = N_SPECIAL + (unsigned char)t->bytes.data[i];
	for (size_t w = 0; w < t->n_words; w++) {
		size_t n = t->word_off[w + 1] - t->word_off[w];
		t->words[w].off = t->word_off[w];
		t->words[w].n = (uint32_t)(n < UINT32_MAX ? n : UINT32_MAX);
		VLA_TRY(count_pairs(t, (uint32_t)w, UINT32_MAX, true, err));
	}
	for (size_t i = 0; i < t->n_pairs; i++)
		VLA_TRY(push(t, (uint32_t)i, err));
	return VLA_OK;
}

vla_status vla_bpe_trainer_learn(vla_bpe_trainer *t, vla_err *err)
{
	size_t most = t->opts.vocab_size - N_SPECIAL - 256;
	VLA_TRY(first_pairs(t, err));
	while (t->heap_n && t->n_merges < most) {
		entry e = pop(t);
		pair *p = &t->pairs[e.pair];
		bool done;
		if (p->count != e.count) { /* fallen since it was pushed */
			VLA_TRY(push(t, e.pair, err));
			continue;
		}
		VLA_TRY(add_symbol(t, (uint32_t)(p->key >> 32), (uint32_t)p->key, &done, err));
		if (done)
			VLA_TRY(apply_merge(t, e.pair, (uint32_t)(N_SPECIAL + 256 + t->n_merges - 1), err));
		else
			p->banned = true;
	}
	return VLA_OK;
}
