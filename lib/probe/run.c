/* The tasks in one table, their settings, and how results leave. */
#include "probe/probe.h"

#include "io/file.h"

#include <errno.h>
#include <math.h>
#include <vla/convert.h>

static const vla_probe_kind *const kinds[] = {
	&vla_probe_retrieval, &vla_probe_words,       &vla_probe_gap,       &vla_probe_hubness, &vla_probe_uniformity,
	&vla_probe_zeroshot,  &vla_probe_calibration, &vla_probe_linear,    &vla_probe_knn,     &vla_probe_choice,
	&vla_probe_contrast,  &vla_probe_snare,       &vla_probe_yesno,     &vla_probe_objects, &vla_probe_boxes,
	&vla_probe_masks,     &vla_probe_captions,    &vla_probe_clipscore, &vla_probe_tokens,  &vla_probe_segments,
	&vla_probe_encoding,  &vla_probe_compare,     &vla_probe_manifest,
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *vla_probe_task(size_t i, const char **purpose)
{
	if (i >= KINDS)
		return NULL;
	if (purpose)
		*purpose = kinds[i]->purpose;
	return kinds[i]->name;
}

const char *vla_probe_setting(size_t task, size_t i, const char **value, const char **purpose)
{
	if (task >= KINDS || !kinds[task]->key)
		return NULL;
	for (size_t k = 0; k < i; k++)
		if (!kinds[task]->key[k].name)
			return NULL;
	const vla_probe_key *key = &kinds[task]->key[i];
	if (value)
		*value = key->value;
	if (purpose)
		*purpose = key->purpose;
	return key->name;
}

static vla_status find_kind(const char *task, const vla_probe_kind **out, vla_err *err)
{
	const char *name[KINDS];
	for (size_t i = 0; i < KINDS; i++) {
		name[i] = kinds[i]->name;
		if (strcmp(name[i], task) == 0) {
			*out = kinds[i];
			return VLA_OK;
		}
	}
	const char *near = vla_nearest(task, name, KINDS);
	return vla_fail(err, VLA_EINVAL, "unknown task '%s'%s%s%s", task, near ? " (did you mean '" : "",
			near ? near : "", near ? "'?)" : "");
}

static const vla_probe_key *find_key(const vla_probe_kind *kind, const char *s, size_t n)
{
	for (const vla_probe_key *k = kind->key; k && k->name; k++)
		if (strlen(k->name) == n && memcmp(k->name, s, n) == 0)
			return k;
	return NULL;
}

static vla_status check_settings(const vla_probe *p, vla_err *err)
{
	for (size_t i = 0; i < p->o->sets; i++) {
		const char *s = p->o->set[i];
		size_t n = strcspn(s, "=");
		if (!s[n] || !find_key(p->kind, s, n))
			return vla_fail(err, VLA_EINVAL,
					s[n] ? "task %s has no setting '%.*s'"
					     : "a setting of task %s is KEY=VALUE, not '%.*s'",
					p->kind->name, (int)(n < 60 ? n : 60), s);
	}
	return VLA_OK;
}

const char *vla_get(const vla_probe *p, const char *key)
{
	const char *found = NULL;
	size_t n = strlen(key);
	for (size_t i = 0; i < p->o->sets; i++)
		if (strncmp(p->o->set[i], key, n) == 0 && p->o->set[i][n] == '=')
			found = p->o->set[i] + n + 1;
	const vla_probe_key *k = find_key(p->kind, key, n);
	return found ? found : k ? k->value : "";
}

bool vla_number(const char *s, double *out)
{
	char *end;
	if (!s || !*s || *s == ' ')
		return false;
	double v = strtod(s, &end);
	if (*end || !isfinite(v))
		return false;
	*out = v;
	return true;
}

vla_status vla_get_number(const vla_probe *p, const char *key, double least, double most, double *out, vla_err *err)
{
	const char *s = vla_get(p, key);
	if (!vla_number(s, out) || *out < least || *out > most)
		return vla_fail(err, VLA_EINVAL, "setting %s: '%.60s' is no number between %g and %g", key, s, least,
				most);
	return VLA_OK;
}

vla_status vla_get_count(const vla_probe *p, const char *key, size_t least, size_t most, size_t *out, vla_err *err)
{
	double v;
	VLA_TRY(vla_get_number(p, key, (double)least, (double)most, &v, err));
	if (v != floor(v))
		return vla_fail(err, VLA_EINVAL, "setting %s: '%.60s' is not whole", key, vla_get(p, key));
	*out = (size_t)v;
	return VLA_OK;
}

vla_status vla_get_list(const vla_probe *p, const char *key, double **out, size_t *n, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	const char *s = vla_get(p, key);
	*n = 0;
	for (const char *at = s;;) {
		char *end;
		double from = strtod(at, &end), to = from;
		bool good = end != at && isfinite(from);
		if (good && *end == ':') {
			at = end + 1;
			to = strtod(at, &end);
			good = end != at && isfinite(to) && to >= from && to - from < 100000;
		}
		if (!good || (*end && *end != ',')) {
			vla_buf_release(&b);
			return vla_fail(err, VLA_EINVAL, "setting %s: '%.60s' is no list of numbers", key, s);
		}
		for (double v = from; v <= to; v++, ++*n) {
			vla_status st = vla_buf_add(&b, &v, sizeof v, err);
			if (st != VLA_OK) {
				vla_buf_release(&b);
				return st;
			}
		}
		if (!*end)
			break;
		at = end + 1;
	}
	*out = (double *)(void *)b.data;
	return VLA_OK;
}

vla_status vla_emit(vla_probe *p, const char *group, const char *measure, vla_estimate e, double n, vla_err *err)
{
	vla_result r = { group, measure, e.value, e.low, e.high, n };
	return p->o->result ? p->o->result(p->o->ctx, &r, err) : VLA_OK;
}

vla_status vla_emit_value(vla_probe *p, const char *group, const char *measure, double value, double n, vla_err *err)
{
	return vla_emit(p, group, measure, (vla_estimate){ value, NAN, NAN }, n, err);
}

void vla_probe_warn(const vla_probe *p, const char *fmt, ...)
{
	if (!p->o->warn)
		return;
	char msg[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	p->o->warn(p->o->ctx, msg);
}

void vla_item(vla_probe *p, const char *id, const char *group, double value)
{
	if (!p->items)
		return;
	FILE *f = vla_outfile_stream(p->items);
	vla_write_tsv(f, id);
	putc('\t', f);
	vla_write_tsv(f, group);
	fprintf(f, "\t%.9g\n", value);
}

vla_status vla_probe_model(vla_probe *p, vla_err *err)
{
	vla_model_opts o = { .pool = p->o->pool, .compute = p->o->compute };
	return p->model ? VLA_OK : vla_model_open(p->o->model, &o, &p->model, err);
}

vla_status vla_probe_run(const char *task, const vla_probe_opts *o, vla_err *err)
{
	vla_probe p = { .o = o, .draws = o->draws ? o->draws : 1000 };
	VLA_TRY(find_kind(task, &p.kind, err));
	VLA_TRY(check_settings(&p, err));
	vla_status s = VLA_OK;
	if (o->items) {
		s = vla_outfile_open(o->items, &p.items, err);
		if (s == VLA_OK)
			fputs("id\tgroup\tvalue\n", vla_outfile_stream(p.items));
	}
	if (s == VLA_OK && o->join)
		s = vla_join_open(&p, o->join, &p.join, err);
	if (s == VLA_OK)
		s = p.kind->run(&p, err);
	if (s == VLA_OK && p.items)
		s = vla_outfile_commit(p.items, err);
	vla_outfile_close(p.items);
	vla_join_close(p.join);
	vla_stream_rows_close(p.image_rows);
	vla_stream_rows_close(p.text_rows);
	vla_model_close(p.model);
	return s;
}
