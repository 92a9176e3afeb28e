/* Allocations of making, saving, opening and using a model fail, one after the other: the status says so, nothing
 * leaks, nothing crashes, no half-written file stays. */
#include "model/net.h"
#define FAULT_SHARED // jansson's memory counts, too
#include "fault.h"
#include "tap.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

static const char config[] =
	"{ \"model_type\": \"vla_dual\", \"dim\": 8, \"image\": { \"tower\": \"convnet\", \"size\": 16,"
	"  \"stem\": { \"channels\": 8 }, \"hidden\": 8, \"stages\": [ { \"channels\": 8 } ] },"
	"  \"text\": { \"tower\": \"transformer\", \"width\": 8, \"layers\": 1, \"heads\": 2, \"hidden\": 8 } }";
static const char *const texts[] = { "two dogs", "a cat" };
static char tok[] = "/tmp/vla-test-mem-XXXXXX", dir[64], config_path[64];

static vla_status make(vla_err *err)
{
	vla_model *m = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	VLA_TRY(vla_model_new(config_path, tok, &o, 1, &m, err));
	vla_status st = vla_model_save(m, dir, VLA_I8, err);
	vla_model_close(m);
	return st;
}

static void ignore(void *ctx, const char *key, const char *value)
{
	(void)ctx;
	(void)key;
	(void)value;
}

static vla_status use(vla_err *err)
{
	static const float pixels[16 * 16 * 3];
	float v[2 * 8];
	vla_model *m = NULL;
	vla_model_opts o = { .pool = NULL, .compute = VLA_COMPUTE_F32 };
	VLA_TRY(vla_model_open(dir, &o, &m, err));
	vla_status st = vla_model_embed_texts(m, texts, 2, v, err);
	if (st == VLA_OK)
		st = vla_model_embed_pixels(m, pixels, 1, VLA_OUT_EMBED, v, err);
	if (st == VLA_OK)
		st = vla_model_describe(m, ignore, NULL, err);
	if (st == VLA_OK && vla_model_params(m))
		st = vla_params_own(vla_model_params(m), err);
	vla_model_close(m);
	return st;
}

static vla_status verify(vla_err *err)
{
	return vla_model_verify(dir, ignore, NULL, err);
}

static size_t temporary_files(void)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));)
		n += strstr(e->d_name, ".tmp.") != NULL;
	if (d)
		closedir(d);
	return n;
}

static void each(const char *what, vla_status (*fn)(vla_err *))
{
	vla_err err = VLA_ERR_INIT;
	if (!ok(fn(&err) == VLA_OK, "%s: without failures %s", what, err.msg))
		return;
	if (!FAULTS) {
		skip("allocation failures: this build brings its own malloc");
		return;
	}
	long live = fault_live(), passed = 0, leaked = 0, silent = 0, n = 0;
	// All of the first, then fewer: the later ones repeat for every tensor.
	for (long step = 1; !passed && n < 100000; n += step) {
		step = n < 200 ? 1 : 37;
		err = (vla_err)VLA_ERR_INIT;
		fault_at(n + 1);
		vla_status st = fn(&err);
		fault_at(0);
		passed = st == VLA_OK;
		silent += st != VLA_OK && !err.msg[0];
		if (fault_live() != live) {
			leaked++;
			note("failure %ld: %ld blocks more (%s)", n + 1, fault_live() - live, err.msg);
		}
		live = fault_live();
	}
	ok(leaked == 0, "%s: none of %ld failures leaks", what, n);
	ok(silent == 0, "%s: each has a message", what);
	ok(passed, "%s: and it ends", what);
	ok(temporary_files() == 0, "%s: no temporary file stays", what);
}

static void clear(const char *path)
{
	DIR *d = opendir(path);
	char file[512];
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			unlink(file);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

int main(void)
{
	vla_err err = VLA_ERR_INIT;
	if (!mkdtemp(tok))
		return 1;
	snprintf(dir, sizeof dir, "%s/model", tok);
	snprintf(config_path, sizeof config_path, "%s/new.json", tok);
	FILE *f = fopen(config_path, "wb");
	if (!f || fwrite(config, 1, sizeof config - 1, f) != sizeof config - 1 || fclose(f) != 0)
		return 1;
	vla_bpe_train_opts o = { .vocab_size = 264, .lower = true };
	if (ok(vla_bpe_train(texts, 2, &o, tok, &err) == VLA_OK, "a tokenizer %s", err.msg)) {
		each("make and save", make);
		each("open and use", use);
		each("verify", verify);
	}
	clear(dir);
	clear(tok);
	return done();
}
