/* Data sets of recipes: manifests, the order of examples, whitening; and every allocation failing once. */
#define FAULT_SHARED // strings of the JSON library are freed here
#include "fault.h"
#include "tap.h"

#include "train/data.h"
#include "train/plan.h"
#include "train/whiten.h"

#include <math.h>
#include <unistd.h>

static char folder[] = "/tmp/vla-data-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static vla_status open_corpus(const char *text, vla_recipe **r, vla_corpus **c, vla_err *err)
{
	char path[200];
	snprintf(path, sizeof path, "%s/a.recipe", folder);
	*r = NULL;
	*c = NULL;
	vla_status s = vla_recipe_parse(path, text, NULL, 0, r, err);
	return s == VLA_OK ? vla_corpus_open(*r, NULL, NULL, c, err) : s;
}

static const char two_sets[] = "[data a]\nmanifest = a.tsv\nwhere = split=train|extra, kind!=no\nnames = class, zh\n"
			       "template.class = a {} | the {}\nsynonyms = ;\nweight = 3\n"
			       "[data b]\nmanifest = b.jsonl\nweight = 1\n";

static void write_files(void)
{
	put("a.tsv", "file\tsplit\tkind\tclass\tzh\tcaption\n"
		     "1.ppm\ttrain\t\tdog;hound\t狗\tone dog\n"
		     "2.ppm\ttest\t\tcat\t猫\tnot taken\n"
		     "3.ppm\textra\t\tcat\t猫\tone cat\n"
		     "1.ppm\ttrain\t\tdog;hound\t狗\tthe same dog\n"
		     "4.ppm\ttrain\tno\tcat\t猫\tnot taken either\n"
		     "5.ppm\ttrain\t\tcat\t猫\t\n");
	put("b.jsonl", "{\"image\": \"x.png\", \"text\": [\"first\", \"second\"], \"class\": \"cat\"}\n"
		       "{\"image\": \"/y.png\", \"caption\": \"third\"}\n");
}

static void test_manifests(void)
{
	vla_recipe *r;
	vla_corpus *c;
	vla_err err = VLA_ERR_INIT;
	if (!ok(open_corpus(two_sets, &r, &c, &err) == VLA_OK, "manifests are read")) {
		note("%s", err.msg);
		vla_recipe_free(r);
		return;
	}
	const vla_data *a = &c->data[0], *b = &c->data[1];
	ok(a->n == 3 && a->pictures == 3 && b->n == 2 && c->pictures == 5,
	   "rows of one file are one example; conditions hold");
	ok(a->ex[0].texts == 2 && !strcmp(a->text[a->ex[0].first_text], "one dog") &&
		   !strcmp(a->text[a->ex[0].first_text + 1], "the same dog"),
	   "captions from rows apart");
	ok(a->ex[0].names == 3 && !strcmp(a->names[a->ex[0].first_name + 1].text, "hound"), "synonyms and languages");
	ok(a->ex[1].first_name == a->ex[2].first_name, "neighbours of one class share their names");
	ok(b->ex[0].texts == 2 && a->ex[1].label == b->ex[0].label && b->ex[1].label == VLA_NONE,
	   "equal names are one class over data sets");
	ok(strstr(a->picture[0].path, "/1.ppm") && !strcmp(b->picture[1].path, "/y.png"),
	   "paths beside the manifest, and absolute");
	vla_buf text = { NULL, 0, 0 };
	bool good = vla_data_prompt(a, &a->names[a->ex[0].first_name], 1, &text, NULL) == VLA_OK;
	ok(good && !strcmp(text.data, "the dog"), "a name in its template");
	vla_buf_release(&text);
	vla_corpus_close(c);
	vla_recipe_free(r);
}

