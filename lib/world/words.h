/* What the things of the micro-world are called: every factor's values with their English and Chinese words. The first
 * word of a list is the plain one, the others are paraphrases; the parser knows them all. */
#ifndef VLA_WORLD_WORDS_H
#define VLA_WORLD_WORDS_H

#include "base/base.h"

enum vla_factor {
	VLA_SHAPE,
	VLA_COLOUR,
	VLA_TEXTURE,
	VLA_MATERIAL,
	VLA_SIZE,
	VLA_CLASS, // an invented class; its values are named by the data set
	VLA_ATTRIBUTES,
	VLA_CELL = VLA_ATTRIBUTES, // one of 3 x 3 parts of the picture, row by row
	VLA_RELATION,
	VLA_NUMBER,
	VLA_FACTORS
};

enum { VLA_SHAPES = 14, VLA_COLOURS = 12, VLA_TEXTURES = 5, VLA_MATERIALS = 4, VLA_SIZES = 3, VLA_CELLS = 9 };
enum { VLA_PLAIN = 0, VLA_MATTE = 0, VLA_METAL = 1, VLA_GLASS = 2, VLA_FUZZY = 3, VLA_MEDIUM = 1, VLA_LARGE = 2 };
enum { VLA_BLACK = 8, VLA_WHITE = 9, VLA_GRAY = 10 };

enum vla_relation { VLA_LEFT, VLA_RIGHT, VLA_ABOVE, VLA_BELOW, VLA_INSIDE, VLA_FRONT, VLA_BEHIND, VLA_RELATIONS };

enum vla_language { VLA_EN, VLA_ZH, VLA_LANGUAGES };

enum { VLA_FORMS = 3 };

typedef struct vla_word {
	const char *name;            // in manifests
	const char *en[VLA_FORMS];   // NULL ends
	const char *many[VLA_FORMS]; // plurals of shapes
	const char *zh[VLA_FORMS];
} vla_word;

/* The values of a factor; n is set. Classes have none here. */
const vla_word *vla_words(enum vla_factor f, size_t *n);
const char *vla_factor_name(enum vla_factor f);
/* Number of the value called name, or -1. */
int vla_word_find(enum vla_factor f, const char *name);
/* How often what is said about the factor's value can be left out: plain texture, matte, medium. */
bool vla_word_plain(enum vla_factor f, int value);

#endif
