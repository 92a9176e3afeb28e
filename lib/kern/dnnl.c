/* Matrix products in bf16 and int8 through oneDNN 2 (its C interface; matmul primitives). Weights are reordered once
 * into the layout that the primitive for a tile of rows asks for. The pool's workers take tiles; oneDNN itself runs one
 * thread.
 *
 * int8: weights have one scale an output channel, activations one a row, found as the row is converted; products are
 * summed in 32-bit integers. */
#include "kern/dnnl.h"

#if defined(VLA_WITH_DNNL)
#include <dnnl.h>
#include <math.h>
#endif

#if defined(VLA_WITH_DNNL) && DNNL_VERSION_MAJOR == 2

#define TILE_ROWS 128 // rows of a tile; the last one, or a small product, is filled up with zeros
#define FEW_ROWS 16   // the same for products of few rows

struct kernel {
	size_t rows;
	dnnl_primitive_t matmul;
	dnnl_memory_desc_t src, dst;
	size_t scratch; // bytes
};

struct vla_dnnl {
	size_t N, K;
	vla_dtype dtype; // of the operands
	dnnl_engine_t engine;
	dnnl_memory_t weights;
	dnnl_memory_desc_t weights_desc;
	float *scales; // [N], int8
	struct kernel large, small;
};

// oneDNN's threads are OpenMP's; the number belongs to the calling thread. Weak: another runtime lacks the functions.
extern void omp_set_num_threads(int n) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));

static int one_thread(void)
{
	int was = omp_get_max_threads ? omp_get_max_threads() : 1;
	if (omp_set_num_threads && was != 1)
		omp_set_num_threads(1);
	return was;
}

static void threads_back(int was)
{
	if (omp_set_num_threads && was != 1)
		omp_set_num_threads(was);
}

