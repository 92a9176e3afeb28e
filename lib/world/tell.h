/* Everything that is told of a scene, as fields of its row. */
#ifndef VLA_WORLD_TELL_H
#define VLA_WORLD_TELL_H

#include "world/say.h"

enum { VLA_CAPTIONS = 4 };

/* What the fields are made from; text is used for every sentence. */
typedef struct vla_teller {
	const vla_world *w;
	const vla_scene *s;
	vla_rng rng;
	vla_text text;
	vla_json_out *j;
	vla_fact caption[VLA_CAPTIONS];
} vla_teller;

/* caption, caption_zh, paraphrase, paraphrase_zh, long, long_zh. */
void vla_tell_captions(vla_teller *t);
/* negatives, negations. */
void vla_tell_negatives(vla_teller *t);
/* qa. */
void vla_tell_questions(vla_teller *t);

/* Appends KEY: TEXT and KEY_zh: TEXT of one fact. */
void vla_tell_fact(vla_teller *t, const char *key, const vla_fact *f);
/* The fact as plainly as can be, or with drawn words. */
const char *vla_tell(vla_teller *t, enum vla_language lang, const vla_fact *f);
const char *vla_tell_desc(vla_teller *t, enum vla_language lang, const vla_desc *d, enum vla_article article);

/* A description of object i with some of its attributes. */
vla_desc vla_desc_draw(vla_rng *rng, const vla_thing *t);
/* A fact that is false but for one word or exchange; kind says which. */
bool vla_fact_spoil(const vla_world *w, const vla_scene *s, const vla_fact *f, vla_rng *rng, vla_fact *out,
		    const char **kind);

#endif
