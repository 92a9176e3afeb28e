/* Names of classes as vectors, and the scores of pictures against them. */
#ifndef VLA_PROBE_CLASSES_H
#define VLA_PROBE_CLASSES_H

#include "probe/probe.h"

typedef struct vla_scored {
	vla_labelled d;
	float *score; // [d.n, d.classes]: cosines
	float scale, bias;
	bool sigmoid; // how the model's own scores become probabilities
} vla_scored;

/* Lines of a text file, or the list at a key of a JSON file ("FILE.json:KEY"). Free with vla_texts_free. */
vla_status vla_lines_of(const char *path, char ***out, size_t *n, vla_err *err) VLA_MUST_USE;

/* Reads pictures with classes, embeds the classes' names in all prompts (settings `classes` and `prompts`), scores. */
vla_status vla_scored_open(vla_probe *p, vla_scored *z, vla_err *err) VLA_MUST_USE;
void vla_scored_close(vla_scored *z);

#define VLA_CLASS_KEYS \
	{ "classes", "", "file of the classes: a table with label and name, or names, one a line" }, \
		{ "prompts", "", "file of prompts, one a line, {} for the name" }, \
		{ "train", "", "condition of the rows to learn from" }, \
	{ \
		"test", "", "condition of the rows to measure" \
	}

#endif
