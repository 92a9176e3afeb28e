/* Fuzz target: the first byte picks the parser (tokenizer.json, a split pattern, CLIP merges), the rest is its input;
 * what can be read then encodes the same bytes. */
#include "text/tokenizer.h"
#include "text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(vla_tokenizer *t, const char *text)
{
	vla_ids ids = VLA_IDS_INIT;
	char *back = NULL;
	if (vla_tokenizer_encode(t, text, 77, &ids, NULL) == VLA_OK &&
	    vla_tokenizer_decode(t, ids.id, ids.n, true, &back, NULL) == VLA_OK)
		free(back);
	vla_ids_release(&ids);
	vla_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vla_tokenizer *t = NULL;
	vla_pattern *p = NULL;
	if (size == 0)
		return 0;
	char *text = vla_strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	if (data[0] % 3 == 0 && vla_tokenizer_parse_json(text, strlen(text), &t, NULL) == VLA_OK) {
		use(t, text);
	} else if (data[0] % 3 == 1 && vla_pattern_new(text, &p, NULL) == VLA_OK) {
		size_t b, e;
		if (vla_utf8_valid(text, strlen(text)))
			vla_pattern_find(p, text, strlen(text), 0, &b, &e);
		vla_pattern_free(p);
	} else if (data[0] % 3 == 2 && vla_tokenizer_parse_clip(text, &t, NULL) == VLA_OK) {
		use(t, text);
	}
	free(text);
	return 0;
}
