/* Every kernel against its plain reference on random shapes, among them sizes 0 and 1, and against itself on pools of
 * other sizes: those results are equal to the last bit.
 *
 * A result may differ from the reference by tol times the largest entry: f32 sums of n terms err by about sqrt(n) 6e-8
 * of the sum of magnitudes, which is far below the 2e-5 used for sums here and far below any wrong index or factor. */
#include "kern/kern.h"
#include "kern/ref.h"
#include "tap.h"

#include <math.h>

#define CASES 16
#define RESULTS 4

struct run {
	vla_arena *arena;
	vla_pool *pool;
	vla_rng rng;
	unsigned i;
	size_t n_results;
	struct result {
		float *got, *want;
		size_t n;
		double tol;
	} result[RESULTS];
};

static float *blank(struct run *t, size_t n)
{
	return vla_arena_zalloc(t->arena, n, sizeof(float));
}

static float *normal(struct run *t, size_t n)
{
	float *p = blank(t, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)vla_rng_normal(&t->rng);
	return p;
}

static float *copy(struct run *t, const float *x, size_t n)
{
	float *p = blank(t, n);
	if (n)
		memcpy(p, x, n * sizeof *p);
	return p;
}

// 0 and 1 come often; one case in four may be large.
static size_t size(struct run *t, size_t most)
{
	uint64_t kind = vla_rng_below(&t->rng, 8);
	if (t->i < 4 && kind < 2)
		return (size_t)kind;
	return 1 + (size_t)vla_rng_below(&t->rng, t->i % 4 == 3 ? most : most / 8 + 1);
}

static bool coin(struct run *t)
{
	return vla_rng_below(&t->rng, 2);
}

static void result(struct run *t, const float *got, const float *want, size_t n, double tol)
{
	t->result[t->n_results++] = (struct result){ copy(t, got, n), copy(t, want, n), n, tol };
}

static void test_gemm(struct run *t)
{
	bool ta = coin(t), tb = coin(t);
	size_t M = size(t, 900), N = size(t, 300), K = size(t, 200);
	size_t lda = (ta ? M : K) + size(t, 8), ldb = (tb ? K : N) + size(t, 8), ldc = N + size(t, 8);
	float *A = normal(t, (ta ? K : M) * lda), *B = normal(t, (tb ? N : K) * ldb), *C = normal(t, M * ldc);
	float *D = copy(t, C, M * ldc), beta = coin(t) ? 1 : 0, alpha = coin(t) ? 1 : 0.5f;
	vla_gemm(t->pool, ta, tb, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
	vla_gemm_ref(ta, tb, M, N, K, alpha, A, lda, B, ldb, beta, D, ldc);
	result(t, C, D, M * ldc, 2e-5);
}

static void test_gemm_tall(struct run *t)
{
	size_t M = size(t, 100), N = size(t, 100), K = size(t, 9000);
	float *A = normal(t, K * M), *B = normal(t, K * N), *C = normal(t, M * N), *D = copy(t, C, M * N);
	bool add = coin(t);
	vla_gemm_tall(t->pool, M, N, K, A, M, B, N, add, C, blank(t, vla_gemm_tall_ws(M, N, K)));
	vla_gemm_ref(true, false, M, N, K, 1, A, M, B, N, add, D, N);
	result(t, C, D, M * N, 2e-5);
}

static void test_packed(struct run *t)
{
	size_t M = size(t, 900), N = size(t, 200), K = size(t, 200), ldc = N + size(t, 4);
	float *A = normal(t, M * K), *W = normal(t, N * K), *b = coin(t) ? normal(t, N) : NULL, *C = blank(t, M * ldc);
	float *D = blank(t, M * ldc);
	uint16_t *half = vla_arena_alloc(t->arena, N * K, sizeof *half);
	vla_dtype type = t->i % 3 == 0 ? VLA_F32 : t->i % 3 == 1 ? VLA_F16 : VLA_BF16;
	vla_act act = (vla_act)vla_rng_below(&t->rng, VLA_ACT_TANH + 1);
	vla_packed *p = NULL;
	vla_err err = VLA_ERR_INIT;
	vla_from_f32(type == VLA_F32 ? VLA_F16 : type, N * K, W, half);
	if (type != VLA_F32)
		vla_to_f32(type, N * K, half, W);
	if (vla_packed_new(VLA_COMPUTE_F32, N, K, type == VLA_F32 ? (void *)W : half, type, &p, &err) != VLA_OK ||
	    vla_packed_gemm(p, t->pool, M, A, K, b, act, C, ldc, &err) != VLA_OK)
		ok(false, "packed: %s", err.msg);
	vla_packed_free(p);
	vla_gemm_ref(false, true, M, N, K, 1, A, K, W, K, 0, D, ldc);
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++)
			D[i * ldc + j] = (float)vla_act_ref(act, (double)D[i * ldc + j] + (b ? b[j] : 0));
	result(t, C, D, M * ldc, 2e-5);
}

