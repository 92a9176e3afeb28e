/* A set of strings: open addressing at most half full. */
#include "index/intake.h"

struct slot {
	const char *id;
	uint64_t number;
};

struct vla_id_set {
	struct slot *slot; // [mask + 1]
	size_t mask;
};

vla_status vla_id_set_new(size_t most, vla_id_set **out, vla_err *err)
{
	size_t n = 16;
	while (n / 2 < most && n < SIZE_MAX / 4)
		n *= 2;
	vla_id_set *s = vla_zalloc(1, sizeof *s);
	struct slot *slot = vla_zalloc(n, sizeof *slot);
	if (!s || !slot) {
		free(s);
		free(slot);
		return vla_nomem(err);
	}
	s->slot = slot;
	s->mask = n - 1;
	*out = s;
	return VLA_OK;
}

void vla_id_set_free(vla_id_set *s)
{
	if (s)
		free(s->slot);
	free(s);
}

static struct slot *find(const vla_id_set *s, const char *id)
{
	size_t i = (size_t)vla_hash64(id, strlen(id), 0) & s->mask;
	while (s->slot[i].id && strcmp(s->slot[i].id, id) != 0)
		i = (i + 1) & s->mask;
	return &s->slot[i];
}

bool vla_id_set_add(vla_id_set *s, const char *id, uint64_t *number)
{
	struct slot *p = find(s, id);
	if (p->id) {
		*number = p->number;
		return false;
	}
	*p = (struct slot){ id, *number };
	return true;
}

bool vla_id_set_find(const vla_id_set *s, const char *id, uint64_t *number)
{
	const struct slot *p = find(s, id);
	if (p->id)
		*number = p->number;
	return p->id != NULL;
}
