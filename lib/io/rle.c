/* Run lengths as in the COCO mask API: from the third run on the difference to the run before the last is written, in
 * groups of five bits, lowest first, with a continuation bit and the sign in the last group's top bit, plus 48. */
#include "io/rle.h"

static vla_status put_run(int64_t v, vla_buf *b, vla_err *err)
{
	bool more = true;
	while (more) {
		int c = (int)(v & 31);
		v >>= 5;
		more = (c & 16) ? v != -1 : v != 0;
		char ch = (char)((more ? c | 32 : c) + 48);
		VLA_TRY(vla_buf_add(b, &ch, 1, err));
	}
	return VLA_OK;
}

vla_status vla_rle_encode(const uint8_t *label, uint32_t w, uint32_t h, uint8_t value, vla_buf *b, vla_err *err)
{
	int64_t run = 0, last[2] = { 0, 0 };
	size_t k = 0;
	bool on = false;
	for (uint32_t x = 0; x <= w; x++)
		for (uint32_t y = 0; y < h; y++) {
			bool end = x == w, here = !end && (label[(size_t)y * w + x] == value);
			if (!end && here == on) {
				run++;
				continue;
			}
			VLA_TRY(put_run(k > 2 ? run - last[k & 1] : run, b, err));
			last[k++ & 1] = run;
			run = 1;
			on = here;
			if (end)
				return VLA_OK;
		}
	return VLA_OK;
}

vla_status vla_rle_decode(const char *counts, size_t n, uint32_t w, uint32_t h, uint8_t *out, vla_err *err)
{
	uint64_t total = (uint64_t)w * h, at = 0;
	int64_t last[2] = { 0, 0 };
	size_t k = 0;
	for (size_t i = 0; i < n; k++) {
		int64_t v = 0;
		for (unsigned shift = 0;; shift += 5) {
			int c = i < n ? counts[i++] - 48 : -1;
			if (c < 0 || c > 63 || shift > 50)
				return vla_fail(err, VLA_EFORMAT, "run lengths of a mask are damaged");
			v |= (int64_t)(c & 31) << shift;
			if (c & 32)
				continue;
			if (c & 16)
				v -= (int64_t)1 << (shift + 5);
			break;
		}
		if (k > 2)
			v += last[k & 1];
		if (v < 0 || (uint64_t)v > total - at)
			return vla_fail(err, VLA_EFORMAT, "run lengths of a mask do not fit its size");
		for (int64_t r = 0; r < v; r++, at++)
			out[at % h * w + at / h] = k & 1;
		last[k & 1] = v;
	}
	return at == total ? VLA_OK : vla_fail(err, VLA_EFORMAT, "run lengths of a mask do not fill it");
}
