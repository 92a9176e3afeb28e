/* Two files of items against each other: paired differences of the items that both have, with an interval and tests. */
#include "probe/probe.h"

#include "train/intern.h"

#include <math.h>

struct column {
	vla_intern key; // group and id
	vla_buf value;  // double [key.n]
	vla_buf group;  // uint32_t [key.n]
};

static void column_release(struct column *c)
{
	vla_intern_release(&c->key);
	vla_buf_release(&c->value);
	vla_buf_release(&c->group);
}

// Items that occur several times (texts of one picture) are told apart by their order.
static vla_status add_item(struct column *c, vla_intern *groups, const char *id, const char *group, double v,
			   vla_err *err)
{
	uint32_t at, g;
	size_t before = c->key.n;
	VLA_TRY(vla_intern_add(groups, group, &g, err));
	for (size_t copy = 0; c->key.n == before; copy++) {
		char *key = vla_format("%zu\t%s\t%s", copy, group, id);
		vla_status s = key ? vla_intern_add(&c->key, key, &at, err) : vla_nomem(err);
		free(key);
		VLA_TRY(s);
	}
	VLA_TRY(vla_buf_add(&c->value, &v, sizeof v, err));
	return vla_buf_add(&c->group, &g, sizeof g, err);
}

static vla_status read_items(vla_probe *p, const char *path, struct column *c, vla_intern *groups, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(p, path, NULL, &r, err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "value", err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "id", err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		const char *id = vla_rows_get(&r, "id"), *group = vla_rows_get(&r, "group");
		double v;
		if (id && vla_number(vla_rows_get(&r, "value"), &v))
			s = add_item(c, groups, id, group ? group : "all", v, err);
		else
			vla_rows_warn(&r, "no id, or the value is no number");
	}
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status emit_group(vla_probe *p, const char *name, size_t n, const double *d, vla_err *err)
{
	vla_estimate e;
	double up = 0, down = 0, wilcoxon;
	VLA_TRY(vla_bootstrap_ratio(n, d, NULL, p->draws, p->o->seed, &e, err));
	for (size_t i = 0; i < n; i++) {
		up += d[i] > 0;
		down += d[i] < 0;
	}
	VLA_TRY(vla_wilcoxon(n, d, &wilcoxon, err));
	VLA_TRY(vla_emit(p, name, "difference", e, (double)n, err));
	VLA_TRY(vla_emit_value(p, name, "second higher", up, (double)n, err));
	VLA_TRY(vla_emit_value(p, name, "first higher", down, (double)n, err));
	VLA_TRY(vla_emit_value(p, name, "p of signs", vla_sign_test(up, down), (double)n, err));
	VLA_TRY(vla_emit_value(p, name, "p of ranks", wilcoxon, (double)n, err));
	return vla_emit_value(p, name, "p of permutation", vla_permutation_paired(n, d, p->draws, p->o->seed),
			      (double)n, err);
}

static vla_status emit_all(vla_probe *p, const struct column *a, const struct column *b, const vla_intern *groups,
			   vla_err *err)
{
	size_t met = 0;
	double *d = vla_alloc(a->key.n, sizeof *d);
	uint32_t *of = vla_alloc(a->key.n, sizeof *of);
	double *one = vla_alloc(a->key.n, sizeof *one);
	vla_status s = d && of && one ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < a->key.n && s == VLA_OK; i++) {
		uint32_t at = vla_intern_find(&b->key, a->key.text[i]);
		if (at == UINT32_MAX)
			continue;
		d[met] = ((const double *)(const void *)b->value.data)[at] -
			 ((const double *)(const void *)a->value.data)[i];
		of[met++] = ((const uint32_t *)(const void *)a->group.data)[i];
	}
	if (s == VLA_OK && met == 0)
		s = vla_fail(err, VLA_EINVAL, "the two files have no item in common");
	size_t left = s == VLA_OK ? a->key.n + b->key.n - 2 * met : 0;
	if (left)
		vla_probe_warn(p, "%zu items are in one file alone", left);
	for (size_t g = 0; g < groups->n && s == VLA_OK; g++) {
		size_t k = 0;
		for (size_t i = 0; i < met; i++)
			if (of[i] == g)
				one[k++] = d[i];
		if (k)
			s = emit_group(p, groups->text[g], k, one, err);
	}
	if (s == VLA_OK && groups->n > 1)
		s = emit_group(p, "all", met, d, err);
	free(d);
	free(of);
	free(one);
	return s;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct column a = { 0 }, b = { 0 };
	vla_intern groups = { 0 };
	vla_status s = p->o->inputs == 2 ? VLA_OK : vla_fail(err, VLA_EINVAL, "task compare takes two files of items");
	if (s == VLA_OK)
		s = read_items(p, p->o->input[0], &a, &groups, err);
	if (s == VLA_OK)
		s = read_items(p, p->o->input[1], &b, &groups, err);
	if (s == VLA_OK)
		s = emit_all(p, &a, &b, &groups, err);
	column_release(&a);
	column_release(&b);
	vla_intern_release(&groups);
	return s;
}

const vla_probe_kind vla_probe_compare = { "compare", "two files of items: paired differences and tests", run, NULL };