bool vla_dnnl_fast_bf16(void)
{
	unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
	return (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

static vla_status failed(dnnl_status_t st, vla_err *err)
{
	if (st == dnnl_success)
		return VLA_OK;
	if (st == dnnl_out_of_memory)
		return vla_nomem(err);
	if (st == dnnl_unimplemented)
		return vla_fail(err, VLA_EUNSUPPORTED, "oneDNN has no such product for this processor");
	return vla_fail(err, VLA_EUNSUPPORTED, "oneDNN refuses a product (status %d)", (int)st);
}

static dnnl_data_type_t operand_type(vla_dtype t)
{
	return t == VLA_I8 ? dnnl_s8 : dnnl_bf16;
}

// The primitive for tiles of this many rows. The first one chooses the weights' layout.
static dnnl_status_t make_kernel(vla_dnnl *d, size_t rows, bool first, struct kernel *k)
{
	dnnl_dim_t m = (dnnl_dim_t)rows, N = (dnnl_dim_t)d->N, K = (dnnl_dim_t)d->K;
	dnnl_dims_t dst = { m, N }, src = { m, K }, w = { K, N };
	dnnl_memory_desc_t any;
	dnnl_matmul_desc_t op;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	k->rows = rows;
	dnnl_status_t st = dnnl_memory_desc_init_by_tag(&k->src, 2, src, operand_type(d->dtype), dnnl_ab);
	if (st == dnnl_success)
		st = dnnl_memory_desc_init_by_tag(&k->dst, 2, dst, dnnl_f32, dnnl_ab);
	if (st == dnnl_success)
		st = dnnl_memory_desc_init_by_tag(&any, 2, w, operand_type(d->dtype), dnnl_format_tag_any);
	if (st == dnnl_success)
		st = dnnl_matmul_desc_init(&op, &k->src, first ? &any : &d->weights_desc, NULL, &k->dst);
	if (st == dnnl_success)
		st = dnnl_primitive_attr_create(&attr);
	if (st == dnnl_success)
		st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
	if (st == dnnl_success)
		st = dnnl_primitive_desc_create(&pd, &op, attr, d->engine, NULL);
	if (st == dnnl_success) {
		const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
		k->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
		if (first)
			d->weights_desc = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
		st = dnnl_primitive_create(&k->matmul, pd);
	}
	dnnl_primitive_desc_destroy(pd);
	dnnl_primitive_attr_destroy(attr);
	return st;
}

static dnnl_status_t run(const vla_dnnl *d, dnnl_primitive_t p, const dnnl_exec_arg_t *args, int n)
{
	dnnl_stream_t stream = NULL;
	dnnl_status_t st = dnnl_stream_create(&stream, d->engine, dnnl_stream_default_flags);
	if (st == dnnl_success)
		st = dnnl_primitive_execute(p, stream, n, args);
	if (st == dnnl_success)
		st = dnnl_stream_wait(stream);
	dnnl_stream_destroy(stream);
	return st;
}

// plain: [N, K] in the operands' type.
static dnnl_status_t reorder_weights(vla_dnnl *d, void *plain)
{
	dnnl_dims_t w = { (dnnl_dim_t)d->K, (dnnl_dim_t)d->N };
	dnnl_memory_desc_t from;
	dnnl_memory_t mem = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_t p = NULL;
	dnnl_status_t st = dnnl_memory_desc_init_by_tag(&from, 2, w, operand_type(d->dtype), dnnl_ba);
	if (st == dnnl_success)
		st = dnnl_memory_create(&mem, &from, d->engine, plain);
	if (st == dnnl_success)
		st = dnnl_memory_create(&d->weights, &d->weights_desc, d->engine, DNNL_MEMORY_ALLOCATE);
	if (st == dnnl_success)
		st = dnnl_reorder_primitive_desc_create(&pd, &from, d->engine, &d->weights_desc, d->engine, NULL);
	if (st == dnnl_success)
		st = dnnl_primitive_create(&p, pd);
	if (st == dnnl_success)
		st = run(d, p, (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, mem }, { DNNL_ARG_TO, d->weights } }, 2);
	dnnl_primitive_destroy(p);
	dnnl_primitive_desc_destroy(pd);
	dnnl_memory_destroy(mem);
	return st;
}

// Without 8-bit dot products in hardware oneDNN adds pairs of products in 16 bits, which holds weights of up to 63.
static float weight_limit(void)
{
	unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
	bool vnni = (isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni ||
		    (isa & dnnl_cpu_isa_avx2_vnni) == dnnl_cpu_isa_avx2_vnni;
	return vnni ? 127 : 63;
}

static void quantise_weights(vla_dnnl *d, const float *W, int8_t *out)
{
	float limit = weight_limit();
	for (size_t i = 0; i < d->N; i++) {
		const float *w = W + i * d->K;
		float top = 0;
		for (size_t k = 0; k < d->K; k++)
			top = fabsf(w[k]) > top ? fabsf(w[k]) : top;
		d->scales[i] = top / limit;
		for (size_t k = 0; k < d->K; k++)
			out[i * d->K + k] = (int8_t)(top > 0 ? lrintf(w[k] / top * limit) : 0);
	}
}

// n rows of K floats to the operands' type; their scales for int8.
static void convert(const vla_dnnl *d, size_t n, const float *x, size_t ld, void *out, float *scales)
{
	for (size_t i = 0; i < n; i++) {
		if (d->dtype == VLA_I8)
			scales[i] = vla_f32_to_i8(d->K, x + i * ld, (int8_t *)out + i * d->K);
		else
			vla_from_f32(VLA_BF16, d->K, x + i * ld, (uint16_t *)out + i * d->K);
	}
}

vla_status vla_dnnl_new(vla_compute compute, size_t N, size_t K, const float *W, vla_dnnl **out, vla_err *err)
{
	if (N == 0 || K == 0 || N > INT32_MAX || K > INT32_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "weights of %zu x %zu cannot be packed", N, K);
	vla_dnnl *d = calloc(1, sizeof *d);
	if (!d)
		return vla_nomem(err);
	d->N = N;
	d->K = K;
	d->dtype = compute == VLA_COMPUTE_INT8 ? VLA_I8 : VLA_BF16;
	void *plain = K > SIZE_MAX / N ? NULL : vla_alloc(N * K, vla_dtype_size(d->dtype));
	d->scales = vla_alloc(N, sizeof *d->scales);
	if (!plain || !d->scales) {
		free(plain);
		vla_dnnl_free(d);
		return vla_nomem(err);
	}
	if (d->dtype == VLA_I8)
		quantise_weights(d, W, plain);
	else
		vla_from_f32(VLA_BF16, N * K, W, plain);
	int threads = one_thread();
	dnnl_status_t st = dnnl_engine_create(&d->engine, dnnl_cpu, 0);
	if (st == dnnl_success)
		st = make_kernel(d, TILE_ROWS, true, &d->large);
	if (st == dnnl_success)
		st = reorder_weights(d, plain);
	// A layout that only suits large tiles leaves small products to the large kernel.
	if (st == dnnl_success && make_kernel(d, FEW_ROWS, false, &d->small) != dnnl_success)
		d->small.matmul = NULL;
	threads_back(threads);
	free(plain);
	if (st != dnnl_success) {
		vla_dnnl_free(d);
		return failed(st, err);
	}
	*out = d;
	return VLA_OK;
}

void vla_dnnl_free(vla_dnnl *d)
{
	if (!d)
		return;
	dnnl_primitive_destroy(d->large.matmul);
	dnnl_primitive_destroy(d->small.matmul);
	dnnl_memory_destroy(d->weights);
	dnnl_engine_destroy(d->engine);
	free(d->scales);
	free(d);
}

struct job {
	const vla_dnnl *d;
	const struct kernel *k;
	size_t M, lda, ldc;
	const float *A, *bias;
	vla_act act;
	float *C;
	char *ws; // [workers][bytes]
	size_t bytes, src_bytes, dst_bytes;
	dnnl_status_t *status; // [tiles]
};

// Sums to values, bias, activation, and to their place when they are not there yet.
static void finish(const struct job *j, size_t n, const float *sums, const float *scales, float *c)
{
	size_t N = j->d->N;
	for (size_t i = 0; i < n; i++) {
		const float *s = sums + i * N;
		float *y = c + i * j->ldc;
		if (j->d->dtype == VLA_I8)
			for (size_t o = 0; o < N; o++)
				y[o] = s[o] * (scales[i] * j->d->scales[o]);
		else if (y != s)
			memcpy(y, s, N * sizeof *y);
	}
	vla_bias_act(n, N, j->bias, j->act, c, j->ldc);
}

static dnnl_status_t one_tile(const struct job *j, size_t at, char *ws)
{
	const vla_dnnl *d = j->d;
	const struct kernel *k = j->k;
	size_t n = j->M - at < k->rows ? j->M - at : k->rows, row = d->K * vla_dtype_size(d->dtype);
	float *c = j->C + at * j->ldc, *scales = (float *)(void *)(ws + j->src_bytes);
	bool direct = n == k->rows && j->ldc == d->N;
	float *sums = direct ? c : (float *)(void *)(ws + j->src_bytes + k->rows * sizeof *scales);
	char *scratch = ws + j->bytes - (k->scratch + 63) / 64 * 64;
	dnnl_memory_t src = NULL, dst = NULL, pad = NULL;
	convert(d, n, j->A + at * j->lda, j->lda, ws, scales);
	memset(ws + n * row, 0, (k->rows - n) * row);
	dnnl_dims_t len = { (dnnl_dim_t)k->scratch };
	dnnl_memory_desc_t pad_desc;
	dnnl_status_t st = dnnl_memory_desc_init_by_tag(&pad_desc, 1, len, dnnl_u8, dnnl_a);
	if (st == dnnl_success)
		st = dnnl_memory_create(&pad, &pad_desc, d->engine, scratch);
	if (st == dnnl_success)
		st = dnnl_memory_create(&src, &k->src, d->engine, ws);
	if (st == dnnl_success)
		st = dnnl_memory_create(&dst, &k->dst, d->engine, sums);
	if (st == dnnl_success)
		st = run(d, k->matmul,
			 (dnnl_exec_arg_t[]){ { DNNL_ARG_SRC, src },
					      { DNNL_ARG_WEIGHTS, d->weights },
					      { DNNL_ARG_DST, dst },
					      { DNNL_ARG_SCRATCHPAD, pad } },
			 4);
	dnnl_memory_destroy(src);
	dnnl_memory_destroy(dst);
	dnnl_memory_destroy(pad);
	if (st == dnnl_success)
		finish(j, n, sums, scales, c);
	return st;
}

static void tiles(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	int threads = one_thread();
	for (size_t i = begin; i < end; i++)
		j->status[i] = one_tile(j, i * j->k->rows, j->ws + worker * j->bytes);
	threads_back(threads);
}

vla_status vla_dnnl_gemm(const vla_dnnl *d, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
			 vla_act act, float *C, size_t ldc, vla_err *err)
{
	const struct kernel *k = d->small.matmul && M < TILE_ROWS ? &d->small : &d->large;
	size_t n = (M + k->rows - 1) / k->rows;
	struct job j = { .d = d, .k = k, .M = M, .lda = lda, .ldc = ldc, .A = A, .bias = bias, .act = act, .C = C };
	j.src_bytes = (k->rows * d->K * vla_dtype_size(d->dtype) + 63) / 64 * 64;
	j.dst_bytes = (k->rows * d->N * sizeof(float) + 63) / 64 * 64;
	j.bytes = j.src_bytes + k->rows * sizeof(float) + j.dst_bytes + (k->scratch + 63) / 64 * 64;
	j.ws = vla_alloc(vla_pool_size(pool), j.bytes);
	j.status = vla_alloc(n, sizeof *j.status);
	dnnl_status_t st = j.ws && j.status ? dnnl_success : dnnl_out_of_memory;
	if (st == dnnl_success)
		vla_parallel(pool, n, 1, tiles, &j);
	for (size_t i = 0; i < n && st == dnnl_success; i++)
		st = j.status[i];
	free(j.ws);
	free(j.status);
	return failed(st, err);
}

#else

bool vla_dnnl_fast_bf16(void)
{
	return false;
}

vla_status vla_dnnl_new(vla_compute compute, size_t N, size_t K, const float *W, vla_dnnl **out, vla_err *err)
{
	(void)N, (void)K, (void)W, (void)out;
	return vla_fail(err, VLA_EUNSUPPORTED, "--compute %s needs oneDNN 2, which this build lacks",
			compute == VLA_COMPUTE_INT8 ? "int8" : "bf16");
}

void vla_dnnl_free(vla_dnnl *d)
{
	(void)d;
}

vla_status vla_dnnl_gemm(const vla_dnnl *d, vla_pool *pool, size_t M, const float *A, size_t lda, const float *bias,
			 vla_act act, float *C, size_t ldc, vla_err *err)
{
	(void)d, (void)pool, (void)M, (void)A, (void)lda, (void)bias, (void)act, (void)C, (void)ldc;
	return vla_fail(err, VLA_EUNSUPPORTED, "this build lacks oneDNN 2");
}

#endif
