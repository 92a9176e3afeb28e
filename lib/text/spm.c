/* The reader of SentencePiece's model files (sentencepiece_model.proto): a protobuf message of pieces, trainer and
 * normalizer settings. Only the few fields that encoding needs are looked at. */
#include "text/spm.h"

#include <math.h>

/* A message being read; p moves to end. */
typedef struct message {
	const unsigned char *p, *end;
} message;

/* One field: a number, four bytes, or [n] bytes. */
typedef struct field {
	uint32_t number;
	uint64_t value;
	const char *data;
	size_t n;
} field;

static vla_status damaged(vla_err *err)
{
	return vla_fail(err, VLA_ECORRUPT, "the SentencePiece model is damaged");
}

static bool varint(message *m, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; m->p < m->end && shift < 64; shift += 7) {
		unsigned char b = *m->p++;
		*v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	return false;
}

static vla_status next_field(message *m, field *f, vla_err *err)
{
	uint64_t tag, n = 0;
	if (!varint(m, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return damaged(err);
	*f = (field){ (uint32_t)(tag >> 3), 0, NULL, 0 };
	switch (tag & 7) {
	case 0: return varint(m, &f->value) ? VLA_OK : damaged(err);
	case 1: n = 8; break;
	case 2:
		if (!varint(m, &n))
			return damaged(err);
		break;
	case 5: n = 4; break;
	default: return damaged(err);
	}
	if (n > (uint64_t)(m->end - m->p))
		return vla_fail(err, VLA_ETRUNC, "the SentencePiece model ends early");
	f->data = (const char *)m->p;
	f->n = (size_t)n;
	m->p += n;
	return VLA_OK;
}

static message inside(const field *f)
{
	const unsigned char *p = (const unsigned char *)f->data;
	return (message){ p, p ? p + f->n : p };
}

static vla_status read_piece(vla_spm *m, const field *whole, vla_err *err)
{
	message in = inside(whole);
	vla_spm_piece x = { "", 0, 0, VLA_SPM_NORMAL };
	while (in.p < in.end) {
		field f;
		VLA_TRY(next_field(&in, &f, err));
		if (f.number == 1 && f.data) {
			x.s = f.data;
			x.n = f.n;
		} else if (f.number == 2 && f.n == 4) {
			uint32_t u = 0;
			for (int i = 3; i >= 0; i--)
				u = u << 8 | (unsigned char)f.data[i];
			memcpy(&x.score, &u, sizeof u);
		} else if (f.number == 3) {
			if (f.value < VLA_SPM_NORMAL || f.value > VLA_SPM_BYTE)
				return damaged(err);
			x.type = (vla_spm_type)f.value;
		}
	}
	if (x.n == 0 || memchr(x.s, 0, x.n) || !isfinite(x.score))
		return vla_fail(err, VLA_ECORRUPT, "piece %zu of the SentencePiece model is damaged", m->n);
	if (m->n == VLA_MAX_VOCAB / 2)
		return vla_fail(err, VLA_ECORRUPT, "the SentencePiece model has too many pieces");
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 1024;
		vla_spm_piece *t = vla_realloc(m->piece, cap, sizeof *t);
		if (!t)
			return vla_nomem(err);
		m->piece = t;
		m->cap = cap;
	}
	m->piece[m->n++] = x;
	return VLA_OK;
}

static vla_status read_trainer(vla_spm *m, const field *whole, vla_err *err)
{
	message in = inside(whole);
	while (in.p < in.end) {
		field f;
		VLA_TRY(next_field(&in, &f, err));
		if (f.number == 3 && f.value != 1 && f.value != 2)
			return vla_fail(err, VLA_EUNSUPPORTED, "a SentencePiece model of kind %s is not supported",
					f.value == 3   ? "WORD"
					: f.value == 4 ? "CHAR"
						       : "unknown");
		if (f.number == 3)
			m->bpe = f.value == 2;
		if (f.number == 24 && f.value)
			return vla_fail(err, VLA_EUNSUPPORTED,
					"a SentencePiece model with treat_whitespace_as_suffix is not supported");
		if (f.number == 35)
			m->byte_fallback = f.value != 0;
	}
	return VLA_OK;
}

static vla_status read_normalizer(vla_spm *m, const field *whole, vla_err *err)
{
	message in = inside(whole);
	while (in.p < in.end) {
		field f;
		VLA_TRY(next_field(&in, &f, err));
		if (f.number == 2 && f.data) {
			m->charsmap = f.data;
			m->charsmap_n = f.n;
		}
		if (f.number == 3)
			m->rules.prefix_space = f.value != 0;
		if (f.number == 4)
			m->rules.remove_spaces = f.value != 0;
		if (f.number == 5)
			m->rules.mark_spaces = f.value != 0;
	}
	return VLA_OK;
}

vla_status vla_spm_read(vla_spm *m, const void *data, size_t n, vla_err *err)
{
	message in = { data, (const unsigned char *)data + n };
	*m = (vla_spm){ .rules = { true, true, true } };
	while (in.p < in.end) {
		field f;
		VLA_TRY(next_field(&in, &f, err));
		if (f.number == 1)
			VLA_TRY(read_piece(m, &f, err));
		if (f.number == 2)
			VLA_TRY(read_trainer(m, &f, err));
		if (f.number == 3)
			VLA_TRY(read_normalizer(m, &f, err));
	}
	return m->n ? VLA_OK : vla_fail(err, VLA_EFORMAT, "this is no SentencePiece model: it has no pieces");
}

void vla_spm_release(vla_spm *m)
{
	free(m->piece);
	memset(m, 0, sizeof *m);
}
