/* Speed of the tokenizer's trainer and encoder, in processor time (one thread), as TSV.
 *
 *	bench_tokenizer [texts.txt [vocabulary]]
 *
 * texts.txt has one text a line; the captions of the shared data are taken without it. Prints texts, words, seconds of
 *training, then words and tokens a second of encoding.
 */
#include "base/base.h"
#include "text/bpe_train.h"
#include "text/tokenizer.h"

#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(vla_status st, const vla_err *err)
{
	if (st == VLA_OK)
		return;
	fprintf(stderr, "bench_tokenizer: %s\n", err->msg);
	exit(2);
}

/* Cuts the file's lines in place. */
static char **lines_of(vla_buf *b, size_t *n, size_t *words)
{
	size_t cap = 0;
	char **line = NULL;
	for (char *p = b->data, *end = p + b->n; p < end; (*n)++) {
		char *nl = memchr(p, '\n', (size_t)(end - p));
		if (*n == cap && !(line = vla_realloc(line, cap = cap ? 2 * cap : 1024, sizeof *line)))
			exit(2);
		line[*n] = p;
		if (nl)
			*nl = 0;
		for (const char *s = p; *s; s++)
			*words += *s != ' ' && (s[1] == ' ' || s[1] == 0);
		p = nl ? nl + 1 : end;
	}
	return line;
}

int main(int argc, char **argv)
{
	vla_err err = VLA_ERR_INIT;
	vla_bpe_train_opts o = { argc > 2 ? strtoul(argv[2], NULL, 10) : 8000, true, 0, 0 };
	vla_bpe_trainer *tr;
	vla_tokenizer *t;
	vla_buf json = { NULL, 0, 0 }, text = { NULL, 0, 0 };
	vla_ids ids = VLA_IDS_INIT;
	size_t n = 0, words = 0, tokens = 0;
	const char *path = argc > 1 ? argv[1] : "../shared/data/coco-captions-val2017/captions.tsv";
	FILE *f = fopen(path, "rb");
	if (!f) {
		printf("# cannot open %s\n", path);
		return argc > 1 ? 2 : 0;
	}
	for (size_t got = 1; got; text.n += got) {
		need(vla_buf_reserve(&text, 1 << 20, &err), &err);
		got = fread(text.data + text.n, 1, (1 << 20) - 1, f);
	}
	fclose(f);
	text.data[text.n] = 0;
	char **line = lines_of(&text, &n, &words);

	double start = now();
	need(vla_bpe_trainer_new(&o, &tr, &err), &err);
	for (size_t i = 0; i < n; i++)
		need(vla_bpe_trainer_add(tr, line[i], &err), &err);
	double counted = now();
	need(vla_bpe_trainer_learn(tr, &err), &err);
	need(vla_bpe_trainer_write(tr, &json, &err), &err);
	double learned = now();
	need(vla_tokenizer_parse_json(json.data, json.n, &t, &err), &err);
	double opened = now();
	for (size_t i = 0; i < n; i++) {
		need(vla_tokenizer_encode(t, line[i], 0, &ids, &err), &err);
		tokens += ids.n;
	}
	double encoded = now() - opened;
	printf("texts\twords\tcount_s\tlearn_s\topen_s\twords_per_s\ttokens_per_s\n");
	printf("%zu\t%zu\t%.3f\t%.3f\t%.4f\t%.0f\t%.0f\n", n, words, counted - start, learned - counted,
	       opened - learned, (double)words / encoded, (double)tokens / encoded);
	vla_bpe_trainer_free(tr);
	vla_tokenizer_free(t);
	vla_ids_release(&ids);
	vla_buf_release(&json);
	vla_buf_release(&text);
	free(line);
	return 0;
}
