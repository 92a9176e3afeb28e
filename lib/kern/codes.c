/* Eight-bit codes with certified bounds. With q = s d + r and x = c + t k + e, q x differs from q c + s t (d k) by q e
 * + r (t k), which Cauchy-Schwarz bounds by |q| |e| + |r| |t k|; rounding of the f32 parts is added on top.
 * The integer products are exact: d is kept small enough that no sum of dim products leaves 32 bits. */
#include "kern/codes.h"

#include <float.h>
#include <math.h>

#include "kern/clones.h"

enum { WIDTH = 512 }; // numbers of a row at once: sixteen rows in 16 bits fill half the first-level cache

static double norm(size_t n, const float *x)
{
	double s = 0;
	for (size_t i = 0; i < n; i++)
		s += (double)x[i] * x[i];
	return sqrt(s);
}

VLA_CLONES static float largest(size_t n, const float *y)
{
	float m = 0;
	for (size_t i = 0; i < n; i++) {
		float a = fabsf(y[i]);
		m = a > m ? a : m;
	}
	return m;
}

// sum[0] grows by the squares of what the codes leave, sum[1] by those of the codes.
VLA_CLONES static void encode(size_t n, const float *y, float scale, float inverse, int8_t *code, float sum[2])
{
	float rest[16] = { 0 }, size[16] = { 0 };
	size_t i = 0;
	for (; i + 16 <= n; i += 16)
		for (size_t j = 0; j < 16; j++) {
			float v = (y[i + j] * inverse + 12582912.0f) - 12582912.0f, e = y[i + j] - scale * v;
			code[i + j] = (int8_t)(int32_t)v;
			rest[j] += e * e;
			size[j] += v * v;
		}
	for (; i < n; i++) {
		float v = (y[i] * inverse + 12582912.0f) - 12582912.0f, e = y[i] - scale * v;
		code[i] = (int8_t)(int32_t)v;
		rest[0] += e * e;
		size[0] += v * v;
	}
	for (size_t j = 0; j < 16; j++) {
		sum[0] += rest[j];
		sum[1] += size[j];
	}
}

void vla_code_encode(size_t dim, size_t head, const float *y, double error, int8_t *code, float bound[VLA_CODE_BOUNDS])
{
	float most = largest(dim, y), scale = most / 127, first[2] = { 0, 0 }, second[2] = { 0, 0 };
	// Below this the inverse would not be finite; codes of zero leave all of y to the rest.
	float inverse = most > 1e-30f ? 127 / most * (1 - 2 * FLT_EPSILON) : 0;
	encode(head, y, scale, inverse, code, first);
	encode(dim - head, y + head, scale, inverse, code + head, second);
	double up = 1 + (double)(dim + 16) * FLT_EPSILON, rest = sqrt(((double)first[0] + second[0]) * up);
	double tail = scale * sqrt((double)second[1] * up), size = scale * sqrt(((double)first[1] + second[1]) * up);
	// y is known up to an error, and its differences from the codes are rounded.
	rest = rest * (1 + error) + (size + rest) * (error + 4 * FLT_EPSILON);
	bound[0] = scale;
	bound[1] = (float)rest * (1 + 2 * FLT_EPSILON);
	bound[2] = (float)tail * (1 + 2 * FLT_EPSILON);
	bound[3] = (float)size * (1 + 2 * FLT_EPSILON);
}

void vla_code_prepare(size_t dim, const float *q, double error, int16_t *d, vla_code_query *out)
{
	double n = norm(dim, q), rest = 0, root = sqrt((double)dim),
	       limit = 2147483647.0 / (127.0 * (double)(dim + !dim));
	float most = 0;
	for (size_t i = 0; i < dim; i++)
		most = fabsf(q[i]) > most ? fabsf(q[i]) : most;
	limit = limit > 32767 ? 32767 : floor(limit);
	double scale = most / limit;
	for (size_t i = 0; i < dim; i++) {
		double v = scale > 0 ? rint(q[i] / scale) : 0;
		v = v > limit ? limit : v < -limit ? -limit : v;
		d[i] = (int16_t)v;
		double e = q[i] - scale * v;
		rest += e * e;
	}
	// Twice the rounding of an f32 sum of dim products: the score of the first pass and the score it stands for.
	double gamma = 2 * ((double)dim + 16) * FLT_EPSILON / 2;
	out->scale = (float)scale;
	out->a = (float)(n * (1 + error) * (1 + gamma) + 1e-37);
	out->b = (float)((sqrt(rest) + n * (gamma + error) + scale * limit * 1e-7 * root) * (1 + 1e-6) + 1e-37);
	out->c = (float)(n * (1 + error) * gamma);
}