static vla_conv_shape conv_shape(struct run *t, bool depthwise)
{
	vla_conv_shape s = { .n = size(t, 6), .h = 1 + size(t, 24), .w = 1 + size(t, 24), .c = size(t, 72) };
	static const size_t sides[] = { 3, 5, 1, 2, 4 };
	s.kh = s.kw = sides[vla_rng_below(&t->rng, 5)];
	if (t->i % 7 == 6)
		s.kw = 1 + s.kh / 2;
	s.stride = 1 + vla_rng_below(&t->rng, t->i % 5 == 4 ? 3 : 2);
	s.oc = depthwise ? s.c : size(t, 40);
	s.pad_top = vla_rng_below(&t->rng, s.kh), s.pad_left = vla_rng_below(&t->rng, s.kw);
	size_t bottom = vla_rng_below(&t->rng, s.kh), right = vla_rng_below(&t->rng, s.kw);
	size_t h = s.h + s.pad_top + bottom, w = s.w + s.pad_left + right;
	s.oh = h < s.kh ? 0 : (h - s.kh) / s.stride + 1;
	s.ow = w < s.kw ? 0 : (w - s.kw) / s.stride + 1;
	return s;
}

static void test_conv(struct run *t, bool depthwise)
{
	vla_conv_shape s = conv_shape(t, depthwise);
	size_t nx = s.n * s.h * s.w * s.c, ny = s.n * s.oh * s.ow * s.oc;
	size_t nw = s.kh * s.kw * s.c * (depthwise ? 1 : s.oc);
	float *x = normal(t, nx), *w = normal(t, nw), *b = coin(t) ? normal(t, s.oc) : NULL, *dy = normal(t, ny);
	float *y = blank(t, ny), *yr = blank(t, ny);
	bool add = coin(t);
	float *dx = normal(t, nx), *dw = normal(t, nw);
	float *dxr = add ? copy(t, dx, nx) : blank(t, nx), *dwr = add ? copy(t, dw, nw) : blank(t, nw);
	vla_conv2d_ref(&s, depthwise, x, w, b, yr);
	vla_conv2d_backward_ref(&s, depthwise, x, w, dy, dxr, dwr);
	if (depthwise) {
		vla_depthwise_forward(t->pool, &s, x, w, b, VLA_ACT_NONE, y);
		vla_depthwise_backward_input(t->pool, &s, dy, w, add, dx);
		vla_depthwise_backward_weight(t->pool, &s, x, dy, add, dw, blank(t, vla_depthwise_weight_ws(&s)));
	} else {
		vla_err err = VLA_ERR_INIT;
		float *ws = blank(t, vla_conv2d_ws(&s, vla_pool_size(t->pool)));
		if (vla_conv2d_forward(t->pool, &s, x, w, NULL, b, VLA_ACT_NONE, y, ws, &err) != VLA_OK)
			ok(false, "conv2d: %s", err.msg);
		vla_conv2d_backward_input(t->pool, &s, dy, w, add, dx, ws);
		vla_conv2d_backward_weight(t->pool, &s, x, dy, add, dw, blank(t, vla_conv2d_weight_ws(&s)));
	}
	result(t, y, yr, ny, 2e-5);
	result(t, dx, dxr, nx, 2e-5);
	result(t, dw, dwr, nw, 2e-5);
}

static void test_conv2d(struct run *t)
{
	test_conv(t, false);
}

static void test_depthwise(struct run *t)
{
	test_conv(t, true);
}

