/* Packed models, merging, comparing and stored vectors, on a small model made here and on upstream's tiny ones. */
#include "model/model.h"
#include "tap.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/vla-test-pack-XXXXXX";
static char path[128];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static vla_model *open_f32(const char *name, vla_err *err)
{
	vla_model *m = NULL;
	vla_model_opts o = VLA_MODEL_OPTS_INIT;
	o.compute = VLA_COMPUTE_F32;
	return name && vla_model_open(name, &o, &m, err) == VLA_OK ? m : NULL;
}

static vla_model *make(uint64_t seed, int dim)
{
	vla_model *m = NULL;
	vla_err err = VLA_ERR_INIT;
	json_t *c =
		json_pack("{s:s, s:i, s:{s:s,s:i,s:i,s:i,s:i,s:i,s:i}}", "model_type", "vla_dual", "dim", dim, "image",
			  "tower", "vit", "size", 16, "patch", 4, "width", 32, "layers", 2, "heads", 2, "hidden", 64);
	if (!c || vla_model_create(c, NULL, NULL, seed, &m, &err) != VLA_OK)
		note("%s", err.msg);
	json_decref(c);
	return m;
}

static double difference(vla_model *a, vla_model *b, const char *what)
{
	vla_model_difference d;
	vla_err err = VLA_ERR_INIT;
	if (!a || !b ||
	    !ok(vla_model_compare(a, b, NULL, 0, NULL, 0, &d, &err) == VLA_OK, "%s: compared %s", what, err.msg))
		return 2;
	// A tokenizer that does not open would leave the texts out.
	ok(d.texts || !a->info.has_text, "%s: texts too", what);
	double worst = 1 - d.picture_min;
	return d.texts ? fmax(worst, 1 - d.text_min) : worst;
}

static void clean(void)
{
	static const char *const dirs[] = { "u", "r" };
	static const char *const files[] = {
		"p.vlm",
		"a.vlm",
		"b.vlm",
		"c.vlm",
		"%s/config.json",
		"%s/preprocessor_config.json",
		"%s/model.safetensors",
		"%s/reference.safetensors",
		"%s/tokenizer.json",
		"%s/tokenizer_config.json",
		"%s/special_tokens_map.json",
		"%s/vocab.json",
		"%s/merges.txt",
		"%s/spiece.model",
		"%s/tokenizer.model",
		"%s/added_tokens.json",
		"%s/vocab.txt",
		"%s/bpe_simple_vocab_16e6.txt",
	};
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
			char name[64];
			if (files[i][0] == '%')
				snprintf(name, sizeof name, "%s%s", dirs[k], files[i] + 2);
			else
				snprintf(name, sizeof name, "%s", files[i]);
			unlink(in_dir(name));
		}
		rmdir(in_dir(dirs[k]));
	}
}

// A directory of upstream's as one file gives the same numbers; unpacked it does so again.
static void test_directory(const char *name)
{
	char from[256];
	vla_err err = VLA_ERR_INIT;
	const char *s = shared(name);
	if (!s) {
		skip("no %s", name);
		return;
	}
	snprintf(from, sizeof from, "%s", s);
	vla_model *m = open_f32(from, &err), *p = NULL, *u = NULL;
	bool good = m && vla_model_pack(m, in_dir("p.vlm"), VLA_F32, &err) == VLA_OK;
	p = good ? open_f32(in_dir("p.vlm"), &err) : NULL;
	if (ok(p != NULL, "%s: packed and opened %s", name, err.msg)) {
		ok(difference(m, p, name) < 1e-6, "the same embeddings");
		size_t off = 0;
		for (size_t i = 0; i < vla_checkpoint_count(p->ckpt); i++) {
			const vla_ct *t = vla_checkpoint_at(p->ckpt, i);
			off += t->bytes % 64 == 0 && (uintptr_t)t->data % 64 != 0;
		}
		ok(off == 0, "tensors of whole cache lines are aligned");
		good = vla_model_save(p, in_dir("u"), VLA_F32, &err) == VLA_OK;
		u = good ? open_f32(in_dir("u"), &err) : NULL;
		ok(u && difference(m, u, "unpacked") < 1e-6, "a directory again %s", err.msg);
	}
	vla_model_close(m);
	vla_model_close(p);
	vla_model_close(u);
	clean(); // another tokenizer's files would stay
}