#define DOT(r, q) s##r##q += (int32_t)x##r[i] * (int32_t)y##q[i]
#define ROW(r) DOT(r, 0), DOT(r, 1), DOT(r, 2)

// Four rows of x (stride WIDTH) times three queries, [4][3] products added to out[q * VLA_CODE_TILE + row].
VLA_CLONES static void four_by_three(size_t n, const int16_t *x0, const int16_t *const y[3], int32_t *const out[3])
{
	const int16_t *x1 = x0 + WIDTH, *x2 = x1 + WIDTH, *x3 = x2 + WIDTH, *y0 = y[0], *y1 = y[1], *y2 = y[2];
	int32_t s00 = 0, s01 = 0, s02 = 0, s10 = 0, s11 = 0, s12 = 0, s20 = 0, s21 = 0, s22 = 0, s30 = 0, s31 = 0,
		s32 = 0;
	for (size_t i = 0; i < n; i++)
		ROW(0), ROW(1), ROW(2), ROW(3);
	out[0][0] += s00, out[0][1] += s10, out[0][2] += s20, out[0][3] += s30;
	out[1][0] += s01, out[1][1] += s11, out[1][2] += s21, out[1][3] += s31;
	out[2][0] += s02, out[2][1] += s12, out[2][2] += s22, out[2][3] += s32;
}