static void test_act(struct run *t)
{
	size_t n = size(t, 60000);
	vla_act act = (vla_act)(t->i % (VLA_ACT_TANH + 1));
	float *x = normal(t, n), *dy = normal(t, n), *y = blank(t, n), *yr = blank(t, n), *dx = blank(t, n);
	float *dxr = blank(t, n);
	for (size_t i = 0; i < n; i++) {
		x[i] *= 3;
		// Not at the kinks, where the reference has no slope.
		double kinks[] = { -3, 0, 3, 6 };
		for (int k = 0; k < 4; k++)
			if (fabs(x[i] - kinks[k]) < 1e-3)
				x[i] += 0.01f;
		yr[i] = (float)vla_act_ref(act, x[i]);
		dxr[i] = (float)(dy[i] * vla_act_slope_ref(act, x[i]));
	}
	vla_act_forward(t->pool, act, n, x, y);
	vla_act_backward(t->pool, act, n, x, dy, false, dx);
	result(t, y, yr, n, 1e-6);
	result(t, dx, dxr, n, 1e-6);
}

static void test_exp(struct run *t)
{
	size_t n = size(t, 20000);
	float *x = normal(t, n), *y = blank(t, n), *off = blank(t, n), *zero = blank(t, n);
	for (size_t i = 0; i < n; i++)
		x[i] *= 20;
	vla_exp_rows(n, x, y);
	for (size_t i = 0; i < n; i++)
		off[i] = fabsf(x[i]) < 85 ? (float)(y[i] / exp(x[i]) - 1) : 0;
	result(t, off, zero, n, 3e-7); // relative error of every entry
}

static vla_act plain_act(struct run *t)
{
	static const vla_act acts[] = { VLA_ACT_NONE, VLA_ACT_SILU, VLA_ACT_RELU, VLA_ACT_RELU6, VLA_ACT_HARD_SWISH };
	return acts[t->i % 5];
}

static void test_batch_norm(struct run *t)
{
	size_t rows = size(t, 3000), c = size(t, 400), n = rows * c;
	vla_act act = plain_act(t);
	float *x = normal(t, n), *dy = normal(t, n), *gamma = normal(t, c), *beta = normal(t, c);
	float *mean = blank(t, c), *var = blank(t, c), *meanr = blank(t, c), *varr = blank(t, c), *rstd = blank(t, c);
	float *ws = blank(t, vla_batch_norm_ws(rows, c));
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] * 0.5f + 3; // a mean well away from zero
	vla_batch_norm_stats(t->pool, rows, c, x, mean, var, ws);
	vla_batch_norm_stats_ref(rows, c, x, meanr, varr);
	result(t, mean, meanr, c, 1e-6);
	result(t, var, varr, c, 1e-5);
	bool batch = coin(t), add = coin(t);
	float *dx = normal(t, n), *dxr = add ? copy(t, dx, n) : blank(t, n), *sums = blank(t, 2 * c),
	      *sumsr = blank(t, 2 * c);
	for (size_t i = 0; i < c; i++)
		rstd[i] = 1 / sqrtf(varr[i] + 1e-3f);
	for (size_t i = 0; i < n; i++) { // away from the kinks
		size_t k = i % c;
		double z = (x[i] - meanr[k]) * rstd[k] * gamma[k] + beta[k];
		double near[] = { -3, 0, 3, 6 };
		for (int e = 0; e < 4; e++)
			if (fabs(z - near[e]) < 1e-4)
				dy[i] = 0;
	}
	vla_batch_norm_backward(t->pool, rows, c, x, dy, gamma, beta, meanr, rstd, act, batch, add, dx, sums, sums + c,
				ws);
	vla_batch_norm_backward_ref(rows, c, x, dy, gamma, beta, meanr, rstd, act, batch, dxr, sumsr, sumsr + c);
	result(t, dx, dxr, n, 2e-5);
	result(t, sums, sumsr, 2 * c, 2e-5);
}

static void test_scale_shift(struct run *t)
{
	size_t rows = size(t, 30000), c = size(t, 300), n = rows * c;
	vla_act act = (vla_act)(t->i % (VLA_ACT_TANH + 1));
	float *x = normal(t, n), *s = normal(t, c), *h = normal(t, c), *y = blank(t, n), *yr = blank(t, n);
	for (size_t i = 0; i < n; i++)
		yr[i] = (float)vla_act_ref(act, (double)x[i] * s[i % c] + h[i % c]);
	vla_scale_shift_act(t->pool, rows, c, x, s, h, act, y);
	result(t, y, yr, n, 1e-6);
	vla_scale_shift_act(t->pool, rows, c, x, s, h, act, x);
	result(t, x, yr, n, 1e-6);
}

