/* The list of families and the rewriting of tensor names by their tables. */
#include "model/family.h"

#include <ctype.h>

static const vla_family *const families[] = {
	&vla_family_dual,        &vla_family_clip,         &vla_family_siglip,       &vla_family_siglip2,
	&vla_family_fgclip2,     &vla_family_chinese_clip, &vla_family_dinov2,       &vla_family_dinov2_with_registers,
	&vla_family_openai_clip, &vla_family_open_clip,    &vla_family_mobilenet_v2,
};
#define NFAMILIES (sizeof families / sizeof families[0])
#define MAX_BLOCKS 512

vla_status vla_family_find(const json_t *config, const vla_family **out, vla_err *err)
{
	const char *type = json_string_value(json_object_get(config, "model_type"));
	char known[256] = "";
	for (size_t i = 0; i < NFAMILIES; i++) {
		if (type && strcmp(type, families[i]->name) == 0) {
			*out = families[i];
			return VLA_OK;
		}
		size_t n = strlen(known);
		snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", families[i]->name);
	}
	if (!type)
		return vla_fail(err, VLA_EFORMAT, "config.json has no model_type (known: %s)", known);
	return vla_fail(err, VLA_EUNSUPPORTED, "model_type '%s' is not known; known: %s", type, known);
}

void vla_arch_release(vla_arch *a)
{
	free(a->convnet.block);
	a->convnet.block = NULL;
	a->convnet.blocks = 0;
}

// Rewrites name by one rule; false when it does not match or does not fit.
static bool rewrite(const vla_name_rule *r, const char *name, char *buf, size_t n)
{
	long number = 0;
	const char *p = r->ours;
	for (; *p && *p != '~'; p++) {
		if (*p == '#') {
			if (!isdigit((unsigned char)*name))
				return false;
			char *end;
			number = strtol(name, &end, 10);
			name = end;
		} else if (*p != *name++) {
			return false;
		}
	}
	if (*p != '~' && *name)
		return false;
	size_t at = 0;
	for (const char *s = r->stored; *s && at < n; s++) {
		int k;
		if (*s == '#' && s[1] == '-') {
			k = snprintf(buf + at, n - at, "%ld", number - (s[2] - '0'));
			s += 2;
		} else if (*s == '#') {
			k = snprintf(buf + at, n - at, "%ld", number);
		} else if (*s == '~') {
			k = snprintf(buf + at, n - at, "%s", name);
		} else {
			k = snprintf(buf + at, n - at, "%c", *s);
		}
		at += (size_t)k;
	}
	return at < n;
}

bool vla_family_stored_name(const vla_family *f, const vla_arch *a, const char *ours, char *buf, size_t n,
			    vla_layout *layout)
{
	const vla_name_rule *rules = a->rules ? a->rules : f->rules;
	*layout = VLA_LAYOUT_SAME;
	if (!rules)
		return (size_t)snprintf(buf, n, "%s", ours) < n;
	for (const vla_name_rule *r = rules; r->ours; r++)
		if (rewrite(r, ours, buf, n)) {
			*layout = r->layout;
			return true;
		}
	return false;
}

unsigned vla_layout_shape(vla_layout layout, const vla_param *p, size_t *dim)
{
	const size_t *d = p->dim;
	unsigned k, parts = vla_layout_parts(layout, &k);
	size_t lead = layout == VLA_LAYOUT_LEAD ? 1 : layout == VLA_LAYOUT_LEAD2 ? 2 : 0;
	switch (layout) {
	case VLA_LAYOUT_CONV: memcpy(dim, (size_t[]){ d[0], d[3], d[1], d[2] }, 4 * sizeof *dim); return 4;
	case VLA_LAYOUT_DEPTHWISE: memcpy(dim, (size_t[]){ d[2], 1, d[0], d[1] }, 4 * sizeof *dim); return 4;
	case VLA_LAYOUT_FLAT:
		dim[0] = d[0];
		dim[1] = p->n / d[0];
		return 2;
	case VLA_LAYOUT_TRANSPOSE: memcpy(dim, (size_t[]){ d[1], d[0] }, 2 * sizeof *dim); return 2;
	default:
		dim[0] = dim[1] = 1;
		memcpy(dim + lead, d, p->ndim * sizeof *dim);
		dim[0] *= parts;
		return p->ndim + (unsigned)lead;
	}
}

bool vla_layout_moves(vla_layout layout)
{
	return layout == VLA_LAYOUT_CONV || layout == VLA_LAYOUT_DEPTHWISE || layout == VLA_LAYOUT_TRANSPOSE;
}

size_t vla_round_channels(double x, size_t divisor, size_t min)
{
	size_t n = (size_t)(x + (double)divisor / 2) / divisor * divisor;
	n = n < min ? min : n;
	return (double)n < 0.9 * x ? n + divisor : n;
}

vla_status vla_arch_add_blocks(vla_arch *a, size_t channels, double expand, unsigned kernel, unsigned stride,
			       unsigned repeat, vla_err *err)
{
	vla_convnet_opts *o = &a->convnet;
	if (repeat > MAX_BLOCKS || o->blocks + repeat > MAX_BLOCKS)
		return vla_fail(err, VLA_EFORMAT, "more than %d blocks", MAX_BLOCKS);
	vla_nn_residual_opts *b = vla_realloc(o->block, o->blocks + repeat, sizeof *b);
	if (!b)
		return vla_nomem(err);
	o->block = b;
	for (unsigned i = 0; i < repeat; i++) {
		size_t in = o->blocks ? b[o->blocks - 1].out : o->stem_channels;
		b[o->blocks++] = (vla_nn_residual_opts){
			.in = in,
			.hidden = expand == 1 ? in : vla_round_channels((double)in * expand, 8, 8),
			.out = channels,
			.expand = expand != 1,
			.kernel = kernel,
			.stride = i ? 1 : stride,
		};
	}
	return VLA_OK;
}
