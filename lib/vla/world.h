/* The micro-world: generated pictures, videos, pages and sounds with complete truth beside them.
 *
 *	vla_world_opts o = VLA_WORLD_OPTS_INIT;
 *	vla_world *w;
 *	o.n = 1000;
 *	if (vla_world_new(&o, &w, &err) == VLA_OK)
 *		status = vla_world_write(w, "toys", NULL, NULL, NULL, &err);
 *	vla_world_free(w);
 *
 * An item depends on the options' seed and its number alone, not on threads, size of the picture or what else is
 *written. vla-world(1) says what a manifest holds; vla-manifest(5) its fields.
 */
#ifndef VLA_WORLD_H
#define VLA_WORLD_H

#include <vla/pool.h>
#include <vla/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_world vla_world;

typedef enum vla_world_kind {
	VLA_WORLD_SCENE = 0,
	VLA_WORLD_VIDEO,
	VLA_WORLD_DOCUMENT,
	VLA_WORLD_CHART,
	VLA_WORLD_GEOMETRY,
	VLA_WORLD_SOUND,
	VLA_WORLD_REACH,
	VLA_WORLD_KINDS
} vla_world_kind;

/* What is written beside pictures and manifest; see vla-world(1). */
enum {
	VLA_WORLD_MASKS = 1 << 0,    /* masks as PNG: the grey value is the object's number, counted from 1 */
	VLA_WORLD_DEPTH = 1 << 1,    /* depth as PNG */
	VLA_WORLD_CONTRAST = 1 << 2, /* the second picture of a contrast pair */
	VLA_WORLD_COCO = 1 << 3,     /* coco.json */
	VLA_WORLD_REFCOCO = 1 << 4,  /* refs.json */
	VLA_WORLD_LLAVA = 1 << 5,    /* llava.json */
	VLA_WORLD_PROBES = 1 << 6,   /* choices.jsonl, pairs.jsonl, yesno.jsonl */
	VLA_WORLD_PPM = 1 << 7       /* a video's frames in one file */
};

typedef struct vla_world_opts {
	vla_world_kind kind;
	uint64_t seed;
	uint64_t n;           /* items in all splits */
	uint32_t size;        /* side of a picture in pixels, 16 to 2048; 0: the kind's */
	uint32_t level;       /* difficulty, 1 to 5 */
	uint32_t objects_min; /* 0: the level's */
	uint32_t objects_max;
	uint32_t classes;        /* invented classes, at most 64 */
	uint32_t frames;         /* of a video, 4 to 64; 0: 8 */
	double split[3];         /* shares of train, val and test */
	const char *const *bias; /* [nbias] "[SPLIT/]FACTOR:FACTOR=P" */
	size_t nbias;
	unsigned with; /* VLA_WORLD_MASKS | ... */
} vla_world_opts;

#define VLA_WORLD_OPTS_INIT \
	{ \
		VLA_WORLD_SCENE, 1, 1000, 0, 3, 0, 0, 0, 0, { 0.8, 0.1, 0.1 }, NULL, 0, 0 \
	}

/* opts is copied. VLA_OK, VLA_EINVAL (the message says which option), VLA_ENOMEM. Free with vla_world_free. */
VLA_API vla_status vla_world_new(const vla_world_opts *opts, vla_world **out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_world_free(vla_world *w); /* NULL legal */

/* Names of the kinds, "scene" first; NULL for a number past the last. Static. */
VLA_API const char *vla_world_kind_name(int kind);
/* "train", "val", "test"; NULL otherwise. */
VLA_API const char *vla_world_split_name(int split);

/* One item: a row of the manifest (JSON, without a newline) and its files. */
typedef struct vla_world_file {
	char *name; /* relative to the manifest */
	void *data;
	size_t n;
} vla_world_file;

typedef struct vla_world_item {
	char *row;
	size_t row_bytes;
	vla_world_file file[72];
	size_t files;
} vla_world_item;

/* Makes item i < n. Thread-safe for different items. VLA_OK, VLA_EINVAL (no scene fits the options), VLA_ENOMEM. Free
 * with vla_world_item_release, also after a failure. */
VLA_API vla_status vla_world_make(const vla_world *w, uint64_t i, vla_world_item *out, vla_err *err) VLA_MUST_USE;
VLA_API void vla_world_item_release(vla_world_item *item);

/* Called now and then with the number of finished items; anything but VLA_OK stops the writing. */
typedef vla_status vla_world_progress_fn(void *ctx, uint64_t done, uint64_t n);

/* Writes the data set to the folder path, or as a tar archive when path ends in ".tar" or is "-". A folder grows as
 * PATH.part, which a later call with the same options goes on with, and gets its name when it is complete; it must not
 * exist. pool and progress may be NULL. VLA_OK, VLA_EINVAL, VLA_EIO, VLA_ENOMEM, or what progress said. */
VLA_API vla_status vla_world_write(const vla_world *w, const char *path, vla_pool *pool,
				   vla_world_progress_fn *progress, void *ctx, vla_err *err) VLA_MUST_USE;

/* What a text says about a manifest's row. */
typedef enum vla_world_truth {
	VLA_WORLD_FALSE = 0,
	VLA_WORLD_TRUE = 1,
	VLA_WORLD_UNCLEAR = 2,   /* too close to say, or about something that is not there */
	VLA_WORLD_NOT_PARSED = 3 /* no statement in the micro-world's English or Chinese */
} vla_world_truth;

/* row: a line of a manifest of scenes. text: statements, or with answer not NULL a question that it answers.
 * VLA_OK, VLA_EFORMAT (the row), VLA_ENOMEM. Invented names are known when w is the data set's world; it may be NULL.
 */
VLA_API vla_status vla_world_judge(const vla_world *w, const char *row, const char *text, const char *answer,
				   vla_world_truth *out, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
