/* Tiles of a picture for embedding its parts. */
#ifndef VLA_MODEL_TILES_H
#define VLA_MODEL_TILES_H

#include <vla/model.h>

typedef struct vla_tile {
	uint32_t x, y;
	vla_size size;   /* on the picture */
	vla_size target; /* after preprocessing */
} vla_tile;

typedef struct vla_tiles {
	vla_tile *tile; /* [n] */
	float *pixels;  /* [n, vla_model_pixels] */
	size_t n;
} vla_tiles;

/* Cuts and preprocesses the tiles of a picture, `along` of them along its long side; t is empty before. Thread-safe. */
vla_status vla_tiles_make(const vla_model *m, const vla_image *im, uint32_t along, vla_tiles *t,
			  vla_err *err) VLA_MUST_USE;
void vla_tiles_release(vla_tiles *t);

#endif
