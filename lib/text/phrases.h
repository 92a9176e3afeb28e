/* Short texts about anything, made from a word list: what a text is when nothing is known about it. */
#ifndef VLA_TEXT_PHRASES_H
#define VLA_TEXT_PHRASES_H

#include "base/base.h"

/* Phrase number i; the same on every machine. Returns its length, writes at most cap - 1 bytes and a zero byte. */
size_t vla_phrase(uint64_t i, char *out, size_t cap);

#endif
