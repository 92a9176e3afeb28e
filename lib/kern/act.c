/* Element-wise activations and their derivatives, one row of a table each. */
#include "kern/kern.h"
#include "kern/vecmath.h"

#include "kern/clones.h"

#define GRAIN 16384 // elements of a piece

struct name {
	const char *name;
	vla_act act;
};

static const struct name names[] = {
	{ "none", VLA_ACT_NONE },
	{ "linear", VLA_ACT_NONE },
	{ "identity", VLA_ACT_NONE },
	{ "relu", VLA_ACT_RELU },
	{ "relu6", VLA_ACT_RELU6 },
	{ "gelu", VLA_ACT_GELU },
	{ "gelu_new", VLA_ACT_GELU_TANH },
	{ "gelu_fast", VLA_ACT_GELU_TANH },
	{ "gelu_pytorch_tanh", VLA_ACT_GELU_TANH },
	{ "gelu_tanh", VLA_ACT_GELU_TANH },
	{ "quick_gelu", VLA_ACT_QUICK_GELU },
	{ "silu", VLA_ACT_SILU },
	{ "swish", VLA_ACT_SILU },
	{ "hard_swish", VLA_ACT_HARD_SWISH },
	{ "hardswish", VLA_ACT_HARD_SWISH },
	{ "sigmoid", VLA_ACT_SIGMOID },
	{ "tanh", VLA_ACT_TANH },
};

vla_status vla_act_parse(const char *name, vla_act *out, vla_err *err)
{
	const char *all[sizeof names / sizeof *names];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		all[i] = names[i].name;
		if (strcmp(name, names[i].name) == 0) {
			*out = names[i].act;
			return VLA_OK;
		}
	}
	const char *near = vla_nearest(name, all, sizeof names / sizeof *names);
	if (near)
		return vla_fail(err, VLA_EUNSUPPORTED, "unknown activation '%s' (did you mean '%s'?)", name, near);
	return vla_fail(err, VLA_EUNSUPPORTED, "unknown activation '%s'", name);
}

#define GELU_C 0.7978845608028654f // sqrt(2 / pi)
#define GELU_A 0.044715f

VLA_INLINE float f_none(float x)
{
	return x;
}

VLA_INLINE float f_relu(float x)
{
	return x < 0 ? 0 : x; // keeps NaN
}

VLA_INLINE float f_relu6(float x)
{
	float y = x < 0 ? 0 : x;
	return y > 6 ? 6 : y;
}

VLA_INLINE float f_gelu(float x)
{
	return 0.5f * x * (1.0f + vla_fast_erf(x * 0.7071067811865476f));
}

VLA_INLINE float f_gelu_tanh(float x)
{
	return 0.5f * x * (1.0f + vla_fast_tanh(GELU_C * (x + GELU_A * x * x * x)));
}

VLA_INLINE float f_quick_gelu(float x)
{
	return x * vla_fast_sigmoid(1.702f * x);
}

VLA_INLINE float f_silu(float x)
{
	return x * vla_fast_sigmoid(x);
}

VLA_INLINE float f_hard_swish(float x)
{
	return x * f_relu6(x + 3.0f) * (1.0f / 6.0f);
}

VLA_INLINE float d_none(float x)
{
	(void)x;
	return 1;
}

VLA_INLINE float d_relu(float x)
{
	return x > 0 ? 1 : 0;
}

VLA_INLINE float d_relu6(float x)
{
	return (x > 0 ? 1.0f : 0.0f) * (x < 6 ? 1.0f : 0.0f);
}

VLA_INLINE float d_gelu(float x)
{
	return 0.5f * (1.0f + vla_fast_erf(x * 0.7071067811865476f)) +
	       x * 0.3989422804014327f * vla_fast_exp(-0.5f * x * x);
}

VLA_INLINE float d_gelu_tanh(float x)
{
	float t = vla_fast_tanh(GELU_C * (x + GELU_A * x * x * x));
	return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * GELU_C * (1.0f + 3.0f * GELU_A * x * x);
}

VLA_INLINE float d_quick_gelu(float x)
{
	float s = vla_fast_sigmoid(1.702f * x);
	return s + 1.702f * x * s * (1.0f - s);
}

VLA_INLINE float d_silu(float x)
{
	float s = vla_fast_sigmoid(x);
	return s + x * s * (1.0f - s);
}

VLA_INLINE float d_hard_swish(float x)
{
	float mid = x * (1.0f / 3.0f) + 0.5f;
	float y = x > -3 ? mid : 0;
	return x < 3 ? y : 1;
}