// Four rows of codes times one query, without the detour over 16 bits.
VLA_CLONES static void four_by_one(size_t n, const int8_t *x0, size_t ld, const int16_t *y, int32_t *out)
{
	const int8_t *x1 = x0 + ld, *x2 = x1 + ld, *x3 = x2 + ld;
	int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
	for (size_t i = 0; i < n; i++) {
		int16_t c0 = x0[i], c1 = x1[i], c2 = x2[i], c3 = x3[i];
		s0 += (int32_t)c0 * (int32_t)y[i];
		s1 += (int32_t)c1 * (int32_t)y[i];
		s2 += (int32_t)c2 * (int32_t)y[i];
		s3 += (int32_t)c3 * (int32_t)y[i];
	}
	out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

VLA_CLONES static int32_t one_by_one(size_t n, const int8_t *x, const int16_t *y)
{
	int32_t s = 0;
	for (size_t i = 0; i < n; i++) {
		int16_t c = x[i];
		s += (int32_t)c * (int32_t)y[i];
	}
	return s;
}

int32_t vla_code_dot(size_t dim, const int8_t *code, const int16_t *d)
{
	return one_by_one(dim, code, d);
}

VLA_CLONES static void widen(size_t n, const int8_t *x, int16_t *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = x[i];
}

// Up to three probes against up to sixteen rows that lie widened in tile [16, WIDTH].
static void three_probes(const int16_t *tile, size_t rows, size_t from, size_t n, const vla_code_probe *p, size_t np,
			 int32_t (*dots)[VLA_CODE_TILE])
{
	const int16_t *y[3];
	for (size_t j = 0; j < 3; j++)
		y[j] = p[j < np ? j : 0].d + from;
	for (size_t r = 0; r < rows; r += 4) {
		int32_t spare[4] = { 0 };
		int32_t *out[3];
		for (size_t j = 0; j < 3; j++)
			out[j] = j < np ? dots[j] + r : spare;
		four_by_three(n, tile + r * WIDTH, y, out);
	}
}

// What is known of sixteen rows.
struct limits {
	float scale[VLA_CODE_TILE], rest[VLA_CODE_TILE], tail[VLA_CODE_TILE], size[VLA_CODE_TILE];
	float base[VLA_CODE_TILE], base_error[VLA_CODE_TILE]; // the mean of the queries past the head, times the row
};

// Scores and errors of sixteen rows, from all numbers or (first) those of the head; whether one reaches the floor.
VLA_CLONES static bool reach(const struct limits *l, const vla_code_probe *p, bool first, const int32_t *dots,
			     float *score, float *error)
{
	int any = 0;
	float tail = first ? p->tail : 0, mean = first ? 1 : 0;
	for (size_t r = 0; r < VLA_CODE_TILE; r++) {
		score[r] = p->offset + p->scale * l->scale[r] * (float)dots[r] + mean * l->base[r];
		error[r] = p->a * l->rest[r] + p->b * l->size[r] + p->offset_error + tail * l->tail[r] +
			   mean * l->base_error[r];
		any |= score[r] + error[r] >= p->floor;
	}
	return any;
}

static size_t collect(const struct limits *l, size_t rows, const vla_code_probe *p, uint32_t probe, const int32_t *dots,
		      vla_code_hit *hits)
{
	float score[VLA_CODE_TILE], error[VLA_CODE_TILE];
	size_t n = 0;
	if (!reach(l, p, false, dots, score, error))
		return 0;
	for (size_t r = 0; r < rows; r++)
		if (score[r] + error[r] >= p->floor)
			hits[n++] = (vla_code_hit){ probe, (uint32_t)r, score[r] - error[r], score[r] + error[r] };
	return n;
}

struct pass {
	const int8_t *codes;
	size_t rows, dim;
	const vla_code_split *split;
	struct limits l;
	size_t second;
};

// From the products of the heads: rows that may reach the floor have theirs completed.
static size_t complete(struct pass *s, const vla_code_probe *p, uint32_t probe, const int32_t *dots, vla_code_hit *hits)
{
	float score[VLA_CODE_TILE], error[VLA_CODE_TILE];
	size_t n = 0, head = s->split->head;
	if (!reach(&s->l, p, true, dots, score, error))
		return 0;
	for (size_t r = 0; r < s->rows; r++) {
		if (!(score[r] + error[r] >= p->floor))
			continue;
		int32_t all = dots[r] + one_by_one(s->dim - head, s->codes + r * s->dim + head, p->d + head);
		float exact = p->offset + p->scale * s->l.scale[r] * (float)all;
		float e = p->a * s->l.rest[r] + p->b * s->l.size[r] + p->offset_error;
		s->second++;
		if (exact + e >= p->floor)
			hits[n++] = (vla_code_hit){ probe, (uint32_t)r, exact - e, exact + e };
	}
	return n;
}

static size_t few_probes(const struct pass *s, const vla_code_probe *p, size_t n, vla_code_hit *hits)
{
	int32_t dots[VLA_CODE_TILE] = { 0 };
	size_t found = 0, dim = s->dim;
	for (size_t j = 0; j < n; j++) {
		size_t r = 0;
		for (; r + 4 <= s->rows; r += 4)
			four_by_one(dim, s->codes + r * dim, dim, p[j].d, dots + r);
		for (; r < s->rows; r++)
			dots[r] = one_by_one(dim, s->codes + r * dim, p[j].d);
		found += collect(&s->l, s->rows, &p[j], (uint32_t)j, dots, hits + found);
	}
	return found;
}

// At most MANY probes at once, so that their sums stay in the first-level cache.
enum { MANY = 48 };

static size_t many_probes(struct pass *s, const vla_code_probe *p, size_t n, vla_code_hit *hits)
{
	int16_t tile[VLA_CODE_TILE * WIDTH];
	size_t found = 0, head = s->split->head;
	if (s->rows < VLA_CODE_TILE)
		memset(tile, 0, sizeof tile);
	for (size_t j = 0; j < n; j += MANY) {
		int32_t dots[MANY][VLA_CODE_TILE];
		size_t m = n - j < MANY ? n - j : MANY;
		memset(dots, 0, m * sizeof dots[0]);
		for (size_t from = 0; from < head; from += WIDTH) {
			size_t k = head - from < WIDTH ? head - from : WIDTH;
			if (j == 0 || head > WIDTH)
				for (size_t r = 0; r < s->rows; r++)
					widen(k, s->codes + r * s->dim + from, tile + r * WIDTH);
			for (size_t i = 0; i < m; i += 3)
				three_probes(tile, s->rows, from, k, p + j + i, m - i < 3 ? m - i : 3, dots + i);
		}
		for (size_t i = 0; i < m; i++)
			found += head < s->dim
					 ? complete(s, &p[j + i], (uint32_t)(j + i), dots[i], hits + found)
					 : collect(&s->l, s->rows, &p[j + i], (uint32_t)(j + i), dots[i], hits + found);
	}
	return found;
}

size_t vla_code_pass(const int8_t *codes, const float *bounds, size_t rows, size_t dim, const vla_code_split *split,
		     const vla_code_probe *p, size_t n, vla_code_hit *hits, size_t *second)
{
	struct pass s = { .codes = codes, .rows = rows, .dim = dim, .split = split };
	for (size_t r = 0; r < rows; r++) {
		const float *b = bounds + r * VLA_CODE_BOUNDS;
		s.l.scale[r] = b[0], s.l.rest[r] = b[1], s.l.tail[r] = b[2], s.l.size[r] = b[3];
	}
	if (n < 3)
		return few_probes(&s, p, n, hits);
	if (split->head < dim)
		for (size_t r = 0, h = split->head; r < rows; r++) {
			int32_t dot = one_by_one(dim - h, codes + r * dim + h, split->mean + h);
			s.l.base[r] = split->query.scale * s.l.scale[r] * (float)dot;
			s.l.base_error[r] = split->query.b * s.l.size[r];
		}
	size_t found = many_probes(&s, p, n, hits);
	if (second)
		*second += s.second;
	return found;
}
