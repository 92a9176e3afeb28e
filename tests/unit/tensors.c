#include "tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tensors tensors_load(const char *path)
{
	tensors t = { NULL, 0 };
	FILE *f = path ? fopen(path, "rb") : NULL;
	if (!f)
		return t;
	fseek(f, 0, SEEK_END);
	long n = ftell(f);
	rewind(f);
	uint8_t *p = n > 8 ? malloc((size_t)n) : NULL;
	if (p && fread(p, 1, (size_t)n, f) == (size_t)n)
		t = (tensors){ p, (size_t)n };
	else
		free(p);
	fclose(f);
	return t;
}

void tensors_free(tensors *t)
{
	free(t->bytes);
	*t = (tensors){ NULL, 0 };
}

static const char *numbers(const char *s, const char *key, size_t *out, size_t max)
{
	if (!(s = strstr(s, key)) || !(s = strchr(s, '[')))
		return NULL;
	for (size_t i = 0; i < max && *s != ']'; i++) {
		char *end;
		out[i] = strtoull(s + 1, &end, 10);
		s = end;
	}
	return s;
}

const void *tensors_find(const tensors *t, const char *name, size_t shape[4])
{
	uint64_t head;
	char key[256];
	if (!t->bytes)
		return NULL;
	memcpy(&head, t->bytes, 8);
	char *json = malloc(head + 1);
	memcpy(json, t->bytes + 8, head);
	json[head] = 0;
	snprintf(key, sizeof key, "\"%s\":", name);
	const char *s = strstr(json, key);
	size_t at[2] = { 0, 0 };
	for (int i = 0; i < 4; i++)
		shape[i] = 1;
	const void *found = NULL;
	if (s && numbers(s, "\"shape\"", shape, 4) && numbers(s, "\"data_offsets\"", at, 2))
		found = t->bytes + 8 + head + at[0];
	free(json);
	return found;
}