VLA_INLINE float d_sigmoid(float x)
{
	float s = vla_fast_sigmoid(x);
	return s * (1.0f - s);
}

VLA_INLINE float d_tanh(float x)
{
	float t = vla_fast_tanh(x);
	return 1.0f - t * t;
}

#define ACT(name, fwd, bwd) \
	VLA_CLONES static void name##_forward(size_t n, const float *x, float *y) \
	{ \
		for (size_t i = 0; i < n; i++) \
			y[i] = fwd(x[i]); \
	} \
	VLA_CLONES static void name##_backward(size_t n, const float *x, const float *dy, float *dx) \
	{ \
		for (size_t i = 0; i < n; i++) \
			dx[i] = dy[i] * bwd(x[i]); \
	} \
	VLA_CLONES static void name##_backward_add(size_t n, const float *x, const float *dy, float *dx) \
	{ \
		for (size_t i = 0; i < n; i++) \
			dx[i] += dy[i] * bwd(x[i]); \
	}

ACT(none, f_none, d_none)
ACT(relu, f_relu, d_relu)
ACT(relu6, f_relu6, d_relu6)
ACT(gelu, f_gelu, d_gelu)
ACT(gelu_tanh, f_gelu_tanh, d_gelu_tanh)
ACT(quick_gelu, f_quick_gelu, d_quick_gelu)
ACT(silu, f_silu, d_silu)
ACT(hard_swish, f_hard_swish, d_hard_swish)
ACT(sigmoid, vla_fast_sigmoid, d_sigmoid)
ACT(tanh, vla_fast_tanh, d_tanh)

VLA_CLONES void vla_exp_rows(size_t n, const float *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = vla_fast_exp(x[i]);
}

struct row {
	void (*forward)(size_t n, const float *x, float *y);
	void (*backward)(size_t n, const float *x, const float *dy, float *dx);
	void (*backward_add)(size_t n, const float *x, const float *dy, float *dx);
};

#define ROW(name) \
	{ \
		name##_forward, name##_backward, name##_backward_add \
	}

static const struct row table[] = {
	[VLA_ACT_NONE] = ROW(none),           [VLA_ACT_RELU] = ROW(relu),
	[VLA_ACT_RELU6] = ROW(relu6),         [VLA_ACT_GELU] = ROW(gelu),
	[VLA_ACT_GELU_TANH] = ROW(gelu_tanh), [VLA_ACT_QUICK_GELU] = ROW(quick_gelu),
	[VLA_ACT_SILU] = ROW(silu),           [VLA_ACT_HARD_SWISH] = ROW(hard_swish),
	[VLA_ACT_SIGMOID] = ROW(sigmoid),     [VLA_ACT_TANH] = ROW(tanh),
};

void vla_act_apply(vla_act act, size_t n, const float *x, float *y)
{
	if (act != VLA_ACT_NONE || x != y)
		table[act].forward(n, x, y);
}

void vla_act_derive(vla_act act, size_t n, const float *x, const float *dy, float *dx)
{
	table[act].backward(n, x, dy, dx);
}

struct job {
	vla_act act;
	bool add;
	const float *x, *dy;
	float *out;
};

static void forward_piece(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	table[j->act].forward(end - begin, j->x + begin, j->out + begin);
}

static void backward_piece(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	(void)worker;
	const struct row *r = &table[j->act];
	(j->add ? r->backward_add : r->backward)(end - begin, j->x + begin, j->dy + begin, j->out + begin);
}

void vla_act_forward(vla_pool *pool, vla_act act, size_t n, const float *x, float *y)
{
	struct job j = { act, false, x, NULL, y };
	vla_parallel(pool, n, GRAIN, forward_piece, &j);
}

void vla_act_backward(vla_pool *pool, vla_act act, size_t n, const float *x, const float *dy, bool add, float *dx)
{
	struct job j = { act, add, x, dy, dx };
	vla_parallel(pool, n, GRAIN, backward_piece, &j);
}

VLA_CLONES static void add_bias(size_t n, const float *bias, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += bias[i];
}

void vla_bias_act(size_t rows, size_t n, const float *bias, vla_act act, float *y, size_t ld)
{
	for (size_t i = 0; i < rows; i++) {
		if (bias)
			add_bias(n, bias, y + i * ld);
		if (act != VLA_ACT_NONE)
			table[act].forward(n, y + i * ld, y + i * ld);
	}
}