static void test_colsum(struct run *t)
{
	size_t rows = size(t, 3000), c = size(t, 300);
	float *x = normal(t, rows * c), *one = blank(t, rows), *y = normal(t, c), *yr = copy(t, y, c);
	bool add = coin(t);
	for (size_t i = 0; i < rows; i++)
		one[i] = 1;
	vla_colsum(t->pool, rows, c, x, add, y, blank(t, vla_colsum_ws(rows, c)));
	vla_gemm_ref(true, false, 1, c, rows, 1, one, 1, x, c, add, yr, c);
	result(t, y, yr, c, 2e-5);
}

static void test_layer_norm(struct run *t)
{
	size_t rows = size(t, 300), c = 1 + size(t, 900), n = rows * c;
	float *x = normal(t, n), *gamma = normal(t, c), *beta = normal(t, c), *y = blank(t, n), *yr = blank(t, n);
	float *mean = blank(t, rows), *rstd = blank(t, rows), *dy = normal(t, n), *dx = normal(t, n);
	bool add = coin(t);
	float *dxr = add ? copy(t, dx, n) : blank(t, n), *d = blank(t, 2 * c), *dr = blank(t, 2 * c);
	vla_layer_norm_forward(t->pool, rows, c, x, gamma, beta, 1e-3f, y, mean, rstd);
	vla_layer_norm_ref(rows, c, x, gamma, beta, 1e-3f, yr);
	vla_layer_norm_backward(t->pool, rows, c, x, dy, gamma, mean, rstd, add, dx, d, d + c,
				blank(t, vla_layer_norm_ws(rows, c)));
	vla_layer_norm_backward_ref(rows, c, x, dy, gamma, 1e-3f, dxr, dr, dr + c);
	result(t, y, yr, n, 2e-5);
	result(t, dx, dxr, n, 2e-5);
	result(t, d, dr, 2 * c, 2e-5);
}

static void test_softmax(struct run *t)
{
	size_t rows = size(t, 500), c = size(t, 300), n = rows * c;
	float *x = normal(t, n), *y = blank(t, n), *yr = blank(t, n), scale = coin(t) ? 1 : 30;
	vla_softmax_forward(t->pool, rows, c, scale, x, y);
	vla_softmax_ref(rows, c, scale, x, yr);
	result(t, y, yr, n, 1e-5);
}

static void test_attention(struct run *t)
{
	vla_attention_shape s = { .n = size(t, 5), .tq = size(t, 150), .heads = 1 + size(t, 3), .d = 1 + size(t, 60) };
	s.tk = coin(t) ? s.tq : s.tq + size(t, 40);
	s.causal = coin(t);
	uint32_t *lens = vla_arena_zalloc(t->arena, s.n, sizeof *lens);
	for (size_t i = 0; i < s.n; i++)
		lens[i] = (uint32_t)vla_rng_below(&t->rng, s.tk + 1);
	s.lens = coin(t) ? lens : NULL;
	size_t w = s.heads * s.d, nq = s.n * s.tq * w, nk = s.n * s.tk * w, probs = s.n * s.heads * s.tq * s.tk;
	float *q = normal(t, nq), *k = normal(t, nk), *v = normal(t, nk), *o = blank(t, nq), *r = blank(t, nq);
	vla_attention_ref(&s, q, k, v, r);
	vla_attention_forward(t->pool, &s, q, k, v, o, NULL, blank(t, vla_attention_ws(&s, vla_pool_size(t->pool))));
	result(t, o, r, nq, 2e-5);
	vla_attention_forward(t->pool, &s, q, k, v, o, blank(t, probs), NULL);
	result(t, o, r, nq, 2e-5);
}

