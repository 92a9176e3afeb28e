/* All of libvla's public interface. */
#ifndef VLA_VLA_H
#define VLA_VLA_H

#include <vla/background.h>
#include <vla/checkpoint.h>
#include <vla/convert.h>
#include <vla/dtype.h>
#include <vla/embed.h>
#include <vla/file.h>
#include <vla/fuse.h>
#include <vla/image.h>
#include <vla/index.h>
#include <vla/inverted.h>
#include <vla/model.h>
#include <vla/pool.h>
#include <vla/probe.h>
#include <vla/query.h>
#include <vla/sheet.h>
#include <vla/status.h>
#include <vla/stream.h>
#include <vla/tar.h>
#include <vla/tokenizer.h>
#include <vla/train.h>
#include <vla/where.h>
#include <vla/world.h>

#endif
