/* Pictures of hits: a contact sheet drawn from the files that ids name.
 *
 *	struct hit_sheet s;
 *	hit_sheet_init(&s);
 *	hit_sheet_add(&s, "dog", "photos/1.jpg", NULL, 0.31);
 *	hit_sheet_save(&s, "hits.jpg", NULL);    // dies when it cannot be written
 *	hit_sheet_release(&s);
 */
#ifndef VLA_COMMON_HITS_H
#define VLA_COMMON_HITS_H

#include <vla/status.h>

struct hit_sheet_row {
	char *query, *id, *caption;
	double score;
};

struct hit_sheet {
	struct hit_sheet_row *row;
	size_t n, cap;
};

void hit_sheet_init(struct hit_sheet *s);
/* Strings are copied; caption may be NULL. Hits past the 400th are left out with a warning. */
void hit_sheet_add(struct hit_sheet *s, const char *query, const char *id, const char *caption, double score);
/* Ids are paths; a media fragment #xywh=x,y,w,h is cut out, any other ignored. What cannot be read is a crossed square.
 * font: a .hex file or NULL. */
void hit_sheet_save(const struct hit_sheet *s, const char *path, const char *font);
void hit_sheet_release(struct hit_sheet *s);

#endif
