/* Embedding many pictures: threads read, decode and resize ahead while the model computes.
 *
 *	vla_embed_opts o = VLA_EMBED_OPTS_INIT;
 *	o.next = next_picture;   // fills a vla_picture, VLA_EOF at the end
 *	o.put = put_record;      // vla_writer_put, for instance
 *	o.bad = report;          // what could not be read
 *	status = vla_embed_pictures(model, &o, &err);
 *
 * Records come in the order of the pictures. All callbacks run in the calling thread. Memory does not grow with the
 *number of pictures: at most three batches are held.
 */
#ifndef VLA_EMBED_H
#define VLA_EMBED_H

#include <vla/model.h>
#include <vla/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One picture to embed, with what its record is to hold. All pointers are malloc'd and taken over by whoever gets the
 * picture. Of path, bytes and image one is set: a file to read, an encoded file in memory, a decoded picture. */
typedef struct vla_picture {
	char *id; /* NULL: the path */
	char *path;
	void *bytes;
	size_t nbytes;
	vla_image image;
	char *caption, *label; /* NULL when absent */
	bool timed;
	double time[2]; /* seconds, when timed */
} vla_picture;

#define VLA_PICTURE_INIT \
	{ \
		NULL, NULL, NULL, 0, VLA_IMAGE_INIT, NULL, NULL, false, \
		{ \
			0, 0 \
		} \
	}

VLA_API void vla_picture_release(vla_picture *p); /* NULL legal; leaves VLA_PICTURE_INIT */

/* Fills out, which is VLA_PICTURE_INIT, with the next picture. VLA_OK, VLA_EOF; any other status ends the run with it.
 */
typedef vla_status vla_picture_fn(void *ctx, vla_picture *out, vla_err *err);
/* Takes a record, valid during the call. A status other than VLA_OK ends the run with it. */
typedef vla_status vla_record_fn(void *ctx, const vla_rec *rec, vla_err *err);
/* Hears of a picture that cannot be read, at its place in the order; the run goes on unless the status is not VLA_OK.
 */
typedef vla_status vla_bad_picture_fn(void *ctx, const char *id, const vla_err *why, vla_err *err);

typedef struct vla_embed_opts {
	vla_output what;
	uint32_t batch;   /* pictures a batch; 0 = 32 */
	uint32_t loaders; /* threads that decode; 0 = as many as the processors that the process may use, at most 64 */
	vla_image_opts image;
	vla_picture_fn *next;
	vla_record_fn *put;
	vla_bad_picture_fn *bad;
	void *ctx; /* of the callbacks */
	/* Also the parts of each picture, as records of their own after the picture's: about squares, of which `tiles`
	 * lie along the long side, overlapping where they do not fit evenly. Their ids end in #xywh=X,Y,W,H and their
	 * box says the same. 0: none; at most VLA_MAX_TILES. */
	uint32_t tiles;
} vla_embed_opts;

#define VLA_MAX_TILES 32

#define VLA_EMBED_OPTS_INIT \
	{ \
		VLA_OUT_EMBED, 0, 0, VLA_IMAGE_OPTS_INIT, NULL, NULL, NULL, NULL, 0 \
	}

/* The header that streams of such records carry: kind, dim, fingerprint, compute, l2; dtype f16. Vectors other than
 * VLA_OUT_EMBED are of a space of their own, which the fingerprint says ("clip:0123456789abcdef/pooled"). */
VLA_API vla_status vla_embed_header(const vla_model *m, vla_output what, vla_header *h, vla_err *err) VLA_MUST_USE;

/* VLA_OK when next has given VLA_EOF and everything was put; VLA_EUNSUPPORTED when the model lacks the output;
 * VLA_ENOMEM; what a callback returned. */
VLA_API vla_status vla_embed_pictures(vla_model *m, const vla_embed_opts *opts, vla_err *err) VLA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
