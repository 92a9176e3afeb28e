/* Every task that needs no model survives a failed allocation at every place: a status, no crash, nothing left. */
#include <vla/probe.h>

#include "base/base.h"

#define FAULT_SHARED // jansson and getline give memory that is freed here
#include "fault.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/vla-probe-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static vla_status ignore(void *ctx, const vla_result *r, vla_err *err)
{
	(void)ctx;
	(void)r;
	(void)err;
	return VLA_OK;
}

static void survive(const char *task, size_t inputs, const char *const *input, size_t sets, const char *const *set)
{
	vla_probe_opts o = VLA_PROBE_OPTS_INIT;
	char path[4][128];
	const char *in[4];
	for (size_t i = 0; i < inputs; i++) {
		snprintf(path[i], sizeof path[i], "%s/%s", folder, input[i]);
		in[i] = path[i];
	}
	o.input = in;
	o.inputs = inputs;
	o.set = set;
	o.sets = sets;
	o.draws = 2;
	o.result = ignore;
	vla_err err = VLA_ERR_INIT;
	vla_status s = vla_probe_run(task, &o, &err);
	ok(s == VLA_OK, "%s runs: %s", task, err.msg);
	if (!FAULTS) {
		skip("sanitizers bring their own allocation");
		return;
	}
	long before = fault_live(), n = 1, leaked = 0, wrong = 0;
	for (; n < 3000; n++) {
		err = (vla_err)VLA_ERR_INIT;
		fault_once(n);
		s = vla_probe_run(task, &o, &err);
		bool reached = atomic_load(&fault_left) < 0;
		fault_at(0);
		leaked += fault_live() != before;
		wrong += s != VLA_OK && err.msg[0] == 0;
		before = fault_live();
		if (s == VLA_OK && !reached)
			break;
	}
	ok(leaked == 0 && wrong == 0, "%s: %ld failed allocations, %ld left memory, %ld without a message", task, n - 1,
	   leaked, wrong);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	put("a.tsv", "id\tgroup\tvalue\n1\tg\t0\n2\tg\t0.5\n3\th\t1\n");
	put("b.tsv", "id\tgroup\tvalue\n1\tg\t1\n2\tg\t0.5\n3\th\t0\n");
	put("gold.tsv", "file\tphrase\tx\ty\tw\th\na\tp\t0\t0\t4\t4\nb\tq\t1\t1\t2\t2\n");
	put("refs.tsv", "file\tcaption\na\ta dog runs\na\tthe dog is running\nb\ttwo cats on a sofa\n");
	put("said.tsv", "file\tcaption\na\ta dog runs\nb\tcats on a sofa\n");
	put("text.txt", "the dog runs\nthe cat runs fast\na dog sleeps\n");
	put("seg.tsv", "segment\ttoken\na\t1\na\t2\nb\t1\n");
	put("items.jsonl", "{\"group\": \"g\", \"options\": [\"x\", \"y\"], \"gold\": [0], \"scores\": [2, 1]}\n");
	put("pope.tsv", "file\tquestion\tanswer\tprediction\na\tq\tyes\tyes\nb\tq\tno\tyes\n");
	put("facts.jsonl",
	    "{\"image\": \"a\", \"caption\": \"a small dog chases the big ball\", \"pairs\": [{\"object\": [\"ball\", "
	    "\"box\"], \"attribute\": [\"red\", \"blue\"]}]}\n");
	put("prob.tsv", "score\tlabel\n0.9\t1\n0.2\t0\n");
	put("objects.tsv", "file\tcategory\na\tdog\nb\tcat\nb\tsofa\n");
	FILE *x = NULL;
	char path[128];
	for (int k = 0; k < 2; k++) {
		snprintf(path, sizeof path, "%s/%c.tsv", folder, "xy"[k]);
		if (!(x = fopen(path, "w")))
			return 1;
		fputs("id\tvector\n", x);
		for (int t = 0; t < 30; t++)
			fprintf(x, "%d\t%d %d\n", t, (t * 7 + k) % 11, (t * 5 + k) % 7);
		fclose(x);
	}
	char responses[128], blind[128], emit[128], captions[128];
	snprintf(responses, sizeof responses, "responses=%s/y.tsv", folder);
	snprintf(blind, sizeof blind, "blind=%s/text.txt", folder);
	snprintf(emit, sizeof emit, "emit=%s/out.jsonl", folder);
	snprintf(captions, sizeof captions, "captions=%s/said.tsv", folder);
	const char *encoding[] = { responses, "train=20", "candidates=2", "delays=1", "penalties=1,10" };
	const char *tokens[] = { "stats=all,pcfg", "rounds=2", "nt=2", "pt=2" }, *scores[] = { "from=scores" };
	const char *blinds[] = { blind }, *emits[] = { emit }, *said[] = { captions };
	survive("compare", 2, (const char *[]){ "a.tsv", "b.tsv" }, 0, NULL);
	survive("boxes", 2, (const char *[]){ "gold.tsv", "gold.tsv" }, 0, NULL);
	survive("captions", 2, (const char *[]){ "refs.tsv", "said.tsv" }, 0, NULL);
	survive("segments", 1, (const char *[]){ "seg.tsv" }, 0, NULL);
	survive("choice", 1, (const char *[]){ "items.jsonl" }, 0, NULL);
	survive("choice", 1, (const char *[]){ "items.jsonl" }, COUNT(blinds), blinds);
	survive("yesno", 1, (const char *[]){ "pope.tsv" }, 0, NULL);
	survive("snare", 1, (const char *[]){ "facts.jsonl" }, COUNT(emits), emits);
	survive("snare", 1, (const char *[]){ "facts.jsonl" }, COUNT(blinds), blinds);
	survive("calibration", 1, (const char *[]){ "prob.tsv" }, COUNT(scores), scores);
	survive("objects", 1, (const char *[]){ "objects.tsv" }, COUNT(said), said);
	survive("encoding", 1, (const char *[]){ "x.tsv" }, COUNT(encoding), encoding);
	survive("tokens", 1, (const char *[]){ "text.txt" }, COUNT(tokens), tokens);
	static const char *const names[] = { "a.tsv",    "b.tsv",   "gold.tsv",    "refs.tsv",  "said.tsv",
					     "text.txt", "seg.tsv", "items.jsonl", "pope.tsv",  "facts.jsonl",
					     "prob.tsv", "x.tsv",   "y.tsv",       "out.jsonl", "objects.tsv" };
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	return done();
}
