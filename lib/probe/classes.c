/* Zero-shot classes: a class is the direction of the mean of its names in all prompts (Radford et al. 2021). */
#include "probe/classes.h"

#include "io/file.h"
#include "io/json.h"
#include "kern/kern.h"
#include "train/intern.h"

#include <math.h>

#define MAX_LIST ((size_t)64 << 20)

static vla_status json_lines(const char *path, const char *key, char ***out, size_t *n, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	json_t *root = NULL;
	vla_status s = vla_read_file(path, MAX_LIST, &b, err);
	if (s == VLA_OK && (s = vla_json_parse(b.data, b.n, 0, &root, err)) != VLA_OK)
		vla_prefix(err, s, "'%s'", path);
	json_t *list = s == VLA_OK && key ? json_object_get(root, key) : root;
	if (s == VLA_OK && !json_is_array(list))
		s = vla_fail(err, VLA_EFORMAT, "'%s' has no list '%s'", path, key ? key : "");
	*n = s == VLA_OK ? json_array_size(list) : 0;
	*out = s == VLA_OK ? vla_zalloc(*n + 1, sizeof **out) : NULL;
	if (s == VLA_OK && !*out)
		s = vla_nomem(err);
	for (size_t i = 0; i < *n && s == VLA_OK; i++) {
		const char *one = json_string_value(json_array_get(list, i));
		(*out)[i] = vla_strdup(one ? one : "");
		s = (*out)[i] ? VLA_OK : vla_nomem(err);
	}
	if (s != VLA_OK) {
		vla_texts_free(*out, *n);
		*out = NULL;
	}
	json_decref(root);
	vla_buf_release(&b);
	return s;
}

static vla_status text_lines(const char *path, char ***out, size_t *n, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	size_t k = 0, i = 0;
	vla_status s = vla_read_file(path, MAX_LIST, &b, err);
	for (size_t c = 0; c < b.n && s == VLA_OK; c++)
		k += b.data[c] == '\n';
	*out = s == VLA_OK ? vla_zalloc(k + 2, sizeof **out) : NULL;
	if (s == VLA_OK && !*out)
		s = vla_nomem(err);
	for (char *at = b.data, *end; s == VLA_OK && at && *at; at = end) {
		end = at + strcspn(at, "\n");
		size_t len = (size_t)(end - at);
		len -= len && at[len - 1] == '\r';
		if (len && !((*out)[i++] = vla_strndup(at, len)))
			s = vla_nomem(err);
		end += *end == '\n';
	}
	*n = i;
	if (s != VLA_OK) {
		vla_texts_free(*out, i);
		*out = NULL;
	}
	vla_buf_release(&b);
	return s;
}

vla_status vla_lines_of(const char *path, char ***out, size_t *n, vla_err *err)
{
	const char *json = strstr(path, ".json:");
	size_t len = strlen(path);
	if (!json && (len < 5 || strcmp(path + len - 5, ".json") != 0))
		return text_lines(path, out, n, err);
	char *file = json ? vla_strndup(path, (size_t)(json - path) + 5) : vla_strdup(path);
	if (!file)
		return vla_nomem(err);
	vla_status s = json_lines(file, json ? json + 6 : NULL, out, n, err);
	free(file);
	return s;
}

static bool is_table(const char *path)
{
	size_t n = strlen(path);
	return (n > 4 && strcmp(path + n - 4, ".tsv") == 0) || (n > 6 && strcmp(path + n - 6, ".jsonl") == 0);
}

static uint32_t class_of(const vla_labelled *d, const char *label)
{
	for (size_t i = 0; i < d->classes; i++)
		if (strcmp(d->name[i], label) == 0)
			return (uint32_t)i;
	return UINT32_MAX;
}

// A class that no picture has is a wrong answer that can be given: it joins.
static vla_status set_name(vla_labelled *d, char ***name, const char *label, const char *text, vla_err *err)
{
	uint32_t at = class_of(d, label);
	if (at == UINT32_MAX) {
		char **more = vla_realloc(d->name, d->classes + 1, sizeof *more);
		if (more)
			d->name = more;
		char **names = vla_realloc(*name, d->classes + 1, sizeof *names);
		if (names)
			*name = names;
		if (!more || !names || !(d->name[d->classes] = vla_strdup(label)))
			return vla_nomem(err);
		at = (uint32_t)d->classes++;
		names[at] = NULL;
	}
	if ((*name)[at])
		return VLA_OK;
	(*name)[at] = vla_strdup(text);
	return (*name)[at] ? VLA_OK : vla_nomem(err);
}

