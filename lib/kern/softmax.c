/* Softmax over the last dimension, the largest value taken off first. */
#include "kern/kern.h"
#include "kern/vecmath.h"

#include "kern/clones.h"

struct job {
	size_t c;
	float scale;
	bool add;
	const float *x, *dy;
	float *y;
};

VLA_CLONES void vla_softmax_row(size_t c, float scale, const float *x, float *y)
{
	float top = -3.4e38f;
	vla_v8 lane = vla_v8_set(0);
	size_t i;
	for (i = 0; i < c; i++) {
		float v = x[i] * scale;
		y[i] = v;
		top = v > top ? v : top;
	}
	for (i = 0; i < c; i++)
		y[i] = vla_fast_exp(y[i] - top);
	for (i = 0; i + 8 <= c; i += 8)
		lane += vla_v8_load(y + i);
	float sum = vla_v8_sum(lane);
	for (; i < c; i++)
		sum += y[i];
	float inverse = 1.0f / sum;
	for (i = 0; i < c; i++)
		y[i] *= inverse;
}

VLA_CLONES void vla_softmax_row_backward(size_t c, const float *y, const float *dy, bool add, float scale, float *dx)
{
	vla_v8 lane = vla_v8_set(0);
	size_t i;
	for (i = 0; i + 8 <= c; i += 8)
		lane += vla_v8_load(y + i) * vla_v8_load(dy + i);
	float dot = vla_v8_sum(lane);
	for (; i < c; i++)
		dot += y[i] * dy[i];
	for (i = 0; i < c; i++) {
		float g = scale * y[i] * (dy[i] - dot);
		dx[i] = add ? dx[i] + g : g;
	}
}

static void forward_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t r = begin; r < end; r++)
		vla_softmax_row(j->c, j->scale, j->x + r * j->c, j->y + r * j->c);
}

static void backward_rows(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	for (size_t r = begin; r < end; r++)
		vla_softmax_row_backward(j->c, j->x + r * j->c, j->dy + r * j->c, j->add, j->scale, j->y + r * j->c);
}

void vla_softmax_forward(vla_pool *pool, size_t rows, size_t c, float scale, const float *x, float *y)
{
	struct job j = { .c = c, .scale = scale, .x = x, .y = y };
	if (c)
		vla_parallel(pool, rows, (4096 + c - 1) / c, forward_rows, &j);
}

void vla_softmax_backward(vla_pool *pool, size_t rows, size_t c, const float *y, const float *dy, bool add, float *dx)
{
	struct job j = { .c = c, .scale = 1, .x = y, .dy = dy, .add = add, .y = dx };
	if (c)
		vla_parallel(pool, rows, (4096 + c - 1) / c, backward_rows, &j);
}
