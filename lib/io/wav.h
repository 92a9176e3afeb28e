/* WAV sound. Samples are in [-1, 1], channels interleaved. */
#ifndef VLA_IO_WAV_H
#define VLA_IO_WAV_H

#include "base/base.h"

typedef struct vla_sound {
	float *sample;   // [frames * channels]; free with vla_sound_release
	uint64_t frames; // per channel
	uint32_t channels, rate;
} vla_sound;

/* At most this many channels and samples in all are read. */
enum { VLA_WAV_MAX_CHANNELS = 64 };
#define VLA_WAV_MAX_SAMPLES ((uint64_t)1 << 30)

/* A whole WAV file: PCM of 8, 16, 24 or 32 bits, or 32-bit float. A data chunk whose length is unknown (0 or 2^32 - 1,
 * as pipes write) ends with the file. VLA_OK, VLA_EFORMAT, VLA_ETRUNC, VLA_EUNSUPPORTED, VLA_ENOMEM. */
vla_status vla_wav_decode(const void *p, size_t n, vla_sound *out, vla_err *err) VLA_MUST_USE;
/* 16-bit PCM, appended to b; samples are clipped. */
vla_status vla_wav_encode(const vla_sound *s, vla_buf *b, vla_err *err) VLA_MUST_USE;
void vla_sound_release(vla_sound *s); /* a zeroed sound is legal */

#endif