static void test_plan(void)
{
	vla_recipe *r;
	vla_corpus *c;
	vla_plan p, q;
	size_t both[] = { 0, 1 }, of[2] = { 0, 0 }, seen[3] = { 0, 0, 0 };
	if (open_corpus(two_sets, &r, &c, NULL) != VLA_OK || vla_plan_init(&p, c, both, 2, 7, NULL) != VLA_OK ||
	    vla_plan_init(&q, c, both, 2, 7, NULL) != VLA_OK) {
		ok(false, "plans");
		return;
	}
	uint32_t data[400], example[400];
	bool even = true;
	for (size_t i = 0; i < 400; i++) {
		vla_plan_next(&p, &data[i], &example[i]);
		of[data[i]]++;
		if (data[i] == 0 && of[0] <= 30)
			seen[example[i]]++;
		even = even && fabs((double)of[0] - 0.75 * (double)(i + 1)) <= 2;
	}
	ok(of[0] >= 299 && of[0] <= 301, "shares by weight");
	ok(even, "spread evenly");
	ok(seen[0] == 10 && seen[1] == 10 && seen[2] == 10, "each example once in an epoch");
	vla_plan_skip(&q, 123);
	bool same = true;
	for (size_t i = 123; i < 400; i++) {
		uint32_t d, e;
		vla_plan_next(&q, &d, &e);
		same = same && d == data[i] && e == example[i];
	}
	ok(same, "the order goes on from any point");
	vla_plan_release(&p);
	vla_plan_release(&q);
	vla_corpus_close(c);
	vla_recipe_free(r);
}

static void test_whiten(void)
{
	enum { N = 400, C = 20, D = 6 };
	static float x[N * C], w[D * C], b[D];
	vla_rng rng;
	vla_rng_seed(&rng, 1, 1);
	for (size_t i = 0; i < N * C; i++)
		x[i] = (float)(3 + vla_rng_normal(&rng) * (i % C < 8 ? 5.0 / (double)(1 + i % C) : 0.1));
	ok(vla_whiten(NULL, x, N, C, D, w, b, NULL) == VLA_OK, "whitening");
	double worst = 0;
	for (size_t p = 0; p < D; p++)
		for (size_t q = 0; q < D; q++) {
			double sum = 0;
			for (size_t i = 0; i < N; i++) {
				double u = b[p], v = b[q];
				for (size_t k = 0; k < C; k++) {
					u += (double)w[p * C + k] * x[i * C + k];
					v += (double)w[q * C + k] * x[i * C + k];
				}
				sum += u * v;
			}
			worst = fmax(worst, fabs(sum / N * D - (p == q)));
		}
	ok(worst < 0.01, "directions are uncorrelated and of unit variance, within the floor");
	ok(vla_whiten(NULL, x, N, C, C + 1, w, b, NULL) == VLA_EINVAL, "not more directions than numbers");
}

static void test_memory(void)
{
	if (!FAULTS) {
		skip("a sanitizer has its own malloc");
		return;
	}
	long live = fault_live(), n = 0;
	bool kept = true, reported = true;
	for (vla_status s = VLA_ENOMEM; s != VLA_OK && n < 5000;) {
		vla_recipe *r;
		vla_corpus *c;
		fault_at(++n);
		s = open_corpus(two_sets, &r, &c, NULL);
		fault_at(0);
		// EIO from the system, EFORMAT from the JSON library, which cannot always tell.
		reported = reported && (s == VLA_OK || s == VLA_ENOMEM || s == VLA_EIO || s == VLA_EFORMAT);
		vla_corpus_close(c);
		vla_recipe_free(r);
		if (fault_live() != live)
			note("allocation %ld leaves %ld blocks", n, fault_live() - live);
		kept = kept && fault_live() == live;
	}
	ok(n > 50 && n < 5000, "each of %ld allocations failed once", n - 1);
	ok(reported, "all of them were reported");
	ok(kept, "nothing is leaked");
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	write_files();
	test_manifests();
	test_plan();
	test_whiten();
	test_memory();
	char path[200];
	snprintf(path, sizeof path, "%s/a.tsv", folder);
	unlink(path);
	snprintf(path, sizeof path, "%s/b.jsonl", folder);
	unlink(path);
	rmdir(folder);
	return done();
}
