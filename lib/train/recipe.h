/* Recipes: a text file of sections and keys, checked against one table of known keys. The format is vla-recipe(5). */
#ifndef VLA_TRAIN_RECIPE_H
#define VLA_TRAIN_RECIPE_H

#include "base/base.h"

#include <vla/train.h>

typedef enum vla_row_type {
	VLA_ROW_TEXT,
	VLA_ROW_PATH, /* see vla_recipe_path */
	VLA_ROW_LIST, /* texts between commas */
	VLA_ROW_BOOL, /* yes, no, true, false, 1, 0 */
	VLA_ROW_INT,
	VLA_ROW_NUMBER,
	VLA_ROW_CHOICE, /* one word of the row's choices */
	VLA_ROW_CHOICES /* several of them, between commas */
} vla_row_type;

/* One row of the table of known keys. */
typedef struct vla_recipe_row {
	const char *section; /* "run", "data", ... */
	const char *name;    /* "lr"; "lr_scale." stands for lr_scale.ANYTHING */
	vla_row_type type;
	const char *fallback; /* value when the key is absent; "" = none */
	double min, max;      /* INT, NUMBER */
	const char *choices;  /* CHOICE: "a|b|c" */
	bool neutral;         /* does not change the trained weights, so a resumed run may differ in it */
	const char *help;     /* one line */
} vla_recipe_row;

/* Ends with a row whose section is NULL; rows of one section are together. */
extern const vla_recipe_row vla_recipe_rows[];

/* A section that may occur several times under different names; [data] without a name gives defaults to all. */
bool vla_section_named(const char *section);

typedef struct vla_setting {
	char *key, *value;
	unsigned line; /* 0: from the command line */
} vla_setting;

typedef struct vla_section {
	char *kind, *name; /* name "" for an unnamed one */
	unsigned line;
	vla_setting *set;
	size_t n, cap;
} vla_section;

struct vla_recipe {
	char *path, *dir; /* the file and its folder */
	vla_section *sec;
	size_t n, cap;
};

/* Parses text (NUL-terminated) as a recipe called path; vla_recipe_open reads the file and applies overrides. */
vla_status vla_recipe_parse(const char *path, const char *text, const char *const *overrides, size_t n,
			    vla_recipe **out, vla_err *err) VLA_MUST_USE;

/* The i-th section of this kind that has a name (for kinds without names: the section itself), NULL past the end. */
const vla_section *vla_recipe_section(const vla_recipe *r, const char *kind, size_t i);
const vla_section *vla_recipe_find(const vla_recipe *r, const char *kind, const char *name);

/* Values: of the section, else of the unnamed section of its kind, else the table's fallback. sec may be NULL: the
 * defaults of kind. Types were checked when the recipe was read, so that these cannot fail. */
const char *vla_recipe_text(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);
bool vla_recipe_bool(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);
int64_t vla_recipe_int(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);
double vla_recipe_number(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);
/* Position of the value among the row's choices. */
unsigned vla_recipe_choice(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);
bool vla_recipe_given(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);
/* Line of the key's value for messages; 0 when it is not in the file. */
unsigned vla_recipe_line(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key);

/* The i-th key of the section (then of its defaults) that starts with prefix: rest is what follows. false past the end.
 */
bool vla_recipe_prefixed(const vla_recipe *r, const char *kind, const vla_section *sec, const char *prefix, size_t i,
			 const char **rest, const char **value);

/* A path as the user meant it: absolute as it is; else relative to root; root NULL: the recipe's folder. malloc'd. */
char *vla_recipe_path(const vla_recipe *r, const char *root, const char *path);

/* Splits at commas, trims blanks; empty parts vanish. One allocation, free(list). */
vla_status vla_split_list(const char *s, char sep, char ***list, size_t *n, vla_err *err) VLA_MUST_USE;

/* Hash over all settings that change the weights. */
uint64_t vla_recipe_hash(const vla_recipe *r);

/* Fails with the recipe's file, and line when the key was given there. */
vla_status vla_recipe_fail(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key, vla_err *err,
			   const char *fmt, ...) VLA_PRINTF(6, 7);

#endif
