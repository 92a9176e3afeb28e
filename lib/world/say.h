/* Facts to sentences and back, in English and Chinese. */
#ifndef VLA_WORLD_SAY_H
#define VLA_WORLD_SAY_H

#include "world/world.h"

/* Text built piece by piece; the first failure is kept. */
typedef struct vla_text {
	const vla_world *w; // names of invented classes; may be NULL
	vla_rng *rng;       // chooses wordings; NULL: always the plain one
	enum vla_language lang;
	vla_buf b; // NUL-terminated when not empty
	vla_status status;
} vla_text;

void vla_text_reset(vla_text *t, enum vla_language lang);
void vla_text_add(vla_text *t, const char *s);
const char *vla_text_get(const vla_text *t); /* "" when empty */
/* A number in [0, n), 0 without rng. */
unsigned vla_text_pick(vla_text *t, unsigned n);

enum vla_article { VLA_ARTICLE_A, VLA_ARTICLE_THE, VLA_ARTICLE_NONE };

/* A noun phrase. count 0: with the article; 1: exactly one; more: that number, plural; VLA_MANY: plural without one. */
enum { VLA_MANY = 255 };
void vla_say_desc(vla_text *t, const vla_desc *d, unsigned count, enum vla_article article);
/* The word of a factor's value, as it stands alone ("red", "红色"). */
void vla_say_value(vla_text *t, enum vla_factor f, unsigned value);
/* A whole statement. */
void vla_say_fact(vla_text *t, const vla_fact *f);

enum { VLA_MAX_FACTS = 48 };

/* The statements of a text, whichever language. false when there is something else in it. answer may be NULL; else text
 * is a question. */
bool vla_parse(const vla_world *w, const char *text, const char *answer, vla_fact *out, size_t *n);

#endif