static vla_status names_of_table(vla_probe *p, const char *path, vla_labelled *d, char ***name, vla_err *err)
{
	vla_probe plain = *p;
	vla_probe_opts o = *p->o;
	vla_rows r = { 0 };
	o.wheres = 0; // conditions are for pictures
	plain.o = &o;
	vla_status s = vla_rows_open(&plain, path, NULL, &r, err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "name", err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		const char *text = vla_rows_get(&r, "name"), *label = vla_table_get(r.t, "class");
		if (!label)
			label = vla_rows_get(&r, "label");
		if (text)
			s = set_name(d, name, label ? label : text, text, err);
		else
			vla_rows_warn(&r, "no name");
	}
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status names_of_lines(const char *path, vla_labelled *d, char ***name, vla_err *err)
{
	char **line, number[24];
	size_t n;
	bool numbered = true;
	VLA_TRY(vla_lines_of(path, &line, &n, err));
	for (size_t i = 0; i < d->classes; i++) {
		char *end;
		size_t k = (size_t)strtoull(d->name[i], &end, 10);
		numbered = numbered && end != d->name[i] && !*end && k < n;
	}
	vla_status s = VLA_OK;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		snprintf(number, sizeof number, "%zu", i);
		s = set_name(d, name, numbered ? number : line[i], line[i], err);
	}
	vla_texts_free(line, n);
	return s;
}

static vla_status find_names(vla_probe *p, vla_labelled *d, char ***name, vla_err *err)
{
	const char *path = vla_get(p, "classes");
	*name = vla_zalloc(d->classes, sizeof **name);
	if (!*name)
		return vla_nomem(err);
	if (*path)
		VLA_TRY(is_table(path) ? names_of_table(p, path, d, name, err) : names_of_lines(path, d, name, err));
	for (size_t i = 0; i < d->classes; i++) {
		if ((*name)[i])
			continue;
		if (*path)
			return vla_fail(err, VLA_EINVAL, "'%s' has no name of class '%.60s'", path, d->name[i]);
		(*name)[i] = vla_strdup(d->name[i]);
		if (!(*name)[i])
			return vla_nomem(err);
	}
	return VLA_OK;
}

static char *put_into(const char *prompt, const char *name)
{
	const char *at = strstr(prompt, "{}");
	size_t skip = 2;
	if (!at && (at = strstr(prompt, "{c}")))
		skip = 3;
	return at ? vla_format("%.*s%s%s", (int)(at - prompt), prompt, name, at + skip)
		  : vla_format("%s %s", prompt, name);
}

// out [classes, dim]: unit length.
static vla_status embed_classes(vla_probe *p, char *const *name, size_t n, float **out, size_t *dim, vla_err *err)
{
	char **prompt = NULL, **text = NULL;
	size_t prompts = 0;
	const char *path = vla_get(p, "prompts");
	float *v = NULL;
	vla_status s = *path ? vla_lines_of(path, &prompt, &prompts, err) : VLA_OK;
	size_t each = prompts ? prompts : 1;
	if (s == VLA_OK)
		s = (text = vla_zalloc(n, each * sizeof *text)) ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n * each && s == VLA_OK; i++) {
		text[i] = prompts ? put_into(prompt[i % each], name[i / each]) : vla_strdup(name[i]);
		s = text[i] ? VLA_OK : vla_nomem(err);
	}
	if (s == VLA_OK)
		s = vla_embed_strings(p, text, n * each, &v, dim, err);
	*out = s == VLA_OK ? vla_zalloc(n, *dim * sizeof **out) : NULL;
	if (s == VLA_OK && !*out)
		s = vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		float *c = *out + i * *dim;
		double norm = 0;
		for (size_t k = 0; k < each * *dim; k++)
			c[k % *dim] += v[i * each * *dim + k];
		for (size_t k = 0; k < *dim; k++)
			norm += (double)c[k] * c[k];
		for (size_t k = 0; k < *dim && norm > 0; k++)
			c[k] = (float)(c[k] / sqrt(norm));
	}
	free(v);
	vla_texts_free(text, text ? n * each : 0);
	vla_texts_free(prompt, prompts);
	return s;
}

vla_status vla_scored_open(vla_probe *p, vla_scored *z, vla_err *err)
{
	char **name = NULL;
	float *v = NULL;
	size_t dim = 0;
	*z = (vla_scored){ .scale = 1 };
	vla_status s = vla_labelled_open(p, &z->d, err);
	size_t named = z->d.classes;
	if (s == VLA_OK)
		s = find_names(p, &z->d, &name, err);
	if (name)
		named = z->d.classes;
	if (s == VLA_OK)
		s = embed_classes(p, name, z->d.classes, &v, &dim, err);
	if (s == VLA_OK && dim != z->d.dim)
		s = vla_fail(err, VLA_EINVAL, "pictures have vectors of %zu numbers, names of %zu", z->d.dim, dim);
	if (s == VLA_OK) {
		z->score = vla_alloc(z->d.n, z->d.classes * sizeof *z->score);
		s = z->score ? VLA_OK : vla_nomem(err);
	}
	if (s == VLA_OK) {
		vla_gemm(p->o->pool, false, true, z->d.n, z->d.classes, dim, 1, z->d.v, dim, v, dim, 0, z->score,
			 z->d.classes);
		const vla_model_info *m = p->model ? vla_model_get_info(p->model) : NULL;
		z->scale = m && m->logit_scale > 0 ? m->logit_scale : 1;
		z->bias = m ? m->logit_bias : 0;
		z->sigmoid = m && m->sigmoid;
	}
	vla_texts_free(name, named);
	free(v);
	return s;
}

void vla_scored_close(vla_scored *z)
{
	vla_labelled_close(&z->d);
	free(z->score);
	*z = (vla_scored){ 0 };
}
