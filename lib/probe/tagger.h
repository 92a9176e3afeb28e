/* Parts of speech of English captions, coarse: what a word list and endings tell. Exact tags, where the data has them,
 * are better; a probe that depends on them should carry them. */
#ifndef VLA_PROBE_TAGGER_H
#define VLA_PROBE_TAGGER_H

#include "base/base.h"

typedef enum vla_pos { VLA_POS_OTHER, VLA_POS_NOUN, VLA_POS_VERB, VLA_POS_ADJECTIVE } vla_pos;

/* From a Penn Treebank tag ("NNS") or a universal one ("NOUN"). */
vla_pos vla_pos_parse(const char *tag, size_t n);
/* The word as it stands, punctuation around it ignored. */
vla_pos vla_pos_guess(const char *word);

#endif
