/* RIFF WAVE (Microsoft and IBM, 1991) with WAVE_FORMAT_EXTENSIBLE, reading the format and data chunks and passing over
 * others. */
#include "io/wav.h"

#include <math.h>

enum { PCM = 1, FLOAT = 3, EXTENSIBLE = 0xfffe };

typedef struct format {
	uint32_t tag, channels, rate, bits;
} format;

static uint32_t u16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
	return u16(p) | u16(p + 2) << 16;
}

static vla_status read_format(const uint8_t *p, size_t n, format *f, vla_err *err)
{
	if (n < 16)
		return vla_fail(err, VLA_ETRUNC, "the format of the sound is cut");
	*f = (format){ u16(p), u16(p + 2), u32(p + 4), u16(p + 14) };
	if (f->tag == EXTENSIBLE && n >= 26)
		f->tag = u16(p + 24);
	if (f->channels < 1 || f->channels > VLA_WAV_MAX_CHANNELS || f->rate < 1 || f->rate > 1000000)
		return vla_fail(err, VLA_EUNSUPPORTED, "a sound of %lu channels at %lu Hz", (unsigned long)f->channels,
				(unsigned long)f->rate);
	bool known = (f->tag == PCM && (f->bits == 8 || f->bits == 16 || f->bits == 24 || f->bits == 32)) ||
		     (f->tag == FLOAT && f->bits == 32);
	if (!known)
		return vla_fail(err, VLA_EUNSUPPORTED, "samples of kind %lu with %lu bits", (unsigned long)f->tag,
				(unsigned long)f->bits);
	return VLA_OK;
}

static float one_sample(const uint8_t *p, const format *f)
{
	uint32_t v = 0;
	float x;
	if (f->bits == 8)
		return ((float)p[0] - 128) / 128;
	for (uint32_t k = 0; k < f->bits / 8; k++)
		v |= (uint32_t)p[k] << (32 - f->bits + 8 * k);
	if (f->tag == PCM)
		return (float)(int32_t)v / 2147483648.0f;
	memcpy(&x, &v, 4);
	return isfinite(x) ? x : 0;
}

static vla_status read_samples(const uint8_t *p, size_t n, const format *f, vla_sound *out, vla_err *err)
{
	size_t bytes = f->bits / 8, count = n / bytes / f->channels * f->channels;
	if (count > VLA_WAV_MAX_SAMPLES)
		return vla_fail(err, VLA_EUNSUPPORTED, "a sound of more than 2^30 samples");
	out->sample = vla_alloc(count, sizeof *out->sample);
	if (!out->sample)
		return vla_nomem(err);
	for (size_t i = 0; i < count; i++)
		out->sample[i] = one_sample(p + i * bytes, f);
	out->channels = f->channels;
	out->rate = f->rate;
	out->frames = count / f->channels;
	return VLA_OK;
}

vla_status vla_wav_decode(const void *data, size_t n, vla_sound *out, vla_err *err)
{
	const uint8_t *p = data;
	format f = { 0, 0, 0, 0 };
	*out = (vla_sound){ NULL, 0, 0, 0 };
	if (n < 12 || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVE", 4) != 0)
		return vla_fail(err, VLA_EFORMAT, "not a WAV sound");
	for (size_t at = 12; n - at >= 8;) {
		size_t len = u32(p + at + 4), left = n - at - 8;
		const uint8_t *body = p + at + 8;
		if (!memcmp(p + at, "data", 4)) {
			if (!f.rate)
				return vla_fail(err, VLA_EFORMAT, "the sound has no format before its data");
			if (len == 0 || len == UINT32_MAX)
				len = left;
			if (len > left)
				return vla_fail(err, VLA_ETRUNC, "the sound ends too early");
			return read_samples(body, len, &f, out, err);
		}
		if (len > left)
			break;
		if (!memcmp(p + at, "fmt ", 4))
			VLA_TRY(read_format(body, len, &f, err));
		len += len & 1;
		at += 8 + (len < left ? len : left);
	}
	return vla_fail(err, VLA_ETRUNC, "the sound has no data");
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int k = 0; k < 4; k++)
		p[k] = (uint8_t)(v >> 8 * k);
}

vla_status vla_wav_encode(const vla_sound *s, vla_buf *b, vla_err *err)
{
	uint64_t n = s->frames * s->channels;
	uint8_t h[44];
	if (!s->channels || s->channels > VLA_WAV_MAX_CHANNELS || !s->rate || n > VLA_WAV_MAX_SAMPLES)
		return vla_fail(err, VLA_EINVAL, "a sound of %lu channels and %llu samples", (unsigned long)s->channels,
				(unsigned long long)n);
	memcpy(h, "RIFF....WAVEfmt ....", 20);
	put32(h + 4, (uint32_t)(36 + 2 * n));
	put32(h + 16, 16);
	put32(h + 20, PCM | s->channels << 16);
	put32(h + 24, s->rate);
	put32(h + 28, s->rate * s->channels * 2);
	put32(h + 32, s->channels * 2 | 16u << 16);
	memcpy(h + 36, "data", 4);
	put32(h + 40, (uint32_t)(2 * n));
	VLA_TRY(vla_buf_reserve(b, sizeof h + (size_t)(2 * n), err));
	VLA_TRY(vla_buf_add(b, h, sizeof h, err));
	for (uint64_t i = 0; i < n; i++) {
		float x = s->sample[i];
		x = x > 1 ? 1 : x < -1 ? -1 : x;
		int v = (int)lrintf(x * 32767);
		uint8_t two[2] = { (uint8_t)v, (uint8_t)(v >> 8) };
		VLA_TRY(vla_buf_add(b, two, 2, err));
	}
	return VLA_OK;
}

void vla_sound_release(vla_sound *s)
{
	free(s->sample);
	*s = (vla_sound){ NULL, 0, 0, 0 };
}
