/* Files that are made of a finished manifest. */
#ifndef VLA_WORLD_SET_H
#define VLA_WORLD_SET_H

#include "world/world.h"

/* coco.json, refs.json, llava.json into the folder, by the world's options. */
vla_status vla_world_export(const vla_world *w, const char *folder, vla_err *err) VLA_MUST_USE;

#endif
