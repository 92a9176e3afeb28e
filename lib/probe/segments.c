/* How tokens and segments of pictures divide each other up: homogeneity, completeness and their V-measure (Rosenberg
 * and Hirschberg 2007), purity. The level of segments that tokens fit best is their granularity. */
#include "probe/probe.h"

#include "train/intern.h"

#include <math.h>

struct table {
	vla_intern segment, token;
	vla_buf pair; // uint32_t [2]
};

static vla_status read_rows(vla_probe *p, const char *path, struct table *t, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(p, path, NULL, &r, err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "segment", err);
	if (s == VLA_OK)
		s = vla_rows_need(&r, "token", err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
		const char *segment = vla_rows_get(&r, "segment"), *token = vla_rows_get(&r, "token");
		uint32_t pair[2];
		if (!segment || !token) {
			vla_rows_warn(&r, "segment and token are not both there");
			continue;
		}
		s = vla_intern_add(&t->segment, segment, &pair[0], err);
		if (s == VLA_OK)
			s = vla_intern_add(&t->token, token, &pair[1], err);
		if (s == VLA_OK)
			s = vla_buf_add(&t->pair, pair, sizeof pair, err);
	}
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

static double entropy(size_t n, const double *x, double all)
{
	double h = 0;
	for (size_t i = 0; i < n; i++)
		h -= x[i] > 0 ? x[i] / all * log(x[i] / all) : 0;
	return h;
}

static vla_status emit_all(vla_probe *p, const struct table *t, vla_err *err)
{
	const uint32_t *pair = (const uint32_t *)(const void *)t->pair.data;
	size_t n = t->pair.n / (2 * sizeof *pair), a = t->segment.n, b = t->token.n;
	double *both = b && a > SIZE_MAX / 8 / b ? NULL : vla_zalloc(a * b, sizeof *both);
	double *sa = vla_zalloc(a, sizeof *sa), *sb = vla_zalloc(b, sizeof *sb), all = (double)n, pure = 0;
	if (!both || !sa || !sb || n == 0) {
		free(both);
		free(sa);
		free(sb);
		return n ? vla_nomem(err) : vla_fail(err, VLA_EINVAL, "no token in a segment");
	}
	for (size_t i = 0; i < n; i++) {
		both[pair[2 * i] * b + pair[2 * i + 1]]++;
		sa[pair[2 * i]]++;
		sb[pair[2 * i + 1]]++;
	}
	for (size_t k = 0; k < b; k++) {
		double most = 0;
		for (size_t i = 0; i < a; i++)
			most = fmax(most, both[i * b + k]);
		pure += most;
	}
	double ha = entropy(a, sa, all), hb = entropy(b, sb, all), hab = entropy(a * b, both, all);
	double h = ha > 0 ? 1 - (hab - hb) / ha : 1, c = hb > 0 ? 1 - (hab - ha) / hb : 1;
	free(both);
	free(sa);
	free(sb);
	VLA_TRY(vla_emit_value(p, "all", "homogeneity", h, all, err));
	VLA_TRY(vla_emit_value(p, "all", "completeness", c, all, err));
	VLA_TRY(vla_emit_value(p, "all", "V-measure", h + c > 0 ? 2 * h * c / (h + c) : 0, all, err));
	VLA_TRY(vla_emit_value(p, "all", "purity", pure / all, all, err));
	return vla_emit_value(p, "all", "tokens a segment", all / (double)a, all, err);
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct table t = { 0 };
	vla_status s = p->o->inputs ? VLA_OK : vla_fail(err, VLA_EINVAL, "task segments needs a table");
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++)
		s = read_rows(p, p->o->input[i], &t, err);
	if (s == VLA_OK)
		s = emit_all(p, &t, err);
	vla_intern_release(&t.segment);
	vla_intern_release(&t.token);
	vla_buf_release(&t.pair);
	return s;
}

const vla_probe_kind vla_probe_segments = { "segments", "how tokens fit segments: homogeneity, completeness, V-measure",
					    run, NULL };
