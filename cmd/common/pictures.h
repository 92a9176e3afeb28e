/* The pictures of a tool's inputs, one after the other: files, members of tar shards, frames on standard input.
 *
 *	struct pictures p;
 *	pictures_init(&p, argv + i, argc - i, &com);
 *	o.next = pictures_next;
 *	o.ctx = &p;
 *	...
 *	pictures_release(&p);
 *
 * What cannot be read is a warning, and the rest is read. Ids are paths, names of members, and NAME#n or
 *NAME#t=begin,end for frames, which end at the first that is damaged.
 */
#ifndef VLA_COMMON_PICTURES_H
#define VLA_COMMON_PICTURES_H

#include "common/inputs.h"

#include <vla/embed.h>
#include <vla/tar.h>

struct pictures {
	struct inputs in;
	bool tar;               // all inputs are tar shards
	double fps;             // frames a second; 0: frames are numbered
	const char *name;       // of standard input in ids
	unsigned shard, shards; // take pictures shard, shard + shards, ... from 0; shards 0: all
	vla_image_opts image;
	char **known; // [nknown] ids to pass over, sorted
	size_t nknown;
	unsigned long long passed_over;
	unsigned long long position, frame;
	vla_tar *archive;
	char *archive_name;
	bool frames; // standard input is being read
};

void pictures_init(struct pictures *p, char *const *operand, int n, const struct opt_common *com);
/* "2/5": the second of five; dies when it is something else. */
void pictures_shard(struct pictures *p, const char *text);
/* Passes over pictures whose ids the stream holds; dies when it cannot be read. */
void pictures_pass_over(struct pictures *p, const char *stream);
/* A vla_picture_fn; ctx is the struct pictures. */
vla_status pictures_next(void *ctx, vla_picture *out, vla_err *err);
void pictures_release(struct pictures *p);

#endif
