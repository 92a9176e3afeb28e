/* A hash table of strings with open addressing; numbers count up from 0 in order of first appearance. */
#include "train/intern.h"

static size_t probe(const vla_intern *t, const char *s)
{
	size_t mask = t->slots - 1, i = (size_t)vla_hash64(s, strlen(s), 0) & mask;
	while (t->slot[i] && strcmp(t->text[t->slot[i] - 1], s))
		i = (i + 1) & mask;
	return i;
}

static vla_status grow(vla_intern *t, vla_err *err)
{
	size_t cap = t->cap ? t->cap * 2 : 64, slots = cap * 2;
	char **text = vla_realloc(t->text, cap, sizeof *text);
	if (!text)
		return vla_nomem(err);
	t->text = text;
	uint32_t *slot = vla_zalloc(slots, sizeof *slot);
	if (!slot)
		return vla_nomem(err);
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	t->cap = cap;
	for (size_t i = 0; i < t->n; i++)
		t->slot[probe(t, t->text[i])] = (uint32_t)i + 1;
	return VLA_OK;
}

uint32_t vla_intern_find(const vla_intern *t, const char *s)
{
	return t->slots ? t->slot[probe(t, s)] - 1 : UINT32_MAX;
}

vla_status vla_intern_add(vla_intern *t, const char *s, uint32_t *out, vla_err *err)
{
	uint32_t id = vla_intern_find(t, s);
	if (id == UINT32_MAX) {
		if (t->n >= UINT32_MAX - 1)
			return vla_fail(err, VLA_EUNSUPPORTED, "too many strings");
		if (t->n == t->cap)
			VLA_TRY(grow(t, err));
		char *copy = vla_strdup(s);
		if (!copy)
			return vla_nomem(err);
		id = (uint32_t)t->n;
		t->text[t->n++] = copy;
		t->slot[probe(t, s)] = id + 1;
	}
	*out = id;
	return VLA_OK;
}

void vla_intern_release(vla_intern *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->text[i]);
	free(t->text);
	free(t->slot);
	*t = (vla_intern){ NULL, 0, 0, NULL, 0 };
}