static void test_rows(struct run *t)
{
	size_t v = 1 + size(t, 50), d = size(t, 200), n = size(t, 300);
	float *table = normal(t, v * d), *got = blank(t, n * d), *want = blank(t, n * d), *x = normal(t, n * d);
	float *sum = copy(t, table, v * d), *sumr = copy(t, table, v * d), *mean = blank(t, d), *meanr = blank(t, d);
	uint32_t *ids = vla_arena_zalloc(t->arena, n, sizeof *ids);
	for (size_t i = 0; i < n; i++)
		ids[i] = (uint32_t)vla_rng_below(&t->rng, v);
	for (size_t i = 0; i < n * d; i++) {
		want[i] = table[ids[i / d] * d + i % d];
		sumr[ids[i / d] * d + i % d] += x[i];
		meanr[i % d] += x[i] / (float)n;
	}
	vla_gather(t->pool, VLA_F32, d, table, ids, n, got);
	vla_scatter_add(t->pool, d, x, ids, n, sum);
	vla_mean_pool_forward(t->pool, 1, n, d, x, mean);
	result(t, got, want, n * d, 0);
	result(t, sum, sumr, v * d, 1e-6);
	result(t, mean, meanr, d, 2e-5);
}

static void test_convert(struct run *t)
{
	size_t n = size(t, 5000);
	float *x = normal(t, n), *got = blank(t, n), *want = blank(t, n), *back = blank(t, n);
	uint16_t *h = vla_arena_zalloc(t->arena, n, sizeof *h);
	for (size_t i = 0; i < n; i++)
		x[i] *= powf(10, (float)(i % 12) - 7); // into the subnormals of f16
	bool bf = coin(t);
	vla_from_f32(bf ? VLA_BF16 : VLA_F16, n, x, h);
	vla_to_f32(bf ? VLA_BF16 : VLA_F16, n, h, got);
	for (size_t i = 0; i < n; i++)
		want[i] = bf ? vla_bf16_to_f32(vla_f32_to_bf16(x[i])) : vla_f16_to_f32(vla_f32_to_f16(x[i]));
	result(t, got, want, n, 0);
	int8_t *q = vla_arena_zalloc(t->arena, n, 1);
	float scale = vla_f32_to_i8(n, x, q);
	vla_i8_to_f32(n, q, scale, back);
	result(t, back, x, n, 0.5001 / 127);
}

static void test_scores(struct run *t)
{
	size_t rows = size(t, 3000), dim = size(t, 300), nq = size(t, 30), n = rows * dim;
	float *x = normal(t, n), *q = normal(t, nq * dim), *y = blank(t, nq * rows), *yr = blank(t, nq * rows);
	static const vla_dtype types[] = { VLA_F32, VLA_F16, VLA_BF16, VLA_I8 };
	vla_dtype type = types[t->i % 4];
	void *data = vla_arena_zalloc(t->arena, n, 4);
	float *scales = blank(t, rows);
	for (size_t r = 0; r < rows && type == VLA_I8; r++) {
		scales[r] = vla_f32_to_i8(dim, x + r * dim, (int8_t *)data + r * dim);
		vla_i8_to_f32(dim, (int8_t *)data + r * dim, scales[r], x + r * dim);
	}
	if (type != VLA_I8) {
		vla_from_f32(type, n, x, data);
		vla_to_f32(type, n, data, x);
	}
	vla_scores(t->pool, data, type, scales, rows, dim, q, nq, y);
	if (dim)
		vla_scores_ref(x, rows, dim, q, nq, yr);
	result(t, y, yr, nq * rows, 2e-5);
}

static const struct kernel {
	const char *name;
	void (*run)(struct run *t);
} kernels[] = {
	{ "gemm", test_gemm },
	{ "gemm_tall", test_gemm_tall },
	{ "packed", test_packed },
	{ "conv2d", test_conv2d },
	{ "depthwise", test_depthwise },
	{ "act", test_act },
	{ "exp", test_exp },
	{ "batch_norm", test_batch_norm },
	{ "scale_shift", test_scale_shift },
	{ "colsum", test_colsum },
	{ "layer_norm", test_layer_norm },
	{ "softmax", test_softmax },
	{ "attention", test_attention },
	{ "rows", test_rows },
	{ "convert", test_convert },
	{ "scores", test_scores },
};

static void start(struct run *t, const struct kernel *k, unsigned i, vla_pool *pool)
{
	t->pool = pool;
	t->i = i;
	t->n_results = 0;
	vla_rng_seed(&t->rng, vla_hash64(k->name, strlen(k->name), 0), i);
	k->run(t);
}

static double worst(const struct result *r)
{
	double top = 1e-30, off = 0;
	for (size_t i = 0; i < r->n; i++)
		top = fmax(top, fabs((double)r->want[i]));
	for (size_t i = 0; i < r->n; i++) {
		double d = fabs((double)r->got[i] - r->want[i]) / top;
		off = d == d ? fmax(off, d) : INFINITY;
	}
	return r->tol == 3e-7 ? off * top : off; // relative errors are compared as they are
}

