/* Layer norm over the last dimension (Ba, Kiros and Hinton 2016). Sums of a row run in f64 over lanes of f32 blocks. */
#include "kern/kern.h"
#include "kern/split.h"

#include "kern/clones.h"

#define MAX_CHUNK 32

struct job {
	size_t rows, c, chunks;
	const float *x, *dy, *gamma, *beta, *mean, *rstd;
	float eps, *y, *save_mean, *save_rstd, *ws;
	bool add, want_x;
};

// Sum of f(i) over a row, eight lanes at a time, at most 256 terms in f32.
#define ROW_SUM(result, n, expr) \
	do { \
		double sum_ = 0; \
		for (size_t b_ = 0; b_ < (n); b_ += 256) { \
			size_t e_ = (n)-b_ < 256 ? (n) : b_ + 256; \
			float lane_[8] = { 0 }, rest_ = 0; \
			size_t i_ = b_; \
			for (; i_ + 8 <= e_; i_ += 8) \
				for (size_t l_ = 0; l_ < 8; l_++) { \
					size_t i = i_ + l_; \
					lane_[l_] += (expr); \
				} \
			for (; i_ < e_; i_++) { \
				size_t i = i_; \
				rest_ += (expr); \
			} \
			sum_ += ((lane_[0] + lane_[4]) + (lane_[2] + lane_[6])) + \
				((lane_[1] + lane_[5]) + (lane_[3] + lane_[7])) + rest_; \
		} \
		(result) = (float)sum_; \
	} while (0)

VLA_CLONES static void forward_row(size_t c, const float *x, const float *gamma, const float *beta, float eps, float *y,
				   float *mean, float *rstd)
{
	float m, q;
	ROW_SUM(m, c, x[i]);
	m /= (float)c;
	ROW_SUM(q, c, (x[i] - m) * (x[i] - m));
	float r = 1.0f / __builtin_sqrtf(q / (float)c + eps);
	for (size_t i = 0; i < c; i++)
		y[i] = (x[i] - m) * r * gamma[i] + beta[i];
	*mean = m;
	*rstd = r;
}

static void forward_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t r = begin; r < end; r++) {
		float m, s;
		forward_row(j->c, j->x + r * j->c, j->gamma, j->beta, j->eps, j->y + r * j->c, &m, &s);
		if (j->save_mean)
			j->save_mean[r] = m;
		if (j->save_rstd)
			j->save_rstd[r] = s;
	}
}

void vla_layer_norm_forward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *gamma,
			    const float *beta, float eps, float *y, float *mean, float *rstd)
{
	struct job j = { .rows = rows,
			 .c = c,
			 .x = x,
			 .gamma = gamma,
			 .beta = beta,
			 .eps = eps,
			 .y = y,
			 .save_mean = mean,
			 .save_rstd = rstd };
	if (c)
		vla_parallel(pool, rows, (8192 + c - 1) / c, forward_rows, &j);
}

// dgamma and dbeta of one row are added to sums.
VLA_CLONES static void sums_row(size_t c, const float *x, const float *dy, float m, float r, float *dgamma,
				float *dbeta)
{
	for (size_t i = 0; i < c; i++) {
		dgamma[i] += dy[i] * (x[i] - m) * r;
		dbeta[i] += dy[i];
	}
}

VLA_CLONES static void input_row(size_t c, const float *x, const float *dy, const float *gamma, float m, float r,
				 bool add, float *dx)
{
	float s, q;
	ROW_SUM(s, c, dy[i] * gamma[i]);
	ROW_SUM(q, c, dy[i] * gamma[i] * (x[i] - m) * r);
	s /= (float)c;
	q /= (float)c;
	for (size_t i = 0; i < c; i++) {
		float g = r * (dy[i] * gamma[i] - s - (x[i] - m) * r * q);
		dx[i] = add ? dx[i] + g : g;
	}
}

static void backward_chunk(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t c = j->c;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		float *sums = j->ws + 2 * k * c;
		memset(sums, 0, 2 * c * sizeof *sums);
		for (size_t r = k * j->rows / j->chunks; r < (k + 1) * j->rows / j->chunks; r++) {
			const float *x = j->x + r * c, *dy = j->dy + r * c;
			sums_row(c, x, dy, j->mean[r], j->rstd[r], sums, sums + c);
			if (j->want_x)
				input_row(c, x, dy, j->gamma, j->mean[r], j->rstd[r], j->add, j->y + r * c);
		}
	}
}

static size_t chunks_of(size_t rows)
{
	size_t n = rows / 8;
	return n > MAX_CHUNK ? MAX_CHUNK : n ? n : 1;
}

size_t vla_layer_norm_ws(size_t rows, size_t c)
{
	return 2 * c * chunks_of(rows);
}

void vla_layer_norm_backward(vla_pool *pool, size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
			     const float *mean, const float *rstd, bool add, float *dx, float *dgamma, float *dbeta,
			     float *ws)
{
	struct job j = { .rows = rows,
			 .c = c,
			 .chunks = chunks_of(rows),
			 .x = x,
			 .dy = dy,
			 .gamma = gamma,
			 .mean = mean,
			 .rstd = rstd,
			 .y = dx,
			 .ws = ws,
			 .add = add,
			 .want_x = dx != NULL };
	vla_parallel(pool, j.chunks, 1, backward_chunk, &j);
	for (size_t k = 0; k < j.chunks; k++)
		for (size_t i = 0; i < c; i++) {
			if (dgamma)
				dgamma[i] += ws[2 * k * c + i];
			if (dbeta)
				dbeta[i] += ws[(2 * k + 1) * c + i];
		}
}