static void test_merge(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *a = make(1, 16), *b = make(2, 16), *c = make(3, 8), *m = NULL;
	const char *names[2];
	char first[128], second[128], third[128];
	snprintf(first, sizeof first, "%s", in_dir("a.vlm"));
	snprintf(second, sizeof second, "%s", in_dir("b.vlm"));
	snprintf(third, sizeof third, "%s", in_dir("c.vlm"));
	bool good = vla_model_pack(a, first, VLA_F32, &err) == VLA_OK &&
		    vla_model_pack(b, second, VLA_F32, &err) == VLA_OK &&
		    vla_model_pack(c, third, VLA_F32, &err) == VLA_OK;
	names[0] = first;
	names[1] = second;
	ok(good && vla_model_merge(names, (const double[]){ 0.25, 0.75 }, 2, &m, &err) == VLA_OK, "merges %s", err.msg);
	double worst = 0;
	for (size_t i = 0; m && i < m->params.n; i++)
		for (size_t k = 0; k < m->params.p[i]->n; k++) {
			double want = 0.25 * (double)vla_param_f32(a->params.p[i])[k] +
				      0.75 * (double)vla_param_f32(b->params.p[i])[k];
			worst = fmax(worst, fabs(want - (double)m->params.p[i]->value[k]));
		}
	ok(m && worst < 1e-6, "every weight is the weighted sum (off by %.2g)", worst);
	vla_model_close(m);
	m = NULL;
	names[1] = third;
	ok(vla_model_merge(names, (const double[]){ 0.5, 0.5 }, 2, &m, &err) == VLA_EINVAL, "another shape: %s",
	   err.msg);
	ok(vla_model_merge(names, (const double[]){ NAN, 0.5 }, 2, &m, &err) == VLA_EINVAL, "no number: %s", err.msg);
	ok(vla_model_merge(names, NULL, 0, &m, &err) == VLA_EINVAL, "no models: %s", err.msg);
	vla_model_close(a);
	vla_model_close(b);
	vla_model_close(c);
}

struct findings {
	size_t ok, other;
};

static void count(void *ctx, const char *key, const char *value)
{
	struct findings *f = ctx;
	f->ok += strstr(value, "reference.safetensors") && strcmp(key, "ok") == 0;
	f->other += strcmp(key, "error") == 0;
}

static void test_reference(void)
{
	vla_err err = VLA_ERR_INIT;
	struct findings f = { 0, 0 };
	vla_model *a = make(1, 16), *b = make(2, 16);
	bool good = vla_model_save(a, in_dir("r"), VLA_F32, &err) == VLA_OK;
	good = good && vla_model_write_reference(a, in_dir("r/reference.safetensors"), &err) == VLA_OK;
	ok(good && vla_model_verify(in_dir("r"), count, &f, &err) == VLA_OK && f.ok == 1 && f.other == 0,
	   "stored vectors are met %s", err.msg);
	good = vla_model_write_reference(b, in_dir("r/reference.safetensors"), &err) == VLA_OK;
	ok(good && vla_model_verify(in_dir("r"), count, &f, &err) == VLA_ECORRUPT && f.other == 1,
	   "another model's are not: %s", err.msg);
	vla_model_close(a);
	vla_model_close(b);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_directory("golden/clip-a");
	test_directory("golden/open-clip-a");
	test_directory("golden/siglip-a");
	test_merge();
	test_reference();
	clean();
	ok(rmdir(dir) == 0, "nothing else was written");
	return done();
}
