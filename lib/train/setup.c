/* What a run is made of: the tokenizer, the model, its initial values, and which parameters are trained. */
#include "train/trainer.h"

#include "train/whiten.h"

#include <vla/checkpoint.h>
#include <vla/file.h>

#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

// --- tokenizer ---

static vla_status add_lines(const char *path, vla_buf *lines, vla_err *err)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return vla_fail(err, VLA_EIO, "cannot open '%s': %s", path, strerror(errno));
	char chunk[65536];
	vla_status s = VLA_OK;
	for (size_t n; s == VLA_OK && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
		s = vla_buf_add(lines, chunk, n, err);
	if (s == VLA_OK && ferror(f))
		s = vla_fail(err, VLA_EIO, "cannot read '%s'", path);
	fclose(f);
	return s == VLA_OK ? vla_buf_add(lines, "", 1, err) : s;
}

static bool chosen(char *const *name, size_t n, const char *data)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name[i], data))
			return true;
	return !n;
}

// Counts (text NULL) or lists all texts; lines is cut at its line ends.
static size_t collect(const vla_corpus *c, char *const *name, size_t n_name, vla_buf *lines, const char **text)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n; i++) {
		const vla_data *d = &c->data[i];
		if (!chosen(name, n_name, d->name))
			continue;
		for (size_t k = 0; k < d->texts; k++, n++)
			if (text)
				text[n] = d->text[k];
		for (size_t k = 0; k < d->n_names; k++, n++)
			if (text)
				text[n] = d->names[k].text;
		for (size_t k = 0; k < d->columns; k++)
			for (size_t j = 0; j < d->column[k].n; j++, n++)
				if (text)
					text[n] = d->column[k].pattern[j];
	}
	for (char *p = lines->data; p && *p; n++) {
		char *end = p + strcspn(p, "\n");
		bool more = *end;
		if (text) {
			text[n] = p;
			*end = 0;
		}
		p = more ? end + 1 : end;
	}
	return n;
}

