/* Fuzz target: the first byte picks the parser (SentencePiece model, BERT's vocab.txt, character map), the rest is its
 * input; a vocab.txt is followed, after the first 0x1f, by its tokenizer_config.json. What can be read then encodes and
 * decodes the same bytes. */
#include "text/charsmap.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(vla_tokenizer *t, const char *text)
{
	vla_ids ids = VLA_IDS_INIT;
	char *back = NULL;
	if (vla_tokenizer_encode(t, text, 64, &ids, NULL) == VLA_OK &&
	    vla_tokenizer_decode(t, ids.id, ids.n, false, &back, NULL) == VLA_OK)
		free(back);
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
}

static void run_map(const char *blob, size_t n, const char *text)
{
	static const vla_spm_rules rules = { true, true, true };
	vla_charsmap m;
	vla_buf out = { NULL, 0, 0 };
	if (vla_charsmap_read(&m, blob, n, NULL) == VLA_OK && vla_utf8_valid(text, strlen(text)) &&
	    vla_charsmap_clusters(&m, text, strlen(text), &out, NULL) == VLA_OK)
		(void)!vla_charsmap_spm(&m, &rules, NULL, NULL, text, strlen(text), &out, NULL);
	vla_charsmap_release(&m);
	vla_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char class[] = "{\"tokenizer_class\":\"SiglipTokenizer\"}";
	vla_tokenizer *t = NULL;
	if (size < 2)
		return 0;
	const char *p = (const char *)data + 1;
	size_t n = size - 1;
	char *text = vla_strndup(p, n);
	if (!text)
		return 0;
	if (data[0] % 3 == 0) {
		bool config = data[0] & 64;
		if (vla_tokenizer_parse_spm(p, n, config ? class : NULL, config ? sizeof class - 1 : 0, &t, NULL) ==
		    VLA_OK)
			use(t, text);
	} else if (data[0] % 3 == 1) {
		const char *config = memchr(p, 0x1f, n);
		size_t k = config ? (size_t)(config - p) : n;
		if (vla_tokenizer_parse_vocab(p, k, config ? config + 1 : NULL, config ? n - k - 1 : 0, &t, NULL) ==
		    VLA_OK)
			use(t, text);
	} else {
		run_map(p, n, text);
		run_map(p, n, "a \xef\xbc\xa1 e\xcc\x81  b");
	}
	free(text);
	return 0;
}
