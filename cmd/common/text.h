/* Strings inside lines of output. */
#ifndef VLA_COMMON_TEXT_H
#define VLA_COMMON_TEXT_H

#include <stdio.h>

/* One TSV field: tab, newline, carriage return and backslash as \t \n \r \\. */
void put_tsv(FILE *f, const char *s);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void put_json(FILE *f, const char *s);

#endif