static vla_status train_tokenizer(vla_trainer *t, vla_err *err)
{
	const vla_recipe *r = t->r;
	vla_bpe_train_opts o = { (size_t)vla_recipe_int(r, "tokenizer", NULL, "vocab_size"),
				 vla_recipe_bool(r, "tokenizer", NULL, "lower"),
				 (size_t)vla_recipe_int(r, "tokenizer", NULL, "min_count"), 0 };
	char **name;
	size_t n_name;
	VLA_TRY(vla_split_list(vla_recipe_text(r, "tokenizer", NULL, "data"), ',', &name, &n_name, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n_name && s == VLA_OK; i++)
		if (vla_corpus_find(t->corpus, name[i]) == SIZE_MAX)
			s = vla_recipe_fail(r, "tokenizer", NULL, "data", err, "there is no [data %s]", name[i]);
	vla_buf lines = { NULL, 0, 0 };
	const char **text = NULL;
	const char *file = vla_recipe_text(r, "tokenizer", NULL, "texts");
	if (s == VLA_OK && *file) {
		char *path = vla_recipe_path(r, NULL, file);
		s = path ? add_lines(path, &lines, err) : vla_nomem(err);
		free(path);
	}
	if (s == VLA_OK) {
		size_t n = collect(t->corpus, name, n_name, &lines, NULL);
		text = vla_alloc(n, sizeof *text);
		if (!text) {
			s = vla_nomem(err);
		} else {
			collect(t->corpus, name, n_name, &lines, text);
			vla_trainer_line(t, "tokenizer: %zu texts", n);
			s = vla_bpe_train(text, n, &o, t->tokenizer_dir, err);
		}
	}
	free(text);
	free(name);
	vla_buf_release(&lines);
	return s;
}

vla_status vla_setup_tokenizer(vla_trainer *t, vla_err *err)
{
	const vla_recipe *r = t->r;
	if (!vla_recipe_section(r, "tokenizer", 0))
		return VLA_OK;
	const char *from = vla_recipe_text(r, "tokenizer", NULL, "from");
	if (*from) {
		t->tokenizer_dir = vla_recipe_path(r, NULL, from);
		return t->tokenizer_dir ? VLA_OK : vla_nomem(err);
	}
	if (t->o->dry_run) {
		const char *tmp = getenv("TMPDIR");
		t->tokenizer_dir = vla_format("%s/vla-train-XXXXXX", tmp && *tmp ? tmp : "/tmp");
		if (!t->tokenizer_dir)
			return vla_nomem(err);
		if (!mkdtemp(t->tokenizer_dir))
			return vla_fail(err, VLA_EIO, "cannot make a folder in '%s': %s", tmp ? tmp : "/tmp",
					strerror(errno));
		t->scratch_dir = true;
		return train_tokenizer(t, err);
	}
	t->tokenizer_dir = vla_format("%s/tokenizer", t->o->dir);
	char *file = vla_format("%s/tokenizer/tokenizer.json", t->o->dir);
	vla_status s = t->tokenizer_dir && file ? VLA_OK : vla_nomem(err);
	if (s == VLA_OK && mkdir(t->tokenizer_dir, 0777) && errno != EEXIST)
		s = vla_fail(err, VLA_EIO, "cannot make '%s': %s", t->tokenizer_dir, strerror(errno));
	if (s == VLA_OK && (t->o->restart || access(file, F_OK)))
		s = train_tokenizer(t, err);
	free(file);
	return s;
}

// --- model ---

// Sets the value at a path of keys between dots.
static vla_status set_config(json_t *config, const char *path, const char *value, vla_err *err)
{
	json_error_t e;
	json_t *v = json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);
	if (!v)
		v = json_string(value);
	if (!v)
		return vla_fail(err, VLA_EFORMAT, "model set.%s: '%.60s' is not a value", path, value);
	char **key;
	size_t n;
	vla_status s = vla_split_list(path, '.', &key, &n, err);
	if (s != VLA_OK) {
		json_decref(v);
		return s;
	}
	for (size_t i = 0; i + 1 < n && json_is_object(config); i++) {
		json_t *sub = json_object_get(config, key[i]);
		if (!sub) {
			sub = json_object();
			json_object_set_new(config, key[i], sub);
		}
		config = sub;
	}
	if (!n || !json_is_object(config) || json_object_set(config, key[n - 1], v))
		s = vla_fail(err, VLA_EFORMAT, "model set.%s: there is no such place in the configuration", path);
	json_decref(v);
	free(key);
	return s;
}

static vla_status create(vla_trainer *t, const vla_model_opts *mo, vla_err *err)
{
	const vla_recipe *r = t->r;
	char *path = vla_recipe_path(r, NULL, vla_recipe_text(r, "model", NULL, "config"));
	if (!path)
		return vla_nomem(err);
	json_error_t e;
	json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
	vla_status s = VLA_OK;
	if (!json_is_object(config))
		s = vla_fail(err, VLA_EFORMAT, "%s:%d: %s", path, e.line, config ? "not an object" : e.text);
	const char *key, *value;
	for (size_t i = 0; s == VLA_OK && vla_recipe_prefixed(r, "model", NULL, "set.", i, &key, &value); i++)
		s = set_config(config, key, value, err);
	if (s == VLA_OK)
		s = vla_model_create(config, t->tokenizer_dir, mo, t->seed, &t->model, err);
	json_decref(config);
	free(path);
	return s;
}

