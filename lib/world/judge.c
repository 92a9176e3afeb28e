/* Texts against rows: the scene is read back from its row, the text is parsed, each statement is looked up. */
#include "io/json.h"
#include "world/say.h"

static vla_status bad(vla_err *err, const char *what)
{
	return vla_fail(err, VLA_EFORMAT, "no row of a manifest of scenes: %s", what);
}

static bool get_value(const json_t *o, enum vla_factor f, uint8_t *out)
{
	const char *s = json_string_value(json_object_get(o, vla_factor_name(f)));
	int v = s ? vla_word_find(f, s) : -1;
	*out = (uint8_t)(v < 0 ? 0 : v);
	return v >= 0;
}

static vla_status get_thing(const vla_world *w, const json_t *o, vla_thing *t, vla_err *err)
{
	const json_t *c = json_object_get(o, "center");
	const char *name = json_string_value(json_object_get(o, "class"));
	for (int f = 0; f < VLA_CLASS; f++)
		if (!get_value(o, (enum vla_factor)f, &t->is[f]))
			return bad(err, "an object without a known look");
	for (uint32_t k = 0; w && name && k < w->opts.classes; k++)
		if (!strcmp(w->cls[k].en, name))
			t->is[VLA_CLASS] = (uint8_t)(k + 1);
	if (!json_is_number(json_array_get(c, 0)) || !json_is_number(json_array_get(c, 1)))
		return bad(err, "an object without a center");
	t->x = (float)json_number_value(json_array_get(c, 0));
	t->y = (float)json_number_value(json_array_get(c, 1));
	return VLA_OK;
}

static vla_status get_relations(const json_t *list, uint32_t n, uint8_t bits[VLA_MAX_OBJECTS][VLA_MAX_OBJECTS],
				vla_err *err)
{
	size_t i;
	json_t *r;
	json_array_foreach(list, i, r)
	{
		const char *s = json_string_value(json_array_get(r, 1));
		json_int_t a = json_integer_value(json_array_get(r, 0)), b = json_integer_value(json_array_get(r, 2));
		int k = s ? vla_word_find(VLA_RELATION, s) : -1;
		if (k < 0 || a < 0 || b < 0 || a >= (json_int_t)n || b >= (json_int_t)n)
			return bad(err, "a relation that is not known");
		bits[a][b] |= (uint8_t)(1 << k);
	}
	return VLA_OK;
}

static vla_status get_scene(const vla_world *w, const json_t *row, vla_scene *s, vla_err *err)
{
	const json_t *list = json_object_get(row, "objects"), *ground = json_object_get(row, "background");
	memset(s, 0, sizeof *s);
	if (json_array_size(list) < 1 || json_array_size(list) > VLA_MAX_OBJECTS)
		return bad(err, "no list of objects");
	s->n = (uint32_t)json_array_size(list);
	for (uint32_t i = 0; i < s->n; i++)
		VLA_TRY(get_thing(w, json_array_get(list, i), &s->thing[i], err));
	if (!get_value(ground, VLA_COLOUR, &s->colour) || !get_value(ground, VLA_TEXTURE, &s->texture))
		return bad(err, "no background");
	VLA_TRY(get_relations(json_object_get(row, "relations"), s->n, s->relation, err));
	return get_relations(json_object_get(row, "unclear"), s->n, s->unclear, err);
}

vla_status vla_world_judge(const vla_world *w, const char *row, const char *text, const char *answer,
			   vla_world_truth *out, vla_err *err)
{
	json_t *j;
	vla_scene scene;
	vla_fact fact[VLA_MAX_FACTS];
	size_t n;
	VLA_TRY(vla_json_parse(row, strlen(row), 0, &j, err));
	vla_status s = get_scene(w, j, &scene, err);
	json_decref(j);
	VLA_TRY(s);
	if (!vla_parse(w, text, answer, fact, &n)) {
		*out = VLA_WORLD_NOT_PARSED;
		return VLA_OK;
	}
	*out = VLA_WORLD_TRUE;
	for (size_t i = 0; i < n; i++) {
		enum vla_truth v = vla_fact_holds(&fact[i], &scene);
		if (v == VLA_FALSE)
			*out = VLA_WORLD_FALSE;
		else if (v == VLA_UNCLEAR && *out == VLA_WORLD_TRUE)
			*out = VLA_WORLD_UNCLEAR;
	}
	return VLA_OK;
}