static void test_kernel(vla_arena *arena, const struct kernel *k, vla_pool *const *pools, size_t n_pools)
{
	bool right = true, same = true;
	for (unsigned i = 0; i < CASES; i++) {
		struct run t = { .arena = arena }, u = { .arena = arena };
		vla_arena_reset(arena);
		start(&t, k, i, NULL);
		for (size_t r = 0; r < t.n_results; r++) {
			double off = worst(&t.result[r]);
			if (!(off <= t.result[r].tol))
				note("%s, case %u, result %zu: off by %g", k->name, i, r, off);
			right &= off <= t.result[r].tol;
		}
		for (size_t p = 0; p < n_pools; p++) {
			start(&u, k, i, pools[p]);
			for (size_t r = 0; r < t.n_results; r++)
				if (t.result[r].n &&
				    memcmp(t.result[r].got, u.result[r].got, t.result[r].n * sizeof(float)) != 0) {
					note("%s, case %u, result %zu: pool of %u differs", k->name, i, r,
					     vla_pool_size(pools[p]));
					same = false;
				}
		}
	}
	ok(right, "%s: as its reference", k->name);
	ok(same, "%s: the same on pools of 1, 2 and 3", k->name);
}

static void test_int8(void)
{
	enum { M = 37, N = 65, K = 129 };
	static float A[M * K], W[N * K], C[M * N], D[M * N], b[N];
	vla_rng rng;
	vla_rng_seed(&rng, 3, 3);
	for (size_t i = 0; i < M * K; i++)
		A[i] = (float)vla_rng_normal(&rng);
	for (size_t i = 0; i < N * K; i++)
		W[i] = (float)vla_rng_normal(&rng);
	for (size_t i = 0; i < N; i++)
		b[i] = (float)vla_rng_normal(&rng);
	vla_gemm_bias_act(NULL, M, N, K, A, K, W, b, VLA_ACT_RELU, D, N);
	for (int c = VLA_COMPUTE_BF16; c <= VLA_COMPUTE_INT8; c++) {
		vla_err err = VLA_ERR_INIT;
		vla_packed *p;
		vla_status s = vla_packed_new((vla_compute)c, N, K, W, VLA_F32, &p, &err);
		const char *name = c == VLA_COMPUTE_BF16 ? "bf16" : "int8";
		if (s != VLA_OK) {
			ok(s == VLA_EUNSUPPORTED, "%s is refused as unsupported", name);
			skip("%s products: %s", name, err.msg);
			continue;
		}
		ok(vla_packed_gemm(p, NULL, M, A, K, b, VLA_ACT_RELU, C, N, &err) == VLA_OK, "%s product", name);
		double xy = 0, xx = 0, yy = 0;
		for (size_t i = 0; i < M * N; i++) {
			xy += (double)C[i] * D[i];
			xx += (double)C[i] * C[i];
			yy += (double)D[i] * D[i];
		}
		ok(xy / sqrt(xx * yy) > 0.999, "%s product: cosine %.6f with f32", name, xy / sqrt(xx * yy));
		vla_packed_free(p);
	}
}

int main(int argc, char **argv)
{
	vla_arena *arena = vla_arena_new((size_t)64 << 20);
	vla_pool *pools[2];
	vla_err err = VLA_ERR_INIT;
	if (!arena || vla_pool_new(2, &pools[0], &err) != VLA_OK || vla_pool_new(3, &pools[1], &err) != VLA_OK)
		return 1;
	for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
		if (argc < 2 || strcmp(argv[1], kernels[k].name) == 0)
			test_kernel(arena, &kernels[k], pools, 2);
	test_int8();
	vla_act act;
	ok(vla_act_parse("gelu_pytorch_tanh", &act, &err) == VLA_OK && act == VLA_ACT_GELU_TANH, "activation by name");
	ok(vla_act_parse("gelv", &act, &err) == VLA_EUNSUPPORTED && strstr(err.msg, "gelu"), "nearest name: %s",
	   err.msg);
	vla_pool_free(pools[0]);
	vla_pool_free(pools[1]);
	vla_arena_free(arena);
	return done();
}