vla_status vla_setup_model(vla_trainer *t, vla_err *err)
{
	static const vla_compute computes[] = { VLA_COMPUTE_F32, VLA_COMPUTE_BF16, VLA_COMPUTE_AUTO };
	const vla_recipe *r = t->r;
	const char *from = vla_recipe_text(r, "model", NULL, "from");
	bool config = vla_recipe_given(r, "model", NULL, "config");
	vla_model_opts mo = VLA_MODEL_OPTS_INIT;
	mo.pool = t->o->pool;
	mo.compute = computes[vla_recipe_choice(r, "run", NULL, "compute")];
	if (config == (*from != 0))
		return vla_recipe_fail(r, "model", vla_recipe_section(r, "model", 0), "from", err,
				       "give either from or config");
	if (config)
		return create(t, &mo, err);
	const char *key, *value;
	if (vla_recipe_prefixed(r, "model", NULL, "set.", 0, &key, &value))
		return vla_recipe_fail(
			r, "model", vla_recipe_section(r, "model", 0), "from", err,
			"set.%s changes the configuration of a fresh model; write config and load instead", key);
	char *path = vla_recipe_path(r, NULL, from);
	vla_status s = path ? vla_model_open(path, &mo, &t->model, err) : vla_nomem(err);
	free(path);
	return s;
}

// --- initial values ---

static vla_status load_model(vla_trainer *t, const char *from, vla_err *err)
{
	vla_model_opts mo = VLA_MODEL_OPTS_INIT;
	vla_model *m;
	char *path = vla_recipe_path(t->r, NULL, from);
	vla_status s = path ? vla_model_open(path, &mo, &m, err) : vla_nomem(err);
	free(path);
	VLA_TRY(s);
	vla_params *dst = vla_model_params(t->model), *src = vla_model_params(m);
	size_t copied = 0, kept = 0;
	for (size_t i = 0; i < dst->n && s == VLA_OK; i++) {
		vla_param *a = dst->p[i], *b = vla_params_find(src, a->name);
		if (!b || b->n != a->n || b->ndim != a->ndim || memcmp(a->dim, b->dim, a->ndim * sizeof *a->dim)) {
			kept++;
			continue;
		}
		const float *v = vla_param_f32(b);
		if (!v)
			s = vla_nomem(err);
		else
			memcpy(a->value, v, a->n * sizeof *v);
		copied++;
	}
	vla_model_close(m);
	vla_trainer_line(t, "model: %zu parameters copied from %s, %zu fresh", copied, from, kept);
	if (s == VLA_OK && !copied)
		s = vla_recipe_fail(t->r, "model", vla_recipe_section(t->r, "model", 0), "load", err,
				    "no parameter of it fits");
	return s;
}

static vla_status load_tensor(vla_trainer *t, vla_param *p, const char *value, vla_err *err)
{
	char *path = vla_recipe_path(t->r, NULL, value), *colon = path ? strrchr(path, ':') : NULL;
	if (!path)
		return vla_nomem(err);
	vla_checkpoint *c = NULL;
	vla_status s = VLA_OK;
	if (!colon)
		s = vla_fail(err, VLA_EFORMAT, "init.%s is FILE:TENSOR or whiten:DATA, not '%s'", p->name, value);
	if (s == VLA_OK) {
		*colon = 0;
		s = vla_checkpoint_open(path, &c, err);
	}
	if (s == VLA_OK) {
		const vla_ct *ct = vla_checkpoint_get(c, colon + 1);
		if (!ct)
			s = vla_fail(err, VLA_EFORMAT, "init.%s: '%s' has no tensor '%s'", p->name, path, colon + 1);
		else if (ct->n != p->n)
			s = vla_fail(err, VLA_EFORMAT, "init.%s: '%s' has %zu numbers, the parameter %zu", p->name,
				     colon + 1, ct->n, p->n);
		else
			s = vla_ct_to_f32(ct, p->value, err);
	}
	vla_checkpoint_close(c);
	free(path);
	return s;
}

static vla_status whiten(vla_trainer *t, vla_param *p, const char *data, vla_err *err)
{
	size_t at = vla_corpus_find(t->corpus, data);
	if (at == SIZE_MAX || !t->corpus->data[at].n_vectors)
		return vla_fail(err, VLA_EINVAL, "init.%s: there is no [data %s] with vectors", p->name, data);
	const vla_data *d = &t->corpus->data[at];
	if (p->ndim != 2 || p->dim[1] != d->dim)
		return vla_fail(err, VLA_EINVAL, "init.%s: vectors of %zu numbers do not fit it", p->name, d->dim);
	float *x = vla_alloc(d->n_vectors, d->dim * sizeof *x);
	if (!x)
		return vla_nomem(err);
	for (size_t i = 0; i < d->n_vectors; i++)
		vla_data_vector(d, d->vector_row[i], x + i * d->dim);
	// A bias beside the weight takes the mean away.
	vla_param *bias = NULL;
	size_t n = strlen(p->name), end = strlen("weight");
	if (n > end && !strcmp(p->name + n - end, "weight")) {
		char *name = vla_format("%.*sbias", (int)(n - end), p->name);
		bias = name ? vla_params_find(vla_model_params(t->model), name) : NULL;
		free(name);
	}
	vla_status s =
		vla_whiten(t->o->pool, x, d->n_vectors, d->dim, p->dim[0], p->value, bias ? bias->value : NULL, err);
	free(x);
	return s;
}

vla_status vla_setup_init(vla_trainer *t, vla_err *err)
{
	vla_params *ps = vla_model_params(t->model);
	for (size_t i = 0; i < ps->n; i++)
		ps->p[i]->trainable = !ps->p[i]->buffer;
	VLA_TRY(vla_params_own(ps, err));
	if (vla_recipe_given(t->r, "model", NULL, "load"))
		VLA_TRY(load_model(t, vla_recipe_text(t->r, "model", NULL, "load"), err));
	const char *name, *value;
	for (size_t i = 0; vla_recipe_prefixed(t->r, "model", NULL, "init.", i, &name, &value); i++) {
		vla_param *p = vla_params_find(ps, name);
		if (!p)
			return vla_fail(err, VLA_EINVAL, "%s: init.%s: the model has no such parameter", t->r->path,
					name);
		if (!strncmp(value, "whiten:", 7))
			VLA_TRY(whiten(t, p, value + 7, err));
		else
			VLA_TRY(load_tensor(t, p, value, err));
	}
	vla_params_unpack(ps);
	return VLA_OK;
}

// --- freezing ---

static vla_status freeze(vla_trainer *t, const char *kind, const vla_section *sec, vla_err *err)
{
	vla_params *ps = vla_model_params(t->model);
	char **pattern;
	size_t n;
	VLA_TRY(vla_split_list(vla_recipe_text(t->r, kind, sec, "freeze"), ',', &pattern, &n, err));
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		size_t hits = 0;
		for (size_t k = 0; k < ps->n; k++)
			if (!fnmatch(pattern[i], ps->p[k]->name, 0)) {
				ps->p[k]->trainable = false;
				hits++;
			}
		if (!hits)
			s = vla_recipe_fail(t->r, kind, sec, "freeze", err, "'%s' matches no parameter", pattern[i]);
	}
	free(pattern);
	return s;
}

vla_status vla_setup_freeze(vla_trainer *t, const vla_section *stage, vla_err *err)
{
	vla_params *ps = vla_model_params(t->model);
	for (size_t i = 0; i < ps->n; i++) {
		ps->p[i]->trainable = !ps->p[i]->buffer;
		ps->p[i]->lr_scale = 1;
	}
	for (size_t i = 0; i < t->heads.n; i++)
		t->heads.p[i]->trainable = true;
	const char *pattern, *value;
	for (size_t i = 0; vla_recipe_prefixed(t->r, "model", NULL, "lr_scale.", i, &pattern, &value); i++) {
		size_t hits = 0;
		for (size_t k = 0; k < ps->n; k++)
			if (!fnmatch(pattern, ps->p[k]->name, 0)) {
				ps->p[k]->lr_scale = strtof(value, NULL);
				hits++;
			}
		if (!hits)
			return vla_fail(err, VLA_EINVAL, "%s: lr_scale.%s matches no parameter", t->r->path, pattern);
	}
	VLA_TRY(freeze(t, "model", NULL, err));
	return stage ? freeze(t, "stage", stage, err) : VLA_OK;
}
